"""Registrations as commands: found, measured, accepted, used to carry segments over, and held against plans."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pypdf import PdfReader

from surgitwin.commands.base import build, perform
from surgitwin.commands.registered import link_meant, seen_from
from surgitwin.commands.registering import RegisterImages
from surgitwin.core.errors import Ambiguous, BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity
from surgitwin.core.progress import Context, Progress
from surgitwin.exchange.report_documents import plan_part
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import (
    CaseNode,
    LabelLayerNode,
    PlanNode,
    SegmentationNode,
    SegmentNode,
    TransformNode,
    VolumeNode,
)
from surgitwin.session import Session
from terminal import surgitwin

A = 0.11
TURN = np.array([[np.cos(A), -np.sin(A), 0.0], [np.sin(A), np.cos(A), 0.0], [0.0, 0.0, 1.0]])
FIXED = Geometry.from_parts((48, 44, 34), (1.9, 2.1, 2.7), (-40.0, -50.0, 20.0))
MIDDLE = FIXED.centre_mm
# Another grid: oblique, left-handed, of other spacing.
TILT = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(0.2), -np.sin(0.2)], [0.0, np.sin(0.2), np.cos(0.2)]])
AXES = TILT @ np.diag([1.0, 1.0, -1.0])
SIZE, SPACING = (50, 52, 40), (2.0, 1.8, 2.5)
SHIFT = np.array([5.0, -4.0, 3.0])
MOVING = Geometry.from_parts(SIZE, SPACING, MIDDLE - AXES @ (np.array(SPACING) * (np.array(SIZE) - 1) / 2), AXES)
BALL_MM = 13.0
INNER = MIDDLE + np.array([6.0, 0.0, 0.0])
PLACES = MIDDLE + np.array([[0, 0, 0], [20, 0, 0], [0, -18, 6], [-14, 10, -12]], dtype=np.float64)


def to_moving(points: Any) -> NDArray[np.float64]:
    """The motion that was made: a turn about the middle and a shift."""
    return np.asarray((np.asarray(points) - MIDDLE) @ TURN.T + MIDDLE + SHIFT)


def to_fixed(points: Any) -> NDArray[np.float64]:
    return np.asarray((np.asarray(points) - MIDDLE - SHIFT) @ TURN + MIDDLE)


def centres(geometry: Geometry) -> NDArray[np.float64]:
    k, j, i = np.indices(geometry.shape_kji)
    return geometry.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3))


def anatomy(points: NDArray[np.float64]) -> NDArray[np.float64]:
    off = points - MIDDLE
    value = -900 + 950 / (1 + np.exp((np.linalg.norm(off / (38, 34, 40), axis=-1) - 1) * 12))
    random = np.random.default_rng(4)
    for _ in range(10):
        centre, size = random.uniform(-22, 22, 3), random.uniform(5, 12, 3)
        value += random.uniform(60, 250) / (1 + np.exp((np.linalg.norm((off - centre) / size, axis=-1) - 1) * 6))
    return np.asarray(value)


def ball(geometry: Geometry, at: NDArray[np.float64], radius_mm: float) -> NDArray[np.bool_]:
    return np.asarray((np.linalg.norm(centres(geometry) - at, axis=1) < radius_mm).reshape(geometry.shape_kji))


def image(name: str, case: CaseNode, geometry: Geometry, where: Any, frame: str) -> VolumeNode:
    voxels = anatomy(where(centres(geometry))).reshape(geometry.shape_kji).astype(np.int16)
    identity = ImageIdentity(modality="CT", frame_of_reference_uid=frame)
    return VolumeNode(
        name=name, parent=case.id, geometry=geometry, voxels=ArrayData.of(voxels), unit="HU", identity=identity
    )


def fill(session: Session, frames: tuple[str, str] = ("1.2.1", "1.2.2")) -> None:
    """Two images of one body that moved; a ball in the middle of the first one's, drawn on the second ("Liver")."""
    with session.transaction("New case") as tx:
        case = CaseNode(name="Case", pseudonym="Case")
        tx.add(case)
        fixed = image("Portal", case, FIXED, lambda points: points, frames[0])
        moving = image("Arterial", case, MOVING, to_fixed, frames[1])
        tx.add(fixed)
        tx.add(moving)
        grid = SegmentationNode(name="On Arterial", parent=case.id, volume=moving.id, geometry=MOVING)
        tx.add(grid)
        labels = np.zeros(MOVING.shape_kji, np.uint8)
        labels[ball(MOVING, to_moving(MIDDLE), BALL_MM)] = 1
        labels[ball(MOVING, to_moving(INNER), 4.5)] = 2
        layer = LabelLayerNode(name="Layer 1", parent=grid.id, labels=ArrayData.of(labels, constant=False))
        tx.add(layer)
        for value, name, kind in ((1, "Liver", "organ"), (2, "Tumour 1", "lesion")):
            color = (10, 20, value)
            tx.add(SegmentNode(name=name, parent=grid.id, layer=layer.id, value=value, color=color, kind=kind))
    session.history.clear()


