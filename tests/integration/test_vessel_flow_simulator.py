"""``simulate CASE vessel-flow``: which tree, volumes of its ends, clamps and stents by name, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from surgitwin.core.progress import Context
from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom
from terminal import copy_of, done, surgitwin

SETTINGS = PhantomSettings(size_ijk=(150, 130, 96), seed=3, portal_terminals=60, hepatic_terminals=50)
EXACT = (
    "flow_ml_min=1000",
    "gradient_mmhg=5",
    "downstream_mmhg=5",
    "viscosity_mpa_s=3.5",
    "density_kg_m3=1060",
    "radius_error_percent=0",
    "samples=0",
)
LOOSE = "parts=first"  # so that a gap of the segmentation stops no test


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A liver phantom with both trees."""
    folder = tmp_path_factory.mktemp("flow")
    write_liver_phantom(folder / "in", SETTINGS, Context())
    case = folder / "case.twin"
    done("new", case, folder / "in" / "dicom", "--pseudonym", "Case F")
    for name in ("labels", "vessels_tumors"):
        labels = folder / "in" / f"{name}.json"
        done("add", case, folder / "in" / f"{name}.nii.gz", "--as", "labelmap", "--labels", labels)
    for vessel in ("Portal vein", "Hepatic veins"):
        done("vessels", case, "--segment", vessel)
    return case


@pytest.fixture
def case(master: Path, tmp_path: Path) -> Path:
    return copy_of(master, tmp_path)


def flow(case: object, *settings: str) -> Any:
    return done("simulate", case, "vessel-flow", "--set", *settings)


def codes(document: Any) -> set[str]:
    return {warning["code"] for warning in document["warnings"]}


def test_the_portal_tree_is_taken_with_the_livers_volume_shared_between_its_ends(case: Path) -> None:
    document = flow(case, *EXACT, LOOSE)

    details = document["details"]
    assert details["system"] == "portal" and details["organ"] == "Liver"
    liver = next(s for s in done("stats", case)["segments"] if s["name"] == "Liver")
    assert details["organ_ml"] == pytest.approx(liver["volume_ml"])
    assert sum(end["volume_ml"] for end in details["terminals"]) == pytest.approx(liver["volume_ml"], rel=1e-4)
    fed = [end for end in details["terminals"] if end["volume_ml"]]
    assert len(fed) > 20 and {end["shared_by"] for end in fed} == {"volume"}
    for end in fed:
        assert end["share_percent"] == pytest.approx(100 * end["volume_ml"] / liver["volume_ml"], rel=1e-4)
    assert math.fsum(end["flow_ml_min"] for end in details["terminals"]) == pytest.approx(1000, rel=1e-4)
    root = next(branch for branch in details["branches"] if branch["id"] == 0)
    assert root["flow_ml_min"] == pytest.approx(1000) and root["pressure_in_mmhg"] == pytest.approx(10)
    assert details["imbalance"] < 1e-10
    assert document["outputs"]["root_mmhg"]["value"] == pytest.approx(10)
    assert "pressure-not-predicted" in codes(document) and "shared-by-radius" not in codes(document)


def test_without_volumes_the_ends_share_by_murray_and_it_is_said(case: Path) -> None:
    document = flow(case, *EXACT, LOOSE, "share=radius")

    assert {end["shared_by"] for end in document["details"]["terminals"]} == {"murray"}
    assert document["details"]["organ_ml"] is None and "shared-by-radius" in codes(document)


def test_what_was_not_given_is_assumed_and_carries_an_interval(case: Path) -> None:
    document = flow(case, LOOSE, "samples=40")

    assert {name for name, known in document["inputs"].items() if known["origin"] == "prior"} == set(document["inputs"])
    assert document["inputs"]["flow_ml_min"]["checked"] == "M"
    for name in ("flow_ml_min", "tree_loss_mmhg", "wall_shear_highest_pa", "reynolds_highest"):
        output = document["outputs"][name]
        assert output["low"] < output["value"] < output["high"], name
    branch = next(one for one in document["details"]["branches"] if one["id"] == 0)
    assert branch["wall_shear_mean_pa_low"] < branch["wall_shear_mean_pa"] < branch["wall_shear_mean_pa_high"]
    driving = {(driver["output"], driver["input"]) for driver in document["drivers"]}
    assert ("wall_shear_highest_pa", "radius_error_percent") in driving


def test_a_branch_is_clamped_by_its_name_and_the_change_is_listed(case: Path) -> None:
    plain = flow(case, *EXACT, LOOSE)
    clamped = flow(case, *EXACT, LOOSE, "clamp=Couinaud 2, Couinaud 3")

    edits = clamped["details"]["edits"]
    assert list(dict.fromkeys(edit["name"] for edit in edits)) == ["Couinaud 2", "Couinaud 3"]
    assert {edit["edit"] for edit in edits} == {"clamp"}
    before = {branch["id"]: branch["flow_ml_min"] for branch in plain["details"]["branches"]}
    after = {branch["id"]: branch["flow_ml_min"] for branch in clamped["details"]["branches"]}
    assert all(after[edit["branch"]] == 0.0 and before[edit["branch"]] > 0.0 for edit in edits)
    assert after[0] == pytest.approx(1000) and clamped["outputs"]["root_mmhg"]["value"] > 10.05
    changes = {change["branch"]: change["flow_change_ml_min"] for change in clamped["details"]["changes"]}
    for branch, change in changes.items():
        assert change == pytest.approx(after[branch] - before[branch], abs=5e-3)
    assert "flow-held" in codes(clamped) and plain["details"]["before"] is None
    kept = [node for node in done("tree", case)["nodes"] if node["type"] == "simulation"]
    assert len(kept) == 1 and not kept[0]["stale"]


