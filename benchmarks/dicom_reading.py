"""Reading a DICOM folder into an array, all geometry checks included, against SimpleITK's series reader.

Run ``python benchmarks/dicom_reading.py``. Both sides start from the folder's path and end with a numpy array:
SimpleITK finds the series and its order (``GetGDCMSeriesFileNames``), reads it and copies it out; ours lists the
folder, checks every slice's geometry and reads it. They run alternately in one process, so that both see the same disk
cache and the same busy machine. The bound is 1.5 times SimpleITK's time in the median.

Folders: a generated CT of 512x512x400 whose headers are those of a real scanner, uncompressed and (fewer slices) in the
compressed encodings; the JPEG 2000 slices of the tests; and any folder given with ``--folder``. Where the machine has
other work, ``ratio_of_pairs``, the median over the rounds of ours against theirs right before, is the steadier number.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import SimpleITK
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from surgitwin.imaging import load_series

HERE = Path(__file__).resolve().parent
REAL = HERE.parent / "tests" / "data" / "imaging" / "totalsegmentator" / "example_ct_dicom"


def write_ct(folder: Path, slices: int, syntax: str, size: int = 512) -> Path:
    """A body with noise, under the real header (135 elements) of the test data's scanner."""
    folder.mkdir(parents=True)
    template = pydicom.dcmread(min(REAL.iterdir()))
    template.decompress()
    rng = np.random.default_rng(0)
    j, i = np.mgrid[:size, :size] - size / 2
    body = np.where(np.hypot(i, j * 1.3) < size * 0.4, 1064, 24)
    template.SOPClassUID = template.file_meta.MediaStorageSOPClassUID = CTImageStorage
    template.SeriesInstanceUID, template.StudyInstanceUID = generate_uid(), generate_uid()
    template.Rows = template.Columns = size
    for k, place in enumerate(rng.permutation(slices)):
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        template.ImagePositionPatient = [-250.0, -250.0, float(k)]
        template.InstanceNumber = int(place) + 1
        noisy = (body + rng.normal(0, 12, body.shape)).clip(0, 4095).astype(np.uint16)
        template.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        template.PixelData = noisy.tobytes()
        if syntax != ExplicitVRLittleEndian:
            template.compress(syntax, generate_instance_uid=False)
        template.save_as(folder / f"{int(place):05d}.dcm", enforce_file_format=True)
    return folder


def to_lossless_jpeg(folder: Path) -> None:
    """Compress in place by GDCM: pydicom cannot write the encoding that archives use most."""
    for path in folder.iterdir():
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(path))
        writer.Write()


def by_simpleitk(folder: Path) -> np.ndarray:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return SimpleITK.GetArrayFromImage(reader.Execute())


def by_surgitwin(folder: Path) -> np.ndarray:
    return load_series(folder).voxels


def compare(folder: Path, runs: int) -> dict[str, Any]:
    """Medians of both sides, after one unmeasured run of each that also checks that they agree."""
    expected, found = by_simpleitk(folder), by_surgitwin(folder)
    if not np.array_equal(expected, found):
        raise SystemExit(f"The two readers disagree about {folder.name}.")
    shape = found.shape
    del expected, found
    times: dict[str, list[float]] = {"simpleitk": [], "surgitwin": []}
    for _ in range(runs):
        for name, read in (("simpleitk", by_simpleitk), ("surgitwin", by_surgitwin)):
            start = time.perf_counter()
            read(folder)
            times[name].append(time.perf_counter() - start)
    theirs, ours = statistics.median(times["simpleitk"]), statistics.median(times["surgitwin"])
    return {
        "size_kji": list(shape),
        "simpleitk_s": round(theirs, 3),
        "surgitwin_s": round(ours, 3),
        "ratio": round(ours / theirs, 3),
        "ratio_of_pairs": round(statistics.median(own / other for other, own in zip(*times.values(), strict=True)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, action="append", default=[], help="a further folder with one series")
    parser.add_argument("--only", action="append", default=[], help="an encoding by the name in the results")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        few = max(options.slices // 10, 4)
        for name, slices, syntax in (
            ("uncompressed", options.slices, ExplicitVRLittleEndian),
            ("jpeg-2000", few, JPEG2000Lossless),
            ("jpeg-ls", few, JPEGLSLossless),
            ("rle", few, RLELossless),
            ("jpeg-lossless", few, ExplicitVRLittleEndian),
            ("jpeg-2000, long", options.slices // 2, JPEG2000Lossless),
        ):
            if options.only and name not in options.only:
                continue
            folder = write_ct(Path(scratch) / name, slices, syntax)
            if name == "jpeg-lossless":
                to_lossless_jpeg(folder)
            results[name] = compare(folder, options.runs)
            shutil.rmtree(folder)
    if not options.only:
        results["test data"] = compare(REAL, options.runs)
    for folder in options.folder:
        results[folder.name] = compare(folder, options.runs)
    results["bound"] = 1.5
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
