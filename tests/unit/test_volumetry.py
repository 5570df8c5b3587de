"""Standard liver volumes and published limits: only the ratio and the population each was published for."""

from typing import get_args

import pytest

from surgitwin.commands.planning import Operation
from surgitwin.core.errors import BadInput
from surgitwin.core.liver_volume import FORMULAS, Body, body_surface_m2, formula
from surgitwin.resection import CutNumbers
from surgitwin.resection.volumetry import (
    OPERATIONS,
    QUALITIES,
    Assessment,
    Patient,
    assess,
    limits_document,
    published_limits,
    ratios,
)

BODY = Body(height_cm=175, weight_kg=75)
EXTENDED = "extended right hepatectomy"


def liver(remnant: int = 400, whole: int = 1600, tumour: int = 0, **changes: object) -> CutNumbers:
    """A liver of ``whole`` ml cut down to ``remnant`` ml, tumour all on the removed side."""
    given: dict[str, object] = {
        "organ": "Liver",
        "is_liver": True,
        "percentages": True,
        "voxel_ml": 1.0,
        "organ_voxels": whole,
        "removed_voxels": whole - remnant,
        "tumour_voxels": tumour,
        "tumour_remnant_voxels": 0,
        "lesions": (),
        "notices": (),
    }
    return CutNumbers(**(given | changes))  # type: ignore[arg-type]


def by_id(numbers: CutNumbers, patient: Patient) -> dict[str, Assessment]:
    return {entry.limit.id: entry for entry in assess(ratios(numbers, patient), patient)}


def test_body_surface_and_standard_volumes_of_the_test_person() -> None:
    assert body_surface_m2(175, 75) == pytest.approx(1.903, abs=5e-4)
    assert formula("urata").volume_ml(BODY) == pytest.approx(1346, abs=0.5)
    assert formula("vauthey").volume_ml(BODY) == pytest.approx(1617, abs=0.5)


def test_the_other_formulas_reproduce_their_equations() -> None:
    bsa = body_surface_m2(175, 75)
    assert formula("korean").volume_ml(BODY) == pytest.approx(908.204 * bsa - 464.728)
    assert formula("chinese").volume_ml(BODY) == pytest.approx(758.259 * bsa - 124.272)
    chest = Body(age_years=50, thoracic_width_cm=30, asian=True)
    assert formula("japanese-swiss").volume_ml(chest) == pytest.approx(203.3 - 180.5 + 1761.0 - 463.7)
    swiss = Body(age_years=50, thoracic_width_cm=30, asian=False)
    assert formula("japanese-swiss").volume_ml(swiss) == pytest.approx(203.3 - 180.5 + 1761.0)


@pytest.mark.parametrize(
    ("height", "weight", "named"),
    [(1.75, 75, "height of 1.75 cm"), (175, 0, "weight of 0 kg"), (float("nan"), 75, "height"), (175, 750, "weight")],
)
def test_an_impossible_height_or_weight_is_refused_by_name(height: float, weight: float, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        body_surface_m2(height, weight)


def test_a_formula_says_what_it_misses() -> None:
    with pytest.raises(BadInput, match="Urata needs a confirmed weight"):
        formula("urata").volume_ml(Body(height_cm=170))
    with pytest.raises(BadInput, match="the age, the width of the chest"):
        formula("japanese-swiss").volume_ml(BODY)


def test_a_formula_from_adults_is_not_used_for_a_small_child() -> None:
    child = Body(height_cm=100, weight_kg=16)
    assert formula("urata").volume_ml(child) == pytest.approx(706.2 * body_surface_m2(100, 16) + 2.4)
    with pytest.raises(BadInput, match="made from adults"):
        formula("vauthey").volume_ml(child)


def test_an_unknown_formula_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="urata, vauthey, korean, chinese"):
        formula("mosteller")


