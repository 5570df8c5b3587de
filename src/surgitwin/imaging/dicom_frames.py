"""The planes of a DICOM object: position, orientation, spacing and scaling of every slice it holds.

Three kinds of object become planes: one slice per file; enhanced multi-frame objects, whose slices are described by
their functional groups (PS3.3 C.7.6.16); and Siemens mosaics, whose slices are tiles of one large picture described by
Siemens' private header.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from surgitwin.core.text import tr
from surgitwin.imaging.dicom_object import DicomObject, UnreadableFile, image_type
from surgitwin.imaging.dicom_values import (
    MALFORMED,
    first_item,
    integer,
    items,
    number,
    numbers,
    private_bytes,
    private_number,
    seconds_of_day,
    text,
)
from surgitwin.imaging.siemens_csa import MosaicFacts, mosaic_facts

Vector = tuple[float, float, float]


@dataclass(slots=True)
class Plane:
    """One slice.

    Attributes
    ----------
    frame
        Zero-based frame in its object.
    position
        LPS millimetres of the centre of its first pixel; None if the header does not say.
    orientation
        Direction of a row, then of a column (unit vectors, LPS); None if the header does not say.
    spacing
        Distance of two pixels along j (rows) and i (columns), in mm, as Pixel Spacing has it; None if not given.
    step
        Distance to the next slice as the header claims it; used for a lone slice only.
    location
        Slice Location, for objects without a position.
    marks
        What may tell two slices at one position apart: echo time, b-value, time point ...
    tile
        Row and column of its first pixel in a mosaic.
    """

    source: DicomObject
    frame: int
    rows: int
    columns: int
    position: Vector | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    step: float | None
    location: float | None
    slope: float
    intercept: float
    instance: int
    localizer: bool
    stack_id: str
    marks: dict[str, Hashable] = field(default_factory=dict)
    tile: tuple[int, int] | None = None


def planes_of(source: DicomObject, header: Dataset) -> list[Plane]:
    """Every plane in an object, in the order of its frames.

    Raises
    ------
    UnreadableFile
        If the object says that it holds several slices but not where they are.
    """
    kinds = image_type(header)
    if "MOSAIC" in kinds:
        return _mosaic_planes(source, header)
    if items(header, "PerFrameFunctionalGroupsSequence") or items(header, "SharedFunctionalGroupsSequence"):
        return _enhanced_planes(source, header)
    if source.frames > 1:
        raise UnreadableFile(tr("its {n} frames have no position each").format(n=source.frames))
    return [_classic_plane(source, header)]


def _classic_plane(source: DicomObject, header: Dataset) -> Plane:
    return Plane(
        source=source,
        frame=0,
        rows=source.rows,
        columns=source.columns,
        position=cast("Vector | None", numbers(header, "ImagePositionPatient", 3)),
        orientation=numbers(header, "ImageOrientationPatient", 6),
        spacing=numbers(header, "PixelSpacing", 2),
        step=number(header, "SpacingBetweenSlices") or number(header, "SliceThickness"),
        location=number(header, "SliceLocation"),
        slope=_slope(number(header, "RescaleSlope")),
        intercept=number(header, "RescaleIntercept") or 0.0,
        instance=integer(header, "InstanceNumber") or 0,
        localizer="LOCALIZER" in image_type(header)[2:3],
        stack_id=text(header, "StackID"),
        marks=_classic_marks(header),
    )


def _slope(stored: float | None) -> float:
    # A slope of zero would erase the image; it is what some writers put for "none".
    return stored if stored else 1.0


def _classic_marks(header: Dataset) -> dict[str, Hashable]:
    marks: dict[str, Hashable] = {
        "image_type": "\\".join(image_type(header)),
        "echo_time": number(header, "EchoTime"),
        "echo_number": integer(header, "EchoNumbers"),
        "b_value": _b_value(header),
        "gradient": _gradient(header),
        "inversion_time": number(header, "InversionTime"),
        "flip_angle": number(header, "FlipAngle"),
        "temporal_position": integer(header, "TemporalPositionIdentifier"),
        "cardiac_percent": number(header, "NominalPercentageOfCardiacPhase"),
        "trigger_time": number(header, "TriggerTime"),
        "kernel": text(header, "ConvolutionKernel") or None,
        "kvp": number(header, "KVP"),
        "acquisition_number": integer(header, "AcquisitionNumber"),
        "acquisition_time": _acquisition_seconds(header),
        "content_time": seconds_of_day(text(header, "ContentTime")),
    }
    return {name: mark for name, mark in marks.items() if mark is not None}


def _acquisition_seconds(header: Dataset) -> float | None:
    return seconds_of_day(text(header, "AcquisitionTime") or text(header, "AcquisitionDateTime"))


def _b_value(header: Dataset) -> float | None:
    """Diffusion weighting in s/mm2: the standard element, else the private one of Siemens, Philips or GE."""
    standard = number(header, "DiffusionBValue")
    if standard is not None:
        return standard
    maker = text(header, "Manufacturer").upper()
    if "SIEMENS" in maker:
        return private_number(header, 0x0019, 0x100C)
    if "PHILIPS" in maker:
        return private_number(header, 0x2001, 0x1003)
    if maker.startswith("GE"):
        # Newer software adds 1e9 to the value.
        found = private_number(header, 0x0043, 0x1039)
        return None if found is None else found % 1_000_000_000
    return None


def _gradient(header: Dataset) -> tuple[float, ...] | None:
    standard = numbers(header, "DiffusionGradientOrientation", 3)
    if standard is not None:
        return standard
    if text(header, "Manufacturer").upper().startswith("GE"):
        found = [private_number(header, 0x0019, element) for element in (0x10BB, 0x10BC, 0x10BD)]
        if None not in found:
            return tuple(cast("list[float]", found))
    return None


def _enhanced_planes(source: DicomObject, header: Dataset) -> list[Plane]:
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    frames = items(header, "PerFrameFunctionalGroupsSequence") or [Dataset()]
    if len(frames) != source.frames:
        raise UnreadableFile(
            tr("it describes {found} frames but holds {stored}").format(found=len(frames), stored=source.frames)
        )
    return [_enhanced_plane(source, header, shared, frame, index) for index, frame in enumerate(frames)]


def _enhanced_plane(source: DicomObject, header: Dataset, shared: Dataset | None, frame: Dataset, index: int) -> Plane:
    def group(keyword: str) -> Dataset:
        """A functional group: the frame's own, else the shared one."""
        return first_item(frame, keyword) or first_item(shared, keyword) or Dataset()

    measures = group("PixelMeasuresSequence")
    values = group("PixelValueTransformationSequence")
    content = group("FrameContentSequence")
    kinds = image_type(group("MRImageFrameTypeSequence")) or image_type(group("CTImageFrameTypeSequence"))
    slope, intercept = number(values, "RescaleSlope"), number(values, "RescaleIntercept")
    return Plane(
        source=source,
        frame=index,
        rows=source.rows,
        columns=source.columns,
        position=cast("Vector | None", numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3)),
        orientation=numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        spacing=numbers(measures, "PixelSpacing", 2),
        step=number(measures, "SpacingBetweenSlices")
        or number(header, "SpacingBetweenSlices")
        or number(measures, "SliceThickness"),
        location=None,
        slope=_slope(slope if slope is not None else number(header, "RescaleSlope")),
        intercept=(intercept if intercept is not None else number(header, "RescaleIntercept")) or 0.0,
        # Frames of several objects of one series keep the order of their objects.
        instance=(integer(header, "InstanceNumber") or 0) * 100_000 + index,
        localizer="LOCALIZER" in (kinds or image_type(header))[2:3],
        stack_id=text(content, "StackID"),
        marks=_enhanced_marks(header, group, content, kinds),
    )


