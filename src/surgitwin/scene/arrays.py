"""Arrays with an identity, read from the case file when they are first needed."""

from __future__ import annotations

import sys
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

    Only the scene writes into it, on the main thread. Views read it with `read` on that thread, anew after every
    change; work on other threads takes `frozen`, which no later stroke can change. Freezing costs nothing: a stroke
    that comes while frozen parts are in use goes into a copy.
    """

    __slots__ = ("_data", "_lent", "_loader", "_lock", "_watchers", "constant", "dtype", "id", "shape")

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
        self._lent: AnyArray | None = None
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
        """The array as a read-only view; only good until the next change."""
        view = self._array().view()
        view.setflags(write=False)
        return view

    def frozen(self, box: Box | None = None) -> AnyArray:
        """The array (or its part ``box``), read-only, as no later edit can change it."""
        data = self._array()
        if self.constant:
            part = data.view()
        else:
            with self._lock:
                if self._lent is None:
                    # Over a memoryview, so that numpy makes `_lent` itself the base of every part that is handed
                    # out, and its reference count tells whether one is still in use.
                    self._lent = np.asarray(memoryview(data))  # type: ignore[arg-type]
                part = self._lent.view()
        part.setflags(write=False)
        return part if box is None else part[box.slices]

    def write(self, box: Box, values: AnyArray) -> None:
        """Replace the part ``box``; for the scene's edits only."""
        for watcher in self._watchers:
            watcher(box)
        data = self._array()
        with self._lock:
            if self._lent is not None:
                in_use = sys.getrefcount(self._lent) > 2  # one is this object's, one the call's
                if in_use:
                    self._data = data = data.copy()
                self._lent = None
        data[box.slices] = values

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
