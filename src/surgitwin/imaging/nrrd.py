"""NRRD (.nrrd, .nhdr, .seg.nrrd): its header decides where the image lies, so it is read here and not guessed.

Format: http://teem.sourceforge.net/nrrd/format.html. Axes that are not space (time, list, vector) become volumes.
"""

from __future__ import annotations

import bz2
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.imaging.files import FileRef
from surgitwin.imaging.plain import MOST_VOLUMES, PlainImage
from surgitwin.imaging.volume import Voxels

_TYPES = {
    "i1": "signed char|int8|int8_t",
    "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t",
    "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float",
    "f8": "double",
}
# Signs that turn the file's three space axes into left, posterior and superior.
_SPACES = {
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
}
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "µm": 0.001, "micron": 0.001,
                "microns": 0.001}  # fmt: skip
_MOST_HEADER = 1 << 20


@dataclass(frozen=True)
class _Header:
    fields: dict[str, str]
    offset: int
    file: FileRef

    def words(self, name: str) -> list[str]:
        return self.fields.get(name, "").split()


def open_nrrd(file: FileRef) -> PlainImage:
    """Read an NRRD header.

    Raises
    ------
    BadInput
        If the file is damaged, or its axes are not three of space and at most some of time or list.
    """
    header = _read_header(file)
    sizes = [_integer(header, word) for word in header.words("sizes")]
    if not sizes or len(sizes) != _integer(header, header.fields.get("dimension", "0")) or min(sizes) < 1:
        raise _damaged(file)
    dtype = _dtype(header)
    spatial = _spatial_axes(header, len(sizes))
    volumes = math.prod(size for axis, size in enumerate(sizes) if axis not in spatial)
    if volumes > MOST_VOLUMES:
        raise _damaged(file)
    geometry, side_known, notices = _geometry(header, sizes, spatial)

    def read(number: int) -> Voxels:
        return _voxels(header, dtype, sizes, spatial, number)

    return PlainImage(
        geometry=geometry,
        volumes=volumes,
        dtype=dtype,
        side_known=side_known,
        notices=notices,
        read=read,
        description=header.fields.get("content", ""),
    )


def _integer(header: _Header, stored: str) -> int:
    try:
        return int(stored)
    except ValueError as error:
        raise _damaged(header.file) from error


def _damaged(file: FileRef) -> BadInput:
    return BadInput(tr("'{file}' is not a readable NRRD file; its header is damaged.").format(file=file.name))


def _read_header(file: FileRef) -> _Header:
    try:
        with file.open() as stream:
            head = stream.read(_MOST_HEADER)
    except OSError as error:
        raise BadInput(tr("'{file}' cannot be read.").format(file=file.name)) from error
    end = re.search(rb"\r?\n\r?\n", head)
    # A detached header may end with the file instead of an empty line.
    text = head[: end.start()] if end else head
    fields: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines()[1:]:
        if line.startswith("#") or not line.strip():
            continue
        name, mark, stored = line.partition(":")
        if mark:
            # "key:=value" pairs (Slicer's segment names) are kept under their own names.
            fields[name.strip().lower() if not stored.startswith("=") else name.strip()] = stored.lstrip("=").strip()
    return _Header(fields, end.end() if end else len(head), file)


def _dtype(header: _Header) -> np.dtype[Any]:
    name = header.fields.get("type", "").lower()
    for code, names in _TYPES.items():
        if name in names.split("|"):
            order = ">" if header.fields.get("endian", "little").lower() == "big" else "<"
            return np.dtype(order + code)
    raise BadInput(
        tr("'{file}' holds values of the type '{type}', which is not supported.").format(
            file=header.file.name, type=name or "?"
        )
    )


def _spatial_axes(header: _Header, dimension: int) -> list[int]:
    directions = _vectors(header.fields.get("space directions", ""))
    kinds = [kind.lower() for kind in header.words("kinds")]
    if directions:
        axes = [axis for axis, vector in enumerate(directions) if vector is not None]
    elif len(kinds) == dimension and any(kind in ("domain", "space") for kind in kinds):
        axes = [axis for axis, kind in enumerate(kinds) if kind in ("domain", "space")]
    else:
        axes = list(range(min(dimension, 3)))
    if len(axes) not in (2, 3) or max(axes) >= dimension:
        raise BadInput(tr("'{file}' has {n} axes of space instead of 3.").format(file=header.file.name, n=len(axes)))
    return axes


def _vectors(stored: str) -> list[tuple[float, ...] | None]:
    """``(1,0,0) none (0,1,0)`` as vectors and Nones."""
    found: list[tuple[float, ...] | None] = []
    for part in re.findall(r"\([^)]*\)|none", stored.replace(" ", "") if "none" not in stored else stored):
        if part == "none":
            found.append(None)
            continue
        try:
            vector = tuple(float(word) for word in part.strip("()").split(","))
        except ValueError:
            vector = ()
        found.append(vector if vector and all(np.isfinite(vector)) else None)
    return found


