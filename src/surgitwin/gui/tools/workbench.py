"""What every tool for editing by hand needs: what is edited, by which rules, and where the result goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from surgitwin.commands.base import Document
from surgitwin.commands.drawing import HandEdit
from surgitwin.commands.ruled import RuledCommand
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.geometry import Box
from surgitwin.gui.desk import Desk
from surgitwin.gui.views.background import Background
from surgitwin.scene.nodes import Color, VolumeNode


@dataclass(frozen=True)
class Target:
    """The segment that is edited: its id, or the name of one that is to be made."""

    segment: str
    color: Color
    rules: dict[str, Any]


@dataclass(eq=False)
class Stroke:
    """Voxels that a tool is marking, shown before they are taken.

    Attributes
    ----------
    labels
        uint8, [k, j, i], of the whole grid; not zero where marked. It grows in place.
    box
        Where it is marked; None as long as nothing is.
    """

    labels: NDArray[np.uint8]
    color: Color
    box: Box | None = None


class Workbench(QObject):
    """One for all tools of a window.

    Signals
    -------
    stroke_shown(Stroke or None)
        What is being marked; the same stroke again if it has grown.
    targeted(NodeId)
        A tool is about to edit this segment, or has just begun it.
    made(object)
        The document of a finished edit.
    hinted(str)
        What to do next, or why nothing happens.
    """

    stroke_shown = Signal(object)
    targeted = Signal(object)
    made = Signal(object)
    hinted = Signal(str)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.target: Target | None = None
        self.background = Background(self)
        self._waiting = 0
        desk.session_changed.connect(lambda _: self.show_stroke(None))

    @property
    def volume(self) -> VolumeNode | None:
        return self._desk.volume if self._desk.session is not None else None

    def show_stroke(self, stroke: Stroke | None) -> None:
        self.stroke_shown.emit(stroke)

    def edit(self, command: RuledCommand, marked: tuple[Box, NDArray[np.bool_]] | None = None) -> None:
        """Make an edit; what was marked stays on the screen until the change itself is there.

        Voxels of an edit by hand that are not marked yet are found on a thread.
        """
        self._waiting += 1
        session, volume = self._desk.session, self.volume
        if not isinstance(command, HandEdit) or session is None or volume is None:
            self._start(command)
            return
        if marked is not None and not self.background.busy:
            command.take_marked(*marked)
            self._start(command)
            return

        def work() -> tuple[Box, NDArray[np.bool_]] | SurgitwinError:
            try:
                return marked or command.voxels(session.scene, volume)
            except SurgitwinError as error:
                return error

        def found(voxels: tuple[Box, NDArray[np.bool_]] | SurgitwinError) -> None:
            if self._desk.session is not session:
                self._end()
            elif isinstance(voxels, SurgitwinError):
                self._desk.report(voxels)
                self._end()
            else:
                command.take_marked(*voxels)
                self._start(command)

        self.background.submit(work, found)

    def close(self) -> None:
        """End what is being found on the thread; nothing is edited any more."""
        self.background.close()

    def _start(self, command: RuledCommand) -> None:
        def done(document: Document) -> None:
            self.made.emit(document)
            for warning in document["warnings"]:
                self._desk.say(warning["message"], "caution")
            self._end()

        def failed(error: BaseException) -> None:
            self._desk.report(error)
            self._end()

        if self._desk.do(command, done, failed=failed) is None:
            self._end()

    def _end(self) -> None:
        self._waiting -= 1
        self._let_go()

    def _let_go(self) -> None:
        if self._waiting == 0:
            self.show_stroke(None)
