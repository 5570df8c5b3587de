"""Ways into the window, and what it says when something is not as it should be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import PATIENT, SMALL, Hand, close_window, open_window, small_ct, write_small_study

from surgitwin.commands.properties import EditNode
from surgitwin.gui.settings import Settings, load_settings
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.session import Session

HOLD = """
import sys
from pathlib import Path
from surgitwin.session import Session
with Session.open(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, study: Path) -> Path:
    path = tmp_path_factory.mktemp("case") / "Case 7F3A.twin"
    with Session() as session:
        session.save_as(path)
        session.run("new", path=study, pseudonym="Case 7F3A")
        session.run("segment", method="threshold", into="Liver", settings={"low": 90, "high": 250})
    return path


@pytest.fixture
def hand(request: pytest.FixtureRequest, qtbot: QtBot, qapp: QApplication) -> Iterator[Hand]:
    """A window that is closed after the test; ``recent`` cases by an indirect parameter's name."""
    recent = [request.getfixturevalue(name) for name in getattr(request, "param", ())]
    story = request.node.originalname.removeprefix("test_")
    opened = open_window(qtbot, qapp, story, settings=Settings(recent=recent))
    yield opened
    opened.rest()
    close_window(opened)


def files_of(case: Path) -> list[str]:
    return [entry.name for entry in case.parent.iterdir() if entry.name.startswith(case.stem)]


def test_a_dropped_folder_becomes_a_case_without_a_name(hand: Hand, study: Path) -> None:
    hand.drop(study)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    assert hand.window.centre.currentWidget() is hand.window.stage
    texts = [hand.window.windowTitle(), hand.window.top_bar.banner.text(), hand.desk.session.case_path.name]
    assert not any(part in text for text in texts for part in (*PATIENT.split("^"), "4711"))
    assert hand.window.settings.recent == [hand.desk.session.case_path]
    hand.picture("loaded")


@pytest.mark.parametrize("hand", [("case",)], indirect=True)
def test_a_recent_case_opens_with_a_click_and_closes_to_the_start_page(hand: Hand, case: Path) -> None:
    page = hand.window.start_page
    hand.picture("start")
    place = page.recent.visualItemRect(page.recent.item(0)).center()
    hand.qtbot.mouseClick(page.recent.viewport(), hand.left, pos=place)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    assert [segment.name for segment in hand.scene.of_type(SegmentNode)] == ["Liver"]
    assert "ml" in str(hand.tree_row("Liver").data(0, hand.detail))
    hand.picture("open")
    hand.window.go_home()
    assert hand.window.centre.currentWidget() is page and page.recent.count() == 1
    hand.desk.closer.wait()
    assert files_of(case) == [case.name]


def test_a_sample_opens_with_its_organs_on_offer(hand: Hand) -> None:
    hand.click(hand.window.start_page.open_sample)
    hand.wait(lambda: hand.desk.volume is not None, seconds=120)
    hand.wait(lambda: "organs" in hand.banner)
    hand.picture("offer")
    hand.press_button("Add the organs")
    hand.wait(lambda: len(hand.scene.of_type(SegmentNode)) == 61, seconds=120)
    hand.rest()
    assert not hand.banner
    assert hand.scene.resolve("Right kidney", SegmentNode).kind == "organ"
    hand.picture("organs")


def test_what_runs_is_stopped_by_cancel_and_leaves_nothing(hand: Hand) -> None:
    status = hand.window.status
    hand.click(hand.window.start_page.open_phantom)
    hand.wait(status.bar.isVisible)
    assert "Liver phantom" in status.job_title.text()
    hand.picture("running")
    hand.click(status.cancel)
    hand.wait(lambda: not hand.desk.active_jobs, seconds=120)
    hand.wait(lambda: "was cancelled" in status.message.text())
    assert hand.desk.session is None and hand.window.start_page.isVisible()
    hand.picture("cancelled")


