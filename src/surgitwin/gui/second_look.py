"""The second image in the slices: brought onto the grid of the first by a job, then mixed in as the user wishes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from surgitwin.commands.registered import on_grid_of, seen_from
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.geometry import FloatArray
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.jobs import Job
from surgitwin.render.content import ImageContent, LabelLayer
from surgitwin.render.fusion import FusionLook, FusionMode, SecondImage
from surgitwin.render.twin import LayerKey, layer_contents
from surgitwin.render.windowing import Window, window_for
from surgitwin.scene.nodes import TransformNode, VolumeNode

Key = tuple[Any, ...]


class SecondLook(QObject):
    """Which second image is shown, and how.

    Signals
    -------
    changed()
        Another look, or another image: the slices show it.
    refused(str)
        Why the image that was asked for cannot be shown.
    """

    changed = Signal()
    refused = Signal(str)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._wanted: NodeId | None = None
        self.mode: FusionMode | None = None
        self.share, self.square_mm = 0.5, 30.0
        self.window: Window | None = None
        self.with_segments = True
        self._key: Key | None = None
        self._ready: SecondImage | None = None
        self._to_shown: FloatArray | None = None
        self._layers: dict[LayerKey, LabelLayer] = {}
        self._job: Job | None = None
        desk.session_changed.connect(lambda _: self._forget())
        desk.scene_changed.connect(lambda _: self.follow())
        desk.volume_changed.connect(lambda _: self.follow())

    @property
    def image(self) -> SecondImage | None:
        """What the slices show beside the first image; None for nothing, or while it is being prepared."""
        if self.mode is None or self._ready is None or self.window is None:
            return None
        look = FusionLook(self.mode, self.window, self.share, self.square_mm)
        if look != self._ready.look:
            self._ready = replace(self._ready, look=look)
        return self._ready

    def layers(self) -> tuple[LabelLayer, ...]:
        """The second image's segments, where they lie on the first; a deformed image's have to be carried over."""
        other = self._desk.scene.get(self._wanted, VolumeNode)
        if self.image is None or other is None or self._to_shown is None or not self.with_segments:
            return ()
        return layer_contents(self._desk.scene, other, self._layers, self._to_shown)

    def choose(self, node_id: NodeId | None) -> None:
        """Show another second image; its window starts anew."""
        if node_id != self._wanted:
            self._wanted, self.window = node_id, None
            self._drop()
            self.follow()

    def set_look(self, mode: FusionMode | None, share: float, square_mm: float, window: Window | None = None) -> None:
        """Show it another way."""
        self.mode, self.share, self.square_mm = mode, share, square_mm
        self.window = window or self.window
        self.follow()
        self.changed.emit()

    def follow(self) -> None:
        """Bring the image onto the grid again if what that rests on is another."""
        scene, shown = self._desk.scene, self._desk.volume
        other = scene.get(self._wanted, VolumeNode)
        session = self._desk.session
        if session is None or shown is None or other is None or other.id == shown.id or self.mode is None:
            self._drop()
            return
        try:
            link, registration = seen_from(scene, shown, other)
        except SurgitwinError as error:
            self._drop()
            self.refused.emit(str(error))
            return
        key = (shown.id, other.id, other.revision, link.id if link else None, link.revision if link else None)
        captions = _captions(other, link)
        if key == self._key:
            if self._ready is not None and captions != self._ready.captions:
                self._ready = replace(self._ready, captions=captions)
                self.changed.emit()
            return
        self._drop()
        self._key = key
        voxels = other.voxels
        geometry, target, name, modality = other.geometry, shown.geometry, other.name, other.identity.modality

        def work(ctx: Context) -> Any:
            return ctx.apart(on_grid_of, voxels.frozen(), geometry, registration, target)

        def done(found: Any) -> None:
            array, outside = found
            self._job = None
            if self.window is None:
                self.window = window_for(array, modality)
            assert self.mode is not None and self.window is not None
            look = FusionLook(self.mode, self.window, self.share, self.square_mm)
            image = ImageContent(array, target, name, other.side_known)
            self._ready = SecondImage(image, look, outside, captions)
            linear = registration.displacement_mm is None
            self._to_shown = _inverse(registration.matrix) if linear else None
            self.changed.emit()

        def failed(error: BaseException) -> None:
            self._job = None
            self._desk.report(error)

        self._job = session.runner.submit(tr("Bringing {name} onto this image").format(name=name), work, done, failed)

    @property
    def preparing(self) -> bool:
        return self._job is not None

    def _forget(self) -> None:
        self._wanted, self.mode, self.window = None, None, None
        self._drop()

    def _drop(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.context.cancel()
        had = self._ready is not None
        self._key, self._ready, self._to_shown, self._layers = None, None, None, {}
        if had:
            self.changed.emit()


def _captions(other: VolumeNode, link: TransformNode | None) -> tuple[str, ...]:
    """What the corner of a view says of the second image."""
    name = tr("+ {name}").format(name=other.name)
    if link is None:
        return name, tr("same frame of reference")
    if link.accepted is None:
        return name, tr("⚠ registration not accepted")
    return name, tr("✓ registration accepted")


def _inverse(matrix: FloatArray) -> FloatArray:
    import numpy as np

    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)
