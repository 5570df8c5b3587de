"""Masks, label maps and volumes out, on their own grid: NIfTI, NRRD and MetaImage.

The affine is written to the last digit in NRRD and MetaImage; NIfTI holds it in single precision, with the codes of
sform and qform both set, so that every program takes the same one. Where left and right are not certain NIfTI does not
claim the scanner's coordinates: a plain grid is written without codes, as it came; one that has an origin or is turned
as "aligned", which keeps it on the image; and the description says SIDE UNKNOWN, which our own reader heeds.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import Writer, write_atomically, write_together
from surgitwin.exchange.names import plain_text

Color = tuple[int, int, int]
VOLUME_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
SIDE_UNKNOWN = "SIDE UNKNOWN: left and right are not certain"
_LEVEL = 1  # larger levels take many times as long for a few percent: see the measurements in the peers' issues
_NIFTI_LARGEST = 32767
_GREY = (200, 200, 200)
_SLAB_VOXELS = 4_000_000
_NRRD_TYPES = {
    "u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16", "u4": "uint32", "i4": "int32", "f4": "float",
    "f8": "double",
}  # fmt: skip
_META_TYPES = {
    "u1": "MET_UCHAR", "i1": "MET_CHAR", "u2": "MET_USHORT", "i2": "MET_SHORT", "u4": "MET_UINT", "i4": "MET_INT",
    "f4": "MET_FLOAT", "f8": "MET_DOUBLE",
}  # fmt: skip


@dataclass(frozen=True)
class Label:
    """What a value of a label map is; ``layer`` counts the layers where structures overlap."""

    value: int
    name: str
    color: Color
    layer: int = 0


def write_mask(
    path: Path,
    mask: NDArray[np.bool_],
    geometry: Geometry,
    name: str = "",
    color: Color | None = None,
    ctx: Context | None = None,
    *,
    side_known: bool = True,
) -> Path:
    """Write one segment's mask ([k, j, i]) as 0 and 1.

    Raises
    ------
    BadInput
        If the mask is empty, the suffix is not known or the file cannot be written.
    """
    if not mask.any():
        raise BadInput(tr("The segment '{name}' is empty; nothing was written.").format(name=name or path.name))
    names = {1: name} if name else {}
    colors = {1: color} if color else {}
    return write_labels(path, mask.astype(np.uint8), geometry, names, colors, ctx, side_known=side_known)


def write_labels(
    path: Path,
    labels: NDArray[Any],
    geometry: Geometry,
    names: Mapping[int, str] | None = None,
    colors: Mapping[int, Color] | None = None,
    ctx: Context | None = None,
    *,
    side_known: bool = True,
) -> Path:
    """Write a label map; names and colours go into the header, where NIfTI and NRRD have a place for them."""
    known = [Label(value, name, (colors or {}).get(value, _GREY)) for value, name in (names or {}).items()]
    return write_atomically(path, _writer(path, labels, geometry, known, ctx or Context(), side_known))


def write_label_map(
    path: Path,
    table: Path,
    layers: Sequence[NDArray[Any]],
    geometry: Geometry,
    labels: Sequence[Label],
    ctx: Context | None = None,
    *,
    side_known: bool = True,
) -> list[Path]:
    """Write a label map and the table of its values (JSON), both or none.

    Parameters
    ----------
    layers
        [k, j, i], of one type; more than one only for a name that ends in ``.seg.nrrd``.
    labels
        Each value once, over all layers.
    side_known
        False where left and right of the image were never confirmed.

    Raises
    ------
    BadInput
        As `write_mask`, and if there are several layers and the format holds one.
    """
    if len(layers) > 1 and not holds_layers(path):
        raise BadInput(tr("{file} holds one layer of labels; write .seg.nrrd.").format(file=path.name))
    voxels = layers[0] if len(layers) == 1 else np.stack(layers, axis=-1)
    rows = [{"value": label.value, "name": label.name, "color": list(label.color)} for label in labels]
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    text = f'{{"labels": [\n{lines}\n]}}\n'
    return write_together(
        {
            path: _writer(path, voxels, geometry, labels, ctx or Context(), side_known),
            table: lambda temporary: _write_text(temporary, text),
        }
    )


def holds_layers(path: Path) -> bool:
    """True if structures that overlap have a place in a file of this name."""
    return path.name.lower().endswith(".seg.nrrd")


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def write_volume(
    path: Path,
    voxels: NDArray[Any],
    geometry: Geometry,
    ctx: Context | None = None,
    *,
    side_known: bool = True,
) -> Path:
    """Write an image ([k, j, i]) in its own number type.

    Raises
    ------
    BadInput
        If the suffix is not known, the type has no place in the format or the file cannot be written.
    """
    return write_atomically(path, _writer(path, voxels, geometry, [], ctx or Context(), side_known))


def volume_suffix(path: Path) -> str:
    """The suffix of a volume's name; refuse names of other kinds."""
    lower = path.name.lower()
    for suffix in VOLUME_SUFFIXES:
        if lower.endswith(suffix):
            return suffix
    message = tr("Voxels cannot be written to {file}; its name should end in {known}.")
    raise BadInput(message.format(file=path.name, known=", ".join(VOLUME_SUFFIXES)))


