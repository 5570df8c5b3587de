"""The tree of nodes, and the questions that everything else asks it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar, cast

from surgitwin.core.errors import Ambiguous, BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.scene.edits import AddNode, Edit, PatchArray, RemoveNode, SetField
from surgitwin.scene.nodes import (
    CaseNode,
    LabelLayerNode,
    Node,
    PlanNode,
    Provenance,
    SegmentationNode,
    SegmentNode,
    TransformNode,
    VesselTreeNode,
)

NodeT = TypeVar("NodeT", bound=Node)


@dataclass(frozen=True)
class Modified:
    """What changed in one node: its fields, and for a patched array the box of voxels."""

    fields: frozenset[str]
    box: Box | None = None


@dataclass(frozen=True)
class SceneChanged:
    """One finished change, as views need it; every node is in one of the three groups only."""

    name: str
    created: tuple[NodeId, ...] = ()
    modified: dict[NodeId, Modified] = field(default_factory=dict)
    deleted: tuple[NodeId, ...] = ()


class _Listed:
    """The nodes in their order, by kind and by parent: sorted when first asked for, once for each state of the scene.

    A change makes a new one, so that what another thread is still sorting never answers for a later state.
    """

    def __init__(self, nodes: dict[NodeId, Node]) -> None:
        self._nodes = nodes
        self._all: tuple[Node, ...] | None = None
        self._by_class: dict[type[Node], list[Node]] | None = None
        self._by_parent: dict[NodeId, tuple[Node, ...]] | None = None

    def all(self) -> tuple[Node, ...]:
        """All nodes by `Node.order`, so that undoing a removal puts a node back in its place."""
        if self._all is None:
            self._all = tuple(sorted(self._nodes.values(), key=lambda node: (node.order, node.id)))
        return self._all

    def of_type(self, kind: type[NodeT]) -> list[NodeT]:
        if self._by_class is None:
            found: dict[type[Node], list[Node]] = {}
            for node in self.all():
                found.setdefault(type(node), []).append(node)
            self._by_class = found
        classes = [one for one in self._by_class if issubclass(one, kind)]
        if len(classes) == 1:
            return cast("list[NodeT]", list(self._by_class[classes[0]]))
        return [node for node in self.all() if isinstance(node, kind)] if classes else []

    def children(self, parent: NodeId) -> tuple[Node, ...]:
        if self._by_parent is None:
            found: dict[NodeId, list[Node]] = {}
            for node in self.all():
                if node.parent is not None:
                    found.setdefault(node.parent, []).append(node)
            self._by_parent = {one: tuple(nodes) for one, nodes in found.items()}
        return self._by_parent.get(parent, ())


class Scene:
    """All nodes of one case. Reading is free; changes come from `editor.Editor` only."""

    def __init__(self) -> None:
        self._nodes: dict[NodeId, Node] = {}
        self._listed = _Listed(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._listed.all())

    def node(self, node_id: NodeId) -> Node:
        """Return the node.

        Raises
        ------
        BadInput
            If there is none with this id.
        """
        try:
            return self._nodes[node_id]
        except KeyError:
            raise BadInput(tr("There is no node with the id {id} in this case.").format(id=node_id)) from None

    def get(self, node_id: NodeId | None, kind: type[NodeT]) -> NodeT | None:
        """The node if it is there and of this kind."""
        node = self._nodes.get(node_id) if node_id is not None else None
        return node if isinstance(node, kind) else None

    def expect(self, node_id: NodeId, kind: type[NodeT]) -> NodeT:
        node = self.node(node_id)
        if not isinstance(node, kind):
            message = tr("“{name}” is a {found}, but a {wanted} is needed here.")
            raise BadInput(message.format(name=node.name, found=node.type_name, wanted=kind.type_name))
        return node

    def of_type(self, kind: type[NodeT]) -> list[NodeT]:
        """All nodes of a kind, in the order they were added."""
        return self._listed.of_type(kind)

    def children(self, node_id: NodeId) -> list[Node]:
        return list(self._listed.children(node_id))

    def descendants(self, node_id: NodeId) -> list[Node]:
        """Every node below, parents before their children."""
        found: list[Node] = []
        waiting = [node_id]
        while waiting:
            below = self.children(waiting.pop())
            found.extend(below)
            waiting.extend(node.id for node in below)
        return found

    @property
    def case(self) -> CaseNode:
        """The root of the tree."""
        cases = self.of_type(CaseNode)
        if not cases:
            raise BadInput(tr("This case is empty. Add images first."))
        return cases[0]

    def resolve(self, name_or_id: str, kind: type[NodeT]) -> NodeT:
        """The node of this kind that a person named: by id, by exact name, or by name without regard to case.

        Raises
        ------
        Ambiguous
            If several nodes have the name; the message lists their ids.
        BadInput
            If none has it; the message lists the names there are.
        """
        nodes = self.of_type(kind)
        folded = name_or_id.casefold()
        for hits in (
            [node for node in nodes if node.id == name_or_id],
            [node for node in nodes if node.name == name_or_id],
            [node for node in nodes if node.name.casefold() == folded],
        ):
            if len(hits) == 1:
                return hits[0]
            if hits:
                listed = ", ".join(f"{node.name} ({node.id})" for node in hits)
                message = tr("{count} nodes are called “{name}”: {listed}. Give the id of the one you mean.")
                raise Ambiguous(message.format(count=len(hits), name=name_or_id, listed=listed))
        names = ", ".join(f"“{node.name}”" for node in nodes[:30]) or tr("none")
        if len(nodes) > 30:
            names = tr("{names} and {count} more").format(names=names, count=len(nodes) - 30)
        kind_name = getattr(kind, "type_name", tr("node"))
        message = tr("There is no {kind} “{name}” in this case. There are: {names}.")
        raise BadInput(message.format(kind=kind_name, name=name_or_id, names=names))

    def is_stale(self, node: Node) -> bool:
        """True if the node was computed from something that has changed, is gone, or has come since."""
        if node.made_from is None:
            return False
        missed = isinstance(node, PlanNode) and (
            self._misses_structures(node, node.made_from) or self._registered_otherwise(node.made_from)
        )
        return missed or self.provenance_is_stale(node.made_from)

    def _misses_structures(self, plan: PlanNode, made_from: Provenance) -> bool:
        """True if a lesion, a vessel or a vessel tree came to the organ's grid after the plan, which counts them."""
        organ = self.get(plan.organ, SegmentNode)
        counted = ("vessel",) if plan.lesions is not None else ("lesion", "vessel")
        if organ is None:
            return False
        beside = {segment.id: segment for segment in self.of_type(SegmentNode) if segment.parent == organ.parent}
        new_structure = any(s.kind in counted and s.id not in made_from.inputs for s in beside.values())
        new_tree = any(
            tree.segment in beside and tree.id not in made_from.inputs for tree in self.of_type(VesselTreeNode)
        )
        return new_structure or new_tree

    def _registered_otherwise(self, made_from: Provenance) -> bool:
        """True if a registration that a plan rests on is not accepted any more, or its landmark error has changed."""
        for node_id, error in made_from.parameters.get("registrations", {}).items():
            node = self.get(node_id, TransformNode)
            if node is None or node.accepted is None or node.mean_error_mm != error:
                return True
        return False

    def provenance_is_stale(self, provenance: Provenance) -> bool:
        return any(
            node_id not in self._nodes or self._nodes[node_id].revision != revision
            for node_id, revision in provenance.inputs.items()
        )

    def segments_of_layer(self, layer_id: NodeId) -> list[SegmentNode]:
        return [node for node in self.of_type(SegmentNode) if node.layer == layer_id]

    def segmentation_of(self, segment: SegmentNode) -> SegmentationNode:
        if segment.parent is None:
            raise BadInput(tr("The segment “{name}” belongs to no segmentation.").format(name=segment.name))
        return self.expect(segment.parent, SegmentationNode)

    def layer_of(self, segment: SegmentNode) -> LabelLayerNode:
        return self.expect(segment.layer, LabelLayerNode)

    def digest(self) -> str:
        """A hash over every field and every byte, for tests and for `verify`; independent of node order."""
        whole = hashlib.sha256()
        for node_id in sorted(self._nodes):
            node = self._nodes[node_id]
            whole.update(json.dumps(node.model_dump(mode="json"), sort_keys=True).encode())
            for name, array in sorted(node.arrays().items()):
                whole.update(name.encode())
                whole.update(array.read().tobytes())
        return whole.hexdigest()

    def load(self, nodes: Iterable[Node]) -> None:
        """Fill an empty scene from a case file; not undoable."""
        self._nodes = {node.id: node for node in nodes}
        self._listed = _Listed(self._nodes)

    def apply(self, edit: Edit) -> None:
        """Carry out one edit; for `editor.Editor` only."""
        match edit:
            case AddNode(node):
                self._nodes[node.id] = node
            case RemoveNode(node):
                del self._nodes[node.id]
            case SetField(node_id, name, _, new):
                self._nodes[node_id] = self._nodes[node_id].model_copy(update={name: new})
            case PatchArray(node_id, name, box, _, new):
                self._nodes[node_id].arrays()[name].write(box, new.array())
                return  # the same nodes as before
        self._listed = _Listed(self._nodes)
