"""The command line for tests: run it in this process, and a small CT whose numbers are known exactly."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.cli.main import main
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.progress import Context
from surgitwin.samples.dicom_writer import SeriesHeader, write_ct_series

SIZE_IJK = (44, 38, 30)
SPACING_MM = (1.7, 1.3, 2.9)
LABELS = {1: "Liver", 3: "Portal vein", 4: "Right kidney"}
LIVER = (slice(5, 25), slice(6, 32), slice(6, 38))  # [k, j, i]: 20 x 26 x 32 voxels
TUMOUR = (slice(12, 16), slice(14, 20), slice(30, 34))  # inside the liver, 4 voxels from its end along i
VEIN = (slice(5, 25), slice(33, 35), slice(6, 38))  # beside the liver
KIDNEY = (slice(26, 30), slice(20, 30), slice(20, 30))  # cut off by the last slice
HU = {"Liver": 110, "Portal vein": 180, "Right kidney": 150, "Tumour": 60}
BACKGROUND_HU = -40


@dataclass(frozen=True)
class Answer:
    """What a run of the program said."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be one JSON document and nothing else; refuses NaN."""

        def refuse(word: str) -> Any:
            raise AssertionError(f"{word} is not JSON")

        return json.loads(self.out, parse_constant=refuse)

    def codes(self) -> list[str]:
        return [warning["code"] for warning in self.document["warnings"]]


def surgitwin(*words: object) -> Answer:
    """Run the program in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in words])
    return Answer(status, out.getvalue(), err.getvalue())


def done(*words: object) -> Any:
    """The document of a run that must succeed."""
    answer = surgitwin(*words, "--json")
    assert answer.status == 0, answer.err
    return answer.document


def oblique(left_handed: bool = False) -> Geometry:
    """An oblique grid of odd spacing, away from the origin."""
    a, b = 0.21, -0.13
    about_z = np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(b), -np.sin(b)], [0.0, np.sin(b), np.cos(b)]])
    direction = about_z @ about_x
    if left_handed:
        direction[:, 2] *= -1
    return Geometry.from_parts(SIZE_IJK, SPACING_MM, (-40.5, -130.25, 200.1), direction)


@dataclass(frozen=True)
class Phantom:
    """Files of the small CT: a DICOM series, two overlapping label maps and a table."""

    folder: Path
    geometry: Geometry
    labels: NDArray[np.uint8]
    voxels: NDArray[np.int16]

    @property
    def ct(self) -> Path:
        return self.folder / "ct"

    @property
    def label_map(self) -> Path:
        return self.folder / "organs.nii.gz"

    @property
    def table(self) -> Path:
        return self.folder / "organs.json"

    @property
    def tumour_map(self) -> Path:
        return self.folder / "tumour.nii.gz"

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(SPACING_MM)) / 1000.0

    @property
    def middle(self) -> str:
        """A place in the liver, as typed."""
        return ",".join(f"{value:.2f}" for value in self.geometry.centre_mm)

    @property
    def triangle(self) -> tuple[str, str, str]:
        """Three corners of an outline in the axial slice through the middle."""
        x, y, z = (float(value) for value in self.geometry.centre_mm)
        return f"{x - 9},{y - 9},{z}", f"{x + 9},{y - 9},{z}", f"{x},{y + 9},{z}"

    def plane_between(self, i: int, towards: int = 1) -> str:
        """The plane between the voxels i - 1 and i; what lies towards larger i goes (or smaller, with -1)."""
        point = self.geometry.to_lps((i - 0.5, 17.3, 11.9))
        normal = towards * self.geometry.direction[:, 0]
        return ",".join(f"{number:.12g}" for number in (*point, *normal))


def header(name: str = "terminal", patient: str = "P-1", birth_date: str = "19500131") -> SeriesHeader:
    return SeriesHeader(name, patient, "Doe^Jane", "Abdomen", "Portal venous", "20240131", "101500", "F", birth_date)


def write_nifti(path: Path, array: NDArray[Any], geometry: Geometry, code: int = 1) -> Path:
    """Write [k, j, i] voxels as NIfTI with nibabel, an independent writer."""
    import nibabel

    image = nibabel.Nifti1Image(np.ascontiguousarray(array.transpose(2, 1, 0)), lps_to_ras(geometry.affine_lps))
    image.set_sform(image.affine, code)
    image.set_qform(image.affine, code)
    nibabel.save(image, path)
    return path


def make_phantom(folder: Path, left_handed: bool = False) -> Phantom:
    """Write the small CT and its label maps."""
    geometry = oblique(left_handed)
    labels = np.zeros(geometry.shape_kji, np.uint8)
    labels[LIVER], labels[VEIN], labels[KIDNEY] = 1, 3, 4
    tumour = np.zeros_like(labels)
    tumour[TUMOUR] = 1
    voxels = np.full(labels.shape, BACKGROUND_HU, np.int16)
    for value, name in LABELS.items():
        voxels[labels == value] = HU[name]
    voxels[tumour == 1] = HU["Tumour"]
    phantom = Phantom(folder, geometry, labels, voxels)
    folder.mkdir(parents=True, exist_ok=True)
    write_ct_series(phantom.ct, voxels, geometry, header(), Context())
    write_nifti(phantom.label_map, labels, geometry)
    write_nifti(phantom.tumour_map, tumour, geometry)
    phantom.table.write_text(json.dumps(LABELS), encoding="utf-8")
    return phantom


def make_case(phantom: Phantom, path: Path) -> Path:
    """A case with the image, Liver, Portal vein, Right kidney and Tumour 1."""
    done("new", path, phantom.ct, "--pseudonym", "Case T")
    done("add", path, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    done("add", path, phantom.tumour_map, "--as", "labelmap", "--name", "Tumour 1")
    return path


def copy_of(case: Path, folder: Path) -> Path:
    """A case of its own for a test that changes it."""
    return Path(shutil.copy(case, folder / "case.twin"))


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below a folder with a hash of its bytes; two are equal if nothing was written, changed or left."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "/"
        for path in sorted(folder.rglob("*"))
    }
