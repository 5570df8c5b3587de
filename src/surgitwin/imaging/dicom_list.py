"""Listing DICOM series: every header is read once, slices are sorted into volumes, and defects are named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydicom.dataset import Dataset

from surgitwin.core.errors import BadInput
from surgitwin.core.identity import PatientIdentity
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.decode_pool import DecodePool
from surgitwin.imaging.dicom_assume import complete_planes
from surgitwin.imaging.dicom_frames import Plane, planes_of
from surgitwin.imaging.dicom_grid import StackPlan, plan_stack
from surgitwin.imaging.dicom_identity import (
    acquisition_start,
    acquisition_time_of,
    contrast_of,
    patient_of,
    phase_of,
    study_date_of,
)
from surgitwin.imaging.dicom_object import DicomObject, UnreadableFile, read_header
from surgitwin.imaging.dicom_pixels import hoped_dtype, processes_expected
from surgitwin.imaging.dicom_reader import DicomReader
from surgitwin.imaging.dicom_split import Stack, orientation_in_words, split_series
from surgitwin.imaging.dicom_values import quiet_pydicom, text
from surgitwin.imaging.files import FileRef
from surgitwin.imaging.volume import LOCALIZER, SINGLE_SLICE, VOLUME, SeriesInfo, SeriesReader

_PER_FRAME = 0x52009230
# Key of series whose files carry no Series Instance UID.
_NO_UID = "no-series-uid"


@dataclass(slots=True)
class _Series:
    """What one Series Instance UID holds, as far as it could be read."""

    uid: str
    header: Dataset
    patient: PatientIdentity
    objects: list[DicomObject] = field(default_factory=list)
    planes: list[Plane] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    refusals: list[tuple[DicomObject, str]] = field(default_factory=list)


def list_dicom(
    files: Sequence[FileRef], ctx: Context, decoders: DecodePool | None = None
) -> tuple[list[SeriesInfo], list[Notice]]:
    """The series in ``files``; ``decoders`` as in `list_series`.

    Returns
    -------
    The series, and notices about files that belong to none of them.
    """
    series: dict[tuple[str, str, str], _Series] = {}
    strays: list[tuple[FileRef, Notice]] = []
    with quiet_pydicom():
        for number, file in enumerate(files):
            ctx.check()
            if number % 20 == 0:
                words = tr("Reading headers: {n} of {count}").format(n=number, count=len(files))
                ctx.progress(number / len(files), words)
            try:
                found = read_header(file)
            except UnreadableFile as error:
                strays.append((file, _unreadable(file, str(error))))
                continue
            except OSError as error:
                strays.append((file, _unreadable(file, error.strerror or tr("it cannot be opened"))))
                continue
            if found is not None and decoders is not None:
                decoders.grow(processes_expected(found[0], len(files)))
            if found is not None and found[0].kind != "directory":
                _sort_in(series, *found)
        _share_strays(series.values(), strays)
        infos = [info for one in series.values() for info in _infos_of(one)]
    return _keyed(infos), [notice for _, notice in strays]


def _unreadable(file: FileRef, why: str) -> Notice:
    message = tr("'{file}' cannot be read ({why}); it was left out.").format(file=file.name, why=why)
    return Notice("unreadable-file", message, {"files": [file.name]})


def _sort_in(series: dict[tuple[str, str, str], _Series], source: DicomObject, header: Dataset) -> None:
    # Without a series UID, files of one folder, study and description are taken for one series.
    fallback = "" if source.series_uid else source.file.folder + "\n" + text(header, "SeriesDescription")
    key = (source.series_uid, source.study_uid, fallback)
    if key not in series:
        series[key] = _Series(source.series_uid, header, patient_of(header))
    one = series[key]
    one.objects.append(source)
    if source.kind == VOLUME and source.has_pixels:
        _add_planes(one, source, header)
    # The description of every frame of a multi-frame object is bulky and has been read by now.
    header.pop(_PER_FRAME, None)


def _add_planes(one: _Series, source: DicomObject, header: Dataset) -> None:
    if source.truncated:
        why = tr("it ends before its pixels do")
        message = tr("'{file}' is cut off ({why}); it was left out.").format(file=source.file.name, why=why)
        one.notices.append(Notice("truncated-file", message, {"files": [source.file.name]}))
        one.refusals.append((source, why))
        return
    try:
        one.planes += planes_of(source, header)
    except UnreadableFile as error:
        one.refusals.append((source, str(error)))


def _share_strays(series: Iterable[_Series], strays: Sequence[tuple[FileRef, Notice]]) -> None:
    """Tell every series that has files beside an unreadable one about it; all of them, if none has."""
    everything = list(series)
    for file, notice in strays:
        beside = [one for one in everything if any(source.file.folder == file.folder for source in one.objects)]
        for one in beside or everything:
            one.notices.append(notice)


def _infos_of(one: _Series) -> list[SeriesInfo]:
    """The entries for one series: a volume each, and the objects that are none."""
    uid = one.uid or _NO_UID
    infos: list[SeriesInfo] = []
    if one.planes:
        planes, notices, refusal = complete_planes(one.planes)
        one.notices += notices
        if refusal:
            infos.append(_refused(one, uid, VOLUME, refusal, len(planes)))
        else:
            infos += _volumes(one, uid, planes)
    others: dict[str, list[DicomObject]] = defaultdict(list)
    for source in one.objects:
        if source.kind != VOLUME or not source.has_pixels:
            others[source.kind if source.kind != VOLUME else "no-image"].append(source)
    for kind, sources in others.items():
        why = tr("Series '{uid}' is {what} and cannot be loaded as a volume.").format(uid=uid, what=_what(kind))
        info = _refused(one, uid, kind, why, len(sources))
        infos.append(replace(info, modality=sources[0].modality))
    if not infos and one.refusals:
        source, why = one.refusals[0]
        kind = "multi-frame" if source.frames > 1 else VOLUME
        sentence = tr("'{file}' cannot be loaded: {why}.").format(file=source.file.name, why=why)
        infos.append(_refused(one, uid, kind, sentence, len(one.refusals)))
    elif one.refusals:
        _note_refusals(one, infos)
    return infos


def _note_refusals(one: _Series, infos: list[SeriesInfo]) -> None:
    told = {name for notice in one.notices for name in notice.details.get("files", [])}
    extra = tuple(_unreadable(source.file, why) for source, why in one.refusals if source.file.name not in told)
    infos[:] = [replace(info, notices=(*info.notices, *extra)) for info in infos]


def _keyed(infos: Sequence[SeriesInfo]) -> list[SeriesInfo]:
    """Make the keys unique: the first entry of a series has its UID, the others ``UID#2``, ``UID#3`` ..."""
    seen: Counter[str] = Counter()
    keyed = []
    for info in infos:
        seen[info.series_uid] += 1
        number = seen[info.series_uid]
        keyed.append(info if number == 1 else replace(info, series_uid=f"{info.series_uid}#{number}"))
    return keyed


