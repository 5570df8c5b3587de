"""Implants on a case: placed, moved, exchanged, mirrored, undone; bad ones refused with a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.exchange.mesh_out import MeshItem
from surgitwin.exchange.stl import write_stl
from surgitwin.implants.parametric.plain import Sphere
from surgitwin.implants.placement import placed_mesh
from surgitwin.scene.nodes import ImplantNode, VolumeNode
from surgitwin.session import Session
from terminal import done, make_case, make_phantom, surgitwin


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("implants")
    return make_case(make_phantom(folder), folder / "case.twin")


@pytest.fixture
def session(master: Path, tmp_path: Path) -> Iterator[Session]:
    case = tmp_path / "case.twin"
    case.write_bytes(master.read_bytes())
    with Session.open(case) as opened:
        yield opened


def implant(session: Session, name: str) -> ImplantNode:
    return session.scene.resolve(name, ImplantNode)


def test_a_screw_is_placed_moved_exchanged_and_all_of_it_undone(session: Session, tmp_path: Path) -> None:
    before = session.scene.digest()
    made = session.run(
        "implant", item="pedicle-screw/6.5x45", name="S1", at="10,20,30", along="0,0,-1", onto="Liver",
        pose_out=tmp_path / "pose.json",
    )  # fmt: skip
    assert made["item"]["maker"] == "generic, not a product"
    assert made["onto"]["name"] == "Liver" and made["main_lps"] == pytest.approx([0, 0, -1])
    low = placed_mesh(implant(session, "S1")).points.min(axis=0)
    assert low[2] == pytest.approx(30 - 45, abs=1e-3)
    assert json.loads((tmp_path / "pose.json").read_text())["matrix"] == made["matrix"]
    moved = session.run("implant", item="S1", slide=5.0, turn=90.0)
    assert moved["at_mm"] == pytest.approx([10, 20, 25])
    longer = session.run("implant", item="pedicle-screw/6.5x55", name="S1")
    assert longer["at_mm"] == pytest.approx([10, 20, 25]) and longer["onto"]["name"] == "Liver"
    assert placed_mesh(implant(session, "S1")).points[:, 2].min() == pytest.approx(25 - 55, abs=1e-3)
    back = session.run("implant", item="S1", pose=tmp_path / "pose.json")
    assert back["matrix"] == made["matrix"]
    for _ in range(4):
        session.undo()
    assert session.scene.digest() == before


def test_the_other_side_of_the_image_takes_the_mirrored_mesh(session: Session) -> None:
    session.run("implant", item="femoral-stem/26x130", name="Stem", at="25,0,0", along="0.1,0,-1")
    there = placed_mesh(implant(session, "Stem")).points
    done_ = session.run("implant", item="Stem", across="image")
    middle = _middle(session)
    image = there * np.array([-1, 1, 1]) + np.array([2 * middle, 0, 0])
    assert done_["mirrored"] is True
    assert "mirror-plane-image" in {one["code"] for one in done_["warnings"]}
    assert placed_mesh(implant(session, "Stem")).points == pytest.approx(image, abs=1e-3)
    again = session.run("implant", item="Stem", across="image")
    assert again["mirrored"] is False
    assert placed_mesh(implant(session, "Stem")).points == pytest.approx(there, abs=1e-3)


def _middle(session: Session) -> float:
    return float(session.scene.of_type(VolumeNode)[0].geometry.centre_mm[0])


def test_snapping_lays_the_implant_on_the_segment(session: Session) -> None:
    session.run("mesh", segment="Liver")
    made = session.run("implant", item="straight-plate/4", name="P", at="500,0,30", onto="Liver", snap=True)
    pose = np.array(made["matrix"])
    assert pose[:3, 2] @ (1, 0, 0) > 0.5  # outwards, to the side that it came from
    assert made["at_mm"][0] < 400


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([2.0, 2, 2, 1]), "stretches or shears"),
        (np.diag([-1.0, 1, 1, 1]), "mirrors the implant"),
        (np.eye(4) + np.eye(4, k=1) * [[0.3], [0], [0], [0]], "stretches or shears"),
        (np.eye(3), "not a matrix of 4 x 4"),
    ],
)
def test_a_pose_that_is_no_rotation_and_translation_is_refused(
    session: Session, tmp_path: Path, matrix: Any, words: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"matrix": np.asarray(matrix).tolist()}))
    before = session.scene.digest()
    with pytest.raises(BadInput, match=words):
        session.run("implant", item="sphere/32", pose=path)
    assert session.scene.digest() == before


def test_bad_implants_are_refused_with_a_sentence(session: Session, tmp_path: Path) -> None:
    ball = Sphere().mesh()
    write_stl([MeshItem("ball", ball)], tmp_path / "ball.stl")
    content = bytearray((tmp_path / "ball.stl").read_bytes())
    content[80:84] = np.uint32(len(ball.triangles) - 1).tobytes()
    (tmp_path / "open.stl").write_bytes(content[:-50])
    assert session.run("implant", item=str(tmp_path / "ball.stl"), name="B")["volume_ml"] == pytest.approx(
        17.1, abs=0.1
    )
    for values, words in [
        ({"item": str(tmp_path / "open.stl")}, "is open"),
        ({"item": str(tmp_path / "missing.stl")}, "There is no file"),
        ({"item": "bone-screw"}, "Which size"),
        ({"item": "bone-screw/9x9"}, "has no size"),
        ({"item": "bone-screw", "settings": {"diameter_mm": "x"}}, "diameter_mm cannot be x"),
        ({"item": "B", "settings": {"diameter_mm": 3}}, "is in the case already"),
        ({"item": "B", "axis": "neck", "turn": 3}, "no axis “neck”"),
        ({"item": "B", "snap": True}, "Say which surface"),
        ({"item": "B", "onto": "Nowhere"}, "Nowhere"),
        ({"item": "B", "at": "1,2"}, "needs 3 numbers"),
    ]:
        with pytest.raises(BadInput, match=words):
            session.run("implant", **values)


def test_the_library_is_listed_without_a_case_and_says_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"maker": "X"}')
    listed = done("implants", "--folder", tmp_path)
    assert {item["family"] for item in listed["items"]} >= {"bone-screw", "acetabular-cup", "femoral-stem"}
    assert listed["bad"][0]["reason"] == "half.json: the key “name” is missing."
    text = surgitwin("implants", "--folder", tmp_path)
    assert "generic, not a product" in " ".join(text.out.split()) and "half.json" in text.err
