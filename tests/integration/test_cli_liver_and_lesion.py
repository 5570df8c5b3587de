"""The methods `liver` and `lesion` from the command line: on the real sample CT, and on the small one."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.samples.abdomen_ct import AbdomenCT, load_abdomen_ct
from surgitwin.samples.dicom_writer import write_ct_series
from surgitwin.scene.nodes import SegmentNode
from surgitwin.session import Session
from terminal import Phantom, copy_of, done, fingerprint, header, make_case, make_phantom, surgitwin, write_nifti

STROKES = Path(__file__).parents[2] / "benchmarks" / "validation" / "liver_strokes.json"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def master(phantom: Phantom) -> Path:
    return make_case(phantom, phantom.folder / "case.twin")


@pytest.fixture
def case(master: Path, tmp_path: Path) -> Path:
    return copy_of(master, tmp_path)


@pytest.fixture(scope="module")
def real() -> AbdomenCT:
    return load_abdomen_ct()


@pytest.fixture(scope="module")
def real_case(real: AbdomenCT, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from surgitwin.core.progress import Context

    folder = tmp_path_factory.mktemp("real")
    write_ct_series(folder / "ct", real.ct, real.geometry, header("real"), Context())
    done("new", folder / "case.twin", folder / "ct", "--pseudonym", "Case R")
    yield folder / "case.twin"


def mask_of(case: Path, name: str) -> NDArray[np.bool_]:
    with Session.open(case) as session:
        segment = session.scene.resolve(name, SegmentNode)
        return np.asarray(session.scene.layer_of(segment).labels.read() == segment.value)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def point(phantom: Phantom, i: float, j: float, k: float) -> str:
    return ",".join(f"{value:.6f}" for value in phantom.geometry.to_lps((i, j, k)))


def truth(phantom: Phantom) -> NDArray[np.bool_]:
    from terminal import TUMOUR

    mask = np.zeros(phantom.labels.shape, dtype=np.bool_)
    mask[TUMOUR] = True
    return mask


def test_six_short_strokes_find_the_liver_of_the_real_ct(real: AbdomenCT, real_case: Path, tmp_path: Path) -> None:
    document = json.loads(STROKES.read_text("utf-8"))
    assert len(document["strokes"]) <= 6
    strokes = np.zeros(real.ct.shape, dtype=np.uint8)
    for stroke in document["strokes"]:
        start, end = np.array(stroke["from"]), np.array(stroke["to"])
        assert np.count_nonzero(start == end) >= 1, "a stroke lies in one slice"
        assert np.linalg.norm((end - start) * real.geometry.spacing_mm) <= 60
        for share in np.linspace(0, 1, 200):
            i, j, k = np.rint(start + share * (end - start)).astype(int)
            strokes[k, j, i] = stroke["label"]
    seeds = write_nifti(tmp_path / "strokes.nii.gz", strokes, real.geometry)
    done("segment", real_case, "liver", "--into", "Liver by strokes", "--set", f"seeds={seeds}")
    published = real.labels == next(value for value, name in real.names.items() if name == "liver")
    assert dice(mask_of(real_case, "Liver by strokes"), published) >= 0.93


def test_a_seed_named_background_is_outside_whatever_its_value(
    real: AbdomenCT, real_case: Path, tmp_path: Path
) -> None:
    strokes = np.zeros(real.ct.shape, dtype=np.uint8)
    strokes[103, 38:57, 32] = 7
    strokes[99, 32:43, 80] = 3
    seeds = write_nifti(tmp_path / "seeds.nii.gz", strokes, real.geometry)
    table = tmp_path / "seeds.json"
    table.write_text(json.dumps({7: "Liver", 3: "Background"}), encoding="utf-8")
    done("segment", real_case, "liver", "--into", "Named", "--set", f"seeds={seeds}", "--labels", table)
    found = mask_of(real_case, "Named")
    assert found[strokes == 7].all() and not found[strokes == 3].any()
    published = real.labels == next(value for value, name in real.names.items() if name == "liver")
    assert dice(found, published) >= 0.88


def test_a_lesion_from_a_point_and_from_a_line(case: Path, phantom: Phantom) -> None:
    # The tumour is a block of 4 x 6 x 4 voxels, 6.8 x 7.8 x 11.6 mm, without noise.
    done("segment", case, "lesion", "--into", "Metastasis", "--set", f"at={point(phantom, 31.5, 16.5, 13.5)}",
         "--set", "radius_mm=6")  # fmt: skip
    assert dice(mask_of(case, "Metastasis"), truth(phantom)) >= 0.8
    line = f"{point(phantom, 31.5, 16.5, 11.5)};{point(phantom, 31.5, 16.5, 15.5)}"
    done("segment", case, "lesion", "--into", "By line", "--set", f"line={line}")
    assert dice(mask_of(case, "By line"), truth(phantom)) >= 0.8


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["at=900,0,0", "radius_mm=6"], "lies outside the image"),
        (["at=0,0,0"], "'at' and 'radius_mm', or a 'line'"),
        (["at=0,0,0", "radius_mm=0"], "greater than 0"),
        (["at=0,0,0", "radius_mm=500"], "less than or equal to 100"),
        (["line=0,0,0"], "needs two points"),
        (["at=0,0,0", "radius_mm=6", "line=0,0,0;1,1,1"], "not both"),
    ],
)
def test_a_wrong_lesion_is_refused_and_nothing_changes(case: Path, settings: list[str], words: str) -> None:
    before = fingerprint(case.parent)
    answer = surgitwin("segment", case, "lesion", "--into", "L", *(word for s in settings for word in ("--set", s)))
    assert answer.status == 3, answer.err
    assert words in answer.err
    assert fingerprint(case.parent) == before


def test_no_liver_to_be_found_is_said_and_nothing_changes(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    before = fingerprint(case.parent)
    answer = surgitwin("segment", case, "liver", "--into", "L")
    assert answer.status == 3 and len(answer.err.strip().splitlines()) == 1, answer.err
    outside_only = np.zeros(phantom.labels.shape, dtype=np.uint8)
    outside_only[3, 3:9, 3] = 2
    folder = tmp_path / "seeds"
    folder.mkdir()
    seeds = write_nifti(folder / "seeds.nii.gz", outside_only, phantom.geometry)
    answer = surgitwin("segment", case, "liver", "--into", "L", "--set", f"seeds={seeds}")
    assert answer.status == 3 and "No stroke is inside the liver" in answer.err
    (folder / "seeds.nii.gz").unlink()
    folder.rmdir()
    assert fingerprint(case.parent) == before
