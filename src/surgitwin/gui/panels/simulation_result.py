"""What a simulator found: the numbers that decide, limits, what drives them, and what was assumed."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from surgitwin.core.numbers_in_words import chance_text, number_text
from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import WarningList, note_label
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.cards import DecisionCard, Status, Verdict
from surgitwin.gui.widgets.sections import Section
from surgitwin.simulators.base import ORIGIN_TEXTS

Document = dict[str, Any]
CARDS = 4
LONGEST_UNIT = 7
MARKS = ("✕", "▲", "✓", "–")  # bad, uncertain, good, not assessed
VERDICTS = {
    "below": tr("{title} below {limit:g} {unit}"),
    "reached": tr("{title} reaches {limit:g} {unit}"),
    "uncertain": tr("{title} may reach {limit:g} {unit}"),
    "not assessed": tr("{title} against {limit:g} {unit}: not assessed"),
}
CHECKED = {
    "R": "",
    "M": tr("recalled, not checked against the paper"),
    "D": tr("our own choice"),
}


class SimulationResult(QWidget):
    """Filled from the document of any simulator."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 4)
        column.setSpacing(8)
        self._grid = QGridLayout()
        self._grid.setSpacing(8)
        self.cards = [DecisionCard(theme, "") for _ in range(CARDS)]
        for number, card in enumerate(self.cards):
            card.setFixedWidth(140)
            self._grid.addWidget(card, number // 2, number % 2)
        column.addLayout(self._grid)
        self.rigid = note_label()
        column.addWidget(self.rigid)
        self.warnings = WarningList(theme)
        column.addWidget(self.warnings)
        self.charts = QVBoxLayout()
        column.addLayout(self.charts)
        self.sections: dict[str, Section] = {}
        self.texts: dict[str, Any] = {}
        for key, title, opened in (
            ("limits", tr("Published limits"), True),
            ("all", tr("All results"), False),
            ("drivers", tr("What drives it"), False),
            ("learning", tr("What the measurement taught"), True),
            ("inputs", tr("What went in"), False),
            ("source", tr("Where it comes from"), False),
        ):
            section = Section(theme, title, opened=opened)
            self.texts[key] = note_label()
            section.body.addWidget(self.texts[key])
            self.sections[key] = section
            column.addWidget(section)

    def show_document(self, document: Document | None, statuses: tuple[Status, ...]) -> None:
        """Show a result; None hides everything."""
        self.setVisible(document is not None)
        if document is None:
            return
        self._show_cards(document, statuses)
        self.rigid.setText(rigid_text(document))
        self.rigid.setVisible(bool(self.rigid.text()))
        self.warnings.show_warnings([(entry["message"], None) for entry in document["warnings"]])
        texts = {
            "limits": limits_text(document),
            "all": outputs_text(document),
            "drivers": drivers_text(document),
            "learning": learning_text(document),
            "inputs": inputs_text(document),
            "source": source_text(document),
        }
        for key, text in texts.items():
            self.texts[key].setText(text)
            self.sections[key].setVisible(bool(text))

    def _show_cards(self, document: Document, statuses: tuple[Status, ...]) -> None:
        names = [name for name in document["main"] if name in document["outputs"]][:CARDS]
        for card, name in zip(self.cards, [*names, *[""] * CARDS], strict=False):
            card.setVisible(bool(name))
            if not name:
                continue
            output = document["outputs"][name]
            card.set_title(output["title"])
            shown = number_text(output["value"]) if output["value"] is not None else None
            long = len(output["unit"]) > LONGEST_UNIT  # beside the number there is no room for it
            card.set_value(
                shown,
                "" if long else output["unit"],
                card_detail(output, document),
                statuses,
                verdict_of(document, name),
            )


def card_detail(output: Document, document: Document) -> str:
    """What stands below a number that decides: that it is simulated, its interval, and the CVP that was assumed."""
    parts = [output["unit"]] if len(output["unit"]) > LONGEST_UNIT else []
    parts += [tr("SIMULATED"), interval_text(output)]
    cvp = document["inputs"].get("cvp_mmhg")
    if cvp is not None and output["unit"] == "mmHg":
        parts.append(tr("CVP {value} before").format(value=cvp["spread"]))
    return ", ".join(parts)


def interval_text(output: Document) -> str:
    if output["low"] is None:
        return tr("point value, no interval")
    return tr("90 %: {low} to {high}").format(low=number_text(output["low"]), high=number_text(output["high"]))


def verdict_of(document: Document, name: str) -> Verdict | None:
    """The most serious limit of an output, with how likely it is reached."""
    judged = [x for x in document["thresholds"] if x["output"] == name and x["limit"] is not None]
    judged = [entry for entry in judged if entry["verdict"] != "not assessed"]
    if not judged:
        return None
    worst = min(judged, key=lambda entry: (_seriousness(entry), entry["limit"]))
    if worst.get("at_least"):
        return size_verdict(worst)
    chance = worst["probability_percent"]
    values = {"limit": worst["limit"], "unit": worst["unit"], "author": worst["author"]}
    if worst["verdict"] == "reached":
        return Verdict("bad", tr("reaches {limit:g} {unit}: {author}").format(**values))
    if chance is None:
        return Verdict("good", tr("below {limit:g} {unit}: {author}").format(**values))
    text = tr("{chance} chance of {limit:g} {unit}: {author}").format(chance=chance_text(chance), **values)
    return Verdict("caution" if worst["verdict"] == "uncertain" else "good", text)


def size_verdict(limit: Document) -> Verdict:
    """A size that should be at least the limit."""
    values = {"limit": limit["limit"], "unit": limit["unit"], "author": limit["author"]}
    if limit["verdict"] == "below":
        return Verdict("bad", tr("below {limit:g} {unit}: {author}").format(**values))
    if limit["verdict"] == "uncertain":
        return Verdict("caution", tr("may be below {limit:g} {unit}: {author}").format(**values))
    return Verdict("good", tr("at least {limit:g} {unit}: {author}").format(**values))


def _seriousness(limit: Document) -> int:
    """0 is bad, 1 uncertain, 2 good, 3 not assessed."""
    order = {"reached": 0, "uncertain": 1, "below": 2, "not assessed": 3}
    if limit.get("at_least"):
        order |= {"reached": 2, "below": 0}
    return order[limit["verdict"]]


def rigid_text(document: Document) -> str:
    """The conservative result beside the shown one, and the one with congested remnant counted."""
    details = document["details"]
    lines = []
    for key, text in (
        ("rigid", tr("Rigid portal tree (conservative), {title}: {value} {unit}, {interval}")),
        ("congested_counted", tr("Congested remnant counted, {title}: {value} {unit}, {interval}")),
    ):
        variant = details.get(key) or {}
        for one in (variant[name] for name in document["main"][:2] if name in variant):
            shown = {"title": one["title"], "value": number_text(one["value"]), "unit": one["unit"]}
            lines.append(text.format(**shown, interval=interval_text(one)))
    return "\n".join(lines)


def limits_text(document: Document) -> str:
    """Each limit in a line: shape, what was compared, for whom it holds, which CVP was assumed."""
    lines = []
    for limit in document["thresholds"]:
        mark = MARKS[_seriousness(limit)]
        if limit["limit"] is None:
            lines.append(f"{mark} {limit['title']}: {limit['text']}")
            continue
        verdict = VERDICTS[limit["verdict"]].format(**limit)
        line = tr("{mark} {verdict}: {text} ({author}; {population}).").format(
            **{**limit, "mark": mark, "verdict": verdict}
        )
        if limit["probability_percent"] is not None:
            line += " " + tr("Reached in {chance} of samples.").format(chance=chance_text(limit["probability_percent"]))
        lines.append(line + (f" [{limit['note']}]" if limit.get("note") else ""))
    meld = document["details"].get("meld")
    if meld:
        lines.append(tr("MELD 3.0: {score} ({source}; {note}).").format(**meld))
    assumed = {limit["cvp_assumed"] for limit in document["thresholds"] if limit.get("cvp_assumed")}
    risk = document["details"].get("risk")
    if risk and risk["value_percent"] is not None:
        low, high = risk["value_percent"]
        text = tr("{source}: at this pressure {low:.0f} to {high:.0f} % ({text}).")
        lines.append(text.format(low=low, high=high, source=risk["source"], text=risk["text"]))
    return "\n".join([*lines, *(f"– {text}" for text in sorted(assumed))])


def outputs_text(document: Document) -> str:
    lines = []
    for output in document["outputs"].values():
        interval = f" ({interval_text(output)})" if output["low"] is not None else ""
        value = number_text(output["value"])
        unit = output["unit"] if output["value"] is not None else ""
        lines.append(f"{output['title']}: {value} {unit}{interval}".replace("  ", " "))
    return "\n".join(lines)


def drivers_text(document: Document) -> str:
    main = document["main"][0] if document["main"] else ""
    lines = [
        tr("{share:.0f} %: {title} ({way})").format(
            share=driver["share_percent"],
            title=driver["title"],
            way=tr("more of it, more pressure") if driver["direction"] == "+" else tr("more of it, less"),
        )
        if main == "pvp_mmhg"
        else tr("{share:.0f} %: {title}").format(share=driver["share_percent"], title=driver["title"])
        for driver in document["drivers"]
        if driver["output"] == main
    ]
    return "\n".join(lines)


def learning_text(document: Document) -> str:
    """Prior and posterior of each parameter."""
    learning = document["details"].get("learning")
    if not learning:
        return ""
    lines = [
        tr("Measured: {name} {value:g} ± {sd:.2g} {unit}").format(**one).replace("measured_", "")
        for one in learning["measured"]
    ]
    text = tr("{title}: {before} → {after}")
    for one in learning["parameters"]:
        before, after = (_range(one[key]) for key in ("prior", "posterior"))
        lines.append(text.format(title=one["title"], before=before, after=after))
    lines.append(tr("Worth {count:.0f} independent samples.").format(count=learning["samples_worth"]))
    return "\n".join(lines)


def _range(values: Document) -> str:
    return f"{values['value']:.3g} ({values['low']:.3g}–{values['high']:.3g})"


def inputs_text(document: Document) -> str:
    """Every value with where it comes from; assumed ones first, for they are what could be measured."""
    order = {"prior": 0, "given": 1, "twin": 2, "derived": 3}
    lines = []
    for known in sorted(document["inputs"].values(), key=lambda known: order[known["origin"]]):
        source = "; ".join(part for part in (known["source"], CHECKED[known["checked"]]) if part)
        shown = known["spread"] if not known["relative_to"] else f"{known['value']:.3g}"
        text = f"{known['title']}: {shown} {known['unit']} · {ORIGIN_TEXTS[known['origin']]}".replace("  ", " ")
        lines.append(text + (f" ({source})" if source else ""))
    return "\n".join(lines)


def source_text(document: Document) -> str:
    made = document["provenance"]
    lines = [f"{made['program']}, {made['tool']}", made["made_at"], *made["references"]]
    return "\n".join(lines)
