"""Surfaces of the 61 labels of an abdomen, 488x404x448 voxels of 0.75 mm: time and quality against 3D Slicer.

Run ``python benchmarks/surfaces_vs_slicer.py``. Slicer's side runs in a process and an environment of its own
(``benchmarks/.peers/slicer``, made on the first run with pip: ``slicer-core`` pins its own VTK), on the same labels,
with its defaults (flying edges, smoothing factor 0.5). Both sides start from the label array in memory and end with a
triangle mesh for each label. Quality is judged alike on both, after rounding to a binary STL file and merging equal
vertices: the share of segments above 5 ml that are closed (every edge used by exactly two triangles), and that
enclose the volume of their voxels within 1 %. The bound is 12 times faster, the aim 20.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "src/surgitwin/resources/samples/abdomen-ct/example_seg_61_labels.nii.gz"
PEER = HERE / ".peers" / "slicer"
PEER_PACKAGE = "slicer-core==5.13.31053.0"
FACTOR = 4
SMALLEST_ML = 5.0

Labels = NDArray[np.uint8]
Meshes = dict[int, tuple[NDArray[Any], NDArray[Any]]]
Times = list[tuple[float, float]]


def read_labels(path: Path) -> tuple[Labels, NDArray[np.float64]]:
    """The labels [k, j, i] and their affine to LPS millimetres."""
    import nibabel

    image = nibabel.load(path)
    labels = np.ascontiguousarray(np.asarray(image.dataobj).astype(np.uint8).transpose(2, 1, 0))
    return labels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine


def refine(labels: Labels, affine: NDArray[np.float64], smooth: bool) -> tuple[Labels, NDArray[np.float64]]:
    """The labels on a grid that is `FACTOR` times finer: each fine voxel gets the label that is strongest there.

    Without ``smooth``, each voxel becomes a block of equal ones.
    """
    from scipy.ndimage import find_objects

    shape = tuple(FACTOR * n for n in labels.shape)
    fine_affine = affine @ np.diag([1 / FACTOR] * 3 + [1])
    fine_affine[:3, 3] = affine[:3, 3] + affine[:3, :3] @ np.full(3, (1 / FACTOR - 1) / 2)
    if not smooth:
        return np.kron(labels, np.ones((FACTOR,) * 3, np.uint8)), fine_affine
    fine = np.zeros(shape, np.uint8)
    best = np.zeros(shape, np.float32)
    whole = tuple(slice(0, n) for n in labels.shape)
    for value, found in enumerate([whole, *find_objects(labels)]):
        if found is None:
            continue
        box = tuple(slice(max(s.start - 3, 0), min(s.stop + 3, n)) for s, n in zip(found, labels.shape, strict=True))
        strength = _finer(labels[box] == value)
        place = tuple(slice(FACTOR * s.start, FACTOR * s.stop) for s in box)
        stronger = strength > best[place]
        best[place][stronger] = strength[stronger]
        fine[place][stronger] = value
    return fine, fine_affine


def _finer(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    margin = 4
    values = gaussian_filter(np.pad(mask, margin, mode="edge").astype(np.float32), 0.6)
    for axis, count in enumerate(mask.shape):
        position = (np.arange(count * FACTOR) + 0.5) / FACTOR - 0.5 + margin
        below = np.floor(position).astype(np.intp)
        weight = (position - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        values = np.take(values, below, axis) * (1 - weight) + np.take(values, below + 1, axis) * weight
    return np.asarray(values, np.float32)


def prepare_peer() -> Path:
    """Python of the environment that holds Slicer's converter; made if it is not there."""
    python = PEER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        print(f"Installing {PEER_PACKAGE} into {PEER.relative_to(HERE.parent)}", file=sys.stderr)
        PEER.parent.mkdir(exist_ok=True)
        (PEER.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        subprocess.run([sys.executable, "-m", "venv", PEER], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER_PACKAGE], check=True)
    return python


def peer_main(folder: Path) -> None:
    """Slicer's side, run by its own Python: labels.npy and affine.npy in, one .npz for each label and time.json out."""
    import slicer
    import vtk
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    labels = np.load(folder / "labels.npy")
    affine = np.load(folder / "affine.npy")
    factory = slicer.vtkSegmentationConverterFactory.GetInstance()
    factory.RegisterConverterRule(slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule())
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*labels.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(labels.reshape(-1)))
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, affine[row, column])
    image.SetImageToWorldMatrix(matrix)
    segmentation = slicer.vtkSegmentation()
    segmentation.SetSourceRepresentationName("Binary labelmap")
    names = [str(value) for value in np.unique(labels) if value]
    for name in names:
        segment = slicer.vtkSegment()
        segment.SetLabelValue(int(name))
        segment.AddRepresentation("Binary labelmap", image)
        segmentation.AddSegment(segment, name)
    start, cpu_start = time.perf_counter(), time.process_time()
    if not segmentation.CreateRepresentation("Closed surface"):
        raise SystemExit("Slicer's converter failed.")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    for name in names:
        surface = segmentation.GetSegment(name).GetRepresentation("Closed surface")
        triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        np.savez(folder / f"{name}.npz", points=vtk_to_numpy(surface.GetPoints().GetData()), triangles=triangles)
    (folder / "time.json").write_text(json.dumps({"seconds": seconds, "cpu_s": cpu}), encoding="utf-8")


