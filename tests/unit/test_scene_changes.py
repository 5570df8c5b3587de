"""The write path: one transaction, one entry, one event, and revisions that tell what is current."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.errors import BadInput, StorageFailed
from surgitwin.core.geometry import Box
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.edits import Entry
from surgitwin.scene.nodes import LandmarkNode, PlanNode, SegmentNode, SurfaceNode
from surgitwin.scene.scene import Modified, Scene, SceneChanged
from twins import SHAPE, Abort, Twin, small_twin

IN_TUMOUR = Box((20, 10, 20), (25, 15, 25))
IN_LIVER = Box((40, 8, 40), (45, 12, 45))


def listen(twin: Twin) -> list[SceneChanged]:
    heard: list[SceneChanged] = []
    twin.editor.changed.connect(heard.append)
    return heard


def revision(twin: Twin, node_id: str) -> str:
    return next(node.revision for node in twin.scene if node.id == node_id)


def surface(twin: Twin) -> SurfaceNode:
    return twin.scene.of_type(SurfaceNode)[0]


class Refusing:
    """A case file whose disk is full."""

    def append(self, entry: Entry, scene: Scene) -> None:
        raise StorageFailed("full")


def test_a_transaction_is_heard_once_with_every_node_in_one_group() -> None:
    twin = small_twin()
    heard = listen(twin)
    landmark = LandmarkNode(name="New", parent=twin.case.id, position_mm=(0, 0, 0))
    old = twin.scene.of_type(LandmarkNode)[0]
    with twin.editor.transaction("Many") as tx:
        tx.add(landmark)
        tx.set(landmark.id, name="Newer")
        tx.set(old.id, name="Old")
        tx.remove(old.id)
        tx.set(twin.liver.id, name="Liver 2", opacity=0.5)
        tx.patch(twin.layer.id, "labels", IN_LIVER, 0)
        tx.patch(twin.layer.id, "labels", IN_TUMOUR, 1)
        assert heard == []
    (event,) = heard
    assert event.name == "Many"
    assert event.created == (landmark.id,)
    assert event.deleted == (old.id,)
    assert set(event.modified) == {twin.liver.id, twin.tumour.id, twin.layer.id}
    assert event.modified[twin.layer.id] == Modified(frozenset({"labels", "revision"}), IN_LIVER.union(IN_TUMOUR))
    assert event.modified[twin.liver.id].fields == {"name", "opacity", "revision"}


def test_a_change_that_changes_nothing_is_no_step_and_is_not_heard() -> None:
    twin = small_twin()
    heard = listen(twin)
    with twin.editor.transaction("Nothing") as tx:
        tx.set(twin.liver.id, name="Liver")
        tx.patch(twin.layer.id, "labels", IN_TUMOUR, 2)
    assert heard == []
    assert twin.editor.history.undo_names == ["New case"]


def test_an_exception_rolls_everything_back_and_is_not_heard() -> None:
    twin = small_twin()
    heard = listen(twin)
    before = twin.scene.digest()
    with pytest.raises(Abort), twin.editor.transaction("Fail") as tx:
        tx.patch(twin.layer.id, "labels", IN_TUMOUR, 7)
        tx.remove(twin.volume.id)
        tx.add(LandmarkNode(name="New", position_mm=(0, 0, 0)))
        raise Abort
    assert twin.scene.digest() == before
    assert heard == []


def test_a_change_that_the_case_file_refuses_is_taken_back_in_every_way() -> None:
    twin = small_twin()
    twin.paint(IN_LIVER, 2)
    before, names = twin.scene.digest(), twin.editor.history.undo_names
    heard = listen(twin)
    twin.editor.journal = Refusing()
    with pytest.raises(StorageFailed):
        twin.paint(IN_TUMOUR, 1)
    with pytest.raises(StorageFailed):
        twin.editor.undo()
    assert twin.scene.digest() == before
    assert twin.editor.history.undo_names == names
    assert heard == []
    twin.editor.journal = None
    assert twin.editor.undo() == "Paint"


def test_changes_do_not_nest() -> None:
    twin = small_twin()
    with twin.editor.transaction("Outer"):
        with pytest.raises(RuntimeError), twin.editor.transaction("Inner"):
            pass
        with pytest.raises(RuntimeError):
            twin.editor.undo()
    twin.paint(IN_TUMOUR, 0)  # and a failed attempt leaves the editor usable


def test_removing_a_node_removes_what_is_below_and_undo_puts_it_back_in_its_place() -> None:
    twin = small_twin()
    order = [node.id for node in twin.scene]
    with twin.editor.transaction("Remove") as tx:
        tx.remove(twin.segmentation.id)
    assert {node.type_name for node in twin.scene} == {"case", "volume", "plan", "landmark"}
    twin.editor.undo()
    assert [node.id for node in twin.scene] == order


def test_undo_brings_the_old_revision_back_so_that_results_are_current_again() -> None:
    twin = small_twin()
    before = revision(twin, twin.liver.id)
    assert not twin.scene.is_stale(surface(twin))
    twin.paint(IN_LIVER, 0)
    painted = revision(twin, twin.liver.id)
    assert painted != before
    assert twin.scene.is_stale(surface(twin))
    twin.editor.undo()
    assert revision(twin, twin.liver.id) == before
    assert not twin.scene.is_stale(surface(twin))
    twin.editor.redo()
    assert revision(twin, twin.liver.id) == painted
    assert twin.scene.is_stale(surface(twin))


def test_painting_one_segment_leaves_the_revision_of_another_in_the_same_layer() -> None:
    twin = small_twin()
    liver, tumour = revision(twin, twin.liver.id), revision(twin, twin.tumour.id)
    layer = revision(twin, twin.layer.id)
    twin.paint(Box((64, 1, 60), (68, 4, 65)), 2)  # over background
    assert revision(twin, twin.liver.id) == liver
    assert revision(twin, twin.tumour.id) != tumour
    assert revision(twin, twin.layer.id) != layer
    assert not twin.scene.is_stale(surface(twin))


def test_painting_over_a_segment_changes_both() -> None:
    twin = small_twin()
    liver, tumour = revision(twin, twin.liver.id), revision(twin, twin.tumour.id)
    twin.paint(IN_LIVER, 2)
    assert revision(twin, twin.liver.id) != liver
    assert revision(twin, twin.tumour.id) != tumour


def test_names_and_looks_make_nothing_stale_but_content_does() -> None:
    twin = small_twin()
    before = revision(twin, twin.liver.id)
    with twin.editor.transaction("Looks") as tx:
        tx.set(twin.liver.id, name="Leber", color=(1, 2, 3), opacity=0.2, visible=False, status="reviewed")
    assert revision(twin, twin.liver.id) == before
    assert not twin.scene.is_stale(surface(twin))
    with twin.editor.transaction("Content") as tx:
        tx.set(twin.liver.id, value=3)
    assert revision(twin, twin.liver.id) != before


def test_a_result_is_stale_when_its_input_is_gone() -> None:
    twin = small_twin()
    kept = surface(twin)
    with twin.editor.transaction("Keep the surface") as tx:
        tx.set(kept.id, parent=twin.case.id)
    with twin.editor.transaction("Remove") as tx:
        tx.remove(twin.liver.id)
    assert twin.scene.is_stale(surface(twin))
    twin.editor.undo()
    assert not twin.scene.is_stale(surface(twin))


def test_another_label_array_changes_every_segment_of_the_layer() -> None:
    twin = small_twin()
    before = revision(twin, twin.liver.id)
    with twin.editor.transaction("Replace") as tx:
        tx.set(twin.layer.id, labels=ArrayData.of(np.zeros(SHAPE, np.uint8), constant=False))
    assert revision(twin, twin.liver.id) != before
    assert twin.scene.is_stale(surface(twin))


def test_a_patch_is_kept_as_the_box_that_really_changed() -> None:
    twin = small_twin()
    heard = listen(twin)
    mask = np.zeros(SHAPE, bool)
    mask[41, 9, 40] = True
    whole = Box((0, 0, 0), (SHAPE[2], SHAPE[1], SHAPE[0]))
    with twin.editor.transaction("One voxel") as tx:
        tx.patch(twin.layer.id, "labels", whole, 2, mask)
    assert heard[0].modified[twin.layer.id].box == Box((40, 9, 41), (41, 10, 42))


def test_the_voxels_of_an_image_cannot_be_painted() -> None:
    twin = small_twin()
    with pytest.raises(BadInput, match="CT"), twin.editor.transaction("Paint") as tx:
        tx.patch(twin.volume.id, "voxels", IN_TUMOUR, 0)


def test_a_field_takes_only_what_its_type_allows() -> None:
    twin = small_twin()
    with pytest.raises(ValueError, match="opacity"), twin.editor.transaction("Set") as tx:
        tx.set(twin.liver.id, opacity=1.5)
    assert twin.scene.expect(twin.liver.id, SegmentNode).opacity == 1.0


def test_plan_numbers_are_results_and_leave_the_revision() -> None:
    twin = small_twin()
    plan = twin.scene.of_type(PlanNode)[0]
    with twin.editor.transaction("Numbers") as tx:
        tx.set(plan.id, numbers={"organ_ml": 3.0})
    assert revision(twin, plan.id) == plan.revision
    with twin.editor.transaction("Cut") as tx:
        tx.set(plan.id, cuts=())
    assert revision(twin, plan.id) != plan.revision


def test_frozen_parts_of_a_label_array_do_not_change_with_later_strokes() -> None:
    twin = small_twin()
    frozen = twin.layer.labels.frozen(IN_TUMOUR)
    twin.paint(IN_TUMOUR, 1)
    assert np.all(frozen == 2)
    shown = twin.layer.labels.read()
    assert np.all(shown[IN_TUMOUR.slices] == 1)
    for array in (frozen, shown):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0] = 5


def test_lists_of_a_kind_and_of_children_follow_every_change_and_its_undo() -> None:
    twin = small_twin()
    old = twin.scene.of_type(LandmarkNode)[0]
    assert old in twin.scene.children(twin.case.id)
    before = [node.id for node in twin.scene]
    new = LandmarkNode(name="New", parent=twin.case.id, position_mm=(0, 0, 0))
    with twin.editor.transaction("Add") as tx:
        tx.add(new)
        assert [node.id for node in twin.scene.of_type(LandmarkNode)][-1] == new.id
        tx.set(old.id, name="Renamed")
        assert "Renamed" in [node.name for node in twin.scene.children(twin.case.id)]
        tx.remove(old.id)
        assert old.id not in [node.id for node in twin.scene.of_type(LandmarkNode)]

    assert [node.name for node in twin.scene.of_type(LandmarkNode)][-1] == "New"
    twin.editor.undo()
    assert [node.id for node in twin.scene] == before
    assert twin.scene.of_type(LandmarkNode)[0].name == old.name
    assert twin.scene.children(new.id) == []


def test_a_list_that_was_given_out_is_the_callers_own() -> None:
    twin = small_twin()
    given = twin.scene.of_type(LandmarkNode)
    given.clear()
    assert twin.scene.of_type(LandmarkNode)
