"""Sacs on parent vessels as masks on any grid, with what is true of them, for tests of the aneurysm simulator."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.samples.dicom_writer import write_ct_series
from terminal import done, header, write_nifti

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]


def turned(a: float = 0.4, b: float = -0.7, *, flip: bool = False) -> FloatArray:
    """An oblique direction, if wanted left-handed."""
    turn = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    return np.asarray(turn @ tilt @ np.diag([1, -1 if flip else 1, 1]))


GRIDS = {
    "straight": Geometry.from_parts((56, 52, 54), (0.35, 0.35, 0.35), (-10.2, 3.3, 40.1)),
    "odd spacing": Geometry.from_parts((50, 56, 40), (0.4, 0.33, 0.5), (7.0, -31.5, 12.0)),
    "oblique": Geometry.from_parts((50, 56, 40), (0.4, 0.33, 0.5), (7.0, -31.5, 12.0), turned()),
    "oblique, flipped": Geometry.from_parts((50, 56, 40), (0.4, 0.33, 0.5), (7.0, -31.5, 12.0), turned(flip=True)),
}


@dataclass(frozen=True, eq=False)
class Phantom:
    """A spherical sac on a parent.

    Attributes
    ----------
    base_mm
        The point of the parent's surface below the sac's centre.
    up
        Unit vector from the parent into the sac.
    centre_up_mm
        Height of the sac's centre above the base.
    """

    geometry: Geometry
    sac: Mask
    parent: Mask
    base_mm: FloatArray
    up: FloatArray
    along: FloatArray
    radius_mm: float
    centre_up_mm: float

    @property
    def neck_radius_mm(self) -> float:
        """Of a sac on a flat parent."""
        return math.sqrt(self.radius_mm**2 - self.centre_up_mm**2)

    @property
    def height_mm(self) -> float:
        return self.radius_mm + self.centre_up_mm

    @property
    def labels(self) -> NDArray[np.uint8]:
        """1 parent, 2 sac."""
        return np.asarray(self.parent + 2 * self.sac.astype(np.uint8), dtype=np.uint8)


def sac_on(
    geometry: Geometry,
    *,
    vessel_radius_mm: float | None,
    radius_mm: float = 4.0,
    centre_up_mm: float = 2.2,
    up: tuple[float, float, float] = (0.2, -0.35, 1.0),
) -> Phantom:
    """A spherical sac on a straight vessel, or on a flat parent where ``vessel_radius_mm`` is None."""
    k, j, i = np.indices(geometry.shape_kji)
    places = geometry.to_lps(np.stack((i, j, k), axis=-1))
    direction = np.array(up) / np.linalg.norm(up)
    along = np.cross(direction, [0.3, 1.0, 0.1])
    along /= np.linalg.norm(along)
    base = geometry.centre_mm - 1.5 * direction
    sphere = np.linalg.norm(places - (base + centre_up_mm * direction), axis=-1) <= radius_mm
    height = (places - base) @ direction
    if vessel_radius_mm is None:
        parent = (height <= 0) & (height >= -5.0)
    else:
        from_axis = places - (base - vessel_radius_mm * direction)
        parent = np.linalg.norm(from_axis - (from_axis @ along)[..., None] * along, axis=-1) <= vessel_radius_mm
    return Phantom(
        geometry,
        np.asarray(sphere & ~parent & (height > -2 * (vessel_radius_mm or 0.0))),
        np.asarray(parent),
        base,
        direction,
        along,
        radius_mm,
        centre_up_mm,
    )


def sac_on_fork(name: str) -> Phantom:
    """A sac of 5.6 mm between two branches that leave a trunk, where it meets them in a deep saddle."""
    grid = GRIDS[name]
    geometry = Geometry.from_parts((80, 80, 80), grid.spacing_mm, (3.0, -7.0, 90.0), grid.direction)
    k, j, i = np.indices(geometry.shape_kji)
    places = geometry.to_lps(np.stack((i, j, k), axis=-1)) - geometry.centre_mm
    parent = _tube(places, (0, 0, -12), 1.6) | _tube(places, (10, 0, 7), 1.3) | _tube(places, (-10, 0, 7), 1.3)
    sac = np.linalg.norm(places - np.array([0.0, 0.0, 3.6]), axis=-1) <= 2.8
    up, along = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    return Phantom(geometry, np.asarray(sac & ~parent), np.asarray(parent), geometry.centre_mm, up, along, 2.8, 3.6)


def _tube(places: FloatArray, end: tuple[float, float, float], radius_mm: float) -> Mask:
    """A straight vessel from the origin."""
    axis = np.array(end, dtype=np.float64)
    share = np.clip(places @ axis / (axis @ axis), 0, 1)
    return np.asarray(np.linalg.norm(places - share[..., None] * axis, axis=-1) <= radius_mm)


def ball(radius_mm: float = 3.0, subdivisions: int = 5) -> Mesh:
    """A sphere around the origin as a fine mesh, all its points on it."""
    return ellipsoid((radius_mm, radius_mm, radius_mm), subdivisions)


def ellipsoid(axes_mm: tuple[float, float, float], subdivisions: int = 5) -> Mesh:
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions, 1.0)
    points = np.asarray(sphere.vertices) * np.array(axes_mm)
    return Mesh(points.astype(np.float32), np.asarray(sphere.faces).astype(np.int32))


def write_case(folder: Path, phantom: Phantom) -> Path:
    """A case with a sac, its vessel with a tree, and a segment in the corner that nothing touches."""
    labels = phantom.labels
    labels[:3, :3, :3] = 3
    write_ct_series(folder / "ct", (labels * 100).astype(np.int16), phantom.geometry, header(), Context())
    write_nifti(folder / "labels.nii.gz", labels, phantom.geometry)
    names = folder / "labels.json"
    names.write_text(json.dumps({"1": "Carotid", "2": "Sac", "3": "Corner"}))
    case = folder / "case.twin"
    done("new", case, folder / "ct", "--pseudonym", "Case A")
    done("add", case, folder / "labels.nii.gz", "--as", "labelmap", "--labels", names)
    done("vessels", case, "--segment", "Carotid")
    return case