def test_what_cannot_be_opened_is_said_in_one_sentence(hand: Hand, tmp_path: Path) -> None:
    damaged = tmp_path / "Case 0001.twin"
    damaged.write_bytes(b"not a case" * 1000)
    hand.window.opener.open(damaged)
    hand.wait(lambda: hand.banner)
    assert "Case 0001.twin" in hand.banner and "Traceback" not in hand.banner and "Error" not in hand.banner
    hand.picture("damaged")
    empty = tmp_path / "empty folder"
    empty.mkdir()
    hand.drop(empty)
    hand.wait(lambda: "empty folder" in hand.banner)
    hand.picture("empty")
    # A fault in the program itself, in a slot, is a sentence too.
    hand.desk.report(ZeroDivisionError("internal"))
    assert "fault in the program" in hand.banner and "internal" not in hand.banner
    assert damaged.read_bytes() == b"not a case" * 1000


def test_a_case_that_another_process_holds_is_offered_for_reading(hand: Hand, case: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(case)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        hand.window.opener.open(case)
        hand.wait(lambda: hand.banner)
        hand.picture("held")
        hand.press_button("Open read-only")
        hand.wait(lambda: hand.desk.volume is not None)
        hand.rest()
        assert "read only" in hand.window.top_bar.banner.text()
        hand.window.tree.select(hand.scene.resolve("Liver", SegmentNode).id)
        hand.desk.do_now(EditNode(node=hand.scene.resolve("Liver", SegmentNode).id, rename="Other"))
        assert "reading only" in hand.banner
        hand.picture("read-only")
    finally:
        holder.communicate("")


def test_images_of_another_patient_are_added_only_when_confirmed(hand: Hand, study: Path, tmp_path: Path) -> None:
    other = write_small_study(tmp_path / "other", "other", patient_id="0815", patient="Beispiel^Bernd")
    hand.drop(study)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    hand.drop(other)
    hand.wait(lambda: hand.window.study.series.count() == 1)
    hand.press_button("Add to this case")
    hand.wait(lambda: hand.banner)
    assert len(hand.scene.of_type(VolumeNode)) == 1
    hand.picture("offer")
    hand.press_button("Add anyway")
    hand.wait(lambda: len(hand.scene.of_type(VolumeNode)) == 2)
    hand.rest()
    assert hand.scene.case.log_confirmations


def test_an_image_without_orientation_says_so_until_it_is_confirmed(hand: Hand, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(small_ct().T.copy(), None)
    image.header.set_zooms(SMALL.spacing_mm)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nibabel.save(image, tmp_path / "lost.nii.gz")
    hand.window.opener.open(tmp_path / "lost.nii.gz")
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    hand.wait_for_3d()
    axial = hand.window.stage.axial
    notes = axial.picture.notes(axial.focus, axial.window_level, axial.slab)
    assert notes.banner.startswith("Side unknown") and notes.letters[0].endswith("?")
    assert not hand.window.stage.view3d.scene.content.side_confirmed
    hand.picture("side-unknown")
    hand.press_button("Left and right are right as shown")
    hand.rest()
    notes = axial.picture.notes(axial.focus, axial.window_level, axial.slab)
    assert not notes.banner and notes.letters[0] in "RL"
    assert hand.window.top_bar.undo_button.text().startswith("Undo")
    hand.picture("confirmed")


def test_settings_hold_no_name_of_a_patient(hand: Hand, study: Path, own_user_folders: Path) -> None:
    hand.drop(study)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    hand.window.close()
    texts = [path.read_bytes() for path in own_user_folders.rglob("*") if path.is_file() and path.suffix != ".twin"]
    assert texts and not any(part.encode() in text for text in texts for part in (*PATIENT.split("^"), "4711"))


def test_the_window_comes_back_where_it_was(qtbot: QtBot, qapp: QApplication) -> None:
    first = open_window(qtbot, qapp, "geometry")
    first.window.resize(1234, 777)
    qtbot.wait(50)
    close_window(first)
    second = open_window(qtbot, qapp, "geometry", settings=load_settings())
    assert (second.window.width(), second.window.height()) == (1234, 777)
    close_window(second)


def test_voxels_of_the_small_study_are_what_the_window_shows(hand: Hand, study: Path) -> None:
    hand.drop(study)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    assert np.array_equal(hand.desk.volume.voxels.read(), small_ct())
    view = hand.window.stage.axial
    liver = view.pixel_of((-40.0, 0.0, 0.0))
    hand.move(view, liver)
    assert hand.window.status.value.text() == "110 HU"
    assert hand.window.status.position.text().startswith("R 4")
