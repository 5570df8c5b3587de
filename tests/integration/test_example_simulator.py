"""The example of a simulator in a package of its own: installed like any other, it is there without further doing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from terminal import make_case, make_phantom

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "developer" / "example-simulator"
PAGE = ROOT / "docs" / "developer" / "simulators.md"
WAIT_S = 120
KNOWN = ("--set", "flr_before_percent=25+-1", "flr_after_percent=32+-1", "weeks=3", "samples=40000")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a process in which the example is installed; nothing is fetched."""
    folder = tmp_path_factory.mktemp("example")
    source, target = folder / "source", folder / "installed"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    words = [*pip, "--no-build-isolation", "--no-compile", "--target", str(target), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(target)}


def run(environment: Mapping[str, str], *words: object) -> tuple[int, str, str]:
    program = [sys.executable, "-m", "surgitwin", *map(str, words)]
    done = subprocess.run(program, env=dict(environment), capture_output=True, check=False, timeout=WAIT_S)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def document(environment: Mapping[str, str], *words: object) -> Any:
    status, out, err = run(environment, *words, "--json")
    assert status == 0, err
    return json.loads(out)


def test_on_numbers_alone_it_gives_the_rate_with_the_interval_that_the_textbook_gives(
    installed: Mapping[str, str],
) -> None:
    found = document(installed, "simulate", "-", "kinetic-growth", *KNOWN)

    rate = found["outputs"]["growth_percent_per_week"]
    # Two normal values with a standard deviation of 1 %, three weeks apart: 7 / 3 ± sqrt(2) / 3.
    assert rate["point"] == pytest.approx(7 / 3)
    assert rate["value"] == pytest.approx(7 / 3, abs=0.01)
    assert (rate["low"], rate["high"]) == pytest.approx((1.558, 3.109), abs=0.02)
    assert rate["unit"] == "%/week"
    # The normal distribution has 76.0 % above -1 / sqrt(2) standard deviations.
    (limit,) = found["thresholds"]
    assert limit["probability_percent"] == pytest.approx(76.0, abs=1.0)
    assert (limit["verdict"], limit["at_least"]) == ("uncertain", True)
    assert "recalled, not checked" in limit["text"]
    shares = {driver["input"]: driver["share_percent"] for driver in found["drivers"]}
    assert shares == pytest.approx({"flr_before_percent": 50, "flr_after_percent": 50}, abs=3)


def test_its_own_checks_are_among_those_that_the_program_makes(installed: Mapping[str, str]) -> None:
    found = document(installed, "validate", "kinetic-growth")

    (check,) = found["simulators"][0]["checks"]
    assert (check["verdict"], check["value"]) == ("met", pytest.approx(7 / 3))


def test_its_name_stands_among_those_that_can_be_asked_for(installed: Mapping[str, str]) -> None:
    status, out, err = run(installed, "simulate", "-", "heart-attack")

    assert (status, out) == (3, "")
    names = err.split("There are: ")[1].strip().rstrip(".").split(", ")
    assert names[0] == "portal-pressure" and "kinetic-growth" in names


def test_what_it_is_not_told_or_cannot_be_is_refused_in_one_sentence(installed: Mapping[str, str]) -> None:
    for settings, words in (
        (("flr_before_percent=25",), ("flr_after_percent", "weeks", "--set")),
        (("flr_before_percent=0.25", "flr_after_percent=32", "weeks=3"), ("flr_before_percent", "0.25", "1 to 150")),
        (("week=3",), ("week", "weeks")),
    ):
        status, out, err = run(installed, "simulate", "-", "kinetic-growth", "--set", *settings)
        assert status == 3 and out == "" and err.count("\n") == 1
        assert all(word in err for word in words), err


def test_from_a_plan_it_takes_the_remnant_and_its_result_stays_with_the_plan_until_that_changes(
    installed: Mapping[str, str], tmp_path: Path
) -> None:
    phantom = make_phantom(tmp_path / "in")
    case = make_case(phantom, tmp_path / "case.twin")
    cut = ("plan", case, "Right", "--organ", "Liver", "--plane", phantom.plane_between(20))
    document(installed, *cut)
    given = ("--set", "flr_before_percent=1", "weeks=3", "samples=0")
    status, _, err = run(installed, "simulate", case, "kinetic-growth", "--plan", "Right", *given)
    assert status == 3 and "height and weight" in err
    # A small person, for a liver of 100 ml.
    document(installed, "patient", case, "--height", 60, "--weight", 4, "--formula", "urata")
    numbers = document(installed, *cut)

    found = document(installed, "simulate", case, "kinetic-growth", "--plan", "Right", *given)

    share = numbers["remnant_to_standard_percent"]
    assert share > 5
    assert found["inputs"]["flr_after_percent"]["origin"] == "twin"
    assert found["outputs"]["growth_percent_per_week"]["value"] == pytest.approx((share - 1) / 3)
    assert not _stale(installed, case)
    document(installed, "patient", case, "--height", 61, "--weight", 4)
    assert _stale(installed, case)


def _stale(environment: Mapping[str, str], case: Path) -> bool:
    nodes = document(environment, "tree", case)["nodes"]
    (node,) = [node for node in nodes if node["type"] == "simulation"]
    return bool(node["stale"])


def test_the_page_shows_the_files_of_the_package_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL))

    files = {path.name: path.read_text(encoding="utf-8") for path in EXAMPLE.iterdir() if path.is_file()}
    assert set(shown) == {"pyproject.toml", "kinetic_growth.py"} == set(files)
    assert shown == files
