"""DICOM series made for tests: every defect and oddity on demand, with voxels that tell where they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
# A rotation about no body axis, orthonormal to machine precision.
OBLIQUE = (2 / 3, 2 / 3, -1 / 3, -2 / 3, 1 / 3, -2 / 3)

Edit = Callable[[Dataset, int], None]


def ramp(shape: Sequence[int] = (6, 7, 5), seed: int = 3) -> NDArray[np.int16]:
    """Distinct values in the range of CT, so that a swapped or flipped axis cannot go unnoticed."""
    values = np.random.default_rng(seed).permutation(int(np.prod(shape))) - 1000
    return values.reshape(shape).astype(np.int16)


def normal_of(orientation: Sequence[float]) -> NDArray[np.float64]:
    return np.cross(np.array(orientation[:3]), np.array(orientation[3:]))


def write_series(
    folder: Path,
    voxels: NDArray[Any],
    *,
    orientation: Sequence[float] = AXIAL,
    spacing_ij: tuple[float, float] = (0.7, 0.9),
    step: float = 2.5,
    origin: Sequence[float] = (-31.0, 17.0, 102.0),
    positions: Sequence[Sequence[float]] | None = None,
    edit: Edit | None = None,
    syntax: str = ExplicitVRLittleEndian,
    modality: str = "CT",
    series_uid: str | None = None,
    study_uid: str | None = None,
    start: int = 0,
) -> list[Path]:
    """Write one file per slice of ``voxels`` ([k, j, i], HU), under names and instance numbers that say nothing.

    Parameters
    ----------
    positions
        Of each slice; by default along the normal from ``origin``.
    edit
        Called with each dataset and k before it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid, study_uid = series_uid or generate_uid(), study_uid or generate_uid()
    frame_uid = generate_uid(entropy_srcs=[study_uid])
    if positions is None:
        positions = [np.array(origin) + normal_of(orientation) * step * k for k in range(len(voxels))]
    written = []
    shuffled = np.random.default_rng(11).permutation(len(voxels))
    for k, plane in enumerate(voxels):
        dataset = slice_dataset(plane, positions[k], orientation, spacing_ij, modality=modality)
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series_uid, study_uid
        dataset.FrameOfReferenceUID = frame_uid
        dataset.InstanceNumber = int(shuffled[k]) + 1 + start
        if edit is not None:
            edit(dataset, k)
        written.append(save(dataset, folder / f"im{int(shuffled[k]) + start:04d}.dcm", syntax))
    return written


def slice_dataset(
    plane: NDArray[Any],
    position: Sequence[float],
    orientation: Sequence[float],
    spacing_ij: tuple[float, float],
    modality: str = "CT",
) -> Dataset:
    """A CT or MR slice; CT is stored unsigned with an intercept of -1024."""
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = modality
    dataset.PatientName, dataset.PatientID = "Test^Person", "ID-1"
    dataset.PatientBirthDate, dataset.PatientSex = "19500131", "F"
    dataset.StudyDate, dataset.AcquisitionTime = "20240229", "101112.5"
    dataset.SeriesDescription = "Abdomen"
    dataset.Manufacturer = "Nobody"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SliceThickness = 9.0  # deliberately not the spacing
    dataset.ImagePositionPatient = [float(v) for v in position]
    dataset.ImageOrientationPatient = [float(v) for v in orientation]
    dataset.PixelSpacing = [spacing_ij[1], spacing_ij[0]]
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    set_pixels(dataset, plane + 1024 if modality == "CT" else plane)
    if modality == "CT":
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    return dataset


def set_pixels(dataset: Dataset, stored: NDArray[Any], *, signed: bool = False, bits: int = 16) -> None:
    """Put ``stored`` numbers (16 bits each) into a dataset."""
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a file, compressing or turning the byte order as ``syntax`` asks."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    native = syntax in _NATIVE
    whole = FileDataset(
        str(path),
        dataset,
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == pydicom.uid.ImplicitVRLittleEndian,
        is_little_endian=syntax != pydicom.uid.ExplicitVRBigEndian,
    )
    if syntax == pydicom.uid.ExplicitVRBigEndian and "PixelData" in whole:
        whole.PixelData = np.frombuffer(whole.PixelData, "<u2").astype(">u2").tobytes()
        whole["PixelData"].VR = "OW"
    if not native:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        whole.compress(syntax, generate_instance_uid=False)
    whole.save_as(path, enforce_file_format=True)
    return path


_NATIVE = (
    pydicom.uid.ImplicitVRLittleEndian,
    pydicom.uid.ExplicitVRLittleEndian,
    pydicom.uid.ExplicitVRBigEndian,
    pydicom.uid.DeflatedExplicitVRLittleEndian,
)


def to_lossless_jpeg(path: Path) -> None:
    """Compress a file as scanners' archives do; pydicom itself cannot write this encoding."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()


def enhanced_dataset(
    voxels: NDArray[Any],
    *,
    orientation: Sequence[float] = AXIAL,
    spacing_ij: tuple[float, float] = (0.7, 0.9),
    step: float = 2.5,
    origin: Sequence[float] = (-31.0, 17.0, 102.0),
    rescale: Callable[[int], tuple[float, float]] = lambda _k: (1.0, -1024.0),
) -> Dataset:
    """One enhanced multi-frame CT object; ``voxels`` are stored numbers, frame k at ``origin + k * step``."""
    dataset = slice_dataset(voxels[0], origin, orientation, spacing_ij)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        del dataset[keyword]
    del dataset["RescaleIntercept"], dataset["SliceThickness"]
    dataset.SOPClassUID = EnhancedCTImageStorage
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.InstanceNumber = 1
    dataset.NumberOfFrames = len(voxels)
    set_pixels(dataset, voxels)
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[spacing_ij[1], spacing_ij[0]], SliceThickness=9.0)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=list(orientation))]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(len(voxels)):
        frame = Dataset()
        position = np.array(origin) + normal_of(orientation) * step * k
        frame.PlanePositionSequence = [_item(ImagePositionPatient=[float(v) for v in position])]
        slope, intercept = rescale(k)
        values = _item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")
        frame.PixelValueTransformationSequence = [values]
        frame.FrameContentSequence = [_item(StackID="1", InStackPositionNumber=k + 1)]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    return dataset


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, stored in values.items():
        setattr(item, keyword, stored)
    return item
