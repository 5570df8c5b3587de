"""Shaping for print and patient-specific parts by command: mirrored, of implants, on an oblique image, of nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.printing import GEOMETRY, print_case

from surgitwin.commands.export_presets import implant_mesh
from surgitwin.commands.print_record import remark_of_node
from surgitwin.core.errors import BadInput
from surgitwin.scene.nodes import ImplantNode, SurfaceNode
from surgitwin.session import Session
from terminal import surgitwin

# The block of the case, in voxels: its place in an image whose axes are oblique and left-handed.
MIDDLE = GEOMETRY.to_lps(np.array([13.5, 16.0, 10.5]))


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return print_case(tmp_path_factory.mktemp("shape") / "case.twin")


@pytest.fixture
def session(master: Path, tmp_path: Path) -> Iterator[Session]:
    with Session.open(Path(shutil.copyfile(master, tmp_path / "case.twin"))) as session:
        yield session


def said(session: Session, name: str) -> str:
    return remark_of_node(session.scene.resolve(name, SurfaceNode))


def test_a_mirror_image_is_marked_mirrored_and_one_of_it_is_not(session: Session) -> None:
    first = session.run("shape", of="Block", mirror=True, engrave="auto", name="Turned")
    assert first["mirrored"] and first["of"]["name"] == "Block"
    assert "MIRRORED" in said(session, "Turned")
    again = session.run("shape", of="Turned", mirror=True, name="Back")
    assert not again["mirrored"] and "MIRRORED" not in said(session, "Back")
    # What the words took away is all that is missing of it.
    block = 14 * 23 * 16 * GEOMETRY.voxel_volume_mm3 / 1000
    assert 0.9 * block < first["surfaces"][0]["volume_ml"] < 1.01 * block


def test_the_mirror_image_lies_where_the_structure_does_with_left_and_right_exchanged(session: Session) -> None:
    session.run("shape", of="Block", name="As it is")
    session.run("shape", of="Block", mirror=True, name="Turned")
    one, other = (session.scene.resolve(name, SurfaceNode).points.read() for name in ("As it is", "Turned"))
    middle = (one[:, 0].min() + one[:, 0].max()) / 2
    flipped = np.column_stack((2 * middle - one[:, 0], one[:, 1:]))
    assert np.allclose(np.sort(flipped, axis=0), np.sort(other, axis=0), atol=1e-3)
    assert np.allclose((one.min(axis=0) + one.max(axis=0)) / 2, MIDDLE, atol=0.5)


def test_an_implant_is_shaped_where_it_lies_and_what_must_be_said_of_it_goes_on(session: Session) -> None:
    session.run("implant", item="bone-screw/3.5x20", name="Screw", at=tuple(MIDDLE), along=(1, 0, 0), mirrored=True)
    node = session.scene.resolve("Screw", ImplantNode)
    made = session.run("shape", of="Screw", base_plate=True, name="On a plate")
    assert made["mirrored"]
    surface = session.scene.resolve("On a plate", SurfaceNode)
    own, shaped = implant_mesh(node).points, surface.points.read()
    assert shaped[:, 0].min() <= own[:, 0].min() + 0.01 and shaped[:, 0].max() >= own[:, 0].max() - 0.01
    assert "generic, not a product" in said(session, "On a plate") and "MIRRORED" in said(session, "On a plate")


def test_a_guide_on_an_oblique_image_carries_the_plane_as_it_was_given(session: Session) -> None:
    normal = np.array([0.9, 0.3, 0.1]) / np.linalg.norm([0.9, 0.3, 0.1])
    plane = ",".join(repr(float(value)) for value in (*MIDDLE, *normal))
    made = session.run("custom", kind="guide", of="Block", plane=plane, settings={"spacing_mm": 1.0, "height_mm": 15})
    slot = made["slot_plane"]
    assert abs(np.dot(slot["normal"], normal)) == pytest.approx(1.0, abs=1e-6)
    assert np.dot(np.subtract(slot["point_mm"], MIDDLE), normal) == pytest.approx(0.0, abs=1e-3)
    # It sits on the block and not at its mirror image or a transposed place.
    points = implant_mesh(session.scene.resolve("Block guide", ImplantNode)).points
    assert np.linalg.norm(points.mean(axis=0) - MIDDLE) < 25.0
    again = session.run("shape", of="Block guide", name="Guide for print")
    assert "not for use in a patient" in said(session, "Guide for print")
    assert again["surfaces"][0]["closed"]


def test_a_plate_on_an_empty_patch_is_refused_and_leaves_nothing(session: Session) -> None:
    before = session.scene.digest()
    with pytest.raises(BadInput, match=r"[Ee]mpty"):
        session.run("custom", kind="plate", of="Block", patch="Empty")
    assert session.scene.digest() == before


def test_people_read_what_was_made_in_words(master: Path, tmp_path: Path) -> None:
    case = Path(shutil.copyfile(master, tmp_path / "case.twin"))
    words = surgitwin("shape", case, "--of", "Block", "--mirror", "--name", "Turned").out
    assert "Turned" in words and "MIRRORED" in words and "made from Block" in words
    plane = ",".join(repr(float(value)) for value in (*MIDDLE, 1, 0, 0))
    settings = ("--set", "spacing_mm=1", "height_mm=15")
    words = surgitwin("custom", case, "guide", "--of", "Block", "--plane", plane, *settings).out
    assert "cutting guide for Block" in words and "smallest gap to the bone" in words
    assert "planning model, not for use in a patient" in words.lower()
