"""The phantom's truth in numbers: volumes by voxel count, tumours also by formula, and how everything is defined."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin import __version__
from surgitwin.core.geometry import Box
from surgitwin.samples.phantom import table
from surgitwin.samples.phantom.branches import VesselTree
from surgitwin.samples.phantom.make import LiverPhantom
from surgitwin.samples.phantom.trees import DRAINAGE_NAMES, SEGMENT_NAMES, Tumour

DEFINITIONS = {
    "frame": "LPS, mm; arrays are on the grid 'affine_lps' (4x4, voxel index i, j, k to LPS)",
    "volume_ml": "voxels times the volume of a voxel",
    "vessel": "a voxel is in a vessel if its centre p is in one of the capsules between consecutive centreline "
    "points a (radius ra) and b (radius rb): |p - (a + t (b - a))| <= ra + t (rb - ra), where t is the projection of p "
    "on the line a-b, clamped to 0..1",
    "murray": "at every bifurcation the cube of the parent's last radius is the sum of the cubes of its children's "
    "first radii",
    "couinaud": "the territory number of the nearest point of the portal branches that have one, over all liver voxels",
    "drainage": "the same for the hepatic veins",
    "tumor": "a voxel is in a tumor if its centre is in the ellipsoid; analytic_ml is the ellipsoid's volume",
    "liver": "the whole organ: parenchyma, the vessels in it and the tumors; without vena cava and gallbladder",
}


def truth_of(phantom: LiverPhantom) -> dict[str, Any]:
    """The document ``truth.json``; JSON types only, units in the keys."""
    ml = phantom.geometry.voxel_volume_mm3 / 1000
    liver = phantom.labels == table.LIVER
    liver_count = int(np.count_nonzero(liver))
    document: dict[str, Any] = {
        "phantom": "liver-phantom",
        "made_by": f"surgitwin {__version__}",
        "settings": asdict(phantom.settings),
        "size_ijk": list(phantom.geometry.size_ijk),
        "spacing_mm": list(phantom.geometry.spacing_mm),
        "affine_lps": phantom.geometry.affine_lps.tolist(),
        "definitions": DEFINITIONS,
        "organs": _volumes(phantom.labels, table.ORGANS, ml),
        "vessels_tumors": _volumes(phantom.inner, table.INNER, ml),
        "couinaud": _shares(phantom.couinaud, SEGMENT_NAMES, ml, liver_count),
        "drainage": _shares(phantom.drainage, DRAINAGE_NAMES, ml, liver_count),
        "body": {"voxels": int(np.count_nonzero(phantom.body)), "volume_ml": int(np.count_nonzero(phantom.body)) * ml},
        "cut_off": [
            name
            for value, name in table.ORGANS.items()
            if Box.of_mask(phantom.labels == value).touches_edge(phantom.geometry.size_ijk)
            and np.any(phantom.labels == value)
        ],
    }
    document["liver"] = _liver(phantom, liver, ml)
    document["tumors"] = [
        _tumour(phantom, tumour, table.TUMOR_1 + number, ml) for number, tumour in enumerate(phantom.tumours)
    ]
    document["trees"] = {"portal": _tree(phantom.portal), "hepatic": _tree(phantom.hepatic)}
    return document


def _volumes(labels: NDArray[np.uint8], names: dict[int, str], ml: float) -> dict[str, Any]:
    counts = np.bincount(labels.reshape(-1), minlength=256)
    return {
        name: {"value": value, "voxels": int(counts[value]), "volume_ml": int(counts[value]) * ml}
        for value, name in names.items()
    }


def _shares(labels: NDArray[np.uint8], names: dict[int, str], ml: float, liver_count: int) -> dict[str, Any]:
    document = _volumes(labels, names, ml)
    for entry in document.values():
        entry["percent"] = 100 * entry["voxels"] / liver_count if liver_count else None
    return document


def _liver(phantom: LiverPhantom, liver: NDArray[np.bool_], ml: float) -> dict[str, Any]:
    inside = np.bincount(phantom.inner[liver], minlength=8)
    everywhere = np.bincount(phantom.inner.reshape(-1), minlength=8)
    tumours = int(inside[table.TUMOR_1] + inside[table.TUMOR_2])
    count = int(np.count_nonzero(liver))
    vessels = int(inside[table.PORTAL_VEIN] + inside[table.HEPATIC_VEINS])
    return {
        "voxels": count,
        "volume_ml": count * ml,
        "tumor_free_ml": (count - tumours) * ml,
        "parenchyma_ml": (count - tumours - vessels) * ml,
        "inside_ml": {name: int(inside[value]) * ml for value, name in table.INNER.items()},
        "outside_ml": {name: int(everywhere[value] - inside[value]) * ml for value, name in table.INNER.items()},
    }


def _tumour(phantom: LiverPhantom, tumour: Tumour, label: int, ml: float) -> dict[str, Any]:
    mask = phantom.inner == label
    segments = np.bincount(phantom.couinaud[mask], minlength=9)
    count = int(np.count_nonzero(mask))
    return {
        "name": tumour.name,
        "centre_mm": list(tumour.centre_mm),
        "semi_axes_mm": list(tumour.semi_axes_mm),
        "analytic_ml": tumour.volume_ml,
        "voxels": count,
        "volume_ml": count * ml,
        "segment_ml": {SEGMENT_NAMES[n]: int(segments[n]) * ml for n in SEGMENT_NAMES if segments[n]},
    }


def _tree(tree: VesselTree) -> dict[str, Any]:
    return {
        "branches": len(tree.branches),
        "ends": sum(branch.ends for branch in tree.branches if branch.parent < 0),
        "length_mm": sum(branch.length_mm for branch in tree.branches),
        "roots": [
            {"name": tree.branches[root].name, "radius_mm": float(tree.branches[root].radii_mm[0])}
            for root in tree.roots
        ],
    }
