"""Reading and writing the samples' files: NIfTI in LPS terms, JSON, and a folder that appears whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, StorageFailed
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.text import tr

MANIFEST = "sample.json"
_PARTIAL = ".partial"


@contextmanager
def sample_folder(out: Path, name: str) -> Iterator[Path]:
    """A folder to write the sample ``name`` into; its content moves to ``out`` when the block ends well.

    ``out`` may be missing, empty, or hold an earlier copy of the same sample and nothing else (it is replaced). If
    the block fails or is cancelled, ``out`` is as it was.

    Raises
    ------
    BadInput
        If ``out`` is a file or holds anything else.
    StorageFailed
        If the disk refuses.
    """
    earlier = _earlier_files(out, name)
    is_new = not out.exists()
    work = out / _PARTIAL
    try:
        try:
            work.mkdir(parents=True)
            yield work
            _finish(out, work, name, earlier)
        except OSError as error:
            raise StorageFailed(
                tr("The sample could not be written to {path}: {cause}.").format(path=out, cause=_cause(error))
            ) from error
    except BaseException:
        shutil.rmtree(out if is_new else work, ignore_errors=True)
        raise


def _cause(error: BaseException | None) -> str:
    """What the drive said; pydicom hides it behind an error whose text is a traceback."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return tr("the drive reported an error")


def _finish(out: Path, work: Path, name: str, earlier: list[Path]) -> None:
    written = sorted(p.relative_to(work).as_posix() for p in work.rglob("*") if p.is_file())
    write_json(work / MANIFEST, {"sample": name, "files": [*written, MANIFEST]})
    for path in earlier:
        path.unlink()
    for folder in sorted({p.parent for p in earlier} - {out}, reverse=True):
        folder.rmdir()
    for child in sorted(work.iterdir()):
        child.rename(out / child.name)
    work.rmdir()


def _earlier_files(out: Path, name: str) -> list[Path]:
    """The files of an earlier copy of this sample in ``out``; refuses a folder that holds anything else."""
    if not out.exists():
        return []
    if not out.is_dir():
        raise BadInput(tr("{path} is a file. Give a folder that does not exist yet or is empty.").format(path=out))
    present = [p for p in out.rglob("*") if not p.is_dir() and _PARTIAL not in p.parts]
    listed: set[str] = set()
    if (out / MANIFEST).is_file():
        try:
            document = json.loads((out / MANIFEST).read_text("utf-8"))
            listed = set(document["files"]) if document["sample"] == name else set()
        except (ValueError, KeyError, TypeError):
            listed = set()
    if any(p.relative_to(out).as_posix() not in listed for p in present):
        raise BadInput(
            tr("The folder {path} already holds other files. Give one that does not exist yet or is empty.").format(
                path=out
            )
        )
    shutil.rmtree(out / _PARTIAL, ignore_errors=True)
    return present


def write_json(path: Path, document: Any, *, compact: bool = False) -> None:
    """UTF-8 JSON; ``compact`` for long lists of numbers."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=None if compact else 1)
    path.write_text(text + "\n", "utf-8")


def read_nifti(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read a 3D NIfTI as [k, j, i] with its LPS geometry (the file's own axes are RAS)."""
    import nibabel

    image: Any = nibabel.load(path)
    data = np.asanyarray(image.dataobj)
    return data.transpose(2, 1, 0), Geometry.from_affine(data.shape, lps_to_ras(image.affine))


def write_nifti(path: Path, volume: NDArray[Any], geometry: Geometry) -> None:
    """Write [k, j, i] with its LPS geometry as NIfTI; sform and qform both say "scanner" and agree."""
    import nibabel

    affine = lps_to_ras(geometry.affine_lps)
    make: Any = nibabel.Nifti1Image  # nibabel annotates it in part only
    image = make(volume.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    nibabel.save(image, path)


def along_lps(volume: NDArray[Any], geometry: Geometry) -> tuple[NDArray[Any], Geometry]:
    """The same voxels at the same places, re-ordered so that i, j and k run as nearly as can be along L, P and S."""
    direction = geometry.direction
    order = [int(np.argmax(np.abs(direction[axis]))) for axis in range(3)]
    if sorted(order) != [0, 1, 2]:
        raise BadInput(tr("The axes of this image lie too oblique to be ordered along left, back and head."))
    signs = [1 if direction[axis, source] >= 0 else -1 for axis, source in enumerate(order)]
    affine = np.eye(4)
    first = np.zeros(3)
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        affine[:3, axis] = sign * geometry.affine_lps[:3, source]
        first[source] = 0 if sign > 0 else geometry.size_ijk[source] - 1
    affine[:3, 3] = geometry.to_lps(first)
    # numpy's axes run k, j, i
    turned = volume.transpose([2 - order[2 - axis] for axis in range(3)])
    turned = turned[tuple(slice(None, None, signs[2 - axis]) for axis in range(3))]
    sizes = [geometry.size_ijk[source] for source in order]
    return turned, Geometry.from_affine(sizes, affine)
