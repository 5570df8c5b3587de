"""What a report says, as plain data: no scene, no window, nothing that could change while it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

Verdict = Literal["meets", "below", "not assessed"]
Rgb = tuple[int, int, int]


class Status(StrEnum):
    """What a reader must know of a number before trusting it; printed beside the number."""

    DRAFT = "draft"
    STALE = "stale"
    SIMULATED = "simulated"
    AUTOMATIC = "automatic"
    CUT_OFF = "cut-off"

    @property
    def label(self) -> str:
        return {
            Status.DRAFT: tr("DRAFT"),
            Status.STALE: tr("STALE"),
            Status.SIMULATED: tr("SIMULATED"),
            Status.AUTOMATIC: tr("AUTOMATIC"),
            Status.CUT_OFF: tr("CUT OFF"),
        }[self]

    @property
    def meaning(self) -> str:
        return {
            Status.DRAFT: tr("no person has reviewed it yet"),
            Status.STALE: tr("something it was computed from has changed since"),
            Status.SIMULATED: tr("computed by a model, not measured"),
            Status.AUTOMATIC: tr("made by an algorithm, not drawn or corrected by a person"),
            Status.CUT_OFF: tr("the image ends within the structure, so part of it may be missing"),
        }[self]


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, decimals and status.

    Attributes
    ----------
    value
        None prints "not assessed", never 0.
    spread
        Printed after ±.
    text
        Printed in place of the number where words say it better, such as "left behind".
    approximate
        True while a cut is being dragged; such a number is refused, never printed.
    better
        True for the better value of a row of plans; printed with a tick.
    """

    value: float | None
    unit: str = ""
    digits: int = 1
    statuses: tuple[Status, ...] = ()
    spread: float | None = None
    text: str = ""
    approximate: bool = False
    better: bool = False

    def formatted(self) -> str:
        """Number and unit as printed, with no-break spaces."""
        tick = "✓\u00a0" if self.better else ""
        return tick + self._formatted()

    def _formatted(self) -> str:
        if self.text:
            return self.text
        if self.value is None or not math.isfinite(self.value):
            return tr("not assessed")
        number = decimal(self.value, self.digits)
        if self.spread is not None and math.isfinite(self.spread):
            number += f" ± {decimal(self.spread, self.digits)}"
        return f"{number} {self.unit}".strip().replace(" ", "\u00a0")

    @property
    def assessed(self) -> bool:
        return bool(self.text) or self.value is not None


def decimal(value: float, digits: int) -> str:
    """A number with a decimal point, a true minus sign and no negative zero."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\u2212")


def millilitres(value: float | None, statuses: tuple[Status, ...] = ()) -> Quantity:
    """A volume to 1 ml, small ones to 0.1 ml."""
    return Quantity(value, "ml", 0 if value is not None and abs(value) >= 10 else 1, statuses)


@dataclass(frozen=True)
class PatientLine:
    """Who the patient is; only in a report that was asked to name the patient."""

    name: str
    patient_id: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True)
class Study:
    """One study that the report rests on; empty text means unknown."""

    date: str = ""
    phase: str = ""
    modality: str = ""
    description: str = ""


@dataclass(frozen=True)
class LegendEntry:
    """A colour in a picture and what it stands for; ``line`` for what is drawn as a line, such as a cut."""

    color: Rgb
    label: str
    line: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture of the twin."""

    png: bytes = field(repr=False)
    caption: str
    kind: Literal["3d", "slice"] = "slice"
    legend: tuple[LegendEntry, ...] = ()


@dataclass(frozen=True)
class VolumeRow:
    """One structure of the volume table."""

    name: str
    color: Rgb
    voxels: Quantity
    surface: Quantity
    hu: Quantity
    cut_off: bool = False


@dataclass(frozen=True)
class PlanLesion:
    """A lesion under a plan: its volume, its margin (or the words in its place), and what stays behind.

    Attributes
    ----------
    band
        Between what the margin lies by the error of the registration; nothing for a plan on its own image.
    """

    name: str
    volume: Quantity
    margin: Quantity
    left_behind: Quantity
    band: Quantity = Quantity(None)


@dataclass(frozen=True)
class PlanLimit:
    """A published limit held against a plan.

    Attributes
    ----------
    label
        The limit with the ratio and the population it was published for.
    value
        The plan's own ratio.
    reason
        Why it was not assessed.
    note
        Source, and what of it was recalled.
    """

    id: str
    label: str
    verdict: Verdict
    value: Quantity
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class PlanPart:
    """One plan; several are printed side by side.

    Attributes
    ----------
    figures
        Label and number, in the order to print; plans are lined up by their labels.
    cuts
        What is cut, in words, one line each.
    """

    name: str
    organ: str
    figures: tuple[tuple[str, Quantity], ...]
    lesions: tuple[PlanLesion, ...] = ()
    limits: tuple[PlanLimit, ...] = ()
    cuts: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    notes: str = ""


