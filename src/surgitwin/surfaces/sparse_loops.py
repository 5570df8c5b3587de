"""scipy's compiled products of sparse matrices and vectors, without the rest of scipy.

All of ``scipy.sparse`` takes a tenth of a second to import, as long as a small surface takes to make; the file with
the loops takes two thousandths. Where it does not lie where scipy keeps it, such as in a packed program, all of
``scipy.sparse`` is imported after all.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

NAME = "_sparsetools"


@cache
def sparse_loops() -> Any:
    """The module with ``csr_matvec`` and ``csc_matvec``; they let other threads run."""
    scipy = PathFinder.find_spec("scipy")
    folders = [str(Path(place) / "sparse") for place in (scipy and scipy.submodule_search_locations) or ()]
    found = PathFinder.find_spec(NAME, folders) if folders else None
    if found is None or found.loader is None:
        from scipy.sparse import _sparsetools

        return _sparsetools
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
