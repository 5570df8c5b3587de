"""Small pieces that several panels are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QHelpEvent, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from surgitwin.core.ids import NodeId
from surgitwin.gui.theme import Theme, set_role
from surgitwin.scene.nodes import Node

PANEL_WIDTH = 329  # with a scroll bar and a line at the left: two cards side by side
LABEL_WIDTH = 120
SECTION_GAP = 8
TEXT_MARGIN = 4  # what a style leaves free around the text of a list
USER_ROLE = Qt.ItemDataRole.UserRole


class Panel(QScrollArea):
    """A scrollable column with a heading."""

    def __init__(self, theme: Theme, heading: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.setWidgetResizable(True)
        self.setFixedWidth(PANEL_WIDTH)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setProperty("edge", "left")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Tab goes to what is in it, and scrolls there
        body = QWidget()
        set_role(body, "panel")
        self.column = QVBoxLayout(body)
        self.column.setContentsMargins(16, 12, 16, 12)
        self.column.setSpacing(8)
        self.setWidget(body)
        self.heading = self.section(heading)
        self.heading.setContentsMargins(0, 0, 0, 0)
        self.title = QLabel(title)
        self.title.setFont(theme.font("font-title", "semibold"))
        self.title.setWordWrap(True)
        self.column.addWidget(self.title)

    def section(self, text: str) -> QLabel:
        """A small heading in capitals."""
        label = QLabel(text.upper())
        label.setFont(self.theme.font("font-small"))
        set_role(label, "section")
        label.setContentsMargins(0, SECTION_GAP, 0, 0)
        self.column.addWidget(label)
        return label

    def note(self, text: str = "", role: str = "muted") -> QLabel:
        label = note_label(text, role)
        self.column.addWidget(label)
        return label

    @contextmanager
    def group(self) -> Iterator[QWidget]:
        """What is added inside can be shown and hidden as one."""
        holder, outer = QWidget(), self.column
        self.column = QVBoxLayout(holder)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(8)
        yield holder
        self.column = outer
        self.column.addWidget(holder)

    def add(self, widget: QWidget) -> QWidget:
        self.column.addWidget(widget)
        return widget

    def buttons(self, *buttons: QPushButton) -> None:
        """A row of buttons that starts at the left."""
        self.column.addLayout(button_row(*buttons))

    def showEvent(self, event: QShowEvent) -> None:
        self.align_forms()
        super().showEvent(event)

    def align_forms(self) -> None:
        """Let the fields of all forms begin in one line, and their texts likewise."""
        for number in self.findChildren(QAbstractSpinBox):
            # Style sheets do not reach this margin; the text stands where that of other fields does.
            number.lineEdit().setTextMargins(6, 0, 0, 0)
        labels: list[QWidget] = []
        for form in self.findChildren(QFormLayout):
            for row in range(form.rowCount()):
                item = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
                label = item.widget() if item is not None else None
                if label is not None:
                    labels.append(label)
        width = min(max((label.sizeHint().width() for label in labels), default=0), LABEL_WIDTH)
        for label in labels:
            label.setMinimumWidth(width)


def button_row(*buttons: QPushButton) -> QHBoxLayout:
    """Buttons in a row that starts at the left."""
    row = QHBoxLayout()
    row.setSpacing(8)
    for one in buttons:
        row.addWidget(one)
    row.addStretch(1)
    return row


def plain_form(wrap: bool = False) -> QFormLayout:
    """A form without a margin; ``wrap`` puts a long field below its label."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    if wrap:
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    return form


def button(text: str, slot: Callable[[], object], role: str = "plain", tip: str = "") -> QPushButton:
    made = QPushButton(text)
    set_role(made, role)
    made.setToolTip(tip)
    made.clicked.connect(lambda _=False: slot())
    return made


def number_box(value: float, low: float, high: float, unit: str, *, digits: int = 1, name: str = "") -> QDoubleSpinBox:
    """A field for a number; ``name`` is for screen readers where no label stands before it."""
    box = QDoubleSpinBox()
    box.setDecimals(digits)
    box.setSingleStep(0.1 if digits else 1)
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(unit)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.setAccessibleName(name)
    return box


