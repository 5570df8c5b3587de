"""Documents as people read them: tables and sentences instead of JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from surgitwin.core.text import tr

Document = dict[str, Any]
SHOWN_OF_A_KIND = 3


def show(name: str, document: Document) -> None:
    """Print a command's document for a person."""
    out = Console(highlight=False)
    _SHOWN.get(name, _show_plain)(document, out)
    _show_warnings(_warnings(document))


def _warnings(document: Document) -> list[dict[str, Any]]:
    found = document.get("warnings")
    return [w for w in found if isinstance(w, dict) and "message" in w] if isinstance(found, list) else []


def _show_warnings(warnings: list[dict[str, Any]]) -> None:
    """Each warning in a line; of many of one kind the first few."""
    err = Console(stderr=True, highlight=False)
    by_code: dict[str, list[str]] = {}
    for warning in warnings:
        by_code.setdefault(warning["code"], []).append(warning["message"])
    for messages in by_code.values():
        for message in messages[:SHOWN_OF_A_KIND]:
            err.print(f"⚠ {message}", style="yellow", markup=False)
        more = len(messages) - SHOWN_OF_A_KIND
        if more > 0:
            text = tr("… and {count} more like this; --json lists them all.").format(count=more)
            err.print(f"⚠ {text}", style="yellow", markup=False)


def number(value: Any, digits: int = 1, unit: str = "") -> str:
    """A number for people; what was not assessed says so."""
    if value is None:
        return tr("not assessed")
    text = f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".strip()


def _show_series(document: Document, out: Console) -> None:
    for series in document["series"]:
        size = " × ".join(str(n) for n in series.get("size_ijk") or [])
        spacing = " × ".join(f"{s:.2f}" for s in series.get("spacing_mm") or [])
        shape = f"{size} voxels of {spacing} mm" if size else tr("cannot be loaded: {why}")
        shape = shape.format(why=series.get("refusal") or series["kind"])
        facts = (series["modality"], series["kind"], series["study_date"], series["acquisition_time"], series["phase"])
        out.print(series["description"] or tr("(no description)"), style="bold", markup=False)
        out.print("  " + "  ".join(str(fact) for fact in (*facts, shape) if fact), markup=False)
        out.print(f"  {series['series_uid']}", style="dim", markup=False, soft_wrap=True)
        for warning in series["warnings"]:
            out.print(f"  ⚠ {warning['message']}", style="yellow", markup=False)


def _show_tree(document: Document, out: Console) -> None:
    nodes = document["nodes"]
    branches: dict[str | None, Tree] = {}
    root: Tree | None = None
    for node in nodes:
        stale = tr(" (stale)") if node["stale"] else ""
        label = f"{node['name']} [dim]{node['type']} {node['id']}{stale}[/dim]"
        parent = branches.get(node["parent"])
        if parent is None and root is not None:
            parent = root
        branches[node["id"]] = root = Tree(label) if parent is None else root  # type: ignore[assignment]
        if parent is not None:
            branches[node["id"]] = parent.add(label)
    if root is not None:
        out.print(root)


def _show_stats(document: Document, out: Console) -> None:
    table = Table(title=tr("Segments"))
    columns = (tr("Name"), tr("ml by voxels"), tr("ml by surface"), tr("area (cm²)"), tr("HU mean ± SD"), tr("Note"))
    for column in columns:
        table.add_column(column, justify="left" if column in columns[::5] else "right")
    for segment in document["segments"]:
        hu = segment["hu"]
        area = segment["area_mm2"]
        table.add_row(
            segment["name"],
            number(segment["volume_ml"]),
            number(segment["surface_volume_ml"]),
            number(area / 100 if area is not None else None),
            f"{hu['mean']:.0f} ± {hu['sd']:.0f}" if hu else "–",
            tr("cut off by the image's edge") if segment.get("cut_off") else "",
        )
    out.print(table)


def _show_plan(document: Document, out: Console) -> None:
    table = Table(title=document.get("name") or tr("Plan"), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = (
        (tr("Organ"), number(document["organ_ml"], 1, "ml")),
        (tr("Removed"), number(document["removed_ml"], 1, "ml")),
        (tr("Remnant"), number(document["remnant_ml"], 1, "ml")),
        (tr("Remnant, share of the organ"), number(document.get("remnant_percent"), 1, "%")),
        (tr("Future liver remnant"), number(document["flr_percent"], 1, "%")),
        (tr("Future liver remnant, tumour-free"), number(document["flr_tumour_free_percent"], 1, "%")),
    )
    for label, value in rows:
        table.add_row(label, value)
    for lesion in document["lesions"]:
        fate = tr("LEFT BEHIND") if lesion["left_behind"] else number(lesion["margin_mm"], 1, "mm")
        table.add_row(tr("Margin of {name}").format(name=lesion["name"]), fate)
    for limit in document.get("limits", []):
        verdict = limit["verdict"] if not limit["reason"] else f"{limit['verdict']}: {limit['reason']}"
        table.add_row(limit["label"], verdict)
    out.print(table)


def _show_compare(document: Document, out: Console) -> None:
    table = Table(title=tr("Plans"))
    table.add_column("")
    for plan in document["plans"]:
        table.add_column(plan["name"], justify="right")
    for row in document["rows"]:
        table.add_row(row["label"], *(number(value, 1, row["unit"]) for value in row["values"]))
    out.print(table)


def _show_files(document: Document, out: Console) -> None:
    for file in document["files"]:
        out.print(tr("Wrote {path}").format(path=file), markup=False, soft_wrap=True)
    check = document.get("check")
    if check is not None:
        closed = tr("closed and manifold") if check["closed"] and check["manifold"] else tr("NOT closed everywhere")
        facts = [closed, tr("{count} triangles").format(count=check["triangles"])]
        error = check["volume_error_percent"]
        if error is not None:
            facts.append(tr("largest volume error {error:.2f} %").format(error=error))
        facts += [tr("unit {unit}").format(unit=check["unit"]), check["frame"]]
        out.print("  " + ", ".join(facts), markup=False, soft_wrap=True)


def _show_surfaces(document: Document, out: Console) -> None:
    for surface in document["surfaces"]:
        error = surface["volume_error_percent"]
        text = tr("{name}: {ml:.1f} ml, {count} triangles, {closed}, volume error {error:.2f} %")
        closed = tr("closed") if surface["closed"] else tr("NOT closed")
        line = text.format(
            name=surface["name"],
            ml=surface["volume_ml"],
            count=surface["triangles"],
            closed=closed,
            error=abs(error or 0.0),
        )
        out.print(line, markup=False)


def _show_plain(document: Document, out: Console) -> None:
    for key, value in document.items():
        if key == "warnings":
            continue
        if isinstance(value, list):
            out.print(f"{key}:", markup=False)
            for item in value:
                text = ", ".join(f"{k} {v}" for k, v in item.items()) if isinstance(item, dict) else str(item)
                out.print(f"  {text}", markup=False)
        elif isinstance(value, dict):
            text = ", ".join(f"{k} {number(v, 2)}" for k, v in value.items())
            out.print(f"{key}: {text}", markup=False)
        else:
            out.print(f"{key}: {number(value, 2)}", markup=False)


_SHOWN: dict[str, Callable[[Document, Console], None]] = {
    "series": _show_series,
    "tree": _show_tree,
    "stats": _show_stats,
    "plan": _show_plan,
    "compare": _show_compare,
    "mesh": _show_surfaces,
    "export": _show_files,
    "snapshot": _show_files,
    "report": _show_files,
}
