"""The area of a surface within a loop that is drawn on it: exact on the triangles.

The loop is the shortest way along the surface from each placed point to the next. Every triangle that it runs across is
cut along it into flat pieces; pieces and whole triangles that share a side which is not the loop's belong together, and
the loop must leave exactly two such sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.measuring.geodesics import Routed, SurfaceWay, routed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Side = tuple[int, int]
SAME_MM = 1e-7
OFF_MM = 1e-3
"""A place of the loop that is further than this from every side of its triangle is not on the mesh it was found on."""


@dataclass(frozen=True, eq=False)
class SurfacePatch:
    """What a loop encloses on a surface.

    Attributes
    ----------
    area_mm2
        Of the smaller of the two parts that the loop leaves of its surface.
    other_mm2
        Of the larger one.
    loop
        The loop, from each placed point to the next and back to the first.
    """

    area_mm2: float
    other_mm2: float
    loop: SurfaceWay


def area_within(mesh: Mesh, points_mm: ArrayLike) -> SurfacePatch:
    """The area of the part of a surface within a loop through placed points, (n, 3), in their order.

    The points are moved onto the nearest triangle first. Of the two parts that the loop leaves of the surface (of its
    piece that holds the points) the smaller one is meant.

    Raises
    ------
    BadInput
        If there are fewer than three points, the loop crosses or touches itself, it encloses nothing (as around a
        tunnel), the points lie on pieces that are not joined, or the surface is not joined cleanly.
    """
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if len(points) < 3:
        raise BadInput(tr("An area needs three points or more around it."))
    found = routed(mesh, points, closed=True)
    traced = _Traced.of(found)
    areas, joined = _cells(traced)
    parts = _parts(traced, areas, joined)
    return SurfacePatch(min(parts), max(parts), found.way)


@dataclass(eq=False)
class _Traced:
    """The loop on its mesh: places on sides of triangles become nodes, numbered after the corners.

    Attributes
    ----------
    steps
        The nodes of each straight piece of the loop.
    on_side
        For each side that the loop meets: how far along it, from its lower to its higher corner, and which node.
    sides
        The side that each node which is no corner lies on.
    """

    points: FloatArray
    triangles: IntArray
    around: list[list[int]]
    nodes: list[FloatArray] = field(default_factory=list)
    steps: list[Side] = field(default_factory=list)
    on_side: dict[Side, list[tuple[float, int]]] = field(default_factory=dict)
    sides: dict[int, Side] = field(default_factory=dict)

    @staticmethod
    def of(found: Routed) -> _Traced:
        traced = _Traced(found.points, found.triangles, _faces_around(found))
        stops = [*found.ends[1:], found.ends[0]]
        for start, stop, leg in zip(found.ends, stops, found.way.legs, strict=True):
            traced._trace(start, stop, leg)
        return traced

    def place(self, node: int) -> FloatArray:
        count = len(self.points)
        return self.points[node] if node < count else self.nodes[node - count]

    def faces(self, node: int) -> set[int]:
        """The triangles that a node lies on the border of."""
        side = self.sides.get(node)
        if side is None:
            return set(self.around[node])
        return set(self.around[side[0]]) & set(self.around[side[1]])

    def _trace(self, start: int, stop: int, leg: FloatArray) -> None:
        here = start
        for place in leg[1:-1]:
            if np.linalg.norm(place - self.place(here)) > SAME_MM:
                here = self._step(here, place)
        if here != stop:
            self._check_step(here, stop)
            self.steps.append((here, stop))

    def _step(self, here: int, place: FloatArray) -> int:
        """Go on to a place on the border of a triangle that is left from ``here``."""
        best: tuple[float, int | tuple[Side, float]] | None = None
        for face in self.faces(here):
            corners = self.triangles[face].tolist()
            for corner in corners:
                away = float(np.linalg.norm(place - self.points[corner]))
                if away < SAME_MM and (best is None or away < best[0]):
                    best = -1.0, corner
            for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
                side = (min(one, other), max(one, other))
                share, away = _along(self.points[side[0]], self.points[side[1]], place)
                if best is None or away < best[0]:
                    best = away, (side, share)
        if best is None or best[0] > OFF_MM:
            raise _unclean()
        there = best[1] if isinstance(best[1], int) else self._node(*best[1], place)
        if there != here:
            self._check_step(here, there)
            self.steps.append((here, there))
        return there

    def _check_step(self, here: int, there: int) -> None:
        if not self.faces(here) & self.faces(there):
            raise _unclean()

    def _node(self, side: Side, share: float, place: FloatArray) -> int:
        length = float(np.linalg.norm(self.points[side[1]] - self.points[side[0]]))
        known = self.on_side.setdefault(side, [])
        for other, node in known:
            if abs(other - share) * length < SAME_MM:
                return node
        node = len(self.points) + len(self.nodes)
        self.nodes.append(np.asarray(place, dtype=np.float64))
        known.append((share, node))
        self.sides[node] = side
        return node

    def border(self, face: int) -> list[int]:
        """The nodes around a triangle, in its order."""
        around: list[int] = []
        corners = self.triangles[face].tolist()
        for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
            between = sorted(self.on_side.get((min(one, other), max(one, other)), []))
            nodes = [node for _, node in between]
            around += [one, *(nodes if one < other else nodes[::-1])]
        return around


def _cells(traced: _Traced) -> tuple[FloatArray, IntArray]:
    """The areas of whole triangles and of pieces, (k,), and the two nodes of each of their sides with their cell.

    Returns
    -------
    (k,) areas; (n, 3) rows of lower node, higher node, cell. Areas of triangles that are cut are 0: their pieces count.
    """
    triangles, points = traced.triangles, traced.points
    a, b, c = (points[triangles[:, n]] for n in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0
    chords: dict[int, set[Side]] = {}
    for here, there in traced.steps:
        for face in traced.faces(here) & traced.faces(there):
            chords.setdefault(face, set()).add((here, there))
    touched = set(chords)
    for one, other in traced.on_side:
        touched |= set(traced.around[one]) & set(traced.around[other])
    whole = np.ones(len(triangles), np.bool_)
    whole[list(touched)] = False
    areas[~whole] = 0.0
    kept = np.flatnonzero(whole)
    sides = [np.column_stack([np.sort(triangles[kept][:, [n, (n + 1) % 3]], axis=1), kept]) for n in range(3)]
    pieces: list[float] = []
    rows: list[tuple[int, int, int]] = []
    for face in sorted(touched):
        for piece in _pieces(traced.border(face), chords.get(face, ())):
            cell = len(triangles) + len(pieces)
            pieces.append(_flat_area(np.array([traced.place(node) for node in piece])))
            rows += [(*side, cell) for side in _sides(piece)]
    joined = np.concatenate([*sides, np.array(rows, dtype=np.int64).reshape(-1, 3)])
    return np.concatenate([areas, pieces]), joined


def _pieces(border: list[int], chords: Iterable[Side]) -> list[list[int]]:
    """A triangle cut along straight lines between nodes of its border.

    Raises
    ------
    BadInput
        If the lines cross each other.
    """
    found = [border]
    for one, other in chords:
        piece = next((piece for piece in found if one in piece and other in piece), None)
        if piece is None:
            raise _crossing()
        first, second = sorted((piece.index(one), piece.index(other)))
        if second - first == 1 or (first == 0 and second == len(piece) - 1):
            continue  # it runs along a side
        found.remove(piece)
        found += [piece[first : second + 1], [*piece[second:], *piece[: first + 1]]]
    return found


def _parts(traced: _Traced, areas: FloatArray, joined: IntArray) -> tuple[float, float]:
    """The areas of the two parts on both sides of the loop."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(traced.points) + len(traced.nodes)
    keys = joined[:, 0] * count + joined[:, 1]
    loop = np.array(sorted({low * count + high for low, high in _loop_sides(traced)}), dtype=np.int64)
    if not len(loop):
        raise BadInput(tr("The points of the area are at one place, so they enclose nothing. Place them apart."))
    at_loop = np.isin(keys, loop)
    open_keys, cells = keys[~at_loop], joined[~at_loop, 2]
    order = np.argsort(open_keys, kind="stable")
    same = open_keys[order][1:] == open_keys[order][:-1]
    one, other = cells[order][:-1][same], cells[order][1:][same]
    links = coo_array((np.ones(len(one), np.int8), (one, other)), (len(areas), len(areas)))
    _, part = connected_components(links, False)
    beside = np.unique(part[joined[at_loop, 2]])
    if len(beside) < 2:
        message = tr(
            "The loop encloses no part of the surface: it runs around a tunnel, or along an open rim. Place it anew."
        )
        raise BadInput(message)
    if len(beside) > 2:
        raise _crossing()
    first, second = (float(areas[part == which].sum()) for which in beside)
    return first, second


