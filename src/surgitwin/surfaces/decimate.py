"""Fewer triangles: edge collapses that keep a closed mesh closed and its volume.

Quadric error metrics (Garland and Heckbert, SIGGRAPH 1997), in rounds of many collapses at once: the cheapest edges
that lie far enough apart not to touch a common triangle. An edge collapses only if its two ends have exactly two
common neighbours (the link condition: the mesh stays manifold) and no triangle around it turns over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.surfaces.check import is_closed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Normals of the triangles around a collapsing edge may turn by at most about 75 degrees.
_LEAST_COSINE = 0.25
# Weight of the edge's own length in its cost, so that flat regions keep well-shaped triangles.
_LENGTH_WEIGHT = 1e-3
# Share of the edges, cheapest first, that may collapse in one round.
_ROUND_SHARE = 0.4
_SELECTIONS = 3
_VOLUME_STEPS = 12
_VOLUME_TOLERANCE = 1e-4


def decimate(mesh: Mesh, triangles: int, ctx: Context) -> Mesh:
    """Reduce a closed mesh to about ``triangles`` triangles; it stays closed, manifold and as large as before.

    Parameters
    ----------
    triangles
        At most so many are left, unless the shape itself needs more: every shell keeps at least four, and every
        handle its own.

    Returns
    -------
    The same mesh if it is small enough already.

    Raises
    ------
    BadInput
        If the mesh is not closed, or ``triangles`` is below 4.
    Cancelled
        If ``ctx`` was cancelled.
    """
    if triangles < 4:
        raise BadInput(tr("A closed mesh needs at least 4 triangles, not {count}.").format(count=triangles))
    if len(mesh.triangles) <= triangles:
        return mesh
    if not is_closed(mesh):
        raise BadInput(tr("Only a closed mesh can be decimated: some edges do not have exactly two triangles."))
    work = _Work(mesh)
    before = len(mesh.triangles)
    while len(work.triangles) > triangles:
        done = (before - len(work.triangles)) / (before - triangles)
        ctx.progress(done, tr("Reducing triangles"))
        if not work.collapse_some((len(work.triangles) - triangles + 1) // 2):
            break
    return work.result(mesh.volume_mm3)


def bending_mm(mesh: Mesh) -> float:
    """How much a surface bends: its larger curvature, without a sign, summed over its area.

    About so many triangles are needed for the same deviation: those of a ball of radius r are 4 pi r, of a pipe of the
    same radius and length l 2 pi l.
    """
    from surgitwin.surfaces.decimation_kernels import bending

    points, triangles = np.ascontiguousarray(mesh.points, np.float32), np.ascontiguousarray(mesh.triangles, np.int32)
    return float(bending(points, triangles, np.zeros(points.shape)))


def _triangle_normals(points: Floats, triangles: Ints) -> Floats:
    """Normals whose length is twice the triangle's area."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.asarray(np.cross(b - a, c - a))


