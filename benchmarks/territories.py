"""Measure territories and vessel supply on the liver phantom, and write the tables of docs/validation/territories.md.

The phantom's own tree is given, so that what is measured is the division and not the segmentation.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.core.progress import Context
from surgitwin.resection.hepatectomies import HEPATECTOMIES
from surgitwin.samples.phantom import branches as published
from surgitwin.samples.phantom import table
from surgitwin.samples.phantom.make import LiverPhantom, make_liver_phantom
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.vessels.supply import attach, feeding_points
from surgitwin.vessels.territories import METHODS, divide, taken
from surgitwin.vessels.tree import Branch, VesselTree

TARGET = Path(__file__).parent.parent / "docs" / "validation" / "territories.md"
SEEDS = (1, 5, 6)
SIZE = (512, 512, 256)
INTRODUCTION = """\
# Territories and supply: how right they are

Made by `python benchmarks/territories.py`; not edited by hand. Liver phantoms of {size} voxels, seeds {seeds};
the tree is the phantom's own portal tree (a fork belongs to the branch that leads to it), so that the division is
measured and not the segmentation. The truth gives each liver voxel to the segment whose branches' published
centreline point is nearest. It is made like "nearest", whose Dice therefore says only that nothing was mixed up; a real
liver's segments are not known that well. How far the methods stray from each other is what their borders are uncertain
by at least. Times are medians of {runs} runs on {cores} cores, load {load:.1f} at the start.
"""
OPERATIONS = """\
The segments of each operation are removed as "nearest" gives them; segment 1 stays. Trunks belong to no segment, but
the voxels around them lie in one. `taken` keeps the lumen of each vessel that leads to what stays. The last column is
what the same operation would say without that: where the main portal vein runs through segment 5 or 8, all that stays
would be cut off.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=3, default=SIZE, help="voxels along i, j and k")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="the phantoms to divide")
    parser.add_argument("--runs", type=int, default=5, help="how often each time is taken")
    parser.add_argument("--out", type=Path, default=TARGET, help="the file to write")
    chosen = parser.parse_args()
    cores, load = os.cpu_count() or 0, os.getloadavg()[0]
    size, seeds = " x ".join(map(str, chosen.size)), ", ".join(map(str, chosen.seeds))
    lines = [INTRODUCTION.format(size=size, seeds=seeds, runs=chosen.runs, cores=cores, load=load)]
    dices, times, operations = [], [], []
    for seed in chosen.seeds:
        phantom = make_liver_phantom(PhantomSettings(tuple(chosen.size), seed=seed), Context())
        dices += dice_rows(phantom)
        operations += operation_rows(phantom)
        if seed == chosen.seeds[0]:
            times += time_rows(phantom, chosen.runs)
    lines += ["## Dice with the true segments", "", "| seed | liver voxels | method | mean | lowest |"]
    lines += ["|---|---|---|---|---|", *dices, ""]
    lines += ["## Time", "", "| what | time | target |", "|---|---|---|", *times, ""]
    lines += ["## Hepatectomies by territory", "", OPERATIONS]
    lines += ["| seed | operation | crossed | trunk kept, ml | remnant without inflow | the same, trunk not kept |"]
    lines += ["|---|---|---|---|---|---|", *operations, ""]
    text = "\n".join(lines)
    print(text)
    chosen.out.write_text(text, encoding="utf-8")


def tree_of(tree: published.VesselTree) -> VesselTree:
    """A phantom's tree as the program holds trees: every fork once, in the branch that leads to it."""
    points: list[NDArray[np.float64]] = []
    radii: list[float] = []
    parent: list[int] = []
    branch: list[int] = []
    last: dict[int, int] = {}
    for one in tree.branches:
        first = 0 if one.parent < 0 else 1
        before = last.get(one.parent, -1)
        for point, radius in zip(one.points_mm[first:], one.radii_mm[first:], strict=True):
            points.append(point)
            radii.append(float(radius))
            parent.append(before)
            branch.append(one.id)
            before = len(points) - 1
        last[one.id] = before
    names = tuple(Branch(one.id, one.name) for one in tree.branches)
    return VesselTree(np.array(points), np.array(radii), np.array(parent, np.int32), np.array(branch, np.int32), names)


def groups_of(tree: published.VesselTree) -> dict[str, list[int]]:
    return {str(n): [one.id for one in tree.branches if one.territory == n] for n in range(1, 9)}


