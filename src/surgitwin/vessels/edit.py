"""Changes by hand: pure functions from a tree to a tree; branches that a change does not touch keep their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.vessels.tree import Branch, Break, Color, FloatArray, IntArray, VesselTree


def nearest_point(tree: VesselTree, place_mm: Sequence[float] | NDArray[np.float64]) -> int:
    """The point of the tree whose vessel's wall is nearest to a place in LPS mm."""
    away = np.linalg.norm(tree.points_mm - np.asarray(place_mm, dtype=np.float64), axis=1) - tree.radii_mm
    return int(np.argmin(away))


def delete_branch(tree: VesselTree, branch: int) -> VesselTree:
    """The tree without a branch and all beyond it; what goes on straight where it left is one branch again.

    Raises
    ------
    BadInput
        If there is no such branch, or nothing would be left.
    """
    _known(tree, branch)
    kept = ~np.isin(tree.branch, tree.subtree(branch))
    if not kept.any():
        raise BadInput(tr("This is the tree's last branch; remove the whole tree instead."))
    return _rebuilt(_Graph.of(tree).keeping(kept), tree)


def cut_at(tree: VesselTree, point: int) -> VesselTree:
    """The tree with the vessel parted before ``point``: what lies beyond becomes a part with ``point`` as its root.

    Raises
    ------
    BadInput
        If the point is a root, where nothing lies before it, or does not exist.
    """
    _on_tree(tree, point)
    before = int(tree.parent[point])
    if before < 0:
        raise BadInput(tr("This point is a root: there is nothing before it to cut off."))
    graph = _Graph.of(tree)
    graph.links = graph.links[~np.all(np.sort(graph.links, axis=1) == sorted((before, point)), axis=1)]
    graph.roots.append(point)
    return _rebuilt(graph, tree)


def delete_beyond(tree: VesselTree, point: int) -> VesselTree:
    """The tree without ``point`` and all that it feeds.

    Raises
    ------
    BadInput
        If nothing would be left, or the point does not exist.
    """
    _on_tree(tree, point)
    kept = ~_below(tree, point)
    if not kept.any():
        raise BadInput(tr("This would delete the whole tree; remove the tree instead."))
    return _rebuilt(_Graph.of(tree).keeping(kept), tree)


def join(tree: VesselTree, point: int, to: int) -> VesselTree:
    """The tree with the part that ``point`` lies in hung onto ``to``, a point of another part.

    The missing stretch is drawn straight, its radius running evenly from end to end. In the part that is hung on, blood
    now runs from ``point`` on: directions before it are turned round.

    Raises
    ------
    BadInput
        If both points lie in one part, which would close a loop, or a point does not exist.
    """
    _on_tree(tree, point)
    _on_tree(tree, to)
    parts = part_of(tree)
    if parts[point] == parts[to]:
        raise BadInput(tr("Both points lie in one part of the tree: joining them would close a loop."))
    graph = _Graph.of(tree)
    graph.roots = [root for root in graph.roots if parts[root] != parts[point]]
    a, b = tree.points_mm[to], tree.points_mm[point]
    count = max(round(float(np.linalg.norm(b - a)) / _step_mm(tree)), 1) - 1
    share = np.linspace(0.0, 1.0, count + 2)[1:-1]
    new = np.arange(count) + len(graph.points)
    graph.points = np.concatenate([graph.points, a + share[:, None] * (b - a)])
    radii = tree.radii_mm[to] + share * (tree.radii_mm[point] - tree.radii_mm[to])
    graph.radii = np.concatenate([graph.radii, radii])
    # The stretch belongs to the vessel that it makes longer.
    graph.branch = np.concatenate([graph.branch, np.full(count, tree.branch[point])])
    way = [to, *new.tolist(), point]
    graph.links = np.concatenate([graph.links, np.array(list(pairwise(way)))])
    return _rebuilt(graph, tree)


def reroot(tree: VesselTree, point: int) -> VesselTree:
    """The tree with ``point`` as the root of its part; that part comes first if it held the tree's root.

    Raises
    ------
    BadInput
        If the point does not exist.
    """
    _on_tree(tree, point)
    parts = part_of(tree)
    graph = _Graph.of(tree)
    graph.roots = [point if parts[root] == parts[point] else root for root in graph.roots]
    return _rebuilt(graph, tree)


def rename(tree: VesselTree, branch: int, name: str, color: Color | None = None) -> VesselTree:
    """The tree with a branch named by a person; all beyond it takes over name and colour.

    Parameters
    ----------
    name
        Empty: the branch is called as the one that it leaves from.
    color
        None: it has the colour of the one that it leaves from.
    """
    _known(tree, branch)
    below = set(tree.subtree(branch)) - {branch}
    return replace(
        tree,
        branches=tuple(
            Branch(one.id, name.strip(), color) if one.id == branch else (Branch(one.id) if one.id in below else one)
            for one in tree.branches
        ),
    )


