"""Several images at once: register one onto another, measure how well, and accept that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work, at_once
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.registered import (
    registration_hash,
    registration_of,
    registrations_between,
    share_frame,
)
from surgitwin.commands.registering_carry import CarrySegment, carried_over
from surgitwin.core.errors import Ambiguous, BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.ids import NodeId, new_node_id
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Transaction
from surgitwin.scene.nodes import (
    LandmarkPair,
    Node,
    PlanNode,
    Point,
    Provenance,
    SegmentNode,
    SignOff,
    TransformNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.imaging.registration import Registration

__all__ = [
    "AcceptRegistration",
    "CarrySegment",
    "MarkLandmarks",
    "RegisterImages",
    "carried_over",
    "parse_pair",
    "registered",
]


class RegisterImages(Command):
    """Find where the points of one image lie in another."""

    name: ClassVar[str] = "register"
    title: ClassVar[str] = tr("Register images")
    summary: ClassVar[str] = tr("Bring one image onto another: rigid, affine or deformable. A person must accept it.")

    fixed: Annotated[str, Arg(tr("the image that stays"))]
    moving: Annotated[str, Arg(tr("the image that is brought onto it"))]
    kind: Annotated[Literal["rigid", "affine", "deformable"], Arg(tr("what may happen to the moving image"))] = "rigid"
    within: Annotated[str | None, Arg(tr("compare only inside this segment of the fixed image"))] = None
    as_: Annotated[str | None, Arg(tr("name of the registration"), option="name")] = Field(
        default=None, min_length=1, max_length=200
    )

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        fixed, moving = scene.resolve(self.fixed, VolumeNode), scene.resolve(self.moving, VolumeNode)
        if fixed.id == moving.id:
            raise BadInput(tr("“{name}” cannot be registered onto itself; name two images.").format(name=fixed.name))
        old = _replaced(scene, fixed, moving, self.as_)
        region = scene.resolve(self.within, SegmentNode) if self.within is not None else None
        if region is not None and scene.segmentation_of(region).volume != fixed.id:
            message = tr("“{segment}” does not lie on the fixed image “{image}”.")
            raise BadInput(message.format(segment=region.name, image=fixed.name))
        labels = scene.layer_of(region).labels.frozen() if region is not None else None
        images = (fixed.voxels.frozen(), fixed.geometry, moving.voxels.frozen(), moving.geometry)
        together = share_frame(fixed, moving)
        inputs: list[Node] = [fixed, moving, region] if region is not None else [fixed, moving]
        within = region.name if region is not None else None
        made_from = provenance(bench, "register", inputs, automatic=True, kind=self.kind, within=within)

        def compute(ctx: Context) -> Registration:
            mask = np.asarray(labels == region.value) if labels is not None and region is not None else None
            return ctx.apart(registered, *images, self.kind, together, mask)

        def commit(found: Registration) -> Document:
            gone = [image for image in (fixed, moving) if image.id not in scene]
            if gone:
                raise BadInput(tr("The image “{name}” was removed meanwhile.").format(name=gone[0].name))
            name = self.as_ or tr("{moving} on {fixed}").format(moving=moving.name, fixed=fixed.name)
            node = _put(bench, fixed, moving, found, old, name, made_from)
            return {**_document(scene, node), "nodes": [describe(node)]}

        return Work(compute, commit)


def registered(
    fixed: NDArray[Any],
    fixed_geometry: Geometry,
    moving: NDArray[Any],
    moving_geometry: Geometry,
    kind: Literal["rigid", "affine", "deformable"],
    together: bool,
    within: NDArray[np.bool_] | None,
    ctx: Context,
) -> Registration:
    """`imaging.registration.register` in a process of its own; images of one frame of reference start as they lie."""
    from surgitwin.imaging.registration import Registration, register

    start = Registration.identity() if together else None
    return register(fixed, fixed_geometry, moving, moving_geometry, kind, ctx, start=start, within=within)


def _replaced(scene: Scene, fixed: VolumeNode, moving: VolumeNode, name: str | None) -> TransformNode | None:
    """The registration that a new run replaces: the one of this name, or the only one of these images this way."""
    if name is not None:
        named = [node for node in scene.of_type(TransformNode) if name in (node.id, node.name)]
        if len(named) > 1:
            scene.resolve(name, TransformNode)
        if named and (named[0].fixed, named[0].moving) != (fixed.id, moving.id):
            message = tr("“{name}” is a registration of other images. Give the new one another name.")
            raise BadInput(message.format(name=named[0].name))
        return named[0] if named else None
    same = [node for node in registrations_between(scene, fixed, moving) if node.fixed == fixed.id]
    if len(same) > 1:
        listed = ", ".join(f"“{node.name}”" for node in same)
        message = tr("{count} registrations link these images: {listed}. Say with --name which to replace.")
        raise Ambiguous(message.format(count=len(same), listed=listed))
    return same[0] if same else None


def _put(
    bench: Bench,
    fixed: VolumeNode,
    moving: VolumeNode,
    found: Registration,
    old: TransformNode | None,
    name: str,
    made_from: Provenance,
) -> TransformNode:
    scene = bench.scene
    replaces = old is not None and old.id in scene
    matrix = tuple(float(value) for value in np.asarray(found.matrix).reshape(-1))
    field = ArrayData.of(found.displacement_mm) if found.displacement_mm is not None else None
    content: dict[str, Any] = {
        "kind": found.kind,
        "matrix": matrix,
        "displacement": field,
        "grid": found.grid,
        "similarity": found.similarity,
        "provenance": made_from,
    }
    title = scene.node(old.id).name if replaces and old is not None else name
    with bench.transaction(tr("Register: {name}").format(name=title)) as tx:
        if replaces and old is not None:
            # The places that a person marked stay; how far they miss is what the new run makes of them.
            kept = scene.expect(old.id, TransformNode).landmarks
            pairs = _pairs(found, [(pair.fixed_mm, pair.moving_mm) for pair in kept])
            tx.set(old.id, **content, landmarks=pairs, accepted=None)
            node_id = old.id
        else:
            node = TransformNode(
                id=new_node_id(), name=name, parent=scene.case.id, fixed=fixed.id, moving=moving.id, **content
            )
            node_id = tx.add(node).id
        _end_approvals(scene, tx, node_id)
    return scene.expect(node_id, TransformNode)


def _pairs(found: Registration, places: list[tuple[Point, Point]]) -> tuple[LandmarkPair, ...]:
    from surgitwin.imaging.registration import landmark_errors_mm

    if not places:
        return ()
    errors = landmark_errors_mm(found, [fixed for fixed, _ in places], [moving for _, moving in places])
    return tuple(
        LandmarkPair(fixed_mm=fixed, moving_mm=moving, error_mm=float(error))
        for (fixed, moving), error in zip(places, errors, strict=True)
    )


def _end_approvals(scene: Scene, tx: Transaction, registration: NodeId) -> None:
    """Approved plans that rest on a registration are drafts again: what was approved is not what it was."""
    for plan in scene.of_type(PlanNode):
        used = plan.provenance.parameters.get("registrations", {}) if plan.provenance is not None else {}
        if registration in used and plan.status != "draft":
            tx.set(plan.id, status="draft", sign_off=None)


def _document(scene: Scene, node: TransformNode) -> Document:
    errors = [pair.error_mm for pair in node.landmarks]
    turned, moved = _motion(scene, node)
    return {
        "node": describe(node),
        "kind": node.kind,
        "fixed": node.fixed,
        "moving": node.moving,
        "matrix": [list(node.matrix[row : row + 4]) for row in range(0, 16, 4)],
        "rotation_deg": turned,
        "shift_mm": moved,
        "similarity_before": node.similarity[0],
        "similarity_after": node.similarity[1],
        "landmarks": [pair.model_dump(mode="json") for pair in node.landmarks],
        "mean_error_mm": node.mean_error_mm,
        "max_error_mm": max(errors, default=None),
        "accepted": node.accepted.model_dump(mode="json") if node.accepted is not None else None,
        "warnings": [],
    }


def _motion(scene: Scene, node: TransformNode) -> tuple[float | None, float | None]:
    """The angle of the rigid part in degrees (None if affine), and how far the fixed image's middle moves in mm."""
    linear = np.reshape(node.matrix, (4, 4))[:3, :3]
    angle = math.degrees(math.acos(min(max((float(np.trace(linear)) - 1) / 2, -1.0), 1.0)))
    fixed = scene.get(node.fixed, VolumeNode)
    if fixed is None:
        return (None if node.kind == "affine" else angle), None
    centre = fixed.geometry.centre_mm
    shift = float(np.linalg.norm(registration_of(node).to_moving(centre)[0] - centre))
    return (None if node.kind == "affine" else angle), shift


