"""Repairs of a mesh that is to be printed: what can be mended is, and every step says what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.groups import linked_groups
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.surfaces.check import MeshCheck, check_mesh, merge_vertices

HOLE_MM = 5.0
DEBRIS_MM3 = 5.0
_LOOKED_AT = 12
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """One thing that was done.

    Attributes
    ----------
    code
        ``merged-points``, ``dropped-faces``, ``turned-faces``, ``filled-holes``, ``dropped-shells``, ``turned-shells``,
        ``united-shells`` or ``made-anew``.
    count
        Of what the code says.
    """

    code: str
    count: int
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "count": self.count, "message": self.message}


@dataclass(frozen=True, eq=False)
class Repaired:
    """The mended mesh.

    Attributes
    ----------
    problems
        What could not be mended, one sentence each; empty if the mesh can be printed.
    """

    mesh: Mesh
    check: MeshCheck
    steps: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass
class _Bench:
    """A mesh under repair and what was done to it."""

    mesh: Mesh
    steps: list[Step] = field(default_factory=list)

    def note(self, code: str, count: int, text: str, **numbers: Any) -> None:
        if count:
            self.steps.append(Step(code, count, text.format(count=count, **numbers)))


def repair(
    mesh: Mesh,
    *,
    hole_mm: float = HOLE_MM,
    debris_mm3: float = DEBRIS_MM3,
    intersections_up_to: int | None = None,
    ctx: Context | None = None,
) -> Repaired:
    """Mend what can be mended without guessing.

    Points at one place are joined; triangles without area in the mesh's own terms (a corner twice) and doubled ones go;
    faces are turned to agree; holes up to ``hole_mm`` across are closed by a fan; closed shells below ``debris_mm3``
    go, cavities as well as bodies, but never the largest; each shell is turned outwards, or inwards where it bounds a
    cavity; shells that cross are united, and one that crosses itself is made anew around all that it encloses, where a
    grid of 0.6 mm or finer can hold it.

    Parameters
    ----------
    intersections_up_to
        As in `check_mesh`.

    Raises
    ------
    BadInput
        If the mesh is empty or has points that are nowhere.
    """
    ctx = ctx or Context()
    if mesh.empty:
        raise BadInput(tr("The surface is empty: there is nothing to print."))
    if not np.isfinite(mesh.points).all():
        raise BadInput(tr("The surface has points that are not numbers, so it cannot be repaired."))
    bench = _Bench(Mesh(mesh.points, mesh.triangles))
    _join_points(bench)
    _drop_faces(bench)
    ctx.progress(0.1, tr("Repairing"))
    _turn_faces(bench)
    _fill_holes(bench, hole_mm)
    ctx.progress(0.3, tr("Repairing"))
    _drop_debris(bench, debris_mm3)
    _turn_shells(bench)
    check = check_mesh(bench.mesh, intersections_up_to=intersections_up_to, ctx=ctx.part(0.4, 0.8))
    for mend in (_unite_shells, _make_anew):
        if not (check.self_intersections and check.closed and check.manifold):
            break
        mended = mend(bench, check.self_intersections)
        if mended is not None:
            bench.mesh = mended
            check = check_mesh(mended, intersections_up_to=intersections_up_to, ctx=ctx.part(0.8, 1.0))
    return Repaired(bench.mesh, check, tuple(bench.steps), problems_of(bench.mesh, check, hole_mm))


def problems_of(mesh: Mesh, check: MeshCheck, hole_mm: float = HOLE_MM) -> tuple[str, ...]:
    """Why a mesh cannot be printed, one sentence each."""
    found: list[str] = []
    if not check.manifold:
        found.append(tr("Its surface meets itself along an edge or in a point: it has no clear inside. Mesh it anew."))
    if not check.closed:
        loops = boundary_loops(mesh)
        if loops:
            widest = max(_across(mesh, loop) for loop in loops)
            message = tr(
                "It is open: {count} holes are left, the largest {size:.1f} mm across; only holes up to {limit:g} mm "
                "are closed. Mesh its segment, or close it where it came from."
            )
            found.append(message.format(count=len(loops), size=widest, limit=hole_mm))
        elif check.manifold:
            found.append(tr("It is open: its surface has holes that could not be closed."))
    if check.closed and check.manifold and not check.outward:
        found.append(tr("It is inside out, or its faces do not agree on which side is out."))
    if check.self_intersections:
        message = tr("Its surface crosses itself in {count} places; smooth or mesh the segment anew.")
        found.append(message.format(count=check.self_intersections))
    return tuple(found)


def boundary_loops(mesh: Mesh) -> list[IntArray]:
    """The rims of a mesh's holes as rows of points, each in the direction of the triangles along it.

    Rims that touch each other in a point cannot be told apart and are left out.
    """
    tail = mesh.triangles.astype(np.int64)
    head = np.roll(tail, -1, axis=1)
    one, two = tail.reshape(-1), head.reshape(-1)
    base = len(mesh.points)
    key = np.minimum(one, two) * base + np.maximum(one, two)
    _, number, uses = np.unique(key, return_inverse=True, return_counts=True)
    rim = uses[number] == 1
    following: dict[int, int] = {}
    shared: set[int] = set()
    for start, end in zip(one[rim].tolist(), two[rim].tolist(), strict=True):
        if start in following:
            shared.add(start)
        following[start] = end
    loops: list[IntArray] = []
    while following:
        start, at = next(iter(following.items()))
        loop = [start]
        del following[start]
        while at != start and at in following:
            loop.append(at)
            at = following.pop(at)
        if at == start and len(loop) > 2 and shared.isdisjoint(loop):
            loops.append(np.array(loop, np.int64))
    return loops


def shells_of(mesh: Mesh) -> IntArray:
    """The shell of each triangle: those that hang together over edges."""
    tail = mesh.triangles.T.astype(np.int64)
    head = np.roll(tail, -1, axis=0)
    key = (np.minimum(tail, head) * len(mesh.points) + np.maximum(tail, head)).reshape(-1)
    order = np.argsort(key, kind="stable")
    again = key[order][1:] == key[order][:-1]
    count = len(mesh.triangles)
    return linked_groups(order[:-1][again] % count, order[1:][again] % count, count)


def _join_points(bench: _Bench) -> None:
    mesh = bench.mesh
    used = int(np.unique(mesh.triangles).size)
    merged = merge_vertices(mesh)
    number = np.unique(merged.triangles)
    place = np.zeros(len(merged.points), np.int32)
    place[number] = np.arange(number.size, dtype=np.int32)
    bench.mesh = Mesh(np.ascontiguousarray(merged.points[number]), place[merged.triangles])
    bench.note("merged-points", used - number.size, tr("{count} points at the place of another were joined with it."))


def _drop_faces(bench: _Bench) -> None:
    a, b, c = bench.mesh.triangles.T
    whole = (a != b) & (b != c) & (c != a)
    triangles = bench.mesh.triangles[whole]
    ordered = np.sort(triangles, axis=1)
    # Even or odd order of the corners: two doubles that look opposite ways are a sheet without thickness and both go.
    way = np.where(_parity(triangles), 1, -1)
    _, first, number, uses = np.unique(ordered, axis=0, return_index=True, return_inverse=True, return_counts=True)
    number = number.reshape(-1)
    net = np.bincount(number, weights=way, minlength=len(first))
    keep = np.zeros(len(triangles), np.bool_)
    keep[first] = True
    keep &= ~((uses[number] > 1) & (net[number] == 0))
    if not keep.any():
        raise BadInput(tr("The surface encloses nothing: all of its triangles are flat or lie on each other."))
    bench.note(
        "dropped-faces",
        len(bench.mesh.triangles) - int(keep.sum()),
        tr("{count} triangles without area, or on top of another, were removed."),
    )
    bench.mesh = Mesh(bench.mesh.points, np.ascontiguousarray(triangles[keep]))


def _turn_faces(bench: _Bench) -> None:
    """Let all faces of a shell agree on which side is out."""
    tail = bench.mesh.triangles.astype(np.int64)
    directed = np.sort((tail * len(bench.mesh.points) + np.roll(tail, -1, axis=1)).reshape(-1))
    if not np.any(directed[1:] == directed[:-1]):
        return
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkOrientPolyData

    to_vtk: Any = numpy_to_vtk
    ids: Any = numpy_to_vtkIdTypeArray
    to_numpy: Any = vtk_to_numpy
    points: Any = vtkPoints()
    points.SetData(to_vtk(np.ascontiguousarray(bench.mesh.points), deep=True))
    cells: Any = vtkCellArray()
    cells.SetData(3, ids(np.ascontiguousarray(tail).reshape(-1), deep=True))
    data: Any = vtkPolyData()
    data.SetPoints(points)
    data.SetPolys(cells)
    turner: Any = vtkOrientPolyData()
    turner.SetInputData(data)
    turner.ConsistencyOn()
    turner.NonManifoldTraversalOff()
    turner.Update()
    turned = to_numpy(turner.GetOutput().GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
    changed = int(np.count_nonzero(_parity(turned) != _parity(bench.mesh.triangles)))
    bench.mesh = Mesh(bench.mesh.points, np.ascontiguousarray(turned))
    changed = min(changed, len(turned) - changed)
    bench.note("turned-faces", changed, tr("{count} triangles were turned to face the same way as their neighbours."))


def _parity(triangles: NDArray[np.int32]) -> NDArray[np.bool_]:
    a, b, c = triangles.T
    return np.asarray((a < b) ^ (b < c) ^ (c < a))


def _across(mesh: Mesh, loop: IntArray) -> float:
    rim = mesh.points[loop].astype(np.float64)
    return 2.0 * float(np.linalg.norm(rim - rim.mean(axis=0), axis=1).max())


def _fill_holes(bench: _Bench, hole_mm: float) -> None:
    mesh = bench.mesh
    small = [loop for loop in boundary_loops(mesh) if _across(mesh, loop) <= hole_mm]
    if not small:
        return
    points, triangles = [mesh.points], [mesh.triangles]
    count = len(mesh.points)
    for loop in small:
        following = np.roll(loop, -1)
        if len(loop) == 3:
            triangles.append(loop[::-1].reshape(1, 3).astype(np.int32))
            continue
        points.append(mesh.points[loop].mean(axis=0, dtype=np.float64)[None].astype(np.float32))
        middle = np.full(len(loop), count)
        count += 1
        triangles.append(np.stack((following, loop, middle), axis=1).astype(np.int32))
    largest = max(_across(mesh, loop) for loop in small)
    bench.mesh = Mesh(np.concatenate(points), np.concatenate(triangles))
    text = tr("{count} holes were closed, the largest {size:.1f} mm across.")
    bench.note("filled-holes", len(small), text, size=largest)


def _volumes(mesh: Mesh, shell: IntArray) -> NDArray[np.float64]:
    """The signed volume of each shell, mm3."""
    points = mesh.points.astype(np.float64) - mesh.points.mean(axis=0, dtype=np.float64)
    a, b, c = points[mesh.triangles].transpose(1, 0, 2)
    return np.asarray(np.bincount(shell, weights=np.einsum("nd,nd->n", a, np.cross(b, c)) / 6.0), np.float64)


def _drop_debris(bench: _Bench, debris_mm3: float) -> None:
    shell = shells_of(bench.mesh)
    volumes = np.abs(_volumes(bench.mesh, shell))
    small = volumes < debris_mm3
    small[np.argmax(volumes)] = False
    if not small.any():
        return
    keep = ~small[shell]
    total = float(volumes[small].sum())
    text = tr("{count} shells smaller than {limit:g} mm³ (specks or pores) were removed, {total:.2f} mm³ in all.")
    bench.note("dropped-shells", int(small.sum()), text, limit=debris_mm3, total=total)
    bench.mesh = _without_loose_points(Mesh(bench.mesh.points, bench.mesh.triangles[keep]))


def _without_loose_points(mesh: Mesh) -> Mesh:
    used, number = np.unique(mesh.triangles, return_inverse=True)
    return Mesh(np.ascontiguousarray(mesh.points[used]), number.reshape(-1, 3).astype(np.int32))


def _turn_shells(bench: _Bench) -> None:
    """Bodies outwards, cavities inwards."""
    shell = shells_of(bench.mesh)
    volumes = _volumes(bench.mesh, shell)
    wrong = (volumes < 0) != (_depths(bench.mesh, shell) % 2 == 1)
    if not wrong.any():
        return
    triangles = bench.mesh.triangles.copy()
    turn = wrong[shell]
    triangles[turn] = triangles[turn][:, ::-1]
    bench.mesh = Mesh(bench.mesh.points, triangles)
    bench.note("turned-shells", int(wrong.sum()), tr("{count} shells were inside out and were turned."))


def _depths(mesh: Mesh, shell: IntArray) -> IntArray:
    """How many other shells surround each shell, by rays from some of its triangles."""
    count = int(shell.max()) + 1
    depths = np.zeros(count, np.int64)
    if count == 1:
        return depths
    corners = mesh.points.astype(np.float64)[mesh.triangles]
    origin = corners[:, 0]
    one, two = corners[:, 1] - origin, corners[:, 2] - origin
    way = np.array((0.3086, 0.5173, 0.7982))  # along no grid
    across = np.cross(way, two)
    determinant = np.einsum("nd,nd->n", one, across)
    scale = np.where(determinant == 0, np.inf, determinant)
    for number in range(count):
        own = np.flatnonzero(shell == number)
        inside = np.ones(count, np.bool_)
        # One that crosses another has points inside and outside of it, and is not surrounded.
        for start in corners[own[:: max(len(own) // _LOOKED_AT, 1)]].mean(axis=1):
            offset = start - origin
            u = np.einsum("nd,nd->n", offset, across) / scale
            turned = np.cross(offset, one)
            v = turned @ way / scale
            far = np.einsum("nd,nd->n", two, turned) / scale
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (far > 0) & (determinant != 0)
            inside &= np.bincount(shell[hit], minlength=count) % 2 == 1
        inside[number] = False
        depths[number] = int(np.count_nonzero(inside))
    return depths


def _make_anew(bench: _Bench, crossings: int) -> Mesh | None:
    """The surface around all that a shell which crosses itself encloses; None where that does not help."""
    from surgitwin.core.errors import SurgitwinError
    from surgitwin.surfaces.winding import made_anew

    try:
        found = made_anew(bench.mesh)
    except SurgitwinError:
        return None  # the crossings stay, and are told
    if found is None:
        return None
    mesh, step, far = found
    text = tr(
        "The surface crossed itself in {count} places; it was made anew around all that it encloses, on a grid of "
        "{step:.2f} mm, and lies up to {far:.2f} mm from where it was."
    )
    bench.note("made-anew", crossings, text, step=step, far=far)
    return mesh


def _unite_shells(bench: _Bench, crossings: int) -> Mesh | None:
    """Bodies that overlap as one body; None where that does not help."""
    from surgitwin.core.errors import SurgitwinError
    from surgitwin.surfaces.solids import Solid, difference, union

    shell = shells_of(bench.mesh)
    depths = _depths(bench.mesh, shell)
    if len(depths) < 2:
        return None
    parts = [
        _without_loose_points(Mesh(bench.mesh.points, bench.mesh.triangles[shell == number]))
        for number in range(len(depths))
    ]
    try:
        whole = union([Solid.of(part) for part, depth in zip(parts, depths, strict=True) if depth == 0])
        for level in range(1, int(depths.max()) + 1):
            inner = [Solid.of(part) for part, depth in zip(parts, depths, strict=True) if depth == level]
            whole = difference(whole, inner) if level % 2 else union([whole, *inner])
        united = whole.mesh()
    except SurgitwinError:
        return None  # the crossings stay, and are told
    bench.note("united-shells", len(depths), tr("{count} shells that crossed each other were united."))
    return united
