"""Cropped and masked images: every voxel stays where it was, on an oblique grid."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.session import Session
from terminal import make_case, make_phantom


@pytest.fixture(scope="module", params=[False, True], ids=["right-handed", "left-handed"])
def master(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    return make_case(make_phantom(folder / "in", request.param), folder / "case.twin")


@pytest.fixture
def session(master: Path, tmp_path: Path) -> Iterator[Session]:
    case = tmp_path / "case.twin"
    case.write_bytes(master.read_bytes())
    with Session.open(case) as session:
        yield session


def volume(session: Session, name: str = "Portal venous") -> VolumeNode:
    return session.scene.resolve(name, VolumeNode)


def mask(session: Session, name: str) -> NDArray[np.bool_]:
    segment = session.scene.resolve(name, SegmentNode)
    return np.asarray(session.scene.layer_of(segment).labels.read() == segment.value)


def same_places(whole: VolumeNode, part: VolumeNode) -> None:
    """Every voxel of the part has the value that the whole has at its place."""
    k, j, i = np.indices(part.geometry.shape_kji)
    index = np.stack([i, j, k], axis=-1).reshape(-1, 3)
    at = np.round(whole.geometry.to_index(part.geometry.to_lps(index))).astype(int)
    np.testing.assert_allclose(whole.geometry.to_index(part.geometry.to_lps(index)), at, atol=1e-6)
    values = whole.voxels.read()[at[:, 2], at[:, 1], at[:, 0]]
    np.testing.assert_array_equal(part.voxels.read().reshape(-1), values)


def test_a_crop_holds_the_segment_and_its_margin_and_every_voxel_at_its_place(session: Session) -> None:
    whole = volume(session)
    session.run("crop", around="Liver", margin_mm=4.0, name="Part")
    part = volume(session, "Part")
    same_places(whole, part)
    liver = np.argwhere(mask(session, "Liver"))[:, ::-1]
    inside = part.geometry.to_index(whole.geometry.to_lps(liver))
    size, spacing = np.asarray(part.geometry.size_ijk), np.asarray(whole.geometry.spacing_mm)
    room = np.minimum(inside.min(axis=0), size - 1 - inside.max(axis=0)) * spacing
    edge = np.minimum(liver.min(axis=0), np.asarray(whole.geometry.size_ijk) - 1 - liver.max(axis=0)) * spacing
    assert (room >= np.minimum(4.0, edge) - 1e-6).all()
    assert part.identity.sop_instance_uids == ()
    assert len(part.identity.source_sop_instance_uids) in (0, part.geometry.size_ijk[2])
    session.undo()
    assert len(session.scene.of_type(VolumeNode)) == 1


def test_a_crop_to_a_box_in_lps(session: Session) -> None:
    whole = volume(session)
    centre = whole.geometry.centre_mm
    session.run("crop", box=(*(centre - 8), *(centre + 8)), name="Part")
    part = volume(session, "Part")
    same_places(whole, part)
    low, high = part.geometry.bounds_mm()
    assert (low < centre - 8 + whole.geometry.spacing_mm).all() and (high > centre + 8 - 3).all()


@pytest.mark.parametrize("keep", ["inside", "outside"])
def test_a_mask_fills_the_other_side_and_leaves_the_rest(session: Session, keep: str) -> None:
    whole, liver = volume(session), mask(session, "Liver")
    session.run("mask", segment="Liver", keep=keep, name="Masked")
    stays = liver if keep == "inside" else ~liver
    expected = np.where(stays, whole.voxels.read(), -1024)
    np.testing.assert_array_equal(volume(session, "Masked").voxels.read(), expected)


def test_what_makes_no_sense_is_refused(session: Session) -> None:
    before = session.scene.digest()
    for values, said in (
        ({}, "either --around"),
        ({"around": "Liver", "box": (0, 0, 0, 1, 1, 1)}, "either --around"),
        ({"box": (9000, 0, 0, 9001, 1, 1)}, "outside of the image"),
        ({"around": "Nowhere"}, "Nowhere"),
    ):
        with pytest.raises(BadInput, match=said):
            session.run("crop", **values)
    with pytest.raises(BadInput, match="whole numbers"):
        session.run("mask", segment="Liver", fill=0.5)
    assert session.scene.digest() == before
