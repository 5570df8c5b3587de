"""Where the 3D view is looked at from: the six sides of the patient, fitting, and what one pixel measures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import FloatArray
from surgitwin.core.text import tr
from surgitwin.render.content import Vec3, vec3


class Side(StrEnum):
    """The side of the patient that faces the viewer."""

    ANTERIOR = "anterior"
    POSTERIOR = "posterior"
    LEFT = "left"
    RIGHT = "right"
    SUPERIOR = "superior"
    INFERIOR = "inferior"

    @property
    def towards_viewer(self) -> Vec3:
        """The LPS direction from the patient to the viewer."""
        return {
            Side.ANTERIOR: (0.0, -1.0, 0.0),
            Side.POSTERIOR: (0.0, 1.0, 0.0),
            Side.LEFT: (1.0, 0.0, 0.0),
            Side.RIGHT: (-1.0, 0.0, 0.0),
            Side.SUPERIOR: (0.0, 0.0, 1.0),
            Side.INFERIOR: (0.0, 0.0, -1.0),
        }[self]

    @property
    def up(self) -> Vec3:
        """The LPS direction that points up on the screen: the head, or the front when seen from head or feet."""
        return (0.0, -1.0, 0.0) if self in (Side.SUPERIOR, Side.INFERIOR) else (0.0, 0.0, 1.0)

    @property
    def text(self) -> str:
        return {
            Side.ANTERIOR: tr("From the front"),
            Side.POSTERIOR: tr("From behind"),
            Side.LEFT: tr("From the patient's left"),
            Side.RIGHT: tr("From the patient's right"),
            Side.SUPERIOR: tr("From the head"),
            Side.INFERIOR: tr("From the feet"),
        }[self]

    @staticmethod
    def named(name: str) -> Side:
        """The side called ``name``.

        Raises
        ------
        BadInput
            If there is no such side.
        """
        try:
            return Side(name)
        except ValueError:
            raise BadInput(f"There is no view from “{name}”; choose one of {', '.join(Side)}.") from None


@dataclass(frozen=True)
class CameraState:
    """A camera as numbers, LPS millimetres, so that a view can be kept and come back.

    Attributes
    ----------
    half_height_mm
        Half of what the picture's height shows; the projection is parallel, so it holds at every depth.
    """

    position: Vec3
    focal_point: Vec3
    up: Vec3
    half_height_mm: float

    @staticmethod
    def of(renderer: Any) -> CameraState:
        """The state of a vtkRenderer's camera."""
        camera = renderer.GetActiveCamera()
        return CameraState(
            vec3(camera.GetPosition()),
            vec3(camera.GetFocalPoint()),
            vec3(camera.GetViewUp()),
            float(camera.GetParallelScale()),
        )

    def apply(self, renderer: Any) -> None:
        """Give a vtkRenderer's camera this state."""
        camera = renderer.GetActiveCamera()
        camera.SetParallelProjection(True)
        camera.SetPosition(*self.position)
        camera.SetFocalPoint(*self.focal_point)
        camera.SetViewUp(*self.up)
        camera.SetParallelScale(self.half_height_mm)
        renderer.ResetCameraClippingRange()


def camera_from(side: Side, low: ArrayLike, high: ArrayLike, aspect: float, margin: float = 1.08) -> CameraState:
    """A camera that looks at the box from ``low`` to ``high`` (LPS) and shows all of it.

    Parameters
    ----------
    aspect
        Width of the picture divided by its height.
    margin
        How much larger than the box the picture is.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    centre, size = (low + high) / 2, np.maximum(high - low, 1.0)
    across = np.abs(np.cross(side.up, side.towards_viewer))
    width, height = float(across @ size), float(np.abs(side.up) @ size)
    half_height = margin * max(height, width / max(aspect, 1e-3)) / 2
    # The parallel projection does not depend on the distance; far enough keeps the box in front of the camera.
    position = centre + np.asarray(side.towards_viewer) * float(np.linalg.norm(size)) * 2
    return CameraState(vec3(position), vec3(centre), side.up, half_height)


def millimetres_per_pixel(renderer: Any) -> float:
    """What one pixel of the renderer's picture measures, the same at every depth."""
    height = max(renderer.GetSize()[1], 1)
    return 2.0 * float(renderer.GetActiveCamera().GetParallelScale()) / float(height)


def screen_axes(renderer: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The unit LPS directions to the right on the screen, up, and towards the viewer."""
    camera = renderer.GetActiveCamera()
    towards = -np.asarray(camera.GetDirectionOfProjection())
    up = np.asarray(camera.GetViewUp())
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    return right, np.cross(towards, right), towards


def facing(renderer: Any) -> Side:
    """The side of the patient that faces the viewer most."""
    towards = screen_axes(renderer)[2]
    return max(Side, key=lambda side: float(np.asarray(side.towards_viewer) @ towards))


def to_screen(renderer: Any, points: ArrayLike) -> FloatArray:
    """LPS points, shape (..., 3), to the renderer's device pixels and their depth; (0, 0) is the top left corner.

    Returns
    -------
    Shape (..., 3): x to the right, y down, millimetres in front of the focal point.
    """
    camera = renderer.GetActiveCamera()
    right, up, towards = screen_axes(renderer)
    offset = np.asarray(points, dtype=np.float64) - np.asarray(camera.GetFocalPoint())
    width, height = renderer.GetSize()
    scale = 1.0 / millimetres_per_pixel(renderer)
    return np.stack([width / 2 + offset @ right * scale, height / 2 - offset @ up * scale, offset @ towards], axis=-1)


def from_screen(renderer: Any, pixel: tuple[float, float], depth_mm: float = 0.0) -> FloatArray:
    """The LPS point under a device pixel, ``depth_mm`` in front of the focal point."""
    right, up, towards = screen_axes(renderer)
    width, height = renderer.GetSize()
    scale = millimetres_per_pixel(renderer)
    focal = np.asarray(renderer.GetActiveCamera().GetFocalPoint())
    x, y = (pixel[0] - width / 2) * scale, (height / 2 - pixel[1]) * scale
    return np.asarray(focal + x * right + y * up + depth_mm * towards)


def world_to_clip(renderer: Any) -> tuple[float, ...]:
    """The 16 numbers, row by row, that take LPS millimetres to clip coordinates, as the renderer draws now."""
    matrix = renderer.GetActiveCamera().GetCompositeProjectionTransformMatrix(renderer.GetTiledAspectRatio(), -1.0, 1.0)
    return tuple(float(matrix.GetElement(row, column)) for row in range(4) for column in range(4))
