"""Editing by hand from the terminal and from scripts: brush, outlines and scissors on an oblique grid."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.session import Session
from terminal import make_case, make_phantom, surgitwin


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawing")
    return make_case(make_phantom(folder / "in"), folder / "case.twin")


@pytest.fixture
def session(master: Path, tmp_path: Path) -> Iterator[Session]:
    case = tmp_path / "case.twin"
    case.write_bytes(master.read_bytes())
    with Session.open(case) as session:
        yield session


def geometry(session: Session) -> Geometry:
    return session.scene.of_type(VolumeNode)[0].geometry


def mask(session: Session, name: str) -> NDArray[np.bool_]:
    segment = session.scene.resolve(name, SegmentNode)
    return np.asarray(session.scene.layer_of(segment).labels.read() == segment.value)


def off_centre(session: Session) -> NDArray[np.float64]:
    """Every voxel's place, from the middle of the image, LPS mm."""
    grid = geometry(session)
    k, j, i = np.indices(grid.shape_kji)
    points = grid.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)) - grid.centre_mm
    return points.reshape(*grid.shape_kji, 3)


def around(session: Session, *steps: tuple[float, float, float]) -> list[tuple[float, ...]]:
    return [tuple(geometry(session).centre_mm + np.asarray(step)) for step in steps]


def square(session: Session, size: float) -> list[tuple[float, ...]]:
    return around(session, (-size, -size, 0), (size, -size, 0), (size, size, 0), (-size, size, 0))


def test_a_dot_of_the_brush_is_a_ball_and_one_undo_entry(session: Session) -> None:
    document = session.run("paint", segment="New", at=around(session, (0, 0, 0)), radius_mm=9)
    distance = np.linalg.norm(off_centre(session), axis=-1)
    found = mask(session, "New")
    sure = np.abs(distance - 9) > 0.01
    np.testing.assert_array_equal(found[sure], (distance < 9)[sure])
    assert document["added_voxels"] == found.sum()
    assert session.history.undo_names[0] == "Paint: New"
    session.undo()
    assert "New" not in [segment.name for segment in session.scene.of_type(SegmentNode)]


def test_erasing_takes_away_and_leaves_other_segments_alone(session: Session) -> None:
    liver, vein = mask(session, "Liver"), mask(session, "Portal vein")
    session.run("paint", segment="Liver", at=around(session, (0, 0, 0)), radius_mm=8, erase=True)
    ball = np.linalg.norm(off_centre(session), axis=-1) <= 8
    np.testing.assert_array_equal(mask(session, "Liver"), liver & ~ball)
    np.testing.assert_array_equal(mask(session, "Portal vein"), vein)


def test_an_outline_fills_one_slice(session: Session) -> None:
    session.run("draw", segment="New", outline=square(session, 7.0), view="axial")
    off = off_centre(session)
    found = mask(session, "New")
    assert found.any()
    assert np.abs(off[found][:, :2]).max() <= 7.0
    # The slice is as thick as the grid's own slices, so that neighbouring ones meet.
    assert np.abs(off[found][:, 2]).max() <= geometry(session).spacing_mm[2] / 2 + 1e-6


def test_a_contour_of_equal_value_goes_round_the_structure(session: Session) -> None:
    volume = session.scene.of_type(VolumeNode)[0]
    liver = mask(session, "Liver")
    k, j, i = np.argwhere(liver)[liver.sum() // 2]
    while liver[k, j, i]:
        i += 1
    inside, outside = (np.asarray(volume.geometry.to_lps((n, j, k))) for n in (i - 1, i))
    document = session.run("draw", segment="New", outline=[tuple((inside + outside) / 2)], way="level")
    assert document["added_voxels"] > 20


@pytest.mark.parametrize(("side", "mode"), [("inside", "cut"), ("outside", "cut"), ("inside", "keep")])
def test_scissors_through_all_slices_cut_or_keep_what_is_inside_the_outline(
    session: Session, side: str, mode: str
) -> None:
    liver = mask(session, "Liver")
    session.run("scissors", segment="Liver", outline=square(session, 9.0), side=side, mode=mode)
    inside = np.abs(off_centre(session)[..., :2]).max(axis=-1) < 9.0
    goes = inside if (side == "inside") == (mode == "cut") else ~inside
    np.testing.assert_array_equal(mask(session, "Liver"), liver & ~goes)
    session.undo()
    np.testing.assert_array_equal(mask(session, "Liver"), liver)


def test_scissors_in_3d_cut_through_the_camera(session: Session) -> None:
    liver = mask(session, "Liver")
    x, y, z = geometry(session).centre_mm
    # A parallel camera that looks along +y: x to the right, z up, 100 mm across a view of 200 by 200 pixels.
    camera = (0.02, 0, 0, -0.02 * x, 0, 0, 0.02, -0.02 * z, 0, 0.001, 0, -0.001 * y, 0, 0, 0, 1)
    box = [(90, 90), (110, 90), (110, 110), (90, 110)]
    session.run("scissors", segment="Liver", outline=box, view="3d", camera=camera, size_px=(200, 200))
    off = off_centre(session)
    inside = (np.abs(off[..., 0]) < 5) & (np.abs(off[..., 2]) < 5)
    np.testing.assert_array_equal(mask(session, "Liver"), liver & ~inside)


def test_the_log_holds_no_place_of_the_mouse(session: Session) -> None:
    session.run("paint", segment="New", at=around(session, (0, 0, 0)), radius_mm=9)
    assert session.case_file is not None
    session.case_file.wait()
    row = session.case_file.log_rows()[-1]
    assert row.command == "paint" and "radius_mm" in row.params and "points" not in row.params


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("paint", "New", "--at", "1,2"), "needs 3 numbers"),
        (("paint", "New", "--at", "9000,0,0"), "outside"),
        (("paint", "New", "--at", "0,0,0", "--radius-mm", "0"), "radius-mm"),
        (("paint", "Nowhere", "--at", "0,0,210", "--radius-mm", "300", "--erase"), "no segment"),
        (("draw", "New", "--outline", "0,0,210", "1,1,210"), "three different corners"),
        (("draw", "New", "--outline", "0,0,9000", "1,1,9000", "0,1,9000"), "outside"),
        (("scissors", "Nowhere", "--outline", "0,0,0", "1,0,0", "0,1,0"), "no segment"),
        (("scissors", "Liver", "--outline", "900,0,0", "910,0,0", "900,1,0"), "meets nothing"),
        (("scissors", "Liver", "--view", "3d", "--outline", "0,0", "9,0", "0,9"), "16 numbers"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    session: Session, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    session.close()
    case = tmp_path / "case.twin"
    before = case.read_bytes()
    answer = surgitwin(words[0], case, *words[1:])
    assert answer.status == 3 and said in answer.err, answer
    assert case.read_bytes() == before


def test_a_segment_that_is_not_there_cannot_be_cut(session: Session) -> None:
    with pytest.raises(BadInput, match="to cut"):
        session.run("scissors", segment="Nobody", outline=square(session, 3.0))