class AcceptRegistration(Command):
    """Say that a registration is good enough to plan with, or take that back."""

    name: ClassVar[str] = "accept"
    title: ClassVar[str] = tr("Accept a registration")
    summary: ClassVar[str] = tr("Say who found a registration good enough to plan with; a new run ends it.")

    registration: Annotated[str, Arg(tr("name or id of the registration"), positional=True)]
    by: Annotated[str | None, Arg(tr("who looked at it"))] = Field(default=None, max_length=200)
    withdraw: Annotated[bool, Arg(tr("take the acceptance back"))] = False

    def start(self, bench: Bench) -> Work[None]:
        scene = bench.scene
        node = scene.resolve(self.registration, TransformNode)
        who = (self.by or "").strip()
        if self.withdraw:
            if who:
                raise BadInput(tr("Taking an acceptance back needs no name; leave --by out."))
            if node.accepted is None:
                raise BadInput(tr("The registration “{name}” is not accepted.").format(name=node.name))
        else:
            if not who:
                raise BadInput(tr("Say who looked at it: --by and a name."))
            _check_acceptable(scene, node)

        def apply() -> Document:
            accepted = None if self.withdraw else SignOff(by=who, content_hash=registration_hash(node))
            title = tr("Not accepted any more: {name}") if self.withdraw else tr("Accept: {name}")
            with bench.transaction(title.format(name=node.name)) as tx:
                tx.set(node.id, accepted=accepted)
                if self.withdraw:
                    _end_approvals(scene, tx, node.id)
            return _document(scene, scene.expect(node.id, TransformNode))

        return at_once(apply)


