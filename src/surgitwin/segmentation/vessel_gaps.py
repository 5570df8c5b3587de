"""Bridge small gaps of a vessel mask: from a vessel's tip, along what looks most like a vessel, to the next piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask, Runs
from surgitwin.segmentation.vessel_filter import Field
from surgitwin.segmentation.vessel_graph import centre_lines

_TUBE_STRENGTH = 4.0
_DEAREST = 3.0
_BUDGET = 2.0
_AHEAD = 0.3
_TANGENT_MM = 4.0
_STEP_MM = 0.2
_BACK = 2  # voxels


@dataclass(frozen=True, eq=False)
class _Bridge:
    """A way from a tip to another piece: voxels (n, 3) [k, j, i], what it costs, the pieces and the radii it joins."""

    path: NDArray[np.int64]
    cost: float
    pieces: tuple[int, int]
    radii_mm: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Scene:
    """What every tip is looked at with."""

    labels: NDArray[np.int32]  # the piece of each voxel, from 1
    cost: Field
    depth: Field  # distance to the wall, mm
    spacing: NDArray[np.float64]  # along k, j, i
    gap_mm: float


def bridge_gaps(
    mask: Mask,
    strength: Field,
    geometry: Geometry,
    gap_mm: float,
    allowed: Mask | None = None,
    ctx: Context | None = None,
) -> Mask:
    """``mask`` with its gaps bridged by tubes whose radius runs from that of the one end to that of the other.

    From each tip the cheapest way to another piece is taken: a millimetre that looks like a vessel costs one, a
    millimetre that does not three. It is accepted if it leads on the way the vessel was going, its part outside the
    mask is no longer than ``gap_mm``, and it costs no more than twice that. Pieces are joined once, the cheapest first.

    Parameters
    ----------
    mask
        [k, j, i].
    strength
        How tube-like each voxel is (`vessel_filter.Tubes.strength`).
    gap_mm
        The longest gap.
    allowed
        Bridges stay in here.
    """
    from scipy import ndimage

    ctx = ctx or Context()
    spacing = np.array(geometry.spacing_mm[::-1])
    runs = Runs.of(mask)
    groups = runs.components("corners")
    count = int(groups.max(initial=-1)) + 1
    if count < 2:
        return mask.copy()
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[mask] = np.repeat(groups + 1, runs.lengths)
    cost = (_DEAREST - (_DEAREST - 1) * np.clip(strength / _TUBE_STRENGTH, 0, 1)).astype(np.float32)
    cost[mask] = 0.05
    if allowed is not None:
        cost[~(allowed | mask)] = -1
    depth = ndimage.distance_transform_edt(mask, sampling=spacing).astype(np.float32)
    scene = _Scene(labels, cost, depth, spacing, gap_mm)
    found: list[_Bridge] = []
    every = tips(mask, spacing)
    for number, (tip, ahead) in enumerate(every):
        if number % 20 == 0:
            ctx.progress(number / len(every), tr("Bridging gaps"))
        bridge = _from_tip(scene, tip, ahead)
        if bridge is not None:
            found.append(bridge)
    return _joined(mask, found, count, spacing)


def tips(mask: Mask, spacing: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Each end of the mask's centre lines as a voxel (k, j, i) and the direction it points in (mm along k, j, i)."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    lines = centre_lines(mask, spacing)
    around = ndimage.convolve(lines.astype(np.uint8), np.ones((3, 3, 3), dtype=np.uint8), mode="constant")
    ends = np.argwhere(lines & (around <= 2))
    points = np.argwhere(lines)
    tree = cKDTree(points * spacing)
    result = []
    for end in ends:
        near = points[tree.query_ball_point(end * spacing, _TANGENT_MM)]
        ahead = end * spacing - np.mean(near * spacing, axis=0)
        length = float(np.linalg.norm(ahead))
        result.append((end, ahead / length if length > 1e-6 else np.zeros(3)))
    return result


def _from_tip(scene: _Scene, tip: NDArray[np.int64], ahead: NDArray[np.float64]) -> _Bridge | None:
    """The cheapest acceptable way from ``tip`` to another piece."""
    from skimage.graph import MCP_Geometric

    own = int(scene.labels[tuple(tip)])
    reach = np.ceil((scene.gap_mm + float(scene.depth[tuple(tip)]) + 1) / scene.spacing).astype(np.int64)
    low = np.maximum(tip - reach, 0)
    high = np.minimum(tip + reach + 1, scene.labels.shape)
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    labels = scene.labels[part]
    others = (labels > 0) & (labels != own)
    if not others.any():
        return None
    search = MCP_Geometric(scene.cost[part], sampling=tuple(scene.spacing))
    spent, _ = search.find_costs([tuple(tip - low)])
    spent = np.where(others, spent, np.inf)
    target = np.unravel_index(int(np.argmin(spent)), spent.shape)
    if not spent[target] <= _BUDGET * scene.gap_mm:
        return None
    path = np.array(search.traceback(target), dtype=np.int64)
    if _length_outside(path, labels, scene.spacing) > scene.gap_mm:
        return None
    way = (path[-1] - path[0]) * scene.spacing
    if ahead.any() and float(way @ ahead) < _AHEAD * float(np.linalg.norm(way)):
        return None
    path = path + low
    joined = int(scene.labels[tuple(path[-1])])
    radii = _radius_near(scene, tip, own), _radius_near(scene, path[-1], joined)
    return _Bridge(path, float(spent[target]), (own, joined), radii)


def _radius_near(scene: _Scene, place: NDArray[np.int64], piece: int) -> float:
    """The radius of a piece where it comes to its end; at the very end it is that of the cap."""
    around = tuple(slice(max(0, int(v) - _BACK), int(v) + _BACK + 1) for v in place)
    return float(scene.depth[around][scene.labels[around] == piece].max())


def _length_outside(path: NDArray[np.int64], labels: NDArray[np.int32], spacing: NDArray[np.float64]) -> float:
    steps = np.linalg.norm(np.diff(path, axis=0) * spacing, axis=1)
    outside = labels[tuple(path.T)] == 0
    return float(np.sum(steps * (outside[:-1] | outside[1:])))


def _joined(mask: Mask, bridges: list[_Bridge], count: int, spacing: NDArray[np.float64]) -> Mask:
    """Draw the bridges, the cheapest first, that join what is not joined yet."""
    result = mask.copy()
    group = np.arange(count + 1)
    for bridge in sorted(bridges, key=lambda one: one.cost):
        one, other = group[bridge.pieces[0]], group[bridge.pieces[1]]
        if one != other:
            group[group == other] = one
            _draw(result, bridge, spacing)
    return result


def _draw(mask: Mask, bridge: _Bridge, spacing: NDArray[np.float64]) -> None:
    """Fill a tube along the path; a thin vessel that meets a wide one does not swell before it."""
    points = bridge.path * spacing
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    first, last = bridge.radii_mm
    last = min(last, 1.5 * first)
    fine = np.arange(0.0, along[-1] + _STEP_MM, _STEP_MM)
    places = np.stack([np.interp(fine, along, points[:, axis]) for axis in range(3)], axis=1)
    radii = np.interp(fine, [0.0, max(float(along[-1]), 1e-6)], [first, last])
    mask[tuple(bridge.path.T)] = True
    for place, radius in zip(places, radii, strict=True):
        low = np.maximum(np.ceil((place - radius) / spacing), 0).astype(np.int64)
        high = np.minimum(np.floor((place + radius) / spacing) + 1, mask.shape).astype(np.int64)
        axes = [(np.arange(a, b) * s - p) ** 2 for a, b, s, p in zip(low, high, spacing, place, strict=True)]
        ball = axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :] <= radius**2
        mask[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))] |= ball
