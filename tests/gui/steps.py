"""What the window tests share: small studies as users have them, and a hand that clicks, drags and takes pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QDialog,
    QFileDialog,
    QInputDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidgetItem,
    QWidget,
)
from pytestqt.qtbot import QtBot

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.gui.labels import ElidedLabel
from surgitwin.gui.main_window import MainWindow
from surgitwin.gui.settings import Settings
from surgitwin.gui.theme import apply_theme
from surgitwin.gui.tree import DETAIL_ROLE
from surgitwin.gui.views.slice_view import SliceView
from surgitwin.samples.dicom_writer import SeriesHeader, write_ct_series
from surgitwin.scene.nodes import SegmentNode

ROOT = Path(__file__).resolve().parents[2]
ABDOMEN = ROOT / "tests" / "data" / "abdomen-3mm"
PICTURES = Path(os.environ.get("SURGITWIN_SCREENSHOTS") or ROOT / "test-screenshots")
PATIENT = "Musterfrau^Erika"

LEFT, RIGHT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.NoButton
PLAIN = Qt.KeyboardModifier.NoModifier

SMALL = Geometry.from_parts((64, 64, 40), (4.0, 4.0, 5.0), (-126.0, -126.0, -97.5))
LIVER_AT, LIVER_RADII = np.array([-40.0, 0.0, 0.0]), np.array([55.0, 50.0, 60.0])
LESION_AT, LESION_RADIUS = np.array([-60.0, 0.0, 10.0]), 14.0


def small_ct() -> np.ndarray:
    """A body with an enhanced liver (110 HU), a lesion in it (190 HU) and a spine (500 HU), 64 x 64 x 40 voxels."""
    k, j, i = np.indices(SMALL.shape_kji)
    at = SMALL.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*SMALL.shape_kji, 3)
    voxels = np.full(SMALL.shape_kji, -1000, np.int16)
    voxels[np.hypot(at[..., 0] / 115, at[..., 1] / 85) < 1] = 20
    voxels[(((at - LIVER_AT) / LIVER_RADII) ** 2).sum(axis=-1) < 1] = 110
    voxels[((at - LESION_AT) ** 2).sum(axis=-1) < LESION_RADIUS**2] = 190
    voxels[np.hypot(at[..., 0], at[..., 1] - 60) < 16] = 500
    return voxels


def header(name: str, description: str, patient_id: str = "4711", patient: str = PATIENT) -> SeriesHeader:
    return SeriesHeader(
        name=name,
        patient_id=patient_id,
        patient_name=patient,
        study_description="Abdomen",
        series_description=description,
        study_date="20260211",
        study_time="101500",
        birth_date="19500131",
        contrast_agent="Iohexol",
    )


def write_small_study(folder: Path, name: str = "small", **who: str) -> Path:
    """One CT series of `small_ct`, a file for each slice."""
    write_ct_series(folder, small_ct(), SMALL, header(name, "CT portal venous", **who), Context())
    return folder


def write_abdomen_study(folder: Path) -> Path:
    """Two series of a real abdomen at 3 mm: a whole one, and one in which a slice is missing."""
    from surgitwin.imaging import load_series

    loaded = load_series(ABDOMEN / "ct.nii.gz", None, Context())
    for name, description in (("whole", "Abdomen 3 mm"), ("gap", "Abdomen 3 mm, sent twice")):
        written = write_ct_series(folder / name, loaded.voxels, loaded.geometry, header(name, description), Context())
        if name == "gap":
            written.files[20].unlink()
    return folder


class Hand:
    """Uses one window as a person does, and waits for what it does."""

    left = LEFT
    detail = DETAIL_ROLE

    def __init__(self, qtbot: QtBot, window: MainWindow, story: str) -> None:
        self.qtbot, self.window, self.story = qtbot, window, story
        self._pictures = 0

    @property
    def desk(self) -> Any:
        return self.window.desk

    @property
    def scene(self) -> Any:
        return self.window.desk.scene

    # ---- waiting -----------------------------------------------------------------------------------------------

    def wait(self, true: Callable[[], Any], seconds: float = 60.0) -> None:
        self.qtbot.waitUntil(lambda: bool(true()), timeout=round(seconds * 1000))

    def wait_for_3d(self) -> None:
        """Until the 3D view is attached and has drawn a frame of its full size."""
        view = self.window.stage.view3d
        self.wait(lambda: view.attached and view.scene.renderer.GetSize()[0] > 0.8 * view.width())

    def rest(self) -> None:
        """Until nothing runs and nothing is about to be shown."""
        stage = self.window.stage
        quiet = 0
        while quiet < 3:
            self.wait(lambda: not self.desk.active_jobs and not (stage.isVisible() and stage.busy))
            self.qtbot.wait(60)
            quiet = quiet + 1 if not self.desk.active_jobs else 0
        view = self.window.stage.view3d
        if view.attached:
            self.qtbot.wait(150)

    # ---- hand --------------------------------------------------------------------------------------------------

    def click(self, widget: QWidget) -> None:
        assert widget.isVisible() and widget.isEnabled(), widget
        self.qtbot.mouseClick(widget, LEFT)

    def press_button(self, text: str, within: QWidget | None = None) -> None:
        """Click the visible button that says ``text``."""
        found = [b for b in (within or self.window).findChildren(QPushButton) if b.text() == text and b.isVisible()]
        assert len(found) == 1, f"{len(found)} buttons say {text!r}"
        self.click(found[0])

    def key(self, key: Qt.Key, widget: QWidget | None = None, modifiers: Qt.KeyboardModifier = PLAIN) -> None:
        self.qtbot.keyClick(widget or self.window, key, modifiers)

    def choose(self, box: Any, text: str) -> None:
        """Pick an entry of a combo box by its text, as the user does."""
        row = box.findText(text)
        assert row >= 0, f"{text!r} is not among {[box.itemText(n) for n in range(box.count())]}"
        box.setCurrentIndex(row)
        box.activated.emit(row)

    def answer(self, act: Callable[[Any], object]) -> None:
        """Do ``act`` with the next modal dialog and accept it; one that stays open is given up after a while."""
        tries = iter(range(400))

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            patient = next(tries, None) is not None
            if isinstance(dialog, QDialog) and patient:
                act(dialog)
                dialog.accept()
            elif isinstance(dialog, QDialog):
                dialog.reject()
            if patient and (dialog is None or dialog.isVisible()):
                QTimer.singleShot(25, look)

        QTimer.singleShot(25, look)

    def answer_file(self, path: Path) -> None:
        """Type a path into the next file dialog."""

        def choose(dialog: QFileDialog) -> None:
            dialog.findChild(QLineEdit, "fileNameEdit").setText(str(path))

        self.answer(choose)

    def answer_text(self, text: str) -> None:
        """Type a text into the next question, or pick it from its list."""

        def write(dialog: QInputDialog) -> None:
            dialog.setTextValue(text)

        self.answer(write)

    def drop(self, path: Path) -> None:
        """Drag a file or folder from elsewhere onto the middle of the window and let it go there."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        at = self.window.rect().center()
        copy = Qt.DropAction.CopyAction
        enter = QDragEnterEvent(at, copy, data, LEFT, PLAIN)
        QApplication.sendEvent(self.window, enter)
        assert enter.isAccepted()
        QApplication.sendEvent(self.window, QDropEvent(QPointF(at), copy, data, LEFT, PLAIN))

    # ---- what is shown -----------------------------------------------------------------------------------------

    @property
    def banner(self) -> str:
        """The sentence in the banner, or nothing."""
        return str(self.window.banner.text) if self.window.banner.isVisible() else ""

    def segment(self, name: str) -> SegmentNode:
        node = self.scene.resolve(name, SegmentNode)
        assert isinstance(node, SegmentNode)
        return node

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Where a segment is, [k, j, i] of its image."""
        node = self.segment(name)
        return np.asarray(self.scene.layer_of(node).labels.read() == node.value)

    def tree_row(self, name: str) -> QTreeWidgetItem:
        tree = self.window.tree
        found = tree.findItems(name, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)
        assert found, f"{name} is not in the tree"
        return found[-1]

    def cut_off_texts(self) -> list[str]:
        """Texts of visible labels and buttons that do not fit where they stand."""
        found: list[str] = []
        for label in self.window.findChildren(QLabel):
            if not label.isVisible() or isinstance(label, ElidedLabel) or not label.text():
                continue
            room = label.contentsRect()
            needed = label.heightForWidth(room.width()) if label.wordWrap() else label.sizeHint().height()
            too_wide = not label.wordWrap() and label.sizeHint().width() > label.width()
            if too_wide or needed > label.height() + 1:
                found.append(label.text())
        buttons = [button for button in self.window.findChildren(QPushButton) if button.isVisible()]
        return found + [b.text() for b in buttons if b.width() < b.sizeHint().width()]

    def out_of_window(self) -> list[str]:
        """Controls and labels of which a part lies outside the window, and not in something that scrolls."""
        whole = self.window.rect()
        found: list[str] = []
        kinds = QLabel | QAbstractButton | QLineEdit | QAbstractScrollArea
        for widget in self.window.findChildren(QWidget):
            if not isinstance(widget, kinds) or not widget.isVisible():
                continue
            above = widget.parentWidget()
            while above is not None and not isinstance(above, QAbstractScrollArea):
                above = above.parentWidget()
            corner = widget.mapTo(self.window, QPoint(0, 0))
            if above is None and not whole.contains(QRect(corner, widget.size())):
                found.append(getattr(widget, "text", lambda: "")() or type(widget).__name__)
        return found

    # ---- mouse in views ----------------------------------------------------------------------------------------

    def mouse(self, widget: QWidget, kind: QEvent.Type, at: QPointF, button: Qt.MouseButton = LEFT) -> None:
        held = NONE if kind == QEvent.Type.MouseButtonRelease else button
        moved = kind == QEvent.Type.MouseMove
        place = QPointF(widget.mapToGlobal(at.toPoint()))
        event = QMouseEvent(kind, at, place, NONE if moved else button, held, PLAIN)
        QApplication.sendEvent(widget, event)

    def grab(self, widget: QWidget, at: QPointF) -> None:
        self.mouse(widget, QEvent.Type.MouseButtonPress, at)

    def move(self, widget: QWidget, at: QPointF) -> None:
        self.mouse(widget, QEvent.Type.MouseMove, at)
        QApplication.processEvents()

    def let_go(self, widget: QWidget, at: QPointF) -> None:
        self.mouse(widget, QEvent.Type.MouseButtonRelease, at)

    def cut_handle(self, view: SliceView) -> QPointF:
        """The middle of the first cut's line in a slice view."""
        x, y = view.lines()[0]
        return QPointF(x, y)

    # ---- pictures ----------------------------------------------------------------------------------------------

    def picture(self, what: str, window: QWidget | None = None, *, settle: bool = True) -> Path:
        """Write what is on the screen now, 3D included, where a person can look at it."""
        self._pictures += 1
        PICTURES.mkdir(parents=True, exist_ok=True)
        if settle:
            QApplication.processEvents()
        else:  # in the middle of an event: nothing else may happen before the picture is taken
            self.window.repaint()
        shown = window or self.window
        corner = shown.mapToGlobal(QPoint(0, 0))
        pixmap = shown.screen().grabWindow(0, corner.x(), corner.y(), shown.width(), shown.height())
        path = PICTURES / f"{self.story}-{self._pictures:02d}-{what}.png"
        assert pixmap.save(str(path))
        return path


def open_window(qtbot: QtBot, app: QApplication, story: str, settings: Settings | None = None) -> Hand:
    """A window on the screen, with settings of its own."""
    app.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    settings = settings or Settings()
    window = MainWindow(apply_theme(app, settings.theme), settings)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()  # without a window manager nobody else does; keys go to the active window
    qtbot.waitUntil(window.isActiveWindow)
    return Hand(qtbot, window, story)


def close_window(hand: Hand) -> None:
    """Close as the user does, and let Qt delete what is left."""
    window = hand.window
    window.close()
    window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
