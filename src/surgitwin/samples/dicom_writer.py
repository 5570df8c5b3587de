"""Write a volume as a CT series of DICOM files, one slice each, so that a sample starts where users start."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import FloatArray, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
RESCALE_INTERCEPT = -1024
_NAMESPACE = uuid.UUID("7a5b6a06-7e35-4ccd-9a0f-3d6d5f2f8a55")


@dataclass(frozen=True)
class SeriesHeader:
    """What the headers of a written series say.

    Attributes
    ----------
    name
        Every UID is derived from this text: the same name gives the same UIDs, another name gives others.
    study_date, study_time
        As DICOM writes them: ``20240131`` and ``101500``.
    contrast_agent
        Empty: no contrast tags at all (an unenhanced scan).
    injection_to_scan_s
        Seconds between the start of the bolus and the scan; used with a contrast agent only.
    derivation
        How the pixels were made from others, for a derived image; empty for an original.
    comment
        Image comments, empty for none.
    """

    name: str
    patient_id: str
    patient_name: str
    study_description: str
    series_description: str
    study_date: str
    study_time: str
    patient_sex: str = ""
    birth_date: str = ""
    body_part: str = "ABDOMEN"
    protocol: str = ""
    contrast_agent: str = ""
    injection_to_scan_s: float = 70.0
    kvp: str = ""
    derivation: str = ""
    comment: str = ""


@dataclass(frozen=True)
class WrittenSeries:
    """What was written: the files in the order of their instance numbers, and the UIDs they carry."""

    files: tuple[Path, ...]
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    sop_instance_uids: tuple[str, ...]


def uid_for(name: str, *parts: str | int) -> str:
    """A valid UID under 2.25 (ITU-T X.667, UUID-derived) that depends on nothing but its arguments."""
    key = "/".join([name, *(str(part) for part in parts)])
    return f"2.25.{uuid.uuid5(_NAMESPACE, key).int}"


def write_ct_series(
    folder: Path, volume: NDArray[Any], geometry: Geometry, header: SeriesHeader, ctx: Context
) -> WrittenSeries:
    """Write ``volume`` as one CT series: explicit VR little endian, 16 bits signed, one file for each slice k.

    Parameters
    ----------
    folder
        Made if it is missing; files are called ``IM0001.dcm`` and so on.
    volume
        Hounsfield units, shape [k, j, i] as ``geometry`` says. Values are rounded to whole units.
    geometry
        LPS millimetres. Oblique and left-handed grids are fine: slices are numbered along their normal. A sheared
        stack (k not along the normal) keeps its true positions; i and j must be perpendicular.
    header
        The texts, dates and the name that the UIDs come from.

    Raises
    ------
    BadInput
        If the shape does not fit the geometry, i and j are not perpendicular, or a value does not fit 16 bits.
    """
    _check_volume(volume, geometry)
    positions, order = _slice_positions(geometry)
    base = _common_dataset(geometry, header)
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    uids: list[str] = []
    for number, k in enumerate(order, start=1):
        if number % 16 == 1:
            ctx.progress((number - 1) / len(order), tr("Writing slice {n} of {all}").format(n=number, all=len(order)))
        uid = uid_for(header.name, "instance", number)
        _set_slice(base, number, uid, positions[k], geometry, _stored_slice(volume[k]))
        path = folder / f"IM{number:04d}.dcm"
        base.save_as(path, enforce_file_format=True)
        files.append(path)
        uids.append(uid)
    ctx.progress(1.0, tr("Slices written"))
    return WrittenSeries(
        tuple(files),
        str(base.StudyInstanceUID),
        str(base.SeriesInstanceUID),
        str(base.FrameOfReferenceUID),
        tuple(uids),
    )


def _check_volume(volume: NDArray[Any], geometry: Geometry) -> None:
    if volume.shape != geometry.shape_kji:
        raise BadInput(
            tr("The volume has {have} voxels along k, j, i, but its geometry says {want}.").format(
                have=volume.shape, want=geometry.shape_kji
            )
        )
    limits = np.iinfo(np.int16)
    lowest, highest = int(limits.min) + RESCALE_INTERCEPT, int(limits.max) + RESCALE_INTERCEPT
    low, high = float(volume.min()), float(volume.max())
    if not (low >= lowest and high <= highest):  # written so that "not a number" is refused too
        raise BadInput(
            tr(
                "A CT series holds Hounsfield units from {lowest} to {highest}; this volume has {low} to {high}."
            ).format(lowest=lowest, highest=highest, low=low, high=high)
        )


def _stored_slice(values: NDArray[Any]) -> NDArray[np.int16]:
    """One slice as it is stored, [j, i]: whole Hounsfield units minus the intercept."""
    whole = np.asarray(values if np.issubdtype(values.dtype, np.integer) else np.rint(values), dtype=np.int32)
    return (whole - RESCALE_INTERCEPT).astype("<i2")


def _slice_positions(geometry: Geometry) -> tuple[FloatArray, list[int]]:
    """LPS positions of each slice's first voxel, shape (k, 3), and the slices' order along the normal."""
    along_i, along_j = geometry.direction[:, 0], geometry.direction[:, 1]
    if abs(float(along_i @ along_j)) > 1e-4:
        raise BadInput(tr("A DICOM slice needs perpendicular rows and columns; the axes i and j of this grid are not."))
    count = geometry.size_ijk[2]
    index = np.zeros((count, 3))
    index[:, 2] = np.arange(count)
    order = list(range(count))
    return geometry.to_lps(index), order[::-1] if geometry.left_handed else order


def _common_dataset(geometry: Geometry, header: SeriesHeader) -> Dataset:
    """Everything that all slices share: the modules of the CT Image IOD (DICOM PS3.3, A.3)."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = UID(CT_IMAGE_STORAGE)
    data.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)
    data.file_meta.ImplementationClassUID = UID(uid_for("surgitwin", "implementation"))
    data.file_meta.ImplementationVersionName = "SURGITWIN"
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = CT_IMAGE_STORAGE
    data.Modality = "CT"
    _set_patient_and_study(data, header)
    _set_series(data, header)
    if header.contrast_agent:
        _set_contrast(data, header)
    _set_pixel_description(data, geometry)
    return data


