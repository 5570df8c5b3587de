"""What every command that edits voxels takes: where it may edit, and which other segments give way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from surgitwin.commands.base import Arg, Command
from surgitwin.commands.placement import find_segmentation, freeze_segmentation
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene
from surgitwin.segmentation.rules import EditRules, RuledGrid, RuledLayer, RuledSegment


class RuledCommand(Command):
    """A command that obeys the rules of editing."""

    inside: Annotated[tuple[str, ...], Arg(tr("edit only where this segment is"))] = ()
    outside: Annotated[tuple[str, ...], Arg(tr("leave the voxels of this segment alone"))] = ()
    range_: Annotated[
        tuple[float, float] | None, Arg(tr("edit only voxels whose value lies in this range"), option="range")
    ] = None
    overwrite: Annotated[
        Literal["all", "visible", "none"], Arg(tr("segments that lose the voxels which this one gets"))
    ] = Field(default="none")

    def edit_rules(self, scene: Scene, volume: VolumeNode) -> EditRules:
        """The rules, with the segments found.

        Raises
        ------
        BadInput
            If a segment is not there or lies on another image, or the range is empty.
        """
        named = {
            side: tuple(_on(scene, volume, name).id for name in names)
            for side, names in (("inside", self.inside), ("outside", self.outside))
        }
        lower, upper = self.range_ if self.range_ is not None else (None, None)
        return EditRules(named["inside"], named["outside"], lower, upper, self.overwrite)


def _on(scene: Scene, volume: VolumeNode, name: str) -> SegmentNode:
    segment = scene.resolve(name, SegmentNode)
    if scene.segmentation_of(segment).volume != volume.id:
        message = tr("“{segment}” does not lie on the image “{volume}”, so it cannot limit an edit there.")
        raise BadInput(message.format(segment=segment.name, volume=volume.name))
    return segment


def ruled_grid(scene: Scene, volume: VolumeNode) -> RuledGrid:
    """Everything on a volume's grid that the rules ask for, as no edit changes it any more; costs no copy."""
    segmentation = find_segmentation(scene, volume)
    layers = tuple(RuledLayer(f.id, f.revision, f.labels) for f in freeze_segmentation(scene, segmentation))
    segments = tuple(
        RuledSegment(node.id, node.layer, node.value, node.visible)
        for node in (scene.children(segmentation.id) if segmentation is not None else ())
        if isinstance(node, SegmentNode)
    )
    return RuledGrid(layers, segments, volume.voxels.frozen())
