"""What an engine is: something that runs networks, says beforehand what that costs, and gives labels with their names.

An engine of another package is found by the entry point ``surgitwin.segmenters``: a class without arguments that keeps
to `Engine`. It must not compute in the process that calls it; `surgitwin.segmenters.process.run_apart` is for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import psutil
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

Device = Literal["cpu", "gpu"]
MINUTE_S = 60.0


@dataclass(frozen=True)
class Request:
    """What a person asks of an engine.

    Attributes
    ----------
    model
        Which network: a file, or a name that the engine knows; empty for the engine's usual one.
    modality
        Of the image, as DICOM writes it (``CT``, ``MR``); empty if it is not known.
    fast
        A coarser and quicker network, where the engine has one.
    download
        The engine may fetch what it lacks from the internet.
    check_memory
        Refuse to start when less memory is free than the estimate says.
    """

    model: str = ""
    modality: str = ""
    fast: bool = False
    device: Device = "cpu"
    download: bool = False
    check_memory: bool = True


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, as far as that can be known.

    Attributes
    ----------
    seconds, bytes
        Of the whole run; the most memory at once.
    rough
        From published figures for other machines, not from a measurement on this one.
    """

    seconds: float
    bytes: int
    rough: bool = False


@dataclass(frozen=True)
class ModelIdentity:
    """Which network it was.

    Attributes
    ----------
    weights_sha256
        Of the weights that were run, in hexadecimal digits.
    """

    name: str
    version: str
    weights_sha256: str
    licence: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """What a network found.

    Attributes
    ----------
    labels
        uint8 or uint16, [k, j, i], on the image's grid; 0 belongs to nothing.
    names
        What each value is called.
    notes
        Sentences that a user must read.
    """

    labels: NDArray[Any]
    names: Mapping[int, str]
    model: ModelIdentity
    notes: tuple[str, ...] = ()


class Engine(Protocol):
    """Runs networks."""

    @property
    def name(self) -> str:
        """As typed by a person."""

    def available(self) -> str | None:
        """None if the engine can run here, else one sentence that says what to do."""

    def estimate(self, geometry: Geometry, request: Request, ctx: Context) -> Estimate:
        """What a run on an image of this grid will cost.

        Raises
        ------
        BadInput
            If the model cannot be used; the sentence says why and what would be right.
        """

    def segment(self, voxels: NDArray[Any], geometry: Geometry, request: Request, ctx: Context) -> Found:
        """Run the model in a process of its own; its first progress message is the estimate.

        Parameters
        ----------
        voxels
            [k, j, i], in the image's unit (HU for CT); read-only.

        Raises
        ------
        BadInput
            If the model or the image cannot be used, or too little memory is free.
        Cancelled
            If the work was cancelled; the process has ended then.
        """


def estimate_text(estimate: Estimate) -> str:
    """The estimate as a person reads it before a run: ``about 3 min and 2.1 GB of memory``."""
    values = {"time": _time_text(estimate.seconds), "memory": memory_text(estimate.bytes)}
    if estimate.rough:
        return tr("roughly {time} and {memory} of memory").format(**values)
    return tr("about {time} and {memory} of memory").format(**values)


def memory_text(count: int) -> str:
    """Bytes as GB with one decimal, or as MB where that is less than one."""
    if count < 1e9:
        return tr("{count} MB").format(count=max(1, round(count / 1e6)))
    return tr("{count:.1f} GB").format(count=count / 1e9)


def free_bytes() -> int:
    """How much memory can be used without pushing other programs out."""
    return int(psutil.virtual_memory().available)


def require_memory(needed: int, free: int, advice: str) -> None:
    """Refuse to start what would not fit.

    Raises
    ------
    BadInput
        If more is needed than is free; ``advice`` ends the sentence.
    """
    if needed > free:
        message = tr("The network needs about {needed} of memory and only {free} is free: {advice}.")
        raise BadInput(message.format(needed=memory_text(needed), free=memory_text(free), advice=advice))


def _time_text(seconds: float) -> str:
    if seconds < MINUTE_S:
        return tr("{count} s").format(count=max(1, round(seconds)))
    return tr("{count} min").format(count=max(1, round(seconds / MINUTE_S)))
