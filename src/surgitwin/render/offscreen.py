"""Pictures of the 3D scene with no window and no display."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import SurgitwinError
from surgitwin.core.text import tr
from surgitwin.render.camera import CameraState, Side
from surgitwin.render.content import SceneContent
from surgitwin.render.scene3d import Scene3D
from surgitwin.render.tokens import Tokens, load_tokens
from surgitwin.render.vtk_arrays import from_vtk


def render_offscreen(
    content: SceneContent,
    size: tuple[int, int] = (1200, 900),
    view: Side | CameraState = Side.ANTERIOR,
    tokens: Tokens | None = None,
    oversampling: int = 2,
    pixel_ratio: float = 1.0,
) -> NDArray[np.uint8]:
    """Draw the scene off screen.

    Parameters
    ----------
    size
        Width and height of the picture in pixels.
    view
        The side of the patient that faces the viewer, everything in the picture; or a camera.
    oversampling
        The scene is drawn this many times larger and averaged, which smooths edges on any driver.
    pixel_ratio
        How much larger texts and handles are than on a screen.

    Returns
    -------
    RGB, shape (height, width, 3).

    Raises
    ------
    SurgitwinError
        If the machine has no OpenGL at all.
    """
    from vtkmodules.vtkRenderingCore import vtkRenderer

    width, height = size
    if content.volume_preset is not None:
        # Rays are smooth by themselves, and four times as many of them take four times as long.
        oversampling = 1
    seen_through = any(surface.visible and 0 < surface.opacity < 1 for surface in content.surfaces)
    if seen_through:
        # Every layer that is seen through is drawn again; edges are smoothed afterwards instead.
        oversampling = 1
    window = new_offscreen_window(width * oversampling, height * oversampling)
    scene: Scene3D | None = None
    try:
        renderer = vtkRenderer()
        window.AddRenderer(renderer)
        scene = Scene3D(renderer, window, tokens or load_tokens("dark"), peeling=True, software=is_software(window))
        renderer.SetUseFXAA(seen_through)
        scene.pixel_ratio = pixel_ratio * oversampling
        scene.set_content(content)
        if isinstance(view, Side):
            scene.look_from(view)
        else:
            scene.set_camera(view)
        window.Render()
        return _averaged(_pixels(window), oversampling)
    finally:
        if scene is not None:
            scene.close()
        window.Finalize()


def new_offscreen_window(width: int, height: int) -> Any:
    """A vtkRenderWindow that needs no display; its owner calls ``Finalize``.

    On Linux EGL comes first and OSMesa second, because VTK would otherwise look for an X server and complain.
    """
    import vtkmodules.vtkRenderingFreeType
    import vtkmodules.vtkRenderingOpenGL2
    import vtkmodules.vtkRenderingVolumeOpenGL2
    from vtkmodules.vtkRenderingCore import vtkRenderWindow

    kinds: list[Any] = [vtkRenderWindow]
    if sys.platform.startswith("linux"):
        opengl = vtkmodules.vtkRenderingOpenGL2
        kinds = [getattr(opengl, name, None) for name in ("vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow")]
    for kind in kinds:
        window = kind() if kind is not None else None
        if window is None:
            continue
        window.SetOffScreenRendering(True)
        window.SetMultiSamples(0)
        window.SetSize(width, height)
        window.Initialize()
        if window.GetInitialized() if hasattr(window, "GetInitialized") else True:
            return window
        window.Finalize()
    text = tr("This machine has no OpenGL, so no 3D picture can be drawn. Install Mesa: {packages}.")
    raise SurgitwinError(text.format(packages="libegl1, libgl1-mesa-dri"))


def is_software(window: Any) -> bool:
    """True if the processor draws for this window, which must have been initialised."""
    capabilities = str(window.ReportCapabilities()).lower()
    return any(name in capabilities for name in ("llvmpipe", "softpipe", "swrast", "software rasterizer"))


def _pixels(window: Any) -> NDArray[np.uint8]:
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.SetInputBufferTypeToRGB()
    grab.ReadFrontBufferOff()
    grab.ShouldRerenderOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    flat = from_vtk(image.GetPointData().GetScalars())
    # VTK counts rows from the bottom.
    return np.array(flat.reshape(height, width, -1)[::-1, :, :3], dtype=np.uint8)


def _averaged(pixels: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    if by == 1:
        return pixels
    height, width = pixels.shape[0] // by, pixels.shape[1] // by
    blocks = pixels[: height * by, : width * by].reshape(height, by, width, by, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))), dtype=np.uint8)
