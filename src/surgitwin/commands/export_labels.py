"""Several segments in one label map, with the table that gives its values names and colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.commands.base import Document, Work
from surgitwin.commands.mesh_files import cut_off_warning
from surgitwin.core.errors import BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.commands.sharing import SegmentInput

_SLAB_VOXELS = 8_000_000


def export_label_map(
    inputs: Sequence[SegmentInput], out: Path, table: Path, said: Sequence[Document] = (), *, side_known: bool = True
) -> Work[Any]:
    """Write the segments into one label map and its table, both files or none.

    Parameters
    ----------
    said
        Warnings that are known already.

    Raises
    ------
    BadInput
        If the segments lie on different grids; when computed, if one is empty, or two overlap and the format has no
        place for that.
    """
    if not inputs:
        raise BadInput(tr("This case has no segments to export."))
    first = inputs[0]
    for entry in inputs:
        if not entry.geometry.same_grid(first.geometry):
            message = tr("“{first}” and “{second}” lie on different grids, which one label map cannot hold.")
            raise BadInput(message.format(first=first.segment.name, second=entry.segment.name))
    values = values_of(inputs)

    def compute(ctx: Context) -> Document:
        from surgitwin.exchange.labelmap_out import Label, holds_layers, write_label_map

        warnings = _counted(inputs, ctx.part(0.0, 0.3))
        ctx.progress(0.3, tr("Putting the segments into one label map"))
        layers, layer_of = combined(inputs, values, holds_layers(out), ctx.part(0.3, 0.5))
        labels = [
            Label(value, e.segment.name.strip(), e.segment.color, layer_of[e.segment.layer])
            for e, value in zip(inputs, values, strict=True)
        ]
        files = write_label_map(out, table, layers, first.geometry, labels, ctx.part(0.5, 1.0), side_known=side_known)
        rows = [{"value": label.value, "name": label.name, "layer": label.layer} for label in labels]
        return {"files": [str(file) for file in files], "check": None, "labels": rows, "warnings": [*said, *warnings]}

    return Work(compute, lambda document: document)


def values_of(inputs: Sequence[SegmentInput]) -> list[int]:
    """The value of each segment in the file: its own, where no two have the same; else 1, 2, 3 …"""
    own = [entry.segment.value for entry in inputs]
    return own if len(set(own)) == len(own) else list(range(1, len(own) + 1))


def combined(
    inputs: Sequence[SegmentInput], values: Sequence[int], several: bool, ctx: Context
) -> tuple[list[NDArray[Any]], dict[NodeId, int]]:
    """The label arrays to write, and in which of them the segments of each layer of the case lie.

    Parameters
    ----------
    several
        Whether segments that overlap may go into arrays of their own.

    Raises
    ------
    BadInput
        If two segments overlap and they may not.
    """
    groups: dict[NodeId, list[tuple[SegmentInput, int]]] = {}
    for entry, value in zip(inputs, values, strict=True):
        groups.setdefault(entry.segment.layer, []).append((entry, value))
    dtype = np.uint8 if max(values) <= 255 else np.uint16
    written: list[NDArray[Any]] = []
    layer_of: dict[NodeId, int] = {}
    for number, (layer, group) in enumerate(groups.items()):
        ctx.progress(number / len(groups))
        renumbered = _renumbered(group, np.dtype(dtype), ctx)
        free = next((n for n, array in enumerate(written) if _clash(array, renumbered) is None), None)
        if free is None and written and not several:
            raise BadInput(_overlap(written[0], renumbered, inputs, values))
        if free is None:
            layer_of[layer] = len(written)
            written.append(renumbered)
        else:
            layer_of[layer] = free
            written[free] |= renumbered  # one of the two is 0 everywhere
    return written, layer_of


def _renumbered(group: Sequence[tuple[SegmentInput, int]], dtype: np.dtype[Any], ctx: Context) -> NDArray[Any]:
    labels = group[0][0].labels
    table = np.zeros(np.iinfo(labels.dtype).max + 1, dtype)
    for entry, value in group:
        table[entry.segment.value] = value
    result: NDArray[Any] = np.empty(labels.shape, dtype)
    step = max(1, _SLAB_VOXELS // max(labels[0].size, 1))
    for k in range(0, len(labels), step):
        ctx.check()
        np.take(table, labels[k : k + step], out=result[k : k + step])
    return result


def _clash(first: NDArray[Any], second: NDArray[Any]) -> tuple[int, int] | None:
    """The values of the first voxel that both have, or None."""
    for one, other in zip(first, second, strict=True):  # a plane at a time needs little memory
        both = (one != 0) & (other != 0)
        if both.any():
            at = np.unravel_index(int(both.argmax()), both.shape)
            return int(one[at]), int(other[at])
    return None


def _overlap(first: NDArray[Any], second: NDArray[Any], inputs: Sequence[SegmentInput], values: Sequence[int]) -> str:
    names = {value: entry.segment.name for entry, value in zip(inputs, values, strict=True)}
    one, other = _clash(first, second) or (0, 0)
    message = tr(
        "“{first}” and “{second}” overlap, and a file of this kind has one label a voxel. Write a .seg.nrrd, or choose "
        "others with --segment."
    )
    return message.format(first=names[one], second=names[other])


def _counted(inputs: Sequence[SegmentInput], ctx: Context) -> list[Document]:
    """What must be said of the segments; refuses one that is empty."""
    from surgitwin.surfaces import label_statistics

    groups: dict[NodeId, list[SegmentInput]] = {}
    for entry in inputs:
        groups.setdefault(entry.segment.layer, []).append(entry)
    cut_off: set[NodeId] = set()
    for number, group in enumerate(groups.values()):
        part = ctx.part(number / len(groups), (number + 1) / len(groups))
        wanted = [entry.segment.value for entry in group]
        counted = label_statistics(group[0].labels, None, group[0].geometry, wanted, ctx=part)
        for entry in group:
            if counted[entry.segment.value].voxels == 0:
                message = tr("The segment '{name}' is empty; nothing was written.")
                raise BadInput(message.format(name=entry.segment.name))
            if counted[entry.segment.value].touches_edge:
                cut_off.add(entry.segment.id)
    return [cut_off_warning(entry.segment.name) for entry in inputs if entry.segment.id in cut_off]
