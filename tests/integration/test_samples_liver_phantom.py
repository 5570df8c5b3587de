"""The liver phantom as a whole: the image, and a truth that agrees with itself to the voxel."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from scipy.spatial import cKDTree

from surgitwin.core.errors import Cancelled
from surgitwin.core.geometry import FloatArray
from surgitwin.core.progress import Context, Progress
from surgitwin.samples import SAMPLES
from surgitwin.samples.files import read_nifti
from surgitwin.samples.phantom import LiverPhantom, PhantomSettings, make_liver_phantom, table, write_liver_phantom
from surgitwin.samples.phantom.raster import Capsules, near_voxels
from surgitwin.segmentation.terminology import match_term

SETTINGS = PhantomSettings(size_ijk=(120, 110, 80), seed=3, portal_terminals=80, hepatic_terminals=60)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[LiverPhantom, Path]:
    out = tmp_path_factory.mktemp("phantom") / "out"
    return write_liver_phantom(out, SETTINGS, Context()), out


@pytest.fixture(scope="module")
def phantom(written: tuple[LiverPhantom, Path]) -> LiverPhantom:
    return written[0]


@pytest.fixture(scope="module")
def out(written: tuple[LiverPhantom, Path]) -> Path:
    return written[1]


def places(phantom: LiverPhantom, mask: NDArray[np.bool_]) -> FloatArray:
    return np.asarray(phantom.geometry.to_lps(np.argwhere(mask)[:, ::-1]))


def centroid(phantom: LiverPhantom, labels: NDArray[np.uint8], value: int) -> FloatArray:
    return np.asarray(places(phantom, labels == value).mean(axis=0))


def read_json(path: Path) -> dict:  # type: ignore[type-arg]
    document: dict = json.loads(path.read_text("utf-8"))  # type: ignore[type-arg]
    return document


def capsules_of(document: dict) -> Capsules:  # type: ignore[type-arg]
    return Capsules.joined(
        [Capsules.along(np.array(b["points_mm"]), np.array(b["radii_mm"])) for b in document["branches"]]
    )


def test_right_is_right_and_every_organ_is_there(phantom: LiverPhantom) -> None:
    at = {name: centroid(phantom, phantom.labels, value) for value, name in table.ORGANS.items()}
    assert at["Liver"][0] < at["Vertebra L1"][0] < at["Spleen"][0]
    assert at["Right kidney"][0] < at["Inferior vena cava"][0] < at["Aorta"][0] < at["Left kidney"][0]
    assert at["Right lung"][0] < 0 < at["Left lung"][0] and at["Right rib 10"][0] < 0 < at["Left rib 10"][0]
    assert at["Heart"][2] > at["Liver"][2] > at["Colon"][2]
    assert at["Vertebra L1"][1] > at["Liver"][1]


def test_the_liver_and_the_organs_beside_it_have_the_size_of_an_adults(phantom: LiverPhantom) -> None:
    ml = phantom.geometry.voxel_volume_mm3 / 1000
    volume = {name: np.count_nonzero(phantom.labels == value) * ml for value, name in table.ORGANS.items()}
    assert 1400 < volume["Liver"] < 1700
    assert 100 < volume["Spleen"] < 250 and 15 < volume["Gallbladder"] < 60
    assert 100 < volume["Right kidney"] < 220 and 100 < volume["Left kidney"] < 220


def test_the_liver_is_one_piece_that_the_image_holds_whole(phantom: LiverPhantom, out: Path) -> None:
    assert label(phantom.labels == table.LIVER)[1] == 1
    cut_off = read_json(out / "truth.json")["cut_off"]
    assert "Liver" not in cut_off and "Spleen" not in cut_off and "Aorta" in cut_off


def test_territories_divide_the_liver_to_the_voxel(phantom: LiverPhantom) -> None:
    liver = phantom.labels == table.LIVER
    for labels, count in ((phantom.couinaud, 8), (phantom.drainage, 4)):
        assert np.array_equal(labels > 0, liver)
        assert set(np.unique(labels[liver])) == set(range(1, count + 1))


def test_the_segments_lie_as_couinaud_numbered_them(phantom: LiverPhantom) -> None:
    at = {n: centroid(phantom, phantom.couinaud, n) for n in range(1, 9)}
    assert all(at[right][0] < at[4][0] < at[left][0] for right in (5, 6, 7, 8) for left in (2, 3))
    assert at[8][2] > at[5][2] + 20 and at[7][2] > at[6][2] + 20
    assert at[6][1] > at[5][1] + 20 and at[7][1] > at[8][1] + 20
    assert at[2][1] > at[3][1]
    cava = places(phantom, phantom.labels == table.CAVA)
    gap = {n: cKDTree(cava).query(at[n])[0] for n in at}
    assert min(gap, key=lambda n: gap[n]) == 1
    share = np.bincount(phantom.couinaud[phantom.couinaud > 0]) / np.count_nonzero(phantom.couinaud)
    assert 0.01 < share[1] < 0.05 and all(0.03 < share[n] < 0.3 for n in range(2, 9))
    assert 0.55 < share[5:].sum() < 0.8


def test_territories_follow_from_the_written_centrelines(phantom: LiverPhantom, out: Path) -> None:
    for tree, labels in (("portal_vein", phantom.couinaud), ("hepatic_veins", phantom.drainage)):
        branches = [b for b in read_json(out / f"{tree}.json")["branches"] if b["territory"]]
        points = np.concatenate([b["points_mm"] for b in branches])
        territory = np.concatenate([[b["territory"]] * len(b["points_mm"]) for b in branches])
        nearest = cKDTree(points).query(places(phantom, labels > 0))[1]
        assert np.array_equal(territory[nearest], labels[labels > 0])


def test_vessel_voxels_are_exactly_those_in_the_written_capsules(phantom: LiverPhantom, out: Path) -> None:
    for tree, value in (("portal_vein", table.PORTAL_VEIN), ("hepatic_veins", table.HEPATIC_VEINS)):
        flat, _ = near_voxels(phantom.geometry, capsules_of(read_json(out / f"{tree}.json")), 0.0)
        assert np.array_equal(flat, np.flatnonzero(phantom.inner == value))


def test_tumours_are_ellipsoids_inside_the_liver_in_segments_7_and_5(phantom: LiverPhantom, out: Path) -> None:
    for number, (tumour, segment) in enumerate(zip(phantom.tumours, (7, 5), strict=True)):
        mask = phantom.inner == table.TUMOR_1 + number
        scaled = (places(phantom, np.ones_like(mask)) - tumour.centre_mm) / tumour.semi_axes_mm
        assert np.array_equal(mask.reshape(-1), np.sum(scaled**2, axis=1) <= 1)
        assert np.all(phantom.labels[mask] == table.LIVER)
        assert np.argmax(np.bincount(phantom.couinaud[mask])) == segment
        entry = read_json(out / "truth.json")["tumors"][number]
        assert entry["analytic_ml"] == pytest.approx(4 / 3 * np.pi * np.prod(tumour.semi_axes_mm) / 1000)
        assert entry["volume_ml"] == pytest.approx(entry["analytic_ml"], rel=0.1)


def test_the_stated_volumes_are_those_of_the_written_label_maps(out: Path) -> None:
    truth = read_json(out / "truth.json")
    liver = read_nifti(out / "labels.nii.gz")[0] == table.LIVER
    for part, name in (("organs", "labels"), ("vessels_tumors", "vessels_tumors"), ("couinaud", "couinaud")):
        labels, grid = read_nifti(out / f"{name}.nii.gz")
        names = read_json(out / f"{name}.json")
        for text, entry in truth[part].items():
            assert entry["voxels"] == np.count_nonzero(labels == entry["value"])
            assert entry["volume_ml"] == pytest.approx(entry["voxels"] * grid.voxel_volume_mm3 / 1000)
            assert names[str(entry["value"])] == text
        assert set(np.unique(labels)) - {0} <= {entry["value"] for entry in truth[part].values()}
    assert sum(entry["voxels"] for entry in truth["couinaud"].values()) == truth["liver"]["voxels"] == liver.sum()
    inner = read_nifti(out / "vessels_tumors.nii.gz")[0]
    free = liver & (inner != table.TUMOR_1) & (inner != table.TUMOR_2)
    assert truth["liver"]["tumor_free_ml"] == pytest.approx(free.sum() * np.prod(truth["spacing_mm"]) / 1000)
    for name, entry in truth["vessels_tumors"].items():
        both = truth["liver"]["inside_ml"][name] + truth["liver"]["outside_ml"][name]
        assert both == pytest.approx(entry["volume_ml"])


def test_only_the_liver_and_the_vena_cava_are_overlapped_by_vessels(phantom: LiverPhantom) -> None:
    assert set(np.unique(phantom.labels[phantom.inner > 0])) <= {0, table.LIVER, table.CAVA}


def test_the_series_is_the_image_on_the_grid_of_the_truth(phantom: LiverPhantom, out: Path) -> None:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(out / "dicom")))
    image = reader.Execute()
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), phantom.ct)
    for name in ("labels", "vessels_tumors", "couinaud", "drainage", "body"):
        labels, grid = read_nifti(out / f"{name}.nii.gz")
        assert grid.same_grid(phantom.geometry) and labels.shape == phantom.ct.shape
    assert np.allclose(image.GetOrigin(), phantom.geometry.origin_mm) and np.allclose(
        image.GetSpacing(), phantom.geometry.spacing_mm
    )


def test_it_looks_like_the_portal_venous_phase(phantom: LiverPhantom) -> None:
    def mean(mask: NDArray[np.bool_]) -> float:
        return float(phantom.ct[distance_transform_edt(mask, sampling=phantom.geometry.spacing_mm[::-1]) > 4].mean())

    liver = (phantom.labels == table.LIVER) & (phantom.inner == 0)
    assert 95 < mean(liver) < 125
    assert 130 < mean(phantom.labels == table.CAVA) < 200 and 140 < mean(phantom.labels == table.RIGHT_KIDNEY) < 220
    assert mean(phantom.labels == table.RIGHT_LUNG) < -800 and mean(~phantom.body) < -950
    assert mean(phantom.inner == table.TUMOR_1) < mean(liver) - 20


def test_every_name_is_one_that_the_terminology_knows() -> None:
    kinds = {name: match_term(name) for name in (*table.ORGANS.values(), *table.INNER.values())}
    assert all(kinds.values())
    assert all(term.kind == "lesion" for name, term in kinds.items() if term and name.startswith("Tumor"))
    assert all(term.kind == "vessel" for name, term in kinds.items() if term and "vein" in name.lower())


def digest(phantom: LiverPhantom) -> str:
    arrays = (phantom.ct, phantom.labels, phantom.inner, phantom.couinaud, phantom.drainage)
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def test_equal_settings_give_equal_phantoms_and_another_seed_another() -> None:
    tiny = {"size_ijk": (48, 40, 32), "portal_terminals": 20, "hepatic_terminals": 20}
    one, same, other = (
        digest(make_liver_phantom(PhantomSettings(seed=seed, **tiny), Context()))  # type: ignore[arg-type]
        for seed in (5, 5, 6)
    )
    assert one == same != other


def test_the_noise_has_the_spread_that_was_asked_for_and_none_leaves_the_plain_shapes() -> None:
    tiny = {"size_ijk": (96, 80, 40), "portal_terminals": 20, "hepatic_terminals": 20, "blur_mm": 0.0}
    noisy = make_liver_phantom(PhantomSettings(noise_hu=20, **tiny), Context())  # type: ignore[arg-type]
    plain = make_liver_phantom(PhantomSettings(noise_hu=0, **tiny), Context())  # type: ignore[arg-type]
    inside = plain.body & (plain.ct > -900)
    difference = noisy.ct[inside].astype(float) - plain.ct[inside]
    assert difference.std() == pytest.approx(20, rel=0.03) and abs(difference.mean()) < 0.5
    assert set(np.unique(plain.ct[~plain.body])) == {-1000}


def test_the_portal_trunk_on_the_voxels_has_the_radius_of_its_graph() -> None:
    settings = PhantomSettings(
        size_ijk=(90, 60, 140), spacing_mm=(0.8, 0.8, 0.8), portal_terminals=20, hepatic_terminals=20
    )
    phantom = make_liver_phantom(settings, Context())
    trunk = phantom.portal.branches[0]
    index = phantom.geometry.to_index(trunk.points_mm)
    inside = np.all((index > 12) & (index < np.array(settings.size_ijk) - 13), axis=1)
    depth = distance_transform_edt(phantom.inner == table.PORTAL_VEIN, sampling=0.8)
    nearest = np.rint(index[inside]).astype(int)[3:-10]
    measured = depth[nearest[:, 2], nearest[:, 1], nearest[:, 0]]
    assert len(measured) > 20
    assert np.median(measured - trunk.radii_mm[inside][3:-10]) == pytest.approx(0, abs=0.4)


def test_a_grid_that_shows_a_part_only_says_what_is_cut_off(tmp_path: Path) -> None:
    settings = PhantomSettings(
        size_ijk=(64, 64, 64), spacing_mm=(2.0, 2.0, 2.0), portal_terminals=20, hepatic_terminals=20
    )
    write_liver_phantom(tmp_path / "part", settings, Context())
    assert "Liver" in read_json(tmp_path / "part" / "truth.json")["cut_off"]


def test_cancelling_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.fraction is not None and progress.fraction > 0.8:
            ctx.cancel()

    ctx = Context(stop)
    tiny = PhantomSettings(size_ijk=(32, 32, 48), portal_terminals=20, hepatic_terminals=20)
    with pytest.raises(Cancelled):
        write_liver_phantom(tmp_path / "out", tiny, ctx)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_plans_leave_a_remnant_and_take_both_tumours(phantom: LiverPhantom) -> None:
    liver = places(phantom, phantom.labels == table.LIVER)
    shares = []
    for plan in SAMPLES["liver-phantom"].plans:
        point, normal = np.array(plan.planes[0][:3]), np.array(plan.planes[0][3:])
        shares.append(np.mean((liver - point) @ normal > 0))
        for tumour in phantom.tumours:
            reach = float(np.linalg.norm(normal * np.array(tumour.semi_axes_mm)))
            assert (np.array(tumour.centre_mm) - point) @ normal > reach
    assert 0.5 < shares[0] < shares[1] < 0.92
