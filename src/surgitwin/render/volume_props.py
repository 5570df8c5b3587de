"""Volume rendering: presets from ``resources/presets/volumes.json``, and a volume small enough to turn by hand."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import FloatArray, Geometry
from surgitwin.core.text import tr
from surgitwin.render.content import ImageContent, same_image
from surgitwin.render.tokens import RESOURCES, Rgb, parse_colour
from surgitwin.render.vtk_arrays import image_data

# What two processor cores, and any graphics card, can turn without stuttering.
SOFTWARE_VOXELS = 1_500_000
HARDWARE_VOXELS = 24_000_000
GIVE_WAY_S = 0.0002


@dataclass(frozen=True)
class VolumePreset:
    """A transfer function.

    Attributes
    ----------
    relative
        True if the values run from 0 (1st percentile of the image) to 1 (99th), False if they are the image's own.
    opacity, colour
        Points of the functions, ascending.
    """

    id: str
    name: str
    modality: str
    relative: bool
    opacity: tuple[tuple[float, float], ...]
    colour: tuple[tuple[float, Rgb], ...]
    shade: bool
    ambient: float
    diffuse: float
    specular: float
    specular_power: float


@cache
def volume_presets() -> tuple[VolumePreset, ...]:
    """All presets that are installed."""
    data = json.loads((RESOURCES / "presets" / "volumes.json").read_text(encoding="utf-8"))
    return tuple(
        VolumePreset(
            id=entry["id"],
            name=tr(entry["name"]),
            modality=entry["modality"],
            relative=entry["values"] == "relative",
            opacity=tuple((float(v), float(o)) for v, o in entry["opacity"]),
            colour=tuple((float(v), parse_colour(c)) for v, c in entry["colour"]),
            shade=entry["shade"],
            ambient=entry["ambient"],
            diffuse=entry["diffuse"],
            specular=entry["specular"],
            specular_power=entry["specular_power"],
        )
        for entry in data["presets"]
    )


def volume_preset(preset_id: str) -> VolumePreset:
    """The preset of this id.

    Raises
    ------
    BadInput
        If there is none.
    """
    for preset in volume_presets():
        if preset.id == preset_id:
            return preset
    known = ", ".join(preset.id for preset in volume_presets())
    raise BadInput(f"There is no volume rendering preset “{preset_id}”; choose one of {known}.")


Reduced = tuple[NDArray[Any], Geometry]


class VolumeStore:
    """The actor of the latest image; making it ready takes a second for a large one, so a view does it on a thread.

    Parameters
    ----------
    software
        True where the processor draws; the image is then reduced further.
    """

    def __init__(self, software: bool) -> None:
        self._software = software
        self._image: ImageContent | None = None
        self._actor: VolumeActor | None = None

    def __contains__(self, image: ImageContent) -> bool:
        return same_image(self._image, image)

    def prepare(self, image: ImageContent, preset: VolumePreset) -> VolumeActor:
        """An actor that is ready to be drawn; may be called on any thread, since nothing is drawn."""
        most = SOFTWARE_VOXELS if self._software else HARDWARE_VOXELS
        actor = VolumeActor(image, preset, self._software, reduced(image.array, image.geometry, most))
        actor.work_ahead()
        return actor

    def add(self, image: ImageContent, actor: VolumeActor) -> None:
        self._image, self._actor = image, actor

    def clear(self) -> None:
        """Let go of the image."""
        self._image = self._actor = None

    def of(self, image: ImageContent, preset: VolumePreset) -> VolumeActor:
        """The image's actor under a preset, made here and now if it was not yet."""
        if image not in self or self._actor is None:
            self.add(image, self.prepare(image, preset))
        assert self._actor is not None
        self._actor.set_preset(preset)
        return self._actor


class VolumeActor:
    """The vtkVolume of one image.

    Parameters
    ----------
    software
        True where the processor draws: rays are then cast by VTK's threaded fixed-point mapper, which is several times
        faster there than the graphics card's shader.
    """

    def __init__(self, image: ImageContent, preset: VolumePreset, software: bool, source: Reduced) -> None:
        from vtkmodules.vtkRenderingCore import vtkVolume

        self.image, self._software = image, software
        self._preset: VolumePreset | None = None
        array, geometry = source
        self._array = array  # VTK reads this memory
        self._mapper = _mapper(software)
        self._mapper.SetInputData(image_data(array, geometry.spacing_mm))
        self._mapper.SetBlendModeToComposite()
        self.volume: Any = vtkVolume()
        self.volume.SetMapper(self._mapper)
        self.volume.SetUserMatrix(_placing(geometry))
        self.set_preset(preset)

    def set_preset(self, preset: VolumePreset) -> None:
        """Look as the preset says; what was worked out of the voxels stays."""
        if preset is not self._preset:
            self._preset = preset
            self.volume.SetProperty(_look(preset, _levels(self.image.array, preset)))

    def work_ahead(self) -> None:
        """Work out the gradients that light needs, a tenth of a second for the first frame otherwise."""
        if not self._software:
            return
        from vtkmodules.vtkRenderingCore import vtkRenderer

        look = self.volume.GetProperty()
        shade = look.GetShade()
        look.SetShade(True)  # other presets will want them
        # VTK keeps Python's lock meanwhile, but tells how far it is.
        event = "VolumeMapperComputeGradientsProgressEvent"
        observer = self._mapper.AddObserver(event, lambda *_: time.sleep(GIVE_WAY_S))
        self._mapper.PerVolumeInitialization(vtkRenderer(), self.volume)
        self._mapper.RemoveObserver(observer)
        look.SetShade(shade)


