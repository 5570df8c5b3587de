"""What outlines that follow the image ask of it: worked out on a thread, for a hand that does not wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from surgitwin.commands.drawing import SlicePlane
from surgitwin.core.errors import SurgitwinError
from surgitwin.scene.nodes import VolumeNode

if TYPE_CHECKING:
    from surgitwin.gui.views.background import Background
    from surgitwin.segmentation.edges import LiveWire

Vec3 = tuple[float, float, float]
Result = TypeVar("Result")


class Latest(Generic[Result]):
    """Asks in the background for what follows the mouse: one question at a time, and of those that come meanwhile only
    the newest.

    Parameters
    ----------
    answered
        Gets each result, on the main thread.
    """

    def __init__(self, background: Background, answered: Callable[[Result], object]) -> None:
        self._background, self._answered = background, answered
        self._busy = False
        self._next: Callable[[], Result] | None = None

    def ask(self, work: Callable[[], Result]) -> None:
        """Have ``work`` done, now or when what is being done is over."""
        if self._busy:
            self._next = work
            return
        self._busy = True
        self._background.submit(work, self._take)

    def forget(self) -> None:
        """Drop what waits."""
        self._next = None

    def _take(self, result: Result) -> None:
        self._busy = False
        work, self._next = self._next, None
        if work is not None:
            self.ask(work)
        self._answered(result)


class LevelTracer:
    """Contours of one value; keeps the latest slice. Used on one thread at a time."""

    def __init__(self) -> None:
        self._plane: SlicePlane | None = None
        self._plane_of: tuple[Any, ...] = ()

    def contour(self, volume: VolumeNode, view: str, position_mm: float, at: Vec3) -> list[Vec3]:
        """LPS points of the closed contour of the value at a place; empty if there is none."""
        from surgitwin.segmentation.edges import level_outline

        key = (volume.id, volume.revision, view, position_mm)
        try:
            if self._plane is None or key != self._plane_of:
                self._plane, self._plane_of = SlicePlane.of(volume, view, position_mm), key
            row, column = self._plane.pixels_of(np.array([at]))[0]
            found = level_outline(self._plane.pixels, (float(row), float(column)))
        except SurgitwinError:
            return []
        return _points(self._plane, found)


class WireTracer:
    """Ways along the edges of one slice. Used on one thread at a time."""

    def __init__(self, volume: VolumeNode, view: str, position_mm: float) -> None:
        self._of = (volume, view, position_mm)
        self._plane: SlicePlane | None = None
        self._wire: LiveWire | None = None

    def begin(self) -> str:
        """Look for the edges; a sentence if there is no such slice."""
        from surgitwin.segmentation.edges import LiveWire

        try:
            self._plane = SlicePlane.of(*self._of)
        except SurgitwinError as error:
            return str(error)
        self._wire = LiveWire(self._plane.pixels, self._plane.spacing_mm)
        return ""

    def way(self, start: Vec3, stop: Vec3) -> list[Vec3]:
        """LPS points along edges, without the first; straight where there is no image."""
        if self._plane is None or self._wire is None:
            return [stop]
        ends = self._plane.pixels_of(np.array([start, stop]))
        try:
            path = self._wire.path((ends[0, 0], ends[0, 1]), (ends[1, 0], ends[1, 1]))
        except SurgitwinError:
            return [stop]
        return _points(self._plane, path)[1:]


def _points(plane: SlicePlane, pixels: Any) -> list[Vec3]:
    return [(float(x), float(y), float(z)) for x, y, z in plane.points_of(pixels)]
