"""How fast the fit of an implant follows a drag, against VTK's implicit distance of the same points in the same run.

An implant of 50,000 triangles lies on a bone of 200,000; each pose is a new one. Prints medians and the ratio.

    python benchmarks/implant_fit.py [--poses 15]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from surgitwin.core.mesh import Mesh
from surgitwin.implants.fit import LiveFit


def sphere(rings: int, around: int) -> Mesh:
    """A ball of radius 1 with 2 * around * (rings - 1) triangles."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    t, p = np.meshgrid(polar, turn, indexing="ij")
    body = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=-1).reshape(-1, 3)
    points = np.vstack([body, [[0, 0, 1], [0, 0, -1]]])
    top, bottom, last = len(body), len(body) + 1, (rings - 2) * around
    a, b = np.arange(around), np.roll(np.arange(around), -1)
    faces = [
        np.stack([np.full(around, top), a, b], axis=1),
        np.stack([last + b, last + a, np.full(around, bottom)], axis=1),
    ]
    for ring in range(rings - 2):
        low, high = ring * around, (ring + 1) * around
        faces += [np.stack([low + a, high + a, high + b], axis=1), np.stack([low + a, high + b, low + b], axis=1)]
    return Mesh(points.astype(np.float32), np.concatenate(faces).astype(np.int32))


def bone() -> Mesh:
    """A lump of 200,000 triangles, 60 to 70 mm across, uneven like a bone."""
    ball = sphere(251, 400)
    p = ball.points.astype(np.float64)
    radius = 32 + 2 * np.sin(6 * p[:, 0]) * np.cos(5 * p[:, 1]) + 0.6 * np.sin(25 * p[:, 2]) * np.cos(20 * p[:, 0])
    return Mesh((p * radius[:, None]).astype(np.float32), ball.triangles)


def implant() -> Mesh:
    """A flat lens of 50,000 triangles, 44 mm across."""
    ball = sphere(126, 200)
    return Mesh((ball.points * np.float32([22, 14, 3])).astype(np.float32), ball.triangles)


def implicit(mesh: Mesh):  # type: ignore[no-untyped-def]
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance

    poly, points, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    points.SetData(numpy_to_vtk(mesh.points.astype(np.float64), deep=True))
    count = len(mesh.triangles)
    offsets = numpy_to_vtkIdTypeArray(np.arange(0, 3 * count + 1, 3, dtype=np.int64), deep=True)
    cells.SetData(offsets, numpy_to_vtkIdTypeArray(mesh.triangles.astype(np.int64).reshape(-1), deep=True))
    poly.SetPoints(points)
    poly.SetPolys(cells)
    found = vtkImplicitPolyDataDistance()
    found.SetInput(poly)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poses", type=int, default=15)
    chosen = parser.parse_args()
    piece, whole = implant(), bone()
    start = time.perf_counter()
    live = LiveFit(piece, whole)
    ready = time.perf_counter() - start
    print(f"implant {len(piece.triangles)} triangles, bone {len(whole.triangles)}; made ready in {ready:.2f} s")
    reference = implicit(whole)
    ours, theirs, apart = [], [], 0.0
    rng = np.random.default_rng(0)
    pose = np.eye(4)
    live.at(pose)
    for _ in range(chosen.poses):
        pose[:3, 3] = np.array((0, 0, 34.5)) + rng.uniform(-2, 2, 3)
        start = time.perf_counter()
        fit = live.at(pose)
        ours.append(time.perf_counter() - start)
        points = live.shape.points + pose[:3, 3]
        start = time.perf_counter()
        found = np.array([reference.FunctionValue(point) for point in points])
        theirs.append(time.perf_counter() - start)
        apart = max(apart, float(np.abs(found - fit.implant_mm).max()))
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"whole update (maps on implant and bone, contact, gap, penetration): {one * 1e3:.0f} ms, "
          f"slowest {max(ours) * 1e3:.0f} ms")  # fmt: skip
    print(f"VTK, distances at the implant's {len(live.shape.points)} points alone: {other * 1e3:.0f} ms")
    print(f"ratio {other / one:.1f}; largest difference {apart:.1e} mm")


if __name__ == "__main__":
    main()
