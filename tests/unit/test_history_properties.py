"""Undo and redo for any sequence of changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surgitwin.scene.history import History
from twins import Abort, Change, play, small_twin, steps


@settings(max_examples=40)
@given(st.lists(steps, max_size=12))
def test_any_sequence_undone_gives_the_first_state_and_redone_the_last_bit_for_bit(
    sequence: list[str | list[Change]],
) -> None:
    twin = small_twin()
    editor = twin.editor
    editor.history.clear()
    states = [twin.scene.digest()]
    at = 0
    for step in sequence:
        before = editor.history.undo_names
        play(editor, step)
        done = len(editor.history.undo_names)
        digest = twin.scene.digest()
        if step in ("undo", "redo", "fail") or done == len(before):
            at = done
            assert digest == states[at]
        else:
            at += 1
            assert done == at
            states[at:] = [digest]
    while editor.redo():
        at += 1
        assert twin.scene.digest() == states[at]
    assert twin.scene.digest() == states[-1]
    while editor.undo():
        at -= 1
        assert twin.scene.digest() == states[at]
    assert at == 0
    while editor.redo():
        pass
    assert twin.scene.digest() == states[-1]


@settings(max_examples=10)
@given(st.lists(steps, min_size=3, max_size=8))
def test_undo_is_the_same_from_the_spill_file(sequence: list[str | list[Change]]) -> None:
    twin = small_twin(History(memory_bytes=0))
    twin.editor.history.clear()
    first = twin.scene.digest()
    for step in sequence:
        if isinstance(step, list):
            play(twin.editor, step)
    last = twin.scene.digest()
    while twin.editor.undo():
        pass
    assert twin.scene.digest() == first
    while twin.editor.redo():
        pass
    assert twin.scene.digest() == last


def test_a_change_that_fails_leaves_no_trace() -> None:
    twin = small_twin()
    before = twin.scene.digest()
    names = twin.editor.history.undo_names
    with pytest.raises(Abort), twin.editor.transaction("Fail") as tx:
        tx.remove(twin.segmentation.id)
        tx.set(twin.case.id, name="Other")
        raise Abort
    assert twin.scene.digest() == before
    assert twin.editor.history.undo_names == names
