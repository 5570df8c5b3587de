"""The case that the watchdog looks on: a CT made by the program, as DICOM, with its labels beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def phantom(size: int, slices: int, segments: int) -> tuple[np.ndarray, np.ndarray, list[str], Any]:
    """A noisy body, a large liver with two tumours, and other round organs: voxels, labels, names, geometry."""
    from surgitwin.core.geometry import Geometry

    spacing = (380 / size, 380 / size, 400 / slices)
    origin = tuple(-n * s / 2 for n, s in zip((size, size, slices), spacing, strict=True))
    geometry = Geometry.from_parts((size, size, slices), spacing, origin)
    rng = np.random.default_rng(7)
    image = rng.normal(20, 12, (slices, size, size)).astype(np.int16)
    labels = np.zeros(image.shape, np.uint8)
    unit = size / 512

    def ball(value: int, centre: np.ndarray, radii: np.ndarray, hu: int) -> None:
        low = np.maximum(centre - radii, 0).astype(int)
        high = np.minimum(centre + radii + 1, image.shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)]
        k, j, i = (axis / radius for axis, radius in zip(axes, radii, strict=True))
        inside = k[:, None, None] ** 2 + j[:, None] ** 2 + i**2 < 1
        labels[box][inside] = value
        image[box][inside] += hu

    k0 = slices / 2
    ball(1, np.array([k0, 250 * unit, 180 * unit]), np.array([slices * 0.2, 105 * unit, 115 * unit]), 90)
    ball(2, np.array([k0, 240 * unit, 150 * unit]), np.array([slices * 0.04, 20 * unit, 20 * unit]), 60)
    ball(3, np.array([k0 + slices * 0.08, 260 * unit, 200 * unit]), np.array([slices * 0.03, 14 * unit, 14 * unit]), 60)
    for value in range(4, segments + 1):
        centre = np.array([rng.uniform(0.05, 0.95) * slices, rng.uniform(60, 450) * unit, rng.uniform(330, 470) * unit])
        radii = rng.uniform(10, 32, 3) * np.array([slices / 400, unit, unit])
        ball(value, centre, radii, 150 if value % 4 == 0 else 60)
    image[:, : round(20 * unit)] = -1000
    image[:, -round(20 * unit) :] = -1000
    names = ["Liver", "Tumour 1", "Tumour 2", *(f"Organ {value}" for value in range(4, segments + 1))]
    return image, labels, names, geometry


def write_study(folder: Path, size: int, slices: int, segments: int) -> None:
    """The phantom as a DICOM series, and its labels with their names beside it."""
    import nibabel
    from steps import header

    from surgitwin.core.progress import Context
    from surgitwin.samples.dicom_writer import write_ct_series

    image, labels, names, geometry = phantom(size, slices, segments)
    write_ct_series(folder / "dicom", image, geometry, header("watchdog", "CT portal venous"), Context())
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(geometry.rows)
    nibabel.save(nibabel.Nifti1Image(labels.T, affine), folder / "labels.nii")
    table = {str(value): name for value, name in enumerate(names, start=1)}
    (folder / "labels.json").write_text(json.dumps(table), encoding="utf-8")
