"""The twin's tree: images, anatomy, vessels, surfaces and plans, with what decides beside each name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from surgitwin.commands.properties import ConfirmSide, EditNode, RemoveNode, ShowSegments
from surgitwin.commands.segments import MakeSurfaces
from surgitwin.core.ids import NodeId, Revision
from surgitwin.core.text import tr
from surgitwin.gui.desk import APART_MS, Desk
from surgitwin.gui.icons import icon, swatch
from surgitwin.gui.panels.territories import disagreement_text
from surgitwin.gui.theme import Theme
from surgitwin.scene.nodes import (
    ImplantNode,
    LandmarkNode,
    MeasurementNode,
    Node,
    PlanNode,
    SegmentationNode,
    SegmentNode,
    SimulationNode,
    SurfaceNode,
    TerritoriesNode,
    TransformNode,
    VesselTreeNode,
    VolumeNode,
)

NAME, EYE = 0, 1
ID_ROLE = Qt.ItemDataRole.UserRole
DETAIL_ROLE = Qt.ItemDataRole.UserRole + 1
DETAIL_COLOR_ROLE = Qt.ItemDataRole.UserRole + 2
GAP_PX = 8
NARROW_PX = 150


@dataclass(frozen=True)
class _Group:
    title: str
    nodes: list[Node]


class _Names(QStyledItemDelegate):
    """Draws what decides at the right end of a row; where there is no room for both, the name is whole."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        detail = self._detail(option, index)
        if detail:
            room = self._room(option) - option.fontMetrics.horizontalAdvance(detail) - GAP_PX
            option.text = option.fontMetrics.elidedText(option.text, Qt.TextElideMode.ElideRight, room)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        detail = self._detail(option, index)
        if detail:
            painter.save()
            painter.setPen(index.data(DETAIL_COLOR_ROLE))
            alignment = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(option.rect.adjusted(0, 0, -2, 0), alignment, detail)
            painter.restore()

    def _detail(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> str:
        detail = str(index.data(DETAIL_ROLE) or "")
        advance = option.fontMetrics.horizontalAdvance
        room = self._room(option)
        name = str(index.data(Qt.ItemDataRole.DisplayRole) or "")
        fits = advance(name) + GAP_PX + advance(detail) <= room
        return detail if fits or room >= NARROW_PX else ""

    def _room(self, option: QStyleOptionViewItem) -> int:
        return option.rect.width() - option.decorationSize.width() - 12


class TwinTree(QTreeWidget):
    """Shows the scene; every edit in it is a command."""

    plan_chosen = Signal()
    simulation_chosen = Signal(str)  # which simulator
    implant_chosen = Signal(str)  # its id

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._theme = theme
        self._filling = False
        self._shape: list[tuple[str, list[NodeId]]] = []
        self._rows: dict[NodeId, QTreeWidgetItem] = {}
        self._shown: dict[NodeId, tuple[object, ...]] = {}
        self._swatches: dict[tuple[int, int, int], QIcon] = {}
        self._volumes: dict[tuple[NodeId, Revision], float] = {}
        self._icons = {
            True: icon("eye", theme.colour("text-muted"), 14),
            False: icon("eye-off", theme.colour("text-faint"), 14),
        }
        self.setColumnCount(2)
        self.setItemDelegateForColumn(NAME, _Names(self))
        self.setHeaderHidden(True)
        self.setIndentation(12)
        self.setIconSize(QSize(12, 12))
        self.setUniformRowHeights(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setAccessibleName(tr("Twin"))
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(EYE, QHeaderView.ResizeMode.Fixed)
        header.setMinimumSectionSize(16)
        header.resizeSection(EYE, 26)
        self.customContextMenuRequested.connect(self._show_menu)
        self.itemChanged.connect(self._rename)
        self.itemClicked.connect(self._clicked)
        self.currentItemChanged.connect(lambda now, _: self._chosen(now))
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.refresh)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: self._later.start(APART_MS))

    def _restart(self) -> None:
        self._volumes.clear()
        self.refresh()

    def set_volumes(self, volumes: dict[tuple[NodeId, Revision], float]) -> None:
        """Millilitres by (segment id, revision), as the latest count gave them."""
        self._volumes = volumes
        self.refresh()

    # ---- filling -----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the scene; while the same nodes are there, only rows in which something changed are touched."""
        groups = self._groups()
        shape = [(group.title, [node.id for node in group.nodes]) for group in groups]
        self._filling = True
        if shape == self._shape:
            for group in groups:
                for node in group.nodes:
                    self._fill(self._rows[node.id], node)
        else:
            self._shape = shape
            self._rebuild(groups)
        self._filling = False

    def _rebuild(self, groups: list[_Group]) -> None:
        chosen = self.selected_id()
        folded = {item.text(NAME) for item in self._top_items() if not item.isExpanded()}
        self.clear()
        self._rows, self._shown = {}, {}
        for group in groups:
            top = QTreeWidgetItem([group.title, ""])
            top.setData(NAME, DETAIL_ROLE, str(len(group.nodes)) if group.title in folded else "")
            top.setData(NAME, DETAIL_COLOR_ROLE, self._theme.colour("text-faint"))
            top.setFlags(Qt.ItemFlag.ItemIsEnabled)
            top.setForeground(NAME, self._theme.colour("text"))
            self.addTopLevelItem(top)
            for node in group.nodes:
                item = self._rows[node.id] = QTreeWidgetItem()
                self._fill(item, node)
                top.addChild(item)
            top.setExpanded(group.title not in folded)
            top.setFirstColumnSpanned(False)
        if chosen is not None:
            self.select(chosen)

    def _top_items(self) -> list[QTreeWidgetItem]:
        items = (self.topLevelItem(row) for row in range(self.topLevelItemCount()))
        return [item for item in items if item is not None]

    def _groups(self) -> list[_Group]:
        scene = self._desk.scene
        loose = [surface for surface in scene.of_type(SurfaceNode) if surface.segment is None]
        groups: list[_Group] = [
            _Group(tr("Images"), list(scene.of_type(VolumeNode))),
            _Group(tr("Anatomy"), list(scene.of_type(SegmentNode))),
            _Group(tr("Vessel trees"), list(scene.of_type(VesselTreeNode))),
            _Group(tr("Territories"), list(scene.of_type(TerritoriesNode))),
            _Group(tr("Surfaces"), list(loose)),
            _Group(tr("Plans"), list(scene.of_type(PlanNode))),
            _Group(tr("Implants"), list(scene.of_type(ImplantNode))),
            _Group(tr("Results"), list(scene.of_type(SimulationNode))),
            _Group(tr("Measurements"), list(scene.of_type(MeasurementNode))),
            _Group(tr("Registrations"), list(scene.of_type(TransformNode))),
            _Group(tr("Landmarks"), list(scene.of_type(LandmarkNode))),
        ]
        return [group for group in groups if group.nodes]

    def _fill(self, item: QTreeWidgetItem, node: Node) -> None:
        """Put what there is to say of a node into its row."""
        stale = self._desk.scene.is_stale(node)
        color = node.color if isinstance(node, SegmentNode | SurfaceNode | ImplantNode) else None
        shown = (node.name, self._detail(node), stale, node.visible, color, self._tip(node))
        if self._shown.get(node.id) == shown:
            return
        self._shown[node.id] = shown
        item.setText(NAME, node.name)
        item.setData(NAME, DETAIL_ROLE, self._detail(node))
        item.setData(NAME, DETAIL_COLOR_ROLE, self._theme.colour("caution" if stale else "text-faint"))
        item.setData(NAME, ID_ROLE, node.id)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable)
        item.setIcon(EYE, self._icons[node.visible])
        item.setToolTip(EYE, tr("Hide") if node.visible else tr("Show"))
        item.setToolTip(NAME, self._tip(node))
        if color is not None:
            if color not in self._swatches:
                self._swatches[color] = swatch(color)
            item.setIcon(NAME, self._swatches[color])
        item.setForeground(NAME, self._theme.colour("text" if node.visible else "text-faint"))

    def _detail(self, node: Node) -> str:
        scene = self._desk.scene
        if scene.is_stale(node):
            return tr("⟳ stale")
        if isinstance(node, VolumeNode):
            return f"{max(node.geometry.spacing_mm):.2f} mm"
        if isinstance(node, SegmentNode):
            volume_ml = self._volumes.get((node.id, node.revision))
            return ml_text(volume_ml) if volume_ml is not None else ""
        if isinstance(node, TransformNode):
            error = f"{node.mean_error_mm:.1f} mm" if node.mean_error_mm is not None else ""
            return f"✓ {error}".strip() if node.accepted is not None else tr("not accepted")
        if isinstance(node, VesselTreeNode):
            return tr("{count} branches").format(count=len(node.branches))
        if isinstance(node, TerritoriesNode):
            return tr("{count} parts").format(count=len(node.territories))
        if isinstance(node, ImplantNode):
            return tr("mirrored") if node.mirrored else node.item.size
        if isinstance(node, SimulationNode):
            return result_text(node)
        if isinstance(node, MeasurementNode):
            return str((node.document or {}).get("text", ""))
        if isinstance(node, PlanNode) and node.numbers is not None:
            percent = node.numbers.get("flr_percent") or node.numbers.get("remnant_percent")
            return f"{percent:.1f} %" if percent is not None else f"{node.numbers['remnant_ml']:.0f} ml"
        return ""

    def _tip(self, node: Node) -> str:
        lines = [node.name]
        if isinstance(node, VolumeNode):
            lines.append(" × ".join(str(n) for n in node.geometry.size_ijk))
            lines.append(" × ".join(f"{s:.2f}" for s in node.geometry.spacing_mm) + " mm")
        if isinstance(node, ImplantNode):
            lines += implant_lines(node)
        if isinstance(node, TerritoriesNode):
            lines.append(disagreement_text(node.disagreement_percent))
        if isinstance(node, VolumeNode | VesselTreeNode):
            lines += [notice.message for notice in node.notices]
        if node.made_from is not None:
            kind = tr("automatic, ") if node.made_from.automatic else ""
            lines.append(kind + node.made_from.tool)
        return "\n".join(lines)

    # ---- choosing ----------------------------------------------------------------------------------------------

    def selected_id(self) -> NodeId | None:
        item = self.currentItem()
        return item.data(NAME, ID_ROLE) if item is not None else None

    def selected(self) -> Node | None:
        node_id = self.selected_id()
        return self._desk.scene.node(node_id) if node_id in self._desk.scene and node_id is not None else None

    def select(self, node_id: NodeId) -> None:
        for top in self._top_items():
            for row in range(top.childCount()):
                child = top.child(row)
                if child is not None and child.data(NAME, ID_ROLE) == node_id:
                    self.setCurrentItem(child)

    def _chosen(self, item: QTreeWidgetItem | None) -> None:
        if self._filling or item is None:
            return
        node = self.selected()
        if isinstance(node, VolumeNode):
            self._desk.look_at_volume(node.id)
        elif isinstance(node, PlanNode):
            self._desk.look_at_plan(node.id)
            self.plan_chosen.emit()
        elif isinstance(node, ImplantNode):
            self.implant_chosen.emit(node.id)
        elif isinstance(node, SimulationNode):
            if node.plan is not None:
                self._desk.look_at_plan(node.plan)
            self.simulation_chosen.emit(node.simulator)

    def _clicked(self, item: QTreeWidgetItem, column: int) -> None:
        node_id = item.data(NAME, ID_ROLE)
        if node_id is None:
            item.setExpanded(not item.isExpanded())
        elif column == EYE:
            node = self._desk.scene.node(node_id)
            self._desk.do_now(EditNode(node=node_id, visible=not node.visible))

    # ---- editing -----------------------------------------------------------------------------------------------

    def _rename(self, item: QTreeWidgetItem, column: int) -> None:
        node_id = item.data(NAME, ID_ROLE)
        if self._filling or column != NAME or node_id is None:
            return
        name = item.text(NAME).strip()
        if name and name != self._desk.scene.node(node_id).name:
            self._desk.do_now(EditNode(node=node_id, rename=name))
        self._shown.pop(node_id, None)  # what was typed may not have been taken
        self._later.start(0)

    def _show_menu(self, where: QPoint) -> None:
        item = self.itemAt(where)
        node_id = item.data(NAME, ID_ROLE) if item is not None else None
        if node_id is None:
            return
        menu = self.menu_for(self._desk.scene.node(node_id))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.viewport().mapToGlobal(where))

    def menu_for(self, node: Node) -> QMenu:
        """Everything that can be done with one node."""
        menu = QMenu(self)
        menu.addAction(tr("Rename	F2"), lambda: self._edit_name(node.id))
        if isinstance(node, SegmentNode | SurfaceNode | ImplantNode):
            menu.addAction(tr("Colour …"), lambda: self._choose_color(node))
            opacities = menu.addMenu(tr("Opacity"))
            for percent in (100, 75, 50, 25, 10):
                opacities.addAction(f"{percent} %", partial(self._set_opacity, node, percent))
        if isinstance(node, SegmentNode):
            menu.addAction(tr("Make surface"), lambda: self._desk.do(MakeSurfaces(segment=(node.id,))))
            kinds = menu.addMenu(tr("This is"))
            for kind in ("organ", "lesion", "vessel", "bone", "body", "territory", "other"):
                action = kinds.addAction(tr(kind), partial(self._set_kind, node, kind))
                action.setCheckable(True)
                action.setChecked(node.kind == kind)
            menu.addAction(tr("Show only this"), lambda: self._show_only(node))
            menu.addAction(tr("Show all segments"), self._show_all)
        side = node if isinstance(node, VolumeNode | SurfaceNode | SegmentationNode) else None
        if side is not None and not side.side_known:
            menu.addAction(
                tr("Left and right are right as shown"), lambda: self._desk.do_now(ConfirmSide(node=node.id))
            )
        menu.addSeparator()
        menu.addAction(tr("Remove"), lambda: self._desk.do(RemoveNode(node=node.id)))
        return menu

    def _edit_name(self, node_id: NodeId) -> None:
        self.select(node_id)
        item = self.currentItem()
        if item is not None:
            self.editItem(item, NAME)

    def _choose_color(self, node: SegmentNode | SurfaceNode | ImplantNode) -> None:
        color = QColorDialog.getColor(QColor(*node.color), self, tr("Colour of {name}").format(name=node.name))
        if color.isValid():
            rgb = (color.red(), color.green(), color.blue())
            self._desk.do_now(EditNode(node=node.id, color=rgb))

    def _set_opacity(self, node: Node, percent: int) -> None:
        self._desk.do_now(EditNode(node=node.id, opacity=percent / 100))

    def _set_kind(self, node: SegmentNode, kind: Any) -> None:
        self._desk.do_now(EditNode(node=node.id, type_=kind))

    def _show_only(self, node: SegmentNode) -> None:
        self._desk.do_now(ShowSegments(only=node.id))

    def _show_all(self) -> None:
        self._desk.do_now(ShowSegments())


def ml_text(volume_ml: float) -> str:
    """Whole millilitres; of what is small a digit more, so that nothing there is reads as 0."""
    if volume_ml >= 10 or volume_ml == 0:
        return f"{volume_ml:,.0f} ml".replace(",", " ")
    return f"{volume_ml:.1f} ml" if volume_ml >= 0.05 else tr("< 0.1 ml")


def implant_lines(node: ImplantNode) -> list[str]:
    """Whose it is, and what it is made of."""
    from surgitwin.implants.library import maker_text

    words = (f"{node.item.name} {node.item.size}".strip(), maker_text(node.item), node.item.material)
    return [word for word in words if word]


def result_text(node: SimulationNode) -> str:
    """The number that decides of a simulation."""
    document = node.document
    if document is None or not document["main"]:
        return ""
    output = document["outputs"].get(document["main"][0])
    if output is None or output["value"] is None:
        return ""
    return f"{output['value']:.1f} {output['unit']}".strip()
