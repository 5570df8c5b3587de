"""From images to a surface in a file in one go, where nobody keeps a case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.commands.loading import existing, load_images
from surgitwin.commands.mesh_files import (
    MESH_SUFFIXES,
    NamedMesh,
    check_target,
    crossings_up_to,
    cut_off_warning,
    side_warning,
    write_meshes,
)
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr


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
        path = existing(self.path)
        return Work(lambda ctx: self._made(path, ctx), lambda document: document)

    def _made(self, path: Path, ctx: Context) -> Document:
        """What ``new``, ``segment threshold`` and ``export`` do, without the nodes of a case."""
        from surgitwin.segmentation.intensity import found_between
        from surgitwin.surfaces import surfaces_from_labels

        image = load_images(path, self.series, ctx.part(0.0, 0.4))
        ctx.check()
        mask = found_between(image.voxels, self.low, self.high, ctx.part(0.4, 0.5))
        voxels = int(np.count_nonzero(mask))
        volume_ml = voxels * image.geometry.voxel_volume_mm3 / 1000.0
        made = surfaces_from_labels(mask.view(np.uint8), image.geometry, [1], ctx=ctx.part(0.5, 0.7))[1]
        color, opacity = self._look()
        mesh = NamedMesh(self.name_, made.mesh, color, opacity, volume_ml, made.touches_edge)
        counted_up_to = crossings_up_to(self.out, self.crossings)
        written = write_meshes([mesh], self.out, ctx.part(0.7, 1.0), crossings_up_to=counted_up_to)
        warnings = [notice.as_json() for notice in image.notices]
        warnings += [cut_off_warning(self.name_)] if made.touches_edge else []
        warnings += [] if image.side_known else [side_warning(self.name_)]
        return {
            "affine_lps": [list(row) for row in image.geometry.rows],
            "size_ijk": list(image.geometry.size_ijk),
            "spacing_mm": list(image.geometry.spacing_mm),
            "image": image.name,
            "side_known": image.side_known,
            "voxels": voxels,
            "volume_ml": volume_ml,
            "files": written.files,
            "check": written.check,
            "warnings": _once([*warnings, *written.warnings]),
        }

    def _look(self) -> tuple[tuple[int, int, int], float]:
        """Colour and opacity as a segment of this name has them; an STL holds neither."""
        if self.out.suffix.lower() == ".stl":
            return (200, 200, 200), 1.0
        from surgitwin.commands.labels import segment_look

        return segment_look(self.name_, tr("Threshold"))


def _once(warnings: list[Document]) -> list[Document]:
    """What several steps warn of, said once."""
    return [warning for place, warning in enumerate(warnings) if warning not in warnings[:place]]