def test_every_point_of_the_centre_lines_has_a_value_to_colour_it_by(case: Path) -> None:
    tree = done("vessels", case, "--segment", "Portal vein")
    count = len({tuple(point) for branch in tree["branches"] for point in branch["points_mm"]})
    points = flow(case, *EXACT, LOOSE)["details"]["points"]

    assert set(points) == {"flow", "pressure", "wall-shear"}
    for shown in points.values():
        values = [value for value in shown["values"] if value is not None]
        assert len(shown["values"]) == count
        assert shown["low"] == pytest.approx(min(values), rel=1e-5)
        assert shown["high"] == pytest.approx(max(values), rel=1e-5)


def test_hepatic_veins_run_to_their_roots_which_share_the_caval_pressure(case: Path) -> None:
    document = flow(case, *EXACT, "vessels=Hepatic veins")

    details = document["details"]
    tree = done("vessels", case, "--segment", "Hepatic veins")
    roots = {branch["id"] for branch in tree["branches"] if branch["parent"] is None}
    tops = [one for one in details["branches"] if one["id"] in roots]
    assert details["system"] == "hepatic" and len(tops) >= 2
    assert all(one["pressure_out_mmhg"] == pytest.approx(5.0) for one in tops)
    assert math.fsum(one["flow_ml_min"] for one in tops) == pytest.approx(1000, rel=1e-4)
    assert all(one["pressure_in_mmhg"] >= one["pressure_out_mmhg"] for one in details["branches"])
    assert "parts-at-root" in codes(document)


def test_a_result_turns_stale_with_its_tree_or_its_organ(case: Path) -> None:
    def stale() -> bool:
        return next(node["stale"] for node in done("tree", case)["nodes"] if node["type"] == "simulation")

    flow(case, *EXACT, LOOSE)
    assert not stale()
    done("segment", case, "smooth", "--into", "Liver", "--set", "mm=4")
    assert stale()


def test_the_document_holds_no_number_that_is_not_json(case: Path) -> None:
    answer = surgitwin("simulate", case, "vessel-flow", "--json", "--set", LOOSE, "samples=5", "clamp=Couinaud 8")

    assert answer.status == 0, answer.err
    json.loads(answer.out, parse_constant=lambda word: pytest.fail(word))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("clamp=Splenic vein",), ("no branch “Splenic vein”", "Couinaud 8")),
        (("stent=Couinaud 8",), ("branches called “Couinaud 8” begin apart", "Give the number")),
        (("stent=Couinaud 8:wide",), ("“Couinaud 8:wide”", "NAME:3.5")),
        (("stent=0:99",), ("99 mm", "0.5 to 20 mm")),
        (("clamp=0",), ("Nothing is left", "1000 ml/min")),
        (("vessels=Aorta",), ("Aorta",)),
        (("organ=Nowhere",), ("Nowhere", "Liver")),
        (("flow_ml_min=-3",), ("flow_ml_min", "1 to 10000")),
        (("hold=neither",), ("hold", "flow")),
        (("gradient_mmhg=0.5", "flow_ml_min=9000"), ("9000 ml/min", "alone would lose")),
    ],
)
def test_what_cannot_be_computed_is_refused_in_one_sentence(
    case: Path, settings: tuple[str, ...], said: tuple[str, ...]
) -> None:
    given = {pair.partition("=")[0] for pair in settings}
    rest = tuple(pair for pair in (*EXACT, LOOSE) if pair.partition("=")[0] not in given)
    answer = surgitwin("simulate", case, "vessel-flow", "--json", "--set", *rest, *settings)

    assert answer.status == 3 and answer.out == "" and answer.err.count("\n") == 1
    assert all(word in answer.err for word in said), answer.err
    assert not [node for node in done("tree", case)["nodes"] if node["type"] == "simulation"]


def test_a_case_without_a_tree_and_no_case_at_all_are_refused(case: Path) -> None:
    nowhere = surgitwin("simulate", "-", "vessel-flow")
    assert nowhere.status == 3 and "name a case" in nowhere.err
    for name in ("Portal vein", "Hepatic veins"):
        tree = next(n for n in done("tree", case)["nodes"] if n["type"] == "vessel-tree" and name in n["name"])
        done("remove", case, tree["id"])
    bare = surgitwin("simulate", case, "vessel-flow")
    assert bare.status == 3 and "no vessel tree" in bare.err
