"""The main job on the command line, held against numbers known from how the image was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.session import Session
from terminal import HU, KIDNEY, LIVER, SPACING_MM, TUMOUR, VEIN, Phantom, copy_of, done, make_case, make_phantom


def voxels_in(box: tuple[slice, ...]) -> int:
    return int(np.prod([part.stop - part.start for part in box]))


@pytest.fixture(scope="module", params=[False, True], ids=["right-handed", "left-handed"])
def phantom(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"), left_handed=request.param)


@pytest.fixture(scope="module")
def whole_case(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_case(phantom, tmp_path_factory.mktemp("case") / "case.twin")


@pytest.fixture
def case(whole_case: Path, tmp_path: Path) -> Path:
    return copy_of(whole_case, tmp_path)


def statistics(case: Path) -> dict[str, Any]:
    return {segment["name"]: segment for segment in done("stats", case)["segments"]}


def stale(case: Path) -> dict[str, bool]:
    return {node["name"]: node["stale"] for node in done("tree", case)["nodes"] if node["type"] == "plan"}


def test_a_new_case_has_the_geometry_of_its_slices(phantom: Phantom, tmp_path: Path) -> None:
    document = done("new", tmp_path / "c.twin", phantom.ct)

    assert document["size_ijk"] == list(phantom.geometry.size_ijk)
    assert np.sort(document["spacing_mm"]) == pytest.approx(np.sort(SPACING_MM), abs=1e-6)
    affine = np.array(document["affine_lps"])
    corners = np.c_[phantom.geometry.corners_ijk(), np.ones(8)]
    found = {tuple(np.round(corner[:3], 3)) for corner in corners @ affine.T}
    # The slices of a left-handed stack are read in the other order: the same corners, not the same indices.
    assert found == {tuple(np.round(corner, 3)) for corner in phantom.geometry.to_lps(phantom.geometry.corners_ijk())}


def test_volumes_are_voxels_times_voxel_volume(case: Path, phantom: Phantom) -> None:
    found = statistics(case)

    for name, box in (("Liver", LIVER), ("Tumour 1", TUMOUR), ("Portal vein", VEIN), ("Right kidney", KIDNEY)):
        assert found[name]["voxels"] == voxels_in(box)
        assert found[name]["volume_ml"] == pytest.approx(voxels_in(box) * phantom.voxel_ml, rel=1e-6)
        middle = [(part.start + part.stop - 1) / 2 for part in box[::-1]]
        assert found[name]["centroid_mm"] == pytest.approx(phantom.geometry.to_lps(middle), abs=1e-3)
    assert found["Liver"]["surface_volume_ml"] == pytest.approx(found["Liver"]["volume_ml"], rel=0.01)
    assert [name for name, segment in found.items() if segment["cut_off"]] == ["Right kidney"]


def test_hu_are_those_of_the_slices(case: Path) -> None:
    found = statistics(case)

    assert found["Portal vein"]["hu"] == dict.fromkeys(("mean", "p05", "p50", "p95"), HU["Portal vein"]) | {"sd": 0}
    liver, tumour = voxels_in(LIVER), voxels_in(TUMOUR)
    mean = (HU["Liver"] * (liver - tumour) + HU["Tumour"] * tumour) / liver
    assert found["Liver"]["hu"]["mean"] == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("i", [10, 20, 28])
def test_a_cut_through_a_box_leaves_the_share_that_lies_before_it(case: Path, phantom: Phantom, i: int) -> None:
    document = done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(i))

    organ, tumour = voxels_in(LIVER), voxels_in(TUMOUR)
    length = LIVER[2].stop - LIVER[2].start
    remnant = organ * (i - LIVER[2].start) // length
    assert document["voxels"] == {"organ": organ, "removed": organ - remnant, "remnant": remnant}
    assert document["removed_ml"] + document["remnant_ml"] == pytest.approx(document["organ_ml"], rel=1e-12)
    assert document["remnant_ml"] == pytest.approx(remnant * phantom.voxel_ml, rel=1e-6)
    assert document["flr_percent"] == pytest.approx(100 * remnant / organ, rel=1e-9)
    assert document["flr_tumour_free_percent"] == pytest.approx(100 * remnant / (organ - tumour), rel=1e-9)
    (lesion,) = document["lesions"]
    assert lesion["name"] == "Tumour 1" and lesion["left_behind"] is False
    assert lesion["volume_ml"] == pytest.approx(tumour * phantom.voxel_ml, rel=1e-6)
    assert lesion["margin_mm"] == pytest.approx((TUMOUR[2].start - i) * SPACING_MM[0], abs=1e-3)
    assert document["crossed_vessels"] is None and document["devascularised_ml"] is None
    assert document["congested_ml"] is None


def test_the_other_side_of_the_plane_is_the_other_plan(case: Path, phantom: Phantom) -> None:
    one = done("plan", case, "One", "--organ", "Liver", "--plane", phantom.plane_between(20))
    other = done("plan", case, "Other", "--organ", "Liver", "--plane", phantom.plane_between(20, towards=-1))

    assert one["voxels"]["removed"] == other["voxels"]["remnant"]
    assert one["voxels"]["remnant"] == other["voxels"]["removed"]
    (lesion,) = other["lesions"]
    assert lesion["left_behind"] is True and lesion["margin_mm"] is None
    organ, tumour, remnant = voxels_in(LIVER), voxels_in(TUMOUR), other["voxels"]["remnant"]
    assert other["flr_tumour_free_percent"] == pytest.approx(100 * (remnant - tumour) / (organ - tumour), rel=1e-9)
    assert "lesion-left-behind" in [warning["code"] for warning in other["warnings"]]


def test_a_cut_through_a_lesion_leaves_part_of_it_and_no_margin(case: Path, phantom: Phantom) -> None:
    document = done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(31))

    (lesion,) = document["lesions"]
    assert lesion["margin_mm"] == 0 and lesion["left_behind"] is True
    assert lesion["left_behind_ml"] == pytest.approx(voxels_in(TUMOUR) / 4 * phantom.voxel_ml, rel=1e-6)
    rows = {row["label"]: row["values"] for row in done("compare", case)["rows"]}
    # A lesion that is cut through has no margin to be proud of: it is counted as left behind instead.
    assert rows["Smallest margin"][-1] is None and rows["Lesions left behind"][-1] == 1


def test_planes_of_one_plan_intersect(case: Path, phantom: Phantom) -> None:
    planes = (phantom.plane_between(12), phantom.plane_between(22, towards=-1))

    document = done("plan", case, "Slab", "--organ", "Liver", "--plane", *planes)

    width = LIVER[2].stop - LIVER[2].start
    assert document["voxels"]["removed"] == voxels_in(LIVER) * 10 // width


def test_an_organ_that_the_image_cuts_off_gets_volumes_but_no_percentages(case: Path, phantom: Phantom) -> None:
    document = done("plan", case, "K", "--organ", "Right kidney", "--plane", phantom.plane_between(25))

    assert document["remnant_ml"] == pytest.approx(voxels_in(KIDNEY) / 2 * phantom.voxel_ml, rel=1e-6)
    assert document["flr_percent"] is None and document["remnant_percent"] is None
    assert "organ-cut-off" in [warning["code"] for warning in document["warnings"]]
    assert "organ-cut-off" in [warning["code"] for warning in done("compare", case, "K")["warnings"]]


def test_numbers_are_the_same_after_reopening(case: Path, phantom: Phantom) -> None:
    planned = done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20))
    compared = done("compare", case)

    assert done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20)) == planned
    assert done("compare", case) == compared
    assert statistics(case) == statistics(case)


def test_a_plan_is_stale_once_its_organ_changes_and_current_again_when_that_is_undone(
    case: Path, phantom: Phantom
) -> None:
    done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20))
    assert stale(case) == {"P": False}

    with Session.open(case) as session:
        session.run("segment", method="smooth", into="Liver", settings={"mm": 6})
    assert stale(case) == {"P": True}
    assert done("compare", case)["plans"][0]["stale"] is True

    with Session.open(case) as session:
        before = session.run("compare")
        session.run("segment", method="threshold", into="Liver", settings={"low": 105, "high": 115})
        session.undo()
        assert session.run("compare") == before
    assert stale(case) == {"P": True}

    done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20))
    assert stale(case) == {"P": False}


def test_undo_makes_a_stale_plan_current(case: Path, phantom: Phantom) -> None:
    with Session.open(case) as session:
        session.run("plan", name="P", organ="Liver", plane=phantom.plane_between(20))
        session.run("segment", method="smooth", into="Liver", settings={"mm": 6})
        assert {node["name"] for node in session.run("tree")["nodes"] if node["stale"]} == {"P"}
        session.undo()
        assert not [node for node in session.run("tree")["nodes"] if node["stale"]]
    assert stale(case) == {"P": False}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("edit", "Liver", "--rename", "Foie"), False),
        (("edit", "Liver", "--no-visible"), False),
        (("edit", "Right kidney", "--rename", "Kidney"), False),
        (("remove", "Right kidney"), False),
        (("segment", "threshold", "--into", "Bright", "--set", "low=140"), False),
        (("segment", "threshold", "--into", "Metastasis", "--set", "low=140"), True),
        (("edit", "Right kidney", "--type", "lesion"), True),
        (("remove", "Tumour 1"), True),
        (("remove", "Portal vein"), True),
        (("patient", "--weight", "70"), True),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_a_plan_turns_stale_by_what_it_was_computed_from_and_by_nothing_else(
    case: Path, phantom: Phantom, change: tuple[str, ...], expected: bool
) -> None:
    done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20))

    done(change[0], case, *change[1:])

    assert stale(case) == {"P": expected}


def test_surfaces_are_stale_once_their_segment_changes(case: Path) -> None:
    done("mesh", case)
    done("segment", case, "smooth", "--into", "Liver", "--set", "mm=6")

    nodes = {node["name"]: node["stale"] for node in done("tree", case)["nodes"] if node["type"] == "surface"}

    assert nodes == {"Liver": True, "Portal vein": False, "Right kidney": False, "Tumour 1": False}
