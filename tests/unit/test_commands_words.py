"""Words become values: lists as people write them, aliases, refusals that name the value."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgitwin.cli.app import make_app, prepare
from surgitwin.cli.words import sort_words
from surgitwin.commands import COMMANDS, command_named
from surgitwin.commands.base import build, option_name
from surgitwin.commands.planning import PlanResection, format_plane, parse_plane
from surgitwin.core.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("stats", "c --segment A B --json", "c --segment A --segment B --json"),
        ("stats", "c --segment A --segment B", "c --segment A --segment B"),
        ("stats", "--segment A B c", "--segment A --segment B c"),
        ("export", "c out.stl --segment A B", "c out.stl --segment A --segment B"),
        ("export", "c --segment A B out.stl", "c --segment A --segment B out.stl"),
        ("export", "--segment A c out.stl", "--segment A c out.stl"),
        ("segment", "c --set a=1 b=2 threshold --into -x", "c --set a=1 --set b=2 threshold --into -x"),
        ("plan", "c P --plane -1,0,0,1,0,0 2,0,0,1,0,0", "c P --plane -1,0,0,1,0,0 --plane 2,0,0,1,0,0"),
        ("snapshot", "c o.png --at -1,2,-3 --size 800,600", "c o.png --at -1 2 -3 --size 800 600"),
        ("snapshot", "c o.png --at -1 2 -3", "c o.png --at -1 2 -3"),
        ("edit", "c A --color 1,2,3 --no-visible", "c A --color 1 2 3 --no-visible"),
        ("compare", "- A -B --json", "- A -B --json"),
        ("mesh", "c --smooth -0.5 --segment", "c --smooth -0.5 --segment"),
        ("export", "c -- --segment out.stl", "c -- --segment out.stl"),
    ],
)
def test_lists_of_values_may_be_written_behind_one_option(name: str, words: str, expected: str) -> None:
    assert sort_words(COMMANDS[name], words.split()) == expected.split()


@given(st.sampled_from(sorted(COMMANDS)), st.lists(st.sampled_from(["--json", "--x=1", "a", "-1", "-", "--set", ""])))
def test_sorting_loses_no_word(name: str, words: list[str]) -> None:
    left = sort_words(COMMANDS[name], words)

    assert sorted(word for word in left if word != "--set") == sorted(word for word in words if word != "--set")


def test_every_field_is_called_by_its_word_on_the_command_line_too() -> None:
    for kind in COMMANDS.values():
        options = [option_name(kind, field) for field in kind.model_fields]
        assert len(set(options)) == len(options)
        assert all(option == option.strip("_-") for option in options)


@pytest.mark.parametrize(
    ("name", "values", "field", "expected"),
    [
        ("add", {"path": "x", "as": "surface"}, "as_", "surface"),
        ("add", {"path": "x", "as_": "surface", "name": "A"}, "name_", "A"),
        ("segment", {"method": "bone", "into": "B", "set": {"low": 1}}, "settings", {"low": 1}),
        ("plan", {"name": "P", "organ": "L"}, "plan", "P"),
        ("plan", {"plan": "P", "organ": "L", "plane": "1,2,3,0,0,1"}, "plane", ("1,2,3,0,0,1",)),
        ("plan", {"plan": "P", "organ": "L", "plane": [[1, 2, 3, 0, 0, 1]]}, "plane", ("1.0,2.0,3.0,0.0,0.0,1.0",)),
        ("plan", {"plan": "P", "organ": "L", "plane": np.eye(6)[:1]}, "plane", ("1.0,0.0,0.0,0.0,0.0,0.0",)),
        ("patient", {"icg-r15": 10}, "icg_r15", 10.0),
        ("patient", {"icg_r15": 10}, "icg_r15", 10.0),
        ("stats", {"segment": "A"}, "segment", ("A",)),
        ("stats", {"segment": ["A", "B"]}, "segment", ("A", "B")),
    ],
)
def test_scripts_may_use_either_name(name: str, values: dict[str, Any], field: str, expected: Any) -> None:
    assert getattr(build(command_named(name), values), field) == expected


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("segment", {"method": "bone"}, "into is missing."),
        ("segment", {"method": "bone", "into": "B", "depth": 1}, "There is no setting called depth."),
        ("mesh", {"smooth": 2}, "smooth cannot be 2: it should be less than or equal to 1."),
        ("mesh", {"smooth": math.nan}, "smooth cannot be nan: it should be a finite number."),
        ("mesh", {"smooth": math.inf}, "smooth cannot be inf: it should be a finite number."),
        ("image", {"volume": "CT", "level": -math.inf}, "level cannot be -inf: it should be a finite number."),
        ("add", {"path": "x", "as": "magic"}, "as cannot be magic: it should be 'labelmap', 'surface' or 'volume'."),
        ("edit", {"node": "A", "color": (1, 2)}, "color has too few values: (1, 2)."),
        ("plan", {"name": "", "organ": "L"}, "name cannot be empty: "),
        ("plan", {"name": "P", "organ": "L", "plane": [[1, "a"]]}, "plane cannot be"),
    ],
)
def test_a_value_that_does_not_fit_is_named_in_one_sentence(name: str, values: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as caught:
        build(command_named(name), values)

    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_an_unknown_command_is_refused_with_the_list() -> None:
    with pytest.raises(BadInput, match=r"magic.*series.*plan"):
        command_named("magic")


finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.tuples(*[finite] * 3), st.tuples(*[finite] * 3))
def test_a_plane_is_written_and_read_without_loss(point: Any, normal: Any) -> None:
    if not any(normal):
        normal = (0.0, 0.0, 1.0)
    text = ",".join(repr(number) for number in (*point, *normal))

    plane = parse_plane(text)

    assert (plane.point_mm, plane.normal) == (point, normal)
    assert parse_plane(format_plane(plane)) == plane


@given(st.text(alphabet="0123456789.,-+e xnaif", max_size=40))
def test_what_is_no_plane_is_refused_and_never_a_fault(text: str) -> None:
    try:
        plane = parse_plane(text)
    except BadInput as error:
        assert text in str(error)
    else:
        assert all(map(math.isfinite, (*plane.point_mm, *plane.normal))) and any(plane.normal)


def documented() -> list[str]:
    """Every command line of the documentation."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs" / "user").glob("*.md"))]
    return [
        line.strip()
        for page in pages
        for block in page.read_text(encoding="utf-8").split("```")[1::2]
        for line in block.splitlines()
        if line.strip().startswith("surgitwin ")
    ]


@pytest.mark.parametrize("line", documented())
def test_every_command_line_in_the_documentation_is_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    app = make_app(lambda path: 0)

    app.parse_args(prepare(words), exit_on_error=False, print_error=False)


def test_the_documentation_shows_command_lines() -> None:
    assert len(documented()) > 15


def test_a_command_cannot_be_changed_once_made() -> None:
    command = build(PlanResection, {"name": "P", "organ": "L"})

    with pytest.raises(ValueError, match="frozen"):
        command.plan = "Q"  # type: ignore[attr-defined]


def test_every_word_of_the_table_is_the_name_of_its_command() -> None:
    assert [kind.name for kind in COMMANDS.values()] == list(COMMANDS)


def test_a_command_is_imported_without_the_others() -> None:
    code = (
        "import sys\nfrom surgitwin.commands import COMMANDS\nCOMMANDS['series']\n"
        "print(sorted(name for name in sys.modules if name.startswith('surgitwin.commands.')))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "surgitwin.commands.images" in found.stdout
    assert not any(f"surgitwin.commands.{name}'" in found.stdout for name in ("planning", "fitting", "printing"))
