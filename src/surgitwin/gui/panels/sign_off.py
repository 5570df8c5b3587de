"""Review and approval of what is looked at: by whom, when, and the buttons for it."""

from __future__ import annotations

from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QLineEdit, QWidget

from surgitwin.commands.properties import EditNode
from surgitwin.commands.signing import SignOffNode
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import Choice, button
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import PlanNode, SegmentNode

WORK = (
    ("not-started", tr("not started")),
    ("in-progress", tr("in progress")),
    ("completed", tr("completed")),
    ("flagged", tr("flagged ⚑")),
)
STATUS = {"draft": tr("DRAFT"), "reviewed": tr("✓ REVIEWED"), "approved": tr("✓✓ APPROVED")}


class SignOffBox(Section):
    """For one segment or plan; hidden while there is none."""

    def __init__(self, theme: Theme, desk: Desk) -> None:
        super().__init__(theme, tr("Status and sign-off"), opened=False)
        self._desk = desk
        self._node: SegmentNode | PlanNode | None = None
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.work = Choice()
        self.work.setAccessibleName(tr("Work"))
        for word, title in WORK:
            self.work.addItem(title, word)
        form.addRow(tr("Work"), self.work)
        self.by = QLineEdit()
        self.by.setPlaceholderText(tr("Your name"))
        self.by.setAccessibleName(tr("Signed by"))
        form.addRow(tr("Signed by"), self.by)
        self._form = form
        self.body.addLayout(form)
        self.state = QLabel()
        self.state.setWordWrap(True)
        set_role(self.state, "muted")
        self.body.addWidget(self.state)
        self.reviewed = button(tr("Reviewed"), lambda: self._sign("reviewed"))
        self.approved = button(tr("Approved"), lambda: self._sign("approved"))
        self.draft = button(tr("Back to draft"), lambda: self._sign("draft"), "quiet")
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        for each in (self.reviewed, self.approved, self.draft):
            row.addWidget(each)
        row.addStretch(1)
        self.body.addWidget(holder)
        self.work.activated.connect(lambda _: self._set_work())
        self.by.textChanged.connect(lambda _: self._show())
        self.show_node(None)

    def show_node(self, node: SegmentNode | PlanNode | None) -> None:
        """Show a node as it is now."""
        self._node = node
        self.setVisible(node is not None)
        self._show()

    def _show(self) -> None:
        node = self._node
        if node is None:
            return
        self._form.setRowVisible(self.work, isinstance(node, SegmentNode))
        if isinstance(node, SegmentNode):
            self.work.setCurrentIndex(self.work.findData(node.work))
        named = bool(self.by.text().strip())
        self.reviewed.setEnabled(named)
        self.approved.setEnabled(named)
        self.draft.setVisible(node.status != "draft")
        self.header.set_count(STATUS[node.status])
        if node.sign_off is None:
            text = tr("A draft: nobody vouches for it yet. Type your name to sign.")
        else:
            text = tr("{status} by {by}, {at}. Any edit makes it a draft again.").format(
                status=STATUS[node.status], by=node.sign_off.by, at=node.sign_off.at[:16].replace("T", " ")
            )
        self.state.setText(text)

    def _sign(self, status: str) -> None:
        node = self._node
        if node is not None:
            by = None if status == "draft" else self.by.text().strip()
            self._desk.do(SignOffNode(node=node.id, as_=status, by=by))

    def _set_work(self) -> None:
        node = self._node
        if isinstance(node, SegmentNode) and self.work.currentData() != node.work:
            self._desk.do_now(EditNode(node=node.id, work=self.work.currentData()))
