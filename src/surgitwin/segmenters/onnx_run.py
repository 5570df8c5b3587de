"""What the process of an ONNX model does: load it, try one patch, then segment; called through `run_apart`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmenters.base import Estimate, estimate_text, require_memory
from surgitwin.segmenters.grids import ModelGrid
from surgitwin.segmenters.manifest import Intensity, Manifest
from surgitwin.segmenters.sliding import Labeller, Windows, add, drop_unnamed, gaussian, with_background

ADVICE = tr("close other programs, crop the image, or ask for it all the same with check_memory=false")
# For each voxel of the image, measured on two cores: sampling it, and labelling it from scores on another grid.
SAMPLE_S, LABEL_S = 2e-8, 2e-7


@dataclass(frozen=True)
class Task:
    """One model for one image.

    Attributes
    ----------
    weights
        The bytes of the ONNX file.
    free
        Bytes of memory that may be used; None does not look at that.
    """

    manifest: Manifest
    weights: bytes
    geometry: Geometry
    free: int | None = None

    @property
    def grid(self) -> ModelGrid:
        return ModelGrid.of(self.geometry, self.manifest.input)

    @property
    def windows(self) -> Windows:
        i, j, k = self.manifest.input.patch_size
        return Windows(self.grid.shape_kji, (k, j, i), self.manifest.input.overlap)

    @property
    def channels_at_least(self) -> int:
        return max(self.manifest.labels) + 1

    def array_bytes(self, channels: int, voxel_bytes: int) -> int:
        """Memory for all arrays: the image in both processes and on the model's grid, labels, scores."""
        windows = self.windows
        shapes = zip(windows.shape_kji, windows.patch_kji, strict=True)
        padded = int(np.prod([max(count, patch) for count, patch in shapes]))
        image = self.geometry.voxel_count * (voxel_bytes + 4)
        # A slice of the image for each slice of scores: interpolated, compared, kept.
        slab = int(np.prod(self.geometry.shape_kji[1:])) * 64 * 4 * 5
        return image + 2 * padded * 4 + windows.held_bytes(channels) + min(slab, self.geometry.voxel_count * 20)


