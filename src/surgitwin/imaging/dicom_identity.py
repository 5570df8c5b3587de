"""Patient, study and image identity from a DICOM header: what is shown, and what later objects must repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydicom.dataset import Dataset

from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.imaging.dicom_frames import Plane
from surgitwin.imaging.dicom_object import DicomObject
from surgitwin.imaging.dicom_values import (
    as_number,
    iso_date,
    iso_time,
    items,
    number,
    seconds_of_day,
    text,
    value,
)
from surgitwin.imaging.phase import guess_phase

# Patient, study, frame of reference and equipment modules (PS3.3 C.7.1 to C.7.5): SEG, RTSTRUCT and SR written later
# repeat them; then what describes the acquisition, for the report.
_REPEATED = """
    PatientName PatientID IssuerOfPatientID TypeOfPatientID PatientBirthDate PatientBirthTime PatientSex
    OtherPatientIDs EthnicGroup PatientComments PatientSpeciesDescription PatientIdentityRemoved
    DeidentificationMethod ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialSubjectID StudyInstanceUID
    StudyDate StudyTime StudyID AccessionNumber ReferringPhysicianName StudyDescription PhysiciansOfRecord
    NameOfPhysiciansReadingStudy ProcedureCodeSequence PatientAge PatientSize PatientWeight AdditionalPatientHistory
    PregnancyStatus SeriesNumber SeriesDate SeriesTime SeriesDescription ProtocolName Laterality BodyPartExamined
    PatientPosition FrameOfReferenceUID PositionReferenceIndicator Manufacturer ManufacturerModelName
    InstitutionName InstitutionAddress InstitutionalDepartmentName StationName DeviceSerialNumber SoftwareVersions
    GantryID SpatialResolution PixelPaddingValue ImageType AcquisitionDate AcquisitionTime AcquisitionDateTime KVP
    SliceThickness ConvolutionKernel GantryDetectorTilt RescaleType ContrastBolusAgent ContrastBolusStartTime
    ContrastBolusVolume ScanningSequence SequenceVariant EchoTime RepetitionTime FlipAngle MagneticFieldStrength
""".split()  # noqa: SIM905 (a list of seventy quoted words reads worse)


def patient_of(header: Dataset) -> PatientIdentity:
    """The patient; height in cm and weight in kg as the header suggests them, implausible ones left out."""
    height, weight = number(header, "PatientSize"), number(header, "PatientWeight")
    if height is not None and height > 3:
        height /= 100.0  # written in cm although the standard says m
    return PatientIdentity(
        patient_id=text(header, "PatientID"),
        name=text(header, "PatientName"),
        birth_date=iso_date(text(header, "PatientBirthDate")),
        sex=text(header, "PatientSex").upper(),
        height_cm=round(height * 100, 1) if height is not None and 0.2 < height < 2.6 else None,
        weight_kg=weight if weight is not None and 0.3 < weight < 400 else None,
    )


def contrast_of(header: Dataset) -> str:
    """The contrast agent as the header names it; empty if none is named."""
    plain = text(header, "ContrastBolusAgent")
    coded = [text(item, "CodeMeaning") for item in items(header, "ContrastBolusAgentSequence")]
    return plain or ", ".join(part for part in coded if part)


def acquisition_start(planes: Iterable[Plane]) -> float | None:
    """When the first of these slices was acquired, in seconds since midnight: volumes of one series differ in it."""
    times = [plane.marks.get("acquisition_time") for plane in planes]
    known = [time for time in times if isinstance(time, float)]
    return min(known) if known else None


def acquisition_time_of(header: Dataset, start: float | None = None) -> str:
    """``HH:MM:SS`` of the acquisition (``start``, where it is known), else of the content or the series."""
    if start is not None:
        return f"{int(start) // 3600:02d}:{int(start) // 60 % 60:02d}:{int(start) % 60:02d}"
    stamp = text(header, "AcquisitionDateTime")
    for stored in (text(header, "AcquisitionTime"), stamp[8:], text(header, "ContentTime"), text(header, "SeriesTime")):
        if iso_time(stored):
            return iso_time(stored)
    return ""


def study_date_of(header: Dataset) -> str:
    for keyword in ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate", "AcquisitionDateTime"):
        found = iso_date(text(header, keyword))
        if found:
            return found
    return ""


def phase_of(header: Dataset, start: float | None = None) -> str:
    """The guessed contrast phase of images acquired from ``start`` on (seconds since midnight)."""
    injected = seconds_of_day(text(header, "ContrastBolusStartTime"))
    stamp = text(header, "AcquisitionTime") or text(header, "AcquisitionDateTime")
    image = start if start is not None else seconds_of_day(stamp)
    words = [text(header, name) for name in ("SeriesDescription", "ProtocolName", "ImageComments")]
    delay = image - injected if injected is not None and image is not None else None
    return guess_phase(" | ".join(words), contrast_of(header), delay)


def identity_of(source: DicomObject, header: Dataset, planes: Sequence[Plane], resampled: bool) -> ImageIdentity:
    """The image's identity.

    Parameters
    ----------
    planes
        In the order of the volume's slices.
    resampled
        True if the slices of the volume are not those of the files: then those become its sources.
    """
    uids = tuple(plane.source.sop_uid for plane in planes)
    named = all(uids)
    start = acquisition_start(planes)
    multi = any(plane.source.frames > 1 for plane in planes)
    return ImageIdentity(
        modality=source.modality,
        study_uid=source.study_uid,
        series_uid=source.series_uid,
        frame_of_reference_uid=source.frame_of_reference,
        sop_class_uid=source.sop_class,
        sop_instance_uids=uids if named and not resampled else (),
        source_sop_instance_uids=uids if named and resampled else (),
        frame_numbers=tuple(plane.frame + 1 for plane in planes) if multi and not resampled else (),
        study_description=text(header, "StudyDescription"),
        series_description=text(header, "SeriesDescription"),
        study_date=study_date_of(header),
        acquisition_time=acquisition_time_of(header, start),
        contrast=contrast_of(header),
        phase=phase_of(header, start),
        header=repeated_fields(header),
    )


def repeated_fields(header: Dataset) -> dict[str, Any]:
    """The fields that later objects repeat, by DICOM keyword; JSON values only."""
    found = {}
    for keyword in _REPEATED:
        stored = as_json(value(header, keyword))
        if stored not in (None, "", []):
            found[keyword] = stored
    return found


def as_json(stored: Any) -> Any:
    """A DICOM value as JSON: numbers, text, lists, and sequences as lists of objects."""
    if stored is None or isinstance(stored, bytes):
        return None
    if isinstance(stored, Dataset):
        parts = {element.keyword: as_json(element.value) for element in stored if element.keyword}
        return {name: part for name, part in parts.items() if part is not None}
    if isinstance(stored, str):
        return stored.strip()
    if isinstance(stored, (int, float)):
        return int(stored) if isinstance(stored, int) else as_number(stored)
    if hasattr(stored, "__iter__") and not hasattr(stored, "alphabetic"):
        return [as_json(part) for part in stored]
    return str(stored).strip()