def quality(meshes: Meshes, voxel_ml: dict[int, float]) -> dict[str, float]:
    """Percentages over the segments above 5 ml, and the triangles of all."""
    from surgitwin.core.mesh import Mesh
    from surgitwin.surfaces import is_closed, merge_vertices

    closed, within, worst = 0, 0, 0.0
    large = [value for value, ml in voxel_ml.items() if ml > SMALLEST_ML]
    for value in large:
        points, triangles = meshes[value]
        soup = points[triangles].astype(np.float32).reshape(-1, 3)
        mesh = merge_vertices(Mesh(soup, np.arange(len(soup), dtype=np.int32).reshape(-1, 3)))
        error = abs(100 * (mesh.volume_ml / voxel_ml[value] - 1))
        closed += is_closed(mesh)
        within += error <= 1.0
        worst = max(worst, error)
    return {
        "segments": len(large),
        "closed_percent": round(100 * closed / len(large), 1),
        "within_1_percent": round(100 * within / len(large), 1),
        "worst_volume_error_percent": round(worst, 3),
        "triangles": sum(len(triangles) for _, triangles in meshes.values()),
    }


def run_peer(folder: Path, values: list[int]) -> tuple[tuple[float, float], Meshes]:
    """One run of Slicer's side on the labels in ``folder``: (seconds, processor seconds) and the meshes."""
    subprocess.run([prepare_peer(), __file__, "--peer", folder], check=True, stdout=subprocess.DEVNULL)
    told = json.loads((folder / "time.json").read_text(encoding="utf-8"))
    meshes = {}
    for value in values:
        with np.load(folder / f"{value}.npz") as stored:
            meshes[value] = (stored["points"], stored["triangles"])
    return (told["seconds"], told["cpu_s"]), meshes


def run_ours(labels: Labels, affine: NDArray[np.float64], runs: int) -> tuple[Times, Meshes]:
    from surgitwin.core.geometry import Geometry
    from surgitwin.core.progress import Context
    from surgitwin.surfaces import surfaces_from_labels

    geometry = Geometry.from_affine(labels.shape[::-1], affine)
    times = []
    for _ in range(runs):
        start, cpu_start = time.perf_counter(), time.process_time()
        results = surfaces_from_labels(labels, geometry, ctx=Context())
        times.append((time.perf_counter() - start, time.process_time() - cpu_start))
    return times, {value: (result.mesh.points, result.mesh.triangles) for value, result in results.items()}


def side(times: Times, meshes: Meshes, voxel_ml: dict[int, float]) -> dict[str, Any]:
    wall, cpu = zip(*times, strict=True)
    told = {"seconds": [round(s, 2) for s in wall], "median_s": round(float(np.median(wall)), 3)}
    return told | {"cpu_s": round(float(np.median(cpu)), 2)} | quality(meshes, voxel_ml)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, default=SAMPLE, help="label map to refine (NIfTI)")
    parser.add_argument("--blocks", action="store_true", help="refine by repeating voxels: steps of 3 mm")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both sides in turn")
    parser.add_argument("--runs", type=int, default=3, help="runs of our side in each round (of Slicer's side: one)")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        peer_main(arguments.peer)
        return
    labels, affine = refine(*read_labels(arguments.labels), smooth=not arguments.blocks)
    ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    voxel_ml = {int(v): n * ml for v, n in zip(*np.unique(labels, return_counts=True), strict=True) if v}
    prepare_peer()
    our_times: Times = []
    peer_times: Times = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "labels.npy", labels)
        np.save(folder / "affine.npy", affine)
        # In turn, so that what else the machine does meets both sides alike.
        for _ in range(arguments.rounds):
            times, our_meshes = run_ours(labels, affine, arguments.runs)
            our_times += times
            peer_time, peer_meshes = run_peer(folder, list(voxel_ml))
            peer_times.append(peer_time)
    ours, peer = side(our_times, our_meshes, voxel_ml), side(peer_times, peer_meshes, voxel_ml)
    ratio = peer["median_s"] / ours["median_s"]
    size = "x".join(str(n) for n in labels.shape[::-1])
    print(json.dumps({"size_ijk": size, "labels": len(voxel_ml), "slicer": peer, "surgitwin": ours}, indent=2))
    print(f"Slicer {peer['median_s']:.1f} s, Surgitwin {ours['median_s']:.2f} s: {ratio:.1f} times faster (bound 12)")
    met = ratio >= 12 and ours["closed_percent"] == 100 and ours["within_1_percent"] == 100
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
