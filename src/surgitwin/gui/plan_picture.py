"""What the views show of the plan at rest: curved cuts, remnant and specimen, tissue that is lost, the margin map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.live_plan import LivePlan, Ready
from surgitwin.gui.plan_shown import PlanShown
from surgitwin.jobs import Job
from surgitwin.render.content import LabelLayer, PatchContent, SurfaceContent
from surgitwin.render.cut_margins import CutMargins, cut_margins
from surgitwin.render.lost import lost_layer, lost_surfaces
from surgitwin.render.plan_cuts import curve_contents, patch_contents
from surgitwin.resection.cut_map import margin_limits, uncertainty_mm
from surgitwin.resection.partition import Partition, partition
from surgitwin.scene.nodes import CutModel, PlanNode, SurfaceNode

if TYPE_CHECKING:
    from surgitwin.resection import LiveCut

REMNANT, SPECIMEN = "plan-remnant", "plan-specimen"
REMNANT_COLOUR, SPECIMEN_COLOUR = (176, 104, 84), (216, 150, 120)
Key = tuple[object, ...]
NO_MAP = tr("This cut does not divide the organ, or is off: there is no margin to draw.")


@dataclass(frozen=True, eq=False)
class Found:
    """What was worked out of a plan at rest.

    Attributes
    ----------
    margins
        Of each cut that is on, by its number.
    aside
        The way from the remnant to the specimen, a unit vector.
    """

    parts: tuple[SurfaceContent, ...]
    lost: LabelLayer | None
    lost_in_3d: tuple[SurfaceContent, ...]
    margins: dict[int, CutMargins]
    aside: tuple[float, float, float]


class PlanPicture(QObject):
    """Follows the current plan; works on threads, and drops what a newer plan overtook.

    Signals
    -------
    changed(PlanShown)
        What the views show beside the scene.
    map_changed(CutMap or None, classes or None, str)
        The margin map of the chosen cut, or why there is none.
    held_changed(LabelLayer or None)
        What the remnant loses while a cut is held still, for the slices; None as soon as it moves on.
    """

    changed = Signal(object)
    map_changed = Signal(object, object, str)
    held_changed = Signal(object)

    def __init__(self, desk: Desk, live: LivePlan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self._live = desk, live
        self._key: Key | None = None
        self._job: Job | None = None
        self._held: Job | None = None
        self._found: Found | None = None
        self._found_of: Key | None = None
        self._chosen = 0
        self._parts_shown = False
        self._aside_mm = 0.0
        desk.plan_changed.connect(lambda _: self.refresh())
        desk.session_changed.connect(lambda _: self._forget())
        live.ready_changed.connect(lambda _: self.refresh())
        live.rested.connect(self._hold)

    @property
    def found(self) -> Found | None:
        """What was worked out of the plan as it is; None while that is under way."""
        return self._found

    def _hold(self, cuts: tuple[CutModel, ...] | None) -> None:
        """A cut is held still: find what is lost there, on a worker; it moves on: show that no more."""
        if self._held is not None:
            self._held.context.cancel()
            self._held = None
        ready, session = self._live.prepared, self._desk.session
        if cuts is None or ready is None or session is None:
            self.held_changed.emit(None)
            return

        def work(ctx: Context) -> LabelLayer | None:
            from surgitwin.resection import LiveCut

            made = [ready.maker.cut(model, ctx) for model in cuts if model.enabled]
            return _lost_at(LiveCut(ready.live.prepared), made)

        def done(layer: LabelLayer | None) -> None:
            if self._held is job:
                self._held = None
                self.held_changed.emit(layer)

        job = session.runner.submit(tr("Finding what loses its blood"), work, done, self._desk.report)
        self._held = job

    def choose_cut(self, number: int) -> None:
        """The margin map is to be of this cut."""
        if number != self._chosen:
            self._chosen = number
            self._show_map()

    def show_parts(self, shown: bool) -> None:
        """Show remnant and specimen in the organ's place."""
        self._parts_shown = shown
        self.refresh()

    def move_aside(self, distance_mm: float) -> dict[str, tuple[float, float, float]]:
        """Where the specimen is to be moved to look into the cut, by surface id."""
        self._aside_mm = distance_mm
        return self._offsets()

    def _offsets(self) -> dict[str, tuple[float, float, float]]:
        if self._found is None or not self._aside_mm:
            return {}
        x, y, z = (self._aside_mm * value for value in self._found.aside)
        return {SPECIMEN: (x, y, z)}

    def refresh(self) -> None:
        plan, ready = self._desk.plan, self._live.prepared
        if plan is None:
            self._forget()
            return
        if ready is None or self._desk.scene.is_stale(plan):
            self._let_go()
            self._found = None
            self._show(plan)
            return
        of = _key(plan, ready)
        key = (of, self._parts_shown)
        if key == self._key:
            self._show(plan)  # a place that could not be may have been shown meanwhile
            return
        self._let_go()
        self._key = key
        self._show(plan)
        cuts, parts, wish = plan.cuts, self._parts_shown, plan.wish_mm

        def work(ctx: Context) -> Found:
            return _found(ready, cuts, wish, parts, ctx)

        def done(found: Found) -> None:
            if self._key == key and self._desk.plan is not None:
                self._job, self._found, self._found_of = None, found, of
                self._show(self._desk.plan)

        def failed(error: BaseException) -> None:
            self._job = None
            self._desk.report(error)

        session = self._desk.session
        if session is not None:
            self._job = session.runner.submit(tr("Drawing {plan}").format(plan=plan.name), work, done, failed)

    def _show(self, plan: PlanNode) -> None:
        found = self._found
        current = self._current(plan) if plan.visible else None
        margins = current.margins if current is not None else {}
        shown_parts = self._parts_shown and found is not None and bool(found.parts)
        self.changed.emit(
            PlanShown(
                patches=tuple(_classed(patch, margins) for patch in patch_contents(plan, editable=True)),
                cut_surfaces=curve_contents(plan),
                margins=tuple(surface for one in margins.values() for surface in one.surfaces),
                parts=found.parts if shown_parts and found is not None else (),
                instead_of=self._organ_surfaces(plan) if shown_parts else frozenset(),
                offsets_mm=self._offsets() if shown_parts else {},
                layers=(current.lost,) if current is not None and current.lost is not None else (),
                lost=current.lost_in_3d if current is not None else (),
            )
        )
        self._show_map()

    def _current(self, plan: PlanNode) -> Found | None:
        """What was worked out of the plan as it is now; None while that is under way, for what was before is wrong."""
        return self._found if self._found_of == _key(plan, self._live.prepared) else None

    def _show_map(self) -> None:
        plan = self._desk.plan
        current = self._current(plan) if plan is not None else None
        if plan is None or current is None:
            self.map_changed.emit(None, None, tr("The map appears when the plan is at rest."))
            return
        number = self._chosen if 0 <= self._chosen < len(plan.cuts) else 0
        chosen = current.margins.get(number)
        if chosen is None or chosen.map is None:
            self.map_changed.emit(None, None, NO_MAP)
        else:
            self.map_changed.emit(chosen.map, chosen.classes, "")

    def _organ_surfaces(self, plan: PlanNode) -> frozenset[str]:
        return frozenset(s.id for s in self._desk.scene.of_type(SurfaceNode) if s.segment == plan.organ)

    def _let_go(self) -> None:
        if self._job is not None:
            self._job.context.cancel()
        self._job, self._key = None, None

    def _forget(self) -> None:
        self._let_go()
        self._found = None
        self.changed.emit(PlanShown())
        self.map_changed.emit(None, None, "")


