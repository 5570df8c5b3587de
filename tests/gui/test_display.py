"""The ground the window tests stand on: a display that shows windows and draws, and a watch over what is left."""

from __future__ import annotations

import threading

from PySide6.QtCore import QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

import hygiene


def test_a_window_comes_on_screen_in_the_colour_it_was_given(qtbot: QtBot) -> None:
    window = QWidget()
    window.setStyleSheet("background: #35c2b0")
    window.resize(200, 100)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    qtbot.waitUntil(
        lambda: window.screen().grabWindow(window.winId()).toImage().pixelColor(100, 50) == QColor("#35c2b0")
    )


def test_a_vtk_render_window_draws_off_screen() -> None:
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - registers the drawing backend
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow, vtkWindowToImageFilter

    window = vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetSize(40, 30)
    renderer = vtkRenderer()
    renderer.SetBackground(1.0, 0.0, 0.0)
    window.AddRenderer(renderer)
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.Update()
    image: vtkImageData = grab.GetOutput()

    assert image.GetDimensions() == (40, 30, 1)
    assert image.GetScalarComponentAsDouble(20, 15, 0, 0) == 255
    assert image.GetScalarComponentAsDouble(20, 15, 0, 1) == 0
    window.Finalize()


def test_threads_timers_and_windows_that_outlive_a_test_are_named(qtbot: QtBot) -> None:
    before = hygiene.take_stock()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="forgotten")
    window = QWidget()
    timer = QTimer(window)
    try:
        thread.start()
        timer.start(10_000)
        left = hygiene.left_behind(before)
    finally:
        stop.set()
        thread.join()
        window.deleteLater()

    assert sorted(left) == ["an active QTimer of QWidget", "the hidden window QWidget", "the thread 'forgotten'"]


def test_a_test_that_cleans_up_leaves_nothing(qtbot: QtBot) -> None:
    before = hygiene.take_stock()
    window = QWidget()
    window.show()
    QTimer(window).start(10_000)
    window.close()
    window.deleteLater()

    assert hygiene.left_behind(before) == []