def recolor(tree: VesselTree, branch: int, color: Color | None) -> VesselTree:
    """The tree with a branch and all beyond it in one colour; names stay."""
    _known(tree, branch)
    below = set(tree.subtree(branch)) - {branch}
    return replace(
        tree,
        branches=tuple(
            replace(one, color=color) if one.id == branch else (replace(one, color=None) if one.id in below else one)
            for one in tree.branches
        ),
    )


def confirm(tree: VesselTree, branches: Iterable[int] | None = None) -> VesselTree:
    """The tree with suggested names confirmed: those of ``branches``, or all."""
    chosen = set(tree.row_of if branches is None else branches)
    for branch in chosen:
        _known(tree, branch)
    return replace(
        tree,
        branches=tuple(replace(one, suggested=False) if one.id in chosen else one for one in tree.branches),
    )


def part_of(tree: VesselTree) -> IntArray:
    """The root of the part that each point lies in, (n,)."""
    found = np.arange(len(tree.parent), dtype=np.int32)
    for point, before in enumerate(tree.parent.tolist()):
        if before >= 0:
            found[point] = found[before]
    return found


def _known(tree: VesselTree, branch: int) -> None:
    if branch not in tree.row_of:
        raise BadInput(tr("The tree has no branch {branch}.").format(branch=branch))


def _on_tree(tree: VesselTree, point: int) -> None:
    if not 0 <= point < len(tree.parent):
        message = tr("The tree has no point {point}; its points are numbered from 0 to {last}.")
        raise BadInput(message.format(point=point, last=len(tree.parent) - 1))


def _below(tree: VesselTree, point: int) -> NDArray[np.bool_]:
    """A point and all that it feeds."""
    found = np.zeros(len(tree.parent), dtype=np.bool_)
    found[point] = True
    for other in range(point + 1, len(tree.parent)):
        before = tree.parent[other]
        found[other] = before >= 0 and found[before]
    return found


def _step_mm(tree: VesselTree) -> float:
    own = np.flatnonzero(tree.parent >= 0)
    if own.size == 0:
        return 1.0
    steps = np.linalg.norm(tree.points_mm[own] - tree.points_mm[tree.parent[own]], axis=1)
    return max(float(np.median(steps)), 1e-3)


@dataclass(eq=False)
class _Graph:
    """Points and the links between them, without directions; ``branch`` is what each point belonged to."""

    points: FloatArray
    radii: FloatArray
    branch: NDArray[np.int64]
    links: NDArray[np.int64]
    roots: list[int]
    old: NDArray[np.int64]

    @staticmethod
    def of(tree: VesselTree) -> _Graph:
        own = np.flatnonzero(tree.parent >= 0)
        links = np.stack([tree.parent[own].astype(np.int64), own], axis=1)
        old = np.arange(len(tree.parent))
        return _Graph(tree.points_mm, tree.radii_mm, tree.branch.astype(np.int64), links, tree.roots.tolist(), old)

    def keeping(self, kept: NDArray[np.bool_]) -> _Graph:
        number = np.cumsum(kept) - 1
        links = self.links[kept[self.links].all(axis=1)]
        roots = [int(number[root]) for root in self.roots if kept[root]]
        return _Graph(
            self.points[kept], self.radii[kept], self.branch[kept], number[links], roots, np.flatnonzero(kept)
        )


def _rebuilt(graph: _Graph, tree: VesselTree) -> VesselTree:
    """The tree of a graph: directions away from the roots, points in order, branches without forks.

    A stretch between two forks keeps the id of a branch that at least half of its points belonged to, unless another
    stretch has more points of that branch; it then gets the next free id. A root at which several branches meet is a
    branch of one point.
    """
    near: list[list[int]] = [[] for _ in range(len(graph.points))]
    for a, b in graph.links.tolist():
        near[a].append(b)
        near[b].append(a)
    stretches = _stretches(near, graph.roots)
    ids, branches = _ids(stretches, graph, tree)
    order = np.array([point for points, _ in stretches for point in points], dtype=np.int64)
    place = np.empty(len(graph.points), dtype=np.int64)
    place[order] = np.arange(len(order))
    parents, numbers = [], []
    for (points, before), number in zip(stretches, ids, strict=True):
        parents += [place[before] if before >= 0 else -1, *(place[point] for point in points[:-1])]
        numbers += [number] * len(points)
    result = VesselTree(
        points_mm=graph.points[order],
        radii_mm=graph.radii[order],
        parent=np.array(parents, dtype=np.int32),
        branch=np.array(numbers, dtype=np.int32),
        branches=branches,
    )
    return replace(result, breaks=_breaks(result, tree, graph, place))


