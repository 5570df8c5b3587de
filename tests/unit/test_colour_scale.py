"""Colours for values: where they lie on the scale, classes, and that people who see fewer colours tell them apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from surgitwin.render.colour_scale import MISSING, ColourScale
from surgitwin.render.content import Rgb
from surgitwin.render.fit_colours import APART, CONTACT, DISTANCE_STOPS, INSIDE, class_scale, distance_scale

# Linear RGB as a person without one kind of cone sees it (Machado, Oliveira and Fernandes 2009, severity 1.0).
DEFICIENT = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour: Rgb, seen: str | None) -> np.ndarray:
    """CIE L*a*b* (D65) of an sRGB colour."""
    rgb = np.asarray(colour) / 255.0
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if seen is not None:
        linear = np.clip(np.array(DEFICIENT[seen]) @ linear, 0.0, 1.0)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz / np.array([0.95047, 1.0, 1.08883]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen", [None, *DEFICIENT])
def test_inside_and_gap_are_told_apart_by_every_kind_of_colour_vision(seen: str | None) -> None:
    scale = distance_scale(3.0, 1.0)
    for depth in np.linspace(1.0, 3.0, 9):
        inside, gap = lab(scale.colour(-depth), seen), lab(scale.colour(depth), seen)
        assert np.linalg.norm(inside - gap) > 20.0, depth
    for one, other in ((INSIDE, CONTACT), (CONTACT, APART), (INSIDE, APART)):
        assert np.linalg.norm(lab(one, seen) - lab(other, seen)) > 20.0


@pytest.mark.parametrize("seen", [None, *DEFICIENT])
def test_the_distance_scale_grows_darker_from_its_middle_to_both_ends(seen: str | None) -> None:
    light = [lab(colour, seen)[0] for colour in DISTANCE_STOPS]
    middle = len(light) // 2
    assert all(one < other for one, other in pairwise(light[: middle + 1]))
    assert all(one > other for one, other in pairwise(light[middle:]))


def test_values_lie_evenly_between_stops_and_stay_at_the_ends() -> None:
    scale = ColourScale("x", "mm", -2.0, 2.0, ((0, 0, 0), (100, 200, 40), (200, 0, 0)))
    assert scale.colours([-9.0, -2.0, -1.0, 0.0, 1.0, 2.0, 9.0]).tolist() == [
        [0, 0, 0], [0, 0, 0], [50, 100, 20], [100, 200, 40], [150, 100, 20], [200, 0, 0], [200, 0, 0],
    ]  # fmt: skip
    assert scale.colour(float("nan")) == MISSING


def test_classes_end_at_the_tolerance_and_contact_includes_it_towards_the_gap() -> None:
    scale = class_scale(3.0, 1.0)
    assert [scale.colour(value) for value in (-5.0, -1.01, -0.99, 0.0, 1.0, 1.01, 5.0)] == [
        INSIDE, INSIDE, CONTACT, CONTACT, CONTACT, APART, APART,
    ]  # fmt: skip
    wide = class_scale(0.5, 1.0)
    assert wide.low < wide.bands[0] and wide.bands[1] < wide.high
