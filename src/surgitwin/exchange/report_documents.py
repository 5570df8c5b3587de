"""From the documents of the `plan` and `stats` commands to parts of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgitwin.core.text import tr
from surgitwin.exchange.report_content import (
    PlanLesion,
    PlanLimit,
    PlanPart,
    Quantity,
    Rgb,
    Status,
    VolumeRow,
    decimal,
    millilitres,
)

Document = Mapping[str, Any]
VESSELS_NAMED = 4
Statuses = tuple[Status, ...]

_SIDES = (("left", "right"), ("posterior", "anterior"), ("superior", "inferior"))
_OBLIQUE = 0.35  # a direction counts as going to a side too once it leans this far that way (about 20 degrees)


def plan_part(
    name: str,
    document: Document,
    statuses: Statuses = (),
    *,
    cuts: Sequence[str] = (),
    notes: str = "",
    approximate: bool = False,
) -> PlanPart:
    """A plan as the report prints it.

    Parameters
    ----------
    document
        What the `plan` command printed; keys that are missing print "not assessed".
    statuses
        Of the plan and so of each of its numbers.
    cuts
        What is cut, in words; see `plane_line`.
    approximate
        True while its cut is being moved; writing such a report is refused.
    """
    cut_off = any(warning["code"] == "organ-cut-off" for warning in document.get("warnings", ()))
    seen = (*statuses, Status.CUT_OFF) if cut_off else statuses

    def volume(key: str) -> Quantity:
        return _marked(millilitres(document.get(key), seen), approximate)

    def number(key: str, unit: str, digits: int) -> Quantity:
        return _marked(Quantity(document.get(key), unit, digits, statuses), approximate)

    figures = [
        (tr("Organ volume"), volume("organ_ml")),
        (tr("Removed"), volume("removed_ml")),
        (tr("Remnant"), volume("remnant_ml")),
    ]
    liver = document.get("flr_percent") is not None or bool(document.get("limits"))
    if liver:
        figures += [
            (tr("Remnant without tumour"), volume("remnant_tumour_free_ml")),
            (tr("Future liver remnant (FLR)"), number("flr_percent", "%", 1)),
            (tr("FLR without tumour"), number("flr_tumour_free_percent", "%", 1)),
            (tr("Standard liver volume"), _standard(document)),
            (tr("Remnant / standard liver volume"), number("remnant_to_standard_percent", "%", 1)),
            (tr("Remnant / body weight"), number("remnant_to_weight_percent", "%", 2)),
        ]
    else:
        figures.append((tr("Remnant / organ"), number("remnant_percent", "%", 1)))
    figures += [
        (tr("Vessels crossed"), _crossed(document.get("crossed_vessels"), statuses)),
        (tr("Loses portal inflow"), volume("devascularised_ml")),
        (tr("Loses venous outflow"), volume("congested_ml")),
        (tr("Loses its artery"), volume("arterial_lost_ml")),
        (tr("Loses its bile duct"), volume("biliary_lost_ml")),
        *_sensitivity(document, statuses),
    ]
    return PlanPart(
        name=name,
        organ=str(document.get("organ") or ""),
        figures=tuple(figures),
        lesions=tuple(_lesion(entry, statuses, approximate) for entry in document.get("lesions", ())),
        limits=tuple(_limit(entry, statuses) for entry in document.get("limits", ())),
        cuts=tuple(cuts),
        statuses=statuses,
        notes=notes,
    )


def _marked(quantity: Quantity, approximate: bool) -> Quantity:
    if not approximate:
        return quantity
    return Quantity(quantity.value, quantity.unit, quantity.digits, quantity.statuses, approximate=True)


def _standard(document: Document) -> Quantity:
    """The standard volume with the formula's name; it has no status: it rests on confirmed height and weight alone."""
    value, formula = document.get("standard_liver_ml"), document.get("standard_liver_formula")
    if value is None:
        return Quantity(None)
    name = str(formula or "").partition(":")[0]
    text = f"{value:.0f}\u00a0ml" + (f" ({name})" if name else "")
    return Quantity(value, "ml", 0, text=text)


def _crossed(vessels: Sequence[Document] | None, statuses: Statuses) -> Quantity:
    """How many vessels the cut crosses, and the thickest of them by name."""
    if vessels is None:
        return Quantity(None)
    thickest = sorted(vessels, key=lambda vessel: -vessel["diameter_mm"])
    named = [f"{v['name'] or tr('unnamed')} {v['diameter_mm']:.1f}\u00a0mm" for v in thickest[:VESSELS_NAMED]]
    more = len(thickest) - len(named)
    if more > 0:
        named.append(tr("{count} more").format(count=more))
    return Quantity(len(thickest), "", 0, statuses, text=", ".join(named) or tr("none"))


