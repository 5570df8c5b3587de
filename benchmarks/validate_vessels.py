"""Compare vessel trees built from masks with the phantom's true trees, and write docs/validation/vessels.md.

``--only NAME`` measures some of the sections and replaces just these. ``--seeds`` chooses the phantoms.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.samples.phantom.branches import VesselTree as TrueTree
from surgitwin.samples.phantom.raster import near_voxels
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.trees import LiverContent, grow_liver_content
from surgitwin.vessels.build import build_tree
from surgitwin.vessels.naming import couinaud_name, suggest_names
from surgitwin.vessels.tree import System, VesselTree

FloatArray = NDArray[np.float64]
TARGET = Path(__file__).parent.parent / "docs" / "validation" / "vessels.md"
SEEDS = (1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 17, 18)
SPACINGS = (0.75, 1.5)
SEGMENTED_SEEDS = (31, 32, 33)
FINE_MM = 0.25
FOUND, FALSE = 0.8, 0.5
BIG_MM = 0.262
INTRODUCTION = """\
# Vessel trees: how right they are

Made by `python benchmarks/validate_vessels.py`; not edited by hand. The masks are the voxels whose centres lie in the
true branches of the liver phantom (up to 400 portal and 320 hepatic end branches), so that what is measured is the way
from a mask to a tree; how right masks are that are segmented in images is in [segmentation.md](segmentation.md).
Seeds 1 to 4 were looked at while the methods were made, for names 1 to 10; the others were not.
"""
BRANCHES = """\
- *Wide*: a true branch whose mean diameter exceeds two voxels.
- *Found*: at least 80 % of its centre line lies within its own radius and half a voxel of the built centre lines, the
  part inside the vessels that it leaves left out (unless hardly a voxel of it lies outside: then all of it counts).
- *False*: a built branch for less than half of whose length there is true centre line nearer to it than to all other
  built branches. Spurs, doubles and bridges between vessels are false by this. Of all built branches, thin ones too.
- *Radius*: at all points of the found wide branches the built radius minus the true one: median of its size, and its
  median, in voxels.
- *Met*: at least 95 % found, at most 5 % false, a median radius error of at most half a voxel.

What is missed is short (a stub that leaves the vessel around its fork by less than it is wide counts as a spur), or
runs along another vessel at less than a voxel's distance, so that the mask holds both as one. At 1.5 mm most of the
end branches (0.9 mm radius) are thinner than two voxels and come in pieces, each a part with a root of its own.
"""
NAMES = """\
The share of the length of all branches that belong to a segment (or drain into a vein) for which the suggested name is
the right one, on the built trees; trunks do not count. "Lowest" is the segment or vein with the smallest share.
"Turned" is the lowest share when the patient lies 15 degrees askew: the tree is turned by that much about each axis in
both directions.

All phantoms have the same trunks: the seed moves their ends by 1.5 mm and grows all that hangs on them. A posterior
branch that leaves first, a trifurcation and a missing segment are checked in `tests/unit/test_vessel_naming.py`, on
drawn trees only. A hepatic tree with a long piece of the vena cava in it gets no names. Nothing here was measured on
patients, which vary more: names stay suggestions.

What fails: a small branch that leaves a trunk alone keeps the trunk's name; one of segment 5 or 8 that leaves its vein
the other way before it turns is taken for its neighbour; a vessel that touches another in the mask may hang on it after
the loop is opened, and takes its name (mostly at 1.5 mm); a part beyond a gap of more than 8 mm gets no name.
"""
SEGMENTED = """\
The same for vessels that `vessels` and `split-vessels` find in the phantoms' noisy CT (512 x 512 x 200 voxels of 0.74 x
0.74 x 1.5 mm), given the true liver, two points on the portal vein and three on the hepatic veins. What is wrong here
is mostly wrong in the masks: no goal is set. The share of right names is of what was found.
"""
SPEED = """\
A portal tree drawn on {spacing} mm voxels in a box of {box} million voxels, two cores, other work on the machine at
times; compiled loops were loaded before. Goal: 2 million voxels in under 10 s.
"""


@dataclass(frozen=True, eq=False)
class Fine:
    """True centre lines in steps of `FINE_MM`: place, radius, branch, the step's length, whether in its parents."""

    points: FloatArray
    radii: FloatArray
    branch: NDArray[np.int64]
    steps: FloatArray
    inside: NDArray[np.bool_]


