"""Bodies, and what can be done with them: unite, subtract, intersect, cut by a plane.

The only module that speaks to manifold3d. A `Solid` is held in double precision, so that many operations can follow one
another; `Solid.mesh` rounds once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.surfaces.check import check_mesh, is_closed, merge_vertices

if TYPE_CHECKING:
    from manifold3d import Manifold

# A circle's polygon lies within this of it, but for the smallest and the largest.
CHORD_ERROR_MM = 0.01
# Triangles thinner than this go: rounding to single precision, in which files store points, makes such slivers cross.
_SIMPLER_MM = 1e-3
_APART_MM = 1e-3


@dataclass(frozen=True, eq=False)
class Solid:
    """A closed body in LPS mm, or nothing.

    Attributes
    ----------
    body
        manifold3d's own object.
    name
        What a person calls it; sentences that refuse something use it.
    """

    body: Manifold
    name: str = "part"

    @staticmethod
    def of(mesh: Mesh, name: str = "part") -> Solid:
        """The body inside a closed mesh; one that is inside-out is turned over.

        Raises
        ------
        BadInput
            If the mesh is empty, open, or its faces do not agree on which side is out.
        """
        from manifold3d import Error, Manifold, Mesh64

        triangles = _refuse_open(mesh, name).triangles
        if mesh.volume_mm3 < 0:
            triangles = triangles[:, ::-1]
        points = np.ascontiguousarray(mesh.points, np.float64)
        body = Manifold(Mesh64(points, np.ascontiguousarray(triangles, np.uint64)))
        if body.status() != Error.NoError:
            message = tr("“{name}” is not a solid body ({why}): repair its surface first.")
            raise BadInput(message.format(name=name, why=body.status().name))
        return Solid(body, name)

    @property
    def empty(self) -> bool:
        return bool(self.body.is_empty())

    @property
    def volume_mm3(self) -> float:
        return float(self.body.volume())

    @property
    def box_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest corner."""
        bounds = np.array(self.body.bounding_box(), np.float64)
        return bounds[:3], bounds[3:]

    def __add__(self, other: Solid) -> Solid:
        return Solid(self.body + other.body, self.name)

    def __sub__(self, other: Solid) -> Solid:
        return Solid(self.body - other.body, self.name)

    def __and__(self, other: Solid) -> Solid:
        return Solid(self.body ^ other.body, self.name)

    def called(self, name: str) -> Solid:
        return Solid(self.body, name)

    def moved(self, matrix: ArrayLike) -> Solid:
        """At ``matrix`` (4x4) times its place; one that mirrors keeps the outside out."""
        return Solid(self.body.transform(np.asarray(matrix, np.float64)[:3]), self.name)

    def split(self, point_mm: ArrayLike, normal: ArrayLike) -> tuple[Solid, Solid]:
        """The part on the side that ``normal`` points to, and the other one; either may be empty."""
        way = unit(normal)
        front, back = self.body.split_by_plane(way, float(way @ np.asarray(point_mm, np.float64)))
        return Solid(front, self.name), Solid(back, self.name)

    def pieces(self) -> list[Solid]:
        """Its connected pieces, the largest first; a cavity belongs to what surrounds it."""
        shells = [Solid(body, self.name) for body in self.body.decompose()]
        solids = [one for one in shells if one.volume_mm3 > 0]
        for cavity in (one for one in shells if one.volume_mm3 < 0):
            solids = _with_cavity(solids, cavity)
        return sorted(solids, key=lambda one: -one.volume_mm3)

    def hull(self) -> Solid:
        return Solid(self.body.hull(), self.name)

    def mesh(self) -> Mesh:
        """The body's surface: closed and manifold, also after points are rounded and merged as in an STL file.

        Raises
        ------
        BadInput
            If the body is empty.
        """
        if self.empty:
            raise BadInput(tr("Nothing is left of “{name}”.").format(name=self.name))
        from manifold3d import Manifold, Mesh64

        for apart_mm in (0.0, _APART_MM, 4 * _APART_MM):
            mesh = _rounded(self.body, apart_mm)
            if not _sound(mesh):
                continue
            # What is left out is chosen after rounding: the points that stay are not rounded again.
            body = Manifold(Mesh64(mesh.points.astype(np.float64), mesh.triangles.astype(np.uint64)))
            simpler = _rounded(body.simplify(_SIMPLER_MM))
            return simpler if _sound(simpler) else mesh
        raise SurgitwinError(tr("The surface of “{name}” could not be closed.").format(name=self.name))


