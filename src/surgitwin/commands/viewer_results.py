"""What stands beside the picture in the HTML viewer: plans, simulations, fits, measurements, as their commands say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgitwin.core.numbers_in_words import chance_text, number_text
from surgitwin.core.text import tr
from surgitwin.exchange.report_content import PlanPart, Quantity, Status
from surgitwin.exchange.report_documents import plan_part
from surgitwin.scene.nodes import FitNode, ImplantNode, MeasurementNode, Node, PlanNode, SegmentNode, SimulationNode
from surgitwin.scene.scene import Scene

Document = dict[str, Any]
PLAN_VERDICTS = {"meets": (tr("meets"), "good", "✓"), "below": (tr("below"), "bad", "▼")}
NOT_ASSESSED = (tr("not assessed"), "", "–")
SIGNS = {"good": "✓", "bad": "✕", "uncertain": "▲"}
LARGE = (tr("Remnant"), tr("Future liver remnant (FLR)"), tr("FLR without tumour"), tr("Remnant / organ"))
UNITS = {"_mm": "mm", "_deg": "°", "_degrees": "°", "_mm2": "mm²", "_ml": "ml", "_hu": "HU"}


def badges(*statuses: Status) -> list[Document]:
    return [{"key": status.value, "label": status.label, "meaning": status.meaning} for status in statuses]


def vouched(node: PlanNode | SegmentNode) -> list[Document]:
    """That a person looked at it; who it was stays out of the file. Nothing for a draft."""
    if node.status == "draft":
        return []
    label = tr("APPROVED") if node.status == "approved" else tr("REVIEWED")
    return [{"key": node.status, "label": label, "meaning": tr("a person vouches for it")}]


def _stale(scene: Scene, node: Node) -> list[Document]:
    return badges(Status.STALE) if scene.is_stale(node) else []


def _messages(document: Mapping[str, Any]) -> list[str]:
    return [warning["message"] for warning in document.get("warnings", [])]


def plan_entry(scene: Scene, plan: PlanNode, parts: Sequence[str]) -> Document:
    numbers = plan.numbers or {}
    part: PlanPart = plan_part(plan.name, numbers, ())
    figures = {label: quantity.formatted() for label, quantity in part.figures}
    assessed = {label for label, quantity in part.figures if quantity.assessed}
    return {
        "id": plan.id,
        "name": plan.name,
        "organ": part.organ,
        "statuses": [*(vouched(plan) or badges(Status.DRAFT)), *_stale(scene, plan)],
        "parts": list(parts),
        "hides": [plan.organ],
        "marks": [],
        "not_drawn": tr("Not drawn: plan it again, as something that it was computed from has changed."),
        "large": [{"label": label, "value": figures[label]} for label in LARGE if label in assessed],
        "figures": list(figures.items()),
        "lesions": [
            (one.name, *(q.formatted() if q.assessed else "" for q in (one.volume, one.margin, one.left_behind)))
            for one in part.lesions
        ],
        "limits": [_plan_limit(one.verdict, one.label, one.value, one.reason, one.note) for one in part.limits],
        "warnings": _messages(numbers),
        "cuts": [],
        "notes": "",
    }


def _plan_limit(verdict: str, label: str, value: Quantity, reason: str, note: str) -> Document:
    words, meaning, sign = PLAN_VERDICTS.get(verdict, NOT_ASSESSED)
    shown = f" ({value.formatted()})" if value.assessed else ""
    extra = "; ".join(text for text in (reason, note) if text)
    return {"verdict": words + shown, "bearing": meaning, "sign": sign, "label": label, "note": extra}


def simulation_entry(scene: Scene, node: SimulationNode) -> Document:
    """A result with the interval of every number and what the published limits say."""
    from surgitwin.exchange.report_simulations import interval_text, remarks

    document: Mapping[str, Any] = node.document or {}
    rows = {
        key: (one["title"], _amount(one["value"], one["unit"]), interval_text(one))
        for key, one in document["outputs"].items()
    }
    sampled = any(one["low"] is not None for one in document["outputs"].values())
    main = [rows[key] for key in document["main"][:2] if key in rows]
    interval = tr("{title}, 90 % interval {interval}")
    return {
        "title": node.name,
        "statuses": [*badges(Status.SIMULATED), *_stale(scene, node)],
        "large": [
            {"value": row[1], "label": interval.format(title=row[0], interval=row[2]) if row[2] else row[0]}
            for row in main
        ],
        "titles": (
            tr("Simulated"),
            tr("Median") if sampled else tr("Point value, no interval"),
            tr("90 % interval") if sampled else "",
        ),
        "figures": list(rows.values()),
        "limits": [_published(limit) for limit in document["thresholds"]],
        "warnings": _messages(document),
        "remarks": remarks(document),
    }


def _published(limit: Mapping[str, Any]) -> Document:
    from surgitwin.exchange.report_simulations import VERDICTS, bearing

    words: str = VERDICTS.get(str(limit["verdict"]), str(limit["verdict"]))
    if limit.get("probability_percent") is not None:
        words += tr("; reached in {chance} of samples").format(chance=chance_text(limit["probability_percent"]))
    elif limit["verdict"] == "not assessed" and limit.get("reason"):
        words += f": {limit['reason']}"
    label = str(limit["title"])
    if limit.get("limit") is not None:
        amount = f"{limit['limit']:g} {limit['unit']}".strip()
        label = tr("{title} {amount} ({author})").format(title=label, amount=amount, author=limit["author"])
    notes = (limit.get("text", ""), limit.get("population", ""), limit.get("note", ""))
    found = bearing(limit)
    return {
        "verdict": words,
        "bearing": "" if found == "not assessed" else found,
        "sign": SIGNS.get(found, "–"),
        "label": label,
        "note": "; ".join(text for text in notes if text),
    }


def fit_entry(scene: Scene, node: FitNode) -> Document:
    """How an implant fits, with what must be said of the implant itself."""
    from surgitwin.commands.export_presets import remark_of

    document = node.document or {}
    implant = scene.get(node.implant, ImplantNode)
    contact = Quantity(document.get("contact_percent"), "%", 1)
    rows = [
        (tr("Contact"), contact),
        (tr("Nearest distance"), Quantity(document.get("nearest_mm"), "mm", 1)),
        (tr("Gap"), Quantity(document.get("gap_ml"), "ml", 2)),
        (tr("Penetration"), Quantity(document.get("penetration_ml"), "ml", 2)),
        (tr("Overhang"), Quantity(document.get("overhang_mm"), "mm", 1)),
    ]
    said = remark_of(implant.item) if implant is not None else ""
    return {
        "title": node.name,
        "statuses": _stale(scene, node),
        "large": [{"value": contact.formatted(), "label": tr("Contact")}] if contact.assessed else [],
        "titles": None,
        "figures": [(label, quantity.formatted()) for label, quantity in rows],
        "limits": [],
        "warnings": _messages(document),
        "remarks": [said] if said else [],
    }


def measurement_entry(scene: Scene, node: MeasurementNode) -> Document:
    """A measurement with the value of its document, how it was found, and the lines that show it in 3D."""
    document = node.document or {}
    points = [list(point) for point in node.points_mm]
    lines = document.get("line_mm") or ([points] if node.kind not in ("sphere", "box") else [])
    stale = _stale(scene, node)
    texts = _values(document)
    label = " · ".join([node.name, *texts[:1], *([tr("stale")] if stale else [])])
    return {
        "id": node.id,
        "name": node.name,
        "visible": node.visible,
        "color": f"rgb({','.join(str(part) for part in node.color)})",
        "statuses": stale,
        "values": [*(texts or [tr("not assessed")]), *_how(document)],
        "warnings": _messages(document),
        "label": label,
        "at": points[0] if points else None,
        "points": points,
        "lines": [*(line for line in lines if len(line) > 1), *_edges(node)],
        "filled": node.kind == "area",
        "radius_mm": node.radius_mm if node.kind == "sphere" else None,
    }


def _how(document: Mapping[str, Any]) -> list[str]:
    found = [str(document["how"])] if document.get("how") else []
    return [*found, "; ".join(document["of"])] if document.get("of") else found


def _edges(node: MeasurementNode) -> list[list[list[float]]]:
    """The twelve edges of a box."""
    if node.kind != "box" or node.size_mm is None or not node.points_mm:
        return []
    half = [size / 2.0 for size in node.size_mm]
    corners = [[node.points_mm[0][axis] + (half[axis] if corner >> axis & 1 else -half[axis]) for axis in range(3)]
               for corner in range(8)]  # fmt: skip
    return [[corners[one], corners[one | 1 << axis]] for one in range(8) for axis in range(3) if not one >> axis & 1]


def _values(document: Mapping[str, Any]) -> list[str]:
    """What the measurement says in words, with its uncertainty; else its plain numbers with their key's unit."""
    if document.get("text"):
        spread, unit = document.get("uncertainty"), document.get("unit", "")
        uncertain = [] if spread is None else [tr("uncertainty ± {spread:.1f} {unit}").format(spread=spread, unit=unit)]
        return [str(document["text"]), *uncertain]
    found = []
    for key, value in document.items():
        unit = next((unit for end, unit in UNITS.items() if key.endswith(end)), None)
        if unit is not None and isinstance(value, (int, float)):
            found.append(f"{value:.1f} {unit}")
    return found


def _amount(value: float | None, unit: str) -> str:
    return tr("not assessed") if value is None else f"{number_text(value)} {unit}".strip()
