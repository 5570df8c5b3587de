"""What the process of TotalSegmentator does; called through `run_apart`.

The package fetches weights when it lacks some and reports every run to its makers. Neither happens here unless a person
asked for the download: both functions are replaced before its interface is loaded, and connections are refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmenters.base import Device
from surgitwin.segmenters.child import OffTheNetwork, keep_off_the_network

WEIGHTS = ("*.pth", "plans.json", "dataset.json")  # what decides the answer
READ_BYTES = 1 << 22


@dataclass(frozen=True)
class Wanted:
    """The task, and how it is to be run."""

    task: str
    fast: bool
    device: Device
    download: bool


@dataclass(frozen=True, eq=False)
class Answer:
    """Labels on the image's grid, [k, j, i], what each value is called by TotalSegmentator, and what was run."""

    labels: NDArray[Any]
    names: dict[int, str]
    version: str
    weights_sha256: str
    notes: tuple[str, ...] = ()


def segment(wanted: Wanted, voxels: NDArray[Any], geometry: Geometry, *, ctx: Context) -> Answer:
    """Run the task on an image.

    Raises
    ------
    BadInput
        If weights are missing and may not be downloaded, or a licence is needed.
    SurgitwinError
        If TotalSegmentator failed.
    """
    if not wanted.download:
        keep_off_the_network()
    ctx.progress(None, tr("Loading TotalSegmentator"))
    weights = _Weights(wanted)
    run, class_map = _interface(weights)
    import nibabel

    names = {int(value): str(name) for value, name in class_map[wanted.task].items()}
    affine = lps_to_ras(geometry.affine_lps)
    image = nibabel.Nifti1Image(_storable(voxels).transpose(2, 1, 0), affine)  # type: ignore[no-untyped-call]
    ctx.progress(None, tr("TotalSegmentator is computing"))
    result = _run(run, image, wanted)
    labels = np.asanyarray(result.dataobj)
    if labels.shape != geometry.size_ijk or not np.allclose(result.affine, affine, atol=1e-3):
        raise SurgitwinError(tr("TotalSegmentator answered on another grid than the image's; nothing was changed."))
    kind = np.uint8 if max(names) < 256 else np.uint16
    turned = np.ascontiguousarray(np.rint(labels).astype(kind).transpose(2, 1, 0))
    return Answer(turned, names, _version(), weights.digest())


class _Weights:
    """Which weights are used: told by the package itself, whatever numbers its version gives to its networks."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._folders: set[Path] = set()
        self._fetch: Any = None

    def stand_in(self, fetch: Any) -> None:
        self._fetch = fetch

    def make_sure(self, task_id: int, *more: Any, **named: Any) -> None:
        """Stands in for the package's own ``download_pretrained_weights``."""
        if self._wanted.download:
            self._fetch(task_id, *more, **named)
        found = self._on_disk(task_id)
        if not found:
            message = tr(
                "The weights of TotalSegmentator's task “{task}” are not on this computer (network {number} of it): "
                "allow the download once with download=true, or run “totalseg_download_weights -t {task}”."
            )
            name = self._wanted.task + ("_fast" if self._wanted.fast else "")
            raise BadInput(message.format(task=name, number=task_id))
        self._folders |= set(found)

    def _on_disk(self, task_id: int) -> list[Path]:
        from totalsegmentator.config import get_weights_dir

        folders = sorted(Path(get_weights_dir()).glob(f"Dataset{int(task_id):03d}_*"))
        return [folder for folder in folders if any(folder.rglob("*.pth"))]

    def digest(self) -> str:
        """SHA-256 over the weights of every network that was used, in the order of their paths."""
        if not self._folders:
            raise SurgitwinError(tr("TotalSegmentator did not say which weights it used; nothing was changed."))
        total = hashlib.sha256()
        for folder in sorted(self._folders):
            for file in sorted({file for pattern in WEIGHTS for file in folder.rglob(pattern)}):
                total.update(file.relative_to(folder.parent).as_posix().encode())
                with file.open("rb") as stream:
                    while part := stream.read(READ_BYTES):
                        total.update(part)
        return total.hexdigest()


def _interface(weights: _Weights) -> tuple[Any, Any]:
    """TotalSegmentator's Python interface, which looks for weights through ``weights`` and reports nothing."""
    try:
        from totalsegmentator import config, libs

        config.send_usage_stats = lambda *_, **__: None
        weights.stand_in(libs.download_pretrained_weights)
        libs.download_pretrained_weights = weights.make_sure
        from totalsegmentator import python_api
        from totalsegmentator.map_to_binary import class_map

        # A version whose interface was loaded by one of the modules above has its own names for them.
        python_api.send_usage_stats = config.send_usage_stats
        python_api.download_pretrained_weights = weights.make_sure
        return python_api.totalsegmentator, class_map
    except (ImportError, AttributeError) as error:
        message = tr(
            "TotalSegmentator is installed, but not whole or of a version that is not known here ({reason}): install "
            "it again with “pip install --upgrade surgitwin[ai]”."
        )
        raise BadInput(message.format(reason=error)) from error


def _run(run: Any, image: Any, wanted: Wanted) -> Any:
    try:
        return run(image, None, ml=True, task=wanted.task, fast=wanted.fast, device=wanted.device, quiet=True)
    except SurgitwinError:
        raise
    except OffTheNetwork as error:
        message = tr("TotalSegmentator lacks a file and may not fetch it: allow it once with download=true.")
        raise BadInput(message) from error
    except SystemExit as error:  # how it ends without a licence
        message = tr(
            "TotalSegmentator refused the task “{task}”: it needs a licence number; see its own documentation."
        )
        raise BadInput(message.format(task=wanted.task)) from error
    except MemoryError as error:
        raise SurgitwinError(tr("TotalSegmentator ran out of memory: use fast=true or crop the image.")) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        message = tr("TotalSegmentator failed: {reason}. Nothing was changed.")
        raise SurgitwinError(message.format(reason=reason)) from error


def _storable(voxels: NDArray[Any]) -> NDArray[Any]:
    """NIfTI knows no booleans and no half floats, and nibabel refuses 64-bit integers."""
    if voxels.dtype in (np.int16, np.uint8, np.uint16, np.int32, np.float32, np.float64):
        return voxels
    return voxels.astype(np.float32)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("TotalSegmentator")
    except PackageNotFoundError:
        return "unknown"
