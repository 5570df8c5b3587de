"""PHASES, logistic models that a user brings, and what both are told."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.simulators.aneurysm.logistic import Measured, evaluate, load_model, model_document, parse_model
from surgitwin.simulators.aneurysm.params import AneurysmParams
from surgitwin.simulators.aneurysm.phases import PhasesAnswers, phases, risk_percent, size_points
from surgitwin.simulators.aneurysm.reference import CUT_OFFS, thresholds
from surgitwin.simulators.aneurysm.scores import answers_of, model_inputs, parse_values
from surgitwin.simulators.base import Output

TEACHING = Path(__file__).parents[2] / "docs" / "developer" / "invented-logistic-model.json"
LEAST = PhasesAnswers("europe", False, 50.0, 4.0, False, "ica")
MOST = PhasesAnswers("finland", True, 75.0, 25.0, True, "posterior")


def test_the_smallest_and_the_largest_score_have_the_risks_that_were_read() -> None:
    assert (phases(LEAST).total, phases(LEAST).risk_percent) == (0, 0.4)
    assert (phases(MOST).total, phases(MOST).risk_percent) == (22, 17.8)
    assert risk_percent(7) == 2.4


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({"population": "north-america"}, 0),
        ({"population": "japan"}, 3),
        ({"population": "finland"}, 5),
        ({"hypertension": True}, 1),
        ({"age_years": 69.9}, 0),
        ({"age_years": 70.0}, 1),
        ({"size_mm": 6.99}, 0),
        ({"size_mm": 7.0}, 3),
        ({"size_mm": 9.99}, 3),
        ({"size_mm": 10.0}, 6),
        ({"size_mm": 19.99}, 6),
        ({"size_mm": 20.0}, 10),
        ({"earlier_sah": True}, 1),
        ({"site": "mca"}, 2),
        ({"site": "aca"}, 4),
        ({"site": "pcom"}, 4),
        ({"site": "posterior"}, 4),
    ],
)
def test_each_answer_adds_its_points(change: dict[str, Any], points: int) -> None:
    assert phases(replace(LEAST, **change)).total == points


def test_the_table_of_risks_is_the_one_of_the_science_notes() -> None:
    table = {0: 0.4, 1: 0.4, 2: 0.4, 3: 0.7, 4: 0.9, 5: 1.3, 6: 1.7, 7: 2.4, 8: 3.2, 9: 4.3, 10: 5.3, 11: 7.2}

    assert {total: risk_percent(total) for total in table} == table
    assert {risk_percent(total) for total in range(12, 23)} == {17.8}
    risks = [risk_percent(total) for total in range(23)]
    assert risks == sorted(risks)
    # Front Neurol 2021;12:616497 has bands that end at 0.7 % and at 1.7 %; in this table these are 3 and 6 points.
    assert max(total for total in range(23) if risk_percent(total) <= 0.7) == 3
    assert max(total for total in range(23) if risk_percent(total) <= 1.7) == 6


def test_every_item_shows_its_points_its_source_and_that_it_was_recalled() -> None:
    document = phases(replace(MOST, size_from="twin")).as_json()

    assert [item["points"] for item in document["items"]] == [5, 1, 1, 10, 1, 4]
    assert {item["source"] for item in document["items"]} == {"Greving 2014, Lancet Neurol 13:59"}
    assert {item["note"] for item in document["items"]} == {"recalled, not checked against the paper"}
    assert document["note"] == "recalled, not checked against the paper"
    assert [item["origin"] for item in document["items"]] == ["given"] * 3 + ["twin"] + ["given"] * 2


@pytest.mark.parametrize("name", ["population", "hypertension", "age_years", "size_mm", "earlier_sah", "site"])
def test_with_an_item_unknown_there_is_no_total_and_it_is_named(name: str) -> None:
    score = phases(replace(MOST, **{name: None}))

    assert (score.total, score.risk_percent, score.missing) == (None, None, (name,))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ruptured": True}, "have not ruptured"),
        ({"age_years": 12.0}, "age_years cannot be 12 years; give 18 to 120"),
        ({"age_years": math.nan}, "age_years"),
        ({"size_mm": 0.0}, "size_mm cannot be 0 mm"),
        ({"size_mm": 200.0}, "size_mm cannot be 200 mm"),
        ({"population": "china"}, "knows no population “china”; it was made for: north-america"),
        ({"site": "liver"}, "knows no site “liver”"),
    ],
)
def test_what_phases_was_not_made_for_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        phases(replace(LEAST, **change))


@pytest.mark.parametrize("total", [-1, 23])
def test_totals_that_cannot_be_have_no_risk(total: int) -> None:
    with pytest.raises(BadInput, match="0 to 22"):
        risk_percent(total)


def teaching() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(TEACHING.read_text(encoding="utf-8"))
    return document


def changed(**fields_of_first: Any) -> str:
    """The teaching example with its first coefficient changed; a value of None takes the field away."""
    document = teaching()
    first = {**document["coefficients"][0], **fields_of_first}
    document["coefficients"][0] = {name: value for name, value in first.items() if value is not None}
    return json.dumps(document)


VALUES = {"size_ratio": Measured(2.0, "1"), "d_max_mm": Measured(math.e, "mm"), "site": Measured("MCA", "1")}


def test_the_teaching_example_is_read_and_says_that_it_is_invented() -> None:
    model = load_model(TEACHING)

    assert model.teaching and "INVENTED" in model.name and model.auc is None
    assert {one["source"] for one in model_document(model)["coefficients"]} == {"invented"}


def test_the_probability_is_the_logistic_function_of_the_coded_values() -> None:
    model = load_model(TEACHING)
    score = -1.0 + 0.5 * 2.0 + 0.25 * 1.0 + 0.125

    assert evaluate(model, VALUES).probability == pytest.approx([1 / (1 + math.exp(-score))])
    elsewhere = {**VALUES, "site": Measured("ica", "1")}
    assert evaluate(model, elsewhere).probability == pytest.approx([1 / (1 + math.exp(-(score - 0.125)))])
    assert evaluate(model, VALUES).notices == ()


def test_samples_of_a_value_give_samples_of_the_probability() -> None:
    model = load_model(TEACHING)
    found = evaluate(model, {**VALUES, "size_ratio": Measured(np.array([1.0, 2.0, 4.0]), "1")}).probability

    assert found.shape == (3,)
    assert found[1] == pytest.approx(evaluate(model, VALUES).probability[0])
    assert np.all(np.diff(found) > 0)


@pytest.mark.parametrize(("size_ratio", "expected"), [(1e6, 1.0), (-1e6, 0.0)])
def test_huge_scores_do_not_overflow(size_ratio: float, expected: float) -> None:
    found = evaluate(load_model(TEACHING), {**VALUES, "size_ratio": Measured(size_ratio, "1")})

    assert found.probability == pytest.approx([expected])


def test_a_value_outside_the_model_population_is_told() -> None:
    found = evaluate(load_model(TEACHING), {**VALUES, "size_ratio": Measured(7.5, "1")})

    assert [notice.code for notice in found.notices] == ["outside-model-population"]
    assert "7.5" in found.notices[0].message and "0.5 to 6" in found.notices[0].message


@pytest.mark.parametrize("where", ["citation", "population", "outcome", "name"])
@pytest.mark.parametrize("text", ["", "  ", "TODO", "n/a", "Unknown.", None])
def test_a_model_that_does_not_say_where_it_comes_from_is_refused(where: str, text: str | None) -> None:
    document = {**teaching(), where: text}
    with pytest.raises(BadInput, match=rf"“m.json” cannot be used: {where}"):
        parse_model(json.dumps(document), "m.json")
    del document[where]
    with pytest.raises(BadInput, match=where):
        parse_model(json.dumps(document), "m.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": None}, r"coefficients\.0\.source"),
        ({"source": "?"}, r"coefficients\.0\.source"),
        ({"unit": None}, r"coefficients\.0\.unit"),
        ({"unit": ""}, r"coefficients\.0\.unit"),
        ({"value": "0.5"}, r"coefficients\.0\.value"),
        ({"coding": "square"}, r"coefficients\.0\.coding"),
        ({"category": "mca"}, "a category belongs to the coding “is”"),
        ({"population_low": 9.0}, "population_low lies above"),
        ({"surprise": 1}, "surprise"),
        ({"variable": "d_max_mm", "unit": "mm", "coding": "ln"}, "“d_max_mm” has two coefficients"),
        ({"variable": "d_max_mm", "unit": "cm"}, "“d_max_mm” has two units"),
    ],
)
def test_a_coefficient_that_is_not_whole_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_model(changed(**change), "m.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"intercept": {"value": -1.0}}, r"intercept\.source"),
        ({"intercept": -1.0}, "intercept"),
        ({"auc": 0.2}, "auc"),
        ({"format": "other"}, "format"),
        ({"coefficients": []}, "coefficients"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_model(json.dumps({**teaching(), **change}), "m.json")


def test_an_auc_that_was_not_published_must_be_said_to_be_missing() -> None:
    document = teaching()
    del document["auc"]
    with pytest.raises(BadInput, match="auc"):
        parse_model(json.dumps(document), "m.json")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "needs “size_ratio” \\(1\\), which is not known"),
        ({"size_ratio": Measured(2.0, "mm")}, "takes “size_ratio” in 1, but it is known in mm"),
        ({"size_ratio": Measured("big", "1")}, "as a number, not as “big”"),
        ({"size_ratio": Measured(2.0, "1"), "d_max_mm": Measured(0.0, "mm")}, "logarithm of “d_max_mm”"),
        (
            {"size_ratio": Measured(2.0, "1"), "d_max_mm": Measured(1.0, "mm"), "site": Measured(2.0, "1")},
            "“site” as a word, such as “mca”",
        ),
    ],
)
def test_a_model_that_lacks_something_gives_no_probability(values: dict[str, Measured], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        evaluate(load_model(TEACHING), values)


def test_files_that_are_no_model_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "text.json").write_text("Not JSON.")
    (tmp_path / "large.json").write_bytes(b" " * 1_000_001)
    for name, says in (("none.json", "cannot be read"), ("bytes.json", "no text"), ("text.json", "cannot be used")):
        with pytest.raises(BadInput, match=f"{name}.*{says}"):
            load_model(tmp_path / name)
    with pytest.raises(BadInput, match="too large"):
        load_model(tmp_path / "large.json")


def test_typed_values_are_read_with_their_units() -> None:
    found = parse_values("max_osi=0.02 1, lsa=-1.5e1 %, side=left 1")

    assert {name: (one.value, one.unit) for name, one in found.items()} == {
        "max_osi": (0.02, "1"),
        "lsa": (-15.0, "%"),
        "side": ("left", "1"),
    }


@pytest.mark.parametrize("text", ["osi", "osi=0.02", "=1 1", "osi=1 1 1", "osi=1 1, osi=2 1", "osi=nan 1"])
def test_typed_values_without_a_unit_or_twice_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="model_values"):
        parse_values(text)


def test_a_value_that_is_measured_cannot_be_typed_as_well() -> None:
    params = AneurysmParams(model_values="size_ratio=9 1")
    with pytest.raises(BadInput, match="“size_ratio”, which is measured or given already"):
        model_inputs(params, {"size_ratio": 2.0})


def test_models_take_what_was_measured_answered_and_typed() -> None:
    params = AneurysmParams(age_years=61, hypertension="yes", site="mca", population="japan", model_values="osi=0.1 1")
    found = model_inputs(params, {"size_ratio": 2.0, "volume_mm3": 80.0, "not_offered": 1.0})

    assert {name: (one.value, one.unit) for name, one in found.items()} == {
        "size_ratio": (2.0, "1"),
        "volume_mm3": (80.0, "mm3"),
        "age_years": (61.0, "years"),
        "hypertension": (1.0, "1"),
        "site": ("mca", "1"),
        "population": ("japan", "1"),
        "osi": (0.1, "1"),
    }


def test_answers_that_were_not_given_stay_unknown() -> None:
    answers = answers_of(AneurysmParams(), None)

    unknown = [field.name for field in fields(answers) if getattr(answers, field.name) is None]
    assert unknown == ["population", "hypertension", "age_years", "size_mm", "earlier_sah", "site"]
    assert answers_of(AneurysmParams(earlier_sah="no"), 5.0).earlier_sah is False
    assert (answers_of(AneurysmParams(), 5.0).size_from, answers_of(AneurysmParams(size_mm=6), 5.0).size_mm) == (
        "twin",
        6.0,
    )


def output(name: str, value: float | None, low: float | None = None, high: float | None = None) -> Output:
    return Output(name, name, "", value, low, high, value)


def test_cut_offs_show_their_population_and_how_they_were_checked() -> None:
    outputs = [output("aspect_ratio", 1.7, 1.5, 1.9), output("size_ratio", 2.5, 2.4, 2.6)]
    samples = {"aspect_ratio": np.array([1.5, 1.6, 1.7, 1.9]), "size_ratio": np.array([2.4, 2.5, 2.6])}
    found = thresholds(outputs, samples)

    assert [(one["limit"], one["verdict"]) for one in found] == [(1.6, "uncertain"), (3.0, "below"), (2.0, "reached")]
    assert [one["probability_percent"] for one in found] == [50.0, 0.0, 100.0]
    assert [one["checked"] for one in found] == ["R", "R", "M"]
    assert found[2]["note"] == "recalled, not checked against the paper"
    assert all(one.population for one in CUT_OFFS)


def test_a_cut_off_of_what_was_not_measured_is_not_assessed() -> None:
    found = thresholds([output("aspect_ratio", 1.6), output("size_ratio", None)], {})

    assert [one["verdict"] for one in found] == ["below", "not assessed", "not assessed"]
    assert "parent vessel" in found[1]["reason"]


def test_points_for_the_size_never_fall_as_the_size_rises() -> None:
    points = [size_points(size) for size in np.arange(0.5, 40, 0.25)]

    assert points == sorted(points) and set(points) == {0, 3, 6, 10}
