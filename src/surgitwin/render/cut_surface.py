"""Cut surfaces of triangles, without a picture: which side of one goes, its parts by margin, its rim and hatching."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.mesh import Mesh
from surgitwin.render.content import CutSurfaceContent, MarginClass
from surgitwin.render.cutting import in_plane_axes

IntArray = NDArray[np.int64]
FLAT_MM2 = 1e-9
EDGE = 1e-9
NEAREST_SHARE = 0.02  # of an edge, between a point and where the class changes
MARGIN_TOKENS = {
    MarginClass.SAFE: "margin-safe",
    MarginClass.UNCERTAIN: "margin-uncertain",
    MarginClass.BELOW: "margin-below",
}


_split: WeakKeyDictionary[CutSurfaceContent, tuple[Mesh, NDArray[np.uint8]]] = WeakKeyDictionary()


def by_margin(content: CutSurfaceContent) -> tuple[Mesh, NDArray[np.uint8]]:
    """The surface in triangles of one margin class each, and those classes.

    A triangle whose corners differ is cut across its edges.
    """
    found = _split.get(content)
    if found is None:
        mesh, classes = content.mesh, content.classes
        if classes is None or not classes.any():
            found = mesh, np.zeros(len(mesh.triangles), np.uint8)
        else:
            found = _cut_by_class(content, classes)
        _split[content] = found
    return found


def _shares(content: CutSurfaceContent, classes: NDArray[np.uint8], ends: IntArray) -> FloatArray:
    """How far along edges (2, n) from the first end the class changes; of no account where it does not."""
    shares = np.full(ends.shape[1], 0.5)
    if content.distances_mm is None or content.limits_mm is None:
        return shares
    first, second = (content.distances_mm[end].astype(np.float64) for end in ends)
    kinds = np.sort(classes[ends], axis=0)
    known = np.isfinite(first) & np.isfinite(second) & (first != second)
    below, safe = content.limits_mm
    for pair, limit in (((2, 3), below), ((1, 2), safe), ((1, 3), (below + safe) / 2)):
        here = known & (kinds[0] == pair[0]) & (kinds[1] == pair[1])
        shares[here] = (limit - first[here]) / (second[here] - first[here])
    return np.asarray(np.clip(shares, NEAREST_SHARE, 1.0 - NEAREST_SHARE))


def _cut_by_class(content: CutSurfaceContent, classes: NDArray[np.uint8]) -> tuple[Mesh, NDArray[np.uint8]]:
    mesh = content.mesh
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
    share = _shares(content, classes, ends)[:, None]
    between = (1.0 - share) * mesh.points[ends[0]] + share * mesh.points[ends[1]]
    centres = between[place.reshape(-1, 3)[three]].mean(axis=1)
    points = [mesh.points, between, centres]
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


def unit_normals(mesh: Mesh, triangles: NDArray[np.integer]) -> FloatArray:
    """(m, 3) by the right-hand rule; zero for a triangle without area."""
    a, b, c = (mesh.points[triangles[:, corner]].astype(np.float64) for corner in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.where(length > 0, length, 1.0))


_sides: WeakKeyDictionary[CutSurfaceContent, float] = WeakKeyDictionary()


def side_of(content: CutSurfaceContent) -> float:
    """1 if the side that goes is the one that the triangles' normals point to, -1 if the other; 0 if no side goes."""
    if content.side is not None:
        return float(content.side)
    found = _sides.get(content)
    if found is None:
        point = content.remove_point
        found = 0.0 if point is None or content.mesh.empty else removed_side(content.mesh, point)
        _sides[content] = found
    return found


def side_by_crossings(points: FloatArray, triangles: NDArray[np.integer], drawn: int, remove_point: ArrayLike) -> int:
    """The side that goes of a surface that divides all space, as 1 or -1, told by how often a way there crosses it.

    The way leaves from one of the first ``drawn`` triangles, on the side of its normal. One that runs through an edge,
    where crossings cannot be counted, is left for another.

    Parameters
    ----------
    points, triangles
        The surface with all that extends it, (n, 3) LPS mm and (m, 3).
    """
    points, goal = np.asarray(points, dtype=np.float64), np.asarray(remove_point, dtype=np.float64)
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    one, other = b - a, c - a
    normals = np.cross(one, other)
    areas = np.linalg.norm(normals, axis=1)
    votes = 0
    for number in np.unique(np.linspace(0.21, 0.79, 9) * (drawn - 1)).astype(np.int64):
        if areas[number] <= FLAT_MM2:
            continue
        start = (a[number] + b[number] + c[number]) / 3
        way = goal - start
        scale = normals @ way
        with np.errstate(divide="ignore", invalid="ignore"):
            # Cramer's rule for start + t way = a + u one + v other.
            away = a - start
            t = (normals * away).sum(axis=1) / scale
            turned = np.cross(away, way)
            u = (turned * other).sum(axis=1) / scale
            v = -(turned * one).sum(axis=1) / scale
        t[number] = np.inf
        crossed = (t > 0) & (t < 1) & (u >= 0) & (v >= 0) & (u + v <= 1)
        edge = np.minimum(np.minimum(np.abs(u), np.abs(v)), np.abs(1 - u - v))
        near = (t > -EDGE) & (t < 1 + EDGE) & (u > -EDGE) & (v > -EDGE) & (u + v < 1 + EDGE)
        if abs(scale[number]) > EDGE * areas[number] * np.linalg.norm(way) and not (near & (edge < EDGE)).any():
            ahead = 1 if scale[number] > 0 else -1
            votes += ahead if np.count_nonzero(crossed) % 2 == 0 else -ahead
            if abs(votes) == 3:
                break
    return 1 if votes >= 0 else -1


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


def centre_of(content: CutSurfaceContent) -> tuple[FloatArray, FloatArray] | None:
    """A place in the middle of a surface, and the unit direction there to the side that goes (zero: none does)."""
    mesh = content.mesh
    if mesh.empty:
        return None
    points = mesh.points.astype(np.float64)
    used = points[np.unique(mesh.triangles)]
    nearest = int(((points - used.mean(axis=0)) ** 2).sum(axis=1).argmin())
    around = mesh.triangles[(mesh.triangles == nearest).any(axis=1)]
    normal = unit_normals(mesh, around).sum(axis=0)
    length = float(np.linalg.norm(normal))
    return points[nearest], np.zeros(3) if length < 1e-9 else normal / length * side_of(content)


def rim(triangles: NDArray[np.integer]) -> IntArray:
    """The edges (n, 2) that only one triangle has: where a surface ends."""
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), axis=1)
    if not len(edges):
        return edges
    base = int(edges.max()) + 1
    keys, count = np.unique(edges[:, 0] * base + edges[:, 1], return_counts=True)
    single = keys[count == 1]
    return np.stack([single // base, single % base], axis=-1)


def hatching_coordinates(points: NDArray[np.floating], normals: FloatArray, axes: FloatArray) -> NDArray[np.float32]:
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
