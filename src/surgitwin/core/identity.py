"""Who and what an image is: kept from the day it is read, because SEG, RTSTRUCT and SR must repeat it later."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PatientIdentity:
    """The patient as the images name them. Empty text means: not given. Never logged, never in a title or file name.

    Attributes
    ----------
    birth_date
        ISO date, ``1950-01-31``.
    height_cm, weight_kg
        As the DICOM header suggests them; a suggestion until a person confirms it.
    """

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""
    height_cm: float | None = None
    weight_kg: float | None = None


@dataclass(frozen=True)
class ImageIdentity:
    """Where one volume came from.

    Attributes
    ----------
    sop_instance_uids
        One for each slice k, in the order of the array; the same one repeated for a multi-frame object; empty for
        files that are not DICOM, or where slices were resampled (then `source_sop_instance_uids` lists the originals).
    frame_numbers
        One-based frame of each slice k in its SOP instance; empty for single-frame objects.
    study_date
        ISO date; ``acquisition_time`` is ``HH:MM:SS``.
    phase
        Guessed contrast phase: ``arterial``, ``portal venous``, ``delayed``, ``unenhanced`` or empty when unknown.
    contrast
        The agent as the header names it; empty if none is named.
    header
        The header fields that an object written later must repeat, keyed by DICOM keyword, JSON values only.
    """

    modality: str = ""
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uids: tuple[str, ...] = ()
    source_sop_instance_uids: tuple[str, ...] = ()
    frame_numbers: tuple[int, ...] = ()
    study_description: str = ""
    series_description: str = ""
    study_date: str = ""
    acquisition_time: str = ""
    contrast: str = ""
    phase: str = ""
    header: dict[str, Any] = field(default_factory=dict)
