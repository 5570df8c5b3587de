"""Plans side by side in a table: a column each, the better value of every row marked, none overall."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from surgitwin.commands.comparing import compare_document
from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import grouped
from surgitwin.gui.theme import Theme
from surgitwin.scene.nodes import PlanNode
from surgitwin.scene.scene import Scene

SHORT = {
    tr("Remnant, share of the organ"): tr("Share"),
    tr("Future liver remnant (FLR)"): tr("FLR"),
    tr("FLR, tumour-free"): tr("FLR t.-free"),
    tr("Smallest margin"): tr("Margin"),
    tr("Lesions left behind"): tr("Left"),
    tr("Portal pressure after, simulated"): tr("PVP (sim.)"),
    tr("Portal pressure after, 90 % from"): tr("PVP from"),
    tr("Portal pressure after, 90 % to"): tr("PVP to"),
}
ROW_HEIGHT = 26
SIDE_BY_SIDE = 2  # plans that share the width of the table
LEAST_COLUMN = 92  # of a plan where there are more, in pixels
BETTER = "✓"


class PlanTable(QTableWidget):
    """The numbers of all plans that have any."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setAccessibleName(tr("Plans side by side"))
        self.setTabKeyNavigation(False)  # Tab goes on to what follows
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setShowGrid(False)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.verticalHeader().setVisible(False)
        self.setHorizontalScrollMode(QTableWidget.ScrollMode.ScrollPerPixel)
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setFont(theme.font("font-small"))
        self.horizontalHeader().setFont(theme.font("font-small"))
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_plans(self, scene: Scene, plans: list[PlanNode]) -> list[str]:
        """Fill in the plans' numbers; rows that no plan has are left out. Returns what to beware of."""
        document = compare_document(scene, plans)
        rows = [row for row in document["rows"][1:] if any(value is not None for value in row["values"])]
        self.setRowCount(1 + len(rows))
        self.setColumnCount(1 + len(plans))
        statuses = [" ".join(_statuses(plan)) for plan in document["plans"]]
        self._fill_row(0, tr("Status"), tr("Status"), statuses, [False] * len(plans))
        for y, row in enumerate(rows, start=1):
            label = row["label"]
            texts = [_compared(value, row["unit"]) for value in row["values"]]
            self._fill_row(y, SHORT.get(label, label), label, texts, row["better"])
        self._fit([plan["name"] for plan in document["plans"]])
        return [tr("⚠ {message}").format(message=warning["message"]) for warning in document["warnings"]]

    def _fill_row(self, y: int, title: str, tip: str, texts: list[str], better: list[bool]) -> None:
        for x, text in enumerate((title, *texts)):
            best = x > 0 and better[x - 1]
            item = QTableWidgetItem(f"{BETTER} {text}" if best else text)
            item.setToolTip(tr("{row}: the better value of this row alone").format(row=tip) if best else tip)
            if x:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setItem(y, x, item)

    def _fit(self, names: list[str]) -> None:
        """A column for each plan: two share the width, more are reached by scrolling sideways."""
        header = self.horizontalHeader()
        header.setMinimumSectionSize(LEAST_COLUMN if len(names) > SIDE_BY_SIDE else 24)
        shared = QHeaderView.ResizeMode.Stretch if len(names) <= SIDE_BY_SIDE else QHeaderView.ResizeMode.Interactive
        for x, name in enumerate(("", *names)):
            head = QTableWidgetItem(name)
            head.setToolTip(name)
            head.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(x, head)
            header.setSectionResizeMode(x, shared if x else QHeaderView.ResizeMode.ResizeToContents)
            if len(names) > SIDE_BY_SIDE:
                header.resizeSection(x, LEAST_COLUMN)
        bar = self.horizontalScrollBar().sizeHint().height() if len(names) > SIDE_BY_SIDE else 0
        self.setFixedHeight(ROW_HEIGHT * self.rowCount() + header.sizeHint().height() + bar + 4)


def _statuses(plan: dict[str, Any]) -> list[str]:
    """What a reader must know of a plan in the comparison before trusting its numbers."""
    said = [tr("DRAFT")] if plan["status"] == "draft" else [tr(str(plan["status"]))]
    return [*said, tr("STALE")] if plan["stale"] else said


def _compared(value: float | None, unit: str) -> str:
    """A number of the comparison with its unit; n. a. where there is none."""
    if value is None:
        return tr("n. a.")
    if not unit:
        return str(value)
    return f"{grouped(value) if unit == 'ml' else f'{value:.1f}'} {unit}"
