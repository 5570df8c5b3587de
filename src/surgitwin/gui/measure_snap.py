"""Points of a measurement on the nearest surface while they are placed, as the measure command will move them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from surgitwin.commands.measuring import all_surfaces, frozen_structure
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.gui.desk import Desk
from surgitwin.gui.views.background import Background
from surgitwin.scene.nodes import Node

if TYPE_CHECKING:
    from surgitwin.core.triangle_tree import TriangleTree

Point = tuple[float, float, float]
Key = tuple[tuple[str, object], ...]


class SurfaceSnap(QObject):
    """Finds the nearest place of some surfaces; they are made ready on a thread, and `ready` tells when they are.

    Until then, and where a surface cannot be used, points stay where they are: the command says why.
    """

    ready = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._key: Key | None = None
        self._trees: tuple[TriangleTree, ...] = ()
        self._background = Background(self)

    def placed(self, point: Point, of: list[str]) -> Point:
        """Where a point goes: onto the nearest of these structures, or of all surfaces if there are none."""
        scene = self._desk.scene
        try:
            nodes = [node for node in (scene.get(NodeId(one), Node) for one in of) if node is not None] or all_surfaces(
                scene
            )
        except SurgitwinError:
            return point  # there is no surface at all
        key: Key = tuple((node.id, node.revision) for node in nodes)
        if key != self._key:
            self._prepare(key, nodes)
        if not self._trees:
            return point
        found = [tree.nearest(np.array([point])) for tree in self._trees]
        best = min(found, key=lambda one: float(one.away_mm[0]))
        x, y, z = (float(value) for value in best.points_mm[0])
        return x, y, z

    @property
    def waiting(self) -> bool:
        """True while surfaces are being made ready."""
        return self._background.busy

    def close(self) -> None:
        """End what is being made ready."""
        self._background.close()

    def _prepare(self, key: Key, nodes: list[Node]) -> None:
        self._key, self._trees = key, ()
        try:
            structures = [frozen_structure(self._desk.scene, node) for node in nodes]
        except SurgitwinError:
            return

        def work() -> tuple[TriangleTree, ...]:
            from surgitwin.core.triangle_tree import TriangleTree

            try:
                return tuple(TriangleTree.of(one.surface(Context())) for one in structures)
            except SurgitwinError:  # an empty segment; the command refuses it in words
                return ()

        def done(trees: tuple[TriangleTree, ...]) -> None:
            if self._key == key:
                self._trees = trees
                self.ready.emit()

        self._background.submit(work, done)
