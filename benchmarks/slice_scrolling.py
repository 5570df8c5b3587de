"""How long one step of the wheel takes in a slice view, with 60 segments over a 512x512x400 CT.

The bound is 16 ms in the median (a frame of a 60 Hz screen). Each step is measured from the wheel event to the end of
the repaint, through the real widget. The same volume and window drawn by VTK's own image pipeline
(``vtkImageReslice``, colours, texture on an off-screen window) is the reference.

    python benchmarks/slice_scrolling.py [--size 512] [--width 700] [--scale 1|2]

It needs a display, or QT_QPA_PLATFORM=offscreen.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np

SLICES = 400


def phantom(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy body and 60 round segments."""
    rng = np.random.default_rng(7)
    image = rng.normal(40, 20, (SLICES, size, size)).astype(np.int16)
    labels = np.zeros((SLICES, size, size), dtype=np.uint8)
    for value in range(1, 61):
        centre = rng.uniform(0.2, 0.8, 3) * (SLICES, size, size)
        radius = rng.uniform(15, 55)
        low = np.maximum(centre - radius, 0).astype(int)
        high = np.minimum(centre + radius + 1, labels.shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)]
        inside = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 < radius**2
        labels[box][inside] = value
        image[box][inside] += 60
    return image, labels


def timed(action: Callable[[int], None], count: int) -> np.ndarray:
    """Milliseconds of each call."""
    times = []
    for number in range(count):
        start = time.perf_counter()
        action(number)
        times.append((time.perf_counter() - start) * 1000)
    return np.asarray(times[3:])


def report(name: str, times: np.ndarray) -> float:
    median, late = float(np.median(times)), float(np.percentile(times, 95))
    print(f"{name:34s} median {median:6.2f} ms   95 % {late:6.2f} ms   bound 16 ms, used {median / 16:.0%}")
    return median


