"""Images in: list what a folder holds, start a case from it, add to a case."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from surgitwin import __version__
from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.commands.loading import existing, load_images
from surgitwin.core.errors import BadInput, NeedsConfirmation
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.editor import Transaction
from surgitwin.scene.nodes import CaseNode, Node, Provenance, SegmentKind, SurfaceNode, VolumeNode

if TYPE_CHECKING:
    from surgitwin.imaging.volume import LoadedVolume
    from surgitwin.scene.scene import Scene


class ListSeries(Command):
    """List every volume that a path holds, with what is wrong with it."""

    name: ClassVar[str] = "series"
    title: ClassVar[str] = tr("List series")
    summary: ClassVar[str] = tr("What is in this folder, file, zip or DICOMDIR.")
    case: ClassVar[CaseUse] = "none"

    path: Annotated[Path, Arg(tr("folder, DICOMDIR, DICOM, zip, NIfTI, NRRD or MHA file"), positional=True)]

    def start(self, bench: Bench) -> Work[Any]:
        path = existing(self.path)

        def compute(ctx: Context) -> list[dict[str, Any]]:
            from surgitwin.imaging import list_series

            found = list_series(path, ctx)
            if path.is_file() and len(found) == 1 and found[0].kind == "volume" and not found[0].loadable:
                raise BadInput(found[0].refusal)
            return [info.as_json() for info in found]

        return Work(compute, lambda series: {"series": series})

    @classmethod
    def printed(cls, document: Document) -> Any:
        return document["series"]


class NewCase(Command):
    """Start a case from images."""

    name: ClassVar[str] = "new"
    title: ClassVar[str] = tr("New case from images")
    summary: ClassVar[str] = tr("Make a case file from images.")
    case: ClassVar[CaseUse] = "create"

    path: Annotated[Path, Arg(tr("folder, DICOMDIR, DICOM, zip, NIfTI, NRRD or MHA file"), positional=True)]
    series: Annotated[str | None, Arg(tr("UID of the series to load, if there are several"))] = None
    pseudonym: Annotated[str | None, Arg(tr("name for the case; without it a random one"))] = None

    def start(self, bench: Bench) -> Work[Any]:
        path = existing(self.path)
        if len(bench.scene):
            raise BadInput(tr("This case holds images already. Use “add” to add more."))
        return Work(lambda ctx: load_images(path, self.series, ctx), lambda loaded: self._commit(bench, loaded))

    def _commit(self, bench: Bench, loaded: LoadedVolume) -> Document:
        with bench.transaction(tr("New case")) as tx:
            case = new_case_node(loaded, self.pseudonym or new_pseudonym())
            tx.add(case)
            volume = add_volume(tx, case, loaded)
        return {
            "case": str(bench.case_path or ""),
            "nodes": [describe(case), describe(volume)],
            "warnings": [notice.as_json() for notice in loaded.notices],
            "affine_lps": [list(row) for row in loaded.geometry.rows],
            "size_ijk": list(loaded.geometry.size_ijk),
            "spacing_mm": list(loaded.geometry.spacing_mm),
        }


class AddToCase(Command):
    """Add images, a label map or a surface to a case."""

    name: ClassVar[str] = "add"
    title: ClassVar[str] = tr("Add to the case")
    summary: ClassVar[str] = tr("Add a label map, a surface or further images to a case.")

    path: Annotated[Path, Arg(tr("the file or folder to add"), positional=True)]
    as_: Annotated[Literal["labelmap", "surface", "volume"], Arg(tr("what it is"), option="as")]
    name_: Annotated[str | None, Arg(tr("name of the new node"), option="name")] = None
    labels: Annotated[Path | None, Arg(tr("JSON file that gives each label value its name"))] = None
    series: Annotated[str | None, Arg(tr("UID of the series, if there are several"))] = None
    onto: Annotated[str | None, Arg(tr("the volume that a label map belongs to; without it the first"))] = None
    type_: Annotated[
        SegmentKind | None, Arg(tr("what the segments are; without it, read from their names"), option="type")
    ] = None
    confirm: Annotated[bool, Arg(tr("add images although patient or frame of reference differ; this is logged"))] = (
        False
    )

    def start(self, bench: Bench) -> Work[Any]:
        path = existing(self.path)
        if self.labels is not None and self.as_ != "labelmap":
            raise BadInput(tr("--labels goes with --as labelmap only."))
        if self.as_ == "volume":
            return Work(lambda ctx: load_images(path, self.series, ctx), lambda loaded: self._add_volume(bench, loaded))
        if self.as_ == "surface":
            return self._start_surface(bench, path)
        from surgitwin.commands.labels import start_adding_labels

        return start_adding_labels(
            bench,
            path,
            labels=self.labels,
            name=self.name_,
            onto=self.onto,
            kind=self.type_,
            series=self.series,
            confirm=self.confirm,
        )

    def _add_volume(self, bench: Bench, loaded: LoadedVolume) -> Document:
        case = bench.scene.case
        differences = patient_differences(bench.scene, loaded)
        if differences and not self.confirm:
            found = " ".join(notice.message for notice in differences)
            raise NeedsConfirmation(found, tr("If they do belong together, add them again with --confirm."))
        with bench.transaction(tr("Add images: {name}").format(name=self.name_ or loaded.name)) as tx:
            volume = add_volume(tx, case, loaded, self.name_)
            if differences:
                confirmed = tuple(f"{notice.code}: {volume.name}" for notice in differences)
                tx.set(case.id, log_confirmations=case.log_confirmations + confirmed)
        return {
            "case": str(bench.case_path or ""),
            "nodes": [describe(volume)],
            "warnings": [notice.as_json() for notice in (*loaded.notices, *differences)],
            "affine_lps": [list(row) for row in loaded.geometry.rows],
            "size_ijk": list(loaded.geometry.size_ijk),
        }

    def _start_surface(self, bench: Bench, path: Path) -> Work[Any]:
        def compute(ctx: Context) -> Any:
            from surgitwin.exchange.mesh_in import read_surface_file

            return read_surface_file(path)

        def commit(read: Any) -> Document:
            from surgitwin.scene.arrays import ArrayData

            name = self.name_ or path.name.split(".")[0]
            surface = SurfaceNode(
                name=name,
                parent=bench.scene.case.id,
                points=ArrayData.of(read.mesh.points),
                triangles=ArrayData.of(read.mesh.triangles),
                side_known=read.frame_known,
                notices=tuple(read.notices),
            )
            with bench.transaction(tr("Add surface: {name}").format(name=name)) as tx:
                tx.add(surface)
            warnings = [notice.as_json() for notice in read.notices]
            return {"case": str(bench.case_path or ""), "nodes": [describe(surface)], "warnings": warnings}

        return Work(compute, commit)


def new_pseudonym() -> str:
    """A random name for a case, such as “Case 7F3A”."""
    return tr("Case {code}").format(code=secrets.token_hex(2).upper())


def new_case_node(loaded: LoadedVolume, pseudonym: str) -> CaseNode:
    """The root of a new case, under a pseudonym; the patient's data stay inside the file."""
    return CaseNode(name=pseudonym, pseudonym=pseudonym, patient=loaded.patient)