def _set_patient_and_study(data: Dataset, header: SeriesHeader) -> None:
    data.PatientName = header.patient_name
    data.PatientID = header.patient_id
    data.PatientBirthDate = header.birth_date
    data.PatientSex = header.patient_sex
    data.StudyInstanceUID = uid_for(header.name, "study")
    data.StudyDate = header.study_date
    data.StudyTime = header.study_time
    data.StudyID = "1"
    data.StudyDescription = header.study_description
    data.AccessionNumber = ""
    data.ReferringPhysicianName = ""


def _set_series(data: Dataset, header: SeriesHeader) -> None:
    data.SeriesInstanceUID = uid_for(header.name, "series")
    data.FrameOfReferenceUID = uid_for(header.name, "frame")
    data.PositionReferenceIndicator = ""
    data.SeriesNumber = 1
    data.SeriesDescription = header.series_description
    data.ProtocolName = header.protocol or header.series_description
    data.BodyPartExamined = header.body_part
    data.PatientPosition = "HFS"
    data.Manufacturer = "Surgitwin"
    data.ManufacturerModelName = "Sample case writer"
    for keyword in ("SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(data, keyword, header.study_date)
    for keyword in ("SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(data, keyword, header.study_time)
    data.AcquisitionNumber = 1
    data.ImageType = ["DERIVED", "SECONDARY", "AXIAL"] if header.derivation else ["ORIGINAL", "PRIMARY", "AXIAL"]
    if header.derivation:
        data.DerivationDescription = header.derivation
    if header.comment:
        data.ImageComments = header.comment
    data.BurnedInAnnotation = "NO"
    data.LossyImageCompression = "00"
    data.KVP = header.kvp or None


def _set_contrast(data: Dataset, header: SeriesHeader) -> None:
    from datetime import datetime, timedelta

    scan = datetime.strptime(header.study_date + header.study_time[:6], "%Y%m%d%H%M%S")
    data.ContrastBolusAgent = header.contrast_agent
    data.ContrastBolusRoute = "IV"
    data.ContrastBolusStartTime = (scan - timedelta(seconds=header.injection_to_scan_s)).strftime("%H%M%S")


def _set_pixel_description(data: Dataset, geometry: Geometry) -> None:
    i, j, _ = geometry.size_ijk
    normal = np.cross(geometry.direction[:, 0], geometry.direction[:, 1])
    gap = abs(float(normal @ geometry.affine_lps[:3, 2]))
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = j, i
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.PixelSpacing = [_decimal(geometry.spacing_mm[1]), _decimal(geometry.spacing_mm[0])]
    data.SliceThickness = _decimal(gap)
    data.ImageOrientationPatient = [_decimal(v) for v in (*geometry.direction[:, 0], *geometry.direction[:, 1])]
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = RESCALE_INTERCEPT, 1, "HU"
    data.WindowCenter, data.WindowWidth = 60, 400


def _set_slice(
    data: Dataset, number: int, uid: str, position: FloatArray, geometry: Geometry, pixels: NDArray[np.int16]
) -> None:
    from pydicom.uid import UID

    normal = np.cross(geometry.direction[:, 0], geometry.direction[:, 1])
    data.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    data.SOPInstanceUID = uid
    data.InstanceNumber = number
    data.ImagePositionPatient = [_decimal(v) for v in position]
    data.SliceLocation = _decimal(float(position @ normal))
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW"


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters (VR DS) that is as near to ``value`` as those allow."""
    value = float(value) + 0.0  # no "-0"
    for digits in range(16, 5, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    return f"{value:.5e}"
