"""Processes that decode compressed slices start while headers are read, and none of them outlives its series."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless

from imaging_phantoms import ramp, to_lossless_jpeg, write_series
from surgitwin.commands.loading import load_images
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Cancelled, Context, Progress
from surgitwin.imaging import DecodePool, decode_pool, dicom_pixels, list_series, load_series, open_series
from surgitwin.imaging.decode_worker import read_message, write_message
from surgitwin.imaging.dicom_codecs import FrameLayout

VOXELS = ramp((4, 48, 40)) // 2


class Started(list[subprocess.Popen[bytes]]):
    """Every process that was started, in order."""

    @property
    def running(self) -> int:
        return sum(process.poll() is None for process in self)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    processes = Started()
    popen = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        processes.append(popen(*arguments, **options))  # type: ignore[call-overload]
        return processes[-1]

    monkeypatch.setattr(decode_pool.subprocess, "Popen", start)
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in write_series(tmp_path / "series", VOXELS):
        to_lossless_jpeg(path)
    return tmp_path / "series"


def test_a_process_starts_with_the_headers_and_decodes_the_slices(folder: Path, started: Started) -> None:
    with DecodePool() as decoders:
        reader = open_series(folder, decoders=decoders)
        assert started.running == 1
        volume = reader.read(Context(), decoders=decoders)
    assert np.array_equal(volume.voxels, VOXELS)
    assert len(started) == 1
    assert started.running == 0


@pytest.mark.parametrize(
    "load", [load_series, lambda path: load_images(path, None, Context())], ids=["library", "command"]
)
def test_loading_ends_the_processes_that_it_started(folder: Path, started: Started, load: object) -> None:
    assert np.array_equal(load(folder).voxels, VOXELS)  # type: ignore[operator]
    assert len(started) == 1
    assert started.running == 0


def test_listing_a_folder_starts_no_process(folder: Path, started: Started) -> None:
    assert [info.images for info in list_series(folder)] == [4]
    assert not started


def test_a_reader_without_decoders_starts_its_own_and_ends_them(folder: Path, started: Started) -> None:
    reader = open_series(folder)
    assert not started
    assert np.array_equal(reader.read(Context()).voxels, VOXELS)
    assert len(started) == 1
    assert started.running == 0


def test_cancelling_while_headers_are_read_ends_the_processes(folder: Path, started: Started) -> None:
    context = Context()
    check = context.check

    def cancel_once_a_process_runs() -> None:
        if started:
            context.cancel()
        check()

    watched = SimpleNamespace(check=cancel_once_a_process_runs, progress=lambda *_: None, part=lambda *_: watched)
    with pytest.raises(Cancelled):
        load_series(folder, ctx=watched)  # type: ignore[arg-type]
    assert len(started) == 1
    assert started.running == 0


def test_cancelling_while_slices_are_decoded_ends_the_processes(folder: Path, started: Started) -> None:
    def cancel(progress: Progress) -> None:
        if progress.fraction is not None and progress.fraction > 0.3:
            context.cancel()

    context = Context(on_progress=cancel)
    with pytest.raises(Cancelled):
        load_series(folder, ctx=context)
    assert len(started) == 1
    assert started.running == 0


def test_a_refused_folder_leaves_no_process(folder: Path, started: Started) -> None:
    for path in write_series(folder / "other", VOXELS, series_uid="1.2.3"):
        to_lossless_jpeg(path)
    with pytest.raises(BadInput, match="holds 2 volumes"):
        load_series(folder)
    assert started
    assert started.running == 0


def test_a_process_that_is_lost_before_its_first_slice_costs_none(folder: Path, started: Started) -> None:
    with DecodePool() as decoders:
        reader = open_series(folder, decoders=decoders)
        started[0].kill()
        started[0].wait()
        volume = reader.read(Context(), decoders=decoders)
    assert np.array_equal(volume.voxels, VOXELS)
    assert not volume.notices
    assert len(started) == 2
    assert started.running == 0


@pytest.mark.parametrize(
    ("pixels", "files", "expected"),
    [(6_000_000, 1, 0), (7_000_000, 1, 1), (512 * 512, 30, 1), (512 * 512, 40, 2), (512 * 512, 400, 14)],
)
def test_processes_are_expected_by_the_size_that_a_folder_announces(pixels: int, files: int, expected: int) -> None:
    header = SimpleNamespace(
        fragments_offset=1, kind="volume", syntax=JPEG2000Lossless, rows=pixels, columns=1, frames=1
    )
    assert dicom_pixels.processes_expected(header, files) == expected  # type: ignore[arg-type]


def test_uncompressed_slices_start_no_process(tmp_path: Path, started: Started) -> None:
    write_series(tmp_path, VOXELS)
    assert np.array_equal(load_series(tmp_path).voxels, VOXELS)
    assert not started


def test_a_pool_that_has_ended_starts_nothing_more(started: Started) -> None:
    with DecodePool() as decoders:
        decoders.grow(1)
    with pytest.raises(RuntimeError, match="ended"):
        decoders.grow(2)
    assert len(started) == 1
    assert started.running == 0


def test_a_pool_never_has_more_processes_than_processors(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_pool.os, "cpu_count", lambda: 2)
    with DecodePool() as decoders:
        decoders.grow(7)
        decoders.grow(1)
        assert decoders.count == 2
        assert started.running == 2
    assert started.running == 0


def test_a_message_arrives_as_it_was_sent() -> None:
    layout = FrameLayout("1.2.840", 512, 300, 1, "", 16, 12, True)
    pipe = io.BytesIO()
    write_message(pipe, vars(layout), b"\n\x00i rows 5\n")
    pipe.seek(0)
    found = read_message(pipe)
    assert found is not None
    assert FrameLayout(**found[0]) == layout
    assert found[1] == b"\n\x00i rows 5\n"
    assert read_message(pipe) is None


@pytest.mark.parametrize("line", ["two\nlines", "a\x85b", "a\u2028b", "  a  b "])
def test_a_word_cannot_be_taken_for_two_lines(line: str) -> None:
    pipe = io.BytesIO()
    write_message(pipe, {"photometric": line, "rows": 3}, b"")
    pipe.seek(0)
    assert read_message(pipe) == ({"photometric": " ".join(line.split()), "rows": 3}, b"")


@pytest.mark.parametrize("cut", [1, 8, 20, 40])
def test_a_message_that_is_cut_off_is_none(cut: int) -> None:
    pipe = io.BytesIO()
    write_message(pipe, {"rows": 3, "photometric": "MONOCHROME2"}, b"12345678")
    assert read_message(io.BytesIO(pipe.getvalue()[:cut])) is None
