"""The line below: running jobs with progress and cancel, what is under the cursor, memory, the disclaimer."""

from __future__ import annotations

import os

import psutil
from PySide6.QtCore import QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.labels import ElidedLabel
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.widgets.progress import ProgressBar
from surgitwin.jobs import Job, JobState

GIB = 2**30
MESSAGE_MS = 8000
STEP_MS = 100
ROOMY_PX = 1100


class StatusBar(QWidget):
    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._job: Job | None = None
        self._stopped: Job | None = None  # by the user
        self._roomy = True
        self._process = psutil.Process(os.getpid())
        set_role(self, "panel")
        self.setFixedHeight(28)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(12)
        self.message = ElidedLabel()
        self.message.setVisible(False)
        self.job_title = ElidedLabel()
        set_role(self.job_title, "muted")
        self.bar = ProgressBar(160)
        self.step = ElidedLabel()
        self.step.setMaximumWidth(320)
        self.step.setMinimumWidth(self.fontMetrics().horizontalAdvance("100 %…") + 4)
        set_role(self.step, "faint")
        self.cancel = QPushButton(tr("Cancel"))
        set_role(self.cancel, "quiet")
        self.cancel.clicked.connect(self._cancel)
        self.position = QLabel()
        self.value = QLabel()
        self.memory = QLabel()
        self.memory.setToolTip(tr("Memory that Surgitwin uses, of what this computer has"))
        disclaimer = QLabel(tr("Research and planning aid, not a medical device"))
        for label in (self.position, self.value, self.memory, disclaimer):
            set_role(label, "muted")
        job: tuple[QWidget, ...] = (self.job_title, self.bar, self.step, self.cancel)
        for widget in (*job, self.message):
            row.addWidget(widget)
        row.addStretch(1)
        for widget in (self.position, self.value, self.memory, disclaimer):
            row.addWidget(widget)
        self._message_timer = QTimer(self)
        self._message_timer.setSingleShot(True)
        self._message_timer.timeout.connect(self.message.hide)
        self._job_timer = QTimer(self)
        self._job_timer.setSingleShot(True)
        self._job_timer.timeout.connect(self._show_job)
        self._memory_timer = QTimer(self)
        self._memory_timer.timeout.connect(self._show_memory)
        self._memory_timer.start(2000)
        self._show_memory()
        self._show_job()
        desk.job_changed.connect(self._on_job)
        desk.session_changed.connect(lambda _: self._on_job(None))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a small window running work and the position need the room more."""
        self._roomy = event.size().width() >= ROOMY_PX
        self.memory.setVisible(self._roomy)
        self.bar.setFixedWidth(160 if self._roomy else 64)
        self._give_room()
        super().resizeEvent(event)

    def _give_room(self) -> None:
        """Where there is no room for both, work that runs goes before what was done."""
        said = self._message_timer.isActive()
        self.message.setVisible(said and (self._roomy or self._job is None))

    def show_message(self, text: str) -> None:
        """Say for a few seconds what was done; nothing moves for it."""
        self.message.setText(text)
        self.message.setAccessibleName(text)
        self._message_timer.start(MESSAGE_MS)
        self._give_room()

    def show_cursor(self, point: tuple[float, float, float] | None, value: float | None, unit: str) -> None:
        """Show an LPS position as R/L, A/P, S/I millimetres, and the image's value there."""
        if point is None:
            self.position.setText("")
            self.value.setText("")
            return
        x, y, z = point
        sides = (("L" if x >= 0 else "R", x), ("P" if y >= 0 else "A", y), ("S" if z >= 0 else "I", z))
        self.position.setText(" ".join(f"{letter} {abs(number):.1f}" for letter, number in sides) + " mm")
        self.value.setText(f"{value:.0f} {unit}".strip() if value is not None else "")

    def _on_job(self, job: Job | None) -> None:
        """Show at once that work starts or ends, and now and then how far it is: each showing paints the window."""
        if job is not None and job.active and job is self._job:
            if not self._job_timer.isActive():
                self._job_timer.start(STEP_MS)
            return
        active = self._desk.active_jobs
        self._job = job if job is not None and job.active else (active[0] if active else None)
        # What the window itself broke off, such as a preview that is out of date, is nobody's business.
        if job is not None and job.state is JobState.CANCELLED and job is self._stopped:
            self._desk.say(tr("“{title}” was cancelled. Nothing was changed.").format(title=job.title))
        self._show_job()

    def _show_job(self) -> None:
        self._job_timer.stop()
        job = self._job
        for widget in (self.job_title, self.bar, self.step, self.cancel):
            widget.setVisible(job is not None)
        self._give_room()
        if job is None:
            return
        waiting = len(self._desk.active_jobs) - 1
        more = tr("  +{count} more").format(count=waiting) if waiting > 0 else ""
        self.job_title.setText(job.title + more)
        fraction = job.progress.fraction
        self.bar.show_fraction(fraction)
        percent = f"{fraction * 100:.0f} %" if fraction is not None else ""
        text = "  ".join(part for part in (percent, job.progress.message) if part)
        self.step.setText(text)
        self.cancel.setEnabled(not job.context.cancelled)

    def _cancel(self) -> None:
        if self._job is not None:
            self._stopped = self._job
            self._job.context.cancel()
            self.step.setText(tr("Stopping …"))
            self.cancel.setEnabled(False)

    def _show_memory(self) -> None:
        used = self._process.memory_info().rss / GIB
        whole = psutil.virtual_memory().total / GIB
        self.memory.setText(tr("{used:.1f} of {whole:.0f} GB").format(used=used, whole=whole))
