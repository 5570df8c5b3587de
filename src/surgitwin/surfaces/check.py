"""Whether a mesh is fit to be printed or computed with: closed, manifold, outwards, free of crossings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.groups import linked_groups
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.surfaces.intersections import count_self_intersections


@dataclass(frozen=True)
class MeshCheck:
    """What is known of a mesh; None means: not assessed.

    Attributes
    ----------
    closed
        Every edge is used by exactly two triangles (watertight); False for a mesh without triangles.
    manifold
        No edge is used by more than two triangles, the triangles around each vertex form one fan, and no triangle
        uses a vertex twice.
    outward
        All triangles agree on which side is out, and the volume inside is positive.
    self_intersections
        Pairs of triangles that cross.
    shells
        Connected parts; a cavity counts as one.
    min_wall_mm
        Thinnest wall.
    volume_error_percent
        Against the reference that was given.
    """

    closed: bool
    manifold: bool
    outward: bool
    self_intersections: int | None
    shells: int
    volume_ml: float
    volume_error_percent: float | None
    area_mm2: float
    triangles: int
    min_wall_mm: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The ``check`` of an export, with unit and frame."""
        return {
            "closed": self.closed,
            "manifold": self.manifold,
            "outward": self.outward,
            "self_intersections": self.self_intersections,
            "shells": self.shells,
            "min_wall_mm": self.min_wall_mm,
            "volume_ml": self.volume_ml,
            "volume_error_percent": self.volume_error_percent,
            "area_mm2": self.area_mm2,
            "triangles": self.triangles,
            "unit": "mm",
            "frame": "LPS",
        }


def check_mesh(
    mesh: Mesh,
    *,
    reference_ml: float | None = None,
    intersections_up_to: int | None = 1_000_000,
    ctx: Context | None = None,
) -> MeshCheck:
    """Check a mesh whose triangles share vertices (see `merge_vertices` for those of an STL file).

    Parameters
    ----------
    reference_ml
        Volume that the mesh should enclose, for example that of the segment's voxels.
    intersections_up_to
        Crossings are counted in meshes of at most so many triangles (a million take some ten seconds), and left "not
        assessed" in larger ones; None for no limit, 0 for never.
    """
    ctx = ctx or Context()
    count = len(mesh.triangles)
    volume = mesh.volume_ml
    closed, manifold, consistent, shells = _topology(mesh, ctx)
    assess = intersections_up_to is None or count <= intersections_up_to
    return MeshCheck(
        closed=closed,
        manifold=manifold,
        outward=consistent and volume > 0,
        self_intersections=count_self_intersections(mesh, ctx) if assess else None,
        shells=shells,
        volume_ml=volume,
        volume_error_percent=100.0 * (volume / reference_ml - 1.0) if reference_ml else None,
        area_mm2=mesh.area_mm2,
        triangles=count,
    )


def is_closed(mesh: Mesh) -> bool:
    """True if every edge is used by exactly two triangles, once in each direction."""
    keys, backward = _sides(mesh.triangles, len(mesh.points))
    if not keys.size:
        return False
    forward = np.sort(keys)
    return bool(np.all(forward[1:] > forward[:-1]) and np.array_equal(forward, np.sort(backward)))


def merge_vertices(mesh: Mesh) -> Mesh:
    """The same mesh with vertices at exactly the same coordinates made one, as a reader of STL files does it."""
    # Adding zero turns -0.0 into 0.0, whose bytes differ.
    rows = np.ascontiguousarray(mesh.points + np.float32(0)).view([("", np.float32)] * 3).reshape(-1)
    _, first, number = np.unique(rows, return_index=True, return_inverse=True)
    return Mesh(mesh.points[first], number.astype(np.int32)[mesh.triangles])


