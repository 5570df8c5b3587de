"""Moving a patch by its control points, in a slice or in 3D: pure geometry, no picture."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, FloatArray, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.render.content import CutSurfaceContent, PatchContent, Vec3, vec3
from surgitwin.render.cut_surface import side_by_crossings, side_of

if TYPE_CHECKING:
    from surgitwin.resection.bezier import BezierPatch
    from surgitwin.resection.surface_cut import SurfaceCut

DRAWN_CELLS = 40
FLAT = 1e-9
EDGE_ON = 0.2
BESIDE_MM = 2.0
BOX_EDGE_MM = 3


def _patch(control_points: FloatArray) -> BezierPatch:
    # Imported here: a window that starts does not wait for the cutting of organs.
    from surgitwin.resection.bezier import BezierPatch

    return BezierPatch(control_points)


def bezier_mesh(control_points: ArrayLike) -> Mesh:
    """A Bézier patch as a view draws it, `DRAWN_CELLS` squared cells; the numbers of a plan come from a finer one."""
    t = np.linspace(0.0, 1.0, DRAWN_CELLS + 1)
    points = _patch(np.asarray(control_points, dtype=np.float64)).at(t, t)
    return Mesh(points.reshape(-1, 3).astype(np.float32), _grid_triangles(DRAWN_CELLS, DRAWN_CELLS))


def bezier_content(id: str, control_points: ArrayLike, remove_point: Vec3, **more: Any) -> PatchContent:
    """A Bézier patch to show; ``more`` are the other fields of `PatchContent`.

    Without ``side`` in them the side that goes is found by extending the patch as its cut does; `side_of_cut` gives
    that of a cut that is there already.
    """
    points = np.asarray(control_points, dtype=np.float64)
    mesh = more.pop("mesh", None) or bezier_mesh(points)
    more.setdefault("tessellate", bezier_mesh)
    if more.get("side") is None:
        more["side"] = _side_of_patch(points, remove_point)
    return PatchContent(id, mesh, remove_point, control_points=points, **more)


def surface_content(id: str, cut: SurfaceCut, **more: Any) -> CutSurfaceContent:
    """A cut along a surface of triangles, such as a curve's curtain: what is drawn of it, and the side that goes."""
    triangles = cut.triangles[: cut.drawn]
    used = np.unique(triangles)
    place = np.zeros(len(cut.points_mm), dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    mesh = Mesh(cut.points_mm[used].astype(np.float32), place[triangles])
    more.setdefault("side", side_of_cut(cut))
    return CutSurfaceContent(id, mesh, vec3(cut.remove_point_mm), **more)


def grid_content(id: str, points: ArrayLike, **more: Any) -> CutSurfaceContent:
    """A cut surface from rows of points, (rows, columns, 3), LPS mm, such as the margin map of a plane.

    ``classes`` and ``distances_mm`` among ``more``, the other fields of `CutSurfaceContent`, may be rows too. The
    triangles face to where rows and columns cross by the right-hand rule.
    """
    places = np.asarray(points, dtype=np.float32)
    for name in ("classes", "distances_mm"):
        if more.get(name) is not None:
            more[name] = np.asarray(more[name]).reshape(-1)
    rows, columns = places.shape[:2]
    return CutSurfaceContent(id, Mesh(places.reshape(-1, 3), _grid_triangles(rows - 1, columns - 1)), **more)


def side_of_cut(cut: SurfaceCut) -> int:
    """1 if the side that goes is the one that the normals of a cut's triangles point to, otherwise -1."""
    return side_by_crossings(cut.points_mm, cut.triangles, cut.drawn, cut.remove_point_mm)


def _side_of_patch(points: FloatArray, remove_point: Vec3) -> int | None:
    """By the surface that divides a box around the patch and the point; None if it divides none."""
    from surgitwin.resection.bezier import surface_cut

    both = np.concatenate([points.reshape(-1, 3), [remove_point]])
    low = np.floor(both.min(axis=0)) - BOX_EDGE_MM
    size = np.ceil(both.max(axis=0) - low).astype(int) + BOX_EDGE_MM
    sizes = int(size[0]), int(size[1]), int(size[2])
    geometry = Geometry.from_parts(sizes, (1.0, 1.0, 1.0), vec3(low))
    try:
        cut = surface_cut(_patch(points), Box((0, 0, 0), sizes), geometry, remove_point, checked=False)
    except BadInput:
        return None  # who cuts with it says so in words
    return side_of_cut(cut)


@cache
def _grid_triangles(rows: int, columns: int) -> NDArray[np.int32]:
    """Two triangles to each of so many cells of a grid of points."""
    number = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    both = np.stack([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)], axis=2)
    triangles = both.reshape(-1, 3).astype(np.int32)
    triangles.setflags(write=False)
    return triangles


