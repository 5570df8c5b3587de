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
from surgitwin.simulators.portal_pressure.from_twin import PlanVolumes, plan_volumes
from surgitwin.simulators.portal_pressure.graft_size import ratios, size_limits, size_outputs, size_samples
from surgitwin.simulators.portal_pressure.params import (
    LEARNING,
    LIVER,
    MEASURED_BEFORE,
    MODEL,
    OPERATION,
    PortalPressureParams,
)
from surgitwin.simulators.portal_pressure.samples import Kept, after_operation, sample_patients
from surgitwin.simulators.portal_pressure.simulator import PortalInputs, measurements, patient_inputs, predicted
from surgitwin.simulators.spread import Spread, exactly, normal, uniform

FloatArray = NDArray[np.float64]

RECIPIENT = tr("Recipient")
MELD = tr("MELD 3.0")
SEGMENTATION_SHARE, FORMULA_SHARE = 0.05, 0.10
LIGHTEST_ADULT_KG = 40.0


class GraftParams(PortalPressureParams):
    """As for a hepatectomy, of the recipient; the graft is given or is what a plan takes from the donor."""

    headings: ClassVar[tuple[str, ...]] = (RECIPIENT, LIVER, MEASURED_BEFORE, OPERATION, LEARNING, MODEL)

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
    pvp_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("PVP of a whole healthy liver, not the recipient's"),
            "mmHg",
            1,
            30,
            group=MODEL,
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
OF_ADULTS = ("map_mmhg", "cvp_mmhg", "cardiac_output_l_min", "portal_flow_l_min")
AGAINST_WHOLE = {
    "pvp_rise_mmhg": tr("Portal pressure above that of a whole healthy liver here"),
    "wall_shear_ratio": tr("Wall shear against a whole healthy liver here"),
}
"""What is against before the operation after a hepatectomy; before it, a recipient has another liver."""
NOT_FOR_GRAFTS = {
    "remnant_fraction": tr("the graft's share follows from graft_volume_ml and the standard liver volume"),
    "measured_remnant_fraction": tr("what is measured after reperfusion is measured with the graft as it is"),
    "liver_volume_ml": tr("give standard_liver_volume_ml, and the graft as graft_volume_ml"),
    "portal_open_fraction": tr("all of a graft has portal flow"),
    "portal_occluded": tr("all of a graft has portal flow"),
    "hvpg_mmhg": tr("the recipient's HVPG is that of the liver that is taken out"),
}
"""Settings of the hepatectomy that would be misread here, and why."""


@dataclass(frozen=True, eq=False)
class GraftInputs(PortalInputs):
    """Attributes
    ----------
    donor_percent
        What stays in the donor, of the tumour-free liver; None without a plan.
    """

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
        for name, reason in NOT_FOR_GRAFTS.items():
            if getattr(params, name) not in (None, ""):
                raise BadInput(tr("{name} is no setting of a graft: {reason}.").format(name=name, reason=reason))
        meld = meld_document(params)
        volumes = plan_volumes(scene, plan) if scene is not None and plan is not None else None
        known = params.known()
        graft = known.get("graft_volume_ml") or _planned(params, volumes)
        standard = known.get("standard_liver_volume_ml") or _standard(params, known)
        share = graft.point / standard.point
        if not 0.05 <= share <= 1.5:
            message = tr(
                "A graft of {graft:.0f} ml is {share:.0f} % of the standard liver volume of {standard:.0f} ml; 5 to"
                " 150 % can be. Check both volumes."
            )
            raise BadInput(message.format(graft=graft.point, share=100 * share, standard=standard.point))
        inputs = patient_inputs(known, params, [])
        inputs.pop("standard_liver_volume_ml", None)
        inputs["liver_volume_ml"] = replace(standard, name="liver_volume_ml", title=tr("standard liver volume"))
        inputs["graft_volume_ml"] = graft
        inputs["remnant_fraction"] = _share(params, graft, standard)
        kept = Kept(min(share, 1.0))
        return GraftInputs(
            inputs,
            volumes.nodes if volumes is not None else (),
            tuple(_notices(params, inputs, share)),
            kept,
            measured=measurements(params),
            graft=True,
            kept_at_measurement=kept,
            facts={"graft_ml": graft.point, "standard_liver_ml": standard.point, "meld": meld},
            donor_percent=_stays_in_donor(params, volumes),
        )

    def solve(self, inputs: GraftInputs, params: GraftParams, ctx: Context) -> Result:
        found = predicted(inputs, params, ctx)
        samples = size_samples(inputs.quantities, params.samples, params.seed)
        sizes = size_outputs(inputs.quantities, samples)
        limits = size_limits(sizes, samples, inputs.donor_percent, params.steatosis_percent)
        outputs = [replace(one, title=AGAINST_WHOLE.get(one.name, one.title)) for one in found.outputs]
        main = ("pvp_mmhg", "portal_flow_ml_min_100g", "grwr_percent", "gv_slv_percent")
        return replace(found, outputs=[*outputs, *sizes], main=main, thresholds=[*found.thresholds, *limits])

    def sampled(
        self, inputs: GraftInputs, params: GraftParams, count: int, seed: int, ctx: Context
    ) -> Mapping[str, FloatArray]:
        patients = sample_patients(inputs.quantities, count, seed)
        return {**after_operation(patients, inputs.kept), **ratios(patients.drawn)}


