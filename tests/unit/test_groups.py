"""Connected groups against scipy's search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from surgitwin.core.groups import linked_groups


@pytest.mark.parametrize(("size", "links"), [(1, 0), (5, 0), (40, 15), (3000, 1500), (3000, 9000)])
def test_groups_are_those_of_scipy_in_the_order_of_their_first_members(size: int, links: int) -> None:
    rng = np.random.default_rng(size + links)
    one, two = rng.integers(0, size, (2, links), dtype=np.int32)

    found = linked_groups(one, two, size)

    graph = coo_array((np.ones(links, bool), (one, two)), shape=(size, size))
    _, truth = connected_components(graph, directed=False)
    assert np.array_equal(found, truth)


def test_a_long_chain_in_any_order_is_one_group() -> None:
    chain = np.random.default_rng(3).permutation(20_000)

    assert linked_groups(chain[:-1], chain[1:], chain.size).max() == 0
