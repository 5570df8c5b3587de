"""MELD 3.0 and sizes of grafts against the vectors that are given for them."""

from __future__ import annotations

from surgitwin.core.text import tr
from surgitwin.simulators.checks import Check, near
from surgitwin.simulators.meld import meld_3

SOURCE = tr("Kim 2021, vectors computed from the formula as it was read in derived sources")


def graft_checks() -> tuple[Check, ...]:
    man = meld_3(2.5, 135.0, 1.5, 1.2, 3.0, female=False)
    woman = meld_3(2.5, 135.0, 1.5, 1.2, 3.0, female=True)
    normal = meld_3(1.0, 137.0, 1.0, 1.0, 3.5, female=False)
    values = tr("bilirubin 2.5, Na 135, INR 1.5, creatinine 1.2, albumin 3.0")
    return (
        near(
            tr("MELD 3.0 of a man, {values}").format(values=values),
            man.exact,
            17.853,
            5e-4,
            "",
            "regression",
            SOURCE,
            decimals=3,
        ),
        near(
            tr("MELD 3.0 of a woman, {values}").format(values=values),
            woman.exact,
            19.183,
            5e-4,
            "",
            "regression",
            SOURCE,
            decimals=3,
        ),
        near(tr("MELD 3.0, all values normal"), float(normal.score), 6.0, 0.0, "", "regression", SOURCE, decimals=0),
    )
