"""DICOM folder to threshold to STL on the command line: one whole process, against InVesalius 3 in turn.

InVesalius is the Debian package ``invesalius`` (`apt-get install invesalius`), run without its window and without a
display: ``xvfb-run`` would add the three seconds that it waits for its server. Two series: the sample CT of the abdomen
as it is (122x101x112), and the same resampled to 512x512x119 with a CT's noise of 12 HU, the size in which such series
come. What is compared is the time from the start of the process to its end, the median of the rounds; beside it the
processor time of the process and its children, which other programs on the machine disturb less. The volume in each
file is held against that of the voxels in the range, read and counted by SimpleITK; ours must be within 1 %.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

LOW, HIGH = 200, 3000
INVESALIUS = "invesalius3"
PLACES = "/usr/local/bin:/usr/bin:/bin"  # a virtual environment's Python must not be found in place of Debian's


@dataclass
class Times:
    """Seconds of each run."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def take(self, command: list[str], environment: dict[str, str]) -> None:
        before, start = _children(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        self.wall.append(time.perf_counter() - start)
        self.processor.append(_children() - before)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_sample(folder: Path) -> Path:
    """The sample CT as it is; where its DICOM files are."""
    from surgitwin.cli.samples import write_sample as write
    from surgitwin.core.progress import Context

    return Path(write("abdomen-ct", folder, Context(), size=None, spacing=None, seed=None)["images"])


def write_fine(sample: Path, folder: Path) -> Path:
    """The sample resampled to 512x512x119, with noise."""
    import SimpleITK

    from surgitwin.core.geometry import Geometry
    from surgitwin.core.progress import Context
    from surgitwin.imaging import DecodePool, open_series
    from surgitwin.samples.dicom_writer import SeriesHeader, write_ct_series

    with DecodePool() as decoders:
        loaded = open_series(sample, None, Context(), decoders).read(Context(), None, decoders)
    geometry, size = loaded.geometry, (512, 512, 119)
    spacing = tuple(n * s / m for n, s, m in zip(geometry.size_ijk, geometry.spacing_mm, size, strict=True))
    image = SimpleITK.GetImageFromArray(loaded.voxels.astype(np.float32))
    image.SetSpacing(geometry.spacing_mm)
    unturned = np.eye(3).ravel().tolist()
    fine = SimpleITK.Resample(
        image, size, SimpleITK.Transform(), SimpleITK.sitkLinear, (0, 0, 0), spacing, unturned, -1024
    )
    values = SimpleITK.GetArrayFromImage(fine)
    values += np.random.default_rng(0).normal(0, 12, values.shape)
    header = SeriesHeader("stl", "STL", "Folder^Stl", "benchmark", "CT", "20240101", "120000")
    whole = np.clip(np.rint(values), -1024, 3071).astype(np.int16)
    write_ct_series(folder, whole, Geometry.from_parts(size, spacing), header, Context())
    return folder


def voxels_ml(dicom: Path) -> float:
    """Volume of the voxels in the range, by an independent reader."""
    import SimpleITK

    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(dicom)))
    values = SimpleITK.GetArrayViewFromImage(image)
    count = np.count_nonzero((values >= LOW) & (values <= HIGH))
    return float(count * np.prod(image.GetSpacing()) / 1000)


def volume_ml(file: Path) -> tuple[float, int]:
    """Volume inside a binary STL, and its triangles."""
    from surgitwin.core.mesh import Mesh
    from surgitwin.exchange.stl import RECORD

    records = np.fromfile(file, dtype=RECORD, offset=84)
    triangles = np.arange(3 * len(records), dtype=np.int32).reshape(-1, 3)
    return abs(Mesh(np.ascontiguousarray(records["corners"]).reshape(-1, 3), triangles).volume_ml), len(records)


def compare(name: str, dicom: Path, scratch: Path, rounds: int) -> None:
    ours, theirs = Times(), Times()
    mine, other = scratch / "ours.stl", scratch / "invesalius.stl"
    plain = {**os.environ, "PATH": PLACES}
    plain.pop("DISPLAY", None)
    limits = ["--low", str(LOW), "--high", str(HIGH)]
    for _ in range(rounds):
        ours.take(
            [sys.executable, "-m", "surgitwin", "quick", str(dicom), str(mine), *limits, "--overwrite"], {**os.environ}
        )
        theirs.take([INVESALIUS, "--no-gui", "-i", str(dicom), "-t", f"{LOW},{HIGH}", "-e", str(other)], plain)
    print(f"{name}, {rounds} rounds in turn")
    for what in ("wall", "processor"):
        a, b = (statistics.median(getattr(times, what)) for times in (ours, theirs))
        each = ", ".join(f"{y / x:.2f}" for x, y in zip(getattr(ours, what), getattr(theirs, what), strict=True))
        print(f"  {what}: surgitwin {a:.2f} s, InVesalius {b:.2f} s: {b / a:.2f}x (by round: {each})")
    voxels = voxels_ml(dicom)
    for who, file in (("surgitwin", mine), ("InVesalius", other)):
        found, triangles = volume_ml(file)
        differs = 100 * (found / voxels - 1)
        print(f"  {who}: {found:.1f} ml in {triangles} triangles, {differs:+.2f} % of the voxels' {voxels:.1f}")
    if abs(volume_ml(mine)[0] / voxels - 1) > 0.01:
        sys.exit("surgitwin's surface does not hold the voxels' volume")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    if shutil.which(INVESALIUS, path=PLACES) is None:
        sys.exit("InVesalius 3 is not installed: apt-get install invesalius")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory(prefix="surgitwin-stl-") as name:
        scratch = Path(name)
        sample = write_sample(scratch / "sample")
        compare("sample, 122x101x112", sample, scratch, rounds)
        compare("512x512x119", write_fine(sample, scratch / "fine"), scratch, rounds)


if __name__ == "__main__":
    main()
