"""Surfaces that follow their segments while these are edited: a stroke, its undo, any other change of their voxels."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import Cancelled
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId, Revision
from surgitwin.core.progress import Context
from surgitwin.core.signals import Signal
from surgitwin.core.text import tr
from surgitwin.scene.editor import Editor
from surgitwin.scene.nodes import SegmentNode
from surgitwin.scene.scene import SceneChanged
from surgitwin.surfaces.extract import DEFAULT_SMOOTHING
from surgitwin.surfaces.incremental import LiveSurface
from surgitwin.surfaces.incremental_blocks import LiveMesh

log = logging.getLogger(__name__)

# Surfaces of earlier revisions are kept, for undo and redo, as long as what is theirs alone stays below this.
KEPT_BYTES = 96 * 2**20
# Edits of larger boxes are looked at on the worker, in a frozen array.
_LARGE_VOXELS = 1 << 21


@dataclass(frozen=True, eq=False)
class LiveUpdate:
    """The surface of a segment as it is at one revision.

    Attributes
    ----------
    pieces
        What differs from the update before, by number; ``None`` where nothing is left. Together the pieces are the
        surface; where they meet they have equal points and normals. ``surface.whole`` is all of it in one closed mesh.
    """

    segment: NodeId
    revision: Revision
    surface: LiveSurface
    pieces: Mapping[int, LiveMesh | None]


@dataclass(frozen=True)
class LiveFailure:
    """A surface that cannot follow any more, and why, in a sentence."""

    segment: NodeId
    message: str


@dataclass(eq=False)
class _Followed:
    """One segment; everything is touched on the main thread only."""

    surface: LiveSurface | None  # None until the first one is ready
    shown: Revision | None
    wanted: Revision
    place: tuple[NodeId, int]  # layer and value that the surface was, or will be, made of
    pending: Box | None = None  # edited since the surface, or the one under way, was made
    whole: bool = True  # the pending edit may be anywhere
    context: Context | None = None  # of the update under way
    kept: OrderedDict[Revision, LiveSurface] = field(default_factory=OrderedDict)

    @property
    def waiting(self) -> bool:
        return self.whole or self.pending is not None


class LiveSurfaces:
    """Follows segments of a scene. `follow`, `pump` and the signals belong to the main thread.

    Parameters
    ----------
    wake
        Called from the worker whenever `pump` has something to do; the window posts an event there.

    Attributes
    ----------
    updated
        A surface moved on. It is the one of `mesh` before its volume is matched: make that one when the hand rests.
    failed
        A surface could not be made; its segment is not followed any more.
    """

    def __init__(
        self,
        editor: Editor,
        wake: Callable[[], None] | None = None,
        *,
        smoothing: float = DEFAULT_SMOOTHING,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.updated: Signal[LiveUpdate] = Signal()
        self.failed: Signal[LiveFailure] = Signal()
        self._scene = editor.scene
        self._wake = wake
        self._smoothing = smoothing
        self._kept_bytes = kept_bytes
        self._followed: dict[NodeId, _Followed] = {}
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        # A thread of its own: a stroke must not wait behind a long job.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="surgitwin-live")
        self._disconnect = editor.changed.connect(self._on_change)

    @property
    def busy(self) -> bool:
        """True while a surface is behind its segment."""
        return any(one.context is not None or one.waiting for one in self._followed.values())

    def follow(self, segment_id: NodeId) -> None:
        """Keep the surface of a segment up to date from now on; the first update brings all of it."""
        if segment_id in self._followed:
            return
        segment = self._scene.expect(segment_id, SegmentNode)
        self._followed[segment_id] = _Followed(None, None, segment.revision, (segment.layer, segment.value))
        self._start(segment_id)

    def release(self, segment_id: NodeId) -> None:
        """Follow a segment no longer."""
        one = self._followed.pop(segment_id, None)
        if one is not None and one.context is not None:
            one.context.cancel()

    def surface(self, segment_id: NodeId) -> LiveSurface | None:
        """The latest surface of a followed segment."""
        one = self._followed.get(segment_id)
        return one.surface if one is not None else None

    def pump(self) -> None:
        """Deliver what is ready; called on the main thread."""
        while True:
            try:
                call = self._queue.get_nowait()
            except Empty:
                return
            call()

    def wait(self, timeout_s: float = 60.0) -> None:
        """Pump until every surface is up to date; for scripts and tests.

        Raises
        ------
        TimeoutError
            If nothing comes for so long.
        """
        while self.busy:
            try:
                self._queue.get(timeout=timeout_s)()
            except Empty:
                raise TimeoutError("A live surface did not come.") from None
        self.pump()

    def close(self) -> None:
        """Stop following, and end the thread."""
        self._disconnect()
        for segment_id in list(self._followed):
            self.release(segment_id)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._wake = None

    def _on_change(self, change: SceneChanged) -> None:
        for segment_id, one in list(self._followed.items()):
            if segment_id not in self._scene:
                self.release(segment_id)
                continue
            segment = self._scene.expect(segment_id, SegmentNode)
            if segment.revision != one.wanted:
                self._edited(one, segment, change)
                self._start(segment_id)

    def _edited(self, one: _Followed, segment: SegmentNode, change: SceneChanged) -> None:
        """Note what a change did to a segment."""
        one.wanted = segment.revision
        place = (segment.layer, segment.value)
        patched = change.modified.get(segment.layer)
        if place != one.place or patched is None or patched.box is None:
            # It lies elsewhere now, or the whole array is another: the box of the change does not tell what differs.
            elsewhere = place != one.place or patched is not None or segment.layer in change.created
            one.whole = one.whole or elsewhere
        else:
            one.pending = patched.box if one.pending is None else one.pending.union(patched.box)
        one.place = place
        if not one.waiting:
            one.shown = segment.revision  # something else about it changed

    def _start(self, segment_id: NodeId) -> None:
        """Bring the surface to the segment's revision: at once if it is known, else on the worker."""
        one = self._followed[segment_id]
        known = one.kept.get(one.wanted)
        if known is not None and one.waiting:
            if one.context is not None:
                one.context.cancel()
                one.context = None
            one.pending, one.whole = None, False
            self._show(segment_id, one, one.wanted, known.since(one.surface))
            return
        if one.context is not None or not one.waiting:
            return
        work = self._work(self._scene.expect(segment_id, SegmentNode), one.surface, None if one.whole else one.pending)
        one.pending, one.whole = None, False
        one.context = Context()
        self._pool.submit(self._run, segment_id, one, one.wanted, work, one.context)

    def _work(
        self, segment: SegmentNode, surface: LiveSurface | None, edited: Box | None
    ) -> Callable[[Context], LiveSurface]:
        """What the worker has to do after an edit (``None``: anywhere), with a copy of what it has to see."""
        value, labels = segment.value, self._scene.layer_of(segment).labels
        if surface is not None and edited is not None:
            place = surface.needed(edited)
            if np.prod(place.size_ijk) <= _LARGE_VOXELS:
                mask = labels.read()[place.slices] == value
                return lambda ctx: surface.updated(mask, place, ctx)
        geometry = self._scene.segmentation_of(segment).geometry
        start = surface or LiveSurface(geometry, self._smoothing, {}, frozenset())
        frozen = [labels.frozen()]
        return lambda ctx: _from_frozen(start, frozen, value, edited, ctx)

    def _run(
        self,
        segment_id: NodeId,
        one: _Followed,
        revision: Revision,
        work: Callable[[Context], LiveSurface],
        ctx: Context,
    ) -> None:
        try:
            surface = work(ctx)
            update = LiveUpdate(segment_id, revision, surface, surface.renewed_pieces())
        except Cancelled:
            return
        except Exception as error:
            log.exception("A live surface failed.")
            message = tr("The surface cannot follow the edit ({kind}). Make it anew.").format(kind=type(error).__name__)
            failure = LiveFailure(segment_id, message)
            self._post(lambda: self._fail(one, ctx, failure))
        else:
            self._post(lambda: self._finish(one, ctx, update))

    def _post(self, call: Callable[[], None]) -> None:
        self._queue.put(call)
        if self._wake is not None:
            self._wake()

    def _finish(self, one: _Followed, ctx: Context, update: LiveUpdate) -> None:
        if one.context is not ctx or ctx.cancelled:
            return
        one.context = None
        self._keep(one, update.revision, update.surface)
        one.surface, one.shown = update.surface, update.revision
        self.updated.emit(update)
        if update.segment in self._followed:
            self._start(update.segment)

    def _fail(self, one: _Followed, ctx: Context, failure: LiveFailure) -> None:
        if one.context is ctx:
            self._followed.pop(failure.segment, None)
            self.failed.emit(failure)

    def _show(self, segment_id: NodeId, one: _Followed, revision: Revision, surface: LiveSurface) -> None:
        one.surface, one.shown = surface, revision
        one.kept.move_to_end(revision)
        self.updated.emit(LiveUpdate(segment_id, revision, surface, surface.renewed_pieces()))

    def _keep(self, one: _Followed, revision: Revision, surface: LiveSurface) -> None:
        """Remember a surface for undo and redo; of the oldest, only blocks that no other has are worth anything."""
        one.kept[revision] = surface
        while len(one.kept) > 1 and _bytes_of(one.kept) > self._kept_bytes:
            one.kept.popitem(last=False)


def _bytes_of(kept: Mapping[Revision, LiveSurface]) -> int:
    """What was made for the surfaces, the first one aside."""
    surfaces = list(kept.values())[1:]
    return sum(s.blocks[name].nbytes for s in surfaces for name in s.renewed if name in s.blocks)


def _from_frozen(
    surface: LiveSurface, frozen: list[NDArray[Any]], value: int, edited: Box | None, ctx: Context
) -> LiveSurface:
    """Update a surface from the whole layer; ``frozen`` is emptied, so that the next stroke finds nobody using it."""
    labels = frozen.pop()
    if edited is None:
        edited = Box.of_mask(labels == value).union(surface.extent)
    if edited.empty:
        return surface.since(surface)
    place = surface.needed(edited)
    mask = labels[place.slices] == value
    del labels
    ctx.check()
    return surface.updated(mask, place, ctx)
