"""From images to a surface in a file in one go, where nobody keeps a case."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work, perform
from surgitwin.commands.images import NewCase, existing
from surgitwin.commands.segmenting import MakeSegment
from surgitwin.commands.sharing import MESH_SUFFIXES, ExportCase, check_target
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.editor import Editor, Transaction
from surgitwin.scene.history import History
from surgitwin.scene.nodes import VolumeNode
from surgitwin.scene.scene import Scene


class QuickSurface(Command):
    """Write the surface of everything in a range of values: ``new``, ``segment threshold`` and ``export`` in one go."""

    name: ClassVar[str] = "quick"
    title: ClassVar[str] = tr("Images to surface")
    summary: ClassVar[str] = tr(
        "Images to threshold to a surface file (STL, GLB, PLY, OBJ, 3MF, USDZ, VTP), without a case."
    )
    case: ClassVar[CaseUse] = "none"

    path: Annotated[Path, Arg(tr("folder, DICOMDIR, DICOM, zip, NIfTI, NRRD or MHA file"), positional=True)]
    out: Annotated[Path, Arg(tr("the file to write; its ending says the kind"), positional=True)]
    low: Annotated[float, Arg(tr("lowest value inside; CT: HU"))]
    high: Annotated[float, Arg(tr("highest value inside; CT: HU"))] = 3071.0
    name_: Annotated[str, Arg(tr("name of the surface, in files that hold names"), option="name")] = Field(
        default=tr("Surface"), min_length=1, max_length=200
    )
    series: Annotated[str | None, Arg(tr("UID of the series to load, if there are several"))] = None
    crossings: Annotated[
        bool, Arg(tr("count triangles that cross each other, however many triangles there are; may take a minute"))
    ] = False
    overwrite: Annotated[bool, Arg(tr("replace the file if it exists"))] = False

    def start(self, bench: Bench) -> Work[Any]:
        # What is wrong is said before images are read, which may take long.
        check_target(self.out, MESH_SUFFIXES, self.overwrite)
        if self.low > self.high:
            message = tr("The lowest value {low:g} is above the highest value {high:g}; swap them.")
            raise BadInput(message.format(low=self.low, high=self.high))
        reading = NewCase(path=existing(self.path), series=self.series)
        settings = {"low": self.low, "high": self.high}
        finding = MakeSegment(method="threshold", into=self.name_, settings=settings)
        writing = ExportCase(out=self.out, crossings=self.crossings, overwrite=self.overwrite)

        def compute(ctx: Context) -> Document:
            apart = _Apart()
            read = perform(reading, apart, ctx.part(0.0, 0.4))
            found = perform(finding, apart, ctx.part(0.4, 0.5))
            written = perform(writing, apart, ctx.part(0.5, 1.0))
            (image,) = apart.scene.of_type(VolumeNode)
            return {
                **{key: read[key] for key in ("affine_lps", "size_ijk", "spacing_mm")},
                "image": image.name,
                "side_known": image.side_known,
                **{key: found[key] for key in ("voxels", "volume_ml")},
                **{key: written[key] for key in ("files", "check")},
                "warnings": _once([*read["warnings"], *found["warnings"], *written["warnings"]]),
            }

        return Work(compute, lambda document: document)


class _Apart:
    """A bench with a scene of its own, which nobody else sees and which goes when the work is done."""

    def __init__(self) -> None:
        self._scene = Scene()
        self._editor = Editor(self._scene, History())

    @property
    def scene(self) -> Scene:
        return self._scene

    @property
    def case_path(self) -> Path | None:
        return None

    def transaction(self, name: str) -> AbstractContextManager[Transaction]:
        return self._editor.transaction(name)

    def save_copy(self, path: Path, *, for_sharing: bool = False, overwrite: bool = False) -> None:
        raise BadInput(tr("This case has no file yet. Save it first."))


def _once(warnings: list[Document]) -> list[Document]:
    """What several steps warn of, said once."""
    return [warning for place, warning in enumerate(warnings) if warning not in warnings[:place]]
