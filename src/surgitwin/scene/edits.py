"""The edits that carry every change: add or remove a node, set a field, patch an array. Each knows its inverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.counting import value_counts
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId
from surgitwin.scene.blobs import Blob
from surgitwin.scene.nodes import Node


@dataclass(frozen=True)
class AddNode:
    node: Node

    @property
    def node_id(self) -> NodeId:
        return self.node.id

    def inverse(self) -> RemoveNode:
        return RemoveNode(self.node)


@dataclass(frozen=True)
class RemoveNode:
    node: Node

    @property
    def node_id(self) -> NodeId:
        return self.node.id

    def inverse(self) -> AddNode:
        return AddNode(self.node)


@dataclass(frozen=True)
class SetField:
    node_id: NodeId
    field: str
    old: Any
    new: Any

    def inverse(self) -> SetField:
        return SetField(self.node_id, self.field, self.new, self.old)


@dataclass(frozen=True)
class PatchArray:
    """Replace the part ``box`` of an array; ``old`` and ``new`` hold that part whole, compressed.

    Attributes
    ----------
    values
        Every value that some voxel had before or has after, where the two differ: in a label layer these are the
        segments that the patch changes.
    """

    node_id: NodeId
    field: str
    box: Box
    old: Blob
    new: Blob
    values: frozenset[int]

    def inverse(self) -> PatchArray:
        return PatchArray(self.node_id, self.field, self.box, self.new, self.old, self.values)

    @staticmethod
    def between(
        node_id: NodeId, field: str, box: Box, before: NDArray[Any], after: NDArray[Any], *, at_hand: bool = False
    ) -> PatchArray | None:
        """The patch that turns ``before`` into ``after`` (both the part ``box``, [k, j, i]); None if they are equal."""
        changed = before != after
        tight = Box.of_mask(changed)
        if tight.empty:
            return None
        changed, before, after = changed[tight.slices], before[tight.slices], after[tight.slices]
        values = frozenset(_values(before[changed])) | frozenset(_values(after[changed]))
        new = Blob(after, at_hand=at_hand)
        return PatchArray(node_id, field, tight.moved(box.start), Blob(before), new, values)


def _values(array: NDArray[Any]) -> list[int]:
    if array.dtype == np.uint8:
        found: list[int] = np.flatnonzero(value_counts(array)).tolist()
        return found
    return [int(value) for value in np.unique(array)]


Edit = AddNode | RemoveNode | SetField | PatchArray


@dataclass(frozen=True)
class Entry:
    """One finished, named change; the unit of undo and of the case file's journal."""

    name: str
    edits: tuple[Edit, ...]

    def inverse(self, name: str) -> Entry:
        return Entry(name, tuple(edit.inverse() for edit in reversed(self.edits)))

    def blobs(self) -> list[Blob]:
        return [blob for edit in self.edits if isinstance(edit, PatchArray) for blob in (edit.old, edit.new)]

    @property
    def nbytes(self) -> int:
        """What keeping this entry costs: patches, and the arrays of removed or replaced nodes."""
        return sum(blob.nbytes for blob in self.blobs()) + sum(_array_bytes(edit) for edit in self.edits)


def _array_bytes(edit: Edit) -> int:
    from surgitwin.scene.arrays import ArrayData

    if isinstance(edit, RemoveNode):
        return sum(array.nbytes for array in edit.node.arrays().values() if array.loaded)
    if isinstance(edit, SetField) and isinstance(edit.old, ArrayData) and edit.old.loaded:
        return edit.old.nbytes
    return 256
