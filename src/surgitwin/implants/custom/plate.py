"""A plate on a painted patch of bone: all that lies within half its thickness of a sheet that floats over the bone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.implants.custom.made import FloatArray, Made, Notes, triple, worded
from surgitwin.implants.distance import DistanceTo
from surgitwin.surfaces.fields import Field, body, distances, unsigned
from surgitwin.surfaces.solids import cylinder, difference, unit


@dataclass(frozen=True)
class PlateSettings:
    """Lengths in mm.

    Attributes
    ----------
    gap_mm
        Between bone and plate, nowhere less.
    holes
        How many, evenly along the plate; not used where ``hole_points_mm`` are given.
    """

    thickness_mm: float = 2.0
    gap_mm: float = 0.2
    hole_mm: float = 2.7
    holes: int = 4
    hole_points_mm: tuple[tuple[float, float, float], ...] = ()
    spacing_mm: float = 0.5


def make_plate(bone: Mesh, patch: Mesh, settings: PlateSettings, *, reach_mm: float = 1.0, ctx: Context) -> Made:
    """The plate over the part of the bone's surface that lies in, or within ``reach_mm`` of, a patch.

    Every point of the plate is within half its thickness of a sheet at ``gap + thickness / 2`` from the bone: so it is
    nowhere nearer to the bone than the gap, as thick as was asked for, and round at its rim.

    Raises
    ------
    BadInput
        If the patch does not touch the bone, or a hole lies beside the plate.
    """
    notes = Notes()
    half = settings.thickness_mm / 2
    step = min(settings.spacing_mm, settings.thickness_mm / 5)
    margin = settings.gap_mm + settings.thickness_mm + 2 * step + reach_mm + 2.0
    grid = Field.over(patch.points.min(axis=0) - margin, patch.points.max(axis=0) + margin, step)
    ctx.progress(0.1, tr("Looking where the plate lies"))
    above = distances(bone, grid, (settings.gap_mm + half,), ctx)
    sheet = _sheet(above, bone, patch, settings.gap_mm + half, reach_mm, notes)
    ctx.progress(0.5, tr("Thickening"))
    near = body(unsigned(sheet, grid, half), half, tr("plate"))
    points, normals = _points(sheet)
    middle, out = points.mean(axis=0), unit(normals.sum(axis=0))
    places = _holes(points, settings)
    tools = []
    for place in places:
        nearest = int(np.argmin(np.linalg.norm(points - place, axis=1)))
        if np.linalg.norm(points[nearest] - place) > settings.thickness_mm + settings.gap_mm + 3.0:
            raise BadInput(tr("The hole at {place} lies beside the plate.").format(place=list(np.round(place, 1))))
        way = normals[nearest] * (settings.thickness_mm + 1.0)
        tools.append(cylinder(points[nearest] - way, points[nearest] + way, settings.hole_mm / 2))
    _tell_of_rims(points, sheet, places, settings, notes)
    ctx.progress(0.7, tr("Drilling and engraving"))
    drilled = difference(near, tools)
    marked = worded(drilled, out, min(0.4, settings.thickness_mm / 3), notes)
    mesh = marked.solid.called(tr("plate")).mesh()
    ctx.progress(0.9, tr("Measuring"))
    gaps = DistanceTo(bone, name=tr("bone")).of(mesh.points.astype(np.float64)).distance_mm
    # At its rim a plate is round, and thins out.
    inner = points[_from_rim(points, sheet) > settings.thickness_mm]
    thick = 2 * np.abs(DistanceTo(near.mesh()).of(inner if len(inner) else points).distance_mm)
    numbers: dict[str, object] = {
        "volume_ml": mesh.volume_ml,
        "thickness_mm": {"min": float(thick.min()), "max": float(thick.max())},
        "gap_mm": {"min": float(gaps.min()), "asked": settings.gap_mm},
        "holes": len(tools),
        "letters_mm": marked.letters_mm,
    }
    named = {f"hole {n + 1}": triple(place) for n, place in enumerate(places)}
    return Made(mesh, numbers, {"centre": triple(middle), **named}, {"main": triple(out)}, tuple(notes.found))


def _sheet(above: Field, bone: Mesh, patch: Mesh, level: float, reach_mm: float, notes: Notes) -> Mesh:
    """The surface at ``level`` over the patch, cut off at the patch's rim, its largest piece."""
    from skimage import measure

    measuring: Any = measure
    refusal = tr("The patch does not lie on the bone: paint it over the bone's surface.")
    if not (above.values.min() < level < above.values.max()):
        raise BadInput(refusal)
    found, triangles, _, _ = measuring.marching_cubes(above.values, level, allow_degenerate=False)
    points = above.origin_mm + found[:, ::-1] * above.spacing_mm
    feet = DistanceTo(bone, name=tr("bone")).of(points)
    beside = DistanceTo(patch, name=tr("patch")).of(feet.nearest_mm).distance_mm
    clipped = _clipped(points, triangles[:, ::-1], beside, reach_mm)
    if clipped is None:
        raise BadInput(refusal)
    pieces = _pieces(clipped)
    if len(pieces) > 1 and pieces[1].area_mm2 > 0.3 * pieces[0].area_mm2:
        message = tr("The patch lies on two sides of the bone; the plate was made on the larger one.")
        notes.say("plate-two-sides", message)
    return pieces[0]