@dataclass(frozen=True)
class ReportWarning:
    """A sentence that a reader must see, and what it is about."""

    about: str
    message: str


@dataclass(frozen=True)
class ProvenanceRow:
    """Where something in the report came from."""

    what: str
    made_by: str
    revision: str = ""
    version: str = ""
    date: str = ""


@dataclass(frozen=True)
class SimulationPart:
    """What a simulator found, as the document that its command prints.

    Attributes
    ----------
    patient
        Results of the same text differ by their plans alone, and share a curve; without one a result stands alone.
    """

    title: str
    document: Mapping[str, Any]
    statuses: tuple[Status, ...] = (Status.SIMULATED,)
    patient: str = ""


@dataclass(frozen=True)
class MeasurementRow:
    """One measurement: what was measured, its value, and how."""

    name: str
    kind: str
    value: Quantity
    how: str
    of: str = ""
    statuses: tuple[Status, ...] = ()


@dataclass(frozen=True)
class PrintRow:
    """A file for a printer that a person accepted: what is in it, how it is printed, and how far it deviates."""

    file: str
    parts: str
    process: str
    deviation: str
    accepted: str
    sha256: str
    statuses: tuple[Status, ...] = ()


@dataclass(frozen=True)
class ImplantRow:
    """One implant that was placed: what and whose it is, where it lies (LPS), and how it fits.

    Attributes
    ----------
    maker
        With the words that must stand with it, such as "generic, not a product".
    fit
        Empty if no fit was computed.
    """

    name: str
    what: str
    maker: str
    material: str
    place: str
    fit: str = ""
    statuses: tuple[Status, ...] = ()


@dataclass(frozen=True)
class ReportContent:
    """Everything a report says.

    Attributes
    ----------
    case
        The pseudonym; the only name on the pages unless ``patient`` is given.
    patient
        None unless the user asked for a report that names the patient.
    created
        Date and time of the report, ISO, as printed.
    facts
        More lines for the head: label and text, such as the confirmed height and weight.
    """

    case: str
    created: str
    title: str = ""
    author: str = ""
    patient: PatientLine | None = None
    studies: tuple[Study, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    plans: tuple[PlanPart, ...] = ()
    simulations: tuple[SimulationPart, ...] = ()
    measurements: tuple[MeasurementRow, ...] = ()
    implants: tuple[ImplantRow, ...] = ()
    prints: tuple[PrintRow, ...] = ()
    pictures: tuple[Picture, ...] = ()
    volumes: tuple[VolumeRow, ...] = ()
    warnings: tuple[ReportWarning, ...] = ()
    provenance: tuple[ProvenanceRow, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    notes: str = ""

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Every number of the report with where it stands."""
        for row in self.volumes:
            yield from ((row.name, q) for q in (row.voxels, row.surface, row.hu))
        yield from ((row.name, row.value) for row in self.measurements)
        for plan in self.plans:
            yield from ((f"{plan.name}: {label}", q) for label, q in plan.figures)
            for lesion in plan.lesions:
                yield from ((f"{plan.name}: {lesion.name}", q) for q in (lesion.volume, lesion.margin))
                yield f"{plan.name}: {lesion.name}", lesion.left_behind
            yield from ((f"{plan.name}: {limit.label}", limit.value) for limit in plan.limits)

    def statuses(self) -> tuple[Status, ...]:
        """The statuses that occur, in the order of `Status`."""
        found = {status for _, quantity in self.quantities() for status in quantity.statuses}
        found |= {status for plan in self.plans for status in plan.statuses}
        found |= {status for one in self.simulations for status in one.statuses}
        found |= {status for row in self.measurements for status in row.statuses}
        found |= {Status.CUT_OFF for row in self.volumes if row.cut_off}
        return tuple(status for status in Status if status in found)

    def check(self) -> None:
        """Refuse what must never be printed.

        Raises
        ------
        BadInput
            If a number is approximate, because its cut is still being moved.
        """
        for where, quantity in self.quantities():
            if quantity.approximate:
                message = tr("“{where}” is still approximate (≈). Let go of the cut, then write the report.")
                raise BadInput(message.format(where=where))
