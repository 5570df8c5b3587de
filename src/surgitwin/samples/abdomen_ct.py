"""The sample case ``abdomen-ct``: a published CT and its label map, written out as a user would find them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.samples.dicom_writer import SeriesHeader, write_ct_series
from surgitwin.samples.files import along_lps, read_nifti, sample_folder, write_json, write_nifti

RESOURCES = Path(__file__).parent.parent / "resources" / "samples" / "abdomen-ct"

HEADER = SeriesHeader(
    name="abdomen-ct",
    patient_id="SAMPLE-ABDOMEN-CT",
    patient_name="Sample^Abdomen",
    study_description="Sample case: abdomen",
    series_description="ABDOMEN UNENHANCED 3 MM",
    study_date="20240110",
    study_time="093000",
    derivation="Brought to 3 mm by its publisher; written from NIfTI",
    comment="Published test image of TotalSegmentator, Apache-2.0. Patient and dates are invented.",
)

README = """Sample case "abdomen-ct" of Surgitwin
====================================

dicom/             the CT as a DICOM series (unenhanced, 112 slices, 3 mm)
labels.nii.gz      61 structures on the same grid, made by a segmentation model
labels.json        value to name, as in TotalSegmentator's class table
labels_plain.json  value to name, in plain words
SOURCE.md          where the data come from; LICENSE is their licence

Patient, dates and descriptions are invented. Not for clinical use.
"""


@dataclass(frozen=True, eq=False)
class AbdomenCT:
    """Image and labels, [k, j, i], with i, j and k along L, P and S.

    Attributes
    ----------
    names
        Value to name in TotalSegmentator's class table; ``plain_names`` says it in plain words.
    """

    ct: NDArray[np.int16]
    labels: NDArray[np.uint8]
    geometry: Geometry
    names: dict[int, str]
    plain_names: dict[int, str]


def load_abdomen_ct() -> AbdomenCT:
    """Read the published files that are installed with the program.

    Raises
    ------
    BadInput
        If they are missing or do not belong together: the installation is damaged.
    """
    try:
        ct, geometry = along_lps(*read_nifti(RESOURCES / "example_ct.nii.gz"))
        labels, grid = along_lps(*read_nifti(RESOURCES / "example_seg_61_labels.nii.gz"))
        table: dict[str, Any] = json.loads((RESOURCES / "labels.json").read_text("utf-8"))
    except OSError as error:
        raise BadInput(
            tr("The sample's files in {path} cannot be read ({cause}). Install Surgitwin again.").format(
                path=RESOURCES, cause=error.strerror or error
            )
        ) from error
    if not geometry.same_grid(grid):
        raise BadInput(
            tr("The sample's files in {path} do not belong together. Install Surgitwin again.").format(path=RESOURCES)
        )
    return AbdomenCT(
        ct.astype(np.int16),
        np.ascontiguousarray(labels, dtype=np.uint8),
        geometry,
        {int(value): entry["name"] for value, entry in table.items()},
        {int(value): entry["terminology"] for value, entry in table.items()},
    )


def write_abdomen_ct(out: Path, ctx: Context) -> None:
    """Write the case's input into ``out``: ``dicom/*.dcm``, ``labels.nii.gz``, its tables, licence and source.

    Raises
    ------
    BadInput
        If ``out`` is a file or already holds other files.
    StorageFailed
        If the disk refuses; ``out`` is then as it was.
    """
    with sample_folder(out, "abdomen-ct") as folder:
        ctx.progress(0.0, tr("Reading the sample"))
        case = load_abdomen_ct()
        write_ct_series(folder / "dicom", case.ct, case.geometry, HEADER, ctx.part(0.1, 0.9))
        ctx.progress(0.9, tr("Writing labels"))
        write_nifti(folder / "labels.nii.gz", case.labels, case.geometry)
        write_json(folder / "labels.json", {str(value): name for value, name in case.names.items()})
        write_json(folder / "labels_plain.json", {str(value): name for value, name in case.plain_names.items()})
        for name in ("LICENSE", "SOURCE.md"):
            shutil.copyfile(RESOURCES / name, folder / name)
        (folder / "README.txt").write_text(README, "utf-8")
    ctx.progress(1.0, tr("Sample written"))
