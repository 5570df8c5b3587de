"""What the mouse does with vessel trees: picks a branch, and the place of a cut, a join or a new root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPointF, Qt, Signal

from surgitwin.commands import command_named
from surgitwin.commands.base import Document, build
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.tools.tool import SliceTool
from surgitwin.render.content import TreeContent, Vec3, vec3
from surgitwin.render.twin import TreeKey, tree_contents
from surgitwin.render.vessel_pick import PickedBranch, pick_near
from surgitwin.scene.nodes import VesselTreeNode

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView
    from surgitwin.vessels.tree import VesselTree

Picked = tuple[NodeId, int]
NEAR_PX = 6.0
HINTS = {
    "cut": tr("Click the vessel where it is to be cut. Esc ends this."),
    "join": tr("Click the vessel that the chosen part is to be joined to. Esc ends this."),
    "root": tr("Click the place where the blood enters or leaves: it becomes the root. Esc ends this."),
}


class BranchTool(SliceTool):
    """A click in a slice, for as long as a place on a vessel is asked for."""

    clicked = Signal(object, float)  # LPS point, how many mm beside a vessel still mean it
    escaped = Signal()

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.clicked.emit(view.point_at(at), NEAR_PX / view.placement.pixels_per_mm)

    def abort(self) -> bool:
        self.escaped.emit()
        return True


class VesselHand(QObject):
    """One per window.

    Signals
    -------
    picked_changed()
        Another branch, or none, is chosen.
    mode_changed()
        A place is asked for, or no more.
    tool_changed(SliceTool or None)
        What the slices' left button does.
    hint_changed(str)
        What to do next, or why nothing happens; empty when nothing is asked for.
    """

    picked_changed = Signal()
    mode_changed = Signal()
    tool_changed = Signal(object)
    hint_changed = Signal(str)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._keep: dict[TreeKey, TreeContent] = {}
        self.picked: Picked | None = None
        self.mode = ""
        self.tool = BranchTool(self)
        self.tool.clicked.connect(self._clicked_in_slice)
        self.tool.escaped.connect(self.stop)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: self._look_after())

    # ---- choosing ----------------------------------------------------------------------------------------------

    def tree(self, node: NodeId) -> VesselTree | None:
        """A tree of the scene as the functions take it."""
        return next((content.tree for content in self._trees() if content.id == node), None)

    def choose(self, picked: Picked | None) -> None:
        """Choose a branch, or none."""
        if picked != self.picked:
            self.picked = picked
            self.picked_changed.emit()

    def take(self, found: PickedBranch | None) -> None:
        """A click on a branch, or beside all: it chooses, or it is the place that was asked for."""
        if not self.mode:
            self.choose((NodeId(found.tree), found.branch) if found is not None else None)
            return
        if found is None:
            self.hint_changed.emit(tr("There is no vessel here. Click nearer to one, or press Esc."))
        elif self.picked is not None and found.tree != self.picked[0]:
            self.hint_changed.emit(tr("This is another vessel tree. Click in the chosen one, or press Esc."))
        else:
            self._use(found)

    # ---- editing -----------------------------------------------------------------------------------------------

    def start(self, mode: str) -> None:
        """Ask for the place of a ``cut``, of a ``join`` or of a new ``root``."""
        if self.picked is None:
            self.hint_changed.emit(tr("Choose a branch first: click it in 3D or in the list."))
            return
        self.mode = mode
        self.tool_changed.emit(self.tool)
        self.hint_changed.emit(HINTS[mode])
        self.mode_changed.emit()

    def stop(self) -> bool:
        """Ask for no place any more; true if one was asked for."""
        if not self.mode:
            return False
        self.mode = ""
        self.tool_changed.emit(None)
        self.hint_changed.emit("")
        self.mode_changed.emit()
        return True

    def edit(self, tree: NodeId, action: str, **values: Any) -> Document | None:
        """Do one edit of a tree as a command; what goes wrong is said in the banner."""
        try:
            command = build(command_named("vessel"), {"tree": tree, "action": action, **values})
        except SurgitwinError as error:
            self._desk.report(error)
            return None
        return self._desk.do_now(command)

    def _use(self, found: PickedBranch) -> None:
        assert self.picked is not None
        mode, (node, branch) = self.mode, self.picked
        here = as_text(found.point)
        if mode == "join":
            tree = self.tree(node)
            if tree is None:
                return
            begin = part_root(tree, branch)
            if begin == part_root(tree, found.branch):
                self.hint_changed.emit(
                    tr("Both places hang together already. Choose a branch of the part that lies apart first.")
                )
                return
            done = self.edit(node, "join", at=as_text(vec3(tree.points_mm[begin])), to=here)
        else:
            done = self.edit(node, mode, at=here)
        if done is not None:
            self.stop()

    def _clicked_in_slice(self, point: Vec3, tolerance_mm: float) -> None:
        self.take(pick_near(self._trees(), point, tolerance_mm))

    def _trees(self) -> tuple[TreeContent, ...]:
        return tree_contents(self._desk.scene, self._keep)

    # ---- the scene ---------------------------------------------------------------------------------------------

    def _restart(self) -> None:
        self._keep = {}
        self.stop()
        self.choose(None)

    def _look_after(self) -> None:
        """Let go of a branch that is not there any more."""
        if self.picked is None:
            return
        node = self._desk.scene.get(self.picked[0], VesselTreeNode)
        if node is None or all(branch.id != self.picked[1] for branch in node.branches):
            self.stop()
            self.choose(None)


def part_root(tree: VesselTree, branch: int) -> int:
    """The point that the part of the tree begins at to which a branch belongs."""
    while tree.parents[branch] >= 0:
        branch = tree.parents[branch]
    return int((tree.branch == branch).argmax())


def as_text(point: Vec3) -> str:
    """A place as commands take it; no digit of it is lost."""
    return ",".join(repr(float(value)) for value in point)
