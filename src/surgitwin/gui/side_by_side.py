"""Plans side by side: a 3D view of each, turned together, over the table of all their numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.plan_table import PlanTable
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.views.view3d import View3D
from surgitwin.render.content import SceneContent
from surgitwin.scene.nodes import PlanNode

MOST_VIEWS = 3
SIZE = (1240, 760)


class SideBySide(QDialog):
    """Stays open beside the window and follows the case; its views let go of their windows when it closes.

    Parameters
    ----------
    content_of
        What a 3D view shows of one plan.
    """

    def __init__(
        self, desk: Desk, theme: Theme, content_of: Callable[[PlanNode], SceneContent], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Plans side by side"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._theme, self._content_of = desk, theme, content_of
        self._open = True
        self.views: dict[str, View3D] = {}
        self._titles: dict[str, QLabel] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(8)
        self._row = QHBoxLayout()
        self._row.setSpacing(4)
        column.addLayout(self._row, 3)
        self.note = QLabel("")
        self.note.setWordWrap(True)
        set_role(self.note, "muted")
        column.addWidget(self.note)
        self.table = PlanTable(theme)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(self.table)
        column.addWidget(area, 2)
        desk.scene_changed.connect(self._refresh)
        desk.session_changed.connect(self._session_changed)
        available = self.screen().availableGeometry().size()
        self.resize(min(SIZE[0], available.width() - 48), min(SIZE[1], available.height() - 64))
        self._refresh()

    def _plans(self) -> list[PlanNode]:
        return [plan for plan in self._desk.scene.of_type(PlanNode) if plan.numbers is not None]

    def _session_changed(self, _: Any) -> None:
        self.close()

    def _refresh(self, _: Any = None) -> None:
        plans = self._plans()
        shown = plans[-MOST_VIEWS:]
        for gone in [key for key in self.views if key not in {plan.id for plan in shown}]:
            self._drop(gone)
        for plan in shown:
            if plan.id not in self.views:
                self._add(plan)
            self._titles[plan.id].setText(plan.name)
            self.views[plan.id].set_content(self._content_of(plan))
        beware = self.table.show_plans(self._desk.scene, plans)
        left_out = len(plans) - len(shown)
        text = tr("✓ marks the better value of a row alone, never the better plan. None for one that leaves a lesion.")
        if left_out:
            text += " " + tr("The views show the latest {count}; the table has all.").format(count=MOST_VIEWS)
        self.note.setText("\n".join([text, *beware]))

    def _add(self, plan: PlanNode) -> None:
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        title = QLabel(plan.name)
        title.setFont(self._theme.font("font", "semibold"))
        column.addWidget(title)
        view = View3D(self._theme)
        view.camera_moved.connect(partial(self._turned, plan.id))
        column.addWidget(view, 1)
        self._row.addWidget(holder, 1)
        self.views[plan.id], self._titles[plan.id] = view, title

    def _turned(self, plan_id: str, camera: Any) -> None:
        """One view was turned: the others look from the same place."""
        for other, view in self.views.items():
            if other != plan_id:
                view.set_camera(camera)

    def _drop(self, plan_id: str) -> None:
        view = self.views.pop(plan_id)
        self._titles.pop(plan_id)
        view.shut_down()
        holder = view.parentWidget()
        if holder is not None:
            self._row.removeWidget(holder)
            holder.deleteLater()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.shut_down()
        super().closeEvent(event)

    def done(self, result: int) -> None:
        self.shut_down()
        super().done(result)

    def shut_down(self) -> None:
        """Close every render window; nothing is shown afterwards."""
        if self._open:
            self._open = False
            self._desk.scene_changed.disconnect(self._refresh)
            self._desk.session_changed.disconnect(self._session_changed)
        for plan_id in list(self.views):
            self._drop(plan_id)
