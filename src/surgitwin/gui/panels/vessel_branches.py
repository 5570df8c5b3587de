"""The branches of one vessel tree by name, indented as they leave from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QTreeWidgetItemIterator

from surgitwin.core.text import tr
from surgitwin.gui.icons import swatch
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.rows import RightTexts
from surgitwin.render.content import Rgb

if TYPE_CHECKING:
    from surgitwin.vessels.tree import VesselTree

ID_ROLE = Qt.ItemDataRole.UserRole
DETAIL_ROLE = int(Qt.ItemDataRole.UserRole) + 1
ROWS = (4, 10)


def listed_branches(tree: VesselTree, picked: int | None) -> list[tuple[int, int | None]]:
    """The branches to list, each with the listed one that it comes from: roots, named ones, and the picked one.

    They come in such an order that each stands below the one that it comes from.
    """
    wanted = {branch.id for branch in tree.branches if branch.name or tree.parents[branch.id] < 0}
    if picked is not None and picked in tree.row_of:
        wanted.add(picked)
    found: list[tuple[int, int | None]] = []
    ahead: list[tuple[int, int | None]] = [(b.id, None) for b in reversed(tree.branches) if tree.parents[b.id] < 0]
    while ahead:
        branch, above = ahead.pop()
        if branch in wanted:
            found.append((branch, above))
        holder = branch if branch in wanted else above
        ahead += [(child, holder) for child in reversed(tree.children[branch])]
    return found


def branch_title(tree: VesselTree, branch: int) -> str:
    """The branch's own name, or its number."""
    return tree.branches[tree.row_of[branch]].name or tr("branch {number}").format(number=branch)


class BranchList(QTreeWidget):
    """Shows names and diameters; F2 renames in place.

    Signals
    -------
    chosen(int)
        The user chose a branch.
    renamed(int, str)
        The user typed another name; an empty one takes the name away.
    """

    chosen = Signal(int)
    renamed = Signal(int, str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._filling = False
        self._rows: dict[int, QTreeWidgetItem] = {}
        self._titles: dict[int, str] = {}
        self._shown: object = None
        self._held: VesselTree | None = None
        self.setColumnCount(1)
        self.setHeaderHidden(True)
        self.setIndentation(12)
        self.setIconSize(QSize(12, 12))
        self.setUniformRowHeights(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setItemDelegate(RightTexts(theme.colour("text-faint"), DETAIL_ROLE, self))
        self.setAccessibleName(tr("Branches"))
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.itemChanged.connect(self._typed)
        self.currentItemChanged.connect(lambda now, _: self._chosen(now))

    def show_tree(self, tree: VesselTree | None, colours: tuple[Rgb, ...], picked: int | None) -> None:
        """Show a tree as it is now."""
        shown = (id(tree), colours, picked)
        if shown == self._shown:
            return
        self._shown = shown
        self._held = tree  # so that its id means it alone
        self._filling = True
        at = self.verticalScrollBar().value()
        self.clear()
        self._rows, self._titles = {}, {}
        listed = listed_branches(tree, picked) if tree is not None else []
        for branch, above in listed:
            assert tree is not None
            item = QTreeWidgetItem()
            self._fill(item, tree, branch, colours[tree.row_of[branch]])
            self._rows[branch] = item
            if above is None:
                self.addTopLevelItem(item)
            else:
                self._rows[above].addChild(item)
        self.expandAll()
        if picked is not None and picked in self._rows:
            self.setCurrentItem(self._rows[picked])
            self.scrollToItem(self._rows[picked])
        else:
            self.clearSelection()
            self.verticalScrollBar().setValue(at)
        rows = min(max(len(listed), ROWS[0]), ROWS[1])
        self.setFixedHeight(rows * max(self.sizeHintForRow(0), 24) + 2 * self.frameWidth())
        self._filling = False

    def begin_rename(self, branch: int) -> None:
        """Let the user type the name of a branch."""
        item = self._rows.get(branch)
        if item is not None:
            self.setFocus()
            self.setCurrentItem(item)
            self.editItem(item, 0)

    def texts(self) -> list[str]:
        """Each row as it reads, two spaces for each step of indent."""
        found: list[str] = []
        walk = QTreeWidgetItemIterator(self)
        while (item := walk.value()) is not None:
            depth, above = 0, item.parent()
            while above is not None:
                depth, above = depth + 1, above.parent()
            found.append(f"{'  ' * depth}{item.text(0)} | {item.data(0, DETAIL_ROLE)}")
            walk += 1
        return found

    def _fill(self, item: QTreeWidgetItem, tree: VesselTree, branch: int, colour: Rgb) -> None:
        own = tree.branches[tree.row_of[branch]]
        title = self._titles[branch] = branch_title(tree, branch)
        item.setText(0, title)
        item.setIcon(0, swatch(colour))
        item.setData(0, ID_ROLE, branch)
        diameter = tr("⌀ {mm:.1f} mm").format(mm=2 * tree.mean_radius_mm(branch))
        item.setData(0, DETAIL_ROLE, tr("suggested") if own.suggested else diameter)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable)
        lines = [title, tr("{mm:.0f} mm long").format(mm=tree.length_mm(branch)), diameter]
        count = len(tree.subtree(branch)) - 1
        lines.append(tr("{count} branches leave from it").format(count=count))
        if own.suggested:
            lines.append(tr("The name is a suggestion: confirm it or give another."))
            font = QFont(self.font())
            font.setItalic(True)
            item.setFont(0, font)
        if not own.name:
            item.setForeground(0, self._theme.colour("text-muted"))
        item.setToolTip(0, "\n".join(lines))

    def _chosen(self, item: QTreeWidgetItem | None) -> None:
        if not self._filling and item is not None:
            self.chosen.emit(int(item.data(0, ID_ROLE)))

    def _typed(self, item: QTreeWidgetItem, column: int) -> None:
        if self._filling:
            return
        branch, text = int(item.data(0, ID_ROLE)), item.text(0).strip()
        if text != self._titles.get(branch):
            self._shown = None  # what was typed may not be taken
            self.renamed.emit(branch, text)