def _stretches(near: list[list[int]], roots: list[int]) -> list[tuple[list[int], int]]:
    """Points between forks and ends, from the roots on, each with the fork that it leaves from (-1 at a root)."""
    found: list[tuple[list[int], int]] = []
    for root in roots:
        waiting = [(root, -1)]
        while waiting:
            point, before = waiting.pop()
            points, last = [point], before
            while True:
                ahead = [other for other in near[points[-1]] if other != last]
                if len(ahead) != 1:
                    break
                last = points[-1]
                points.append(ahead[0])
            found.append((points, before))
            waiting += [(other, points[-1]) for other in sorted(ahead, reverse=True)]
    return found


def _ids(
    stretches: list[tuple[list[int], int]], graph: _Graph, tree: VesselTree
) -> tuple[list[int], tuple[Branch, ...]]:
    """The id of each stretch, and the branches in their order, called what their points were called before."""
    held, source = [], {}
    for n, (points, _) in enumerate(stretches):
        owners, counts = np.unique(graph.branch[points], return_counts=True)
        source[n] = int(owners[np.argmax(counts)])
        held += [
            (-int(count), n, int(owner))
            for owner, count in zip(owners, counts, strict=True)
            if owner == source[n] or 2 * count >= len(points)
        ]
    ids: dict[int, int] = {}
    taken: set[int] = set()
    for _, n, owner in sorted(held):
        if n not in ids and owner not in taken:
            ids[n] = source[n] = owner
            taken.add(owner)
    free = max(tree.row_of) + 1
    for n in range(len(stretches)):
        if n not in ids:
            ids[n], free = free, free + 1
    return [ids[n] for n in range(len(stretches))], _named(stretches, ids, source, tree)


def _named(
    stretches: list[tuple[list[int], int]], ids: dict[int, int], source: dict[int, int], tree: VesselTree
) -> tuple[Branch, ...]:
    """The branches; one that took its name or colour from another has it of its own where it no longer would."""
    ends = {points[-1]: n for n, (points, _) in enumerate(stretches)}
    looks: list[Branch] = []
    branches = []
    for n, (_, before) in enumerate(stretches):
        above = looks[ends[before]] if before >= 0 else Branch(-1)
        old, wanted = tree.branches[tree.row_of[source[n]]], look_of(tree, source[n])
        own = old if ids[n] == source[n] else Branch(-1)
        if (own.name or above.name) != wanted.name and wanted.name:
            own = replace(own, name=wanted.name, suggested=wanted.suggested)
        if (own.color or above.color) != wanted.color and wanted.color is not None:
            own = replace(own, color=wanted.color)
        branches.append(replace(own, id=ids[n]))
        name = (own.name, own.suggested) if own.name else (above.name, above.suggested)
        looks.append(Branch(ids[n], name[0], own.color or above.color, name[1]))
    return tuple(branches)


def look_of(tree: VesselTree, branch: int) -> Branch:
    """A branch with the name and the colour that it shows: its own, or the nearest towards the root."""
    shown = tree.branches[tree.row_of[branch]]
    before = tree.parents[branch]
    while before >= 0 and not (shown.name and shown.color is not None):
        above = tree.branches[tree.row_of[before]]
        if not shown.name:
            shown = replace(shown, name=above.name, suggested=above.suggested)
        if shown.color is None:
            shown = replace(shown, color=above.color)
        before = tree.parents[before]
    return shown


def _breaks(result: VesselTree, tree: VesselTree, graph: _Graph, place: NDArray[np.int64]) -> tuple[Break, ...]:
    """What was listed before and still lies apart, and the parts that are new."""
    now = {int(old): int(place[n]) for n, old in enumerate(graph.old)}
    parts = part_of(result)
    roots = set(result.roots.tolist()[1:])
    found: dict[int, Break] = {}
    for one in tree.breaks:
        root, towards = now.get(one.root, -1), now.get(one.towards, -1)
        if root in roots and towards >= 0 and parts[root] != parts[towards]:
            found[root] = replace(one, root=root, towards=towards)
    for root in sorted(roots):
        if root not in found:
            apart = np.flatnonzero(parts != parts[root])
            gaps = np.linalg.norm(result.points_mm[apart] - result.points_mm[root], axis=1)
            gaps -= result.radii_mm[apart] + result.radii_mm[root]
            least = int(np.argmin(gaps))
            found[root] = Break(root, int(apart[least]), max(float(gaps[least]), 0.0))
    return tuple(found[root] for root in sorted(found))
