"""All labels of the sample abdomen at 0.75 mm to GLB and to 3MF; reference in the same run: trimesh's GLB exporter."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from surfaces_vs_slicer import SAMPLE, read_labels, refine


def main() -> None:
    import trimesh

    from surgitwin.core.geometry import Geometry
    from surgitwin.core.progress import Context
    from surgitwin.exchange.mesh_out import MeshItem, export_meshes
    from surgitwin.surfaces import surfaces_from_labels

    labels, affine = refine(*read_labels(SAMPLE), smooth=False)
    values = [int(v) for v in np.unique(labels) if v]
    made = surfaces_from_labels(labels, Geometry(labels.shape[::-1], affine), values, ctx=Context())
    items = [MeshItem(f"Label {v}", made[v].mesh) for v in values if not made[v].mesh.empty]
    print(f"{len(items)} surfaces, {sum(len(i.mesh.triangles) for i in items)} triangles")
    scene = trimesh.Scene([trimesh.Trimesh(i.mesh.points, i.mesh.triangles, process=False) for i in items])
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("glb", "3mf"):
            start = time.perf_counter()
            export_meshes(items, Path(folder) / f"a.{suffix}")
            ours = time.perf_counter() - start
            print(f"{suffix}: {ours:.2f} s", flush=True)
            if suffix == "3mf":  # trimesh's writer of 3MF needs lxml, which is not among our packages
                continue
            start = time.perf_counter()
            scene.export(Path(folder) / f"b.{suffix}")
            print(f"{suffix} by trimesh: {time.perf_counter() - start:.2f} s", flush=True)


if __name__ == "__main__":
    main()