def _writer(
    path: Path, voxels: NDArray[Any], geometry: Geometry, labels: Sequence[Label], ctx: Context, side_known: bool
) -> Writer:
    suffix = volume_suffix(path)
    if voxels.shape[:3] != geometry.shape_kji:
        raise BadInput(tr("The voxels and their geometry have different sizes."))
    stored = _storable(voxels)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            if suffix.startswith(".nii"):
                _write_nifti(file, stored, geometry, labels, suffix.endswith(".gz"), ctx, side_known)
            elif suffix == ".nrrd":
                _write_nrrd(file, stored, geometry, labels, ctx)
            else:
                _write_meta(file, stored, geometry, ctx)

    return write


def _storable(voxels: NDArray[Any]) -> NDArray[Any]:
    """The voxels in a type that all three formats know, little-endian, without a change of any value."""
    if voxels.dtype == np.bool_:
        voxels = voxels.view(np.uint8)
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize == 8:
        limits = np.iinfo(np.int32)
        if voxels.min() < limits.min or voxels.max() > limits.max:
            raise BadInput(tr("The image holds whole numbers beyond 32 bits; they cannot be written."))
        voxels = voxels.astype(np.int32)
    if voxels.dtype == np.float16:
        voxels = voxels.astype(np.float32)
    if voxels.dtype.str[1:] not in _NRRD_TYPES:
        raise BadInput(tr("Voxels of the type {type} cannot be written.").format(type=voxels.dtype))
    return np.ascontiguousarray(voxels, dtype=voxels.dtype.newbyteorder("<"))


def _slabs(voxels: NDArray[Any], ctx: Context) -> Iterator[memoryview]:
    step = max(1, 16_000_000 // max(voxels[0].nbytes, 1))
    for k in range(0, len(voxels), step):
        ctx.progress(k / len(voxels), tr("Writing"))
        part: Any = voxels[k : k + step]
        yield memoryview(part).cast("B")


def _write_nifti(
    file: IO[bytes],
    voxels: NDArray[Any],
    geometry: Geometry,
    labels: Sequence[Label],
    packed: bool,
    ctx: Context,
    side_known: bool,
) -> None:
    import nibabel

    if max(geometry.size_ijk) > _NIFTI_LARGEST:
        raise BadInput(tr("NIfTI holds at most {n} voxels along an axis; write NRRD instead.").format(n=_NIFTI_LARGEST))
    affine = lps_to_ras(geometry.affine_lps)
    header: Any = nibabel.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(geometry.size_ijk)
    header.set_zooms(geometry.spacing_mm)
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    axes = geometry.direction
    if not side_known:
        header["descrip"] = SIDE_UNKNOWN
        plain = np.allclose(affine, np.diag([*geometry.spacing_mm, 1.0]), atol=1e-6)
        header.set_sform(affine, code="unknown" if plain else "aligned")
    elif np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):  # a qform cannot hold a shear
        header.set_qform(affine, code="scanner", strip_shears=False)
        header.set_sform(affine, code="scanner")
    else:
        header.set_sform(affine, code="scanner")
    if labels:
        header["intent_code"] = 1002  # NIFTI_INTENT_LABEL
        # Code 0, as TotalSegmentator writes it: its reader and nibabel's get_content stumble over Caret's own code.
        header.extensions.append(nibabel.nifti1.Nifti1Extension(0, _caret_labels(labels)))
    header["magic"] = b"n+1"
    header["vox_offset"] = 352 + sum(extension.get_sizeondisk() for extension in header.extensions)
    stream: Any = gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) if packed else file
    header.write_to(stream)
    for block in _slabs(voxels, ctx):
        stream.write(block)
    if packed:
        stream.close()


def _caret_labels(labels: Sequence[Label]) -> bytes:
    """The label table that Connectome Workbench reads and TotalSegmentator writes."""
    rows = []
    for label in labels:
        channels = zip(("Red", "Green", "Blue"), label.color, strict=True)
        color = " ".join(f"{channel}={quoteattr(f'{level / 255:.6f}')}" for channel, level in channels)
        text = plain_text(label.name).replace("]]>", "]] >")
        rows.append(f'<Label Key="{label.value}" {color} Alpha="1"><![CDATA[{text}]]></Label>')
    table = "\n".join(rows)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<CaretExtension><VolumeInformation Index="0"><LabelTable>\n'
        f"{table}\n</LabelTable><VolumeType><![CDATA[Label]]></VolumeType></VolumeInformation></CaretExtension>"
    ).encode()