def _check_acceptable(scene: Scene, node: TransformNode) -> None:
    """Refuse what nobody should accept."""
    if scene.is_stale(node):
        message = tr("The registration “{name}” is stale: what it was computed from has changed. Register again.")
        raise BadInput(message.format(name=node.name))
    for image in _images(scene, node):
        if not image.side_known:
            message = tr(
                "“{name}” cannot be accepted while left and right of “{image}” are unknown. Confirm them first."
            )
            raise BadInput(message.format(name=node.name, image=image.name))


def _images(scene: Scene, node: TransformNode) -> tuple[VolumeNode, VolumeNode]:
    """The fixed and the moving image."""
    fixed, moving = scene.get(node.fixed, VolumeNode), scene.get(node.moving, VolumeNode)
    if fixed is None or moving is None:
        raise BadInput(tr("An image of the registration “{name}” is not in this case any more.").format(name=node.name))
    return fixed, moving


class MarkLandmarks(Command):
    """Measure a registration at places that a person sees in both images."""

    name: ClassVar[str] = "landmarks"
    title: ClassVar[str] = tr("Measure a registration")
    summary: ClassVar[str] = tr("How far a registration misses places seen in both images; replaces earlier ones.")

    registration: Annotated[str, Arg(tr("name or id of the registration"), positional=True)]
    pair: Annotated[
        tuple[str, ...], Arg(tr("x,y,z=x,y,z: one place in the fixed and in the moving image, LPS mm; may repeat"))
    ] = ()
    clear: Annotated[bool, Arg(tr("forget all places"))] = False

    def start(self, bench: Bench) -> Work[None]:
        scene = bench.scene
        node = scene.resolve(self.registration, TransformNode)
        if self.clear == bool(self.pair):
            raise BadInput(tr("Give places with --pair x,y,z=x,y,z, or --clear to forget them."))
        fixed, moving = _images(scene, node)
        places = [parse_pair(text) for text in self.pair]
        for first, second in places:
            for place, image in ((first, fixed), (second, moving)):
                if not image.geometry.contains(place):
                    shown = ",".join(f"{value:g}" for value in place)
                    message = tr("The place {place} lies outside of the image “{image}”.")
                    raise BadInput(message.format(place=shown, image=image.name))

        def apply() -> Document:
            pairs = _pairs(registration_of(node), places)
            with bench.transaction(tr("Landmarks: {name}").format(name=node.name)) as tx:
                tx.set(node.id, landmarks=pairs)
                _end_approvals(scene, tx, node.id)
            return _document(scene, scene.expect(node.id, TransformNode))

        return at_once(apply)


def parse_pair(text: str) -> tuple[Point, Point]:
    """Read ``x,y,z=x,y,z``.

    Raises
    ------
    BadInput
        If it is not twice three numbers.
    """
    try:
        numbers = [[float(part) for part in side.split(",")] for side in text.split("=")]
    except ValueError:
        numbers = []
    if [len(side) for side in numbers] != [3, 3] or not all(math.isfinite(n) for side in numbers for n in side):
        message = tr("A pair is x,y,z=x,y,z: the place in the fixed and in the moving image in LPS mm, not “{text}”.")
        raise BadInput(message.format(text=text))
    (a, b, c), (d, e, f) = numbers
    return (a, b, c), (d, e, f)
