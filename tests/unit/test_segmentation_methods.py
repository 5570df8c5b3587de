"""The table of methods: settings from text, ranges, units, and what is refused."""

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.methods import Inputs, MethodParams, SeededParams, all_methods, method_named

METHODS = all_methods()

GRID = Geometry.from_parts((8, 7, 6), (1.0, 1.5, 2.0))


def cube() -> np.ndarray:  # type: ignore[type-arg]
    voxels = np.zeros(GRID.shape_kji, dtype=np.int16)
    voxels[1:4, 2:5, 2:6] = 100
    return voxels


def test_every_method_says_what_it_does_and_every_setting_has_help_and_a_unit() -> None:
    for name, method in METHODS.items():
        assert method.name == name and method.title and method.help
        assert issubclass(method.Params, MethodParams)
        for field in method.Params.model_fields.values():
            assert field.description
            assert isinstance(field.json_schema_extra, dict) and "unit" in field.json_schema_extra
        assert (method.seeds != "no") == issubclass(method.Params, SeededParams)


def test_settings_keep_their_older_names() -> None:
    assert method_named("region-grow") is METHODS["grow"]
    assert METHODS["grow"].parse({"seed_mm": "1,2,3", "low": 1, "high": 2}) == METHODS["grow"].parse(
        {"at": (1, 2, 3), "lower": 1, "upper": 2}
    )


def test_a_threshold_runs_from_text_settings() -> None:
    method = METHODS["threshold"]
    mask = method.apply(Inputs(cube(), GRID), method.parse({"lower": "50", "upper": "150"}))
    assert mask.dtype == np.bool_ and mask.sum() == 36


def test_a_seed_may_be_typed_with_commas_and_minus_signs() -> None:
    method = METHODS["grow"]
    params = method.parse({"at": "3,4.5,4", "lower": "50", "upper": "150"})
    assert method.apply(Inputs(cube(), GRID), params).sum() == 36
    assert method.parse({"at": "-1.5,2,-3", "tolerance": 5}).at == (-1.5, 2.0, -3.0)
    assert method.parse({"at": [1, 2, 3], "tolerance": 5}).at == (1.0, 2.0, 3.0)


def test_methods_on_a_segment_use_the_segment_and_not_the_image() -> None:
    mask = cube() > 0
    mask[2, 3, 3] = False
    mask[5, 6, 7] = True
    for name, settings, count in (("islands", {}, 35), ("fill-holes", {}, 37), ("smooth", {"mm": "1"}, None)):
        method = METHODS[name]
        result = method.apply(Inputs(np.zeros(GRID.shape_kji), GRID, mask), method.parse(settings), Context())
        assert count is None or result.sum() == count
    method = METHODS["islands"]
    kept = method.apply(Inputs(cube(), GRID, mask), method.parse({"min_ml": "0.001"}), Context())
    assert kept.sum() == 36


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("threshold", {}, "needs the setting 'lower'"),
        ("threshold", {"lower": "many"}, "'lower'.*'many'"),
        ("threshold", {"lower": "nan"}, "'lower'.*finite"),
        ("threshold", {"lower": "200", "upper": "100"}, "200.*100"),
        ("threshold", {"lower": "1", "lo": "2"}, "no setting 'lo'; it has: lower, upper"),
        ("grow", {"at": "1,2", "tolerance": "5"}, "'1,2' needs three numbers"),
        ("grow", {"at": "1,2,3"}, "tolerance"),
        ("grow", {"at": "1,2,3", "tolerance": "5", "lower": "3"}, "not both"),
        ("grow", {"at": "1,2,3", "tolerance": "-5"}, "'tolerance'.*'-5'"),
        ("smooth", {"mm": "0"}, "'mm'.*'0'.*greater than 0"),
        ("smooth", {"method": "mean"}, "'method'.*'mean'.*median"),
        ("body", {"lower": "3"}, "no setting 'lower'; it has: none"),
        ("fill-holes", {"max_ml": "-1"}, "'max_ml'"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence_that_names_them(
    name: str, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        METHODS[name].parse(settings)
    assert "\n" not in str(caught.value) and "pydantic" not in str(caught.value)


def test_a_threshold_without_any_voxel_says_what_the_image_holds() -> None:
    method = METHODS["threshold"]
    with pytest.raises(BadInput, match=r"500.*600.*0 to 100"):
        method.apply(Inputs(cube(), GRID), method.parse({"lower": 500, "upper": 600}))


def test_a_method_on_a_segment_without_one_is_refused() -> None:
    method = METHODS["smooth"]
    with pytest.raises(BadInput, match="name one"):
        method.apply(Inputs(cube(), GRID), method.parse({}))


def test_sizes_that_do_not_belong_together_are_refused() -> None:
    method = METHODS["threshold"]
    with pytest.raises(BadInput, match="different sizes"):
        method.apply(Inputs(np.zeros((2, 2, 2)), GRID), method.parse({"lower": 1}))


def test_no_island_of_the_asked_volume_is_an_error() -> None:
    method = METHODS["islands"]
    with pytest.raises(BadInput, match="50 ml"):
        method.apply(Inputs(cube(), GRID, cube() > 0), method.parse({"min_ml": 50}), Context())
