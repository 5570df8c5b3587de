"""What a partition needs of an organ and its lesions, worked out once so that every later cut is quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.resection.bulge import Bulge, bulge_of
from surgitwin.resection.margins import LesionSurface, Organ
from surgitwin.resection.rows import RowRuns, runs_of
from surgitwin.vessels.supply import Supply, attach
from surgitwin.vessels.tree import System, VesselTree

BoolArray = NDArray[np.bool_]
MaskArray = NDArray[np.bool_] | NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Structure:
    """A lesion or a vessel to look at together with an organ.

    Attributes
    ----------
    name
        As the user reads it.
    mask
        Non-zero where the structure is, [k, j, i], on the organ's grid, or on ``box`` of it if that is given.
    box
        The part of the grid that ``mask`` covers; None for the whole grid.
    """

    name: str
    mask: MaskArray
    box: Box | None = None


@dataclass(frozen=True, eq=False)
class PreparedLesion:
    """A lesion ready to be cut.

    Attributes
    ----------
    runs
        All its voxels, those outside the organ's label included.
    outside_voxels
        How many of them lie outside the organ's label. ``surrounded_voxels`` of these have organ to both sides along
        at least two axes.
    belongs
        Whether it overlaps, touches or is surrounded by the organ. What a plane does to a lesion elsewhere in the
        body is not assessed: the cut ends with the organ.
    """

    name: str
    runs: RowRuns
    voxels: int
    outside_voxels: int
    surrounded_voxels: int
    belongs: bool
    surface: LesionSurface


@dataclass(frozen=True, eq=False)
class PartitionInput:
    """An organ with its lesions, ready to be cut; made by `prepare`.

    Attributes
    ----------
    organ_runs, tumour_runs
        All voxels of the organ; those of them that also belong to a lesion.
    cut_off
        True if the organ reaches the edge of the image, so that part of it may be missing.
    tumour
        Whether each voxel of the organ, in the order of its runs, belongs to a lesion too.
    supplies
        Vessel trees attached to the organ.
    bulge
        Where lesions lie outside the organ's label.
    notices
        What was found outside the organ's label, and whether the image cuts the organ off.
    """

    name: str
    is_liver: bool
    organ: Organ
    organ_runs: RowRuns
    tumour_runs: RowRuns
    organ_voxels: int
    tumour_voxels: int
    lesions: tuple[PreparedLesion, ...]
    cut_off: bool
    notices: tuple[Notice, ...]
    tumour: BoolArray
    supplies: tuple[Supply, ...] = ()
    bulge: Bulge = field(default_factory=Bulge.none)

    @property
    def geometry(self) -> Geometry:
        return self.organ.geometry

    @property
    def box(self) -> Box:
        """The part of the grid that the organ's voxels lie in."""
        return self.organ.box

    @cached_property
    def tumour_places(self) -> NDArray[np.intp]:
        """Which voxels of the organ, in the order of its runs, belong to a lesion too."""
        return np.flatnonzero(self.tumour)

    @cached_property
    def reach(self) -> Box:
        """The organ's box with its lesions and a voxel around: where a cut must tell which side is which."""
        whole = self.box
        for lesion in self.lesions:
            if lesion.belongs and lesion.voxels:
                runs = lesion.runs
                low = (int(runs.start.min()), int(runs.j.min()), int(runs.k.min()))
                high = (int(runs.stop.max()), int(runs.j.max()) + 1, int(runs.k.max()) + 1)
                whole = whole.union(Box(low, high))
        return whole.grown(1, self.geometry.size_ijk)

    @property
    def voxel_ml(self) -> float:
        return self.geometry.voxel_volume_mm3 / 1000.0


def prepare(
    organ: Structure,
    geometry: Geometry,
    ctx: Context,
    *,
    lesions: Sequence[Structure] = (),
    vessels: Sequence[Structure] = (),
    trees: Sequence[tuple[System, VesselTree]] = (),
    is_liver: bool = False,
) -> PartitionInput:
    """Crop, count and index an organ and what belongs to it, once, before any number of cuts.

    Parameters
    ----------
    organ
        The organ's label; nothing is added to it.
    geometry
        The grid that all masks are on.
    lesions, vessels
        Other segments; their voxels outside the organ's label are reported in ml, never assumed to belong to it.
    trees
        The organ's vessel trees and what each carries.
    is_liver
        Whether future-liver-remnant percentages make sense for this organ.

    Raises
    ------
    BadInput
        If the organ has no voxel, or a mask does not fit the grid.
    Cancelled
        If the work was stopped.
    """
    ctx.progress(0.0, tr("Preparing {organ}").format(organ=organ.name))
    mask, box = _cropped(organ, geometry)
    if box.empty:
        raise BadInput(tr("The organ {organ} has no voxel; segment it first.").format(organ=organ.name))
    cut_off = box.touches_edge(geometry.size_ijk)
    gathered = _Gathered(organ.name, mask, box, geometry)
    if cut_off:
        gathered.notices.append(_cut_off_notice(organ.name))
    for number, item in enumerate((*lesions, *vessels)):
        ctx.progress(0.1 + 0.6 * number / (len(lesions) + len(vessels)), item.name)
        gathered.add(item, is_lesion=number < len(lesions))
    ctx.progress(0.75, tr("Looking for holes in {organ}").format(organ=organ.name))
    gathered.look_for_holes()
    ctx.progress(0.95, tr("Counting {organ}").format(organ=organ.name))
    organ_runs, tumour_runs = runs_of(mask, box), runs_of(gathered.tumour, box)
    cropped = Organ(mask, box, geometry)
    if gathered.lesions:
        cropped.get_ready()
    supplies = [attach(tree, system, mask, box, geometry, ctx.part(0.96, 1.0)) for system, tree in trees]
    return PartitionInput(
        name=organ.name,
        is_liver=is_liver,
        organ=cropped,
        organ_runs=organ_runs,
        tumour_runs=tumour_runs,
        organ_voxels=organ_runs.voxels,
        tumour_voxels=tumour_runs.voxels,
        lesions=tuple(gathered.lesions),
        cut_off=cut_off,
        notices=tuple(gathered.notices),
        tumour=gathered.tumour[mask],
        supplies=tuple(supplies),
        bulge=bulge_of([one.runs for one in gathered.lesions if one.belongs and one.outside_voxels], cropped),
    )