def _basics(one: _Series, uid: str) -> SeriesInfo:
    header = one.header
    return SeriesInfo(
        series_uid=uid,
        modality=one.objects[0].modality,
        description=text(header, "SeriesDescription") or text(header, "ProtocolName"),
        study_uid=one.objects[0].study_uid,
        study_date=study_date_of(header),
        acquisition_time=acquisition_time_of(header),
        contrast=contrast_of(header),
        phase=phase_of(header),
        patient=one.patient,
    )


def _what(kind: str) -> str:
    """An object that is not a volume, in words."""
    names = {
        "segmentation": tr("a segmentation (DICOM SEG)"),
        "surface": tr("a set of surfaces"),
        "registration": tr("a registration"),
        "raw-data": tr("raw data"),
        "spectroscopy": tr("spectroscopy"),
        "value-map": tr("a real-world value map"),
        "parametric-map": tr("a parametric map"),
        "dose": tr("a radiotherapy dose"),
        "structure-set": tr("a radiotherapy structure set"),
        "plan": tr("a radiotherapy plan or record"),
        "report": tr("a structured report"),
        "document": tr("a document"),
        "presentation-state": tr("a presentation state"),
        "waveform": tr("a waveform"),
        "annotation": tr("an annotation"),
        "photograph": tr("a photograph or microscopy image"),
        "palette": tr("a colour palette"),
        "projection": tr("a projection or ultrasound image, without depth"),
        "colour-image": tr("a colour image"),
        "multi-frame": tr("a multi-frame image without positions"),
        "no-image": tr("an object without an image"),
    }
    return names.get(kind, kind)


