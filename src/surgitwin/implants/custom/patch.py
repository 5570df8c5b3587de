"""A patch for a skull defect: the healthy side mirrored, less what is there of the skull and a gap around it.

Only in the opening that the defect leaves (`opening`) and a rim around it: beyond, what the sides differ in is no
defect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.implants.custom.made import FloatArray, Made, Notes, triple, worded
from surgitwin.implants.custom.opening import COARSE_MM, find_defect, opening_of
from surgitwin.implants.custom.symmetry import MirrorPlane, refitted
from surgitwin.implants.distance import DistanceTo
from surgitwin.surfaces.fields import Field, body, contour, cropped, distances, grid_around, regrown, samples
from surgitwin.surfaces.lettering import Place
from surgitwin.surfaces.solids import Solid, cylinder, difference, standing, unit


@dataclass(frozen=True)
class PatchSettings:
    """Lengths in mm.

    Attributes
    ----------
    gap_mm
        Between patch and skull.
    refit_mm
        The mirrored bone is moved onto the bone in a ring so wide around the defect; 0 leaves it where it fell.
    sliver_mm
        Mirrored bone nearer to the skull's is taken for a difference between the sides and not for a defect.
    rim_mm
        How far the patch may reach beyond the opening, over bevelled edges.
    fill_mm
        Cavities of the mirrored bone, such as its spongy middle, are filled up to twice this width.
    thinnest_mm
        Where the mirrored bone is thinner the patch is so thick, half of what is added to each side; one that is
        thinner all the same gets a warning.
    hole_mm, hole_every_mm
        Perforations; none while ``hole_mm`` is 0.
    """

    gap_mm: float = 0.5
    refit_mm: float = 25.0
    sliver_mm: float = 3.0
    rim_mm: float = 3.0
    fill_mm: float = 2.5
    thinnest_mm: float = 2.0
    hole_mm: float = 0.0
    hole_every_mm: float = 12.0
    spacing_mm: float = 0.6


# Of the gap that was asked for, so much may be missing without a word.
_GAP_SHORT_MM = 0.05
_MORE_GAP = 3
_ROUND_MM = 0.3
# What the smoothing and rounding take of a thin sheet.
_LOST_MM = 0.1


def make_patch(skull: Mesh, plane: MirrorPlane, settings: PatchSettings, at_mm: ArrayLike | None, ctx: Context) -> Made:
    """A closed patch in LPS mm for the largest defect, or that at ``at_mm``.

    Raises
    ------
    BadInput
        If nothing is missing on one side that the other has.
    """
    notes = Notes()
    ctx.progress(0.1, tr("Looking for the defect"))
    wanted = find_defect(skull, plane, settings.sliver_mm, at_mm, notes, ctx)
    margin = settings.rim_mm + settings.sliver_mm + COARSE_MM + 3.0
    grid = Field.over(wanted.min(axis=0) - margin, wanted.max(axis=0) + margin, settings.spacing_mm)
    mirrored, moved_mm = _mirrored(skull, plane, grid, settings.refit_mm + 8.0), 0.0
    if settings.refit_mm > 0:
        mirrored, moved_mm = refitted(mirrored, skull, wanted, settings.refit_mm)
    ctx.progress(0.4, tr("Shaping the patch"))
    around = DistanceTo(cropped(skull, grid, settings.gap_mm + 5.0), closed=False, name=tr("skull"))
    whole = _shaped(skull, mirrored, grid, settings, wanted, around, ctx)
    out = _outwards(skull, whole)
    ctx.progress(0.8, tr("Finishing and measuring"))
    marked = worded(whole, out, 0.5, notes)
    holes = _perforations(whole, out, settings, marked.place)
    mesh = difference(marked.solid, holes).called(tr("patch")).mesh()
    outer = _outer_points(whole.mesh(), out)
    off = np.abs(DistanceTo(mirrored, closed=False, name=tr("mirrored skull")).of(outer).distance_mm)
    thick = _thickness(whole.mesh())
    if thick[0] < settings.thinnest_mm:
        message = tr("The patch is {mm:.1f} mm thick at its thinner places; {least:g} mm were asked for.")
        notes.say("patch-thin", message.format(mm=thick[0], least=settings.thinnest_mm), thickness_mm=thick[0])
    gap = _smallest_gap(mesh, around, settings.gap_mm)
    if gap < settings.gap_mm - _GAP_SHORT_MM:
        message = tr("The patch comes within {mm:.2f} mm of the skull; {asked:g} mm were asked for.")
        notes.say("patch-gap", message.format(mm=gap, asked=settings.gap_mm), gap_mm=gap)
    numbers: dict[str, object] = {
        "volume_ml": mesh.volume_ml,
        "thickness_mm": {"p05": thick[0], "median": thick[1], "max": thick[2]},
        "gap_mm": {"min": gap, "asked": settings.gap_mm},
        "refit_moved_mm": moved_mm,
        "to_mirrored_mm": {"mean": float(off.mean()), "max": float(off.max())},
        "holes": len(holes),
        "letters_mm": marked.letters_mm,
    }
    low, high = whole.box_mm
    return Made(mesh, numbers, {"centre": triple((low + high) / 2)}, {"main": triple(out)}, tuple(notes.found))


def _mirrored(skull: Mesh, plane: MirrorPlane, grid: Field, margin_mm: float) -> Mesh:
    """The skull's mirror image around a grid."""
    points = np.asarray(plane.mirrored(skull.points), np.float32)
    return cropped(Mesh(points, np.ascontiguousarray(skull.triangles[:, ::-1])), grid, margin_mm)


