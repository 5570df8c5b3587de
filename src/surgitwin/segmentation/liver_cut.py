"""From a part of the liver that is sure to the whole organ: what the automatic method and the one by strokes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.coarse import Coarse
from surgitwin.segmentation.continuous_cut import continuous_cut
from surgitwin.segmentation.islands import fill_holes
from surgitwin.segmentation.morphology import closed, dilate, erode, opened
from surgitwin.segmentation.runs import Mask, Runs
from surgitwin.segmentation.trunk_wall import trunk_wall

Field = NDArray[np.float32]

WORK_MM = 3.0
SOFT_MM = 2.0
QUIET_MM = 3.0
_FIXED = np.float32(1e3)
_REACH_MM = 60.0
_NEAR_MM = 10.0
_FARTHER_COSTS = 0.8
_WALL_COSTS = 0.8
_ROUNDS = 100
_UNEVEN_HU = 40.0
_UNEVEN_MM = 20.0
_SMOOTHNESS_MM = 2.0
_NECK_MM = 6.0
_VESSEL_MM = 7.0
_BONE_HU = 110.0
_BIN_HU = 3.0
_RANGE_HU = 150.0
_HU_PER_MM = 5.0
_MOST_TRUST_MM = 20.0
_LESION_MM = 22.0
_LESION_ML = 0.3
_ENCLOSED = 0.65
_BULGE_MM = 6.0


@dataclass(frozen=True, eq=False)
class Scene:
    """The image on the working grid of about 3 mm; arrays are [k, j, i].

    Attributes
    ----------
    hu
        Block averages.
    soft, quiet
        The same, softened by 2 and 3 mm (standard deviation).
    body
        The patient.
    """

    grid: Coarse
    hu: Field
    soft: Field
    quiet: Field
    body: Mask

    @staticmethod
    def of(voxels: NDArray[Any], geometry: Geometry, body: Mask, ctx: Context) -> Scene:
        from scipy import ndimage

        grid = Coarse.of(geometry, WORK_MM)
        hu = np.clip(grid.mean(voxels, ctx.part(0.0, 0.5)), -1000, 1500)
        inside = grid.mean(body, ctx.part(0.5, 1.0)) > 0.5
        spacing = grid.geometry.spacing_mm[::-1]
        soft, quiet = (ndimage.gaussian_filter(hu, [mm / s for s in spacing]) for mm in (SOFT_MM, QUIET_MM))
        return Scene(grid, hu, soft, quiet, inside)

    @property
    def spacing_kji(self) -> tuple[float, float, float]:
        i, j, k = self.grid.geometry.spacing_mm
        return k, j, i


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known before the cut, on the working grid.

    Attributes
    ----------
    core
        Nearly surely liver: thick and of its values.
    inside, outside
        Fixed; a person's strokes, or what cannot be anything else.
    nearer_outside
        From 0 to 1: how much nearer each voxel is to strokes outside than to the inside; None without such strokes.
    """

    core: Mask
    inside: Mask
    outside: Mask
    nearer_outside: Field | None = None


def whole_liver(scene: Scene, evidence: Evidence, ctx: Context) -> tuple[Mask, float]:
    """The liver on the working grid, vessels and lesions in it included, and the value of its tissue in HU.

    Each voxel's price is the logarithm of how much likelier its value is elsewhere in the body than in the core, plus
    prices for being far from the core and in the wall of the trunk; the cheapest smooth region is found by
    `continuous_cut`, twice: the second time the values are freed of what the liver's own vary from place to place,
    as they do near ribs and in steatosis. Parts that hang on it by a neck of less than 12 mm are let go, gaps that a
    ball of 7 mm does not fit into (vessels) are closed, holes (lesions) filled.
    """
    tissue = float(np.median(scene.soft[evidence.core]))
    wall = trunk_wall(scene.hu, scene.body, scene.grid.geometry, tissue + _BONE_HU)
    first = _cut(scene, scene.soft, evidence, wall, tissue, ctx.part(0.0, 0.6))
    values = scene.soft - _unevenness(scene, first | evidence.core, tissue)
    region = _cut(scene, values, evidence, wall, tissue, ctx.part(0.6, 1.0), first)
    return _with_content(region, evidence, wall, scene, tissue), tissue


