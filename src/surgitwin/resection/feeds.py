"""What the remnant loses, counted for every move of a cut; what is lost is defined in `vessels.supply`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.vessels.supply import Supply
from surgitwin.vessels.tree import System

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Feed:
    """All trees of one vessel system as one.

    Attributes
    ----------
    feeding
        For each voxel of the organ the nearest point of any of the trees, which are numbered one after the other.
    """

    system: System
    supplies: tuple[Supply, ...]
    feeding: NDArray[Any]

    def lost_points(self, removed: BoolArray) -> BoolArray:
        """Which points of the trees are lost when these voxels of the organ go."""
        return np.concatenate([supply.lost_points(removed) for supply in self.supplies])

    def count(self, removed: BoolArray, tumour: BoolArray) -> Lost:
        """How many kept voxels have lost this system."""
        from surgitwin.resection.live_kernels import count_lost

        counts = np.zeros(2, dtype=np.int64)
        count_lost(removed, tumour, self.feeding, self.lost_points(removed), counts)
        return Lost(int(counts[0]), int(counts[1]))

    def lost(self, removed: BoolArray) -> BoolArray:
        """Which voxels are kept but have lost this system."""
        from surgitwin.resection.live_kernels import mark_lost

        found = np.empty(len(removed), dtype=np.bool_)
        mark_lost(removed, self.feeding, self.lost_points(removed), found)
        return found


@dataclass(frozen=True)
class Lost:
    """Kept voxels that lost a system: all, and those that are no tumour."""

    voxels: int
    healthy: int


def count_of_two(first: Feed, second: Feed, removed: BoolArray, tumour: BoolArray) -> tuple[Lost, Lost, int]:
    """What is lost of two systems, and how many kept voxels that are no tumour lost either of them."""
    from surgitwin.resection.live_kernels import count_lost_of_two

    counts = np.zeros(5, dtype=np.int64)
    lost_a, lost_b = first.lost_points(removed), second.lost_points(removed)
    count_lost_of_two(removed, tumour, first.feeding, lost_a, second.feeding, lost_b, counts)
    a, healthy_a, b, healthy_b, either = (int(count) for count in counts)
    return Lost(a, healthy_a), Lost(b, healthy_b), either


def feeds_of(supplies: Sequence[Supply]) -> tuple[Feed, ...]:
    """The trees by what they carry; where one system comes as several trees, the nearest of them feeds a voxel."""
    systems: dict[System, list[Supply]] = {}
    for supply in supplies:
        systems.setdefault(supply.system, []).append(supply)
    return tuple(_together(system, tuple(trees)) for system, trees in systems.items())


def _together(system: System, supplies: tuple[Supply, ...]) -> Feed:
    feeding, away = supplies[0].feeding, supplies[0].away_mm
    offset = len(supplies[0].tree.parent)
    for supply in supplies[1:]:
        nearer = supply.away_mm < away
        feeding = np.where(nearer, supply.feeding + np.int32(offset), feeding)
        away = np.where(nearer, supply.away_mm, away)
        offset += len(supply.tree.parent)
    fits = offset <= np.iinfo(np.uint16).max  # half the memory is passed over in half the time
    return Feed(system, supplies, np.ascontiguousarray(feeding, dtype=np.uint16 if fits else np.int32))
