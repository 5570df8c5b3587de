"""Documents as people read them: tables and sentences instead of JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from surgitwin.cli.show_custom import show_custom, show_shape
from surgitwin.cli.show_export import show_labels, show_preset
from surgitwin.cli.show_files import grid, show_files, show_quick, warning_lines
from surgitwin.cli.show_fit import show_fit, show_mark, show_sweep
from surgitwin.cli.show_implants import show_implant, show_implants
from surgitwin.cli.show_measuring import show_measured, show_measurements
from surgitwin.cli.show_plans import show_compare, show_plan, show_sensitivity
from surgitwin.cli.show_print import show_print
from surgitwin.cli.show_simulation import show_simulation
from surgitwin.cli.show_validation import show_validation
from surgitwin.cli.show_vessels import show_territories, show_vessels
from surgitwin.cli.wording import number, shortened
from surgitwin.core.text import tr

Document = dict[str, Any]


def show(name: str, document: Document) -> None:
    """Print a command's document for a person."""
    out = Console(highlight=False)
    _SHOWN.get(name, _show_plain)(document, out)
    _show_warnings(document)


def _show_warnings(document: Document) -> None:
    err = Console(stderr=True, highlight=False)
    for sentence in warning_lines(document):
        err.print(sentence, style="yellow", markup=False)


def _show_series(document: Document, out: Console) -> None:
    if not document["series"]:
        out.print(tr("No images were found there."))
    for series in document["series"]:
        shape = grid(series) if series.get("size_ijk") and series.get("spacing_mm") else ""
        facts = (series["modality"], series["kind"], series["study_date"], series["acquisition_time"], series["phase"])
        out.print(series["description"] or tr("(no description)"), style="bold", markup=False)
        for line in ("  ".join(str(fact) for fact in facts if fact), shape):
            if line:
                out.print(f"  {line}", markup=False)
        out.print(f"  {series['series_uid']}", style="dim", markup=False, soft_wrap=True)
        if series.get("refusal"):
            out.print("  " + tr("Cannot be loaded: {why}").format(why=series["refusal"]), style="red", markup=False)
        for warning in series["warnings"]:
            out.print(f"  ⚠ {warning['message']}", style="yellow", markup=False)


def _show_new(document: Document, out: Console) -> None:
    case, volume = document["nodes"]
    out.print(tr("Made {path}: {name}.").format(path=document["case"], name=case["name"]), markup=False)
    out.print(f"  {volume['name']}: {grid(document)}", markup=False)


def _show_added(document: Document, out: Console) -> None:
    names = [node["name"] for node in document["nodes"]]
    kind = _kind(document["nodes"][0]["type"])
    text = tr("Added {kind} {names}.") if len(names) == 1 else tr("Added {count} segments: {names}.")
    out.print(text.format(count=len(names), kind=kind, names=shortened(names, 12)), markup=False)


def _kind(type_name: str) -> str:
    """What a node's type is called in a sentence."""
    known = {"volume": tr("image"), "transform": tr("registration"), "printed": tr("accepted print")}
    return known.get(type_name) or tr(type_name.replace("-", " "))


def _show_tree(document: Document, out: Console) -> None:
    branches: dict[str | None, Tree] = {}
    root: Tree | None = None
    for node in document["nodes"]:
        if node["type"] == "label-layer":  # where segments keep their voxels; nothing that a person works with
            continue
        label = _label(node)
        parent = branches.get(node["parent"], root)
        if parent is None:
            root = branches[node["id"]] = Tree(label)
        else:
            branches[node["id"]] = parent.add(label)
    out.print(root if root is not None else tr("The case is empty."))


def _label(node: Document) -> Any:
    from rich.text import Text

    label = Text(node["name"])
    label.append(f"  {_kind(node['type'])} {node['id']}", style="dim")
    if not node["visible"]:
        label.append("  " + tr("hidden"), style="dim")
    if node["stale"]:
        label.append("  " + tr("STALE"), style="yellow")
    return label


def _show_stats(document: Document, out: Console) -> None:
    if not document["segments"]:
        out.print(tr("The case has no segments yet. Add a label map, or make one with “segment”."))
        return
    table = Table(box=SIMPLE_HEAD)
    table.add_column(tr("Segment"))
    columns = (tr("ml"), tr("surface ml"), tr("cm²"), tr("HU ± SD"))
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("")
    for segment in document["segments"]:
        hu = segment["hu"]
        area = segment["area_mm2"]
        table.add_row(
            segment["name"],
            number(segment["volume_ml"]),
            number(segment["surface_volume_ml"]),
            number(area / 100 if area is not None else None),
            f"{hu['mean']:.0f} ± {hu['sd']:.0f}" if hu else "–",
            tr("cut off") if segment.get("cut_off") else "",
        )
    out.print(table)