def test_every_entry_names_its_source_and_says_what_was_recalled() -> None:
    for entry in FORMULAS:
        assert entry.citation and entry.population and entry.equation
    for limit in published_limits():
        assert limit.citation and limit.population and limit.read_in
        assert limit.formula is None or formula(limit.formula)
        assert (limit.formula is not None) == (limit.ratio == "standard")
        assert limit.liver is None or set(limit.liver) <= set(QUALITIES)
    recalled = {limit.id: limit.recalled for limit in published_limits()}
    assert "ICG-R15 range" in recalled["kubota-1997-40"]


def test_the_published_values_are_those_of_the_science_reference() -> None:
    values = {limit.id: (limit.value, limit.ratio, limit.formula) for limit in published_limits()}
    assert values["kishi-2009"] == (20.0, "standard", "vauthey")
    assert values["vauthey-2000"] == (25.0, "standard", "urata")
    assert values["shindoh-2013"] == (30.0, "standard", "vauthey")
    assert values["shoup-2003"] == (25.0, "ct", None)
    assert values["schindl-2005"] == (26.6, "ct", None)
    assert values["azoulay-2000"] == (40.0, "ct", None)
    assert values["shirabe-1999"] == (250.0, "bsa", None)
    assert values["truant-2007"] == (0.5, "weight", None)
    assert values["bioscirep-2019"] == (42.7, "ct", None)
    assert all(limit.value != 0.8 for limit in published_limits())  # the graft's limit is not a remnant's


def test_the_four_ratios_of_a_remnant() -> None:
    numbers = liver(remnant=400, whole=1600, tumour=100, tumour_remnant_voxels=20)
    found = ratios(numbers, Patient(175, 75, "healthy", "vauthey"))
    standard = formula("vauthey").volume_ml(BODY)
    assert found.standard_percent == pytest.approx(100 * 380 / standard)
    assert found.ct_percent == pytest.approx(100 * 380 / 1500)
    assert found.weight_percent == pytest.approx(100 * 380 / 75000)
    assert found.ml_per_m2 == pytest.approx(380 / body_surface_m2(175, 75))


def test_a_limit_is_compared_only_with_its_own_formula_and_population() -> None:
    found = by_id(liver(remnant=400), Patient(175, 75, "healthy", "vauthey", EXTENDED))
    assert found["kishi-2009"].verdict == "meets"  # 400 / 1617 = 24.7 %
    assert found["vauthey-2000"].verdict == "not assessed"
    assert "Urata" in found["vauthey-2000"].reason and "Vauthey is chosen" in found["vauthey-2000"].reason
    assert found["shoup-2003"].verdict == "meets"  # 400 / 1600 = 25 %
    assert found["schindl-2005"].verdict == "below"
    assert found["shindoh-2013"].verdict == "not assessed" and not found["shindoh-2013"].fits
    assert found["azoulay-2000"].verdict == "not assessed"
    assert found["truant-2007"].verdict == "meets"  # 400 ml of 75 kg = 0.53 %
    assert found["bioscirep-2019"].reason == "the disease is not stated"


def test_with_the_formula_of_urata_the_limit_of_vauthey_is_assessed() -> None:
    found = by_id(liver(remnant=400), Patient(175, 75, "healthy", "urata", EXTENDED))
    assert found["vauthey-2000"].verdict == "meets"  # 400 / 1346 = 29.7 %
    assert found["kishi-2009"].verdict == "not assessed"


def test_a_limit_of_one_kind_of_operation_is_compared_with_that_kind_only() -> None:
    unsaid = by_id(liver(remnant=400), Patient(175, 75, "healthy", "urata"))
    assert unsaid["truant-2007"].verdict == unsaid["vauthey-2000"].verdict == "not assessed"
    assert unsaid["truant-2007"].reason == "the kind of operation is not stated" and unsaid["truant-2007"].fits
    other = by_id(liver(remnant=400), Patient(175, 75, "healthy", "urata", "right hepatectomy"))
    assert not other["truant-2007"].fits and not other["vauthey-2000"].fits
    assert other["shoup-2003"].verdict == "meets"


