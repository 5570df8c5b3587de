"""The neck of a sac: where its voxels touch those of the parent vessel, and the plane through that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.simulators.aneurysm.plane import NeckPlane

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST_FACES = 6
# Our own limits: a flat neck on voxels lies within some 0.3 voxel of its plane, and a saddle on a vessel lies deeper.
UNEVEN_VOXELS = 0.6
UNEVEN_SHARE = 0.1
DISAGREEING_DEGREES = 15.0


@dataclass(frozen=True, eq=False)
class Neck:
    """The interface of a sac and its parent vessel.

    Attributes
    ----------
    plane
        Least-squares plane through the interface, its normal into the sac; its point is the interface's centroid,
        seen along the normal.
    rms_mm, deepest_mm
        Root mean square and largest distance of the interface from the plane; voxels alone make some 0.3 voxel.
    projected_mm2
        Area of the interface seen along its mean direction (the length of its summed area vectors).
    step_mm
        One voxel along the normal.
    faces_mm
        (n, 3): centres of the voxel faces between sac and parent.
    dome_mm
        (3,): the sac's voxel farthest from the plane on its side.
    """

    plane: NeckPlane
    rms_mm: float
    deepest_mm: float
    projected_mm2: float
    step_mm: float
    faces_mm: FloatArray
    dome_mm: FloatArray
    notices: tuple[Notice, ...] = ()


def find_neck(
    sac: Mask, parent: Mask, geometry: Geometry, box: Box | None = None, names: tuple[str, str] = ("", "")
) -> Neck:
    """The neck plane of a sac, found from the voxel faces between it and its parent vessel.

    Parameters
    ----------
    sac, parent
        [k, j, i] of ``box``; where they overlap the voxel counts as sac.
    geometry
        Of the whole image; any spacing, oblique and flipped axes too.
    box
        Where the masks lie in the image; None if they are as large as it.
    names
        Of sac and parent, for messages.

    Raises
    ------
    BadInput
        If one is empty, the two do not touch, or touch in too few places for a plane.
    """
    sac_name, parent_name = names[0] or tr("sac"), names[1] or tr("parent vessel")
    for mask, name in ((sac, sac_name), (parent, parent_name)):
        if not mask.any():
            raise BadInput(tr("The segment “{name}” is empty: it has no voxels to measure.").format(name=name))
    local, sac, parent = _near_sac(sac, parent, geometry, box)
    centres, vectors, owners = _faces(sac, parent & ~sac, local)
    if not len(centres):
        message = tr(
            "“{sac}” does not touch “{parent}”: no voxel of one lies beside a voxel of the other. Paint the neck until"
            " they touch, or name the vessel that the sac arises from."
        )
        raise BadInput(message.format(sac=sac_name, parent=parent_name))
    main, notices = _main_contact(sac, owners, vectors, parent_name)
    centres, vectors = centres[main], vectors[main]
    if len(centres) < LEAST_FACES:
        message = tr(
            "“{sac}” and “{parent}” touch in {count} voxel faces only; a neck plane needs at least {least}. Check the"
            " two segments at the neck."
        )
        raise BadInput(message.format(sac=sac_name, parent=parent_name, count=len(centres), least=LEAST_FACES))
    plane, leaning = _fitted(centres, vectors)
    height = plane.heights(centres)
    step = 1.0 / float(np.linalg.norm(local.inverse[:3, :3] @ np.array(plane.normal)))
    voxels = local.to_lps(np.argwhere(sac)[:, ::-1])
    neck = Neck(
        plane,
        float(np.sqrt(np.mean(height**2))),
        float(np.abs(height).max()),
        float(np.linalg.norm(vectors.sum(axis=0))),
        step,
        centres,
        voxels[int(np.argmax(plane.heights(voxels)))],
    )
    return Neck(**{**vars(neck), "notices": (*notices, *_shape_notices(neck, leaning))})


def _near_sac(sac: Mask, parent: Mask, geometry: Geometry, box: Box | None) -> tuple[Geometry, Mask, Mask]:
    """The masks around the sac, with one voxel of surroundings, and the grid of that part."""
    place = geometry if box is None else geometry.cropped(box)
    if sac.shape != place.shape_kji or parent.shape != place.shape_kji:
        raise BadInput(tr("Sac and parent vessel must lie on one grid, that of their image."))
    part = Box.of_mask(sac).grown(1, place.size_ijk)
    return place.cropped(part), sac[part.slices].astype(np.bool_), parent[part.slices].astype(np.bool_)


def _faces(sac: Mask, parent: Mask, geometry: Geometry) -> tuple[FloatArray, FloatArray, IntArray]:
    """Faces between sac and parent: centres in LPS mm, area vectors into the sac in mm2, and the sac's voxel (k, j, i).

    The area vector of a face across index axis a is |det A| A^-T e_a, whatever the handedness of the affine A.
    """
    normals = geometry.voxel_volume_mm3 * geometry.inverse[:3, :3]  # row a: the area vector towards rising index a
    centres, vectors, owners = [], [], []
    for axis in range(3):  # of the array; index axis 2 - axis
        near, far = (tuple(cut if a == axis else slice(None) for a in range(3)) for cut in (slice(-1), slice(1, None)))
        step = np.eye(3, dtype=np.int64)[axis]
        for sign, pair in ((1.0, parent[near] & sac[far]), (-1.0, sac[near] & parent[far])):
            lower = np.argwhere(pair)
            centres.append((lower + 0.5 * step)[:, ::-1])
            vectors.append(np.tile(sign * normals[2 - axis], (len(lower), 1)))
            owners.append(lower + step if sign > 0 else lower)
    return geometry.to_lps(np.concatenate(centres)), np.concatenate(vectors), np.concatenate(owners)


def _main_contact(sac: Mask, owners: IntArray, vectors: FloatArray, parent_name: str) -> tuple[Mask, list[Notice]]:
    """Which faces belong to the largest place of contact, and a notice if there are others."""
    from scipy.ndimage import label

    rim = np.zeros(sac.shape, np.bool_)
    rim[tuple(owners.T)] = True
    groups, count = label(rim, np.ones((3, 3, 3)))
    group = groups[tuple(owners.T)]
    areas = np.bincount(group, np.linalg.norm(vectors, axis=1))
    main = group == int(np.argmax(areas))
    if count == 1:
        return main, []
    message = tr(
        "The sac touches “{parent}” in {count} separate places; the neck is taken from the largest. Elsewhere it may be"
        " a vessel that only lies against it."
    )
    others = {"places": int(count), "other_area_mm2": float(areas.sum() - areas.max())}
    return main, [Notice("several-contacts", message.format(parent=parent_name, count=count), others)]


def _fitted(centres: FloatArray, vectors: FloatArray) -> tuple[NeckPlane, float]:
    """The plane, and by how many degrees it leans against the mean direction of the faces.

    Heights along the mean direction (the sum of the area vectors, which the rim alone determines) are fitted, each face
    by what it covers across it: else the sides of voxel steps would count double. Distances at right angles to the
    plane, as in a principal component analysis, would lay it along the slope of a deep saddle, as at a bifurcation.
    """
    mean = vectors.sum(axis=0)
    if np.linalg.norm(mean) < 1e-6 * np.linalg.norm(vectors, axis=1).sum():
        raise BadInput(tr("The parent vessel surrounds the sac on all sides, so there is no neck. Check the segments."))
    first = NeckPlane.of(centres.mean(axis=0), mean)
    weights = np.abs(vectors @ np.array(first.normal))
    point = np.average(centres, axis=0, weights=weights)
    across, height = (centres - point) @ first.axes.T, (centres - point) @ np.array(first.normal)
    scale = np.sqrt(weights)
    slope = np.linalg.lstsq(across * scale[:, None], height * scale)[0]
    plane = NeckPlane.of(point, np.array(first.normal) - slope @ first.axes)
    return plane, math.degrees(math.atan(float(np.linalg.norm(slope))))


def _shape_notices(neck: Neck, leaning: float) -> list[Notice]:
    found: list[Notice] = []
    diameter = 2.0 * math.sqrt(neck.projected_mm2 / math.pi)
    if neck.rms_mm > UNEVEN_VOXELS * neck.step_mm and neck.rms_mm > UNEVEN_SHARE * diameter:
        message = tr(
            "The neck is not flat: sac and vessel meet {rms:.2f} mm (rms) and up to {deepest:.2f} mm off the plane, at"
            " a neck of about {diameter:.1f} mm. Look at the plane and adjust it."
        )
        text = message.format(rms=neck.rms_mm, deepest=neck.deepest_mm, diameter=diameter)
        found.append(Notice("neck-not-flat", text, {"rms_mm": neck.rms_mm, "deepest_mm": neck.deepest_mm}))
    if leaning > DISAGREEING_DEGREES:
        message = tr(
            "The neck plane leans {degrees:.0f}° against the mean direction in which sac and vessel meet. Look at it"
            " and adjust it."
        )
        found.append(Notice("neck-leans", message.format(degrees=leaning), {"lean_degrees": leaning}))
    return found
