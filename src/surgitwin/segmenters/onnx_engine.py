"""Any ONNX model with a manifest, run with onnxruntime on the processor."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmenters import onnx_run
from surgitwin.segmenters.base import Estimate, Found, ModelIdentity, Request, free_bytes, require_memory
from surgitwin.segmenters.manifest import Manifest, read_manifest, read_weights
from surgitwin.segmenters.naming import segment_names
from surgitwin.segmenters.process import run_apart

CT_VOXEL_BYTES = 2


class OnnxEngine:
    """Runs the model whose manifest the request names; see `surgitwin.segmenters.manifest`."""

    name = "onnx"

    def available(self) -> str | None:
        if importlib.util.find_spec("onnxruntime") is None:
            return tr("ONNX models need the package onnxruntime: install it with “pip install surgitwin[onnx]”.")
        return None

    def estimate(self, geometry: Geometry, request: Request, ctx: Context) -> Estimate:
        """Measured: the model runs on one patch, in a process of its own."""
        task, _ = self._task(geometry, request)
        return run_apart(ctx, onnx_run.cost, task, CT_VOXEL_BYTES)

    def segment(self, voxels: NDArray[Any], geometry: Geometry, request: Request, ctx: Context) -> Found:
        task, digest = self._task(geometry, request)
        manifest = task.manifest
        if not manifest.fits(request.modality):
            message = tr("{name} is meant for {wanted} images, but this one is {found}: choose another network.")
            raise BadInput(message.format(name=manifest.name, wanted=manifest.modality, found=request.modality))
        if task.free is not None:  # what is sure to be needed, before anything is loaded
            least = task.array_bytes(task.channels_at_least, voxels.itemsize) + len(task.weights)
            require_memory(least, task.free, onnx_run.ADVICE)
        labels = run_apart(ctx, onnx_run.segment, task, np.ascontiguousarray(voxels))
        identity = ModelIdentity(manifest.name, manifest.version, digest, manifest.licence)
        return Found(labels, segment_names(manifest.labels), identity)

    def _task(self, geometry: Geometry, request: Request) -> tuple[onnx_run.Task, str]:
        reason = self.available()
        if reason is not None:
            raise BadInput(reason)
        if request.device != "cpu":
            raise BadInput(tr("ONNX models run on the processor only: use device=cpu."))
        if request.fast or request.download:
            setting = "fast" if request.fast else "download"
            message = tr("An ONNX model has no setting “{setting}”: leave it out.")
            raise BadInput(message.format(setting=setting))
        if not request.model:
            raise BadInput(
                tr("Name the model: model=PATH of its manifest, a JSON file; docs/user/networks.md has one.")
            )
        path = Path(request.model).expanduser().absolute()
        manifest: Manifest = read_manifest(path)
        weights, digest = read_weights(path, manifest)
        return onnx_run.Task(manifest, weights, geometry, free_bytes() if request.check_memory else None), digest
