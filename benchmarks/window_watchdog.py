"""How long the window's event loop is held by each action, on a CT of 512 x 512 x 400 with 60 segments; bound 50 ms.

    python benchmarks/window_watchdog.py [--size 512] [--slices 400] [--segments 60] [--explain] [--only WORD] [--json]

A timer beats every 5 ms in the main thread; a beat that comes late means that something held the loop. Where the
processor draws, the time to draw an unchanged 3D frame is subtracted for each frame inside a hold, and nothing else.
``wall`` is what a user waits, ``cpu`` what the main thread itself computed of it, ``queue`` how long it was ready but
had no processor (Linux only): much of it means that the machine was busy, with this program's other threads or with
other programs, and that the figure should be taken again when it is quiet. None of it is subtracted. What is in neither
is mostly Python's lock in another thread's hands. ``--explain`` prints where the main thread was during each hold above
the bound.

It needs a display; on Linux without one it starts Xvfb. The case is made anew in a temporary folder (about 1 GB).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "gui"), str(ROOT / "packaging")]
BOUND_MS = 50.0
BEAT_MS = 5
EXPLAIN_AFTER_MS = 30.0
SAMPLE_S = 0.01


@dataclass(frozen=True)
class Hold:
    """One late beat, with the 3D frames that were drawn in it: (ms, whether of coarse stand-ins)."""

    wall_ms: float
    cpu_ms: float
    queue_ms: float = 0.0
    frames: tuple[tuple[float, bool], ...] = ()


@dataclass
class Action:
    """What one action of the user cost.

    Attributes
    ----------
    frame_ms
        The time of an unchanged frame of what was shown when the action was over, fine and of coarse stand-ins: the
        longest of three.
    """

    name: str
    holds: list[Hold] = field(default_factory=list)
    seconds: float = 0.0
    stacks: Counter[str] = field(default_factory=Counter)
    frame_ms: dict[bool, float] = field(default_factory=dict)

    def counted_ms(self, hold: Hold) -> float:
        """The time on the wall less an unchanged frame for each frame drawn in it."""
        drawn = sum(min(took, self.frame_ms.get(coarse, 0.0)) for took, coarse in hold.frames)
        return max(hold.wall_ms - drawn, 0.0)

    @property
    def worst(self) -> Hold:
        return max(self.holds, key=self.counted_ms, default=Hold(0.0, 0.0))

    @property
    def worst_ms(self) -> float:
        return self.counted_ms(self.worst)


class Watchdog:
    """Listens to the event loop of the thread that made it.

    Parameters
    ----------
    explain
        Look where the main thread is while a beat is late.
    """

    def __init__(self, explain: bool = False) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.coarse: Callable[[], bool] = lambda: False
        self.actions: list[Action] = []
        self._action: Action | None = None
        self._frames: list[tuple[float, bool]] = []  # ms, coarse
        self._frame_start = 0.0
        self._last = time.perf_counter()
        self._last_cpu = time.thread_time()
        self._last_queue = queued_ms()
        self._main = threading.get_ident()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True) if explain else None
        if self._sampler is not None:
            self._sampler.start()

    def close(self) -> None:
        self._timer.stop()
        self._ended.set()
        if self._sampler is not None:
            self._sampler.join()

    def on_frame(self, started: bool) -> None:
        """Told by the 3D view when it starts and ends to draw."""
        now = time.perf_counter()
        if started:
            self._frame_start = now
        else:
            self._frames.append(((now - self._frame_start) * 1000, self.coarse()))

    @contextmanager
    def watch(self, name: str) -> Iterator[Action]:
        """Count the holds inside to the action ``name``."""
        action = Action(name)
        self._forget()
        self._action = action
        start = time.perf_counter()
        try:
            yield action
        finally:
            self._beat()  # what still holds the loop when the action ends
            self._action = None
            action.seconds = time.perf_counter() - start
            self.actions.append(action)

    def _forget(self) -> None:
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()
        self._last_queue = queued_ms()
        self._frames.clear()

    def _beat(self) -> None:
        now, cpu, queue = time.perf_counter(), time.thread_time(), queued_ms()
        wall, own = (now - self._last) * 1000 - BEAT_MS, (cpu - self._last_cpu) * 1000
        if self._action is not None and wall > BEAT_MS:
            self._action.holds.append(Hold(wall, own, queue - self._last_queue, tuple(self._frames)))
        self._last, self._last_cpu, self._last_queue = now, cpu, queue
        self._frames.clear()

    def _sample(self) -> None:
        asleep = time.perf_counter()
        while not self._ended.wait(SAMPLE_S):
            now = time.perf_counter()
            overslept, asleep = now - asleep - SAMPLE_S, now
            action, late = self._action, (now - self._last) * 1000
            if action is None or late < EXPLAIN_AFTER_MS:
                continue
            frames = sys._current_frames()
            action.stacks[short_stack(frames[self._main])] += 1
            if overslept > 3 * SAMPLE_S:
                # Somebody kept Python's lock: whoever works on another thread is at the line that did.
                for ident, frame in frames.items():
                    names = short_stack(frame)
                    idle = "thread.py:81 _worker" in names or names.endswith(("_next", "wait"))
                    if ident not in (self._main, threading.get_ident()) and not idle:
                        action.stacks[f"(kept the lock) {names}"] += round(overslept / SAMPLE_S)
                    del frame
            del frames  # a frame that is kept keeps its painter, and Qt complains of it


def short_stack(frame: Any) -> str:
    entries = traceback.extract_stack(frame)
    return " > ".join(f"{Path(e.filename).name}:{e.lineno} {e.name}" for e in entries[-6:])


def queued_ms() -> float:
    """How long the calling thread has been ready to run without a processor, since it began; 0 where unknown."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e6
    except (OSError, IndexError, ValueError):
        return 0.0


