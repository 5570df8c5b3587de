"""Whatever commands do, undoing them gives the first state bit for bit, and redoing them the last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surgitwin.commands import COMMANDS
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import CaseNode, LabelLayerNode, SegmentationNode, SegmentNode, VolumeNode
from surgitwin.session import Session
from terminal import write_nifti

GEOMETRY = Geometry.from_parts((17, 15, 13), (1.3, 1.7, 2.1), (-10.0, -20.0, 30.0), np.eye(3))
Step = tuple[str, dict[str, Any]]


def small_session() -> Session:
    """An image with a liver, a tumour in it and a forked vein, in memory."""
    session = Session()
    labels = np.zeros(GEOMETRY.shape_kji, np.uint8)
    labels[2:11, 2:13, 2:15] = 1
    labels[4:7, 4:7, 4:7] = 2
    voxels = np.full(labels.shape, -900, np.int16)
    voxels[labels > 0] = 100 * labels[labels > 0]
    vein = np.zeros_like(labels)
    vein[8, 7, 2:8] = 1
    for step in range(6):
        vein[8, 7 - step, 8 + step] = vein[8, 7 + step, 8 + step] = 1
    with session.transaction("New case") as tx:
        case = tx.add(CaseNode(name="Case", pseudonym="Case"))
        ct = ImageIdentity(modality="CT")
        volume = VolumeNode(
            name="CT", parent=case.id, geometry=GEOMETRY, voxels=ArrayData.of(voxels), unit="HU", identity=ct
        )
        tx.add(volume)
        segmentation = SegmentationNode(name="Segments", parent=case.id, volume=volume.id, geometry=GEOMETRY)
        tx.add(segmentation)
        layer = LabelLayerNode(name="Layer 1", parent=segmentation.id, labels=ArrayData.of(labels, constant=False))
        tx.add(layer)
        other = LabelLayerNode(name="Layer 2", parent=segmentation.id, labels=ArrayData.of(vein, constant=False))
        tx.add(other)
        for on, value, name, kind in (
            (layer, 1, "Liver", "organ"),
            (layer, 2, "Tumour", "lesion"),
            (other, 1, "Vein", "vessel"),
        ):
            tx.add(
                SegmentNode(name=name, parent=segmentation.id, layer=on.id, value=value, color=(1, 2, value), kind=kind)
            )
    session.history.clear()
    return session


def test_a_step_names_the_segment_also_when_it_was_given_by_its_id() -> None:
    with small_session() as session:
        liver = session.scene.resolve("Liver", SegmentNode)
        session.run("segment", method="threshold", into=liver.id, settings={"low": 150})
        assert session.history.undo_names == ["Threshold: Liver"]


def steps(label_map: Path) -> list[Step]:
    """One of every command that changes a case, and more where it has several ways."""
    plane = "0,-10,40,1,0.2,-0.1"
    return [
        ("segment", {"method": "threshold", "into": "Bright", "settings": {"low": 50}}),
        ("segment", {"method": "threshold", "into": "Tumour", "settings": {"low": 150}}),
        ("segment", {"method": "threshold", "into": "Liver", "settings": {"low": 0, "high": 150}}),
        ("segment", {"method": "smooth", "into": "Liver", "settings": {"mm": 2}}),
        ("segment", {"method": "fill-holes", "into": "Filled", "of": "Liver"}),
        ("paint", {"segment": "Painted", "at": [(0, -10, 40)], "radius_mm": 6}),
        ("draw", {"segment": "Drawn", "outline": [(-9, -19, 40), (9, -19, 40), (0, 5, 40)]}),
        ("scissors", {"segment": "Liver", "outline": [(-9, -19, 40), (9, -19, 40), (0, 5, 40)]}),
        ("sign", {"node": "Liver", "as": "reviewed", "by": "Reader"}),
        ("crop", {"around": "Liver", "of": "CT", "name": "Part"}),
        ("mask", {"segment": "Liver", "of": "CT", "name": "Masked"}),
        ("register", {"fixed": "CT", "moving": "Part", "name": "Link"}),
        ("landmarks", {"registration": "Link", "pair": ["0,-10,40=1,-10,40"]}),
        ("accept", {"registration": "Link", "by": "Reader"}),
        ("accept", {"registration": "Link", "withdraw": True}),
        ("carry", {"segment": "Liver", "onto": "Part", "name": "Carried"}),
        ("unite", {"organ": "Liver", "parts": ["Tumour"]}),
        ("add", {"path": label_map, "as": "labelmap", "name": "Added"}),
        ("mesh", {"segment": "Liver"}),
        ("implant", {"item": "bone-screw/3.5x20", "name": "S", "at": (0, -10, 40), "onto": "Liver"}),
        ("implant", {"item": "S", "slide": 2, "turn": 30}),
        ("shape", {"of": "Liver", "cut_plane": plane, "base_plate": True, "engrave": "auto"}),
        ("custom", {"kind": "guide", "of": "Liver", "plane": plane, "settings": {"spacing_mm": 1.5, "height_mm": 20}}),
        ("implant", {"item": "bone-screw/3.5x24", "name": "S", "mirrored": True}),
        ("mark", {"name": "Dome", "at": "0,-10,40"}),
        ("mark", {"name": "dome", "at": "1,-10,40"}),
        ("fit", {"implant": "S", "avoid": ["Vein"]}),
        (
            "print",
            {
                "out": label_map.with_name("part.stl"),
                "segment": "Liver",
                "process": "SLA",
                "accept_by": "Reader",
                "force": True,
                "overwrite": True,
            },
        ),
        ("sweep", {"family": "sphere", "onto": "Liver", "at": (0, -10, 40), "keep_best": True, "name": "B"}),
        ("plan", {"name": "P", "organ": "Liver", "plane": plane}),
        ("plan", {"name": "P", "organ": "Liver", "plane": "0,-10,40,-1,0,0"}),
        ("plan", {"name": "P", "organ": "Liver", "margin": "Tumour:4", "wish": 5}),
        ("sensitivity", {"plan": "P", "shift": 2}),
        ("simulate", {"simulator": "portal-pressure", "settings": {"remnant_fraction": 0.4, "samples": 20}}),
        ("simulate", {"simulator": "portal-pressure", "settings": {"remnant_fraction": 0.3, "samples": 20}}),
        ("measure", {"kind": "ruler", "name": "R", "at": [(0, -10, 40), (5, -10, 40)]}),
        ("measure", {"kind": "distance", "name": "R", "of": ["Tumour", "Vein"]}),
        ("duplicate", {"plan": "P", "as": "P2"}),
        ("vessels", {"segment": "Vein"}),
        ("vessel", {"tree": "Vein", "action": "name", "branch": "1", "name": "Right"}),
        ("territories", {"organ": "Liver", "vessels": "Vein", "by": "branch"}),
        ("territories", {"organ": "Liver", "vessels": "Vein", "by": "branch", "method": "weighted"}),
        ("edit", {"node": "Right", "portal_occluded": True}),
        ("edit", {"node": "Right", "portal_occluded": False}),
        ("vessel", {"tree": "Vein", "action": "delete", "branch": "Right"}),
        ("edit", {"node": "Liver", "rename": "Foie"}),
        ("edit", {"node": "Foie", "rename": "Liver"}),
        ("edit", {"node": "Tumour", "type": "other", "visible": False, "color": (9, 8, 7), "opacity": 0.5}),
        ("show", {"only": "Tumour"}),
        ("show", {}),
        ("remove", {"node": "Tumour"}),
        ("remove", {"node": "P"}),
        ("remove", {"node": "Segments"}),
        ("image", {"volume": "CT", "phase": "arterial", "window": 300}),
        ("confirm-side", {"node": "CT"}),
        ("patient", {"height": 170, "quality": "healthy", "pseudonym": "Case 2"}),
        ("report-settings", {"title": "Title", "identity": True}),
    ]


@pytest.fixture(scope="module")
def label_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = np.zeros(GEOMETRY.shape_kji, np.uint8)
    labels[5:12, 5:14, 1:9] = 1
    return write_nifti(tmp_path_factory.mktemp("labels") / "added.nii.gz", labels, GEOMETRY)


def test_every_command_that_changes_a_case_is_among_the_steps(label_map: Path) -> None:
    assert {name for name, _ in steps(label_map)} == {name for name, kind in COMMANDS.items() if kind.case == "edit"}


def states_after(session: Session, chosen: list[Step]) -> Iterator[str]:
    """The scene after each step that did something; one that does not fit any more is refused and leaves no trace."""
    for name, values in chosen:
        before, known = session.scene.digest(), len(session.history.undo_names)
        try:
            session.run(name, **values)
        except BadInput:
            assert session.scene.digest() == before
        assert len(session.history.undo_names) - known in (0, 1)
        if len(session.history.undo_names) > known:
            yield session.scene.digest()


@settings(max_examples=25)
@given(st.data())
def test_any_sequence_of_commands_can_be_undone_to_the_start_and_done_again(
    label_map: Path, data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.sampled_from(steps(label_map)), min_size=1, max_size=6))
    with small_session() as session:
        states = [session.scene.digest(), *states_after(session, chosen)]
        for state in reversed(states[:-1]):
            assert session.undo() is not None
            assert session.scene.digest() == state
        assert session.undo() is None
        for state in states[1:]:
            assert session.redo() is not None
            assert session.scene.digest() == state
        assert session.redo() is None


def test_every_step_has_a_name_of_its_own_that_says_what_it_did(label_map: Path) -> None:
    with small_session() as session:
        for name, values in steps(label_map):
            session.run(name, **values)
        names = session.history.undo_names

    assert "Plan: P" in names and "Move cut: P" in names and "Remove Tumour" in names
    assert "Rename “Liver” to “Foie”" in names
    assert all(name and "{" not in name for name in names)
