"""Vessel trees in the real window: made, looked at, a branch picked in 3D, named, cut, and territories shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot
from steps import SMALL, Hand, close_window, open_window, write_small_study

from surgitwin.commands import COMMANDS
from surgitwin.commands.base import Arg, Bench, Command, Document, Work, at_once
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.gui.panels.territories import disagreement_text
from surgitwin.gui.panels.vessel_branches import listed_branches
from surgitwin.render.camera import to_screen
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import (
    BranchModel,
    BreakModel,
    LabelLayerNode,
    SegmentationNode,
    SegmentNode,
    TerritoriesNode,
    VesselTreeNode,
)
from surgitwin.session import Session
from surgitwin.vessels.tree import Branch, VesselTree

LIVER, VEIN = (198, 120, 90), (136, 56, 170)
TRUNK, LEFT, RIGHT, TIP, APART = 0, 1, 2, 3, 4


def way(*corners: tuple[float, float, float]) -> NDArray[np.float64]:
    """Points 2 mm apart along straight lines, the first corner left out."""
    parts = []
    for start, end in pairwise(corners):
        count = round(float(np.linalg.norm(np.subtract(end, start))) / 2)
        parts.append(np.linspace(start, end, count + 1)[1:])
    return np.concatenate(parts)


def tree_fields() -> dict[str, Any]:
    """A portal tree in the small liver: a trunk, a left and a right branch, a tip of the right one, and a part that
    lies apart."""
    fork = (-30.0, 0.0, 0.0)
    pieces = [
        way((-20.0, 5.0, -50.0), (-22.0, 2.0, -25.0), fork),
        way(fork, (-5.0, -5.0, 10.0)),
        way(fork, (-55.0, 0.0, 5.0), (-65.0, -10.0, 15.0)),
        way((-65.0, -10.0, 15.0), (-70.0, -12.0, 35.0)),
        way((-50.0, 15.0, 30.0), (-45.0, 18.0, 45.0)),
    ]
    sizes = [len(piece) for piece in pieces]
    starts = np.cumsum([0, *sizes])
    parents = np.arange(-1, starts[-1] - 1, dtype=np.int32)
    for branch, above in ((LEFT, TRUNK), (RIGHT, TRUNK), (TIP, RIGHT)):
        parents[starts[branch]] = starts[above + 1] - 1
    parents[starts[APART]] = -1
    return {
        "points_mm": ArrayData.of(np.concatenate(pieces)),
        "radii_mm": ArrayData.of(np.repeat([7.0, 4.5, 5.0, 3.0, 2.0], sizes)),
        "parents": ArrayData.of(parents),
        "branch_of": ArrayData.of(np.repeat(np.arange(5, dtype=np.int32), sizes)),
        "branches": (
            BranchModel(id=TRUNK, name="Main portal vein", suggested=True),
            BranchModel(id=LEFT, name="Left portal vein", suggested=True, color=(220, 120, 60)),
            BranchModel(id=RIGHT, name="Right portal vein", suggested=True),
            BranchModel(id=TIP),
            BranchModel(id=APART),
        ),
        "breaks": (BreakModel(root=int(starts[APART]), towards=int(starts[TIP + 1] - 1), gap_mm=34.0),),
        "notices": (Notice("spurs-pruned", "7 short spurs, together 31 mm long, were left out."),),
    }


class MakeTree(Command):
    """Makes the tree above, in some steps."""

    name: ClassVar[str] = "vessels"
    title: ClassVar[str] = "Make a vessel tree"
    summary: ClassVar[str] = "A tree."
    steps: ClassVar[int] = 5
    segment: Annotated[str, Arg("the vessel")]

    def start(self, bench: Bench) -> Work[Any]:
        segment = bench.scene.resolve(self.segment, SegmentNode)

        def compute(ctx: Context) -> None:
            for step in range(self.steps):
                ctx.progress(step / self.steps, "Thinning")
                ctx.check()
                time.sleep(0.02)

        def commit(_: None) -> Document:
            with bench.transaction("Vessel tree") as tx:
                tx.add(
                    VesselTreeNode(
                        name="Portal vein tree", parent=segment.id, segment=segment.id, system="portal", **tree_fields()
                    )
                )
            return {"warnings": []}

        return Work(compute, commit)


class EditTree(Command):
    """Names, confirms, colours and deletes; keeps what else was asked for."""

    name: ClassVar[str] = "vessel"
    title: ClassVar[str] = "Edit a vessel tree"
    summary: ClassVar[str] = "Edits."
    asked: ClassVar[list[EditTree]] = []
    tree: str
    action: str
    branch: str = ""
    at: str = ""
    to: str = ""
    name_: Annotated[str | None, Arg("the name", option="name")] = None
    colour: str | None = None

    def start(self, bench: Bench) -> Work[None]:
        node = bench.scene.resolve(self.tree, VesselTreeNode)

        def changed(branch: BranchModel) -> BranchModel:
            mine = not self.branch or branch.id == int(self.branch)
            if self.action == "name" and mine:
                return branch.model_copy(update={"name": self.name_, "suggested": False})
            if self.action == "confirm" and mine:
                return branch.model_copy(update={"suggested": False})
            if self.action == "colour" and mine:
                return branch.model_copy(update={"color": tuple(int(part) for part in (self.colour or "").split(","))})
            return branch

        def apply() -> Document:
            self.asked.append(self)
            with bench.transaction("Edit") as tx:
                tx.set(node.id, branches=tuple(changed(branch) for branch in node.branches), edited=True)
            return {}

        return at_once(apply)


class Divide(Command):
    """Puts the two halves of the liver, and where they meet, into the scene."""

    name: ClassVar[str] = "territories"
    title: ClassVar[str] = "Make territories"
    summary: ClassVar[str] = "Two halves."
    organ: str
    vessels: str
    method: str = "nearest"

    def start(self, bench: Bench) -> Work[None]:
        organ = bench.scene.resolve(self.organ, SegmentNode)
        tree = bench.scene.resolve(self.vessels, VesselTreeNode)
        inside = bench.scene.layer_of(organ).labels.read() == organ.value
        i = np.indices(inside.shape)[2]
        halves = np.where(inside, 1 + (i > 21), 0).astype(np.uint8)
        unsure = (inside & (abs(i - 21) < 3)).astype(np.uint8)

        def apply() -> Document:
            with bench.transaction("Territories") as tx:
                made = []
                for labels, parts in ((halves, ("Right", "Left")), (unsure, ("Unsure",))):
                    layer = LabelLayerNode(name="Layer", parent=organ.parent, labels=ArrayData.of(labels))
                    tx.add(layer)
                    for value, (part, color) in enumerate(zip(parts, ((90, 160, 220), VEIN), strict=False), start=1):
                        kind = "other" if part == "Unsure" else "territory"
                        segment = SegmentNode(
                            name=part, parent=organ.parent, layer=layer.id, value=value, color=color, kind=kind
                        )
                        tx.add(segment)
                        made.append(segment.id)
                tx.set(made[2], visible=False)
                node = TerritoriesNode(
                    name="Territories",
                    parent=organ.id,
                    organ=organ.id,
                    tree=tree.id,
                    method=self.method,
                    territories=tuple(made[:2]),
                    unsure=made[2],
                    disagreement_percent=12.345,
                )
                tx.add(node)
            return {"warnings": []}

        return at_once(apply)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study with its liver and a portal vein that runs as the tree does."""
    folder = tmp_path_factory.mktemp("case")
    path = folder / "Case 4.twin"
    write_small_study(folder / "study")
    with Session() as session:
        session.save_as(path)
        session.run("new", path=folder / "study", pseudonym="Case 4")
        session.run("segment", method="threshold", into="Liver", settings={"lower": 80, "upper": 250})
        fields = tree_fields()
        k, j, i = np.indices(SMALL.shape_kji)
        at = SMALL.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3))
        mask = np.zeros(len(at), bool)
        for point, radius in zip(fields["points_mm"].read(), fields["radii_mm"].read(), strict=True):
            mask |= ((at - point) ** 2).sum(axis=1) <= (radius + 1.5) ** 2
        with session.transaction("Portal vein") as tx:
            (segmentation,) = session.scene.of_type(SegmentationNode)
            labels = mask.reshape(SMALL.shape_kji).astype(np.uint8)
            layer = LabelLayerNode(name="Vessels", parent=segmentation.id, labels=ArrayData.of(labels))
            tx.add(layer)
            tx.add(
                SegmentNode(
                    name="Portal vein",
                    parent=segmentation.id,
                    layer=layer.id,
                    value=1,
                    color=VEIN,
                    kind="vessel",
                    term="Portal vein",
                )
            )
            liver = session.scene.resolve("Liver", SegmentNode)
            tx.set(liver.id, kind="organ", opacity=0.25, color=LIVER)
        session.run("mesh")
    return path


