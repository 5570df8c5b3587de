"""The plan that is being looked at, as it moves: numbers for every mouse event, one command when it comes to rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from surgitwin.commands.base import Document
from surgitwin.commands.plan_cuts import format_cut
from surgitwin.commands.plan_parts import CutMaker, FrozenPlan, freeze_plan, lesions_in
from surgitwin.commands.plan_tissue import occluded_voxels
from surgitwin.commands.planning import PlanResection, moved_document
from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.jobs import Job
from surgitwin.render.content import PlaneContent, Vec3
from surgitwin.scene.nodes import CutModel, PlaneModel, PlanNode, SegmentNode

Key = tuple[tuple[NodeId, str], ...]
REST_MS = 80  # without a move for so long the hand is at rest, and what was coarse is made exact


@dataclass(frozen=True)
class PlanNumbers:
    """What the panel shows.

    Attributes
    ----------
    moving
        True while a cut is dragged, until the plan is written.
    stale
        True if they were computed from something that has changed since.
    approximate
        True if some of them are estimates that are made exact when the hand is at rest; shown with ≈.
    """

    document: Document | None
    moving: bool
    stale: bool
    approximate: bool = False


@dataclass(frozen=True, eq=False)
class Ready:
    """An organ ready for cutting."""

    frozen: FrozenPlan
    live: Any  # resection.LiveCut
    maker: CutMaker

    def cuts(self, models: Sequence[CutModel]) -> list[Any]:
        """The enabled cuts as the resection functions take them; those that were made before cost nothing."""
        return [self.maker.cut(model, Context()) for model in models if model.enabled]


class LivePlan(QObject):
    """Keeps the organ of the current plan ready for cutting.

    Signals
    -------
    numbers_changed(PlanNumbers), refused(str)
        New numbers; a place of the cut that cannot be, in words: the plan keeps its last good state.
    ready_changed(Ready or None)
        An organ was made ready, or is no more.
    rested(tuple of CutModel or None)
        The hand holds a cut still here, or no more.
    """

    numbers_changed = Signal(object)
    refused = Signal(str)
    ready_changed = Signal(object)
    rested = Signal(object)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._key: Key | None = None
        self._ready: Ready | None = None
        self._job: Job | None = None
        self._moving: tuple[CutModel, ...] | None = None
        self._good: tuple[CutModel, ...] | None = None
        self._still = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._make_exact)
        desk.plan_changed.connect(lambda _: self.refresh())
        desk.session_changed.connect(lambda _: self._forget())

    @property
    def ready(self) -> bool:
        """True if a dragged cut's numbers can follow the hand."""
        return self._ready is not None

    @property
    def prepared(self) -> Ready | None:
        return self._ready

    @property
    def held(self) -> tuple[CutModel, ...] | None:
        """The cuts where the hand has them; None while none is held."""
        return self._moving

    def refresh(self) -> None:
        """Show the stored numbers, and get the organ ready for dragging if it is not."""
        plan = self._desk.plan
        if self._moving is None:
            stale = plan is not None and self._desk.scene.is_stale(plan)
            self.numbers_changed.emit(PlanNumbers(plan.numbers if plan is not None else None, False, stale))
        if plan is not None:
            self._prepare(plan)

    # ---- while a cut is held -----------------------------------------------------------------------------------

    def drag(self, planes: Sequence[PlaneContent]) -> None:
        """The planes are here now: numbers at once, nothing stored."""
        plan = self._desk.plan
        if plan is not None:
            self._move(plan, _with_planes(plan, planes))

    def drop(self, planes: Sequence[PlaneContent]) -> None:
        """The drag is over: write the plan as one undoable step."""
        plan = self._desk.plan
        if plan is not None:
            self._drop(plan, _with_planes(plan, planes))

    def drag_patch(self, number: int, control_points: Sequence[Sequence[Vec3]], remove_point: Vec3 | None) -> None:
        """The control points of a curved surface, and a point on the side that goes, are here now."""
        plan = self._desk.plan
        if plan is not None:
            self._move(plan, _with_patch(plan, number, control_points, remove_point))

    def drop_patch(self, number: int, control_points: Sequence[Sequence[Vec3]], remove_point: Vec3 | None) -> None:
        plan = self._desk.plan
        if plan is not None:
            self._drop(plan, _with_patch(plan, number, control_points, remove_point))

    def abort(self) -> None:
        """Esc: back to what is stored."""
        self._let_go()
        self.refresh()

    def _move(self, plan: PlanNode, cuts: tuple[CutModel, ...]) -> None:
        self._moving = cuts
        self._go_on()
        if self._show(plan, cuts, coarse=True):
            self._good = cuts
            self._rest.start()

    def _make_exact(self) -> None:
        plan = self._desk.plan
        if plan is not None and self._moving is not None and self._show(plan, self._moving, coarse=False):
            self._still = True
            self.rested.emit(self._moving)

    def _go_on(self) -> None:
        if self._still:
            self._still = False
            self.rested.emit(None)

    def _show(self, plan: PlanNode, cuts: tuple[CutModel, ...], coarse: bool) -> bool:
        """The numbers of these cuts; False if there are none, because nothing is ready or the cut cannot be."""
        if self._ready is None:
            return False
        try:
            numbers = self._ready.live.evaluate(self._ready.cuts(cuts), coarse=coarse)
        except BadInput as error:
            self.refused.emit(str(error))
            return False
        document = moved_document(self._desk.scene, plan, numbers)
        self.numbers_changed.emit(PlanNumbers(document, True, False, bool(numbers.approximate)))
        return True

    def _drop(self, plan: PlanNode, cuts: tuple[CutModel, ...]) -> None:
        """Write where the cut was let go, or, where it cannot be, nothing: the plan keeps its last good state."""
        self._let_go()
        if self._ready is not None:
            try:
                self._ready.cuts(cuts)
            except BadInput as error:
                self._desk.say(str(error), "caution")
                self.refresh()
                self._desk.plan_changed.emit(plan)
                return
        self.write(plan, cuts)

    def _let_go(self) -> None:
        self._rest.stop()
        self._moving, self._good = None, None
        self._go_on()

    # ---- writing -----------------------------------------------------------------------------------------------

    def write(self, plan: PlanNode, cuts: tuple[CutModel, ...]) -> None:
        """Run the plan command for these cuts."""
        scene = self._desk.scene
        organ = scene.get(plan.organ, SegmentNode)
        if organ is None:
            self._desk.say(tr("The organ of “{name}” is gone. Choose another one.").format(name=plan.name), "caution")
            return
        command = PlanResection(
            plan=plan.id,
            organ=organ.id,
            cut=tuple(format_cut(cut) for cut in cuts),
            lesion=plan.lesions or (),
            wish=plan.wish_mm,
            operation=plan.operation or None,
            notes=plan.notes,
        )
        self._desk.do(command, failed=self._failed)

    def _failed(self, error: BaseException) -> None:
        self._desk.report(error)
        self.refresh()
        self._desk.plan_changed.emit(self._desk.plan)

    # ---- getting ready -----------------------------------------------------------------------------------------

    def _prepare(self, plan: PlanNode) -> None:
        scene = self._desk.scene
        organ = scene.get(plan.organ, SegmentNode)
        session = self._desk.session
        if organ is None or session is None:
            self._set(None, None)
            return
        try:
            frozen = freeze_plan(scene, organ, lesions_in(scene, plan, organ), plan.cuts)
        except SurgitwinError as error:
            key: Key = ((organ.id, organ.revision), (NodeId(""), str(error)))
            if key != self._key:
                self._set(key, None)
                self._desk.report(error)
            return
        divisions = {one.division.id: one.division.revision for one in frozen.territories}
        key = (*((node.id, node.revision) for node in frozen.nodes), *divisions.items())
        if key == self._key:
            return
        if self._job is not None:
            self._job.context.cancel()
        self._set(key, None)
        cuts = plan.cuts

        def work(ctx: Context) -> Ready:
            from surgitwin.resection import LiveCut

            prepared = frozen.prepare(ctx)
            maker = CutMaker(frozen, prepared)
            organ_mask = prepared.organ.mask
            marked = occluded_voxels(frozen.territories, organ_mask, prepared.tumour, prepared.box)
            live = LiveCut(prepared, marked)
            live.get_ready([made for cut in cuts if cut.enabled for made in _made(maker, cut, ctx)])
            return Ready(frozen, live, maker)

        def done(ready: Ready) -> None:
            if self._key == key:
                self._job = None
                self._set(key, ready)

        self._job = session.runner.submit(
            tr("Preparing {organ}").format(organ=organ.name), work, done, self._desk.report
        )

    def _set(self, key: Key | None, ready: Ready | None) -> None:
        changed = ready is not self._ready
        self._key, self._ready = key, ready
        if changed:
            self.ready_changed.emit(ready)

    def _forget(self) -> None:
        self._let_go()
        self._job = None
        self._set(None, None)


