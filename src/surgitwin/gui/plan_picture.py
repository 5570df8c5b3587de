"""What the views show of the plan at rest: curved cuts, remnant and specimen, tissue that is lost, the margin map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from surgitwin.render.lost import lost_layer
from surgitwin.render.patch_cutting import DRAWN_CELLS
from surgitwin.render.plan_cuts import curve_contents, patch_contents
from surgitwin.resection.cut_map import CutMap, cut_map, margin_classes, plane_points, uncertainty_mm
from surgitwin.resection.partition import Partition, partition
from surgitwin.scene.nodes import CutModel, PlanNode, SurfaceNode

REMNANT, SPECIMEN = "plan-remnant", "plan-specimen"
REMNANT_COLOUR, SPECIMEN_COLOUR = (176, 104, 84), (216, 150, 120)
NO_MAP = tr("The margin map is for planes, curved surfaces and drawn lines.")


@dataclass(frozen=True, eq=False)
class Found:
    """What was worked out of a plan at rest.

    Attributes
    ----------
    aside
        The way from the remnant to the specimen, a unit vector.
    """

    parts: tuple[SurfaceContent, ...]
    lost: LabelLayer | None
    map: CutMap | None
    classes: NDArray[np.uint8] | None
    aside: tuple[float, float, float]


class PlanPicture(QObject):
    """Follows the current plan; works on threads, and drops what a newer plan overtook.

    Signals
    -------
    changed(PlanShown)
        What the views show beside the scene.
    map_changed(CutMap or None, classes or None, str)
        The margin map of the chosen cut, or why there is none.
    """

    changed = Signal(object)
    map_changed = Signal(object, object, str)

    def __init__(self, desk: Desk, live: LivePlan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self._live = desk, live
        self._key: tuple[object, ...] | None = None
        self._job: Job | None = None
        self._found: Found | None = None
        self._chosen = 0
        self._parts_shown = False
        self._aside_mm = 0.0
        desk.plan_changed.connect(lambda _: self.refresh())
        desk.session_changed.connect(lambda _: self._forget())
        live.ready_changed.connect(lambda _: self.refresh())

    @property
    def found(self) -> Found | None:
        """What was worked out of the plan as it is; None while that is under way."""
        return self._found

    def choose_cut(self, number: int) -> None:
        """The margin map is to be of this cut."""
        if number != self._chosen:
            self._chosen = number
            self.refresh()

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
        key = (plan.id, plan.cuts, plan.wish_mm, id(ready), self._chosen, self._parts_shown)
        if key == self._key:
            return
        self._let_go()
        self._key = key
        self._show(plan)
        cuts = plan.cuts
        chosen = cuts[self._chosen] if 0 <= self._chosen < len(cuts) else (cuts[0] if cuts else None)
        parts, wish = self._parts_shown, plan.wish_mm

        def work(ctx: Context) -> Found:
            return _found(ready, cuts, chosen, wish, parts, ctx)

        def done(found: Found) -> None:
            if self._key == key and self._desk.plan is not None:
                self._job, self._found = None, found
                self._show(self._desk.plan)

        def failed(error: BaseException) -> None:
            self._job = None
            self._desk.report(error)

        session = self._desk.session
        if session is not None:
            self._job = session.runner.submit(tr("Drawing {plan}").format(plan=plan.name), work, done, failed)

    def _show(self, plan: PlanNode) -> None:
        found = self._found
        classes = found.classes if found is not None else None
        patches = tuple(self._classed(patch, classes) for patch in patch_contents(plan, editable=True))
        shown_parts = self._parts_shown and found is not None and bool(found.parts)
        self.changed.emit(
            PlanShown(
                patches=patches,
                cut_surfaces=curve_contents(plan),
                parts=found.parts if shown_parts and found is not None else (),
                instead_of=self._organ_surfaces(plan) if shown_parts else frozenset(),
                offsets_mm=self._offsets() if shown_parts else {},
                layers=(found.lost,) if found is not None and found.lost is not None else (),
            )
        )
        if found is None:
            self.map_changed.emit(None, None, tr("The map appears when the plan is at rest."))
        elif found.map is None:
            self.map_changed.emit(None, None, NO_MAP)
        else:
            self.map_changed.emit(found.map, found.classes, "")

    def _classed(self, patch: PatchContent, classes: NDArray[np.uint8] | None) -> PatchContent:
        """The chosen patch with the margin all over it."""
        if classes is None or patch.id != str(self._chosen_number()) or classes.size != len(patch.mesh.points):
            return patch
        return replace(patch, classes=classes.reshape(-1))

    def _chosen_number(self) -> int:
        plan = self._desk.plan
        return self._chosen if plan is not None and 0 <= self._chosen < len(plan.cuts) else 0

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


def _found(
    ready: Ready, models: Sequence[CutModel], chosen: CutModel | None, wish_mm: float | None, parts: bool, ctx: Context
) -> Found:
    """Everything that takes long, on a worker thread."""
    from surgitwin.resection import LiveCut

    prepared = ready.live.prepared
    cuts = [ready.maker.cut(model, ctx) for model in models if model.enabled]
    found = partition(prepared, cuts, ctx)
    lost = LiveCut(prepared).lost(cuts)
    geometry: Geometry = prepared.geometry
    surfaces, aside = ctx.apart(_parts, found, geometry) if parts else ((), (0.0, 0.0, 1.0))
    points = _map_points(chosen, found, geometry)
    laid = None
    classes = None
    if points is not None and cuts:
        lesions = [lesion.surface for lesion in prepared.lesions if lesion.belongs]
        laid = cut_map(points, lesions, found.removed | found.remnant, found.removed, found.box, geometry)
        unsure = uncertainty_mm(geometry, ready.frozen.registration.error_mm)
        classes = margin_classes(laid.distance_mm, laid.on_cut, wish_mm, unsure)
    return Found(surfaces, _lost(lost, found.box, geometry), laid, classes, aside)


def _map_points(cut: CutModel | None, found: Partition, geometry: Geometry) -> NDArray[np.float64] | None:
    """A grid of points over a cut, or None for a kind that cannot be laid flat."""
    if cut is None or not cut.enabled:
        return None
    if cut.kind == "planes" and cut.planes:
        plane = cut.planes[0]
        return plane_points(np.array(plane.point_mm), np.array(plane.normal), found.box, geometry)
    if cut.kind == "patch":
        from surgitwin.resection.bezier import BezierPatch

        t = np.linspace(0.0, 1.0, DRAWN_CELLS + 1)  # the points of the mesh that is drawn
        return BezierPatch.of(cut.control_points_mm).at(t, t)
    if cut.kind == "curve" and cut.curve is not None and cut.curve.direction is not None:
        line, way = np.array(cut.curve.points_mm), np.array(cut.curve.direction)
        line = np.concatenate([line, line[:1]]) if cut.curve.closed else line
        depth = np.arange(-10.0, (cut.curve.depth_mm or 150.0) + 1.0, 2.0)
        return np.asarray(line[None] + depth[:, None, None] * way)
    return None


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
