"""Work behind the scenes gives way to the window."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from surgitwin.core.priority import NICE
from surgitwin.jobs import Runner


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has a priority for each thread.")
def test_jobs_and_the_threads_they_start_come_after_the_main_thread() -> None:
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work(_: object) -> tuple[int, int]:
        with ThreadPoolExecutor(1) as pool:
            return nice(), pool.submit(nice).result()

    before, found = nice(), list[tuple[int, int]]()
    if before >= NICE:
        pytest.skip("The tests themselves run behind others.")
    runner = Runner()
    runner.submit("Work", work, found.append)
    runner.wait()
    runner.close()
    assert found == [(NICE, NICE)] and nice() == before
