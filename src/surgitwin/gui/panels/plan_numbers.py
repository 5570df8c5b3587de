"""The numbers of a plan as they decide: large cards, what the vessels lose, and the published limits."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from surgitwin.commands.comparing import margin_band, smallest_margin
from surgitwin.core.text import tr
from surgitwin.gui.live_pressure import Pressure
from surgitwin.gui.panels.parts import grouped, note_label, value_row
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.widgets.cards import DecisionCard, Status, Verdict

NOT_ASSESSED = tr("not assessed")
ALWAYS_BELOW_MM = 1.0
SHOWN_VESSELS = 6
LEAST_LOST_ML = 0.5  # less reads 0 ml
_ROWS = (
    ("organ", tr("Organ")),
    ("slv", tr("Remnant / standard volume")),
    ("weight", tr("Remnant / body weight")),
    ("inflow", tr("Loses portal inflow")),
    ("outflow", tr("Loses venous outflow")),
    ("artery", tr("Loses its artery")),
    ("ducts", tr("Loses its bile duct")),
    ("vessels", tr("Vessels crossed")),
)
_LOST = (
    ("inflow", "devascularised_ml"),
    ("outflow", "congested_ml"),
    ("artery", "arterial_lost_ml"),
    ("ducts", "biliary_lost_ml"),
)


class PlanNumbersView(QWidget):
    """Filled for every mouse event while a cut is dragged."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 4)
        column.setSpacing(8)
        grid = QGridLayout()
        grid.setSpacing(8)
        self.remnant_card = DecisionCard(theme, tr("Remnant"))
        self.removed_card = DecisionCard(theme, tr("Removed"))
        self.margin_card = DecisionCard(theme, tr("Smallest margin"))
        self.lesion_card = DecisionCard(theme, tr("Lesions left behind"))
        self.pressure_card = DecisionCard(theme, tr("Portal pressure after"))
        self.outflow_card = DecisionCard(theme, tr("Loses outflow"))
        self.cards = (
            self.remnant_card,
            self.pressure_card,
            self.margin_card,
            self.lesion_card,
            self.removed_card,
            self.outflow_card,
        )
        for number, card in enumerate(self.cards):
            card.setFixedWidth(140)
            grid.addWidget(card, number // 2, number % 2)
        column.addLayout(grid)
        self.rows: dict[str, QLabel] = {}
        for key, title in _ROWS:
            line, self.rows[key] = value_row(title, NOT_ASSESSED)
            column.addWidget(line)
        self.crossed = note_label("")
        column.addWidget(self.crossed)
        self.limits_title = QLabel(tr("Published limits").upper())
        self.limits_title.setFont(theme.font("font-small"))
        set_role(self.limits_title, "section")
        self.limits = note_label("")
        column.addWidget(self.limits_title)
        column.addWidget(self.limits)

    def show_liver(self, liver: bool) -> None:
        """Limits, portal pressure and outflow are for livers only."""
        for widget in (self.limits_title, self.limits, self.pressure_card, self.outflow_card):
            widget.setVisible(liver)

    def show_pressure(self, pressure: Pressure | None, reason: str) -> None:
        """The portal pressure to expect, or why there is none; follows the hand."""
        if pressure is None:
            self.pressure_card.set_value(None, detail=reason)
            return
        detail = tr("SIMULATED, 90 %: {low:.1f} to {high:.1f}, CVP {cvp} before")
        self.pressure_card.set_value(
            f"{pressure.value:.1f}",
            "mmHg",
            detail.format(low=pressure.low, high=pressure.high, cvp=pressure.cvp),
            (Status.APPROXIMATE,) if pressure.approximate else (),
            pressure_verdict(pressure),
        )

    def show_document(
        self, document: dict[str, Any] | None, statuses: tuple[Status, ...], wish_mm: float | None = None
    ) -> None:
        if document is None:
            for card in self.cards:
                card.set_value(None)
            for label in self.rows.values():
                label.setText(NOT_ASSESSED)
            self.crossed.setText("")
            self.limits.setText("")
            return
        self._show_remnant(document, statuses)
        self.removed_card.set_value(grouped(document["removed_ml"]), tr("ml"), "", statuses)
        self._show_margin(document, statuses, wish_mm)
        self._show_outflow(document, statuses)
        self.rows["organ"].setText(f"{grouped(document['organ_ml'])} ml")
        slv, weight = document.get("remnant_to_standard_percent"), document.get("remnant_to_weight_percent")
        self.rows["slv"].setText(f"{slv:.1f} %" if slv is not None else NOT_ASSESSED)
        self.rows["weight"].setText(f"{weight:.2f} %" if weight is not None else NOT_ASSESSED)
        self._show_vessels(document)
        self.limits.setText(limits_text(document))

    def _show_outflow(self, document: dict[str, Any], statuses: tuple[Status, ...]) -> None:
        """What of the remnant loses its hepatic vein."""
        lost, remnant = document.get("congested_ml"), document["remnant_ml"]
        if lost is None:
            self.outflow_card.set_value(None, detail=tr("no tree of the hepatic veins"))
            return
        share = 100 * lost / remnant if remnant > 0 else 0.0
        verdict = Verdict("good", tr("all of it is drained"))
        if lost >= LEAST_LOST_ML:
            text = tr("{share:.0f} % of the remnant") if share >= 1 else tr("under 1 % of the remnant")
            verdict = Verdict("caution", text.format(share=share))
        self.outflow_card.set_value(grouped(lost), tr("ml"), "", statuses, verdict)

    def _show_vessels(self, document: dict[str, Any]) -> None:
        """What the remnant loses, and what the cut crosses; the shape of a mark says that it is a loss."""
        for key, name in _LOST:
            lost = document.get(name)
            if lost is None:
                text = NOT_ASSESSED
            else:
                text = f"⚠ {lost:.1f} ml" if lost >= 0.05 else tr("nothing")
            self.rows[key].setText(text)
        crossed = document.get("crossed_vessels")
        self.rows["vessels"].setText(NOT_ASSESSED if crossed is None else str(len(crossed)))
        self.crossed.setText(crossed_text(crossed or []))
        self.crossed.setVisible(bool(crossed))

    def _show_remnant(self, document: dict[str, Any], statuses: tuple[Status, ...]) -> None:
        percent = document["flr_percent"]
        liver = percent is not None
        if percent is None:
            percent = document["remnant_percent"]
        self.remnant_card.set_title(tr("Future liver remnant") if liver else tr("Remnant"))
        detail = tr("{part} of {whole} ml").format(
            part=grouped(document["remnant_ml"]), whole=grouped(document["organ_ml"])
        )
        free = document["flr_tumour_free_percent"]
        if free is not None and document["lesions"]:
            detail += "\n" + tr("tumour-free {percent:.1f} %").format(percent=free)
        if percent is None:
            text = grouped(document["remnant_ml"])
            verdict = Verdict("caution", tr("cut off by the image"))
            self.remnant_card.set_value(text, tr("ml"), detail, statuses, verdict)
        else:
            self.remnant_card.set_value(f"{percent:.1f}", "%", detail, statuses, worst_verdict(document))

    def _show_margin(self, document: dict[str, Any], statuses: tuple[Status, ...], wish_mm: float | None) -> None:
        lesions = document["lesions"]
        behind = [lesion for lesion in lesions if lesion["left_behind"]]
        margin = smallest_margin(document)
        if not lesions:
            self.margin_card.set_value(None, detail=tr("no lesion is marked"))
            self.lesion_card.set_value(None, detail=tr("no lesion is marked"))
            return
        removed = [lesion for lesion in lesions if not lesion["left_behind"]]
        name = next((x["name"] for x in removed if margin is not None and x["margin_mm"] == margin), "")
        text = f"{margin:.1f}" if margin is not None else None
        band = margin_band(document)
        if band is not None:
            name += "\n" + tr("{low:.1f} to {high:.1f} mm by registration").format(low=band[0], high=band[1])
        elif document.get("registration") and margin:
            name += "\n" + tr("registration error not assessed")
        if margin is None:
            name = tr("no lesion is removed whole") if behind else name
        self.margin_card.set_value(text, tr("mm"), name, statuses, margin_verdict(margin, wish_mm))
        through = [lesion["name"] for lesion in behind if lesion["margin_mm"] == 0]
        if through:
            judged: Verdict | None = Verdict("bad", tr("cut through: {names}").format(names=", ".join(through)))
        elif behind:
            names = ", ".join(lesion["name"] for lesion in behind)
            judged = Verdict("bad", tr("left: {names}").format(names=names))
        else:
            judged = Verdict("good", tr("all are removed"))
        count = tr("of {count}").format(count=len(lesions))
        self.lesion_card.set_value(str(len(behind)), count, "", statuses, judged)


def pressure_verdict(pressure: Pressure) -> Verdict:
    """Where the interval stands against the lowest published limit of PVP after a hepatectomy."""
    from surgitwin.simulators.portal_pressure.limits import LIMITS

    limits = [x for x in LIMITS if x.output == "pvp_mmhg" and x.setting == "hepatectomy"]
    lowest = min(limits, key=lambda limit: limit.limit)
    values = {"limit": lowest.limit, "author": lowest.author}
    if pressure.value >= lowest.limit:
        return Verdict("bad", tr("reaches {limit:g} mmHg: {author}").format(**values))
    if pressure.high >= lowest.limit:
        return Verdict("caution", tr("may reach {limit:g} mmHg: {author}").format(**values))
    return Verdict("good", tr("below {limit:g} mmHg: {author}").format(**values))


def margin_verdict(margin_mm: float | None, wish_mm: float | None) -> Verdict | None:
    """Below 1 mm is always marked; a wish is judged only if there is one."""
    if margin_mm is None:
        return None
    if margin_mm < ALWAYS_BELOW_MM:
        return Verdict("bad", tr("below 1 mm"))
    if wish_mm is None:
        return None
    if margin_mm < wish_mm:
        return Verdict("bad", tr("below the wish of {wish:g} mm").format(wish=wish_mm))
    return Verdict("good", tr("wish of {wish:g} mm met").format(wish=wish_mm))


def crossed_text(crossed: list[dict[str, Any]]) -> str:
    """The vessels that the cut crosses, the thickest first."""
    ordered = sorted(crossed, key=lambda vessel: -vessel["diameter_mm"])
    lines = [
        tr("{name}: {diameter:.1f} mm").format(
            name=vessel["name"] or tr("unnamed branch"), diameter=vessel["diameter_mm"]
        )
        for vessel in ordered[:SHOWN_VESSELS]
    ]
    if len(ordered) > SHOWN_VESSELS:
        lines.append(tr("and {count} thinner ones").format(count=len(ordered) - SHOWN_VESSELS))
    return "\n".join(lines)


def limits_text(document: dict[str, Any]) -> str:
    """Each published limit in a line: shape, what was compared, for whom it holds."""
    marks = {"meets": "✓", "below": "✕"}
    limits = document.get("limits", [])
    lines = [
        tr("{mark} {value} {unit}: {verdict}, {label}").format(mark=marks[limit["verdict"]], **_texts(limit))
        for limit in limits
        if limit["verdict"] in marks
    ]
    reasons: dict[str, list[str]] = {}
    for limit in limits:
        if limit["verdict"] not in marks:
            reasons.setdefault(limit["reason"], []).append(limit["author"])
    for reason, authors in reasons.items():
        lines.append(
            tr("– not assessed, {reason} ({authors})").format(reason=reason, authors=", ".join(dict.fromkeys(authors)))
        )
    return "\n".join(lines) or tr("not assessed")


def _texts(limit: dict[str, Any]) -> dict[str, Any]:
    digits = 2 if limit["limit"] < 1 else 1  # limits below 1 % are told apart by their second decimal
    return {"value": f"{limit['value']:.{digits}f}", **{key: limit[key] for key in ("unit", "verdict", "label")}}


def worst_verdict(document: dict[str, Any]) -> Verdict | None:
    """The most serious of the assessed limits."""
    assessed = [limit for limit in document.get("limits", []) if limit["verdict"] != "not assessed"]
    if not assessed:
        return None
    below = [limit for limit in assessed if limit["verdict"] == "below"]
    chosen = (below or assessed)[0]
    text = tr("below {limit:g} {unit}: {author}") if below else tr("above {limit:g} {unit}: {author}")
    text = text.format(limit=chosen["limit"], unit=chosen["unit"], author=chosen["author"])
    return Verdict("bad" if below else "good", text)