def _key(plan: PlanNode, ready: Ready | None) -> Key:
    """What margins and lost tissue depend on."""
    return plan.id, plan.cuts, plan.wish_mm, id(ready)


def _classed(patch: PatchContent, margins: dict[int, CutMargins]) -> PatchContent:
    """A patch with the margin all over it, if that is known."""
    found = margins.get(int(patch.id))
    classes = found.patch_classes if found is not None else None
    if classes is None or classes.size != len(patch.mesh.points):
        return patch
    return replace(patch, classes=classes)


def _found(ready: Ready, models: tuple[CutModel, ...], wish_mm: float | None, parts: bool, ctx: Context) -> Found:
    """Everything that takes long, on a worker thread."""
    from surgitwin.resection import LiveCut, MaskCut

    prepared = ready.live.prepared
    geometry: Geometry = prepared.geometry
    live = LiveCut(prepared)  # of its own: the window's counts for every mouse event
    cuts = {number: ready.maker.cut(model, ctx) for number, model in enumerate(models) if model.enabled}
    found = partition(prepared, list(cuts.values()), ctx)
    surfaces, aside = ctx.apart(_parts, found, geometry) if parts else ((), (0.0, 0.0, 1.0))
    alone = [
        live.region(cut) if isinstance(cut := cuts.get(number), MaskCut) else None for number in range(len(models))
    ]
    lesions = [lesion.surface for lesion in prepared.lesions if lesion.belongs]
    limits = margin_limits(wish_mm, uncertainty_mm(geometry, ready.frozen.registration.error_mm))
    margins = ctx.apart(cut_margins, models, alone, found, geometry, lesions, limits)
    layer = _lost_at(live, list(cuts.values()))
    lost_in_3d = ctx.apart(lost_surfaces, replace(layer, bounds=None), found.box) if layer is not None else ()
    return Found(surfaces, layer, lost_in_3d, margins, aside)


