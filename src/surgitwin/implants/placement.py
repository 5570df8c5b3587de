"""Where an implant is put: by a point and a direction, slid, turned, laid on a surface, or carried to the other side.

Poses are 4x4: LPS mm = pose @ implant mm; a rotation and a translation. The *anchor* of an implant is the place it is
held by: the entry of a screw, the centre of a cup, sphere or stem's head, else the origin of its frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.implants.poses import moved, placed, rigid, turn
from surgitwin.scene.nodes import ImplantModel, ImplantNode, Point

FloatArray = NDArray[np.float64]
FLIP = np.diag([-1.0, 1.0, 1.0, 1.0])


def pose_of(node: ImplantNode) -> FloatArray:
    """The node's pose, (4, 4)."""
    return np.array(node.matrix, dtype=np.float64).reshape(4, 4)


def as_matrix(pose: FloatArray) -> tuple[float, ...]:
    """A pose as a node keeps it: 16 numbers, row by row."""
    return tuple(float(value) for value in pose.reshape(-1))


def own_mesh(node: ImplantNode) -> Mesh:
    """The node's mesh in its own frame; its arrays are constant, so this costs no copy."""
    return Mesh(node.points.frozen(), node.triangles.frozen())


def placed_mesh(node: ImplantNode) -> Mesh:
    """The node's mesh where it was put, LPS mm."""
    return placed(own_mesh(node), pose_of(node))


def anchor(item: ImplantModel) -> FloatArray:
    """The place an implant is held by, in its own frame, mm."""
    points = item.reference_points_mm
    return np.asarray(points.get("entry", points.get("centre", (0.0, 0.0, 0.0))), dtype=np.float64)


def axis_of(item: ImplantModel, name: str = "main") -> FloatArray:
    """A named axis, a unit vector in the implant's own frame.

    Raises
    ------
    BadInput
        If it has none of this name; the sentence lists those that there are.
    """
    if name not in item.axes:
        known = ", ".join(item.axes) or tr("none")
        message = tr("“{item}” has no axis “{name}”; it has: {known}.")
        raise BadInput(message.format(item=item.name, name=name, known=known))
    axis = np.asarray(item.axes[name], dtype=np.float64)
    return np.asarray(axis / np.linalg.norm(axis))


def seat(item: ImplantModel) -> FloatArray:
    """The direction, in the implant's frame, that points away from the bone it is laid on."""
    if "out" in item.axes:
        return axis_of(item, "out")
    main = axis_of(item) if "main" in item.axes else np.array([0.0, 0.0, 1.0])
    return -main if item.kind in ("screw", "stem", "cylinder") else main


def shortest(start: ArrayLike, end: ArrayLike) -> FloatArray:
    """The 3x3 rotation by the least angle that brings one direction to another."""
    one, two = (np.asarray(v, dtype=np.float64) / np.linalg.norm(v) for v in (start, end))
    across, cosine = np.cross(one, two), float(one @ two)
    sine = float(np.linalg.norm(across))
    if sine < 1e-12:
        if cosine > 0:
            return np.eye(3)
        across = np.cross(one, np.eye(3)[int(np.argmin(np.abs(one)))])
        return turn(across, np.pi)
    return turn(across, float(np.arctan2(sine, cosine)))


def aimed(item: ImplantModel, at_mm: ArrayLike, along: ArrayLike | None = None) -> FloatArray:
    """The pose with the anchor at a place and ``main`` along a direction, turned from the LPS frame by the least angle.

    Raises
    ------
    BadInput
        If the direction is zero.
    """
    pose = np.eye(4)
    if along is not None:
        way = np.asarray(along, dtype=np.float64)
        if not np.isfinite(way).all() or np.linalg.norm(way) < 1e-9:
            raise BadInput(tr("The direction of an implant must not be 0,0,0."))
        pose[:3, :3] = shortest(axis_of(item), way)
    return held_at(item, pose, at_mm)


def held_at(item: ImplantModel, pose: FloatArray, at_mm: ArrayLike) -> FloatArray:
    """The pose moved so that the anchor comes to a place; its direction stays."""
    result = pose.copy()
    result[:3, 3] = np.asarray(at_mm, dtype=np.float64) - pose[:3, :3] @ anchor(item)
    return result


