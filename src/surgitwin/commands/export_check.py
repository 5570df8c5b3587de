"""The check of an export: of every mesh by itself, and the worst of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.commands.base import Document  # with it comes pydantic, which not every surface needs

# Rays through all meshes of a file together: many structures must not take long.
_SAMPLES = 20_000
_FEWEST = 300


def check_meshes(
    meshes: Sequence[tuple[str, Mesh, float | None]], ctx: Context, *, thorough_up_to: int | None
) -> Document:
    """Whether meshes are safe to hand on.

    Parameters
    ----------
    meshes
        Name, mesh, and the volume of its voxels, ml, if it has any.
    thorough_up_to
        Triangles that cross each other are counted, and walls measured, in meshes of at most so many triangles; None:
        in all, 0: in none. Elsewhere both are “not assessed”. For the plate a printing process must be chosen.
    """
    from surgitwin.surfaces import check_mesh
    from surgitwin.surfaces.walls import find_walls

    each: list[Document] = []
    for number, (name, mesh, voxel_ml) in enumerate(meshes):
        ctx.progress(number / len(meshes), tr("Checking {name}").format(name=name))
        found = check_mesh(mesh, intersections_up_to=thorough_up_to)
        error = 100.0 * (found.volume_ml / voxel_ml - 1.0) if voxel_ml else None
        sound = found.closed and found.outward
        thorough = thorough_up_to is None or found.triangles <= thorough_up_to
        samples = max(_SAMPLES // len(meshes), _FEWEST)
        walls = find_walls(mesh, samples=samples) if sound and thorough else None
        each.append(
            {
                "name": name,
                **found.as_json(),
                "volume_error_percent": error,
                "min_wall_mm": walls.thinnest_mm if walls is not None else None,
                "min_wall_at_mm": list(walls.at_mm) if walls is not None and walls.at_mm is not None else None,
                "wall_spacing_mm": walls.spacing_mm if walls is not None else None,
                "size_mm": _extent([mesh]),
            }
        )
    return worst_of(each) | {"size_mm": _extent([mesh for _, mesh, _ in meshes]), "meshes": each}


def _extent(meshes: Sequence[Mesh]) -> list[float] | None:
    """Along x, y and z, of all meshes together."""
    points = [mesh.points for mesh in meshes if len(mesh.points)]
    if not points:
        return None
    low = np.min([one.min(axis=0) for one in points], axis=0).astype(np.float64)
    high = np.max([one.max(axis=0) for one in points], axis=0).astype(np.float64)
    return [float(value) for value in high - low]


def worst_of(each: Sequence[Document]) -> Document:
    """The worst of the checks of several meshes; what one of them lacks is not assessed."""
    errors = [abs(entry["volume_error_percent"]) for entry in each if entry["volume_error_percent"] is not None]
    crossed = [entry["self_intersections"] for entry in each]
    walls = [entry for entry in each if entry["min_wall_mm"] is not None]
    thinnest = min(walls, key=lambda one: float(one["min_wall_mm"])) if len(walls) == len(each) else None
    return {
        "closed": all(entry["closed"] for entry in each),
        "manifold": all(entry["manifold"] for entry in each),
        "outward": all(entry["outward"] for entry in each),
        "self_intersections": None if None in crossed else sum(crossed),
        "shells": sum(entry["shells"] for entry in each),
        "min_wall_mm": thinnest["min_wall_mm"] if thinnest is not None else None,
        "min_wall_at_mm": thinnest["min_wall_at_mm"] if thinnest is not None else None,
        "fits_plate": None,
        "volume_ml": sum(entry["volume_ml"] for entry in each),
        "volume_error_percent": max(errors) if errors else None,
        "triangles": sum(entry["triangles"] for entry in each),
    }
