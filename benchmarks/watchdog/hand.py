"""A hand that does everything the window can do, once, while a watchdog listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from watchdog.listening import Action, Unchanged, Watchdog

UNCHANGED_FRAMES = 5


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


class Frames:
    """Tells the watchdog of every 3D frame, and draws unchanged ones to compare with."""

    def __init__(self, view: Any, dog: Watchdog) -> None:
        self._view, self._dog = view, dog
        self._asked = False
        view.ready.connect(self._listen)
        dog.measure_unchanged = self._measure
        dog.coarse = lambda: bool(view.scene is not None and view.scene._moving)

    def _listen(self) -> None:
        interactor = self._view.interactor
        told, update = interactor.on_frame, interactor.update

        def both(started: bool) -> None:
            if started:
                self._asked = False
            if told is not None:
                told(started)
            self._dog.on_frame(started)

        def ask(*where: Any) -> None:
            self._asked = True
            update(*where)

        interactor.on_frame, interactor.update = both, ask

    def _measure(self, kinds: set[bool], at_last: bool) -> dict[bool, Unchanged] | None:
        """As `Watchdog.measure_unchanged` says; nothing of the view's own course is disturbed, timers neither."""
        view = self._view
        if not view.attached:
            return {}
        changing = self._asked or view._later.isActive() or view._uploading
        if changing and not at_last:
            return None
        scene, interactor = view.scene, view.interactor
        timers = [(timer, timer.remainingTime()) for timer in (view._rest, view._later) if timer.isActive()]
        told, moving = interactor.on_frame, scene._moving
        scene._waiting = lambda: iter(())  # no frame takes up surfaces that the next one would
        try:
            return {coarse: self._unchanged(coarse) for coarse in sorted(kinds, key=lambda kind: kind == moving)}
        finally:
            del scene._waiting
            interactor.on_frame = told
            if scene._moving != moving:
                scene.set_moving(moving)
                interactor.repaint()
            for timer, left in timers:
                timer.start(max(left, 0))

    def _unchanged(self, coarse: bool) -> Unchanged:
        scene, interactor = self._view.scene, self._view.interactor
        starts: list[float] = []
        draws: list[float] = []
        wholes: list[float] = []

        def listen(started: bool) -> None:
            if started:
                starts.append(time.perf_counter())
            else:
                draws.append((time.perf_counter() - starts[-1]) * 1000)

        if scene._moving != coarse:
            interactor.on_frame = None
            scene.set_moving(coarse)
            interactor.repaint()
        interactor.on_frame = listen
        for _ in range(UNCHANGED_FRAMES):
            start = time.perf_counter()
            interactor.repaint()
            wholes.append((time.perf_counter() - start) * 1000)
        if not draws:
            return Unchanged((), 0.0)  # out of sight: nothing is drawn
        rests = [whole - draw for whole, draw in zip(wholes, draws, strict=True)]
        return Unchanged(tuple(draws), max(median(rests), 0.0))


class Round:
    """Does everything that the window can do, once, under the watchdog's eyes."""

    def __init__(self, hand: Any, dog: Watchdog, study: Path, folder: Path, done: Callable[[Action], object]) -> None:
        self.hand, self.dog, self.study, self.folder, self.done = hand, dog, study, folder, done
        self.window = hand.window
        self.patience = 600.0
        self.frames = Frames(self.window.stage.view3d, dog)

    def do(self, name: str, act: Callable[[], object], until: Callable[[], object] | None = None) -> None:
        hand = self.hand
        with self.dog.watch(name):
            act()
            if until is not None:
                hand.wait(until, seconds=self.patience)
            self.rest()
        self.done(self.dog.actions[-1])

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
        folder = self.study / "dicom"
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
        table, labels = self.study / "labels.json", self.study / "labels.nii"
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
        plane = next(one for one in window.plan.starts.button.menu().actions() if one.text() == "Plane")
        self.do("add a plane", plane.trigger)
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
