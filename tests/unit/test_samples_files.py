"""The samples' own files: NIfTI in LPS terms, and folders that appear whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.samples.files import along_lps, read_nifti, sample_folder, write_nifti


def oblique_geometry() -> Geometry:
    c, s = np.cos(0.3), np.sin(0.3)
    # i runs to the feet, j to the right, k to the front, all a little off.
    direction = np.array([[0, -c, s], [0, -s, -c], [-1, 0, 0]])
    return Geometry.from_parts((4, 5, 6), (0.7, 1.3, 2.9), (10, -20, 30), direction)


def test_nifti_brings_back_voxels_and_lps_geometry(tmp_path: Path) -> None:
    geometry = oblique_geometry()
    volume = np.arange(120, dtype=np.uint8).reshape(geometry.shape_kji)
    write_nifti(tmp_path / "a.nii.gz", volume, geometry)
    back, grid = read_nifti(tmp_path / "a.nii.gz")
    assert np.array_equal(back, volume)
    assert grid.same_grid(geometry)


def test_reordering_along_lps_moves_no_voxel_in_space() -> None:
    geometry = oblique_geometry()
    volume = np.arange(120).reshape(geometry.shape_kji)
    turned, grid = along_lps(volume, geometry)
    assert grid.axis_letters() == "LPS"
    for i, j, k in ((0, 0, 0), (3, 4, 5), (1, 4, 2)):
        a, b, c = np.rint(grid.to_index(geometry.to_lps((i, j, k)))).astype(int)
        assert turned[c, b, a] == volume[k, j, i]


def fill(out: Path, names: tuple[str, ...], sample: str = "one") -> None:
    with sample_folder(out, sample) as folder:
        (folder / "dicom").mkdir()
        for name in names:
            (folder / "dicom" / name).write_text(name)


def content(out: Path) -> list[str]:
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())


def test_an_earlier_copy_is_replaced_without_leftovers(tmp_path: Path) -> None:
    fill(tmp_path / "out", ("1", "2", "3"))
    fill(tmp_path / "out", ("1",))
    assert content(tmp_path / "out") == ["dicom/1", "sample.json"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", ("1",))
    assert content(tmp_path / "out") == ["dicom/1", "sample.json"]


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="already holds other files"):
        fill(tmp_path, ("1",))
    assert content(tmp_path) == ["mine.txt"]


def test_another_sample_and_an_added_file_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "out", ("1",))
    with pytest.raises(BadInput):
        fill(tmp_path / "out", ("1",), sample="two")
    (tmp_path / "out" / "dicom" / "note").write_text("mine")
    with pytest.raises(BadInput):
        fill(tmp_path / "out", ("1",))
    assert content(tmp_path / "out") == ["dicom/1", "dicom/note", "sample.json"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadInput, match="is a file"):
        fill(tmp_path / "out", ("1",))
    assert (tmp_path / "out").read_text() == "mine"


def test_work_that_is_cancelled_leaves_everything_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path / "old", ("1",))
    for out in (tmp_path / "new", tmp_path / "old"):
        with pytest.raises(Cancelled), sample_folder(out, "one") as folder:
            (folder / "half").write_text("half")
            raise Cancelled()
    assert not (tmp_path / "new").exists()
    assert content(tmp_path / "old") == ["dicom/1", "sample.json"]
