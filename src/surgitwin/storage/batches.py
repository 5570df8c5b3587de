"""One finished change, made ready on the main thread so that the storage thread needs the scene no more."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from surgitwin.core.ids import ArrayId, NodeId
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.edits import AddNode, Entry, PatchArray, RemoveNode, SetField
from surgitwin.scene.nodes import Node
from surgitwin.scene.scene import Scene
from surgitwin.storage.captures import Capture, capture
from surgitwin.storage.chunks import ChunkGrid


@dataclass(frozen=True)
class NodeRow:
    """A node as the file holds it; ``arrays`` gives the array of each array field."""

    id: NodeId
    type: str
    parent: NodeId | None
    text: str
    arrays: dict[str, ArrayId]

    @property
    def crc(self) -> int:
        return checksum(self.text)

    @staticmethod
    def of(node: Node) -> NodeRow:
        arrays = {name: array.id for name, array in node.arrays().items()}
        return NodeRow(node.id, node.type_name, node.parent, to_json(node.model_dump(mode="json")), arrays)


def checksum(text: str) -> int:
    return zlib.crc32(text.encode())


def to_json(value: Any) -> str:
    """Compact JSON in ASCII: any reader decodes it, and it holds even the text of a badly coded header."""
    return json.dumps(value, separators=(",", ":"))


@dataclass(frozen=True)
class LogRow:
    """One line of the log of commands; ``params`` and ``inputs`` are JSON without array data."""

    at: str
    who: str
    command: str
    params: dict[str, Any]
    inputs: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "who": self.who,
            "command": self.command,
            "params": self.params,
            "inputs": self.inputs,
        }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Batch:
    """What one transaction of the database writes: whole, or not at all."""

    nodes: tuple[NodeRow, ...] = ()
    removed: tuple[NodeId, ...] = ()
    captures: tuple[Capture, ...] = ()
    log: tuple[tuple[str, str, str, str, str], ...] = ()
    on_saved: Callable[[], None] = field(default=lambda: None)


def batch_of(entry: Entry, scene: Scene, known: set[ArrayId]) -> Batch:
    """Gather what ``entry`` changed from the scene as it now is.

    Parameters
    ----------
    known
        Arrays that the file holds, or will hold once the changes before this one are written.
    """
    touched = dict.fromkeys(edit.node_id for edit in entry.edits)
    nodes = [scene.node(node_id) for node_id in touched if node_id in scene]
    removed = tuple(node_id for node_id in touched if node_id not in scene)
    rows = tuple(NodeRow.of(node) for node in nodes)
    return Batch(rows, removed, _captures(nodes, patched_chunks(entry, scene), known))


def batch_of_scene(scene: Scene) -> Batch:
    """Everything, for a new file."""
    nodes = list(scene)
    return Batch(tuple(NodeRow.of(node) for node in nodes), (), _captures(nodes, {}, set()))


def _captures(
    nodes: Iterable[Node], patched: dict[ArrayId, tuple[ArrayData, set[int]]], known: set[ArrayId]
) -> tuple[Capture, ...]:
    new = {array.id: array for node in nodes for array in node.arrays().values() if array.id not in known}
    # An array whose node went in the same change keeps its patches: undo may bring it back.
    parts = [capture(array, sorted(positions)) for key, (array, positions) in patched.items() if key in known]
    return (*(capture(array, None) for array in new.values()), *parts)


def patched_chunks(entry: Entry, scene: Scene) -> dict[ArrayId, tuple[ArrayData, set[int]]]:
    """For each array that the entry patched: which of its chunks.

    The edits are walked backwards from the scene as it now is, because an array belongs to a node only at the time
    of its patch: later edits of the same entry may have removed the node or given it another array.
    """
    at_that_time: dict[NodeId, Node] = {}

    def node_then(node_id: NodeId) -> Node:
        return at_that_time[node_id] if node_id in at_that_time else scene.node(node_id)

    patched: dict[ArrayId, tuple[ArrayData, set[int]]] = {}
    for edit in reversed(entry.edits):
        match edit:
            case AddNode(node):
                at_that_time.pop(node.id, None)
            case RemoveNode(node):
                at_that_time[node.id] = node
            case SetField(node_id, name, old, _):
                if isinstance(old, ArrayData):
                    at_that_time[node_id] = node_then(node_id).model_copy(update={name: old})
            case PatchArray(node_id=node_id, field=name, box=box):
                array = node_then(node_id).arrays()[name]
                positions = patched.setdefault(array.id, (array, set()))[1]
                positions.update(ChunkGrid.of(array.shape).touched_by(box))
    return patched
