"""Cutting an organ: every voxel ends on exactly one side, and the numbers follow.

Numbers (design, section 7): FLR % = remnant / organ; tumour-free FLR % = (remnant - lesions in it) / (organ -
lesions in it). Lesions count as part of the organ only where both labels overlap; nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.resection.cut_notices import cut_notices, lesion_notices
from surgitwin.resection.cuts import Cut, MaskCut
from surgitwin.resection.feeds import Lost, count_of_two, feeds_of
from surgitwin.resection.interface import Interface, MaskBorders
from surgitwin.resection.lesion_surface import Point
from surgitwin.resection.prepare import PartitionInput, PreparedLesion
from surgitwin.resection.regions import Region, region_of
from surgitwin.resection.rows import count_removed, removed_region, removed_voxels
from surgitwin.vessels.supply import Crossing
from surgitwin.vessels.tree import System

BoolArray = NDArray[np.bool_]
SYSTEMS: tuple[System, ...] = ("portal", "hepatic", "arterial", "biliary")


@dataclass(frozen=True)
class LesionNumbers:
    """What the cut does to one lesion.

    Attributes
    ----------
    volume_ml
        The whole lesion, also where it lies outside the organ's label.
    margin_mm
        Smallest distance to the interface between removed and kept organ (`margins` defines both). 0 if the lesion is
        cut through; None if it is wholly kept, if there is no interface, or if it lies apart from the organ.
    left_behind
        True if any voxel of the lesion is kept; None if the lesion lies apart from the organ.
    left_behind_ml
        How much of it is kept; None likewise.
    outside_ml
        How much of it lies outside the organ's label.
    nearest_mm
        The two points that the margin lies between, on the lesion and on the cut, LPS; None unless there is a margin
        above 0.
    """

    name: str
    volume_ml: float
    margin_mm: float | None
    left_behind: bool | None
    left_behind_ml: float | None
    outside_ml: float
    nearest_mm: tuple[Point, Point] | None = None

    @property
    def cut_through(self) -> bool:
        return bool(self.left_behind) and self.margin_mm is not None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "volume_ml": self.volume_ml,
            "margin_mm": self.margin_mm,
            "left_behind": self.left_behind,
            "left_behind_ml": self.left_behind_ml,
            "outside_ml": self.outside_ml,
            "nearest_mm": None if self.nearest_mm is None else [list(point) for point in self.nearest_mm],
        }


@dataclass(frozen=True)
class CutNumbers:
    """The numbers of a plan; counts are exact to the voxel, while a cut is dragged and afterwards.

    Attributes
    ----------
    organ_voxels, removed_voxels, remnant_voxels
        Voxels of the organ's label; the last two sum to the first.
    tumour_voxels, tumour_remnant_voxels
        Voxels of the organ, and of the remnant, that also belong to a lesion.
    percentages
        True if the organ is whole in the image, so that percentages mean something.
    approximate
        True if margins may be a little too large, because the hand still moves.
    crossings
        Vessels that the cut crosses; None if no vessel tree was looked at.
    lost_voxels
        For each vessel system that has a tree: voxels of the remnant that have lost it.
    perfused_voxels
        Voxels of the remnant that belong to no lesion and kept their portal inflow; None without a portal tree.
    drained_voxels
        Those of `perfused_voxels` that kept their venous outflow; None without trees of both.
    marked_voxels
        Voxels of the remnant that were marked beforehand; None if none were.
    """

    organ: str
    is_liver: bool
    percentages: bool
    voxel_ml: float
    organ_voxels: int
    removed_voxels: int
    tumour_voxels: int
    tumour_remnant_voxels: int
    lesions: tuple[LesionNumbers, ...]
    notices: tuple[Notice, ...]
    approximate: bool = False
    crossings: tuple[Crossing, ...] | None = None
    lost_voxels: dict[System, int] = field(default_factory=dict)
    perfused_voxels: int | None = None
    drained_voxels: int | None = None
    marked_voxels: int | None = None

    @property
    def remnant_voxels(self) -> int:
        return self.organ_voxels - self.removed_voxels

    @property
    def organ_ml(self) -> float:
        return self.organ_voxels * self.voxel_ml

    @property
    def removed_ml(self) -> float:
        return self.removed_voxels * self.voxel_ml

    @property
    def remnant_ml(self) -> float:
        return self.remnant_voxels * self.voxel_ml

    @property
    def organ_tumour_free_ml(self) -> float:
        return (self.organ_voxels - self.tumour_voxels) * self.voxel_ml

    @property
    def remnant_tumour_free_ml(self) -> float:
        return (self.remnant_voxels - self.tumour_remnant_voxels) * self.voxel_ml

    @property
    def remnant_percent(self) -> float | None:
        """Remnant / organ, for any organ; None if the image cuts the organ off."""
        return 100.0 * self.remnant_voxels / self.organ_voxels if self.percentages else None

    @property
    def remnant_tumour_free_percent(self) -> float | None:
        """(Remnant - lesions in it) / (organ - lesions in it), for any organ; None if cut off or all tumour."""
        whole = self.organ_voxels - self.tumour_voxels
        if not self.percentages or whole == 0:
            return None
        return 100.0 * (self.remnant_voxels - self.tumour_remnant_voxels) / whole

    @property
    def flr_percent(self) -> float | None:
        """Future liver remnant: `remnant_percent` of a liver, None for any other organ."""
        return self.remnant_percent if self.is_liver else None

    @property
    def flr_tumour_free_percent(self) -> float | None:
        return self.remnant_tumour_free_percent if self.is_liver else None

    @property
    def flr_perfused_percent(self) -> float | None:
        """As `flr_tumour_free_percent`, without what has lost its portal inflow; None without a portal tree."""
        whole = self.organ_voxels - self.tumour_voxels
        if not self.is_liver or not self.percentages or whole == 0 or self.perfused_voxels is None:
            return None
        return 100.0 * self.perfused_voxels / whole

    def lost_ml(self, system: System) -> float | None:
        """How much of the remnant has lost this vessel system; None if it has no tree: not assessed."""
        lost = self.lost_voxels.get(system)
        return None if lost is None else lost * self.voxel_ml

    def as_json(self) -> dict[str, Any]:
        """The document of the `plan` command; what needs a vessel tree is None: not assessed."""
        perfused = self.perfused_voxels
        return {
            "organ": self.organ,
            "organ_ml": self.organ_ml,
            "removed_ml": self.removed_ml,
            "remnant_ml": self.remnant_ml,
            "organ_tumour_free_ml": self.organ_tumour_free_ml,
            "remnant_tumour_free_ml": self.remnant_tumour_free_ml,
            "remnant_percent": self.remnant_percent,
            "flr_percent": self.flr_percent,
            "flr_tumour_free_percent": self.flr_tumour_free_percent,
            "voxels": {"organ": self.organ_voxels, "removed": self.removed_voxels, "remnant": self.remnant_voxels},
            "lesions": [lesion.as_json() for lesion in self.lesions],
            "crossed_vessels": None if self.crossings is None else [_crossed(one) for one in self.crossings],
            "devascularised_ml": self.lost_ml("portal"),
            "congested_ml": self.lost_ml("hepatic"),
            "arterial_lost_ml": self.lost_ml("arterial"),
            "biliary_lost_ml": self.lost_ml("biliary"),
            "remnant_perfused_ml": None if perfused is None else perfused * self.voxel_ml,
            "remnant_perfused_drained_ml": None if self.drained_voxels is None else self.drained_voxels * self.voxel_ml,
            "flr_perfused_percent": self.flr_perfused_percent,
            "assessed": {system: system in self.lost_voxels for system in SYSTEMS},
            "warnings": [notice.as_json() for notice in self.notices],
        }


@dataclass(frozen=True, eq=False)
class Partition:
    """An organ cut in two.

    Attributes
    ----------
    numbers
        Everything that is counted and measured.
    removed, remnant
        The two parts, [k, j, i] over ``box`` of the image's grid; together the organ, nothing in common.
    """

    numbers: CutNumbers
    removed: BoolArray
    remnant: BoolArray
    box: Box


class LiveCut:
    """The numbers of a prepared organ as its cuts move.

    What a cut removes is worked out once for each cut object, so that only those that moved cost anything.

    Parameters
    ----------
    marked
        For each voxel of the organ, in the order of its mask: whether to count it if it stays.
    """

    def __init__(self, prepared: PartitionInput, marked: BoolArray | None = None) -> None:
        self.prepared = prepared
        self._marked = marked
        self._borders = MaskBorders(prepared.organ)
        self._feeds = feeds_of(prepared.supplies)
        self._regions: dict[int, tuple[Cut, Region]] = {}

    def get_ready(self, cuts: Sequence[Cut]) -> None:
        """Work out now what would make moves slow while one of these cuts moves and the others stay."""
        for cut in cuts:
            if isinstance(cut, MaskCut):
                for lesion in self.prepared.lesions:
                    if lesion.belongs:
                        self._borders.of(cut).get_ready(lesion.surface)

    def regions(self, cuts: Sequence[Cut]) -> list[Region]:
        """What each cut removes, on the organ's grid; that of other cuts is forgotten."""
        found = [self._region(cut) for cut in cuts]
        self._regions = {id(cut): (cut, region) for cut, region in zip(cuts, found, strict=True)}
        return found

    def _region(self, cut: Cut) -> Region:
        known = self._regions.get(id(cut))
        if known is None or known[0] is not cut:
            prepared = self.prepared
            known = self._regions[id(cut)] = cut, region_of(cut, prepared.reach, prepared.geometry, prepared.bulge)
        return known[1]

    def removed_by(self, cut: Cut) -> int:
        """How many of the organ's voxels one cut removes by itself."""
        return count_removed(self.prepared.organ_runs, [self._region(cut)], self.prepared.geometry.size_ijk[0])

    def region(self, cut: Cut) -> BoolArray:
        """What one cut removes by itself, [k, j, i] over the organ's box, whether or not the organ is there."""
        prepared = self.prepared
        return removed_region(prepared.box, [self._region(cut)], prepared.geometry.size_ijk[0])

    def evaluate(self, cuts: Sequence[Cut], coarse: bool = False) -> CutNumbers:
        """The numbers for these cuts (united); no cut removes nothing.

        All counts are exact. With ``coarse`` the margin to a curved surface may be a little too large, which
        `CutNumbers.approximate` tells; everything else is exact then, too.
        """
        prepared = self.prepared
        regions = self.regions(cuts)
        gone, each = removed_voxels(prepared.organ_runs, regions, prepared.geometry.size_ijk[0])
        removed = int(np.count_nonzero(gone))
        tumour_removed = int(np.count_nonzero(gone[prepared.tumour_places]))
        divided = 0 < removed < prepared.organ_voxels
        interface = Interface(cuts, regions, prepared.organ, self._borders) if divided else None
        lesions = tuple(self._lesion(lesion, regions, interface, coarse) for lesion in prepared.lesions)
        idle = [number for number, any_goes in enumerate(each, 1) if not any_goes] if len(cuts) > 1 else []
        curved = interface is not None and interface.curved
        notices = (*prepared.notices, *cut_notices(prepared, cuts, removed, idle), *lesion_notices(lesions))
        return CutNumbers(
            organ=prepared.name,
            is_liver=prepared.is_liver,
            percentages=not prepared.cut_off,
            voxel_ml=prepared.voxel_ml,
            organ_voxels=prepared.organ_voxels,
            removed_voxels=removed,
            tumour_voxels=prepared.tumour_voxels,
            tumour_remnant_voxels=prepared.tumour_voxels - tumour_removed,
            lesions=lesions,
            notices=notices,
            approximate=coarse and curved and any(lesion.margin_mm for lesion in lesions),
            marked_voxels=None if self._marked is None else int(np.count_nonzero(self._marked & ~gone)),
            **self._vessels(gone, removed - tumour_removed),
        )

    def _vessels(self, gone: BoolArray, healthy_removed: int) -> dict[str, Any]:
        """What the cut does to the vessels that have a tree; it removes so many voxels that are no tumour."""
        prepared = self.prepared
        if not prepared.supplies:
            return {}
        feeds = {feed.system: feed for feed in self._feeds}
        portal, hepatic = feeds.pop("portal", None), feeds.pop("hepatic", None)
        lost: dict[System, Lost] = {}
        drained = None
        kept = prepared.organ_voxels - prepared.tumour_voxels - healthy_removed
        if portal is not None and hepatic is not None:
            lost["portal"], lost["hepatic"], either = count_of_two(portal, hepatic, gone, prepared.tumour)
            drained = kept - either
        else:
            feeds |= {feed.system: feed for feed in (portal, hepatic) if feed is not None}
        lost |= {system: feed.count(gone, prepared.tumour) for system, feed in feeds.items()}
        return {
            "crossings": tuple(crossing for supply in prepared.supplies for crossing in supply.crossings(gone)),
            "lost_voxels": {system: one.voxels for system, one in lost.items()},
            "perfused_voxels": kept - lost["portal"].healthy if "portal" in lost else None,
            "drained_voxels": drained,
        }

    def lost(self, cuts: Sequence[Cut]) -> dict[System, BoolArray]:
        """Where the remnant has lost each vessel system that has a tree, [k, j, i] over the organ's box."""
        prepared = self.prepared
        gone, _ = removed_voxels(prepared.organ_runs, self.regions(cuts), prepared.geometry.size_ijk[0])
        found: dict[System, BoolArray] = {}
        for feed in self._feeds:
            found[feed.system] = np.zeros_like(prepared.organ.mask)
            found[feed.system][prepared.organ.mask] = feed.lost(gone)
        return found

    def _lesion(
        self, lesion: PreparedLesion, regions: Sequence[Region], interface: Interface | None, coarse: bool
    ) -> LesionNumbers:
        voxel_ml = self.prepared.voxel_ml
        margin: float | None = None
        nearest: tuple[Point, Point] | None = None
        left: int | None = None
        if lesion.belongs:
            left = lesion.voxels - count_removed(lesion.runs, regions, self.prepared.geometry.size_ijk[0])
            if left == 0 and interface is not None:
                closest = interface.nearest(lesion.surface, coarse)
                if closest.on_lesion is not None and closest.on_cut is not None:
                    margin, nearest = closest.distance_mm, (closest.on_lesion, closest.on_cut)
            elif 0 < left < lesion.voxels:
                margin = 0.0
        return LesionNumbers(
            name=lesion.name,
            volume_ml=lesion.voxels * voxel_ml,
            margin_mm=margin,
            left_behind=None if left is None else left > 0,
            left_behind_ml=None if left is None else left * voxel_ml,
            outside_ml=lesion.outside_voxels * voxel_ml,
            nearest_mm=nearest,
        )


def partition(prepared: PartitionInput, cuts: Sequence[Cut], ctx: Context) -> Partition:
    """Cut an organ in two.

    Parameters
    ----------
    prepared
        The organ, from `prepare`.
    cuts
        United: what any of them removes goes. A plane that misses the organ removes nothing or everything, which is
        reported as a notice and is no error.

    Raises
    ------
    Cancelled
        If the work was stopped.
    """
    ctx.progress(0.0, tr("Cutting {organ}").format(organ=prepared.name))
    live = LiveCut(prepared)
    numbers = live.evaluate(cuts)
    ctx.progress(0.5, tr("Cutting {organ}").format(organ=prepared.name))
    organ = prepared.organ.mask
    region = removed_region(prepared.box, live.regions(cuts), prepared.geometry.size_ijk[0])
    ctx.check()
    return Partition(numbers, organ & region, organ & ~region, prepared.box)


def _crossed(crossing: Crossing) -> dict[str, Any]:
    return {
        "name": crossing.name,
        "system": crossing.system,
        "branch": crossing.branch,
        "diameter_mm": crossing.diameter_mm,
        "generation": crossing.generation,
        "outwards": crossing.outwards,
        "position_mm": list(crossing.position_mm),
    }
