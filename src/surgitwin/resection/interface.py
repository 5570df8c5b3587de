"""The border between removed and kept organ under cuts of any kind, and how near a lesion comes to it."""

from __future__ import annotations

from collections.abc import Sequence

from surgitwin.resection.cuts import Cut, MaskCut, PlaneCut
from surgitwin.resection.lesion_surface import Closest, LesionSurface
from surgitwin.resection.margins import Organ, PlaneInterface
from surgitwin.resection.regions import Region
from surgitwin.resection.surface_margins import MaskInterface, SurfaceInterface


class MaskBorders:
    """The borders of regions of voxels, which take long to find and do not change while another cut moves."""

    def __init__(self, organ: Organ) -> None:
        self._organ = organ
        self._found: dict[int, tuple[MaskCut, MaskInterface]] = {}

    def of(self, cut: MaskCut) -> MaskInterface:
        kept = self._found.get(id(cut))
        if kept is None or kept[0] is not cut:
            kept = self._found[id(cut)] = (cut, MaskInterface(cut, self._organ))
        return kept[1]


class Interface:
    """Where cuts meet an organ; measures any number of lesions against it.

    Parameters
    ----------
    regions
        What each of the cuts removes, in the same order.
    """

    def __init__(self, cuts: Sequence[Cut], regions: Sequence[Region], organ: Organ, borders: MaskBorders) -> None:
        planes = [cut for cut in cuts if isinstance(cut, PlaneCut)]
        not_planes = [region for cut, region in zip(cuts, regions, strict=True) if not isinstance(cut, PlaneCut)]
        self._planes = PlaneInterface(planes, organ, not_planes)
        self._surfaces: list[SurfaceInterface] = []
        self._masks: list[tuple[MaskInterface, list[Region]]] = []
        for number, cut in enumerate(cuts):
            others = [region for other, region in enumerate(regions) if other != number]
            if isinstance(cut, MaskCut):
                self._masks.append((borders.of(cut), others))
            elif not isinstance(cut, PlaneCut):
                self._surfaces.append(SurfaceInterface(cut, others, organ))

    @property
    def curved(self) -> bool:
        """True if a margin takes longer to be exact than a hand that moves can wait."""
        return bool(self._surfaces)

    def nearest(self, lesion: LesionSurface, coarse: bool = False) -> Closest:
        """Where a lesion's surface is nearest to it; `margins` and `surface_margins` define both.

        The lesion must lie wholly on one side: the margin of one that is cut through is 0 by definition.

        Returns
        -------
        Infinitely far, and without points, if the cuts have no interface with the organ.
        """
        closest = Closest()
        for surface in self._surfaces:
            surface.look(lesion, closest)  # rules out most of all others, and costs next to nothing
        self._planes.nearest(lesion, closest)
        for mask, others in self._masks:
            mask.nearest(lesion, closest, others)
        for surface in self._surfaces:
            surface.nearest(lesion, closest, coarse)
        return closest
