"""A triangle mesh in LPS millimetres, as plain arrays."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput

_AT_ONCE = 1 << 14  # triangles


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
        middle = self.points.mean(axis=0, dtype=np.float64)
        total = 0.0
        for x, y, z in self.corners(middle):
            total += float(
                (
                    x[0] * (y[1] * z[2] - z[1] * y[2])
                    + y[0] * (z[1] * x[2] - x[1] * z[2])
                    + z[0] * (x[1] * y[2] - y[1] * x[2])
                ).sum()
            )
        return total / 6.0

    @property
    def volume_ml(self) -> float:
        return self.volume_mm3 / 1000.0

    @property
    def area_mm2(self) -> float:
        return sum(float(np.sqrt(x * x + y * y + z * z).sum()) for x, y, z in self.face_vectors()) / 2.0

    def corners(self, origin: NDArray[np.float64] | None = None) -> Iterator[NDArray[np.float64]]:
        """Where the triangles' corners lie, from ``origin``: shape (axis, corner, some), few enough for the cache."""
        columns = np.ascontiguousarray(self.points.T, np.float64)
        if origin is not None:
            columns -= origin[:, None]
        for start in range(0, len(self.triangles), _AT_ONCE):
            some = np.ascontiguousarray(self.triangles[start : start + _AT_ONCE].T)
            yield np.stack([column[some] for column in columns])

    def face_vectors(self) -> Iterator[NDArray[np.float64]]:
        """The triangles' normals, of twice their area's length: shape (axis, some), as many each time as `corners`."""
        for x, y, z in self.corners():
            for row in (x, y, z):
                row[1:] -= row[0]
            yield np.stack((y[1] * z[2] - z[1] * y[2], z[1] * x[2] - x[1] * z[2], x[1] * y[2] - y[1] * x[2]))
