"""Suggested names: of drawn trees with the usual anatomy and its variants, and of the phantom's."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import surgitwin
from surgitwin.core.progress import Context
from surgitwin.resection.hepatectomies import couinaud_of
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.trees import LiverContent, grow_liver_content
from surgitwin.vessels.edit import rename
from surgitwin.vessels.naming import suggest_names
from surgitwin.vessels.tree import Branch, Break, VesselTree

Point = tuple[float, float, float]
Plan = dict[str, tuple[str, Point, float]]  # name: the branch it leaves, its end, the length of the twigs on it

HILUM: Plan = {"main": ("", (-33, -6, 11), 0), "right": ("main", (-58, -8, 24), 0), "left": ("main", (-6, -14, 27), 0)}
RIGHT: Plan = {
    "anterior": ("right", (-70, -20, 27), 0),
    "posterior": ("right", (-74, 6, 22), 0),
    "5": ("anterior", (-86, -44, -6), 25),
    "8": ("anterior", (-76, -32, 62), 30),
    "6": ("posterior", (-96, 16, -14), 25),
    "7": ("posterior", (-77, 32, 46), 25),
}
LEFT: Plan = {
    "1": ("left", (-10, 12, 30), 6),
    "transverse": ("left", (4, -20, 31), 0),
    "2": ("transverse", (34, -22, 54), 15),
    "umbilical": ("transverse", (9, -38, 37), 0),
    "3": ("umbilical", (40, -54, 48), 15),
    "4": ("umbilical", (-16, -52, 44), 18),
}
SEGMENTS = {str(n): f"Couinaud {n}" for n in range(1, 9)}
USUAL = {
    "main": "Main portal vein",
    "right": "Right portal vein",
    "left": "Left portal vein",
    "anterior": "Right anterior portal vein",
    "posterior": "Right posterior portal vein",
    "transverse": "Left portal vein",
    "umbilical": "Left portal vein",
    **SEGMENTS,
}


def drawn(plan: Plan, start: Point = (10, 10, -50)) -> tuple[VesselTree, dict[str, int]]:
    """A tree of straight branches with points a millimetre apart, and the id of each."""
    twigs: Plan = {}
    for name, (above, end, length) in plan.items():
        if length:
            place = np.array(end, dtype=np.float64)
            way = place - np.array(plan[above][1])
            way /= np.linalg.norm(way)
            aside = np.cross(way, (0.3, 0.2, 1.0))
            for n, side in enumerate((aside, -aside)):
                x, y, z = (float(v) for v in place + length * (0.8 * way + 0.6 * side / np.linalg.norm(side)))
                twigs[f"{name} {n}"] = (name, (x, y, z), 0)
    points: list[Point] = []
    parent: list[int] = []
    branch: list[int] = []
    last: dict[str, int] = {}
    ids = {name: n for n, name in enumerate({**plan, **twigs})}
    for name, (above, end, _) in {**plan, **twigs}.items():
        begin = np.array(points[last[above]] if above else start, dtype=np.float64)
        count = max(round(float(np.linalg.norm(np.array(end) - begin))), 1)
        before = last[above] if above else -1
        for n in range(1 if above else 0, count + 1):
            x, y, z = (float(v) for v in begin + n / count * (np.array(end) - begin))
            points.append((x, y, z))
            parent.append(before)
            branch.append(ids[name])
            before = len(points) - 1
        last[name] = before
    tree = VesselTree(
        np.array(points),
        np.full(len(points), 2.0),
        np.array(parent, dtype=np.int32),
        np.array(branch, dtype=np.int32),
        tuple(Branch(n) for n in ids.values()),
    )
    return tree, ids


def named(plan: Plan, system: str = "portal", start: Point = (10, 10, -50)) -> dict[str, str]:
    tree, ids = drawn(plan, start)
    result = suggest_names(tree, system)  # type: ignore[arg-type]
    assert all(one.suggested == bool(one.name) for one in result.branches)
    return {name: result.name_of(number) for name, number in ids.items() if name in plan}


def test_the_usual_portal_tree_gets_its_names() -> None:
    assert named({**HILUM, **RIGHT, **LEFT}) == USUAL


def test_of_a_trifurcation_no_right_portal_vein_is_made() -> None:
    right = {name: (above if above != "right" else "main", end, size) for name, (above, end, size) in RIGHT.items()}
    plan = {"main": HILUM["main"], "left": HILUM["left"], **right, **LEFT}
    assert named(plan) == {name: title for name, title in USUAL.items() if name != "right"}


def test_a_posterior_branch_that_leaves_first_is_known_as_such() -> None:
    plan: Plan = {
        "main": HILUM["main"],
        "posterior": ("main", (-74, 6, 22), 0),
        "common": ("main", (-36, -12, 18), 0),
        "anterior": ("common", (-70, -20, 27), 0),
        "left": ("common", (-6, -14, 27), 0),
        **{name: RIGHT[name] for name in ("5", "6", "7", "8")},
        **LEFT,
    }
    found = named(plan)
    assert found["common"] == "Main portal vein"
    assert found == {**{name: title for name, title in USUAL.items() if name != "right"}, "common": "Main portal vein"}


def test_several_branches_of_a_segment_all_get_its_name() -> None:
    plan = {**HILUM, **RIGHT, **LEFT}
    plan |= {"8b": ("anterior", (-92, -22, 50), 15), "5b": ("anterior", (-64, -46, 2), 15)}
    plan |= {"4b": ("umbilical", (-10, -58, 26), 8), "4c": ("transverse", (-6, -34, 44), 8)}
    found = named(plan)
    for name in ("8b", "5b", "4b", "4c"):
        assert found.pop(name) == f"Couinaud {name[0]}"
    assert found == USUAL


@pytest.mark.parametrize("gone", ["1", "2", "3", "4", "6", "7"])
def test_a_segment_without_a_vein_is_not_given_one(gone: str) -> None:
    plan = {name: entry for name, entry in {**HILUM, **RIGHT, **LEFT}.items() if name != gone}
    found = named(plan)
    assert f"Couinaud {gone}" not in found.values()
    for name in ("5", "8"):
        assert found[name] == f"Couinaud {name}"


def test_a_vein_without_forks_is_a_main_portal_vein_and_no_more() -> None:
    assert named({"main": HILUM["main"]}) == {"main": "Main portal vein"}


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("degrees", [-12.0, 12.0])
def test_a_patient_who_lies_askew_gets_the_same_names(axis: int, degrees: float) -> None:
    tree, ids = drawn({**HILUM, **RIGHT, **LEFT})
    turn = np.eye(3)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[a, a] = turn[b, b] = np.cos(np.radians(degrees))
    turn[a, b] = -np.sin(np.radians(degrees))
    turn[b, a] = -turn[a, b]
    found = suggest_names(replace(tree, points_mm=tree.points_mm @ turn.T), "portal")
    assert {name: found.name_of(ids[name]) for name in USUAL} == USUAL


def test_what_a_person_named_stays_and_old_suggestions_go() -> None:
    tree, ids = drawn({**HILUM, **RIGHT, **LEFT})
    once = suggest_names(tree, "portal")
    wrong = replace(
        once, branches=tuple(replace(one, name="Nonsense") if one.suggested else one for one in once.branches)
    )
    mine = rename(wrong, ids["anterior"], "Ventral sector", (1, 2, 3))
    again = suggest_names(mine, "portal")
    assert {again.name_of(ids[name]) for name in ("anterior", "5", "8")} == {"Ventral sector"}
    assert not again.branches[again.row_of[ids["anterior"]]].suggested
    for name in ("main", "left", "2", "3", "4", "6", "7"):
        assert again.name_of(ids[name]) == USUAL[name]


def test_segments_have_the_colours_of_the_terminology_and_names_that_plans_understand() -> None:
    file = Path(surgitwin.__file__).parent / "resources" / "terminology.json"
    terms = {term["name"]: tuple(term["color"]) for term in json.loads(file.read_text("utf-8"))["terms"]}
    tree, ids = drawn({**HILUM, **RIGHT, **LEFT})
    found = suggest_names(tree, "portal")
    for name in SEGMENTS:
        branch = found.branches[found.row_of[ids[name]]]
        assert couinaud_of(branch.name) == name and branch.color == terms[branch.name]


def test_a_part_beyond_a_short_gap_takes_the_name_of_what_it_was_torn_from() -> None:
    tree, ids = drawn({**HILUM, **RIGHT, **LEFT})
    count = len(tree.points_mm)
    end = int(np.flatnonzero(tree.branch == ids["7 0"])[-1])
    more = tree.points_mm[end] + np.array([[0.0, 3.0, 3.0], [0.0, 5.0, 5.0], [0.0, 7.0, 7.0]])
    for gap, name in ((3.0, "Couinaud 7"), (20.0, "")):
        torn = VesselTree(
            np.concatenate([tree.points_mm, more]),
            np.append(tree.radii_mm, [1.0, 1.0, 1.0]),
            np.append(tree.parent, [-1, count, count + 1]).astype(np.int32),
            np.append(tree.branch, [99, 99, 99]).astype(np.int32),
            (*tree.branches, Branch(99)),
            (Break(count, end, gap),),
        )
        assert suggest_names(torn, "portal").name_of(99) == name


# ---- hepatic veins ----------------------------------------------------------------------------------------------

CAVA: Point = (-26, 18, 70)
VEINS: Plan = {
    "right": ("cava", (-92, 0, 34), 60),
    "common": ("cava", (-19, -5, 67), 0),
    "middle": ("common", (-46, -44, 26), 40),
    "left": ("common", (42, -42, 66), 25),
}


def test_hepatic_veins_are_told_apart_with_a_common_trunk_and_with_three_trunks() -> None:
    cava: Plan = {"cava": ("", (-28, 15, 66), 0)}
    found = named({**cava, **VEINS}, "hepatic", CAVA)
    assert found["right"] == "Right hepatic vein" and found["middle"] == "Middle hepatic vein"
    assert found["left"] == "Left hepatic vein" and found["cava"] == found["common"] == ""
    three = {**VEINS, "middle": ("cava", (-46, -44, 26), 40), "left": ("cava", (42, -42, 66), 25)}
    del three["common"]
    assert named({**cava, **three}, "hepatic", CAVA) == {
        name: title for name, title in found.items() if name != "common"
    }


def test_two_veins_get_no_names_of_three() -> None:
    plan: Plan = {"cava": ("", (-28, 15, 66), 0), "right": VEINS["right"], "left": ("cava", (42, -42, 66), 2)}
    assert set(named(plan, "hepatic", CAVA).values()) == {""}


def test_other_trees_keep_their_names() -> None:
    tree, _ = drawn({**HILUM, **RIGHT, **LEFT})
    assert suggest_names(tree, "arterial") is tree and suggest_names(tree, "biliary") is tree


# ---- the phantom ------------------------------------------------------------------------------------------------


@cache
def content(seed: int) -> LiverContent:
    return grow_liver_content(PhantomSettings(seed=seed, portal_terminals=60, hepatic_terminals=40), Context())


@pytest.mark.parametrize("seed", [21, 22, 23])
@pytest.mark.parametrize("system", ["portal", "hepatic"])
def test_most_of_the_phantoms_tree_is_named_as_its_truth(seed: int, system: str) -> None:
    true = content(seed).portal if system == "portal" else content(seed).hepatic
    points, radii, parent, branch = [], [], [], []
    last: dict[int, int] = {}
    for one in true.branches:
        before = last.get(one.parent, -1)
        for place, radius in list(zip(one.points_mm, one.radii_mm, strict=True))[1 if one.parent >= 0 else 0 :]:
            points.append(place)
            radii.append(radius)
            parent.append(before)
            branch.append(one.id)
            before = len(points) - 1
        last[one.id] = before
    order = tuple(Branch(number) for number in dict.fromkeys(branch))
    numbers = np.array(parent, dtype=np.int32), np.array(branch, dtype=np.int32)
    tree = suggest_names(VesselTree(np.array(points), np.array(radii), *numbers, order), system)  # type: ignore[arg-type]
    veins = {1: "Right hepatic vein", 2: "Middle hepatic vein", 3: "Left hepatic vein", 4: ""}
    wanted = {n: f"Couinaud {n}" for n in range(1, 9)} if system == "portal" else veins
    own = [one for one in true.branches if one.territory]
    right = sum(one.length_mm for one in own if tree.name_of(one.id) == wanted[one.territory])
    assert right > 0.9 * sum(one.length_mm for one in own)
