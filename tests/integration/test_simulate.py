"""The simulate command: on numbers alone, on a plan, with occluded territories, and what turns it stale."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from surgitwin.cli.main import main
from surgitwin.core.progress import Context
from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom
from surgitwin.session import Session
from terminal import copy_of, done, surgitwin

SETTINGS = PhantomSettings(size_ijk=(150, 130, 96), seed=3, portal_terminals=60, hepatic_terminals=50)
GUIDE = Path(__file__).parents[2] / "docs" / "user" / "portal-pressure.md"
MEASURED = ("map_mmhg=85", "cvp_mmhg=5", "cardiac_output_l_min=5.5", "portal_flow_l_min=1.0", "pvp_mmhg=12")
REST = ("hepatic_artery_flow_l_min=0.35", "alpha=0.35", "beta=0.4", "kappa_per_mmhg=0.02", "habr_gain=0")
EXACT = (*MEASURED, *REST, "frank_starling_l_min_mmhg=0.35", "volume_change_ml=0", "samples=0")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A liver phantom with both trees, its portal territories and a right hepatectomy."""
    folder = tmp_path_factory.mktemp("liver")
    write_liver_phantom(folder / "in", SETTINGS, Context())
    case = folder / "case.twin"
    done("new", case, folder / "in" / "dicom", "--pseudonym", "Case S")
    for name in ("labels", "vessels_tumors"):
        labels = folder / "in" / f"{name}.json"
        done("add", case, folder / "in" / f"{name}.nii.gz", "--as", "labelmap", "--labels", labels)
    for vessel in ("Portal vein", "Hepatic veins"):
        done("vessels", case, "--segment", vessel)
    done("territories", case, "--organ", "Liver", "--vessels", "Portal vein")
    words = ("--hepatectomy", "right", "--segment-1", "keep", "--middle-hepatic-vein", "keep")
    done("plan", case, "Right", "--organ", "Liver", *words)
    return case


@pytest.fixture
def case(master: Path, tmp_path: Path) -> Path:
    return copy_of(master, tmp_path)


def simulated(case: object, *settings: str, plan: str | None = None) -> Any:
    named = () if plan is None else ("--plan", plan)
    return done("simulate", case, "portal-pressure", *named, "--set", *settings)


def test_without_a_case_the_numbers_alone_are_enough() -> None:
    document = simulated("-", *EXACT, "remnant_fraction=0.35")

    assert set(document) >= {"inputs", "outputs", "drivers", "thresholds", "warnings", "provenance"}
    pvp = document["outputs"]["pvp_mmhg"]
    assert pvp["unit"] == "mmHg" and pvp["low"] is None and 12 < pvp["value"] < 25
    assert document["outputs"]["portal_flow_ml_min_100g"]["value"] is None


def test_the_keys_of_scripts_are_there_with_value_low_high_and_unit() -> None:
    document = simulated("-", "remnant_fraction=0.35", "liver_volume_ml=1400+-50", "samples=200", "pvp_mmhg=8..12")

    for name in (
        "pvp_mmhg",
        "pcg_mmhg",
        "cvp_mmhg",
        "map_mmhg",
        "portal_flow_l_min",
        "hepatic_artery_flow_l_min",
        "cardiac_output_l_min",
        "portal_flow_ml_min_100g",
    ):
        output = document["outputs"][name]
        assert output["low"] < output["value"] < output["high"], name
    assert document["inputs"]["pvp_mmhg"]["low"] == pytest.approx(8.2)


def test_a_plan_gives_what_stays_perfused_and_the_result_is_kept_with_it(case: Path) -> None:
    plan = next(p for p in done("compare", case)["plans"] if p["name"] == "Right")
    document = simulated(case, *EXACT, plan="Right")

    numbers = done("plan", case, "Again", "--organ", "Liver", "--cut", _cut(case))
    drained = numbers["remnant_perfused_drained_ml"] / numbers["organ_tumour_free_ml"]
    assert document["details"]["remnant"]["perfused_percent"] == pytest.approx(100 * drained)
    counted = document["details"]["remnant"]["congested_counted_percent"]
    perfused = 100 * numbers["remnant_perfused_ml"] / numbers["organ_tumour_free_ml"]
    if counted is not None:
        assert counted == pytest.approx(perfused)
        worse = document["outputs"]["pvp_mmhg"]["value"]
        assert document["details"]["congested_counted"]["pvp_mmhg"]["value"] < worse
    else:
        assert drained * 100 == pytest.approx(perfused)
    assert document["inputs"]["remnant_fraction"]["origin"] == "twin"
    assert document["inputs"]["liver_volume_ml"]["value"] == pytest.approx(numbers["organ_tumour_free_ml"])
    kept = [node for node in done("tree", case)["nodes"] if node["type"] == "simulation"]
    assert [node["parent"] for node in kept] == [plan["id"]] and not kept[0]["stale"]


