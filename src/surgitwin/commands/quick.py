"""From images to a surface in a file in one go, where nobody keeps a case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Work
from surgitwin.commands.quick_surface import LONGEST_NAME, NAME, TITLE, QuickRequest
from surgitwin.core.text import tr


class QuickSurface(Command):
    """Write the surface of everything in a range of values: ``new``, ``segment threshold`` and ``export`` in one go."""

    name: ClassVar[str] = "quick"
    title: ClassVar[str] = TITLE
    summary: ClassVar[str] = tr(
        "Images to threshold to a surface file (STL, GLB, PLY, OBJ, 3MF, USDZ, VTP), without a case."
    )
    case: ClassVar[CaseUse] = "none"

    path: Annotated[Path, Arg(tr("folder, DICOMDIR, DICOM, zip, NIfTI, NRRD or MHA file"), positional=True)]
    out: Annotated[Path, Arg(tr("the file to write; its ending says the kind"), positional=True)]
    low: Annotated[float, Arg(tr("lowest value inside; CT: HU"))]
    high: Annotated[float, Arg(tr("highest value inside; CT: HU"))] = 3071.0
    name_: Annotated[str, Arg(tr("name of the surface, in files that hold names"), option="name")] = Field(
        default=NAME, min_length=1, max_length=LONGEST_NAME
    )
    series: Annotated[str | None, Arg(tr("UID of the series to load, if there are several"))] = None
    crossings: Annotated[
        bool, Arg(tr("count triangles that cross each other, however many triangles there are; may take a minute"))
    ] = False
    overwrite: Annotated[bool, Arg(tr("replace the file if it exists"))] = False

    def start(self, bench: Bench) -> Work[Any]:
        request = QuickRequest(**{name: getattr(self, name) for name in type(self).model_fields})
        request.check()
        return Work(request.made, lambda document: document)
