"""The surfaces of the 61 labels of an abdomen, 488x404x448 voxels of 0.75 mm, to GLB and to 3MF.

Run ``python benchmarks/export_meshes.py``. The surfaces are the smooth ones of `surfaces_vs_slicer`. References in the
same run, in turn: trimesh's GLB exporter (it writes no normals, ours does), and lib3mf handed the same arrays.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from surfaces_vs_slicer import SAMPLE, read_labels, refine


def by_lib3mf(items: list[Any], path: Path) -> None:
    """All surfaces by lib3mf alone, as fast as its interface lets: whole arrays in, the file's bytes out."""
    import ctypes

    import lib3mf

    wrapper: Any = lib3mf.get_wrapper()
    model = wrapper.CreateModel()
    place = wrapper.GetIdentityTransform()
    for item in items:
        solid = model.AddMeshObject()
        solid.SetName(item.name)
        points = np.ascontiguousarray(item.mesh.points, np.float32)
        triangles = np.ascontiguousarray(item.mesh.triangles, np.uint32)
        wrapper.lib.lib3mf_meshobject_setgeometry(
            solid._handle,
            ctypes.c_uint64(len(points)),
            points.ctypes.data_as(ctypes.POINTER(lib3mf.Position)),
            ctypes.c_uint64(len(triangles)),
            triangles.ctypes.data_as(ctypes.POINTER(lib3mf.Triangle)),
        )
        model.AddBuildItem(solid, place)
    model.QueryWriter("3mf").WriteToFile(str(path))


def timed(action: Callable[[], object]) -> tuple[float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - start, time.process_time() - cpu


def main() -> None:
    import trimesh

    from surgitwin.core.geometry import Geometry
    from surgitwin.core.progress import Context
    from surgitwin.exchange.mesh_out import MeshItem, export_meshes
    from surgitwin.surfaces import surfaces_from_labels

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    labels, affine = refine(*read_labels(SAMPLE), smooth=True)
    made = surfaces_from_labels(labels, Geometry.from_affine(labels.shape[::-1], affine), ctx=Context())
    items = [MeshItem(f"Label {value}", one.mesh) for value, one in made.items() if not one.mesh.empty]
    print(f"{len(items)} surfaces, {sum(len(i.mesh.triangles) for i in items)} triangles")
    scene = trimesh.Scene([trimesh.Trimesh(i.mesh.points, i.mesh.triangles, process=False) for i in items])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sides: dict[str, Callable[[], object]] = {
            "GLB": lambda: export_meshes(items, folder / "a.glb"),
            "GLB by trimesh": lambda: scene.export(folder / "b.glb"),
            "3MF": lambda: export_meshes(items, folder / "a.3mf"),
            "3MF by lib3mf": lambda: by_lib3mf(items, folder / "b.3mf"),
        }
        times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        export_meshes(items[:1], folder / "warm.glb")
        export_meshes(items[:1], folder / "warm.3mf")
        for _ in range(runs):
            for side, action in sides.items():
                times[side].append(timed(action))
        for side, taken in times.items():
            wall, cpu = np.median(np.array(taken), axis=0)
            each = ", ".join(f"{seconds:.2f}" for seconds, _ in taken)
            print(f"{side}: {wall:.2f} s, {cpu:.2f} s of processor time (medians of {runs}; {each})")
        for kind in ("glb", "3mf"):
            ours, theirs = ((folder / f"{one}.{kind}").stat().st_size / 1e6 for one in "ab")
            print(f"{kind}: {ours:.0f} MB, by the reference {theirs:.0f} MB")


if __name__ == "__main__":
    main()
