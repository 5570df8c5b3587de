"""Plans side by side: what is marked as better, and what never is."""

from __future__ import annotations

from typing import Any

from surgitwin.commands.comparing import compare_document, smallest_margin
from surgitwin.core.ids import NodeId
from surgitwin.scene.nodes import CaseNode, PlanNode, Provenance, SimulationNode
from surgitwin.scene.scene import Scene


def lesion(name: str, margin: float | None, left: bool | None = False) -> dict[str, Any]:
    return {"name": name, "volume_ml": 1.0, "margin_mm": margin, "left_behind": left}


def plan(name: str, remnant: float, *lesions: dict[str, Any], organ: str = "liver", **numbers: Any) -> PlanNode:
    document = {"remnant_ml": remnant, "remnant_percent": remnant / 10, "lesions": list(lesions), "warnings": []}
    return PlanNode(name=name, organ=NodeId(organ), numbers={**document, **numbers})


def rows_of(*plans: PlanNode) -> dict[str, dict[str, Any]]:
    scene = Scene()
    scene.load([CaseNode(name="case", pseudonym="P"), *plans])
    return {row["label"]: row for row in compare_document(scene, list(plans))["rows"]}


def test_the_better_plan_is_marked_in_each_row_for_itself() -> None:
    rows = rows_of(plan("A", 600, lesion("T", 3.0)), plan("B", 500, lesion("T", 9.0)))

    assert rows["Remnant"]["better"] == [True, False]
    assert rows["Smallest margin"]["better"] == [False, True]


def test_a_plan_that_leaves_a_lesion_is_never_the_better_one() -> None:
    rows = rows_of(
        plan("leaves", 900, lesion("T", None, left=True)),
        plan("cuts through", 800, lesion("T", 0.0, left=True)),
        plan("unknown", 700, lesion("T", None, left=None)),
        plan("A", 600, lesion("T", 3.0)),
        plan("B", 500, lesion("T", 2.0)),
    )

    assert rows["Remnant"]["better"] == [False, False, False, True, False]
    assert rows["Lesions left behind"]["values"] == [1, 1, None, 0, 0]


def test_one_plan_alone_and_equal_plans_are_not_better_than_anything() -> None:
    assert rows_of(plan("A", 600), plan("L", 500, lesion("T", None, left=True)))["Remnant"]["better"] == [False, False]
    assert rows_of(plan("A", 600), plan("B", 600))["Remnant"]["better"] == [False, False]


def test_two_equally_good_plans_are_both_marked_before_a_third() -> None:
    assert rows_of(plan("A", 6), plan("B", 6), plan("C", 5))["Remnant"]["better"] == [True, True, False]


def test_plans_of_different_organs_are_not_ranked() -> None:
    rows = rows_of(plan("A", 600), plan("B", 500, organ="kidney"))

    assert not any(any(row["better"]) for row in rows.values())


def test_what_was_not_assessed_is_no_reason_to_call_the_other_plan_better() -> None:
    rows = rows_of(plan("A", 600, devascularised_ml=20.0), plan("B", 500, devascularised_ml=None))

    assert rows["Loses portal inflow"]["values"] == [20.0, None]
    assert rows["Loses portal inflow"]["better"] == [False, False]


def test_a_lesion_that_is_cut_through_or_stays_never_counts_as_the_smallest_margin() -> None:
    found = {"lesions": [lesion("through", 0.0, left=True), lesion("stays", None, left=True), lesion("out", 7.0)]}

    assert smallest_margin(found) == 7.0
    assert smallest_margin({"lesions": found["lesions"][:2]}) is None


def test_each_lesions_margin_has_a_row_where_there_are_several() -> None:
    rows = rows_of(plan("A", 6, lesion("T1", 3.0), lesion("T2", 0.0, left=True)), plan("B", 5, lesion("T1", 4.0)))

    assert rows["Margin of T1"]["values"] == [3.0, 4.0]
    assert rows["Margin of T2"]["values"] == [None, None]


def simulated(of: PlanNode, pvp_mmhg: float, *, before: float = 9.0, **settings: Any) -> SimulationNode:
    """A result of portal-pressure; ``before`` is a value of the patient."""
    output = {"title": "PVP", "value": pvp_mmhg, "low": pvp_mmhg - 4, "high": pvp_mmhg + 5, "unit": "mmHg"}
    document = {
        "simulator": "portal-pressure",
        "inputs": {
            "pvp_mmhg": {"value": before, "spread": f"{before}±1"},
            "remnant_fraction": {"value": 1 / pvp_mmhg, "spread": "of the plan"},
        },
        "outputs": {"pvp_mmhg": output},
        "details": {},
        "provenance": {"tool": "simulate portal-pressure 1", "settings": settings},
    }
    made = Provenance(tool="simulate", version="1", inputs={of.id: of.revision})
    return SimulationNode(
        name="s", parent=of.id, simulator="portal-pressure", plan=of.id, document=document, provenance=made
    )


def compared(plans: list[PlanNode], *results: SimulationNode) -> dict[str, Any]:
    scene = Scene()
    scene.load([CaseNode(name="case", pseudonym="P"), *plans, *results])
    return compare_document(scene, plans)


def pressure_rows(document: dict[str, Any]) -> dict[str, Any]:
    return {row["key"]: row for row in document["rows"] if str(row.get("key")).startswith("pvp_")}


def test_predicted_pressures_stand_side_by_side_with_their_interval_and_the_lower_one_is_better() -> None:
    plans = [plan("A", 600), plan("B", 500), plan("C", 400)]
    document = compared(plans, simulated(plans[0], 14.0), simulated(plans[1], 17.0))
    rows = pressure_rows(document)

    assert rows["pvp_mmhg"]["values"] == [14.0, 17.0, None]
    assert rows["pvp_mmhg"]["better"] == [True, False, False]
    assert (rows["pvp_low_mmhg"]["values"], rows["pvp_high_mmhg"]["values"]) == ([10, 13, None], [19, 22, None])
    assert not any(rows["pvp_low_mmhg"]["better"] + rows["pvp_high_mmhg"]["better"])
    assert document["warnings"] == []


def test_plans_that_were_simulated_from_different_values_are_not_ranked_by_pressure_and_that_is_said() -> None:
    for other in ({"before": 14.0}, {"samples": 0}, {"seed": 2}):
        plans = [plan("A", 600), plan("B", 500)]
        document = compared(plans, simulated(plans[0], 14.0), simulated(plans[1], 17.0, **other))

        assert pressure_rows(document)["pvp_mmhg"]["better"] == [False, False]
        assert [warning["code"] for warning in document["warnings"]] == ["simulated-otherwise"]
        assert "A, B" in document["warnings"][0]["message"]


def test_a_stale_prediction_is_not_assessed_and_without_any_there_is_no_row() -> None:
    plans = [plan("A", 600), plan("B", 500)]
    old = simulated(plans[0], 14.0)
    stale = old.model_copy(update={"provenance": Provenance(tool="s", version="1", inputs={plans[0].id: "other"})})

    assert pressure_rows(compared(plans, stale, simulated(plans[1], 17.0)))["pvp_mmhg"]["values"] == [None, 17.0]
    assert pressure_rows(compared(plans, stale)) == pressure_rows(compared(plans)) == {}
