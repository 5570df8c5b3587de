"""A triangle mesh in LPS millimetres, as plain arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points and triangles; outward normals follow the right-hand rule.

    Attributes
    ----------
    points
        float32, shape (n, 3), LPS millimetres.
    triangles
        int32, shape (m, 3), indices into ``points``.
    normals
        float32, shape (n, 3), a unit vector outwards for each point; where they are missing a view makes its own. A
        part of a surface needs those of the whole, or its rim shows.
    """

    points: NDArray[np.float32]
    triangles: NDArray[np.int32]
    normals: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise BadInput(f"A mesh needs points of shape (n, 3), not {self.points.shape}.")
        if self.triangles.ndim != 2 or self.triangles.shape[1] != 3:
            raise BadInput(f"A mesh needs triangles of shape (m, 3), not {self.triangles.shape}.")

    @property
    def empty(self) -> bool:
        return len(self.triangles) == 0

    @property
    def volume_mm3(self) -> float:
        """Enclosed volume by the divergence theorem; positive if the normals point outwards."""
        if self.empty:
            return 0.0
        points = self.points.astype(np.float64) - self.points.mean(axis=0, dtype=np.float64)
        a, b, c = (points[self.triangles[:, corner]] for corner in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    @property
    def volume_ml(self) -> float:
        return self.volume_mm3 / 1000.0

    @property
    def area_mm2(self) -> float:
        points = self.points.astype(np.float64)
        a, b, c = (points[self.triangles[:, corner]] for corner in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0)