def shifted(pose: FloatArray, by_mm: ArrayLike) -> FloatArray:
    """The pose moved by a vector, LPS mm."""
    result = pose.copy()
    result[:3, 3] += np.asarray(by_mm, dtype=np.float64)
    return result


def slid(item: ImplantModel, pose: FloatArray, by_mm: float, axis: str = "main") -> FloatArray:
    """The pose moved along one of the implant's own axes."""
    return shifted(pose, by_mm * (pose[:3, :3] @ axis_of(item, axis)))


def turned(item: ImplantModel, pose: FloatArray, by_deg: float, axis: str | ArrayLike = "main") -> FloatArray:
    """The pose turned about an axis through the anchor, right-handed.

    Parameters
    ----------
    axis
        The name of one of the implant's axes, or a direction in LPS.
    """
    way = pose[:3, :3] @ axis_of(item, axis) if isinstance(axis, str) else np.asarray(axis, dtype=np.float64)
    result = pose.copy()
    result[:3, :3] = turn(way, np.radians(by_deg)) @ pose[:3, :3]
    return held_at(item, result, moved(anchor(item), pose))


def laid_on(item: ImplantModel, pose: FloatArray, place_mm: ArrayLike, normal: ArrayLike) -> FloatArray:
    """The pose on a surface: the anchor at the place, what points away from bone along the outward normal.

    It is turned by the least angle, so that the turn about the normal stays the hand's.
    """
    result = pose.copy()
    result[:3, :3] = shortest(pose[:3, :3] @ seat(item), normal) @ pose[:3, :3]
    return held_at(item, result, place_mm)


def snapped(item: ImplantModel, pose: FloatArray, onto: Mesh) -> FloatArray:
    """The pose laid on the place of a surface that is nearest to the anchor.

    Parameters
    ----------
    onto
        LPS mm, its normals outwards.
    """
    from surgitwin.implants.distance import DistanceTo

    found = DistanceTo(onto, closed=False).of(moved(anchor(item), pose)[None])
    return laid_on(item, pose, found.nearest_mm[0], found.normal[0])


def mirrored_model(item: ImplantModel) -> ImplantModel:
    """The item whose mesh is mirrored, x to -x in its own frame: its axes and places go along."""

    def flip(points: Mapping[str, Point]) -> dict[str, Point]:
        return {name: (-x, y, z) for name, (x, y, z) in points.items()}

    changes: dict[str, Any] = {"axes": flip(item.axes), "reference_points_mm": flip(item.reference_points_mm)}
    return item.model_copy(update=changes)


def mirrored_mesh(mesh: Mesh) -> Mesh:
    """The mirror image, x to -x, its normals still outwards."""
    points = mesh.points * np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    return Mesh(points, np.ascontiguousarray(mesh.triangles[:, ::-1]))


def on_other_side(pose: FloatArray, point_mm: ArrayLike, normal: ArrayLike) -> FloatArray:
    """The pose, for the mirrored mesh, that is the mirror image of a pose across a plane.

    A point p of the mesh lies at pose @ p, its image at S @ pose @ p = (S @ pose @ F) @ (F @ p), where S mirrors across
    the plane and F the implant's own x; S @ pose @ F is a rotation and a translation.
    """
    n = np.asarray(normal, dtype=np.float64)
    n = n / np.linalg.norm(n)
    mirror = np.eye(4)
    mirror[:3, :3] -= 2.0 * np.outer(n, n)
    mirror[:3, 3] = 2.0 * float(np.asarray(point_mm, dtype=np.float64) @ n) * n
    return rigid(mirror @ pose @ FLIP)


def plane_through(points_mm: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """A place and the unit normal of the plane that fits at least three points best.

    Raises
    ------
    BadInput
        If there are too few points, or they lie on a line.
    """
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if len(points) < 3:
        raise BadInput(tr("A plane to mirror across needs at least three landmarks."))
    centre = points.mean(axis=0)
    _, spread, ways = np.linalg.svd(points - centre)
    if spread[1] < 1e-3 * max(float(spread[0]), 1e-9):
        raise BadInput(tr("The landmarks of the plane to mirror across lie on one line."))
    return centre, np.asarray(ways[2])
