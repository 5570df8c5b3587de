"""Portal pressure: 10,000 samples of the closed loop at once against one at a time, one steady state, the live table.

    python benchmarks/portal_samples.py [--samples 10000] [--single 300] [--runs 9] [--json]

The reference is the same model as it is written down, solved by `scipy.optimize.root` for one patient after the other:
`Circulation(...).steady()`, calibration included on both sides. It is run for `--single` of the samples in turn with
the others and scaled up to all of them. Both must give the same pressures, or there is no time to report. Bounds:
10,000 samples in 1 s, one steady state in 1 ms. Loops are compiled before the first run, as the set-up does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from surgitwin.core.progress import Context
from surgitwin.simulators.portal_pressure.samples import Kept, Patients, after_operation
from surgitwin.simulators.portal_pressure.table import PressureTable, pressure_table
from surgitwin.simulators.portal_pressure.transient import circulation_of
from surgitwin.simulators.portal_pressure.validation import study_patients

KEPT = Kept(0.35)
OCCLUDED_KEPT = Kept(0.3, 0.1)
OPEN = 0.7
SAMPLES_BOUND_S, ONE_BOUND_S = 1.0, 1e-3
LOOKS = 2000
MOST_DIFFERENT_MMHG = 1e-8


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def one_of(patients: Patients, row: int) -> tuple[Patients, Kept]:
    """One patient of the samples, and what stays of its liver."""
    columns = {name: values[row : row + 1] for name, values in patients.columns.items()}
    drawn = {name: values[row : row + 1] for name, values in patients.drawn.items()}
    error = float(patients.fraction_error[row])
    return Patients(columns, drawn, np.zeros(1)), Kept(KEPT.open + error)


def one_at_a_time(patients: Patients, count: int) -> list[float]:
    """Portal pressures of the first samples, mmHg."""
    return [circulation_of(*one_of(patients, row)).steady().pvp_mmhg for row in range(count)]


def look_up(table: PressureTable) -> None:
    for share in np.linspace(0.15, 0.9, LOOKS):
        table.at(Kept(float(share)))


def measure(samples: int, single: int, runs: int) -> dict[str, float]:
    """Medians, s."""
    patients, occluded = study_patients(samples), study_patients(2000, portal_open_fraction=str(OPEN))
    found = after_operation(patients, KEPT)["pvp_mmhg"][:single]
    different = float(np.abs(found - one_at_a_time(patients, single)).max())
    if different > MOST_DIFFERENT_MMHG:
        sys.exit(f"The two do not give the same pressures: {different:.2g} mmHg.")
    alone, kept = one_of(patients, 0)
    table = pressure_table(patients, 1.0, Context())
    works: dict[str, tuple[Callable[[], object], float]] = {
        "samples_s": (lambda: after_operation(patients, KEPT), 1.0),
        "reference_s": (lambda: one_at_a_time(patients, single), samples / single),
        "one_sample_s": (lambda: [after_operation(alone, kept) for _ in range(100)], 0.01),
        "drawing_s": (lambda: study_patients(samples), 1.0),
        "table_s": (lambda: pressure_table(patients, 1.0, Context()), 1.0),
        "table_occluded_s": (lambda: pressure_table(occluded, OPEN, Context()), 1.0),
        "look_up_s": (lambda: look_up(table), 1.0 / LOOKS),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, (work, scale) in works.items():
            times[name].append(timed(work) * scale)
    medians = {name: statistics.median(each) for name, each in times.items()}
    worst = {f"{name}_slowest": max(times[name]) for name in ("samples_s", "one_sample_s", "look_up_s")}
    return {**medians, **worst, "different_mmhg": different, "reference_one_s": medians["reference_s"] / samples}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--single", type=int, default=300, help="how many of them are solved one at a time")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print one JSON document only")
    chosen = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    found = measure(chosen.samples, chosen.single, chosen.runs)
    ratio = found["reference_s"] / found["samples_s"]
    met = found["samples_s"] * 10_000 / chosen.samples < SAMPLES_BOUND_S and found["one_sample_s"] < ONE_BOUND_S
    if chosen.json:
        versions = {name: version(name) for name in ("numpy", "scipy", "numba")}
        print(json.dumps({**found, "ratio": ratio, "met": met, "load": load, "versions": versions}))
        return 0 if met else 1
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start; medians of {chosen.runs} runs in turn")
    print(f"{chosen.samples} samples at once: {1e3 * found['samples_s']:.0f} ms", end="")
    print(f" (slowest {1e3 * found['samples_s_slowest']:.0f}); drawing them {1e3 * found['drawing_s']:.0f} ms more")
    print(f"one at a time (scipy): {found['reference_s']:.2f} s, scaled up from {chosen.single}: {ratio:.0f}x")
    print(f"largest difference of their pressures: {found['different_mmhg']:.1e} mmHg")
    print(f"one steady state: {1e3 * found['one_sample_s']:.3f} ms", end="")
    print(f" (slowest {1e3 * found['one_sample_s_slowest']:.3f}); scipy {1e3 * found['reference_one_s']:.2f} ms")
    print(f"live table: built in {1e3 * found['table_s']:.0f} ms", end="")
    print(f", with occluded liver {1e3 * found['table_occluded_s']:.0f} ms", end="")
    print(f"; looked up in {1e3 * found['look_up_s']:.4f} ms (slowest {1e3 * found['look_up_s_slowest']:.4f})")
    print("bounds met" if met else "BOUNDS MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