def _cut(case: Path) -> str:
    with Session.open(case, read_only=True) as session:
        from surgitwin.scene.nodes import PlanNode

        return session.scene.resolve("Right", PlanNode).cuts[0].model_dump_json()


def test_the_parts_of_the_territories_that_stay_sum_to_what_stays(case: Path) -> None:
    words = ("--hepatectomy", "left", "--segment-1", "keep", "--middle-hepatic-vein", "keep")
    numbers = done("plan", case, "Left", "--organ", "Liver", *words)

    parts = numbers["territories"]
    assert sum(part["tumour_free_ml"] for part in parts) == pytest.approx(numbers["organ_tumour_free_ml"])
    assert sum(part["kept_ml"] for part in parts) == pytest.approx(numbers["remnant_tumour_free_ml"])
    assert sum(part["kept_perfused_ml"] for part in parts) == pytest.approx(numbers["remnant_perfused_ml"])
    assert sum(part["kept_drained_ml"] for part in parts) == pytest.approx(numbers["remnant_perfused_drained_ml"])


def test_taking_what_was_embolised_before_hardly_changes_the_pressure(case: Path) -> None:
    plain = simulated(case, *EXACT, plan="Right")["outputs"]["pvp_mmhg"]["value"]
    for number in (5, 6, 7, 8):
        done("edit", case, f"Couinaud {number}", "--portal-occluded")
    embolised = simulated(case, *EXACT, plan="Right")

    assert plain > 15
    # Strips along the border go with the other side, so that a little open liver is taken, too.
    assert embolised["outputs"]["pvp_mmhg"]["value"] == pytest.approx(12, abs=1.0)
    assert embolised["details"]["portal_occluded"] == [f"Couinaud {number}" for number in (5, 6, 7, 8)]
    by_name = simulated(case, *EXACT, "portal_occluded=", plan="Right")
    assert by_name["outputs"] == embolised["outputs"]
    for number in (5, 6, 7, 8):
        done("edit", case, f"Couinaud {number}", "--no-portal-occluded")
    named = ",".join(f"Couinaud {number}" for number in (5, 6, 7, 8))
    assert simulated(case, *EXACT, f"portal_occluded={named}", plan="Right")["outputs"] == embolised["outputs"]


def test_a_result_turns_stale_with_the_plan_or_the_marks_that_it_was_computed_from(case: Path) -> None:
    def stale() -> bool:
        return next(node["stale"] for node in done("tree", case)["nodes"] if node["type"] == "simulation")

    simulated(case, *EXACT, plan="Right")
    assert not stale()
    done("edit", case, "Couinaud 8", "--portal-occluded")
    assert stale()
    simulated(case, *EXACT, plan="Right")
    assert not stale()
    words = ("--hepatectomy", "right", "--segment-1", "remove", "--middle-hepatic-vein", "keep")
    done("plan", case, "Right", "--organ", "Liver", *words)
    assert stale()


def test_a_second_run_replaces_the_first_as_one_step_that_can_be_undone(case: Path) -> None:
    with Session.open(case) as session:
        settings = dict(pair.split("=") for pair in EXACT)
        first = session.run("simulate", simulator="portal-pressure", plan="Right", settings=settings)
        second = session.run(
            "simulate", simulator="portal-pressure", plan="Right", settings={**settings, "pvp_mmhg": 9}
        )
        assert first["node"]["id"] == second["node"]["id"]
        assert first["outputs"] != second["outputs"]
        assert "Portal pressure" in (session.undo() or "")
        from surgitwin.scene.nodes import SimulationNode

        kept = session.scene.of_type(SimulationNode)
        assert len(kept) == 1 and kept[0].document is not None
        assert kept[0].document["outputs"] == first["outputs"]


def test_a_whole_case_holds_no_number_that_is_not_json(case: Path) -> None:
    answer = surgitwin("simulate", case, "portal-pressure", "--plan", "Right", "--json", "--set", "samples=100")

    assert answer.status == 0, answer.err
    json.loads(answer.out, parse_constant=lambda word: pytest.fail(word))


