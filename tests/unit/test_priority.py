"""Processes behind the scenes give way to the window."""

from __future__ import annotations

import os
import sys

import pytest

from surgitwin.core.priority import NICE
from surgitwin.core.progress import Context
from surgitwin.jobs import Runner


def nice(*, ctx: Context) -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has classes of priority instead.")
def test_what_a_job_calls_apart_comes_after_the_program_itself() -> None:
    own, found = nice(ctx=Context()), list[int]()
    runner = Runner()
    runner.submit("Work", lambda ctx: ctx.apart(nice), found.append)
    runner.wait()
    runner.close()
    assert found == [min(own + NICE, 19)]
