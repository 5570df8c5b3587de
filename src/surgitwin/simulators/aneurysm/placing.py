"""The neck plane that a person gave, or else the one that was found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.aneurysm.closing import close_sac
from surgitwin.simulators.aneurysm.params import AneurysmParams
from surgitwin.simulators.aneurysm.plane import NeckPlane
from surgitwin.simulators.aneurysm.variation import Site

FloatArray = NDArray[np.float64]


def neck_override(params: AneurysmParams) -> tuple[FloatArray | None, FloatArray | None]:
    """Point and normal of the neck plane that were given.

    Raises
    ------
    BadInput
        If a text is not three numbers, or the normal has no length.
    """
    point, normal_to = (
        _three(text, name) if text else None
        for name, text in (("neck_point_mm", params.neck_point_mm), ("neck_normal", params.neck_normal))
    )
    if normal_to is not None:
        NeckPlane.of((0.0, 0.0, 0.0), normal_to)
    return point, normal_to


def _three(text: str, name: str) -> FloatArray:
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        message = tr("The setting “{name}” cannot be “{text}”: give x,y,z, such as 12.5,-3,40.")
        raise BadInput(message.format(name=name, text=text[:80]))
    return np.array(numbers)


def placed_plane(site: Site, params: AneurysmParams) -> NeckPlane:
    """The plane that was given, or found where nothing was given, its point in the middle of the neck.

    Raises
    ------
    BadInput
        As `neck_override`, and if the plane misses the sac.
    """
    point, direction = neck_override(params)
    found = site.neck.plane
    given = NeckPlane.of(
        np.array(found.point_mm) if point is None else point, np.array(found.normal) if direction is None else direction
    ).facing(site.neck.dome_mm)
    # Tilting about a point far from the neck would move the plane as well.
    middle = close_sac(site.mesh, given, site.neck.dome_mm).neck_centroid_mm
    return NeckPlane.of(middle, given.normal)
