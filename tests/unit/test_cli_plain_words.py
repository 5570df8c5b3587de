"""Command lines read without the parser mean what the parser says that they mean."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from surgitwin.cli import app
from surgitwin.cli.app import make_app, prepare
from surgitwin.cli.main import main, no_window
from surgitwin.cli.plain_words import QUICK, plain_values, shape_of
from surgitwin.commands import COMMANDS

NO_CASE = [name for name, kind in COMMANDS.items() if kind.case == "none"]
OPTIONS = [
    "--low",
    "--high",
    "--name",
    "--series",
    "--crossings",
    "--overwrite",
    "--json",
    "--part",
    "--low=3",
    "--help",
]
VALUES = [
    "ct",
    "a.stl",
    "200",
    "-5",
    "+7",
    "1.5",
    "1e3",
    "0x10",
    "nan",
    "",
    " ",
    "-",
    "--",
    "True",
    "a b",
    "~/x",
    "1_0",
]


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """(values, whether JSON is wanted) by the parser; None if it refuses or answers something else."""
    calls: list[Any] = []

    def called(kind: Any, case: Path | None, values: dict[str, Any], as_json: bool) -> int:
        calls.append((values, as_json))
        return 0

    monkeypatch.setattr(app, "run_command", called)
    try:
        make_app(no_window, words)(prepare(words), exit_on_error=False, print_error=False)
    except CycloptsError:
        return None
    except SystemExit:  # with the status that the command gave
        pass
    return calls[0] if calls else None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NO_CASE), st.lists(st.sampled_from(OPTIONS + VALUES), max_size=7))
def test_what_is_read_plainly_is_what_the_parser_reads(
    monkeypatch: pytest.MonkeyPatch, name: str, words: list[str]
) -> None:
    plain = plain_values(shape_of(COMMANDS[name]), words)
    if plain is not None:
        assert plain == parsed([name, *words], monkeypatch)


@pytest.mark.parametrize(
    "words",
    [
        "ct a.stl --low 200",
        "ct a.stl --low 200 --high 3000 --overwrite",
        "--low -200.5 ct --json a.stl --name Bone --series 1.2.3 --crossings",
    ],
)
def test_the_plainest_ways_to_write_it_need_no_parser(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    plain = plain_values(QUICK, words.split())
    assert plain is not None and plain == parsed(["quick", *words.split()], monkeypatch)


@pytest.mark.parametrize(
    "words",
    ["ct a.stl", "ct a.stl b.stl --low 1", "ct a.stl --low", "ct a.stl --low 1 --low 2", "--help", "ct a.stl --lo 1"],
)
def test_what_is_wrong_is_left_to_the_parser(words: str) -> None:
    assert plain_values(QUICK, words.split()) is None


def test_the_shape_of_quick_is_that_of_its_class() -> None:
    assert shape_of(COMMANDS["quick"]) == QUICK


def test_what_needs_no_parser_needs_no_class_either(tmp_path: Path) -> None:
    """Neither pydantic nor VTK, scipy, rich or the parser is imported to refuse a folder without images."""
    code = (
        "import sys\nfrom surgitwin.launch import main\n"
        f"sys.argv = ['surgitwin', 'quick', {str(tmp_path)!r}, {str(tmp_path / 'a.stl')!r}, '--low', '1']\n"
        "heavy = {'pydantic', 'vtkmodules', 'scipy', 'rich', 'cyclopts'}\n"
        "print(main(), sorted(heavy & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "3 []" and "holds no images" in found.stderr


@pytest.mark.parametrize("length", [200, 201])
def test_a_name_that_is_too_long_is_refused_by_the_class(tmp_path: Path, length: int) -> None:
    status = main(["quick", str(tmp_path), str(tmp_path / "a.stl"), "--low", "1", "--name", "x" * length])
    assert status == 3
    with pytest.raises(ValidationError) if length > 200 else contextlib.nullcontext():
        COMMANDS["quick"](path=tmp_path, out=tmp_path, low=1, name_="x" * length)
