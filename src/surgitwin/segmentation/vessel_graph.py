"""The centre lines of a vessel mask as a graph: unbranched stretches and the places where they meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.slabs import threads

_NEIGHBOUR = 1.8  # voxels that share a corner
_SPUR_ROUNDS = 2
_REPAIRS, _REPAIR_RIM = 6, 8
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Stretch:
    """A vessel between two forks or ends.

    Attributes
    ----------
    ends
        The forks at its first and last point; -1 for a free end.
    points
        Places along it, (n, 3) [k, j, i] in voxels, n at least 2; forks included.
    radii_mm
        Distance from each point to the nearest background, mm.
    """

    ends: tuple[int, int]
    points: NDArray[np.float64]
    radii_mm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VesselGraph:
    """All stretches of a mask; ``forks`` are the places (n, 3) [k, j, i] in voxels where stretches meet."""

    stretches: tuple[Stretch, ...]
    forks: NDArray[np.float64]


def centre_lines(mask: Mask, spacing: Sequence[float] | NDArray[np.float64]) -> Mask:
    """One voxel wide lines in the middle of ``mask``, connected as it is.

    By thinning (Lee et al., CVGIP 1994;56:462). Thinning eats straight vessels of an even number of voxels from their
    ends; what it leaves bare gets a line along the deepest way from its far end (after Sato et al., TEASAR, 2000).
    """
    from scipy import ndimage
    from skimage.morphology import skeletonize

    lines = np.asarray(skeletonize(mask, method="lee"), dtype=np.bool_)  # type: ignore[no-untyped-call]
    steps = np.asarray(spacing, dtype=np.float64)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=steps)[1:-1, 1:-1, 1:-1]
    voxels = np.argwhere(mask)
    for _ in range(_REPAIRS):
        bare, away = _bare(voxels, lines, depth, steps)
        if bare.size == 0:
            break
        far = np.zeros(mask.shape, dtype=np.float32)
        far[tuple(bare.T)] = away
        pieces, _ = ndimage.label(far > 0, np.ones((3, 3, 3)))
        for number, box in enumerate(ndimage.find_objects(pieces), 1):
            _add_line(lines, depth, far, pieces[box] == number, box, steps)
    return lines


def _bare(
    voxels: IntArray, lines: Mask, depth: NDArray[np.float64], steps: NDArray[np.float64]
) -> tuple[IntArray, NDArray[np.float64]]:
    """Those of ``voxels`` much farther from every line than the vessel there is wide, and how far, mm."""
    from scipy.spatial import cKDTree

    points = np.argwhere(lines)
    if len(points) == 0:
        return voxels, np.ones(len(voxels))
    away, near = cKDTree(points * steps).query(voxels * steps, workers=threads())
    bare = away > 1.5 * depth[tuple(points[near].T)] + 2 * steps.max()
    return voxels[bare], away[bare]


def _add_line(
    lines: Mask,
    depth: NDArray[np.float64],
    away: NDArray[np.float32],
    piece: Mask,
    box: tuple[slice, ...],
    steps: NDArray[np.float64],
) -> None:
    """Draw a line from the far end of a bare ``piece`` to the nearest line, or to its other end if there is none."""
    from skimage.graph import MCP_Geometric

    part = tuple(slice(max(0, s.start - _REPAIR_RIM), s.stop + _REPAIR_RIM) for s in box)
    offset = np.array([s.start - p.start for s, p in zip(box, part, strict=True)])
    deep, own = depth[part], lines[part]
    voxels = np.argwhere(piece) + offset
    search = MCP_Geometric(np.where(deep > 0, 1 / np.maximum(deep, 1e-3) ** 2, -1), sampling=tuple(steps))
    far = voxels[int(np.argmax(away[part][tuple(voxels.T)]))]
    spent, _ = search.find_costs([tuple(far)])
    ends = np.argwhere(own & np.isfinite(spent))
    if len(ends):
        end = ends[int(np.argmin(spent[tuple(ends.T)]))]
    else:
        reached = voxels[np.isfinite(spent[tuple(voxels.T)])]
        end = reached[int(np.argmax(_gaps(reached, far, steps)))]
    own[tuple(np.array(search.traceback(tuple(end))).T)] = True


def _gaps(voxels: IntArray, place: IntArray, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm((voxels - place) * steps, axis=1))


def vessel_graph(mask: Mask, spacing: Sequence[float] | NDArray[np.float64], ctx: Context | None = None) -> VesselGraph:
    """The graph of ``mask``'s centre lines, without the spurs that a rough wall grows.

    Parameters
    ----------
    mask
        [k, j, i].
    spacing
        Voxel size along k, j and i, mm.
    """
    from scipy import ndimage

    ctx = ctx or Context()
    steps = np.asarray(spacing, dtype=np.float64)
    ctx.progress(0.0, tr("Finding the vessels' middle lines"))
    lines = centre_lines(mask, steps)
    ctx.progress(0.6)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=steps)[1:-1, 1:-1, 1:-1]
    points = np.argwhere(lines)
    for number in range(_SPUR_ROUNDS):
        ctx.progress(0.7 + 0.1 * number)
        pieces = _Pieces.of(points)
        spurs = _spurs(pieces, depth, steps)
        if spurs.size == 0:
            break
        points = np.delete(points, spurs, axis=0)
    return _graph(_Pieces.of(points), depth)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Line voxels sorted into forks (three neighbours or more) and the chains between them."""

    points: IntArray
    fork_of: IntArray  # fork of each voxel, -1 on a chain
    forks: NDArray[np.float64]
    chains: list[IntArray]  # voxels in order
    touches: list[tuple[IntArray, IntArray]]  # forks at the first and at the last voxel of each chain

    @staticmethod
    def of(points: IntArray) -> _Pieces:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components
        from scipy.spatial import cKDTree

        count = len(points)
        pairs = cKDTree(points).query_pairs(_NEIGHBOUR, output_type="ndarray") if count else np.zeros((0, 2), np.int64)
        degree = np.bincount(pairs.reshape(-1), minlength=count)
        is_fork = degree >= 3

        def groups(chosen: NDArray[np.bool_]) -> IntArray:
            own = pairs[chosen[pairs[:, 0]] & chosen[pairs[:, 1]]]
            matrix = coo_matrix((np.ones(len(own)), (own[:, 0], own[:, 1])), shape=(count, count))
            _, found = connected_components(matrix, directed=False)
            labels = np.full(count, -1, dtype=np.int64)
            labels[chosen] = np.unique(found[chosen], return_inverse=True)[1]
            return labels

        fork_of, chain_of = groups(is_fork), groups(~is_fork)
        fork_count = int(fork_of.max(initial=-1)) + 1
        forks = np.zeros((fork_count, 3))
        for axis in range(3):
            sums = np.bincount(fork_of[is_fork], weights=points[is_fork, axis], minlength=fork_count)
            forks[:, axis] = sums / np.maximum(np.bincount(fork_of[is_fork], minlength=fork_count), 1)
        neighbours: list[list[int]] = [[] for _ in range(count)]
        for a, b in pairs.tolist():
            neighbours[a].append(b)
            neighbours[b].append(a)
        order = np.argsort(chain_of, kind="stable")
        order = order[np.searchsorted(chain_of[order], 0) :]
        members = np.split(order, np.flatnonzero(np.diff(chain_of[order])) + 1) if order.size else []
        chains, touches = [], []
        for own in members:
            chain = _in_order(own.tolist(), neighbours, fork_of)
            chains.append(np.array(chain, dtype=np.int64))
            touches.append(_touching(chain, neighbours, fork_of))
        return _Pieces(points, fork_of, forks, chains, touches)


