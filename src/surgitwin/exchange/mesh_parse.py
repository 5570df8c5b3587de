"""Parsers for STL, OBJ and PLY: bytes to points and triangles; what is damaged is refused, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr


@dataclass(frozen=True, eq=False)
class RawSurface:
    """Points (n, 3) and triangles (m, 3) as the file has them; ``declared``: its header and comments."""

    points: NDArray[Any]
    triangles: NDArray[np.int64]
    declared: str


_STL_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def parse_stl(content: bytes, file: str) -> RawSurface:
    """Binary or text STL; corners at exactly one place become one point."""
    if len(content) >= 84:
        count = int(np.frombuffer(content, "<u4", 1, 80)[0])
        if len(content) == 84 + 50 * count or (count and not _is_text(content)):
            if len(content) < 84 + 50 * count:
                message = tr("{file} is cut short: its header promises {count} triangles, {found} are there.")
                raise BadInput(message.format(file=file, count=count, found=(len(content) - 84) // 50))
            records = np.frombuffer(content, _STL_RECORD, count, 84)
            return _joined(records["corners"].reshape(-1, 3), content[:80].decode("latin-1"))
    if _is_text_stl(content):
        return _text_stl(content, file)
    raise BadInput(tr("{file} is not an STL file, whatever its name says.").format(file=file))


def _is_text(content: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in content[:512])


def _is_text_stl(content: bytes) -> bool:
    start = content[:2048].lstrip().lower()
    return start.startswith(b"solid") and (b"facet" in start or b"endsolid" in start)


def _text_stl(content: bytes, file: str) -> RawSurface:
    lines = content.decode("latin-1").splitlines()
    words = [line.split() for line in lines]
    corners = [row[1:4] for row in words if row and row[0].lower() == "vertex"]
    ended = any(row and row[0].lower() == "endsolid" for row in words[-8:])
    if len(corners) % 3 or not ended:
        raise BadInput(tr("{file} is cut short: its last triangle is not complete.").format(file=file))
    return _joined(_numbers(corners, 3, file).astype(np.float32), lines[0])


def _joined(corners: NDArray[np.float32], declared: str) -> RawSurface:
    """Triangles from loose corners: equal corners, bit for bit, are one point, in the order they first occur."""
    places = np.ascontiguousarray(corners + np.float32(0.0))  # -0.0 and 0.0 are one place
    bits = places.view(np.uint32).astype(np.uint64)
    # One 64-bit number a corner sorts far faster than three; a chance meeting is looked for and handled exactly.
    key = (bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)) ^ (bits[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F))
    key ^= bits[:, 2] * np.uint64(0x165667B19E3779F9)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if not np.array_equal(places[first[inverse]], places, equal_nan=True):
        _, first, inverse = np.unique(places, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return RawSurface(places[first[order]], rank[inverse.reshape(-1)].reshape(-1, 3), declared)


def parse_obj(content: bytes, file: str) -> RawSurface:
    """Wavefront OBJ: points and faces; groups, materials and normals are passed over."""
    lines = content.decode("utf-8", "replace").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    points = [line.split()[1:4] for line in lines if line.startswith(("v ", "v\t"))]
    triangles: list[tuple[int, int, int]] = []
    seen = 0
    for line in lines:
        if line.startswith(("v ", "v\t")):
            seen += 1
        elif line.startswith(("f ", "f\t")):
            corners = [_obj_index(word, seen, file) for word in line.split()[1:]]
            if len(corners) < 3:
                raise BadInput(
                    tr("{file} is damaged: the face '{line}' has fewer than three corners.").format(
                        file=file, line=line[:40]
                    )
                )
            triangles += [(corners[0], corners[n], corners[n + 1]) for n in range(1, len(corners) - 1)]
    if not points and not triangles:
        raise BadInput(tr("{file} is not an OBJ file: it has no points and no faces.").format(file=file))
    array = np.array(triangles, dtype=np.int64).reshape(-1, 3)
    return RawSurface(_numbers(points, 3, file), array, "\n".join(comments))


def _obj_index(word: str, seen: int, file: str) -> int:
    """A corner such as ``7``, ``7/1/2`` or ``-1``, counted from 0."""
    try:
        index = int(word.split("/")[0])
    except ValueError:
        raise BadInput(
            tr("{file} is damaged: '{word}' is no corner of a face.").format(file=file, word=word[:20])
        ) from None
    return index - 1 if index > 0 else seen + index


def _numbers(rows: list[list[str]], width: int, file: str) -> NDArray[np.float64]:
    try:
        array = np.array(rows, dtype=np.float64).reshape(-1, width)
    except ValueError:
        raise BadInput(
            tr("{file} is damaged: a point does not have {count} numbers.").format(file=file, count=width)
        ) from None
    return array


_PLY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_PLY_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class _Element:
    name: str
    count: int
    properties: list[tuple[str, ...]]  # ("x", "f4") or ("vertex_indices", "u1", "i4")

    @property
    def scalar(self) -> bool:
        return all(len(prop) == 2 for prop in self.properties)


def parse_ply(content: bytes, file: str) -> RawSurface:
    """PLY, text or binary of either byte order; elements other than ``vertex`` and ``face`` are passed over."""
    order, elements, declared, start = _ply_header(content, file)
    points: NDArray[np.float64] = np.zeros((0, 3))
    triangles: NDArray[np.int64] = np.zeros((0, 3), dtype=np.int64)
    body = _TextBody(content[start:]) if order == "" else _BinaryBody(content, start, order)
    try:
        for element in elements:
            if element.scalar:
                table = body.scalars(element)
                if element.name == "vertex":
                    points = np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)
            else:
                polygons = body.polygons(element)
                if element.name == "face":
                    triangles = polygons
    except (ValueError, IndexError, KeyError, OverflowError):
        raise BadInput(
            tr("{file} is damaged or cut short: its data do not fill its header.").format(file=file)
        ) from None
    return RawSurface(points, triangles, declared)


def _ply_header(content: bytes, file: str) -> tuple[str, list[_Element], str, int]:
    end = content.find(b"end_header")
    if not content.startswith(b"ply") or end < 0:
        raise BadInput(tr("{file} is not a PLY file, whatever its name says.").format(file=file))
    start = content.find(b"\n", end) + 1
    order, elements, comments = "?", list[_Element](), list[str]()
    try:
        for line in content[:end].decode("latin-1").splitlines():
            words = line.split()
            if words[:1] == ["format"]:
                order = _PLY_FORMATS[words[1]]
            elif words[:1] in (["comment"], ["obj_info"]):
                comments.append(line)
            elif words[:1] == ["element"]:
                elements.append(_Element(words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                elements[-1].properties.append((words[4], _PLY_TYPES[words[2]], _PLY_TYPES[words[3]]))
            elif words[:1] == ["property"]:
                elements[-1].properties.append((words[2], _PLY_TYPES[words[1]]))
    except (KeyError, IndexError, ValueError):
        raise BadInput(tr("{file} is damaged: its PLY header cannot be read.").format(file=file)) from None
    if order == "?" or start == 0:
        raise BadInput(tr("{file} is damaged: its PLY header cannot be read.").format(file=file))
    return order, elements, "\n".join(comments), start


class _TextBody:
    """The data of a text PLY, number by number."""

    def __init__(self, content: bytes) -> None:
        self._lines = iter(content.decode("latin-1").splitlines())

    def _row(self) -> list[str]:
        for line in self._lines:
            if line.strip():
                return line.split()
        raise ValueError("out of data")

    def scalars(self, element: _Element) -> Any:
        rows = np.array([self._row()[: len(element.properties)] for _ in range(element.count)], dtype=np.float64)
        rows = rows.reshape(element.count, len(element.properties))
        return {prop[0]: rows[:, n] for n, prop in enumerate(element.properties)}

    def polygons(self, element: _Element) -> NDArray[np.int64]:
        triangles: list[tuple[int, int, int]] = []
        for _ in range(element.count):
            words, at = self._row(), 0
            for prop in element.properties:
                if len(prop) == 2:
                    at += 1
                    continue
                count = int(words[at])
                corners = [int(word) for word in words[at + 1 : at + 1 + count]]
                if len(corners) != count:
                    raise ValueError("short face")
                at += 1 + count
                if prop is _corner_property(element):
                    triangles += [(corners[0], corners[n], corners[n + 1]) for n in range(1, count - 1)]
        return np.array(triangles, dtype=np.int64).reshape(-1, 3)


class _BinaryBody:
    """The data of a binary PLY."""

    def __init__(self, content: bytes, start: int, order: str) -> None:
        self._content, self._at, self._order = content, start, order

    def _take(self, dtype: Any, count: int) -> NDArray[Any]:
        kind = np.dtype(dtype)
        array = np.frombuffer(self._content, kind, count, self._at)
        self._at += kind.itemsize * count
        return array

    def scalars(self, element: _Element) -> Any:
        return self._take([(prop[0], self._order + prop[1]) for prop in element.properties], element.count)

    def polygons(self, element: _Element) -> NDArray[np.int64]:
        if element.count == 0:
            return np.zeros((0, 3), dtype=np.int64)
        start = self._at
        fields: list[Any] = []
        for prop in element.properties:  # the usual case: nothing but triangles, read at once
            if len(prop) == 2:
                fields.append((prop[0], self._order + prop[1]))
            else:
                fields += [(f"{prop[0]} count", self._order + prop[1]), (prop[0], self._order + prop[2], 3)]
        if np.dtype(fields).itemsize * element.count <= len(self._content) - start:
            table = self._take(fields, element.count)
            lists = [prop[0] for prop in element.properties if len(prop) == 3]
            if all(np.all(table[f"{name} count"] == 3) for name in lists):
                return np.asarray(table[_corner_property(element)[0]], dtype=np.int64)
        self._at = start
        return self._polygons_one_by_one(element)

    def _polygons_one_by_one(self, element: _Element) -> NDArray[np.int64]:
        triangles: list[tuple[int, int, int]] = []
        for _ in range(element.count):
            for prop in element.properties:
                if len(prop) == 2:
                    self._take(self._order + prop[1], 1)
                    continue
                count = int(self._take(self._order + prop[1], 1)[0])
                corners = [int(c) for c in self._take(self._order + prop[2], count)]
                if prop is _corner_property(element):
                    triangles += [(corners[0], corners[n], corners[n + 1]) for n in range(1, count - 1)]
        return np.array(triangles, dtype=np.int64).reshape(-1, 3)


def _corner_property(element: _Element) -> tuple[str, ...]:
    """The list of a face that holds its corners."""
    lists = [prop for prop in element.properties if len(prop) == 3]
    return next((prop for prop in lists if prop[0] in ("vertex_indices", "vertex_index")), lists[0])