def add_volume(tx: Transaction, case: CaseNode, loaded: LoadedVolume, name: str | None = None) -> VolumeNode:
    from surgitwin.scene.arrays import ArrayData

    volume = VolumeNode(
        name=name or loaded.name,
        parent=case.id,
        geometry=loaded.geometry,
        voxels=ArrayData.of(loaded.voxels),
        unit=loaded.unit,
        identity=loaded.identity,
        patient=loaded.patient,
        notices=tuple(loaded.notices),
        side_known=loaded.side_known,
        provenance=Provenance(tool=tr("read from images"), version=__version__),
    )
    tx.add(volume)
    return volume


def patient_differences(scene: Scene, loaded: LoadedVolume) -> list[Notice]:
    """What speaks against the new images being of this case's patient and in its frame.

    Images in a frame that one of the case's images has already may come in, also beside others that were confirmed.
    """
    from surgitwin.imaging.consistency import check_same_patient

    findings: dict[str, Notice] = {}
    volumes = scene.of_type(VolumeNode)
    for volume in volumes:
        for notice in check_same_patient((volume.patient, volume.identity), (loaded.patient, loaded.identity)):
            findings.setdefault(notice.code, notice)
    if loaded.identity.frame_of_reference_uid in {volume.identity.frame_of_reference_uid for volume in volumes}:
        findings.pop("different-frame-of-reference", None)
    return list(findings.values())


def describe(node: Node) -> dict[str, Any]:
    """A node as the documents name it."""
    return {"id": node.id, "type": node.type_name, "name": node.name}


def provenance(
    bench: Bench, tool: str, inputs: list[Node], *, automatic: bool = False, **parameters: Any
) -> Provenance:
    """Where a result comes from, with the revisions its inputs have now."""
    return Provenance(
        tool=tool,
        version=__version__,
        parameters=parameters,
        inputs={node.id: node.revision for node in inputs},
        automatic=automatic,
    )
