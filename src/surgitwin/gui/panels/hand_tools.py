"""The tools that edit by hand: one button each, and the settings of the chosen one."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from surgitwin.core.text import tr
from surgitwin.gui.icons import icon
from surgitwin.gui.panels.parts import Choice
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.tools.brush import LARGEST_MM, SMALLEST_MM, BrushTool
from surgitwin.gui.tools.outline import LevelTool, LiveWireTool, OutlineTool, ScissorsTool
from surgitwin.gui.tools.tool import SliceTool
from surgitwin.gui.tools.workbench import Workbench

BRUSH_HINT = tr("Hold the left button to mark. Shift+wheel changes the size, Esc drops the stroke.")
# Name, icon, title, key: the keys are those of 3D Slicer's segment editor where it has them.
TOOLS = (
    ("paint", "brush", tr("Paint"), "P"),
    ("erase", "eraser", tr("Erase"), "E"),
    ("draw", "draw", tr("Draw an outline"), "D"),
    ("scissors", "scissors", tr("Scissors"), "C"),
    ("live-wire", "live-wire", tr("Live-wire: an outline along edges"), "W"),
    ("level", "level", tr("Level tracing: the contour of one value"), "T"),
)


class HandTools(QWidget):
    """Signals: the chosen tool, or None."""

    chosen = Signal(object)

    def __init__(self, theme: Theme, bench: Workbench) -> None:
        super().__init__()
        self._bench = bench
        self.brush = BrushTool(bench, self)
        self.outline = OutlineTool(bench, self)
        self.scissors = ScissorsTool(bench, self)
        self.wire = LiveWireTool(bench, self)
        self.level = LevelTool(bench, self)
        self._tools: dict[str, SliceTool] = {
            "paint": self.brush,
            "erase": self.brush,
            "draw": self.outline,
            "scissors": self.scissors,
            "live-wire": self.wire,
            "level": self.level,
        }
        self.tool: SliceTool | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self._buttons(theme))
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        set_role(self.hint, "muted")
        column.addWidget(self.hint)
        column.addWidget(self._settings())
        self.brush.radius_changed.connect(self._show_radius)
        self.radius.valueChanged.connect(self.brush.set_radius)
        self.shape.currentIndexChanged.connect(lambda _: self._set_shape())
        self.taking.toggled.connect(lambda _: self._apply_settings())
        self.cut.currentIndexChanged.connect(lambda _: self._apply_settings())
        self.thickness.valueChanged.connect(lambda _: self._apply_settings())
        self._show()

    def _buttons(self, theme: Theme) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)  # pressing the chosen one again puts it away
        self.buttons: dict[str, QToolButton] = {}
        for name, picture, title, key in TOOLS:
            button = QToolButton()
            button.setIcon(icon(picture, theme.colour("text"), 20))
            button.setIconSize(QSize(20, 20))
            button.setFixedSize(44, 36)
            button.setCheckable(True)
            button.setToolTip(tr("{title} ({key})").format(title=title, key=key))
            button.setAccessibleName(title)
            set_role(button, "tool")
            button.clicked.connect(lambda on, name=name: self.choose(name if on else None))
            self._group.addButton(button)
            self.buttons[name] = button
            row.addWidget(button)
        row.addStretch(1)
        return holder

    def _settings(self) -> QWidget:
        self._form_holder = QWidget()
        form = QFormLayout(self._form_holder)
        form.setContentsMargins(0, 0, 0, 0)
        self.radius = self._millimetres(SMALLEST_MM, LARGEST_MM, self.brush.radius_mm)
        self.radius.setToolTip(tr("Shift+wheel over a slice changes it too"))
        form.addRow(tr("Radius"), self.radius)
        self.shape = Choice()
        self.shape.addItem(tr("ball, through slices"), "sphere")
        self.shape.addItem(tr("disk, in one slice"), "disk")
        form.addRow(tr("Brush"), self.shape)
        self.taking = QCheckBox(tr("take away instead of adding"))
        form.addRow("", self.taking)
        self.cut = Choice()
        self.cut.addItem(tr("cut away inside"), (False, False))
        self.cut.addItem(tr("cut away outside"), (False, True))
        self.cut.addItem(tr("keep inside only"), (True, False))
        form.addRow(tr("Scissors"), self.cut)
        self.thickness = self._millimetres(0.0, 500.0, 0.0)
        self.thickness.setSpecialValueText(tr("through all slices"))
        form.addRow(tr("Depth"), self.thickness)
        for widget, name in (
            (self.radius, tr("Radius")),
            (self.shape, tr("Brush")),
            (self.cut, tr("Scissors")),
            (self.thickness, tr("Depth")),
        ):
            widget.setAccessibleName(name)
        self._form = form
        return self._form_holder

    def _millimetres(self, least: float, most: float, value: float) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(least, most)
        box.setDecimals(1)
        box.setSingleStep(0.5)
        box.setSuffix(" mm")
        box.setValue(value)
        return box

    @property
    def name(self) -> str | None:
        """The name of the chosen tool."""
        return next((name for name, button in self.buttons.items() if button.isChecked()), None)

    def choose(self, name: str | None) -> None:
        """Take a tool, or put it away."""
        if self.tool is not None:
            self.tool.put_away()
        for other, button in self.buttons.items():
            button.setChecked(other == name)
        self.tool = self._tools[name] if name is not None else None
        self.brush.erase = name == "erase"
        self._show()
        self.chosen.emit(self.tool)

    def shortcuts(self, parent: QWidget) -> None:
        """Let one key take each tool while ``parent`` is on the screen."""
        for name, _, _, key in TOOLS:
            shortcut = QShortcut(QKeySequence(key), parent)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(lambda name=name: self.choose(None if self.name == name else name))

    def _show(self) -> None:
        name = self.name
        brush = name in ("paint", "erase")
        self._form_holder.setVisible(name is not None)
        self.hint.setVisible(name is not None)
        self._form.setRowVisible(self.radius, brush)
        self._form.setRowVisible(self.shape, brush)
        self._form.setRowVisible(self.taking, name in ("draw", "live-wire", "level"))
        self._form.setRowVisible(self.cut, name == "scissors")
        self._form.setRowVisible(self.thickness, name == "scissors")
        if brush:
            self.hint.setText(BRUSH_HINT)
        elif isinstance(self.tool, OutlineTool):
            self.hint.setText(self.tool.hint)
        self._apply_settings()

    def _show_radius(self, radius_mm: float) -> None:
        """What the wheel made of it; the field rounds, the brush does not."""
        self.radius.blockSignals(True)
        self.radius.setValue(radius_mm)
        self.radius.blockSignals(False)

    def _set_shape(self) -> None:
        self.brush.shape = self.shape.currentData()

    def _apply_settings(self) -> None:
        for tool in (self.outline, self.wire, self.level):
            tool.erase = self.taking.isChecked()
        self.scissors.keep, self.scissors.outside = self.cut.currentData()
        self.scissors.depth_mm = self.thickness.value() or None