def _planned(params: GraftParams, volumes: PlanVolumes | None) -> Known:
    """What the plan takes from the donor, or what it leaves.

    Raises
    ------
    BadInput
        If there is no plan.
    """
    if volumes is None:
        raise BadInput(tr("Give graft_volume_ml, or name the donor's plan with --plan."))
    ml = max(volumes.removed_ml if params.side == "removed" else volumes.remnant_ml, 1.0)
    text = tr("plan, ± 5 % for the segmentation")
    return replace(_mark(params, "graft_volume_ml", normal(ml, SEGMENTATION_SHARE * ml), text), origin="twin")


def _stays_in_donor(params: GraftParams, volumes: PlanVolumes | None) -> float | None:
    if volumes is None:
        return None
    stays = volumes.remnant_ml if params.side == "removed" else volumes.removed_ml
    return 100 * stays / volumes.whole_ml


def _notices(params: GraftParams, inputs: Mapping[str, Known], share: float) -> list[Notice]:
    """What a graft's result rests on, and what it does not say."""
    found: list[Notice] = []
    gradient = inputs.get("pcg_mmhg")
    if gradient is not None and gradient.origin == "prior":
        message = tr(
            "How well blood passes the graft is not measured: {pcg} mmHg for each L/min of portal flow through a whole"
            " healthy liver are assumed. The prediction scales with it."
        )
        found.append(Notice("graft-resistance-assumed", message.format(pcg=gradient.spread.text())))
    if params.pvp_mmhg is not None:
        message = tr(
            "pvp_mmhg was taken for the pressure of a whole healthy liver at this inflow. A pressure that was measured"
            " in the recipient's own liver says nothing of the graft: leave it out then."
        )
        found.append(Notice("graft-pvp-of-whole-liver", message))
    weight = inputs.get("recipient_weight_kg")
    assumed = [inputs[name].title for name in OF_ADULTS if inputs[name].origin == "prior"]
    if weight is not None and weight.point < LIGHTEST_ADULT_KG and assumed:
        message = tr("The recipient weighs {kg:g} kg, and what was not given is that of adults: {names}. Give them.")
        found.append(Notice("values-of-adults", message.format(kg=weight.point, names=", ".join(assumed))))
    if share > 1.0:
        message = tr(
            "The graft has {percent:.0f} % of the standard liver volume: its pressure is that of one of 100 %, and what"
            " a graft that is too large does is not computed."
        )
        found.append(Notice("graft-above-standard-volume", message.format(percent=100 * share)))
    message = tr("A small-for-size syndrome is diagnosed on day 7 after the operation; limits of size are none.")
    return [*found, Notice("small-for-size-on-day-7", message)]


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
    title = tr("graft / standard liver volume, at most 1")
    return replace(found, point=min(share, 1.0), high=2.0, title=title)


def _sd(spread: Spread) -> float:
    if spread.kind == "uniform":
        return (spread.second - spread.first) / float(np.sqrt(12.0))
    return spread.second if spread.kind == "normal" else 0.0


def meld_document(params: GraftParams) -> dict[str, Any] | None:
    """MELD 3.0 of the recipient; None if none of its values was given.

    Raises
    ------
    BadInput
        If only some of the values were given.
    """
    given = {name: getattr(params, name) for name in BLOOD}
    if all(value is None for value in given.values()) and not (params.sex or params.dialysis):
        return None
    missing = [name for name, value in given.items() if value is None] + ([] if params.sex else ["sex"])
    if missing:
        raise BadInput(tr("MELD 3.0 also needs {missing}.").format(missing=", ".join(missing)))
    found = meld_3(**given, female=params.sex == "female", dialysis=params.dialysis, age_years=params.age_years)
    return {
        "score": found.score,
        "exact": found.exact,
        "values": {**given, "sex": params.sex, "dialysis": params.dialysis, "age_years": params.age_years},
        "source": "Kim 2021",
        "note": tr("bounds of the values but creatinine's are recalled, not checked against the paper"),
    }
