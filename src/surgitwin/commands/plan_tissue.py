"""What of an organ still works after the cuts: perfused, drained, and how much of each territory stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.commands.base import Document
from surgitwin.core.geometry import Box
from surgitwin.core.progress import Context
from surgitwin.scene.nodes import SegmentNode, TerritoriesNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.resection import Cut, LiveCut

Labels = NDArray[Any]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FrozenTerritory:
    """One part of an organ that was divided by a vessel tree."""

    division: TerritoriesNode
    segment: SegmentNode
    labels: Labels


def freeze_territories(scene: Scene, organ: SegmentNode) -> tuple[FrozenTerritory, ...]:
    """The parts of all divisions of an organ, on its grid; costs no copy."""
    found: list[FrozenTerritory] = []
    for division in scene.of_type(TerritoriesNode):
        if division.organ != organ.id:
            continue
        for key in division.territories:
            segment = scene.get(key, SegmentNode)
            if segment is not None and segment.parent == organ.parent:
                found.append(FrozenTerritory(division, segment, scene.layer_of(segment).labels.frozen()))
    return tuple(found)


def occluded_voxels(
    territories: Sequence[FrozenTerritory], organ: BoolArray, tumour: BoolArray, box: Box
) -> BoolArray | None:
    """Healthy voxels whose portal branch was occluded before the operation, in the order of the organ's mask.

    Parameters
    ----------
    organ
        [k, j, i] over ``box``.
    tumour
        Whether each voxel of the organ belongs to a lesion.

    Returns
    -------
    None if no territory is marked as occluded.
    """
    marked = [one for one in territories if one.segment.id in one.division.portal_occluded]
    if not marked:
        return None
    found = np.zeros_like(organ)
    for one in marked:
        found |= one.labels[box.slices] == one.segment.value
    return np.asarray(found[organ] & ~tumour)


def tissue_document(
    live: LiveCut, cuts: Sequence[Cut], territories: Sequence[FrozenTerritory], ctx: Context
) -> Document:
    """How much of each territory stays, is perfused and is drained, ml.

    What has no tree to assess it by counts as perfused, or as drained. Each territory carries the revision that was
    counted, so that one that was edited since is not taken for it.
    """
    if not territories:
        return {"territories": []}
    prepared = live.prepared
    lost = live.lost(cuts)
    organ = prepared.organ.mask
    healthy = np.zeros_like(organ)
    healthy[organ] = ~prepared.tumour
    region = _removed(live, cuts)
    kept = healthy & ~region
    perfused = kept & ~lost["portal"] if "portal" in lost else kept
    drained = perfused & ~lost["hepatic"] if "hepatic" in lost else perfused
    ctx.check()
    counts = [_counted(territories, mask, live, ctx) for mask in (healthy, kept, perfused, drained)]
    names = ("tumour_free_ml", "kept_ml", "kept_perfused_ml", "kept_drained_ml")
    return {
        "territories": [
            {
                "id": one.segment.id,
                "revision": one.segment.revision,
                "name": one.segment.name,
                "division": one.division.name,
                **{name: count[place] * prepared.voxel_ml for name, count in zip(names, counts, strict=True)},
            }
            for place, one in enumerate(territories)
        ],
    }


def _removed(live: LiveCut, cuts: Sequence[Cut]) -> BoolArray:
    from surgitwin.resection.rows import removed_region

    prepared = live.prepared
    return removed_region(prepared.box, live.regions(cuts), prepared.geometry.size_ijk[0])


def _counted(territories: Sequence[FrozenTerritory], mask: BoolArray, live: LiveCut, ctx: Context) -> list[int]:
    """Voxels of each territory that lie in ``mask``, counted plane by plane so that Python's lock is let go of."""
    box = live.prepared.box
    layers = {id(one.labels): one.labels for one in territories}
    counts: dict[int, NDArray[np.int64]] = {}
    for key, labels in layers.items():
        part = labels[box.slices]
        total = np.zeros(int(np.iinfo(labels.dtype).max) + 1, dtype=np.int64)
        for plane, inside in zip(part, mask, strict=True):
            found = np.bincount(plane[inside])
            total[: len(found)] += found
            ctx.check()
        counts[key] = total
    return [int(counts[id(one.labels)][one.segment.value]) for one in territories]
