"""Every file that pydicom ships to test readers with either loads or is refused by a sentence that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom.data.data_manager
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.imaging import list_series, load_series

SHIPPED = Path(pydicom.data.data_manager.DATA_ROOT)


def shipped_files() -> Iterator[Path]:
    """Those inside the package; pydicom's own look-up would offer to download further ones."""
    for path in sorted(SHIPPED.rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path


@pytest.mark.parametrize("path", list(shipped_files()), ids=lambda path: path.relative_to(SHIPPED).as_posix())
def test_every_shipped_file_loads_or_is_refused_by_name(path: Path) -> None:
    try:
        volume = load_series(path)
    except BadInput as refusal:
        assert path.name in str(refusal)
        assert "\n" not in str(refusal)
    else:
        assert volume.voxels.size > 0
        assert volume.voxels.shape == volume.geometry.shape_kji


@pytest.mark.parametrize("path", ["test_files", "charset_files", "test_files/dicomdirtests"])
def test_whole_folders_of_oddities_are_listed(path: str) -> None:
    infos = list_series(SHIPPED / path)

    assert infos
    assert len({info.series_uid for info in infos}) == len(infos)
    for info in infos:
        assert info.loadable or info.refusal


LOADABLE = [
    "CT_small.dcm",
    "693_J2KI.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_padded.dcm",
    "examples_overlay.dcm",
]


@pytest.mark.parametrize("name", LOADABLE)
def test_loaded_values_are_those_that_pydicom_gives(name: str) -> None:
    dataset = pydicom.dcmread(SHIPPED / "test_files" / name)
    values = dataset.pixel_array.astype(float) * dataset.get("RescaleSlope", 1) + dataset.get("RescaleIntercept", 0)

    volume = load_series(SHIPPED / "test_files" / name)

    # Padding below air is shown as air; the stored number is meaningless.
    expected = np.maximum(values, -1024) if "PixelPaddingValue" in dataset else values
    mask = values >= -1024 if "PixelPaddingValue" in dataset else np.ones_like(values, dtype=bool)
    assert np.array_equal(volume.voxels[0][mask], expected[mask])


def test_a_dicomdir_lists_the_volumes_of_its_patients() -> None:
    infos = list_series(SHIPPED / "test_files" / "dicomdirtests" / "DICOMDIR")

    volumes = [info for info in infos if info.kind == "volume"]
    assert len({info.patient.patient_id for info in infos}) == 2
    assert all(load_series(info).geometry.size_ijk == info.size_ijk for info in volumes)


def test_a_truncated_file_says_that_it_is_cut_off() -> None:
    with pytest.raises(BadInput, match=r"MR_truncated\.dcm.*ends before its pixels"):
        load_series(SHIPPED / "test_files" / "MR_truncated.dcm")


def test_names_in_every_character_set_are_read() -> None:
    expected = {
        "chrArab.dcm": "قباني^لنزار",
        "chrGreek.dcm": "Διονυσιος",
        "chrRuss.dcm": "Люкceмбypг",
        "chrKoreanMulti.dcm": "김희중",
        "chrX1.dcm": "Wang^XiaoDong=王^小東",
        "chrH31.dcm": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    }
    for name, patient in expected.items():
        (info,) = list_series(SHIPPED / "charset_files" / name)
        assert info.patient.name == patient
