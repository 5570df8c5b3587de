"""The validate command: what the simulators are held against, the page that says so, and what a number off does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surgitwin.commands.validating import BEGIN, END, markdown
from surgitwin.simulators.portal_pressure import circulation
from surgitwin.simulators.portal_pressure.circulation import Baseline, Resistances, calibrate
from surgitwin.simulators.registry import simulator_names
from terminal import done, surgitwin

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation" / "simulators.md"


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The portal tree's resistance is 1 % too high."""

    def wrong(base: Baseline, open_share: float = 1.0) -> Resistances:
        right = calibrate(base, open_share)
        return replace(right, portal=1.01 * right.portal)

    monkeypatch.setattr(circulation, "calibrate", wrong)


def test_the_page_is_what_the_program_finds_now() -> None:
    document = done("validate")

    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    assert table.strip() == markdown(document).strip(), "surgitwin validate --page docs/validation/simulators.md"
    assert [one["name"] for one in document["simulators"]] == simulator_names()


def test_every_check_says_value_reference_allowed_deviation_verdict_and_source() -> None:
    document = done("validate", "portal-pressure")

    assert document["ok"] and document["not_met"] == 0 and document["met"] > 90
    (simulator,) = document["simulators"]
    for check in simulator["checks"]:
        assert check["quantity"] and check["source"] and check["verdict"] in ("met", "known miss", "not assessed")
        assert check["checked"] in ("R", "M", "D")
        assert check["allowed"] and (check["value"] is not None or check["remark"])
    kinds = {check["kind"] for check in simulator["checks"]}
    assert kinds == {"analytic", "consistency", "regression", "published"}
    recalled = [check["source"] for check in simulator["checks"] if check["checked"] == "M"]
    assert all("Audebert" in source or "Golse" in source for source in recalled) and recalled
    # Known to be missed, and said: the pigs of Golriz and of Hammond, and donors with a soft tree.
    missed = [check["source"].split(" ")[0] for check in simulator["checks"] if check["verdict"] == "known miss"]
    assert {name: missed.count(name) for name in missed} == {"Khalil": 3, "Hammond": 2, "Golriz": 2}


def test_people_read_the_table_and_what_is_missed_with_its_source() -> None:
    answer = surgitwin("validate", "portal-pressure")

    assert answer.status == 0
    for words in ("Answers on paper", "Publications", "15.34 mmHg", "not met (known): portal flow of pigs", "Golriz"):
        assert words in " ".join(answer.out.split()), words


@pytest.mark.usefixtures("off")
def test_a_number_that_is_off_fails_the_command_and_is_named() -> None:
    answer = surgitwin("validate", "portal-pressure", "--json")

    assert answer.status == 3
    assert not answer.document["ok"] and answer.document["not_met"] > 3
    failed = [c["quantity"] for c in answer.document["simulators"][0]["checks"] if c["verdict"] == "not met"]
    assert answer.err.count("\n") == 1
    assert f"portal-pressure: {failed[0]}" in answer.err and f"({len(failed)})" in answer.err


def test_the_table_of_a_page_is_written_between_its_markers_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nEnd µ\n", encoding="utf-8")

    document = done("validate", "portal-pressure", "--page", page)

    text = page.read_text(encoding="utf-8")
    assert text == f"# Title\n\n{BEGIN}\n{markdown(document)}{END}\n\nEnd µ\n"
    done("validate", "portal-pressure", "--page", page)
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("heart-attack",), ("heart-attack", "portal-pressure")),
        (("--page", "{folder}/none.md"), ("none.md", "cannot be read")),
        (("--page", "{folder}/plain.md"), ("plain.md", BEGIN, END)),
    ],
)
def test_a_simulator_that_is_none_and_a_page_without_markers_are_refused(
    words: tuple[str, ...], said: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "plain.md").write_text("nothing here\n", encoding="utf-8")
    answer = surgitwin("validate", *(word.format(folder=tmp_path) for word in words))

    assert answer.status == 3 and answer.out == "" and answer.err.count("\n") == 1
    assert all(word in answer.err for word in said), answer.err
    assert (tmp_path / "plain.md").read_text(encoding="utf-8") == "nothing here\n"
