"""Going many steps back or forward at once: one for each turn of the event loop, and never more than was asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from surgitwin.core.errors import BadInput
from surgitwin.gui.stepping import Stepper
from surgitwin.scene.nodes import CaseNode
from surgitwin.session import Session

NAMES = [f"Name {number}" for number in range(8)]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A case that was renamed seven times."""
    with Session() as made:
        made.save_as(tmp_path / "case.twin")
        with made.transaction("Start") as tx:
            tx.add(CaseNode(name=NAMES[0], pseudonym="Case 1"))
        for name in NAMES[1:]:
            rename(made, name)
        yield made


def rename(session: Session, name: str) -> None:
    with session.transaction(name) as tx:
        tx.set(session.scene.case.id, name=name)


def name_of(session: Session) -> str:
    return session.scene.case.name


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
def stepper(qapp: QApplication, session: Session, failures: list[BaseException]) -> Iterator[Stepper]:
    made = Stepper(lambda: session, failures.append)
    yield made
    made.stop()
    made.deleteLater()


def test_one_step_is_taken_at_once(stepper: Stepper, session: Session) -> None:
    session.case_file.wait()  # type: ignore[union-attr]
    stepper.undo()
    assert name_of(session) == NAMES[6] and not stepper.busy


def test_many_steps_are_taken_one_for_each_turn_and_back_again(
    qtbot: QtBot, stepper: Stepper, session: Session
) -> None:
    seen: list[str] = []
    turns: list[str] = []
    session.editor.changed.connect(lambda _: seen.append(name_of(session)))
    beat = QTimer()
    beat.timeout.connect(lambda: turns.append(name_of(session)))
    beat.start(0)
    stepper.undo(5)
    assert stepper.busy and len(seen) <= 1
    qtbot.waitUntil(lambda: not stepper.busy)
    assert seen == NAMES[6:1:-1]
    assert len(set(turns)) >= 4, "the loop turned between the steps"
    stepper.redo(5)
    qtbot.waitUntil(lambda: not stepper.busy)
    beat.stop()
    assert name_of(session) == NAMES[7]


def test_steps_asked_for_while_others_are_taken_are_all_taken(qtbot: QtBot, stepper: Stepper, session: Session) -> None:
    stepper.undo(3)
    stepper.undo()
    stepper.redo()
    qtbot.waitUntil(lambda: not stepper.busy)
    assert name_of(session) == NAMES[4]


def test_a_change_in_between_ends_the_way_back(qtbot: QtBot, stepper: Stepper, session: Session) -> None:
    session.case_file.wait()  # type: ignore[union-attr]
    stepper.undo(5)
    rename(session, "Mine")
    qtbot.waitUntil(lambda: not stepper.busy)
    assert name_of(session) == "Mine"
    stepper.undo()
    qtbot.waitUntil(lambda: not stepper.busy)
    assert name_of(session) == NAMES[6]


def test_more_steps_than_there_are_end_at_the_first(qtbot: QtBot, stepper: Stepper, session: Session) -> None:
    stepper.undo(100)
    qtbot.waitUntil(lambda: not stepper.busy)
    assert len(session.scene) == 0 and session.history.undo_names == []


def test_a_step_that_fails_is_reported_once_and_ends_the_way(
    stepper: Stepper, session: Session, failures: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise BadInput("The disk is full.")

    session.case_file.wait()  # type: ignore[union-attr]
    monkeypatch.setattr(session, "undo", refuse)
    stepper.undo(3)
    assert [str(error) for error in failures] == ["The disk is full."] and not stepper.busy
