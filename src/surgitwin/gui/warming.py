"""Imports that will be needed soon, made on a thread while the start page waits for its user."""

from __future__ import annotations

import importlib
import logging

from PySide6.QtCore import QObject, QTimer

from surgitwin.gui.views.background import Background

log = logging.getLogger(__name__)
DELAY_MS = 300  # after the first paint has come and gone
# In the order in which a user meets them: reading a folder, the 3D view, planning, segmenting.
MODULES = (
    "surgitwin.imaging",
    "surgitwin.imaging.dicom_reader",
    "pyvistaqt",
    "surgitwin.gui.views.view3d_input",
    "surgitwin.render.scene3d",
    "surgitwin.render.offscreen",
    "surgitwin.render.prepared",
    "surgitwin.resection",
    "surgitwin.resection.volumetry",
    "surgitwin.segmentation.methods",
    "surgitwin.segmentation.labelmaps",
    "surgitwin.surfaces",
    "surgitwin.exchange.names",
)


class Warming(QObject):
    """Starts by itself; `stop` before the program ends, because Python must not end in the middle of an import."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)
        self._timer.start(DELAY_MS)

    def stop(self) -> None:
        """Skip what has not begun, and wait for what has."""
        self._timer.stop()
        self._background.close()

    def _start(self) -> None:
        for name in MODULES:
            self._background.submit(lambda name=name: _import(name), lambda _: None)  # type: ignore[misc]


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        # Whatever needs it will say so in a sentence of its own.
        log.warning("%s cannot be imported", name)