def _cut(
    scene: Scene,
    values: Field,
    evidence: Evidence,
    wall: Mask,
    tissue: float,
    ctx: Context,
    start: Mask | None = None,
) -> Mask:
    from scipy import ndimage

    spacing, core = scene.spacing_kji, evidence.core
    noise = 1.4826 * float(np.median(np.abs(values[core] - tissue)))
    away = ndimage.distance_transform_edt(~core, sampling=spacing).astype(np.float32)
    cost = _price(scene, values, evidence, tissue, away)
    cost += np.where(wall & ~evidence.inside, np.float32(_WALL_COSTS), np.float32(0))
    box = Box.of_mask(away < _REACH_MM + WORK_MM)
    edge = ndimage.gaussian_gradient_magnitude(values[box.slices], 1.0)
    weight = _SMOOTHNESS_MM * (0.2 + 0.8 / (1 + (edge / (2 * max(noise, 1.0))) ** 2))
    u = np.zeros(cost.shape, dtype=np.float32)
    begin, rounds = (None, _ROUNDS) if start is None else (start[box.slices].astype(np.float32), _ROUNDS // 2)
    u[box.slices] = continuous_cut(cost[box.slices], weight, spacing, ctx, rounds=rounds, start=begin)
    return _without_appendages(u > 0.5, evidence, scene.grid.geometry)


def _unevenness(scene: Scene, region: Mask, tissue: float) -> Field:
    """How much the liver's own tissue differs from its median around each voxel."""
    from scipy import ndimage

    sure = erode(region, scene.grid.geometry, WORK_MM) & (np.abs(scene.quiet - tissue) < _UNEVEN_HU)
    reach = [_UNEVEN_MM / s for s in scene.spacing_kji]
    share = ndimage.gaussian_filter(sure.astype(np.float32), reach)
    total = ndimage.gaussian_filter(np.where(sure, scene.soft - np.float32(tissue), np.float32(0)), reach)
    # Far from the liver there is nothing to go by: the correction fades.
    return np.asarray(total / (share + np.float32(0.01)), dtype=np.float32)


def _price(scene: Scene, values: Field, evidence: Evidence, tissue: float, away: Field) -> Field:
    elsewhere = scene.body & (away > _NEAR_MM + 2) & ~evidence.inside
    if not elsewhere.any():
        elsewhere = ~evidence.core
    edges = np.arange(tissue - _RANGE_HU, tissue + _RANGE_HU + 0.1, _BIN_HU)
    sure = erode(evidence.core, scene.grid.geometry, WORK_MM)
    within = _density(values[sure if sure.any() else evidence.core], edges)
    without = _density(values[elsewhere], edges)
    table = np.clip(0.5 * np.log(without / within), -1, 1).astype(np.float32)
    place = np.clip(((values - edges[0]) / _BIN_HU).astype(np.int64), 0, len(table) - 1)
    cost = table[place]
    cost += np.float32(_FARTHER_COSTS) * np.clip((away - _NEAR_MM) / (_REACH_MM - 20), 0, 1)
    if evidence.nearer_outside is not None:
        cost += evidence.nearer_outside
    cost[evidence.inside] = -_FIXED
    cost[evidence.outside | ~scene.body | (away > _REACH_MM)] = _FIXED
    return np.asarray(cost, dtype=np.float32)


def _density(values: Field, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import ndimage

    clipped = np.clip(values, edges[0], edges[-1] - 1e-3)
    counts = ndimage.gaussian_filter1d(np.histogram(clipped, edges)[0].astype(np.float64), 1.5)
    return np.asarray(counts / counts.sum() + 0.03 / len(counts))


def _without_appendages(region: Mask, evidence: Evidence, geometry: Geometry) -> Mask:
    """``region`` without what is joined to the core by a thin neck only."""
    thick = _touching(opened(region, geometry, _NECK_MM) | evidence.inside, evidence.core | evidence.inside)
    return _touching(region & dilate(thick, geometry, _NECK_MM), evidence.core | evidence.inside)


def _with_content(region: Mask, evidence: Evidence, wall: Mask, scene: Scene, tissue: float) -> Mask:
    """``region`` with the vessels and lesions in it."""
    geometry = scene.grid.geometry
    # Fat in the fissures and at the hilum is no content, nor is bone.
    may_be = (scene.soft > tissue - 70) & (scene.soft < tissue + _BONE_HU) & ~evidence.outside & scene.body
    region = fill_holes(region | (closed(region, geometry, _VESSEL_MM) & may_be), geometry) & ~evidence.outside
    may_be &= ~region
    lesions = _lesions_at_surface(region, closed(region, geometry, _LESION_MM) & may_be, geometry)
    # What was closed over is flat where a lesion bulges; the rest of it lies next to what was found.
    return region | lesions | (dilate(lesions, geometry, _BULGE_MM) & may_be & ~wall)


def _lesions_at_surface(region: Mask, gaps: Mask, geometry: Geometry) -> Mask:
    """The islands of ``gaps`` that the liver encloses nearly all around; the gallbladder and the cava are more open."""
    found = np.zeros_like(region)
    runs = Runs.of(gaps)
    if runs.start.size == 0:
        return found
    labels = runs.components()
    large = runs.sizes(labels) * geometry.voxel_volume_mm3 >= 1000 * _LESION_ML
    for label in np.flatnonzero(large):
        island = runs.mask(labels == label)
        box = Box.of_mask(island).grown(2, geometry.size_ijk)
        part = island[box.slices]
        shell = dilate(part, geometry.cropped(box), 1.01 * max(geometry.spacing_mm)) & ~part
        if np.mean(region[box.slices][shell]) >= _ENCLOSED:
            found |= island
    return found


def _touching(mask: Mask, seeds: Mask) -> Mask:
    """The islands of ``mask`` that share a voxel with ``seeds``."""
    runs = Runs.of(mask)
    if runs.start.size == 0:
        raise BadInput(tr("No liver was found around the marks; mark its inside again."))
    labels = runs.components()
    at = runs.at(np.flatnonzero(seeds & mask).astype(np.int64))
    return runs.mask(np.isin(labels, np.unique(labels[at[at >= 0]])))


def on_full_grid(
    voxels: NDArray[Any], geometry: Geometry, region: Mask, scene: Scene, tissue: float, ctx: Context
) -> Mask:
    """``region`` of the working grid on the image's own voxels, its border halfway between liver and surroundings.

    Within a band of about 5 mm around the rough border, each voxel belongs to the liver if its value is nearer to the
    liver's than to what lies outside nearby. Where the two hardly differ, the rough border stays.
    """
    from scipy import ndimage

    spacing = scene.spacing_kji
    out = ndimage.distance_transform_edt(~region, sampling=spacing)
    into = ndimage.distance_transform_edt(region, sampling=spacing)
    away = ndimage.gaussian_filter((out - into).astype(np.float32), 0.7)
    beyond = (out > 1.5 * WORK_MM) & (out < 4 * WORK_MM)
    reach = [2 * WORK_MM / s for s in spacing]
    share = ndimage.gaussian_filter(beyond.astype(np.float32), reach)
    outer = ndimage.gaussian_filter(np.where(beyond, np.clip(scene.hu, -150, 400), 0), reach)
    outer = np.where(share > 1e-3, outer / np.maximum(share, 1e-3), np.float32(tissue))
    band_mm = 2 * WORK_MM
    box = _fine_box(scene.grid, away < band_mm)
    mask = np.zeros(voxels.shape, dtype=np.bool_)
    target, part = mask[box.slices], voxels[box.slices]
    index = _coarse_index(scene.grid, box)
    softness = [1.0 / s for s in geometry.spacing_mm[::-1]]
    halo = int(np.ceil(3 * softness[0]))
    for first in range(0, part.shape[0], 16):
        ctx.progress(first / part.shape[0], tr("Drawing the border"))
        last = min(first + 16, part.shape[0])
        low, high = max(first - halo, 0), min(last + halo, part.shape[0])
        values = ndimage.gaussian_filter(part[low:high].astype(np.float32), softness, mode="nearest")
        values = values[first - low : last - low]
        at = (index[0][first:last], index[1], index[2])
        distance, outside = _upsampled(away, at), _upsampled(outer, at)
        half = (np.float32(tissue) - outside) / 2
        clear = np.abs(half) > 12
        nearer = np.where(clear, (values - (tissue - half)) / np.where(clear, half, 1), 0)
        # The more the two differ, the more millimetres the value may move the rough border.
        trust = np.clip(np.abs(half) / _HU_PER_MM, 1, _MOST_TRUST_MM)
        target[first:last] = np.clip(nearer, -1, 1) * trust > distance
        target[first:last] &= distance < band_mm
    return fill_holes(_largest(target, box, mask.shape), geometry)


def _fine_box(grid: Coarse, mask: Mask) -> Box:
    box = Box.of_mask(mask)
    factors = grid.factors[::-1]
    low = [a * f for a, f in zip(box.start, factors, strict=True)]
    high = [min(b * f, n) for b, f, n in zip(box.stop, factors, grid.fine.size_ijk, strict=True)]
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _coarse_index(grid: Coarse, box: Box) -> list[NDArray[np.float64]]:
    """Fractional coarse indices of the fine voxels of ``box`` along k, j and i."""
    return [
        (np.arange(box.start[2 - axis], box.stop[2 - axis]) - (factor - 1) / 2) / factor
        for axis, factor in enumerate(grid.factors)
    ]


def _upsampled(field: Field, at: tuple[NDArray[np.float64], ...]) -> Field:
    """``field`` at the places of a rectilinear grid, linear between its voxels, constant beyond its ends."""
    result = field
    for axis, places in enumerate(at):
        last = field.shape[axis] - 1
        low = np.clip(np.floor(places).astype(np.int64), 0, last)
        high = np.minimum(low + 1, last)
        shape = [1, 1, 1]
        shape[axis] = len(places)
        share = np.clip(places - low, 0, 1).astype(np.float32).reshape(shape)
        result = np.take(result, low, axis=axis) * (1 - share) + np.take(result, high, axis=axis) * share
    return result


def _largest(part: Mask, box: Box, shape: tuple[int, ...]) -> Mask:
    runs = Runs.of(part)
    if runs.start.size == 0:
        raise BadInput(tr("No liver was found in the image."))
    labels = runs.components()
    whole = np.zeros(shape, dtype=np.bool_)
    whole[box.slices] = runs.mask(labels == np.argmax(runs.sizes(labels)))
    return whole