def _filled(mirrored: Field, fill_mm: float) -> Field:
    """Distances with narrow cavities filled."""
    from scipy.ndimage import distance_transform_edt

    if fill_mm <= 0:
        return mirrored
    grown = mirrored.values <= fill_mm
    kept = np.asarray(distance_transform_edt(grown, sampling=mirrored.spacing_mm), np.float32)
    # Nodes are counted, up to a spacing too deep. Where growing and shrinking again adds nothing the distance stays.
    kept -= np.float32(mirrored.spacing_mm)
    return mirrored.with_values(
        np.where(mirrored.values > 0, np.minimum(mirrored.values, fill_mm - kept), mirrored.values)
    )


def _thickened(mirrored: Field, least_mm: float) -> Field:
    """Distances to bone that is nowhere thinner than ``least_mm``."""
    from scipy.ndimage import maximum_filter

    reach = 2 * round(least_mm / mirrored.spacing_mm) + 1
    deep = maximum_filter(-mirrored.values, reach)
    short = np.where(deep > 0, np.maximum(least_mm / 2 + _LOST_MM - deep, 0.0), 0.0)
    return mirrored.with_values(mirrored.values - short)


def _shaped(
    skull: Mesh,
    twin: Mesh,
    grid: Field,
    settings: PatchSettings,
    defect: FloatArray,
    around: DistanceTo,
    ctx: Context,
) -> Solid:
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from scipy.spatial import cKDTree

    gap = settings.gap_mm
    own = distances(skull, grid, (gap, 0.0), ctx)
    mirrored = _filled(distances(twin, grid, (0.0,), ctx), settings.fill_mm)
    mirrored = _thickened(mirrored, settings.thinnest_mm)
    ctx.check()
    reach = settings.sliver_mm + settings.rim_mm + COARSE_MM
    shape = grid.values.shape
    close = (mirrored.values < settings.fill_mm + 2.0) | (own.values < 0)
    away, _ = cKDTree(defect).query(grid.points(close), distance_upper_bound=reach + 2.0)
    near = np.full(shape, 2.0)
    near[close] = np.minimum(away - reach, 2.0)
    opening = opening_of(defect, grid, own, mirrored, near < 0)
    outside = np.full(shape, 2.0)
    outside[near < 2.0] = opening.of(grid.points(near < 2.0))
    beyond = np.maximum(near, outside - settings.rim_mm)
    missing = np.maximum(np.maximum(mirrored.values, beyond), gap - own.values)
    # Over the rim slivers go, where no ball of a third of their limit fits; bone in the opening may be as thin.
    r = settings.sliver_mm / 3
    core = distance_transform_edt(missing < 0, sampling=grid.spacing_mm) > r
    opened = distance_transform_edt(~core, sampling=grid.spacing_mm) - r - 0.5 * grid.spacing_mm
    opened = np.minimum(opened, outside + r)
    smooth = gaussian_filter(np.maximum(np.maximum(mirrored.values, beyond), opened), 1.0)
    field = grid.with_values(np.maximum(smooth, gap - own.values))
    # Rounded edges: shrunk and grown again.
    ctx.check()
    field = regrown(field, -_ROUND_MM)
    # Between the grid's nodes, at edges of the skull, a surface comes nearer than at them.
    kept, asked = field.values - np.float32(_ROUND_MM), gap
    for _ in range(_MORE_GAP):
        field = field.with_values(np.maximum(kept, asked - own.values))
        short = gap - _smallest_gap(contour(field), around, gap)
        if short <= _GAP_SHORT_MM / 2:
            break
        asked += short
    return body(field, 0.0, tr("patch")).pieces()[0]


