"""A network's process: results, errors, crashes and cancelling; and the engines of other packages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from surgitwin.core.errors import BadInput, Cancelled, SurgitwinError
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context, Progress
from surgitwin.segmentation.methods import Inputs, Parts
from surgitwin.segmenters.base import Estimate, Found, ModelIdentity, Request, estimate_text
from surgitwin.segmenters.method import NETWORK, estimate_of
from surgitwin.segmenters.process import run_apart
from surgitwin.segmenters.registry import engine_named, engine_names

GRID = Geometry.from_parts((4, 3, 2), (1.0, 2.0, 3.0))


def double(array: Any, *, ctx: Context) -> tuple[Any, int, str]:
    ctx.progress(0.5, "Half")
    print("noise")  # noqa: T201, what libraries do
    return array * 2, os.getpid(), str(Path.cwd())


def refuse(*, ctx: Context) -> None:
    raise BadInput("Not this one.")


def end(code: int, *, ctx: Context) -> None:
    os._exit(code)


def end_while_another_holds_the_pipe(note: str, *, ctx: Context) -> None:
    child = os.fork()
    if child == 0:
        time.sleep(600)
    Path(note).write_text(str(child), encoding="utf-8")
    os._exit(3)


def be_killed(*, ctx: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(note: str, *, ctx: Context) -> None:
    Path(note).write_text(str(os.getpid()), encoding="utf-8")
    Path(note).rename(note + ".there")
    time.sleep(600)


def test_the_result_comes_from_another_process_that_is_gone_then() -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    reports: list[Progress] = []

    doubled, number, folder = run_apart(Context(reports.append), double, array)

    assert np.array_equal(doubled, array * 2)
    assert number != os.getpid() and not psutil.pid_exists(number)
    assert not Path(folder).exists()
    assert [report.message for report in reports] == ["Half"]


def test_an_error_comes_back_as_it_is() -> None:
    with pytest.raises(BadInput, match=r"^Not this one"):
        run_apart(Context(), refuse)


def test_a_crash_is_a_sentence() -> None:
    with pytest.raises(SurgitwinError, match=r"crashed \(exit status 41\); nothing was changed"):
        run_apart(Context(), end, 41)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_process_that_the_system_ended_is_said_to_lack_memory() -> None:
    with pytest.raises(SurgitwinError, match="ended by the system, most likely for want of memory"):
        run_apart(Context(), be_killed)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_crash_is_noticed_and_cleaned_up_though_a_process_it_started_lives_on(tmp_path: Path) -> None:
    note = tmp_path / "child"

    with pytest.raises(SurgitwinError, match="exit status 3"):
        run_apart(Context(), end_while_another_holds_the_pipe, str(note))

    assert _ended(int(note.read_text(encoding="utf-8")))


def test_cancelling_ends_the_process(tmp_path: Path) -> None:
    note, ctx = tmp_path / "pid", Context()
    there = tmp_path / "pid.there"

    def cancel() -> None:
        while not there.exists():
            time.sleep(0.02)
        ctx.cancel()

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(Cancelled):
        run_apart(ctx, hang, str(note))

    assert _ended(int(there.read_text(encoding="utf-8")))


def test_the_process_ends_when_the_program_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    words = "from test_networks_process import *; run_apart(Context(), hang, sys.argv[1])"
    places = os.pathsep.join(place for place in [str(Path(__file__).parent), *sys.path] if place)
    program = subprocess.Popen([sys.executable, "-c", words, str(note)], env=os.environ | {"PYTHONPATH": places})
    there = tmp_path / "pid.there"
    while not there.exists():
        assert program.poll() is None
        time.sleep(0.02)

    program.kill()
    program.wait()

    assert _ended(int(there.read_text(encoding="utf-8")))


def test_work_that_is_cancelled_already_starts_nothing() -> None:
    ctx = Context()
    ctx.cancel()

    with pytest.raises(Cancelled):
        run_apart(ctx, end, 0)


def test_a_packaged_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)

    with pytest.raises(BadInput, match="install Surgitwin with pip"):
        run_apart(Context(), end, 0)


def _ended(number: int) -> bool:
    """True once a process has gone; one that nobody has asked for its end yet counts."""
    try:
        process = psutil.Process(number)
        process.wait(timeout=10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    return True


# ---- engines -----------------------------------------------------------------------------------------------------


class OtherEngine:
    """Another package's engine; what it answers is set by the test."""

    name = "other"
    reason: str | None = None
    labels = np.zeros(GRID.shape_kji, np.uint8)

    def available(self) -> str | None:
        return self.reason

    def estimate(self, geometry: Geometry, request: Request, ctx: Context) -> Estimate:
        return Estimate(200.0, 2_100_000_000)

    def segment(self, voxels: Any, geometry: Geometry, request: Request, ctx: Context) -> Found:
        return Found(self.labels, {1: request.modality, 2: "Two"}, ModelIdentity("Net", "3", "ab" * 32), ("Look.",))