def normal_at(control_points: FloatArray, row: int, column: int) -> FloatArray | None:
    """The unit normal of a patch where one of its control points pulls most; None where it has no direction.

    That is at the parameters row / (rows - 1) and column / (columns - 1), where the point's Bernstein polynomials are
    largest.
    """
    rows, columns = control_points.shape[:2]
    u, v = np.array([row / (rows - 1)]), np.array([column / (columns - 1)])
    by_u, by_v = _patch(control_points).slopes(u, v)
    normal = np.cross(by_u[0, 0], by_v[0, 0])
    length = float(np.linalg.norm(normal))
    scale = float(np.linalg.norm(by_u)) * float(np.linalg.norm(by_v))
    return None if length <= FLAT * max(scale, FLAT) else np.asarray(normal / length)


def middle(content: PatchContent) -> tuple[FloatArray, FloatArray]:
    """The middle of a patch, and the unit direction there to the side that goes (zero if it has none)."""
    half = np.array([0.5])
    patch = _patch(content.control_points)
    by_u, by_v = patch.slopes(half, half)
    normal = np.cross(by_u[0, 0], by_v[0, 0])
    length = float(np.linalg.norm(normal))
    place = patch.at(half, half)[0, 0]
    if length < FLAT or side_of(content) == 0 or content.mesh.empty:
        return place, np.zeros(3)
    # The mesh may face either way; its triangle at the middle tells.
    nearest = int(((content.mesh.points - place) ** 2).sum(axis=1).argmin())
    around = content.mesh.triangles[(content.mesh.triangles == nearest).any(axis=1)]
    a, b, c = (content.mesh.points[around[:, corner]].astype(np.float64) for corner in range(3))
    alike = 1.0 if float(np.cross(b - a, c - a).sum(axis=0) @ normal) >= 0 else -1.0
    return place, normal / length * alike * side_of(content)


def point_moved(content: PatchContent, row: int, column: int, by_lps: ArrayLike) -> PatchContent:
    """One control point shifted by a vector in LPS millimetres; the same side of the patch goes as before.

    The surface may pass over the point that names that side, so another one is taken, beside the patch's middle.
    """
    points = np.array(content.control_points)
    points[row, column] += np.asarray(by_lps, dtype=np.float64)
    side = side_of(content)
    if side == 0:
        return content.with_points(points)
    changed = replace(content.with_points(points), side=int(side))
    place, towards = middle(changed)
    return replace(changed, remove_point=vec3(place + BESIDE_MM * towards)) if towards.any() else changed


def patch_moved(content: PatchContent, by_lps: ArrayLike) -> PatchContent:
    """The whole patch shifted by a vector in LPS millimetres; the side that goes stays the same."""
    by = np.asarray(by_lps, dtype=np.float64)
    changed = content.with_points(content.control_points + by)
    side = side_of(content)
    if side != 0:
        changed = replace(changed, side=int(side))
    if content.remove_point is None:
        return changed
    return replace(changed, remove_point=vec3(np.asarray(content.remove_point) + by))


def step_in_view(right: FloatArray, up: FloatArray, step_mm: tuple[float, float]) -> FloatArray:
    """The LPS vector of a drag in the plane of the screen: millimetres to the right and up."""
    return np.asarray(step_mm[0] * right + step_mm[1] * up)


def step_along(direction: FloatArray, right: FloatArray, up: FloatArray, step_mm: tuple[float, float]) -> FloatArray:
    """The LPS vector of a drag along a direction: what is held stays under the mouse, as seen across the direction.

    Where the direction points at the viewer or away, up on the screen is along it.
    """
    shown = np.array([direction @ right, direction @ up])
    length = float(np.linalg.norm(shown))
    far = step_mm[1] if length < EDGE_ON else float(np.asarray(step_mm) @ shown) / length**2
    return np.asarray(far * direction)


def nearest_handle(places: FloatArray, at: tuple[float, float], reach: float) -> tuple[int, float] | None:
    """The handle nearest to a pixel and its distance, if it is within reach; of two at one place the nearer to the eye.

    Parameters
    ----------
    places
        (n, 3): pixels right and down, and millimetres towards the viewer.
    """
    away = np.hypot(places[:, 0] - at[0], places[:, 1] - at[1])
    if not len(away) or float(away.min()) > reach:
        return None
    best = int(np.lexsort((-places[:, 2], np.round(away)))[0])
    return best, float(away[best])


def ray_meets(mesh: Mesh, origin: FloatArray, direction: FloatArray) -> bool:
    """True if a line (both ways) passes through a mesh, by Moeller and Trumbore's test of every triangle."""
    a, b, c = (mesh.points[mesh.triangles[:, corner]].astype(np.float64) for corner in range(3))
    one, other = b - a, c - a
    across = np.cross(direction, other)
    scale = (one * across).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        from_a = origin - a
        u = (from_a * across).sum(axis=1) / scale
        turned = np.cross(from_a, one)
        v = (turned @ direction) / scale
    return bool(((u >= 0) & (v >= 0) & (u + v <= 1)).any())