def _smallest_gap(mesh: Mesh, around: DistanceTo, asked_mm: float) -> float:
    """The smallest distance of a surface to the skull; the gap asked for and a millimetre where it is larger."""
    limit = asked_mm + 1.0
    found = around.of(samples(mesh, 0.4)[0], limit_mm=limit).distance_mm
    return float(np.nanmin(found, initial=limit))


def _outwards(skull: Mesh, patch: Solid) -> FloatArray:
    """Away from the skull's middle."""
    low, high = patch.box_mm
    middle = (skull.points.min(axis=0) + skull.points.max(axis=0)).astype(np.float64) / 2
    return unit((low + high) / 2 - middle)


def _outer_points(mesh: Mesh, out: FloatArray) -> FloatArray:
    corners = mesh.points[mesh.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    facing = normals @ out > 0.7 * np.where(length > 0, length, np.inf)
    return np.asarray((corners[facing] if facing.any() else corners).mean(axis=1), np.float64)


def _thickness(mesh: Mesh) -> tuple[float, float, float]:
    """5th percentile, median and largest thickness: twice how deep the deepest place near each point is."""
    grid = grid_around(mesh, 0.8)
    field = distances(mesh, grid)
    from scipy.ndimage import maximum_filter

    deep = -field.values
    ridge = (deep > 0.4) & (deep >= maximum_filter(deep, 3) - 1e-6)
    values = 2.0 * deep[ridge] if ridge.any() else np.array([0.0])
    return float(np.percentile(values, 5)), float(np.median(values)), float(values.max())


def _perforations(patch: Solid, out: FloatArray, settings: PatchSettings, words: Place | None) -> list[Solid]:
    """Holes on a triangular grid, each with its own width of patch around it; none through the words."""
    if settings.hole_mm <= 0:
        return []
    from scipy.ndimage import distance_transform_edt

    low, high = patch.box_mm
    frame = standing((low + high) / 2, out)
    local = patch.moved(np.linalg.inv(frame))
    points = local.mesh().points.astype(np.float64)
    start, step = points.min(axis=0), 0.5
    grid = Field.over(start - 1.0, points.max(axis=0) + 1.0, step)
    shadow: NDArray[np.bool_] = distances(local.mesh(), grid).values.min(axis=0) < 0
    free = distance_transform_edt(shadow, sampling=step)
    every, found = settings.hole_every_mm, []
    rows = np.arange(grid.origin_mm[1], points[:, 1].max(), every * np.sqrt(3) / 2)
    for number, y in enumerate(rows):
        for x in np.arange(grid.origin_mm[0] + (number % 2) * every / 2, points[:, 0].max(), every):
            i, j = (round(float(value - grid.origin_mm[n]) / step) for n, value in enumerate((x, y)))
            inner = j < free.shape[0] and i < free.shape[1] and free[j, i] > 1.5 * settings.hole_mm + 1.0
            if inner and not _on_words(frame @ np.array([x, y, 0.0, 1.0]), words, settings.hole_mm):
                found.append(cylinder([x, y, start[2] - 1], [x, y, points[:, 2].max() + 1], settings.hole_mm / 2))
    return [hole.moved(frame) for hole in found]


def _on_words(place: FloatArray, words: Place | None, hole_mm: float) -> bool:
    if words is None:
        return False
    beside = place[:3] - words.at_mm
    up = np.cross(words.outward, words.right)
    width, height = ((size + hole_mm) / 2 for size in words.size_mm)
    return bool(abs(beside @ words.right) < width and abs(beside @ up) < height)
