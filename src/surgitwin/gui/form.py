"""Widgets made from a command's or a method's fields: one row each, with range, unit and help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from surgitwin.commands.base import Arg
from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import Choice, NodeChoice, NodePicks
from surgitwin.gui.theme import set_role
from surgitwin.scene.nodes import Node, Point
from surgitwin.segmentation.methods.base import Hint
from surgitwin.simulators.base import TAG_TEXTS, Quantity
from surgitwin.simulators.spread import Spread

WIDEST = 1e6
LONG_LABEL = 36  # such a label does not fit on one line of a panel
READABLE = 12  # letters of a choice that are to be seen


class Form(QWidget):
    """Edits the fields of one pydantic model.

    Parameters
    ----------
    skip
        Fields that are shown elsewhere.
    only
        If given, no others are shown.
    point
        Where a field that is a point in LPS mm gets its value from: the crosshair.
    segments
        The segments that a field which names some can name.
    """

    changed = Signal()

    def __init__(
        self,
        kind: type[BaseModel],
        skip: tuple[str, ...] = (),
        point: Callable[[], Point] | None = None,
        segments: Callable[[], list[Node]] = list,
        parent: QWidget | None = None,
        only: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(parent)
        self._point = point
        self._segments = segments
        self._picks: list[NodeChoice | NodePicks] = []
        references = getattr(kind, "references", dict)
        self._references: dict[str, bool] = references()
        self.points: list[str] = []  # fields that take the place of a click, the first first
        self.fields: list[QWidget] = []
        self._read: dict[str, Callable[[], Any]] = {}
        self._write: dict[str, Callable[[Any], None]] = {}
        self._take: dict[str, Callable[[Point], None]] = {}
        self._lines: dict[QObject, str] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name, field in kind.model_fields.items():
            if name in skip or (only is not None and name not in only):
                continue
            widget = self._widget(name, field)
            if widget is None:
                continue
            label = QLabel(label_of(name, field))
            label.setWordWrap(len(label.text()) > LONG_LABEL)
            label.setBuddy(widget)
            help_text = help_of(field)
            label.setToolTip(help_text)
            widget.setToolTip(help_text)
            widget.setAccessibleName(label.text())
            widget.setObjectName(f"form-{name}")
            layout.addRow(label, widget)
            self.fields.append(widget)

        self.defaults = self.values()

    @property
    def names(self) -> list[str]:
        """The fields that are shown."""
        return list(self._read)

    def values(self) -> dict[str, Any]:
        """What the widgets say, by field; fields left at “none” are not in it."""
        found = {name: read() for name, read in self._read.items()}
        return {name: value for name, value in found.items() if value is not None}

    def set_value(self, name: str, value: Any) -> None:
        self._write[name](value)

    def take_point(self, point: Point) -> bool:
        """Put the place of a click into the first field that takes one; of several points it is the next."""
        if not self.points:
            return False
        self._take[self.points[0]](point)
        return True

    def point_values(self) -> list[Point]:
        """Every point that is typed or clicked so far, as far as it can be read."""
        found: list[Point] = []
        for name in self.points:
            for part in str(self._read[name]() or "").split(";"):
                try:
                    x, y, z = (float(word) for word in part.replace(",", " ").split())
                except ValueError:
                    continue
                found.append((x, y, z))
        return found

    def refresh_nodes(self) -> None:
        """Offer the segments that there are now."""
        for widget in self._picks:
            widget.fill(self._segments())

    def _widget(self, name: str, field: FieldInfo) -> QWidget | None:
        kind = _plain(field.annotation)
        if kind is Spread:
            return self._spread(name, quantity_of(field))
        if name in self._references:
            return self._nodes(name, several=self._references[name], optional=not field.is_required())
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if kind is bool:
            return self._check(name, bool(default))
        if kind in (int, float):
            return self._number(name, field, kind, default)
        if get_origin(kind) is tuple and get_args(kind) == (float, float, float):
            return self._place(name)
        if get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,) and "float" in str(kind):
            return self._place(name, several=True)
        if get_origin(kind) is Literal:
            return self._choice(name, [str(choice) for choice in get_args(kind)], default)
        if kind is str:
            hint = hint_of(field)
            if hint.file:
                return self._file(name, default, hint)
            if hint.choices is not None:
                return self._choice(name, hint.choices(), default)
            return self._text(name, default)
        return None

    def _spread(self, name: str, quantity: Quantity) -> QWidget:
        """A value with its uncertainty, typed; what is assumed without it stands in the empty field."""
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        line = QLineEdit()
        line.setPlaceholderText(assumed_text(quantity))
        line.setMinimumWidth(64)
        line.textChanged.connect(lambda _: self.changed.emit())
        row.addWidget(line, 1)
        if quantity.unit:
            unit = QLabel(quantity.unit)
            set_role(unit, "faint")
            row.addWidget(unit)
        self._read[name] = lambda: line.text().strip() or None
        self._write[name] = lambda value: line.setText(str(value))
        return holder

    def _check(self, name: str, default: bool) -> QWidget:
        box = QCheckBox()
        box.setChecked(default)
        box.toggled.connect(lambda _: self.changed.emit())
        self._read[name], self._write[name] = box.isChecked, box.setChecked
        return box

    def _number(self, name: str, field: FieldInfo, kind: type, default: Any) -> QWidget:
        low, high = bounds_of(field)
        optional = type(None) in get_args(field.annotation)
        box = QSpinBox() if kind is int else QDoubleSpinBox()
        step: float = 1.0
        if isinstance(box, QDoubleSpinBox):
            box.setDecimals(2 if high - low <= 10 else 1)
            step = 0.05 if high - low <= 2 else 1.0
        automatic = max(low, -(2**31) + 1) - step  # one step below the range stands for “automatic”
        lowest, highest = automatic if optional else low, min(high, 2**31 - 1)
        if isinstance(box, QSpinBox):
            box.setRange(int(lowest), int(highest))
        else:
            box.setRange(lowest, highest)
            box.setSingleStep(step)
        if optional:
            box.setSpecialValueText(tr("automatic"))
        usual = kind(automatic if default is None and optional else default or 0)
        box.setValue(usual)
        box.valueChanged.connect(lambda _: self.changed.emit())
        unit = unit_of(field)
        if unit:
            box.setSuffix(f" {unit}")
        self._read[name] = lambda: None if optional and box.value() == box.minimum() else box.value()
        self._write[name] = lambda value: box.setValue(usual if value in ("", None) else kind(float(value)))
        return box

    def _nodes(self, name: str, several: bool, optional: bool) -> QWidget:
        """One segment from a list, or several by a tick each."""
        if several:
            picks = NodePicks()
            picks.changed.connect(self.changed)
            self._read[name], self._write[name] = (lambda: tuple(picks.node_ids()) or None), picks.choose
            self._picks.append(picks)
        else:
            choice = NodeChoice(none=tr("none") if optional else None)
            choice.currentIndexChanged.connect(lambda _: self.changed.emit())
            self._read[name], self._write[name] = choice.node_id, choice.choose
            self._picks.append(choice)
        self._picks[-1].fill(self._segments())
        return self._picks[-1]

    def _place(self, name: str, several: bool = False) -> QWidget:
        """A point, or some: typed, clicked in a slice, or taken from the crosshair."""
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        line = QLineEdit()
        line.setPlaceholderText(tr("x, y, z; x, y, z …") if several else tr("x, y, z"))
        line.textChanged.connect(lambda _: self.changed.emit())
        take = QPushButton(tr("Crosshair"))
        take.setToolTip(
            tr("Add the point where the crosshair is") if several else tr("Take the point where the crosshair is")
        )

        def write(point: Point) -> None:
            text = ", ".join(f"{value:.2f}" for value in point)
            line.setText(f"{line.text()}; {text}" if several and line.text().strip() else text)

        point = self._point
        take.setEnabled(point is not None)
        if point is not None:
            take.clicked.connect(lambda _=False: write(point()))
        row.addWidget(line, 1)
        row.addWidget(take)
        self._read[name], self._write[name] = (lambda: line.text() or None), write
        self._take[name] = write
        line.installEventFilter(self)
        self._lines[line] = name
        self.points.append(name)
        return holder

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The field of points that was used last gets the next click."""
        name = self._lines.get(watched)
        if name is not None and event.type() == QEvent.Type.FocusIn:
            self.points.remove(name)
            self.points.insert(0, name)
        return False

    def _choice(self, name: str, choices: list[str], default: Any) -> QWidget:
        box = Choice()
        box.addItems(choices)
        box.setMinimumContentsLength(min(max(map(len, choices), default=4), READABLE))
        if default is not None:
            box.setCurrentText(str(default))
        box.currentTextChanged.connect(lambda _: self.changed.emit())
        self._read[name], self._write[name] = box.currentText, box.setCurrentText
        return box

    def _file(self, name: str, default: Any, hint: Hint) -> QWidget:
        """A file that is chosen, or a name from a list; either may be typed."""
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        box = Choice()
        box.setEditable(True)
        box.addItems(hint.choices() if hint.choices is not None else [])
        box.setEditText(str(default or ""))
        box.editTextChanged.connect(lambda _: self.changed.emit())
        choose = QPushButton(tr("File …"))

        def ask() -> None:
            chosen, _ = QFileDialog.getOpenFileName(self, tr("Choose a file"), "", hint.file)
            if chosen:
                box.setEditText(chosen)

        choose.clicked.connect(ask)
        row.addWidget(box, 1)
        row.addWidget(choose)
        self._read[name], self._write[name] = (lambda: box.currentText().strip() or None), box.setEditText
        return holder

    def _text(self, name: str, default: Any) -> QWidget:
        line = QLineEdit(str(default or ""))
        line.textChanged.connect(lambda _: self.changed.emit())
        self._read[name], self._write[name] = (lambda: line.text() or None), line.setText
        return line


