"""What simulators found, in the report: numbers with their interval, limits, assumptions, and the curve of pressure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgitwin.core.numbers_in_words import amount_text, chance_text, number_text
from surgitwin.core.text import tr
from surgitwin.exchange import report_tables as tables
from surgitwin.exchange.report_content import SimulationPart
from surgitwin.exchange.report_curve import curve_drawing, curve_groups, curve_legend
from surgitwin.exchange.report_style import Style

Document = Mapping[str, Any]
SHOWN_DRIVERS = 4
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
# Shape and colour of a verdict: "good", "bad", "uncertain", "not assessed".
SYMBOLS = {"good": ("✓+", "good"), "bad": ("✕x", "bad"), "uncertain": ("▲!", "caution"), "not assessed": ("–-", "")}


def simulation_story(style: Style, parts: Sequence[SimulationPart], width: float) -> list[Any]:
    """One section for each result; plans that differ in nothing but what stays share a curve, below the first."""
    from reportlab.platypus import Spacer

    groups = curve_groups(parts)
    story: list[Any] = []
    for part in parts:
        document = part.document
        story += style.heading(part.title, 180)
        story += [style.marked(style.badges(part.statuses), "body"), Spacer(1, 4)]
        story.append(_outputs(style, document, width))
        story += _curve(style, part, groups, width)
        if document["thresholds"]:
            story += [*_subheading(style, tr("Published limits")), _limits(style, document, width)]
        story += [style.paragraph(text, "foot") for text in remarks(document)]
        if document["inputs"]:
            story += [*_subheading(style, tr("What went in")), _inputs(style, document, width)]
        story += [style.paragraph(text, "foot") for text in (*_learnt(document), *_source(document))]
    return story


def _subheading(style: Style, text: str) -> list[Any]:
    from reportlab.platypus import CondPageBreak

    return [CondPageBreak(70), style.paragraph(text, "h2")]


def _curve(style: Style, part: SimulationPart, groups: Sequence[tuple[SimulationPart, ...]], width: float) -> list[Any]:
    from reportlab.platypus import KeepTogether, Spacer

    group = next((group for group in groups if any(one is part for one in group)), None)
    if group is None:
        return []
    if group[0] is not part:
        number = 1 + next(k for k, one in enumerate(group) if one is part)
        text = tr("On the curve of “{title}” this is point {number}.").format(title=group[0].title, number=number)
        return [style.paragraph(text, "foot")]
    return [KeepTogether([Spacer(1, 8), curve_drawing(style, group, width), *curve_legend(style, group)])]


def interval_text(output: Document) -> str:
    if output["low"] is None:
        return ""
    return tr("{low} to {high}").format(low=number_text(output["low"]), high=number_text(output["high"]))


def _with_interval(output: Document) -> str:
    interval = interval_text(output)
    return number_text(output["value"]) + (f" ({interval})" if interval else "")


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _outputs(style: Style, document: Document, width: float) -> Any:
    """Every output; where there is a rigid result or one with congested remnant counted, beside it."""
    details = document["details"]
    variants = [
        (title, details[key])
        for key, title in (("rigid", tr("Rigid portal tree")), ("congested_counted", tr("Congested counted")))
        if isinstance(details.get(key), Mapping)
    ]
    sampled = any(output["low"] is not None for output in document["outputs"].values())
    amounts = [tr("Median"), tr("90 % interval")] if sampled else [tr("Point value, no interval")]
    titles = [tr("Simulated"), *amounts, *(title for title, _ in variants), tr("Unit")]
    cells = [[style.paragraph(title, "head") for title in titles]]
    for name, output in document["outputs"].items():
        row = [output["title"], number_text(output["value"])]
        if sampled:
            row.append(_unbroken(interval_text(output)))
        for _, variant in variants:
            other = variant.get(name)
            row.append("" if other is None else _with_interval(other))
        row.append(_unbroken(output["unit"]) if output["value"] is not None else "")
        strong = name in document["main"]
        cells.append(
            [style.paragraph(text, "head" if strong and place < 2 else "cell") for place, text in enumerate(row)]
        )
    # The unit is last and has room for "ml/min/100 g".
    amount = [0.09, 0.16] if sampled else [0.25]
    shares = [0.27, *amount, *[0.36 / len(variants)] * len(variants)] if variants else [0.45, *amount]
    widths = [width * share for share in shares]
    return tables.quiet_table(style, cells, [*widths, width - sum(widths)], pad=2.0)


def _limits(style: Style, document: Document, width: float) -> Any:
    titles = (tr("Limit"), tr("Result"), tr("What it is"), tr("Population"))
    cells = [[style.paragraph(title, "head") for title in titles]]
    for limit in document["thresholds"]:
        name = limit["title"]
        if limit.get("limit") is not None:
            amount = _unbroken(f"{limit['limit']:g} {limit['unit']}".strip())
            name = tr("{title} {amount} ({author})").format(title=name, amount=amount, author=limit["author"])
        note = f" [{limit['note']}]" if limit.get("note") else ""
        row = [name, "", limit.get("text", "") + note, limit.get("population", "")]
        shown = [style.paragraph(text, "cell") for text in row]
        shown[1] = style.marked(_verdict(style, limit), "cell")
        cells.append(shown)
    return tables.quiet_table(style, cells, [width * share for share in (0.28, 0.19, 0.27, 0.26)], pad=2.0)


def _verdict(style: Style, limit: Document) -> str:
    """Sign and word, and how often the limit is reached: also beside "below", where that is the chance of the other."""
    verdict = str(limit["verdict"])
    signs, colour = SYMBOLS[bearing(limit)]
    sign = next((one for one in signs if style.fonts.has(one)), "-")
    text = f'<font name="{style.fonts.semibold}" color="{style.hex(colour or "text-muted")}">{sign}</font>\u00a0'
    words: str = VERDICTS.get(verdict, verdict)
    if limit.get("probability_percent") is not None:
        words += tr("; reached in {chance} of samples").format(
            chance=_unbroken(chance_text(limit["probability_percent"]))
        )
    elif verdict == "not assessed" and limit.get("reason"):
        words += f": {limit['reason']}"
    return text + style.fonts.markup(words)


def bearing(limit: Document) -> str:
    """Whether a verdict is good or bad news: it depends on which side of the limit one wants to be."""
    wanted = "reached" if limit.get("at_least") else "below"
    return {wanted: "good", "uncertain": "uncertain", "not assessed": "not assessed"}.get(limit["verdict"], "bad")


def remarks(document: Document) -> list[str]:
    """What must be said beside the numbers: what was assumed for the limits, populations, scores, drivers."""
    details = document["details"]
    assumed = sorted({limit["cvp_assumed"] for limit in document["thresholds"] if limit.get("cvp_assumed")})
    found = [tr("Limits were compared at {cvp}.").format(cvp=text) for text in assumed]
    found += [text for text in (_risk(details), _meld(details), _phases(details), _model(details)) if text]
    main = document["main"][0] if document["main"] else ""
    driving = [one for one in document["drivers"] if one["output"] == main][:SHOWN_DRIVERS]
    if driving:
        names = ", ".join(f"{one['title']} ({one['share_percent']:.0f} %)" for one in driving)
        found.append(tr("The interval comes mostly from: {names}.").format(names=names))
    return found


def _risk(details: Document) -> str:
    risk = details.get("risk")
    if not risk:
        return ""
    if risk["value_percent"] is None:
        return tr("{source}: at this pressure nothing was published.").format(source=risk["source"])
    low, high = risk["value_percent"]
    text = tr("{source}: at this pressure {low:.0f} to {high:.0f} % ({text}).")
    return text.format(source=risk["source"], low=low, high=high, text=risk["text"])


def _meld(details: Document) -> str:
    meld = details.get("meld")
    return tr("MELD 3.0: {score} ({source}; {note}).").format(**meld) if meld else ""


def _phases(details: Document) -> str:
    score = details.get("phases")
    if not score:
        return ""
    items = ", ".join(
        f"{item['title']}: {item['answer']} ({tr('not known') if item['points'] is None else item['points']})"
        for item in score["items"]
    )
    text = tr("PHASES: {items}. {source} ({population}; {note}). The risk is the {text}.")
    return text.format(items=items, **{key: score[key] for key in ("source", "population", "note", "text")})


def _model(details: Document) -> str:
    model = details.get("model")
    if not isinstance(model, Mapping) or not {"name", "outcome", "population", "citation"} <= set(model):
        return ""
    return tr("Model “{name}”: {outcome}; population: {population}; {citation}.").format(**model)


def _learnt(document: Document) -> list[str]:
    """What the measurement was, and what it taught: each parameter before and after."""
    learning = document["details"].get("learning")
    if not learning:
        return []
    measured = ", ".join(
        tr("{title} {value:g} ± {sd:.2g} {unit}").format(title=_measured_title(document, one["name"]), **one)
        for one in learning["measured"]
    )
    text = tr("Learnt from: {measured}. The result is weighted by it, worth {count:.0f} independent samples.")
    changes = [
        tr("{title}: {before} before, {after} after").format(
            title=f"{one['title']} ({one['unit']})" if one["unit"] else one["title"],
            before=_range(one["prior"]),
            after=_range(one["posterior"]),
        )
        for one in learning["parameters"]
    ]
    return [text.format(measured=measured, count=learning["samples_worth"]), "; ".join(changes)]


def _measured_title(document: Document, name: str) -> str:
    output = document["outputs"].get(name.removeprefix("measured_"))
    return str(output["title"]) if output is not None else name


def _range(values: Document) -> str:
    value, low, high = (amount_text(values[key], 3) for key in ("value", "low", "high"))
    return f"{value} ({low} – {high})"


def _inputs(style: Style, document: Document, width: float) -> Any:
    titles = (tr("Value"), tr("Amount"), tr("Unit"), tr("Where from"))
    cells = [[style.paragraph(title, "head") for title in titles]]
    for known in document["inputs"].values():
        amount = amount_text(known["value"], 4)
        if known["low"] != known["high"]:
            amount += f" ({amount_text(known['low'], 3)} – {amount_text(known['high'], 3)})"
        parts = [ORIGINS[known["origin"]], known["source"], CHECKED[known["checked"]]]
        origin = "; ".join(part for part in parts if part)
        row = (known["title"], _unbroken(amount), _unbroken(known["unit"]), origin)
        cells.append([style.paragraph(text, "legend") for text in row])
    return tables.quiet_table(style, cells, [width * share for share in (0.25, 0.20, 0.12, 0.43)], pad=1.0)


def _source(document: Document) -> list[str]:
    made = document["provenance"]
    at = made["made_at"].replace("T", " ").replace("+00:00", " UTC")
    text = tr("{program}, {tool}, {at}.").format(program=made["program"], tool=made["tool"], at=at)
    return [" ".join([text, "; ".join(made["references"])]).strip()]
