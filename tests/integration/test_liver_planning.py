"""Liver planning on the command line: trees, territories and cuts of every kind, with the keys that scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.core.progress import Context
from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom
from surgitwin.scene.nodes import PlanNode, SegmentNode
from surgitwin.session import Session
from terminal import copy_of, done, surgitwin

SETTINGS = PhantomSettings(size_ijk=(150, 130, 96), seed=3, portal_terminals=60, hepatic_terminals=50)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case of a small liver phantom with both trees and the portal territories."""
    folder = tmp_path_factory.mktemp("liver")
    write_liver_phantom(folder / "in", SETTINGS, Context())
    case = folder / "case.twin"
    done("new", case, folder / "in" / "dicom", "--pseudonym", "Case L")
    for name in ("labels", "vessels_tumors"):
        done(
            "add",
            case,
            folder / "in" / f"{name}.nii.gz",
            "--as",
            "labelmap",
            "--labels",
            folder / "in" / f"{name}.json",
        )
    for vessel in ("Portal vein", "Hepatic veins"):
        done("vessels", case, "--segment", vessel)
    done("territories", case, "--organ", "Liver", "--vessels", "Portal vein")
    return case


@pytest.fixture
def case(master: Path, tmp_path: Path) -> Path:
    return copy_of(master, tmp_path)


def territories(case: Path) -> dict[str, Any]:
    """The liver's territories by name."""
    document = done("territories", case, "--organ", "Liver", "--vessels", "Portal vein")
    return {part["name"]: part for part in document["territories"]}


def refused(*words: object) -> str:
    answer = surgitwin(*words)
    assert answer.status == 3, answer
    return answer.err


