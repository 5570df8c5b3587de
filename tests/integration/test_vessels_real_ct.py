"""`vessels` on the liver of the real sample CT, which has no contrast agent in it, and with a vessel put in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.samples.abdomen_ct import AbdomenCT, load_abdomen_ct
from surgitwin.segmentation.vessel_mask import vessels


@pytest.fixture(scope="module")
def real() -> AbdomenCT:
    return load_abdomen_ct()


@pytest.fixture(scope="module")
def liver(real: AbdomenCT) -> NDArray[np.bool_]:
    return np.asarray(real.labels == next(value for value, name in real.names.items() if name == "liver"))


def test_an_unenhanced_liver_holds_next_to_no_vessel(real: AbdomenCT, liver: NDArray[np.bool_]) -> None:
    found = vessels(real.ct, real.geometry, liver)
    assert not (found & ~liver).any()
    assert np.count_nonzero(found) < 0.001 * np.count_nonzero(liver)


def test_a_bright_tube_put_into_it_is_found_and_little_else(real: AbdomenCT, liver: NDArray[np.bool_]) -> None:
    from scipy import ndimage

    spacing = np.array(real.geometry.spacing_mm[::-1])
    deepest = np.unravel_index(int(np.argmax(ndimage.distance_transform_edt(liver, sampling=spacing))), liver.shape)
    places = (np.stack(np.indices(liver.shape), axis=-1) - np.array(deepest)) * spacing
    along = np.array([0.4, -0.3, 0.866]) / np.linalg.norm([0.4, -0.3, 0.866])
    t = np.clip(places @ along, -30, 30)
    tube = (np.linalg.norm(places - t[..., None] * along, axis=-1) < 5.0) & liver
    image = real.ct + 60 * ndimage.gaussian_filter(tube.astype(np.float32), 1.0 / spacing)
    found = vessels(image, real.geometry, liver)
    shared = np.count_nonzero(found & tube)
    assert 2 * shared > 0.9 * (np.count_nonzero(found) + np.count_nonzero(tube))
    near = ndimage.binary_dilation(tube, np.ones((3, 3, 3)))
    assert np.count_nonzero(found & ~near) < 0.001 * np.count_nonzero(liver)
