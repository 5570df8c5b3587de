"""How the C library keeps memory, for processes that do one thing and end."""

from __future__ import annotations

import ctypes
import sys

# glibc's malloc.h; the largest threshold that it takes for large blocks is 32 MB.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST_BLOCK = 32 << 20
_KEPT = 1 << 30


def keep_freed_memory() -> bool:
    """Use memory again that large arrays have freed, up to 1 GB of it, instead of giving it back at once.

    Otherwise each array of some megabytes comes as fresh pages that the system clears first: a quarter of the
    processor's time where arrays follow each other quickly. A process that goes on for long should not do this.

    Returns
    -------
    False where the C library is none that can.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_THRESHOLD, _LARGEST_BLOCK), (_TRIM_THRESHOLD, _KEPT), (_ARENA_MAX, 1))
    done = [mallopt(parameter, value) == 1 for parameter, value in settings]
    return all(done)
