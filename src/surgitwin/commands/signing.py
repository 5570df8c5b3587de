"""Review and approve segments and plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from numpy.typing import NDArray
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Node, PlanNode, ReviewStatus, SegmentNode, SignOff
from surgitwin.scene.scene import Scene
from surgitwin.scene.signing import SIGNED_TYPES, Signed, plan_hash, segment_hash

WORDS: Mapping[ReviewStatus, str] = {
    "draft": tr("Back to draft: {name}"),
    "reviewed": tr("Reviewed: {name}"),
    "approved": tr("Approved: {name}"),
}


@dataclass(frozen=True, eq=False)
class _FrozenSegment:
    segment: SegmentNode
    labels: NDArray[Any]
    geometry: Geometry

    def content_hash(self) -> str:
        return segment_hash(self.segment, self.labels, self.geometry)


@dataclass(frozen=True, eq=False)
class SignedContent:
    """What a signature vouches for, as arrays that no edit changes any more."""

    node: Signed
    segments: tuple[_FrozenSegment, ...]

    @staticmethod
    def of(scene: Scene, node: Signed) -> SignedContent:
        if isinstance(node, SegmentNode):
            wanted: Iterable[SegmentNode] = (node,)
        else:
            inputs = node.provenance.inputs if node.provenance is not None else {}
            wanted = [segment for segment in scene.of_type(SegmentNode) if segment.id in inputs]
        return SignedContent(node, tuple(_frozen(scene, segment) for segment in wanted))

    def content_hash(self, ctx: Context) -> str:
        """The hash of what is there now."""
        hashes: dict[NodeId, str] = {}
        for done, part in enumerate(self.segments):
            ctx.progress(done / len(self.segments), tr("Reading {name}").format(name=part.segment.name))
            hashes[part.segment.id] = part.content_hash()
        return plan_hash(self.node, hashes) if isinstance(self.node, PlanNode) else hashes[self.node.id]


def _frozen(scene: Scene, segment: SegmentNode) -> _FrozenSegment:
    labels = scene.layer_of(segment).labels.frozen()
    return _FrozenSegment(segment, labels, scene.segmentation_of(segment).geometry)


def signed_nodes(scene: Scene) -> list[SignedContent]:
    """Everything that somebody has signed, with what was signed."""
    return [
        SignedContent.of(scene, node) for node in scene if isinstance(node, SIGNED_TYPES) and node.sign_off is not None
    ]


class SignOffNode(Command):
    """Mark a segment or a plan as reviewed or approved, or take that back."""

    name: ClassVar[str] = "sign"
    title: ClassVar[str] = tr("Review or approve")
    summary: ClassVar[str] = tr("Mark a segment or a plan as reviewed or approved, by whom and when; any edit ends it.")

    node: Annotated[str, Arg(tr("name or id of the segment or plan"), positional=True)]
    as_: Annotated[ReviewStatus, Arg(tr("draft, reviewed or approved"), option="as")]
    by: Annotated[str | None, Arg(tr("who looked at it"))] = Field(default=None, max_length=200)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        node = _signable(scene, self.node)
        who = (self.by or "").strip()
        if self.as_ == "draft" and who:
            raise BadInput(tr("A draft has no signature; leave --by out."))
        if self.as_ != "draft":
            if not who:
                raise BadInput(tr("Say who looked at it: --by and a name."))
            _check(scene, node)
        content = SignedContent.of(scene, node)
        as_it_was = node.revision

        def compute(ctx: Context) -> SignOff | None:
            return None if self.as_ == "draft" else SignOff(by=who, content_hash=content.content_hash(ctx))

        def commit(sign_off: SignOff | None) -> Document:
            if node.id not in scene or scene.node(node.id).revision != as_it_was:
                raise BadInput(tr("“{name}” was edited meanwhile. Nothing was signed.").format(name=node.name))
            with bench.transaction(WORDS[self.as_].format(name=node.name)) as tx:
                tx.set(node.id, status=self.as_, sign_off=sign_off)
            signed = None if sign_off is None else sign_off.model_dump(mode="json")
            return {"node": describe(scene.node(node.id)), "status": self.as_, "sign_off": signed}

        return Work(compute, commit)


def _signable(scene: Scene, name: str) -> Signed:
    """The segment or plan of this name."""
    signable = [node for node in scene if isinstance(node, SIGNED_TYPES)]
    for hits in (
        [node for node in signable if node.id == name],
        [node for node in signable if node.name.casefold() == name.casefold()],
    ):
        if len(hits) == 1:
            return hits[0]
        if hits:
            listed = ", ".join(f"{node.name} ({node.id})" for node in hits)
            message = tr("{count} nodes are called “{name}”: {listed}. Give the id of the one you mean.")
            raise BadInput(message.format(count=len(hits), name=name, listed=listed))
    found = scene.resolve(name, Node)
    raise BadInput(tr("“{name}” is neither a segment nor a plan, so it cannot be signed.").format(name=found.name))


def _check(scene: Scene, node: Signed) -> None:
    """Refuse what nobody should sign."""
    if isinstance(node, SegmentNode):
        if not scene.segmentation_of(node).side_known:
            message = tr("“{name}” cannot be signed while its side is unknown. Confirm left and right first.")
            raise BadInput(message.format(name=node.name))
        return
    if node.numbers is None:
        raise BadInput(tr("The plan “{name}” has no numbers yet; compute them first.").format(name=node.name))
    if scene.is_stale(node):
        message = tr("The plan “{name}” is stale: its structures changed since. Compute it again before it is signed.")
        raise BadInput(message.format(name=node.name))
