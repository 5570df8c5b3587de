"""Territories: an organ divided by what the branches of a vessel tree feed or drain, and how sure that is."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QCheckBox, QFormLayout, QListWidget, QListWidgetItem

from surgitwin.commands import command_named
from surgitwin.commands.base import build
from surgitwin.commands.properties import EditNode
from surgitwin.commands.vessel_nodes import trees_of
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.text import tr
from surgitwin.gui.desk import APART_MS, Desk
from surgitwin.gui.icons import swatch
from surgitwin.gui.panels.parts import Choice, NodeChoice, button, grouped, note_label
from surgitwin.gui.spans import SegmentSpans
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.widgets.rows import RightTexts
from surgitwin.gui.widgets.sections import Section
from surgitwin.jobs import Job
from surgitwin.scene.nodes import SegmentNode, TerritoriesNode, VesselTreeNode

METHODS = (
    ("nearest", tr("Nearest branch"), tr("Each place belongs to the branch that is nearest in a straight line")),
    ("geodesic", tr("Nearest inside the organ"), tr("As nearest, but the way may not leave the organ")),
    ("weighted", tr("Weighted by radius"), tr("As nearest, but wide branches reach further than thin ones")),
)
AMOUNT_ROLE = int(Qt.ItemDataRole.UserRole) + 1
PART_ROLE = AMOUNT_ROLE + 1
ROWS = 9


class TerritoriesBox(Section):
    """A part of the Plan step."""

    def __init__(self, theme: Theme, desk: Desk, spans: SegmentSpans) -> None:
        super().__init__(theme, tr("Territories"), opened=False)
        self._desk, self._theme, self._spans = desk, theme, spans
        self._job: Job | None = None
        self._build_choice()
        self._build_found()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.refresh)
        desk.session_changed.connect(lambda _: self.refresh())
        desk.scene_changed.connect(lambda _: self._later.start(APART_MS))
        desk.job_changed.connect(self._look_at_job)
        spans.changed.connect(lambda: self._later.start(APART_MS))
        self.refresh()

    def _build_choice(self) -> None:
        self.form = QFormLayout()
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.organ, self.tree, self.method = NodeChoice(), NodeChoice(), Choice()
        for widget, title in ((self.organ, tr("Organ")), (self.tree, tr("Vessel tree")), (self.method, tr("Method"))):
            widget.setAccessibleName(title)
            self.form.addRow(title, widget)
        for number, (word, title, tip) in enumerate(METHODS):
            self.method.addItem(title, word)
            self.method.setItemData(number, tip, Qt.ItemDataRole.ToolTipRole)
        self.organ.currentIndexChanged.connect(lambda _: self.refresh())
        self.tree.currentIndexChanged.connect(lambda _: self.refresh())
        self.body.addLayout(self.form)
        self.empty = note_label()
        self.body.addWidget(self.empty)
        self.make = button(tr("Make territories"), self.make_territories, "primary")
        self.body.addWidget(self.make, alignment=Qt.AlignmentFlag.AlignLeft)

    def _build_found(self) -> None:
        self.state = note_label()
        self.body.addWidget(self.state)
        self.parts = QListWidget()
        self.parts.setIconSize(QSize(12, 12))
        self.parts.setAccessibleName(tr("Territories"))
        self.parts.setItemDelegate(RightTexts(self._theme.colour("text-muted"), AMOUNT_ROLE, self.parts))
        self.parts.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.parts.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.parts.itemChanged.connect(self._mark_occluded)
        self.body.addWidget(self.parts)
        self.occluded_hint = note_label(tr("Tick those whose portal branch was occluded before, as by embolisation."))
        self.body.addWidget(self.occluded_hint)
        self.disagreement = note_label()
        self.body.addWidget(self.disagreement)
        self.unsure = QCheckBox(tr("Show where, hatched in the slices"))
        self.unsure.clicked.connect(self._show_unsure)
        self.body.addWidget(self.unsure)

    # ---- what is shown -----------------------------------------------------------------------------------------

    @property
    def node(self) -> TerritoriesNode | None:
        """The territories of the organ and tree that are chosen."""
        organ, tree = self.organ.node_id(), self.tree.node_id()
        found = self._desk.scene.of_type(TerritoriesNode)
        return next((node for node in found if node.organ == organ and node.tree == tree), None)

    def refresh(self) -> None:
        """Show the scene as it is now."""
        self._later.stop()
        scene = self._desk.scene
        organs = [one for one in scene.of_type(SegmentNode) if one.kind == "organ" and trees_of(scene, one)]
        self.organ.fill(list(organs))
        organ = scene.get(self.organ.node_id(), SegmentNode)
        self.tree.fill(list(trees_of(scene, organ)) if organ is not None else [])
        ready = organ is not None
        for widget in (self.organ, self.tree, self.method):
            self.form.setRowVisible(widget, ready)
        self.empty.setText(
            tr("This needs an organ and a vessel tree on the same image. Make a tree above first.")
            if not ready
            else tr("Making them …")
        )
        busy = self._job is not None and self._job.active
        self.empty.setVisible(not ready or busy)
        self.make.setVisible(ready)
        self.make.setEnabled(not busy)
        node = self.node
        stale = node is not None and scene.is_stale(node)
        self.make.setText(tr("Make territories") if node is None else tr("Make territories again"))
        set_role(self.make, "plain" if node is not None and not stale else "primary")
        self._show_found(node, stale)

    def _show_found(self, node: TerritoriesNode | None, stale: bool) -> None:
        for widget in (self.state, self.parts, self.disagreement):
            widget.setVisible(node is not None)
        self.occluded_hint.setVisible(False)
        self.header.set_count("")
        if node is None:
            self.unsure.setVisible(False)
            return
        self.header.set_count(tr("⟳ stale") if stale else str(len(node.territories)))
        title = next((title for word, title, _ in METHODS if word == node.method), node.method)
        text = tr("Made by: {method}.").format(method=title)
        if stale:
            text += " " + tr("⟳ Stale: the organ or the tree changed since.")
        self.state.setText(text)
        set_role(self.state, "caution" if stale else "muted")
        self._show_parts(node)
        self.disagreement.setText(disagreement_text(node.disagreement_percent))
        unsure = self._desk.scene.get(node.unsure, SegmentNode)
        self.unsure.setVisible(unsure is not None)
        self.unsure.setChecked(unsure is not None and unsure.visible)

    def _show_parts(self, node: TerritoriesNode) -> None:
        found = [self._desk.scene.get(one, SegmentNode) for one in node.territories]
        segments = [segment for segment in found if segment is not None]
        amounts = [self._spans.volumes_ml.get((segment.id, segment.revision)) for segment in segments]
        known = [amount for amount in amounts if amount is not None]
        # A share of a whole of which a part is missing would be wrong.
        whole = sum(known) if len(known) == len(node.territories) else 0.0
        tree = self._desk.scene.get(node.tree, VesselTreeNode)
        portal = tree is not None and tree.system == "portal"
        self.parts.blockSignals(True)
        self.parts.clear()
        for segment, amount in zip(segments, amounts, strict=True):
            item = QListWidgetItem(swatch(segment.color), segment.name)
            text = "…" if amount is None else tr("{ml} ml").format(ml=grouped(amount))
            if amount is not None and whole > 0:
                text += f"   {100 * amount / whole:.1f} %"
            item.setData(AMOUNT_ROLE, text)
            item.setToolTip(tr("{name}: ticked if its portal branch was occluded before").format(name=segment.name))
            if portal:
                item.setData(PART_ROLE, segment.id)
                occluded = segment.id in node.portal_occluded
                item.setCheckState(Qt.CheckState.Checked if occluded else Qt.CheckState.Unchecked)
            self.parts.addItem(item)
        self.parts.blockSignals(False)
        self.occluded_hint.setVisible(portal)
        row = max(self.parts.sizeHintForRow(0), 24)
        self.parts.setFixedHeight(row * min(max(len(segments), 1), ROWS) + 2 * self.parts.frameWidth() + 2)

    # ---- what is done ------------------------------------------------------------------------------------------

    def make_territories(self) -> None:
        organ, tree = self.organ.node_id(), self.tree.node_id()
        if organ is None or tree is None:
            return
        values = {"organ": organ, "vessels": tree, "method": self.method.currentData()}
        try:
            command = build(command_named("territories"), values)
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self._job = self._desk.do(command)
        self.refresh()

    def _look_at_job(self, job: Job) -> None:
        if job is self._job and not job.active:
            self._job = None
            self.refresh()

    def _mark_occluded(self, item: QListWidgetItem) -> None:
        """A tick: the portal branch of this territory was occluded before the operation."""
        part = item.data(PART_ROLE)
        if part is not None:
            ticked = item.checkState() == Qt.CheckState.Checked
            self._desk.do_now(EditNode(node=part, portal_occluded=ticked))

    def _show_unsure(self, shown: bool) -> None:
        node = self.node
        if node is not None and node.unsure is not None and self._desk.scene.get(node.unsure, SegmentNode):
            self._desk.do_now(EditNode(node=node.unsure, visible=shown))


def disagreement_text(percent: float | None) -> str:
    """How far the methods disagree; a little is never said to be nothing."""
    if percent is None:
        return tr("Whether the methods agree was not assessed.")
    amount = tr("less than 0.1 %") if 0 < percent < 0.05 else tr("{percent:.1f} %").format(percent=percent)
    return tr("The three methods disagree on {amount} of the organ.").format(amount=amount)
