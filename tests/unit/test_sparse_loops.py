"""The compiled loops behind the smoothing of surfaces, without the rest of scipy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array

from surgitwin.surfaces import sparse_loops
from surgitwin.surfaces.fairing import QuadAverage


def test_the_loops_give_what_scipy_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    quads = rng.integers(0, 50, (4, 80))
    row = rng.normal(size=50).astype(np.float32)
    gather = csr_array(
        (np.ones(320, np.float32), quads.T.reshape(-1).astype(np.int32), np.arange(0, 321, 4)), shape=(80, 50)
    )
    wanted = (gather.T @ (gather @ row)) * (np.float32(0.25) / np.maximum(gather.T @ np.ones(80, np.float32), 1))

    assert np.array_equal(QuadAverage(quads, 50)(row), wanted)

    sparse_loops.sparse_loops.cache_clear()
    monkeypatch.setattr(sparse_loops, "NAME", "no_such_file")  # as in a packed program
    assert np.array_equal(QuadAverage(quads, 50)(row), wanted)
    sparse_loops.sparse_loops.cache_clear()


def test_the_loops_are_found_without_importing_scipy() -> None:
    code = (
        "import sys\nfrom surgitwin.surfaces.sparse_loops import sparse_loops\nsparse_loops()\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'scipy'])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
