"""What a method will cost, told before it starts: worked out as a job whenever its settings have come to rest."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import note_label
from surgitwin.jobs import Job

QUIET_MS = 500


class CostNote(QWidget):
    """One sentence; hidden for methods that cost nothing worth telling."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._job: Job | None = None
        self._wanted: tuple[Any, dict[str, Any], NodeId | None] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._label = note_label()
        column.addWidget(self._label)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(QUIET_MS)
        self._later.timeout.connect(self._start)
        self.setVisible(False)
        desk.session_changed.connect(lambda _: self.clear())

    @property
    def text(self) -> str:
        return self._label.text()

    def ask(self, method: Any, settings: dict[str, Any]) -> None:
        """Tell what a run of a `SegmentMethod` with these settings would cost."""
        volume = self._desk.volume
        wanted = (method, settings, volume.id if volume is not None else None) if method.estimate is not None else None
        if wanted == self._wanted:
            return
        self._cancel()
        self._wanted = wanted
        self.setVisible(wanted is not None)
        if wanted is not None:
            self._later.start()

    def clear(self) -> None:
        """Tell nothing."""
        self._cancel()
        self._wanted = None
        self.setVisible(False)

    def _cancel(self) -> None:
        self._later.stop()
        self._label.setText("")
        job, self._job = self._job, None
        if job is not None:
            job.context.cancel()

    def _start(self) -> None:
        session, volume = self._desk.session, self._desk.volume
        if session is None or volume is None or self._wanted is None or not self.isVisible():
            return
        method, settings, _ = self._wanted
        try:
            params = method.parse(settings)
        except SurgitwinError as error:
            self._label.setText(str(error))
            return
        geometry, modality = volume.geometry, volume.identity.modality

        def work(ctx: Context) -> str:
            return str(method.estimate(params, geometry, modality, ctx))

        def done(cost: str) -> None:
            self._job = None
            self._label.setText(tr("Estimate: {cost}.").format(cost=cost))

        def failed(error: BaseException) -> None:
            self._job = None
            if isinstance(error, SurgitwinError):
                self._label.setText(str(error))
            else:
                self._desk.report(error)

        self._label.setText(tr("Working out how long it will take …"))
        self._job = session.runner.submit(tr("Estimating"), work, done, failed)
