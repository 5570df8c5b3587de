"""Keeping freed memory in processes that end soon."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import resource
import sys

import numpy as np

from surgitwin.core.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(2_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(2_000_000)  # 16 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory as they like")
def test_arrays_that_follow_each_other_take_the_same_pages() -> None:
    given_back, kept = (
        int(subprocess.run([sys.executable, "-c", CODE, word], check=True, capture_output=True, text=True).stdout)
        for word in ("give", "keep")
    )
    assert kept < given_back / 5