@cache
def content(seed: int) -> LiverContent:
    return grow_liver_content(PhantomSettings(seed=seed), Context())


def drawn(tree: TrueTree, spacing: float) -> tuple[NDArray[np.bool_], Geometry]:
    """The voxels in the tree's vessels, on a grid just large enough."""
    capsules = tree.capsules
    low = np.minimum(capsules.a, capsules.b).min(axis=0) - 8
    high = np.maximum(capsules.a, capsules.b).max(axis=0) + 8
    geometry = Geometry.from_parts(np.ceil((high - low) / spacing).astype(int).tolist(), (spacing,) * 3, low)
    mask = np.zeros(geometry.shape_kji, dtype=np.bool_)
    mask.reshape(-1)[near_voxels(geometry, capsules, 0.0)[0]] = True
    return mask, geometry


def fine_line(points: FloatArray, radii: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(int(np.ceil(along[-1] / FINE_MM)), 1)
    at = (np.arange(count) + 0.5) * along[-1] / count
    places = np.stack([np.interp(at, along, points[:, axis]) for axis in range(3)], axis=1)
    return places, np.interp(at, along, radii), float(along[-1] / count)


def fine(tree: TrueTree) -> Fine:
    lines = [fine_line(one.points_mm, one.radii_mm) for one in tree.branches]
    inside = []
    for one, (points, _, _) in zip(tree.branches, lines, strict=True):
        within, above = np.zeros(len(points), dtype=np.bool_), one.parent
        for _ in range(4):
            if above < 0:
                break
            wide, radii, _ = lines[above]
            within |= np.any(np.linalg.norm(points[:, None] - wide[None], axis=2) < radii[None], axis=1)
            above = tree.branches[above].parent
        inside.append(within)
    sizes = [len(points) for points, _, _ in lines]
    return Fine(
        np.concatenate([points for points, _, _ in lines]),
        np.concatenate([radii for _, radii, _ in lines]),
        np.repeat(np.arange(len(sizes)), sizes),
        np.repeat([step for _, _, step in lines], sizes),
        np.concatenate(inside),
    )


# ---- branches ---------------------------------------------------------------------------------------------------


def branch_rows(seeds: Iterable[int]) -> list[str]:
    rows = []
    for seed in seeds:
        for tree in (content(seed).portal, content(seed).hepatic):
            true = fine(tree)
            for spacing in SPACINGS:
                mask, geometry = drawn(tree, spacing)
                rows.append(branch_row(seed, tree, true, build_tree(mask, geometry.full_box, geometry).tree, spacing))
                print(rows[-1], flush=True)
    return rows


def branch_row(seed: int, tree: TrueTree, true: Fine, built: VesselTree, voxel: float) -> str:
    lines, owners = [], []
    for one in built.branches:
        own = built.points_of(one.id)
        points, radii, _ = fine_line(built.points_mm[own], built.radii_mm[own])
        lines.append(np.concatenate([points, radii[:, None]], axis=1))
        owners += [one.id] * len(points)
    every, owner = np.concatenate(lines), np.array(owners)
    away, nearest = cKDTree(every[:, :3]).query(true.points)
    near = away <= true.radii + voxel / 2
    wide = [one for one in tree.branches if 2 * float(np.mean(one.radii_mm)) > 2 * voxel]
    found = [covered(true, one.id, near, voxel) >= FOUND for one in wide]
    claimed = np.bincount(owner[nearest[near]], true.steps[near], int(owner.max()) + 1)
    lengths = np.array([built.length_mm(one.id) for one in built.branches])
    ids = np.array([one.id for one in built.branches])
    false = float(np.mean((claimed[ids] < FALSE * lengths)[lengths > 0]))
    errors = (every[nearest, 3] - true.radii)[near & np.isin(true.branch, [one.id for one in wide])] / voxel
    error = float(np.median(np.abs(errors)))
    share = float(np.mean(found))
    met = share >= 0.95 and false <= 0.05 and error <= 0.5
    system = "portal" if tree.name == "Portal vein" else "hepatic"
    return (
        f"| {seed} | {system} | {voxel} mm | {len(wide)} | {100 * share:.1f} % | {len(lengths)} | "
        f"{100 * false:.1f} % | {error:.2f} | {float(np.median(errors)):+.2f} | {len(built.roots)} | "
        f"{'yes' if met else 'no'} |"
    )


def covered(true: Fine, branch: int, near: NDArray[np.bool_], voxel: float) -> float:
    own = true.branch == branch
    outside = own & ~true.inside
    if float(true.steps[outside].sum()) < voxel:
        outside = own
    return float(np.mean(near[outside]))


def branches(seeds: Iterable[int]) -> list[str]:
    head = "| seed | tree | voxels | wide | found | built | false | radius error | its median | parts | met |"
    return [*BRANCHES.splitlines(), "", head, "|" + "---|" * 11, *branch_rows(seeds)]


# ---- names ------------------------------------------------------------------------------------------------------


def names(seeds: Iterable[int]) -> list[str]:
    rows = []
    for seed in seeds:
        for tree, system in ((content(seed).portal, "portal"), (content(seed).hepatic, "hepatic")):
            true = fine(tree)
            for spacing in SPACINGS:
                mask, geometry = drawn(tree, spacing)
                built = build_tree(mask, geometry.full_box, geometry).tree
                rows.append(name_row(seed, tree, true, built, system, spacing))
                print(rows[-1], flush=True)
    head = "| seed | tree | voxels | right | lowest | turned | most of what is wrong |"
    return [*NAMES.splitlines(), "", head, "|" + "---|" * 7, *rows]


def name_row(seed: int, tree: TrueTree, true: Fine, built: VesselTree, system: str, voxel: float) -> str:
    whole, lowest, wrong = name_score(tree, true, built, system)
    turned = [name_score(tree, true, built, system, turn)[0] for turn in turns(15.0)]
    return f"| {seed} | {system} | {voxel} mm | {100 * whole:.1f} % | {lowest} | {100 * min(turned):.1f} % | {wrong} |"


def turns(degrees: float) -> list[FloatArray]:
    found = []
    for axis in range(3):
        for angle in (np.radians(degrees), -np.radians(degrees)):
            turn = np.eye(3)
            a, b = (axis + 1) % 3, (axis + 2) % 3
            turn[a, a] = turn[b, b] = np.cos(angle)
            turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
            found.append(turn)
    return found


def name_score(
    tree: TrueTree, true: Fine, built: VesselTree, system: str, turn: FloatArray | None = None
) -> tuple[float, str, str]:
    """The right share of all length, the segment or vein with the lowest share, and the longest confusion."""
    wanted = {number: couinaud_name(number) for number in range(1, 9)}
    if system == "hepatic":
        wanted = {1: "Right hepatic vein", 2: "Middle hepatic vein", 3: "Left hepatic vein", 4: ""}
    kind: System = "portal" if system == "portal" else "hepatic"
    moved = built if turn is None else replace(built, points_mm=built.points_mm @ turn.T)
    named = suggest_names(moved, kind)
    territory = np.array([one.territory for one in tree.branches])[true.branch]
    search = cKDTree(true.points)
    right, total = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0.0)
    confused: dict[tuple[str, str], float] = {}
    for one in built.branches:
        points = built.points_mm[built.points_of(one.id)]
        if len(points) < 2:
            continue
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        own = territory[search.query((points[1:] + points[:-1]) / 2)[1]]
        name = named.name_of(one.id)
        for number, length in zip(own.tolist(), lengths.tolist(), strict=True):
            if number == 0:
                continue
            total[number] += length
            if name == wanted[number]:
                right[number] += length
            else:
                pair = wanted[number] or "caudate vein", name or "no name"
                confused[pair] = confused.get(pair, 0.0) + length
    low = min((n for n in total if total[n]), key=lambda n: right[n] / total[n])
    worst = max(confused.items(), key=lambda item: item[1], default=(("", ""), 0.0))
    text = f"{worst[1]:.0f} mm of {worst[0][0]} as {worst[0][1]}" if worst[1] >= 5 else "less than 5 mm"
    label = f"{wanted[low] or 'caudate vein'}: {100 * right[low] / total[low]:.1f} %"
    return sum(right.values()) / sum(total.values()), label, text