def test_commands_offer_the_kinds_of_operation_that_limits_know() -> None:
    assert get_args(Operation) == OPERATIONS
    assert {limit.operation for limit in published_limits()} <= {None, *OPERATIONS}


def test_a_cirrhotic_liver_has_its_own_limits() -> None:
    patient = Patient(175, 75, "cirrhosis", "vauthey", disease="hcc", icg_r15_percent=12.0)
    found = by_id(liver(remnant=700), patient)
    assert found["azoulay-2000"].verdict == "meets"  # 43.8 %
    assert found["kubota-1997-50"].verdict == "below"
    assert found["kubota-1997-40"].verdict == "not assessed" and not found["kubota-1997-40"].fits
    assert found["shirabe-1999"].verdict == "meets"  # 368 ml/m2
    assert found["bioscirep-2019"].verdict == "meets"
    assert found["navarro-2020"].verdict == "meets"  # 0.93 %
    assert found["kishi-2009"].verdict == "not assessed" and found["truant-2007"].verdict == "not assessed"


def test_without_confirmed_height_and_weight_nothing_that_needs_them_is_assessed() -> None:
    found = by_id(liver(), Patient(liver_quality="healthy", formula="vauthey", operation=EXTENDED))
    assert found["kishi-2009"].verdict == "not assessed"
    assert found["kishi-2009"].reason == "not confirmed: the height, the weight"
    assert found["truant-2007"].reason == "not confirmed: the weight"
    assert found["shoup-2003"].verdict == "meets"  # a ratio of the image alone needs no height


def test_without_a_liver_quality_nothing_is_assessed() -> None:
    found = by_id(liver(), Patient(175, 75, None, "vauthey"))
    assert {entry.verdict for entry in found.values()} == {"not assessed"}
    assert found["kishi-2009"].reason == "the state of the liver tissue is not stated"


def test_without_a_chosen_formula_no_standard_ratio_is_assessed() -> None:
    found = by_id(liver(), Patient(175, 75, "healthy"))
    assert found["kishi-2009"].reason == "no formula for the standard liver volume is chosen"


@pytest.mark.parametrize("changes", [{"percentages": False}, {"is_liver": False, "organ": "Spleen"}])
def test_an_organ_cut_off_or_no_liver_gets_no_verdict(changes: dict[str, object]) -> None:
    patient = Patient(175, 75, "healthy", "vauthey")
    numbers = liver(**changes)
    assert {entry.verdict for entry in by_id(numbers, patient).values()} == {"not assessed"}
    document = limits_document(numbers, patient)
    assert document["remnant_to_standard_percent"] is None and document["remnant_to_weight_percent"] is None
    assert bool(document["limits"]) == numbers.is_liver
    assert all(entry["reason"] for entry in document["limits"])


def test_the_document_names_ratio_population_and_source_of_each_limit() -> None:
    document = limits_document(liver(), Patient(175, 75, "healthy", "vauthey"))
    assert document["standard_liver_ml"] == pytest.approx(1617, abs=0.5)
    assert document["standard_liver_formula"].startswith("Vauthey: 1267.28")
    limits = {entry["id"]: entry for entry in document["limits"]}
    assert "azoulay-2000" not in limits  # published for another liver
    kishi = limits["kishi-2009"]
    assert kishi["label"] == ("at least 20 % of the standard liver volume by Vauthey (Kishi 2009: normal liver, USA)")
    assert kishi["verdict"] == "meets" and kishi["value"] == pytest.approx(24.7, abs=0.05)
    assert kishi["provenance"] == "citation recalled, not re-read"


def test_a_liver_that_is_all_tumour_says_so() -> None:
    numbers = liver(tumour=1600, tumour_remnant_voxels=400)
    found = by_id(numbers, Patient(175, 75, "healthy", "vauthey"))
    assert found["shoup-2003"].reason == "no part of the liver is free of tumour"


def test_an_unknown_liver_quality_is_refused() -> None:
    with pytest.raises(BadInput, match="choose one of healthy"):
        by_id(liver(), Patient(liver_quality="fine"))