# ---- the case ----------------------------------------------------------------------------------------------------


def phantom(size: int, slices: int, segments: int) -> tuple[np.ndarray, np.ndarray, list[str], Any]:
    """A noisy body, a large liver with two tumours, and other round organs: voxels, labels, names, geometry."""
    from surgitwin.core.geometry import Geometry

    spacing = (380 / size, 380 / size, 400 / slices)
    origin = tuple(-n * s / 2 for n, s in zip((size, size, slices), spacing, strict=True))
    geometry = Geometry.from_parts((size, size, slices), spacing, origin)
    rng = np.random.default_rng(7)
    image = rng.normal(20, 12, (slices, size, size)).astype(np.int16)
    labels = np.zeros(image.shape, np.uint8)
    unit = size / 512

    def ball(value: int, centre: np.ndarray, radii: np.ndarray, hu: int) -> None:
        low = np.maximum(centre - radii, 0).astype(int)
        high = np.minimum(centre + radii + 1, image.shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)]
        k, j, i = (axis / radius for axis, radius in zip(axes, radii, strict=True))
        inside = k[:, None, None] ** 2 + j[:, None] ** 2 + i**2 < 1
        labels[box][inside] = value
        image[box][inside] += hu

    k0 = slices / 2
    ball(1, np.array([k0, 250 * unit, 180 * unit]), np.array([slices * 0.2, 105 * unit, 115 * unit]), 90)
    ball(2, np.array([k0, 240 * unit, 150 * unit]), np.array([slices * 0.04, 20 * unit, 20 * unit]), 60)
    ball(3, np.array([k0 + slices * 0.08, 260 * unit, 200 * unit]), np.array([slices * 0.03, 14 * unit, 14 * unit]), 60)
    for value in range(4, segments + 1):
        centre = np.array([rng.uniform(0.05, 0.95) * slices, rng.uniform(60, 450) * unit, rng.uniform(330, 470) * unit])
        radii = rng.uniform(10, 32, 3) * np.array([slices / 400, unit, unit])
        ball(value, centre, radii, 150 if value % 4 == 0 else 60)
    image[:, : round(20 * unit)] = -1000
    image[:, -round(20 * unit) :] = -1000
    names = ["Liver", "Tumour 1", "Tumour 2", *(f"Organ {value}" for value in range(4, segments + 1))]
    return image, labels, names, geometry


