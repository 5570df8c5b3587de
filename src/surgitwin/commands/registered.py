"""What registrations mean for everything else: which one links two images, and what plans may use of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from surgitwin.core.errors import Ambiguous, BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.scene.nodes import CarriedBy, SegmentNode, TransformNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from surgitwin.core.progress import Context
    from surgitwin.imaging.registration import Registration

Document = dict[str, Any]


def registration_of(node: TransformNode) -> Registration:
    """The node's content as the imaging functions take it; its arrays are constant, so this costs no copy."""
    import numpy as np

    from surgitwin.imaging.registration import Registration

    field = node.displacement.frozen() if node.displacement is not None else None
    return Registration(node.kind, np.reshape(node.matrix, (4, 4)), field, node.grid, node.similarity)


def registration_hash(node: TransformNode) -> str:
    """SHA-256 over what an acceptance vouches for: the two images and where one lies in the other."""
    about = node.model_dump(mode="json", include={"fixed", "moving", "kind", "matrix"})
    about["grid"] = None if node.grid is None else [node.grid.size_ijk, node.grid.rows]
    whole = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    if node.displacement is not None:
        whole.update(node.displacement.read().tobytes())
    return whole.hexdigest()


def registrations_between(scene: Scene, one: VolumeNode, other: VolumeNode) -> list[TransformNode]:
    """The registrations that link two images, whichever of them is the fixed one."""
    return [node for node in scene.of_type(TransformNode) if {node.fixed, node.moving} == {one.id, other.id}]


def link_between(scene: Scene, source: VolumeNode, target: VolumeNode, through: str | None) -> TransformNode | None:
    """The registration to bring something from one image to the other; None if both share a frame of reference.

    Raises
    ------
    BadInput
        If there is none, several, or the one there is was computed from images that changed since.
    """
    found = registrations_between(scene, source, target)
    if through is not None:
        chosen = scene.resolve(through, TransformNode)
        if chosen not in found:
            message = tr("The registration “{name}” does not link “{source}” and “{target}”.")
            raise BadInput(message.format(name=chosen.name, source=source.name, target=target.name))
        found = [chosen]
    if len(found) > 1:
        listed = ", ".join(f"“{node.name}”" for node in found)
        message = tr("{count} registrations link “{source}” and “{target}”: {listed}. Name one with --through.")
        raise Ambiguous(message.format(count=len(found), source=source.name, target=target.name, listed=listed))
    if found:
        if scene.is_stale(found[0]):
            message = tr("The registration “{name}” is stale: an image of it has changed. Register them again.")
            raise BadInput(message.format(name=found[0].name))
        return found[0]
    if share_frame(source, target):
        return None
    message = tr("No registration links “{source}” and “{target}”. Register them first: register --fixed --moving.")
    raise BadInput(message.format(source=source.name, target=target.name))


def share_frame(one: VolumeNode, other: VolumeNode) -> bool:
    """True if both images say that their positions can be compared."""
    uid = one.identity.frame_of_reference_uid
    return bool(uid) and uid == other.identity.frame_of_reference_uid


@dataclass(frozen=True)
class PlanRegistration:
    """What a plan rests on besides its own image.

    Attributes
    ----------
    names
        Of the registrations that brought its structures over.
    error_mm
        Their mean landmark errors, added in quadrature: each is an independent source of error. None if one of them
        has no landmarks, so that nobody knows.
    refusal
        Why such a plan cannot be made; empty if it can.
    errors
        Each registration's mean landmark error by id, as it is now; kept with the plan, which is stale when it changes.
    """

    names: tuple[str, ...] = ()
    error_mm: float | None = None
    refusal: str = ""
    errors: tuple[tuple[NodeId, float | None], ...] = ()

    @property
    def used(self) -> bool:
        return bool(self.names)

    def check(self) -> None:
        """Raise `BadInput` if nobody should plan with this."""
        if self.refusal:
            raise BadInput(self.refusal)


def carried_by(scene: Scene, segment: SegmentNode) -> tuple[CarriedBy, ...]:
    """Every registration that a segment came by, also through segments that it was made from."""
    found: dict[CarriedBy, None] = {}
    seen: set[NodeId] = set()
    waiting = [segment]
    while waiting:
        one = waiting.pop()
        if one.id in seen:
            continue
        seen.add(one.id)
        found.update(dict.fromkeys(one.carried))
        inputs = one.provenance.inputs if one.provenance is not None else {}
        sources = (scene.get(node_id, SegmentNode) for node_id in inputs)
        waiting.extend(source for source in sources if source is not None)
    return tuple(found)


def plan_registration(scene: Scene, organ: SegmentNode, others: Iterable[SegmentNode]) -> PlanRegistration:
    """Which registrations a plan of these structures rests on, and whether it may."""
    used: dict[NodeId, TransformNode] = {}
    for segment in (organ, *others):
        for link in carried_by(scene, segment):
            node = scene.get(link.registration, TransformNode)
            refusal = _refusal(scene, segment, link, node, is_organ=segment.id == organ.id)
            if refusal or node is None:
                return PlanRegistration((node.name if node is not None else "",), refusal=refusal)
            used[node.id] = node
    errors = tuple((node.id, node.mean_error_mm) for node in used.values())
    known = [error for _, error in errors if error is not None]
    total = math.hypot(*known) if known and len(known) == len(errors) else None
    return PlanRegistration(tuple(node.name for node in used.values()), total, "", errors)


