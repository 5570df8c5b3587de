"""TotalSegmentator (nnU-Net), where it is installed: ``pip install surgitwin[ai]``."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmenters import total_run
from surgitwin.segmenters.base import (
    Estimate,
    Found,
    ModelIdentity,
    Request,
    estimate_text,
    free_bytes,
    require_memory,
)
from surgitwin.segmenters.naming import segment_names
from surgitwin.segmenters.process import run_apart

LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class TotalTask:
    """A task of TotalSegmentator that needs no licence number.

    Attributes
    ----------
    networks
        How many are run one after the other.
    classes
        The most of one network.
    fast_classes
        Of the coarse one; None if there is none.
    """

    modality: str
    networks: int
    classes: int
    fast_classes: int | None


TASKS = {
    "total": TotalTask("CT", 5, 27, 118),
    "total_mr": TotalTask("MR", 2, 30, 51),
    "body": TotalTask("CT", 1, 3, 3),
    "liver_vessels": TotalTask("CT", 2, 3, None),
    "liver_segments": TotalTask("CT", 2, 9, None),
    "lung_vessels": TotalTask("CT", 2, 3, None),
}
# Rough: the project's own README and others name 80 s on a graphics card and 40 to 50 min on a processor for 135
# patches of 128 voxels (all five networks of a 512x512x366 CT). docs/user/networks.md says so.
PATCH_S = {"cpu": 20.0, "gpu": 0.6}
PATCH, STEP = 128, 64
SPACING_MM, FAST_SPACING_MM = 1.5, 3.0
# Python's torch, the weights, and one patch's activations.
BASE_BYTES = 3_000_000_000
# Scores in half precision, and again in single precision while they are resampled, for each class and voxel.
SCORE_BYTES = 6
SETTING_UP_S = 20.0


class TotalSegmentatorEngine:
    """Runs one task of TotalSegmentator with its own Python interface."""

    name = "totalsegmentator"

    def available(self) -> str | None:
        if importlib.util.find_spec("totalsegmentator") is None:
            return tr("TotalSegmentator is not installed: install it with “pip install surgitwin[ai]”.")
        return None

    def estimate(self, geometry: Geometry, request: Request, ctx: Context) -> Estimate:
        """Rough: from published figures, not from this computer."""
        _, task = _task(request)
        spacing = FAST_SPACING_MM if request.fast else SPACING_MM
        lengths = np.array(geometry.size_ijk) * np.array(geometry.spacing_mm)
        sizes = np.maximum(np.ceil(lengths / spacing), 1)
        patches = float(np.prod(1 + np.ceil(np.maximum(sizes - PATCH, 0) / STEP)))
        networks, classes = (1, task.fast_classes or 0) if request.fast else (task.networks, task.classes)
        seconds = SETTING_UP_S + patches * networks * PATCH_S[request.device]
        memory = BASE_BYTES + float(np.prod(sizes)) * classes * SCORE_BYTES + geometry.voxel_count * 16.0
        return Estimate(seconds, int(memory), rough=True)

    def segment(self, voxels: NDArray[Any], geometry: Geometry, request: Request, ctx: Context) -> Found:
        reason = self.available()
        if reason is not None:
            raise BadInput(reason)
        name, task = _task(request)
        if request.modality not in ("", task.modality):
            message = tr(
                "The task “{name}” is meant for {wanted} images, but this one is {found}: choose another task."
            )
            raise BadInput(message.format(name=name, wanted=task.modality, found=request.modality))
        estimate = self.estimate(geometry, request, ctx)
        ctx.progress(0.0, tr("TotalSegmentator: {cost}").format(cost=estimate_text(estimate)))
        if request.check_memory:
            advice = tr("close other programs, use fast=true, or ask for it all the same with check_memory=false")
            require_memory(estimate.bytes, free_bytes(), advice)
        wanted = total_run.Wanted(name, request.fast, request.device, request.download)
        answer = run_apart(ctx, total_run.segment, wanted, np.ascontiguousarray(voxels), geometry)
        model = f"TotalSegmentator {name}" + (" fast" if request.fast else "")
        identity = ModelIdentity(model, answer.version, answer.weights_sha256, LICENCE)
        return Found(answer.labels, segment_names(answer.names), identity, answer.notes)


def _task(request: Request) -> tuple[str, TotalTask]:
    name = request.model or "total"
    task = TASKS.get(name)
    if task is None:
        message = tr("TotalSegmentator has no task “{name}” here. There are: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(TASKS)))
    if request.fast and task.fast_classes is None:
        message = tr("The task “{name}” has no coarser network: leave “fast” out.")
        raise BadInput(message.format(name=name))
    return name, task
