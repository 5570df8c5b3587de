"""Sign-off: which edits end an approval, and the hash of what was approved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.scene.edits import Edit, RemoveNode, SetField
from surgitwin.scene.nodes import Node, PlanNode, SegmentNode

Signed = SegmentNode | PlanNode
SIGNED_TYPES = (SegmentNode, PlanNode)
_SIGNING = frozenset({"status", "sign_off"})


def approvals_to_end(nodes: Iterable[Node], edits: Collection[Edit], changed: Collection[NodeId]) -> list[Signed]:
    """The reviewed or approved nodes that a change turns into drafts again.

    Parameters
    ----------
    edits
        The edits of one step.
    changed
        Nodes whose content they change. A plan is also a draft again when what it was computed from has changed.
    """
    signing = {edit.node_id for edit in edits if isinstance(edit, SetField) and edit.field in _SIGNING}
    renamed = {(edit.node_id, edit.field) for edit in edits if isinstance(edit, SetField)}
    gone = {edit.node_id for edit in edits if isinstance(edit, RemoveNode)}
    moved = {*changed, *gone}
    return [
        node
        for node in nodes
        if isinstance(node, SIGNED_TYPES)
        and node.status != "draft"
        and node.id not in signing
        and (
            node.id in moved
            or any((node.id, field) in renamed for field in node.signed_quiet_fields)
            or (
                isinstance(node, PlanNode)
                and node.provenance is not None
                and not moved.isdisjoint(node.provenance.inputs)
            )
        )
    ]


def segment_hash(segment: SegmentNode, labels: NDArray[Any], geometry: Geometry) -> str:
    """SHA-256 over what a signature vouches for: name, kind, grid, and every voxel of the segment.

    Parameters
    ----------
    labels
        The segment's label layer, [k, j, i].
    """
    mask = labels == segment.value
    box = Box.of_mask(mask)
    about = {
        "name": segment.name,
        "kind": segment.kind,
        "term": segment.term,
        "size_ijk": geometry.size_ijk,
        "affine_lps": [[float(value) for value in row] for row in geometry.affine_lps],
        "box": [box.start, box.stop],
    }
    return _digest(about, np.packbits(mask[box.slices]).tobytes())


def plan_hash(plan: PlanNode, structures: Mapping[NodeId, str]) -> str:
    """SHA-256 over a plan's cuts, numbers and notes, and over the structures that it was computed from.

    Parameters
    ----------
    structures
        `segment_hash` of each segment among the plan's inputs.
    """
    about = plan.model_dump(mode="json", include={"name", "organ", "cuts", "lesions", "operation", "notes", "numbers"})
    return _digest({**about, "structures": dict(structures)}, b"")


def _digest(about: Mapping[str, Any], content: bytes) -> str:
    whole = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    whole.update(content)
    return whole.hexdigest()


def _computed_from(node: Signed, moved: Collection[NodeId]) -> bool:
    inputs = node.provenance.inputs if isinstance(node, PlanNode) and node.provenance is not None else {}
    return any(node_id in moved for node_id in inputs)
