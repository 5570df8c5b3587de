"""The four views, kept alike: one crosshair, one window, one set of planes, fed from the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

from surgitwin.commands.loading import LoadingImage
from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.gui.desk import APART_MS, Desk
from surgitwin.gui.implant_gizmo import COLOURED, ON_BONE, Gizmo, extent_of
from surgitwin.gui.implant_gizmo import PREFIX as GIZMO
from surgitwin.gui.implant_hand import ImplantHand
from surgitwin.gui.live_plan import LivePlan
from surgitwin.gui.live_segments import LiveSegments
from surgitwin.gui.plan_shown import PlanShown
from surgitwin.gui.second_look import SecondLook
from surgitwin.gui.spans import SegmentSpans
from surgitwin.gui.theme import Theme
from surgitwin.gui.tools.outline import ScissorsTool
from surgitwin.gui.tools.tool import SliceTool
from surgitwin.gui.tools.workbench import Stroke
from surgitwin.gui.views.slice_view import SliceView
from surgitwin.gui.views.view3d import View3D
from surgitwin.gui.widgets.four_views import FourViews
from surgitwin.render.content import (
    CutSurfaceContent,
    ImageContent,
    LabelLayer,
    PatchContent,
    PlaneContent,
    SegmentStyle,
    SliceContent,
    SurfaceContent,
    TreeContent,
    Vec3,
    same_slices,
)
from surgitwin.render.flow_colours import Painted, with_painted
from surgitwin.render.implants import ImplantMeshes, implant_outlines
from surgitwin.render.slice_picture import Slab
from surgitwin.render.slicing import Orientation
from surgitwin.render.twin import GHOST, GLASS, LayerKey, TreeKey, organ_span, scene_content, slice_content
from surgitwin.render.windowing import Window, window_for
from surgitwin.scene.nodes import ImplantNode, Node, SurfaceNode
from surgitwin.segmentation.palette import next_color

if TYPE_CHECKING:
    from surgitwin.segmentation.methods import Parts

ARRIVAL_MS = 120
SLAB_MODES = {"mip": "max", "minip": "min", "mean": "mean"}


class Stage(QWidget):
    """The four views.

    Signals
    -------
    hovered(Point or None, float or None)
        What is under the cursor.
    patch_drag_started(str), patch_dragged(PatchContent), patch_dropped(PatchContent), patch_drag_cancelled(str)
        Of a Bézier patch that `show_plan` was given: the id, or the patch where it is now. All views show it there,
        also after it was dropped, until `show_plan` is called again.
    """

    hovered = Signal(object, object)  # Point or None, value or None
    window_changed = Signal(object)
    branch_picked = Signal(object)  # PickedBranch or None
    patch_drag_started = Signal(str)
    patch_dragged = Signal(object)
    patch_dropped = Signal(object)
    patch_drag_cancelled = Signal(str)

    def __init__(
        self,
        desk: Desk,
        theme: Theme,
        live: LivePlan,
        spans: SegmentSpans,
        edited: LiveSegments,
        second: SecondLook,
    ) -> None:
        super().__init__()
        self._second = second
        self._desk = desk
        self._theme = theme
        self._live = live
        self._edited = edited
        self._spans = spans
        self._preview: LabelLayer | None = None
        self._stroke: LabelLayer | None = None
        self._scissors: ScissorsTool | None = None
        self._loading: LoadingImage | None = None
        self._dragged: tuple[PlaneContent, ...] | None = None
        self._plan_shown = PlanShown()
        self._dragged_patch: PatchContent | None = None
        self._volume_preset: str | None = None
        self._planning = False
        self._surfaces: dict[NodeId, SurfaceContent] = {}
        self._layers: dict[LayerKey, LabelLayer] = {}
        self._trees: dict[TreeKey, TreeContent] = {}
        self._picked: tuple[NodeId, int] | None = None
        self._painted: Painted | None = None
        self._neck: CutSurfaceContent | None = None
        self._held_lost: LabelLayer | None = None
        self._outline: CutSurfaceContent | None = None
        self._implants = ImplantMeshes()
        self._hand: ImplantHand | None = None
        self._gizmo = Gizmo()
        self._tinted: tuple[SurfaceContent, ...] = ()
        self._shown_volume: NodeId | None = None
        self._centred = False  # on the first image of this case
        self.axial = SliceView(theme, Orientation.AXIAL)
        self.coronal = SliceView(theme, Orientation.CORONAL)
        self.sagittal = SliceView(theme, Orientation.SAGITTAL)
        self.view3d = View3D(theme)
        self.slices = (self.axial, self.coronal, self.sagittal)
        self.views = FourViews(self.axial, self.view3d, self.coronal, self.sagittal)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.views)
        for view in self.slices:
            view.focus_moved.connect(desk.move_crosshair)
            view.hovered.connect(self.hovered)
            view.window_changed.connect(self.set_window)
            view.overlay_toggled.connect(self._toggle_overlay)
            view.maximise_requested.connect(lambda v=view: self.views.toggle(v))
        self.view3d.focus_moved.connect(desk.move_crosshair)
        self.view3d.branch_picked.connect(self.branch_picked)
        self.view3d.maximise_requested.connect(lambda: self.views.toggle(self.view3d))
        for source in (*self.slices, self.view3d):
            source.plane_dragged.connect(self._plane_dragged)
            source.plane_drag_finished.connect(self._plane_dropped)
            source.plane_drag_cancelled.connect(lambda _: self._plane_abandoned())
            source.patch_drag_started.connect(self.patch_drag_started)
            source.patch_dragged.connect(self._patch_dragged)
            source.patch_drag_finished.connect(self._patch_dropped)
            source.patch_drag_cancelled.connect(self._patch_abandoned)
        # Several signals of one change ask for a refresh; one is enough.
        self._arrived = QTimer(self)
        self._arrived.setSingleShot(True)
        self._arrived.timeout.connect(self._show_arrived)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._refresh)
        self._later_3d = QTimer(self)
        self._later_3d.setSingleShot(True)
        self._later_3d.timeout.connect(self._refresh_3d)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: self.refresh())
        desk.volume_changed.connect(lambda _: self.refresh())
        desk.plan_changed.connect(lambda _: self.refresh())
        desk.preview_changed.connect(self._show_loading)
        desk.crosshair_changed.connect(self._move_crosshair)
        spans.changed.connect(self.refresh)
        second.changed.connect(self.refresh)
        edited.changed.connect(lambda: self._later_3d.start(0))

    # ---- looks -------------------------------------------------------------------------------------------------

    def set_window(self, window: Window) -> None:
        for view in self.slices:
            view.set_window_level(window)
        self.window_changed.emit(window)

    def show_crosshair(self, shown: bool) -> None:
        for view in self.slices:
            view.crosshair_visible = shown
            view.update()

    def set_slab(self, mode: str, thickness_mm: float) -> None:
        """``none``, ``mip``, ``minip`` or ``mean`` over a thickness in mm."""
        slab = Slab(thickness_mm, SLAB_MODES[mode]) if mode in SLAB_MODES else Slab()  # type: ignore[arg-type]
        for number, view in enumerate(self.slices):
            view.set_slab(slab, number * APART_MS)

    def set_volume_preset(self, name: str | None) -> None:
        self._volume_preset = name
        self.refresh()

    def set_planning(self, planning: bool) -> None:
        """While planning, what does not belong to the plan is a ghost in 3D."""
        if planning != self._planning:
            self._planning = planning
            self.refresh()

    def look_at_plan(self) -> None:
        """Bring the crosshair to the organ of the current plan."""
        span = organ_span(self._desk.scene, self._desk.plan, self._spans.spans)
        if span is not None:
            self._desk.move_crosshair(span.centre)

    def show_plan(self, shown: PlanShown) -> None:
        """Show curved cuts, parts and lost tissue; a patch that is being dragged stays where the hand has it."""
        self._plan_shown = shown
        self.refresh()

    def show_outline(self, mesh: Mesh | None) -> None:
        """Outline a mesh over the slices, as before it is printed, in the place of the plan's cuts."""
        self._outline = CutSurfaceContent("outline", mesh) if mesh is not None else None
        self.refresh()

    def hold_implants(self, hand: ImplantHand | None) -> None:
        """Give the chosen implant its handles in 3D, and show it where the hand has it."""
        if self._hand is not None:
            self._hand.moved.disconnect(self._implant_moved)
            self._hand.chosen_changed.disconnect(self.refresh)
        self._hand = hand
        self._tinted = ()
        if hand is not None:
            hand.moved.connect(self._implant_moved)
            hand.chosen_changed.connect(self.refresh)
        self.view3d.hold_implants(hand)
        self.refresh()

    def tint_implant(self, parts: tuple[SurfaceContent, ...]) -> None:
        """Draw the chosen implant by these parts of it, in the colours of its fit."""
        if parts or self._tinted:
            self._tinted = parts
            self._show_implant()

    def _implant_moved(self) -> None:
        """For every step of a drag: only the implant is drawn elsewhere."""
        if self._hand is None:
            return
        outlines = implant_outlines(self._desk.scene, self._implants, self._hand.held)
        for number, view in enumerate(self._in_order()):
            view.set_content(replace(view.content, outlines=outlines), number * APART_MS)
        self._show_implant()

    def _show_implant(self) -> None:
        content = self.view3d.content
        self.view3d.set_content(replace(content, surfaces=self._with_implant(content.surfaces)))

    def _with_implant(self, surfaces: tuple[SurfaceContent, ...]) -> tuple[SurfaceContent, ...]:
        """The surfaces with the chosen implant where the hand has it, in its colours, and with its handles."""
        hand = self._hand
        node = hand.chosen if hand is not None else None
        if hand is None or node is None:
            return surfaces
        matrix = hand.held.get(node.id, node.matrix)
        tinted = [
            replace(part, visible=node.visible, matrix=None if f"/{ON_BONE}" in part.id else matrix)
            for part in self._tinted
        ]
        shown = node.visible and all(part.id != f"{node.id}/{COLOURED}" for part in tinted)
        kept = [one for one in surfaces if not one.id.startswith(f"{GIZMO}:") and one.colours is None]
        kept = [replace(one, matrix=matrix, visible=shown) if one.id == node.id else one for one in kept]
        handles = self._gizmo.surfaces(node, matrix, extent_of(self._implants.own(node)))
        return (*(self._behind(node, one) for one in kept), *tinted, *handles)

    def _behind(self, node: ImplantNode, surface: SurfaceContent) -> SurfaceContent:
        """What an implant is fitted to as glass, and other anatomy as a ghost: neither hides the implant."""
        drawn = self._desk.scene.get(NodeId(surface.id.partition("/")[0]), Node)
        if isinstance(drawn, ImplantNode) or drawn is None:
            return surface
        about = (drawn.id, drawn.segment if isinstance(drawn, SurfaceNode) else None)
        most = GLASS if node.onto in about else GHOST if node.onto is not None else 1.0
        return surface if surface.opacity <= most else replace(surface, opacity=most)

    def move_aside(self, offsets_mm: Mapping[str, Vec3]) -> None:
        """Move surfaces in 3D away from where they lie, by their ids, the others back; for every step of a slider."""
        self._plan_shown = replace(self._plan_shown, offsets_mm=dict(offsets_mm))
        content = self.view3d.content
        self.view3d.set_content(replace(content, surfaces=self._plan_shown.placed(content.surfaces)))

    def show_picked(self, picked: tuple[NodeId, int] | None) -> None:
        """Mark a branch of a vessel tree in 3D."""
        if picked != self._picked:
            self._picked = picked
            self._later_3d.start(0)

    def set_preview(self, found: Parts | None) -> None:
        """Show what a method found and what is not taken yet: one part in the accent colour, several in their own."""
        volume = self._desk.volume
        if found is None or volume is None or found.labels.shape != volume.geometry.shape_kji:
            self._preview = None
        else:
            colours = [self._theme.tokens.rgb("accent")]
            while len(colours) < len(found.names):
                colours.append(next_color(colours))
            styles = [SegmentStyle(value, colour) for value, colour in zip(found.names, colours, strict=False)]
            labels = found.labels.view(np.uint8) if found.labels.dtype == np.bool_ else found.labels
            self._preview = LabelLayer(labels, volume.geometry, tuple(styles))
        self.refresh()

    def show_stroke(self, stroke: Stroke | None) -> None:
        """Show what a tool is marking; a stroke that has grown is drawn anew."""
        volume = self._desk.volume
        before = self._stroke
        if stroke is None or volume is None:
            self._stroke = None
        elif before is None or before.array is not stroke.labels:
            style = SegmentStyle(1, stroke.color)
            self._stroke = LabelLayer(stroke.labels, volume.geometry, (style,), lambda: stroke.box)
        if self._stroke is before and before is not None:
            for number, view in enumerate(self._in_order()):
                view.refresh_growing(number * APART_MS)
        elif self._stroke is not before:
            self._refresh()

    def set_tool(self, tool: SliceTool | None) -> None:
        """Give the left mouse button of the slices to a tool, or back to window and level."""
        for view in self.slices:
            view.set_tool(tool)
        scissors = tool if isinstance(tool, ScissorsTool) else None
        if (scissors is not None) != (self.view3d.lasso is not None):
            self.view3d.set_lasso(scissors is not None)
        if self._scissors is not None:
            self.view3d.outlined.disconnect(self._scissors.cut_in_3d)
        if scissors is not None:
            self.view3d.outlined.connect(scissors.cut_in_3d)
        self._scissors = scissors

    def reset_views(self) -> None:
        for view in self.slices:
            view.reset_view()
        self.view3d.reset_view()

    def toggle_view(self) -> None:
        """Make the view that has the keys large, or show all four again."""
        has_keys = QApplication.focusWidget()
        views = (*self.slices, self.view3d)
        focused = next((v for v in views if has_keys is not None and (v is has_keys or v.isAncestorOf(has_keys))), None)
        self.views.toggle(self.views.maximised or focused or self.axial)

    def _toggle_overlay(self, visible: bool) -> None:
        for view in self.slices:
            view.set_overlay(visible)

    # ---- content -----------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """True while a change is still to be shown in the slices or in 3D."""
        return self._later.isActive() or self._later_3d.isActive() or self.view3d.busy

    def refresh(self) -> None:
        """Show the scene as it is now, once the event loop is free."""
        self._later.start(0)

    def _restart(self) -> None:
        self._preview, self._stroke, self._loading, self._dragged = None, None, None, None
        self._surfaces, self._layers, self._shown_volume, self._centred = {}, {}, None, False
        self._trees, self._picked, self._painted, self._neck = {}, None, None, None
        self._plan_shown, self._dragged_patch, self._outline = PlanShown(), None, None
        self._implants, self._tinted = ImplantMeshes(), ()
        self.refresh()

    def _refresh(self) -> None:
        if self._loading is not None:
            return
        desk, scene = self._desk, self._desk.scene
        volume, plan = desk.volume, desk.plan
        content = slice_content(scene, volume, plan, self._spans.spans, self._layers, self._implants)
        if self._hand is not None and self._hand.held:
            content = replace(content, outlines=implant_outlines(scene, self._implants, self._hand.held))
        shown = [layer for layer in (self._preview, self._stroke) if layer is not None]
        content = replace(content, layers=(*content.layers, *self._second.layers(), *shown), second=self._second.image)
        content = self._shown_now().in_slices(content)
        if self._dragged is not None:
            content = replace(content, planes=self._dragged)
        if self._neck is not None:
            content = replace(content, cut_surfaces=(*content.cut_surfaces, self._neck))
        if self._outline is not None:
            content = replace(content, cut_surfaces=(self._outline,), planes=(), patches=())
        for number, view in enumerate(self._in_order()):
            if not same_slices(content, view.content):
                view.set_content(content, number * APART_MS)
        if not self._later_3d.isActive():
            self._later_3d.start(len(self.slices) * APART_MS)
        if volume is not None and volume.id != self._shown_volume:
            self._shown_volume = volume.id
            self._look_at(ImageContent(volume.voxels.read(), volume.geometry), volume.identity.modality)

    def _refresh_3d(self) -> None:
        if self._loading is not None:
            return
        desk = self._desk
        whole = scene_content(
            desk.scene,
            desk.volume,
            desk.plan,
            self._spans.spans,
            volume_preset=self._volume_preset,
            focus=desk.crosshair,
            keep=self._surfaces,
            ghosts=self._planning,
            keep_trees=self._trees,
            picked=self._picked,
            implants=self._implants,
        )
        whole = replace(whole, surfaces=self._edited.shown_over(whole.surfaces))
        if self._dragged is not None:
            whole = replace(whole, planes=self._dragged)
        self._surfaces = {NodeId(surface.id): surface for surface in whole.surfaces}
        whole = replace(whole, surfaces=self._with_implant(whole.surfaces))
        whole = with_painted(self._shown_now().in_3d(whole), self._painted)
        if self._neck is not None:
            whole = replace(whole, cut_surfaces=(*whole.cut_surfaces, self._neck))
        self.view3d.set_content(whole)

    def paint_tree(self, painted: Painted | None) -> None:
        """Draw a tree in the colours of a result, or as usual again."""
        if painted != self._painted:
            self._painted = painted
            self._later_3d.start(0)

    def show_neck(self, neck: CutSurfaceContent | None) -> None:
        """Draw the neck of an aneurysm, or none."""
        if neck is not self._neck:
            self._neck = neck
            self.refresh()

    def show_held_lost(self, layer: LabelLayer | None) -> None:
        """Hatch what the remnant loses while a cut is held still; None: it moves on."""
        old, self._held_lost = self._held_lost, layer
        if old is layer:
            return
        for number, view in enumerate(self._in_order()):
            kept = tuple(one for one in view.content.layers if one is not old)
            view.set_content(replace(view.content, layers=kept if layer is None else (*kept, layer)), number * APART_MS)

    def _look_at(self, image: ImageContent, modality: str) -> None:
        """Centre the views on a new image and choose its window."""
        self.set_window(window_for(image.array, modality))
        if not self._centred or not image.geometry.contains(self._desk.crosshair):
            self._centred = True
            x, y, z = (float(v) for v in image.geometry.centre_mm)
            self._desk.move_crosshair((x, y, z))
        else:
            self._move_crosshair(self._desk.crosshair)

    def _show_loading(self, loading: LoadingImage | None) -> None:
        """Show what has arrived of an image that still loads."""
        first = self._loading is None
        self._loading = loading
        if loading is None:
            self.refresh()
            return
        if first or self.axial.content.image is None:
            image = ImageContent(loading.voxels, loading.geometry, loading.name, loading.side_known)
            for view in self.slices:
                view.set_content(SliceContent(image=image))
            self._look_at(image, "CT" if loading.unit == "HU" else "")
        if not self._arrived.isActive():
            self._arrived.start(ARRIVAL_MS)

    def _show_arrived(self) -> None:
        """Draw the slices that came since the last time; each alone would cost a frame."""
        if self._loading is not None:
            for view in self.slices:
                view.refresh()

    def _in_order(self) -> list[SliceView]:
        """The slices, the one under the mouse first: it is painted at once, the others a moment later."""
        return sorted(self.slices, key=lambda view: not view.underMouse())

    def _move_crosshair(self, point: Any) -> None:
        behind = [view for view in self._in_order() if view.focus != point]
        moved = len(self.slices) - len(behind)  # by hand, and about to be painted
        for number, view in enumerate(behind, start=moved):
            view.set_focus_point(point, number * APART_MS)
        self.view3d.set_focus_point(point)

    # ---- planes ------------------------------------------------------------------------------------------------

    def _plane_dragged(self, moved: PlaneContent) -> None:
        planes = self._with(moved)
        if self._dragged is None:
            self._begin_move()
        self._dragged = planes
        source = self.sender()
        for view in self.slices:
            if view is not source:
                view.set_planes(planes)
        if self.view3d is not source:
            self.view3d.set_planes(planes)
        self._live.drag(planes)

    def _plane_dropped(self, moved: PlaneContent) -> None:
        planes = self._with(moved)
        self._dragged = planes  # stays until the plan is written, so that nothing jumps back meanwhile
        self._plan_shown = self._plan_shown.moving
        self._live.drop(planes)
        self._dragged = None

    def _plane_abandoned(self) -> None:
        self._dragged = None
        self._live.abort()
        self.refresh()

    def _with(self, moved: PlaneContent) -> tuple[PlaneContent, ...]:
        shown = self._dragged if self._dragged is not None else self.axial.content.planes
        return tuple(moved if plane.id == moved.id else plane for plane in shown)

    # ---- patches -----------------------------------------------------------------------------------------------

    def _shown_now(self) -> PlanShown:
        shown, moved = self._plan_shown, self._dragged_patch
        if moved is not None:
            return shown.with_patch(moved).moving
        return shown if self._dragged is None else shown.moving

    def _begin_move(self) -> None:
        """Take away what is true only of where the cuts were: the margins on them, and the tissue that is lost."""
        shown = self._plan_shown
        if shown.margins or shown.layers or shown.lost:
            for view in self.slices:
                view.set_content(shown.without(view.content))
            self.view3d.set_content(shown.without_in_3d(self.view3d.content))

    def _patch_dragged(self, moved: PatchContent) -> None:
        if self._dragged_patch is None:
            self._begin_move()
        self._dragged_patch = moved
        self._show_patches(self.sender())
        self.patch_dragged.emit(moved)

    def _patch_dropped(self, moved: PatchContent) -> None:
        self._plan_shown, self._dragged_patch = self._plan_shown.with_patch(moved).moving, None
        self.patch_dropped.emit(moved)

    def _patch_abandoned(self, patch: str) -> None:
        self._dragged_patch = None
        self.refresh()
        self.patch_drag_cancelled.emit(patch)

    def _show_patches(self, source: object) -> None:
        patches = self._shown_now().patches
        others = [view for view in self.slices if view is not source]
        for number, view in enumerate(others):
            view.set_content(replace(view.content, patches=patches), number * APART_MS)
        if self.view3d is not source:
            self.view3d.set_patches(patches)

    def close_views(self) -> None:
        """Give the render window back; nothing may be drawn afterwards."""
        for timer in (self._later, self._later_3d, self._arrived):
            timer.stop()
        self.view3d.shut_down()
