"""Growing from seeds while the seeds are painted: the preview follows each stroke at the cost of what it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from surgitwin.commands.base import Work
from surgitwin.commands.segmenting import MakeSegment
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId, Revision
from surgitwin.gui.desk import Desk
from surgitwin.gui.previewing import Preview
from surgitwin.scene.nodes import SegmentNode
from surgitwin.session import Session

if TYPE_CHECKING:
    from surgitwin.segmentation.methods.seeded import FollowedSeeds


class LiveSeeds(QObject):
    """Keeps a preview of "Grow from seeds" up to date until it is taken, or taken away.

    An update that is under way is let finish before the next begins: broken off, it would have to start from nothing.
    """

    def __init__(self, desk: Desk, preview: Preview, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._preview = preview
        self._command: MakeSegment | None = None
        self._seen: dict[NodeId, Revision] = {}
        self._behind = False
        self.seeds: FollowedSeeds | None = None
        desk.scene_changed.connect(lambda _: self._follow())
        preview.ended.connect(self._catch_up)
        preview.shown.connect(self._shown)

    @property
    def following(self) -> bool:
        """True while strokes are followed."""
        return self._command is not None

    @property
    def busy(self) -> bool:
        """True while what is shown is behind the seeds."""
        return self.following and (self._behind or self._preview.running)

    def follows(self, command: MakeSegment) -> bool:
        """Whether just this command is followed."""
        return self._command is not None and self._command == command

    def wants(self, command: MakeSegment) -> bool:
        """Whether this is growing from segments of the case, which can be painted on."""
        return command.method == "seeds" and bool(command.settings.get("segments"))

    def start(self, command: MakeSegment) -> None:
        """Show what the seeds grow to, and follow them."""
        from surgitwin.segmentation.methods.seeded import FollowedSeeds

        self._command, self._behind = command, False
        self.seeds = FollowedSeeds()
        self._seen = self._revisions()
        self._grow()

    def _revisions(self) -> dict[NodeId, Revision]:
        assert self._command is not None
        scene = self._desk.scene
        found = [scene.resolve(name, SegmentNode) for name in self._command.settings["segments"]]
        return {segment.id: segment.revision for segment in found}

    def _grow(self) -> None:
        command, seeds = self._command, self.seeds
        assert command is not None and seeds is not None

        def begin(session: Session) -> Work[object]:
            return command.started(session, seeds.apply)

        self._preview.start(command, begin)

    def _follow(self) -> None:
        if self._command is None:
            return
        try:
            now = self._revisions()
        except SurgitwinError:
            self._preview.clear()  # a seed was removed
            return
        if now == self._seen:
            return
        self._seen = now
        if self._preview.running:
            self._preview.outdate()
            self._behind = True
        else:
            self._grow()

    def _catch_up(self) -> None:
        if self._behind and self._command is not None:
            self._behind = False
            self._grow()

    def _shown(self, found: object) -> None:
        if found is None:
            self._command, self._behind, self.seeds = None, False, None
