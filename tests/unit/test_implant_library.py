"""The implant library: built-in bodies against their formulas, and folders whose broken files are told and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.implants.library import from_file, made_to_measure, maker_text, open_library
from surgitwin.implants.parametric.bodies import FACETS
from surgitwin.implants.parametric.built_in import FAMILIES
from surgitwin.implants.parametric.family import Family
from surgitwin.implants.parametric.joints import AcetabularCup, FemoralStem
from surgitwin.implants.parametric.plain import Cylinder, Sphere
from surgitwin.implants.parametric.plates import CurvedPlate, StraightPlate
from surgitwin.implants.parametric.screws import BoneScrew, PedicleScrew
from surgitwin.surfaces.check import check_mesh

# A circle of n facets holds sin(2 pi / n) n / (2 pi) of a disc.
ROUND = np.sin(2 * np.pi / FACETS) * FACETS / (2 * np.pi)


def _screw_mm3(d: float, length: float) -> float:
    return float(np.pi * d**2 / 4 * (length - d / 2) + np.pi * d**2 / 4 * d / 6)


def _plate_mm3(n: int, pitch: float, width: float, thick: float, hole: float) -> float:
    return float(thick * ((n - 1) * pitch * width + np.pi * width**2 / 4 - n * np.pi * hole**2 / 4))


def _stem_mm3(stem: FemoralStem) -> float:
    """The integral of the sections' areas along the line of their centres (Pappus)."""
    turn = np.radians(180 - stem.neck_angle_deg)
    bend = 0.75 * stem.width_mm
    tangent = bend * np.tan(turn / 2)
    a, b, tip, neck = stem.width_mm / 2, stem.depth_mm / 2, stem.tip_diameter_mm / 2, stem.neck_diameter_mm / 2

    def mean(a0: float, a1: float, b0: float, b1: float) -> float:
        return (2 * a0 * b0 + 2 * a1 * b1 + a0 * b1 + a1 * b0) / 6

    straight = (stem.length_mm - tangent) * mean(tip, a, tip, b)
    curved = bend * turn * mean(a, neck, b, neck)
    return float(np.pi * (straight + curved + (stem.offset_mm / np.sin(turn) - tangent) * neck**2))


VOLUMES = [
    (Sphere(diameter_mm=32.0), np.pi * 32**3 / 6, 2e-3),
    (Cylinder(diameter_mm=5.5, length_mm=80.0), ROUND * np.pi * 5.5**2 / 4 * 80, 1e-5),
    (
        BoneScrew.of({"head_diameter_mm": 8, "head_height_mm": 3}),
        _screw_mm3(4.5, 40) + np.pi * 3 * (3 * 16 + 9) / 6,
        2e-3,
    ),
    (PedicleScrew(diameter_mm=6.5, length_mm=45.0), ROUND * (_screw_mm3(6.5, 45) + np.pi * 13**2 / 4 * 15), 1e-5),
    (StraightPlate(holes=6), _plate_mm3(6, 13, 11, 3.3, 4.5), 2e-3),
    (CurvedPlate(holes=8, bend_radius_mm=60.0), _plate_mm3(8, 13, 11, 3.3, 4.5) * (1 + 3.3 / 120), 2e-3),
    (AcetabularCup(diameter_mm=54.0), 2 * np.pi / 3 * (27**3 - 23**3), 2e-3),
    (FemoralStem(), _stem_mm3(FemoralStem()), 2e-3),
]


@pytest.mark.parametrize(("made", "volume_mm3", "tolerance"), VOLUMES, ids=lambda one: getattr(one, "family", None))
def test_a_built_in_body_has_the_volume_of_its_formula(made: Family, volume_mm3: float, tolerance: float) -> None:
    assert made.mesh().volume_mm3 == pytest.approx(volume_mm3, rel=tolerance)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda kind: kind.family)