def union(solids: Iterable[Solid], name: str | None = None) -> Solid:
    """All of them together."""
    return _together(solids, "Add", name)


def difference(solid: Solid, others: Iterable[Solid]) -> Solid:
    """``solid`` without the others."""
    return _together((solid, *others), "Subtract", solid.name)


def intersection(solids: Iterable[Solid], name: str | None = None) -> Solid:
    """What they have in common."""
    return _together(solids, "Intersect", name)


def box(low_mm: ArrayLike, high_mm: ArrayLike, name: str = "box") -> Solid:
    """A box along the axes."""
    from manifold3d import Manifold

    low, high = np.asarray(low_mm, np.float64), np.asarray(high_mm, np.float64)
    return Solid(Manifold.cube(_triple(high - low)).translate(_triple(low)), name)


def sphere(centre_mm: ArrayLike, radius_mm: float, name: str = "sphere", *, sides: int | None = None) -> Solid:
    """A geodesic sphere whose points lie on the true one; ``sides`` around its equator."""
    from manifold3d import Manifold

    ball = Manifold.sphere(radius_mm, sides or circle_sides(radius_mm))
    return Solid(ball.translate(_triple(np.asarray(centre_mm, np.float64))), name)


def cylinder(
    start_mm: ArrayLike, end_mm: ArrayLike, radius_mm: float, end_radius_mm: float | None = None, name: str = "cylinder"
) -> Solid:
    """A cylinder or, with a second radius, a truncated cone between two points."""
    from manifold3d import Manifold

    start, end = np.asarray(start_mm, np.float64), np.asarray(end_mm, np.float64)
    last = radius_mm if end_radius_mm is None else end_radius_mm
    height = float(np.linalg.norm(end - start))
    upright = Manifold.cylinder(height, radius_mm, last, circle_sides(max(radius_mm, last)))
    return Solid(upright, name).moved(standing(start, end - start))


def extrude(
    outlines: Sequence[ArrayLike],
    height_mm: float,
    name: str = "outline",
    *,
    rule: Literal["positive", "even-odd", "winding"] = "positive",
) -> Solid:
    """Outlines in the plane z = 0 pulled up to ``height_mm``.

    Parameters
    ----------
    outlines
        Closed rings of shape (n, 2), mm.
    rule
        What is filled: "positive" is where outer rings run counter-clockwise and holes clockwise; "winding" takes outer
        rings of either direction with holes of the other; for "even-odd" directions do not matter.
    """
    from manifold3d import CrossSection, FillRule

    rings = [np.ascontiguousarray(ring, np.float64) for ring in outlines]
    rules = {"positive": FillRule.Positive, "even-odd": FillRule.EvenOdd, "winding": FillRule.NonZero}
    return Solid(CrossSection(rings, rules[rule]).extrude(height_mm), name)


def rounded_plate(size_mm: tuple[float, float], height_mm: float, corner_mm: float, name: str = "plate") -> Solid:
    """An upright plate about the origin of x and y, from z = 0 to ``height_mm``, its four corners rounded."""
    from manifold3d import CrossSection

    inner = (size_mm[0] - 2 * corner_mm, size_mm[1] - 2 * corner_mm)
    flat = CrossSection.square(inner, center=True).offset(corner_mm, circular_segments=circle_sides(corner_mm))
    return Solid(flat.extrude(height_mm), name)


def circle_sides(radius_mm: float) -> int:
    """How many sides a circle's polygon needs to lie within `CHORD_ERROR_MM` of it: 24 to 160, a multiple of 4."""
    if radius_mm <= CHORD_ERROR_MM:
        return 24
    sides = math.pi / math.acos(1.0 - CHORD_ERROR_MM / radius_mm)
    return min(max(4 * math.ceil(sides / 4), 24), 160)


def unit(vector: ArrayLike) -> NDArray[np.float64]:
    """The vector at length one.

    Raises
    ------
    BadInput
        If it has no length.
    """
    way = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(way))
    if not math.isfinite(length) or length < 1e-9:
        raise BadInput(tr("A direction cannot be {vector}: it has no length.").format(vector=list(way)))
    return way / length


def standing(at_mm: ArrayLike, up: ArrayLike, right: ArrayLike | None = None) -> NDArray[np.float64]:
    """A frame (4x4) whose origin is ``at_mm``, whose z is ``up`` and whose x is as near to ``right`` as can be."""
    z = unit(up)
    hint = np.asarray(right, np.float64) if right is not None else np.eye(3)[int(np.argmin(np.abs(z)))]
    y = unit(np.cross(z, hint))
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = np.cross(y, z), y, z, np.asarray(at_mm, np.float64)
    return matrix


