"""Images from a path, for commands that make nodes of them and for those that need none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.imaging.volume import LoadedVolume, OnSlice, SeriesReader


def existing(path: Path) -> Path:
    """The path, if something is there.

    Raises
    ------
    BadInput
        If nothing is.
    """
    if not path.exists():
        raise BadInput(tr("There is no file or folder {path}.").format(path=path))
    return path


@dataclass(frozen=True, eq=False)
class LoadingImage:
    """An image while it loads: its grid is known, its slices arrive one by one.

    Attributes
    ----------
    voxels
        [k, j, i]; filled by the loading thread, zero where nothing has arrived yet.
    """

    name: str
    unit: str
    geometry: Geometry
    voxels: NDArray[Any]
    side_known: bool


def load_images(path: Path, series: str | None, ctx: Context) -> LoadedVolume:
    """Load a volume, handing out its slices while they arrive."""
    from surgitwin.imaging import DecodePool, open_series

    with DecodePool() as decoders:
        reader = open_series(path, series, ctx.part(0.0, 0.3), decoders)
        reader.info.check_memory()
        on_slice = _handing_out(reader, ctx) if ctx.watched else None
        return reader.read(ctx.part(0.3, 1.0), on_slice, decoders)


def _handing_out(reader: SeriesReader, ctx: Context) -> OnSlice:
    """What hands the volume out, as far as it has been read, with every slice that gets ready."""
    background = -1000 if reader.identity.modality == "CT" else 0
    loading: list[LoadingImage] = []

    def on_slice(k: int, voxels: NDArray[Any]) -> None:
        if not loading:
            array = np.full(reader.geometry.shape_kji, background, dtype=voxels.dtype)
            unit = "HU" if reader.identity.modality == "CT" else ""
            loading.append(LoadingImage(reader.info.description, unit, reader.geometry, array, reader.side_known))
        image = loading[0]
        if k < len(image.voxels) and voxels.shape == image.voxels.shape[1:]:
            image.voxels[k] = voxels
            ctx.partial(image)

    return on_slice
