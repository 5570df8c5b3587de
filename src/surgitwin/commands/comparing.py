"""Several plans side by side: all their numbers, and which is the better one, row by row."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work, at_once
from surgitwin.commands.simulated_patient import patient_key
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.scene.nodes import PlanNode, SimulationNode
from surgitwin.scene.scene import Scene

Best = Literal["more", "less", ""]
_NUMBERS: tuple[tuple[str, str, str, Best], ...] = (
    (tr("Organ"), "organ_ml", "ml", ""),
    (tr("Removed"), "removed_ml", "ml", "less"),
    (tr("Remnant"), "remnant_ml", "ml", "more"),
    (tr("Remnant, share of the organ"), "remnant_percent", "%", "more"),
    (tr("Future liver remnant (FLR)"), "flr_percent", "%", "more"),
    (tr("FLR, tumour-free"), "flr_tumour_free_percent", "%", "more"),
    (tr("Remnant / standard volume"), "remnant_to_standard_percent", "%", "more"),
    (tr("Remnant / body weight"), "remnant_to_weight_percent", "%", "more"),
    (tr("Loses portal inflow"), "devascularised_ml", "ml", "less"),
    (tr("Loses venous outflow"), "congested_ml", "ml", "less"),
)


class ComparePlans(Command):
    """Put plans side by side."""

    name: ClassVar[str] = "compare"
    title: ClassVar[str] = tr("Compare plans")
    summary: ClassVar[str] = tr("The numbers of two or more plans side by side.")
    case: ClassVar[CaseUse] = "read"

    plans: Annotated[tuple[str, ...], Arg(tr("names of the plans; without them all"), positional=True)] = ()

    def start(self, bench: Bench) -> Work[None]:
        scene = bench.scene
        chosen = [scene.resolve(name, PlanNode) for name in self.plans] or scene.of_type(PlanNode)
        if not chosen:
            raise BadInput(tr("This case has no plan yet. Make one with “plan”."))
        missing = [plan.name for plan in chosen if plan.numbers is None]
        if missing:
            raise BadInput(tr("The plan “{name}” has no numbers yet.").format(name=missing[0]))
        return at_once(lambda: compare_document(scene, chosen))


def compare_document(scene: Scene, plans: list[PlanNode]) -> Document:
    """Rows of numbers, a column for each plan.

    Each row says of every plan whether it is the better one there, never overall: whether a larger remnant is worth a
    smaller margin is for the surgeon to say. None is better that leaves a lesion behind, or whose numbers are stale.
    """
    rows = [
        *(_row(label, key, unit, plans, best) for label, key, unit, best in _NUMBERS),
        _valued(tr("Smallest margin"), "mm", [smallest_margin(plan.numbers) for plan in plans], "more"),
        *_margin_band_rows(plans),
        *_lesion_rows(plans),
        _valued(tr("Lesions left behind"), "", [lesions_left(plan.numbers) for plan in plans], "less"),
        _valued(tr("Vessels crossed"), "", [vessels_crossed(plan.numbers) for plan in plans]),
        *_pressure_rows(scene, plans),
        *_sensitivity_rows(plans),
    ]
    columns = [
        {"id": plan.id, "name": plan.name, "status": plan.status, "stale": scene.is_stale(plan)} for plan in plans
    ]
    stale = [column["name"] for column in columns if column["stale"]]
    warnings = [
        {
            "code": "stale-plan",
            "message": tr("“{name}” is stale: what it was computed from has changed. Plan it again.").format(name=name),
        }
        for name in stale
    ]
    warnings += [*organ_warnings(plans), *_simulated_otherwise(scene, plans)]
    comparable = [
        not column["stale"] and not leaves_lesion(plan.numbers) for plan, column in zip(plans, columns, strict=True)
    ]
    for row in rows:
        row["better"] = _better(row["values"], row.pop("best"), comparable, plans)
    return {"plans": columns, "rows": rows, "warnings": warnings}


def organ_warnings(plans: list[PlanNode]) -> list[Document]:
    """What the plans found about their organs' images, once each: their volumes are shown here as well."""
    found: list[Document] = []
    for plan in plans:
        warnings = (plan.numbers or {}).get("warnings", [])
        found += [w for w in warnings if w["code"] == "organ-cut-off" and w not in found]
    return found


def _better(values: list[Any], best: Best, comparable: list[bool], plans: list[PlanNode]) -> list[bool]:
    """Which of the values are the best of those that may be compared; none if all of these are equal."""
    marks = [False] * len(values)
    allowed = [number for number, value in enumerate(values) if comparable[number] and isinstance(value, int | float)]
    if not best or len(allowed) < 2 or len({plans[number].organ for number in allowed}) > 1:
        return marks
    found = [values[number] for number in allowed]
    top = max(found) if best == "more" else min(found)
    if min(found) == max(found):
        return marks
    for number in allowed:
        marks[number] = values[number] == top
    return marks


def _row(label: str, key: str, unit: str, plans: list[PlanNode], best: Best) -> Document:
    return {"key": key, **_valued(label, unit, [(plan.numbers or {}).get(key) for plan in plans], best)}


def _valued(label: str, unit: str, values: list[Any], best: Best = "") -> Document:
    return {"label": label, "unit": unit, "values": values, "best": best}


def _lesion_rows(plans: list[PlanNode]) -> list[Document]:
    """A row for each lesion's margin, where there are several."""
    lesions = [(plan.numbers or {}).get("lesions", []) for plan in plans]
    names = list(dict.fromkeys(lesion["name"] for of_plan in lesions for lesion in of_plan))
    if len(names) < 2:
        return []
    rows = []
    for name in names:
        found: list[Document] = [next((x for x in of_plan if x["name"] == name), {}) for of_plan in lesions]
        values = [None if lesion.get("left_behind") else lesion.get("margin_mm") for lesion in found]
        rows.append(_valued(tr("Margin of {name}").format(name=name), "mm", values, "more"))
    return rows


