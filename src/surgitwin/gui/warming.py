"""What will soon be needed, made ready while the start page waits: imports on a thread, looks of widgets in pieces."""

from __future__ import annotations

import gc
import importlib
import logging
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

from surgitwin.gui.views.background import Background

log = logging.getLogger(__name__)
STEP_MS, PIECE_S = 20, 0.004
DELAY_MS = 300  # after the first paint has come and gone
# In the order in which a user meets them: reading a folder, the 3D view, planning, segmenting.
MODULES = (
    "surgitwin.imaging",
    "surgitwin.imaging.dicom_reader",
    "pyvistaqt",
    "vtkmodules.vtkInteractionWidgets",  # what pyvistaqt's widget loads when it is made
    "vtkmodules.vtkViewsContext2D",
    "surgitwin.gui.views.view3d_input",
    "surgitwin.render.scene3d",
    "surgitwin.render.offscreen",
    "surgitwin.render.prepared",
    "surgitwin.resection",
    "surgitwin.resection.volumetry",
    "scipy.spatial",  # margins of a plan
    "surgitwin.render.volume_props",
    "vtkmodules.vtkRenderingVolumeOpenGL2",
    "surgitwin.commands.territories",
    "surgitwin.commands.vessels",
    "surgitwin.commands.vessel_edits",
    "surgitwin.segmentation.methods",
    "surgitwin.segmentation.labelmaps",
    "surgitwin.segmentation.scissors",
    "surgitwin.segmentation.edges",
    "skimage.graph",  # live-wire
    "skimage.measure",  # level tracing
    "scipy.ndimage",
    "scipy.sparse",  # the surface that follows a brush
    "surgitwin.surfaces",
    "surgitwin.exchange.names",
    "numba",  # compiled loops
    "surgitwin.core.triangle_kernels",  # the fit of an implant, points that snap
    "surgitwin.implants.fit",
)


class Warming(QObject):
    """Starts by itself; `stop` before the program ends, because Python must not end in the middle of an import.

    Meanwhile Python does not look for garbage: modules bring some 300 000 objects that stay, and each look at all of
    them would hold the window for a tenth of a second.

    Parameters
    ----------
    idle
        Whether the window holds nothing yet that will go again; what is there is then never looked at for garbage.
    """

    def __init__(self, window: QWidget, idle: Callable[[], bool]) -> None:
        super().__init__(window)
        self._window = window
        self._idle = idle
        self._to_come = 0
        self._waiting: list[QWidget] = []
        self._background = Background(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)
        self._timer.start(DELAY_MS)
        self._polisher = QTimer(self)
        self._polisher.timeout.connect(self._polish)

    def stop(self) -> None:
        """Skip what has not begun, and wait for what has."""
        self._timer.stop()
        self._polisher.stop()
        self._background.close()
        if self._to_come:
            self._to_come = 0
            gc.enable()

    def _start(self) -> None:
        gc.disable()
        self._to_come = len(MODULES)
        for name in MODULES:
            self._background.submit(lambda name=name: _import(name), lambda _: self._arrived())  # type: ignore[misc]
        self._waiting = self._window.findChildren(QWidget)
        self._polisher.start(STEP_MS)

    def _arrived(self) -> None:
        self._to_come -= 1
        if self._to_come == 0:
            if self._idle():
                gc.freeze()
            gc.enable()

    def _polish(self) -> None:
        """Give some more widgets their look; all at once would hold the window when a case first appears."""
        end = time.monotonic() + PIECE_S
        while self._waiting and time.monotonic() < end:
            widget = self._waiting.pop()
            if isValid(widget):
                widget.ensurePolished()
        if not self._waiting:
            self._polisher.stop()


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        # Whatever needs it will say so in a sentence of its own.
        log.warning("%s cannot be imported", name)
