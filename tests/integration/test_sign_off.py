"""Sign-off: who vouches for a segment or a plan, and what ends it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.scene.nodes import LabelLayerNode, PlanNode, SegmentationNode, SegmentNode
from surgitwin.session import Session
from terminal import make_case, make_phantom


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    phantom = make_phantom(folder / "in")
    case = make_case(phantom, folder / "case.twin")
    with Session.open(case) as session:
        session.run("plan", name="P1", organ="Liver", plane=phantom.plane_between(20))
    return case


@pytest.fixture
def session(master: Path, tmp_path: Path) -> Iterator[Session]:
    case = tmp_path / "case.twin"
    case.write_bytes(master.read_bytes())
    with Session.open(case) as session:
        yield session


def segment(session: Session, name: str) -> SegmentNode:
    return session.scene.resolve(name, SegmentNode)


def plan(session: Session) -> PlanNode:
    return session.scene.resolve("P1", PlanNode)


def paint(session: Session, name: str) -> None:
    """Change one voxel of a segment."""
    node = segment(session, name)
    layer = session.scene.expect(node.layer, LabelLayerNode)
    k, j, i = (int(value) for value in np.argwhere(layer.labels.read() == node.value)[0])
    with session.editor.transaction("Paint") as tx:
        tx.patch(layer.id, "labels", Box((i, j, k), (i + 1, j + 1, k + 1)), 0)


def sign(session: Session, name: str, status: str = "approved") -> None:
    session.run("sign", node=name, **{"as": status, "by": "Dr. Reader"})


def test_a_signature_holds_name_date_and_hash_and_survives_closing(session: Session, tmp_path: Path) -> None:
    document = session.run("sign", node="Liver", **{"as": "reviewed", "by": " Dr. Reader "})
    assert document["status"] == "reviewed"
    assert document["sign_off"]["by"] == "Dr. Reader"
    assert document["sign_off"]["at"].startswith("20") and len(document["sign_off"]["content_hash"]) == 64
    session.close()
    with Session.open(tmp_path / "case.twin") as again:
        node = segment(again, "Liver")
        assert node.status == "reviewed" and node.sign_off is not None
        assert node.sign_off.model_dump(mode="json") == document["sign_off"]
        (entry,) = again.run("verify")["sign_offs"]
        assert entry["name"] == "Liver" and entry["holds"]


def test_an_edit_of_its_voxels_returns_a_segment_to_draft_and_undo_brings_the_approval_back(session: Session) -> None:
    sign(session, "Liver")
    sign(session, "Right kidney", "reviewed")
    approved = segment(session, "Liver")
    paint(session, "Liver")
    assert (segment(session, "Liver").status, segment(session, "Liver").sign_off) == ("draft", None)
    assert segment(session, "Right kidney").status == "reviewed"
    session.undo()
    assert segment(session, "Liver") == approved
    session.redo()
    assert segment(session, "Liver").status == "draft"


def test_another_name_or_type_ends_an_approval_but_another_colour_does_not(session: Session) -> None:
    sign(session, "Liver")
    session.run("edit", node="Liver", color=(1, 2, 3))
    session.run("edit", node="Liver", work="completed")
    assert segment(session, "Liver").status == "approved"
    session.run("edit", node="Liver", rename="Foie")
    assert segment(session, "Foie").status == "draft"
    session.undo()
    session.run("edit", node="Liver", type="vessel")
    assert segment(session, "Liver").status == "draft"


def test_a_method_that_replaces_an_approved_segment_leaves_a_draft(session: Session) -> None:
    sign(session, "Liver")
    session.run("segment", method="threshold", into="Liver", settings={"lower": 100})
    assert segment(session, "Liver").status == "draft"


def test_an_approved_plan_is_a_draft_again_when_its_cut_its_notes_or_its_organ_change(session: Session) -> None:
    sign(session, "P1")
    approved = plan(session)
    paint(session, "Liver")
    assert plan(session).status == "draft"
    session.undo()
    assert plan(session) == approved
    with session.editor.transaction("Notes") as tx:
        tx.set(approved.id, notes="Other")
    assert plan(session).status == "draft"
    session.undo()
    with session.editor.transaction("Cut") as tx:
        tx.set(approved.id, cuts=())
    assert plan(session).status == "draft"


def test_a_signature_can_be_taken_back(session: Session) -> None:
    sign(session, "Liver")
    session.run("sign", node="Liver", **{"as": "draft"})
    assert (segment(session, "Liver").status, segment(session, "Liver").sign_off) == ("draft", None)
    session.undo()
    assert segment(session, "Liver").status == "approved"


def test_verify_finds_a_signed_segment_whose_content_is_another(session: Session, tmp_path: Path) -> None:
    sign(session, "Liver")
    sign_off = segment(session, "Liver").sign_off
    paint(session, "Liver")
    with session.editor.transaction("Forged") as tx:
        tx.set(segment(session, "Liver").id, status="approved", sign_off=sign_off)
    document = session.run("verify")
    assert [entry["holds"] for entry in document["sign_offs"]] == [False]


def test_equal_content_has_equal_hash_and_any_other_voxel_name_or_grid_another(session: Session) -> None:
    from surgitwin.scene.signing import segment_hash

    node = segment(session, "Liver")
    labels = session.scene.layer_of(node).labels.read()
    geometry = session.scene.segmentation_of(node).geometry
    first = segment_hash(node, labels, geometry)
    assert segment_hash(node.model_copy(update={"color": (1, 1, 1), "value": node.value}), labels, geometry) == first
    k, j, i = np.argwhere(labels == node.value)[5]
    other = labels.copy()
    other[k, j, i] = 0
    moved = geometry.cropped(Box((1, 0, 0), geometry.size_ijk))
    assert len({first, segment_hash(node, other, geometry), segment_hash(node, labels[:, :, 1:], moved)}) == 3
    assert segment_hash(node.model_copy(update={"name": "L"}), labels, geometry) != first


def test_what_nobody_should_sign_is_refused(session: Session) -> None:
    with pytest.raises(BadInput, match="--by"):
        session.run("sign", node="Liver", **{"as": "approved"})
    with pytest.raises(BadInput, match="leave --by out"):
        session.run("sign", node="Liver", **{"as": "draft", "by": "X"})
    with pytest.raises(BadInput, match="neither a segment nor a plan"):
        session.run("sign", node="Portal venous", **{"as": "approved", "by": "X"})
    with pytest.raises(BadInput, match="Nowhere"):
        session.run("sign", node="Nowhere", **{"as": "approved", "by": "X"})
    paint(session, "Liver")
    with pytest.raises(BadInput, match="stale"):
        sign(session, "P1")
    with session.editor.transaction("Side") as tx:
        tx.set(session.scene.of_type(SegmentationNode)[0].id, side_known=False)
    with pytest.raises(BadInput, match="side is unknown"):
        sign(session, "Liver")
    assert not [node for node in session.scene.of_type(SegmentNode) if node.sign_off is not None]