def test_people_read_a_table_with_the_interval_the_limits_and_what_was_assumed(case: Path) -> None:
    answer = surgitwin("simulate", case, "portal-pressure", "--plan", "Right", "--set", "samples=100")

    for text in ("SIMULATED", "Portal venous pressure", "90 % interval", "Allard 2013", "Driven by", "assumed"):
        assert text in answer.out, answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("heart-attack",), ("heart-attack", "portal-pressure")),
        (("portal-pressure",), ("--plan", "remnant_fraction")),
        (("portal-pressure", "--plan", "Wrong"), ("Wrong", "Right")),
        (("portal-pressure", "--plan", "Right", "--set", "portal_occluded=Nowhere"), ("Nowhere", "Couinaud 8")),
        (("portal-pressure", "--plan", "Right", "--set", "map_mmhg=4"), ("map_mmhg", "30 to 160")),
        (("portal-pressure", "--plan", "Right", "--set", "pvp_mmhg=4", "cvp_mmhg=5"), ("PVP (4", "CVP (5")),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_sentence(
    case: Path, words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    answer = surgitwin("simulate", case, *words, "--json")

    assert answer.status == 3 and answer.out == "" and answer.err.count("\n") == 1
    assert all(word in answer.err for word in said), answer.err


def test_a_stale_plan_a_plan_of_no_liver_and_one_that_keeps_nothing_are_refused(case: Path) -> None:
    done("plan", case, "Nothing", "--organ", "Liver", "--plane", "0,0,-9000,0,0,1")
    nothing = surgitwin("simulate", case, "portal-pressure", "--plan", "Nothing")
    assert nothing.status == 3 and "keeps 0.0 %" in nothing.err
    other = next(s["name"] for s in done("stats", case)["segments"] if s["name"] not in ("Liver",))
    box = next(s for s in done("stats", case)["segments"] if s["name"] == other)
    x, y, z = box["centroid_mm"]
    done("plan", case, "Other", "--organ", other, "--plane", f"{x},{y},{z},1,0,0")
    wrong = surgitwin("simulate", case, "portal-pressure", "--plan", "Other")
    assert wrong.status == 3 and "no resection of a liver" in wrong.err
    done("segment", case, "smooth", "--into", "Liver", "--set", "mm=4")
    stale = surgitwin("simulate", case, "portal-pressure", "--plan", "Right")
    assert stale.status == 3 and "stale" in stale.err


def test_only_a_territory_can_be_marked_as_occluded(case: Path) -> None:
    answer = surgitwin("edit", case, "Liver", "--portal-occluded")

    assert answer.status == 3 and "no territory" in answer.err


def test_the_report_prints_every_result_with_its_interval_limits_and_assumptions(case: Path, tmp_path: Path) -> None:
    from pypdf import PdfReader

    words = ("--hepatectomy", "left", "--segment-1", "keep", "--middle-hepatic-vein", "keep")
    done("plan", case, "Left", "--organ", "Liver", *words)
    found = {plan: simulated(case, "pvp_mmhg=9±1", "samples=300", plan=plan) for plan in ("Right", "Left")}
    compared = {row["label"]: row for row in done("compare", case, "Right", "Left")["rows"]}
    row = compared["Portal pressure after, simulated"]
    assert row["values"] == [found[plan]["outputs"]["pvp_mmhg"]["value"] for plan in ("Right", "Left")]
    assert compared["Portal pressure after, 90 % to"]["values"][0] == found["Right"]["outputs"]["pvp_mmhg"]["high"]
    done("report", case, tmp_path / "r.pdf")
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages).split())

    for plan, document in found.items():
        assert f"Portal pressure after hepatectomy: {plan}" in text
        pvp = document["outputs"]["pvp_mmhg"]
        value, low, high = (f"{pvp[k]:.1f}" if pvp[k] >= 10 else f"{pvp[k]:.2f}" for k in ("value", "low", "high"))
        assert f"{value} {low} to {high}" in text
    for part in ("SIMULATED", "Rigid portal tree", "Allard 2013", "assumed", "recalled, not checked", "PVP, mmHg"):
        assert part in text, part
    assert "This result is stale" not in text
    done("edit", case, "Couinaud 8", "--portal-occluded")
    done("report", case, tmp_path / "stale.pdf")
    again = " ".join(page.extract_text() for page in PdfReader(tmp_path / "stale.pdf").pages)
    assert "STALE" in again and "This result is stale" in " ".join(again.split())


def test_the_guides_commands_can_be_typed_as_they_are_printed(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(case, tmp_path / "patient.twin")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]

    assert len(lines) == 6
    assert [(words[0], main(words)) for words in lines] == [(words[0], 0) for words in lines]