class _Model:
    """A loaded network and what one patch of it costs."""

    def __init__(self, task: Task) -> None:
        self._manifest = task.manifest
        memory = psutil.Process()
        before = memory.memory_info().rss
        with _Peak(memory) as peak:
            self._session = _load(task.manifest, task.weights)
            entry = self._session.get_inputs()[0]
            self._entry = entry.name
            self._type = _TYPES[entry.type]
            # The first call also sets up memory, so the second is what each patch costs.
            patch = np.zeros(task.windows.patch_kji, np.float32)
            held, weights = self.scores(patch), gaussian(task.windows.patch_kji)
            begun = time.perf_counter()
            add(held, self.scores(patch), weights)
            self.patch_s = time.perf_counter() - begun
            self.channels = held.shape[0]
        self.own_bytes = max(peak.highest - before, len(task.weights))

    def scores(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        """[k, j, i] to [channel, k, j, i].

        Raises
        ------
        BadInput
            If the model cannot run on such a patch, or its answer has another shape than the manifest says.
        """
        turned = self._manifest.input.tensor_axes == "ijk"
        tensor = np.ascontiguousarray((patch.T if turned else patch)[None, None], dtype=self._type)
        try:
            (answer, *_) = self._session.run(None, {self._entry: tensor})
        except _errors() as error:
            raise BadInput(_cannot_run(self._manifest, error)) from error
        if getattr(answer, "ndim", 0) != 5 or answer.shape[0] != 1 or answer.shape[2:] != tensor.shape[2:]:
            message = tr(
                "The model {name} answers a patch of {given} with {found}; it should answer with one score for each "
                "class and voxel, [1, classes, {sizes}]."
            )
            sizes = ", ".join(str(count) for count in tensor.shape[2:])
            found = getattr(answer, "shape", type(answer).__name__)
            raise BadInput(message.format(name=self._manifest.name, given=list(tensor.shape), found=found, sizes=sizes))
        scores = answer[0].transpose(0, 3, 2, 1) if turned else answer[0]
        return np.asarray(scores, dtype=np.float32)

    def check_labels(self) -> None:
        """Refuse labels that the network has no channel for."""
        regions = self._manifest.output.kind == "regions"
        highest = self.channels if regions else self.channels - 1
        beyond = sorted(value for value in self._manifest.labels if value > highest)
        if beyond:
            message = tr(
                "The manifest of {name} names the label {value}, but the network tells only {count} classes apart: "
                "give labels from 1 to {count}."
            )
            raise BadInput(message.format(name=self._manifest.name, value=beyond[0], count=highest))


def cost(task: Task, voxel_bytes: int, *, ctx: Context) -> Estimate:
    """Load the model, run one patch of zeros and say what the whole image will cost."""
    ctx.progress(None, tr("Trying the network on one patch"))
    return _cost(task, _Model(task), voxel_bytes)


def segment(task: Task, voxels: NDArray[Any], *, ctx: Context) -> NDArray[Any]:
    """`work`, as `run_apart` calls it."""
    return work(task, voxels, ctx)


def work(task: Task, voxels: NDArray[Any], ctx: Context) -> NDArray[Any]:
    """Labels on the image's grid, [k, j, i]; the first message is the estimate.

    Raises
    ------
    BadInput
        If the model does not run, does not fit its manifest or the image, or needs more memory than is free.
    """
    model = _Model(task)
    model.check_labels()
    estimate = _cost(task, model, voxels.itemsize)
    ctx.progress(0.0, tr("{name}: {cost}").format(name=task.manifest.name, cost=estimate_text(estimate)))
    if task.free is not None:
        require_memory(estimate.bytes, task.free, ADVICE)
    grid, windows = task.grid, task.windows
    image = grid.sample(voxels, task.manifest.intensity.clip, ctx.part(0.0, 0.05), tr("Preparing the image"))
    _normalise(image, task.manifest.intensity, task.manifest.name)
    output = task.manifest.output
    classes = model.channels + (output.kind == "regions")
    labeller = Labeller(grid, classes)
    for slices in windows.scores(image, model.scores, ctx.part(0.05, 1.0), task.manifest.name):
        labeller.add(with_background(slices, output.threshold) if output.kind == "regions" else slices)
    drop_unnamed(labeller.labels, task.manifest.labels, classes)
    return labeller.labels


def _cost(task: Task, model: _Model, voxel_bytes: int) -> Estimate:
    seconds = task.windows.count * model.patch_s + task.geometry.voxel_count * (SAMPLE_S if task.grid.same else LABEL_S)
    return Estimate(seconds, task.array_bytes(model.channels, voxel_bytes) + model.own_bytes)


def _normalise(image: NDArray[np.float32], how: Intensity, name: str) -> None:
    """Clipped values to what the network expects, in place; linear, so it may follow the linear resampling."""
    if not np.isfinite(image).all():
        raise BadInput(tr("The image has voxels that are not numbers; {name} cannot use it.").format(name=name))
    if how.mean is not None and how.sd is not None:
        image -= np.float32(how.mean)
        image /= np.float32(how.sd)
    elif how.scale_to is not None and how.clip is not None:
        (low, high), (first, last) = how.clip, how.scale_to
        image -= np.float32(low)
        image *= np.float32((last - first) / (high - low))
        image += np.float32(first)
    elif how.of_image:
        mean, sd = float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))
        if sd == 0.0:
            raise BadInput(tr("Every voxel of the image has the same value; there is nothing to find in it."))
        image -= np.float32(mean)
        image /= np.float32(sd)


_TYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


def _load(manifest: Manifest, weights: bytes) -> Any:
    """The session, with its one input checked against the manifest."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except _errors() as error:
        raise BadInput(_cannot_run(manifest, error)) from error
    entries = session.get_inputs()
    i, j, k = manifest.input.patch_size
    wanted = [1, 1, *((i, j, k) if manifest.input.tensor_axes == "ijk" else (k, j, i))]
    shape = entries[0].shape if entries else []
    fits = len(shape) == 5 and all(
        not isinstance(own, int) or own == count for own, count in zip(shape, wanted, strict=True)
    )
    if len(entries) != 1 or not fits or entries[0].type not in _TYPES:
        found = "; ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in entries)
        message = tr(
            "The model {name} takes {found}, but by its manifest it should take one patch of one image, {wanted}: "
            "correct patch_size or tensor_axes, or use a network for one three-dimensional image."
        )
        raise BadInput(message.format(name=manifest.name, found=found, wanted=wanted))
    return session


def _errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises: each kind is an exception of its own, without a common one."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError)


def _cannot_run(manifest: Manifest, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200].rstrip(".")
    message = tr(
        "The model {model} of {name} cannot be run ({reason}): use a whole ONNX file that onnxruntime supports."
    )
    return message.format(model=manifest.file, name=manifest.name, reason=reason)


class _Peak:
    """The most memory a process holds while something runs."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.highest = 0

    def _look(self) -> None:
        self._note()
        while not self._over.wait(0.005):
            self._note()

    def _note(self) -> None:
        self.highest = max(self.highest, int(self._process.memory_info().rss))

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._note()
