"""How a new cut begins: a plane, a curved surface, a drawn line, territories, or a wedge around a lesion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from surgitwin.commands.base import Document
from surgitwin.commands.cut_surface import StartSurface
from surgitwin.commands.plan_cuts import cut_of_keys, named_branches, parse_cut, territory_segments
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import NodeChoice, NodePicks, button, note_label
from surgitwin.gui.theme import set_role
from surgitwin.scene.nodes import CutModel, PlaneModel, Point, SegmentNode

Drawn = Literal["line", "ring", "curve-line", "curve-ring"]
Asked = Literal["territories", "wedge", "patch-territories", "patch-lesion"]
UPRIGHT = (-1.0, 0.0, 0.0)


class CutStarts(QWidget):
    """A button with a menu; what a cut still needs is asked for below it, or drawn on the organ.

    Signals
    -------
    draw_wanted(bool)
        A line is to be drawn on the organ in 3D: a ring if true; None when that is given up.
    """

    draw_wanted = Signal(object)

    def __init__(self, desk: Desk, organ: Callable[[], SegmentNode | None], add: Callable[[CutModel], None]) -> None:
        super().__init__()
        self._desk, self._organ, self._add = desk, organ, add
        self._asked: Asked | None = None
        self._drawing: Drawn | None = None
        self.button = QPushButton(tr("Add cut"))
        set_role(self.button, "plain")
        self.button.setMenu(self._menu())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.hint = note_label("")
        column.addWidget(self.hint)
        self.ticks = NodePicks()
        self.ticks.setAccessibleName(tr("Territories that go"))
        column.addWidget(self.ticks)
        self._form = QWidget()
        form = QFormLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        self.lesion = NodeChoice()
        self.margin = QDoubleSpinBox()
        self.margin.setRange(0.0, 100.0)
        self.margin.setDecimals(0)
        self.margin.setValue(10.0)
        self.margin.setSuffix(" mm")
        form.addRow(tr("Lesion"), self.lesion)
        form.addRow(tr("Margin"), self.margin)
        column.addWidget(self._form)
        row = QHBoxLayout()
        self.done_button = button(tr("Add"), self._finish, "primary")
        self.cancel_button = button(tr("Cancel"), self.close_question)
        row.addWidget(self.done_button)
        row.addWidget(self.cancel_button)
        row.addStretch(1)
        self._buttons = QWidget()
        self._buttons.setLayout(row)
        row.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._buttons)
        self.close_question()

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction(tr("Plane"), self._plane)
        patch = menu.addMenu(tr("Curved surface"))
        patch.addAction(tr("From a line drawn on the organ"), partial(self._draw, "line"))
        patch.addAction(tr("From a ring drawn on the organ"), partial(self._draw, "ring"))
        patch.addAction(tr("Along the border of territories …"), partial(self._ask, "patch-territories"))
        patch.addAction(tr("Around a lesion …"), partial(self._ask, "patch-lesion"))
        drawn = menu.addMenu(tr("Straight in from a drawn line"))
        drawn.addAction(tr("Line across the organ"), partial(self._draw, "curve-line"))
        drawn.addAction(tr("Ring on the organ"), partial(self._draw, "curve-ring"))
        menu.addAction(tr("Territories …"), partial(self._ask, "territories"))
        menu.addAction(tr("Wedge around a lesion …"), partial(self._ask, "wedge"))
        return menu

    # ---- what is asked -----------------------------------------------------------------------------------------

    def _plane(self) -> None:
        """A plane through the crosshair."""
        self.close_question()
        self._add(CutModel(planes=(PlaneModel(point_mm=self._desk.crosshair, normal=UPRIGHT),)))

    def _ask(self, what: Asked) -> None:
        organ = self._organ()
        if organ is None:
            return
        self.close_question()
        scene = self._desk.scene
        territories = what in ("territories", "patch-territories")
        if territories:
            parts = [(segment.name, str(segment.id)) for segment in territory_segments(scene, organ)]
            if what == "territories":
                parts += [
                    (tr("What {name} feeds").format(name=name), key) for name, key in named_branches(scene, organ)
                ]
            self.ticks.fill_with(parts)
            if not parts:
                self._desk.say(tr("There are no territories yet. Make them from a vessel tree first."), "caution")
                return
        else:
            lesions = [s for s in scene.of_type(SegmentNode) if s.kind == "lesion" and s.parent == organ.parent]
            if not lesions:
                self._desk.say(tr("No segment is marked as a lesion on this image."), "caution")
                return
            self.lesion.fill(list(lesions))
        self._asked = what
        hints = {
            "territories": tr("Tick what goes."),
            "patch-territories": tr("Tick what goes: the surface follows their border, and can be moved afterwards."),
            "wedge": tr("What lies within the margin of the lesion goes."),
            "patch-lesion": tr("A surface around the lesion that keeps the margin, and can be moved afterwards."),
        }
        self.hint.setText(hints[what])
        for widget, shown in ((self.ticks, territories), (self._form, not territories)):
            widget.setVisible(shown)
        for widget in (self.hint, self._buttons, self.done_button, self):
            widget.show()

    def _draw(self, what: Drawn) -> None:
        if self._organ() is None:
            return
        self.close_question()
        self._drawing = what
        ring = what in ("ring", "curve-ring")
        text = (
            tr("Draw a ring on the organ in the 3D view: press, go round, let go. Esc gives up.")
            if ring
            else tr("Draw a line across the organ in the 3D view: press, draw, let go. Esc gives up.")
        )
        self.hint.setText(text)
        self.hint.show()
        self._buttons.show()
        self.done_button.hide()
        self.show()
        self.draw_wanted.emit(ring)

    def close_question(self) -> None:
        """Ask for nothing any more."""
        if self._drawing is not None:
            self.draw_wanted.emit(None)
        self._asked, self._drawing = None, None
        self.hide()
        for widget in (self.hint, self.ticks, self._form, self._buttons):
            widget.hide()

    def drawn(self, points: tuple[Point, ...]) -> None:
        """A line was drawn on the organ."""
        what, organ = self._drawing, self._organ()
        self.close_question()
        if what is None or organ is None:
            return
        self._start(
            StartSurface(organ=organ.id, along=what, at=tuple(",".join(repr(v) for v in point) for point in points))
        )

    def _finish(self) -> None:
        what, organ, scene = self._asked, self._organ(), self._desk.scene
        if what is None or organ is None:
            return
        ticked = [str(key) for key in self.ticks.node_ids()]
        lesion = scene.get(self.lesion.node_id(), SegmentNode)
        if what in ("territories", "patch-territories") and not ticked:
            self._desk.say(tr("Tick at least one territory."), "caution")
            return
        self.close_question()
        if what == "territories":
            self._add(cut_of_keys(scene, organ, ticked))
        elif what == "patch-territories":
            self._start(StartSurface(organ=organ.id, along="territories", territories=",".join(ticked)))
        elif lesion is not None and what == "wedge":
            name = tr("Wedge: {name}").format(name=lesion.name)
            self._add(CutModel(kind="wedge", name=name, lesion=lesion.id, margin_mm=self.margin.value()))
        elif lesion is not None:
            margin = f"{lesion.id}:{self.margin.value():g}"
            self._start(StartSurface(organ=organ.id, along="lesion", margin=margin))

    def _start(self, command: StartSurface) -> None:
        def done(document: Document) -> None:
            if document.get("note"):
                self._desk.say(document["note"])
            self._add(parse_cut(document["cut"]))

        self._desk.do(command, done)
