"""The commands that the user guide shows do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from surgitwin.cli.main import main
from terminal import done

GUIDE = Path(__file__).parents[2] / "docs" / "user" / "first-steps.md"


def test_the_first_steps_can_be_typed_as_they_are_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(
        r"^```\n(surgitwin sample .*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    lines = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]

    assert [(words[0], main(words)) for words in lines] == [(words[0], 0) for words in lines]

    assert all((tmp_path / name).is_file() for name in ("report.pdf", "kidney.stl", "view.png"))
    rows = {row["label"]: row["values"] for row in done("compare", "patient.twin")["rows"]}
    assert all(0 < removed < organ / 2 for removed, organ in zip(rows["Removed"], rows["Organ"], strict=True))
