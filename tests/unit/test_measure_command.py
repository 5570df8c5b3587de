"""The measure command: values on an oblique image, staleness, replacing, undo, tables and refusals."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from surgitwin.commands.measuring import _plain
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.identity import ImageIdentity
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import CaseNode, LabelLayerNode, MeasurementNode, SegmentationNode, SegmentNode, VolumeNode
from surgitwin.session import Session

AXES, _ = np.linalg.qr(np.array([[1.0, 0.2, -0.1], [-0.2, 1.0, 0.3], [0.1, -0.3, 1.0]]))
GRID = Geometry.from_parts((60, 56, 50), (0.8, 0.9, 1.1), (50.0, -20.0, -300.0), AXES @ np.diag([1, -1, 1]))


def balls_session(side_known: bool = True, unit: str = "HU", modality: str = "CT") -> Session:
    """Two balls of 8 and 6 mm whose centres are 20 mm apart, and a straight vessel of 3 mm radius, in memory."""
    k, j, i = np.indices(GRID.shape_kji)
    places = GRID.to_lps(np.stack([i, j, k], axis=-1))
    middle = GRID.centre_mm
    labels = np.zeros(GRID.shape_kji, np.uint8)
    labels[np.linalg.norm(places - middle, axis=-1) <= 8.0] = 1
    labels[np.linalg.norm(places - middle - (20, 0, 0), axis=-1) <= 6.0] = 2
    across = places - middle - np.array([0, 15.0, 0])
    labels[(np.hypot(across[..., 0], across[..., 1]) <= 3.0) & (abs(across[..., 2]) < 18)] = 3
    session = Session()
    with session.transaction("New case") as tx:
        case = tx.add(CaseNode(name="Case", pseudonym="Case"))
        voxels = (40.0 + places[..., 0] - middle[0]).astype(np.float32)
        volume = VolumeNode(
            name="CT",
            parent=case.id,
            geometry=GRID,
            voxels=ArrayData.of(voxels),
            unit=unit,
            identity=ImageIdentity(modality=modality),
            side_known=side_known,
        )
        tx.add(volume)
        segmentation = SegmentationNode(
            name="Segments", parent=case.id, volume=volume.id, geometry=GRID, side_known=side_known
        )
        tx.add(segmentation)
        layer = LabelLayerNode(name="Layer 1", parent=segmentation.id, labels=ArrayData.of(labels, constant=False))
        tx.add(layer)
        for value, name, kind in ((1, "Tumour", "lesion"), (2, "Cyst", "other"), (3, "Vein", "vessel")):
            tx.add(
                SegmentNode(
                    name=name, parent=segmentation.id, layer=layer.id, value=value, color=(9, 9, value), kind=kind
                )
            )
    session.history.clear()
    return session


@pytest.fixture
def session() -> Iterator[Session]:
    with balls_session() as made:
        yield made


MIDDLE = GRID.centre_mm


def off(x: float, y: float, z: float) -> tuple[float, ...]:
    """A place so far from the middle of the image."""
    return tuple((MIDDLE + np.array([x, y, z])).tolist())


def test_a_ruler_is_kept_with_its_value_unit_and_the_uncertainty_of_half_a_voxel(session: Session) -> None:
    found = session.run("measure", kind="ruler", at=[MIDDLE, off(3, 4, 12)])
    assert found["name"] == "Ruler 1"
    assert found["length_mm"] == pytest.approx(13.0, abs=1e-6)
    assert (found["unit"], found["text"]) == ("mm", "13.0 mm")
    assert found["uncertainty_mm"] == pytest.approx(np.sqrt(2) * 1.1 / 2, rel=1e-4)
    assert session.history.undo_names == ["Measure: Ruler 1"]


def test_measuring_again_under_a_name_moves_it_undoably(session: Session) -> None:
    first = session.run("measure", kind="ruler", name="Width", at=[MIDDLE, off(10, 0, 0)])
    again = session.run("measure", kind="ruler", name="width", at=[MIDDLE, off(12, 0, 0)])
    assert again["node"] == first["node"]
    assert again["length_mm"] == pytest.approx(12.0)
    session.undo()
    kept = session.scene.expect(first["node"]["id"], MeasurementNode)
    assert kept.document is not None and kept.document["length_mm"] == pytest.approx(10.0)


def test_a_name_that_something_else_has_does_not_replace_that(session: Session) -> None:
    session.run("measure", kind="ruler", name="Tumour", at=[MIDDLE, off(1, 0, 0)])
    assert session.scene.resolve("Tumour", SegmentNode).kind == "lesion"
    assert len(session.scene.of_type(MeasurementNode)) == 1


def test_the_distance_of_two_segments_is_right_to_a_voxel_and_goes_stale_with_them(session: Session) -> None:
    found = session.run("measure", kind="distance", of=["Tumour", "Cyst"])
    assert found["length_mm"] == pytest.approx(6.0, abs=found["uncertainty_mm"])
    assert np.linalg.norm(np.subtract(*found["points_mm"])) == pytest.approx(found["length_mm"], abs=1e-4)
    assert found["stale"] is False
    cyst = session.scene.resolve("Cyst", SegmentNode)
    with session.transaction("Paint") as tx:
        tx.patch(cyst.layer, "labels", Box((30, 28, 25), (33, 30, 27)), 2)
    assert session.run("measurements")["measurements"][0]["stale"] is True
    session.undo()
    assert session.run("measurements")["measurements"][0]["stale"] is False


def test_a_curve_runs_over_a_ball_and_snapping_puts_ruler_ends_onto_it(session: Session) -> None:
    ends = [off(8.5, 0, 0), off(-8.5, -0.1, 0)]
    over = session.run("measure", kind="curve", at=ends, of=["Tumour"])
    assert over["length_mm"] == pytest.approx(8 * np.pi, abs=1.0)
    ruler = session.run("measure", kind="ruler", at=ends, of=["Tumour"], snap=True)
    assert ruler["length_mm"] == pytest.approx(16.0, abs=0.8)
    node = session.scene.expect(ruler["node"]["id"], MeasurementNode)
    assert node.provenance is not None
    assert session.scene.resolve("Tumour", SegmentNode).id in node.provenance.inputs


def test_a_vessel_has_its_diameter_and_cross_section_where_it_was_asked_for(session: Session) -> None:
    session.run("vessels", segment="Vein")
    found = session.run("measure", kind="diameter", at=[off(1, 16, 2)], of=["Vein"])
    assert found["diameter_mm"] == pytest.approx(6.0, abs=found["uncertainty_mm"])
    assert found["cross_section"]["area_mm2"] == pytest.approx(np.pi * 9, rel=0.12)
    assert found["inscribed_diameter_mm"] == pytest.approx(6.0, abs=1.1)


def test_values_in_a_sphere_and_a_box_are_those_of_the_image(session: Session) -> None:
    ball = session.run("measure", kind="sphere", at=[off(2, 0, 0)], radius_mm=7)
    assert ball["hu"]["mean"] == pytest.approx(42.0, abs=0.1)
    assert ball["hu"]["sd"] == pytest.approx(7 / np.sqrt(5), rel=0.02)
    assert ball["volume_ml"] == pytest.approx(ball["region_ml"], rel=0.03)
    box = session.run("measure", kind="box", at=[MIDDLE], size_mm=(10, 8, 6))
    assert box["hu"]["mean"] == pytest.approx(40.0, abs=0.1)


def test_an_mr_image_has_no_hu() -> None:
    with balls_session(unit="", modality="MR") as session:
        found = session.run("measure", kind="sphere", at=[MIDDLE], radius_mm=7)
    assert found["hu"] is None
    assert found["intensity"]["mean"] == pytest.approx(40.0, abs=0.1)


def test_an_unknown_side_and_a_point_outside_are_said() -> None:
    with balls_session(side_known=False) as session:
        found = session.run("measure", kind="ruler", at=[MIDDLE, off(200, 0, 0)])
    assert {warning["code"] for warning in found["warnings"]} == {"side-unknown", "point-outside-image"}


def test_no_name_of_an_image_which_may_be_the_patients_is_kept_with_a_measurement() -> None:
    with balls_session(side_known=False) as session:
        session.run("edit", node="CT", rename="Musterfrau Erika")
        ruler = session.run("measure", kind="ruler", at=[MIDDLE, off(200, 0, 0)])
        ball = session.run("measure", kind="sphere", at=[off(25, 0, 0)], radius_mm=9)
        assert ruler["on"] == ball["on"] == "Musterfrau Erika"
        for node in session.scene.of_type(MeasurementNode):
            assert "Musterfrau" not in node.model_dump_json()


def test_a_cobb_angle_above_90_says_what_was_drawn(session: Session) -> None:
    t = np.radians(110)
    points = [MIDDLE, off(8, 0, 0), off(0, 0, 8), off(8 * np.cos(t), 0, 8 + 8 * np.sin(t))]
    found = session.run("measure", kind="cobb", at=points, plane="coronal")
    assert found["angle_deg"] == pytest.approx(70.0, abs=0.01)
    assert found["drawn_deg"] == pytest.approx(110.0, abs=0.01)
    assert [warning["code"] for warning in found["warnings"]] == ["cobb-over-90"]


def test_measurements_and_volumes_are_written_as_tables(session: Session, tmp_path: Path) -> None:
    session.run("measure", kind="ruler", name="=Width", at=[MIDDLE, off(3, 4, 12)])
    found = session.run("measurements", csv=tmp_path / "m.csv", volumes_csv=tmp_path / "v.csv")
    assert found["files"] == [str(tmp_path / "m.csv"), str(tmp_path / "v.csv")]
    with (tmp_path / "m.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["value"], row["unit"], row["stale"]) == ("'=Width", "13.000", "mm", "no")
    with (tmp_path / "v.csv").open(encoding="utf-8-sig", newline="") as file:
        volumes = {line["name"]: line for line in csv.DictReader(file)}
    assert float(volumes["Tumour"]["volume_ml"]) == pytest.approx(4 / 3 * np.pi * 0.512, rel=0.03)
    assert float(volumes["Tumour"]["surface_volume_ml"]) == pytest.approx(4 / 3 * np.pi * 0.512, rel=0.04)
    assert _plain("-5.0") == "-5.0"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "ruler", "at": [(0, 0, 0)]}, "takes 2 points"),
        ({"kind": "sphere", "at": [MIDDLE]}, "needs its radius"),
        ({"kind": "sphere", "at": [(900, 0, 0)], "radius_mm": 5}, "outside the image"),
        ({"kind": "box", "at": [MIDDLE]}, "needs its size"),
        ({"kind": "distance", "of": ["Tumour"]}, "2 structures"),
        ({"kind": "distance", "of": ["Tumour", "CT"]}, "cannot be measured on"),
        ({"kind": "diameter", "at": [MIDDLE], "of": ["Tumour"]}, "no vessel tree"),
        ({"kind": "ruler", "at": [MIDDLE, MIDDLE], "snap": True}, "no surface to snap"),
        ({"kind": "ruler", "at": [MIDDLE, MIDDLE], "plane": "axial"}, "Only angles"),
        ({"kind": "angle", "at": [MIDDLE, MIDDLE, MIDDLE]}, "no length"),
        ({"kind": "area", "at": [MIDDLE, MIDDLE + 1, MIDDLE + 2]}, "on a line"),
        ({"kind": "area", "at": [MIDDLE, MIDDLE + 1, MIDDLE + 2], "of": ["Tumour", "Cyst"]}, "lies on one surface"),
    ],
)
def test_what_makes_no_measurement_is_refused_and_nothing_is_kept(
    session: Session, values: dict[str, object], words: str
) -> None:
    before = session.scene.digest()
    with pytest.raises(BadInput, match=words):
        session.run("measure", **values)
    assert session.scene.digest() == before


def test_an_empty_segment_is_refused_by_name(session: Session) -> None:
    cyst = session.scene.resolve("Cyst", SegmentNode)
    with session.transaction("Empty") as tx:
        labels = session.scene.layer_of(cyst).labels.read()
        tx.patch(cyst.layer, "labels", GRID.full_box, 0, labels == 2)
    with pytest.raises(BadInput, match="“Cyst” is empty"):
        session.run("measure", kind="distance", of=["Tumour", "Cyst"])


def test_a_measurement_can_be_renamed_hidden_and_removed_like_any_node(session: Session) -> None:
    session.run("measure", kind="ruler", name="R", at=[MIDDLE, off(1, 0, 0)])
    session.run("edit", node="R", rename="Width", visible=False)
    assert session.run("measurements")["measurements"][0]["name"] == "Width"
    assert [n["type"] for n in session.run("tree")["nodes"] if n["name"] == "Width"] == ["measurement"]
    session.run("remove", node="Width")
    assert session.run("measurements")["measurements"] == []


def cap_around(polar_deg: float, count: int) -> np.ndarray:
    """Places on the tumour's sphere of 8 mm around its lowest one."""
    polar, around = np.radians(polar_deg), np.arange(count) * 2 * np.pi / count
    ring = np.sin(polar) * np.column_stack([np.cos(around), np.sin(around)])
    return MIDDLE + 8.0 * np.column_stack([ring, np.full(count, -np.cos(polar))])


