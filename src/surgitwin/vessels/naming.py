"""Suggested names for the branches of portal and hepatic trees, from where they run; a person confirms them.

Directions are the patient's (LPS): right of a place is a smaller x, in front of it a smaller y, above it a greater z.
What a branch feeds counts by the length of vessel that hangs on it: its *weight*, with the mean place as its *middle*.

Portal vein
    The main vein ends at the first fork with two branches of at least 15 % of all weight. The branch whose middle lies
    farthest to the left is the left portal vein, the other the right one. Of three, two are right: the anterior and the
    posterior one, with no right portal vein. If the left one soon gives off a large branch to the right of the fork,
    that is the right anterior vein, and the other the right posterior one (which then left the main vein first).
    The right vein divides into anterior and posterior by which middle lies farther in front. Of what leaves the
    anterior vein, segment 8 runs above and segment 5 below the place where it leaves; of the posterior one 7 and 6.
    A branch with much above and below is followed to its next fork.
    The left vein ends at its umbilical fork: the one that parts a branch to the right (segment 4) from one to the left
    by the longest way. Branches that leave before it go to 4 on its right, and to 2 or 3 on its left; of these the
    hindmost and highest is 2. Small branches from the main fork's surroundings to behind it are segment 1.

Hepatic veins
    The trunks that drain into the vena cava. A short common trunk is divided at its fork, the one first whose branches
    lie farthest apart from right to left, until there are three: right, middle and left by where their middles lie.

What a rule does not find stays unnamed; nothing is forced into eight segments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from surgitwin.core.text import tr
from surgitwin.vessels.tree import Branch, Color, FloatArray, System, VesselTree

_FILE = Path(__file__).parent.parent / "resources" / "terminology.json"
_LARGE = 0.15
"""Share of all weight from which a branch of the main vein is one of the portal vein's own."""
_SEVERAL = 0.1
"""Share of its own vein's weight from which a branch makes a fork."""
_MOSTLY = 0.8
"""Share of a branch's weight above (or below) from which it runs that way."""
_VEIN = 0.05
_COMMON_MM = 45.0
_NEAR_GAP_MM = 8.0
_TWO_FROM_THREE_MM = 12.0
_FINAL = ("Couinaud", "Right hepatic", "Middle hepatic", "Left hepatic")
MAIN, LEFT, RIGHT = "Main portal vein", "Left portal vein", "Right portal vein"
ANTERIOR, POSTERIOR = "Right anterior portal vein", "Right posterior portal vein"
RIGHT_VEIN, MIDDLE_VEIN, LEFT_VEIN = "Right hepatic vein", "Middle hepatic vein", "Left hepatic vein"


def suggest_names(tree: VesselTree, system: System) -> VesselTree:
    """The tree with suggested names and colours; what a person named, and all beyond it, stays.

    Parameters
    ----------
    system
        ``portal`` or ``hepatic``; other trees come back as they are.
    """
    rules: dict[str, Callable[[_Weights], dict[int, str]]] = {"portal": _portal, "hepatic": _hepatic}
    if system not in rules:
        return tree
    found = rules[system](_Weights.of(tree))
    kept = {
        below for branch in tree.branches if branch.name and not branch.suggested for below in tree.subtree(branch.id)
    }
    branches = []
    for branch in tree.branches:
        if branch.id in kept:
            branches.append(branch)
        elif branch.id in found:
            name = found[branch.id]
            branches.append(Branch(branch.id, tr(name), _colors().get(name), True))
        else:
            branches.append(Branch(branch.id) if branch.suggested else branch)
    return replace(tree, branches=tuple(branches))


def couinaud_name(segment: int | str) -> str:
    """What a branch that feeds this Couinaud segment is called, as the terminology calls the segment."""
    return f"Couinaud {segment}"