def test_every_usual_size_is_a_closed_body_with_unit_axes(family: type[Family]) -> None:
    sizes = family.sizes()
    for size in (sizes[0], sizes[-1]):
        size.check()
        check = check_mesh(size.mesh())
        assert (check.closed, check.manifold, check.outward, check.self_intersections, check.shells) == (
            True, True, True, 0, 1,
        )  # fmt: skip
        model = size.model()
        assert model.generic and maker_text(model) == "generic, not a product"
        assert all(np.linalg.norm(axis) == pytest.approx(1.0) for axis in model.axes.values())
    assert len({size.model().id for size in sizes}) == len(sizes)


def test_points_lie_where_the_dimensions_say() -> None:
    screw, cup, stem, plate = PedicleScrew(), AcetabularCup(), FemoralStem(), CurvedPlate(bend_radius_mm=60.0)
    points = screw.mesh().points
    assert points[:, 2].max() == pytest.approx(45.0) and points[:, 2].min() == pytest.approx(-15.0)
    shaft = points[(points[:, 2] > 0.1) & (points[:, 2] < 41.0)]
    assert np.hypot(shaft[:, 0], shaft[:, 1]).max() == pytest.approx(3.25, abs=1e-5)
    far = np.linalg.norm(cup.mesh().points, axis=1)
    assert far.min() == pytest.approx(23.0, abs=1e-4) and far.max() == pytest.approx(27.0, abs=1e-4)
    assert cup.mesh().points[:, 2].max() == pytest.approx(0.0, abs=1e-6)  # it opens along main
    head = stem.frame()[1]["centre"]
    assert head == pytest.approx((-42.0, 0.0, -42.0))
    under = plate.mesh().points.astype(float) + np.array([0.0, 0.0, 60.0])
    assert np.hypot(under[:, 0], under[:, 2]).min() == pytest.approx(60.0, abs=1e-4)
    assert np.hypot(under[:, 0], under[:, 2]).max() == pytest.approx(63.3, abs=1e-4)


def test_dimensions_of_ones_own_are_in_the_name_and_wrong_ones_are_refused() -> None:
    model, mesh = made_to_measure("bone-screw/4.5x44", {"diameter_mm": "6", "head_height_mm": 3})
    assert model.id == "bone-screw/6x44 head_height=3" and model.dimensions_mm["diameter"] == 6.0
    assert mesh.points[:, 2].max() == pytest.approx(44.0)
    for settings, word in [
        ({"width_mm": 3}, "no dimension “width_mm”"),
        ({"diameter_mm": "thick"}, "diameter_mm cannot be thick"),
        ({"diameter_mm": 90}, "diameter_mm cannot be 90"),
        ({"head_diameter_mm": 2}, "wider than its shaft"),
        ({"diameter_mm": 12, "length_mm": 8}, "the length must be the larger"),
    ]:
        with pytest.raises(BadInput, match=word):
            made_to_measure("bone-screw", settings)
    with pytest.raises(BadInput, match="not built in"):
        made_to_measure("nail", {})


def _write_stl(path: Path, points: Any, triangles: Any) -> None:
    lines = ["solid x"]
    for triangle in np.asarray(points)[np.asarray(triangles)]:
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += ["vertex " + " ".join(f"{float(v):.9g}" for v in corner) for corner in triangle]
        lines += ["endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid x"]))


