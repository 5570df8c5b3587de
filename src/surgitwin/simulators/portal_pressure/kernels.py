"""The steady state of `circulation` for thousands of samples: open territories as one, occluded ones as another.

Each sample is calibrated and solved by Newton's method on five pressures (artery, portal vein, sinusoids of open and of
occluded territories, vein); the residual is returned and judged by the caller.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from surgitwin.core.compiled import compiled

FloatArray = NDArray[np.float64]

INPUTS = (
    "map_mmhg",
    "cvp_mmhg",
    "cardiac_output_l_min",
    "portal_flow_l_min",
    "hepatic_artery_flow_l_min",
    "pvp_mmhg",
    "alpha",
    "beta",
    "kappa_per_mmhg",
    "habr_gain",
    "frank_starling_l_min_mmhg",
    "collateral_l_min_mmhg",
    "shunt_l_min_mmhg",
    "volume_change_ml",
    "open_share",  # of the liver before the operation, the rest is occluded
    "open_kept",  # share of the liver that stays and is open
    "occluded_kept",
    "arterial_ml_mmhg",
    "portal_ml_mmhg",
    "liver_ml_mmhg",
    "venous_ml_mmhg",
)
"""Columns of what `solve_samples` takes, in this order."""

OUTPUTS = (
    "map_mmhg",
    "pvp_mmhg",
    "sinusoid_mmhg",
    "cvp_mmhg",
    "portal_flow_l_min",
    "hepatic_artery_flow_l_min",
    "cardiac_output_l_min",
    "collateral_flow_l_min",
    "residual_ml_s",
)
"""Columns of what it gives."""

PER_L_MIN = 1000.0 / 60.0
STEPS = 60
BITS = 40
ENOUGH_ML_S, STUCK_ML_S = 1e-12, 1e-10
UNKNOWNS = 5
SMALLEST_WIDENING = 0.05  # as in `circulation`


@compiled(nb.void(nb.types.Array(nb.float64, 1, "C", readonly=True), nb.float64[::1]))
def _calibrate(x: FloatArray, r: FloatArray) -> None:
    """As `circulation.calibrate`: digestive, other, artery shared, artery lobar, portal, hepatic, open, occluded."""
    qp, qa = x[3] * PER_L_MIN, x[4] * PER_L_MIN
    collateral = x[11] * PER_L_MIN * (x[5] - x[1])
    sinusoid = x[5] - x[6] * (x[5] - x[1])
    drop = x[0] - sinusoid
    lobar = (1.0 - x[7]) * drop
    venous = sinusoid - x[1]
    opened = x[14]
    per_share = qp / opened
    per_open = qa
    if opened < 1.0:
        total = lobar + venous
        a = -total
        b = qa * total - opened * lobar * per_share - (1.0 - opened) * total * per_share
        c = qa * lobar * per_share
        per_open = (-b - np.sqrt(b * b - 4.0 * a * c)) / (2.0 * a)
    r[0] = (x[0] - x[5]) / (qp + collateral)
    r[1] = (x[0] - x[1]) / (x[2] * PER_L_MIN - qp - collateral - qa)
    r[2] = x[7] * drop / qa
    r[3] = lobar / per_open
    r[4] = (x[5] - sinusoid) / per_share
    r[5] = venous / (per_share + per_open)
    r[6] = sinusoid
    r[7] = ((x[0] - x[7] * drop) * r[5] + x[1] * r[3]) / (r[5] + r[3])


@compiled(
    nb.void(
        nb.types.Array(nb.float64, 1, "C", readonly=True),
        nb.float64[::1],
        nb.float64,
        nb.float64[::1],
        nb.float64[::1],
        nb.float64[::1],
    )
)
def _balance(x: FloatArray, r: FloatArray, volume: float, y: FloatArray, out: FloatArray, q: FloatArray) -> None:
    """Residuals at the pressures ``y``, and the flows portal, artery, cardiac, collateral, ml/s."""
    pa, pp, po, pc, pv = y[0], y[1], y[2], y[3], y[4]
    go, gc = x[15], x[16]
    widening = max(1.0 + x[8] * (pp - x[5]), SMALLEST_WIDENING) ** 4
    per_share = (pp - po) / r[4] * widening
    tone = 1.0
    if x[9] > 0.0:
        before = (x[5] - r[6]) / r[4]
        tone = min(max(max(per_share / before, 1e-9) ** x[9], 0.5), 4.0)
    co = go / (r[3] * tone)
    cc = gc / r[3]
    ahead = (pa + r[2] * (co * po + cc * pc)) / (1.0 + r[2] * (co + cc))
    qo, qc = co * (ahead - po), cc * (ahead - pc)
    portal = go * per_share
    cardiac = x[2] + x[10] * (pv - x[1])
    cardiac = min(max(cardiac, 0.2 * x[2]), 2.0 * x[2]) * PER_L_MIN
    digestive = (pa - pp) / r[0]
    collateral = (x[11] + x[12]) * PER_L_MIN * (pp - pv)
    out[0] = cardiac - digestive - (pa - pv) / r[1] - qo - qc
    out[1] = digestive - portal - collateral
    out[2] = qo + portal - go * (po - pv) / r[5] if go > 0.0 else po - pv
    out[3] = qc - gc * (pc - pv) / r[5] if gc > 0.0 else pc - pv
    out[4] = x[17] * pa + x[18] * pp + x[19] * (go * po + gc * pc) + x[20] * pv - volume
    q[0], q[1], q[2], q[3] = portal, qo + qc, cardiac, collateral


@compiled(nb.boolean(nb.float64[:, ::1], nb.float64[::1]))
def _eliminate(a: FloatArray, b: FloatArray) -> bool:
    """Solve a x = b in place by elimination with row exchange; False if ``a`` is singular."""
    n = len(b)
    for column in range(n):
        best = column
        for row in range(column + 1, n):
            if abs(a[row, column]) > abs(a[best, column]):
                best = row
        if abs(a[best, column]) < 1e-300:
            return False
        if best != column:
            for k in range(n):
                a[column, k], a[best, k] = a[best, k], a[column, k]
            b[column], b[best] = b[best], b[column]
        for row in range(column + 1, n):
            factor = a[row, column] / a[column, column]
            for k in range(column, n):
                a[row, k] -= factor * a[column, k]
            b[row] -= factor * b[column]
    for row in range(n - 1, -1, -1):
        for k in range(row + 1, n):
            b[row] -= a[row, k] * b[k]
        b[row] /= a[row, row]
    return True


@compiled(nb.float64(nb.float64[::1]))
def _size(residual: FloatArray) -> float:
    """The largest residual; that of the volume (ml) counts like a flow (ml/s)."""
    largest = 0.0
    for value in residual:
        largest = max(largest, abs(value))
    return largest


@compiled(
    nb.float64(
        nb.types.Array(nb.float64, 1, "C", readonly=True),
        nb.float64[::1],
        nb.float64[::1],
        nb.float64[:, ::1],
        nb.float64[:, ::1],
        nb.float64[::1],
    )
)
def _settle(
    x: FloatArray, r: FloatArray, y: FloatArray, work: FloatArray, jacobian: FloatArray, q: FloatArray
) -> float:
    """Newton's method from the pressures ``y``, in place; gives the residual that is left, ml/s, and the flows.

    ``work`` is three rows of `UNKNOWNS` to calculate in.
    """
    f, g, trial = work[0], work[1], work[2]
    before = x[17] * x[0] + x[18] * x[5] + x[20] * x[1]
    volume = before + x[19] * (x[15] * r[6] + x[16] * r[7]) + x[13]
    _balance(x, r, volume, y, f, q)
    size = _size(f)
    for _ in range(STEPS):
        if not size > ENOUGH_ML_S:
            break
        for k in range(UNKNOWNS):
            step = 1e-6 * max(abs(y[k]), 1.0)
            kept = y[k]
            y[k] = kept + step
            _balance(x, r, volume, y, g, q)
            y[k] = kept
            for i in range(UNKNOWNS):
                jacobian[i, k] = (g[i] - f[i]) / step
        for i in range(UNKNOWNS):
            g[i] = -f[i]
        if not _eliminate(jacobian, g):
            break
        share, now = 1.0, size
        for _half in range(12):
            for i in range(UNKNOWNS):
                trial[i] = y[i] + share * g[i]
            _balance(x, r, volume, trial, f, q)
            now = _size(f)
            if now < size:
                break
            share *= 0.5
        if not now < size:
            break
        size = now
        y[:] = trial
    _balance(x, r, volume, y, f, q)
    return _size(f)


@compiled(nb.void(nb.types.Array(nb.float64, 2, "C", readonly=True), nb.float64[:, ::1]))
def solve_samples(samples: FloatArray, found: FloatArray) -> None:
    """Steady states, one for each row of ``samples`` (columns `INPUTS`), into ``found`` (columns `OUTPUTS`).

    Where Newton's method gets stuck on the way from the pressures of before, the liver is taken away bit by bit.
    """
    r, y, q = np.empty(8), np.empty(UNKNOWNS), np.empty(4)
    work, jacobian = np.empty((3, UNKNOWNS)), np.empty((UNKNOWNS, UNKNOWNS))
    part = np.empty(samples.shape[1])
    for row in range(samples.shape[0]):
        x = samples[row]
        _calibrate(x, r)
        y[0], y[1], y[2], y[3], y[4] = x[0], x[5], r[6], r[7], x[1]
        size = _settle(x, r, y, work, jacobian, q)
        if not size < STUCK_ML_S:
            y[0], y[1], y[2], y[3], y[4] = x[0], x[5], r[6], r[7], x[1]
            part[:] = x
            for bit in range(1, BITS + 1):
                done = bit / BITS
                part[15] = x[14] ** (1.0 - done) * max(x[15], 1e-12) ** done
                part[16] = (1.0 - done) * (1.0 - x[14]) + done * x[16]
                _settle(part, r, y, work, jacobian, q)
            size = _settle(x, r, y, work, jacobian, q)
        found[row, 0], found[row, 1], found[row, 2], found[row, 3] = y[0], y[1], y[2], y[4]
        for k in range(4):
            found[row, 4 + k] = q[k] / PER_L_MIN
        found[row, 8] = size
