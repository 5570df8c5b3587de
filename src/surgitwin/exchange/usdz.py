"""USDZ (Universal Scene Description in one archive): centimetres, Y up, one named mesh and one material a surface.

As in `glb`, a patient who stands and faces the viewer has x = left, y = superior, z = anterior; nothing is mirrored.
The unit is the centimetre because that is what USD takes where a program does not look at ``metersPerUnit``; Y is up
because Apple's viewer asks for it.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surgitwin import __version__
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, linear_color, result_of, vertex_normals

FRAME = "USD: x left, y superior, z anterior"
LPS_MM_TO_USD = np.array([[0.1, 0, 0], [0, 0, 0.1], [0, -0.1, 0]])
METRES_PER_UNIT = 0.01


def write_usdz(items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = ()) -> ExportResult:
    """Write one USDZ file.

    Raises
    ------
    BadInput
        If the file cannot be written.
    """
    stage = _stage(items, remarks)
    write_atomically(path, lambda temporary: _package(stage, temporary))
    return result_of(items, [path], "cm", FRAME)


def _package(stage: Any, path: Path) -> None:
    """The stage as a binary layer, then that in an archive; beside the target, where there is known to be room."""
    from pxr import Sdf, Tf, UsdUtils

    with tempfile.TemporaryDirectory(prefix=".surgitwin-", dir=path.parent) as folder:
        layer = Path(folder) / "twin.usdc"
        try:
            done = stage.GetRootLayer().Export(str(layer))
            done = done and UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(layer)), str(path))
        except Tf.ErrorException as error:
            if "No space left" in str(error):
                raise OSError(errno.ENOSPC, tr("no space is left on the disk")) from error
            raise OSError(errno.EIO, tr("the USD library could not write it")) from error
        if not done or path.stat().st_size < layer.stat().st_size:
            raise OSError(errno.EIO, tr("the USD library could not write it"))


def _stage(items: Sequence[MeshItem], remarks: Sequence[str]) -> Any:
    from pxr import Usd, UsdGeom

    stage: Any = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, METRES_PER_UNIT)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    twin = UsdGeom.Xform.Define(stage, "/Twin").GetPrim()
    stage.SetDefaultPrim(twin)
    layer = stage.GetRootLayer()
    layer.comment = "; ".join((f"Surgitwin {__version__}", *remarks))
    layer.customLayerData = {"unit": "cm", "frame": FRAME, "from": "LPS mm", "remarks": "; ".join(remarks)}
    UsdGeom.Scope.Define(stage, "/Twin/Materials")
    for word, item in zip(_identifiers(items), items, strict=True):
        _add_mesh(stage, f"/Twin/{word}", item, _add_material(stage, f"/Twin/Materials/{word}", item))
    return stage


def _identifiers(items: Sequence[MeshItem]) -> list[str]:
    """A name for each prim: letters, digits and underscores, each once; the display name says what it is called."""
    from pxr import Tf

    taken = {"materials"}
    words = []
    for item in items:
        base = word = Tf.MakeValidIdentifier(item.name or "Surface")
        number = 2
        while word.casefold() in taken:
            word = f"{base}_{number}"
            number += 1
        taken.add(word.casefold())
        words.append(word)
    return words


def _add_mesh(stage: Any, place: str, item: MeshItem, material: Any) -> None:
    from pxr import Gf, UsdGeom, UsdShade, Vt

    points = np.ascontiguousarray(item.mesh.points.astype(np.float64) @ LPS_MM_TO_USD.T, dtype=np.float32)
    triangles = np.ascontiguousarray(item.mesh.triangles, dtype=np.int32)
    mesh = UsdGeom.Mesh.Define(stage, place)
    prim = mesh.GetPrim()
    prim.SetDisplayName(item.name)
    if item.remark:
        prim.SetDocumentation(item.remark)
    low, high = points.min(axis=0), points.max(axis=0)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(triangles), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(triangles.ravel()))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(vertex_normals(points, triangles)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateOrientationAttr(UsdGeom.Tokens.rightHanded)
    mesh.CreateDoubleSidedAttr(True)
    mesh.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(*low.tolist()), Gf.Vec3f(*high.tolist())]))
    mesh.CreateDisplayColorAttr(Vt.Vec3fArray([Gf.Vec3f(*linear_color(item.color))]))
    mesh.CreateDisplayOpacityAttr(Vt.FloatArray([item.opacity]))
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(material)


def _add_material(stage: Any, place: str, item: MeshItem) -> Any:
    from pxr import Gf, Sdf, UsdShade

    material = UsdShade.Material.Define(stage, place)
    material.GetPrim().SetDisplayName(item.name)
    shader = UsdShade.Shader.Define(stage, f"{place}/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*linear_color(item.color)))
    shader.CreateInput("opacity", Sdf.ValueTypeNames.Float).Set(item.opacity)
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.6)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material
