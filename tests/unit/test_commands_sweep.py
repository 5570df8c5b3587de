"""The best of all sizes is the one that was cut out of the bone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.unit.implant_shapes import socket

from surgitwin.core.errors import BadInput
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import CaseNode, SurfaceNode
from surgitwin.session import Session


def test_the_size_that_the_socket_was_made_for_comes_first(tmp_path) -> None:
    hollow = socket(18.0, fine=4)  # for the ball of 36 mm
    start = np.eye(4)
    start[:3, 3] = (0.5, -0.5, 0.5)
    pose = tmp_path / "pose.json"
    pose.write_text(json.dumps({"matrix": start.tolist()}))
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
        found = session.run("sweep", family="sphere", onto="Bone", pose=pose, tolerance_mm=0.3)
        assert found["sizes"][0]["size"] == "36"
        assert found["sizes"][0]["contact_percent"] > 95.0
        assert found["sizes"][0]["rank"] == 1
        assert "contact" in found["rule"]
        with pytest.raises(BadInput, match="where to start"):
            session.run("sweep", family="sphere", onto="Bone")
