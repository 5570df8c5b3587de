"""Where a plane cuts a mesh: closed outlines, and what is measured of a vessel's cross-section."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.measuring.polygons import holds, in_plane, signed_area, widths

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CrossSection:
    """The outline of a structure around a place, on a plane.

    Attributes
    ----------
    points_mm
        (n, 3), closed without repeating its first point.
    min_mm, max_mm
        Its narrowest and widest between parallel lines.
    holds_place
        True if the place lies inside; otherwise it is the outline nearest to it.
    """

    points_mm: FloatArray
    area_mm2: float
    perimeter_mm: float
    min_mm: float
    max_mm: float
    holds_place: bool

    @property
    def equivalent_mm(self) -> float:
        """The diameter of the circle of the same area."""
        return float(2.0 * np.sqrt(self.area_mm2 / np.pi))


def cross_section(mesh: Mesh, place_mm: ArrayLike, normal: ArrayLike) -> CrossSection | None:
    """The closed outline of a mesh around a place, on the plane through it; None if the plane meets none.

    Outlines within outlines (a hollow wall) give the smallest that holds the place.
    """
    place = np.asarray(place_mm, dtype=np.float64)
    across = np.asarray(normal, dtype=np.float64) / np.linalg.norm(normal)
    best: tuple[bool, float, FloatArray, FloatArray] | None = None
    for loop in outlines(mesh, place, across):
        flat = in_plane(loop - place, across)
        inside = holds(flat, np.zeros(2))
        rank = abs(signed_area(flat)) if inside else float(np.linalg.norm(flat, axis=1).min())
        if best is None or (not inside, rank) < (not best[0], best[1]):
            best = inside, rank, loop, flat
    if best is None:
        return None
    inside, _, loop, flat = best
    narrow, wide = widths(flat)
    return CrossSection(
        points_mm=loop,
        area_mm2=abs(signed_area(flat)),
        perimeter_mm=float(np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1).sum()),
        min_mm=narrow,
        max_mm=wide,
        holds_place=inside,
    )


def outlines(mesh: Mesh, place_mm: FloatArray, normal: FloatArray) -> list[FloatArray]:
    """The closed outlines, (n, 3) each, in which a plane cuts a mesh; open ends of an open mesh give none."""
    heights = (mesh.points.astype(np.float64) - place_mm) @ normal
    above = heights >= 0.0  # a point on the plane counts as above it, so that every triangle is cut twice or not at all
    sides = above[mesh.triangles]
    cut = mesh.triangles[sides.any(axis=1) & ~sides.all(axis=1)].astype(np.int64)
    if not len(cut):
        return []
    tail, head = cut, np.roll(cut, -1, axis=1)
    crossed = above[tail] != above[head]
    keys = np.minimum(tail, head) * len(heights) + np.maximum(tail, head)
    pairs = keys[crossed].reshape(-1, 2)
    edges, number = np.unique(pairs, return_inverse=True)
    links = number.reshape(-1, 2)
    low, high = np.divmod(edges, len(heights))
    share = heights[low] / (heights[low] - heights[high])
    points = mesh.points.astype(np.float64)
    places = points[low] + share[:, None] * (points[high] - points[low])
    return [places[loop] for loop in _loops(links, len(edges)) if len(loop) > 2]


def _loops(links: NDArray[np.int64], count: int) -> list[list[int]]:
    """The closed walks over places that are linked in pairs; each place of a closed mesh has two links."""
    beside: list[list[int]] = [[] for _ in range(count)]
    for one, two in links.tolist():
        beside[one].append(two)
        beside[two].append(one)
    seen = [False] * count
    found: list[list[int]] = []
    for start in range(count):
        if seen[start]:
            continue
        walk, at, closed = [start], start, False
        seen[start] = True
        while True:
            onward = [place for place in beside[at] if not seen[place]]
            if not onward:
                closed = len(walk) > 2 and start in beside[at]
                break
            at = onward[0]
            seen[at] = True
            walk.append(at)
        if closed:
            found.append(walk)
    return found
