"""What the fit tells of a pedicle screw: its grade, and the HU along its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.text import tr
from surgitwin.scene.nodes import ImplantModel, SegmentNode, SurfaceNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.commands.fitting import FitTask
    from surgitwin.implants.distance import DistanceTo

Document = dict[str, Any]
Warned = tuple[str, str]


def is_pedicle_screw(item: ImplantModel) -> bool:
    """Only pedicle screws are graded."""
    return "pedicle" in item.family and item.kind == "screw"


def ct_of(scene: Scene, onto: SegmentNode | SurfaceNode) -> tuple[VolumeNode | None, str]:
    """The CT that a structure was segmented in; without one, why there are no HU."""
    if isinstance(onto, SurfaceNode):
        message = tr("“{name}” is a surface from a file, so it is not known which image shows it.")
        return None, message.format(name=onto.name)
    kept = scene.segmentation_of(onto).volume
    volume = scene.get(kept, VolumeNode) if kept is not None else None
    if volume is None:
        return None, tr("The image that “{name}” was segmented in is not in the case.").format(name=onto.name)
    if volume.unit != "HU":
        return None, tr("“{name}” is not a CT image, so it has no HU.").format(name=volume.name)
    return volume, ""


def screw_document(task: FitTask, pose: NDArray[np.float64], bone: DistanceTo) -> tuple[Document | None, Warned | None]:
    """The grade and the path's HU; and a warning where nothing is graded. None for what is no pedicle screw."""
    from surgitwin.implants.pedicle import screw_fit
    from surgitwin.implants.poses import moved
    from surgitwin.implants.trajectory import CUTOFFS

    if not is_pedicle_screw(task.item):
        return None, None
    points = task.item.reference_points_mm
    sizes = task.item.dimensions_mm
    radius = next((sizes[key] for key in ("diameter", "diameter_mm") if key in sizes), 0.0) / 2
    missing = None
    if not {"entry", "tip"} <= points.keys():
        missing = tr("The screw was not graded: its manifest names no reference points “entry” and “tip”.")
    elif radius <= 0.0:
        missing = tr("The screw was not graded: its manifest gives no “diameter”.")
    elif task.voxel_mm is None:
        missing = tr(
            "The screw was not graded: “{name}” is a surface from a file, and how fine the image was that it came from "
            "is not known. Fit the screw to a segment."
        ).format(name=task.bone_name)
    if missing is not None:
        return None, ("fit-not-graded", missing)
    assert task.voxel_mm is not None
    entry, tip = moved([points["entry"], points["tip"]], pose)
    canal = task.canal[1] if task.canal is not None else None
    fit = screw_fit(bone, entry, tip, radius, voxel_mm=task.voxel_mm, pedicle_mm=task.pedicle_mm, canal=canal)
    hu, why = _path_hu(task, bone, entry, tip, radius)
    document = {
        **fit.as_json(),
        "medial_is_towards": "canal" if canal is not None else "middle of the vertebra",
        "hu": hu,
        "hu_not_assessed": why,
        "hu_cutoffs": [dict(one) for one in CUTOFFS],
    }
    if fit.grade is not None:
        return document, None
    message = tr("The pedicle was not found along the screw, so it was not graded; say from where to where it is.")
    return document, ("fit-no-pedicle", message)


def _path_hu(
    task: FitTask, bone: DistanceTo, entry: Any, tip: Any, radius: float
) -> tuple[Document | None, str | None]:
    from surgitwin.implants.trajectory import path_values

    if task.ct is None:
        return None, task.no_hu
    found = path_values(task.ct, bone, entry, tip, radius)
    if found is None:
        return None, tr("No part of the screw's path is in the bone and in the image.")
    return {**found.as_json(), "image": task.ct.name}, None