def _sensitivity(document: Document, statuses: Statuses) -> list[tuple[str, Quantity]]:
    """How remnant and margin change when the cut or the segmentation is a little off, where that was computed."""
    found = []
    for entry in document.get("sensitivity") or ():
        remnant, margin = entry.get("remnant_percent"), entry.get("margin_mm")
        texts = [f"{remnant:.1f}\u00a0%" if remnant is not None else tr("not assessed")]
        texts.append(f"{margin:.1f}\u00a0mm" if margin is not None else tr("no margin"))
        label = tr("{change}: remnant, smallest margin").format(change=entry["label"])
        found.append((label, Quantity(remnant, "", 1, statuses, text=", ".join(texts))))
    return found


def _lesion(entry: Document, statuses: Statuses, approximate: bool) -> PlanLesion:
    margin, behind = entry.get("margin_mm"), entry.get("left_behind")
    words = ""
    if behind and margin is None:
        words = tr("left behind")
    elif behind:
        words = tr("cut through")
    elif behind is False and margin is None:
        words = tr("removed with all of the organ")
    left = entry.get("left_behind_ml") if behind and margin is not None else None  # of one cut through
    return PlanLesion(
        name=str(entry["name"]),
        volume=millilitres(entry.get("volume_ml"), statuses),
        margin=_marked(Quantity(margin, "mm", 1, statuses, text=words), approximate),
        left_behind=_marked(millilitres(left, statuses), approximate),
        band=_marked(_margin_band(entry, statuses), approximate),
    )


def _margin_band(entry: Document, statuses: Statuses) -> Quantity:
    """Between what the margin lies by the registration's error; nothing for a plan on its own image."""
    low, high = entry.get("margin_low_mm"), entry.get("margin_high_mm")
    if low is not None and high is not None:
        return Quantity(low, "mm", 1, statuses, text=tr("{low:.1f} to {high:.1f} mm").format(low=low, high=high))
    if "margin_low_mm" in entry and entry.get("margin_mm") and not entry.get("left_behind"):
        return Quantity(None, text=tr("registration error not assessed"))
    return Quantity(None)


def _limit(entry: Document, statuses: Statuses) -> PlanLimit:
    notes = [str(entry.get("citation") or ""), str(entry.get("provenance") or "")]
    return PlanLimit(
        id=str(entry["id"]),
        label=str(entry["label"]),
        verdict=entry["verdict"],
        value=Quantity(entry.get("value"), str(entry.get("unit") or ""), 2 if _small(entry) else 1, statuses),
        reason=str(entry.get("reason") or ""),
        note="; ".join(note for note in notes if note),
    )


def _small(entry: Document) -> bool:
    """Limits below 1 % are told apart by their second decimal."""
    return float(entry.get("limit") or 0) < 1


def plane_line(number: str, point_mm: Sequence[float], normal: Sequence[float]) -> str:
    """A plane in words: where it lies, and which side of the patient goes."""
    length = sum(v * v for v in normal) ** 0.5 or 1.0
    unit = [v / length for v in normal]
    towards = [
        tr(sides[0] if value > 0 else sides[1])
        for value, sides in sorted(zip(unit, _SIDES, strict=True), key=lambda pair: -abs(pair[0]))
        if abs(value) > _OBLIQUE
    ]
    text = tr("Plane {number} through {point} mm (LPS), normal {normal}; what lies {towards} of it goes.")
    return text.format(
        number=number,
        point=", ".join(decimal(v, 1) for v in point_mm),
        normal=", ".join(decimal(v, 2) for v in unit),
        towards="-".join(towards),
    )


def volume_row(entry: Document, color: Rgb, statuses: Statuses = ()) -> VolumeRow:
    """A segment's line of the volume table, from its entry in the `stats` document."""
    hu = entry.get("hu") or {}
    unit = "HU" if hu else ""
    return VolumeRow(
        name=str(entry["name"]),
        color=color,
        voxels=millilitres(entry.get("volume_ml"), statuses),
        surface=millilitres(entry.get("surface_volume_ml"), statuses),
        hu=Quantity(hu.get("mean"), unit, 0, statuses, spread=hu.get("sd")),
        cut_off=bool(entry.get("cut_off")),
    )
