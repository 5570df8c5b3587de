"""A clock that beats in the event loop of a window: a beat that comes late means that something held the loop."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

BOUND_MS = 50.0
BEAT_MS = 5
EXPLAIN_AFTER_MS = 20.0
SAMPLE_S = 0.005


@dataclass(frozen=True)
class Frame:
    """One 3D frame that was drawn inside a hold.

    Attributes
    ----------
    coarse
        Whether stand-ins were drawn for large surfaces.
    """

    ms: float
    coarse: bool


@dataclass(frozen=True)
class Unchanged:
    """What it takes to draw once more what is shown, several times over.

    Attributes
    ----------
    draws_ms
        The drawing itself.
    rest_ms
        From there until it is on the screen; the median.
    """

    draws_ms: tuple[float, ...]
    rest_ms: float

    @property
    def ms(self) -> float:
        return median(self.draws_ms) if self.draws_ms else 0.0


@dataclass(eq=False)
class Hold:
    """One late beat.

    Attributes
    ----------
    unchanged
        Unchanged frames, coarse and not, as they were measured soon after this hold; empty if no frame was drawn.
    stacks
        Where the main thread was, in samples; only with ``explain``.
    """

    wall_ms: float
    cpu_ms: float = 0.0
    queue_ms: float = 0.0
    frames: tuple[Frame, ...] = ()
    unchanged: dict[bool, Unchanged] = field(default_factory=dict)
    stacks: Counter[str] = field(default_factory=Counter)


@dataclass
class Action:
    """What one action of the user cost."""

    name: str
    holds: list[Hold] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def worst(self) -> Hold:
        return max(self.holds, key=self.counted_ms, default=Hold(0.0))

    def counted_ms(self, hold: Hold) -> float:
        """The time on the wall less an unchanged frame for each frame drawn in it, and nothing else."""
        taken = 0.0
        for frame in hold.frames:
            same = hold.unchanged.get(frame.coarse)
            if same is not None:
                taken += min(frame.ms, same.ms * self.unlucky(frame.coarse)) + same.rest_ms
        return max(hold.wall_ms - taken, 0.0)

    def unlucky(self, coarse: bool) -> float:
        """How much longer than their median the worst of unchanged frames takes.

        The worst of k frames is compared with the worst of k unchanged ones (the k/(k+1) quantile of all that were
        measured beside this action): of many frames one is always slow. A single frame is compared with the median.
        """
        frames = sum(frame.coarse == coarse for hold in self.holds if hold.unchanged for frame in hold.frames)
        known = [hold.unchanged[coarse] for hold in self.holds if coarse in hold.unchanged]
        ratios = sorted(draw / same.ms for same in known if same.ms for draw in same.draws_ms)
        if not ratios:
            return 1.0
        place = max(frames, 1) / (max(frames, 1) + 1) * (len(ratios) - 1)
        low = int(place)
        high = min(low + 1, len(ratios) - 1)
        return ratios[low] + (place - low) * (ratios[high] - ratios[low])


class Watchdog:
    """Listens to the event loop of the thread that made it.

    Parameters
    ----------
    explain
        Look where the main thread is while a beat is late.

    Attributes
    ----------
    measure_unchanged
        Draws what is shown again, coarse or not as told, and says what that took; None while it would not be unchanged.
        With ``True`` it must not refuse.
    coarse
        Whether stand-ins are being drawn.
    """

    def __init__(self, explain: bool = False) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.coarse: Callable[[], bool] = lambda: False
        self.measure_unchanged: Callable[[set[bool], bool], dict[bool, Unchanged] | None] = lambda _, __: {}
        self.actions: list[Action] = []
        self._action: Action | None = None
        self._frames: list[Frame] = []
        self._frame_start = 0.0
        self._owed: list[Hold] = []  # holds whose unchanged frames are still to be measured
        self._queue_file = _open_schedstat()
        self._stacks: Counter[str] = Counter()
        self._main = threading.get_ident()
        self._forget()
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
        if self._queue_file is not None:
            os.close(self._queue_file)
            self._queue_file = None

    def on_frame(self, started: bool) -> None:
        """Told by the 3D view when it starts and ends to draw."""
        now = time.perf_counter()
        if started:
            self._frame_start = now
        else:
            self._frames.append(Frame((now - self._frame_start) * 1000, self.coarse()))

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
            self._settle(at_last=True)
            self._action = None
            action.seconds += time.perf_counter() - start
            self.actions.append(action)

    def _forget(self) -> None:
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()
        self._last_queue = self._queued_ms()
        self._frames.clear()
        self._stacks = Counter()

    def _beat(self) -> None:
        now, cpu, queue = time.perf_counter(), time.thread_time(), self._queued_ms()
        wall, own = (now - self._last) * 1000 - BEAT_MS, (cpu - self._last_cpu) * 1000
        if self._action is not None and wall > BEAT_MS:
            hold = Hold(wall, own, queue - self._last_queue, tuple(self._frames), stacks=self._stacks)
            self._action.holds.append(hold)
            if hold.frames and hold.wall_ms > BOUND_MS:
                self._owed.append(hold)
        self._forget()
        self._settle()

    def _settle(self, at_last: bool = False) -> None:
        """Measure what an unchanged frame takes now, for the holds that ended just before."""
        if not self._owed or self._action is None:
            return
        start = time.perf_counter()
        kinds = {frame.coarse for hold in self._owed for frame in hold.frames}
        measured = self.measure_unchanged(kinds, at_last)
        if measured is not None:
            for hold in self._owed:
                hold.unchanged = measured
            self._owed.clear()
            self._action.seconds -= time.perf_counter() - start
            self._forget()  # not the window's doing

    def _queued_ms(self) -> float:
        """How long the calling thread has been ready to run without a processor, since it began; 0 where unknown."""
        if self._queue_file is None:
            return 0.0
        return int(os.pread(self._queue_file, 100, 0).split()[1]) / 1e6

    def _sample(self) -> None:
        asleep = time.perf_counter()
        while not self._ended.wait(SAMPLE_S):
            now = time.perf_counter()
            overslept, asleep = now - asleep - SAMPLE_S, now
            late, stacks = (now - self._last) * 1000, self._stacks
            if self._action is None or late < EXPLAIN_AFTER_MS:
                continue
            frames = sys._current_frames()
            stacks[short_stack(frames[self._main])] += 1
            if overslept > 3 * SAMPLE_S:
                # Somebody kept Python's lock: whoever works on another thread is at the line that did.
                for ident, frame in frames.items():
                    names = short_stack(frame)
                    idle = "thread.py:81 _worker" in names or names.endswith(("_next", "wait"))
                    if ident not in (self._main, threading.get_ident()) and not idle:
                        stacks[f"(kept the lock) {names}"] += round(overslept / SAMPLE_S)
                    del frame
            del frames  # a frame that is kept keeps its painter, and Qt complains of it


def short_stack(frame: Any) -> str:
    entries = traceback.extract_stack(frame)
    return " > ".join(f"{Path(e.filename).name}:{e.lineno} {e.name}" for e in entries[-9:])


def _open_schedstat() -> int | None:
    """Linux says there what the calling thread waited for."""
    try:
        return os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    except OSError:
        return None
