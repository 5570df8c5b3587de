"""Plans side by side: what is marked as better, and what never is."""

from __future__ import annotations

from typing import Any

from surgitwin.commands.comparing import compare_document, smallest_margin
from surgitwin.core.ids import NodeId
from surgitwin.scene.nodes import CaseNode, PlanNode
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
