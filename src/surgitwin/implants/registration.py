"""Where an implant belongs: by landmarks, or by its surface on another (point-to-plane ICP), with what is left over.

A small RMS does not say that the pose is right: two balls, two rods or two flat sides slide on each other without
changing it. So each result names the motions that the surfaces do not hold, and its error at landmarks not used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.implants.distance import DistanceTo
from surgitwin.implants.poses import moved, nearest_rotation, rigid, turn
from surgitwin.implants.shape import Shape

FloatArray = NDArray[np.float64]
Match = Literal["facing", "same"]

HELD = 1e-3
"""A motion whose eigenvalue is below this share of the largest is not held by the surfaces (after Gelfand 2003)."""
_MOST_STEPS = 200
_MOST_POINTS = 8000
_SETTLED_MM = 1e-3
_FEWEST = 30
_LONGEST_TURN = 0.3
_ALIKE = 0.8  # cosine of two surfaces' directions: the sharp rim of a socket is no partner for a ball above it


class NotConverged(BadInput):
    """A registration that came to no rest has no numbers."""


@dataclass(frozen=True)
class Loose:
    """A motion that the surfaces do not hold.

    Attributes
    ----------
    kind
        ``slide`` along the direction, or ``turn`` about it.
    direction
        Unit vector, LPS.
    """

    kind: Literal["slide", "turn"]
    direction: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Registration:
    """A pose and what is left between the two.

    Attributes
    ----------
    matrix
        4x4, LPS mm = matrix @ implant mm.
    rms_mm, p95_mm, max_mm
        Of the landmarks' distances, or of the distances to the surface of all the points that were paired in the end.
    paired_percent
        Share of the points that found a partner; None for landmarks.
    tre_mm
        Mean distance at landmarks that were not used; None if there are none.
    tre_from
        Where it comes from: ``unused``, or ``leave-one-out`` (each landmark left out in turn).
    loose
        Motions that nothing holds: they are left as they were at the start.
    """

    matrix: FloatArray
    method: Literal["landmarks", "icp"]
    rms_mm: float
    p95_mm: float
    max_mm: float
    paired_percent: float | None = None
    tre_mm: float | None = None
    tre_max_mm: float | None = None
    tre_from: Literal["unused", "leave-one-out"] | None = None
    steps: int = 0
    loose: tuple[Loose, ...] = ()

    def notices(self) -> tuple[Notice, ...]:
        if not self.loose:
            return ()
        words = {"slide": tr("sliding along"), "turn": tr("turning about")}
        named = [f"{words[one.kind]} ({', '.join(f'{v:.2f}' for v in one.direction)})" for one in self.loose]
        message = tr("The surfaces do not hold {motions}: the RMS says nothing of it, so check the pose at landmarks.")
        return (Notice("registration-loose", message.format(motions="; ".join(named)), {"motions": len(named)}),)


def by_landmarks(moving_mm: ArrayLike, fixed_mm: ArrayLike, weights: ArrayLike | None = None) -> Registration:
    """The rigid motion with the least (weighted) squared distances between landmarks (Kabsch 1976).

    Parameters
    ----------
    moving_mm, fixed_mm
        (n, 3): the implant's points in its own frame, and where they belong in LPS.
    weights
        (n,), above 0; equal if None.

    Raises
    ------
    BadInput
        With fewer than three landmarks, or if they lie on a line: the turn about it would be a guess.
    """
    moving, fixed = np.asarray(moving_mm, np.float64), np.asarray(fixed_mm, np.float64)
    if moving.ndim != 2 or moving.shape != fixed.shape or moving.shape[1] != 3:
        raise BadInput(tr("Each landmark of the implant needs one place on the patient."))
    if not (np.isfinite(moving).all() and np.isfinite(fixed).all()):
        raise BadInput(tr("A landmark is not a place: one of its coordinates is no number."))
    count = len(moving)
    if count < 3:
        raise BadInput(tr("{n} landmarks are too few: three or more are needed.").format(n=count))
    share = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if share.shape != (count,) or not np.isfinite(share).all() or share.min() <= 0:
        raise BadInput(tr("Each landmark needs a weight above 0."))
    matrix = _kabsch(moving, fixed, share)
    away = np.linalg.norm(moved(moving, matrix) - fixed, axis=1)
    out = _left_out(moving, fixed, share)
    return Registration(
        matrix=matrix,
        method="landmarks",
        rms_mm=float(np.sqrt(np.average(away**2, weights=share))),
        p95_mm=float(np.percentile(away, 95)),
        max_mm=float(away.max()),
        tre_mm=float(out.mean()) if out is not None else None,
        tre_max_mm=float(out.max()) if out is not None else None,
        tre_from="leave-one-out" if out is not None else None,
    )


def _kabsch(moving: FloatArray, fixed: FloatArray, share: FloatArray) -> FloatArray:
    middle, target = np.average(moving, axis=0, weights=share), np.average(fixed, axis=0, weights=share)
    for about, points in ((middle, moving), (target, fixed)):
        spread = np.linalg.svd(points - about, compute_uv=False)
        if spread[1] < max(1e-3 * spread[0], 1e-6):
            raise BadInput(tr("The landmarks lie on a line: the turn about it is not known. Add one beside it."))
    across = (fixed - target).T @ (share[:, None] * (moving - middle))
    matrix = np.eye(4)
    matrix[:3, :3] = nearest_rotation(across)
    matrix[:3, 3] = target - matrix[:3, :3] @ middle
    return matrix


def _left_out(moving: FloatArray, fixed: FloatArray, share: FloatArray) -> FloatArray | None:
    """How far each landmark is missed by the others; None if these do not suffice."""
    if len(moving) < 4:
        return None
    found = []
    for n in range(len(moving)):
        others = np.arange(len(moving)) != n
        try:
            matrix = _kabsch(moving[others], fixed[others], share[others])
        except BadInput:
            return None
        found.append(float(np.linalg.norm(moved(moving[n], matrix) - fixed[n])))
    return np.array(found)


def by_surface(
    implant: Shape,
    fixed: DistanceTo,
    start: FloatArray,
    *,
    match: Match = "facing",
    within_mm: float = 10.0,
    ctx: Context | None = None,
) -> Registration:
    """Point-to-plane ICP (Chen and Medioni 1992): move the implant until its surface rests on the other.

    Parameters
    ----------
    start
        4x4, from where it is moved; motions that the surfaces do not hold stay as they are there.
    match
        ``facing``: an implant on a bone, outsides against each other; ``same``: two pictures of one surface.
    within_mm
        Points further from the other surface have no partner. Far ones among the others count less (Tukey's weights).

    Raises
    ------
    NotConverged
        If it comes to no rest.
    BadInput
        If too little of the implant is near the surface.
    """
    ctx = ctx or Context()
    matrix = rigid(start)
    points, normals = _sampled(implant)
    rested = False
    steps, history = 0, np.full(_MOST_STEPS, np.inf)
    for steps in range(1, _MOST_STEPS + 1):
        ctx.progress(steps / _MOST_STEPS, tr("Fitting to the surface"))
        places, planes, away = _pairs(points, normals, fixed, matrix, match, within_mm)
        step = _step(places, planes, away)
        matrix = step @ matrix
        moves = float(np.linalg.norm(moved(places, step) - places, axis=1).max())
        history[steps - 1] = float(np.sqrt((away**2).mean()))
        earlier = history[max(steps - 20, 0)]
        # Partners that change to and fro keep it moving a little for ever, without coming nearer.
        still = (
            steps > 20 and moves < 20 * _SETTLED_MM and abs(earlier - history[steps - 1]) < 1e-4 * max(earlier, 1e-3)
        )
        if moves < _SETTLED_MM or still:
            rested = True
            break
    if not rested:
        message = tr("The implant came to no rest on the surface in {n} steps. Start nearer, or use landmarks.")
        raise NotConverged(message.format(n=_MOST_STEPS))
    matrix = rigid(matrix)
    places, planes, away = _pairs(points, normals, fixed, matrix, match, within_mm)
    size = np.abs(away)
    return Registration(
        matrix=matrix,
        method="icp",
        rms_mm=float(np.sqrt((away**2).mean())),
        p95_mm=float(np.percentile(size, 95)),
        max_mm=float(size.max()),
        paired_percent=100.0 * len(away) / len(points),
        steps=steps,
        loose=loose_motions(places, planes),
    )


def with_targets(found: Registration, implant_mm: ArrayLike, patient_mm: ArrayLike) -> Registration:
    """The registration with its error at landmarks that it did not use, (n, 3) in the implant's frame and in LPS."""
    away = np.linalg.norm(moved(implant_mm, found.matrix) - np.asarray(patient_mm, np.float64), axis=1)
    if not len(away):
        return found
    return replace(found, tre_mm=float(away.mean()), tre_max_mm=float(away.max()), tre_from="unused")


def loose_motions(places: FloatArray, planes: FloatArray) -> tuple[Loose, ...]:
    """Motions that change the distances to the planes hardly at all.

    Eigenvectors of the point-to-plane normal matrix with eigenvalues below `HELD` of the largest; turns are about the
    places' middle, in units of their mean square distance from it (Gelfand et al., Proc 3DIM 2003:260-267).
    """
    values, vectors, _, _ = _modes(places, planes)
    found = []
    for vector in vectors[:, values < HELD * values.max()].T:
        kind: Literal["slide", "turn"] = "turn" if np.linalg.norm(vector[:3]) > np.linalg.norm(vector[3:]) else "slide"
        part = vector[:3] if kind == "turn" else vector[3:]
        x, y, z = (float(v) for v in part / np.linalg.norm(part))
        found.append(Loose(kind, (x, y, z)))
    return tuple(found)


def _sampled(implant: Shape) -> tuple[FloatArray, FloatArray]:
    """Middles and normals of triangles spread over the implant, as many as needed: chosen by area, always the same."""
    areas = implant.areas_mm2
    middles = implant.points[implant.mesh.triangles].mean(axis=1)
    if len(areas) <= _MOST_POINTS:
        chosen = np.flatnonzero(areas > 0)
    else:
        total = np.cumsum(areas)
        chosen = np.unique(np.searchsorted(total, (np.arange(_MOST_POINTS) + 0.5) / _MOST_POINTS * total[-1]))
    return middles[chosen], implant.normals[chosen]


def _pairs(
    points: FloatArray, normals: FloatArray, fixed: DistanceTo, matrix: FloatArray, match: Match, within_mm: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points that have a partner, in LPS; the normal of the surface there; and the signed distance."""
    found = fixed.of(points, matrix, limit_mm=within_mm)
    sign = -1.0 if match == "facing" else 1.0
    alike = sign * np.einsum("ij,ij->i", normals @ matrix[:3, :3].T, found.normal)
    good = (found.triangle >= 0) & (alike > _ALIKE)
    if good.sum() < max(_FEWEST, 0.02 * len(points)):
        message = tr("The implant is nowhere within {mm:g} mm of the surface that it faces. Place it nearer first.")
        raise BadInput(message.format(mm=within_mm))
    return moved(points[good], matrix), found.normal[good], found.distance_mm[good]


def _modes(places: FloatArray, planes: FloatArray, weights: FloatArray | None = None) -> tuple[FloatArray, ...]:
    """Eigenvalues and vectors (turn, slide) of the normal matrix; its rows; and the middle and size of the places."""
    middle = places.mean(axis=0)
    size = float(np.sqrt(((places - middle) ** 2).sum(axis=1).mean())) or 1.0
    rows = np.hstack([np.cross(places - middle, planes) / size, planes])
    share = np.ones(len(rows)) if weights is None else weights
    values, vectors = np.linalg.eigh(rows.T @ (share[:, None] * rows) / share.sum())
    return values, vectors, rows, np.array([*middle, size])


def _step(places: FloatArray, planes: FloatArray, away: FloatArray) -> FloatArray:
    """The small motion that brings the places onto the planes, as 4x4, along the motions that these hold."""
    scale = max(4.685 * 1.4826 * float(np.median(np.abs(away - np.median(away)))), 1e-3)
    weights = np.clip(1.0 - ((away - np.median(away)) / scale) ** 2, 0.0, None) ** 2
    values, vectors, rows, about = _modes(places, planes, weights)
    held = values >= HELD * values.max()
    right = rows.T @ (weights * -away) / weights.sum()
    motion = vectors[:, held] @ ((vectors[:, held].T @ right) / values[held])
    middle, size = about[:3], float(about[3])
    angle = float(np.linalg.norm(motion[:3])) / size
    motion *= min(1.0, _LONGEST_TURN / max(angle, 1e-12))
    step = np.eye(4)
    angle = min(angle, _LONGEST_TURN)
    if angle > 1e-12:
        step[:3, :3] = turn(motion[:3], angle)
    step[:3, 3] = middle - step[:3, :3] @ middle + motion[3:]
    return step