def _together(solids: Iterable[Solid], how: Literal["Add", "Subtract", "Intersect"], name: str | None) -> Solid:
    from manifold3d import Manifold, OpType

    parts = list(solids)
    called = name if name is not None else parts[0].name if parts else "part"
    return Solid(Manifold.batch_boolean([part.body for part in parts], getattr(OpType, how)), called)


def _with_cavity(solids: list[Solid], cavity: Solid) -> list[Solid]:
    """The solids, the one that surrounds the cavity hollowed by it."""
    from manifold3d import Manifold, Mesh64

    out = cavity.body.to_mesh64()
    filled = Solid(Manifold(Mesh64(np.array(out.vert_properties), np.array(out.tri_verts[:, ::-1], order="C"))))
    around = [n for n, one in enumerate(solids) if _inside(one, np.asarray(out.vert_properties[0, :3]))]
    if not around:
        return solids
    home = min(around, key=lambda n: solids[n].volume_mm3)
    return [one - filled if n == home else one for n, one in enumerate(solids)]


def _inside(solid: Solid, point: NDArray[np.float64]) -> bool:
    """Whether a ray from the point leaves the solid an odd number of times."""
    low, high = solid.box_mm
    if np.any(point < low) or np.any(point > high):
        return False
    # A direction that no grid has, so that the ray passes through faces and not along them.
    far = point + unit((0.31, 0.52, 0.79)) * (float(np.linalg.norm(high - low)) + 1.0)
    return len(solid.body.ray_cast(_triple(point), _triple(far))) % 2 == 1


def _refuse_open(mesh: Mesh, name: str) -> Mesh:
    if mesh.empty:
        raise BadInput(tr("“{name}” has no surface: there is nothing to work with.").format(name=name))
    if not np.isfinite(mesh.points).all():
        raise BadInput(tr("“{name}” has points that are not numbers: repair its surface first.").format(name=name))
    if is_closed(mesh):
        return mesh
    check = check_mesh(mesh, intersections_up_to=0)
    if not check.closed and check.manifold:
        message = tr(
            "“{name}” is open: its surface has holes, so it has no inside. Close it first, or mesh its segment."
        )
    elif check.closed and check.manifold:
        message = tr("The faces of “{name}” do not agree on which side is out: repair its surface first.")
    else:
        message = tr("The surface of “{name}” meets itself along an edge, so it has no clear inside: repair it first.")
    raise BadInput(message.format(name=name))


def _sound(mesh: Mesh) -> bool:
    check = check_mesh(mesh, intersections_up_to=0)
    return check.closed and check.manifold and is_closed(mesh)


def _rounded(body: Manifold, apart_mm: float = 0.0) -> Mesh:
    """The surface in single precision, equal points made one; ``apart_mm`` first draws points that touch apart."""
    out = body.to_mesh64()
    exact = np.asarray(out.vert_properties, np.float64)[:, :3]
    triangles = np.asarray(out.tri_verts).astype(np.int32)
    if apart_mm:
        exact = _drawn_apart(exact, triangles, apart_mm)
    merged = merge_vertices(Mesh(np.ascontiguousarray(exact, np.float32), triangles))
    # Two corners at one place: the sides left over run to and fro, so the neighbours stay joined without the triangle.
    a, b, c = merged.triangles.T
    whole = (a != b) & (b != c) & (c != a)
    return Mesh(merged.points, np.ascontiguousarray(merged.triangles[whole])) if not whole.all() else merged


def _drawn_apart(points: NDArray[np.float64], triangles: NDArray[np.int32], by_mm: float) -> NDArray[np.float64]:
    """The points, those that would become one drawn into their own body a little."""
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inwards = np.zeros_like(points)
    for corner in range(3):
        np.subtract.at(inwards, triangles[:, corner], normals)
    length = np.linalg.norm(inwards, axis=1, keepdims=True)
    rows = np.ascontiguousarray(points.astype(np.float32) + np.float32(0)).view([("", np.float32)] * 3).reshape(-1)
    _, number, count = np.unique(rows, return_inverse=True, return_counts=True)
    shared = count[number] > 1
    moved = points.copy()
    moved[shared] += by_mm * (inwards / np.where(length > 0, length, 1.0))[shared]
    return moved


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
