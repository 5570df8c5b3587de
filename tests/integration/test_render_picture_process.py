"""3D pictures drawn by a process of their own: the same picture, and an end to it when the work is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from surgitwin.core.errors import Cancelled, SurgitwinError
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.render.content import SceneContent, SurfaceContent
from surgitwin.render.picture_process import PictureProcess
from surgitwin.render.snapshot import snapshot_3d

POINTS = 40 * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float32)
FACES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
CUBE = Mesh(POINTS, np.array([t for a, b, c, d in FACES for t in ((a, b, c), (a, c, d))], dtype=np.int32))
CONTENT = SceneContent(surfaces=(SurfaceContent("cube", CUBE, (200, 120, 90)),))


def on_a_thread(work: Callable[[], Any]) -> Any:
    """What ``work`` returns or raises on another thread than the main one."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001, raised again below
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def test_a_picture_drawn_apart_is_the_one_that_the_main_thread_draws() -> None:
    def draw_two() -> tuple[bytes, bytes]:
        with PictureProcess(Context()) as process:
            return process.draw(CONTENT, (120, 90)), process.draw(CONTENT, (120, 90))

    first, second = on_a_thread(draw_two)

    assert first == second == snapshot_3d(CONTENT, (120, 90))


def test_cancelling_ends_the_process_and_the_work() -> None:
    ctx = Context()

    def draw() -> None:
        with PictureProcess(ctx) as process:
            process.draw(CONTENT, (120, 90))
            ctx.cancel()
            process.draw(CONTENT, (4000, 3000))

    with pytest.raises(Cancelled):
        on_a_thread(draw)


def test_a_process_that_is_lost_is_said_in_a_sentence() -> None:
    def draw() -> None:
        with PictureProcess(Context()) as process:
            process.draw(CONTENT, (120, 90))
            assert process._process is not None
            process._process.kill()
            process.draw(CONTENT, (120, 90))

    with pytest.raises(SurgitwinError, match="stopped"):
        on_a_thread(draw)
