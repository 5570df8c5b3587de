"""From what is known of a patient to samples of the circulation, and what they become after an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.base import Known, NoConvergence
from surgitwin.simulators.portal_pressure.circulation import no_convergence_text
from surgitwin.simulators.sampling import draw, points

FloatArray = NDArray[np.float64]
RESIDUAL_ML_S = 1e-9
MOST_REFUSED = 0.1
SMALLEST_GRADIENT_MMHG = 0.2
SMALLEST_KEPT = 0.01
ALPHA = (0.01, 0.95)

_COMPLIANCES = {
    "arterial_ml_mmhg": "arterial_compliance_ml_mmhg",
    "portal_ml_mmhg": "portal_compliance_ml_mmhg",
    "liver_ml_mmhg": "liver_compliance_ml_mmhg",
    "venous_ml_mmhg": "venous_compliance_ml_mmhg",
}
_SAME = (
    "map_mmhg",
    "cvp_mmhg",
    "cardiac_output_l_min",
    "portal_flow_l_min",
    "hepatic_artery_flow_l_min",
    "beta",
    "kappa_per_mmhg",
    "habr_gain",
    "frank_starling_l_min_mmhg",
    "collateral_l_min_mmhg",
    "shunt_l_min_mmhg",
    "volume_change_ml",
)


@dataclass(frozen=True)
class Kept:
    """How much of the perfused liver stays.

    Attributes
    ----------
    open, occluded
        Shares of the whole; occluded is what stays of the territories whose portal branch was occluded before.
    """

    open: float
    occluded: float = 0.0

    @property
    def total(self) -> float:
        return self.open + self.occluded

    @staticmethod
    def of_total(fraction: float, open_fraction: float) -> Kept:
        """Where nothing says what goes: open territories stay before occluded ones."""
        opened = min(fraction, open_fraction)
        return Kept(opened, max(fraction - opened, 0.0))


@dataclass(frozen=True, eq=False)
class Patients:
    """Samples of one patient before the operation.

    Attributes
    ----------
    columns
        (n,) of each of `kernels.INPUTS` but what is kept.
    drawn
        (n,) of each quantity as it was drawn, and of those that follow from drawn ones (`derived`).
    fraction_error
        (n,): how far the perfused share is off what the plan says.
    refused
        Share of samples that contradicted themselves and were left out.
    """

    columns: Mapping[str, FloatArray]
    drawn: Mapping[str, FloatArray]
    fraction_error: FloatArray
    refused: float = 0.0

    @property
    def count(self) -> int:
        return len(self.fraction_error)

    @property
    def independent(self) -> dict[str, FloatArray]:
        """What was drawn, without what follows from it: the inputs that may drive a result."""
        return {name: values for name, values in self.drawn.items() if name not in derived(self.drawn)}

    def first(self, count: int) -> Patients:
        """The same with fewer samples."""
        return Patients(
            {name: values[:count] for name, values in self.columns.items()},
            {name: values[:count] for name, values in self.drawn.items()},
            self.fraction_error[:count],
            self.refused,
        )


def derived(drawn: Mapping[str, FloatArray]) -> set[str]:
    """The quantities that are no numbers of their own: alpha of two pressures, and a graft's share of two volumes."""
    found = {"alpha"} if {"pvp_mmhg", "hvpg_mmhg"} <= set(drawn) else set()
    return found | ({"remnant_fraction"} if "graft_volume_ml" in drawn else set())


