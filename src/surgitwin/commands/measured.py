"""What measurements find: frozen structures and placed points in, the document of the measure command out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.commands.base import Document
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import MeasurementKind
from surgitwin.vessels.tree import VesselTree

FloatArray = NDArray[np.float64]
Found = tuple[Document, list[Notice]]
ROUND = 1.5  # a section wider than this, compared with the largest sphere inside, is no single round vessel

TITLES: dict[MeasurementKind, str] = {
    "ruler": tr("Ruler"),
    "angle": tr("Angle"),
    "cobb": tr("Cobb angle"),
    "curve": tr("Curve"),
    "area": tr("Area"),
    "sphere": tr("Sphere"),
    "box": tr("Box"),
    "diameter": tr("Diameter"),
    "distance": tr("Distance"),
}


@dataclass(frozen=True, eq=False)
class Structure:
    """A structure to measure on or between, frozen.

    Attributes
    ----------
    mesh
        Its surface as it is now; None if it must be made from ``labels``.
    labels, value, geometry
        Where a segment's voxels are; nothing for a surface from a file.
    """

    name: str
    mesh: Mesh | None = None
    labels: NDArray[Any] | None = None
    value: int = 0
    geometry: Geometry | None = None
    tree: VesselTree | None = None

    @property
    def half_voxel_mm(self) -> float | None:
        return None if self.geometry is None else max(self.geometry.spacing_mm) / 2.0

    def surface(self, ctx: Context) -> Mesh:
        """Its surface.

        Raises
        ------
        BadInput
            If it is empty.
        """
        mesh = self.mesh
        if mesh is None and self.labels is not None and self.geometry is not None:
            from surgitwin.surfaces import mask_surface

            mask = self.labels == self.value
            box = Box.of_mask(mask)
            if not box.empty:
                mesh = mask_surface(np.ascontiguousarray(mask[box.slices]), self.geometry, box, ctx=ctx).mesh
        if mesh is None or mesh.empty:
            raise BadInput(tr("“{name}” is empty, so nothing can be measured on it.").format(name=self.name))
        return mesh


@dataclass(frozen=True, eq=False)
class Task:
    """What a measurement needs, as no later edit can change it."""

    kind: MeasurementKind
    points: FloatArray
    structures: tuple[Structure, ...] = ()
    snap_to: tuple[Structure, ...] = ()
    voxels: NDArray[Any] | None = None
    grid: Geometry | None = None
    in_hu: bool = True
    radius_mm: float | None = None
    size_mm: tuple[float, float, float] | None = None
    plane: Any = "3d"
    half_voxel_mm: float | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """The numbers, and the places where the points are after snapping."""

    points: FloatArray
    document: Document
    notices: list[Notice] = field(default_factory=list)
    snapped: tuple[int, ...] = ()


def measured(task: Task, ctx: Context) -> Measured:
    """Measure.

    Raises
    ------
    BadInput
        If the points do not make such a measurement.
    """
    points, snapped = _snapped(task, ctx.part(0.0, 0.4))
    document, notices = _KINDS[task.kind](task, points, ctx.part(0.4, 1.0))
    if document.get("points_mm") is not None:
        points = np.asarray(document.pop("points_mm"), dtype=np.float64).reshape(-1, 3)
    return Measured(points, document, notices, snapped)


def _snapped(task: Task, ctx: Context) -> tuple[FloatArray, tuple[int, ...]]:
    """The points moved onto the nearest of the surfaces, and which of them were used."""
    if not task.snap_to or not len(task.points):
        return task.points, ()
    from surgitwin.core.triangle_tree import TriangleTree

    found = [TriangleTree.of(one.surface(ctx)).nearest(task.points) for one in task.snap_to]
    best = np.argmin([one.away_mm for one in found], axis=0)
    points = np.array([found[which].points_mm[row] for row, which in enumerate(best)])
    return points, tuple(sorted({int(which) for which in best}))


def _main(value: float, unit: str, text: str, how: str, spread: float | None = None) -> Document:
    return {"value": value, "unit": unit, "uncertainty": spread, "text": text, "how": how}


def _spread(task: Task, value: Callable[[FloatArray], float], points: FloatArray) -> float | None:
    from surgitwin.measuring.lines import uncertainty

    return None if task.half_voxel_mm is None else uncertainty(value, points, task.half_voxel_mm)


def _lines(*lines: Any) -> list[list[list[float]]]:
    return [np.asarray(line, dtype=np.float64).reshape(-1, 3).round(4).tolist() for line in lines]


def _ruler(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.lines import length_mm

    length, spread = length_mm(points), _spread(task, length_mm, points)
    main = _main(length, "mm", f"{length:.1f} mm", tr("straight line between two points"), spread)
    return {**main, "length_mm": length, "uncertainty_mm": spread, "line_mm": _lines(points)}, []


def _seen(plane: str) -> str:
    return tr("in space") if plane == "3d" else tr("as seen in the {plane} view").format(plane=plane)


def _angle(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.lines import angle_deg

    angle = angle_deg(points, task.plane)
    spread = _spread(task, lambda moved: angle_deg(moved, task.plane), points)
    main = _main(angle, "°", f"{angle:.1f}°", tr("at the second point, {seen}").format(seen=_seen(task.plane)), spread)
    in_space = angle_deg(points)
    return {**main, "angle_deg": angle, "angle_3d_deg": in_space, "uncertainty_deg": spread, "plane": task.plane,
            "line_mm": _lines(points)}, []  # fmt: skip


def _cobb(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.lines import cobb

    found = cobb(points, task.plane)
    spread = _spread(task, lambda moved: cobb(moved, task.plane).drawn_deg, points)
    notices, text = [], f"{found.angle_deg:.1f}°"
    if found.drawn_deg > 90.0:
        message = tr(
            "The lines as drawn, each from its first to its second point, open at {drawn:.1f}°. The acute angle of "
            "{angle:.1f}° is reported. For a curve of more than 90° read {drawn:.1f}°; otherwise one line was drawn "
            "the other way round."
        )
        text += tr(" (drawn {drawn:.1f}°)").format(drawn=found.drawn_deg)
        notices.append(Notice("cobb-over-90", message.format(drawn=found.drawn_deg, angle=found.angle_deg)))
    how = tr("acute angle between two lines, {seen}").format(seen=_seen(task.plane))
    in_views: dict[str, float | None] = {}
    for plane in ("3d", "axial", "coronal", "sagittal"):
        try:
            in_views[plane] = cobb(points, plane).angle_deg
        except BadInput:
            in_views[plane] = None
    return {**_main(found.angle_deg, "°", text, how, spread), "angle_deg": found.angle_deg,
            "drawn_deg": found.drawn_deg, "uncertainty_deg": spread, "plane": task.plane, "by_view": in_views,
            "line_mm": _lines(points[:2], points[2:])}, notices  # fmt: skip


def _curve(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.lines import length_mm, smooth_curve

    spread = _spread(task, length_mm, points[[0, -1]])
    chords = length_mm(points)
    if not task.structures:
        line = smooth_curve(points)
        length, how, notices = length_mm(line), tr("smooth curve through the points"), []
    else:
        from surgitwin.measuring.geodesics import shortest_way

        one = task.structures[0]
        way = shortest_way(one.surface(ctx), points)
        length, line, notices = way.length_mm, way.points_mm, _off_surface(task, one, way.away_mm)
        points = way.placed_mm
        how = tr("shortest way along the surface of {name}").format(name=one.name)
    main = _main(length, "mm", f"{length:.1f} mm", how, spread)
    return {**main, "length_mm": length, "straight_mm": chords, "uncertainty_mm": spread, "line_mm": _lines(line),
            "points_mm": points}, notices  # fmt: skip


def _off_surface(task: Task, one: Structure, away: FloatArray) -> list[Notice]:
    limit = 2.0 * (one.half_voxel_mm or task.half_voxel_mm or 0.5)
    if float(away.max()) <= limit:
        return []
    message = tr("A point was placed {away:.1f} mm off the surface of “{name}” and was moved onto it.")
    return [Notice("point-off-surface", message.format(away=float(away.max()), name=one.name))]


def _area(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.polygons import outline

    if task.structures and not task.snap_to:
        return _area_on_surface(task, task.structures[0], points, ctx)
    found = outline(points)
    spread = _spread(task, lambda moved: outline(moved).area_mm2, points)
    notices = []
    limit = 2.0 * (task.half_voxel_mm or 0.5)
    if found.off_plane_mm > limit:
        message = tr(
            "The outline is not flat: points lie up to {away:.1f} mm off its plane. The area is that of its picture on "
            "the plane, not of a curved surface in it. For that name the surface (--of)."
        )
        notices.append(Notice("area-not-flat", message.format(away=found.off_plane_mm)))
    if found.crosses_itself:
        message = tr("The outline crosses itself, so parts of its area count against each other. Place it anew.")
        notices.append(Notice("area-crosses-itself", message))
    how = tr("flat outline through the points") if not notices else tr("outline's picture on its best plane")
    return {**_main(found.area_mm2, "mm²", f"{found.area_mm2:.1f} mm²", how, spread), "area_mm2": found.area_mm2,
            "perimeter_mm": found.perimeter_mm, "off_plane_mm": found.off_plane_mm, "uncertainty_mm2": spread,
            "line_mm": _lines(np.concatenate([points, points[:1]]))}, notices  # fmt: skip


def _area_on_surface(task: Task, one: Structure, points: FloatArray, ctx: Context) -> Found:
    """Of the part of a surface within the loop; the flat outline's area stands beside it."""
    from surgitwin.measuring.polygons import outline
    from surgitwin.measuring.surface_patches import area_within

    found = area_within(one.surface(ctx), points)
    placed, area = found.loop.placed_mm, found.area_mm2
    try:
        flat = outline(placed).area_mm2
    except BadInput:  # the points lie on a line in space, though not on the surface
        flat = None
    spread = None
    if task.half_voxel_mm is not None:
        # A corner that moves across the loop by 1 mm changes the area by half of what its neighbours are apart.
        apart = np.linalg.norm(np.roll(placed, -1, axis=0) - np.roll(placed, 1, axis=0), axis=1)
        spread = float(task.half_voxel_mm * np.sqrt((apart**2).sum() / 4.0))
    notices = _off_surface(task, one, found.loop.away_mm)
    if area > 0.8 * found.other_mm2:
        message = tr(
            "The loop leaves two parts of “{name}” of nearly the same size, {one:.0f} and {other:.0f} mm²; the smaller "
            "one is reported."
        )
        notices.append(Notice("area-either-side", message.format(name=one.name, one=area, other=found.other_mm2)))
    how = tr("surface of {name} within the loop along it").format(name=one.name)
    return {**_main(area, "mm²", f"{area:.1f} mm²", how, spread), "area_mm2": area, "flat_mm2": flat,
            "other_side_mm2": found.other_mm2, "perimeter_mm": found.loop.length_mm, "on_surface": True,
            "uncertainty_mm2": spread, "line_mm": _lines(found.loop.points_mm),
            "points_mm": placed}, notices  # fmt: skip


