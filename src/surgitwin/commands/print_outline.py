"""The picture that a person looks at before a print: the mesh, read back, outlined over the slices."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from surgitwin.commands.base import Document
from surgitwin.core.errors import BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene

_CELL_PX = (640, 560)
_HEAD_PX = 44
_ROW_PX = 36
_FONT = Path(__file__).parent.parent / "resources" / "fonts" / "Inter-Regular.ttf"
_AROUND = 1.25  # so much wider than the part


def shown_alone(scene: Scene, wanted: Collection[NodeId]) -> Scene:
    """The scene with no other segments visible than these."""
    alone = Scene()
    alone.load(
        [
            node.model_copy(update={"visible": node.id in wanted}) if isinstance(node, SegmentNode) else node
            for node in scene
        ]
    )
    return alone


def outline_picture(scene: Scene, mesh: Mesh, deviation: Document, ctx: Context) -> bytes:
    """PNG of axial, coronal and sagittal slices: through the part's middle, and where it deviates most.

    Raises
    ------
    BadInput
        If the case holds no image to lay the outline over.
    """
    from PIL import Image, ImageDraw, ImageFont

    from surgitwin.render import twin
    from surgitwin.render.content import CutSurfaceContent, vec3
    from surgitwin.render.slicing import Orientation
    from surgitwin.render.snapshot import draw_slice, png
    from surgitwin.render.windowing import window_for

    volumes = scene.of_type(VolumeNode)
    if not volumes:
        raise BadInput(tr("This case holds no image, so there are no slices to lay an outline over."))
    volume = volumes[0]
    content = twin.slice_content(scene, volume, None, {})
    content = replace(content, cut_surfaces=(CutSurfaceContent("print", mesh),), planes=(), patches=(), markers=())
    window = window_for(volume.voxels.read(), volume.identity.modality)
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    middle = vec3((low + high) / 2)
    rows = [
        (tr("Through the middle"), middle),
        (tr("Largest deviation, {far:.2f} mm").format(far=deviation["max_mm"]), vec3(deviation["max_at_mm"])),
    ]
    width, height = _CELL_PX
    low_edge, high_edge = volume.geometry.bounds_mm()
    whole = np.zeros((_HEAD_PX + 2 * (height + _ROW_PX), 3 * width, 3), np.uint8)
    zoom = max(1.0, float(np.max(high_edge - low_edge)) / max(float(np.max(high - low)) * _AROUND, 1.0))
    for row, (_, place) in enumerate(rows):
        top = _HEAD_PX + row * (height + _ROW_PX) + _ROW_PX
        for column, orientation in enumerate((Orientation.AXIAL, Orientation.CORONAL, Orientation.SAGITTAL)):
            ctx.progress((3 * row + column) / 6, tr("Drawing"))
            near = zoom * (1 if row == 0 else 2)
            drawn = draw_slice(content, orientation, place, _CELL_PX, window, pixel_ratio=1.5, zoom=near)
            whole[top : top + height, column * width : (column + 1) * width] = drawn
    picture: Any = Image.fromarray(whole)
    draw: Any = ImageDraw.Draw(picture)
    font: Any = ImageFont.truetype(str(_FONT), 20) if _FONT.is_file() else ImageFont.load_default(20)
    text = tr("Outline of the file, read back: p95 {p95:.2f} mm, largest {most:.2f} mm from the {against}.").format(
        p95=deviation["p95_mm"],
        most=deviation["max_mm"],
        against=tr("faces of the voxels") if deviation["against"] == "voxels" else tr("surface"),
    )
    draw.text((16, 14), text, fill=(230, 233, 238), font=font)
    for row, (title, _) in enumerate(rows):
        draw.text((16, _HEAD_PX + row * (height + _ROW_PX) + 6), title, fill=(163, 171, 184), font=font)
    return png(np.asarray(picture))
