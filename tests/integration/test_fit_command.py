"""The fit command on a synthetic vertebra in a CT of odd spacing says what the functions know to be true."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.unit.test_implant_cup import tilted
from tests.unit.test_implant_pedicle import vertebra

from surgitwin.cli.show_fit import show_fit
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity
from surgitwin.implants.cup import TABLE, Angles, axis_of, cup_angles, pelvic_plane
from surgitwin.implants.distance import DistanceTo
from surgitwin.implants.pedicle import screw_fit
from surgitwin.implants.poses import moved, turn
from surgitwin.implants.registration import by_landmarks
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import (
    CaseNode,
    FitNode,
    ImplantNode,
    LabelLayerNode,
    LandmarkNode,
    SegmentationNode,
    SegmentNode,
    SurfaceNode,
    VolumeNode,
)
from surgitwin.session import Session
from terminal import done, surgitwin

SPACING = (0.8, 0.75, 1.0)
GRID = Geometry.from_parts((64, 96, 36), SPACING, (-25.2, -43.625, -17.5), np.eye(3))
RISE, BASE = 4.0, 300.0  # HU per mm towards the back, and at y = 0
RADIUS = 3.25


def _between(places: np.ndarray, low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    return np.asarray(((places >= low) & (places <= high)).all(axis=-1))


def spine() -> Session:
    """The vertebra of the unit tests, the canal between its pedicles, and a vessel in front; HU rise to the back."""
    k, j, i = np.indices(GRID.shape_kji)
    places = GRID.to_lps(np.stack([i, j, k], axis=-1))
    labels = np.zeros(GRID.shape_kji, np.uint8)
    boxes = [((-22, -30, -13), (22, 0, 13)), ((-23, 13, -13), (23, 27, 13))]
    boxes += [((side * 14 - 6, -1, -9), (side * 14 + 6, 14, 9)) for side in (-1, 1)]
    for low, high in boxes:
        labels[_between(places, low, high)] = 1
    labels[_between(places, (-7, 1, -15), (7, 12, 15))] = 2
    labels[_between(places, (8, -42, -15), (20, -36, 15))] = 3
    session = Session()
    with session.transaction("New case") as tx:
        case = tx.add(CaseNode(name="Case", pseudonym="Case"))
        hu = np.rint(BASE + RISE * places[..., 1]).astype(np.int16)
        ct = VolumeNode(name="CT", parent=case.id, geometry=GRID, voxels=ArrayData.of(hu), unit="HU",
                        identity=ImageIdentity(modality="CT"))  # fmt: skip
        tx.add(ct)
        segments = SegmentationNode(name="Segments", parent=case.id, volume=ct.id, geometry=GRID)
        tx.add(segments)
        layer = LabelLayerNode(name="Layer", parent=segments.id, labels=ArrayData.of(labels, constant=False))
        tx.add(layer)
        for value, name in ((1, "Vertebra"), (2, "Canal"), (3, "Aorta")):
            tx.add(SegmentNode(name=name, parent=segments.id, layer=layer.id, value=value, color=(1, 2, value)))
        whole = vertebra()
        tx.add(SurfaceNode(name="Scan", parent=case.id, points=ArrayData.of(whole.points),
                           triangles=ArrayData.of(whole.triangles)))  # fmt: skip
    session.run("mesh", segment="Vertebra")
    session.run("mesh", segment="Canal")
    session.run("mesh", segment="Aorta")
    return session


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with spine() as opened:
        yield opened


def shown(document: dict[str, object]) -> str:
    """What the terminal says."""
    out = Console(file=io.StringIO(), width=400)
    show_fit(document, out)
    return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def place_screw(session: Session, name: str, x: float, onto: str = "Vertebra") -> None:
    """A screw of 6.5 x 45 mm from y = 26 straight forward."""
    session.run("implant", item="pedicle-screw/6.5x45", name=name, at=f"{x},26,0", along="0,-1,0", onto=onto)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    ("off", "grade", "way"), [(-4.0, "B", "medial"), (5.75, "C", "lateral"), (-7.75, "D", "medial")]
)
def test_a_pedicle_screw_has_the_grade_and_direction_that_the_function_knows(
    session: Session, side: int, off: float, grade: str, way: str
) -> None:
    x = side * (14 + off)
    place_screw(session, f"S{x}", x)
    found = session.run("fit", implant=f"S{x}", canal="Canal", vessel=["Aorta"])
    truth = screw_fit(DistanceTo(vertebra()), (x, 26, 0), (x, -19, 0), RADIUS, voxel_mm=1.0)
    assert (truth.grade, truth.direction) == (grade, way)
    screw = found["screw"]
    assert (found["grade"], screw["direction"], screw["medial_is_towards"]) == (grade, way, "canal")
    assert screw["breach_mm"] == pytest.approx(truth.breach_mm, abs=0.3)
    assert grade in screw["grades_possible"] and screw["error_mm"] == 0.5


def test_a_screw_has_its_distances_and_the_hu_of_its_path(session: Session) -> None:
    place_screw(session, "Right", -14.0)
    found = session.run("fit", implant="Right", canal="Canal", vessel=["Aorta", "Canal"])
    assert found["grade"] == "A" and "grade: A, no breach; thinnest wall 2." in shown(found)
    assert found["canal"]["name"] == "Canal" and not found["canal"]["collides"]
    assert found["canal"]["distance_mm"] == pytest.approx(14 - RADIUS - 7, abs=0.5)  # half a voxel
    aorta, canal = found["vessels"]
    across = 14.0 + 8.0
    assert aorta["distance_mm"] == pytest.approx(np.hypot(across, 36 - 19), abs=1.0)
    assert found["nearest_vessel_mm"] == canal["distance_mm"] == found["canal"]["distance_mm"]
    hu = found["screw"]["hu"]
    assert hu["mean"] == pytest.approx(BASE + RISE * (26 - 19) / 2, abs=1.0)
    assert hu["sd"] == pytest.approx(RISE * np.hypot(45 / np.sqrt(12), RADIUS / 2), rel=0.02)
    assert hu["in_bone_percent"] > 99.0 and hu["image"] == "CT" and hu["information_only"] is True
    assert {one["hu"] for one in found["screw"]["hu_cutoffs"]} >= {153.5, 124.0}


def test_without_canal_and_vessels_they_are_not_assessed(session: Session) -> None:
    place_screw(session, "Bare", 14.0)
    found = session.run("fit", implant="Bare")
    assert found["canal"] is None and found["vessels"] is None and found["nearest_vessel_mm"] is None
    assert found["screw"]["medial_is_towards"] == "middle of the vertebra"
    assert "not assessed (--canal)" in shown(found) and "not assessed (--vessel)" in shown(found)
    with pytest.raises(BadInput, match="cannot be what the implant is fitted to"):
        session.run("fit", implant="Bare", canal="Vertebra")


def test_the_part_that_is_the_pedicle_is_given_on_the_command_line(tmp_path: Path) -> None:
    with spine() as own:
        place_screw(own, "S", 18.0)
        own.save_as(tmp_path / "case.twin")
    words = (
        "fit",
        tmp_path / "case.twin",
        "--implant",
        "S",
        "--pedicle",
        13,
        25,
        "--vessel",
        "Aorta",
        "--canal",
        "Canal",
    )
    found = done(*words)
    assert found["screw"]["pedicle_mm"] == [13.0, 25.0] and found["screw"]["pedicle_found_by"] == "given"
    assert (found["grade"], found["screw"]["direction"]) == ("B", "lateral")
    text = surgitwin(*words)
    told = " ".join(text.out.split())
    assert text.status == 0
    for part in ("Gertzbein-Robbins grade: B", "spinal canal “Canal”: clear by", "vessel “Aorta”: clear by",
                 "HU along the path (information only): mean 3", "153.5 HU for", "scanner, its kVp"):  # fmt: skip
        assert part in told, told
    refused = surgitwin("fit", tmp_path / "case.twin", "--implant", "S", "--pedicle", 80, 90)
    assert refused.status != 0 and "is not on the screw" in " ".join(refused.err.split())


def test_a_surface_from_a_file_gives_no_grade_and_says_why(session: Session) -> None:
    place_screw(session, "On scan", 14.0, onto="Scan")
    found = session.run("fit", implant="On scan")
    assert found["grade"] is None and found["screw"] is None
    (told,) = [one["message"] for one in found["warnings"] if one["code"] == "fit-not-graded"]
    assert "surface from a file" in told


def test_an_image_that_is_no_ct_gives_no_hu_and_says_why() -> None:
    with spine() as own:
        (image,) = own.scene.of_type(VolumeNode)
        with own.transaction("MR") as tx:
            tx.set(image.id, unit="", identity=ImageIdentity(modality="MR"))
        place_screw(own, "S", 14.0)
        screw = own.run("fit", implant="S")["screw"]
        assert screw["grade"] == "A" and screw["hu"] is None
        assert "not a CT image" in screw["hu_not_assessed"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_cup_has_three_definitions_in_both_frames_and_a_left_one_those_of_its_mirror_image(
    side: str, tmp_path: Path
) -> None:
    pelvis = tilted(12.0)
    frame, wanted = pelvic_plane(pelvis), Angles(42.0, 18.0)
    axis = axis_of(wanted, side, frame)  # type: ignore[arg-type]
    with spine() as own:
        for name, at in pelvis.items():
            own.run("mark", name=name, at=",".join(str(float(v)) for v in at))
        own.run("implant", item="acetabular-cup/54", name="Cup", at="0,0,0", along=",".join(map(str, axis)),
                onto="Vertebra")  # fmt: skip
        asked = own.run("fit", implant="Cup")
        assert asked["cup"] is None and "fit-cup-side" in [one["code"] for one in asked["warnings"]]
        plane, table = own.run("fit", implant="Cup", side=side)["cup"]["frames"]
        shifted = own.run("mark", name="ASIS_left", at="121,-80,60")
        assert shifted["moved"] is True and len(own.scene.of_type(LandmarkNode)) == 4
        assert own.scene.is_stale(own.scene.of_type(FitNode)[0])
        with pytest.raises(BadInput, match="needs a name"):
            own.run("mark", name="  ", at="1,2,3")
    assert (plane["frame"], table["frame"], plane["side"]) == ("anterior-pelvic-plane", "ct-table", side)
    assert plane["pelvic_tilt_deg"] == pytest.approx(12.0) and table["pelvic_tilt_deg"] is None
    assert plane["radiographic"] == pytest.approx(wanted.as_json(), abs=1e-4)
    # The same numbers on both sides: those of the right cup.
    right = cup_angles(axis_of(wanted, "right", frame), "right", frame)
    on_table = cup_angles(axis_of(wanted, "right", frame), "right", TABLE)
    for key in ("radiographic", "operative", "anatomic"):
        assert plane[key] == pytest.approx(getattr(right, key).as_json(), abs=1e-4)
        assert table[key] == pytest.approx(getattr(on_table, key).as_json(), abs=1e-4)


def test_landmarks_bring_an_implant_to_its_place_with_a_target_error() -> None:
    places = {"centre": (-30.0, 0.0, -25.0), "shoulder": (0.0, 0.0, 0.0), "tip": (0.0, 0.0, 120.0),
              "trochanter": (15.0, 9.0, 5.0)}  # fmt: skip
    known = np.eye(4)
    known[:3, :3], known[:3, 3] = turn((1, 2, 3), 0.7), (5.0, -20.0, 8.0)
    here = np.array(list(places.values()))
    there = moved(here, known) + np.array([[1.5, 0, 0], [0, 0, 0], [0, -1.0, 0], [0, 0, 0.5]])
    truth = by_landmarks(here, there)
    with spine() as own:
        own.run("implant", item="femoral-stem/26x130", name="Stem", at="0,0,0", onto="Vertebra")
        node = own.scene.resolve("Stem", ImplantNode)
        with own.transaction("Four points") as tx:
            tx.set(node.id, item=node.item.model_copy(update={"reference_points_mm": places}))
            for name, at in zip(places, there, strict=True):
                tx.add(LandmarkNode(name=f"P {name}", parent=own.scene.case.id,
                                    position_mm=tuple(float(v) for v in at)))  # fmt: skip
        pairs = {name: f"P {name}" for name in places}
        found = own.run("fit", implant="Stem", register="landmarks", landmarks=pairs)
        three = own.run("fit", implant="Stem", register="landmarks",
                        landmarks={key: pairs[key] for key in ("centre", "shoulder", "tip")})  # fmt: skip
    assert np.allclose(found["matrix"], truth.matrix, atol=1e-6)
    assert found["registration"]["tre_from"] == "leave-one-out"
    assert found["registration"]["tre_mm"] == pytest.approx(truth.tre_mm) and truth.tre_mm is not None
    assert found["registration"]["rms_mm"] == pytest.approx(truth.rms_mm) and truth.tre_mm > truth.rms_mm
    assert three["registration"]["tre_mm"] is None


@pytest.mark.parametrize("change", ["implant", "segment", "canal"])
def test_a_fit_is_stale_once_what_it_is_of_has_changed(change: str) -> None:
    with spine() as own:
        place_screw(own, "S", 14.0)
        own.run("fit", implant="S", canal="Canal", vessel=["Aorta"])
        (kept,) = own.scene.of_type(FitNode)
        assert not own.scene.is_stale(kept)
        assert json.loads(json.dumps(kept.document))["canal"]["name"] == "Canal"
        if change == "implant":
            own.run("implant", item="S", slide=2.0)
        else:
            own.run("segment", method="smooth", into={"segment": "Vertebra", "canal": "Canal"}[change])
        assert own.scene.is_stale(own.scene.of_type(FitNode)[0])