def sample_patients(quantities: Mapping[str, Known], count: int, seed: int) -> Patients:
    """Samples that hold together: MAP above PVP above CVP, and flows that fit into the cardiac output.

    Raises
    ------
    BadInput
        If more than a tenth of the samples contradict themselves.
    """
    drawn = draw(quantities, count + count // 5 + 50, seed)
    columns, kept = _columns(quantities, drawn)
    refused = 1.0 - float(kept.mean())
    if refused > MOST_REFUSED:
        message = tr(
            "{percent:.0f} % of the samples contradict themselves (MAP must be above PVP, PVP above CVP, and portal,"
            " collateral and arterial flow together below the cardiac output). Give narrower spreads."
        )
        raise BadInput(message.format(percent=100 * refused))
    rows = np.flatnonzero(kept)[:count]
    error = drawn["remnant_fraction"] - quantities["remnant_fraction"].point
    return Patients(
        {name: values[rows] for name, values in columns.items()},
        {name: values[rows] for name, values in drawn.items()},
        error[rows],
        refused,
    )


def point_patient(quantities: Mapping[str, Known]) -> Patients:
    """The patient of the point values.

    Raises
    ------
    BadInput
        If they contradict each other: which ones, and what would be right.
    """
    drawn = points(quantities)
    columns, kept = _columns(quantities, drawn)
    if not kept[0]:
        both = "pvp_mmhg" in drawn and "hvpg_mmhg" in drawn
        hvpg = float(drawn["hvpg_mmhg"][0]) if both else None
        raise BadInput(_contradiction({name: float(values[0]) for name, values in columns.items()}, hvpg))
    return Patients(columns, drawn, np.zeros(1))


def _columns(
    quantities: Mapping[str, Known], drawn: dict[str, FloatArray]
) -> tuple[dict[str, FloatArray], NDArray[np.bool_]]:
    """The kernel's inputs, and which samples hold together."""
    for name, known in quantities.items():
        if known.relative_to:
            drawn[name] = drawn[name] * drawn[known.relative_to]
    if "graft_volume_ml" in drawn:
        # More than a whole liver does not lower the pressure here: there is no model for that, and 1 is conservative.
        drawn["remnant_fraction"] = np.minimum(drawn["graft_volume_ml"] / drawn["liver_volume_ml"], 1.0)
    found = {name: drawn[name] for name in _SAME}
    found |= {column: drawn[name] for column, name in _COMPLIANCES.items()}
    cvp = drawn["cvp_mmhg"]
    if "pvp_mmhg" in drawn:
        found["pvp_mmhg"] = drawn["pvp_mmhg"]
    else:
        found["pvp_mmhg"] = cvp + drawn["hvpg_mmhg" if "hvpg_mmhg" in drawn else "pcg_mmhg"]
    gradient = found["pvp_mmhg"] - cvp
    if "alpha" in drawn:
        found["alpha"] = drawn["alpha"]
    else:  # both PVP and HVPG were measured: what is lost before the sinusoids is known
        found["alpha"] = drawn["alpha"] = 1.0 - drawn["hvpg_mmhg"] / np.maximum(gradient, 1e-9)
    sensible = (found["alpha"] >= -1e-9) & (found["alpha"] <= ALPHA[1])
    # A presinusoidal share of exactly nothing would leave no portal tree to resect.
    found["alpha"] = np.maximum(found["alpha"], ALPHA[0])
    found["open_share"] = drawn["portal_open_fraction"]
    collateral = found["collateral_l_min_mmhg"] * gradient
    flows = found["portal_flow_l_min"] + collateral + found["hepatic_artery_flow_l_min"]
    kept = (
        (gradient >= SMALLEST_GRADIENT_MMHG)
        & (found["map_mmhg"] > found["pvp_mmhg"] + 1.0)
        & (flows < found["cardiac_output_l_min"])
        & sensible
    )
    return found, kept


def _contradiction(value: dict[str, float], hvpg: float | None) -> str:
    """Which values cannot be together, in one sentence."""
    gradient = value["pvp_mmhg"] - value["cvp_mmhg"]
    if value["map_mmhg"] <= value["cvp_mmhg"]:
        text = tr("MAP ({map_mmhg:g} mmHg) must be above CVP ({cvp_mmhg:g} mmHg).")
    elif gradient < SMALLEST_GRADIENT_MMHG:
        text = tr("PVP ({pvp_mmhg:g} mmHg) must be above CVP ({cvp_mmhg:g} mmHg), by 0.2 mmHg at least.")
    elif value["map_mmhg"] <= value["pvp_mmhg"] + 1.0:
        text = tr("MAP ({map_mmhg:g} mmHg) must be above PVP ({pvp_mmhg:g} mmHg), by 1 mmHg at least.")
    elif hvpg is not None and not 0.05 * gradient <= hvpg <= gradient:
        text = tr(
            "HVPG ({hvpg:g} mmHg) must be between 5 and 100 % of PVP − CVP ({gradient:g} mmHg): it is a part of that"
            " gradient."
        )
        return text.format(hvpg=hvpg, gradient=gradient)
    else:
        collateral = value["collateral_l_min_mmhg"] * gradient
        text = tr(
            "Portal flow ({portal_flow_l_min:g}), collateral flow ({collateral:.3g}) and hepatic artery flow"
            " ({hepatic_artery_flow_l_min:g} L/min) together must be below the cardiac output"
            " ({cardiac_output_l_min:g} L/min)."
        )
        return text.format(collateral=collateral, **value)
    return text.format(**value)


def after_operation(patients: Patients, kept: Kept, *, rigid: bool = False) -> dict[str, FloatArray]:
    """The steady state after the operation, (n,) of each output.

    Parameters
    ----------
    kept
        What the plan keeps; each sample's error of the perfused share is laid on top, in proportion.
    rigid
        With a portal tree that does not widen: the conservative result.

    Raises
    ------
    NoConvergence
        If one of the samples has no steady state that was found.
    """
    from surgitwin.simulators.portal_pressure.kernels import INPUTS, OUTPUTS, solve_samples

    scale = np.clip((kept.total + patients.fraction_error) / kept.total, SMALLEST_KEPT, None)
    opened = patients.columns["open_share"]
    columns: dict[str, FloatArray] = {
        **patients.columns,
        "open_kept": np.minimum(kept.open * scale, opened),
        "occluded_kept": np.minimum(kept.occluded * scale, 1.0 - opened),
    }
    if rigid:
        columns["kappa_per_mmhg"] = np.zeros(patients.count)
    given = np.ascontiguousarray(np.stack([columns[name] for name in INPUTS], axis=1))
    solved = np.empty((patients.count, len(OUTPUTS)))
    solve_samples(given, solved)
    found = {name: solved[:, k] for k, name in enumerate(OUTPUTS)}
    worst = float(np.max(found.pop("residual_ml_s"), initial=0.0))
    if not worst < RESIDUAL_ML_S:
        raise NoConvergence(no_convergence_text(worst))
    found["pcg_mmhg"] = found["pvp_mmhg"] - found["cvp_mmhg"]
    found["hvpg_mmhg"] = found["sinusoid_mmhg"] - found["cvp_mmhg"]
    found["pvp_rise_mmhg"] = found["pvp_mmhg"] - columns["pvp_mmhg"]
    found |= _per_tissue(found, columns, patients.drawn)
    return found


def _per_tissue(
    found: Mapping[str, FloatArray], columns: Mapping[str, FloatArray], drawn: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Flow for each 100 g of what stays, and shear against that of before.

    Shear at a wall goes with Q / r³, and the conductance of the portal tree with r⁴ = (1 + kappa (PVP − PVP before))⁴
    for each branch: the ratio is that of the flow for each share of the liver, over the ratio of radii cubed.
    """
    share = found["portal_flow_l_min"] / columns["open_kept"]
    before = columns["portal_flow_l_min"] / columns["open_share"]
    widening = np.maximum(1.0 + columns["kappa_per_mmhg"] * (found["pvp_mmhg"] - columns["pvp_mmhg"]), 0.05)
    tissue: dict[str, Any] = {"wall_shear_ratio": share / before / widening**3}
    if "graft_volume_ml" in drawn or "liver_volume_ml" in drawn:
        if "graft_volume_ml" in drawn:  # weighed itself: the standard volume's uncertainty is not the graft's
            grams = drawn["graft_volume_ml"] * drawn["liver_density_g_ml"] * drawn["blood_factor"]
        else:
            kept = columns["open_kept"] + columns["occluded_kept"]
            grams = drawn["liver_volume_ml"] * drawn["liver_density_g_ml"] * kept
        tissue["portal_flow_ml_min_100g"] = found["portal_flow_l_min"] * 1000.0 / (grams / 100.0)
    return tissue
