"""The manifest of an ONNX model: a small JSON file beside it that says how the network wants its images.

Axes are called i, j and k: of the model's own grid, whose ``orientation`` says to which side of the patient each runs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

SIDES = ("LR", "PA", "SI")  # the two sides of each of the patient's axes
ANY_MODALITY = "any"
WHOLE_FILE = 1 << 31  # bytes; an ONNX file cannot be larger, and larger networks keep their weights elsewhere

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Voxels = Annotated[int, Field(ge=1, le=2048)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Intensity(_Part):
    """How voxel values become what the network was trained on: first ``clip``, then one of the others.

    Attributes
    ----------
    clip
        Lowest and highest value, in the image's unit.
    mean, sd
        ``(value - mean) / sd``.
    scale_to
        ``clip`` becomes these two numbers, linearly.
    of_image
        Mean and standard deviation are those of each image, after ``clip``.
    """

    clip: tuple[Finite, Finite] | None = None
    mean: Finite | None = None
    sd: Positive | None = None
    scale_to: tuple[Finite, Finite] | None = None
    of_image: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.clip is not None and self.clip[0] >= self.clip[1]:
            raise ValueError("clip must be the lowest and then the highest value")
        if (self.mean is None) != (self.sd is None):
            raise ValueError("mean and sd belong together")
        if sum((self.mean is not None, self.scale_to is not None, self.of_image)) > 1:
            raise ValueError("give either mean and sd, or scale_to, or of_image")
        if self.scale_to is not None and self.clip is None:
            raise ValueError("scale_to needs clip")
        return self


class ModelInput(_Part):
    """The grid and the patches that the network works on.

    Attributes
    ----------
    spacing_mm
        Along i, j and k; None takes the image's own.
    orientation
        The side of the patient that i, j and k run to: ``LPS``, ``RAS`` ... Each axis of the image stands for the one
        nearest to it; oblique images are not turned.
    tensor_axes
        The order of the axes in the tensor, slowest first: ``kji`` is [1, 1, k, j, i].
    patch_size
        Voxels along i, j and k.
    overlap
        The part of a patch that the next one shares, at least.
    """

    spacing_mm: tuple[Positive, Positive, Positive] | None = None
    orientation: str = "LPS"
    tensor_axes: Literal["kji", "ijk"] = "kji"
    patch_size: tuple[Voxels, Voxels, Voxels]
    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.5

    @field_validator("orientation")
    @classmethod
    def _three_sides(cls, value: str) -> str:
        letters = value.strip().upper()
        if len(letters) != 3 or any(sum(letter in pair for letter in letters) != 1 for pair in SIDES):
            raise ValueError("it must be three letters, one each of L or R, P or A, S or I, such as LPS or RAS")
        return letters


class ModelOutput(_Part):
    """What the channels of the network's answer mean.

    Attributes
    ----------
    kind
        ``classes``: channel 0 is the background and each voxel belongs to the channel with the highest number;
        ``regions``: channel n - 1 is label n, and a voxel belongs to the highest one above ``threshold``.
    """

    kind: Literal["classes", "regions"] = "classes"
    threshold: Finite = 0.0


class Manifest(_Part):
    """All that is known about a model. Unknown names are refused, so that a misspelt one is not passed over.

    Attributes
    ----------
    file
        The model, beside the manifest or below its folder.
    labels
        Value to name; values that have none become no segment.
    modality
        As DICOM writes it (``CT``, ``MR``), or ``any``.
    """

    name: Name
    version: Name
    file: Name
    sha256: Sha256 | None = None
    licence: str = ""
    modality: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=16)]
    input: ModelInput
    intensity: Intensity = Intensity()
    output: ModelOutput = ModelOutput()
    labels: Annotated[dict[Annotated[int, Field(ge=1, le=1000)], Name], Field(min_length=1)]

    @field_validator("labels")
    @classmethod
    def _named_once(cls, value: dict[int, str]) -> dict[int, str]:
        names = [name.casefold() for name in value.values()]
        twice = next((name for name in value.values() if names.count(name.casefold()) > 1), None)
        if twice is not None:
            raise ValueError(f"two labels are called {twice}")
        return value

    def fits(self, modality: str) -> bool:
        """True if the network is meant for images of this modality; an image that does not say may be any."""
        own = self.modality.casefold()
        return own == ANY_MODALITY or modality.casefold() in ("", own)


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest; the model itself is looked at by `read_weights`.

    Raises
    ------
    BadInput
        If there is none, or it is not what it should be; the sentence names the file and the entry.
    """
    if not path.is_file():
        message = tr("There is no manifest {file}. A network needs a JSON file that describes it; give its path.")
        raise BadInput(message.format(file=path.name or path))
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_refuse_twice)
    except (ValueError, OSError) as error:
        message = tr("The manifest {file} cannot be read as JSON: {reason}.")
        raise BadInput(message.format(file=path.name, reason=error)) from error
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        raise BadInput(_sentence(path, error)) from None
    target = (path.parent / manifest.file).resolve()
    if not target.is_relative_to(path.parent.resolve()):
        message = tr("The manifest {file} names a model outside its folder ({model}): put both into one folder.")
        raise BadInput(message.format(file=path.name, model=manifest.file))
    return manifest


def read_weights(path: Path, manifest: Manifest) -> tuple[bytes, str]:
    """The bytes of the model that a manifest at ``path`` names, and their SHA-256.

    The network is run from these very bytes, so the hash says what ran.

    Raises
    ------
    BadInput
        If the file is missing, too large, or not the one that the manifest means.
    """
    file = path.parent / manifest.file
    if not file.is_file():
        message = tr("The model {model} that the manifest {file} names is missing: put it beside the manifest.")
        raise BadInput(message.format(model=manifest.file, file=path.name))
    if file.stat().st_size >= WHOLE_FILE:
        raise BadInput(tr("The model {model} is larger than an ONNX file can be (2 GB).").format(model=manifest.file))
    try:
        content = file.read_bytes()
    except OSError as error:
        message = tr("The model {model} cannot be read: {reason}.")
        raise BadInput(message.format(model=manifest.file, reason=error.strerror)) from error
    digest = hashlib.sha256(content).hexdigest()
    if manifest.sha256 is not None and digest != manifest.sha256:
        message = tr(
            "The model {model} is not the one that the manifest {file} describes (SHA-256 {found}, not {wanted}): get "
            "the right file, or correct the manifest."
        )
        found, wanted = f"{digest[:12]}…", f"{manifest.sha256[:12]}…"
        raise BadInput(message.format(model=manifest.file, file=path.name, found=found, wanted=wanted))
    return content, digest


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name occur twice and keeps the last; of two labels 1 one would be lost unseen."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"“{next(name for name in names if names.count(name) > 1)}” occurs twice")
    return found


def _sentence(path: Path, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part != "[key]")
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "missing":
        return tr("The manifest {file} lacks “{place}”.").format(file=path.name, place=place)
    if first["type"] == "extra_forbidden":
        return tr("The manifest {file} has an entry “{place}” that is not known.").format(file=path.name, place=place)
    reason = reason[0].lower() + reason[1:]
    if not place:
        return tr("The manifest {file} is not right: {reason}.").format(file=path.name, reason=reason)
    return tr("“{place}” in the manifest {file} is not right: {reason}.").format(
        file=path.name, place=place, reason=reason
    )
