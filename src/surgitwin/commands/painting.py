"""Paint and erase: one stroke of a brush is one change, and costs what the stroke is large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.commands.base import Bench, Document, Work
from surgitwin.commands.images import describe
from surgitwin.commands.labels import make_segment, segmentation_for, segments_of
from surgitwin.commands.placement import add_layer, find_segmentation, layers_of
from surgitwin.commands.ruled import ruled_grid
from surgitwin.commands.segmenting import segment_named, segments_of_volume
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene
from surgitwin.segmentation.rules import (
    Allowed,
    EditRules,
    RuledEdit,
    RuledGrid,
    RuledLayer,
    RuledSegment,
    allowed,
    carried_out,
)

# A stroke in a larger box is worked out on another thread.
AT_ONCE_VOXELS = 1 << 20


@dataclass(frozen=True, eq=False)
class Painted:
    """Voxels that a brush marked.

    Attributes
    ----------
    box
        Where they lie, inside the image.
    mask
        Boolean, [k, j, i], of the box.
    erase
        They leave the segment; else they come to it.
    """

    box: Box
    mask: NDArray[np.bool_]
    erase: bool = False


def start_painting(
    bench: Bench, volume: VolumeNode, into: str, painted: Painted, rules: EditRules, title: str = ""
) -> Work[Any]:
    """Work that paints or erases voxels as one change, “Paint: <segment>” or “Erase: <segment>”.

    The usual stroke is worked out here, in a few milliseconds; one in a large box, or one that makes the segment move
    to another layer, by the work. Another edit may come before the change is made: the stroke is then worked out again
    on what is there, and never lost.

    Parameters
    ----------
    into
        Name or id of the segment; painting makes one that is not there yet.
    title
        Another name for the step, with ``{name}`` in it.

    Raises
    ------
    BadInput
        If the box does not lie in the image, there is no such segment to erase from, or the rules name one that is
        gone.
    """
    stroke = _Stroke(volume.id, into, painted, rules, title)
    stroke.check(bench.scene, volume)
    if int(np.prod(painted.box.size_ijk)) <= AT_ONCE_VOXELS:
        planned = stroke.quick_plan(_as_it_is(bench.scene, volume), stroke.target(bench.scene))
        if planned is not None:
            return Work(lambda ctx: planned, lambda plan: _commit(bench, stroke, plan))
    return start_marking(bench, volume, into, lambda grid, ctx: painted, rules, title)


def start_marking(
    bench: Bench,
    volume: VolumeNode,
    into: str,
    mark: Callable[[RuledGrid, Context], Painted],
    rules: EditRules,
    title: str = "",
) -> Work[Any]:
    """As `start_painting`, for voxels that the work has to find first.

    Parameters
    ----------
    mark
        Finds them; it must not keep the grid's arrays.
    """
    # The list is emptied by the work: nobody uses the arrays when the change is made, so that it need not copy them.
    grids = [ruled_grid(bench.scene, volume)]
    target = _ruled(segment_named(segments_of_volume(bench.scene, volume), into))

    def compute(ctx: Context) -> tuple[_Stroke, _Plan]:
        ctx.progress(None, tr("Painting"))
        grid = grids.pop()
        stroke = _Stroke(volume.id, into, mark(grid, ctx), rules, title)
        return stroke, stroke.plan(grid, target)

    return Work(compute, lambda found: _commit(bench, *found))


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a stroke will change, and how many voxels it brings to the segment and takes from it."""

    edit: RuledEdit
    target: RuledSegment | None
    added: int
    removed: int