@cache
def _colors() -> dict[str, Color]:
    """Colours of the terminology, by name."""
    terms = json.loads(_FILE.read_text("utf-8"))["terms"]
    found = {term["name"]: (term["color"][0], term["color"][1], term["color"][2]) for term in terms}
    return {**found, MAIN: found["Portal vein"], ANTERIOR: found[RIGHT], POSTERIOR: found[RIGHT]}


@dataclass(frozen=True, eq=False)
class _Weights:
    """What hangs on each branch: how much vessel, mm, and the mean place of it."""

    tree: VesselTree
    weight: dict[int, float]
    middle: dict[int, FloatArray]

    @staticmethod
    def of(tree: VesselTree) -> _Weights:
        weight: dict[int, float] = {}
        sums: dict[int, FloatArray] = {}
        for branch in tree.branches:
            points = tree.points_mm[tree.points_of(branch.id)]
            steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
            weight[branch.id] = float(steps.sum())
            sums[branch.id] = np.asarray(steps @ ((points[1:] + points[:-1]) / 2))
        for branch in reversed(tree.branches):
            above = tree.parents[branch.id]
            if above >= 0:
                weight[above] += weight[branch.id]
                sums[above] = sums[above] + sums[branch.id]
        middle = {one: sums[one] / max(weight[one], 1e-9) for one in weight}
        return _Weights(tree, weight, middle)

    def start(self, branch: int) -> FloatArray:
        """Where a branch leaves."""
        return np.asarray(self.tree.points_mm[self.tree.points_of(branch)[0]])

    def end(self, branch: int) -> FloatArray:
        return np.asarray(self.tree.points_mm[self.tree.points_of(branch)[-1]])

    def large(self, branch: int, least: float) -> list[int]:
        """The branches of ``branch`` that weigh at least so much."""
        return [one for one in self.tree.children[branch] if self.weight[one] >= least]

    def fork(self, branch: int, least: float) -> list[int]:
        """The way from ``branch`` to the first fork with two branches that weigh at least so much; else to its end."""
        way = [branch]
        while len(large := self.large(way[-1], least)) < 2:
            below = large or list(self.tree.children[way[-1]])
            if not below:
                break
            way.append(max(below, key=lambda one: self.weight[one]))
        return way

    def above(self, branch: int) -> float:
        """The share of what hangs on a branch that lies higher than where it leaves."""
        height = float(self.start(branch)[2])
        points = self.tree.points_mm[np.isin(self.tree.branch, self.tree.subtree(branch))]
        return float(np.mean(points[:, 2] > height))

    def beside(self, way: Sequence[int]) -> list[int]:
        """Branches that leave a way and are not on it, in order."""
        return [one for on in way for one in self.tree.children[on] if one not in way]


# ---- portal vein ------------------------------------------------------------------------------------------------


def _portal(tree: _Weights) -> dict[int, str]:
    root = int(tree.tree.branch[0])
    main = tree.fork(root, _LARGE * tree.weight[root])
    found = dict.fromkeys(main[:1], MAIN)
    arms = sorted(tree.large(main[-1], _LARGE * tree.weight[root]), key=lambda one: float(tree.middle[one][0]))
    if len(arms) >= 2:
        *right, left = arms
        right, left, before = _late_anterior(tree, right, left)
        found |= dict.fromkeys(before, "")
        found |= _right_side(tree, right)
        found |= _left_side(tree, left)
        for small in tree.beside(main):
            if small not in arms and _behind(tree, small):
                found[small] = couinaud_name(1)
    found = {branch: name for branch, name in found.items() if name}
    return found | _beyond_gaps(tree.tree, found)


