"""Arrays cut into chunks, and chunks compressed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from surgitwin.core.geometry import Box
from surgitwin.scene.arrays import ArrayData
from surgitwin.storage.captures import ConstantCapture, LiveCapture
from surgitwin.storage.chunks import ChunkGrid, codec_for, decode, encode

SHAPE = (70, 30, 130)


@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (200_000, 3), (64, 64, 64), SHAPE, (65, 1, 1), (2, 70, 3, 4)])
def test_the_chunks_of_an_array_cover_every_element_once(shape: tuple[int, ...]) -> None:
    grid = ChunkGrid.of(shape)
    count = np.zeros(shape, np.uint8)
    for position in range(len(grid)):
        part = count[grid.slices(position)]
        assert part.shape == grid.chunk_size(position)
        count[grid.slices(position)] += 1
    assert np.all(count == 1)


@settings(max_examples=50)
@given(st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in SHAPE[::-1])))
def test_the_chunks_that_a_box_touches_are_those_that_share_a_voxel_with_it(spans: tuple[tuple[int, int], ...]) -> None:
    starts = [min(a, b - 1) for a, b in spans]
    stops = [max(a + 1, b) for a, b in spans]
    box = Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))
    mask = np.zeros(SHAPE, bool)
    mask[box.slices] = True
    grid = ChunkGrid.of(SHAPE)
    assert grid.touched_by(box) == [p for p in range(len(grid)) if mask[grid.slices(p)].any()]


def test_a_box_in_an_array_of_vectors_touches_whole_vectors() -> None:
    grid = ChunkGrid.of((70, 70, 70, 3))
    assert grid.touched_by(Box((69, 0, 0), (70, 1, 1))) == [1]
    assert grid.chunk_size(1) == (64, 64, 6, 3)


@settings(max_examples=40)
@given(
    hnp.arrays(
        st.sampled_from([np.dtype(t) for t in ("u1", "?", "<i2", ">i2", "<u4", "<f4", "<f8", "<c8")]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    )
)
def test_what_is_decoded_is_what_was_encoded_to_the_bit(array: np.ndarray) -> None:
    codec = codec_for(array.dtype)
    back = decode(encode(array, codec), codec, array.shape, array.dtype)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_parts_of_larger_arrays_are_encoded_as_they_lie() -> None:
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)[1:3, ::2, 5:1:-1]
    data = encode(array, "shuffle+zstd")
    assert np.array_equal(decode(data, "shuffle+zstd", array.shape, array.dtype), array)


def test_a_damaged_chunk_is_noticed() -> None:
    array = np.random.default_rng(1).integers(0, 50, (16, 16, 16), dtype=np.uint8)
    data = encode(array, "zstd")
    for at in (5, len(data) // 2, len(data) - 1):
        bad = bytearray(data)
        bad[at] ^= 4
        with pytest.raises(ValueError):
            decode(bytes(bad), "zstd", array.shape, array.dtype)
    for shape, codec in (((16, 16, 15), "zstd"), ((16, 16, 16), "lzma")):
        with pytest.raises(ValueError, match=r"size|codec"):
            decode(data, codec, shape, array.dtype)


def test_arrays_of_python_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="objects"):
        codec_for(np.dtype(object))


def test_a_label_array_is_captured_as_it_was_whatever_is_painted_before_the_writer_comes() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    array = ArrayData.of(labels, constant=False)
    array.write(Box((0, 0, 0), (100, 20, 70)), np.uint8(1))
    then = array.read().copy()
    capture = LiveCapture(array, range(len(ChunkGrid.of(SHAPE))), whole=True)
    first = capture.encoded(0)
    array.write(Box((50, 0, 0), (80, 30, 70)), np.uint8(2))
    array.write(Box((60, 0, 0), (130, 3, 3)), np.uint8(3))
    held = array.frozen()  # makes the next stroke go into a copy
    array.write(Box((0, 0, 0), (130, 30, 70)), np.uint8(4))
    assert held[0, 0, 0] == 1
    for _ in range(2):  # a second time, as after a failed write
        for position in capture.positions:
            part = capture.grid.slices(position)
            found = decode(capture.encoded(position), "zstd", capture.grid.chunk_size(position), array.dtype)
            assert np.array_equal(found, then[part])
    assert capture.encoded(0) == first
    capture.release()
    array.write(Box((0, 0, 0), (1, 1, 1)), np.uint8(5))  # nobody listens any more


def test_a_constant_array_is_captured_by_reference() -> None:
    array = ArrayData.of(np.arange(30, dtype=np.float32).reshape(10, 3))
    capture = ConstantCapture(array)
    assert capture.positions == (0,)
    found = decode(capture.encoded(0), capture.codec, (10, 3), array.dtype)
    assert np.array_equal(found, array.read())