def _region(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.regions import box_values, sphere_values

    assert task.voxels is not None and task.grid is not None
    if task.kind == "sphere":
        assert task.radius_mm is not None
        found = sphere_values(task.voxels, task.grid, points[0], task.radius_mm)
        whole = 4.0 / 3.0 * np.pi * task.radius_mm**3 / 1000.0
    else:
        assert task.size_mm is not None
        found = box_values(task.voxels, task.grid, points[0], task.size_mm)
        whole = float(np.prod(task.size_mm)) / 1000.0
    notices = []
    if found.voxels and found.inside_percent < 100.0:
        message = tr("Only {percent:.0f} % of the region lies in the image; the values are of that part.")
        notices.append(Notice("region-partly-outside", message.format(percent=min(found.inside_percent, 99.0))))
    if found.not_numbers:
        message = tr("{count} voxels of the region hold no number and were left out.")
        notices.append(Notice("voxels-without-number", message.format(count=found.not_numbers)))
    values = {"mean": found.mean, "sd": found.sd, "min": found.minimum, "max": found.maximum, "median": found.median}
    unit = "HU" if task.in_hu else ""
    text = f"{found.mean:.1f} ± {found.sd:.1f} {unit}".strip()
    how = tr("mean ± SD of {count} voxels by their centres").format(count=found.voxels)
    return {**_main(found.mean, unit, text, how), "hu": values if task.in_hu else None,
            "intensity": None if task.in_hu else values, "voxels": found.voxels, "volume_ml": found.volume_ml,
            "region_ml": whole, "inside_percent": found.inside_percent}, notices  # fmt: skip


def _diameter(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.centrelines import place_on_tree
    from surgitwin.measuring.sections import cross_section

    one = task.structures[0]
    assert one.tree is not None
    place = place_on_tree(one.tree, points[0])
    section = cross_section(one.surface(ctx), place.point_mm, place.direction)
    notices = []
    if place.away_mm > place.radius_mm + 5.0:
        message = tr("The point was {away:.1f} mm from the centre line of “{name}”; its nearest place was measured.")
        notices.append(Notice("off-centre-line", message.format(away=place.away_mm, name=one.name)))
    if section is None or not section.holds_place:
        message = tr("The surface of “{name}” has no cross-section around this place; only the sphere was measured.")
        notices.append(Notice("no-cross-section", message.format(name=one.name)))
        section = None
    elif section.equivalent_mm > ROUND * 2.0 * place.radius_mm or section.max_mm > 2.0 * section.min_mm:
        message = tr("The cross-section is not round, as near a fork or in a bend: it may hold more than one vessel.")
        notices.append(Notice("section-not-round", message))
    half = one.half_voxel_mm
    spread = None if half is None else float(np.sqrt(2.0) * half)
    inscribed = 2.0 * place.radius_mm
    diameter = inscribed if section is None else section.equivalent_mm
    how = (
        tr("largest sphere inside the vessel")
        if section is None
        else tr("circle of the cross-section's area, across the centre line")
    )
    document = _main(diameter, "mm", f"Ø {diameter:.1f} mm", how, spread) | {
        "diameter_mm": diameter,
        "inscribed_diameter_mm": inscribed,
        "cross_section": None
        if section is None
        else {
            "area_mm2": section.area_mm2,
            "min_mm": section.min_mm,
            "max_mm": section.max_mm,
            "equivalent_mm": section.equivalent_mm,
            "perimeter_mm": section.perimeter_mm,
        },
        "branch": one.tree.name_of(place.branch) or str(place.branch),
        "uncertainty_mm": spread,
        "points_mm": place.point_mm,
    }
    if section is not None:
        document["line_mm"] = _lines(np.concatenate([section.points_mm, section.points_mm[:1]]))
    return document, notices


_RELATIONS = {
    "apart": tr("shortest line between the two surfaces"),
    "touching": tr("the surfaces touch or overlap"),
    "inside": tr("the first lies within the second"),
    "around": tr("the second lies within the first"),
}


def _distance(task: Task, points: FloatArray, ctx: Context) -> Found:
    from surgitwin.measuring.gaps import gap_between

    one, two = task.structures
    found = gap_between(one.surface(ctx.part(0.0, 0.4)), two.surface(ctx.part(0.4, 0.8)))
    halves = [half for half in (one.half_voxel_mm, two.half_voxel_mm) if half is not None]
    spread = float(np.sqrt(sum(half**2 for half in halves))) if len(halves) == 2 else None
    text, notices = f"{found.distance_mm:.1f} mm", []
    if found.relation == "touching":
        text = tr("0 mm (touch or overlap)")
    elif found.relation != "apart":
        text = tr("0 mm (within, {depth:.1f} mm below the surface)").format(depth=found.surfaces_mm)
    elif spread is not None and found.distance_mm < spread:
        message = tr("“{one}” and “{two}” are closer than a voxel: they cannot be told from touching.")
        notices.append(Notice("closer-than-a-voxel", message.format(one=one.name, two=two.name)))
    return {**_main(found.distance_mm, "mm", text, _RELATIONS[found.relation], spread),
            "length_mm": found.distance_mm, "relation": found.relation, "surfaces_mm": found.surfaces_mm,
            "uncertainty_mm": spread, "line_mm": _lines(found.points_mm),
            "points_mm": found.points_mm}, notices  # fmt: skip


_KINDS: dict[str, Callable[[Task, FloatArray, Context], Found]] = {
    "ruler": _ruler,
    "angle": _angle,
    "cobb": _cobb,
    "curve": _curve,
    "area": _area,
    "sphere": _region,
    "box": _region,
    "diameter": _diameter,
    "distance": _distance,
}
