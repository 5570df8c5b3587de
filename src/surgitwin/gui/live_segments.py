"""Surfaces in 3D that follow the segments which are edited by hand, until their own surfaces are made anew."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal

from surgitwin.commands.live_surfaces import LiveFailure, LiveSurfaces, LiveUpdate
from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.gui.desk import Desk
from surgitwin.render.content import SurfaceContent
from surgitwin.scene.nodes import SegmentNode, SurfaceNode

MOST = 3  # segments at a time: each keeps its surface in memory in parts


class LiveSegments(QObject):
    """Signals: a surface moved on, or is there no longer."""

    changed = Signal()
    _wake = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._surfaces: LiveSurfaces | None = None
        self._pieces: dict[NodeId, dict[int, Mesh]] = {}
        self._followed: list[NodeId] = []
        self._wake.connect(self._pump, Qt.ConnectionType.QueuedConnection)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: self._let_go_of_finished())

    @property
    def busy(self) -> bool:
        """True while a surface is behind its segment."""
        return self._surfaces is not None and self._surfaces.busy

    def follow(self, segment_id: NodeId) -> None:
        """Show a segment as it is edited from now on; the one that was edited longest ago gives way."""
        session = self._desk.session
        if session is None or segment_id in self._followed:
            return
        if self._surfaces is None:
            self._surfaces = LiveSurfaces(session.editor, self._wake.emit)
            self._surfaces.updated.connect(self._take)
            self._surfaces.failed.connect(self._fail)
        while len(self._followed) >= MOST:
            self._release(self._followed[0])
        self._followed.append(segment_id)
        self._surfaces.follow(segment_id)

    def shown_over(self, surfaces: tuple[SurfaceContent, ...]) -> tuple[SurfaceContent, ...]:
        """The surfaces of the scene, with those of edited segments in place of what is stale."""
        scene = self._desk.scene
        live = {segment_id: pieces for segment_id, pieces in self._pieces.items() if segment_id in scene}
        if not live:
            return surfaces
        own = {node.segment: node for node in scene.of_type(SurfaceNode) if node.segment in live}
        stale = {node.id for node in own.values() if scene.is_stale(node)}
        shown = [surface for surface in surfaces if surface.id not in stale]
        for segment_id, pieces in live.items():
            if segment_id in own and own[segment_id].id not in stale:
                continue  # its own surface is exact, and up to date
            segment = scene.expect(segment_id, SegmentNode)
            shown += [
                SurfaceContent(
                    f"{segment_id}/{number}", mesh, segment.color, segment.opacity, segment.visible, segment.name
                )
                for number, mesh in pieces.items()
            ]
        return tuple(shown)

    def close(self) -> None:
        """End the thread."""
        if self._surfaces is not None:
            self._surfaces.close()
            self._surfaces = None
        self._pieces, self._followed = {}, []

    def _restart(self) -> None:
        self.close()
        self.changed.emit()

    def _pump(self) -> None:
        if self._surfaces is not None:
            self._surfaces.pump()

    def _take(self, update: LiveUpdate) -> None:
        pieces = self._pieces.setdefault(update.segment, {})
        for number, piece in update.pieces.items():
            if piece is None:
                pieces.pop(number, None)
            else:
                pieces[number] = Mesh(piece.mesh.points, piece.mesh.triangles, piece.normals)
        self.changed.emit()

    def _fail(self, failure: LiveFailure) -> None:
        self._release(failure.segment)
        self._desk.say(failure.message, "caution")

    def _release(self, segment_id: NodeId) -> None:
        if self._surfaces is not None:
            self._surfaces.release(segment_id)
        self._pieces.pop(segment_id, None)
        self._followed = [other for other in self._followed if other != segment_id]
        self.changed.emit()

    def _let_go_of_finished(self) -> None:
        """A segment that is gone is not followed any longer."""
        for segment_id in [one for one in self._followed if one not in self._desk.scene]:
            self._release(segment_id)