def test_an_area_of_a_structure_is_that_of_its_surface_within_the_loop() -> None:
    with balls_session() as session:
        placed = cap_around(70.0, 24)
        found = session.run("measure", kind="area", at=placed, of=["Tumour"], name="Cap")
        assert found["on_surface"] is True and "within the loop" in found["how"]
        cap = 2 * np.pi * 64.0 * (1 - np.cos(np.radians(70.0)))
        assert found["area_mm2"] == pytest.approx(cap, rel=0.04)  # voxels of 0.8 to 1.1 mm on a ball of 8 mm
        assert found["area_mm2"] + found["other_side_mm2"] == pytest.approx(4 * np.pi * 64.0, rel=0.04)
        assert found["flat_mm2"] == pytest.approx(np.pi * 64.0 * np.sin(np.radians(70.0)) ** 2, rel=0.04)
        assert np.linalg.norm(np.array(found["points_mm"]) - placed, axis=1).max() < 0.6
        # Corners that are each half a voxel off: twice the radius of the ring times the sine of one step, each.
        apart = 2 * 8.0 * np.sin(np.radians(70.0)) * np.sin(2 * np.pi / 24)
        assert found["uncertainty"] == pytest.approx(0.55 * np.sqrt(24) * apart / 2, rel=0.05)
        (node,) = session.scene.of_type(MeasurementNode)
        assert [session.scene.node(one).name for one in node.of] == ["Tumour"]
        flat = session.run("measure", kind="area", at=placed, of=["Tumour"], snap=True)
        assert "on_surface" not in flat and flat["area_mm2"] == pytest.approx(found["flat_mm2"], rel=1e-3)
        session.run("segment", method="smooth", into="Tumour")
        assert session.scene.is_stale(session.scene.resolve("Cap", MeasurementNode))


def test_a_loop_that_halves_a_surface_says_that_the_other_half_is_nearly_as_large() -> None:
    with balls_session() as session:
        found = session.run("measure", kind="area", at=cap_around(90.0, 12), of=["Tumour"])
        assert [one["code"] for one in found["warnings"]] == ["area-either-side"]
        assert found["area_mm2"] <= found["other_side_mm2"]
