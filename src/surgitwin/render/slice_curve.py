"""Cut surfaces in a slice, without a picture: the curve where the slice meets one, and control points near it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.mesh import Mesh
from surgitwin.render.content import CutSurfaceContent, MarginClass, PatchContent
from surgitwin.render.cut_surface import IntArray, by_margin, side_of, unit_normals
from surgitwin.render.cutting import distance_to_segment
from surgitwin.render.placement import Placement, Point, Segment
from surgitwin.render.slicing import Orientation

ARROW_PX = 22.0
NEAR_MM = 5.0
"""Control points this near to a slice can be held in it."""
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
    """A control point in a slice: its row and column, its pixel, and how far it lies before the slice or behind it.

    Attributes
    ----------
    on_slice
        No other slice is nearer to it.
    """

    row: int
    column: int
    at: Point
    away_mm: float
    on_slice: bool


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


def _chains(links: IntArray, nodes: int) -> list[tuple[list[int], list[int]]]:
    """Lines through links (m, 2) between nodes: the nodes and the links of each, in order.

    Where more than two links meet in a node, lines end there.
    """
    # Walked for every slice at each step of a drag: the other link of a node, and the other node of a link, are what is
    # left of both when the one that is known is taken away.
    incident = np.argsort(links.reshape(-1), kind="stable") // 2
    degree = np.bincount(links.reshape(-1), minlength=nodes)
    starts = np.concatenate([[0], np.cumsum(degree)])
    passes = degree == 2
    both_links = np.zeros(nodes, np.int64)
    both_links[passes] = incident[starts[:-1][passes]] + incident[starts[:-1][passes] + 1]
    after, both_nodes, through = both_links.tolist(), links.sum(axis=1).tolist(), passes.tolist()
    used = [False] * len(links)
    found: list[tuple[list[int], list[int]]] = []
    ends = np.flatnonzero(~passes)
    firsts = [(node, link) for node in ends.tolist() for link in incident[starts[node] : starts[node + 1]].tolist()]
    rings = zip(np.flatnonzero(passes).tolist(), incident[starts[:-1][passes]].tolist(), strict=True)
    for start, first in (*firsts, *rings):
        if used[first]:
            continue
        way, path, node, link = [start], [], start, first
        while True:
            used[link] = True
            path.append(link)
            node = both_nodes[link] - node
            way.append(node)
            if not through[node]:
                break
            link = after[node] - link
            if used[link]:
                break
        found.append((way, path))
    return found


def _removed(content: CutSurfaceContent, mesh: Mesh, triangles: IntArray, orientation: Orientation) -> FloatArray:
    if side_of(content) == 0:
        return np.zeros((len(triangles), 2))
    normals = unit_normals(mesh, triangles) * side_of(content)
    return np.asarray(orientation.to_view(normals)[:, :2])


def slice_curve(
    content: CutSurfaceContent,
    runs: Sequence[Run],
    orientation: Orientation,
    position_mm: float,
    placement: Placement,
    slice_mm: float = 1.0,
) -> SliceCurve | None:
    """What a slice shows of a surface, in pixels; ``runs`` are those of `section`. None if it shows nothing.

    Parameters
    ----------
    slice_mm
        From one slice to the next.
    """
    shown = tuple(Run(placement.to_pixels(run.points), run.margins, run.removed) for run in runs)
    knobs = _knobs(content, orientation, position_mm, placement, slice_mm) if isinstance(content, PatchContent) else ()
    if not shown and not knobs:
        return None
    arrow = _arrow(shown, placement)
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
    content: PatchContent, orientation: Orientation, position_mm: float, placement: Placement, slice_mm: float
) -> tuple[Knob, ...]:
    view = orientation.to_view(content.control_points)
    away = view[..., 2] - position_mm
    pixels = placement.to_pixels(view[..., :2])
    found: list[Knob] = []
    for row, column in np.argwhere(np.abs(away) < NEAR_MM):
        x, y = (float(value) for value in pixels[row, column])
        distance = float(away[row, column])
        found.append(Knob(int(row), int(column), (x, y), distance, abs(distance) <= slice_mm / 2))
    return tuple(found)


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
