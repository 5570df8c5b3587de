"""Marking the same place in two images, one after the other, to measure how far a registration misses."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent

from surgitwin.commands.registered import registration_of
from surgitwin.commands.registering import MarkLandmarks
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.tools.point import Point, PointTool
from surgitwin.scene.nodes import TransformNode, VolumeNode


class _MarkTool(PointTool):
    """Escape in a slice ends the marking."""

    escaped = Signal()

    def key(self, event: QKeyEvent) -> bool:
        if event.key() == Qt.Key.Key_Escape:
            self.escaped.emit()
            return True
        return super().key(event)


class LandmarkPairs(QObject):
    """Click a place in the fixed image, then the same in the moving one, which is shown about where the registration
    has it; its exact place is not marked, because it would draw the hand there. Then the fixed image is shown again.

    Signals
    -------
    tool_changed(SliceTool or None)
        What the slices' left button does.
    hint_changed(str)
        What to do next; empty when nothing is being marked.
    crosshair_shown(bool)
        Whether the slices may show where the crosshair is.
    """

    tool_changed = Signal(object)
    hint_changed = Signal(str)
    crosshair_shown = Signal(bool)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._registration: NodeId | None = None
        self._first: Point | None = None
        self.tool = _MarkTool(self._marked, self)
        self.tool.clicked.connect(self._clicked)
        self.tool.escaped.connect(self.stop)
        desk.session_changed.connect(lambda _: self.stop())
        desk.scene_changed.connect(lambda _: self._look_after())

    @property
    def active(self) -> bool:
        return self._registration is not None

    def start(self, registration: NodeId) -> None:
        """Mark pairs until `stop`."""
        node = self._desk.scene.get(registration, TransformNode)
        if node is None:
            return
        self._registration, self._first = registration, None
        self._look_at(node.fixed)
        self.tool_changed.emit(self.tool)
        self._hint()

    def stop(self) -> None:
        """Mark no more; the fixed image is shown."""
        if self._registration is None:
            return
        node = self.registration
        self._registration, self._first = None, None
        if node is not None:
            self._look_at(node.fixed)
        self.tool_changed.emit(None)
        self.crosshair_shown.emit(True)
        self.hint_changed.emit("")

    def remove(self, registration: NodeId, number: int) -> None:
        """Forget one pair."""
        node = self._desk.scene.get(registration, TransformNode)
        if node is not None and 0 <= number < len(node.landmarks):
            places = [(pair.fixed_mm, pair.moving_mm) for pair in node.landmarks]
            del places[number]
            self._write(node, places)

    @property
    def registration(self) -> TransformNode | None:
        """The registration that is being measured."""
        return self._desk.scene.get(self._registration, TransformNode)

    def _clicked(self, point: Point) -> None:
        node = self.registration
        if node is None:
            return
        if self._first is None:
            self._first = point
            x, y, z = (float(value) for value in registration_of(node).to_moving(point)[0])
            self.crosshair_shown.emit(False)
            self._look_at(node.moving)
            self._desk.move_crosshair((x, y, z))
        else:
            places = [(pair.fixed_mm, pair.moving_mm) for pair in node.landmarks]
            self._write(node, [*places, (self._first, point)])
            self._first = None
            self.crosshair_shown.emit(True)
            self._look_at(node.fixed)
        self._hint()

    def _write(self, node: TransformNode, places: list[tuple[Point, Point]]) -> None:
        pairs = tuple("=".join(",".join(repr(float(v)) for v in side) for side in pair) for pair in places)
        self._desk.do_now(MarkLandmarks(registration=node.id, pair=pairs, clear=not pairs))

    def _look_at(self, volume: NodeId) -> None:
        if self._desk.volume is None or self._desk.volume.id != volume:
            self._desk.look_at_volume(volume)

    def _marked(self) -> list[Point]:
        """What is marked in the image that is shown."""
        node, shown = self.registration, self._desk.volume
        if node is None or shown is None:
            return []
        if shown.id == node.fixed:
            return [pair.fixed_mm for pair in node.landmarks]
        return [pair.moving_mm for pair in node.landmarks]

    def _hint(self) -> None:
        node = self.registration
        if node is None:
            return
        wanted = node.fixed if self._first is None else node.moving
        volume = self._desk.scene.get(wanted, VolumeNode)
        name = volume.name if volume is not None else ""
        if self._first is None:
            text = tr("Click a place in “{name}” that both images show, such as where a vessel branches.")
        else:
            text = tr("Now click the same place in “{name}”; scroll if it lies in another slice. Esc drops it.")
        self.hint_changed.emit(text.format(name=name))

    def _look_after(self) -> None:
        if self._registration is not None and self.registration is None:
            self.stop()