class Bench4:
    """The window with its two parts of the Plan step."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.box = hand.window.planning.vessels
        self.territories = hand.window.planning.territories

    def click_3d(self, point: tuple[float, float, float]) -> None:
        """Click a place of the 3D view, seen from the front."""
        view = self.hand.window.stage.view3d
        x, y, _ = to_screen(view.scene.renderer, point) / view.devicePixelRatioF()
        at = QPointF(float(x), float(y))
        self.hand.mouse(view.interactor, QEvent.Type.MouseButtonPress, at)
        self.hand.mouse(view.interactor, QEvent.Type.MouseButtonRelease, at)
        self.hand.rest()


@pytest.fixture
def bench(
    qtbot: QtBot, qapp: QApplication, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench4]:
    EditTree.asked.clear()
    for command in (MakeTree, EditTree, Divide):
        monkeypatch.setitem(COMMANDS, command.name, command)
    copy = tmp_path / made.name
    copy.write_bytes(made.read_bytes())
    hand = open_window(qtbot, qapp, "vessels")
    found = Bench4(hand)
    hand.window.opener.open(copy)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.wait_for_3d()
    hand.window.show_step("plan")
    hand.rest()
    yield found
    close_window(hand)


def only_tree(hand: Hand) -> VesselTreeNode:
    (node,) = hand.scene.of_type(VesselTreeNode)
    assert isinstance(node, VesselTreeNode)
    return node


def test_a_tree_is_made_a_branch_picked_in_3d_named_and_cut_where_it_is_clicked(bench: Bench4) -> None:
    hand, box = bench.hand, bench.box
    assert box.systems["portal"].text() == "not assessed: no tree yet"
    assert box.systems["biliary"].text() == "not assessed: no segment"
    assert box.header._count == "0 of 4 assessed"
    hand.picture("no-tree")
    hand.press_button("Make tree", box)
    assert box.progress is not None
    hand.wait(lambda: hand.scene.of_type(VesselTreeNode))
    hand.rest()
    assert box.progress is None and box.systems["portal"].text() == "✓ assessed"
    assert box.found.text() == "5 branches, 3 named, 3 of these suggested, 1 gap."
    assert box.warnings.texts == ["7 short spurs, together 31 mm long, were left out."]
    assert [row.split(" | ")[0] for row in box.branches.texts()] == [
        "Main portal vein",
        "  Left portal vein",
        "  Right portal vein",
        f"branch {APART}",
    ]
    hand.picture("tree")

    bench.click_3d((-70.0, -12.0, 30.0))
    assert box.hand.picked == (only_tree(hand).id, TIP)
    assert box.chosen.text() == f"Chosen: branch {TIP}, part of Right portal vein"
    assert "    branch 3 | ⌀ 6.0 mm" in box.branches.texts()
    assert hand.window.stage.view3d.content.trees[0].picked == TIP
    hand.qtbot.wait(300)  # for the picture: a slow frame waits until things have come to rest
    hand.picture("picked")

    hand.press_button("Rename", box)
    editor = box.branches.findChild(QLineEdit)
    assert editor is not None
    editor.setText("P8")
    hand.key(Qt.Key.Key_Return, editor)
    hand.rest()
    assert only_tree(hand).branches[TIP].name == "P8"
    assert "    P8 | ⌀ 6.0 mm" in box.branches.texts()

    hand.press_button("Confirm names", box)
    hand.rest()
    assert not any(branch.suggested for branch in only_tree(hand).branches) and not box.confirm.isVisible()
    hand.desk.undo()
    hand.rest()
    assert box.confirm.isVisible() and sum(branch.suggested for branch in only_tree(hand).branches) == 3

    box.swatch.colour_changed.emit((10, 200, 30))
    hand.rest()
    assert only_tree(hand).branches[TIP].color == (10, 200, 30)
    assert hand.window.stage.view3d.content.trees[0].colours[TIP] == (10, 200, 30)

    box.branches.renamed.emit(TIP, "P8 dorsal")
    hand.rest()
    assert (EditTree.asked[-1].name_, EditTree.asked[-1].colour) == ("P8 dorsal", "10,200,30")  # the colour stays

    hand.press_button("Cut …", box)
    assert box.hint.isVisible() and box.modes["cut"].isChecked()
    hand.picture("cutting")
    bench.click_3d((-70.0, -12.0, 25.0))
    cut = EditTree.asked[-1]
    where = np.array([float(part) for part in cut.at.split(",")])
    assert cut.action == "cut" and where[2] == pytest.approx(25.0, abs=1.5)
    assert box.hand.mode == "" and not box.hint.isVisible()


def test_a_part_that_lies_apart_is_joined_by_a_click_in_a_slice_and_escape_ends_asking(bench: Bench4) -> None:
    hand, box = bench.hand, bench.box
    hand.press_button("Make tree", box)
    hand.wait(lambda: hand.scene.of_type(VesselTreeNode))
    hand.rest()
    node = only_tree(hand)
    box.hand.choose((node.id, APART))
    hand.rest()
    hand.press_button("Join to …", box)
    view = hand.window.stage.axial

    def click(point: tuple[float, float, float]) -> None:
        hand.desk.move_crosshair(point)
        hand.rest()
        hand.grab(view, view.pixel_of(point))
        hand.let_go(view, view.pixel_of(point))
        hand.rest()

    click((-100.0, 60.0, 30.0))
    assert "no vessel here" in box.hint.text() and box.hand.mode == "join"
    click((-48.0, 16.0, 37.5))  # the same part
    assert "hang together" in box.hint.text() and not EditTree.asked
    click((-68.0, -11.0, 27.5))
    asked = EditTree.asked[-1]
    root = node.points_mm.read()[node.breaks[0].root]
    assert [float(part) for part in asked.at.split(",")] == root.tolist()
    assert float(asked.to.split(",")[2]) == pytest.approx(27.5, abs=2.0)
    assert box.hand.mode == ""

    hand.press_button("Make root …", box)
    assert view.tool is not None
    hand.key(Qt.Key.Key_Escape, view)
    hand.rest()
    assert box.hand.mode == "" and view.tool is None and len(EditTree.asked) == 1
    hand.desk.undo(2)
    hand.rest()
    assert box.hand.picked is None and not hand.scene.of_type(VesselTreeNode)
    assert hand.window.stage.view3d.content.trees == ()


def test_making_a_tree_can_be_cancelled(bench: Bench4, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MakeTree, "steps", 2000)
    hand, box = bench.hand, bench.box
    hand.press_button("Make tree", box)
    hand.wait(lambda: box.progress.isVisible() and box.found.text() == "Thinning")
    hand.picture("making")
    hand.press_button("Cancel", box)
    hand.rest()
    assert box.progress is None and box.make.isVisible() and not hand.scene.of_type(VesselTreeNode)


def test_territories_are_listed_with_their_share_and_show_where_methods_disagree(bench: Bench4) -> None:
    hand, box = bench.hand, bench.territories
    box.set_opened(True)
    assert box.empty.isVisible() and not box.make.isVisible()
    hand.press_button("Make tree", bench.box)
    hand.wait(lambda: hand.scene.of_type(VesselTreeNode))
    hand.rest()
    hand.press_button("Make territories", box)
    hand.wait(lambda: hand.scene.of_type(TerritoriesNode))
    hand.rest()
    role = int(Qt.ItemDataRole.UserRole) + 1
    hand.wait(lambda: "…" not in [box.parts.item(row).data(role) for row in range(2)])
    volume = SMALL.voxel_volume_mm3 / 1000
    counts = [int(hand.mask(name).sum()) for name in ("Right", "Left")]
    for row, (name, count) in enumerate(zip(("Right", "Left"), counts, strict=True)):
        item = box.parts.item(row)
        assert item.text() == name
        assert item.data(role) == f"{count * volume:.0f} ml   {100 * count / sum(counts):.1f} %"
    assert box.disagreement.text() == "The three methods disagree on 12.3 % of the organ."
    hand.click(box.unsure)
    hand.rest()
    styles = [style for layer in hand.window.stage.axial.content.layers for style in layer.styles if style.visible]
    assert [style.name for style in styles if style.hatched] == ["Unsure"]
    panel = hand.window.plan
    panel.ensureWidgetVisible(box.unsure)
    hand.picture("territories")
    hand.window.resize(hand.window.minimumSize())
    hand.rest()
    assert panel.widget().width() <= panel.viewport().width() and not hand.cut_off_texts()
    hand.picture("small")


def test_the_list_shows_roots_named_branches_and_the_picked_one_below_those_that_they_come_from() -> None:
    parents = np.array([-1, 0, 1, 2, 3, -1], dtype=np.int32)
    tree = VesselTree(
        np.zeros((6, 3)),
        np.ones(6),
        parents,
        np.arange(6, dtype=np.int32),
        tuple(Branch(number, name) for number, name in enumerate(("", "", "A", "", "B", ""))),
    )
    assert listed_branches(tree, None) == [(0, None), (2, 0), (4, 2), (5, None)]
    assert listed_branches(tree, 3) == [(0, None), (2, 0), (3, 2), (4, 3), (5, None)]


def test_a_little_disagreement_is_not_said_to_be_none() -> None:
    said = [disagreement_text(share) for share in (0.0, 0.04, 0.06, None)]
    assert [text.split(" on ")[-1] for text in said[:3]] == [
        "0.0 % of the organ.",
        "less than 0.1 % of the organ.",
        "0.1 % of the organ.",
    ]
    assert "not assessed" in said[3]