def _geometry(
    header: _Header, sizes: Sequence[int], spatial: Sequence[int]
) -> tuple[Geometry, bool, tuple[Notice, ...]]:
    space = header.fields.get("space", "").lower().removesuffix("-time")
    signs = _SPACES.get(space)
    unit = _unit(header)
    vectors = [vector for vector in _vectors(header.fields.get("space directions", "")) if vector is not None]
    origins = _vectors(header.fields.get("space origin", ""))
    affine = np.eye(4)
    if vectors and all(len(vector) == 3 for vector in vectors):
        columns: NDArray[np.float64] = np.array(vectors, dtype=np.float64).T
        affine[:3, : columns.shape[1]] = columns
        if columns.shape[1] == 2:
            affine[:3, 2] = np.cross(columns[:, 0], columns[:, 1]) / np.linalg.norm(columns[:, 0])
        if origins and origins[0] is not None and len(origins[0]) == 3:
            affine[:3, 3] = origins[0]
    else:
        affine[:3, :3] = np.diag(_spacings(header, spatial))
    affine[:3] *= unit
    if signs is not None:
        affine = np.diag([*signs, 1.0]) @ affine
    size = ([sizes[axis] for axis in spatial] + [1])[:3]
    try:
        geometry = Geometry.from_affine(size, affine)
    except BadInput as error:
        raise BadInput(f"'{header.file.name}': {error}") from error
    if signs is not None and vectors:
        return geometry, True, ()
    message = tr("'{file}' names no patient space (LPS or RAS), so left and right are not certain.")
    return geometry, False, (Notice("unknown-side", message.format(file=header.file.name), {"space": space}),)


def _unit(header: _Header) -> float:
    found = re.findall(r'"([^"]*)"', header.fields.get("space units", ""))
    return _MM_PER_UNIT.get(found[0].lower(), 1.0) if found else 1.0


def _spacings(header: _Header, spatial: Sequence[int]) -> list[float]:
    words = header.words("spacings")
    found = []
    for axis in (*spatial, None, None, None)[:3]:
        try:
            step = abs(float(words[axis])) if axis is not None else 1.0
        except (IndexError, ValueError):
            step = 1.0
        found.append(step if np.isfinite(step) and step > 0 else 1.0)
    return found


def _voxels(header: _Header, dtype: np.dtype[Any], sizes: Sequence[int], spatial: Sequence[int], number: int) -> Voxels:
    flat = _values(header, dtype, math.prod(sizes))
    # The first axis runs fastest: in numpy's order the axes are reversed, then those of space come last.
    count = len(sizes)
    grid = flat.reshape(tuple(reversed(sizes)))
    others = [axis for axis in range(count) if axis not in spatial]
    order = [count - 1 - axis for axis in (*reversed(others), *reversed(spatial))]
    stack = np.transpose(grid, order)
    shape = stack.shape[len(others) :]
    volume = stack.reshape((-1, *shape))[number] if others else stack
    volume = volume if volume.ndim == 3 else volume[np.newaxis]
    return np.ascontiguousarray(volume, dtype=dtype.newbyteorder("="))


def _values(header: _Header, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    data = _raw(header)
    encoding = header.fields.get("encoding", "raw").lower()
    try:
        if encoding in ("txt", "text", "ascii"):
            found = np.array(data.split(), dtype=np.float64).astype(dtype)
        else:
            if encoding in ("gz", "gzip"):
                data = zlib.decompressobj(wbits=47).decompress(data)
            elif encoding in ("bz2", "bzip2"):
                data = bz2.decompress(data)
            elif encoding == "hex":
                data = bytes.fromhex(data.decode("ascii"))
            elif encoding != "raw":
                raise BadInput(
                    tr("'{file}' uses the unknown encoding '{name}'.").format(file=header.file.name, name=encoding)
                )
            skip = _integer(header, header.fields.get("byte skip", header.fields.get("byteskip", "0")))
            needed = count * dtype.itemsize
            start = len(data) - needed if skip == -1 else skip
            found = np.frombuffer(data, dtype=dtype, count=min(count, max(len(data) - start, 0) // dtype.itemsize),
                                  offset=max(start, 0))  # fmt: skip
    except (zlib.error, OSError, ValueError) as error:
        raise _short(header) from error
    if len(found) != count:
        raise _short(header)
    return found


def _short(header: _Header) -> BadInput:
    return BadInput(
        tr("'{file}' holds fewer voxels than its header says; it is incomplete.").format(file=header.file.name)
    )


def _raw(header: _Header) -> bytes:
    """The bytes after the header, or those of the separate data file that it names."""
    file = header.file
    name = header.fields.get("data file", header.fields.get("datafile", ""))
    lines = _integer(header, header.fields.get("line skip", header.fields.get("lineskip", "0")))
    if not name:
        data = file.read()[header.offset :]
    elif name.upper().startswith("LIST") or "%" in name:
        raise BadInput(
            tr("'{file}' spreads its voxels over several files, which is not supported.").format(file=file.name)
        )
    elif file.local is None:
        raise BadInput(
            tr("'{file}' keeps its voxels in another file; unpack the archive first.").format(file=file.name)
        )
    else:
        # Only beside the header: a header must not make the program read any file of the computer.
        path = file.local.parent / name
        if not path.is_file() or not path.resolve().is_relative_to(file.local.parent.resolve()):
            raise BadInput(
                tr("The voxels of '{file}' belong into '{data}', which is not there.").format(file=file.name, data=name)
            )
        data = path.read_bytes()
    for _ in range(lines):
        data = data.partition(b"\n")[2]
    return data