def _sides(triangles: NDArray[np.int32], points: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Directed edges as numbers, shape (3 m,) by corner, and the same edges in the other direction."""
    tail = triangles.T.astype(np.int64)
    head = np.roll(tail, -1, axis=0)
    return (tail * points + head).reshape(-1), (head * points + tail).reshape(-1)


def _topology(mesh: Mesh, ctx: Context) -> tuple[bool, bool, bool, int]:
    """(closed, manifold, consistently oriented, shells)."""
    count = len(mesh.triangles)
    if not count:
        return False, True, True, 0
    proper = _shells_of_proper(mesh, ctx)
    if proper is not None:
        return True, True, True, proper
    keys, backward = _sides(mesh.triangles, len(mesh.points))
    degenerate = bool(np.any(keys == backward))
    ctx.check()
    order = np.argsort(np.minimum(keys, backward))
    edge = np.minimum(keys, backward)[order]
    again = edge[1:] == edge[:-1]
    first = np.concatenate(([True], ~again))
    uses = np.diff(np.concatenate((np.flatnonzero(first), [edge.size])))
    one, two = order[:-1][again], order[1:][again]
    ctx.check()
    shells = _groups(one % count, two % count, count)
    if uses.max() > 2:
        return False, False, False, shells
    consistent = bool(np.all(keys[one] == backward[two]))
    used = np.zeros(len(mesh.points), np.bool_)
    used[mesh.triangles] = True
    manifold = not degenerate and _fans(keys, one, two) == int(np.count_nonzero(used))
    return bool(uses.min() == 2) and not degenerate, manifold, consistent, shells


def _shells_of_proper(mesh: Mesh, ctx: Context) -> int | None:
    """The number of shells of a mesh that has nothing wrong with it; None for every other mesh, and for huge ones.

    Most meshes are proper, and that takes a fraction of the time that it takes to find out what is wrong.
    """
    points, count = len(mesh.points), len(mesh.triangles)
    bits = (3 * count - 1).bit_length()
    if (points * points).bit_length() + bits > 62 or count % 2:
        return None
    tail = np.ascontiguousarray(mesh.triangles.T, np.int32)
    # Each edge as a number with its side behind it: to sort numbers is several times faster than to find their order.
    packed = np.empty(3 * count, np.int64)
    for corner, part in enumerate(packed.reshape(3, count)):
        head = tail[(corner + 1) % 3]
        np.multiply(np.minimum(tail[corner], head), points, out=part, dtype=np.int64)
        part += np.maximum(tail[corner], head)
        part <<= bits
        part += np.arange(corner * count, (corner + 1) * count)
    ctx.check()
    packed.sort()
    side = (packed & ((1 << bits) - 1)).astype(np.int32)
    packed >>= bits
    edge, one, two = packed[::2], side[::2], side[1::2]
    if not np.array_equal(edge, packed[1::2]) or np.any(edge[1:] == edge[:-1]):
        return None
    ctx.check()
    tails = tail.reshape(-1)
    begins, ends = tails[one], tails[two]
    # Both run the same way, or from a vertex to itself.
    if np.any(begins == ends):
        return None
    valence = np.bincount(tails, minlength=points)
    if not _one_fan_each(tails, valence, one, two):
        return None
    # What hangs together at its vertices then does so at its edges, and vertices are half as many as triangles.
    return _groups(begins, ends, points) - int(np.count_nonzero(valence == 0))


def _one_fan_each(
    tails: NDArray[np.int32], valence: NDArray[np.int64], one: NDArray[np.int32], two: NDArray[np.int32]
) -> bool:
    """True if the triangles around each vertex form one fan, in a mesh that is closed and consistent.

    The side that comes after a side's fellow on the neighbouring triangle begins at the same vertex: all vertices are
    walked around at once, one triangle further each time, until each is back where it began.

    Parameters
    ----------
    tails
        The vertex at which each side begins.
    one, two
        Sides that are fellows.
    """
    size, count = tails.size, tails.size // 3
    fellow = np.empty(size, np.int32)
    fellow[one], fellow[two] = two, one
    after = np.where(fellow < 2 * count, fellow + np.int32(count), fellow - np.int32(2 * count))
    begin = np.empty(valence.size, np.int32)
    begin[tails] = np.arange(size, dtype=np.int32)
    vertex = np.flatnonzero(valence)
    start = begin[vertex]
    place, steps = start, 0
    while vertex.size:
        place, steps = after[place], steps + 1
        back = place == start
        if np.any(valence[vertex[back]] != steps):
            return False
        going = ~back
        vertex, start, place = vertex[going], start[going], place[going]
    return True


def _fans(keys: NDArray[np.int64], one: NDArray[np.int64], two: NDArray[np.int64]) -> int:
    """Number of fans of triangles around vertices: as many as vertices, if these are proper.

    Corners of neighbouring triangles at the same vertex hang together. Side s runs from corner s to the next; its
    fellow on the neighbouring triangle runs the other way, unless the two disagree on which side is out.
    """
    shift = keys.size // 3
    one_next, two_next = (one + shift) % keys.size, (two + shift) % keys.size
    same = keys[one] == keys[two]
    meets, meets_next = np.where(same, two, two_next), np.where(same, two_next, two)
    return _groups(np.concatenate((one, one_next)), np.concatenate((meets, meets_next)), keys.size)


def _groups(one: NDArray[np.integer[Any]], two: NDArray[np.integer[Any]], size: int) -> int:
    """Number of connected groups of ``size`` things that are linked in pairs."""
    return int(linked_groups(one, two, size).max()) + 1