def _sensitivity_rows(plans: list[PlanNode]) -> list[Document]:
    """How FLR and margin change when the cut or the segmentation is a little off, where that was computed."""
    found: list[dict[str, Document]] = [
        {entry["change"]: entry for entry in (plan.numbers or {}).get("sensitivity") or []} for plan in plans
    ]
    changes = {change: entry["label"] for of_plan in found for change, entry in of_plan.items()}
    rows = []
    for change, label in changes.items():
        for key, what, unit in (("remnant_percent", tr("remnant"), "%"), ("margin_mm", tr("smallest margin"), "mm")):
            values = [of_plan.get(change, {}).get(key) for of_plan in found]
            rows.append(_valued(tr("{change}: {what}").format(change=label, what=what), unit, values))
    return rows


def _pressure_rows(scene: Scene, plans: list[PlanNode]) -> list[Document]:
    """The predicted portal pressure with its interval, where a current simulation of a plan has it.

    The samples of plans that were simulated from the same values share their random numbers, so that medians may be
    compared although the intervals overlap; others are shown, and none of them is the better one.
    """
    found = [_pressure(scene, plan) for plan in plans]
    if not any(found):
        return []
    best: Best = "less" if len(_patients(found)) == 1 else ""
    titles: tuple[tuple[str, str, str, Best], ...] = (
        (tr("Portal pressure after, simulated"), "pvp_mmhg", "value", best),
        (tr("Portal pressure after, 90 % from"), "pvp_low_mmhg", "low", ""),
        (tr("Portal pressure after, 90 % to"), "pvp_high_mmhg", "high", ""),
    )
    outputs = [None if one is None else one["outputs"]["pvp_mmhg"] for one in found]
    return [
        {"key": key, **_valued(title, "mmHg", [None if one is None else one[of] for one in outputs], marked)}
        for title, key, of, marked in titles
    ]


def _pressure(scene: Scene, plan: PlanNode) -> Document | None:
    """The current prediction of portal pressure for a plan."""
    kept = [one for one in scene.of_type(SimulationNode) if one.plan == plan.id and not scene.is_stale(one)]
    documents = [one.document for one in kept if one.document is not None]
    return next((one for one in documents if one["simulator"] == "portal-pressure"), None)


def _patients(found: list[Document | None]) -> set[str]:
    return {patient_key(one) for one in found if one is not None}


def _simulated_otherwise(scene: Scene, plans: list[PlanNode]) -> list[Document]:
    """A warning where plans were simulated from different values or settings."""
    found = [_pressure(scene, plan) for plan in plans]
    if len(_patients(found)) < 2:
        return []
    names = ", ".join(plan.name for plan, one in zip(plans, found, strict=True) if one is not None)
    message = tr(
        "The plans {names} were simulated from different values or settings, so that their portal pressures cannot be"
        " ranked. Simulate them with the same ones."
    )
    return [{"code": "simulated-otherwise", "message": message.format(names=names)}]


def leaves_lesion(numbers: Document | None) -> bool:
    """True if a lesion stays, whole or in part, or what happens to one is not known."""
    return any(lesion["left_behind"] is not False for lesion in (numbers or {}).get("lesions", []))


def vessels_crossed(numbers: Document | None) -> int | None:
    """How many vessels the cut crosses; None if no vessel tree was looked at."""
    crossed = (numbers or {}).get("crossed_vessels")
    return None if crossed is None else len(crossed)


def smallest_margin(numbers: Document | None) -> float | None:
    """The smallest margin of the lesions that are removed whole; None if there is none.

    A lesion that is cut through or stays has no margin that could be called the smallest one: `leaves_lesion` tells.
    """
    lesions = (numbers or {}).get("lesions", [])
    removed = [lesion["margin_mm"] for lesion in lesions if not lesion["left_behind"]]
    return min((margin for margin in removed if margin is not None), default=None)


def margin_band(numbers: Document | None) -> tuple[float, float] | None:
    """Between what the smallest margin lies by the registration's error, mm; None where that is not known."""
    found = (numbers or {}).get("lesions", [])
    lesions = [lesion for lesion in found if lesion["margin_mm"] is not None and not lesion["left_behind"]]
    low, high = ([lesion.get(key) for lesion in lesions] for key in ("margin_low_mm", "margin_high_mm"))
    known = [(a, b) for a, b in zip(low, high, strict=True) if a is not None and b is not None]
    if not known or len(known) < len(lesions):
        return None
    return min(a for a, _ in known), min(b for _, b in known)


def _margin_band_rows(plans: list[PlanNode]) -> list[Document]:
    """Rows that are there only if a plan rests on a registration."""
    if not any((plan.numbers or {}).get("registration") for plan in plans):
        return []
    bands = [margin_band(plan.numbers) for plan in plans]
    titles = (tr("Smallest margin, at least"), tr("Smallest margin, at most"))
    return [
        _valued(title, "mm", [band[side] if band is not None else None for band in bands])
        for side, title in enumerate(titles)
    ]


def lesions_left(numbers: Document | None) -> int | None:
    """How many lesions stay, whole or in part; None if none is marked or what happens to one is not known."""
    fates = [lesion["left_behind"] for lesion in (numbers or {}).get("lesions", [])]
    return None if not fates or None in fates else sum(fates)
