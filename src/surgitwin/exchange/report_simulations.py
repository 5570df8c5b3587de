"""What simulators found, in the report: numbers with their interval, limits, assumptions, and the curve of pressure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgitwin.core.text import tr
from surgitwin.exchange import report_tables as tables
from surgitwin.exchange.report_content import SimulationPart
from surgitwin.exchange.report_style import Style

Document = Mapping[str, Any]
SHOWN_DRIVERS = 4
CHART = (330.0, 150.0)
MARGINS = (30.0, 12.0, 26.0, 12.0)  # left, right, bottom, top
ORIGINS = {
    "given": tr("given"),
    "twin": tr("from the twin"),
    "prior": tr("assumed"),
    "derived": tr("worked out"),
}
CHECKED = {
    "R": "",
    "M": tr("recalled, not checked against the paper"),
    "D": tr("our own choice, no publication behind it"),
}
VERDICTS = {
    "below": tr("below"),
    "reached": tr("reached"),
    "uncertain": tr("within the interval"),
    "not assessed": tr("not assessed"),
}


def simulation_story(style: Style, parts: Sequence[SimulationPart], width: float) -> list[Any]:
    """One section for each result; the plans of one simulator share a curve."""
    story: list[Any] = []
    for part in parts:
        document = part.document
        story += style.heading(part.title, 180)
        story.append(style.marked(style.badges(part.statuses), "body"))
        story.append(_outputs(style, document, width))
        curve = document["details"].get("curve")
        if curve:
            together = [one for one in parts if one.document["simulator"] == document["simulator"]]
            story.append(_curve(style, part, together))
        if document["thresholds"]:
            story += [style.paragraph(tr("Published limits"), "h2"), _limits(style, document, width)]
        story += [style.paragraph(text, "foot") for text in _remarks(document)]
        story += [style.paragraph(tr("What went in"), "h2"), _inputs(style, document, width)]
        story += [style.paragraph(text, "foot") for text in _source(document)]
    return story


def number_text(value: float | None) -> str:
    if value is None:
        return tr("not assessed")
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def interval_text(output: Document) -> str:
    if output["low"] is None:
        return ""
    return tr("{low} to {high}").format(low=number_text(output["low"]), high=number_text(output["high"]))


def _with_interval(output: Document) -> str:
    interval = interval_text(output)
    return number_text(output["value"]) + (f" ({interval})" if interval else "")


def _outputs(style: Style, document: Document, width: float) -> Any:
    """Every output; where there is a rigid result or one with congested remnant counted, beside it."""
    details = document["details"]
    variants = [
        (title, details[key])
        for key, title in (("rigid", tr("Rigid portal tree")), ("congested_counted", tr("Congested counted")))
        if details.get(key)
    ]
    titles = [tr("Simulated"), tr("Median"), tr("90 % interval"), *(title for title, _ in variants), tr("Unit")]
    cells = [[style.paragraph(title, "head") for title in titles]]
    for name, output in document["outputs"].items():
        row = [output["title"], number_text(output["value"]), interval_text(output)]
        for _, variant in variants:
            other = variant.get(name)
            row.append("" if other is None else _with_interval(other))
        row.append(output["unit"])
        strong = name in document["main"]
        cells.append(
            [style.paragraph(text, "head" if strong and place < 2 else "cell") for place, text in enumerate(row)]
        )
    shares = [0.30, 0.11, 0.17, *([0.16] * len(variants))]
    widths = [width * share for share in shares]
    return tables.quiet_table(style, cells, [*widths, width - sum(widths)])


def _limits(style: Style, document: Document, width: float) -> Any:
    titles = (tr("Limit"), tr("Result"), tr("What it is"), tr("Population"))
    cells = [[style.paragraph(title, "head") for title in titles]]
    for limit in document["thresholds"]:
        if limit["limit"] is None:
            row = [limit["title"], VERDICTS[limit["verdict"]], limit["text"], ""]
        else:
            verdict = VERDICTS[limit["verdict"]]
            if limit["probability_percent"] is not None:
                verdict += tr("; in {percent:.0f} % of samples").format(percent=limit["probability_percent"])
            name = tr("{title} {limit:g} {unit} ({author})").format(**limit)
            note = f" [{limit['note']}]" if limit.get("note") else ""
            row = [name, verdict, limit["text"] + note, limit["population"]]
        cells.append([style.paragraph(text, "cell") for text in row])
    return tables.quiet_table(style, cells, [width * share for share in (0.28, 0.20, 0.26, 0.26)])


def _remarks(document: Document) -> list[str]:
    found: list[str] = []
    assumed = sorted({limit["cvp_assumed"] for limit in document["thresholds"] if limit.get("cvp_assumed")})
    found += [tr("Limits were compared at {cvp}.").format(cvp=text) for text in assumed]
    risk = document["details"].get("risk")
    if risk and risk["value_percent"] is not None:
        low, high = risk["value_percent"]
        text = tr("{source}: at this pressure {low:.0f} to {high:.0f} % ({text}).")
        found.append(text.format(source=risk["source"], low=low, high=high, text=risk["text"]))
    meld = document["details"].get("meld")
    if meld:
        found.append(tr("MELD 3.0: {score} ({source}; {note}).").format(**meld))
    main = document["main"][0] if document["main"] else ""
    driving = [one for one in document["drivers"] if one["output"] == main][:SHOWN_DRIVERS]
    if driving:
        names = ", ".join(f"{one['title']} ({one['share_percent']:.0f} %)" for one in driving)
        found.append(tr("The interval comes mostly from: {names}.").format(names=names))
    learning = document["details"].get("learning")
    if learning:
        found.append(
            tr("Learnt from what was measured; worth {count:.0f} samples.").format(count=learning["samples_worth"])
        )
    return found


def _inputs(style: Style, document: Document, width: float) -> Any:
    titles = (tr("Value"), tr("Amount"), tr("Unit"), tr("Where from"))
    cells = [[style.paragraph(title, "head") for title in titles]]
    for known in document["inputs"].values():
        amount = f"{known['value']:.4g}"
        if known["low"] != known["high"]:
            amount += f" ({known['low']:.3g} – {known['high']:.3g})"
        parts = [ORIGINS[known["origin"]], known["source"], CHECKED[known["checked"]]]
        origin = "; ".join(part for part in parts if part)
        row = (known["title"], amount, known["unit"], origin)
        cells.append([style.paragraph(text, "cell") for text in row])
    return tables.quiet_table(style, cells, [width * share for share in (0.32, 0.22, 0.12, 0.34)])


def _source(document: Document) -> list[str]:
    made = document["provenance"]
    return [
        tr("{program}, {tool}, {made_at}. {references}").format(**{**made, "references": "; ".join(made["references"])})
    ]


def _curve(style: Style, own: SimulationPart, parts: Sequence[SimulationPart]) -> Any:
    """PVP over the perfused share with its band, the lowest limit, and a point for each plan."""
    from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, PolyLine, String

    document = own.document
    curve, pvp = document["details"]["curve"], document["details"]["curve"]["pvp_mmhg"]
    shares = [100 * share for share in curve["remnant_fraction"]]
    limits = sorted(x["limit"] for x in document["thresholds"] if x["output"] == "pvp_mmhg" and x["limit"])
    top = max(*pvp["high"], *limits[:1]) * 1.05
    left, right, bottom, above = MARGINS
    wide, high = CHART
    drawing = Drawing(wide, high)
    accent, muted, text = style.colour("accent"), style.colour("text-muted"), style.colour("text")

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - shares[0]) / (shares[-1] - shares[0])
        return left + across * (wide - left - right), bottom + y / top * (high - bottom - above)

    def along(ys: Sequence[float]) -> list[float]:
        return [value for x, y in zip(shares, ys, strict=True) for value in place(x, y)]

    def back(ys: Sequence[float]) -> list[float]:
        return [value for x, y in reversed(list(zip(shares, ys, strict=True))) for value in place(x, y)]

    def word(x: float, y: float, said: str, anchor: str = "start", colour: Any = muted) -> None:
        drawing.add(String(x, y, said, fontName=style.fonts.regular, fontSize=7, fillColor=colour, textAnchor=anchor))

    drawing.add(Polygon(along(pvp["low"]) + back(pvp["high"]), fillColor=style.tinted("accent"), strokeColor=None))
    drawing.add(PolyLine(along(pvp["value"]), strokeColor=accent, strokeWidth=1.2))
    drawing.add(PolyLine(along(curve["rigid_pvp_mmhg"]), strokeColor=muted, strokeWidth=0.8, strokeDashArray=[3, 2]))
    drawing.add(Line(*place(shares[0], 0), *place(shares[-1], 0), strokeColor=muted, strokeWidth=0.5))
    drawing.add(Line(*place(shares[0], 0), *place(shares[0], top), strokeColor=muted, strokeWidth=0.5))
    for value in range(5, int(top) + 1, 5):
        word(left - 4, place(shares[0], value)[1] - 2.5, f"{value}", "end")
    for value in (20, 40, 60, 80, 100):
        if shares[0] <= value <= shares[-1]:
            word(place(value, 0)[0], bottom - 9, f"{value}", "middle")
    word(wide - right, 2, tr("% of the liver stays perfused; dashed: rigid portal tree; band: 90 %"), "end")
    word(2, high - 8, tr("PVP, mmHg"))
    if limits:
        bad = style.colour("bad")
        drawing.add(Line(*place(shares[0], limits[0]), *place(shares[-1], limits[0]), strokeColor=bad, strokeWidth=0.7))
        word(wide - right, place(shares[0], limits[0])[1] + 2, f"{limits[0]:g} mmHg", "end", bad)
    for part in parts:
        output = part.document["outputs"]["pvp_mmhg"]
        x, y = place(part.document["details"]["remnant"]["perfused_percent"], output["value"])
        drawing.add(Circle(x, y, 2.6, fillColor=text if part is own else None, strokeColor=text, strokeWidth=0.8))
        word(x + 4, y + 3, part.document["plan"] or "", colour=text)
    return drawing