# ---- segmented vessels ------------------------------------------------------------------------------------------


def segmented(seeds: Iterable[int]) -> list[str]:
    """Trees of what `vessels` and `split-vessels` find in the phantom's CT."""
    from surgitwin.samples.phantom import make_liver_phantom, table
    from surgitwin.segmentation.vessel_mask import vessels
    from surgitwin.segmentation.vessel_trees import split_trees

    del seeds
    rows = []
    for seed in SEGMENTED_SEEDS:
        phantom = make_liver_phantom(PhantomSettings(seed=seed), Context())
        geometry, liver = phantom.geometry, phantom.labels == table.LIVER
        points = [
            [middle(phantom.portal, name) for name in ("Right portal vein", "Left portal vein")],
            [middle(phantom.hepatic, f"{name} hepatic vein") for name in ("Right", "Middle", "Left")],
        ]
        labels = split_trees(vessels(phantom.ct, geometry, liver), geometry, points, ("portal", "hepatic"))
        for number, tree, system in ((1, phantom.portal, "portal"), (2, phantom.hepatic, "hepatic")):
            built = build_tree(labels == number, geometry.full_box, geometry).tree
            true = fine(tree)
            row = branch_row(seed, tree, true, built, geometry.voxel_volume_mm3 ** (1 / 3)).split(" | ")
            named = name_score(tree, true, built, system)
            rows.append(" | ".join([row[0], row[1], *row[3:8], row[9], f"{100 * named[0]:.1f} %", f"{named[2]} |"]))
            print(rows[-1], flush=True)
    head = "| seed | tree | wide | found | built | false | radius error | parts | right names | most of what is wrong |"
    return [*SEGMENTED.splitlines(), "", head, "|" + "---|" * 10, *rows]


