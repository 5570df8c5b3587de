"""The method ``network``: an engine's answer as segments."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.methods.base import Hint, Inputs, MethodParams, Parts, SegmentMethod, setting
from surgitwin.segmenters.base import Device, Engine, Found, Request, estimate_text
from surgitwin.segmenters.registry import engine_named, engine_names, task_names


class NetworkParams(MethodParams):
    engine: Annotated[str, Hint(engine_names)] = setting(
        "onnx", "", tr("What runs the network: onnx, totalsegmentator, or another package's.")
    )
    model: Annotated[str, Hint(task_names, tr("Manifest of a model (*.json)"))] = setting(
        "", "", tr("The manifest of an ONNX model (a JSON file), or a task of TotalSegmentator such as total.")
    )
    fast: bool = setting(False, "", tr("TotalSegmentator: the coarser, quicker network."))
    device: Device = setting("cpu", "", tr("Where TotalSegmentator computes: the processor or a graphics card."))
    download: bool = setting(False, "", tr("TotalSegmentator may fetch its weights from the internet."))
    check_memory: bool = setting(True, "", tr("Refuse to start when less memory is free than it will need."))

    def request(self, modality: str) -> Request:
        return Request(self.model, modality, self.fast, self.device, self.download, self.check_memory)


def estimate_of(params: NetworkParams, geometry: Geometry, modality: str, ctx: Context) -> str:
    """What a run with these settings will cost, in words; for the window, which tells it before a run starts.

    Runs the model on one patch, so it belongs into a job.

    Raises
    ------
    BadInput
        If the engine or the model cannot be used.
    """
    return estimate_text(_ready(params.engine).estimate(geometry, params.request(modality), ctx))


def run_network(inputs: Inputs, params: NetworkParams, ctx: Context) -> Parts:
    """Ask the engine, and check its answer before it becomes segments."""
    engine = _ready(params.engine)
    found = engine.segment(inputs.voxels, inputs.geometry, params.request(inputs.modality), ctx)
    _check(found, inputs.geometry, params.engine)
    model = {
        "name": found.model.name,
        "version": found.model.version,
        "weights_sha256": found.model.weights_sha256,
        "licence": found.model.licence,
    }
    return Parts(found.labels, dict(found.names), found.notes, {"network": {"engine": engine.name, **model}})


def _ready(name: str) -> Engine:
    engine = engine_named(name)
    reason = engine.available()
    if reason is not None:
        raise BadInput(reason)
    return engine


def _check(found: Found, geometry: Geometry, engine: str) -> None:
    labels = found.labels
    if labels.shape != geometry.shape_kji or labels.dtype not in (np.uint8, np.uint16):
        message = tr("The engine “{name}” answered with {found} instead of labels on the image's grid; ask its makers.")
        raise SurgitwinError(message.format(name=engine, found=f"{labels.dtype} {labels.shape}"))


NETWORK = SegmentMethod(
    "network",
    tr("Network"),
    tr("Segments by a trained network: an ONNX model with its manifest, or TotalSegmentator. A draft to be checked."),
    NetworkParams,
    run_network,
    makes_parts=True,
    # Every engine computes in a process of its own; in a second one around it, cancelling would not reach it.
    light=True,
    estimate=estimate_of,
)
METHODS = (NETWORK,)