def _lost_at(live: LiveCut, cuts: list[Any]) -> LabelLayer | None:
    """What the remnant of these cuts loses, hatched."""
    return _lost(live.lost(cuts), live.prepared.box, live.prepared.geometry)


def _lost(lost: dict[Any, NDArray[np.bool_]], box: Box, geometry: Geometry) -> LabelLayer | None:
    """The hatched layer of what the remnant loses; None if it loses nothing or nothing was assessed."""
    if not any(mask.any() for mask in lost.values()):
        return None

    def whole(system: str) -> NDArray[np.bool_] | None:
        if system not in lost:
            return None
        mask = np.zeros(geometry.shape_kji, dtype=np.bool_)
        mask[box.slices] = lost[system]
        return mask

    return lost_layer(whole("portal"), whole("hepatic"), geometry, lambda: box)


def _parts(
    found: Partition, geometry: Geometry, ctx: Context
) -> tuple[tuple[SurfaceContent, ...], tuple[float, float, float]]:
    """Surfaces of remnant and specimen, and the way from one to the other."""
    from surgitwin.surfaces import surfaces_from_labels

    wide = found.box.grown(1, geometry.size_ijk)
    labels = np.zeros(tuple(reversed(wide.size_ijk)), dtype=np.uint8)
    inner = tuple(
        slice(a - b, a - b + n) for a, b, n in zip(found.box.start, wide.start, found.box.size_ijk, strict=True)
    )[::-1]
    labels[inner] = found.remnant + 2 * found.removed.astype(np.uint8)
    values = [value for value in (1, 2) if (labels == value).any()]
    made = surfaces_from_labels(labels, geometry.cropped(wide), values, smoothing=0.5, ctx=ctx)
    looks = {
        1: (REMNANT, REMNANT_COLOUR, tr("Remnant"), 0.55),
        2: (SPECIMEN, SPECIMEN_COLOUR, tr("Specimen"), 0.75),
    }
    surfaces = tuple(
        SurfaceContent(looks[value][0], made[value].mesh, looks[value][1], looks[value][3], True, looks[value][2])
        for value in values
    )
    if len(surfaces) < 2:
        return surfaces, (0.0, 0.0, 1.0)
    way = np.asarray(surfaces[1].mesh.points).mean(axis=0) - np.asarray(surfaces[0].mesh.points).mean(axis=0)
    length = float(np.linalg.norm(way))
    x, y, z = (float(value) for value in (way / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])))
    return surfaces, (x, y, z)