def liver_of(phantom: LiverPhantom) -> tuple[NDArray[np.bool_], Box]:
    liver = phantom.labels == table.LIVER
    box = Box.of_mask(liver)
    return np.ascontiguousarray(liver[box.slices]), box


def dice_rows(phantom: LiverPhantom) -> list[str]:
    organ, box = liver_of(phantom)
    truth = phantom.couinaud[phantom.labels == table.LIVER]
    found = divide(organ, box, phantom.geometry, tree_of(phantom.portal), groups_of(phantom.portal))
    rows = []
    for method in METHODS:
        labels = found.labels[method]
        dice = [
            2 * np.sum((labels == n) & (truth == n)) / (np.sum(labels == n) + np.sum(truth == n)) for n in range(1, 9)
        ]
        default = " (default)" if method == "nearest" else ""
        rows.append(
            f"| {phantom.settings.seed} | {len(truth)} | {method}{default} | {np.mean(dice):.4f} | {min(dice):.4f} |"
        )
    rows.append(f"| {phantom.settings.seed} | | methods disagree | {found.disagreement_percent:.2f} % of voxels | |")
    return rows


def median_s(work: Callable[[], Any], runs: int) -> float:
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def time_rows(phantom: LiverPhantom, runs: int) -> list[str]:
    from scipy.spatial import cKDTree

    organ, box = liver_of(phantom)
    grid, tree, groups = phantom.geometry, tree_of(phantom.portal), groups_of(phantom.portal)
    supply = attach(tree, "portal", organ, box, grid)
    places = grid.to_lps(np.argwhere(organ)[:, ::-1] + np.asarray(box.start))
    removed = places[:, 0] < -30.0
    search = cKDTree(tree.points_mm)
    size = f"{len(places)} voxels, {len(tree.points_mm)} points"
    all_s = median_s(lambda: divide(organ, box, grid, tree, groups), runs)
    near_s = median_s(lambda: feeding_points(tree, organ, box, grid), runs)
    tree_s = median_s(lambda: search.query(places, workers=2), runs)
    attach_s = median_s(lambda: attach(tree, "portal", organ, box, grid), runs)
    many = 20 * runs
    points_ms = 1000 * median_s(lambda: supply.lost_points(removed), many)
    crossings_ms = 1000 * median_s(lambda: supply.crossings(removed), many)
    voxels_ms = 1000 * median_s(lambda: supply.lost_voxels(removed), many)
    return [
        f"| 8 segments by all three methods, {size} | {all_s:.2f} s | 5 s |",
        f"| feeding point of each voxel | {near_s:.2f} s | |",
        f"| the same by scipy's search tree, two threads | {tree_s:.2f} s ({tree_s / near_s:.1f}x) | |",
        f"| attach a tree to the organ (`attach`) | {attach_s:.2f} s | |",
        f"| under a plane that moves: lost points | {points_ms:.3f} ms | 1 ms |",
        f"| crossings | {crossings_ms:.2f} ms | 1 ms |",
        f"| lost voxels | {voxels_ms:.1f} ms | |",
    ]


def operation_rows(phantom: LiverPhantom) -> list[str]:
    organ, box = liver_of(phantom)
    tree, groups = tree_of(phantom.portal), groups_of(phantom.portal)
    found = divide(organ, box, phantom.geometry, tree, groups)
    supply = attach(tree, "portal", organ, box, phantom.geometry)
    rows = []
    for operation in HEPATECTOMIES:
        removed = taken(found, "nearest", operation.segments, supply)
        whole = np.isin(found.labels["nearest"], [int(name) for name in operation.segments])
        crossed = ", ".join(f"{one.name} {one.diameter_mm:.1f} mm" for one in supply.crossings(removed))
        kept_ml = np.count_nonzero(whole & ~removed) * phantom.geometry.voxel_volume_mm3 / 1000
        lost, without = (share(supply.lost_voxels(mask), ~mask) for mask in (removed, whole))
        numbers = f"{kept_ml:.1f} | {lost:.2f} % | {without:.1f} %"
        rows.append(f"| {phantom.settings.seed} | {operation.name} | {crossed} | {numbers} |")
    return rows


def share(part: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    return 100.0 * float(np.count_nonzero(part)) / float(np.count_nonzero(of))


if __name__ == "__main__":
    main()
