"""Rules on methods: where they may edit, and which segments give way."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.scene.nodes import SegmentNode
from surgitwin.session import Session
from terminal import make_case, make_phantom, surgitwin


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    return make_case(make_phantom(folder / "in"), folder / "case.twin")


@pytest.fixture
def session(master: Path, tmp_path: Path) -> Iterator[Session]:
    case = tmp_path / "case.twin"
    case.write_bytes(master.read_bytes())
    with Session.open(case) as session:
        yield session


def mask(session: Session, name: str) -> NDArray[np.bool_]:
    segment = session.scene.resolve(name, SegmentNode)
    return np.asarray(session.scene.layer_of(segment).labels.read() == segment.value)


def voxels(session: Session) -> NDArray[np.int16]:
    from surgitwin.scene.nodes import VolumeNode

    return session.scene.of_type(VolumeNode)[0].voxels.read()


def bright(session: Session) -> NDArray[np.bool_]:
    return voxels(session) >= 100


def threshold(session: Session, into: str = "New", **rules: object) -> None:
    session.run("segment", method="threshold", into=into, settings={"lower": 100}, **rules)


def test_inside_outside_and_range_limit_a_method(session: Session) -> None:
    liver, vein = mask(session, "Liver"), mask(session, "Portal vein")
    threshold(session, inside="Liver")
    np.testing.assert_array_equal(mask(session, "New"), bright(session) & liver)
    threshold(session, outside=("Liver", "Portal vein"))
    np.testing.assert_array_equal(
        mask(session, "New") & (liver | vein), np.zeros_like(liver) | (liver & bright(session))
    )
    threshold(session, "Narrow", range=(110, 150))
    np.testing.assert_array_equal(
        mask(session, "Narrow"), bright(session) & (voxels(session) >= 110) & (voxels(session) <= 150)
    )


def test_what_lies_outside_the_editable_area_keeps_belonging_to_the_segment(session: Session) -> None:
    liver = mask(session, "Liver")
    kidney = mask(session, "Right kidney")
    session.run("segment", method="threshold", into="Right kidney", settings={"lower": -2000}, inside="Liver")
    np.testing.assert_array_equal(mask(session, "Right kidney"), kidney | liver)


@pytest.mark.parametrize("overwrite", ["all", "visible", "none"])
def test_other_segments_give_way_only_where_the_rule_says_so(session: Session, overwrite: str) -> None:
    session.run("edit", node="Right kidney", visible=False)
    before = {name: mask(session, name) for name in ("Liver", "Right kidney", "Portal vein")}
    threshold(session, overwrite=overwrite)
    gives_way = {"all": set(before), "visible": {"Liver", "Portal vein"}, "none": set()}[overwrite]
    for name, was in before.items():
        now = was & ~bright(session) if name in gives_way else was
        np.testing.assert_array_equal(mask(session, name), now)
    np.testing.assert_array_equal(mask(session, "New"), bright(session))
    session.undo()
    for name, was in before.items():
        np.testing.assert_array_equal(mask(session, name), was)


def test_no_segment_loses_voxels_outside_the_editable_area(session: Session) -> None:
    threshold(session, "Over")  # overlaps everything bright
    liver = mask(session, "Liver")
    session.run(
        "segment", method="threshold", into="Over", settings={"lower": 100}, inside="Right kidney", overwrite="all"
    )
    np.testing.assert_array_equal(mask(session, "Liver"), liver)


def test_rules_that_leave_nothing_are_refused_and_change_nothing(session: Session) -> None:
    before, steps = session.scene.digest(), session.history.undo_names
    for rules, said in (
        ({"range": (5000, 6000)}, "area that may be edited"),
        ({"range": (10, 5)}, "range is empty"),
        ({"inside": "Nowhere"}, "Nowhere"),
    ):
        with pytest.raises(BadInput, match=said):
            threshold(session, **rules)
    assert (session.scene.digest(), session.history.undo_names) == (before, steps)


def test_the_terminal_takes_the_rules(session: Session, tmp_path: Path) -> None:
    session.close()
    case = tmp_path / "case.twin"
    words = (
        "segment",
        case,
        "threshold",
        "--into",
        "N",
        "--set",
        "lower=100",
        "--inside",
        "Liver",
        "--range",
        "-50",
        "300",
    )
    answer = surgitwin(*words, "--overwrite", "all", "--json")
    assert answer.status == 0, answer.err
