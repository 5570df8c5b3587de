"""History: named entries, bounded by bytes, the latest always undoable."""

from __future__ import annotations

import numpy as np

from surgitwin.core.geometry import Box
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.history import History
from surgitwin.scene.nodes import LabelLayerNode
from twins import SHAPE, Twin, small_twin

WHOLE = Box((0, 0, 0), (SHAPE[2], SHAPE[1], SHAPE[0]))


def noise(twin: Twin, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)
    with twin.editor.transaction(f"Noise {seed}") as tx:
        tx.patch(twin.layer.id, "labels", WHOLE, values)


def test_undo_and_redo_return_the_name_of_what_they_did_and_none_at_the_ends() -> None:
    twin = small_twin()
    twin.paint(Box((0, 0, 0), (3, 3, 3)), 2, "Paint: Tumour")
    assert twin.editor.history.undo_names == ["Paint: Tumour", "New case"]
    assert twin.editor.undo() == "Paint: Tumour"
    assert twin.editor.history.redo_names == ["Paint: Tumour"]
    assert twin.editor.redo() == "Paint: Tumour"
    assert twin.editor.redo() is None
    twin.editor.undo()
    twin.editor.undo()
    assert twin.editor.undo() is None
    assert len(twin.scene) == 0


def test_a_new_change_forgets_what_was_undone() -> None:
    twin = small_twin()
    twin.paint(Box((0, 0, 0), (3, 3, 3)), 2)
    twin.editor.undo()
    twin.paint(Box((4, 4, 4), (6, 6, 6)), 1)
    assert twin.editor.history.redo_names == []
    assert twin.editor.redo() is None


def test_the_oldest_changes_are_forgotten_beyond_the_byte_bound_but_never_the_latest() -> None:
    twin = small_twin(History(total_bytes=400_000))
    for seed in range(5):
        noise(twin, seed)
    history = twin.editor.history
    assert history.undo_names == ["Noise 4"]  # each costs about 270 kB: 139 kB of random bytes before and after
    assert history.nbytes < 400_000
    before = small_twin(History(total_bytes=1))
    noise(before, 1)
    labels = before.labels().copy()
    noise(before, 2)
    assert before.editor.history.undo_names == ["Noise 2"]
    assert before.editor.history.nbytes > 1
    before.editor.undo()
    assert np.array_equal(before.labels(), labels)


def test_patches_beyond_the_memory_bound_go_to_disk_and_come_back() -> None:
    twin = small_twin(History(memory_bytes=300_000))
    states = [twin.labels().copy()]
    for seed in range(4):
        noise(twin, seed)
        states.append(twin.labels().copy())
    history = twin.editor.history
    assert history.bytes_in_memory <= 300_000 < history.nbytes
    for expected in reversed(states[:-1]):
        twin.editor.undo()
        assert np.array_equal(twin.labels(), expected)
    for expected in states[1:]:
        twin.editor.redo()
        assert np.array_equal(twin.labels(), expected)


def test_a_removed_array_counts_towards_the_bound() -> None:
    twin = small_twin()
    before = twin.editor.history.nbytes
    with twin.editor.transaction("Remove") as tx:
        tx.remove(twin.volume.id)
    assert twin.editor.history.nbytes - before >= twin.volume.voxels.nbytes


def test_replacing_an_array_keeps_the_old_one_for_undo() -> None:
    twin = small_twin()
    old = twin.labels().copy()
    with twin.editor.transaction("Replace") as tx:
        tx.set(twin.layer.id, labels=ArrayData.of(np.ones(SHAPE, np.uint16), constant=False))
    assert twin.labels().dtype == np.uint16
    twin.paint(Box((0, 0, 0), (5, 5, 5)), 2)
    twin.editor.undo()
    twin.editor.undo()
    assert np.array_equal(twin.labels(), old)
    assert twin.scene.expect(twin.layer.id, LabelLayerNode).labels is twin.layer.labels
