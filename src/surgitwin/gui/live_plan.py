"""The plan that is being looked at, as it moves: numbers for every mouse event, one command when it comes to rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from surgitwin.commands.base import Document
from surgitwin.commands.planning import (
    PlanResection,
    format_plane,
    freeze_plan,
    lesions_of,
    moved_document,
    plane_cuts,
    vessels_of,
)
from surgitwin.commands.registered import plan_registration
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.jobs import Job
from surgitwin.render.content import PlaneContent
from surgitwin.scene.nodes import CutModel, PlaneModel, PlanNode, SegmentNode

Key = tuple[tuple[NodeId, str], ...]


@dataclass(frozen=True)
class PlanNumbers:
    """What the panel shows.

    Attributes
    ----------
    moving
        True while a cut is dragged; such numbers are shown with ≈ until the plan is written.
    stale
        True if they were computed from something that has changed since.
    """

    document: Document | None
    moving: bool
    stale: bool


class LivePlan(QObject):
    """Keeps the organ of the current plan ready for cutting."""

    numbers_changed = Signal(object)  # PlanNumbers
    planes_changed = Signal(object)  # tuple of PlaneContent while dragging

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._key: Key | None = None
        self._live: Any = None  # LiveCut once the organ is prepared
        self._job: Job | None = None
        self._moving: tuple[CutModel, ...] | None = None
        desk.plan_changed.connect(lambda _: self.refresh())
        desk.session_changed.connect(lambda _: self._forget())

    @property
    def ready(self) -> bool:
        """True if a dragged plane's numbers can follow the hand."""
        return self._live is not None

    def refresh(self) -> None:
        """Show the stored numbers, and get the organ ready for dragging if it is not."""
        plan = self._desk.plan
        if self._moving is None:
            stale = plan is not None and self._desk.scene.is_stale(plan)
            self.numbers_changed.emit(PlanNumbers(plan.numbers if plan is not None else None, False, stale))
        if plan is not None:
            self._prepare(plan)

    def drag(self, planes: Sequence[PlaneContent]) -> None:
        """The planes are here now: numbers at once, nothing stored."""
        plan = self._desk.plan
        if plan is None:
            return
        self._moving = _cuts_from(plan, planes)
        if self._live is None:
            return
        moved = plan.model_copy(update={"cuts": self._moving})
        numbers = self._live.evaluate(plane_cuts(moved))
        document = moved_document(self._desk.scene, plan, numbers)
        self.numbers_changed.emit(PlanNumbers(document, True, False))

    def drop(self, planes: Sequence[PlaneContent]) -> None:
        """The drag is over: write the plan as one undoable step."""
        plan = self._desk.plan
        self._moving = None
        if plan is None:
            return
        self.write(plan, _cuts_from(plan, planes))

    def abort(self) -> None:
        """Esc: back to what is stored."""
        self._moving = None
        self.refresh()

    def write(self, plan: PlanNode, cuts: tuple[CutModel, ...]) -> None:
        """Run the plan command for these cuts."""
        scene = self._desk.scene
        organ = scene.get(plan.organ, SegmentNode)
        if organ is None:
            self._desk.say(tr("The organ of “{name}” is gone. Choose another one.").format(name=plan.name), "caution")
            return
        planes = tuple(format_plane(plane) for cut in cuts for plane in cut.planes)
        command = PlanResection(
            plan=plan.id,
            organ=organ.id,
            plane=planes,
            lesion=plan.lesions or (),
            operation=plan.operation or None,
            notes=plan.notes,
        )
        self._desk.do(command, failed=self._failed)

    def _failed(self, error: BaseException) -> None:
        self._desk.report(error)
        self.refresh()
        self._desk.plan_changed.emit(self._desk.plan)

    def _prepare(self, plan: PlanNode) -> None:
        scene = self._desk.scene
        organ = scene.get(plan.organ, SegmentNode)
        session = self._desk.session
        if organ is None or session is None:
            self._live, self._key = None, None
            return
        chosen = [scene.get(node_id, SegmentNode) for node_id in plan.lesions or ()]
        lesions = [node for node in chosen if node is not None] if plan.lesions else lesions_of(scene, organ)
        refusal = plan_registration(scene, organ, [*lesions, *vessels_of(scene, organ)]).refusal
        key: Key = (*((node.id, node.revision) for node in (organ, *lesions)), (NodeId(""), refusal))
        if key == self._key:
            return
        if self._job is not None:
            self._job.context.cancel()
        self._key, self._live = key, None
        try:
            frozen = freeze_plan(scene, organ, lesions)
        except SurgitwinError as error:
            self._desk.report(error)
            return

        def done(prepared: Any) -> None:
            from surgitwin.resection import LiveCut

            if self._key == key:
                self._live = LiveCut(prepared)
                self._job = None

        self._job = session.runner.submit(
            tr("Preparing {organ}").format(organ=organ.name), frozen.prepare, done, self._desk.report
        )

    def _forget(self) -> None:
        self._key, self._live, self._job, self._moving = None, None, None, None


def _cuts_from(plan: PlanNode, planes: Sequence[PlaneContent]) -> tuple[CutModel, ...]:
    """The plan's cuts with its planes where the views have them."""
    moved = {content.id: PlaneModel(point_mm=content.point, normal=content.normal) for content in planes}
    return tuple(
        CutModel(
            planes=tuple(moved.get(f"{number}:{index}", plane) for index, plane in enumerate(cut.planes)),
            enabled=cut.enabled,
        )
        for number, cut in enumerate(plan.cuts)
    )
