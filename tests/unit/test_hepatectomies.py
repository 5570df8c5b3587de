"""The standard hepatectomies and how their territories are found."""

from __future__ import annotations

import pytest

from surgitwin.core.errors import BadInput
from surgitwin.resection.hepatectomies import HEPATECTOMIES, couinaud_of, hepatectomy, notation, territories_for
from surgitwin.resection.volumetry import OPERATIONS

EIGHT = {f"t{number}": str(number) for number in range(1, 9)}


@pytest.mark.parametrize(
    ("word", "segments"),
    [
        ("right", "5678"),
        ("left", "234"),
        ("right-anterior", "58"),
        ("right-posterior", "67"),
        ("left-lateral", "23"),
        ("left-medial", "4"),
        ("right-tri", "45678"),
        ("left-tri", "23458"),
    ],
)
def test_each_standard_hepatectomy_takes_the_segments_of_its_definition(word: str, segments: str) -> None:
    assert "".join(hepatectomy(word).segments) == segments
    assert territories_for(hepatectomy(word).segments, EIGHT) == tuple(f"t{number}" for number in segments)


def test_an_operation_is_found_by_id_name_and_notation() -> None:
    assert hepatectomy("H5678") is hepatectomy("right hepatectomy") is hepatectomy("right")


def test_an_unknown_operation_is_refused_with_the_list() -> None:
    with pytest.raises(BadInput, match=r"no standard hepatectomy “central”.*right-posterior.*H67"):
        hepatectomy("central")


def test_limits_know_every_operation() -> None:
    assert {one.operation for one in HEPATECTOMIES} <= set(OPERATIONS)


def test_the_notation_lists_segments_in_order_and_the_vein_that_goes_with_them() -> None:
    assert notation(["8", "1", "5", "7", "6"]) == "H15678"
    assert notation(["4b", "4a", "5"], middle_vein=True) == "H4a4b5-MHV"


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("Couinaud 5", "5"),
        ("segment_8", "8"),
        ("Couinaud segment IV", "4"),
        ("Couinaud 4a", "4a"),
        ("Segment IVb", "4b"),
        ("S7", "7"),
        ("Liver segment 2", "2"),
        ("hepatic segment III", "3"),
        ("Couinaud 5a", None),
        ("Couinaud 9", None),
        ("Right portal vein", None),
        ("Segment", None),
        ("Spleen 4", None),
    ],
)
def test_a_territorys_name_says_which_couinaud_segment_it_is(name: str, segment: str | None) -> None:
    assert couinaud_of(name) == segment


def test_segment_4_is_4a_and_4b_together() -> None:
    halves = {"t2": "2", "t3": "3", "ta": "4a", "tb": "4b"}

    assert territories_for(("2", "3", "4"), halves) == ("t2", "t3", "ta", "tb")
    with pytest.raises(BadInput, match="segment 4b"):
        territories_for(("4",), {"ta": "4a"})


def test_an_operation_whose_segment_has_no_territory_is_refused_by_the_segments_name() -> None:
    with pytest.raises(BadInput, match="segment 6, 7"):
        territories_for(("5", "6", "7", "8"), {"t5": "5", "t8": "8"})


def test_two_territories_of_one_segment_both_go() -> None:
    assert territories_for(("5",), {"a": "5", "b": "5", "c": "6"}) == ("a", "b")
