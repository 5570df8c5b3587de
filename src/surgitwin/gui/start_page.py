"""What a first start offers: open a folder, a sample case, or a recent case."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.widgets.rows import RightTexts

MOST_ROWS = 6
DETAIL_ROLE = Qt.ItemDataRole.UserRole + 1


class StartPage(QWidget):
    folder_wanted = Signal()
    file_wanted = Signal()
    case_wanted = Signal()
    sample_wanted = Signal(str)
    recent_chosen = Signal(object)  # Path

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "window")
        self._rows = RightTexts(theme.colour("text-faint"), DETAIL_ROLE, self)
        outer = QHBoxLayout(self._scrolled())
        outer.addStretch(1)
        column = QVBoxLayout()
        column.setSpacing(8)
        outer.addLayout(column)
        outer.addStretch(1)
        column.addStretch(2)
        title = QLabel("Surgitwin")
        title.setFont(theme.font("font-value", "semibold"))
        column.addWidget(title)
        words = QLabel(tr("Try the operation on the patient's digital twin before doing it."))
        set_role(words, "muted")
        column.addWidget(words)
        column.addSpacing(16)
        self.open_folder = self._button(column, tr("Open folder"), self.folder_wanted.emit, primary=True)
        self.open_folder.setToolTip(tr("A folder of DICOM images (Ctrl+O)"))
        row = QHBoxLayout()
        row.setSpacing(8)
        column.addLayout(row)
        self.open_file = self._button(row, tr("Open file"), self.file_wanted.emit)
        self.open_file.setToolTip(tr("NIfTI, NRRD, MHA, DICOMDIR, zip or a DICOM file"))
        self.open_case = self._button(row, tr("Open case"), self.case_wanted.emit)
        self.open_case.setToolTip(tr("A .twin case file"))
        column.addSpacing(8)
        samples = QLabel(tr("Open sample case"))
        set_role(samples, "section")
        column.addWidget(samples)
        row = QHBoxLayout()
        row.setSpacing(8)
        column.addLayout(row)
        self.open_sample = self._button(row, tr("Abdominal CT"), lambda: self.sample_wanted.emit("abdomen-ct"))
        self.open_phantom = self._button(row, tr("Liver phantom"), lambda: self.sample_wanted.emit("liver-phantom"))
        column.addSpacing(16)
        self._recent_title = QLabel(tr("Recent cases"))
        set_role(self._recent_title, "section")
        column.addWidget(self._recent_title)
        self.recent = QListWidget()
        self.recent.setFixedWidth(420)
        self.recent.setItemDelegate(self._rows)
        self.recent.setAccessibleName(tr("Recent cases"))
        self.recent.itemActivated.connect(self._choose)
        self.recent.itemClicked.connect(self._choose)
        column.addWidget(self.recent)
        hint = QLabel(tr("Or drop a folder, an image or a case here."))
        set_role(hint, "faint")
        column.addWidget(hint)
        column.addStretch(3)

    def show_recent(self, paths: list[Path]) -> None:
        self.recent.clear()
        for path in paths:
            changed = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
            item = QListWidgetItem(path.stem)
            item.setData(DETAIL_ROLE, changed)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{path.stem}, {changed}")
            item.setToolTip(str(path))
            item.setData(Qt.ItemDataRole.UserRole, path)
            self.recent.addItem(item)
        row_height = self.recent.sizeHintForRow(0) if paths else 0
        self.recent.setFixedHeight(min(len(paths), MOST_ROWS) * row_height + 4)
        self._recent_title.setVisible(bool(paths))
        self.recent.setVisible(bool(paths))

    def _scrolled(self) -> QWidget:
        """What holds all of it, and scrolls in a low window."""
        area, body, column = QScrollArea(), QWidget(), QVBoxLayout(self)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(area)
        return body

    def showEvent(self, event: QShowEvent) -> None:
        """Enter opens a folder at once."""
        super().showEvent(event)
        self.open_folder.setFocus()

    def _choose(self, item: QListWidgetItem) -> None:
        self.recent_chosen.emit(item.data(Qt.ItemDataRole.UserRole))

    def _button(self, layout: QHBoxLayout | QVBoxLayout, text: str, slot: object, primary: bool = False) -> QPushButton:
        button = QPushButton(text)
        button.setMinimumHeight(32)
        set_role(button, "primary" if primary else "plain")
        button.clicked.connect(slot)
        layout.addWidget(button)
        return button