@dataclass(frozen=True, eq=False)
class _Stroke:
    volume: NodeId
    into: str
    painted: Painted
    rules: EditRules
    title: str = ""

    def check(self, scene: Scene, volume: VolumeNode) -> None:
        box, whole = self.painted.box, volume.geometry.full_box
        if box.empty or not self.painted.mask.any() or box.union(whole) != whole:
            raise BadInput(tr("The stroke lies outside of the image “{name}”.").format(name=volume.name))
        if self.painted.erase and self.segment(scene) is None:
            raise BadInput(tr("There is no segment “{name}” to erase from.").format(name=self.into))

    def segment(self, scene: Scene) -> SegmentNode | None:
        return segment_named(segments_of_volume(scene, scene.expect(self.volume, VolumeNode)), self.into)

    def target(self, scene: Scene) -> RuledSegment | None:
        return _ruled(self.segment(scene))

    def plan(self, grid: RuledGrid, target: RuledSegment | None) -> _Plan:
        return self._carried_out(grid, target, self._allowed(grid, target))

    def quick_plan(self, grid: RuledGrid, target: RuledSegment | None) -> _Plan | None:
        """As `plan`, but ``None`` if it takes a look at whole layers."""
        found = self._allowed(grid, target)
        return None if found.in_the_way else self._carried_out(grid, target, found)

    def _allowed(self, grid: RuledGrid, target: RuledSegment | None) -> Allowed:
        add, remove = (None, self.painted.mask) if self.painted.erase else (self.painted.mask, None)
        return allowed(grid, self.rules, target, self.painted.box, add=add, remove=remove)

    def _carried_out(self, grid: RuledGrid, target: RuledSegment | None, found: Allowed) -> _Plan:
        edit = carried_out(grid, target, self.painted.box, found)
        return _Plan(edit, target, *self._counts(grid, target, found))

    def _counts(self, grid: RuledGrid, target: RuledSegment | None, found: Allowed) -> tuple[int, int]:
        if target is None:
            return int(np.count_nonzero(found.add)), 0
        before = grid.layer(target.layer).labels[self.painted.box.slices] == target.value
        return int(np.count_nonzero(found.add & ~before)), int(np.count_nonzero(found.remove & before))


def _ruled(segment: SegmentNode | None) -> RuledSegment | None:
    return RuledSegment(segment.id, segment.layer, segment.value) if segment is not None else None


def _as_it_is(scene: Scene, volume: VolumeNode) -> RuledGrid:
    """As `ruled_grid`, but only good until the next change: nothing is kept for another thread."""
    segmentation = find_segmentation(scene, volume)
    if segmentation is None:
        return RuledGrid((), (), volume.voxels.read())
    layers = tuple(RuledLayer(n.id, n.revision, n.labels.read()) for n in layers_of(scene, segmentation))
    segments = tuple(RuledSegment(n.id, n.layer, n.value, n.visible) for n in segments_of(scene, segmentation))
    return RuledGrid(layers, segments, volume.voxels.read())


def _commit(bench: Bench, stroke: _Stroke, plan: _Plan) -> Document:
    scene = bench.scene
    volume = scene.expect(stroke.volume, VolumeNode)
    stroke.check(scene, volume)
    segment = stroke.segment(scene)
    grid = _as_it_is(scene, volume)
    if plan.target != stroke.target(scene) or plan.edit.expected != {n.id: n.revision for n in grid.layers}:
        plan = stroke.plan(grid, stroke.target(scene))
    edit = plan.edit
    if edit.changes:
        name = segment.name if segment is not None else stroke.into
        title = stroke.title or (tr("Erase: {name}") if stroke.painted.erase else tr("Paint: {name}"))
        with bench.transaction(title.format(name=name)) as tx:
            segmentation = segmentation_for(scene, tx, volume)
            tx.carry_out(edit.patches)
            layer = edit.layer
            if layer is None:
                assert edit.labels is not None
                layer = add_layer(tx, segmentation, edit.labels, len(layers_of(scene, segmentation)) + 1)
            if segment is not None:
                tx.set(segment.id, layer=layer, value=edit.value)
            else:
                used = [other.color for other in segments_of(scene, segmentation)]
                segment = make_segment(segmentation, name, layer, edit.value, used)
                tx.add(segment)
    return _document(scene, volume, segment, plan)


def _document(scene: Scene, volume: VolumeNode, segment: SegmentNode | None, plan: _Plan) -> Document:
    voxel_ml = volume.geometry.voxel_volume_mm3 / 1000.0
    warnings = []
    if not (plan.edit.allowed.add.any() or plan.edit.allowed.remove.any()):
        message = tr("The rules let nothing of this stroke through: look at the editable area and the intensity range.")
        warnings.append({"code": "rules-leave-nothing", "message": message})
    return {
        "node": describe(scene.node(segment.id)) if segment is not None else None,
        "changed": plan.edit.changes,
        "added_voxels": plan.added,
        "removed_voxels": plan.removed,
        "added_ml": plan.added * voxel_ml,
        "removed_ml": plan.removed * voxel_ml,
        "warnings": warnings,
    }
