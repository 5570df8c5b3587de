"""Where masks go: every segment ends up with just the voxels it should have, whatever lay there before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from surgitwin.commands.placement import FrozenLayer, Places, clearing, find_places
from surgitwin.core.ids import NodeId, new_node_id, new_revision
from surgitwin.scene.nodes import SegmentNode

SHAPE = (3, 4, 5)


def layer_of(labels: np.ndarray, values: frozenset[int]) -> FrozenLayer:
    return FrozenLayer(new_node_id(), new_revision(), labels, values)


def segment(name: str, layer: FrozenLayer, value: int) -> SegmentNode:
    return SegmentNode(name=name, layer=layer.id, value=value, color=(1, 2, 3))


def carried_out(layers: list[FrozenLayer], places: Places) -> dict[NodeId, np.ndarray]:
    after = {layer.id: layer.labels.copy() for layer in layers}
    for patch in places.patches:
        after[patch.node_id][patch.box.slices] = patch.new.array()
    return after


@given(st.data())
def test_parts_get_their_voxels_overwritten_segments_lose_them_and_no_other_changes(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    layers = [layer_of(random.integers(0, 4, SHAPE).astype(np.uint8), frozenset({1, 2, 3})) for _ in range(2)]
    segments = [segment(f"{n}{v}", layer, v) for n, layer in enumerate(layers) for v in (1, 2, 3)]
    parts = (random.random(SHAPE) < data.draw(st.sampled_from([0.05, 0.3, 1.0]))) * random.integers(1, 3, SHAPE)
    chosen = data.draw(st.permutations(segments))
    targets = {1: chosen[0] if data.draw(st.booleans()) else None, 2: chosen[1] if data.draw(st.booleans()) else None}
    overwritten = chosen[2 : data.draw(st.integers(2, 6))]
    taking = random.random(SHAPE) < 0.5 if data.draw(st.booleans()) else np.ones(SHAPE, dtype=np.bool_)
    before = {s.id: layers[int(s.name[0])].labels == s.value for s in segments}

    places = find_places(layers, parts, targets, overwritten, taking)

    after = carried_out(layers, places)
    home = after[places.layer] if places.layer is not None else places.labels
    assert home is not None
    for part, value in places.values.items():
        np.testing.assert_array_equal(home == value, parts == part)
    moved = {target.id for target in targets.values() if target is not None}
    for other in segments:
        if other.id in moved:
            continue
        kept = before[other.id] & ~((parts != 0) & taking & (other in overwritten))
        np.testing.assert_array_equal(after[other.layer] == other.value, kept)


def test_disjoint_segments_share_one_layer_and_overlapping_ones_do_not() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[0] = 1
    layer = layer_of(labels, frozenset({1}))
    apart, over = np.zeros(SHAPE, dtype=np.bool_), np.ones(SHAPE, dtype=np.bool_)
    apart[2] = True
    assert find_places([layer], apart, {1: None}).layer == layer.id
    assert find_places([layer], over, {1: None}).layer is None


def test_a_full_layer_makes_way_for_a_new_one() -> None:
    layer = layer_of(np.zeros(SHAPE, dtype=np.uint8), frozenset(range(1, 256)))
    assert find_places([layer], np.ones(SHAPE, dtype=np.bool_), {1: None}).layer is None


def test_clearing_takes_one_segment_away_and_costs_its_box_only() -> None:
    labels = np.full(SHAPE, 2, dtype=np.uint8)
    labels[1, 1:3, 2] = 1
    layer = layer_of(labels, frozenset({1, 2}))
    (patch,) = clearing(layer, segment("x", layer, 1))
    assert patch.box.size_ijk == (1, 2, 1)
    assert not patch.new.array().any()
