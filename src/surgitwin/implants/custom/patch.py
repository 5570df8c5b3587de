"""A patch for a skull defect: the healthy side mirrored, less what is there of the skull and a gap around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.implants.custom.made import FloatArray, Made, Notes, triple, worded
from surgitwin.implants.custom.symmetry import MirrorPlane, refitted
from surgitwin.implants.distance import DistanceTo
from surgitwin.surfaces.fields import Field, body, distances, grid_around, regrown
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
        What is thinner is taken for a difference between the sides and not for a defect.
    fill_mm
        Cavities of the mirrored bone, such as its spongy middle, are filled up to twice this width.
    thinnest_mm
        A patch that is thinner somewhere gets a warning.
    hole_mm, hole_every_mm
        Perforations; none while ``hole_mm`` is 0.
    """

    gap_mm: float = 0.5
    refit_mm: float = 25.0
    sliver_mm: float = 3.0
    fill_mm: float = 2.5
    thinnest_mm: float = 2.0
    hole_mm: float = 0.0
    hole_every_mm: float = 12.0
    spacing_mm: float = 0.6


_COARSE_MM = 1.25
_LEAST_ML = 0.5


def make_patch(skull: Mesh, plane: MirrorPlane, settings: PatchSettings, at_mm: ArrayLike | None, ctx: Context) -> Made:
    """A closed patch in LPS mm for the largest defect, or that at ``at_mm``.

    Raises
    ------
    BadInput
        If nothing is missing on one side that the other has.
    """
    notes = Notes()
    ctx.progress(0.1, tr("Looking for the defect"))
    mirrored = Mesh(
        np.asarray(plane.mirrored(skull.points), np.float32), np.ascontiguousarray(skull.triangles[:, ::-1])
    )
    wanted = _defect(skull, mirrored, settings, at_mm, notes, ctx)
    moved_mm = 0.0
    if settings.refit_mm > 0:
        mirrored, moved_mm = refitted(mirrored, skull, wanted, settings.refit_mm)
    ctx.progress(0.4, tr("Shaping the patch"))
    whole = _shaped(skull, mirrored, settings, wanted, ctx)
    out = _outwards(skull, whole)
    ctx.progress(0.8, tr("Finishing and measuring"))
    marked = worded(whole, out, 0.5, notes)
    holes = _perforations(whole, out, settings, marked.place)
    mesh = difference(marked.solid, holes).called(tr("patch")).mesh()
    outer = _outer_points(whole.mesh(), out)
    off = np.abs(DistanceTo(mirrored, name=tr("mirrored skull")).of(outer).distance_mm)
    thick = _thickness(whole.mesh())
    if thick[0] < settings.thinnest_mm:
        message = tr("The patch is {mm:.1f} mm thick at its thinner places; {least:g} mm were asked for.")
        notes.say("patch-thin", message.format(mm=thick[0], least=settings.thinnest_mm), thickness_mm=thick[0])
    gap = DistanceTo(skull, name=tr("skull")).of(mesh.points.astype(np.float64)).distance_mm
    numbers: dict[str, object] = {
        "volume_ml": mesh.volume_ml,
        "thickness_mm": {"p05": thick[0], "median": thick[1], "max": thick[2]},
        "gap_mm": {"min": float(gap.min()), "asked": settings.gap_mm},
        "refit_moved_mm": moved_mm,
        "to_mirrored_mm": {"mean": float(off.mean()), "max": float(off.max())},
        "holes": len(holes),
        "letters_mm": marked.letters_mm,
    }
    low, high = whole.box_mm
    return Made(mesh, numbers, {"centre": triple((low + high) / 2)}, {"main": triple(out)}, tuple(notes.found))