def quantity_of(field: FieldInfo) -> Quantity:
    """What an uncertain value is."""
    return next(mark for mark in field.metadata if isinstance(mark, Quantity))


def assumed_text(quantity: Quantity) -> str:
    """What is taken for a value that nobody gives."""
    if quantity.prior is None:
        return ""
    if quantity.relative_to:
        return f"× {quantity.prior.centre:g}"
    return quantity.prior.text()


def label_of(name: str, field: FieldInfo) -> str:
    marked = next((mark.title for mark in field.metadata if isinstance(mark, Quantity)), "")
    if marked:
        return marked[:1].upper() + marked[1:]
    return field.title or tr(name.rstrip("_").replace("_", " ")).capitalize()


def help_of(field: FieldInfo) -> str:
    arg = next((m for m in field.metadata if isinstance(m, Arg)), None)
    quantity = next((m for m in field.metadata if isinstance(m, Quantity)), None)
    if quantity is not None:
        return quantity_help(quantity)
    return (arg.help if arg is not None else field.description) or ""


def quantity_help(quantity: Quantity) -> str:
    """Range, what may be typed, and where the assumption comes from."""
    text = tr("{low:g} to {high:g} {unit}. A number is certain; MEAN±SD or LOW..HIGH is spread.")
    lines = [text.format(low=quantity.low, high=quantity.high, unit=quantity.unit).replace(" .", ".")]
    if quantity.prior is not None:
        if quantity.relative_to:
            lines.append(tr("The assumption is a share of {other}.").format(other=quantity.relative_to))
        source = "; ".join(part for part in (quantity.source, TAG_TEXTS[quantity.tag]) if part)
        assumed = tr("Empty: {assumed} is assumed ({source}).")
        lines.append(assumed.format(assumed=assumed_text(quantity), source=source))
    return "\n".join(lines)


def hint_of(field: FieldInfo) -> Hint:
    """How a text is best asked for."""
    return next((m for m in field.metadata if isinstance(m, Hint)), Hint())


def unit_of(field: FieldInfo) -> str:
    arg = next((m for m in field.metadata if isinstance(m, Arg)), None)
    if arg is not None:
        return arg.unit
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def bounds_of(field: FieldInfo) -> tuple[float, float]:
    """Smallest and largest value that a numeric field allows."""
    low, high = -WIDEST, WIDEST
    for mark in field.metadata:
        if isinstance(mark, Ge):
            low = float(mark.ge)  # type: ignore[arg-type]
        elif isinstance(mark, Gt):
            low = float(mark.gt)  # type: ignore[arg-type]
        elif isinstance(mark, Le):
            high = float(mark.le)  # type: ignore[arg-type]
        elif isinstance(mark, Lt):
            high = float(mark.lt)  # type: ignore[arg-type]
    return low, high


def _plain(annotation: Any) -> Any:
    """The type behind ``X | None``."""
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return parts[0] if parts and type(None) in get_args(annotation) else annotation