def reduced(array: NDArray[Any], geometry: Geometry, most_voxels: int) -> tuple[NDArray[Any], Geometry]:
    """The image on a coarser grid of at most ``most_voxels``, right-handed and contiguous, for display only.

    Voxels are averaged in blocks so that thin bone does not flicker; the grid is a whole-number part of the old one.

    Returns
    -------
    The array [k, j, i] and its geometry.
    """
    step = [1, 1, 1]
    size = np.asarray(geometry.size_ijk)
    spacing = np.asarray(geometry.spacing_mm)
    while np.prod(size // step) > most_voxels:
        # The axis with the finest voxels gives way first, so that they become cubes.
        step[int(np.argmin(np.where(size // step > 1, spacing * step, np.inf)))] += 1
    si, sj, sk = step
    ni, nj, nk = (int(n) for n in size // step)
    blocks = array[: nk * sk, : nj * sj, : ni * si]
    if step != [1, 1, 1]:
        blocks = _block_means(blocks, (sk, sj, si))
    affine = np.array(geometry.affine_lps)
    affine[:3, 3] = geometry.to_lps((np.asarray(step) - 1) / 2)
    affine[:3, :3] = affine[:3, :3] * np.asarray(step)
    if np.linalg.det(affine[:3, :3]) < 0:
        # VTK lights a mirrored volume from the wrong side; the same voxels in the other order are not mirrored.
        blocks = blocks[::-1]
        affine[:3, 3] += affine[:3, 2] * (nk - 1)
        affine[:3, 2] *= -1
    kind = np.float32 if blocks.dtype.kind == "f" or blocks.dtype.itemsize > 2 else blocks.dtype
    return np.ascontiguousarray(blocks, dtype=kind), Geometry.from_affine((ni, nj, nk), affine)


def _block_means(array: NDArray[Any], step: tuple[int, int, int]) -> NDArray[Any]:
    shape = [n // s for n, s in zip(array.shape, step, strict=True)]
    total = np.zeros(shape, dtype=np.float32)
    for k in range(step[0]):
        for j in range(step[1]):
            for i in range(step[2]):
                total += array[k :: step[0], j :: step[1], i :: step[2]]
    total /= float(np.prod(step))
    return total if array.dtype.kind == "f" else np.rint(total).astype(array.dtype)


def _levels(array: NDArray[Any], preset: VolumePreset) -> tuple[float, float]:
    """What the preset's values 0 and 1 stand for."""
    if not preset.relative:
        return 0.0, 1.0
    step = tuple(slice(None, None, max(1, n // 64)) for n in array.shape)
    low, high = (float(v) for v in np.percentile(array[step], (1, 99)))
    return low, max(high - low, 1e-6)


def _look(preset: VolumePreset, levels: tuple[float, float]) -> Any:
    from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
    from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkVolumeProperty

    low, span = levels
    opacity, colour, look = vtkPiecewiseFunction(), vtkColorTransferFunction(), vtkVolumeProperty()
    for value, alpha in preset.opacity:
        opacity.AddPoint(low + value * span, alpha)
    for value, rgb in preset.colour:
        colour.AddRGBPoint(low + value * span, *(channel / 255 for channel in rgb))
    look.SetScalarOpacity(opacity)
    look.SetColor(colour)
    look.SetInterpolationTypeToLinear()
    look.SetShade(preset.shade)
    look.SetAmbient(preset.ambient)
    look.SetDiffuse(preset.diffuse)
    look.SetSpecular(preset.specular)
    look.SetSpecularPower(preset.specular_power)
    # Opacities are meant for a ray of this length, whatever the voxels' size.
    look.SetScalarOpacityUnitDistance(3.0)
    return look


def _mapper(software: bool) -> Any:
    # The software mapper, too, hands its picture over by OpenGL; without this module it would crash.
    import vtkmodules.vtkRenderingVolumeOpenGL2

    if software:
        from vtkmodules.vtkRenderingVolume import vtkFixedPointVolumeRayCastMapper

        mapper = vtkFixedPointVolumeRayCastMapper()
        mapper.SetAutoAdjustSampleDistances(True)
        mapper.SetMinimumImageSampleDistance(1.0)
        mapper.SetMaximumImageSampleDistance(4.0)
        mapper.SetIntermixIntersectingGeometry(True)
        return mapper
    return vtkmodules.vtkRenderingVolumeOpenGL2.vtkSmartVolumeMapper()


def _placing(geometry: Geometry) -> Any:
    """The matrix from millimetres along the grid's axes to LPS; a rotation, since the grid is right-handed."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    placing: FloatArray = np.eye(4)
    placing[:3, :3] = geometry.direction
    placing[:3, 3] = geometry.origin_mm
    matrix = vtkMatrix4x4()
    matrix.DeepCopy([float(v) for v in placing.ravel()])
    return matrix
