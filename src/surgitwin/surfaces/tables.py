"""Tables over the 256 ways in which the eight voxels around a cell can lie in or out of a segment.

A *cell* is the cube between eight neighbouring voxel centres; bit ``di + 2 dj + 4 dk`` of its *code* tells whether
the voxel at offset (di, dj, dk) belongs to the segment. Every cell edge between an inside and an outside voxel
carries one quad of the surface. The quads around a cell form one or more closed *loops*; each loop gets a vertex of
its own, so that voxels which touch only diagonally do not share a vertex or an edge. Two inside voxels that face
each other diagonally across a cell face are kept apart (6-connectivity).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

# The two other axes of each axis, in right-handed order.
OTHER_AXES = ((1, 2), (2, 0), (0, 1))


@dataclass(frozen=True)
class CornerTables:
    """What every cell code means; see the module's text.

    Attributes
    ----------
    loops
        uint8, shape (256,): number of vertices in the cell.
    crossing
        bool, shape (3, 256): the cell edge from corner 0 along each axis carries a quad.
    loop_of_edge
        uint8, shape (3, 2, 2, 256): for the edge along an axis at offsets (u, v) on `OTHER_AXES`, the loop of its quad.
    direction
        float32, shape (256, 4, 3): from the cell's centre to the middle of each loop's edges, in voxels.
    pinched
        bool, shape (256,): some loop passes twice through one cell face, so that the mesh edge there could be used by
        four quads.
    """

    loops: NDArray[np.uint8]
    crossing: NDArray[np.bool_]
    loop_of_edge: NDArray[np.uint8]
    direction: NDArray[np.float32]
    pinched: NDArray[np.bool_]


Edge = tuple[int, int, int]


def _edge_corners(edge: Edge) -> tuple[int, int]:
    axis, a, b = edge
    u, v = OTHER_AXES[axis]
    first = (a << u) | (b << v)
    return first, first | (1 << axis)


EDGES: tuple[Edge, ...] = tuple((axis, a, b) for axis in range(3) for b in range(2) for a in range(2))
_CORNERS = {edge: _edge_corners(edge) for edge in EDGES}
# For each face of a cell: its corners, and its edges with the corners of each.
_FACES = tuple(
    (
        tuple(corner for corner in range(8) if (corner >> axis) & 1 == side),
        tuple(edge for edge in EDGES if all((corner >> axis) & 1 == side for corner in _CORNERS[edge])),
    )
    for axis in range(3)
    for side in range(2)
)


def _crossed(code: int) -> list[Edge]:
    """The edges between an inside and an outside voxel."""
    return [edge for edge, (one, two) in _CORNERS.items() if (code >> one ^ code >> two) & 1]


def _pairs(code: int, crossed: set[Edge]) -> list[tuple[Edge, Edge, int]]:
    """Quads of a cell that are neighbours across a cell face: (edge, edge, face)."""
    found: list[tuple[Edge, Edge, int]] = []
    for face, (corners, around) in enumerate(_FACES):
        edges = [edge for edge in around if edge in crossed]
        if len(edges) == 2:
            found.append((edges[0], edges[1], face))
        elif len(edges) == 4:
            for corner in corners:
                if (code >> corner) & 1:
                    one, two = (edge for edge in edges if corner in _CORNERS[edge])
                    found.append((one, two, face))
    return found


def _loops(code: int) -> tuple[dict[Edge, int], bool]:
    """The loop of every quad of a cell, and whether a loop passes one face twice."""
    crossed = _crossed(code)
    pairs = _pairs(code, set(crossed))
    beside: dict[Edge, list[Edge]] = {edge: [] for edge in crossed}
    for one, two, _ in pairs:
        beside[one].append(two)
        beside[two].append(one)
    loop: dict[Edge, int] = {}
    number = 0
    for edge in crossed:
        if edge in loop:
            continue
        todo = [edge]
        while todo:
            current = todo.pop()
            if current not in loop:
                loop[current] = number
                todo += beside[current]
        number += 1
    passes = [(face, loop[a]) for a, _, face in pairs]
    return loop, len(set(passes)) < len(passes)


def _middle(edge: Edge) -> tuple[float, float, float]:
    one, two = _edge_corners(edge)
    i, j, k = (((one >> axis) & 1) / 2 + ((two >> axis) & 1) / 2 - 0.5 for axis in range(3))
    return i, j, k


_MIDDLES = {edge: _middle(edge) for edge in EDGES}


@cache
def corner_tables() -> CornerTables:
    """Build the tables once (a few milliseconds)."""
    loops = np.zeros(256, np.uint8)
    crossing = np.zeros((3, 256), np.bool_)
    loop_of_edge = np.zeros((3, 2, 2, 256), np.uint8)
    direction = np.zeros((256, 4, 3), np.float32)
    pinched = np.zeros(256, np.bool_)
    for code in range(256):
        of_edge, pinched[code] = _loops(code)
        loops[code] = len(set(of_edge.values()))
        for axis in range(3):
            crossing[axis, code] = (axis, 0, 0) in of_edge
        for edge, loop in of_edge.items():
            loop_of_edge[(*edge, code)] = loop
        for loop in set(of_edge.values()):
            middles = [_MIDDLES[edge] for edge, other in of_edge.items() if other == loop]
            # Sums of halves are exact.
            direction[code, loop] = [sum(along) / len(middles) for along in zip(*middles, strict=True)]
    tables = CornerTables(loops, crossing, loop_of_edge, direction, pinched)
    for array in (loops, crossing, loop_of_edge, direction, pinched):
        array.setflags(write=False)
    return tables
