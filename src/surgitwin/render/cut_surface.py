"""Cut surfaces of triangles, without a picture: where a slice meets one, which side goes, its rim and hatching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.mesh import Mesh
from surgitwin.render.content import CutSurfaceContent, MarginClass, PatchContent, Vec3
from surgitwin.render.cutting import distance_to_segment, in_plane_axes
from surgitwin.render.placement import Placement, Point, Segment
from surgitwin.render.slicing import Orientation

IntArray = NDArray[np.int64]
ARROW_PX = 22.0
NEAR_MM = 5.0
"""Control points this near to a slice can be held in it."""
MARGIN_TOKENS = {
    MarginClass.SAFE: "margin-safe",
    MarginClass.UNCERTAIN: "margin-uncertain",
    MarginClass.BELOW: "margin-below",
}
MARGIN_DASHES: dict[MarginClass, tuple[float, ...]] = {
    MarginClass.SAFE: (),
    MarginClass.UNCERTAIN: (9.0, 5.0),
    MarginClass.BELOW: (3.0, 3.0),
}
"""Pixels that are drawn and left out in turn along a curve; empty: drawn through."""


@dataclass(frozen=True, eq=False)
class Run:
    """A line without a fork.

    Attributes
    ----------
    points
        (n, 2), one after the other; the first and the last are the same if it is closed.
    margins
        (n - 1,) `MarginClass` of each of its straight parts.
    removed
        (n - 1, 2), the direction at right angles to the surface towards the side that goes, as it lies in the slice;
        shorter than 1 where the surface is oblique. Zero if no side goes.
    """

    points: FloatArray
    margins: NDArray[np.uint8]
    removed: FloatArray

    def parts(self) -> list[tuple[MarginClass, FloatArray]]:
        """The line in pieces of one margin class each."""
        ends = np.flatnonzero(np.diff(self.margins)) + 1
        limits = [0, *(int(end) for end in ends), len(self.margins)]
        return [(MarginClass(int(self.margins[a])), self.points[a : b + 1]) for a, b in pairwise(limits)]


@dataclass(frozen=True)
class Knob:
    """A control point in a slice: its row and column, its pixel, and how far it lies behind or before the slice."""

    row: int
    column: int
    at: Point
    away_mm: float


@dataclass(frozen=True, eq=False)
class SliceCurve:
    """A cut surface as a slice shows it, in pixels.

    Attributes
    ----------
    runs
        Its lines.
    arrow
        From a place on the curve to the side that goes, within the picture; None if there is none.
    knobs
        The control points of a patch near the slice.
    """

    content: CutSurfaceContent
    runs: tuple[Run, ...]
    arrow: Segment | None
    knobs: tuple[Knob, ...]

    def distance_px(self, point: Point) -> float:
        """From a pixel to the nearest place of the curve."""
        best = np.inf
        for run in self.runs:
            start, along = run.points[:-1], np.diff(run.points, axis=0)
            length = np.maximum((along**2).sum(axis=1), 1e-12)
            share = np.clip(((np.asarray(point) - start) * along).sum(axis=1) / length, 0.0, 1.0)
            away = np.linalg.norm(start + share[:, None] * along - point, axis=1)
            best = min(best, float(away.min()))
        return best

    def arrow_px(self, point: Point) -> float:
        """From a pixel to the arrow."""
        return np.inf if self.arrow is None else distance_to_segment(point, self.arrow)


def section(content: CutSurfaceContent, orientation: Orientation, position_mm: float) -> tuple[Run, ...]:
    """Where a slice meets a surface, exactly: each triangle is cut by the slice's plane.

    Points on the plane count as in front of it, so that every line goes on through them.

    Parameters
    ----------
    position_mm
        The slice's w.

    Returns
    -------
    Points and directions in view millimetres (u, v).
    """
    mesh, margins = by_margin(content)
    if mesh.empty:
        return ()
    height = mesh.points[:, orientation.axis].astype(np.float64) - position_mm
    front = height >= 0
    corners = front[mesh.triangles]
    count = corners.sum(axis=1)
    met = np.flatnonzero((count == 1) | (count == 2))
    if not len(met):
        return ()
    triangles, corners = mesh.triangles[met].astype(np.int64), corners[met]
    # The corner that is alone on its side: both edges that are cut end in it.
    alone = np.where(corners.sum(axis=1)[:, None] == 1, corners, ~corners).argmax(axis=1)
    rows = np.arange(len(met))
    tip = triangles[rows, alone]
    edges = np.stack([tip, triangles[rows, (alone + 1) % 3], tip, triangles[rows, (alone + 2) % 3]], axis=-1)
    edges = np.sort(edges.reshape(-1, 2), axis=1)
    keys, place = np.unique(edges[:, 0] * len(mesh.points) + edges[:, 1], return_inverse=True)
    low, high = keys // len(mesh.points), keys % len(mesh.points)
    share = (height[low] / (height[low] - height[high]))[:, None]
    one, other = (orientation.to_view(mesh.points[end])[:, :2] for end in (low, high))
    points = one + share * (other - one)
    sides = _removed(content, mesh, triangles, orientation)
    margins = margins[met]
    return tuple(
        Run(points[ends], margins[links], sides[links]) for ends, links in _chains(place.reshape(-1, 2), len(keys))
    )


_split: WeakKeyDictionary[CutSurfaceContent, tuple[Mesh, NDArray[np.uint8]]] = WeakKeyDictionary()


def by_margin(content: CutSurfaceContent) -> tuple[Mesh, NDArray[np.uint8]]:
    """The surface in triangles of one margin class each, and those classes.

    A triangle whose corners differ is cut half-way along its edges.
    """
    found = _split.get(content)
    if found is None:
        mesh, classes = content.mesh, content.classes
        if classes is None or not classes.any():
            found = mesh, np.zeros(len(mesh.triangles), np.uint8)
        else:
            found = _cut_by_class(mesh, classes)
        _split[content] = found
    return found


def _cut_by_class(mesh: Mesh, classes: NDArray[np.uint8]) -> tuple[Mesh, NDArray[np.uint8]]:
    corners = classes[mesh.triangles]
    mixed = (corners != corners[:, :1]).any(axis=1)
    triangles, corners = mesh.triangles[mixed].astype(np.int64), corners[mixed]
    if not len(triangles):
        return mesh, classes[mesh.triangles[:, 0]]
    all_differ = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 2] != corners[:, 0])
    # Turned so that the corner that differs from the two others comes first.
    alike = np.stack([corners[:, 1] == corners[:, 2], corners[:, 2] == corners[:, 0]], axis=1)
    first = np.where(alike[:, 0], 0, np.where(alike[:, 1], 1, 2))
    turn = (first[:, None] + np.arange(3)) % 3
    triangles = np.take_along_axis(triangles, turn, axis=1)
    a, b, c = triangles.T
    edges = np.sort(np.stack([a, b, b, c, c, a], axis=-1).reshape(-1, 2), axis=1)
    base = len(mesh.points)
    keys, place = np.unique(edges[:, 0] * base + edges[:, 1], return_inverse=True)
    ends = np.stack([keys // base, keys % base])
    ab, bc, ca = (base + place.reshape(-1, 3)).T
    three = np.flatnonzero(all_differ)
    middle = np.full(len(triangles), -1)
    middle[three] = base + len(keys) + np.arange(len(three))
    points = [mesh.points, mesh.points[ends].mean(axis=0), mesh.points[triangles[three]].mean(axis=1)]
    two = ~all_differ
    parts = [
        (a, ab, ca, a, two),
        (ab, b, c, b, two),
        (ab, c, ca, b, two),
        *((one, m, middle, one, all_differ) for one, m in ((a, ab), (b, bc), (c, ca))),
        *((one, middle, m, one, all_differ) for one, m in ((a, ca), (b, ab), (c, bc))),
    ]
    new = [np.stack([i[use], j[use], k[use]], axis=-1) for i, j, k, _, use in parts]
    kinds = [classes[of[use]] for _, _, _, of, use in parts]
    whole = np.concatenate([mesh.triangles[~mixed], *new]).astype(np.int32)
    return (
        Mesh(np.concatenate(points).astype(np.float32), whole),
        np.concatenate([classes[mesh.triangles[~mixed][:, 0]], *kinds]),
    )


def _chains(links: IntArray, nodes: int) -> list[tuple[list[int], list[int]]]:
    """Lines through links (m, 2) between nodes: the nodes and the links of each, in order.

    Where more than two links meet in a node, lines end there.
    """
    at: list[list[int]] = [[] for _ in range(nodes)]
    pairs = links.tolist()
    for number, (a, b) in enumerate(pairs):
        at[a].append(number)
        at[b].append(number)
    used = [False] * len(pairs)
    found: list[tuple[list[int], list[int]]] = []
    ends = [node for node in range(nodes) if len(at[node]) != 2]
    for start in (*ends, *range(nodes)):
        for first in at[start]:
            if used[first]:
                continue
            way, path, node, link = [start], [], start, first
            while True:
                used[link] = True
                path.append(link)
                a, b = pairs[link]
                node = b if node == a else a
                way.append(node)
                after = [other for other in at[node] if not used[other]] if len(at[node]) == 2 else []
                if not after:
                    break
                link = after[0]
            found.append((way, path))
    return found


def _removed(content: CutSurfaceContent, mesh: Mesh, triangles: IntArray, orientation: Orientation) -> FloatArray:
    if content.remove_point is None:
        return np.zeros((len(triangles), 2))
    normals = unit_normals(mesh, triangles) * removed_side(content.mesh, content.remove_point)
    return np.asarray(orientation.to_view(normals)[:, :2])


def unit_normals(mesh: Mesh, triangles: NDArray[np.integer]) -> FloatArray:
    """(m, 3) by the right-hand rule; zero for a triangle without area."""
    a, b, c = (mesh.points[triangles[:, corner]].astype(np.float64) for corner in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.where(length > 0, length, 1.0))


def removed_side(mesh: Mesh, remove_point: ArrayLike) -> float:
    """1 if the side that goes is the one that the triangles' normals point to, otherwise -1.

    The side of a point is told at the surface's vertex nearest to it, whose triangles' normals are added up weighted by
    their angles there, which is right also on an edge or a tip (Baerentzen and Aanaes, IEEE TVCG 11:243, 2005).
    """
    away = np.asarray(remove_point, dtype=np.float64) - mesh.points
    nearest = int((away**2).sum(axis=1).argmin())
    around = mesh.triangles[(mesh.triangles == nearest).any(axis=1)]
    if not len(around):
        return 1.0
    turned = [np.roll(triangle, -int(np.flatnonzero(triangle == nearest)[0])) for triangle in around]
    a, b, c = (mesh.points[np.array(turned)[:, corner]].astype(np.float64) for corner in range(3))
    one, other = b - a, c - a
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = (one * other).sum(axis=1) / np.where(length > 0, length, 1.0)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    normal = (unit_normals(mesh, around) * angle[:, None]).sum(axis=0)
    return 1.0 if float(away[nearest] @ normal) >= 0 else -1.0


def slice_curve(
    content: CutSurfaceContent, runs: Sequence[Run], orientation: Orientation, position_mm: float, placement: Placement
) -> SliceCurve | None:
    """What a slice shows of a surface, in pixels; ``runs`` are those of `section`. None if it shows nothing."""
    shown = tuple(Run(placement.to_pixels(run.points), run.margins, run.removed) for run in runs)
    knobs = _knobs(content, orientation, position_mm, placement) if isinstance(content, PatchContent) else ()
    if not shown and not knobs:
        return None
    arrow = _arrow(shown, placement) if content.remove_point is not None else None
    return SliceCurve(content, shown, arrow, knobs)


def _arrow(runs: Sequence[Run], placement: Placement) -> Segment | None:
    """From the middle of the longest line that can be seen."""
    best: tuple[float, FloatArray, FloatArray] | None = None
    for run in runs:
        middles = (run.points[:-1] + run.points[1:]) / 2
        inside = ((middles > ARROW_PX) & (middles < (placement.width - ARROW_PX, placement.height - ARROW_PX))).all(1)
        inside &= np.linalg.norm(run.removed, axis=1) > 0.1
        lengths = np.where(inside, np.linalg.norm(np.diff(run.points, axis=0), axis=1), 0.0)
        along = np.cumsum(lengths)
        if not inside.any() or (best is not None and along[-1] <= best[0]):
            continue
        at = int(np.searchsorted(along, along[-1] / 2))
        best = float(along[-1]), middles[at], run.removed[at] / np.linalg.norm(run.removed[at])
    if best is None:
        return None
    tip = best[1] + ARROW_PX * best[2]
    return (float(best[1][0]), float(best[1][1])), (float(tip[0]), float(tip[1]))


def _knobs(
    content: PatchContent, orientation: Orientation, position_mm: float, placement: Placement
) -> tuple[Knob, ...]:
    view = orientation.to_view(content.control_points)
    away = view[..., 2] - position_mm
    pixels = placement.to_pixels(view[..., :2])
    return tuple(
        Knob(int(row), int(column), (float(pixels[row, column, 0]), float(pixels[row, column, 1])), float(distance))
        for row, column in np.argwhere(np.abs(away) < NEAR_MM)
        for distance in (away[row, column],)
    )


def dashed(points: FloatArray, pattern: Sequence[float]) -> list[FloatArray]:
    """A line (n, 2) in pieces: lengths that are drawn and left out in turn; whole if there is no pattern."""
    if not pattern:
        return [points]
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1)))
    starts = np.arange(0.0, along[-1], pattern[0] + pattern[1])
    pieces: list[FloatArray] = []
    for start in starts:
        end = min(start + pattern[0], along[-1])
        between = along[(along > start) & (along < end)]
        at = np.concatenate([[start], between, [end]])
        pieces.append(np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=-1))
    return pieces


def rim(triangles: NDArray[np.integer]) -> IntArray:
    """The edges (n, 2) that only one triangle has: where a surface ends."""
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), axis=1)
    if not len(edges):
        return edges
    base = int(edges.max()) + 1
    keys, count = np.unique(edges[:, 0] * base + edges[:, 1], return_counts=True)
    single = keys[count == 1]
    return np.stack([single // base, single % base], axis=-1)


def hatching_coordinates(points: FloatArray, normals: FloatArray, axes: FloatArray) -> NDArray[np.float32]:
    """Millimetres along two directions over each triangle, in which stripes are nowhere drawn out long.

    Parameters
    ----------
    points
        (m, 3, 3), the corners of each triangle.
    normals
        (m, 3) of the triangles.
    axes
        Three directions at right angles, rows; a triangle is looked at along the one that it faces most.

    Returns
    -------
    (m, 3, 2).
    """
    along = points @ axes.T
    faces = np.abs(normals @ axes.T).argmax(axis=1)
    pairs = np.array([[1, 2], [2, 0], [0, 1]])[faces]
    return np.asarray(np.take_along_axis(along, pairs[:, None, :], axis=2), dtype=np.float32)


def surface_axes(mesh: Mesh) -> FloatArray:
    """Three unit directions, rows: two along the surface, and the one that it faces on the whole."""
    a, b, c = (mesh.points[mesh.triangles[:, corner]].astype(np.float64) for corner in range(3))
    facing = np.cross(b - a, c - a).sum(axis=0)
    if np.linalg.norm(facing) < 1e-9:
        facing = np.array([0.0, -1.0, 0.0])
    facing = facing / np.linalg.norm(facing)
    across, up = in_plane_axes(facing)
    return np.stack([across, up, facing])


def centre_of(mesh: Mesh, remove_point: Vec3 | None) -> tuple[FloatArray, FloatArray] | None:
    """A place in the middle of a surface, and the unit direction there to the side that goes (zero: none does)."""
    if mesh.empty:
        return None
    points = mesh.points.astype(np.float64)
    nearest = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())
    around = mesh.triangles[(mesh.triangles == nearest).any(axis=1)]
    normal = unit_normals(mesh, around).sum(axis=0)
    length = float(np.linalg.norm(normal))
    if remove_point is None or length < 1e-9:
        return points[nearest], np.zeros(3)
    return points[nearest], normal / length * removed_side(mesh, remove_point)