def _write_nrrd(
    file: IO[bytes], voxels: NDArray[Any], geometry: Geometry, labels: Sequence[Label], ctx: Context
) -> None:
    axes = " ".join(f"({_joined(geometry.affine_lps[:3, axis], ',')})" for axis in range(3))
    sizes = " ".join(str(n) for n in geometry.size_ijk)
    layers = voxels.shape[3] if voxels.ndim == 4 else 0  # as 3D Slicer has them: the fastest axis
    lines = [
        "NRRD0004",
        f"type: {_NRRD_TYPES[voxels.dtype.str[1:]]}",
        f"dimension: {voxels.ndim}",
        "space: left-posterior-superior",
        f"sizes: {layers} {sizes}" if layers else f"sizes: {sizes}",
        f"space directions: none {axes}" if layers else f"space directions: {axes}",
        "kinds: list domain domain domain" if layers else "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        'space units: "mm" "mm" "mm"',
        f"space origin: ({_joined(geometry.affine_lps[:3, 3], ',')})",
        *_slicer_segments(voxels, labels),
    ]
    file.write(("\n".join(lines) + "\n\n").encode("utf-8"))
    with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as stream:
        for block in _slabs(voxels, ctx):
            stream.write(block)


def _slicer_segments(voxels: NDArray[Any], labels: Sequence[Label]) -> list[str]:
    """The fields by which 3D Slicer knows segments, when the file's name ends in ``.seg.nrrd``."""
    extents = _extents(voxels, labels)
    lines: list[str] = []
    for number, label in enumerate(labels):
        color = " ".join(f"{channel / 255:.6g}" for channel in label.color)
        fields = {
            "ID": f"Segment_{label.value}",
            "Name": " ".join(plain_text(label.name).split()),
            "LabelValue": label.value,
            "Layer": label.layer,
            "Color": color,
            "Extent": extents[label.value],
        }
        lines += [f"Segment{number}_{key}:={content}" for key, content in fields.items()]
    return lines


def _extents(voxels: NDArray[Any], labels: Sequence[Label]) -> dict[int, str]:
    """First and last index along i, j and k of each value; ``0 -1`` where it has no voxel."""
    from scipy.ndimage import find_objects

    layers = voxels[..., None] if voxels.ndim == 3 else voxels
    found: dict[int, NDArray[np.int64]] = {}  # rows: first and last index; columns: k, j, i
    wanted = {label.value: label.layer for label in labels}
    # A slab at a time: looking at a whole image would hold Python's lock for as long as that takes.
    step = max(1, _SLAB_VOXELS // max(layers[0, ..., 0].size, 1))
    for start in range(0, len(layers) if labels else 0, step):
        for layer in sorted(set(wanted.values())):
            part = np.ascontiguousarray(layers[start : start + step, ..., layer])
            for value, box in enumerate(find_objects(part), 1):
                if box is None or wanted.get(value) != layer:
                    continue
                ends = np.array([[side.start, side.stop - 1] for side in box], np.int64).T
                ends[:, 0] += start
                old = found.get(value, ends)
                found[value] = np.stack([np.minimum(old[0], ends[0]), np.maximum(old[1], ends[1])])
    none = np.array([[0, 0, 0], [-1, -1, -1]])
    return {
        value: " ".join(f"{first} {last}" for first, last in reversed(found.get(value, none).T.tolist()))
        for value in wanted
    }


def _write_meta(file: IO[bytes], voxels: NDArray[Any], geometry: Geometry, ctx: Context) -> None:
    # The size of the packed data stands in the header, before them: pack first.
    packer = zlib.compressobj(_LEVEL)
    packed = [packer.compress(block) for block in _slabs(voxels, ctx)]
    packed.append(packer.flush())
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {sum(len(part) for part in packed)}",
        f"TransformMatrix = {_joined(geometry.direction.T.ravel())}",  # one row an axis
        f"Offset = {_joined(geometry.affine_lps[:3, 3])}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_joined(np.array(geometry.spacing_mm))}",
        f"DimSize = {' '.join(str(n) for n in geometry.size_ijk)}",
        f"ElementType = {_META_TYPES[voxels.dtype.str[1:]]}",
        "ElementDataFile = LOCAL",
    ]
    file.write(("\n".join(lines) + "\n").encode("ascii"))
    for part in packed:
        file.write(part)


def _joined(values: NDArray[np.float64], separator: str = " ") -> str:
    """Every digit that the numbers have."""
    return separator.join(repr(float(v)) for v in values)
