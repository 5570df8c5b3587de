"""What a vessel tree is: points along centre lines, each knowing the point it is fed from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Color = tuple[int, int, int]

System = Literal["portal", "hepatic", "arterial", "biliary", "other"]
"""What a tree carries: portal inflow, hepatic venous outflow, arterial inflow, bile, or something else."""


@dataclass(frozen=True)
class Branch:
    """An unbranched stretch between two forks, or between a fork and an end.

    Attributes
    ----------
    id
        Its number in `VesselTree.branch`; stays the same when other branches are edited.
    name
        Empty if it has none of its own: then the nearest named branch towards the root names it.
    suggested
        True while the name was given by the program and not confirmed by a person.
    """

    id: int
    name: str = ""
    color: Color | None = None
    suggested: bool = False


@dataclass(frozen=True)
class Break:
    """Two parts of one mask that no vessel joins, and the shortest way between them.

    Attributes
    ----------
    root
        The point that the separate part begins at.
    towards
        The nearest point of another part.
    """

    root: int
    towards: int
    gap_mm: float


@dataclass(frozen=True, eq=False)
class VesselTree:
    """A forest of centre lines in LPS mm.

    Attributes
    ----------
    points_mm
        (n, 3).
    radii_mm
        (n,): the largest sphere around the point that the vessel holds.
    parent
        (n,): the point nearer to the root, always of a smaller index; -1 at a root.
    branch
        (n,): `Branch.id` of the branch that a point belongs to; a fork belongs to the branch that leads to it.
    branches
        In the order in which their first points come.
    breaks
        Parts that lie apart. Each has its own root, and counts as fed until a person says otherwise.
    """

    points_mm: FloatArray
    radii_mm: FloatArray
    parent: IntArray
    branch: IntArray
    branches: tuple[Branch, ...]
    breaks: tuple[Break, ...] = field(default=())

    @cached_property
    def roots(self) -> IntArray:
        """The points that nothing feeds, the first being the tree's root."""
        return np.flatnonzero(self.parent < 0).astype(np.int32)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Where in `branches` a branch id stands."""
        return {branch.id: row for row, branch in enumerate(self.branches)}

    def points_of(self, branch: int) -> IntArray:
        """The branch's points from the root outwards, the fork that it leaves from first (if there is one)."""
        own = np.flatnonzero(self.branch == branch).astype(np.int32)
        fork = self.parent[own[0]]
        return own if fork < 0 else np.concatenate([[fork], own]).astype(np.int32)

    @cached_property
    def parents(self) -> dict[int, int]:
        """Branch id to the id of the branch that it leaves from; -1 for one that begins at a root."""
        found: dict[int, int] = {}
        _, first = np.unique(self.branch, return_index=True)
        for point in first:
            before = self.parent[point]
            found[int(self.branch[point])] = -1 if before < 0 else int(self.branch[before])
        return found

    @cached_property
    def children(self) -> dict[int, tuple[int, ...]]:
        """Branch id to the ids of the branches that leave from it."""
        found: dict[int, list[int]] = {branch.id: [] for branch in self.branches}
        for branch in self.branches:
            before = self.parents[branch.id]
            if before >= 0:
                found[before].append(branch.id)
        return {branch: tuple(below) for branch, below in found.items()}

    def subtree(self, branch: int) -> tuple[int, ...]:
        """The branch and all that leave from it, and from these."""
        found, waiting = [], [branch]
        while waiting:
            one = waiting.pop()
            found.append(one)
            waiting += self.children[one]
        return tuple(found)

    def generation(self, branch: int) -> int:
        """How many forks lie between the branch and its root."""
        count, before = 0, self.parents[branch]
        while before >= 0:
            count, before = count + 1, self.parents[before]
        return count

    def length_mm(self, branch: int) -> float:
        points = self.points_mm[self.points_of(branch)]
        return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())

    def mean_radius_mm(self, branch: int) -> float:
        """Mean radius along the branch, the fork that it leaves from left out."""
        return float(self.radii_mm[self.branch == branch].mean())

    def name_of(self, branch: int) -> str:
        """The branch's own name, or that of the nearest named branch towards the root; empty if none has one."""
        while branch >= 0:
            name = self.branches[self.row_of[branch]].name
            if name:
                return name
            branch = self.parents[branch]
        return ""