def _enhanced_marks(header: Dataset, group: Any, content: Dataset, kinds: tuple[str, ...]) -> dict[str, Hashable]:
    diffusion = group("MRDiffusionSequence")
    direction = first_item(diffusion, "DiffusionGradientDirectionSequence") or Dataset()
    cardiac = group("CardiacSynchronizationSequence")
    frame_type = group("MRImageFrameTypeSequence")
    marks: dict[str, Hashable] = {
        "image_type": "\\".join(kinds or image_type(header)),
        "component": text(frame_type, "ComplexImageComponent") or None,
        "echo_time": number(group("MREchoSequence"), "EffectiveEchoTime"),
        "b_value": number(diffusion, "DiffusionBValue"),
        "gradient": numbers(direction, "DiffusionGradientOrientation", 3),
        "inversion_time": _first_inversion_time(group),
        "flip_angle": number(group("MRTimingAndRelatedParametersSequence"), "FlipAngle"),
        "temporal_position": integer(content, "TemporalPositionIndex"),
        "cardiac_percent": number(cardiac, "NominalPercentageOfCardiacPhase"),
        "trigger_time": number(cardiac, "NominalCardiacTriggerDelayTime"),
        "kernel": text(group("CTReconstructionSequence"), "ConvolutionKernel") or None,
        "kvp": number(group("CTXRayDetailsSequence"), "KVP"),
        "acquisition_number": integer(content, "FrameAcquisitionNumber"),
        "acquisition_time": seconds_of_day(text(content, "FrameAcquisitionDateTime")),
    }
    return {name: mark for name, mark in marks.items() if mark is not None}


