"""After `kill -9` at any moment the case opens with every finished change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
KILLS = 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Needs a system that can fork.")
def test_every_finished_change_survives_a_kill_at_100_random_moments(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(TESTS / "killed.py"), str(tmp_path), str(KILLS), "2024"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["kills"] == KILLS
    # The kills came at moments that matter: in the middle of the work, and while changes were on their way.
    assert told["logs_left"] > KILLS / 2
    assert told["changes"] > KILLS
    assert told["ahead"] > 0
