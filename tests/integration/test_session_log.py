"""The case's log: who did what, to which inputs, without array data."""

from pathlib import Path

import pytest

from surgitwin.scene.nodes import SegmentNode
from surgitwin.session import Session
from terminal import Phantom, make_case, make_phantom


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


def test_the_log_names_the_revisions_that_a_result_was_computed_from(phantom: Phantom, tmp_path: Path) -> None:
    case = tmp_path / "case.twin"
    make_case(phantom, case)
    with Session.open(case) as session:
        liver = session.scene.resolve("Liver", SegmentNode)
        session.run("mesh", segment=("Liver",))
        row = session.case_file.log_rows()[-1] if session.case_file is not None else None
    assert row is not None
    assert row.command == "mesh"
    assert row.inputs == {liver.id: liver.revision}
