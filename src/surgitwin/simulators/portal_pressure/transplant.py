"""A graft in its recipient: the same circulation, the graft as what there is of a whole liver, and more inflow.

Limits are those of the ILTS-iLDLT-LTSI consensus 2023 for grafts of living donors; a remnant after a hepatectomy is
never held against them, nor a graft against those of a remnant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin.core.errors import BadInput
from surgitwin.core.liver_volume import Body, formula
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import PlanNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.base import Known, PlanUse, Quantity, Result, Simulator, Uncertain
from surgitwin.simulators.checks import Check
from surgitwin.simulators.meld import meld_3
from surgitwin.simulators.portal_pressure.from_twin import plan_volumes
from surgitwin.simulators.portal_pressure.params import (
    LIVER,
    MEASURED_BEFORE,
    MODEL,
    OPERATION,
    PortalPressureParams,
)
from surgitwin.simulators.portal_pressure.samples import Kept, sample_patients
from surgitwin.simulators.portal_pressure.simulator import PortalInputs, patient_inputs, predicted
from surgitwin.simulators.sampling import summarise
from surgitwin.simulators.spread import Spread, exactly, normal, uniform

FloatArray = NDArray[np.float64]
RECIPIENT = tr("Recipient")
MELD = tr("MELD 3.0")
SEGMENTATION_SHARE, FORMULA_SHARE = 0.05, 0.10
LEAST_GRWR_PERCENT, LEAST_OF_STANDARD_PERCENT = 0.8, 40.0
LEAST_DONOR_PERCENT = 35.0
STEATOSIS_PERCENT = 30.0
CONSENSUS = "ILTS-iLDLT-LTSI 2023"
LIVING = tr("consensus, grafts of living donors")


class GraftParams(PortalPressureParams):
    """As for a hepatectomy, of the recipient; the graft is given or is what a plan takes from the donor."""

    headings: ClassVar[tuple[str, ...]] = (RECIPIENT, LIVER, MEASURED_BEFORE, MELD, OPERATION, MODEL)

    recipient_weight_kg: Annotated[Uncertain, Quantity(tr("weight"), "kg", 2, 300, group=RECIPIENT)] = None
    recipient_height_cm: Annotated[Uncertain, Quantity(tr("height"), "cm", 40, 230, group=RECIPIENT)] = None
    standard_liver_volume_ml: Annotated[
        Uncertain, Quantity(tr("standard liver volume"), "ml", 100, 4000, group=RECIPIENT)
    ] = None
    graft_volume_ml: Annotated[Uncertain, Quantity(tr("graft"), "ml", 50, 3000, group=LIVER)] = None
    side: Literal["removed", "remnant"] = Field(
        default="removed", description=tr("which part of the donor's plan is the graft")
    )
    steatosis_percent: float | None = Field(
        default=None, ge=0, le=100, description=tr("fat in the graft, percent of the cells")
    )
    blood_factor: Annotated[
        Uncertain,
        Quantity(
            tr("graft weight / (volume × density)"),
            "",
            0.5,
            1.2,
            exactly(1),
            source=tr("blood in the graft counted; 0.85 without it"),
            tag="M",
            group=LIVER,
        ),
    ] = None
    portal_flow_l_min: Annotated[
        Uncertain,
        Quantity(
            tr("portal flow"),
            "L/min",
            0.05,
            6,
            uniform(1.5, 2.5),
            source=tr("usual in recipients with a hyperdynamic circulation"),
            tag="M",
            group=MEASURED_BEFORE,
        ),
    ] = None
    cardiac_output_l_min: Annotated[
        Uncertain,
        Quantity(
            tr("cardiac output"),
            "L/min",
            1,
            20,
            normal(8, 1),
            source=tr("raised in recipients; our own choice of how much"),
            tag="D",
            group=MEASURED_BEFORE,
        ),
    ] = None
    pcg_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("gradient of a whole healthy liver"),
            "mmHg",
            0.5,
            50,
            normal(5, 1),
            source=tr("5 mmHg for each L/min of portal flow, ± 20 %, as in a healthy liver"),
            tag="D",
            relative_to="portal_flow_l_min",
            group=MODEL,
        ),
    ] = None
    bilirubin_mg_dl: float | None = Field(default=None, description=tr("MELD: bilirubin, mg/dl"))
    sodium_mmol_l: float | None = Field(default=None, description=tr("MELD: sodium, mmol/l"))
    inr: float | None = Field(default=None, description=tr("MELD: INR"))
    creatinine_mg_dl: float | None = Field(default=None, description=tr("MELD: creatinine, mg/dl"))
    albumin_g_dl: float | None = Field(default=None, description=tr("MELD: albumin, g/dl"))
    sex: Literal["", "female", "male"] = Field(default="", description=tr("MELD: sex"))
    dialysis: bool = Field(default=False, description=tr("MELD: dialysis twice in the last week"))
    age_years: float | None = Field(default=None, ge=0, le=120, description=tr("MELD: age in years"))


BLOOD = ("bilirubin_mg_dl", "sodium_mmol_l", "inr", "creatinine_mg_dl", "albumin_g_dl")
OWN = ("recipient_weight_kg", "recipient_height_cm", "standard_liver_volume_ml", "graft_volume_ml", "blood_factor")


@dataclass(frozen=True, eq=False)
class GraftInputs(PortalInputs):
    """Attributes
    ----------
    weight
        The recipient's, kg; None if it is not known.
    donor_percent
        What stays in the donor, of the tumour-free liver; None without a plan.
    """

    weight: Known | None = None
    donor_percent: float | None = None


class GraftPressure(Simulator[GraftParams, GraftInputs]):
    """Predicts portal pressure and flow of a graft, and holds its size against what is published."""

    name: ClassVar[str] = "graft-pressure"
    title: ClassVar[str] = tr("Portal pressure of a graft")
    summary: ClassVar[str] = tr("Pressure and flow of a liver graft in its recipient, small-for-size limits, MELD 3.0.")
    references: ClassVar[tuple[str, ...]] = (
        "ILTS-iLDLT-LTSI consensus 2023 (Kow and others)",
        "Kim WR, et al. Gastroenterology 2021;161:1887-1895 (formula read in derived sources)",
        "Audebert C, et al. J Biomech 2017;50:202-207 (recalled)",
    )
    Params = GraftParams
    plan: ClassVar[PlanUse] = "optional"
    light: ClassVar[bool] = True

    @classmethod
    def checks(cls) -> Sequence[Check]:
        from surgitwin.simulators.portal_pressure.transplant_validation import graft_checks

        return graft_checks()

    def gather(self, scene: Scene | None, plan: PlanNode | None, params: GraftParams) -> GraftInputs:
        if params.remnant_fraction is not None:
            raise BadInput(
                tr("A graft's share follows from its volume and the standard liver volume: leave out remnant_fraction.")
            )
        volumes = plan_volumes(scene, plan) if scene is not None and plan is not None else None
        known = params.known()
        graft = known.get("graft_volume_ml")
        if graft is None and volumes is not None:
            ml = volumes.removed_ml if params.side == "removed" else volumes.remnant_ml
            spread = normal(max(ml, 1.0), SEGMENTATION_SHARE * max(ml, 1.0))
            text = tr("plan, ± 5 % for the segmentation")
            graft = replace(_mark(params, "graft_volume_ml", spread, text), origin="twin")
        if graft is None:
            raise BadInput(tr("Give graft_volume_ml, or name the donor's plan with --plan."))
        standard = known.get("standard_liver_volume_ml") or _standard(params, known)
        share = graft.point / standard.point
        if not 0.05 <= share <= 1.5:
            message = tr(
                "A graft of {graft:g} ml is {share:.0f} % of the standard liver volume of {standard:g} ml; 5 to 150 %"
                " can be."
            )
            raise BadInput(message.format(graft=graft.point, share=100 * share, standard=standard.point))
        notices: list[Notice] = []
        inputs = patient_inputs(known, params, notices)
        for name in OWN:
            inputs.pop(name, None)
        inputs["remnant_fraction"] = _share(params, graft, standard)
        inputs["liver_volume_ml"] = replace(standard, name="liver_volume_ml", title=tr("standard liver volume"))
        factor = known["blood_factor"]
        inputs["liver_density_g_ml"] = _weighing(inputs["liver_density_g_ml"], factor)
        kept = Kept(min(share, 1.0))
        return GraftInputs(
            inputs,
            volumes.nodes if volumes is not None else (),
            tuple(notices),
            kept,
            graft=True,
            kept_at_measurement=kept,
            facts={"graft_ml": graft.point, "standard_liver_ml": standard.point, "meld": meld_document(params)},
            weight=known.get("recipient_weight_kg"),
            donor_percent=None
            if volumes is None
            else 100 * (volumes.remnant_ml if params.side == "removed" else volumes.removed_ml) / volumes.whole_ml,
        )

    def solve(self, inputs: GraftInputs, params: GraftParams, ctx: Context) -> Result:
        found = predicted(inputs, params, ctx)
        sizes, samples = _sizes(inputs, params)
        outputs = [*found.outputs, *sizes]
        limits = [*found.thresholds, *_size_limits(inputs, params, {one.name: one for one in sizes}, samples)]
        main = ("pvp_mmhg", "portal_flow_ml_min_100g", "grwr_percent", "gv_slv_percent")
        return replace(found, outputs=outputs, main=main, thresholds=limits)


def _mark(params: GraftParams, name: str, spread: Spread, source: str) -> Known:
    mark = type(params).quantities()[name]
    return Known(name, mark.title, mark.unit, spread, mark.low, mark.high, "derived", spread.centre, source, "D")


def _standard(params: GraftParams, known: Mapping[str, Known]) -> Known:
    """The recipient's standard liver volume by Urata's formula."""
    weight, height = known.get("recipient_weight_kg"), known.get("recipient_height_cm")
    if weight is None or height is None:
        raise BadInput(
            tr("Give standard_liver_volume_ml of the recipient, or recipient_height_cm and recipient_weight_kg.")
        )
    used = formula("urata")
    ml = used.volume_ml(Body(height.point, weight.point))
    source = tr("{name}, from height and weight, ± 10 %").format(name=used.name)
    return _mark(params, "standard_liver_volume_ml", normal(ml, FORMULA_SHARE * ml), source)


def _share(params: GraftParams, graft: Known, standard: Known) -> Known:
    """Graft over standard volume with the spread of both; what is certain stays certain."""
    share = graft.point / standard.point
    relative = np.hypot(_sd(graft.spread) / graft.point, _sd(standard.spread) / standard.point)
    spread = normal(share, float(share * relative)) if relative > 0 else exactly(share)
    found = _mark(params, "remnant_fraction", spread, tr("graft / standard liver volume"))
    return replace(found, high=max(found.high, 2.0), title=tr("graft / standard liver volume"))


def _sd(spread: Spread) -> float:
    if spread.kind == "uniform":
        return (spread.second - spread.first) / float(np.sqrt(12.0))
    return spread.second if spread.kind == "normal" else 0.0


def _weighing(density: Known, factor: Known) -> Known:
    """Grams for each ml in the image: density times the share that is no blood."""
    scale = factor.point
    spread = replace(density.spread, first=density.spread.first * scale, second=density.spread.second * scale)
    return replace(density, spread=spread, point=density.point * scale, low=density.low * 0.5, high=density.high * 1.2)


def _sizes(inputs: GraftInputs, params: GraftParams) -> tuple[list[Any], dict[str, FloatArray]]:
    """Graft to recipient weight, and graft to standard volume, percent."""
    known = inputs.quantities
    share = known["remnant_fraction"].point
    grams = share * known["liver_volume_ml"].point * known["liver_density_g_ml"].point
    weight = inputs.weight
    samples: dict[str, FloatArray] = {}
    if params.samples:
        drawn = sample_patients(known, params.samples, params.seed).drawn
        samples["gv_slv_percent"] = 100 * drawn["remnant_fraction"]
        if weight is not None:
            # The standard volume cancels but for its own spread, which is in the share already.
            heavy = drawn["remnant_fraction"] * known["liver_volume_ml"].point * drawn["liver_density_g_ml"]
            samples["grwr_percent"] = 100 * heavy / (1000 * weight.point)
    ratio = tr("Graft to recipient weight (GRWR)")
    of_standard = tr("Graft to standard liver volume")
    return [
        summarise(
            "grwr_percent",
            ratio,
            "%",
            100 * grams / (1000 * weight.point) if weight is not None else None,
            samples.get("grwr_percent"),
        ),
        summarise("gv_slv_percent", of_standard, "%", 100 * share, samples.get("gv_slv_percent")),
    ], samples


def _size_limits(
    inputs: GraftInputs, params: GraftParams, sizes: Mapping[str, Any], samples: Mapping[str, FloatArray]
) -> list[dict[str, Any]]:
    found = [
        _at_least(sizes["grwr_percent"], LEAST_GRWR_PERCENT, CONSENSUS, LIVING, samples.get("grwr_percent")),
        _at_least(sizes["gv_slv_percent"], LEAST_OF_STANDARD_PERCENT, CONSENSUS, LIVING, samples.get("gv_slv_percent")),
    ]
    if inputs.donor_percent is not None:
        donor = summarise("donor_remnant_percent", tr("Remnant of the donor"), "%", inputs.donor_percent)
        found.append(_at_least(donor, LEAST_DONOR_PERCENT, "Khalil 2021", tr("30 right-lobe donors, Cairo"), None))
    if params.steatosis_percent is not None:
        fat = summarise("steatosis_percent", tr("Fat in the graft"), "%", params.steatosis_percent)
        entry = _entry(fat, STEATOSIS_PERCENT, "Gonzalez 2010", tr("risk factor for a small-for-size syndrome"), "")
        found.append(entry | {"verdict": "reached" if params.steatosis_percent > STEATOSIS_PERCENT else "below"})
    return found


def _entry(output: Any, limit: float, author: str, text: str, population: str) -> dict[str, Any]:
    return {
        "author": author,
        "output": output.name,
        "title": output.title,
        "limit": limit,
        "unit": output.unit,
        "text": text,
        "population": population,
        "cvp_assumed": "",
        "checked": "R",
        "note": "",
        "value": output.value,
        "low": output.low,
        "high": output.high,
        "probability_percent": None,
        "reason": "",
    }


def _at_least(output: Any, limit: float, author: str, population: str, samples: FloatArray | None) -> dict[str, Any]:
    """A size that should be at least ``limit``: ``reached`` is good here, which the text says."""
    entry = _entry(output, limit, author, tr("should be at least this"), population)
    if output.value is None:
        return entry | {"verdict": "not assessed", "reason": tr("the recipient's weight is not known")}
    if samples is not None:
        entry["probability_percent"] = 100.0 * float(np.mean(samples >= limit))
    entry["at_least"] = True
    if output.low is not None and output.low < limit <= output.high:
        return entry | {"verdict": "uncertain"}
    return entry | {"verdict": "reached" if output.value >= limit else "below"}


def meld_document(params: GraftParams) -> dict[str, Any] | None:
    """MELD 3.0 of the recipient; None if none of its values was given.

    Raises
    ------
    BadInput
        If only some of the values were given.
    """
    given = {name: getattr(params, name) for name in BLOOD}
    if all(value is None for value in given.values()) and not params.sex:
        return None
    missing = [name for name, value in given.items() if value is None] + ([] if params.sex else ["sex"])
    if missing:
        raise BadInput(tr("MELD 3.0 also needs {missing}.").format(missing=", ".join(missing)))
    found = meld_3(**given, female=params.sex == "female", dialysis=params.dialysis, age_years=params.age_years)
    return {
        "score": found.score,
        "exact": found.exact,
        "source": "Kim 2021",
        "note": tr("bounds of the values but creatinine's are recalled, not checked against the paper"),
    }
