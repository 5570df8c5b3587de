"""One stroke is one named change that touches what it must, whatever happened meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.commands import painting
from surgitwin.commands.painting import Painted, start_painting
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import CaseNode, LabelLayerNode, SegmentationNode, SegmentNode, VolumeNode
from surgitwin.segmentation.rules import EditRules
from surgitwin.session import Session

SIZE = (40, 36, 30)
BOX = Box((10, 8, 6), (20, 18, 16))


class Twin:
    """A liver with a tumour beside it, in one layer."""

    def __init__(self) -> None:
        self.session = Session()
        self.geometry = Geometry.from_parts(SIZE, (0.8, 0.9, 1.25))
        labels = np.zeros(SIZE[::-1], np.uint8)
        labels[5:20, 5:25, 5:15] = 1
        labels[5:20, 5:25, 15:22] = 2
        voxels = np.arange(np.prod(SIZE), dtype=np.int32).reshape(SIZE[::-1]) % 100
        with self.session.transaction("New case") as tx:
            case = tx.add(CaseNode(name="Case", pseudonym="P"))
            self.volume = VolumeNode(
                name="CT", parent=case.id, geometry=self.geometry, voxels=ArrayData.of(voxels.astype(np.int16))
            )
            tx.add(self.volume)
            grid = tx.add(SegmentationNode(name="S", parent=case.id, volume=self.volume.id, geometry=self.geometry))
            layer = LabelLayerNode(name="L", parent=grid.id, labels=ArrayData.of(labels, constant=False))
            tx.add(layer)
            for value, name in ((1, "Liver"), (2, "Tumour")):
                tx.add(SegmentNode(name=name, parent=grid.id, layer=layer.id, value=value, color=(value, 9, 9)))
        self.layer = layer.id

    def mask(self, name: str) -> NDArray[np.bool_]:
        segment = self.session.scene.resolve(name, SegmentNode)
        return np.asarray(self.session.scene.layer_of(segment).labels.read() == segment.value)

    def start(self, name: str, box: Box = BOX, *, erase: bool = False, rules: EditRules | None = None) -> Any:
        painted = Painted(box, np.ones(box.size_ijk[::-1], np.bool_), erase)
        return start_painting(self.session, self.volume, name, painted, rules or EditRules())

    def paint(self, name: str, box: Box = BOX, **settings: Any) -> dict[str, Any]:
        work = self.start(name, box, **settings)
        document: dict[str, Any] = work.commit(work.compute(Context()))
        return document


def whole(box: Box) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE[::-1], np.bool_)
    mask[box.slices] = True
    return mask


@pytest.fixture
def twin() -> Iterator[Twin]:
    made = Twin()
    yield made
    made.session.close()


def test_a_stroke_is_one_named_entry_and_undo_brings_every_bit_back(twin: Twin) -> None:
    before = twin.session.scene.digest()
    for name, erase, title in (("Liver", False, "Paint: Liver"), ("Tumour", True, "Erase: Tumour")):
        twin.paint(name, erase=erase)
        assert twin.session.history.undo_names[0] == title
        twin.session.undo()
        assert twin.session.scene.digest() == before


def test_the_voxels_and_the_counts_are_those_of_the_stroke(twin: Twin) -> None:
    old, tumour = twin.mask("Liver"), twin.mask("Tumour")
    told = twin.paint("Liver", rules=EditRules(overwrite="all"))
    assert np.array_equal(twin.mask("Liver"), old | whole(BOX))
    assert np.array_equal(twin.mask("Tumour"), tumour & ~whole(BOX))
    added = np.count_nonzero(whole(BOX) & ~old)
    assert (told["added_voxels"], told["removed_voxels"]) == (added, 0)
    assert told["added_ml"] == pytest.approx(added * 0.8 * 0.9 * 1.25 / 1000)
    told = twin.paint("Liver", erase=True)
    assert told["removed_voxels"] == np.count_nonzero(whole(BOX))
    assert not (twin.mask("Liver") & whole(BOX)).any()


def test_without_overwriting_segments_overlap_and_the_painted_one_moves(twin: Twin) -> None:
    old, tumour, before = twin.mask("Liver"), twin.mask("Tumour"), twin.session.scene.digest()
    twin.paint("Liver")
    assert np.array_equal(twin.mask("Liver"), old | whole(BOX))
    assert np.array_equal(twin.mask("Tumour"), tumour)
    assert twin.session.scene.resolve("Liver", SegmentNode).layer != twin.layer
    twin.session.undo()
    assert twin.session.scene.digest() == before


def test_another_segment_keeps_its_revision_so_that_its_results_stay_current(twin: Twin) -> None:
    revision = twin.session.scene.resolve("Tumour", SegmentNode).revision
    mine = twin.session.scene.resolve("Liver", SegmentNode).revision
    twin.paint("Liver")
    assert twin.session.scene.resolve("Tumour", SegmentNode).revision == revision
    assert twin.session.scene.resolve("Liver", SegmentNode).revision != mine


def test_painting_a_name_that_is_not_there_makes_the_segment(twin: Twin) -> None:
    twin.paint("Cyst")
    assert np.array_equal(twin.mask("Cyst"), whole(BOX))
    twin.session.undo()
    assert "Cyst" not in [segment.name for segment in twin.session.scene.of_type(SegmentNode)]


@pytest.mark.parametrize("at_once", [0, 1 << 20])
def test_an_edit_in_between_is_kept_and_the_stroke_is_not_lost(
    twin: Twin, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painting, "AT_ONCE_VOXELS", at_once)
    old = twin.mask("Liver")
    work = twin.start("Liver", Box((2, 2, 2), (8, 8, 8)))
    outcome = work.compute(Context())
    between = Box((4, 4, 4), (12, 12, 12))
    twin.paint("Liver", between, erase=True)
    work.commit(outcome)
    assert np.array_equal(twin.mask("Liver"), (old & ~whole(between)) | whole(Box((2, 2, 2), (8, 8, 8))))


def test_a_stroke_copies_no_layer(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = twin.session.scene.expect(twin.layer, LabelLayerNode).labels
    first = layer.read().__array_interface__["data"]
    twin.paint("Liver", Box((2, 2, 2), (8, 8, 8)))
    monkeypatch.setattr(painting, "AT_ONCE_VOXELS", 0)
    twin.paint("Liver", Box((3, 3, 2), (9, 9, 8)))
    assert layer.read().__array_interface__["data"] == first


def test_the_undo_entry_is_as_large_as_the_stroke_not_as_the_image() -> None:
    sizes = {}
    for side in (40, 160):
        session = Session()
        geometry = Geometry.from_parts((side, side, side))
        rng = np.random.default_rng(1)
        with session.transaction("New") as tx:
            case = tx.add(CaseNode(name="Case", pseudonym="P"))
            volume = VolumeNode(
                name="CT", parent=case.id, geometry=geometry, voxels=ArrayData.of(np.zeros((side,) * 3, np.int16))
            )
            tx.add(volume)
            grid = tx.add(SegmentationNode(name="S", parent=case.id, volume=volume.id, geometry=geometry))
            labels = np.zeros((side,) * 3, np.uint8)
            labels[:20, :20, :20] = rng.integers(0, 2, (20, 20, 20))
            layer = LabelLayerNode(name="L", parent=grid.id, labels=ArrayData.of(labels, constant=False))
            tx.add(layer)
            tx.add(SegmentNode(name="Liver", parent=grid.id, layer=layer.id, value=1, color=(1, 9, 9)))
        painted = Painted(Box((2, 2, 2), (18, 18, 18)), np.ones((16, 16, 16), np.bool_))
        work = start_painting(session, volume, "Liver", painted, EditRules())
        work.commit(work.compute(Context()))
        entry = session.history.next_undo()
        assert entry is not None
        sizes[side] = entry.nbytes
        session.close()
    assert sizes[40] == sizes[160] < 2 * 16**3


def test_it_is_in_the_case_file_with_everything_else(twin: Twin, tmp_path: Path) -> None:
    twin.session.save_as(tmp_path / "case.twin")
    twin.paint("Liver")
    twin.paint("Tumour", erase=True)
    assert twin.session.case_file is not None
    twin.session.case_file.wait()
    wanted = {name: twin.mask(name).copy() for name in ("Liver", "Tumour")}
    twin.session.close()
    with Session.open(tmp_path / "case.twin") as session:
        for name, mask in wanted.items():
            segment = session.scene.resolve(name, SegmentNode)
            assert np.array_equal(session.scene.layer_of(segment).labels.read() == segment.value, mask)


def test_rules_that_leave_nothing_change_nothing_and_say_so(twin: Twin) -> None:
    before, names = twin.session.scene.digest(), twin.session.history.undo_names
    told = twin.paint("Liver", rules=EditRules(lower=1000))
    assert not told["changed"]
    assert [warning["code"] for warning in told["warnings"]] == ["rules-leave-nothing"]
    assert twin.session.scene.digest() == before and twin.session.history.undo_names == names


def test_a_stroke_over_what_is_there_already_makes_no_entry_and_no_warning(twin: Twin) -> None:
    names = twin.session.history.undo_names
    told = twin.paint("Liver", Box((6, 6, 6), (9, 9, 9)))
    assert not told["changed"] and not told["warnings"] and twin.session.history.undo_names == names


@pytest.mark.parametrize(
    ("box", "name", "rules", "sentence"),
    [
        (Box((0, 0, 0), (0, 0, 0)), "Liver", EditRules(), "outside of the image “CT”"),
        (Box((38, 0, 0), (41, 3, 3)), "Liver", EditRules(), "outside of the image “CT”"),
        (BOX, "Spleen", EditRules(), "no segment “Spleen” to erase from"),
        (BOX, "Liver", EditRules(inside=(NodeId("gone"),)), "editable area"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    twin: Twin, box: Box, name: str, rules: EditRules, sentence: str
) -> None:
    before, names = twin.session.scene.digest(), twin.session.history.undo_names
    with pytest.raises(BadInput, match=sentence):
        twin.paint(name, box, erase=True, rules=rules)
    assert twin.session.scene.digest() == before and twin.session.history.undo_names == names
