"""The aneurysm simulator through the command line, on an oblique, flipped grid of odd spacing."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aneurysms import GRIDS, sac_on, write_case
from surgitwin.batch import samples
from surgitwin.batch.recipe import SampleWish
from surgitwin.commands.simulating import solved
from surgitwin.core.progress import Context
from surgitwin.session import Session
from surgitwin.simulators.registry import simulator_named
from terminal import copy_of, done, fingerprint, surgitwin

PHANTOM = sac_on(GRIDS["oblique, flipped"], vessel_radius_mm=2.0)
PHASES = ("population=japan", "hypertension=yes", "age_years=71", "earlier_sah=no", "site=mca")
TEACHING = Path(__file__).parents[2] / "docs" / "developer" / "invented-logistic-model.json"
NAMED = ("sac=Sac", "parent=Carotid")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("aneurysm"), PHANTOM)


@pytest.fixture
def case(master: Path, tmp_path: Path) -> Path:
    return copy_of(master, tmp_path)


def measured(case: Path, *settings: str, samples: int = 0) -> Any:
    return done("simulate", case, "aneurysm", "--set", *NAMED, f"samples={samples}", *settings)


def codes(document: Any) -> list[str]:
    return [warning["code"] for warning in document["warnings"]]


def test_a_sac_on_a_vessel_is_measured_with_intervals_that_hold_the_truth(case: Path) -> None:
    document = measured(case, samples=40)
    outputs, neck = document["outputs"], document["details"]["neck"]
    offset = (np.array(neck["point_mm"]) - PHANTOM.base_mm) @ PHANTOM.up  # the saddle's plane lies below the ridge
    centre = PHANTOM.centre_up_mm - offset
    height, diameter = PHANTOM.radius_mm + centre, 2 * math.sqrt(PHANTOM.radius_mm**2 - centre**2)

    truth = {
        "h_mm": height,
        "d_neck_mm": diameter,
        "aspect_ratio": height / diameter,
        "d_max_mm": 8.0,
        "w_max_mm": 8.0,
        "parent_diameter_mm": 4.0,
        "size_ratio": height / 4.0,
    }
    for name, value in truth.items():
        assert outputs[name]["point"] == pytest.approx(value, rel=0.05)
        assert outputs[name]["low"] <= outputs[name]["value"] <= outputs[name]["high"]
    for name in ("h_mm", "d_neck_mm", "aspect_ratio", "size_ratio", "parent_diameter_mm"):
        assert outputs[name]["low"] < truth[name] < outputs[name]["high"]
    assert neck["openings"] == 1 and neck["found"] and len(neck["outlines_mm"][0]) > 20
    assert document["details"]["plane_range"]["planes_measured"] == 15
    assert {driver["input"] for driver in document["drivers"]} >= {"neck_shift_voxels", "parent_diameter_mm"}
    assert "phases_points" not in outputs and document["details"]["phases"] is None


def test_the_tree_and_a_given_diameter_agree_on_the_size_ratio(case: Path) -> None:
    by_tree = measured(case)["outputs"]["size_ratio"]["point"]
    given = measured(case, "parent_diameter_mm=4.0+-0.2")

    assert given["inputs"]["parent_diameter_mm"]["origin"] == "given"
    assert by_tree == pytest.approx(given["outputs"]["size_ratio"]["point"], rel=0.06)


def test_without_tree_and_diameter_the_size_ratio_is_not_assessed(case: Path) -> None:
    done("remove", case, "Carotid tree")
    document = measured(case, samples=5)

    assert document["outputs"]["size_ratio"]["value"] is None
    assert "parent_diameter_mm" not in document["outputs"]
    assert "size-ratio-not-assessed" in codes(document)
    verdicts = {(one["output"], one["limit"]): one["verdict"] for one in document["thresholds"]}
    assert verdicts["size_ratio", 3.0] == "not assessed" and verdicts["aspect_ratio", 1.6] == "below"


def test_a_plane_by_hand_replaces_the_one_that_was_found(case: Path) -> None:
    found = measured(case)
    point, normal = (np.array(found["details"]["neck"][key]) for key in ("point_mm", "normal"))
    higher, step = point + 1.2 * normal, ",".join
    at = step(f"{value:.6f}" for value in higher)
    document = measured(case, f"neck_point_mm={at}")

    assert document["outputs"]["h_mm"]["point"] == pytest.approx(found["outputs"]["h_mm"]["point"] - 1.2, abs=1e-4)
    assert not document["details"]["neck"]["found"]
    reverse = step(f"{-value:.9f}" for value in normal)
    turned = measured(case, f"neck_point_mm={at}", f"neck_normal={reverse}")
    assert turned["outputs"]["h_mm"]["point"] == pytest.approx(document["outputs"]["h_mm"]["point"], abs=1e-4)


def test_a_shift_that_is_given_moves_the_plane_by_voxels(case: Path) -> None:
    found, moved = measured(case), measured(case, "neck_shift_voxels=2")
    step = found["details"]["neck"]["voxel_along_normal_mm"]

    fall = found["outputs"]["h_mm"]["point"] - moved["outputs"]["h_mm"]["point"]
    assert fall == pytest.approx(2 * step, rel=1e-4)


def test_phases_takes_its_size_from_the_segment_and_shows_every_item(case: Path) -> None:
    document = measured(case, *PHASES, samples=20)
    score, outputs = document["details"]["phases"], document["outputs"]

    assert [(item["name"], item["points"], item["origin"]) for item in score["items"]] == [
        ("population", 3, "given"),
        ("hypertension", 1, "given"),
        ("age_years", 1, "given"),
        ("size_mm", 3, "twin"),
        ("earlier_sah", 0, "given"),
        ("site", 2, "given"),
    ]
    assert (score["total"], score["risk_5_years_percent"]) == (10, 5.3)
    assert outputs["phases_points"]["point"] == 10 and outputs["phases_risk_percent"]["point"] == 5.3
    assert score["note"] == "recalled, not checked against the paper"


def test_a_size_at_a_border_gives_phases_an_interval(tmp_path: Path) -> None:
    phantom = sac_on(GRIDS["straight"], vessel_radius_mm=2.0, radius_mm=3.5, centre_up_mm=-1.0)
    case = write_case(tmp_path, phantom)
    shift = "neck_shift_voxels=-1..3"  # up to where what is left of the sac is narrower than 7 mm
    points = measured(case, *PHASES, shift, samples=40)["outputs"]["phases_points"]

    assert (points["low"], points["high"]) == (7.0, 10.0)


def test_phases_with_something_unknown_has_no_total(case: Path) -> None:
    document = measured(case, "hypertension=yes")

    assert document["details"]["phases"]["missing"] == ["population", "age_years", "earlier_sah", "site"]
    assert document["outputs"]["phases_points"]["value"] is None


def test_a_ruptured_sac_is_measured_without_phases(case: Path) -> None:
    document = measured(case, "ruptured=yes")

    assert document["details"]["phases"] is None and document["outputs"]["h_mm"]["point"] > 6


def test_a_model_from_a_file_gives_its_probability_its_sources_and_a_warning(case: Path) -> None:
    document = measured(case, f"model={TEACHING}", "site=mca", samples=20)
    outputs, details = document["outputs"], document["details"]
    ratio, size = outputs["size_ratio"]["point"], outputs["d_max_mm"]["point"]
    score = -1.0 + 0.5 * ratio + 0.25 * math.log(size) + 0.125

    percent = outputs["model_percent"]
    assert percent["point"] == pytest.approx(100 / (1 + math.exp(-score)))
    assert percent["low"] < percent["point"] < percent["high"]
    assert codes(document).count("invented-model") == 1 and "model-as-given" in codes(document)
    assert len(details["model_sha256"]) == 64 and details["model_file"] == TEACHING.name
    assert {one["source"] for one in details["model"]["coefficients"]} == {"invented"}


def test_the_result_is_kept_replaces_the_one_before_and_turns_stale_with_the_sac(case: Path) -> None:
    with Session.open(case) as session:
        settings = {"sac": "Sac", "parent": "Carotid", "samples": 0}
        first = session.run("simulate", simulator="aneurysm", settings=settings)
        again = session.run("simulate", simulator="aneurysm", settings=settings)
        assert first["node"]["id"] == again["node"]["id"]
        assert first["outputs"] == again["outputs"]
        on_the_dome = PHANTOM.base_mm + 6.2 * PHANTOM.up
        session.run("paint", segment="Sac", points=[on_the_dome.tolist()], radius_mm=1.0)

    nodes = done("tree", case)["nodes"]
    assert [node["stale"] for node in nodes if node["type"] == "simulation"] == [True]


def test_what_a_process_apart_works_on_can_travel_there(case: Path) -> None:
    settings = {"sac": "Sac", "parent": "Carotid", "samples": 0, "model": str(TEACHING), "site": "mca"}
    with Session.open(case, read_only=True) as session:
        simulator = simulator_named("aneurysm")
        params = simulator.parse(settings)
        inputs = replace(simulator.gather(session.scene, None, params), nodes=())
        travelled = pickle.loads(pickle.dumps(inputs))
        here, there = (solved("aneurysm", one, params, ctx=Context()) for one in (inputs, travelled))

    assert [one.as_json() for one in there.outputs] == [one.as_json() for one in here.outputs]


def test_a_batch_draws_the_samples_in_parts_and_sends_no_image_along(case: Path) -> None:
    settings = {"sac": "Sac", "parent": "Carotid", "neck_shift_voxels": "-1..1"}
    wish = SampleWish("aneurysm", settings, samples=24, chunk=12)
    with Session.open(case, read_only=True) as session:
        drawable = samples.gather(wish, session.scene)
        params = simulator_named("aneurysm").parse(settings | {"samples": 0})
        inputs = simulator_named("aneurysm").gather(session.scene, None, params)
        point = solved("aneurysm", replace(inputs, nodes=()), params, ctx=Context())
    sent = pickle.dumps(samples.chunks_of(wish, drawable)[0])
    assert drawable.inputs.sac is None and drawable.inputs.parent is None  # type: ignore[attr-defined]
    parts = [
        samples.draw_chunk(chunk, Context()) for chunk in (pickle.loads(sent), samples.chunks_of(wish, drawable)[1])
    ]

    found = samples.joined(drawable, parts)  # type: ignore[arg-type]

    for output in point.outputs:
        assert found[output.name]["point"] == output.point
    assert found["h_mm"]["count"] == 24
    assert found["h_mm"]["low"] < found["h_mm"]["point"] < found["h_mm"]["high"]
    assert found["size_ratio"]["count"] == 24


def test_people_read_the_indices_and_what_was_assumed(case: Path) -> None:
    answer = surgitwin("simulate", case, "aneurysm", "--set", *NAMED, "samples=10")

    assert answer.status == 0, answer.err
    for words in ("Aspect ratio", "Size ratio", "SIMULATED", "UIATS", "not measured", "shift of the neck plane"):
        assert words.casefold() in answer.out.casefold()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("parent=Carotid",), "Name the segment with --set sac=SEGMENT"),
        (("sac=Sac",), "Name the segment with --set parent=SEGMENT"),
        (("sac=Sac", "parent=Sac"), "are the same segment"),
        (("sac=Sac", "parent=Nobody"), "There is no segment “Nobody”"),
        (("sac=Sac", "parent=Corner"), "“Sac” does not touch “Corner”"),
        ((*NAMED, "neck_point_mm=1,2"), "neck_point_mm"),
        ((*NAMED, "neck_normal=0,0,0"), "0,0,0"),
        ((*NAMED, "neck_point_mm=0,0,500"), "misses the sac"),
        ((*NAMED, "parent_diameter_mm=90"), "parent_diameter_mm"),
        ((*NAMED, "parent_diameter_mm=4", "tree=Carotid tree"), "Give one of them"),
        ((*NAMED, "tree=Nobody"), "There is no vessel-tree “Nobody”"),
        ((*NAMED, "ruptured=yes", "site=mca"), "have not ruptured"),
        ((*NAMED, "site=liver"), "site"),
        ((*NAMED, "age_years=3", "site=mca"), "age_years cannot be 3 years"),
        ((*NAMED, "model=/nowhere/model.json"), "cannot be read"),
        ((*NAMED, f"model={TEACHING}"), "needs “site”"),
        ((*NAMED, "model_values=osi=0.1 1"), "model_values are for a model"),
        ((*NAMED, f"model={TEACHING}", "model_values=osi"), "NAME=VALUE UNIT"),
        ((*NAMED, "surprise=1"), "no setting “surprise”"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(case: Path, settings: tuple[str, ...], says: str) -> None:
    before = fingerprint(case.parent)
    answer = surgitwin("simulate", case, "aneurysm", "--set", *settings, "--json")

    assert (answer.status, answer.out) == (3, ""), answer
    assert says in answer.err and answer.err.count("\n") == 1
    assert fingerprint(case.parent) == before


def test_an_aneurysm_needs_a_case() -> None:
    answer = surgitwin("simulate", "-", "aneurysm", "--set", *NAMED)

    assert answer.status == 3 and "segments of a case" in answer.err


def test_an_emptied_sac_is_refused(case: Path) -> None:
    done(
        "paint", case, "Sac", "--at", ",".join(str(value) for value in PHANTOM.base_mm), "--radius-mm", "30", "--erase"
    )
    answer = surgitwin("simulate", case, "aneurysm", "--set", *NAMED)

    assert answer.status == 3 and "“Sac” is empty" in answer.err
