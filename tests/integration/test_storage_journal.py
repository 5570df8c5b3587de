"""The journal holds exactly what the scene holds, whatever is done, undone and done again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from surgitwin.scene.scene import Scene
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.verification import verify
from surgitwin.storage.versions import revert_edits
from twins import Change, play, small_twin, steps


def digest_of(path: Path, *, read_only: bool) -> str:
    with CaseFile.open(path, read_only=read_only) as case_file:
        scene = Scene()
        scene.load(case_file.load_nodes())
        return scene.digest()


@settings(max_examples=20)
@given(st.lists(steps, min_size=1, max_size=10), st.lists(steps, max_size=5))
def test_the_file_equals_the_scene_after_any_sequence_and_after_undoing_it(
    sequence: list[str | list[Change]], later: list[str | list[Change]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.twin"
        twin = small_twin()
        twin.editor.history.clear()
        first = twin.scene.digest()
        twin.editor.journal = CaseFile.create(path, twin.scene)
        for step in sequence:
            play(twin.editor, step)
        last = twin.scene.digest()
        twin.editor.journal.wait()
        assert digest_of(path, read_only=True) == last
        while twin.editor.undo():
            pass
        assert twin.scene.digest() == first
        twin.editor.journal.close()
        assert digest_of(path, read_only=False) == first

        # A second session, whose arrays are read from the file when a change needs them.
        case_file = CaseFile.open(path)
        twin.scene.load(case_file.load_nodes())
        twin.editor.history.clear()
        twin.editor.journal = case_file
        for step in later:
            play(twin.editor, step)
        last = twin.scene.digest()
        case_file.close()
        assert digest_of(path, read_only=False) == last
        report = verify(path)
        assert report.ok, report.sentences()


@settings(max_examples=12)
@given(st.lists(steps, max_size=4), st.lists(steps, max_size=4), st.lists(steps, max_size=3))
def test_a_version_comes_back_whatever_happens_around_it(
    before: list[str | list[Change]], between: list[str | list[Change]], after: list[str | list[Change]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.twin"
        twin = small_twin()
        twin.editor.history.clear()
        case_file = CaseFile.create(path, twin.scene)
        twin.editor.journal = case_file
        for step in before:
            play(twin.editor, step)
        then = contents(twin.scene)
        case_file.save_version("one")
        for step in between:
            play(twin.editor, step)
        for _ in range(2):
            edits = revert_edits(twin.scene, case_file.load_version("one"))
            with twin.editor.transaction("Revert") as tx:
                tx.carry_out(edits)
            assert contents(twin.scene) == then
            for step in after:
                play(twin.editor, step)
        last = twin.scene.digest()
        case_file.close()
        assert digest_of(path, read_only=False) == last
        assert verify(path).ok


def contents(scene: Scene) -> dict[str, object]:
    """Revision and arrays of every node; a return to a version may renew the ids of arrays."""
    return {
        node.id: (node.name, node.revision, {name: array.read().tobytes() for name, array in node.arrays().items()})
        for node in scene
    }