class Choice(QComboBox):
    """A list to pick from; a long entry does not make the panel wider than it is, and ends in … where it must."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)

    def shown_text(self) -> str:
        """The chosen entry as far as there is room for it."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self).width()
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideRight, room - TEXT_MARGIN)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.isEditable():
            super().paintEvent(event)
            return
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown_text()
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent) -> bool:
        """The tool tip says in full what is shortened."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and not self.isEditable():
            whole = self.currentText() if self.shown_text() != self.currentText() else ""
            QToolTip.showText(event.globalPos(), "\n".join(part for part in (whole, self.toolTip()) if part), self)
            return True
        return super().event(event)


class NodeChoice(Choice):
    """A list of nodes by name that keeps its choice while the scene changes."""

    def __init__(self, parent: QWidget | None = None, none: str | None = None) -> None:
        super().__init__(parent)
        self._none = none
        self._filled: tuple[str | None, list[tuple[str, NodeId]]] | None = None

    def fill(self, nodes: list[Node], none: str | None = None) -> None:
        """Show these nodes; ``none`` is the text of a first entry that stands for no node."""
        none = none or self._none
        wanted = (none, [(node.name, node.id) for node in nodes])
        if wanted == self._filled:
            return
        self._filled = wanted
        before = self.node_id()
        self.blockSignals(True)
        self.clear()
        if none is not None:
            self.addItem(none, None)
        for node in nodes:
            self.addItem(node.name, node.id)
        row = self.findData(before) if before is not None else -1
        self.setCurrentIndex(row if row >= 0 else (0 if self.count() else -1))
        self.blockSignals(False)

    def node_id(self) -> NodeId | None:
        found = self.currentData()
        return NodeId(found) if found is not None else None

    def choose(self, node_id: str) -> None:
        """Choose a node by its id, or by its name as scripts give it; nothing stands for no node."""
        row = self.findData(node_id)
        if row < 0:
            row = self.findText(node_id) if node_id else self.findData(None)
        if row >= 0:
            self.setCurrentIndex(row)


class NodePicks(QListWidget):
    """Nodes by name with a tick each; ticks are kept while the scene changes."""

    changed = Signal()
    ROWS = 6

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.itemChanged.connect(lambda _: self.changed.emit())

    def fill(self, nodes: list[Node]) -> None:
        self.fill_with([(node.name, node.id) for node in nodes])

    def fill_with(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Names, and what `node_ids` tells of those that are ticked."""
        if list(wanted) == [(self.item(row).text(), self.item(row).data(USER_ROLE)) for row in range(self.count())]:
            return
        ticked = set(self.node_ids())
        self.blockSignals(True)
        self.clear()
        for name, node_id in wanted:
            item = QListWidgetItem(name)
            item.setData(USER_ROLE, node_id)
            item.setCheckState(Qt.CheckState.Checked if node_id in ticked else Qt.CheckState.Unchecked)
            self.addItem(item)
        self.blockSignals(False)
        row = max(self.sizeHintForRow(0), 20) if self.count() else 20
        self.setFixedHeight(row * min(max(self.count(), 1), self.ROWS) + 2 * self.frameWidth() + 2)

    def node_ids(self) -> list[NodeId]:
        rows = [self.item(row) for row in range(self.count())]
        return [NodeId(item.data(USER_ROLE)) for item in rows if item.checkState() == Qt.CheckState.Checked]

    def choose(self, node_ids: Iterable[NodeId]) -> None:
        """Tick these and no others."""
        wanted = set(node_ids)
        for row in range(self.count()):
            item = self.item(row)
            on = item.data(USER_ROLE) in wanted
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def note_label(text: str = "", role: str = "muted") -> QLabel:
    """A sentence that may take several lines."""
    label = QLabel(text)
    label.setWordWrap(True)
    set_role(label, role)
    return label


def value_row(label: str, value: str = "–") -> tuple[QWidget, QLabel]:
    """A line with a label on the left and a number on the right."""
    line = QWidget()
    row = QHBoxLayout(line)
    row.setContentsMargins(0, 2, 0, 2)
    left = QLabel(label)
    set_role(left, "muted")
    left.setWordWrap(True)
    right = QLabel(value)
    right.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    right.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    row.addWidget(left, 1)
    row.addWidget(right)
    return line, right


def grouped(number: float) -> str:
    """A whole number with its thousands apart, as everywhere in the window: 1 562."""
    return f"{number:,.0f}".replace(",", "\N{NO-BREAK SPACE}")


@dataclass(frozen=True)
class Offer:
    """Something that a warning lets the user do about it."""

    title: str
    run: Callable[[], object]


class WarningList(QWidget):
    """Sentences with a warning sign, each with a button if something can be done about it."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 4, 0, 4)
        self._column.setSpacing(4)
        self._shown: list[str] = []

    def show_warnings(self, warnings: list[tuple[str, Offer | None]]) -> None:
        texts = [text for text, _ in warnings]
        if texts == self._shown:
            return
        self._shown = texts
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for text, offer in warnings:
            label = QLabel(f"⚠ {text}")
            label.setWordWrap(True)
            label.setFont(self._theme.font("font-small"))
            set_role(label, "caution")
            self._column.addWidget(label)
            if offer is not None:
                made = button(offer.title, offer.run, "boxed")
                made.setFont(self._theme.font("font-small"))
                self._column.addWidget(made, alignment=Qt.AlignmentFlag.AlignLeft)

    @property
    def texts(self) -> list[str]:
        return list(self._shown)