def write_study(folder: Path, size: int, slices: int, segments: int) -> None:
    """The phantom as a DICOM series, and its labels with their names beside it."""
    import nibabel
    from steps import header

    from surgitwin.core.progress import Context
    from surgitwin.samples.dicom_writer import write_ct_series

    image, labels, names, geometry = phantom(size, slices, segments)
    write_ct_series(folder / "dicom", image, geometry, header("watchdog", "CT portal venous"), Context())
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(geometry.rows)
    nibabel.save(nibabel.Nifti1Image(labels.T, affine), folder / "labels.nii")
    table = {str(value): name for value, name in enumerate(names, start=1)}
    (folder / "labels.json").write_text(json.dumps(table), encoding="utf-8")


# ---- the hand ----------------------------------------------------------------------------------------------------


class Bot:
    """What `steps.Hand` needs of pytest-qt's bot, with a real event loop that beats can be heard in."""

    def __init__(self) -> None:
        from PySide6.QtTest import QTest

        self.mouseClick = QTest.mouseClick
        self.mouseDClick = QTest.mouseDClick
        self.keyClick = QTest.keyClick
        self.keyClicks = QTest.keyClicks

    def wait(self, milliseconds: int) -> None:
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def waitUntil(self, true: Callable[[], bool], timeout: int = 60_000) -> None:
        end = time.monotonic() + timeout / 1000
        while not true():
            if time.monotonic() > end:
                raise TimeoutError
            self.wait(15)

    def waitExposed(self, window: Any) -> None:
        self.waitUntil(lambda: window.windowHandle() is not None and window.windowHandle().isExposed())


