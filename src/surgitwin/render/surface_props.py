"""Segment surfaces in 3D: VTK actors that change only where their description changed, and go to the card in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from surgitwin.core.mesh import Mesh
from surgitwin.render.content import SurfaceContent
from surgitwin.render.hatching import bands, stripe_surface, texture
from surgitwin.render.prepared import MeshStore, PreparedMesh

# A dull, slightly wet look: highlights show the shape, colours stay those of the tree.
AMBIENT, DIFFUSE, SPECULAR, SPECULAR_POWER = 0.12, 0.88, 0.22, 22.0


class Piece:
    """An actor that is `uploaded` once its triangles are where it is drawn from."""

    def __init__(self, data: Any, look: Any) -> None:
        from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

        self.mapper, self.actor = vtkPolyDataMapper(), vtkActor()
        self.mapper.ScalarVisibilityOff()
        self.mapper.SetInputData(data)
        self.actor.SetMapper(self.mapper)
        self.actor.SetProperty(look)
        self.actor.VisibilityOff()
        self.triangles = int(data.GetNumberOfPolys())
        self.uploaded = False

    def set_hatching(self, pattern: Any) -> None:
        """Draw in stripes by a vtkTexture, or, with None, plain."""
        if pattern is not self.actor.GetTexture():
            if pattern is not None:
                stripe_surface(self.mapper.GetInput())
            self.actor.SetTexture(pattern)


class _Drawing:
    """The actors of one mesh: the surface in pieces, and a coarse stand-in for until all of them are there."""

    def __init__(self, mesh: Mesh, prepared: PreparedMesh, look: Any) -> None:
        self.mesh = mesh
        self.fine = [Piece(data, look) for data in prepared.fine]
        self.coarse = Piece(prepared.coarse, look) if prepared.coarse is not None else None

    @property
    def all(self) -> list[Piece]:
        return [*self.fine, self.coarse] if self.coarse is not None else self.fine

    @property
    def fine_ready(self) -> bool:
        return all(piece.uploaded for piece in self.fine)

    @property
    def ready(self) -> bool:
        """True once something of it can be shown."""
        return self.fine_ready if self.coarse is None else self.coarse.uploaded


class SurfaceActor:
    """The actors of one `SurfaceContent` in a renderer; empty until the first `update`."""

    def __init__(self, content: SurfaceContent, store: MeshStore, renderer: Any) -> None:
        self._store, self._renderer = store, renderer
        self._look = surface_look()
        self.content = content
        self._drawing: _Drawing | None = None
        self._next: _Drawing | None = None
        self._moving = False
        self._solid = False
        self._hatching: Any = None

    def wants(self, content: SurfaceContent) -> bool:
        """True if ``content`` has a mesh that is to be seen and is not there yet."""
        newest = self._next or self._drawing
        # A hidden surface costs neither normals nor memory on the graphics card.
        return content.visible and (newest is None or content.mesh is not newest.mesh)

    def update(self, content: SurfaceContent, gradual: bool = False) -> None:
        """Show a newer description of the same surface.

        Parameters
        ----------
        gradual
            A new mesh shows once its pieces are uploaded, some with each frame: the owner of the renderer does that
            with `waiting`. Otherwise the next frame shows it.
        """
        if self.wants(content):
            prepared = self._store.of(content.mesh)
            self._solid = prepared.solid
            self._take(_Drawing(content.mesh, prepared, self._look), gradual)
        self.content = content
        look = self._look
        look.SetColor(*(channel / 255 for channel in content.colour))
        look.SetOpacity(content.opacity)
        # Seen through its front, the far side of a translucent organ would only add haze.
        look.SetBackfaceCulling(self._solid or content.opacity < 1.0)
        self._set_apart()
        self._show()

    @property
    def shown(self) -> bool:
        return self.content.visible and self.content.opacity > 0 and not self.content.mesh.empty

    @property
    def actors(self) -> tuple[Any, ...]:
        """The actors of the surface itself, without the stand-in."""
        return tuple(piece.actor for piece in self._drawing.fine) if self._drawing is not None else ()

    @property
    def stand_in(self) -> Any:
        """The actor that is drawn while the view turns, or None."""
        drawing = self._drawing
        return drawing.coarse.actor if drawing is not None and drawing.coarse is not None else None

    def set_moving(self, moving: bool) -> None:
        """Draw the stand-in, if there is one, while the view moves."""
        self._moving = moving
        self._show()

    def waiting(self, coarse: bool) -> Iterator[Piece]:
        """Stand-ins, or all else, that the renderer has not taken up yet; call `taken` when it has some of them."""
        drawing = self._next or self._drawing
        if drawing is None or not self.shown:
            return
        wanted = ([] if drawing.coarse is None else [drawing.coarse]) if coarse else drawing.fine
        yield from (piece for piece in wanted if not piece.uploaded)

    def taken(self) -> None:
        """Show what can be shown now."""
        if self._next is not None and self._next.ready:
            self._replace(self._next)
        self._show()

    def close(self) -> list[Any]:
        """Be seen no more; returns the actors, which the owner of the renderer takes out of it."""
        left: list[Any] = []
        for drawing in (self._drawing, self._next):
            for piece in drawing.all if drawing is not None else ():
                piece.actor.VisibilityOff()
                left.append(piece.actor)
        self._drawing = self._next = None
        return left

    def _take(self, drawing: _Drawing, gradual: bool) -> None:
        if self._next is not None:
            self._leave(self._next)
            self._next = None
        for piece in drawing.all:
            piece.uploaded = not gradual
            self._renderer.AddActor(piece.actor)
        if gradual and self._drawing is not None:
            self._next = drawing  # what was there stays until then
        else:
            self._replace(drawing)

    def _set_apart(self) -> None:
        """Bring all pieces to their place, and hatch them or not; their triangles stay where they are drawn from."""
        if self.content.hatched and self._hatching is None:
            self._hatching = texture(bands())
        for drawing in (self._drawing, self._next):
            for piece in drawing.all if drawing is not None else ():
                place_actor(piece.actor, self.content)
                piece.set_hatching(self._hatching if self.content.hatched else None)

    def _replace(self, drawing: _Drawing) -> None:
        if self._drawing is not None:
            self._leave(self._drawing)
        self._drawing, self._next = drawing, None

    def _leave(self, drawing: _Drawing) -> None:
        for piece in drawing.all:
            self._renderer.RemoveActor(piece.actor)

    def _show(self) -> None:
        drawing = self._drawing
        if drawing is None:
            return
        coarse = drawing.coarse is not None and (self._moving or not drawing.fine_ready)
        if drawing.coarse is not None:
            drawing.coarse.actor.SetVisibility(self.shown and coarse and drawing.coarse.uploaded)
        for piece in drawing.fine:
            piece.actor.SetVisibility(self.shown and not coarse and drawing.fine_ready)


def surface_look() -> Any:
    """The vtkProperty that all surfaces share."""
    from vtkmodules.vtkRenderingCore import vtkProperty

    look = vtkProperty()
    look.SetInterpolationToPhong()
    look.SetAmbient(AMBIENT)
    look.SetDiffuse(DIFFUSE)
    look.SetSpecular(SPECULAR)
    look.SetSpecularPower(SPECULAR_POWER)
    return look


def place_actor(actor: Any, content: SurfaceContent) -> None:
    """Place an actor as a whole; its triangles stay where they are drawn from."""
    actor.SetPosition(*content.offset_mm)
    if content.matrix is None:
        if actor.GetUserMatrix() is not None:
            actor.SetUserMatrix(None)
        return
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    placed = vtkMatrix4x4()
    placed.DeepCopy(content.matrix)
    actor.SetUserMatrix(placed)
