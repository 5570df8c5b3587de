"""How long a case takes to save: a CT of 512x512x400 with 60 segments the first time, then brush-sized edits.

Targets: under 3 s the first time, under 50 ms from the end of a stroke until it is synced. The reference is the time
that this disk takes for the same bytes, uncompressed and synced. ``--levels`` compares compression settings instead;
``--small`` runs on a sixteenth of the voxels.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Editor
from surgitwin.scene.nodes import CaseNode, LabelLayerNode, SegmentationNode, SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.chunks import ChunkGrid
from surgitwin.storage.verification import verify

SEGMENTS = 60
STROKES = 60
BRUSH = 20


def ct_like(shape: tuple[int, int, int]) -> NDArray[np.int16]:
    """A body of slowly varying density in air, with the noise of a CT (12 HU), int16, [k, j, i]."""
    rng = np.random.default_rng(1)
    nk, nj, ni = shape
    j, i = np.ogrid[-1 : 1 : nj * 1j, -1 : 1 : ni * 1j]
    inside = (j / 0.7) ** 2 + (i / 0.9) ** 2 < 1
    waves = [np.cos(f * 3 * j + p) * np.cos(f * 4 * i - p) for f, p in ((1, 0.3), (2, 1.1), (3, 2.0))]
    ct = np.empty(shape, np.int16)
    for k in range(nk):
        density = sum(40.0 * np.cos(k / 40 + n) * wave for n, wave in enumerate(waves))
        noise = rng.standard_normal((nj, ni), dtype=np.float32) * 12
        ct[k] = np.where(inside, 40 + density + noise, -1000 + noise / 2)
    return ct


def labels_like(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Sixty balls, later ones over earlier ones."""
    rng = np.random.default_rng(2)
    labels = np.zeros(shape, np.uint8)
    for value in range(1, SEGMENTS + 1):
        radius = int(rng.integers(min(shape) // 16, min(shape) // 6))
        centre = [int(rng.integers(radius, n - radius)) for n in shape]
        part = labels[tuple(slice(c - radius, c + radius) for c in centre)]
        k, j, i = np.ogrid[-radius:radius, -radius:radius, -radius:radius]
        part[k * k + j * j + i * i < radius * radius] = value
    return labels


def fill(editor: Editor, ct: NDArray[np.int16], labels: NDArray[np.uint8]) -> LabelLayerNode:
    geometry = Geometry.from_parts(ct.shape[::-1], (0.7, 0.7, 0.8))
    with editor.transaction("New") as tx:
        case = tx.add(CaseNode(name="Case", pseudonym="P"))
        volume = tx.add(VolumeNode(name="CT", parent=case.id, geometry=geometry, voxels=ArrayData.of(ct)))
        grid = tx.add(SegmentationNode(name="S", parent=case.id, volume=volume.id, geometry=geometry))
        layer = LabelLayerNode(name="L", parent=grid.id, labels=ArrayData.of(labels, constant=False))
        tx.add(layer)
        for value in range(1, SEGMENTS + 1):
            name = f"Segment {value}"
            tx.add(SegmentNode(name=name, parent=grid.id, layer=layer.id, value=value, color=(value, 90, 80)))
    return layer


def timed(what: str, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    took = time.perf_counter() - start
    print(f"{what:<58}{took * 1000:10.1f} ms")
    return took


def write_raw(path: Path, arrays: list[NDArray[np.generic]]) -> None:
    with path.open("wb") as file:
        for array in arrays:
            file.write(np.ascontiguousarray(array).data)
        file.flush()
        os.fsync(file.fileno())


def strokes(editor: Editor, layer: LabelLayerNode, case_file: CaseFile) -> None:
    """Paint boxes at random places, one after the other has been synced."""
    rng = np.random.default_rng(3)
    synced, held = [], []
    for _ in range(STROKES):
        start = [int(rng.integers(0, n - BRUSH)) for n in layer.labels.shape[::-1]]
        box = Box((start[0], start[1], start[2]), (start[0] + BRUSH, start[1] + BRUSH, start[2] + BRUSH))
        with editor.transaction("Paint") as tx:
            tx.patch(layer.id, "labels", box, int(rng.integers(1, SEGMENTS + 1)))
            begun = time.perf_counter()
        held.append(time.perf_counter() - begun)
        case_file.wait()
        synced.append(time.perf_counter() - begun)
    for what, times in (("stroke: end of edit to synced", synced), ("stroke: the caller is held up for", held)):
        times.sort()
        p95 = times[int(len(times) * 0.95)]
        print(f"{what:<58}{statistics.median(times) * 1000:10.1f} ms median,{p95 * 1000:6.1f} ms 95th percentile")


def compare_levels(ct: NDArray[np.int16]) -> None:
    """Ratio and speed of one thread, with and without bytes sorted by significance."""
    grid = ChunkGrid.of(ct.shape)
    chunks = [np.ascontiguousarray(ct[grid.slices(position)]) for position in range(0, len(grid), 4)]
    size = sum(chunk.nbytes for chunk in chunks)
    for level in (-1, 1, 2, 3, 6):
        for shuffled in (False, True):
            start, stored = time.perf_counter(), 0
            for chunk in chunks:
                raw = chunk.reshape(-1).view(np.uint8)
                if shuffled:
                    raw = np.ascontiguousarray(raw.reshape(-1, 2).T)
                stored += len(zstandard.ZstdCompressor(level=level, write_checksum=True).compress(raw.data))
            took = time.perf_counter() - start
            kind = "shuffled" if shuffled else "plain"
            print(f"level {level:2d} {kind:<9}{size / stored:6.2f}:1{size / took / 1e6:7.0f} MB/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    shape = (160, 256, 160) if options.small else (400, 512, 512)
    ct = ct_like(shape)
    if options.levels:
        compare_levels(ct)
        return
    labels = labels_like(shape)
    print(f"{shape[2]}x{shape[1]}x{shape[0]} int16, {SEGMENTS} segments in one layer; {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        run(Path(name), ct, labels, options.repeats)
    print(f"{'peak memory of this process':<58}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:10.0f} MB")


def run(folder: Path, ct: NDArray[np.int16], labels: NDArray[np.uint8], repeats: int) -> None:
    editor = Editor(Scene())
    layer = fill(editor, ct, labels)
    raw, first, queued = [], [], []
    for repeat in range(repeats):
        path = folder / f"case{repeat}.twin"
        raw.append(timed("the same bytes, raw and synced (reference)", lambda: write_raw(folder / "raw", [ct, labels])))

        def create(path: Path = path) -> None:
            CaseFile.create(path, editor.scene).close()

        first.append(timed("first save, new file", create))
        path.unlink()
        with CaseFile.create(path, Scene()) as case_file:
            fresh = Editor(Scene(), journal=case_file)

            def save(fresh: Editor = fresh, case_file: CaseFile = case_file) -> None:
                with fresh.transaction("New") as tx:
                    for node in list(editor.scene):
                        tx.add(node)
                case_file.wait()

            queued.append(timed("first save, as one change of an open case", save))
        path.unlink()
    ratio = statistics.median(first) / statistics.median(raw)
    print(f"median: first save {statistics.median(first):.2f} s, {ratio:.1f} times the reference;", end=" ")
    print(f"as one change {statistics.median(queued):.2f} s")
    path = folder / "case.twin"
    case_file = CaseFile.create(path, editor.scene)
    editor.journal = case_file
    strokes(editor, layer, case_file)
    timed("save a version", lambda: case_file.save_version("one"))
    timed("save a copy", lambda: case_file.save_copy(folder / "copy.twin"))
    timed("close", case_file.close)
    print(f"{'size of the file':<58}{path.stat().st_size / 2**20:10.1f} MiB")
    case_file = CaseFile.open(path)
    timed("list the nodes", case_file.load_nodes)
    voxels = next(node for node in case_file.load_nodes() if isinstance(node, VolumeNode)).voxels
    timed("read the CT", voxels.read)
    case_file.close()
    timed("verify", lambda: verify(path))


if __name__ == "__main__":
    main()
