"""Arrays that strokes patch in place while other threads still read what was there."""

import numpy as np

from surgitwin.core.geometry import Box
from surgitwin.scene.arrays import ArrayData

WHOLE = Box((0, 0, 0), (4, 4, 4))


def zeros() -> ArrayData:
    return ArrayData.of(np.zeros((4, 4, 4), np.uint8), constant=False)


def test_a_part_of_a_frozen_array_keeps_its_values_after_the_whole_was_let_go() -> None:
    array = zeros()
    whole = array.frozen()
    part = whole[1:3]
    del whole
    array.write(WHOLE, np.ones((4, 4, 4), np.uint8))
    assert part.max() == 0
    assert array.read().min() == 1


def test_an_array_that_nobody_holds_frozen_is_written_in_place() -> None:
    array = zeros()
    before = array.read().__array_interface__["data"][0]
    array.frozen()
    array.write(Box((0, 0, 0), (1, 1, 1)), np.ones((1, 1, 1), np.uint8))
    assert array.read().__array_interface__["data"][0] == before


def test_neither_a_view_nor_a_frozen_array_can_be_written_into() -> None:
    array = zeros()
    assert not array.read().flags.writeable
    assert not array.frozen().flags.writeable
