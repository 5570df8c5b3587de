"""The few loops that nothing ships: compiled with numba, once for each user, kept in the user's cache folder.

``python -m surgitwin.core.compiled`` compiles all of them ahead; the set-up does. Import the modules with
kernels where they are needed only: numba alone takes most of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

KERNELS = (
    "surgitwin.core.triangle_kernels",
    "surgitwin.segmentation.seed_kernels",
    "surgitwin.vessels.thinning_kernels",
    "surgitwin.resection.crossing_kernels",
    "surgitwin.resection.fold_kernels",
    "surgitwin.resection.live_kernels",
    "surgitwin.resection.bound_kernels",
    "surgitwin.vessels.nearest_kernels",
    "surgitwin.vessels.territory_kernels",
    "surgitwin.simulators.portal_pressure.kernels",
    "surgitwin.exchange.mesh_kernels",
    "surgitwin.surfaces.decimation_kernels",
)
"""The modules that hold compiled loops."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(signature: Any) -> Callable[[F], F]:
    """Compile a function for one signature, without Python's lock, and keep the result for the next start."""
    import numba
    from platformdirs import user_cache_path

    config: Any = numba.config
    config.CACHE_DIR = str(user_cache_path("surgitwin", appauthor=False) / "compiled")
    return numba.njit(signature, nogil=True, cache=True, boundscheck=False)  # type: ignore[no-any-return]


def compile_all() -> None:
    """Compile every kernel that is not in the cache yet."""
    import importlib

    for module in KERNELS:
        importlib.import_module(module)


if __name__ == "__main__":
    compile_all()
