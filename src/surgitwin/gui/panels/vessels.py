"""Vessels: which systems have a tree, how it was made, its branches by name, and the edits of the chosen one."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from surgitwin.commands import command_named
from surgitwin.commands.base import build
from surgitwin.commands.properties import EditNode
from surgitwin.commands.vessel_nodes import SYSTEM_NAMES, system_of
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import APART_MS, Desk
from surgitwin.gui.panels.parts import NodeChoice, WarningList, button, note_label, value_row
from surgitwin.gui.panels.vessel_branches import BranchList, branch_title
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.vessel_hand import VesselHand
from surgitwin.gui.widgets.progress import ProgressRow
from surgitwin.gui.widgets.sections import Section
from surgitwin.gui.widgets.swatch import ColourSwatch
from surgitwin.jobs import Job
from surgitwin.render.vessel_props import SYSTEM_COLOURS, branch_colours
from surgitwin.scene.nodes import SegmentNode, VesselSystem, VesselTreeNode

SYSTEMS: tuple[VesselSystem, ...] = ("portal", "hepatic", "arterial", "biliary")
GREY = (200, 200, 200)


class VesselsBox(Section):
    """A part of the Plan step.

    Signals
    -------
    tool_changed(SliceTool or None)
        What the slices' left button does.
    """

    tool_changed = Signal(object)

    def __init__(self, theme: Theme, desk: Desk, hand: VesselHand) -> None:
        super().__init__(theme, tr("Vessels"), opened=True)
        self._desk, self._theme = desk, theme
        self.hand = hand
        self._job: Job | None = None
        self._build_systems()
        self._build_making(theme)
        self._build_branches(theme)
        self._build_edits(theme)
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        self._escape.setContext(Qt.ShortcutContext.WindowShortcut)
        self._escape.setEnabled(False)
        self._escape.activated.connect(hand.stop)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.refresh)
        hand.tool_changed.connect(self.tool_changed)
        hand.hint_changed.connect(self._show_hint)
        hand.mode_changed.connect(self._show_mode)
        hand.picked_changed.connect(self._follow_pick)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: self._later.start(APART_MS))
        desk.plan_changed.connect(lambda _: self._later.start(APART_MS))
        desk.job_changed.connect(self._show_job)
        self.refresh()

    # ---- parts -------------------------------------------------------------------------------------------------

    def _build_systems(self) -> None:
        self.systems: dict[VesselSystem, QLabel] = {}
        for system in SYSTEMS:
            line, value = value_row(SYSTEM_NAMES[system].capitalize())
            self.systems[system] = value
            self.body.addWidget(line)

    def _build_making(self, theme: Theme) -> None:
        self.segment = NodeChoice()
        self.segment.setAccessibleName(tr("Vessel segment"))
        self.segment.setToolTip(tr("The vessel whose tree is shown below"))
        self.segment.currentIndexChanged.connect(lambda _: self._segment_chosen())
        self.body.addWidget(self.segment)
        self.empty = note_label(
            tr("No vessel is segmented yet. Make one in the step Segment, or add a label map, and set it to “vessel”.")
        )
        self.body.addWidget(self.empty)
        self.make = button(tr("Make tree"), self.make_tree, "primary")
        self.body.addWidget(self.make, alignment=Qt.AlignmentFlag.AlignLeft)
        self.progress: ProgressRow | None = None
        self._progress_place = QVBoxLayout()
        self.body.addLayout(self._progress_place)
        self.found = note_label()
        self.body.addWidget(self.found)
        self.warnings = WarningList(theme)
        self.body.addWidget(self.warnings)
        self.shown = QCheckBox(tr("Show the tree in 3D"))
        self.shown.setToolTip(tr("While it is shown, its vessel is a faint shell around it"))
        self.shown.clicked.connect(self._show_tree)
        self.body.addWidget(self.shown)

    def _build_branches(self, theme: Theme) -> None:
        self.branches = BranchList(theme)
        self.branches.chosen.connect(self._branch_chosen)
        self.branches.renamed.connect(self._take_name)
        self.body.addWidget(self.branches)
        self.confirm = button(tr("Confirm names"), self.confirm_names, tip=tr("Take every suggested name as right"))
        self.body.addWidget(self.confirm, alignment=Qt.AlignmentFlag.AlignLeft)

    def _build_edits(self, theme: Theme) -> None:
        self.edits = QWidget()
        whole = QHBoxLayout(self.edits)
        whole.setContentsMargins(0, 0, 0, 0)
        self.swatch = ColourSwatch(theme, GREY, tr("the branch"))
        self.swatch.colour_changed.connect(self._recolour)
        self.rename = button(tr("Rename"), self._rename, tip=tr("F2: the branch and all beyond it take the name"))
        self.delete = button(tr("Delete"), self._delete, tip=tr("Take this branch and all beyond it out of the tree"))
        self.accept = button(
            tr("Confirm"), self._confirm_one, tip=tr("Take the suggested name of this branch as right")
        )
        for widget in (self.swatch, self.rename, self.delete, self.accept):
            whole.addWidget(widget)
        whole.addStretch(1)
        self.chosen = note_label()
        self.body.addWidget(self.chosen)
        self.body.addWidget(self.edits)
        self.places = QWidget()
        row = QHBoxLayout(self.places)
        row.setContentsMargins(0, 0, 0, 0)
        self.modes = {
            "cut": button(
                tr("Cut …"), lambda: self._toggle("cut"), tip=tr("Part the vessel at a place that you click")
            ),
            "join": button(
                tr("Join to …"),
                lambda: self._toggle("join"),
                tip=tr("Join a part that lies apart to a place you click"),
            ),
            "root": button(
                tr("Make root …"), lambda: self._toggle("root"), tip=tr("The tree begins at a place that you click")
            ),
        }
        for made in self.modes.values():
            made.setCheckable(True)
            row.addWidget(made)
        row.addStretch(1)
        self.body.addWidget(self.places)
        self.hint = note_label(role="caution")
        self.hint.setVisible(False)
        self.body.addWidget(self.hint)

    # ---- what is shown -----------------------------------------------------------------------------------------

    @property
    def tree_node(self) -> VesselTreeNode | None:
        """The tree of the segment that is chosen."""
        segment = self.segment.node_id()
        trees = self._desk.scene.of_type(VesselTreeNode)
        return next((node for node in trees if node.segment == segment), None) if segment is not None else None

    def refresh(self) -> None:
        """Show the scene as it is now."""
        self._later.stop()
        scene = self._desk.scene
        vessels = [one for one in scene.of_type(SegmentNode) if one.kind == "vessel"]
        self.segment.fill(list(vessels))
        self._show_systems(vessels)
        node = self.tree_node
        busy = self._job is not None and self._job.active
        self.segment.setVisible(bool(vessels))
        self.empty.setVisible(not vessels)
        self.make.setVisible(bool(vessels) and not busy)
        self.make.setText(tr("Make tree") if node is None else tr("Make tree again"))
        again = node is not None and not scene.is_stale(node)
        set_role(self.make, "plain" if again else "primary")
        self._show_progress(busy)
        self._show_found(node)
        self._show_branches(node)

    def _show_systems(self, vessels: list[SegmentNode]) -> None:
        scene, plan = self._desk.scene, self._desk.plan
        organ = scene.get(plan.organ, SegmentNode) if plan is not None else None
        trees = scene.of_type(VesselTreeNode)
        count = 0
        for system, label in self.systems.items():
            own = [node for node in trees if node.system == system]
            here = [
                node for node in own if organ is None or _grid_of(scene.get(node.segment, SegmentNode)) == organ.parent
            ]
            if any(not scene.is_stale(node) for node in here):
                text, role = tr("✓ assessed"), "good"
                count += 1
            elif here:
                text, role = tr("⟳ stale: make it again"), "caution"
            elif own:
                text, role = tr("not assessed: on another image"), "muted"
            elif any(system_of(segment) == system for segment in vessels):
                text, role = tr("not assessed: no tree yet"), "muted"
            else:
                text, role = tr("not assessed: no segment"), "muted"
            label.setText(text)
            set_role(label, role)
        self.header.set_count(tr("{count} of {all} assessed").format(count=count, all=len(SYSTEMS)))

    def _show_found(self, node: VesselTreeNode | None) -> None:
        self.found.setVisible(self.segment.count() > 0)
        self.shown.setVisible(node is not None)
        self.warnings.setVisible(node is not None)
        if node is None:
            self.found.setText(tr("No tree yet. It gives centre lines, radii and branches, which takes seconds."))
            return
        named = sum(bool(branch.name) for branch in node.branches)
        open_names = sum(bool(branch.name) and branch.suggested for branch in node.branches)
        many = tr("{count} branches").format(count=len(node.branches))
        parts = [tr("1 branch") if len(node.branches) == 1 else many, tr("{count} named").format(count=named)]
        if open_names:
            parts.append(tr("{count} of these suggested").format(count=open_names))
        if node.breaks:
            many = tr("{count} gaps").format(count=len(node.breaks))
            parts.append(tr("1 gap") if len(node.breaks) == 1 else many)
        if node.edited:
            parts.append(tr("edited by hand"))
        self.found.setText(", ".join(parts) + ".")
        self.shown.setChecked(node.visible)
        texts = [notice.message for notice in node.notices]
        if self._desk.scene.is_stale(node):
            texts.insert(0, tr("The segment changed since this tree was made."))
        self.warnings.show_warnings([(text, None) for text in texts])
        self.warnings.setVisible(bool(texts))

    def _show_branches(self, node: VesselTreeNode | None) -> None:
        tree = self.hand.tree(node.id) if node is not None else None
        for widget in (self.branches, self.chosen):
            widget.setVisible(tree is not None)
        picked = self._picked_here()
        self.edits.setVisible(tree is not None and picked is not None)
        self.places.setVisible(tree is not None and picked is not None)
        self.confirm.setVisible(node is not None and any(branch.suggested for branch in node.branches))
        if tree is None or node is None:
            self.branches.show_tree(None, (), None)
            return
        segment = self._desk.scene.get(node.segment, SegmentNode)
        base = SYSTEM_COLOURS.get(node.system) or (segment.color if segment is not None else GREY)
        colours = branch_colours(tree, base)
        self.branches.show_tree(tree, colours, picked)
        if picked is None:
            self.chosen.setText(tr("Click a branch in 3D or in the list to edit it."))
            return
        own = tree.branches[tree.row_of[picked]]
        title = branch_title(tree, picked)
        above = tree.name_of(picked) if not own.name else ""
        self.chosen.setText(
            tr("Chosen: {name}, part of {above}").format(name=title, above=above)
            if above
            else tr("Chosen: {name}").format(name=title)
        )
        self.swatch.set_colour(colours[tree.row_of[picked]])
        self.accept.setVisible(own.suggested)

    def _picked_here(self) -> int | None:
        """The chosen branch if it is one of the tree that is shown."""
        node, picked = self.tree_node, self.hand.picked
        return picked[1] if picked is not None and node is not None and picked[0] == node.id else None

    # ---- making ------------------------------------------------------------------------------------------------

    def make_tree(self) -> None:
        """Start the command; a tree that was edited is replaced, which undo brings back."""
        segment = self.segment.node_id()
        if segment is None:
            return
        try:
            command = build(command_named("vessels"), {"segment": segment})
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self._job = self._desk.do(command, self._made, failed=self._failed)
        self.refresh()

    def _made(self, document: dict[str, Any]) -> None:
        for warning in document.get("warnings", ()):
            if warning.get("code") == "edits-lost":
                self._desk.say(warning["message"], "caution")

    def _failed(self, error: BaseException) -> None:
        self._desk.report(error)

    def _show_job(self, job: Job) -> None:
        if job is not self._job:
            return
        if self.progress is not None:
            self.progress.set_progress(job.progress.fraction)
            self.found.setText(job.progress.message or tr("Making the tree"))
        if not job.active:
            self._job = None
            self.refresh()

    def _show_progress(self, busy: bool) -> None:
        if busy and self.progress is None:
            self.progress = ProgressRow(self._theme)
            self.progress.cancelled.connect(self._cancel)
            self._progress_place.addWidget(self.progress)
        elif not busy and self.progress is not None:
            self.progress.hide()
            self.progress.deleteLater()
            self.progress = None

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.context.cancel()

    def _show_tree(self, shown: bool) -> None:
        node = self.tree_node
        if node is not None:
            self._desk.do_now(EditNode(node=node.id, visible=shown))

    # ---- choosing and editing ----------------------------------------------------------------------------------

    def _segment_chosen(self) -> None:
        self.hand.stop()
        node = self.tree_node
        if self.hand.picked is not None and (node is None or self.hand.picked[0] != node.id):
            self.hand.choose(None)
        self.refresh()

    def _branch_chosen(self, branch: int) -> None:
        node = self.tree_node
        if node is not None:
            self.hand.choose((node.id, branch))

    def _follow_pick(self) -> None:
        """A branch of another tree was clicked in 3D: that tree is shown."""
        picked = self.hand.picked
        node = self._desk.scene.get(picked[0], VesselTreeNode) if picked is not None else None
        if node is not None and node.segment != self.segment.node_id():
            self.segment.blockSignals(True)
            self.segment.choose(node.segment)
            self.segment.blockSignals(False)
        # Not at once: the list may be telling of the choice just now.
        self._later.start(0)

    def confirm_names(self) -> None:
        node = self.tree_node
        if node is not None:
            self.hand.edit(node.id, "confirm")

    def _edit(self, action: str, branch: int, **values: Any) -> None:
        node = self.tree_node
        if node is not None:
            self.hand.edit(node.id, action, branch=str(branch), **values)
            self._later.start(0)

    def _take_name(self, branch: int, name: str) -> None:
        """Give a branch another name; a colour of its own stays."""
        node = self.tree_node
        own = next((one.color for one in node.branches if one.id == branch), None) if node is not None else None
        self._edit("name", branch, name=name, **({"colour": _as_text(own)} if own is not None else {}))

    def _rename(self) -> None:
        picked = self._picked_here()
        if picked is not None:
            self.branches.begin_rename(picked)

    def _delete(self) -> None:
        picked = self._picked_here()
        if picked is not None:
            self._edit("delete", picked)

    def _confirm_one(self) -> None:
        picked = self._picked_here()
        if picked is not None:
            self._edit("confirm", picked)

    def _recolour(self, colour: tuple[int, int, int]) -> None:
        picked = self._picked_here()
        if picked is not None:
            self._edit("colour", picked, colour=_as_text(colour))

    def _toggle(self, mode: str) -> None:
        if self.hand.mode == mode:
            self.hand.stop()
        else:
            self.hand.start(mode)
        self._show_mode()

    def _show_mode(self) -> None:
        for name, made in self.modes.items():
            made.setChecked(self.hand.mode == name)
        self._escape.setEnabled(bool(self.hand.mode))

    def _show_hint(self, text: str) -> None:
        self.hint.setText(text)
        self.hint.setVisible(bool(text))

    def _restart(self) -> None:
        self._job = None
        self.refresh()


def _grid_of(segment: SegmentNode | None) -> NodeId | None:
    return segment.parent if segment is not None else None


def _as_text(colour: tuple[int, int, int]) -> str:
    return ",".join(str(channel) for channel in colour)
