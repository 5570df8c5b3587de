"""Peak memory of a CT of 512x512x400 with 60 segments and all their surfaces in memory, headless.

The bound is twice the volume plus 400 MB above an empty session. Every step runs in one process of its own that is
measured from outside by the operating system; ``--size`` chooses another volume.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from case_saving import ct_like, labels_like

MIB = 2**20
CHILD = """
import sys
from pathlib import Path
from surgitwin.session import Session

def peak():
    # A child's ru_maxrss begins with its parent's; the high-water mark in /proc is its own.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024

folder, labels, case = (Path(p) for p in sys.argv[1:4])
session = Session()
if sys.argv[4] == "full":
    session.run("new", path=folder)
    session.save_as(case)
    print("loaded", peak())
    session.run("add", path=labels, as_="labelmap")
    print("labels", peak())
    session.run("mesh")
    print("surfaces", peak())
session.close()
print("end", peak())
"""


def peak_mb(*arguments: str) -> dict[str, int]:
    """Peak resident memory in MB after each step of the child."""
    done = subprocess.run([sys.executable, "-c", CHILD, *arguments], check=True, capture_output=True, text=True)
    return {name: int(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="512,512,400", help="voxels along i,j,k")
    size = tuple(int(n) for n in parser.parse_args().size.split(","))
    shape = (size[2], size[1], size[0])
    from surgitwin.core.geometry import Geometry
    from surgitwin.core.progress import Context
    from surgitwin.exchange.labelmap_out import write_labels
    from surgitwin.samples.dicom_writer import SeriesHeader, write_ct_series

    geometry = Geometry.from_parts(size, (0.75, 0.75, 1.0))
    header = SeriesHeader("memory", "MEMORY", "Memory^Peak", "benchmark", "CT", "20240101", "120000", "", "")
    with tempfile.TemporaryDirectory(prefix="surgitwin-memory-") as scratch:
        folder, labels = Path(scratch) / "dicom", Path(scratch) / "labels.nii.gz"
        folder.mkdir()
        write_ct_series(folder, ct_like(shape), geometry, header, Context())
        write_labels(labels, labels_like(shape), geometry)
        empty = peak_mb(str(folder), str(labels), str(Path(scratch) / "a.twin"), "empty")["end"]
        full = peak_mb(str(folder), str(labels), str(Path(scratch) / "b.twin"), "full")
    volume = size[0] * size[1] * size[2] * 2 / MIB
    print(f"volume {volume:.0f} MB, empty session {empty} MB")
    for name, value in full.items():
        print(f"{name:10s} peak {value} MB, above empty {value - empty} MB")
    bound = 2 * volume + 400
    print(f"bound {bound:.0f} MB above empty; reached {full['end'] - empty} MB")


if __name__ == "__main__":
    main()
