"""What a simulator asks for that measures a surface: `surgitwin.surfaces` makes it, and a command hands it over."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.simulators.base import Inputs


@runtime_checkable
class WantsSurface(Protocol):
    """Inputs that lack the surface of a mask; the command that runs the simulator makes it and hands it over."""

    def mask_for_surface(self) -> tuple[NDArray[np.bool_], Geometry, Box]:
        """The mask [k, j, i] of the box, the grid of the whole image, and the box.

        Raises
        ------
        BadInput
            If there is nothing to make a surface of.
        """

    def with_surface(self, surface: Mesh) -> Inputs:
        """The same inputs with the surface of the mask, LPS mm."""