def _fields(skull: Mesh, twin: Mesh, grid: Field, fill_mm: float, gap_mm: float, ctx: Context) -> tuple[Field, Field]:
    """Distances to the skull, and to its mirror image with narrow cavities filled."""
    own = distances(skull, grid, (gap_mm, 0.0), ctx)
    mirrored = distances(twin, grid, (0.0,), ctx)
    if fill_mm <= 0:
        return own, mirrored
    grown = mirrored.values <= fill_mm
    from scipy.ndimage import distance_transform_edt

    kept = np.asarray(distance_transform_edt(grown, sampling=grid.spacing_mm), np.float32)
    # Where growing and shrinking again adds nothing the exact distance stays.
    closed = np.where(mirrored.values > 0, np.minimum(mirrored.values, fill_mm - kept), mirrored.values)
    return own, grid.with_values(closed)


def _defect(
    skull: Mesh, twin: Mesh, settings: PatchSettings, at_mm: ArrayLike | None, notes: Notes, ctx: Context
) -> FloatArray:
    """Points of the defect, about a grid's step apart."""
    from scipy.ndimage import distance_transform_edt, label

    grid = grid_around(skull, _COARSE_MM, 3.0)
    own, mirrored = _fields(skull, twin, grid, settings.fill_mm, settings.gap_mm, ctx)
    missing = (mirrored.values < 0) & (own.values > settings.gap_mm)
    step = grid.spacing_mm
    core = distance_transform_edt(missing, sampling=step) > settings.sliver_mm / 2
    parts, count = label(core, np.ones((3, 3, 3)))
    if not count:
        raise BadInput(tr("No defect was found: nothing is missing on one side of the plane that the other side has."))
    sizes = np.bincount(parts.ravel())[1:] * step**3 / 1000.0
    chosen = int(np.argmax(sizes)) + 1
    if at_mm is not None:
        points = grid.points(core)
        nearest = int(np.argmin(np.linalg.norm(points - np.asarray(at_mm, np.float64), axis=1)))
        chosen = int(parts[core][nearest])
        if np.linalg.norm(points[nearest] - np.asarray(at_mm, np.float64)) > 15.0:
            raise BadInput(tr("No defect was found within 15 mm of that place."))
    elif count > 1 and np.sort(sizes)[-2] > 0.4 * sizes.max():
        message = tr("Several places could be the defect; the largest was taken. Name another one with its place.")
        notes.say("defect-unsure", message)
    if sizes[chosen - 1] < _LEAST_ML * 0.2:
        raise BadInput(tr("No defect was found: what the two sides differ in is smaller than 0.1 ml."))
    return grid.points(parts == chosen)


def _shaped(skull: Mesh, twin: Mesh, settings: PatchSettings, defect: FloatArray, ctx: Context) -> Solid:
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from scipy.spatial import cKDTree

    margin = settings.sliver_mm + 6.0
    low, high = defect.min(axis=0) - margin, defect.max(axis=0) + margin
    grid = Field.over(low, high, settings.spacing_mm)
    own, mirrored = _fields(skull, twin, grid, settings.fill_mm, settings.gap_mm, ctx)
    everywhere = grid.points(np.ones(grid.values.shape, bool))
    reach = settings.sliver_mm / 2 + _COARSE_MM + 1.0
    away, _ = cKDTree(defect).query(everywhere, distance_upper_bound=2 * reach)
    near = np.minimum(away, 2 * reach).reshape(grid.values.shape) - reach
    missing = np.maximum(np.maximum(mirrored.values, near), settings.gap_mm - own.values)
    # Slivers go where no ball of a third of their limit fits.
    r = settings.sliver_mm / 3
    core = distance_transform_edt(missing < 0, sampling=grid.spacing_mm) > r
    opened = distance_transform_edt(~core, sampling=grid.spacing_mm) - r - 0.5 * grid.spacing_mm
    smooth = gaussian_filter(np.maximum(mirrored.values, opened), 1.0)
    field = grid.with_values(np.maximum(smooth, settings.gap_mm - own.values))
    # Rounded edges: shrunk and grown again.
    ctx.check()
    field = regrown(field, -0.5)
    pieces = body(field, 0.5, tr("patch")).pieces()
    return pieces[0]


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