class NoEngine:
    pass


def offer(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    entries = [EntryPoint("other", value, "surgitwin.segmenters") for value in values]
    everything = EntryPoints(entries)
    monkeypatch.setattr("surgitwin.segmenters.registry.entry_points", lambda **by: everything.select(**by))


def test_the_program_s_own_engines_are_offered_by_its_package_too() -> None:
    assert engine_names()[:2] == ["onnx", "totalsegmentator"]
    assert [engine_named(name).name for name in engine_names()[:2]] == ["onnx", "totalsegmentator"]


def test_another_package_s_engine_makes_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{__name__}:OtherEngine")
    labels = np.zeros(GRID.shape_kji, np.uint8)
    labels[1, 2, 3] = 1
    monkeypatch.setattr(OtherEngine, "labels", labels)
    inputs = Inputs(np.zeros(GRID.shape_kji, np.int16), GRID, modality="MR")

    parts = NETWORK.apply(inputs, NETWORK.parse({"engine": "other"}))

    assert isinstance(parts, Parts) and np.array_equal(parts.labels, labels)
    assert (dict(parts.names), parts.notes) == ({1: "MR", 2: "Two"}, ("Look.",))
    network = {"engine": "other", "name": "Net", "version": "3", "weights_sha256": "ab" * 32, "licence": ""}
    assert parts.provenance == {"network": network}
    assert "other" in engine_names()


def test_the_cost_is_told_in_words_for_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{__name__}:OtherEngine")

    text = estimate_of(NETWORK.parse({"engine": "other"}), GRID, "CT", Context())

    assert text == "about 3 min and 2.1 GB of memory"
    assert estimate_text(Estimate(0.2, 5_000_000, rough=True)) == "roughly 1 s and 5 MB of memory"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "no engine “other” for networks. There are: onnx, totalsegmentator"),
        (["no.such.module:Engine"], "cannot be loaded: No module named"),
        ([f"{__name__}:NoEngine"], "is no engine for networks"),
        ([f"{__name__}:NoEngine", f"{__name__}:OtherEngine"], "Several packages offer an engine “other”"),
    ],
)
def test_an_engine_that_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch, values: list[str], words: str) -> None:
    offer(monkeypatch, *values)

    with pytest.raises(BadInput, match=words):
        engine_named("other")


def test_an_engine_that_is_not_ready_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{__name__}:OtherEngine")
    monkeypatch.setattr(OtherEngine, "reason", "Install it first.")
    inputs = Inputs(np.zeros(GRID.shape_kji), GRID)

    with pytest.raises(BadInput, match=r"^Install it first\.$"):
        NETWORK.apply(inputs, NETWORK.parse({"engine": "other"}))


@pytest.mark.parametrize("labels", [np.zeros((1, 2, 3), np.uint8), np.zeros(GRID.shape_kji, np.float32)])
def test_an_engine_s_answer_on_another_grid_is_refused(monkeypatch: pytest.MonkeyPatch, labels: Any) -> None:
    offer(monkeypatch, f"{__name__}:OtherEngine")
    monkeypatch.setattr(OtherEngine, "labels", labels)

    with pytest.raises(SurgitwinError, match="instead of labels on the image's grid"):
        NETWORK.apply(Inputs(np.zeros(GRID.shape_kji), GRID), NETWORK.parse({"engine": "other"}))
