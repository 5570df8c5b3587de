"""The three ways in: list what a path holds, open one volume of it, or load it at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.decode_pool import DecodePool
from surgitwin.imaging.files import DICOM, METAIMAGE, NIFTI, NRRD, FileRef, find_files, sniff
from surgitwin.imaging.volume import VOLUME, LoadedVolume, OnSlice, SeriesInfo, SeriesReader

_MOST_LISTED = 20


def list_series(path: Path | str, ctx: Context | None = None, decoders: DecodePool | None = None) -> list[SeriesInfo]:
    """What a folder, DICOMDIR, zip archive or image file holds, from headers alone.

    Parameters
    ----------
    path
        A folder (searched to any depth), a DICOMDIR, a DICOM file, a zip archive, or a NIfTI, NRRD or MetaImage file.
        One DICOM file stands for itself, not for its folder.
    decoders
        Started as soon as a header announces slices that will need them; only worth it if one is loaded at once.

    Returns
    -------
    One entry for each volume, and one for each series of objects that are not volumes.

    Raises
    ------
    BadInput
        If nothing is there or no image can be found.
    Cancelled
        If ``ctx`` was cancelled.
    """
    path, ctx = Path(path), ctx or Context()
    files, closed = find_files(path, ctx)
    unread = [_closed(name) for name in closed]
    kinds: dict[str, list[FileRef]] = defaultdict(list)
    for file in files:
        try:
            kinds[sniff(file)].append(file)
        except OSError as error:
            unread.append(_unopened(file.name, error.strerror))
    notices = list(unread)
    infos: list[SeriesInfo] = []
    if kinds[DICOM]:
        # Here and below: pydicom, nibabel and SimpleITK take a second to import and are needed by their files only.
        from surgitwin.imaging.dicom_list import list_dicom
        from surgitwin.imaging.dicomdir import listed_files

        dicom_files, missing = listed_files(path, kinds[DICOM], ctx)
        infos, strays = list_dicom(dicom_files, ctx, decoders)
        notices += [*missing, *strays]
        infos = [replace(info, notices=(*info.notices, *missing)) for info in infos] if missing else infos
    for file in (*kinds[NIFTI], *kinds[NRRD], *kinds[METAIMAGE]):
        from surgitwin.imaging.plain import list_plain

        ctx.check()
        infos += list_plain(file)
    if not infos:
        raise BadInput(_nothing(path, files, notices))
    return [replace(info, notices=(*info.notices, *unread)) for info in infos] if unread else infos


def open_series(
    source: Path | str | SeriesInfo,
    series_uid: str | None = None,
    ctx: Context | None = None,
    decoders: DecodePool | None = None,
) -> SeriesReader:
    """A reader for one volume; its geometry and identity are known before any voxel is decoded.

    Parameters
    ----------
    source
        A path as in `list_series`, or an entry that it returned (its headers are then not read again).
    series_uid
        The entry's key; None if the path holds exactly one volume.
    decoders
        For who reads the volume at once: they start while the headers are read. Hand them to `SeriesReader.read`, too.

    Raises
    ------
    BadInput
        If there is no such volume, several fit, or the entry is not a volume.
    """
    ctx = ctx or Context()
    info = source if isinstance(source, SeriesInfo) else _chosen(Path(source), series_uid, ctx, decoders)
    return info.open()


def load_series(
    source: Path | str | SeriesInfo,
    series_uid: str | None = None,
    ctx: Context | None = None,
    *,
    memory_limit_bytes: int | None = None,
    on_slice: OnSlice | None = None,
) -> LoadedVolume:
    """Load one volume.

    Parameters
    ----------
    source, series_uid
        As in `open_series`.
    memory_limit_bytes
        Refuse what would need more; by default the memory that is free now.
    on_slice
        Called with k and the voxels [j, i] of each slice as it gets ready.

    Raises
    ------
    BadInput
        If there is no such volume, it would not fit into memory, or it cannot be decoded.
    Cancelled
        If ``ctx`` was cancelled.
    """
    ctx = ctx or Context()
    with DecodePool() as decoders:
        reader = open_series(source, series_uid, ctx.part(0.0, 0.3), decoders)
        reader.info.check_memory(memory_limit_bytes)
        return reader.read(ctx.part(0.3, 1.0), on_slice, decoders)


def _chosen(path: Path, series_uid: str | None, ctx: Context, decoders: DecodePool | None) -> SeriesInfo:
    infos = list_series(path, ctx, decoders)
    if series_uid is not None:
        for info in infos:
            if info.series_uid == series_uid:
                return info
        raise BadInput(
            tr("There is no series '{uid}' in '{path}'; it holds {list}.").format(
                uid=series_uid, path=path, list=_in_words(infos)
            )
        )
    loadable = [info for info in infos if info.loadable]
    # Localizers and lone slices are not what someone means who names no series, unless there is nothing else.
    candidates = [info for info in loadable if info.kind == VOLUME] or loadable
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise BadInput(
            tr("'{path}' holds {n} volumes; choose one with --series: {list}.").format(
                path=path, n=len(candidates), list=_in_words(candidates)
            )
        )
    raise BadInput(
        tr("'{path}' holds no volume that can be loaded. {why}").format(path=path, why=infos[0].refusal).strip()
    )


def _in_words(infos: Sequence[SeriesInfo]) -> str:
    listed = []
    for info in infos[:_MOST_LISTED]:
        size = " x ".join(str(count) for count in info.size_ijk) if info.size_ijk else info.kind
        listed.append(
            f"{info.series_uid} ({', '.join(part for part in (info.modality, info.description, size) if part)})"
        )
    more = len(infos) - len(listed)
    return "; ".join(listed) + (tr("; and {n} more").format(n=more) if more else "")


def _closed(name: str) -> Notice:
    message = tr("'{name}' could not be opened (no permission?); what it holds is not listed.").format(name=name)
    return Notice("unreadable-folder", message, {"files": [name]})


def _unopened(name: str, why: str | None) -> Notice:
    message = tr("'{name}' cannot be read ({why}); it was left out.")
    return Notice("unreadable-file", message.format(name=name, why=why or tr("no permission?")), {"files": [name]})


def _nothing(path: Path, files: Sequence[FileRef], notices: Sequence[Notice]) -> str:
    if notices:
        return tr("'{path}' holds no readable image: {why}").format(path=path, why=notices[0].message)
    if len(files) == 1 and path.is_file():
        return tr("'{path}' is not an image that can be read (DICOM, NIfTI, NRRD or MetaImage).").format(path=path)
    return tr("'{path}' holds no images (DICOM, NIfTI, NRRD or MetaImage) among its {n} files.").format(
        path=path, n=len(files)
    )