class _Work:
    """A mesh on its way down. Points keep their numbers; those that were merged away are just not used any more."""

    def __init__(self, mesh: Mesh) -> None:
        from surgitwin.surfaces.decimation_kernels import add_planes

        self._origin = mesh.points.mean(axis=0, dtype=np.float64)
        self._points = mesh.points.astype(np.float64) - self._origin
        self.triangles: Ints = mesh.triangles.astype(np.int64)
        self._quadrics = np.zeros((len(self._points), 10))
        add_planes(self._points, self.triangles, self._quadrics)
        self._refused: Ints = np.zeros(0, np.int64)

    def collapse_some(self, wanted: int) -> bool:
        """One round of up to ``wanted`` collapses; False if nothing more can be collapsed."""
        edges = self._edges()
        keys = edges[:, 0] * len(self._points) + edges[:, 1]
        places, costs = self._costs(edges)
        costs[np.isin(keys, self._refused)] = np.inf
        order = np.argsort(costs)[: max(int(_ROUND_SHARE * costs.size), 64)]
        chosen = self._apart(edges, order[np.isfinite(costs[order])])
        chosen = chosen[np.argsort(costs[chosen], kind="stable")]
        allowed = self._keeps_topology(edges, chosen)
        allowed[allowed] = self._keeps_sides(edges[chosen[allowed]], places[chosen[allowed]])
        done = chosen[allowed][:wanted]
        self._collapse(edges[done], places[done])
        if done.size:
            self._refused = np.union1d(self._refused, keys[chosen[~allowed]])
            return True
        if chosen.size:
            self._refused = np.union1d(self._refused, keys[chosen])
            return True
        return False

    def _edges(self) -> Ints:
        """Every edge (low, high) once: in a closed mesh each runs up in one of its triangles and down in the other."""
        tail, head = self.triangles.reshape(-1), np.roll(self.triangles, -1, axis=1).reshape(-1)
        up = tail < head
        return np.stack((tail[up], head[up]), axis=1)

    def _costs(self, edges: Ints) -> tuple[Floats, Floats]:
        """The best place for each edge's merged vertex, and its cost there."""
        from surgitwin.surfaces.decimation_kernels import weigh_edges

        places, costs = np.empty((len(edges), 3)), np.empty(len(edges))
        weigh_edges(self._points, self._quadrics, edges, _LENGTH_WEIGHT, places, costs)
        return places, costs

    def _apart(self, edges: Ints, order: Ints) -> Ints:
        """Edges out of ``order``, cheap ones first, of which no two have ends that are equal or neighbours."""
        tails, heads = edges.T
        free = np.ones(len(self._points), np.bool_)
        chosen = [np.zeros(0, np.int64)]
        for _ in range(_SELECTIONS):
            order = order[free[tails[order]] & free[heads[order]]]
            best = np.full(len(self._points), order.size)
            rank = np.arange(order.size)
            for ends in (tails, heads):
                np.minimum.at(best, ends[order], rank)
            near = best.copy()
            np.minimum.at(near, tails, best[heads])
            np.minimum.at(near, heads, best[tails])
            taken = order[(near[tails[order]] == rank) & (near[heads[order]] == rank)]
            chosen.append(taken)
            touched = np.zeros(len(self._points), np.bool_)
            touched[edges[taken]] = True
            free &= ~touched
            free[heads[touched[tails]]] = False
            free[tails[touched[heads]]] = False
        return np.concatenate(chosen)

    def _keeps_topology(self, edges: Ints, chosen: Ints) -> NDArray[np.bool_]:
        """True where the two ends of an edge have exactly two common neighbours, and the shell is no tetrahedron."""
        owner = np.full(len(self._points), -1)
        owner[edges[chosen].T] = np.arange(chosen.size)
        pairs = np.concatenate((edges, edges[:, ::-1]))
        pairs = pairs[owner[pairs[:, 0]] >= 0]
        collapse = owner[pairs[:, 0]]
        # Chosen edges are apart, so a vertex that occurs twice beside one of them is a neighbour of both its ends.
        beside = np.sort(collapse * len(self._points) + pairs[:, 1])
        common = np.bincount(beside[1:][beside[1:] == beside[:-1]] // len(self._points), minlength=chosen.size)
        around = np.bincount(collapse, minlength=chosen.size)
        return np.asarray((common == 2) & (around > 6))

    def _keeps_sides(self, edges: Ints, places: Floats) -> NDArray[np.bool_]:
        """True where no triangle beside a collapse turns over or loses its area."""
        from surgitwin.surfaces.decimation_kernels import mark_turned

        owner = np.full(len(self._points), -1)
        owner[edges.T] = np.arange(len(edges))
        fine = np.ones(len(edges), np.bool_)
        mark_turned(self._points, self.triangles, owner, places, _LEAST_COSINE, fine)
        return fine

    def _collapse(self, edges: Ints, places: Floats) -> None:
        keep, drop = edges.T
        self._points[keep] = places
        self._quadrics[keep] += self._quadrics[drop]
        number = np.arange(len(self._points))
        number[drop] = keep
        self.triangles = number[self.triangles]
        a, b, c = self.triangles.T
        self.triangles = self.triangles[(a != b) & (b != c) & (c != a)]

    def result(self, volume_mm3: float) -> Mesh:
        """The mesh without unused points, moved evenly along its normals to enclose the wanted volume."""
        used, numbers = np.unique(self.triangles, return_inverse=True)
        points, triangles = self._points[used], numbers.reshape(-1, 3)
        for _ in range(_VOLUME_STEPS):
            normals = _triangle_normals(points, triangles)
            volume = float(np.einsum("td,td->", points[triangles].mean(axis=1), normals)) / 6
            area = float(np.linalg.norm(normals, axis=1).sum()) / 2
            if abs(volume / volume_mm3 - 1) < _VOLUME_TOLERANCE:
                break
            outward = np.zeros_like(points)
            for corner in range(3):
                np.add.at(outward, triangles[:, corner], normals)
            outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-30)
            points = points + (volume_mm3 - volume) / area * outward
        return Mesh((points + self._origin).astype(np.float32), triangles.astype(np.int32))