def _manifest(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "maker": "Example Works",
        "name": "Rod screw",
        "family": "rod",
        "size": "4x40",
        "kind": "screw",
        "material": "steel",
        "licence": "CC-BY-4.0",
        "unit": "mm",
        "mesh": "rod.stl",
        "axes": {"main": [0, 0, 1]},
        "reference_points_mm": {"entry": [0, 0, 0], "tip": [0, 0, 40]},
        "dimensions_mm": {"diameter": 4, "length": 40},
    }
    return {key: value for key, value in (values | changes).items() if value is not None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rod = Cylinder(diameter_mm=4.0, length_mm=40.0).mesh()
    place = tmp_path / "library"
    place.mkdir()
    _write_stl(place / "rod.stl", rod.points, rod.triangles)
    _write_stl(place / "metres.stl", rod.points / 1000.0, rod.triangles)
    _write_stl(place / "inches.stl", rod.points / 25.4, rod.triangles)
    _write_stl(place / "open.stl", rod.points, rod.triangles[:-1])
    (tmp_path / "elsewhere.stl").write_bytes((place / "rod.stl").read_bytes())
    return place


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"material": None}, "the key “material” is missing"),
    ({"mesh": "open.stl"}, "open.stl is open"),
    ({"mesh": "metres.stl"}, "It looks like metres: state the unit “m”"),
    ({"mesh": "inches.stl"}, "It looks like inches: state the unit “inch”"),
    ({"axes": {"main": [0, 0, 2]}}, "“main” is 2 long"),
    ({"axes": {"main": [0, 0, 1], "side": [0, 0.6, 0.8]}}, "must be 90°"),
    ({"axes": {"main": [1, 0, 0]}}, "must run from “entry” to “tip”"),
    ({"mesh": "../elsewhere.stl"}, "a mesh outside its folder"),
    ({"mesh": "missing.stl"}, "There is no file"),
    ({"licence": "unknown"}, "the licence “unknown” is not known"),
    ({"unit": "furlong"}, "the unit “furlong” is not known"),
    ({"kind": "spoon"}, "the kind “spoon” is not known"),
    ({"colour": "red"}, "the key “colour” is not known"),
    ({"reference_points_mm": {"entry": [0, 0, 0], "tip": [0, 0, 4000]}}, "lies far from the mesh"),
]


def test_broken_files_are_listed_with_their_reason_and_stop_nothing_else(folder: Path) -> None:
    (folder / "good.json").write_text(json.dumps(_manifest()))
    (folder / "metric.json").write_text(json.dumps(_manifest(size="by metres", mesh="metres.stl", unit="m")))
    (folder / "twice.json").write_text(json.dumps(_manifest()))
    (folder / "text.json").write_text("{not json")
    for n, (changes, _) in enumerate(BROKEN):
        (folder / f"broken{n:02}.json").write_text(json.dumps(_manifest(**({"size": f"s{n}"} | changes))))
    library = open_library([folder])
    assert [item.id for item in library.items[-2:]] == ["rod/4x40", "rod/by metres"]
    for item in library.of_family("rod"):
        assert item.mesh().points[:, 2].max() == pytest.approx(40.0, abs=1e-4)
    reasons = {bad.file.name: bad.reason for bad in library.bad}
    assert "also in good.json" in reasons.pop("twice.json")
    assert "not valid JSON" in reasons.pop("text.json")
    assert len(reasons) == len(BROKEN)
    for n, (_, words) in enumerate(BROKEN):
        assert words in reasons[f"broken{n:02}.json"]


def test_a_mesh_file_alone_must_speak_for_millimetres_or_its_unit_be_given(folder: Path) -> None:
    found = from_file(folder / "rod.stl")
    assert "unit-assumed" in {one.code for one in found.notices}
    assert found.model.reference_points_mm["centre"] == pytest.approx((0, 0, 20), abs=1e-5)
    with pytest.raises(BadInput, match="looks like metres"):
        from_file(folder / "metres.stl")
    with pytest.raises(BadInput, match="looks like inches"):
        from_file(folder / "inches.stl")
    assert from_file(folder / "inches.stl", "inch").mesh.points[:, 2].max() == pytest.approx(40.0, abs=1e-3)
    with pytest.raises(BadInput, match=r"open.stl is open"):
        from_file(folder / "open.stl")


def test_an_id_that_is_not_there_is_answered_with_what_there_is() -> None:
    library = open_library()
    with pytest.raises(BadInput, match="has no size “9x9”; it has: 2"):
        library.find("bone-screw/9x9")
    with pytest.raises(BadInput, match="Families: bone-screw, pedicle-screw"):
        library.find("nail")
    with pytest.raises(BadInput, match="There is no folder"):
        open_library([Path("nowhere-at-all")])
