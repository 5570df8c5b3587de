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
from surgitwin.vessels.chains import Chains
from surgitwin.vessels.thinning import Padded, thinned

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

    lines = np.zeros(mask.shape, dtype=np.bool_)
    lines[tuple(thinned(Padded.of(mask), even=False).T)] = True
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
        pieces = Chains.of(points)
        spurs = _spurs(pieces, depth, steps)
        if spurs.size == 0:
            break
        points = np.delete(points, spurs, axis=0)
    return _graph(Chains.of(points), depth)


def _spurs(pieces: Chains, depth: NDArray[np.float64], steps: NDArray[np.float64]) -> IntArray:
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


def _graph(pieces: Chains, depth: NDArray[np.float64]) -> VesselGraph:
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
