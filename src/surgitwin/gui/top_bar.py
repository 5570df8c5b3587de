"""The line on top: whose case this is, undo and redo with their names, and the search for commands."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QToolButton, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.icons import icon
from surgitwin.gui.labels import ElidedLabel
from surgitwin.gui.theme import Theme, set_role

NAMES_SHOWN = 15
LONGEST_NAME_PX = 220


class TopBar(QWidget):
    search_wanted = Signal()
    home_wanted = Signal()
    measure_wanted = Signal()

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        set_role(self, "panel")
        self.setFixedHeight(44)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 12, 4)
        row.setSpacing(8)
        brand = QToolButton()
        brand.setText("Surgitwin")
        brand.setFont(theme.font(weight="semibold"))
        brand.setToolTip(tr("Start page"))
        brand.clicked.connect(self.home_wanted)
        row.addWidget(brand)
        self.banner = ElidedLabel()
        set_role(self.banner, "muted")
        row.addWidget(self.banner)
        self.hide_banner = QToolButton()
        self.hide_banner.setCheckable(True)
        self.hide_banner.setIcon(icon("eye", theme.colour("text-faint"), 14))
        self.hide_banner.setToolTip(tr("Hide or show the case's name"))
        self.hide_banner.toggled.connect(lambda _: self.refresh())
        row.addWidget(self.hide_banner)
        row.addStretch(1)
        self.saved = QLabel()
        set_role(self.saved, "faint")
        row.addWidget(self.saved)
        self.undo_button = self._history_button(theme, "undo", desk.undo)
        self.redo_button = self._history_button(theme, "redo", desk.redo)
        row.addWidget(self.undo_button)
        row.addWidget(self.redo_button)
        self.measure = QPushButton(tr("Measure"))
        self.measure.setToolTip(tr("Measure on the twin, in every step (Ctrl+M)"))
        set_role(self.measure, "boxed")
        self.measure.clicked.connect(self.measure_wanted)
        row.addWidget(self.measure)
        self.search = QPushButton(tr("Search commands   Ctrl K"))
        self.search.setIcon(icon("search", theme.colour("text-muted"), 14))
        set_role(self.search, "boxed")
        self.search.clicked.connect(self.search_wanted)
        row.addWidget(self.search)
        desk.session_changed.connect(lambda _: self.refresh())
        desk.volume_changed.connect(lambda _: self.refresh())
        desk.scene_changed.connect(lambda _: self.refresh())
        desk.history_changed.connect(self._refresh_history)
        desk.saved_changed.connect(self._show_saved)
        self.refresh()
        self._refresh_history()

    def refresh(self) -> None:
        """Show pseudonym, date and phase; the patient's own name never stands here."""
        volume = self._desk.volume
        self.hide_banner.setVisible(self._desk.session is not None)
        self.measure.setEnabled(self._desk.session is not None)
        if self._desk.session is None or len(self._desk.scene) == 0:
            self.banner.setText("")
            return
        if self.hide_banner.isChecked():
            self.banner.setText(tr("case name hidden"))
            return
        parts = [self._desk.scene.case.pseudonym]
        if volume is not None:
            identity = volume.identity
            parts.append(" ".join(part for part in (identity.modality, identity.study_date) if part))
            parts.append(identity.phase or tr("phase unknown"))
        parts.append(tr("pseudonym shown"))
        if self._desk.session.read_only:
            parts.append(tr("read only"))
        self.banner.setText("  ·  ".join(part for part in parts if part))

    def _history_button(self, theme: Theme, name: str, slot: Callable[[], None]) -> QToolButton:
        button = QToolButton()
        button.setIcon(icon(name, theme.colour("text-muted"), 16))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        button.setMenu(QMenu(button))
        set_role(button, "boxed")
        button.clicked.connect(lambda: slot())
        return button

    def _refresh_history(self) -> None:
        session = self._desk.session
        undo = session.history.undo_names if session is not None else []
        redo = session.history.redo_names if session is not None else []
        self._fill(self.undo_button, undo, tr("Undo"), tr("Undo: {name}"), self._desk.undo)
        self._fill(self.redo_button, redo, tr("Redo"), tr("Redo: {name}"), self._desk.redo)
        self._fit_undo()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_undo()

    def _fit_undo(self) -> None:
        """In a small window the name of the case needs the room more."""
        room = min(LONGEST_NAME_PX, self.width() // 6)
        title = self.fontMetrics().elidedText(self.undo_button.toolTip(), Qt.TextElideMode.ElideRight, room)
        if title != self.undo_button.text():
            self.undo_button.setText(title)

    def _fill(self, button: QToolButton, names: list[str], empty: str, text: str, step: Callable[[int], None]) -> None:
        button.setEnabled(bool(names))
        title = text.format(name=names[0]) if names else empty
        button.setToolTip(title)
        button.setAccessibleName(title)
        menu = button.menu()
        assert menu is not None
        menu.clear()
        for count, name in enumerate(names[:NAMES_SHOWN], start=1):
            action = QAction(name, menu)
            action.triggered.connect(lambda _=False, n=count: step(n))
            menu.addAction(action)

    def _show_saved(self, saved: bool) -> None:
        self.saved.setText("" if saved else tr("Saving …"))
