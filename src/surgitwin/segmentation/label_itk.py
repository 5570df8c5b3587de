"""Label maps in NRRD, with 3D Slicer's names, colours and layers, and in MetaImage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.segmentation.labelmaps import LabelKey, RawLabels
from surgitwin.segmentation.palette import Color

_PATIENT_SPACES = re.compile(r"^(left|right)-(posterior|anterior)-superior(-time)?$|^(LPS|RAS|LAS)T?$", re.IGNORECASE)


def read_itk_labels(path: Path) -> RawLabels:
    """Read an NRRD (one layer, or several in a fourth axis) or MetaImage file.

    Raises
    ------
    BadInput
        If the file is damaged, of another kind, or its grid is not 3D.
    """
    import SimpleITK

    reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
    reader.SetFileName(str(path))
    is_nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    reader.SetImageIO("NrrdImageIO" if is_nrrd else "MetaImageIO")
    header = _nrrd_header(path) if is_nrrd else _meta_header(path)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        message = tr("{file} is damaged or is not {kind} ({cause}).")
        kind = "NRRD" if is_nrrd else "MetaImage"
        raise BadInput(message.format(file=path.name, kind=kind, cause=_cause(error))) from None
    layers = _layers(
        SimpleITK.GetArrayFromImage(image), image.GetNumberOfComponentsPerPixel(), image.GetDimension(), path
    )
    geometry = _geometry(image, layers[0].shape, path)
    names, colors = _segments(_metadata(image))
    notices: list[Notice] = []
    side_known = not is_nrrd or bool(_PATIENT_SPACES.match(header.get("space", "")))
    if not side_known:
        message = tr("{file} does not name its space: which side is left is not known.")
        notices.append(Notice("unknown-side", message.format(file=path.name)))
    return RawLabels(geometry, layers, names, colors, notices, side_known)


def _metadata(image: Any) -> dict[str, str]:
    """The header's text fields; those that are not text (in a damaged header) are passed over."""
    fields: dict[str, str] = {}
    for key in image.GetMetaDataKeys():
        try:
            fields[key] = image.GetMetaData(key)
        except (TypeError, UnicodeError):
            continue
    return fields


def _nrrd_header(path: Path) -> dict[str, str]:
    """The fields of an NRRD header, lower-case names."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        if not file.readline(64).startswith(b"NRRD"):
            raise BadInput(tr("{file} is not an NRRD file, whatever its name says.").format(file=path.name))
        for _ in range(20000):
            line = file.readline(65536).decode("utf-8", "replace").rstrip("\r\n")
            if not line:
                break
            name, mark, content = line.partition(": ")
            if mark and ":=" not in name and not line.startswith("#"):
                fields[name.strip().lower()] = content.strip()
    return fields


def _meta_header(path: Path) -> dict[str, str]:
    """The fields of a MetaImage header, checked: ITK's own reader can crash on a damaged one."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for _ in range(1000):
            line = file.readline(4096)
            name, mark, content = line.decode("latin-1").partition("=")
            if not mark:
                break
            fields[name.strip()] = content.strip()
            if name.strip() == "ElementDataFile":
                break
    if "ElementDataFile" not in fields or "NDims" not in fields:
        raise BadInput(tr("{file} is damaged or is not MetaImage, whatever its name says.").format(file=path.name))
    counts = {"DimSize": 1, "ElementSpacing": 1, "ElementSize": 1, "Offset": 1, "Position": 1, "Origin": 1}
    counts |= {"TransformMatrix": 2, "Rotation": 2, "Orientation": 2, "CenterOfRotation": 1}
    dimensions = int(fields["NDims"]) if re.fullmatch(r"[234]", fields["NDims"]) else 0
    for name, power in counts.items():
        numbers = fields[name].split() if name in fields else ["1"] * dimensions**power
        if not dimensions or len(numbers) != dimensions**power or not all(map(_is_number, numbers)):
            message = tr("{file} is damaged: its header has the line '{name} = {content}'.")
            content = fields.get(name, fields["NDims"])[:40] if dimensions else fields["NDims"][:40]
            raise BadInput(message.format(file=path.name, name=name if dimensions else "NDims", content=content))
    return fields


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text))


def _cause(error: RuntimeError) -> str:
    """The last telling line of an ITK error, without its file names and addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception", "itk::ERROR", "/", "sitk::ERROR"))]
    text = re.sub(r"0x[0-9a-f]+|\S*/\S+", "", (telling or lines or [""])[-1])
    return text.strip(" :.")[:120]


def _layers(array: NDArray[Any], components: int, dimension: int, path: Path) -> list[NDArray[Any]]:
    if dimension == 4 and components == 1:  # the layers are the slowest axis
        return [array[n] for n in range(array.shape[0])]
    if dimension == 2 and components == 1:
        return [array[None]]
    if dimension != 3:
        message = tr("{file} has {count} dimensions; a label map has three.")
        raise BadInput(message.format(file=path.name, count=dimension))
    if components == 1:
        return [array]
    return [np.ascontiguousarray(array[..., n]) for n in range(components)]


def _geometry(image: Any, shape: tuple[int, ...], path: Path) -> Geometry:
    count = image.GetDimension()
    direction = np.eye(3)
    spacing, origin = np.ones(3), np.zeros(3)
    used = min(count, 3)
    direction[:used, :used] = np.array(image.GetDirection()).reshape(count, count)[:used, :used]
    spacing[:used], origin[:used] = image.GetSpacing()[:used], image.GetOrigin()[:used]
    try:
        return Geometry.from_parts(shape[::-1], spacing, origin, direction)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from None


def _segments(metadata: dict[str, str]) -> tuple[dict[LabelKey, str], dict[LabelKey, Color]]:
    """3D Slicer's segments: ``Segment0_Name``, ``_LabelValue``, ``_Layer``, ``_Color`` (fractions)."""
    names: dict[LabelKey, str] = {}
    colors: dict[LabelKey, Color] = {}
    for field, name in metadata.items():
        found = re.fullmatch(r"Segment(\d+)_Name", field)
        if not found:
            continue
        number = found.group(1)
        # Files from before shared layers have neither: one layer a segment, value 1.
        value = metadata.get(f"Segment{number}_LabelValue", "1")
        layer = metadata.get(f"Segment{number}_Layer", number)
        if not (value.isdigit() and layer.isdigit()):
            continue
        key = (int(layer), int(value))
        names[key] = name
        channels = metadata.get(f"Segment{number}_Color", "").split()
        try:
            red, green, blue = (min(max(round(float(c) * 255), 0), 255) for c in channels)
        except ValueError:
            continue
        colors[key] = (red, green, blue)
    return names, colors
