"""How remnant and margin change when the cut, or the segmentation, is a little off.

A surgeon does not cut to the millimetre, and a segmentation is not exact to the voxel: numbers that turn over with
either are to be seen as such. The cut moves by 5 mm to either side, all cuts of the plan together; the organ and its
lesions grow or shrink by one voxel (a layer of face neighbours) with the cut where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.resection.cuts import Cut, MaskCut, Plane, PlaneCut
from surgitwin.resection.partition import CutNumbers, LiveCut
from surgitwin.resection.prepare import PartitionInput, Structure, prepare
from surgitwin.resection.surface_cut import SurfaceCut

BoolArray = NDArray[np.bool_]
SHIFT_MM = 5.0


@dataclass(frozen=True)
class Change:
    """What the plan's numbers are after one change.

    Attributes
    ----------
    change
        ``cut-more``, ``cut-less``, ``grown`` or ``shrunk``.
    margin_mm
        The smallest margin of the lesions that are removed whole; None if there is none.
    left_behind
        How many lesions stay, whole or in part.
    """

    change: str
    label: str
    remnant_percent: float | None
    flr_tumour_free_percent: float | None
    margin_mm: float | None
    left_behind: int

    def as_json(self) -> dict[str, Any]:
        return {
            "change": self.change,
            "label": self.label,
            "remnant_percent": self.remnant_percent,
            "flr_tumour_free_percent": self.flr_tumour_free_percent,
            "margin_mm": self.margin_mm,
            "left_behind": self.left_behind,
        }


def sensitivity(
    organ: Structure,
    geometry: Geometry,
    cuts: Sequence[Cut],
    ctx: Context,
    *,
    lesions: Sequence[Structure] = (),
    is_liver: bool = False,
    shift_mm: float = SHIFT_MM,
) -> list[Change]:
    """The numbers of a plan after each of four changes.

    Parameters
    ----------
    organ, lesions
        As for `prepare`, on the grid ``geometry``.
    cuts
        United.

    Raises
    ------
    BadInput
        If the organ has no voxel.
    Cancelled
        If the work was stopped.
    """
    prepared = prepare(organ, geometry, ctx.part(0.0, 0.3), lesions=lesions, is_liver=is_liver)
    live = LiveCut(prepared)
    found: list[Change] = []
    for change, label, by in (
        ("cut-more", tr("Cut {mm:g} mm into the remnant"), shift_mm),
        ("cut-less", tr("Cut {mm:g} mm away from the remnant"), -shift_mm),
    ):
        moved = [shifted(cut, by, prepared) for cut in cuts]
        found.append(_change(change, label.format(mm=shift_mm), live.evaluate(moved)))
        ctx.check()
    for number, (change, label, grow) in enumerate(
        (("grown", tr("Segments one voxel larger"), True), ("shrunk", tr("Segments one voxel smaller"), False))
    ):
        part = ctx.part(0.4 + 0.3 * number, 0.7 + 0.3 * number)
        other = _voxel_more(organ, geometry, grow)
        others = [one for one in (_voxel_more(lesion, geometry, grow) for lesion in lesions) if one.mask.any()]
        if not other.mask.any():
            continue
        again = prepare(other, geometry, part, lesions=others, is_liver=is_liver)
        fitted = [_fitted(cut, prepared, again) for cut in cuts]
        found.append(_change(change, label, LiveCut(again).evaluate(fitted)))
    return found


def _change(change: str, label: str, numbers: CutNumbers) -> Change:
    removed = [lesion for lesion in numbers.lesions if lesion.left_behind is False]
    return Change(
        change=change,
        label=label,
        remnant_percent=numbers.remnant_percent,
        flr_tumour_free_percent=numbers.flr_tumour_free_percent,
        margin_mm=min((x.margin_mm for x in removed if x.margin_mm is not None), default=None),
        left_behind=sum(lesion.left_behind is not False for lesion in numbers.lesions),
    )


def shifted(cut: Cut, by_mm: float, prepared: PartitionInput) -> Cut:
    """The cut moved so that it removes more of the organ (less for a negative ``by_mm``).

    A plane moves against its normal, a surface along its mean normal, and a region of voxels grows or shrinks evenly
    within the organ.
    """
    if isinstance(cut, PlaneCut):
        planes = (Plane(_moved(plane.point_mm, -by_mm * plane.unit_normal), plane.normal) for plane in cut.planes)
        return PlaneCut(tuple(planes))
    if isinstance(cut, SurfaceCut):
        step = abs(by_mm) * _mean_normal(cut)
        live = LiveCut(replace(prepared, lesions=()))
        both = [_translated(cut, sign * step) for sign in (1.0, -1.0)]
        more, less = sorted(both, key=lambda one: -live.evaluate([one]).removed_voxels)
        return more if by_mm > 0 else less
    return _spread(cut, by_mm, prepared)


def _moved(point: Sequence[float], by: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in np.asarray(point) + by)
    return x, y, z


def _mean_normal(cut: SurfaceCut) -> NDArray[np.float64]:
    """The mean of the drawn triangles' normals, by area."""
    a, b, c = (cut.points_mm[cut.triangles[: cut.drawn, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a).sum(axis=0)
    length = float(np.linalg.norm(normal))
    return normal / length if length > 0 else np.array([0.0, 0.0, 1.0])


def _translated(cut: SurfaceCut, by: NDArray[np.float64]) -> SurfaceCut:
    return replace(cut, points_mm=cut.points_mm + by, remove_point_mm=_moved(cut.remove_point_mm, by))


def _spread(cut: MaskCut, by_mm: float, prepared: PartitionInput) -> MaskCut:
    """The region grown or shrunk by a distance, within the organ."""
    from scipy import ndimage

    region = _over(cut, prepared.box) & prepared.organ.mask
    spacing = tuple(reversed(prepared.geometry.spacing_mm))
    if by_mm >= 0:
        away = ndimage.distance_transform_edt(~region, sampling=spacing) if region.any() else np.inf
        return MaskCut(prepared.organ.mask & (away <= by_mm), prepared.box)
    kept = prepared.organ.mask & ~region
    away = ndimage.distance_transform_edt(~kept, sampling=spacing) if kept.any() else np.inf
    return MaskCut(region & (away > -by_mm), prepared.box)


def _over(cut: MaskCut, box: Box) -> BoolArray:
    """The region of a cut over another box of the same grid."""
    result = np.zeros(tuple(reversed(box.size_ijk)), dtype=np.bool_)
    low = [max(a, b) for a, b in zip(cut.box.start, box.start, strict=True)]
    high = [min(a, b) for a, b in zip(cut.box.stop, box.stop, strict=True)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return result

    def part(origin: Box) -> tuple[slice, slice, slice]:
        i, j, k = (slice(a - o, b - o) for a, b, o in zip(low, high, origin.start, strict=True))
        return k, j, i

    result[part(box)] = cut.mask[part(cut.box)]
    return result


def _fitted(cut: Cut, before: PartitionInput, after: PartitionInput) -> Cut:
    """A region of voxels goes along with the organ's new layer: each new voxel is with the nearest old one."""
    if not isinstance(cut, MaskCut):
        return cut
    from scipy import ndimage

    region, organ = _over(cut, after.box), _over(MaskCut(before.organ.mask, before.box), after.box)
    spacing = tuple(reversed(after.geometry.spacing_mm))
    nearest = ndimage.distance_transform_edt(~organ, sampling=spacing, return_distances=False, return_indices=True)
    return MaskCut(region[tuple(nearest)], after.box)


def _voxel_more(item: Structure, geometry: Geometry, grow: bool) -> Structure:
    """The structure with a layer of face neighbours more, or less; the image's edge is no border that shrinks."""
    from scipy import ndimage

    box = item.box or geometry.full_box
    wide = box.grown(1, geometry.size_ijk)
    padding = [(b - a, d - c) for a, b, c, d in zip(wide.start, box.start, box.stop, wide.stop, strict=True)]
    mask = np.pad(item.mask != 0, padding[::-1])
    changed = ndimage.binary_dilation(mask) if grow else ndimage.binary_erosion(mask, border_value=1)
    return Structure(item.name, changed, wide)