class _Gathered:
    """What is known of an organ's lesions and vessels, one after the other."""

    def __init__(self, organ: str, mask: BoolArray, box: Box, geometry: Geometry) -> None:
        self.lesions: list[PreparedLesion] = []
        self.notices: list[Notice] = []
        self.tumour = np.zeros_like(mask)
        self._organ = organ
        self._mask = mask
        self._box = box
        self._geometry = geometry
        self._voxel_ml = geometry.voxel_volume_mm3 / 1000.0
        self._surroundings = _Surroundings(mask, box)
        self._taken = mask.copy()

    def add(self, item: Structure, is_lesion: bool) -> None:
        part, part_box = _cropped(item, self._geometry)
        if part_box.empty:
            text = tr("{name} has no voxel and was left out.").format(name=item.name)
            self.notices.append(Notice("empty-segment", text))
            return
        here, there = _overlap(part_box, self._box)
        self._taken[here] |= part[there]
        found = self._surroundings.of(part, part_box)
        if is_lesion:
            self.tumour[here] |= part[there] & self._mask[here]
            self.lesions.append(_lesion(item.name, part, part_box, self._geometry, self._box, found))
        self.notices += _outside_notices(item.name, self._organ, is_lesion, found, self._voxel_ml)

    def look_for_holes(self) -> None:
        self.notices += _hole_notices(self._organ, self._surroundings.holes(self._taken), self._voxel_ml)


def _cropped(item: Structure, geometry: Geometry) -> tuple[BoolArray, Box]:
    """The structure's voxels and the smallest box of the grid around them."""
    cover = item.box or geometry.full_box
    inside = all(a >= 0 and b <= n for a, b, n in zip(cover.start, cover.stop, geometry.size_ijk, strict=True))
    i, j, k = cover.size_ijk
    if item.mask.shape != (k, j, i) or not inside:
        raise BadInput(
            tr("The mask of {name} has shape {shape}, which does not fit the image of {size} voxels (k, j, i).").format(
                name=item.name, shape=item.mask.shape, size=geometry.shape_kji
            )
        )
    local = Box.of_mask(item.mask)
    mask = np.ascontiguousarray(item.mask[local.slices] != 0)
    (a, b, c), (d, e, f), (x, y, z) = local.start, local.stop, cover.start
    if local.empty:
        return mask, local
    return mask, Box((a + x, b + y, c + z), (d + x, e + y, f + z))


Slices = tuple[slice, slice, slice]


def _overlap(part: Box, whole: Box) -> tuple[Slices, Slices]:
    """The common voxels of two boxes, as slices into an array over ``whole`` and into one over ``part``."""
    low = [max(a, b) for a, b in zip(part.start, whole.start, strict=True)]
    high = [max(min(a, b), c) for a, b, c in zip(part.stop, whole.stop, low, strict=True)]

    def slices(origin: Box) -> Slices:
        i, j, k = (slice(a - o, b - o) for a, b, o in zip(low, high, origin.start, strict=True))
        return (k, j, i) if all(s.stop > s.start for s in (i, j, k)) else (slice(0, 0),) * 3

    return slices(whole), slices(part)


@dataclass(frozen=True)
class _Found:
    """Voxels of a structure: in all, inside the organ's label, surrounded by it, and whether any touch it."""

    voxels: int
    inside: int
    surrounded: int
    touches: bool

    @property
    def outside(self) -> int:
        return self.voxels - self.inside


