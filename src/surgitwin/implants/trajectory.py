"""The image's HU in the cylinder that a screw takes up in its bone. Information only: see `CUTOFFS` and `LIMITS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.implants.distance import DistanceTo

FloatArray = NDArray[np.float64]

_STEP_MM = 0.5
_RINGS, _AROUND = 6, 24
LIMITS = tr("HU depend on the scanner, its kVp and contrast agent: informative only, not a measure of bone density.")
_OTHER = tr("mean of vertebral bodies, not of a screw's path: not to be compared with this number")
CUTOFFS: tuple[dict[str, Any], ...] = (
    {
        "hu": 153.5,
        "of": "screw path",
        "outcome": tr("pedicle screw loosening, 3 months after fusion of one lumbar level"),
        "population": tr("women (31 of 52 patients, 206 screws in all)"),
        "auc": 0.88,
        "limits": tr("one centre, looked at afterwards; in men of no use (AUC 0.635)"),
        "source": "Hounsfield unit of screw trajectory as a predictor of pedicle screw loosening, 2018, PMID 29866525",
    },
    {
        "hu": 124.0,
        "of": "L1 to L5",
        "outcome": tr("lumbar pedicle screw loosening"),
        "population": tr("215 patients with degenerative disease (124 men, 91 women)"),
        "auc": 0.689,
        "limits": tr("sensitivity 68 %, specificity 57 %; {other}").format(other=_OTHER),
        "source": "Computed tomography-based prediction of lumbar pedicle screw loosening (patients 2015 to 2021)",
    },
    {
        "hu": 116.0,
        "of": "lumbar vertebrae",
        "outcome": tr("pedicle screw loosening"),
        "population": tr("several studies taken together, lumbar"),
        "auc": None,
        "limits": _OTHER,
        "source": tr("meta-analysis"),
    },
    {
        "hu": 126.0,
        "of": "thoracic vertebrae",
        "outcome": tr("pedicle screw loosening"),
        "population": tr("several studies taken together, thoracic"),
        "auc": None,
        "limits": _OTHER,
        "source": tr("meta-analysis"),
    },
)
"""Published thresholds. Nothing is derived from them: no screw is called safe or unsafe."""


@dataclass(frozen=True, eq=False)
class CtPart:
    """The part of a CT around a bone: HU, indexed [k, j, i], and where they lie."""

    voxels: NDArray[Any]
    geometry: Geometry
    name: str

    @staticmethod
    def around(voxels: NDArray[Any], geometry: Geometry, points_mm: ArrayLike, name: str) -> CtPart | None:
        """The part that holds these points, LPS mm, and a voxel more; None if they lie outside the image."""
        index = geometry.to_index(points_mm)
        low, high = (np.rint(some).astype(int).tolist() for some in (index.min(axis=0), index.max(axis=0)))
        box = Box((low[0], low[1], low[2]), (high[0] + 1, high[1] + 1, high[2] + 1)).grown(1, geometry.size_ijk)
        if box.empty:
            return None
        return CtPart(np.ascontiguousarray(voxels[box.slices]), geometry.cropped(box), name)


@dataclass(frozen=True)
class PathValues:
    """HU in the part of a screw's cylinder that is inside the bone.

    Attributes
    ----------
    mean, sd, minimum, maximum
        Of the image interpolated linearly between voxels' centres, each part of the cylinder's volume counted once.
    voxels
        How many voxels it takes part of.
    in_bone_percent
        Of the cylinder from the entry to the tip.
    in_image_percent
        Of its part in the bone; the values are of what lies in the image and holds numbers.
    """

    mean: float
    sd: float
    minimum: float
    maximum: float
    voxels: int
    in_bone_percent: float
    in_image_percent: float
    diameter_mm: float

    def as_json(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "sd": self.sd,
            "min": self.minimum,
            "max": self.maximum,
            "voxels": self.voxels,
            "in_bone_percent": self.in_bone_percent,
            "in_image_percent": self.in_image_percent,
            "diameter_mm": self.diameter_mm,
            "information_only": True,
            "limits": LIMITS,
        }


def path_values(
    ct: CtPart, bone: DistanceTo, entry_mm: ArrayLike, tip_mm: ArrayLike, radius_mm: float
) -> PathValues | None:
    """HU in a screw's cylinder inside the bone; None if it is not in the bone or not in the image.

    The cylinder goes from entry to tip in the outer diameter; its conical end counts as part of it.

    Parameters
    ----------
    entry_mm, tip_mm
        The ends of the screw's axis, LPS mm.

    Raises
    ------
    BadInput
        If the screw has no length or no thickness.
    """
    from scipy.ndimage import map_coordinates

    places = cylinder(entry_mm, tip_mm, radius_mm)
    inside = places[bone.of(places).distance_mm <= 0.0]
    if not len(inside):
        return None
    index = ct.geometry.to_index(inside)
    there = ((index >= -0.5) & (index <= np.asarray(ct.geometry.size_ijk) - 0.5)).all(axis=1)
    index = index[there]
    values = map_coordinates(ct.voxels.astype(np.float64), index[:, ::-1].T, order=1, mode="nearest")
    known = np.isfinite(values)
    if not known.any():
        return None
    values = values[known]
    return PathValues(
        mean=float(values.mean()),
        sd=float(values.std()),
        minimum=float(values.min()),
        maximum=float(values.max()),
        voxels=len(np.unique(np.rint(index[known]).astype(np.int64), axis=0)),
        in_bone_percent=100.0 * len(inside) / len(places),
        in_image_percent=100.0 * len(values) / len(inside),
        diameter_mm=2.0 * radius_mm,
    )


def cylinder(entry_mm: ArrayLike, tip_mm: ArrayLike, radius_mm: float) -> FloatArray:
    """Places that stand for equal volumes of a cylinder, (n, 3), LPS mm: rings of equal area, half a millimetre apart.

    Raises
    ------
    BadInput
        If it has no length or no thickness.
    """
    entry, tip = np.asarray(entry_mm, np.float64), np.asarray(tip_mm, np.float64)
    length = float(np.linalg.norm(tip - entry))
    if not (np.isfinite([*entry, *tip, radius_mm]).all() and length > 1e-6 and radius_mm > 0.0):
        raise BadInput(tr("The screw has no length or no thickness, so there is no path to look at."))
    axis = (tip - entry) / length
    one = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    one /= np.linalg.norm(one)
    count = max(1, int(np.ceil(length / _STEP_MM)))
    along = (np.arange(count) + 0.5) / count * length
    rings = radius_mm * np.sqrt((np.arange(_RINGS) + 0.5) / _RINGS)
    angles = 2.0 * np.pi * np.arange(_AROUND) / _AROUND
    across = np.cos(angles)[:, None] * one + np.sin(angles)[:, None] * np.cross(axis, one)
    flat = (rings[:, None, None] * across).reshape(-1, 3)
    return np.asarray((entry + along[:, None, None] * axis + flat).reshape(-1, 3))
