"""DICOM folder to threshold to STL on the command line, whole processes, 119 slices of 512x512.

Reference in the same run: the shortest script that does the same with SimpleITK and VTK in one process (no case file,
no checks, an open and unsmoothed surface). InVesalius 3, which the goal of six times names, took 17 s on such a series
elsewhere; it cannot be installed by a package manager, so it is not run here.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from case_saving import ct_like

PLAIN = """
import sys
import SimpleITK as sitk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D
from vtkmodules.vtkIOGeometry import vtkSTLWriter
from vtkmodules.util.numpy_support import numpy_to_vtk
files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(sys.argv[1])
image = sitk.ReadImage(files)
mask = sitk.GetArrayFromImage(image) >= 150
data = vtkImageData()
data.SetDimensions(image.GetSize())
data.SetSpacing(image.GetSpacing())
data.GetPointData().SetScalars(numpy_to_vtk(mask.ravel().astype("u1")))
edges = vtkFlyingEdges3D()
edges.SetInputData(data)
edges.SetValue(0, 0.5)
writer = vtkSTLWriter()
writer.SetFileTypeToBinary()
writer.SetInputConnection(edges.GetOutputPort())
writer.SetFileName(sys.argv[2])
writer.Write()
"""


def seconds(*commands: list[str]) -> float:
    start = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    from surgitwin.core.geometry import Geometry
    from surgitwin.core.progress import Context
    from surgitwin.samples.dicom_writer import SeriesHeader, write_ct_series

    header = SeriesHeader("stl", "STL", "Folder^Stl", "benchmark", "CT", "20240101", "120000", "", "")
    program = [sys.executable, "-m", "surgitwin"]
    ours, plain = [], []
    with tempfile.TemporaryDirectory(prefix="surgitwin-stl-") as scratch:
        folder = Path(scratch) / "dicom"
        folder.mkdir()
        geometry = Geometry.from_parts((512, 512, 119), (0.75, 0.75, 1.5))
        volume = ct_like((119, 512, 512))
        # Bones: a column and two bars, so that the threshold finds what a CT's threshold finds.
        volume[:, 300:340, 240:280] = 600
        volume[20:100, 200:215, 60:450] = 400
        write_ct_series(folder, volume, geometry, header, Context())
        for run in range(runs):
            case, stl = Path(scratch) / f"{run}.twin", Path(scratch) / f"{run}.stl"
            ours.append(
                seconds(
                    [*program, "new", str(case), str(folder)],
                    [*program, "segment", str(case), "threshold", "--into", "Bone", "--set", "low=150"],
                    [*program, "export", str(case), str(stl), "--segment", "Bone"],
                )
            )
            plain.append(seconds([sys.executable, "-c", PLAIN, str(folder), str(Path(scratch) / "plain.stl")]))
    mine, reference = statistics.median(ours), statistics.median(plain)
    print(f"three commands, case file and checked mesh included: {mine:.2f} s (median of {runs})")
    print(f"plain SimpleITK and VTK script: {reference:.2f} s; ratio {mine / reference:.2f}")


if __name__ == "__main__":
    main()