def _loop_sides(traced: _Traced) -> Iterator[Side]:
    """The sides of pieces that are the loop: a step along a triangle's side may run over several."""
    for here, there in traced.steps:
        shared = traced.faces(here) & traced.faces(there)
        border = traced.border(next(iter(shared)))
        run = _run_along_side(traced, border, here, there)
        for one, other in pairwise(run):
            yield min(one, other), max(one, other)


def _run_along_side(traced: _Traced, border: list[int], here: int, there: int) -> list[int]:
    """The nodes from one node to another if both lie on one side of the triangle; else only these two."""
    ends = {corner: {corner} for corner in border if corner < len(traced.points)}

    def lies_on(node: int, side: Side) -> bool:
        return node in side if node in ends else traced.sides[node] == side

    corners = [corner for corner in border if corner in ends]
    for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
        side = (min(one, other), max(one, other))
        if lies_on(here, side) and lies_on(there, side):
            nodes = [side[0], *(node for _, node in sorted(traced.on_side.get(side, []))), side[1]]
            first, second = nodes.index(here), nodes.index(there)
            return nodes[min(first, second) : max(first, second) + 1]
    return [here, there]


def _sides(piece: list[int]) -> Iterator[Side]:
    for one, other in zip(piece, [*piece[1:], piece[0]], strict=True):
        yield min(one, other), max(one, other)


