"""Counting values of label arrays piece by piece."""

import numpy as np

from surgitwin.core import counting


def test_pieces_count_what_the_whole_counts(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(counting, "PIECE", 7)
    labels = np.random.default_rng(1).integers(0, 9, (3, 5, 11)).astype(np.uint8)
    assert counting.value_counts(labels, 20).tolist() == np.bincount(labels.ravel(), minlength=20).tolist()


def test_an_empty_array_has_no_values() -> None:
    assert counting.value_counts(np.zeros(0, np.uint8)).size == 0
