"""The fit command: the document, the node under the implant, undo, staleness, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.test_commands_undo import small_session

from surgitwin.core.errors import BadInput
from surgitwin.scene.nodes import FitNode, ImplantNode

KEYS = {"contact_percent", "gap_mm", "penetration_mm", "registration", "collisions", "grade", "overhang_mm", "gap_ml"}
AT = (0, -10, 40)


def test_a_fit_is_kept_under_its_implant_replaced_and_undone() -> None:
    with small_session() as session:
        session.run("implant", item="bone-screw/3.5x20", name="S", at=AT, onto="Liver")
        found = session.run("fit", implant="S", avoid=["Vein"])
        assert found.keys() >= KEYS
        assert found["penetration_mm"].keys() == {"mean", "p95", "max"}
        assert [one["name"] for one in found["collisions"]] == ["Vein"]
        assert found["grade"] is None and found["registration"] is None
        (kept,) = session.scene.of_type(FitNode)
        assert kept.parent == session.scene.resolve("S", ImplantNode).id
        assert not session.scene.is_stale(kept)
        session.run("fit", implant="S", tolerance_mm=2.0)
        assert len(session.scene.of_type(FitNode)) == 1
        session.run("implant", item="S", slide=3)
        assert session.scene.is_stale(session.scene.of_type(FitNode)[0])
        for _ in range(3):
            session.undo()
        assert session.scene.of_type(FitNode) == []


def test_an_implant_of_the_library_is_placed_and_fitted_in_one_step(tmp_path) -> None:
    pose = tmp_path / "pose.json"
    pose.write_text('{"matrix": [[1,0,0,0],[0,1,0,-10],[0,0,1,40],[0,0,0,1]]}')
    with small_session() as session:
        found = session.run("fit", implant="bone-screw/3.5x20", onto="Liver", pose=pose)
        assert np.allclose(np.array(found["matrix"])[:3, 3], AT)
        assert found["generic"] is True
        assert not session.scene.is_stale(session.scene.of_type(FitNode)[0])
        session.undo()
        assert session.scene.of_type(ImplantNode) == [] and session.scene.of_type(FitNode) == []


def test_an_implant_far_from_the_bone_says_that_there_is_no_contact() -> None:
    with small_session() as session:
        session.run("implant", item="sphere/22", name="S", at=(0, -10, 400), onto="Liver")
        found = session.run("fit", implant="S")
        assert "fit-no-contact" in [one["code"] for one in found["warnings"]]
        assert found["contact_percent"] == 0.0
        with pytest.raises(BadInput, match="Place it nearer"):
            session.run("fit", implant="S", register="icp")


def test_a_fit_needs_a_structure_and_landmarks_that_there_are() -> None:
    with small_session() as session:
        session.run("implant", item="bone-screw/3.5x20", name="S", at=AT)
        with pytest.raises(BadInput, match="--onto"):
            session.run("fit", implant="S")
        with pytest.raises(BadInput, match="landmark"):
            session.run("fit", implant="S", onto="Liver", register="landmarks", landmarks={"entry": "Nowhere"})
        with pytest.raises(BadInput, match="three or more"):
            session.run("fit", implant="S", onto="Liver", register="landmarks")