class Round:
    """Does everything that the window can do, once, under the watchdog's eyes."""

    def __init__(self, hand: Any, dog: Watchdog, folder: Path, only: str) -> None:
        self.hand, self.dog, self.folder, self.only = hand, dog, folder, only
        self.window = hand.window
        self.patience = 600.0

    def do(self, name: str, act: Callable[[], object], until: Callable[[], object] | None = None) -> None:
        hand = self.hand
        with self.dog.watch(name):
            act()
            if until is not None:
                hand.wait(until, seconds=self.patience)
            self.rest()
        self.measure_frames(self.dog.actions[-1])
        if not self.only or self.only in name:
            print_action(self.dog.actions[-1])

    def rest(self) -> None:
        """Until nothing runs and nothing is about to be shown."""
        quiet = 0
        while quiet < 4:
            self.hand.wait(lambda: not self.hand.desk.active_jobs, seconds=self.patience)
            self.hand.qtbot.wait(60)
            quiet = quiet + 1 if not self.hand.desk.active_jobs and not self.view_busy else 0

    @property
    def view_busy(self) -> bool:
        """True while the 3D view prepares something, or shows stand-ins until it comes to rest."""
        view = self.window.stage.view3d
        return bool(view.attached and (view.busy or view._rest.isActive() or view._later.isActive()))

    def measure_frames(self, action: Action) -> None:
        """How long the 3D view takes to draw what it shows once more, with and without coarse stand-ins."""
        view = self.window.stage.view3d
        drawn = {coarse for hold in action.holds for _, coarse in hold.frames}
        if not drawn or not view.attached:
            return
        for coarse in sorted(drawn, reverse=True):
            view.scene.set_moving(coarse)
            times: list[float] = []
            for _ in range(4):
                start = time.perf_counter()
                view.interactor.repaint()
                times.append((time.perf_counter() - start) * 1000)
            action.frame_ms[coarse] = max(times[1:])
        view.scene.set_moving(False)

    # ---- the actions -------------------------------------------------------------------------------------------

    def everything(self) -> None:
        self.open_and_load()
        self.look()
        self.segment()
        self.surfaces()
        self.tree()
        self.by_hand()
        self.plan()
        self.history()
        self.deliver()
        self.dialogs()
        self.close_and_reopen()

    def open_and_load(self) -> None:
        window, desk = self.window, self.hand.desk
        self.do("start page, 4 s", lambda: self.hand.qtbot.wait(4000))
        folder = self.folder / "dicom"
        self.do("open a folder and load", lambda: window.opener.look_through(folder), lambda: desk.volume is not None)

    def close_and_reopen(self) -> None:
        window, desk = self.window, self.hand.desk
        path = desk.session.case_path
        self.do("close the case", window.go_home, lambda: desk.session is None)
        self.do("open the case", lambda: window.opener.open(path), lambda: desk.volume is not None)
        self.do("close the case again", window.go_home, lambda: desk.session is None)
        self.do("close the window", window.close)

    def look(self) -> None:
        from PySide6.QtCore import Qt

        window, hand = self.window, self.hand
        stage = window.stage
        hand.wait(lambda: stage.view3d.attached, seconds=self.patience)
        self.rest()
        self.connect_frames()
        for view, name in zip(stage.slices, ("axial", "coronal", "sagittal"), strict=True):
            self.do(f"scroll {name}, 40 slices", lambda view=view: self.wheel(view, 40))
        self.do("window and level by mouse", lambda: self.drag(stage.axial, 30, (2, 1), start=(0.1, 0.1)))
        self.do("window preset by key", lambda: hand.key(Qt.Key.Key_2, stage.axial))
        self.do("back to the first preset", lambda: hand.key(Qt.Key.Key_1, stage.axial))
        self.do("slab MIP on", lambda: hand.choose(window.study.slab_mode, "Slab, maximum (MIP)"))
        self.do("scroll with slab", lambda: self.wheel(stage.coronal, 20))
        self.do("slab off", lambda: hand.choose(window.study.slab_mode, "Single slice"))
        self.do("one view large", lambda: hand.qtbot.mouseDClick(stage.axial, hand.left))
        self.do("all four again", lambda: hand.qtbot.mouseDClick(stage.axial, hand.left))
        bone = window.study.volume_preset.itemText(1)
        self.do("volume rendering on", lambda: hand.choose(window.study.volume_preset, bone))
        self.do("turn the volume", lambda: self.turn(8))
        self.do("volume rendering off", lambda: hand.choose(window.study.volume_preset, "Off"))

    def segment(self) -> None:
        window, hand = self.window, self.hand
        panel = window.segment
        self.do("step Segment", lambda: hand.click(window.rail.buttons["segment"]))
        self.do("threshold with preview", lambda: hand.choose(panel.method, "Threshold"))
        self.do("move the threshold", lambda: panel.form.set_value("lower", 90.0))
        panel.into.setText("Bright")
        self.do("apply the threshold", lambda: hand.press_button("Apply"))
        self.do("undo it", hand.desk.undo)
        self.do("redo it", hand.desk.redo)
        for method, name in (("islands", "largest island"), ("fill-holes", "fill holes"), ("smooth", "smooth")):
            hand.choose(panel.target, "New segment")
            hand.choose(panel.method, panel.method.itemText(panel.method.findData(method)))
            panel.into.setText(f"Bright, {name}")
            self.do(f"apply: {name}", lambda: hand.press_button("Apply"))
        table, labels = self.folder / "labels.json", self.folder / "labels.nii"
        self.do("add a label map", lambda: window.add_label_map(labels, table))

    def surfaces(self) -> None:
        window, hand = self.window, self.hand
        self.do("make all surfaces", lambda: hand.press_button("Make all surfaces"))
        self.do("turn the 3D view", lambda: self.turn(12))
        self.do("zoom the 3D view", lambda: self.wheel(window.stage.view3d.interactor, 6))
        self.do("scroll axial with 60 segments", lambda: self.wheel(window.stage.axial, 40))

    def tree(self) -> None:
        from surgitwin.commands.properties import EditNode, ShowSegments
        from surgitwin.scene.nodes import SegmentNode

        hand, desk = self.hand, self.hand.desk
        liver = hand.scene.resolve("Liver", SegmentNode)
        self.do("select a segment", lambda: self.window.tree.select(liver.id))
        self.do("hide a segment", lambda: desk.do_now(EditNode(node=liver.id, visible=False)))
        self.do("show it", lambda: desk.do_now(EditNode(node=liver.id, visible=True)))
        self.do("colour", lambda: desk.do_now(EditNode(node=liver.id, color=(10, 200, 90))))
        self.do("opacity", lambda: desk.do_now(EditNode(node=liver.id, opacity=0.5)))
        self.do("rename", lambda: desk.do_now(EditNode(node=liver.id, rename="Liver, whole")))
        self.do("rename back", desk.undo)
        self.do("opacity back", desk.undo)
        self.do("show only this", lambda: desk.do_now(ShowSegments(only=liver.id)))
        self.do("show all segments", lambda: desk.do_now(ShowSegments()))

    def by_hand(self) -> None:
        """Every tool of the hand once, on the liver; what they made is undone again."""
        from PySide6.QtCore import Qt

        window, hand, desk = self.window, self.hand, self.hand.desk
        panel, axial, tools = window.segment, window.stage.axial, window.segment.hand
        before = len(desk.session.history.undo_names)
        hand.click(window.rail.buttons["segment"])
        hand.choose(panel.target, "Liver")
        for name in ("paint", "erase"):
            self.do(f"take the tool: {name}", lambda name=name: hand.click(tools.buttons[name]))
            tools.radius.setValue(10.0)
            for nth in ("first", "second", "third"):
                self.do(f"{name}, {nth} stroke", lambda: self.drag(axial, 20, (4, 2), (0.25, 0.4)))
            self.do(f"undo: {name}", desk.undo)
        tools.shape.setCurrentIndex(1 - tools.shape.currentIndex())
        self.do("paint with the other shape", lambda: self.drag(axial, 20, (4, 2), (0.25, 0.4)))
        for name in ("draw", "scissors", "level"):
            hand.click(tools.buttons[name])
            self.do(f"tool: {name}", lambda: self.ring(axial))
        hand.click(tools.buttons["live-wire"])
        self.do("tool: live-wire", lambda: self.ring(axial, clicks=True))
        self.do("close the live-wire", lambda: hand.key(Qt.Key.Key_Return, axial))
        hand.click(tools.buttons["scissors"])
        self.do("scissors in 3D", lambda: self.ring(window.stage.view3d.interactor))
        hand.click(tools.buttons["scissors"])
        for method in ("margin", "hollow", "local-threshold"):
            title = panel.method.itemText(panel.method.findData(method))
            self.do(f"preview: {method}", lambda title=title: hand.choose(panel.method, title))
        self.do("drop the preview", lambda: hand.key(Qt.Key.Key_Escape, panel))
        back = len(desk.session.history.undo_names) - before
        self.go_far(window.top_bar.undo_button, back, "by hand: undo")

    def ring(self, widget: Any, clicks: bool = False) -> None:
        """Drag a ring around the middle of a view, or click eight points of it."""
        from PySide6.QtCore import QEvent, QPointF

        hand, middle = self.hand, QPointF(widget.rect().center())
        places = [middle + QPointF(60 * np.cos(t), 60 * np.sin(t)) for t in np.linspace(0, 6, 8 if clicks else 40)]
        for number, place in enumerate(places):
            if clicks or number == 0:
                hand.grab(widget, place)
            else:
                hand.mouse(widget, QEvent.Type.MouseMove, place)
            if clicks:
                hand.let_go(widget, place)
            hand.qtbot.wait(16)
        if not clicks:
            hand.let_go(widget, places[-1])

    def plan(self) -> None:
        window, hand = self.window, self.hand
        stage = window.stage
        self.do("step Plan", lambda: hand.click(window.rail.buttons["plan"]))
        hand.choose(window.plan.organ, "Liver")
        self.do("new plan", lambda: hand.press_button("New plan"), lambda: window.live.ready)
        start = hand.cut_handle(stage.coronal)
        self.do("drag the cut in a slice", lambda: self.drag_from(stage.coronal, start, 30, (-1.5, 0), let_go=False))
        end = hand.cut_handle(stage.coronal)
        self.do("let it go", lambda: hand.let_go(stage.coronal, end))
        self.do("drag the cut in 3D", self.drag_3d)
        self.do("other side", lambda: hand.press_button("Other side"))
        self.do("add a plane", lambda: hand.press_button("Add plane"))
        self.do("second plan", lambda: hand.press_button("New plan"))
        first = window.plan.plans.itemText(0)
        self.do("look at the first plan", lambda: hand.choose(window.plan.plans, first))

    def history(self) -> None:
        window, hand = self.window, self.hand
        desk = hand.desk
        hand.answer_text("Watchdog")
        self.do("save a version", window.save_version)
        self.do("undo a plan", desk.undo)
        self.do("redo a plan", desk.redo)
        names = desk.session.history.undo_names
        steps = names.index("Add segments from a label map") + 1
        for name in names[:steps]:
            self.do(f"undo: {name}", desk.undo)
        for name in reversed(names[:steps]):
            self.do(f"redo: {name}", desk.redo)
        self.go_far(window.top_bar.undo_button, steps, "undo")
        self.go_far(window.top_bar.redo_button, steps, "redo")
        hand.answer_text("Watchdog")
        self.do("revert to the version", window.revert)

    def go_far(self, button: Any, steps: int, word: str) -> None:
        """Choose an entry of the list of steps, as a user does."""
        count = min(steps, len(button.menu().actions()))
        action = button.menu().actions()[count - 1]
        self.do(f"{word} {count} steps in one go", action.trigger, lambda: not self.hand.desk.stepper.busy)

    def deliver(self) -> None:
        window, hand = self.window, self.hand
        panel = window.deliver
        self.do("step Deliver", lambda: hand.click(window.rail.buttons["deliver"]))
        out = self.folder / "out"
        out.mkdir()
        self.do("report", lambda: panel.make_report(out / "report.pdf"), (out / "report.pdf").exists)
        self.do("export STL", lambda: panel.export(".stl", out / "twin.stl"), (out / "twin.stl").exists)
        self.do("export GLB", lambda: panel.export(".glb", out / "twin.glb"), (out / "twin.glb").exists)
        self.do("picture", lambda: panel.take_snapshot(out / "3d.png"), (out / "3d.png").exists)

    def dialogs(self) -> None:
        from PySide6.QtWidgets import QApplication

        window = self.window
        self.do("palette", window.show_palette)
        QApplication.activePopupWidget().close()
        for title in ("Keyboard shortcuts", "About Surgitwin"):
            action = next(a for a in window.actions_list if a.title == title)
            self.do(title.casefold(), action.run)
            QApplication.activeModalWidget().close()
        self.do("window made smaller", lambda: window.resize(1100, 700))
        self.do("window made larger", lambda: window.resize(1680, 1020))

    # ---- movements ---------------------------------------------------------------------------------------------

    def connect_frames(self) -> None:
        interactor = self.window.stage.view3d.interactor
        before = interactor.on_frame

        def both(started: bool) -> None:
            if before is not None:
                before(started)
            self.dog.on_frame(started)

        interactor.on_frame = both
        self.dog.coarse = lambda: bool(self.window.stage.view3d.scene._moving)

    def wheel(self, widget: Any, notches: int) -> None:
        from PySide6.QtCore import QPoint, QPointF, Qt
        from PySide6.QtGui import QWheelEvent
        from PySide6.QtWidgets import QApplication

        middle = QPointF(widget.rect().center())
        for _ in range(notches):
            event = QWheelEvent(
                middle,
                QPointF(widget.mapToGlobal(middle.toPoint())),
                QPoint(),
                QPoint(0, 120),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(widget, event)
            self.hand.qtbot.wait(16)

    def drag(self, widget: Any, steps: int, step: tuple[float, float], start: tuple[float, float]) -> None:
        from PySide6.QtCore import QPointF

        self.drag_from(widget, QPointF(widget.width() * start[0], widget.height() * start[1]), steps, step)

    def drag_from(self, widget: Any, start: Any, steps: int, step: tuple[float, float], let_go: bool = True) -> None:
        from PySide6.QtCore import QEvent, QPointF

        hand = self.hand
        hand.grab(widget, start)
        at = start
        for _ in range(steps):
            at = at + QPointF(*step)
            hand.mouse(widget, QEvent.Type.MouseMove, at)
            hand.qtbot.wait(16)
        if let_go:
            hand.let_go(widget, at)

    def turn(self, steps: int) -> None:
        self.drag(self.window.stage.view3d.interactor, steps, (6, 2), (0.15, 0.8))

    def drag_3d(self) -> None:
        from PySide6.QtCore import QPointF

        from surgitwin.render.camera import to_screen

        view = self.window.stage.view3d
        x, y, _ = to_screen(view.scene.renderer, view.content.planes[0].point) / view.devicePixelRatioF()
        self.drag_from(view.interactor, QPointF(float(x), float(y)), 20, (2, 0))


def print_action(action: Action) -> None:
    worst = action.worst
    mark = "over" if action.worst_ms > BOUND_MS else ""
    frame = max((action.frame_ms.get(coarse, 0.0) for _, coarse in worst.frames), default=0.0)
    print(
        f"{action.name:38s} {action.worst_ms:7.0f} {worst.wall_ms:7.0f} {worst.cpu_ms:7.0f} {worst.queue_ms:7.0f} "
        f"{len(worst.frames):3d} x {frame:4.0f} {action.seconds:7.1f}  {mark}",
        flush=True,
    )
    if action.stacks and action.worst_ms > BOUND_MS:
        ranked = action.stacks.most_common()
        for stack, count in [*[s for s in ranked if s[0][0] != "("][:5], *[s for s in ranked if s[0][0] == "("][:4]]:
            print(f"      {count * 10:5d} ms  {stack}", flush=True)


def run(arguments: argparse.Namespace, folder: Path) -> list[Action]:
    os.environ["SURGITWIN_CONFIG_DIR"] = os.environ["SURGITWIN_DATA_DIR"] = str(folder / "user")
    print("Making the case …", flush=True)
    write_study(folder, arguments.size, arguments.slices, arguments.segments)
    from PySide6.QtWidgets import QApplication
    from steps import open_window

    app = QApplication.instance() or QApplication(["surgitwin"])
    assert isinstance(app, QApplication)
    hand = open_window(Bot(), app, "watchdog")  # type: ignore[arg-type]
    dog = Watchdog(arguments.explain)
    head = "".join(f" {word:>7s}" for word in ("counted", "wall", "cpu", "queue"))
    print(f"{'action':38s}{head} {'frames':>10s} {'s':>7s}  (worst hold, ms)")
    try:
        Round(hand, dog, folder, arguments.only).everything()
    finally:
        dog.close()
    return dog.actions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--segments", type=int, default=60)
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--only", default="", help="print only actions with this word")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="surgitwin-watchdog-")))
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            from devtools.display import virtual_display

            os.environ.update(stack.enter_context(virtual_display()))
        actions = run(arguments, folder)
    over = [action.name for action in actions if action.worst_ms > BOUND_MS]
    if arguments.json:
        rows = {a.name: round(a.worst_ms) for a in actions}
        print(json.dumps({"bound_ms": BOUND_MS, "worst_ms": rows, "over": over}))
    else:
        print(f"{len(actions) - len(over)} of {len(actions)} actions hold the loop for at most {BOUND_MS:.0f} ms.")


if __name__ == "__main__":
    main()