def _refused(one: _Series, uid: str, kind: str, why: str, count: int) -> SeriesInfo:
    return replace(_basics(one, uid), kind=kind, refusal=why, images=count, notices=tuple(one.notices))


def _volumes(one: _Series, uid: str, planes: Sequence[Plane]) -> list[SeriesInfo]:
    side_known = not any(notice.code == "unknown-side" for notice in one.notices)
    try:
        stacks = split_series(planes)
    except BadInput as error:
        return [_refused(one, uid, VOLUME, str(error), len(planes))]
    split = () if len(stacks) == 1 else (_split_notice(len(stacks)),)
    infos = []
    for stack in stacks:
        stack = stack.noting(*one.notices, *split)
        try:
            infos.append(_volume(one, uid, stack, plan_stack(stack.planes), side_known))
        except BadInput as error:
            info = _refused(one, uid, VOLUME, str(error), len(stack.planes))
            infos.append(replace(info, notices=stack.notices))
    return infos


def _split_notice(count: int) -> Notice:
    message = tr("The series holds {n} volumes; each is listed by its own key.").format(n=count)
    return Notice("several-volumes", message, {"volumes": count})


def _volume(one: _Series, uid: str, stack: Stack, plan: StackPlan, side_known: bool) -> SeriesInfo:
    basics = _basics(one, uid)
    first = plan.planes[0]
    kind = VOLUME if len(plan.planes) > 1 else SINGLE_SLICE
    if first.localizer:
        kind = LOCALIZER
    words = [basics.description, *stack.difference]
    count = plan.geometry.voxel_count * hoped_dtype(plan.planes).itemsize
    if plan.slots is None:
        count += count * len(plan.planes) // len(plan.sources)
    start = acquisition_start(plan.planes)
    info = replace(
        basics,
        acquisition_time=acquisition_time_of(one.header, start),
        phase=phase_of(one.header, start),
        modality=first.source.modality or basics.modality,
        description=", ".join(word for word in words if word) or orientation_in_words(first),
        images=len(plan.planes),
        size_ijk=plan.geometry.size_ijk,
        spacing_mm=tuple(round(step, 6) for step in plan.geometry.spacing_mm),  # type: ignore[arg-type]
        kind=kind,
        notices=(*stack.notices, *plan.notices, *_depth_notices(plan)),
        predicted_bytes=count,
    )

    def opener(chosen: SeriesInfo) -> SeriesReader:
        # The header of a multi-frame object takes long to parse, and it is the only one.
        return DicomReader(chosen, plan, side_known, one.header if len(one.objects) == 1 else None)

    return replace(info, opener=opener)


def _depth_notices(plan: StackPlan) -> list[Notice]:
    if len(plan.planes) > 1:
        return []
    step = plan.geometry.spacing_mm[2]
    message = tr("It is a single slice: its depth ({mm:.2f} mm) is what the header claims, not measured.").format(
        mm=float(np.round(step, 3))
    )
    return [Notice("single-slice", message, {"spacing_mm": step})]