def scroll_views(image: np.ndarray, labels: np.ndarray, width: int) -> dict[str, float]:
    from PySide6.QtCore import QPoint, QPointF, Qt
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    from surgitwin.core.geometry import Geometry
    from surgitwin.gui.theme import apply_theme
    from surgitwin.gui.views.slice_view import SliceView
    from surgitwin.render.content import ImageContent, LabelLayer, PlaneContent, SegmentStyle, SliceContent
    from surgitwin.render.slice_picture import Slab
    from surgitwin.render.slicing import Orientation

    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    theme = apply_theme(app)
    geometry = Geometry.from_parts(image.shape[::-1], (0.75, 0.75, 1.0))
    styles = tuple(SegmentStyle(v, (40 + 3 * v, 255 - 4 * v, 90)) for v in range(1, 61))
    content = SliceContent(
        ImageContent(image, geometry, "CT"),
        (LabelLayer(labels, geometry, styles),),
        (PlaneContent("cut", (190.0, 190.0, 200.0), (1.0, 0.3, 0.4)),),
    )
    medians: dict[str, float] = {}
    for orientation in Orientation:
        for slab in (Slab(), Slab(10.0, "max")):
            view = SliceView(theme, orientation)
            view.resize(width, width)
            view.set_content(content)
            view.set_slab(slab)
            view.show()
            app.processEvents()
            view.go_to(view.picture.grid.count // 3 if view.picture.grid else 0)

            def step(_: int, view: SliceView = view) -> None:
                middle = QPointF(width / 2, width / 2)
                event = QWheelEvent(
                    middle,
                    QPointF(view.mapToGlobal(middle.toPoint())),
                    QPoint(),
                    QPoint(0, 120),
                    Qt.MouseButton.NoButton,
                    Qt.KeyboardModifier.NoModifier,
                    Qt.ScrollPhase.NoScrollPhase,
                    False,
                )
                QApplication.sendEvent(view, event)
                view.repaint()

            name = f"{orientation} {slab.text}".strip()
            medians[name] = report(name, timed(step, 123))
            view.close()
            view.deleteLater()
    return medians


def scroll_window(image: np.ndarray, labels: np.ndarray, width: int) -> dict[str, float]:
    """The same in a window of four linked views, the 3D view attached: one step repaints all three slices."""
    from PySide6.QtCore import QEventLoop
    from PySide6.QtWidgets import QApplication

    from surgitwin.core.geometry import Geometry
    from surgitwin.gui.theme import Theme
    from surgitwin.gui.views.slice_view import SliceView
    from surgitwin.gui.views.view3d import View3D
    from surgitwin.gui.widgets.four_views import FourViews
    from surgitwin.render.content import ImageContent, LabelLayer, SegmentStyle, SliceContent
    from surgitwin.render.slicing import Orientation

    theme = Theme.load()
    geometry = Geometry.from_parts(image.shape[::-1], (0.75, 0.75, 1.0))
    styles = tuple(SegmentStyle(v, (40 + 3 * v, 255 - 4 * v, 90)) for v in range(1, 61))
    content = SliceContent(ImageContent(image, geometry, "CT"), (LabelLayer(labels, geometry, styles),))
    views = [SliceView(theme, orientation) for orientation in Orientation]
    view3d = View3D(theme)
    grid = FourViews(views[0], view3d, views[1], views[2])
    for view in views:
        view.set_content(content)
        view.focus_moved.connect(lambda point: [v.set_focus_point(point) for v in (*views, view3d)])
        view.set_focus_point((190.0, 190.0, 200.0))
    grid.resize(2 * width, 2 * width)
    loop = QEventLoop()
    view3d.ready.connect(loop.quit)
    grid.show()
    loop.exec()
    for _ in range(20):
        QApplication.processEvents()
    medians: dict[str, float] = {}
    for view in views:

        def step(number: int, view: SliceView = view) -> None:
            view.step(1)
            QApplication.processEvents()

        medians[view.orientation] = report(f"{view.orientation}, window of four views", timed(step, 63))
    view3d.close()
    grid.close()
    return medians


def scroll_vtk(image: np.ndarray, labels: np.ndarray, width: int) -> float:
    """The same axial scroll with VTK: image and overlay as two textured image actors."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  registers the OpenGL classes
    from vtkmodules.vtkCommonCore import vtkLookupTable
    from vtkmodules.vtkRenderingCore import vtkImageSlice, vtkImageSliceMapper, vtkRenderer, vtkRenderWindow

    from surgitwin.render.vtk_arrays import image_data

    window, renderer = vtkRenderWindow(), vtkRenderer()
    window.SetOffScreenRendering(True)
    window.SetSize(width, width)
    window.AddRenderer(renderer)
    mappers = []
    for array, is_overlay in ((image, False), (labels, True)):
        mapper, actor = vtkImageSliceMapper(), vtkImageSlice()
        mapper.SetInputData(image_data(array))
        actor.SetMapper(mapper)
        if is_overlay:
            table = vtkLookupTable()
            table.SetNumberOfTableValues(256)
            table.SetRange(0, 255)
            table.Build()
            for value in range(256):
                table.SetTableValue(value, value / 60 % 1, 1 - value / 60 % 1, 0.4, 0.5 if value else 0.0)
            actor.GetProperty().SetLookupTable(table)
            actor.GetProperty().UseLookupTableScalarRangeOn()
        else:
            actor.GetProperty().SetColorWindow(350)
            actor.GetProperty().SetColorLevel(50)
        renderer.AddViewProp(actor)
        mappers.append(mapper)
    renderer.GetActiveCamera().ParallelProjectionOn()
    renderer.ResetCamera()

    def step(number: int) -> None:
        for mapper in mappers:
            mapper.SetSliceNumber(130 + number)
        window.Render()

    median = report("VTK image slices, axial", timed(step, 123))
    window.Finalize()
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--width", type=int, default=700, help="of the square view, in logical pixels")
    parser.add_argument("--scale", default="1", help="screen scaling, such as 2")
    options = parser.parse_args()
    os.environ["QT_SCALE_FACTOR"] = options.scale
    image, labels = phantom(options.size)
    medians = scroll_views(image, labels, options.width)
    scroll_window(image, labels, options.width // 2)
    vtk = scroll_vtk(image, labels, options.width)
    print(f"axial: {vtk / medians['axial']:.1f}x faster than VTK's image slices")


if __name__ == "__main__":
    main()