def _flat_area(corners: FloatArray) -> float:
    away = corners - corners[0]
    return float(np.linalg.norm(np.cross(away[1:-1], away[2:]).sum(axis=0)) / 2.0)


def _along(start: FloatArray, end: FloatArray, place: FloatArray) -> tuple[float, float]:
    """How far along a side the nearest of its places is, from 0 to 1, and how far that is away."""
    way = end - start
    share = float(np.clip((place - start) @ way / max(float(way @ way), 1e-30), 0.0, 1.0))
    return share, float(np.linalg.norm(start + share * way - place))


def _faces_around(found: Routed) -> list[list[int]]:
    """The triangles around each corner that the loop may come to; empty for corners far from it."""
    near = _near(found)
    around: list[list[int]] = [[] for _ in range(len(found.points))]
    for face in np.flatnonzero(near).tolist():
        for corner in found.triangles[face].tolist():
            around[corner].append(face)
    return around


def _near(found: Routed) -> NDArray[np.bool_]:
    """Triangles within the loop's box, and those that share a corner with one."""
    loop = found.way.points_mm
    corners = found.points[found.triangles]
    low, high = loop.min(axis=0) - OFF_MM, loop.max(axis=0) + OFF_MM
    meets = ((corners.min(axis=1) <= high) & (corners.max(axis=1) >= low)).all(axis=1)
    held = np.zeros(len(found.points), np.bool_)
    held[found.triangles[meets]] = True
    return np.asarray(held[found.triangles].any(axis=1))


def _unclean() -> BadInput:
    message = tr(
        "The area within the loop cannot be measured: the surface's triangles are not joined cleanly there. Make its "
        "surface again, or measure the outline without a surface."
    )
    return BadInput(message)


def _crossing() -> BadInput:
    message = tr("The loop crosses or touches itself on the surface, so what it encloses is not clear. Place it anew.")
    return BadInput(message)
