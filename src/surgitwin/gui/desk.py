"""What all parts of the window share: the open session, what is looked at, and one way to start work.

The desk changes nothing itself; it starts commands and passes on what the session says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

from surgitwin.commands.base import Command, Document
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.closing import Closer
from surgitwin.gui.stepping import Stepper
from surgitwin.gui.unseen import Unseen
from surgitwin.jobs import Job
from surgitwin.render.twin import side_known
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import LabelLayerNode, PlanNode, SegmentationNode, SurfaceNode, VolumeNode
from surgitwin.scene.scene import Scene
from surgitwin.session import Session
from surgitwin.storage.case_file import SaveState

Point = tuple[float, float, float]
PUMP_S = 0.004
# Views and lists follow a change one after the other: all of them at once would hold the window.
APART_MS = 12
# Python hands its lock over after 5 ms; an action that gives it up and wants it back ten times would be held for 50.
SWITCH_S = 0.0005


@dataclass(frozen=True)
class Say:
    """A sentence for the banner: what happened and what to do.

    Attributes
    ----------
    kind
        ``info``, ``caution`` or ``error``.
    """

    text: str
    kind: str = "info"
    action: str = ""
    on_action: Callable[[], None] | None = None


class Desk(QObject):
    """One per window."""

    session_changed = Signal(object)  # Session or None
    scene_changed = Signal(object)  # SceneChanged
    history_changed = Signal()
    job_changed = Signal(object)  # Job
    said = Signal(object)  # Say
    crosshair_changed = Signal(object)  # Point
    volume_changed = Signal(object)  # VolumeNode or None
    plan_changed = Signal(object)  # PlanNode or None
    preview_changed = Signal(object)  # partial image while it loads, or None
    saved_changed = Signal(bool)  # True: everything finished is on disk
    _wake = Signal()
    _save_state = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        sys.setswitchinterval(SWITCH_S)
        self.session: Session | None = None
        self.lobby = Session()  # runs what needs no case, such as looking through a folder
        self.lobby.runner.on_wake(self._wake.emit)
        self.lobby.runner.events.connect(lambda event: self.job_changed.emit(event.job))
        self.closer = Closer(self)
        self.closer.failed.connect(self.report)
        self.stepper = Stepper(lambda: self.session, self.report)
        self.unseen = Unseen(self)
        self.arriving: set[Session] = set()  # opened by a job, and not on the desk yet
        self.crosshair: Point = (0.0, 0.0, 0.0)
        self._volume: NodeId | None = None
        self._plan: NodeId | None = None
        self._disconnect: list[Callable[[], None]] = []
        # Queued, because other threads emit these.
        self._wake.connect(self._pump, Qt.ConnectionType.QueuedConnection)
        self._save_state.connect(self._on_save_state, Qt.ConnectionType.QueuedConnection)

    # ---- the session -------------------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """The open case's scene, or an empty one."""
        return self.session.scene if self.session is not None else Scene()

    def set_session(self, session: Session | None, then: Callable[[], object] | None = None) -> None:
        """Put another case on the desk; the old one is closed behind the scenes, then ``then`` is called there."""
        old = self._let_go()
        if old is not None:
            self.closer.put_away(old, then)
        self.session = session
        if session is not None:
            self.arriving.discard(session)
            session.runner.on_wake(self._wake.emit)
            self._disconnect = [
                session.editor.changed.connect(self._on_scene_changed),
                session.runner.events.connect(lambda event: self.job_changed.emit(event.job)),
            ]
            if session.case_file is not None:
                self._disconnect.append(session.case_file.state_changed.connect(self._save_state.emit))
                for notice in session.case_file.notices:
                    self.say(notice.message, "caution")
        volumes = self.scene.of_type(VolumeNode)
        self._volume = volumes[0].id if volumes else None
        plans = self.scene.of_type(PlanNode)
        self._plan = plans[-1].id if plans else None
        if volumes:
            x, y, z = (float(v) for v in volumes[0].geometry.centre_mm)
            self.crosshair = (x, y, z)
        self.session_changed.emit(session)
        self.volume_changed.emit(self.volume)
        self.plan_changed.emit(self.plan)
        self.history_changed.emit()

    def close(self) -> None:
        """Close the case and end every job; the desk is done with."""
        session = self._let_go()
        if session is not None:
            self.closer.put_away(session)
        self.lobby.close()
        for late in list(self.arriving):
            self.closer.put_away(late)
        self.closer.wait()

    def _let_go(self) -> Session | None:
        """Take the case off the desk; nothing that it does is heard of any more."""
        self.stepper.stop()
        self.unseen.clear()
        for disconnect in self._disconnect:
            disconnect()
        self._disconnect = []
        session, self.session = self.session, None
        return session

    # ---- what is looked at -------------------------------------------------------------------------------------

    @property
    def volume(self) -> VolumeNode | None:
        return self.scene.get(self._volume, VolumeNode)

    @property
    def plan(self) -> PlanNode | None:
        return self.scene.get(self._plan, PlanNode)

    def look_at_volume(self, node_id: NodeId | None) -> None:
        """Show a volume; one that is still in the case file is read first, as a job."""
        session = self.session
        missing = unread(self.scene, node_id)
        if session is not None and missing:
            name = self.scene.node(node_id).name if node_id is not None else ""
            session.runner.submit(
                tr("Reading {name}").format(name=name),
                lambda ctx: read_all(missing, ctx),
                lambda _: self.look_at_volume(node_id),
                self.report,
            )
            return
        self._volume = node_id
        self.volume_changed.emit(self.volume)

    def look_at_plan(self, node_id: NodeId | None) -> None:
        self._plan = node_id
        self.plan_changed.emit(self.plan)

    def move_crosshair(self, point: Point) -> None:
        self.crosshair = point
        self.crosshair_changed.emit(point)

    @property
    def side_known(self) -> bool:
        """False if anything that is shown may have left and right swapped."""
        return side_known(self.scene)

    # ---- work --------------------------------------------------------------------------------------------------

    def do(
        self,
        command: Command,
        done: Callable[[Document], None] | None = None,
        partial: Callable[[Any], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> Job | None:
        """Start a command; what goes wrong is said in the banner. Returns the job, or None if it could not start."""
        session = self.session or (self.lobby if command.case == "none" else None)
        if session is None:
            self.say(tr("Open a case first."), "caution")
            return None
        try:
            return session.submit(command, done, failed or self.report, partial)
        except SurgitwinError as error:
            self.report(error)
            return None

    def do_now(self, command: Command) -> Document | None:
        """Run a command that has nothing to compute, such as a new name, at once."""
        if self.session is None:
            return None
        from surgitwin.commands.base import perform

        try:
            document = perform(command, self.session, Context())
            self.session.log(command)
        except SurgitwinError as error:
            self.report(error)
            return None
        return document

    def undo(self, count: int = 1) -> None:
        """Go ``count`` steps back; the first at once, the others one for each turn of the event loop."""
        self.stepper.undo(count)

    def redo(self, count: int = 1) -> None:
        self.stepper.redo(count)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except SurgitwinError as error:
            self.report(error)

    def say(self, text: str, kind: str = "info", action: str = "", on_action: Callable[[], None] | None = None) -> None:
        self.said.emit(Say(text, kind, action, on_action))

    def report(self, error: BaseException) -> None:
        """Show an error as a sentence; never a traceback."""
        if isinstance(error, SurgitwinError):
            self.say(str(error), "error")
        else:
            kind = type(error).__name__
            self.say(
                tr("A fault in the program stopped this ({kind}). Nothing was changed.").format(kind=kind), "error"
            )

    # ---- what the session says ---------------------------------------------------------------------------------

    def _pump(self) -> None:
        left = self.lobby.runner.pump(PUMP_S)
        if self.session is not None:
            left = self.session.runner.pump(PUMP_S) or left
        if left:
            self._wake.emit()  # queued: what else waits comes first

    @property
    def active_jobs(self) -> list[Job]:
        """Every job that runs or waits."""
        own = self.session.runner.active if self.session is not None else []
        return [*own, *self.lobby.runner.active]

    def _on_scene_changed(self, change: Any) -> None:
        if self._volume not in self.scene:
            volumes = self.scene.of_type(VolumeNode)
            self._volume = volumes[0].id if volumes else None
            self.volume_changed.emit(self.volume)
        elif self._volume in change.modified:
            self.volume_changed.emit(self.volume)
        new_plans = [node_id for node_id in change.created if self.scene.get(node_id, PlanNode)]
        if new_plans:
            self._plan = new_plans[-1]
        elif self._plan is not None and self._plan not in self.scene:
            plans = self.scene.of_type(PlanNode)
            self._plan = plans[-1].id if plans else None
        self.scene_changed.emit(change)
        self.plan_changed.emit(self.plan)
        self.history_changed.emit()

    def _on_save_state(self, state: SaveState) -> None:
        self.saved_changed.emit(state.saved)
        if state.failure:
            self.say(state.failure, "error", tr("Try again"), self._retry_saving)

    def _retry_saving(self) -> None:
        file = self.session.case_file if self.session is not None else None
        if file is not None:
            self._try(file.retry)


def unread(scene: Scene, volume: NodeId | None) -> list[ArrayData]:
    """The arrays that showing a volume takes, and that are still in the case file alone."""
    node = scene.get(volume, VolumeNode)
    arrays = [node.voxels] if node is not None else []
    for segmentation in scene.of_type(SegmentationNode):
        if segmentation.volume == volume:
            layers = [child for child in scene.children(segmentation.id) if isinstance(child, LabelLayerNode)]
            arrays += [layer.labels for layer in layers]
    for surface in scene.of_type(SurfaceNode):
        arrays += [surface.points, surface.triangles]
    return [array for array in arrays if not array.loaded]


def read_all(arrays: list[ArrayData], ctx: Context) -> None:
    """Bring arrays into memory, so that no view has to wait for the file; on any thread."""
    whole = sum(array.nbytes for array in arrays) or 1
    done = 0
    for array in arrays:
        ctx.progress(done / whole, tr("Reading"))
        array.frozen()
        done += array.nbytes


def new_case_path(folder: Path, pseudonym: str) -> Path:
    """A file name for a new case that names no patient and overwrites nothing."""
    path = folder / f"{pseudonym}.twin"
    number = 2
    while path.exists():
        path = folder / f"{pseudonym} ({number}).twin"
        number += 1
    return path
