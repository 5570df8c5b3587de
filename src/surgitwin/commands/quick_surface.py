"""The work of the quick command, which the terminal also starts without the command's class, as pydantic takes long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

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

if TYPE_CHECKING:
    from surgitwin.commands.base import Document

TITLE, NAME, LONGEST_NAME = tr("Images to surface"), tr("Surface"), 200


@dataclass(frozen=True)
class QuickRequest:
    """The fields of `QuickSurface`, with values that fit them."""

    path: Path
    out: Path
    low: float
    high: float = 3071.0
    name_: str = NAME
    series: str | None = None
    crossings: bool = False
    overwrite: bool = False

    def check(self) -> None:
        """Say what is wrong before images are read, which may take long.

        Raises
        ------
        BadInput
            In one sentence.
        """
        check_target(self.out, MESH_SUFFIXES, self.overwrite)
        if self.low > self.high:
            message = tr("The lowest value {low:g} is above the highest value {high:g}; swap them.")
            raise BadInput(message.format(low=self.low, high=self.high))
        existing(self.path)

    def checked_and_made(self, ctx: Context) -> Document:
        """`check`, then `made`."""
        self.check()
        return self.made(ctx)

    def made(self, ctx: Context) -> Document:
        """The file, and what there is to say of it.

        It is what ``new``, ``segment threshold`` and ``export`` do, without the nodes of a case.
        """
        from surgitwin.segmentation.intensity import found_between
        from surgitwin.surfaces import surfaces_from_labels

        image = load_images(existing(self.path), self.series, ctx.part(0.0, 0.4))
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
