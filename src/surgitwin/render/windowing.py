"""From image values to grey: window and level, their presets, and the look-up table that makes it fast."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.render.tokens import RESOURCES

Array = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """Which values are shown: black below ``level - width/2``, white above ``level + width/2``."""

    width: float = 350.0
    level: float = 50.0
    inverted: bool = False

    @property
    def low(self) -> float:
        return self.level - self.width / 2

    @property
    def text(self) -> str:
        return f"W {self.width:.0f} L {self.level:.0f}"

    def dragged(self, right: float, up: float) -> Window:
        """This window after a drag over ``right`` and ``up`` pixels: wider to the right, brighter upwards."""
        # One pixel is a small part of the width, so that 2000 HU of bone and 90 HU of liver drag alike.
        step = max(self.width, 1.0) / 250.0
        return Window(max(self.width + right * step, 1.0), self.level - up * step, self.inverted)

    def grey(self, values: Array) -> NDArray[np.uint8]:
        """Values to grey from 0 to 255, same shape."""
        if values.dtype in (np.dtype(np.int16), np.dtype(np.uint16)):
            return np.asarray(np.take(self.table(values.dtype), values.view(np.uint16)))
        scaled = (values.astype(np.float32) - self.low) * (255.0 / max(self.width, 1e-6))
        grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return np.asarray(255 - grey, dtype=np.uint8) if self.inverted else grey

    def argb(self, values: Array) -> NDArray[np.uint32]:
        """Values to opaque grey pixels 0xFFgggggg, same shape."""
        if values.dtype in (np.dtype(np.int16), np.dtype(np.uint16)):
            return np.take(
                _argb_table(self.width, self.level, self.inverted, values.dtype.kind), values.view(np.uint16)
            )
        return np.take(_GREY_ARGB, self.grey(values))

    def table(self, dtype: np.dtype[Any]) -> NDArray[np.uint8]:
        """The grey of every 16-bit pattern, for int16 or uint16 values read as uint16."""
        return _table(self.width, self.level, self.inverted, np.dtype(dtype).kind)


@dataclass(frozen=True)
class WindowPreset:
    """A named window; ``key`` is the number key that calls it, 0 for none."""

    name: str
    window: Window
    key: int = 0


@cache
def window_presets() -> tuple[WindowPreset, ...]:
    """The window and level presets for CT, from ``resources/presets/windows.json``."""
    data = json.loads((RESOURCES / "presets" / "windows.json").read_text(encoding="utf-8"))
    return tuple(
        WindowPreset(entry["name"], Window(entry["width"], entry["level"]), entry.get("key", 0)) for entry in data["ct"]
    )


def window_for(array: Array, modality: str = "CT") -> Window:
    """The window to open an image with: the abdomen's for CT, the 1st to 99th percentile for anything else."""
    if modality == "CT" or array.size == 0:
        return window_presets()[0].window
    step = tuple(slice(None, None, max(1, n // 64)) for n in array.shape)
    low, high = (float(v) for v in np.percentile(array[step], (1, 99)))
    return Window(max(high - low, 1.0), (high + low) / 2)


_GREY_ARGB = np.arange(256, dtype=np.uint32) * np.uint32(0x010101) | np.uint32(0xFF000000)


@lru_cache(maxsize=16)
def _argb_table(width: float, level: float, inverted: bool, kind: str) -> NDArray[np.uint32]:
    return np.take(_GREY_ARGB, _table(width, level, inverted, kind))


@cache
def _patterns(kind: str) -> NDArray[np.float32]:
    patterns = np.arange(65536, dtype=np.uint16)
    return (patterns.view(np.int16) if kind == "i" else patterns).astype(np.float32)


# A drag makes a new table with every pixel of mouse movement: only the latest few are worth keeping.
@lru_cache(maxsize=16)
def _table(width: float, level: float, inverted: bool, kind: str) -> NDArray[np.uint8]:
    scaled = (_patterns(kind) - (level - width / 2)) * np.float32(255.0 / max(width, 1e-6))
    table = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    if inverted:
        table = np.asarray(255 - table, dtype=np.uint8)
    table.setflags(write=False)
    return np.asarray(table, dtype=np.uint8)