def _show_segment(document: Document, out: Console) -> None:
    text = tr("Made segment {name}: {ml:.1f} ml ({voxels} voxels).")
    for entry in document["segments"]:
        name, ml, voxels = entry["node"]["name"], entry["volume_ml"], entry["voxels"]
        out.print(text.format(name=name, ml=ml, voxels=voxels), markup=False)


def _show_stroke(document: Document, out: Console) -> None:
    if not document["changed"]:
        out.print(tr("Nothing changed."), markup=False)
        return
    text = tr("{name}: {added:.2f} ml more, {removed:.2f} ml less.")
    name, added, removed = document["node"]["name"], document["added_ml"], document["removed_ml"]
    out.print(text.format(name=name, added=added, removed=removed), markup=False)


def _show_image(document: Document, out: Console) -> None:
    size = " x ".join(str(count) for count in document["size_ijk"])
    text = tr("Made image {name}: {size} voxels.")
    out.print(text.format(name=document["node"]["name"], size=size), markup=False)


def _show_signed(document: Document, out: Console) -> None:
    name, signed = document["node"]["name"], document["sign_off"]
    if signed is None:
        out.print(tr("{name} is a draft.").format(name=name), markup=False)
        return
    text = tr("{name}: {status} by {by}, {at}.")
    out.print(text.format(name=name, status=document["status"], by=signed["by"], at=signed["at"]), markup=False)


def _show_registration(document: Document, out: Console) -> None:
    name, kind = document["node"]["name"], document["kind"]
    out.print(tr("Registration {name} ({kind})").format(name=name, kind=kind), markup=False)
    if document["rotation_deg"] is not None:
        out.print("  " + tr("turned by {angle:.1f}°").format(angle=document["rotation_deg"]), markup=False)
    if document["shift_mm"] is not None:
        text = tr("the middle of the fixed image moves by {shift:.1f} mm")
        out.print("  " + text.format(shift=document["shift_mm"]), markup=False)
    similarity = tr("mutual information {before:.3f}, then {after:.3f}")
    before, after = document["similarity_before"], document["similarity_after"]
    out.print("  " + similarity.format(before=before, after=after), markup=False)
    for number_, pair in enumerate(document["landmarks"], start=1):
        text = tr("landmark {number}: {error:.1f} mm off")
        out.print("  " + text.format(number=number_, error=pair["error_mm"]), markup=False)
    if document["landmarks"]:
        text = tr("registration error: {mean:.1f} mm in the mean, {most:.1f} mm at most")
        out.print("  " + text.format(mean=document["mean_error_mm"], most=document["max_error_mm"]), markup=False)
    else:
        out.print("  " + tr("registration error: not assessed; mark places with “landmarks”"), markup=False)
    accepted = document["accepted"]
    if accepted is None:
        out.print("  " + tr("not accepted: no plan uses it"), markup=False)
    else:
        out.print("  " + tr("accepted by {by}, {at}").format(by=accepted["by"], at=accepted["at"]), markup=False)


def _show_carried(document: Document, out: Console) -> None:
    text = tr("Carried {name} over: {ml:.1f} ml here, {source:.1f} ml on its own image.")
    name, ml, source = document["node"]["name"], document["volume_ml"], document["source_volume_ml"]
    out.print(text.format(name=name, ml=ml, source=source), markup=False)


def _show_united(document: Document, out: Console) -> None:
    text = tr("Added {added:.1f} ml to {name}: {ml:.1f} ml now.")
    name, ml, added = document["node"]["name"], document["volume_ml"], document["added_ml"]
    out.print(text.format(name=name, ml=ml, added=added), markup=False)


def _show_surfaces(document: Document, out: Console) -> None:
    table = Table(box=SIMPLE_HEAD)
    table.add_column(tr("Surface"))
    for column in (tr("ml"), tr("volume error"), tr("triangles")):
        table.add_column(column, justify="right")
    table.add_column("")
    for surface in document["surfaces"]:
        error = surface["volume_error_percent"]
        table.add_row(
            surface["name"],
            number(surface["volume_ml"]),
            number(abs(error) if error is not None else None, 2, "%"),
            str(surface["triangles"]),
            tr("closed") if surface["closed"] else tr("NOT closed"),
        )
    out.print(table)


def _show_exported(document: Document, out: Console) -> None:
    show_files(document, out)
    if document.get("preset") is not None:
        show_preset(document["preset"], out)
    if document.get("labels") is not None:
        show_labels(document["labels"], out)


