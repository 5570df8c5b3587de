"""Arrays with an identity, read from the case file when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from surgitwin.core.geometry import Box
from surgitwin.core.ids import ArrayId, new_array_id

AnyArray = NDArray[Any]


class ArrayData:
    """One array of a node: constant, or a label array that strokes patch in place.

    Only the scene writes into it, on the main thread. Views read it with `read` on that thread; work on other
    threads takes `frozen`, which no later stroke can change.
    """

    __slots__ = ("_data", "_loader", "_lock", "_watchers", "constant", "dtype", "id", "shape")

    def __init__(
        self,
        array_id: ArrayId,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        data: AnyArray | None = None,
        loader: Callable[[], AnyArray] | None = None,
        constant: bool = True,
    ) -> None:
        self.id = array_id
        self.shape = shape
        self.dtype = dtype
        self.constant = constant
        self._data = data
        self._loader = loader
        self._lock = threading.Lock()
        self._watchers: tuple[Callable[[Box], None], ...] = ()

    @staticmethod
    def of(array: AnyArray, *, constant: bool = True) -> ArrayData:
        """Take ``array`` over under a new id; the caller must not write into it afterwards."""
        data = np.ascontiguousarray(array)
        return ArrayData(new_array_id(), data.shape, data.dtype, data=data, constant=constant)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def loaded(self) -> bool:
        return self._data is not None

    def read(self) -> AnyArray:
        """The array as a read-only view; it shows later patches."""
        view = self._array().view()
        view.setflags(write=False)
        return view

    def frozen(self, box: Box | None = None) -> AnyArray:
        """The array (or its part ``box``) as no later edit can change it; a constant array is not copied."""
        part = self._array() if box is None else self._array()[box.slices]
        if not self.constant:
            part = part.copy()
        part = part.view()
        part.setflags(write=False)
        return part

    def write(self, box: Box, values: AnyArray) -> None:
        """Replace the part ``box``; for the scene's edits only."""
        for watcher in self._watchers:
            watcher(box)
        self._array()[box.slices] = values

    def watch_writes(self, watcher: Callable[[Box], None]) -> Callable[[], None]:
        """Call ``watcher`` just before each write, so that it can keep what is there; returns how to stop."""
        with self._lock:
            self._watchers = (*self._watchers, watcher)

        def stop() -> None:
            with self._lock:
                self._watchers = tuple(one for one in self._watchers if one != watcher)

        return stop

    def attach_loader(self, loader: Callable[[], AnyArray]) -> None:
        """Say where the array can be read again, now that the case file holds it."""
        self._loader = loader

    def _array(self) -> AnyArray:
        with self._lock:
            if self._data is None:
                if self._loader is None:
                    raise RuntimeError(f"Array {self.id} has neither data nor a place to read it from.")
                data = self._loader()
                if data.shape != self.shape or data.dtype != self.dtype:
                    raise RuntimeError(f"Array {self.id} was stored with another shape or type.")
                if not self.constant and not data.flags.writeable:
                    data = data.copy()
                self._data = data
            return self._data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArrayData) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"ArrayData({self.id}, {self.shape}, {self.dtype})"


def _validate(value: Any, info: ValidationInfo) -> ArrayData:
    """Accept an `ArrayData`, or its JSON form with ``context={"array_loader": callable(array_id)}``."""
    if isinstance(value, ArrayData):
        return value
    if isinstance(value, dict) and "array" in value:
        array_id = ArrayId(str(value["array"]))
        make_loader = (info.context or {}).get("array_loader")
        if make_loader is None:
            raise ValueError("an array can be read only with a place to load it from")
        return ArrayData(
            array_id,
            tuple(int(n) for n in value["shape"]),
            np.dtype(str(value["dtype"])),
            loader=make_loader(array_id),
            constant=bool(value["constant"]),
        )
    raise ValueError("expected an array")


def _serialize(value: ArrayData) -> dict[str, Any]:
    return {
        "array": value.id,
        "shape": list(value.shape),
        "dtype": value.dtype.str,
        "constant": value.constant,
    }


ArrayField = Annotated[ArrayData, PlainValidator(_validate), PlainSerializer(_serialize, return_type=dict)]
