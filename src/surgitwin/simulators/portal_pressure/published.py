"""What the portal pressure simulator gives for published series of donors and pigs, those that it misses included.

The spans are our own choice: no series gave one for this. Parameters that were chosen to fit a series are said to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from surgitwin.core.text import tr
from surgitwin.simulators.checks import Check
from surgitwin.simulators.portal_pressure.circulation import Baseline, Circulation, State, Territory

DONOR = Baseline(85.0, 5.0, 5.5, 1.0, 0.35, 9.9, 0.35, 0.0, 0.4)
"""PVP as it was measured; everything else is the usual adult's."""
PIG = Baseline(80.0, 5.5, 4.0, 0.87, 0.0708, 9.3, 0.6, 0.2, 0.83)
"""Hammond's flows and PVP; alpha, kappa and beta chosen to fit that series, MAP, CVP and cardiac output assumed."""
KHALIL = tr("Khalil et al., Med J Cairo Univ 2021, 30 donors: 9.9 to 15.23 mmHg on clamping, 35 % and more left")
HAMMOND = tr("Hammond et al., Clin Sci 2019, pigs, 80 %: PVP 9.3 to 13.0 ± 0.8, arterial flow 70.8 to 41.8 ml/min")
GOLRIZ = tr("Golriz et al., J Gastrointest Surg 2016, 10 pigs, 75 %: PVP +33 %, portal × 0.67, arterial × 0.21 in all")
AUDEBERT = tr("Audebert et al., J Biomech 2017, pigs, 75 %: arterial flow -75 %, portal flow a little less")
FITTED = tr("κ, α and β were chosen to fit this series: it can be met, which is no prediction")
OTHER_PIGS = tr("with the pig that fits Hammond's series; what these pigs had before was not read")


def _after(base: Baseline, remnant: float) -> State:
    return Circulation(base, [Territory(remnant), Territory(1.0 - remnant, kept=0.0)]).steady()


def published_checks() -> Sequence[Check]:
    """Donors, three series of pigs, and the cohort that nobody here has."""
    return [*_donors(), *_hammond(), *_golriz(), *_audebert(), *_golse()]


def _donors() -> list[Check]:
    # How wide the portal tree of a donor gives way is not known: from rigid to the widest that is assumed.
    missed = {(0.02, 0.42), (0.05, 0.38), (0.05, 0.42)}
    found: list[Check] = []
    for kappa in (0.0, 0.01, 0.02, 0.05):
        for remnant in (0.35, 0.38, 0.42):
            state = _after(replace(DONOR, compliance_per_mmhg=kappa), remnant)
            text = tr("PVP of donors, {percent:g} % left, κ {kappa:g}")
            quantity = text.format(percent=100 * remnant, kappa=kappa)
            remark = tr("the point value of κ") if kappa == 0.02 else ""
            check = Check(quantity, state.pvp_mmhg, 13.5, 16.0, "mmHg", "published", KHALIL, 15.23, "R", remark)
            found.append(replace(check, known_miss=(kappa, remnant) in missed))
    return found


def _hammond() -> list[Check]:
    fitted, rigid = _after(PIG, 0.2), _after(replace(PIG, compliance_per_mmhg=0.0), 0.2)
    widest = _after(replace(PIG, compliance_per_mmhg=0.05), 0.2)
    artery = fitted.hepatic_artery_flow_l_min / PIG.hepatic_artery_flow_l_min
    portal = fitted.portal_flow_l_min / PIG.portal_flow_l_min

    def pressure(text: str, state: State, remark: str, missed: bool = False) -> Check:
        return Check(
            text, state.pvp_mmhg, 12.0, 14.0, "mmHg", "published", HAMMOND, 13.0, "R", remark, missed, decimals=1
        )

    return [
        pressure(tr("PVP of pigs, 20 % left, κ 0.2"), fitted, FITTED),
        Check(
            tr("arterial flow of pigs, ratio, 20 % left"),
            artery,
            0.5,
            0.65,
            "×",
            "published",
            HAMMOND,
            0.59,
            remark=FITTED,
        ),
        Check(
            tr("portal flow of pigs, ratio, 20 % left"),
            *(portal, 0.9, 1.1, "×", "published", HAMMOND, 1.0),
            remark=FITTED,
        ),
        pressure(tr("PVP of pigs, 20 % left, κ 0.05"), widest, tr("the widest tree that is assumed for man"), True),
        pressure(tr("PVP of pigs, 20 % left, rigid"), rigid, tr("a rigid tree is too high for pigs"), True),
    ]


def _golriz() -> list[Check]:
    state, lobar = _after(PIG, 0.25), _after(replace(PIG, shared_artery_share=0.0), 0.25)
    rise = 100.0 * (state.pvp_mmhg / PIG.pvp_mmhg - 1.0)
    portal = state.portal_flow_l_min / PIG.portal_flow_l_min

    def artery(text: str, found: State, missed: bool) -> Check:
        ratio = found.hepatic_artery_flow_l_min / PIG.hepatic_artery_flow_l_min
        return Check(text, ratio, 0.16, 0.26, "×", "published", GOLRIZ, 0.21, "R", OTHER_PIGS, missed)

    return [
        Check(
            tr("rise of PVP of pigs, 25 % left"),
            *(rise, 23.0, 43.0, "%", "published", GOLRIZ, 33.0),
            remark=OTHER_PIGS,
            decimals=1,
        ),
        Check(
            tr("portal flow of pigs, ratio, 25 % left"),
            *(portal, 0.57, 0.77, "×", "published", GOLRIZ, 0.67),
            remark=OTHER_PIGS,
            known_miss=True,
        ),
        artery(tr("arterial flow of pigs, ratio, 25 % left, β 0.83"), state, True),
        artery(tr("arterial flow of pigs, ratio, 25 % left, β 0"), lobar, False),
    ]


def _audebert() -> list[Check]:
    lobar = _after(replace(PIG, shared_artery_share=0.0), 0.25)
    artery = lobar.hepatic_artery_flow_l_min / PIG.hepatic_artery_flow_l_min
    portal = lobar.portal_flow_l_min / PIG.portal_flow_l_min
    return [
        Check(
            tr("arterial flow of pigs, ratio, 25 % left, β 0"),
            *(artery, 0.2, 0.3, "×", "published", AUDEBERT, 0.25, "M", OTHER_PIGS),
        ),
        Check(
            tr("portal flow of pigs, ratio, 25 % left"),
            *(portal, 0.8, 1.0, "×", "published", AUDEBERT, None, "M", OTHER_PIGS),
        ),
    ]


def _golse() -> list[Check]:
    source = tr("Golse et al., J Hepatol 2021, 47 patients: r of PVP 0.66, of PCG 0.59, error of PCG ≤ 3 mmHg in 96 %")
    text = tr("prediction against measurement in patients")
    return [Check(text, None, None, None, "", "published", source, None, "M", tr("needs patients' data"))]