class _Surroundings:
    """Where the space around an organ's label is surrounded by the organ; computed only when something asks."""

    def __init__(self, mask: BoolArray, box: Box) -> None:
        self._mask = mask
        self._box = box
        self._surrounded: BoolArray | None = None

    def of(self, part: BoolArray, part_box: Box) -> _Found:
        here, there = _overlap(part_box, self._box)
        inside = int(np.count_nonzero(part[there] & self._mask[here]))
        voxels = int(np.count_nonzero(part))
        if inside == voxels:
            return _Found(voxels, inside, 0, True)
        surrounded = int(np.count_nonzero(part[there] & self.surrounded()[here]))
        return _Found(voxels, inside, surrounded, inside > 0 or surrounded > 0 or self._touches(part, part_box))

    def surrounded(self) -> BoolArray:
        """Voxels outside the label that have the organ to both sides along at least two of i, j and k.

        Two and not three: a vessel that runs through the organ lies in a tunnel that is open at its ends.
        """
        if self._surrounded is None:
            axes = np.zeros(self._mask.shape, dtype=np.uint8)
            for axis in range(3):
                before = np.logical_or.accumulate(self._mask, axis=axis)
                after = np.flip(np.logical_or.accumulate(np.flip(self._mask, axis), axis=axis), axis)
                axes += before & after
            self._surrounded = (axes >= 2) & ~self._mask
        return self._surrounded

    def _touches(self, part: BoolArray, part_box: Box) -> bool:
        """Whether a voxel of ``part`` shares a face with the organ."""
        for axis in range(3):
            for step in (-1, 1):
                shift = [0, 0, 0]
                shift[axis] = step
                start, stop = (
                    tuple(a + s for a, s in zip(corner, shift, strict=True))
                    for corner in (part_box.start, part_box.stop)
                )
                here, there = _overlap(Box(start, stop), self._box)  # type: ignore[arg-type]
                if np.any(part[there] & self._mask[here]):
                    return True
        return False

    def holes(self, taken: BoolArray) -> int:
        """Voxels that the organ encloses wholly and that no structure in ``taken`` claims."""
        if not np.any(self.surrounded() & ~taken):
            return 0
        from scipy import ndimage

        labels, count = ndimage.label(~self._mask)
        if count == 0:
            return 0
        enclosed = np.ones(count + 1, dtype=np.bool_)
        enclosed[0] = False
        for axis in range(3):
            for end in (0, -1):
                enclosed[np.unique(np.take(labels, end, axis=axis))] = False
        return int(np.count_nonzero(enclosed[labels] & ~taken))


def _lesion(name: str, part: BoolArray, box: Box, geometry: Geometry, organ: Box, found: _Found) -> PreparedLesion:
    return PreparedLesion(
        name=name,
        runs=runs_of(part, box),
        voxels=found.voxels,
        outside_voxels=found.outside,
        surrounded_voxels=found.surrounded,
        belongs=found.touches,
        surface=LesionSurface.of(part, box, geometry, reach=organ if found.touches else None),
    )


def _cut_off_notice(organ: str) -> Notice:
    return Notice(
        "organ-cut-off",
        tr(
            "{organ} reaches the edge of the image, so part of it may be missing: volumes are of the part that is seen,"
            " and percentages are not assessed."
        ).format(organ=organ),
    )


def _outside_notices(name: str, organ: str, is_lesion: bool, found: _Found, voxel_ml: float) -> list[Notice]:
    if found.outside == 0:
        return []
    outside_ml, surrounded_ml = found.outside * voxel_ml, found.surrounded * voxel_ml
    kind = "lesion" if is_lesion else "vessel"
    details = {"segment": name, "outside_ml": outside_ml, "surrounded_ml": surrounded_ml}
    if not found.touches:
        if not is_lesion:
            return []
        message = tr("{name} lies apart from {organ}; what the cut does to it is not assessed.")
        return [Notice("lesion-apart", message.format(name=name, organ=organ), details)]
    if is_lesion:
        message = tr(
            "{outside} of {name} lie outside the label of {organ}, {surrounded} of them surrounded by it;"
            " they are not counted as {organ}. Add them to {organ} if they belong to it."
        )
    elif found.surrounded:
        message = tr(
            "{surrounded} of {name} are surrounded by {organ} but lie outside its label; they are not counted as"
            " {organ}. Add this part if it belongs to it. In all {outside} of {name} lie outside."
        )
    else:
        message = tr("{outside} of {name} lie outside the label of {organ}; they are not counted as {organ}.")
    text = message.format(outside=_in_ml(outside_ml), surrounded=_in_ml(surrounded_ml), name=name, organ=organ)
    return [Notice(f"{kind}-outside-organ", text, details)]


def _in_ml(volume_ml: float) -> str:
    """A volume in words; a small one is never “0.0 ml”."""
    return tr("less than 0.1 ml") if 0 < volume_ml < 0.05 else tr("{ml:.1f} ml").format(ml=volume_ml)


def _hole_notices(organ: str, voxels: int, voxel_ml: float) -> list[Notice]:
    if voxels == 0:
        return []
    message = tr(
        "{organ} has holes of {ml} in all that no segment claims; they are not counted as {organ}."
        " Fill them if they belong to it."
    )
    return [
        Notice(
            "holes-in-organ", message.format(organ=organ, ml=_in_ml(voxels * voxel_ml)), {"holes_ml": voxels * voxel_ml}
        )
    ]
