"""Plans as a surgeon reads them on a terminal."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from surgitwin.cli.wording import number
from surgitwin.core.text import tr

Document = dict[str, Any]
NOT_ASSESSED = "not assessed"
SHOWN_VESSELS = 6
LIVER_ROWS = ("flr_percent", "flr_tumour_free_percent")


def show_plan(document: Document, out: Console) -> None:
    """One plan: its volumes, what happens to each lesion, and the limits that could be judged."""
    title = tr("{plan}: {organ} ({status})")
    table = Table(box=SIMPLE_HEAD, show_header=False, title_justify="left")
    table.title = title.format(plan=document["name"], organ=document["organ"], status=document["status"].upper())
    table.add_column()
    table.add_column(justify="right")
    fates = [_fate(lesion) for lesion in document["lesions"]]
    for label, value in (*_volumes(document), *fates, *_vessels(document)):
        table.add_row(label, value)
    judged = [limit for limit in document["limits"] if limit["verdict"] != NOT_ASSESSED]
    for limit in judged:
        table.add_row(limit["label"], f"{number(limit['value'], 1, limit['unit'])}: {limit['verdict']}")
    out.print(table)
    _show_not_judged(document, out)


def _volumes(document: Document) -> list[tuple[str, str]]:
    rows = [
        (tr("Organ"), number(document["organ_ml"], 1, "ml")),
        (tr("Removed"), number(document["removed_ml"], 1, "ml")),
        (tr("Remnant"), number(document["remnant_ml"], 1, "ml")),
    ]
    if document["limits"] or document["flr_percent"] is not None:
        rows += [
            (tr("Future liver remnant (FLR)"), number(document["flr_percent"], 1, "%")),
            (tr("FLR, tumour-free"), number(document["flr_tumour_free_percent"], 1, "%")),
        ]
    else:
        rows.append((tr("Remnant, share of the organ"), number(document["remnant_percent"], 1, "%")))
    if document["standard_liver_ml"] is not None:
        label = tr("Standard liver volume ({formula})").format(formula=document["standard_liver_formula"])
        rows.append((label, number(document["standard_liver_ml"], 0, "ml")))
    return rows


def _vessels(document: Document) -> list[tuple[str, str]]:
    """What the remnant loses of its vessels, and which the cut crosses; only of systems that were looked at."""
    lost = (
        (tr("Loses portal inflow"), "devascularised_ml"),
        (tr("Loses venous outflow"), "congested_ml"),
        (tr("Loses its artery"), "arterial_lost_ml"),
        (tr("Loses its bile duct"), "biliary_lost_ml"),
    )
    rows = [(label, number(document[key], 1, "ml")) for label, key in lost if document.get(key) is not None]
    crossed = document.get("crossed_vessels")
    if crossed is None:
        return [*rows, (tr("Vessels crossed"), tr(NOT_ASSESSED))]
    rows.append((tr("Vessels crossed"), str(len(crossed))))
    thickest = sorted(crossed, key=lambda one: -one["diameter_mm"])[:SHOWN_VESSELS]
    return rows + [(f"  {one['name'] or tr('(no name)')}", number(one["diameter_mm"], 1, "mm")) for one in thickest]


def _fate(lesion: Document) -> tuple[str, str]:
    """What the cut does to a lesion."""
    label = tr("Margin of {name}").format(name=lesion["name"])
    if lesion["left_behind"] and lesion["margin_mm"] is None:
        return label, tr("LEFT BEHIND")
    if lesion["left_behind"]:
        return label, tr("CUT THROUGH, {left} left behind").format(left=number(lesion["left_behind_ml"], 1, "ml"))
    return label, number(lesion["margin_mm"], 1, "mm") + _band(lesion)


def _band(lesion: Document) -> str:
    """What the registration's error makes of the margin; nothing where there is no registration or no error known."""
    low, high = lesion.get("margin_low_mm"), lesion.get("margin_high_mm")
    if low is None or high is None:
        return ""
    return tr(" ({low:.1f} to {high:.1f} by registration)").format(low=low, high=high)


def _show_not_judged(document: Document, out: Console) -> None:
    """Limits that could not be judged, by reason: a dozen lines that all say the same help nobody."""
    reasons = Counter(limit["reason"] for limit in document["limits"] if limit["verdict"] == NOT_ASSESSED)
    if not reasons:
        return
    text = tr("{count} published limits are not assessed:").format(count=sum(reasons.values()))
    out.print(text, markup=False)
    for reason, count in reasons.most_common():
        out.print(f"  {count}  {reason}", markup=False)


def show_compare(document: Document, out: Console) -> None:
    """Plans side by side; each column says what state its plan is in."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    for plan in document["plans"]:
        state = f"{plan['status'].upper()}, {tr('STALE')}" if plan["stale"] else plan["status"].upper()
        table.add_column(f"{plan['name']}\n{state}", justify="right")
    liver = any(row.get("key") in LIVER_ROWS and any(v is not None for v in row["values"]) for row in document["rows"])
    for row in document["rows"]:
        if row.get("key") in LIVER_ROWS and not liver:
            continue
        values = (number(value, 1, row["unit"]) for value in row["values"])
        marks = ("✓ " if better else "" for better in row["better"])
        table.add_row(row["label"], *(mark + value for mark, value in zip(marks, values, strict=True)))
    out.print(table)
    if any(any(row["better"]) for row in document["rows"]):
        out.print(tr("✓ the better value of this row alone; none for a plan that leaves a lesion."), style="dim")


def show_sensitivity(document: Document, out: Console) -> None:
    """What remains of a plan's numbers when the cut or the segmentation is a little off."""
    table = Table(box=SIMPLE_HEAD, title_justify="left")
    table.title = document["name"]
    for title in ("", tr("Remnant"), tr("FLR, tumour-free"), tr("Smallest margin"), tr("Lesions left behind")):
        table.add_column(title, justify="right" if title else "left")
    for entry in document["sensitivity"]:
        table.add_row(
            entry["label"],
            number(entry["remnant_percent"], 1, "%"),
            number(entry["flr_tumour_free_percent"], 1, "%"),
            number(entry["margin_mm"], 1, "mm"),
            str(entry["left_behind"]),
        )
    out.print(table)