def _refusal(scene: Scene, segment: SegmentNode, link: CarriedBy, node: TransformNode | None, *, is_organ: bool) -> str:
    about = {"segment": segment.name, "name": node.name if node is not None else ""}
    if node is None:
        message = tr("“{segment}” was carried over by a registration that is gone. Register and carry it again.")
    elif node.revision != link.revision:
        message = tr("“{segment}” was carried over by an earlier run of “{name}”. Carry it again.")
    elif scene.is_stale(node):
        message = tr("“{segment}” was carried over by “{name}”, whose images have changed. Register them again.")
    elif node.accepted is None:
        message = tr("“{segment}” was carried over by “{name}”, which nobody accepted. Look at it and accept it first.")
    elif is_organ and link.source_cut_off:
        message = tr("“{segment}” is cut off in the image that it was carried over from, so it cannot be planned on.")
    else:
        return ""
    return message.format(**about)


def with_margin_bands(document: Document, registration: PlanRegistration, geometry: Geometry) -> Document:
    """A plan's document with the band of each margin, where a registration makes one.

    Each lesion gets ``margin_low_mm`` and ``margin_high_mm``: margin -+ sqrt(h^2 + e^2), not below 0, with h half the
    largest voxel spacing and e the mean target registration error at the landmarks (Fitzpatrick, West, Maurer, IEEE
    Trans Med Imaging 1998;17:694-702). Both are None where there is no margin, where the cut goes through the lesion,
    or where the error was not assessed; the document then warns of it. A plan on its own image is returned as it is.
    """
    if not registration.used:
        return document
    error = registration.error_mm
    half = None if error is None else math.hypot(max(geometry.spacing_mm) / 2, error)
    lesions = []
    for lesion in document["lesions"]:
        margin = lesion["margin_mm"]
        low, high = None, None
        if half is not None and margin is not None and not lesion["left_behind"]:
            low, high = max(margin - half, 0.0), margin + half
        lesions.append({**lesion, "margin_low_mm": low, "margin_high_mm": high})
    names = ", ".join(f"“{name}”" for name in registration.names)
    warnings = list(document["warnings"])
    if error is None:
        message = tr("Registration error not assessed: {names} has no landmarks, so no margin's uncertainty is known.")
        warnings.append({"code": "registration-not-assessed", "message": message.format(names=names), "details": {}})
    used = {"names": list(registration.names), "error_mm": error}
    return {**document, "lesions": lesions, "warnings": warnings, "registration": used}


def link_meant(scene: Scene, one: VolumeNode, other: VolumeNode) -> TransformNode | None:
    """The registration that is meant where nobody names one: the latest that a person accepted, else the latest; one
    that is stale only if there is no other.
    """
    links = registrations_between(scene, one, other)
    links = [node for node in links if not scene.is_stale(node)] or links
    links = [node for node in links if node.accepted is not None] or links
    return links[-1] if links else None


def seen_from(scene: Scene, shown: VolumeNode, other: VolumeNode) -> tuple[TransformNode | None, Registration]:
    """How to show another image on the grid of the one that is looked at: the link, and where its points lie there.

    Returns
    -------
    The registration (None for images of one frame of reference), and the same with ``shown`` as its fixed image.

    Raises
    ------
    BadInput
        If nothing links the images, or only a deformation of which ``shown`` is the moving image.
    """
    import numpy as np

    from surgitwin.imaging.registration import Registration

    meant = link_meant(scene, shown, other)
    link = link_between(scene, other, shown, meant.id if meant is not None else None)
    if link is None:
        return None, Registration.identity()
    found = registration_of(link)
    if link.fixed == shown.id:
        return link, found
    if link.kind == "deformable":
        fixed = scene.expect(link.fixed, VolumeNode)
        message = tr("“{name}” deforms “{moving}” onto “{fixed}”: look at “{fixed}” to see both.")
        raise BadInput(message.format(name=link.name, moving=shown.name, fixed=fixed.name))
    return link, Registration(link.kind, np.asarray(np.linalg.inv(found.matrix), dtype=np.float64))


def on_grid_of(
    voxels: NDArray[Any], geometry: Geometry, registration: Registration, target: Geometry, ctx: Context
) -> tuple[NDArray[Any], float | None]:
    """An image on another grid, and the value that stands for “it does not reach here”.

    Parameters
    ----------
    registration
        Its fixed image is the one of the grid ``target``.

    Returns
    -------
    [k, j, i] of ``target``; the value is None if the type has none to spare.
    """
    from surgitwin.imaging.registration import resampled

    outside = spare_value(voxels)
    return resampled(voxels, geometry, registration, target, ctx, outside=outside), outside


def spare_value(voxels: NDArray[Any]) -> float | None:
    """A value that no voxel has and interpolation between voxels cannot give: the one below them, else above."""
    import numpy as np

    low, high = voxels.min(), voxels.max()
    if np.issubdtype(voxels.dtype, np.floating):
        return float(np.nextafter(low, voxels.dtype.type(-np.inf)))
    info = np.iinfo(voxels.dtype)
    if low > info.min:
        return float(low) - 1
    return float(high) + 1 if high < info.max else None
