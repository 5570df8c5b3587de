"""Reading one DICOM volume: slices are decoded by a few threads, middle first, straight into the final array."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from surgitwin.core.errors import BadInput
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.decode_pool import DecodePool
from surgitwin.imaging.dicom_frames import Plane
from surgitwin.imaging.dicom_grid import StackPlan, plan_stack
from surgitwin.imaging.dicom_identity import identity_of, patient_of
from surgitwin.imaging.dicom_object import UnreadableFile, read_header
from surgitwin.imaging.dicom_pixels import AIR_HU, FrameDecoder, Scaling, TooWide, hoped_dtype, processes_for, scaled
from surgitwin.imaging.dicom_values import quiet_pydicom
from surgitwin.imaging.planes import move_plane
from surgitwin.imaging.volume import LoadedVolume, OnSlice, SeriesInfo, SeriesReader, Voxels, narrowest

_THREADS = max(2, min(4, os.cpu_count() or 1))


@dataclass(frozen=True)
class _Damaged:
    """A slice that could not be decoded."""

    plane: Plane
    why: str


class DicomReader(SeriesReader):
    """Reads the volume that ``plan`` describes.

    Parameters
    ----------
    header
        Of the first slice's file, if it is at hand; else it is read again.
    """

    def __init__(self, info: SeriesInfo, plan: StackPlan, side_known: bool, header: Dataset | None = None) -> None:
        self.info = info
        self._plan = plan
        self.geometry = plan.geometry
        self.notices = info.notices
        self.side_known = side_known
        self._header = self._read_header() if header is None else header
        self.patient: PatientIdentity = patient_of(self._header)
        self.identity: ImageIdentity = self._identity(plan)

    def _read_header(self) -> Dataset:
        file = self._plan.planes[0].source.file
        try:
            with quiet_pydicom():
                found = read_header(file)
        except (OSError, UnreadableFile) as error:
            raise BadInput(tr("'{file}' can no longer be read.").format(file=file.name)) from error
        if found is None:
            raise BadInput(tr("'{file}' is no longer a DICOM file.").format(file=file.name))
        return found[1]

    def _identity(self, plan: StackPlan) -> ImageIdentity:
        planes = plan.planes if plan.resampled else [plan.planes[first] for first, _, _ in plan.sources]
        return identity_of(planes[0].source, self._header, planes, plan.resampled)

    def read(self, ctx: Context, on_slice: OnSlice | None = None, decoders: DecodePool | None = None) -> LoadedVolume:
        with quiet_pydicom(), ExitStack() as resources:
            pool = resources.enter_context(DecodePool()) if decoders is None else decoders
            plan, notices = self._plan, list(self.notices)
            scaling, monochrome = self._scaling(plan, pool)
            voxels, damaged = _read_stack(plan, scaling, pool, ctx, on_slice)
            if damaged:
                plan = self._without(damaged)
                notices += [_damage_notice(damaged), *_new_notices(plan.notices, self._plan.notices)]
                voxels, again = _read_stack(plan, scaling, pool, ctx, on_slice)
                if again:
                    raise BadInput(_refusal(again, len(self._plan.planes)))
        identity = self.identity if plan is self._plan else self._identity(plan)
        return LoadedVolume(
            geometry=plan.geometry,
            voxels=voxels,
            unit="HU" if scaling.hounsfield else "",
            identity=identity,
            patient=self.patient,
            notices=(*notices, *monochrome),
            side_known=self.side_known,
            name=self.info.description or identity.series_description or identity.modality,
        )

    def _scaling(self, plan: StackPlan, pool: DecodePool) -> tuple[Scaling, list[Notice]]:
        source = plan.planes[0].source
        scaling = Scaling(hounsfield=source.modality == "CT")
        if source.photometric != "MONOCHROME1":
            return scaling, []
        if scaling.hounsfield and self._upright_hounsfield(plan, scaling, pool):
            message = tr("The images are marked MONOCHROME1 (shown inverted); their HU values are used as stored.")
            return scaling, [Notice("monochrome1", message, {"inverted": False})]
        message = tr("The images are stored inverted (MONOCHROME1); their values were turned around.")
        return replace(scaling, invert=True), [Notice("monochrome1", message, {"inverted": True})]

    def _upright_hounsfield(self, plan: StackPlan, scaling: Scaling, pool: DecodePool) -> bool:
        """True if the stored values of an inverted CT are HU already: air around the body has the HU of air.

        MONOCHROME1 speaks of display only, yet writers that turned the grey scale around use it for stored values too.
        """
        plane = plan.planes[len(plan.planes) // 2]
        try:
            pixels, padding = _decoder([plane], pool)[0].stored(plane)
            values = scaled(pixels, padding, plane, scaling, np.dtype(np.float32))
        except UnreadableFile:
            return False
        corner = max(min(values.shape) // 16, 1)
        corners = [values[:corner, :corner], values[:corner, -corner:], values[-corner:, :corner]]
        return float(np.median(np.concatenate([part.ravel() for part in corners]))) <= -500

    def _without(self, damaged: Sequence[_Damaged]) -> StackPlan:
        bad = {id(found.plane) for found in damaged}
        good = [plane for plane in self._plan.planes if id(plane) not in bad]
        if not good or _too_many(len(bad), len(self._plan.planes)):
            raise BadInput(_refusal(damaged, len(self._plan.planes)))
        return plan_stack(good)


def _too_many(damaged: int, count: int) -> bool:
    """True if so many slices are damaged that the rest would not be the volume any more."""
    return damaged > max(2, count // 5)


def _refusal(damaged: Sequence[_Damaged], count: int) -> str:
    first = damaged[0]
    if count == 1:
        return tr("'{file}' cannot be loaded: {why}.").format(file=first.plane.source.file.name, why=first.why)
    return tr("At least {n} of {count} slices cannot be read, '{file}' among them: {why}.").format(
        n=len(damaged), count=count, file=first.plane.source.file.name, why=first.why
    )


def _damage_notice(damaged: Sequence[_Damaged]) -> Notice:
    files = sorted({found.plane.source.file.name for found in damaged})
    return Notice(
        "unreadable-file",
        tr("'{file}' cannot be read: {why}. {n} slices of this volume are affected.").format(
            file=files[0], why=damaged[0].why, n=len(damaged)
        ),
        {"files": files},
    )


def _new_notices(found: Sequence[Notice], known: Sequence[Notice]) -> list[Notice]:
    messages = {notice.message for notice in known}
    return [notice for notice in found if notice.message not in messages]


def _read_stack(
    plan: StackPlan, scaling: Scaling, pool: DecodePool, ctx: Context, on_slice: OnSlice | None
) -> tuple[Voxels, list[_Damaged]]:
    """Read with the narrowest likely type, and once more with a wide one if values turn out not to fit."""
    dtype = hoped_dtype(plan.planes)
    try:
        return _read_as(plan, scaling, dtype, pool, ctx, on_slice)
    except TooWide:
        voxels, damaged = _read_as(plan, scaling, np.dtype(np.int32), pool, ctx, on_slice)
        return narrowest(voxels), damaged


def _read_as(
    plan: StackPlan,
    scaling: Scaling,
    dtype: np.dtype[Any],
    pool: DecodePool,
    ctx: Context,
    on_slice: OnSlice | None,
) -> tuple[Voxels, list[_Damaged]]:
    slots = plan.slots
    shape = plan.geometry.shape_kji
    voxels = np.empty(shape, dtype=dtype)
    # Without a slot for each plane, the planes are kept beside the result until they have been interpolated.
    stack = voxels if slots is not None else np.empty((len(plan.planes), *shape[1:]), dtype=dtype)
    damaged = []
    for index, failure in _decode_all(plan, scaling, stack, slots, pool, ctx):
        if failure is not None:
            damaged.append(failure)
            if _too_many(len(damaged), len(plan.planes)):
                break
        elif on_slice is not None and slots is not None:
            on_slice(slots[index], voxels[slots[index]])
    if not damaged:
        _interpolate(plan, stack, slots, voxels, ctx, on_slice)
    return voxels, damaged


def _decode_all(
    plan: StackPlan,
    scaling: Scaling,
    stack: Voxels,
    slots: dict[int, int] | None,
    pool: DecodePool,
    ctx: Context,
) -> Iterator[tuple[int, _Damaged | None]]:
    """Decode every plane into ``stack``, the middle one first; yields each plane's index as it is done."""
    size = plan.geometry.size_ijk[:2]

    def decode(decoder: FrameDecoder, index: int) -> _Damaged | None:
        ctx.check()
        plane = plan.planes[index]
        target = stack[slots[index] if slots is not None else index]
        try:
            pixels, padding = decoder.stored(plane)
            values = scaled(pixels, padding, plane, scaling, stack.dtype)
        except UnreadableFile as error:
            return _Damaged(plane, str(error))
        if plan.shifted:
            fill = AIR_HU if scaling.hounsfield else values.min()
            values = move_plane(values, (plan.shifts[index, 0], plan.shifts[index, 1]), size, fill)
        target[...] = values
        return None

    order = middle_first(len(plan.planes))
    decoder, threads = _decoder(plan.planes, pool)
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as executor:
        futures = [executor.submit(decode, decoder, index) for index in order]
        try:
            for done, (index, future) in enumerate(zip(order, futures, strict=True)):
                yield index, future.result()
                ctx.progress((done + 1) / len(order), tr("Slice {n} of {count}").format(n=done + 1, count=len(order)))
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _decoder(planes: Sequence[Plane], pool: DecodePool) -> tuple[FrameDecoder, int]:
    """A decoder and how many threads may use it."""
    if processes := processes_for(planes):
        pool.grow(min(processes, len(planes)))
        return FrameDecoder(pool), pool.count
    # Codecs keep Python's lock while they decode: more threads would not be faster, but would starve the window.
    return FrameDecoder(), 1 if any(plane.source.fragments_offset >= 0 for plane in planes) else _THREADS


def middle_first(count: int) -> list[int]:
    """0 to count - 1, from the middle outwards, so that a viewer's first picture comes first."""
    middle = (count - 1) // 2
    return sorted(range(count), key=lambda index: (abs(index - middle), index))


def _interpolate(
    plan: StackPlan,
    stack: Voxels,
    slots: dict[int, int] | None,
    voxels: Voxels,
    ctx: Context,
    on_slice: OnSlice | None,
) -> None:
    for k, (first, second, weight) in enumerate(plan.sources):
        if slots is not None and weight == 0.0:
            continue
        ctx.check()
        low, high = (slots[first], slots[second]) if slots is not None else (first, second)
        if weight == 0.0:
            voxels[k] = stack[low]
        else:
            mixed = stack[low] * np.float32(1 - weight) + stack[high] * np.float32(weight)
            voxels[k] = np.rint(mixed) if voxels.dtype.kind == "i" else mixed
        if on_slice is not None:
            on_slice(k, voxels[k])