def _in_order(own: list[int], neighbours: list[list[int]], fork_of: IntArray) -> list[int]:
    """The chain's voxels from one end to the other."""
    inside = set(own)
    start = next((v for v in own if sum(n in inside for n in neighbours[v]) <= 1), own[0])
    chain, seen = [start], {start}
    while following := [n for n in neighbours[chain[-1]] if n in inside and n not in seen]:
        chain.append(following[0])
        seen.add(following[0])
    return chain


def _touching(chain: list[int], neighbours: list[list[int]], fork_of: IntArray) -> tuple[IntArray, IntArray]:
    """Forks at both ends; those of a chain of one voxel are dealt out to its two ends."""
    first, last = ({int(fork_of[n]) for n in neighbours[v] if fork_of[n] >= 0} for v in (chain[0], chain[-1]))
    if len(chain) == 1:
        every = sorted(first)
        first, last = set(every[:1]), set(every[1:])
    return np.array(sorted(first), dtype=np.int64), np.array(sorted(last), dtype=np.int64)


def _spurs(pieces: _Pieces, depth: NDArray[np.float64], steps: NDArray[np.float64]) -> IntArray:
    """Voxels of chains with a free end that hardly leave the vessel they start in."""
    found: list[IntArray] = []
    for chain, (first, last) in zip(pieces.chains, pieces.touches, strict=True):
        if (first.size == 0) == (last.size == 0):
            continue
        places = pieces.points[chain] * steps
        fork = pieces.forks[(first if first.size else last)[0]]
        tip = places[-1] if first.size else places[0]
        host = float(depth[tuple(np.rint(fork).astype(np.int64))])
        if np.linalg.norm(tip - fork * steps) < 1.5 * host + float(steps.max()):
            found.append(chain)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _graph(pieces: _Pieces, depth: NDArray[np.float64]) -> VesselGraph:
    stretches = []
    for chain, (first, last) in zip(pieces.chains, pieces.touches, strict=True):
        ends = int(first[0]) if first.size else -1, int(last[0]) if last.size else -1
        points = pieces.points[chain].astype(np.float64)
        if ends[0] >= 0:
            points = np.concatenate([pieces.forks[ends[0]][None], points])
        if ends[1] >= 0:
            points = np.concatenate([points, pieces.forks[ends[1]][None]])
        if len(points) < 2:
            points = np.repeat(points, 2, axis=0)
        radii = depth[tuple(np.rint(points).astype(np.int64).T)]
        stretches.append(Stretch(ends, points, np.asarray(radii, dtype=np.float64)))
    return VesselGraph(tuple(stretches), pieces.forks)