def _clipped(points: FloatArray, triangles: Any, values: FloatArray, level: float) -> Mesh | None:
    """The part of a surface whose values are below a level, cut through triangles."""
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkClipPolyData, vtkTriangleFilter

    arrays: Any = numpy_support
    surface, at, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    at.SetData(arrays.numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    cells.SetData(3, arrays.numpy_to_vtkIdTypeArray(np.ascontiguousarray(triangles, np.int64).reshape(-1), deep=True))
    surface.SetPoints(at)
    surface.SetPolys(cells)
    surface.GetPointData().SetScalars(arrays.numpy_to_vtk(np.ascontiguousarray(values), deep=True))
    clip, split = vtkClipPolyData(), vtkTriangleFilter()
    clip.SetInputData(surface)
    clip.SetValue(level)
    clip.InsideOutOn()
    split.SetInputConnection(clip.GetOutputPort())
    split.Update()
    out = split.GetOutput()
    if not out.GetNumberOfPolys():
        return None
    rows = arrays.vtk_to_numpy(out.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return Mesh(np.array(arrays.vtk_to_numpy(out.GetPoints().GetData()), np.float32), np.array(rows, np.int32))


def _pieces(mesh: Mesh) -> list[Mesh]:
    """Connected pieces, the largest first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    one, two = mesh.triangles[:, [0, 1]].T, mesh.triangles[:, [1, 2]].T
    rows, columns = np.concatenate((one[0], two[0])), np.concatenate((one[1], two[1]))
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(mesh.points),) * 2)
    number = connected_components(graph, directed=False)[1][mesh.triangles[:, 0]]
    parts = [Mesh(mesh.points, mesh.triangles[number == n]) for n in np.unique(number)]
    return sorted(parts, key=lambda part: -part.area_mm2)


def _points(sheet: Mesh) -> tuple[FloatArray, FloatArray]:
    """Middles of the sheet's triangles and their outward unit normals."""
    corners = sheet.points[sheet.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    good = length > 1e-9
    return corners[good].mean(axis=1), normals[good] / length[good, None]


def _holes(points: FloatArray, settings: PlateSettings) -> list[FloatArray]:
    """Where holes go: as given, or evenly along the longest way of the plate."""
    if settings.hole_points_mm:
        return [np.asarray(point, np.float64) for point in settings.hole_points_mm]
    if not settings.holes:
        return []
    middle = points.mean(axis=0)
    way = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    along = (points - middle) @ way
    low, high = float(along.min()), float(along.max())
    wanted = [low + (high - low) * (n + 0.5) / settings.holes for n in range(settings.holes)]
    places = []
    for at in wanted:
        band = points[np.abs(along - at) < max(1.0, settings.hole_mm / 2)]
        centre = band.mean(axis=0) if len(band) else middle + at * way
        places.append(points[int(np.argmin(np.linalg.norm(points - centre, axis=1)))])
    return places


def _tell_of_rims(
    points: FloatArray, sheet: Mesh, places: Sequence[FloatArray], settings: PlateSettings, notes: Notes
) -> None:
    """Say which holes leave less than a hole's radius of plate around them."""
    for number, place in enumerate(places):
        nearest = points[int(np.argmin(np.linalg.norm(points - place, axis=1)))]
        left = float(_from_rim(nearest[None], sheet)[0]) + settings.thickness_mm / 2 - settings.hole_mm / 2
        if left < settings.hole_mm / 2:
            message = tr("Hole {number} is {left:.1f} mm from the plate's rim.")
            notes.say("hole-near-rim", message.format(number=number + 1, left=max(left, 0.0)), rim_mm=left)


def _from_rim(points: FloatArray, sheet: Mesh) -> FloatArray:
    """How far points are from where the sheet ends."""
    from scipy.spatial import cKDTree

    sides = np.sort(np.concatenate([sheet.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1)
    edges, uses = np.unique(sides, axis=0, return_counts=True)
    rim = sheet.points[edges[uses == 1]].astype(np.float64).mean(axis=1)
    if not len(rim):
        return np.full(len(points), np.inf)
    return np.asarray(cKDTree(rim).query(points)[0], np.float64)