def _first_inversion_time(group: Any) -> float | None:
    stored = group("MRModifierSequence").get("InversionTimes")
    try:
        return None if stored is None else float(np.atleast_1d(np.asarray(stored, dtype=np.float64))[0])
    except MALFORMED:
        return None


def _mosaic_planes(source: DicomObject, header: Dataset) -> list[Plane]:
    """The tiles of a Siemens mosaic.

    The picture's position is that of a plane as large as the whole mosaic around the first tile's slice, so that
    slice's own position lies half the difference further in.
    """
    whole = _classic_plane(source, header)
    facts = mosaic_facts(private_bytes(header, 0x0029, 0x1010), private_bytes(header, 0x0029, 0x1020))
    count = facts.count or round(private_number(header, 0x0019, 0x100A) or 0)
    step = number(header, "SpacingBetweenSlices") or facts.step_mm
    if count < 1 or not step or whole.position is None or whole.orientation is None or whole.spacing is None:
        raise UnreadableFile(tr("it is a Siemens mosaic without the private header that says where its slices are"))
    across = math.ceil(math.sqrt(count))
    rows, columns = source.rows // across, source.columns // across
    row, column = np.array(whole.orientation[:3]), np.array(whole.orientation[3:])
    spacing_j, spacing_i = whole.spacing
    first = (
        np.array(whole.position)
        + row * spacing_i * (source.columns - columns) / 2
        + column * spacing_j * (source.rows - rows) / 2
    )
    centre = first + row * spacing_i * (columns - 1) / 2 + column * spacing_j * (rows - 1) / 2
    along = np.cross(row, column) * _mosaic_direction(facts, np.cross(row, column), centre, step)
    planes = []
    for index in range(count):
        x, y, z = (float(v) for v in first + along * step * index)
        tile = (index // across * rows, index % across * columns)
        planes.append(replace(whole, rows=rows, columns=columns, position=(x, y, z), step=step, tile=tile))
    return planes


def _mosaic_direction(facts: MosaicFacts, normal: NDArray[np.float64], centre: NDArray[np.float64], step: float) -> int:
    """1 if the tiles follow the normal of the picture, -1 if they run against it.

    Without the image header's own normal, the first tile is found among the ends of the scan protocol's slices:
    numbering may start at either.
    """
    if facts.normal is not None:
        return 1 if float(np.dot(facts.normal, normal)) >= 0 else -1
    if facts.ends_mm is None:
        return 1
    start, end = (float(np.dot(np.array(point) - centre, normal)) for point in facts.ends_mm)
    if min(abs(start), abs(end)) > step:
        raise UnreadableFile(tr("its position and the slice positions of its scan protocol contradict each other"))
    far = end if abs(start) <= abs(end) else start
    return 1 if far >= 0 else -1
