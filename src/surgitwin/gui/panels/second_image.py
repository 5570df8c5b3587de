"""The second image: how it lies on the one that is shown, how to judge that, and what to take over from it."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from surgitwin.commands.registered import link_meant, share_frame
from surgitwin.commands.registering import AcceptRegistration, CarrySegment, RegisterImages
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.landmark_pairs import LandmarkPairs
from surgitwin.gui.panels.parts import Choice, NodeChoice, button, note_label
from surgitwin.gui.second_look import SecondLook
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.render.windowing import Window
from surgitwin.scene.nodes import SegmentNode, TransformNode, VolumeNode

KINDS = (
    ("rigid", tr("Rigid: moved and turned")),
    ("affine", tr("Affine: also scaled and sheared")),
    ("deformable", tr("Deformable: also bent")),
)
LOOKS: tuple[tuple[str | None, str], ...] = (
    (None, tr("Not shown")),
    ("fade", tr("Faded in")),
    ("checkerboard", tr("Checkerboard")),
)


class SecondImageBox(Section):
    """Hidden while a case has one image only.

    Signals
    -------
    tool_changed(SliceTool or None)
        What the slices' left button does.
    """

    tool_changed = Signal(object)

    def __init__(self, theme: Theme, desk: Desk, look: SecondLook) -> None:
        super().__init__(theme, tr("Second image"), opened=True)
        self._desk = desk
        self.look = look
        self.pairs = LandmarkPairs(desk, self)
        self._build_choice()
        self._build_look()
        self._build_registration()
        self._build_landmarks()
        self._build_carry()
        look.changed.connect(self._show_window)
        look.refused.connect(self._show_refusal)
        self.pairs.tool_changed.connect(self.tool_changed)
        self.pairs.hint_changed.connect(self._show_hint)
        desk.session_changed.connect(lambda _: self.refresh())
        desk.scene_changed.connect(lambda _: desk.unseen.refresh(self, self.refresh))
        desk.volume_changed.connect(lambda _: self.refresh())
        self.refresh()

    # ---- parts -------------------------------------------------------------------------------------------------

    def _build_choice(self) -> None:
        form = _form(self.body)
        self.other = NodeChoice()
        self.other.setAccessibleName(tr("Second image"))
        self.other.currentIndexChanged.connect(lambda _: self._chosen())
        form.addRow(tr("Image"), self.other)
        self.state = note_label()
        self.body.addWidget(self.state)
        self.hint = note_label(role="caution")
        self.hint.setVisible(False)
        self.body.addWidget(self.hint)

    def _build_look(self) -> None:
        form = _form(self.body)
        self.mode = Choice()
        self.mode.setAccessibleName(tr("How the second image is shown"))
        for name, title in LOOKS:
            self.mode.addItem(title, name)
        form.addRow(tr("Show"), self.mode)
        self.share = QSlider(Qt.Orientation.Horizontal)
        self.share.setRange(0, 100)
        self.share.setValue(50)
        self.share.setAccessibleName(tr("Share of the second image"))
        self.share.setToolTip(tr("Left: the first image alone; right: the second alone"))
        form.addRow(tr("Fade"), self.share)
        self.square = _number(1.0, 200.0, 30.0, "mm")
        self.square.setAccessibleName(tr("Edge of a field"))
        form.addRow(tr("Field"), self.square)
        self.window_width, self.window_level = _number(1.0, 20000.0, 400.0), _number(-20000.0, 40000.0, 50.0)
        self.window_width.setAccessibleName(tr("Window of the second image"))
        self.window_level.setAccessibleName(tr("Level of the second image"))
        form.addRow(tr("Window"), self.window_width)
        form.addRow(tr("Level"), self.window_level)
        self.segments = QCheckBox(tr("Show its segments"))
        self.segments.setChecked(True)
        form.addRow("", self.segments)
        self._look_form = form
        self.mode.currentIndexChanged.connect(lambda _: self._look_changed())
        self.share.valueChanged.connect(lambda _: self._look_changed())
        self.square.valueChanged.connect(lambda _: self._look_changed())
        self.segments.toggled.connect(self._segments_toggled)
        for box in (self.window_width, self.window_level):
            box.valueChanged.connect(lambda _: self._window_changed())

    def _build_registration(self) -> None:
        form = _form(self.body)
        self.kind = Choice()
        self.kind.setAccessibleName(tr("Kind of registration"))
        for name, title in KINDS:
            self.kind.addItem(title, name)
        form.addRow(tr("Register"), self.kind)
        self.register = button(
            tr("Register"), self._register, tip=tr("Find how the second image lies on this one; Cancel is below")
        )
        self.by = QLineEdit()
        self.by.setPlaceholderText(tr("Your name"))
        self.by.setAccessibleName(tr("Accepted by"))
        self.by.textChanged.connect(lambda _: self.refresh())
        self._by_form = _form(self.body)
        self._by_form.addRow(tr("Accepted by"), self.by)
        self.accept = button(
            tr("Accept"), partial(self._accept, False), tip=tr("Plans use a registration that somebody accepted only")
        )
        self.withdraw = button(tr("Take back"), partial(self._accept, True), "quiet")
        self.body.addWidget(_row(self.register, self.accept, self.withdraw))

    def _build_landmarks(self) -> None:
        self.marks_title = note_label(tr("Places seen in both images"))
        self.body.addWidget(self.marks_title)
        self.mark = button(tr("Mark places"), self._mark)
        self.unmark = button(tr("Remove"), self._unmark, "quiet")
        self.unmark.setEnabled(False)
        self.marks = QListWidget()
        self.marks.setAccessibleName(tr("Places seen in both images"))
        self.marks.setMaximumHeight(96)
        self.marks.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.marks.currentRowChanged.connect(lambda row: self.unmark.setEnabled(row >= 0))
        self.body.addWidget(self.marks)
        self._marks_row = _row(self.mark, self.unmark)
        self.body.addWidget(self._marks_row)

    def _build_carry(self) -> None:
        self._carry_form = _form(self.body)
        self.segment = NodeChoice()
        self.segment.setAccessibleName(tr("Segment of the second image"))
        self._carry_form.addRow(tr("Its segment"), self.segment)
        self.carry = button(
            tr("Carry over"), self._carry, tip=tr("Make the segment on the image that is shown, through the link")
        )
        self.body.addWidget(_row(self.carry))

    # ---- what is shown -----------------------------------------------------------------------------------------

    @property
    def _pair(self) -> tuple[VolumeNode, VolumeNode] | None:
        """The image that is shown and the second one."""
        shown, other = self._desk.volume, self._desk.scene.get(self.other.node_id(), VolumeNode)
        return (shown, other) if shown is not None and other is not None and shown.id != other.id else None

    @property
    def registration(self) -> TransformNode | None:
        """The registration that links the two images: the one by which the second is shown."""
        if self.pairs.active:
            return self.pairs.registration
        pair = self._pair
        return link_meant(self._desk.scene, *pair) if pair is not None else None

    def refresh(self) -> None:
        """Show the scene as it is."""
        scene, shown = self._desk.scene, self._desk.volume
        others = [v for v in scene.of_type(VolumeNode) if shown is not None and v.id != shown.id]
        self.setVisible(bool(others))
        if not others:
            self.look.choose(None)
            return
        node = self.registration
        self._show_marks(node)
        if self.pairs.active:  # the two images take turns
            return
        self.other.fill(list(others))
        self.look.choose(self.other.node_id())
        node, pair = self.registration, self._pair
        self.state.setText(_state(node, pair, stale=node is not None and scene.is_stale(node)))
        self._show_marks(node)
        self.register.setEnabled(pair is not None)
        accepted = node is not None and node.accepted is not None
        self.accept.setVisible(node is not None and not accepted)
        self.accept.setEnabled(bool(self.by.text().strip()))
        self.withdraw.setVisible(accepted)
        self._by_form.setRowVisible(self.by, node is not None and not accepted)
        for widget in (self.marks_title, self._marks_row):
            widget.setVisible(node is not None)
        segments = _segments_of(self._desk, pair[1]) if pair is not None else []
        self.segment.fill(list(segments))
        self._carry_form.setRowVisible(self.segment, bool(segments))
        self.carry.setVisible(bool(segments))
        self._show_rows()

    def _show_rows(self) -> None:
        mode = self.mode.currentData()
        for widget, shown in (
            (self.share, mode == "fade"),
            (self.square, mode == "checkerboard"),
            (self.window_width, mode is not None and self.look.window is not None),
            (self.window_level, mode is not None and self.look.window is not None),
            (self.segments, mode is not None),
        ):
            self._look_form.setRowVisible(widget, shown)

    def _show_marks(self, node: TransformNode | None) -> None:
        texts = [
            tr("{number}. misses by {error:.1f} mm").format(number=number, error=pair.error_mm)
            for number, pair in enumerate(node.landmarks if node is not None else (), start=1)
        ]
        if texts != [self.marks.item(row).text() for row in range(self.marks.count())]:
            self.marks.clear()
            self.marks.addItems(texts)
            self.unmark.setEnabled(False)
        self.marks.setVisible(bool(texts))

    def _show_window(self) -> None:
        window = self.look.window
        if window is not None:
            for box, value in ((self.window_width, window.width), (self.window_level, window.level)):
                box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(False)
        self._show_rows()

    def _show_refusal(self, text: str) -> None:
        if self.mode.currentData() is not None:
            self.state.setText(f"⚠ {text}")

    def _show_hint(self, text: str) -> None:
        self.hint.setText(text)
        self.hint.setVisible(bool(text))
        self.mark.setText(tr("Done") if text else tr("Mark places"))
        self.refresh()

    # ---- what the controls do ----------------------------------------------------------------------------------

    def _chosen(self) -> None:
        self.look.choose(self.other.node_id())
        self.refresh()

    def _look_changed(self) -> None:
        self.look.set_look(self.mode.currentData(), self.share.value() / 100, self.square.value())
        self._show_rows()

    def _window_changed(self) -> None:
        window = Window(self.window_width.value(), self.window_level.value())
        self.look.set_look(self.mode.currentData(), self.share.value() / 100, self.square.value(), window)

    def _segments_toggled(self, shown: bool) -> None:
        self.look.with_segments = shown
        self.look.changed.emit()

    def _register(self) -> None:
        pair = self._pair
        if pair is not None:
            self._desk.do(RegisterImages(fixed=pair[0].id, moving=pair[1].id, kind=self.kind.currentData()))

    def _accept(self, withdraw: bool) -> None:
        node = self.registration
        if node is not None:
            by = None if withdraw else self.by.text().strip()
            self._desk.do_now(AcceptRegistration(registration=node.id, by=by, withdraw=withdraw))

    def _mark(self) -> None:
        node = self.registration
        if self.pairs.active:
            self.pairs.stop()
        elif node is not None:
            self.pairs.start(node.id)

    def _unmark(self) -> None:
        node = self.registration
        if node is not None:
            self.pairs.remove(node.id, self.marks.currentRow())

    def _carry(self) -> None:
        pair, segment, node = self._pair, self.segment.node_id(), self.registration
        if pair is not None and segment is not None:
            through = node.id if node is not None else None
            self._desk.do(CarrySegment(segment=segment, onto=pair[0].id, through=through), self._carried)

    def _carried(self, document: dict[str, Any]) -> None:
        for warning in document["warnings"]:
            self._desk.say(warning["message"], "caution")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.pairs.active:
            self.pairs.stop()
            return
        super().keyPressEvent(event)

    def hideEvent(self, event: Any) -> None:
        self.pairs.stop()
        super().hideEvent(event)


def _state(node: TransformNode | None, pair: tuple[VolumeNode, VolumeNode] | None, stale: bool) -> str:
    """How the two images are linked, in words."""
    if pair is None:
        return ""
    if node is None:
        if share_frame(*pair):
            return tr("Both images have one frame of reference: they are shown as they lie. Not checked by anybody.")
        return tr("Nothing says how these images lie on each other. Register them.")
    error = node.mean_error_mm
    if error is None:
        measured = tr("no places measured")
    else:
        measured = tr("misses {count} places by {error:.1f} mm on average").format(
            count=len(node.landmarks), error=error
        )
    kind = tr("Registered automatically ({kind}), {measured}.").format(kind=node.kind, measured=measured)
    if stale:
        return tr("⚠ STALE: an image has changed since. Register again. {kind}").format(kind=kind)
    if node.accepted is None:
        return tr("⚠ NOT ACCEPTED: no plan uses it. {kind}").format(kind=kind)
    at = node.accepted.at[:16].replace("T", " ")
    return tr("✓ ACCEPTED by {by}, {at}. {kind}").format(by=node.accepted.by, at=at, kind=kind)


def _segments_of(desk: Desk, volume: VolumeNode) -> list[SegmentNode]:
    scene = desk.scene
    return [s for s in scene.of_type(SegmentNode) if scene.segmentation_of(s).volume == volume.id]


def _form(column: QVBoxLayout) -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    column.addLayout(form)
    return form


def _row(*buttons: QPushButton) -> QWidget:
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    for each in buttons:
        row.addWidget(each)
    row.addStretch(1)
    return holder


def _number(low: float, high: float, value: float, unit: str = "") -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(0)
    box.setValue(value)
    if unit:
        box.setSuffix(f" {unit}")
    return box
