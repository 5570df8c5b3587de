"""Outlines that are found on a thread, while the hand goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.gui.tools.outline import LevelTool, LiveWireTool
from surgitwin.gui.tools.tracing import Latest
from surgitwin.gui.tools.workbench import Target


class Slow:
    """A background in which nothing happens until it is told to."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = deque()

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    def submit(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self.waiting.append((work, done))

    def catch_up(self) -> None:
        while self.waiting:
            work, done = self.waiting.popleft()
            done(work())


class Bench:
    """What the tools need of a workbench."""

    def __init__(self) -> None:
        self.background = Slow()
        self.volume: Any = SimpleNamespace(id="image", revision="r1")
        self.target: Target | None = Target("Liver", (1, 2, 3), {})
        self.edits: list[Any] = []
        self.hints: list[str] = []
        self.hinted = SimpleNamespace(emit=self.hints.append)

    def edit(self, command: Any) -> None:
        self.edits.append(command)


# An axial view whose pixels are millimetres.
VIEW: Any = SimpleNamespace(
    orientation=SimpleNamespace(value="axial", axis=2),
    picture=SimpleNamespace(position_at=lambda focus: 0.0),
    focus=(0.0, 0.0, 0.0),
    point_at=lambda at: (at.x(), at.y(), 0.0),
    pixel_of=lambda point: QPointF(point[0], point[1]),
)


CORNERS = [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (30.0, 30.0, 0.0)]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Its image has one contour everywhere, and ways with a bend in the middle."""
    from surgitwin.gui.tools import tracing

    monkeypatch.setattr(tracing.LevelTracer, "contour", lambda *_: list(CORNERS))
    monkeypatch.setattr(tracing.WireTracer, "begin", lambda _: "")
    monkeypatch.setattr(tracing.WireTracer, "way", lambda _, start, stop: [(start[0] + 1, stop[1] + 1, 0.0), stop])
    return Bench()


def click(tool: Any, at: tuple[float, float]) -> None:
    tool.press(VIEW, QPointF(*at), None)
    tool.release(VIEW, QPointF(*at))


def test_of_questions_that_come_meanwhile_only_the_newest_is_answered() -> None:
    background, answers, asked = Slow(), [], []
    latest: Latest[int] = Latest(background, answers.append)  # type: ignore[arg-type]
    for number in range(5):
        latest.ask(lambda number=number: asked.append(number) or number)  # type: ignore[misc]
    background.catch_up()
    assert asked == answers == [0, 4]


def test_what_is_forgotten_is_not_asked_any_more() -> None:
    background, answers = Slow(), []
    latest: Latest[int] = Latest(background, answers.append)  # type: ignore[arg-type]
    latest.ask(lambda: 1)
    latest.ask(lambda: 2)
    latest.forget()
    background.catch_up()
    assert answers == [1]
    latest.ask(lambda: 3)
    background.catch_up()
    assert answers == [1, 3]


def test_a_contour_goes_to_the_segment_that_was_chosen_when_it_was_clicked(bench: Bench) -> None:
    tool = LevelTool(bench)  # type: ignore[arg-type]
    click(tool, (5, 5))
    bench.target = Target("Spleen", (1, 2, 3), {})
    bench.background.catch_up()
    assert [command.segment for command in bench.edits] == ["Liver"]


def test_a_contour_that_is_found_after_the_case_was_closed_edits_nothing(bench: Bench) -> None:
    tool = LevelTool(bench)  # type: ignore[arg-type]
    click(tool, (5, 5))
    bench.volume = None
    bench.background.catch_up()
    assert bench.edits == []


def test_a_contour_that_comes_after_the_mouse_left_is_not_shown(bench: Bench) -> None:
    tool = LevelTool(bench)  # type: ignore[arg-type]
    tool.hover(VIEW, QPointF(5, 5))
    tool.leave(VIEW)
    bench.background.catch_up()
    assert tool.line_so_far() == []
    tool.hover(VIEW, QPointF(5, 5))
    bench.background.catch_up()
    assert tool.line_so_far() == CORNERS


def test_a_wire_that_is_closed_before_its_ways_are_found_has_them_all(bench: Bench) -> None:
    tool = LiveWireTool(bench)  # type: ignore[arg-type]
    for at in ((0, 0), (20, 0), (20, 20)):
        click(tool, at)
    assert tool.line_so_far() == [(0, 0, 0), (20, 0, 0), (20, 20, 0)], "straight until then"
    tool.finish()
    tool.finish()  # Enter twice
    bench.background.catch_up()
    (command,) = bench.edits
    found = [tuple(float(number) for number in corner.split(",")) for corner in command.outline]
    assert found == [(0, 0, 0), (1, 1, 0), (20, 0, 0), (21, 21, 0), (20, 20, 0), (21, 1, 0)]


def test_a_wire_that_was_dropped_leaves_nothing_behind(bench: Bench) -> None:
    tool = LiveWireTool(bench)  # type: ignore[arg-type]
    click(tool, (0, 0))
    click(tool, (20, 0))
    assert tool.abort()
    bench.background.catch_up()
    tool.finish()
    bench.background.catch_up()
    assert bench.edits == [] and tool.line_so_far() == []


def test_the_voxels_of_an_outline_are_found_in_the_background_and_a_bad_one_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from surgitwin.commands.drawing import DrawOutline
    from surgitwin.gui.tools.workbench import Workbench

    signal = SimpleNamespace(connect=lambda _: None)
    done: list[Any] = []
    said: list[BaseException] = []
    volume: Any = SimpleNamespace(id="image")
    session = SimpleNamespace(scene=None)
    desk: Any = SimpleNamespace(
        session_changed=signal,
        session=session,
        volume=volume,
        report=said.append,
        do=lambda command, *_, **__: done.append(command),
    )
    bench = Workbench(desk)
    slow: Any = Slow()
    bench.background = slow
    mask = np.ones((1, 2, 2), np.bool_)
    corners = ("0,0,0", "5,0,0", "5,5,0")

    def voxels(command: DrawOutline, *_: Any) -> tuple[Box, Any]:
        if command.segment == "bad":
            raise BadInput("It encloses nothing.")
        return Box((0, 0, 0), (2, 2, 1)), mask

    monkeypatch.setattr(DrawOutline, "voxels", voxels)
    for name in ("Liver", "bad"):
        bench.edit(DrawOutline(segment=name, outline=corners))
    assert done == [] and said == []
    slow.catch_up()
    assert [command.segment for command in done] == ["Liver"]
    assert done[0]._marked[1] is mask
    assert [str(error) for error in said] == ["It encloses nothing."]
    bench.edit(DrawOutline(segment="Liver", outline=corners))
    desk.session = None
    slow.catch_up()
    assert len(done) == 1, "the case was closed meanwhile"