def _late_anterior(tree: _Weights, right: list[int], left: int) -> tuple[list[int], int, list[int]]:
    """Where the right posterior vein leaves first, the left vein carries the right anterior one a little farther.

    Returns the right arms, the left one, and what both have in common.
    """
    if len(right) != 1:
        return right, left, []
    way = tree.fork(left, 2 * _SEVERAL * tree.weight[left])
    large = tree.large(way[-1], 2 * _SEVERAL * tree.weight[left])
    if len(large) < 2:
        return right, left, []
    *others, last = sorted(large, key=lambda one: float(tree.middle[one][0]))
    place = tree.start(left)
    to_right = [one for one in others if tree.middle[one][0] < place[0] - 5.0]
    if len(to_right) == 1 and tree.middle[to_right[0]][1] < tree.middle[right[0]][1]:
        return [to_right[0], right[0]], last, way
    return right, left, []


def _right_side(tree: _Weights, arms: list[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    others: list[int] = []
    if len(arms) == 1:
        found[arms[0]] = RIGHT
        least = _SEVERAL * tree.weight[arms[0]]
        way = tree.fork(arms[0], least)
        arms = tree.large(way[-1], least)
        others = [one for one in tree.beside(way) if one not in arms]
    if len(arms) < 2:
        return found
    front, back = _front_and_back(tree, arms)
    border = (max(tree.middle[one][1] for one in front) + min(tree.middle[one][1] for one in back)) / 2
    for one in others:
        if _behind(tree, one) and tree.middle[one][0] > tree.start(one)[0]:
            found[one] = couinaud_name(1)
        else:
            (front if tree.middle[one][1] < border else back).append(one)
    for sector, name, (up, down) in ((front, ANTERIOR, (8, 5)), (back, POSTERIOR, (7, 6))):
        for arm in sector:
            found |= _sector(tree, arm, name, up, down)
    return found


def _front_and_back(tree: _Weights, arms: list[int]) -> tuple[list[int], list[int]]:
    """Arms parted at the widest step between their middles from front to back."""
    order = sorted(arms, key=lambda one: float(tree.middle[one][1]))
    steps = [float(tree.middle[b][1] - tree.middle[a][1]) for a, b in pairwise(order)]
    cut = int(np.argmax(steps)) + 1
    return order[:cut], order[cut:]


def _sector(tree: _Weights, arm: int, name: str, up: int, down: int) -> dict[int, str]:
    """A right sector's vein and its segments: the branches that run up or down as a whole."""
    found: dict[int, str] = {}
    waiting = [(arm, True)]
    while waiting:
        branch, first = waiting.pop()
        share = tree.above(branch)
        below = tree.tree.children[branch]
        if share >= _MOSTLY or share <= 1 - _MOSTLY or not below:
            found[branch] = couinaud_name(up if share >= 0.5 else down)
            continue
        if first:
            found[branch] = name
        waiting += [(one, False) for one in below]
    return found


def _behind(tree: _Weights, branch: int) -> bool:
    """Whether a small branch runs to behind the main fork, as those of segment 1 do."""
    root = int(tree.tree.branch[0])
    fork = tree.end(tree.fork(root, _LARGE * tree.weight[root])[-1])
    way = tree.middle[branch] - tree.start(branch)
    small = tree.weight[branch] < _SEVERAL * tree.weight[root]
    return bool(small and way[1] > 3.0 and way[1] > 0.5 * abs(way[0]) and tree.middle[branch][1] > fork[1])


def _left_side(tree: _Weights, left: int) -> dict[int, str]:
    found = {left: LEFT}
    way = _umbilical_way(tree, left)
    to_left: list[int] = []
    for one in tree.beside(way):
        if _behind(tree, one):
            found[one] = couinaud_name(1)
        elif tree.middle[one][0] < tree.start(one)[0]:
            found[one] = couinaud_name(4)
        else:
            to_left.append(one)
    return found | _two_and_three(tree, to_left)


def _umbilical_way(tree: _Weights, left: int) -> list[int]:
    """The left vein up to its umbilical fork, which parts right from left the farthest; else to its first fork."""
    least = _SEVERAL * tree.weight[left]
    best, fork = 0.0, -1
    waiting = [left]
    while waiting:
        branch = waiting.pop()
        large = [one for one in tree.large(branch, least) if not _behind(tree, one)]
        waiting += large
        if len(large) < 2:
            continue
        aside = [float(tree.middle[one][0] - tree.end(branch)[0]) for one in large]
        if min(aside) < -3.0 and max(aside) > 3.0 and max(aside) - min(aside) > best:
            best, fork = max(aside) - min(aside), branch
    if fork < 0:
        return tree.fork(left, least)
    way = [fork]
    while way[0] != left:
        way.insert(0, tree.tree.parents[way[0]])
    return way


def _two_and_three(tree: _Weights, branches: list[int]) -> dict[int, str]:
    """Segments 2 and 3 among what runs to the left: the hindmost and highest is 2.

    One branch alone is followed to its fork.
    """
    found: dict[int, str] = {}
    if not branches:
        return found
    total = sum(tree.weight[one] for one in branches)
    large = [one for one in branches if tree.weight[one] >= _SEVERAL * total]
    if len(large) == 1:
        least = 2 * _SEVERAL * tree.weight[large[0]]
        branches = large = tree.large(tree.fork(large[0], least)[-1], least)
    height = {one: float(tree.middle[one][1] + tree.middle[one][2]) for one in branches}
    ordered = sorted(large, key=lambda one: height[one])
    steps = [height[b] - height[a] for a, b in pairwise(ordered)]
    if not steps or max(steps) < _TWO_FROM_THREE_MM:
        return found
    cut = int(np.argmax(steps))
    border = (height[ordered[cut]] + height[ordered[cut + 1]]) / 2
    return {one: couinaud_name(2 if height[one] > border else 3) for one in branches}


def _beyond_gaps(tree: VesselTree, found: dict[int, str]) -> dict[int, str]:
    """Parts beyond a short gap go on with the name of what they were torn from."""

    def name_of(branch: int) -> str:
        while branch >= 0:
            if branch in more or branch in found:
                return more.get(branch) or found[branch]
            branch = tree.parents[branch]
        return ""

    more: dict[int, str] = {}
    waiting = sorted(tree.breaks, key=lambda gap: gap.gap_mm)
    for _ in range(len(waiting)):
        for gap in waiting:
            own, name = int(tree.branch[gap.root]), name_of(int(tree.branch[gap.towards]))
            if own not in more and gap.gap_mm <= _NEAR_GAP_MM and name.startswith(_FINAL):
                more[own] = name
    return more


# ---- hepatic veins ----------------------------------------------------------------------------------------------


def _hepatic(tree: _Weights) -> dict[int, str]:
    roots = [int(tree.tree.branch[root]) for root in tree.tree.roots]
    total = sum(tree.weight[root] for root in roots)
    veins = [root for root in roots if tree.weight[root] >= _VEIN * total]
    while len(veins) < 3:
        divided = [(_apart_mm(tree, vein, _VEIN * total), vein) for vein in veins]
        apart, vein = max(divided, default=(0.0, -1))
        if apart <= 0.0:
            break
        way = tree.fork(vein, _VEIN * total)
        veins = [one for one in veins if one != vein] + tree.large(way[-1], _VEIN * total)
    veins = sorted(sorted(veins, key=lambda one: -tree.weight[one])[:3], key=lambda one: float(tree.middle[one][0]))
    if len(veins) < 3:
        return {}
    found = dict(zip(veins, (RIGHT_VEIN, MIDDLE_VEIN, LEFT_VEIN), strict=True))
    return found | _beyond_gaps(tree.tree, found)


def _apart_mm(tree: _Weights, vein: int, least: float) -> float:
    """How far from right to left the middles of a common trunk's branches lie apart; 0 if it is no short trunk."""
    way = tree.fork(vein, least)
    large = tree.large(way[-1], least)
    if len(large) < 2 or sum(tree.tree.length_mm(one) for one in way) > _COMMON_MM:
        return 0.0
    sides = [float(tree.middle[one][0]) for one in large]
    return max(sides) - min(sides)
