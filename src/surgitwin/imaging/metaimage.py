"""MetaImage (.mha, .mhd), read by SimpleITK; whether it states an orientation is read from its header's text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.imaging.files import FileRef
from surgitwin.imaging.plain import PlainImage
from surgitwin.imaging.volume import Voxels

_ORIENTING = ("transformmatrix", "rotation", "orientation")


def open_metaimage(file: FileRef) -> PlainImage:
    """Read a MetaImage header.

    Raises
    ------
    BadInput
        If the file is damaged, its separate data file is missing, or it holds colours.
    """
    sitk = _simpleitk()
    header = _header(file)
    if file.local is None and header.get("elementdatafile", "").upper() != "LOCAL":
        raise BadInput(
            tr("'{file}' keeps its voxels in another file; unpack the archive first.").format(file=file.name)
        )
    reader = sitk.ImageFileReader()
    with _on_disk(file) as path:
        reader.SetFileName(str(path))
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise BadInput(tr("'{file}' is not a readable MetaImage file.").format(file=file.name)) from error
    dimension = reader.GetDimension()
    if reader.GetNumberOfComponents() > 1 or dimension not in (2, 3, 4):
        raise BadInput(tr("'{file}' holds colours or vectors, not grey values.").format(file=file.name))
    size = (*reader.GetSize(), 1)[:3]
    spacing = (*reader.GetSpacing(), 1.0)[:3]
    origin = (*reader.GetOrigin(), 0.0)[:3]
    direction = np.eye(3)
    stated = np.array(reader.GetDirection()).reshape(dimension, dimension)
    direction[: min(dimension, 3), : min(dimension, 3)] = stated[:3, :3]
    oriented = any(word in header for word in _ORIENTING) or header.get("anatomicalorientation", "?")[0] not in "?"
    notices = [] if oriented else [_unknown(file)]

    def read(number: int) -> Voxels:
        return _read(file, number, dimension)

    return PlainImage(
        geometry=Geometry.from_parts(size, spacing, origin, direction),
        volumes=reader.GetSize()[3] if dimension == 4 else 1,
        dtype=np.dtype(np.float32)
        if "float" in str(sitk.GetPixelIDValueAsString(reader.GetPixelID()))
        else np.dtype("i2"),
        side_known=oriented,
        notices=tuple(notices),
        read=read,
    )


def _simpleitk() -> Any:
    # Its functions carry no types; as Any they can be called from typed code.
    import SimpleITK

    return SimpleITK


def _unknown(file: FileRef) -> Notice:
    message = tr("'{file}' states no orientation, so left and right are not certain.").format(file=file.name)
    return Notice("unknown-side", message, {})


def _header(file: FileRef) -> dict[str, str]:
    """The header's fields, names in lower case."""
    fields: dict[str, str] = {}
    try:
        with file.open() as stream:
            for line in stream.read(65536).split(b"\n"):
                name, mark, stored = line.decode("latin-1").partition("=")
                if not mark:
                    break
                fields[name.strip().lower()] = stored.strip()
                if name.strip().lower() == "elementdatafile":
                    break
    except OSError as error:
        raise BadInput(tr("'{file}' cannot be read.").format(file=file.name)) from error
    return fields


@contextmanager
def _on_disk(file: FileRef) -> Iterator[Path]:
    """The file's path; a member of an archive is written to a temporary folder that is removed straight after."""
    if file.local is not None:
        yield file.local
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.mha"
        path.write_bytes(file.read())
        yield path


def _read(file: FileRef, number: int, dimension: int) -> Voxels:
    sitk = _simpleitk()
    with _on_disk(file) as path:
        try:
            voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        except RuntimeError as error:
            raise BadInput(
                tr("The voxels of '{file}' cannot be read; a part of it may be missing.").format(file=file.name)
            ) from error
    if dimension == 4:
        return np.asarray(voxels[number])
    return np.asarray(voxels if dimension == 3 else voxels[np.newaxis])
