"""The margin all over the cuts of a plan: in 3D and in slices on the cut itself, and as a flat map of one cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.render.content import CutSurfaceContent
from surgitwin.render.patch_cutting import DRAWN_CELLS, grid_content
from surgitwin.scene.nodes import CutModel

if TYPE_CHECKING:
    from surgitwin.core.geometry import Geometry
    from surgitwin.resection.cut_map import CutMap
    from surgitwin.resection.lesion_surface import LesionSurface
    from surgitwin.resection.partition import Partition

BEFORE_MM, BEHIND_MM, STEP_MM = 10.0, 150.0, 2.0  # a drawn line's cut: before the line, into the organ, between rows
Classes = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CutMargins:
    """The margin all over one cut.

    Attributes
    ----------
    map, classes
        The cut laid flat, and the class of each of its cells; None if no part of the organ's border is this cut's.
    surfaces
        The cut where it divides the organ, to be drawn; none for a patch, which is drawn as it is.
    patch_classes
        Of a patch: the class of each point of the mesh that is drawn.
    """

    map: CutMap | None
    classes: Classes | None
    surfaces: tuple[CutSurfaceContent, ...] = ()
    patch_classes: Classes | None = None


def cut_margins(
    models: Sequence[CutModel],
    removed_alone: Sequence[BoolArray | None],
    found: Partition,
    geometry: Geometry,
    lesions: Sequence[LesionSurface],
    limits_mm: tuple[float, float],
    ctx: Context,
) -> dict[int, CutMargins]:
    """The margins of each cut that is on, by its number.

    Parameters
    ----------
    removed_alone
        For each cut the voxels that it removes by itself, [k, j, i] over the organ's box, where it is made of voxels.
    found
        What all cuts that are on make of the organ.
    limits_mm
        Below the first a margin is below the wish, from the second on it is safe.
    """
    around = None
    if any(alone is not None for alone in removed_alone) and found.removed.any() and found.remnant.any():
        from surgitwin.surfaces import mask_surface

        around = mask_surface(found.removed, geometry, found.box, ctx=ctx).mesh
    margins: dict[int, CutMargins] = {}
    for number, (model, alone) in enumerate(zip(models, removed_alone, strict=True)):
        ctx.check()
        if not model.enabled:
            continue
        if alone is not None:
            margins[number] = _of_voxels(number, alone, around, found, geometry, lesions, limits_mm)
        else:
            margins[number] = _of_surfaces(number, model, found, geometry, lesions, limits_mm)
    return margins


def _of_voxels(
    number: int,
    alone: BoolArray,
    around: Mesh | None,
    found: Partition,
    geometry: Geometry,
    lesions: Sequence[LesionSurface],
    limits_mm: tuple[float, float],
) -> CutMargins:
    """A cut that is a region of voxels: the border that it leaves."""
    from surgitwin.resection.cut_map import margin_classes
    from surgitwin.resection.cut_sheet import border_sheet, flat_map

    if around is None:
        return CutMargins(None, None)
    whole = found.removed | found.remnant
    sheet = border_sheet(around, alone, whole, found.removed, found.box, geometry, lesions)
    laid = flat_map(sheet)
    if laid is None:
        return CutMargins(None, None)
    everywhere = np.ones(len(sheet.distance_mm), dtype=np.bool_)
    surface = CutSurfaceContent(
        f"margin:{number}",
        sheet.mesh,
        classes=margin_classes(sheet.distance_mm, everywhere, limits_mm),
        distances_mm=sheet.distance_mm,
        limits_mm=limits_mm,
    )
    return CutMargins(laid, margin_classes(laid.distance_mm, laid.on_cut, limits_mm), (surface,))


def _of_surfaces(
    number: int,
    model: CutModel,
    found: Partition,
    geometry: Geometry,
    lesions: Sequence[LesionSurface],
    limits_mm: tuple[float, float],
) -> CutMargins:
    """A cut that is planes, a patch or a drawn line: grids of points on it."""
    from surgitwin.resection.cut_map import cut_map, joined, margin_classes

    whole = found.removed | found.remnant
    maps = [
        cut_map(points, lesions, whole, found.removed, found.box, geometry) for points in _grids(model, found, geometry)
    ]
    if not maps:
        return CutMargins(None, None)
    laid = joined(maps)
    classes = margin_classes(laid.distance_mm, laid.on_cut, limits_mm)
    if model.kind == "patch":
        drawn = margin_classes(maps[0].distance_mm, maps[0].on_cut, limits_mm)
        return CutMargins(laid, classes, (), drawn.reshape(-1))
    surfaces = (
        _drawn(f"margin:{number}:{which}", one, margin_classes(one.distance_mm, one.on_cut, limits_mm), limits_mm)
        for which, one in enumerate(maps)
    )
    return CutMargins(laid, classes, tuple(surface for surface in surfaces if surface is not None))


def _grids(model: CutModel, found: Partition, geometry: Geometry) -> list[NDArray[np.float64]]:
    """Grids of points on a cut, (rows, columns, 3) LPS mm each."""
    from surgitwin.resection.cut_map import plane_points

    if model.kind == "planes":
        return [
            plane_points(np.array(plane.point_mm), np.array(plane.normal), found.box, geometry, STEP_MM)
            for plane in model.planes
        ]
    if model.kind == "patch":
        from surgitwin.resection.bezier import BezierPatch

        t = np.linspace(0.0, 1.0, DRAWN_CELLS + 1)  # the points of the mesh that is drawn
        return [BezierPatch.of(model.control_points_mm).at(t, t)]
    if model.kind == "curve" and model.curve is not None and model.curve.direction is not None:
        line, way = np.array(model.curve.points_mm), np.array(model.curve.direction)
        line = _in_steps(np.concatenate([line, line[:1]]) if model.curve.closed else line)
        depth = np.arange(-BEFORE_MM, (model.curve.depth_mm or BEHIND_MM) + STEP_MM / 2, STEP_MM)
        return [np.asarray(line[None] + depth[:, None, None] * way)]
    return []


def _in_steps(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line with so many more points on it that they are at most `STEP_MM` apart."""
    found = [line[:1]]
    for start, end in pairwise(line):
        parts = max(1, int(np.ceil(np.linalg.norm(end - start) / STEP_MM)))
        found.append(start + np.arange(1, parts + 1)[:, None] / parts * (end - start))
    return np.concatenate(found)


def _drawn(id: str, laid: CutMap, classes: Classes, limits_mm: tuple[float, float]) -> CutSurfaceContent | None:
    """The part of a grid that divides the organ; None if none of it does."""
    content = grid_content(id, laid.points_mm)
    on_cut = laid.on_cut.reshape(-1)
    triangles = content.mesh.triangles[on_cut[content.mesh.triangles].all(axis=1)]
    if not len(triangles):
        return None
    used, compact = np.unique(triangles, return_inverse=True)
    return CutSurfaceContent(
        id,
        Mesh(content.mesh.points[used], compact.reshape(-1, 3).astype(np.int32)),
        classes=classes.reshape(-1)[used],
        distances_mm=laid.distance_mm.reshape(-1)[used],
        limits_mm=limits_mm,
    )