def test_a_tree_has_branches_with_parents_lengths_and_radii(case: Path) -> None:
    document = done("vessels", case, "--segment", "Portal vein")

    branches = {branch["id"]: branch for branch in document["branches"]}
    assert document["root"] in branches and branches[document["root"]]["parent"] is None
    assert len(branches) > 30
    for branch in branches.values():
        assert branch["parent"] is None or branch["parent"] in branches
        points = np.array(branch["points_mm"])
        assert len(points) == len(branch["radii_mm"])
        assert branch["length_mm"] == pytest.approx(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    assert {f"Couinaud {n}" for n in (2, 3, 4, 5, 6, 7, 8)} <= {branch["name"] for branch in branches.values()}
    assert any(branch["suggested"] for branch in branches.values())


def test_territories_fill_the_liver_and_say_how_far_the_methods_agree(case: Path) -> None:
    liver = next(s for s in done("stats", case)["segments"] if s["name"] == "Liver")

    for method in ("nearest", "geodesic", "weighted"):
        document = done("territories", case, "--organ", "Liver", "--vessels", "Portal vein", "--method", method)
        assert sum(part["volume_ml"] for part in document["territories"]) == pytest.approx(liver["volume_ml"])
        assert sum(part["percent"] for part in document["territories"]) == pytest.approx(100.0)
        assert 0.0 <= document["disagreement_percent"] < 10.0
    stats = {s["name"]: s for s in done("stats", case)["segments"]}
    parts = [part["name"] for part in document["territories"]]
    assert sum(stats[name]["voxels"] for name in parts) == liver["voxels"]


def test_hiding_the_territories_hides_their_segments_and_removing_them_leaves_the_segments(case: Path) -> None:
    made = done("territories", case, "--organ", "Liver", "--vessels", "Portal vein")
    node, parts = made["node"]["id"], [part["id"] for part in made["territories"]]

    def visible() -> set[bool]:
        with Session.open(case) as session:
            return {session.scene.expect(part, SegmentNode).visible for part in parts}

    assert visible() == {True}
    done("edit", case, node, "--no-visible")
    assert visible() == {False}
    done("remove", case, node)
    assert len(visible()) == 1


def test_names_that_a_person_confirmed_are_no_suggestions_any_more(case: Path) -> None:
    done("vessel", case, "Portal vein", "confirm")

    document = done("territories", case, "--organ", "Liver", "--vessels", "Portal vein")

    assert not any(part["suggested"] for part in document["territories"])


def hepatectomy(case: Path, word: str, *more: str) -> Any:
    words = ("--hepatectomy", word, "--segment-1", "keep", *more)
    return done("plan", case, f"{word} {' '.join(more)}", "--organ", "Liver", *words)


@pytest.mark.parametrize(
    ("word", "gone"),
    [
        ("right", "5678"),
        ("left", "234"),
        ("right-anterior", "58"),
        ("right-posterior", "67"),
        ("left-lateral", "23"),
        ("left-medial", "4"),
        ("right-tri", "45678"),
        ("left-tri", "23458"),
    ],
)
def test_each_standard_hepatectomy_takes_its_segments_and_starves_little_of_the_rest(
    case: Path, word: str, gone: str
) -> None:
    parts = {
        p["name"]: p for p in done("territories", case, "--organ", "Liver", "--vessels", "Portal vein")["territories"]
    }
    vein = () if word in ("right-posterior", "left-lateral") else ("--middle-hepatic-vein", "keep")

    document = hepatectomy(case, word, *vein)

    wanted = sum(parts[f"Couinaud {n}"]["volume_ml"] for n in gone)
    # Less the lumen of the trunks that lead to what stays.
    assert 0.94 * wanted < document["removed_ml"] <= wanted + 1e-6
    voxels = document["voxels"]
    assert voxels["removed"] + voxels["remnant"] == voxels["organ"]
    assert document["devascularised_ml"] < 0.05 * document["remnant_ml"]
    assert document["congested_ml"] is not None and document["assessed"]["arterial"] is False
    assert document["arterial_lost_ml"] is None


def test_taking_the_middle_hepatic_vein_congests_more_than_sparing_it(case: Path) -> None:
    spared = hepatectomy(case, "right", "--middle-hepatic-vein", "keep")
    taken = hepatectomy(case, "right", "--middle-hepatic-vein", "remove")

    assert taken["congested_ml"] > spared["congested_ml"] + 30.0
    assert abs(taken["removed_ml"] - spared["removed_ml"]) < 0.05 * spared["removed_ml"]


def test_what_stays_and_goes_with_a_hepatectomy_must_be_said_each_time(case: Path) -> None:
    assert "--segment-1" in refused("plan", case, "P", "--organ", "Liver", "--hepatectomy", "right")
    words = ("plan", case, "P", "--organ", "Liver", "--hepatectomy", "H5678", "--segment-1", "keep")
    assert "--middle-hepatic-vein" in refused(*words)
    assert "no standard hepatectomy" in refused("plan", case, "P", "--organ", "Liver", "--hepatectomy", "central")
    assert "go with --hepatectomy" in refused("plan", case, "P", "--organ", "Liver", "--segment-1", "keep")
    assert [node["type"] for node in done("tree", case)["nodes"]].count("plan") == 0


def test_a_wedge_keeps_its_margin_and_two_cuts_unite(case: Path) -> None:
    wedge = done("plan", case, "W", "--organ", "Liver", "--margin", "Tumor 1:8")
    both = done("plan", case, "B", "--organ", "Liver", "--margin", "Tumor 1:8", "--territories", "2,3")
    lateral = done("plan", case, "L", "--organ", "Liver", "--territories", "Couinaud 2,Couinaud 3")

    lesion = next(one for one in wedge["lesions"] if one["name"] == "Tumor 1")
    assert lesion["left_behind"] is False
    assert lesion["margin_mm"] == pytest.approx(8.0, abs=2.0)  # half a voxel of 2.5 x 2.9 x 3.1 mm
    assert both["voxels"]["removed"] <= wedge["voxels"]["removed"] + lateral["voxels"]["removed"]
    assert both["voxels"]["removed"] >= max(wedge["voxels"]["removed"], lateral["voxels"]["removed"])


def test_a_surface_that_was_proposed_is_planned_from_its_file_and_gives_the_same_after_reload(
    case: Path, tmp_path: Path
) -> None:
    out = tmp_path / "cut.json"
    proposed = done("surface", case, "--organ", "Liver", "--along", "lesion", "--margin", "Tumor 1:6", "--out", out)
    document = done("plan", case, "Bowl", "--organ", "Liver", "--surface", out, "--wish", "6")

    assert proposed["margin_mm"] >= 5.9
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["type"] == "bezier" and np.array(written["control_points_mm"]).shape == (6, 6, 3)
    lesion = next(one for one in document["lesions"] if one["name"] == "Tumor 1")
    assert lesion["left_behind"] is False and lesion["margin_mm"] == pytest.approx(proposed["margin_mm"], abs=0.3)
    with Session.open(case) as session:
        plan = session.scene.resolve("Bowl", PlanNode)
        assert plan.numbers is not None and plan.wish_mm == 6.0
        again = session.run("plan", name="Again", organ="Liver", cut=document["cuts"], wish=6)
    for key in ("voxels", "lesions", "crossed_vessels", "devascularised_ml", "congested_ml", "flr_percent"):
        assert again[key] == document[key] == plan.numbers[key]


def test_the_border_of_territories_becomes_a_surface_that_cuts_nearly_the_same(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "border.json"
    done("surface", case, "--organ", "Liver", "--along", "territories", "--territories", "2,3,4", "--out", out)

    smooth = done("plan", case, "Smooth", "--organ", "Liver", "--surface", out)
    voxels = done("plan", case, "Voxels", "--organ", "Liver", "--territories", "2,3,4")

    assert smooth["removed_ml"] == pytest.approx(voxels["removed_ml"], rel=0.25)


def test_a_named_branch_takes_what_it_feeds(case: Path) -> None:
    document = done("plan", case, "P", "--organ", "Liver", "--territories", "Right posterior portal vein")

    parts = {
        p["name"]: p for p in done("territories", case, "--organ", "Liver", "--vessels", "Portal vein")["territories"]
    }
    wanted = parts["Couinaud 6"]["volume_ml"] + parts["Couinaud 7"]["volume_ml"]
    assert document["removed_ml"] == pytest.approx(wanted, rel=0.15)


def test_a_copy_of_a_plan_is_a_draft_with_the_same_numbers_and_goes_its_own_way(case: Path) -> None:
    first = hepatectomy(case, "left", "--middle-hepatic-vein", "keep")
    done("sign", case, first["name"], "--as", "reviewed", "--by", "Dr. Test")

    copy = done("duplicate", case, first["name"], "--as", "Second")
    done("plan", case, "Second", "--organ", "Liver", "--territories", "2")

    assert copy["status"] == "draft"
    rows = {row["label"]: row["values"] for row in done("compare", case, first["name"], "Second")["rows"]}
    assert rows["Removed"][0] == pytest.approx(first["removed_ml"]) and rows["Removed"][1] < rows["Removed"][0]
    assert "already" in refused("duplicate", case, first["name"], "--as", "Second")


def test_sensitivity_is_kept_with_the_plan_and_compared(case: Path) -> None:
    done("plan", case, "W", "--organ", "Liver", "--margin", "Tumor 1:8")

    found = done("sensitivity", case, "W")["sensitivity"]

    assert [entry["change"] for entry in found] == ["cut-more", "cut-less", "grown", "shrunk"]
    rows = {row["label"]: row["values"] for row in done("compare", case)["rows"]}
    assert rows["Cut 5 mm into the remnant: remnant"] == [found[0]["remnant_percent"]]
    assert "stale" in _after_an_edit(case)


def _after_an_edit(case: Path) -> str:
    done("segment", case, "margin", "--into", "Tumor 1", "--of", "Tumor 1", "--set", "mm=3")
    return refused("sensitivity", case, "W")


def test_a_tree_whose_segment_changed_is_said_to_be_stale(case: Path) -> None:
    done("segment", case, "margin", "--into", "Portal vein", "--of", "Portal vein", "--set", "mm=3")

    document = done("plan", case, "P", "--organ", "Liver", "--territories", "2")

    assert "stale-vessel-tree" in [warning["code"] for warning in document["warnings"]]


def test_a_tree_that_is_made_after_a_plan_makes_the_plan_stale(case: Path) -> None:
    done("plan", case, "P", "--organ", "Liver", "--territories", "2")
    assert done("compare", case)["plans"][0]["stale"] is False

    done("vessels", case, "--segment", "Inferior vena cava")

    assert done("compare", case)["plans"][0]["stale"] is True


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--margin", "Tumor 1"), "a lesion and millimetres"),
        (("--margin", "Tumor 1:-3"), "0 to 500"),
        (("--margin", "Tumor 9:3"), "Tumor 9"),
        (("--territories", "9"), "neither a territory nor a branch"),
        (("--territories", ","), "Name the territories"),
        (("--territories", "Liver"), "neither a territory nor a branch"),
        (("--surface", "gone.json"), "gone.json"),
        (("--cut", "{"), "JSON"),
        (("--cut", '{"kind": "magic"}'), "kind"),
        ((), "needs a cut"),
    ],
)
def test_cuts_that_cannot_be_are_refused_in_words_and_the_plan_stays_as_it_was(
    case: Path, words: tuple[str, ...], says: str
) -> None:
    before = done("plan", case, "P", "--organ", "Liver", "--territories", "2")

    assert says in refused("plan", case, "P", "--organ", "Liver", *words)

    rows = {row["label"]: row["values"] for row in done("compare", case, "P")["rows"]}
    assert rows["Removed"] == [before["removed_ml"]]


