"""What the report says of the implants that were placed, and of the prints that were accepted."""

from __future__ import annotations

from surgitwin.core.anonymous import without_file_names
from surgitwin.core.text import tr
from surgitwin.exchange.report_content import ImplantRow, PrintRow, ReportWarning, Status
from surgitwin.scene.nodes import FitNode, ImplantNode, Node, PrintedNode
from surgitwin.scene.scene import Scene


def implant_rows(scene: Scene) -> tuple[ImplantRow, ...]:
    """A row for each implant, with what was computed of its fit."""
    return tuple(_row(scene, node) for node in scene.of_type(ImplantNode))


def implant_warnings(scene: Scene, identity: bool) -> list[ReportWarning]:
    """What the meshes leave out, and what there is to say of the fits."""
    found = [
        ReportWarning(node.name, notice.message if identity else without_file_names(notice.message))
        for node in scene.of_type(ImplantNode)
        for notice in node.notices
    ]
    for fit in scene.of_type(FitNode):
        implant = scene.get(fit.implant, ImplantNode)
        name = implant.name if implant is not None else fit.name
        found += [ReportWarning(name, warning["message"]) for warning in (fit.document or {}).get("warnings", [])]
        if scene.is_stale(fit):
            message = tr("This fit is stale: implant or anatomy has changed since. Fit it again.")
            found.append(ReportWarning(name, message))
    for printed in scene.of_type(PrintedNode):
        if scene.is_stale(printed):
            message = tr("What was accepted for print has changed since; the file {file} is of an earlier state.")
            found.append(ReportWarning(printed.name, message.format(file=printed.file_name)))
    return found


def print_rows(scene: Scene) -> tuple[PrintRow, ...]:
    """A row for each print that was accepted."""
    return tuple(_printed(scene, node) for node in scene.of_type(PrintedNode))


def _printed(scene: Scene, node: PrintedNode) -> PrintRow:
    against = tr("faces of the voxels") if node.against == "voxels" else tr("surface")
    deviation = tr("p95 {p95:.2f} mm, largest {most:.2f} mm from the {against}")
    process = ", ".join(text for text in (node.process, node.material, tr("FORCED") if node.forced else "") if text)
    when = node.accepted.at[:16].replace("T", " ")
    return PrintRow(
        node.file_name,
        ", ".join(node.parts),
        process,
        deviation.format(p95=node.p95_mm, most=node.max_mm, against=against),
        tr("{who}, {when} UTC").format(who=node.accepted.by, when=when),
        node.accepted.content_hash,
        (Status.STALE,) if scene.is_stale(node) else (),
    )


def _row(scene: Scene, node: ImplantNode) -> ImplantRow:
    from surgitwin.implants.library import maker_text
    from surgitwin.implants.placement import anchor, axis_of, pose_of
    from surgitwin.implants.poses import moved

    item, pose = node.item, pose_of(node)
    what = f"{item.name} {item.size}".strip() + (tr(", mirrored") if node.mirrored else "")
    place = tr("at {place} mm").format(place=_numbers(moved(anchor(item), pose).tolist(), 1))
    if "main" in item.axes:
        place += tr(", main axis {way}").format(way=_numbers((pose[:3, :3] @ axis_of(item)).tolist(), 3))
    onto = scene.get(node.onto, Node) if node.onto is not None else None
    if onto is not None:
        place += tr(", on {name}").format(name=onto.name)
    fits = [fit for fit in scene.of_type(FitNode) if fit.implant == node.id and fit.document is not None]
    stale = any(scene.is_stale(fit) for fit in fits)
    statuses = ((Status.AUTOMATIC,) if fits else ()) + ((Status.STALE,) if stale else ())
    return ImplantRow(node.name, what, maker_text(item), item.material, place, "; ".join(map(_fit, fits)), statuses)


def _fit(fit: FitNode) -> str:
    """A fit in a line; what was not assessed says so."""
    document = fit.document or {}
    contact, gap = document.get("contact_percent"), document.get("gap_mm")
    deep = (document.get("penetration_mm") or {}).get("max")
    words = [
        tr("contact {value} (within {mm:g} mm)").format(
            value=_text(contact, "%", 0), mm=document.get("tolerance_mm") or 0.0
        ),
        tr("mean gap {value}").format(value=_text(None if gap is None else gap["mean"], "mm", 1)),
        tr("deepest {value}").format(value=_text(deep, "mm", 1)),
    ]
    if document.get("grade") is not None:
        words.append(tr("Gertzbein-Robbins grade {grade}").format(grade=document["grade"]))
    return ", ".join(words)


def _text(value: float | None, unit: str, digits: int) -> str:
    return tr("not assessed") if value is None else f"{value:.{digits}f} {unit}"


def _numbers(values: list[float], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)