def _made(maker: CutMaker, cut: CutModel, ctx: Context) -> list[Any]:
    """Make a cut ahead; one that cannot be made is left out, and says so when its numbers are asked for."""
    try:
        return [maker.cut(cut, ctx)]
    except BadInput:
        return []


def _with_planes(plan: PlanNode, planes: Sequence[PlaneContent]) -> tuple[CutModel, ...]:
    """The plan's cuts with its planes where the views have them."""
    moved = {content.id: PlaneModel(point_mm=content.point, normal=content.normal) for content in planes}
    return tuple(
        cut.model_copy(
            update={
                "planes": tuple(moved.get(f"{number}:{index}", plane) for index, plane in enumerate(cut.planes)),
            }
        )
        for number, cut in enumerate(plan.cuts)
    )


def _with_patch(
    plan: PlanNode, number: int, control_points: Sequence[Sequence[Vec3]], remove_point: Vec3 | None
) -> tuple[CutModel, ...]:
    """The plan's cuts with one curved surface where the views have it."""
    rows = tuple(tuple(point for point in row) for row in control_points)
    cut = plan.cuts[number]
    moved = cut.model_copy(update={"control_points_mm": rows, "remove_point_mm": remove_point or cut.remove_point_mm})
    return (*plan.cuts[:number], moved, *plan.cuts[number + 1 :])