def test_a_surface_that_misses_the_organ_or_folds_is_refused(case: Path, tmp_path: Path) -> None:
    x, y = np.meshgrid(np.linspace(-40, 40, 6), np.linspace(-40, 40, 6), indexing="ij")
    far = np.stack([x, y, 0 * x + 900.0], axis=-1)
    loop = np.stack([x, y, 0 * x], axis=-1)
    loop[2, :, 0], loop[3, :, 0] = 250.0, -250.0
    loop[2:4, :, 2] += 40.0
    for name, points, says in (("far", far, "misses"), ("loop", loop, "folds over itself")):
        path = tmp_path / f"{name}.json"
        document = {"type": "bezier", "control_points_mm": points.tolist(), "remove_point_mm": [0, 0, 2000.0]}
        path.write_text(json.dumps(document), encoding="utf-8")
        assert says in refused("plan", case, "P", "--organ", "Liver", "--surface", path)


def test_a_vessel_segment_without_a_branch_is_refused(case: Path) -> None:
    assert "branch" in refused("vessels", case, "--segment", "Tumor 1")
    assert "no vessel tree" in refused("territories", case, "--organ", "Liver", "--vessels", "Tumor 1")


def test_the_report_holds_every_plan_its_losses_its_sensitivity_and_the_ticks(case: Path, tmp_path: Path) -> None:
    from pypdf import PdfReader

    for name, mm in (("Narrow", 4), ("Wide", 9)):
        wedges = ("--margin", f"Tumor 1:{mm}", "--margin", f"Tumor 2:{mm}")
        done("plan", case, name, "--organ", "Liver", *wedges)
    done("sensitivity", case, "Wide")

    done("report", case, tmp_path / "plan.pdf")

    text = " ".join(" ".join(page.extract_text() for page in PdfReader(tmp_path / "plan.pdf").pages).split())
    for words in ("Narrow", "Wide", "Loses portal inflow", "Loses its artery", "Cut 5 mm into the remnant", "a wedge"):
        assert words in text
    rows = {row["label"]: row for row in done("compare", case)["rows"]}
    assert rows["Remnant"]["better"] == [True, False] and rows["Smallest margin"]["better"] == [False, True]
    assert text.count("✓") >= sum(any(rows[label]["better"]) for label in ("Remnant", "Removed"))
    assert "not a medical device" in text