@pytest.fixture
def session() -> Iterator[Session]:
    with Session() as session:
        fill(session)
        yield session


def known(session: Session, name: str = "Link", matrix: NDArray[np.float64] | None = None) -> TransformNode:
    """A registration that is exactly the motion that was made, as if a search had found it."""
    exact = np.eye(4)
    exact[:3, :3] = TURN
    exact[:3, 3] = MIDDLE + SHIFT - TURN @ MIDDLE
    rows = exact if matrix is None else matrix
    node = TransformNode(
        name=name,
        parent=session.scene.case.id,
        fixed=session.scene.resolve("Portal", VolumeNode).id,
        moving=session.scene.resolve("Arterial", VolumeNode).id,
        kind="rigid",
        matrix=tuple(float(value) for value in rows.reshape(-1)),
    )
    with session.transaction("Known") as tx:
        tx.add(node)
    return node


def link(session: Session, name: str = "Link") -> TransformNode:
    return session.scene.resolve(name, TransformNode)


def on(session: Session, image_name: str, segment: str) -> SegmentNode:
    """The segment of this name on this image."""
    volume = session.scene.resolve(image_name, VolumeNode)
    return next(
        s
        for s in session.scene.of_type(SegmentNode)
        if s.name == segment and session.scene.segmentation_of(s).volume == volume.id
    )


def mask_of(session: Session, segment: SegmentNode) -> NDArray[np.bool_]:
    return np.asarray(session.scene.layer_of(segment).labels.read() == segment.value)


