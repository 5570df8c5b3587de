"""Do new images belong to the patient, and lie in the space, of those that a case holds already?"""

from __future__ import annotations

from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr


def check_same_patient(
    existing: tuple[PatientIdentity, ImageIdentity], new: tuple[PatientIdentity, ImageIdentity]
) -> list[Notice]:
    """What speaks against putting ``new`` images beside the ``existing`` ones.

    Only what both name is compared: images that name no patient (NIfTI, anonymised DICOM) cannot contradict. The
    messages hold no identifier, so they may be logged.

    Returns
    -------
    Notices with the codes ``different-patient-id``, ``different-birth-date`` and ``different-frame-of-reference``;
    empty if nothing differs.
    """
    (patient, image), (other_patient, other_image) = existing, new
    found = []
    if _differ(patient.patient_id, other_patient.patient_id):
        message = tr("The images carry another Patient ID than those of this case.")
        found.append(Notice("different-patient-id", message))
    if _differ(patient.birth_date, other_patient.birth_date):
        message = tr("The images carry another birth date than those of this case.")
        found.append(Notice("different-birth-date", message))
    if _differ(image.frame_of_reference_uid, other_image.frame_of_reference_uid):
        message = tr(
            "The images have another frame of reference than those of this case: positions cannot be compared until "
            "they are registered."
        )
        found.append(Notice("different-frame-of-reference", message))
    return found


def _differ(one: str, other: str) -> bool:
    return bool(one.strip() and other.strip()) and one.strip().casefold() != other.strip().casefold()