def middle(tree: TrueTree, name: str) -> list[float]:
    one = next(branch for branch in tree.branches if branch.name == name)
    return [float(value) for value in one.points_mm[len(one.points_mm) // 2]]


# ---- speed ------------------------------------------------------------------------------------------------------


def speed(seeds: Iterable[int]) -> list[str]:
    del seeds
    tree = content(1).portal
    small, grid = drawn(tree, 1.5)
    build_tree(small, grid.full_box, grid)
    mask, geometry = drawn(tree, BIG_MM)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        built = build_tree(mask, geometry.full_box, geometry).tree
        took.append(time.perf_counter() - start)
    rows = [
        "| voxels | branches | fastest of three | slowest |",
        "|---|---|---|---|",
        f"| {np.count_nonzero(mask) / 1e6:.2f} million | {len(built.branches)} | {min(took):.1f} s | "
        f"{max(took):.1f} s |",
    ]
    return [*SPEED.format(spacing=BIG_MM, box=f"{mask.size / 1e6:.0f}").splitlines(), "", *rows]


SECTIONS: dict[str, tuple[str, Callable[[Iterable[int]], list[str]]]] = {
    "branches": ("Branches and radii", branches),
    "names": ("Suggested names", names),
    "segmented": ("Segmented vessels", segmented),
    "speed": ("Speed", speed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=tuple(SECTIONS))
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=TARGET, help="the file to write")
    chosen = parser.parse_args()
    parts: dict[str, str] = {}
    if chosen.out.exists():
        pieces = re.split(r"^## (.+)$", chosen.out.read_text("utf-8"), flags=re.MULTILINE)
        parts = {title.strip(): body.strip() for title, body in zip(pieces[1::2], pieces[2::2], strict=True)}
    for name in chosen.only:
        title, measure = SECTIONS[name]
        parts[title] = "\n".join(measure(chosen.seeds)).strip()
    text = [f"## {title}\n\n{parts[title]}\n" for title, _ in SECTIONS.values() if title in parts]
    chosen.out.write_text("\n".join([INTRODUCTION, *text]), encoding="utf-8")


if __name__ == "__main__":
    main()
