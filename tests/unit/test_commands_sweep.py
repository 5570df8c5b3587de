"""The best of all sizes is the one that was cut out of the bone."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from tests.unit.implant_shapes import ball, socket

from surgitwin.commands.sweeping import _warnings, settled
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import CaseNode, ImplantNode, SurfaceNode
from surgitwin.session import Session


@contextmanager
def bone_session(tmp_path, start=(0.5, -0.5, 0.5)):
    """A case with a socket, and the file of a pose."""
    hollow = socket(18.0, fine=4)  # for the ball of 36 mm
    matrix = np.eye(4)
    matrix[:3, 3] = start
    pose = tmp_path / "pose.json"
    pose.write_text(json.dumps({"matrix": matrix.tolist()}))
    with Session() as session:
        with session.transaction("New case") as tx:
            case = tx.add(CaseNode(name="Case", pseudonym="Case"))
            surface = SurfaceNode(
                name="Bone",
                parent=case.id,
                points=ArrayData.of(hollow.points),
                triangles=ArrayData.of(hollow.triangles),
            )
            tx.add(surface)
        yield session, pose


def test_the_size_that_the_socket_was_made_for_comes_first(tmp_path) -> None:
    with bone_session(tmp_path) as (session, pose):
        found = session.run("sweep", family="sphere", onto="Bone", pose=pose, tolerance_mm=0.3)
        assert found["sizes"][0]["size"] == "36"
        assert found["sizes"][0]["contact_percent"] > 95.0
        assert found["sizes"][0]["rank"] == 1
        assert "contact" in found["rule"]
        assert found["kept"] is None and not session.scene.of_type(ImplantNode)
        with pytest.raises(BadInput, match="where to start"):
            session.run("sweep", family="sphere", onto="Bone")


def test_the_best_size_is_kept_in_its_pose_also_from_a_start_too_far_from_the_bone(tmp_path) -> None:
    with bone_session(tmp_path, start=(2.0, 3.0, 45.0)) as (session, pose):
        found = session.run("sweep", family="sphere", onto="Bone", pose=pose, keep_best=True, name_="Best")
        assert all(row["refused"] is None and row["start"] > 1 for row in found["sizes"])
        best, kept = found["sizes"][0], session.scene.resolve("Best", ImplantNode)
        assert kept.item.id == best["item"] and found["kept"]["name"] == "Best"
        assert np.allclose(np.reshape(kept.matrix, (4, 4)), best["matrix"])
        assert session.history.undo_names[0] == "Keep the best size: Best"
        session.undo()
        assert not session.scene.of_type(ImplantNode)


def test_sizes_that_find_no_rest_say_why_and_how_to_mend_it() -> None:
    bone = ball(0.2, 1)
    rows = [{"refused": "no"}, {"refused": None}]
    assert "1 of 2 sizes" in _warnings(rows)[0]["message"] and _warnings(rows[1:]) == []
    task = SimpleNamespace(item=SimpleNamespace(name="X"), mesh=ball(18.0, 3), pose=np.eye(4),
                           bone=bone, bone_name="Speck")  # fmt: skip
    with pytest.raises(BadInput, match=r"7 starts were tried.*Place one size by hand"):
        settled(task, ctx=Context())