def pair(fixed: Any, moving: Any, off: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> str:
    """Two places as typed; the second is ``off`` by so many mm."""
    moving = np.asarray(moving) + off
    return "=".join(",".join(f"{value:.9g}" for value in side) for side in (fixed, moving))


def refused(session: Session, says: str, command: str, **values: Any) -> None:
    """The command is refused with this sentence; nothing changed and nothing can be undone."""
    before, steps = session.scene.digest(), list(session.history.undo_names)
    with pytest.raises(BadInput, match=says):
        session.run(command, **values)
    assert session.scene.digest() == before and session.history.undo_names == steps


# Registering ----------------------------------------------------------------------------------------------------


def test_a_motion_is_found_and_measured_at_landmarks(session: Session) -> None:
    document = session.run("register", fixed="Portal", moving="Arterial", name="Link")
    assert session.history.undo_names == ["Register: Link"]
    assert document["rotation_deg"] == pytest.approx(math.degrees(A), abs=0.5)
    assert document["shift_mm"] == pytest.approx(np.linalg.norm(SHIFT), abs=0.5)
    assert document["similarity_after"] > document["similarity_before"]
    assert document["accepted"] is None and document["mean_error_mm"] is None
    measured = session.run("landmarks", registration="Link", pair=[pair(p, to_moving(p)) for p in PLACES])
    assert measured["max_error_mm"] < 1.0
    made_from = link(session).provenance
    assert made_from is not None
    assert set(made_from.inputs) == {link(session).fixed, link(session).moving}
    session.undo()
    session.undo()
    assert not session.scene.of_type(TransformNode)


def test_the_landmark_error_is_how_far_the_registration_misses(session: Session) -> None:
    known(session)
    pairs = [pair(PLACES[0], to_moving(PLACES[0]), (3.0, 4.0, 0.0)), pair(PLACES[1], to_moving(PLACES[1]))]
    document = session.run("landmarks", registration="Link", pair=pairs)
    errors = [entry["error_mm"] for entry in document["landmarks"]]
    np.testing.assert_allclose(errors, [5.0, 0.0], atol=1e-6)
    assert document["mean_error_mm"] == pytest.approx(2.5, abs=1e-6)
    assert document["max_error_mm"] == pytest.approx(5.0, abs=1e-6)
    session.run("landmarks", registration="Link", clear=True)
    assert link(session).mean_error_mm is None


def test_a_new_run_replaces_the_old_one_and_ends_its_acceptance(session: Session) -> None:
    wrong = np.eye(4)
    wrong[:3, 3] = 9.0
    old = known(session, matrix=wrong)
    session.run("landmarks", registration="Link", pair=[pair(PLACES[0], to_moving(PLACES[0]))])
    before = link(session).landmarks[0].error_mm
    session.run("accept", registration="Link", by="Dr. Test")
    accepted = link(session)
    session.run("register", fixed="Portal", moving="Arterial")
    now = link(session)
    assert now.id == old.id and now.accepted is None and now.revision != accepted.revision
    assert now.landmarks[0].error_mm < 1.0 < before  # the same place, measured anew
    session.undo()
    assert link(session).accepted is not None and link(session).revision == accepted.revision


def test_a_cancelled_registration_leaves_everything_as_it_was(session: Session) -> None:
    command = build(RegisterImages, {"fixed": "Portal", "moving": "Arterial", "kind": "affine"})

    def stop(progress: Progress) -> None:
        if (progress.fraction or 0) > 0.1:
            ctx.cancel()

    ctx = Context(stop)
    before = session.scene.digest()
    with pytest.raises(Cancelled):
        perform(command, session, ctx)
    assert session.scene.digest() == before and session.history.undo_names == []


def test_only_a_named_person_accepts_and_only_what_is_current(session: Session) -> None:
    known(session)
    refused(session, "Say who", "accept", registration="Link")
    refused(session, "Say who", "accept", registration="Link", by="  ")
    refused(session, "is not accepted", "accept", registration="Link", withdraw=True)
    session.run("accept", registration="Link", by="Dr. Test")
    accepted = link(session).accepted
    assert accepted is not None and accepted.by == "Dr. Test" and len(accepted.content_hash) == 64
    refused(session, "needs no name", "accept", registration="Link", by="Dr. Test", withdraw=True)
    session.run("accept", registration="Link", withdraw=True)
    assert link(session).accepted is None
    with session.transaction("Side") as tx:
        tx.set(link(session).moving, side_known=False)
    refused(session, "left and right", "accept", registration="Link", by="Dr. Test")


@pytest.mark.parametrize(
    ("command", "values", "says"),
    [
        ("register", {"fixed": "Portal", "moving": "Portal"}, "onto itself"),
        ("register", {"fixed": "Portal", "moving": "Nothing"}, "“Nothing”"),
        ("register", {"fixed": "Portal", "moving": "Arterial", "within": "Liver"}, "does not lie on the fixed"),
        ("register", {"fixed": "Arterial", "moving": "Portal", "name": "Link"}, "of other images"),
        ("register", {"fixed": "Portal", "moving": "Arterial", "kind": "elastic"}, "kind cannot be elastic"),
        ("landmarks", {"registration": "Link"}, "--pair"),
        ("landmarks", {"registration": "Link", "pair": ["1,2,3"]}, "A pair is"),
        ("landmarks", {"registration": "Link", "pair": ["1,2,3=1,2,nan"]}, "A pair is"),
        ("landmarks", {"registration": "Link", "pair": ["999,2,3=1,2,3"]}, "outside of the image “Portal”"),
        ("landmarks", {"registration": "Liver", "pair": ["1,2,3=1,2,3"]}, "no transform “Liver”"),
        ("carry", {"segment": "Liver", "onto": "Arterial"}, "already"),
        ("carry", {"segment": "Liver", "onto": "Portal", "through": "Other"}, "“Other”"),
    ],
)
def test_bad_input_is_refused_with_one_sentence(
    session: Session, command: str, values: dict[str, Any], says: str
) -> None:
    known(session)
    refused(session, says, command, **values)


def test_a_region_without_voxels_is_refused(session: Session) -> None:
    known(session)
    session.run("carry", segment="Liver", onto="Portal")
    with session.transaction("Empty") as tx:
        liver = on(session, "Portal", "Liver")
        tx.patch(liver.layer, "labels", FIXED.full_box, 0)
    refused(session, "empty", "register", fixed="Portal", moving="Arterial", within=on(session, "Portal", "Liver").id)


# Carrying -------------------------------------------------------------------------------------------------------


def test_a_segment_is_carried_from_the_moving_to_the_fixed_image_and_back(session: Session) -> None:
    known(session)
    document = session.run("carry", segment="Liver", onto="Portal")
    assert session.history.undo_names[0] == "Carry over: Liver"
    liver = on(session, "Portal", "Liver")
    truth = ball(FIXED, MIDDLE, BALL_MM)
    truth &= ~ball(FIXED, INNER, 4.5)  # the tumour's voxels are not the liver's
    found = mask_of(session, liver)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95
    assert document["volume_ml"] == pytest.approx(found.sum() * FIXED.voxel_volume_mm3 / 1000)
    assert document["volume_ml"] == pytest.approx(document["source_volume_ml"], rel=0.03)
    assert liver.kind == "organ" and liver.provenance is not None
    assert liver.provenance.parameters["matrix"] == list(link(session).matrix)
    assert link(session).id in liver.provenance.inputs and liver.carried[0].registration == link(session).id
    session.run("carry", segment=liver.id, onto="Arterial", name="Back")
    back, original = (
        mask_of(session, on(session, "Arterial", "Back")),
        mask_of(session, on(session, "Arterial", "Liver")),
    )
    assert 2 * (back & original).sum() / (back.sum() + original.sum()) > 0.93


def test_carrying_again_replaces_what_was_carried_and_nothing_else(session: Session) -> None:
    known(session)
    session.run("carry", segment="Liver", onto="Portal")
    first = on(session, "Portal", "Liver")
    session.run("carry", segment=on(session, "Arterial", "Liver").id, onto="Portal")
    assert on(session, "Portal", "Liver").id == first.id
    session.run("edit", node="Tumour 1", rename="Own")
    session.run("carry", segment="Own", onto="Portal", name="Mine")
    refused(session, "already", "carry", segment="Own", onto="Portal", name="Liver")


def test_images_of_one_frame_of_reference_need_no_registration() -> None:
    with Session() as session:
        fill(session, ("1.2.1", "1.2.1"))
        session.run("carry", segment="Liver", onto="Portal")
        liver = on(session, "Portal", "Liver")
        goal = to_moving(MIDDLE)  # where it lies, for nothing is moved
        found = centres(FIXED)[mask_of(session, liver).reshape(-1)].mean(axis=0)
        original = centres(MOVING)[mask_of(session, on(session, "Arterial", "Liver")).reshape(-1)].mean(axis=0)
        assert np.linalg.norm(found - original) < 0.3 and np.linalg.norm(found - goal) < 2
        assert liver.carried == ()


def test_no_registration_or_several_are_a_clear_sentence(session: Session) -> None:
    refused(session, "No registration links", "carry", segment="Liver", onto="Portal")
    known(session, "One")
    known(session, "Two")
    with pytest.raises(Ambiguous, match="“One”, “Two”"):
        session.run("carry", segment="Liver", onto="Portal")
    session.run("carry", segment="Liver", onto="Portal", through="Two")
    assert on(session, "Portal", "Liver").carried[0].registration == link(session, "Two").id


def test_a_segment_that_lies_outside_of_the_other_image_is_refused(session: Session) -> None:
    far = np.eye(4)
    far[:3, 3] = 500.0
    known(session, matrix=far)
    refused(session, "lies outside of the image", "carry", segment="Liver", onto="Portal")


# Plans ----------------------------------------------------------------------------------------------------------


def carried(session: Session) -> tuple[str, dict[str, Any]]:
    """Liver and tumour on the first image, and the words of a plan there that takes the tumour out."""
    known(session)
    for name in ("Liver", "Tumour 1"):
        session.run("carry", segment=name, onto="Portal")
    liver = on(session, "Portal", "Liver")
    x, y, z = MIDDLE
    return liver.id, {"name": "P", "organ": liver.id, "plane": f"{x - 3},{y},{z},1,0,0"}


def test_a_plan_on_what_nobody_accepted_is_refused(session: Session) -> None:
    _, words = carried(session)
    refused(session, "accept", "plan", **words)
    session.run("accept", registration="Link", by="Dr. Test")
    assert session.run("plan", **words)["registration"]["names"] == ["Link"]


def test_the_margins_band_is_the_errors_in_quadrature(session: Session) -> None:
    _, words = carried(session)
    session.run("accept", registration="Link", by="Dr. Test")
    pairs = [pair(PLACES[0], to_moving(PLACES[0]), (0.9, 1.2, 0.0)), pair(PLACES[1], to_moving(PLACES[1]))]
    session.run("landmarks", registration="Link", pair=pairs)
    document = session.run("plan", **words)
    (lesion,) = document["lesions"]
    half = math.sqrt((2.7 / 2) ** 2 + 0.75**2)  # half the largest spacing; the mean of 1.5 mm and 0
    assert lesion["margin_mm"] > half
    assert lesion["margin_low_mm"] == pytest.approx(lesion["margin_mm"] - half, abs=1e-6)
    assert lesion["margin_high_mm"] == pytest.approx(lesion["margin_mm"] + half, abs=1e-6)
    session.run("plan", **{**words, "name": "Q"})
    rows = {row["label"]: row["values"] for row in session.run("compare")["rows"]}
    assert rows["Smallest margin, at least"] == [pytest.approx(lesion["margin_mm"] - half, abs=1e-6)] * 2
    assert rows["Smallest margin, at most"] == [pytest.approx(lesion["margin_mm"] + half, abs=1e-6)] * 2


def test_a_band_never_goes_below_nothing(session: Session) -> None:
    _, words = carried(session)
    session.run("accept", registration="Link", by="Dr. Test")
    session.run("landmarks", registration="Link", pair=[pair(PLACES[0], to_moving(PLACES[0]), (9.0, 0.0, 0.0))])
    (lesion,) = session.run("plan", **words)["lesions"]
    assert lesion["margin_low_mm"] == 0.0
    assert lesion["margin_high_mm"] == pytest.approx(lesion["margin_mm"] + math.hypot(1.35, 9.0), abs=1e-6)


def test_without_landmarks_the_error_is_said_not_to_be_assessed(session: Session) -> None:
    _, words = carried(session)
    session.run("accept", registration="Link", by="Dr. Test")
    document = session.run("plan", **words)
    (lesion,) = document["lesions"]
    assert lesion["margin_mm"] is not None
    assert lesion["margin_low_mm"] is None and lesion["margin_high_mm"] is None
    assert "registration-not-assessed" in [warning["code"] for warning in document["warnings"]]


def test_a_lesion_that_is_cut_through_has_no_band(session: Session) -> None:
    _, words = carried(session)
    session.run("accept", registration="Link", by="Dr. Test")
    session.run("landmarks", registration="Link", pair=[pair(PLACES[0], to_moving(PLACES[0]))])
    x, y, z = MIDDLE
    (lesion,) = session.run("plan", **{**words, "plane": f"{x + 6},{y},{z},1,0,0"})["lesions"]
    assert lesion["margin_mm"] == 0 and lesion["margin_low_mm"] is None and lesion["margin_high_mm"] is None


def test_a_plan_on_its_own_image_has_no_band_and_asks_for_nothing(session: Session) -> None:
    x, y, z = to_moving(MIDDLE)
    document = session.run("plan", name="Own", organ="Liver", plane=f"{x - 3},{y},{z},1,0,0")
    assert "registration" not in document and "margin_low_mm" not in document["lesions"][0]


@pytest.mark.parametrize("what", ["withdrawn", "measured anew", "registered anew"])
def test_a_plan_is_stale_and_a_draft_once_its_registration_is_another(session: Session, what: str) -> None:
    _, words = carried(session)
    session.run("accept", registration="Link", by="Dr. Test")
    session.run("plan", **words)
    session.run("sign", node="P", as_="approved", by="Dr. Test")
    plan = session.scene.resolve("P", PlanNode)
    assert not session.scene.is_stale(plan) and plan.status == "approved"
    if what == "withdrawn":
        session.run("accept", registration="Link", withdraw=True)
    elif what == "measured anew":
        session.run("landmarks", registration="Link", pair=[pair(PLACES[0], to_moving(PLACES[0]))])
    else:
        session.run("register", fixed="Portal", moving="Arterial")
    plan = session.scene.resolve("P", PlanNode)
    assert session.scene.is_stale(plan) and plan.status == "draft"
    if what != "measured anew":
        refused(session, "accept" if what == "withdrawn" else "earlier run", "plan", **words)
    session.undo()
    plan = session.scene.resolve("P", PlanNode)
    assert not session.scene.is_stale(plan) and plan.status == "approved"


def test_an_edited_segment_is_still_one_that_was_carried_over(session: Session) -> None:
    liver, words = carried(session)
    session.run("segment", method="smooth", into=liver, onto="Portal", settings={"mm": 2})
    refused(session, "which nobody accepted", "plan", **words)
    session.run("segment", method="logic", into="Copy", of=liver, onto="Portal", settings={"operation": "copy"})
    copy = on(session, "Portal", "Copy")
    session.run("remove", node=liver)  # where it came from is known without it
    refused(session, "which nobody accepted", "plan", name="Q", organ=copy.id, plane=words["plane"])
    session.run("accept", registration="Link", by="Dr. Test")
    assert session.run("plan", name="Q", organ=copy.id, plane=words["plane"])["registration"]["names"] == ["Link"]


def test_a_segment_that_is_made_anew_from_the_image_was_not_carried_over(session: Session) -> None:
    liver, words = carried(session)
    session.run("remove", node=on(session, "Portal", "Tumour 1").id)
    session.run("segment", method="threshold", into=liver, onto="Portal", settings={"low": -200})
    assert "registration" not in session.run("plan", **words)


def test_an_organ_that_was_cut_off_where_it_came_from_cannot_be_planned_on(session: Session) -> None:
    liver = session.scene.resolve("Liver", SegmentNode)
    with session.transaction("To the edge") as tx:
        edge = np.zeros(MOVING.shape_kji, np.bool_)
        edge[18:22, 24:28, :26] = True
        tx.patch(liver.layer, "labels", MOVING.full_box, 1, edge)
    _, words = carried(session)
    session.run("accept", registration="Link", by="Dr. Test")
    refused(session, "cut off in the image", "plan", **words)


# Storage and display --------------------------------------------------------------------------------------------


def test_a_registration_is_kept_in_the_case_with_everything(tmp_path: Path) -> None:
    field = np.random.default_rng(3).normal(size=(3, 4, 5, 3)).astype(np.float32)
    path = tmp_path / "case.twin"
    with Session() as session:
        fill(session)
        session.save_as(path)
        node = known(session)
        with session.transaction("Bend") as tx:
            grid = Geometry.from_parts((5, 4, 3), (20.0, 25.0, 40.0), (-40.0, -50.0, 20.0))
            tx.set(node.id, kind="deformable", displacement=ArrayData.of(field), grid=grid, similarity=(0.2, 0.7))
        session.run("landmarks", registration="Link", pair=[pair(PLACES[0], to_moving(PLACES[0]))])
        session.run("accept", registration="Link", by="Dr. Test")
        session.run("carry", segment="Liver", onto="Portal")
        digest = session.scene.digest()
    with Session.open(path) as session:
        assert session.scene.digest() == digest
        found = link(session)
        assert found.displacement is not None and found.grid == grid
        np.testing.assert_array_equal(found.displacement.read(), field)
        assert found.accepted is not None and len(found.landmarks) == 1
        assert on(session, "Portal", "Liver").carried[0].registration == found.id
    tree = surgitwin("tree", path, "--json").document["nodes"]
    (entry,) = [entry for entry in tree if entry["type"] == "transform"]
    assert (entry["name"], entry["stale"]) == ("Link", False)
    assert "Link  registration" in surgitwin("tree", path).out
    shown = surgitwin("accept", path, "Link", "--by", "Dr. Other")
    assert shown.status == 0 and "accepted by Dr. Other" in shown.out and "registration error" in shown.out
    assert surgitwin("verify", path).status == 0


def test_of_several_registrations_the_latest_accepted_one_is_meant_and_shown(session: Session) -> None:
    scene = session.scene
    fixed, moving = (scene.resolve(name, VolumeNode) for name in ("Portal", "Arterial"))
    assert link_meant(scene, fixed, moving) is None
    first, second = known(session, "First").id, known(session, "Second").id

    def meant() -> tuple[str, str]:
        """By the panel, and by what the slices show."""
        one, (shown, _) = link_meant(scene, moving, fixed), seen_from(scene, fixed, moving)
        assert one is not None and shown is not None
        return one.id, shown.id

    assert meant() == (second, second)
    session.run("accept", registration=first, by="Dr. Roe")
    assert meant() == (first, first)
    session.run("accept", registration=second, by="Dr. Roe")
    assert meant() == (second, second)


def test_verify_says_whether_a_registration_still_is_what_was_accepted(session: Session, tmp_path: Path) -> None:
    session.save_as(tmp_path / "case.twin")
    node = known(session)
    session.run("accept", registration=node.id, by="Dr. Roe")
    (entry,) = session.run("verify")["sign_offs"]
    assert (entry["name"], entry["status"], entry["by"], entry["holds"]) == (node.name, "accepted", "Dr. Roe", True)
    with session.transaction("Forged") as tx:
        tx.set(node.id, matrix=tuple(float(v) for v in np.diag([1.1, 1, 1, 1]).reshape(-1)))
    (entry,) = session.run("verify")["sign_offs"]
    assert not entry["holds"]


def planned(path: Path) -> tuple[dict[str, Any], tuple[str, str]]:
    """A case with a plan through a registration of 1 mm error: the words of that plan, and its band as printed."""
    with Session() as session:
        fill(session)
        session.save_as(path)
        _, words = carried(session)
        session.run("accept", registration="Link", by="Dr. Test")
        session.run("landmarks", registration="Link", pair=[pair(PLACES[0], to_moving(PLACES[0]), (0.6, 0.8, 0.0))])
        (lesion,) = session.run("plan", **words)["lesions"]
    half = math.hypot(2.7 / 2, 1.0)
    return words, (f"{lesion['margin_mm'] - half:.1f}", f"{lesion['margin_mm'] + half:.1f}")


def test_the_band_is_shown_beside_the_margin_on_the_terminal_and_in_the_report(tmp_path: Path) -> None:
    path = tmp_path / "case.twin"
    words, (low, high) = planned(path)
    shown = surgitwin("plan", path, "P", "--organ", words["organ"], "--plane", words["plane"])
    assert shown.status == 0 and f"({low} to {high} by registration)" in " ".join(shown.out.split())
    compared = surgitwin("compare", path).out
    assert f"Smallest margin, at least {low} mm" in " ".join(compared.split())
    with Session.open(path) as session:
        document = session.scene.resolve("P", PlanNode).numbers
    assert document is not None
    (lesion,) = plan_part("P", document).lesions
    assert lesion.band.formatted() == f"{low} to {high} mm"
    report = tmp_path / "report.pdf"
    assert surgitwin("report", path, report).status == 0
    pages = " ".join(" ".join(page.extract_text() for page in PdfReader(report).pages).split())
    assert f"{low} to {high} mm" in pages


def test_a_copy_for_sharing_names_no_image_in_its_registrations(tmp_path: Path) -> None:
    path, copy = tmp_path / "case.twin", tmp_path / "copy.twin"
    with Session() as session:
        fill(session)
        session.save_as(path)
        with session.transaction("As a scanner names it") as tx:
            volume = session.scene.resolve("Arterial", VolumeNode)
            identity = dataclasses.replace(volume.identity, series_description="Musterfrau")
            tx.set(volume.id, name="Musterfrau", identity=identity)
        session.run("register", fixed="Portal", moving="Musterfrau")
        assert session.scene.of_type(TransformNode)[0].name == "Musterfrau on Portal"
    assert surgitwin("copy", path, copy, "--for-sharing").status == 0
    assert b"Musterfrau" not in copy.read_bytes()
    with Session.open(copy) as session:
        assert session.scene.of_type(TransformNode)[0].name == "CT on Portal"