def _show_verdict(document: Document, out: Console) -> None:
    if document["ok"]:
        text = tr("The case is whole: {nodes} nodes, {arrays} arrays, {versions} named versions.")
        out.print(text.format(**{key: document[key] for key in ("nodes", "arrays", "versions")}))
    for problem in (*document["problems"], *document["remarks"]):
        out.print(f"  {problem['message']}", markup=False)
    if document["stale"]:
        out.print(tr("Computed from what has changed since: {names}.").format(names=shortened(document["stale"], 12)))


def _show_changed(document: Document, out: Console) -> None:
    node = document["node"]
    out.print(tr("Changed {kind} {name}.").format(kind=_kind(node["type"]), name=node["name"]), markup=False)


def _show_removed(document: Document, out: Console) -> None:
    node = document["removed"]
    out.print(tr("Removed {kind} {name}.").format(kind=_kind(node["type"]), name=node["name"]), markup=False)


def _show_confirmed(document: Document, out: Console) -> None:
    text = tr("Left and right of {name} are confirmed.")
    out.print(text.format(name=document["node"]["name"]), markup=False)


def _show_visible(document: Document, out: Console) -> None:
    names = shortened(document["shown"], 12) or tr("none")
    out.print(tr("Shown now: {names}.").format(names=names), markup=False)


def _show_patient(document: Document, out: Console) -> None:
    rows = (
        (tr("Pseudonym"), document["pseudonym"], ""),
        (tr("Height"), document["height_cm"], "cm"),
        (tr("Weight"), document["weight_kg"], "kg"),
        (tr("Liver tissue"), document["liver_quality"], ""),
        (tr("Formula for the standard liver volume"), document["liver_formula"], ""),
        (tr("Disease"), document["disease"], ""),
        (tr("Indocyanine green retention at 15 minutes"), document["icg_r15_percent"], "%"),
        (tr("Age"), document["age_years"], tr("years")),
        (tr("Width of the chest"), document["thoracic_width_cm"], "cm"),
    )
    for label, value, unit in rows:
        shown = tr("not stated") if value is None else f"{value:g} {unit}" if isinstance(value, float) else str(value)
        out.print(f"{label}: {shown}", markup=False)
    suggested = ((document["suggested_height_cm"], "cm"), (document["suggested_weight_kg"], "kg"))
    found = ", ".join(f"{value:g} {unit}" for value, unit in suggested if value is not None)
    if found:
        out.print(tr("The images say {found}; state it with --height and --weight to confirm it.").format(found=found))


def _show_plain(document: Document, out: Console) -> None:
    for key, value in document.items():
        if key == "warnings":
            continue
        if isinstance(value, list):
            counts = Counter(type(item).__name__ for item in value)
            out.print(f"{key}:" if counts else f"{key}: {tr('none')}", markup=False)
            for item in value:
                text = ", ".join(f"{k} {v}" for k, v in item.items()) if isinstance(item, dict) else str(item)
                out.print(f"  {text}", markup=False)
        elif isinstance(value, dict):
            text = ", ".join(f"{k} {number(v, 2)}" for k, v in value.items())
            out.print(f"{key}: {text}", markup=False)
        else:
            out.print(f"{key}: {number(value, 2)}", markup=False)


_SHOWN: dict[str, Callable[[Document, Console], None]] = {
    "print": show_print,
    "series": _show_series,
    "new": _show_new,
    "quick": show_quick,
    "add": _show_added,
    "tree": _show_tree,
    "stats": _show_stats,
    "segment": _show_segment,
    "paint": _show_stroke,
    "draw": _show_stroke,
    "scissors": _show_stroke,
    "sign": _show_signed,
    "crop": _show_image,
    "mask": _show_image,
    "register": _show_registration,
    "landmarks": _show_registration,
    "accept": _show_registration,
    "carry": _show_carried,
    "unite": _show_united,
    "vessels": show_vessels,
    "vessel": show_vessels,
    "territories": show_territories,
    "plan": show_plan,
    "duplicate": _show_changed,
    "sensitivity": show_sensitivity,
    "compare": show_compare,
    "simulate": show_simulation,
    "validate": show_validation,
    "measure": show_measured,
    "measurements": show_measurements,
    "mesh": _show_surfaces,
    "implants": show_implants,
    "implant": show_implant,
    "mark": show_mark,
    "custom": show_custom,
    "shape": show_shape,
    "fit": show_fit,
    "sweep": show_sweep,
    "export": _show_exported,
    "copy": _show_exported,
    "snapshot": _show_exported,
    "report": _show_exported,
    "verify": _show_verdict,
    "edit": _show_changed,
    "image": _show_changed,
    "report-settings": _show_changed,
    "remove": _show_removed,
    "confirm-side": _show_confirmed,
    "show": _show_visible,
    "patient": _show_patient,
}
