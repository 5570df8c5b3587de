"""Deliver: pictures, the report, and meshes for other programs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, get_args

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox, QFileDialog, QFormLayout, QLabel, QLineEdit, QListWidget

from surgitwin.commands.mesh_files import MESH_SUFFIXES
from surgitwin.commands.properties import SetReportSettings
from surgitwin.commands.reporting import MakeReport
from surgitwin.commands.sharing import PAGE_SUFFIX, ExportCase, TakeSnapshot
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import Choice, NodePicks, Panel, button
from surgitwin.gui.panels.print_section import PrintSection
from surgitwin.gui.panels.workshop_section import WorkshopSection
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import ImplantNode, ReportSettingsNode, SegmentNode, SurfaceNode

VIEWS = (("3d", tr("3D")), ("axial", tr("Axial")), ("coronal", tr("Coronal")), ("sagittal", tr("Sagittal")))
LABEL_MAPS = {".nii.gz": tr("Label map (NIfTI) with table"), ".nrrd": tr("Label map (NRRD) with table")}
PRESETS = {"hololens": tr("HoloLens"), "mobile": tr("Phone or tablet"), "web": tr("Web page")}


def formats() -> list[tuple[str, str]]:
    """Endings that meshes can be written to, with what to call them."""
    known = {
        ".stl": tr("STL"),
        ".3mf": tr("3MF (names, colours)"),
        ".obj": tr("OBJ with MTL"),
        ".ply": tr("PLY"),
        ".glb": tr("GLB (headset, web)"),
        ".usdz": tr("USDZ (iPhone, iPad)"),
        ".vtp": tr("VTP (ParaView, Slicer)"),
        ".html": tr("HTML (one file, any browser)"),
    }
    meshes = [(suffix, known.get(suffix, suffix[1:].upper())) for suffix in (*MESH_SUFFIXES, PAGE_SUFFIX)]
    return [*meshes, *LABEL_MAPS.items()]


def preset_names() -> list[str]:
    """Presets of the export command for other devices; printing has a section of its own."""
    field = ExportCase.model_fields.get("preset")
    choices = get_args(field.annotation) if field is not None else ()
    names = [name for one in choices for name in (get_args(one) or (one,)) if isinstance(name, str)]
    return [name for name in names if name != "print"]


class DeliverPanel(Panel):
    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(theme, tr("Deliver"), tr("Report, pictures, meshes"))
        self._desk = desk
        self.section(tr("Report"))
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.report_title = QLineEdit()
        self.report_title.setPlaceholderText(tr("Surgical plan"))
        self.author = QLineEdit()
        self.notes = QLineEdit()
        form.addRow(tr("Title"), self.report_title)
        form.addRow(tr("Author"), self.author)
        form.addRow(tr("Notes"), self.notes)
        self.column.addLayout(form)
        self.identity = QCheckBox(tr("Name the patient in the report"))
        self.identity.setToolTip(tr("Off: the report shows the pseudonym only"))
        self.add(self.identity)
        for line in (self.report_title, self.author, self.notes):
            line.editingFinished.connect(self._keep_settings)
        self.identity.clicked.connect(lambda _: self._keep_settings())
        self.report_button = button(tr("Make report (PDF) …"), self.make_report, "primary")
        self.buttons(self.report_button)
        self.section(tr("What"))
        self.export_what = NodePicks()
        self.export_what.setAccessibleName(tr("What to export"))
        self.column.addWidget(self.export_what)
        self.export_note = self.note(tr("Meshes: nothing ticked means all segments."))
        self.section(tr("Meshes"))
        self.stl_button = button(tr("Export STL …"), lambda: self.export(".stl"), tip=tr("LPS, millimetres"))
        self.glb_button = button(tr("Export GLB …"), lambda: self.export(".glb"), tip=tr("Metres, Y up, with colours"))
        self.buttons(self.stl_button, self.glb_button)
        others = QFormLayout()
        others.setContentsMargins(0, 0, 0, 0)
        self.format = Choice()
        for suffix, title in formats():
            self.format.addItem(title, suffix)
        others.addRow(tr("Format"), self.format)
        self.preset = Choice()
        self.preset.addItem(tr("As they are"), "")
        for name in preset_names():
            self.preset.addItem(PRESETS.get(name, name), name)
        others.addRow(tr("For"), self.preset)
        others.setRowVisible(self.preset, self.preset.count() > 1)
        self.column.addLayout(others)
        self.export_button = button(tr("Export …"), lambda: self.export(str(self.format.currentData())))
        self.check_button = button(
            tr("Check"), self.check_export, tip=tr("Check what would be exported; nothing is written")
        )
        self.buttons(self.export_button, self.check_button)
        self.mesh_check = QLabel()
        self.mesh_check.setWordWrap(True)
        self.mesh_check.setVisible(False)
        self.add(self.mesh_check)
        self.export_what.changed.connect(self._forget_check)
        self.format.activated.connect(lambda _: self._forget_check())
        self.preset.activated.connect(lambda _: self._forget_check())
        self.workshop_fold = Section(theme, tr("Workshop: hollow, parts, marks, base plate"), opened=False)
        self.workshop = WorkshopSection(desk, theme, self.export_what)
        self.workshop_fold.body.addWidget(self.workshop)
        self.workshop.shaped.connect(self._shaped)
        self.add(self.workshop_fold)
        self.section(tr("Print"))
        self.print = PrintSection(desk, theme, self.export_what)
        self.print.written.connect(self._made)
        self.add(self.print)
        self.section(tr("Picture"))
        self.view = Choice()
        self.view.setAccessibleName(tr("Which view"))
        for name, title in VIEWS:
            self.view.addItem(title, name)
        self.column.addWidget(self.view)
        self.snapshot_button = button(tr("Save picture …"), self.take_snapshot)
        self.buttons(self.snapshot_button)
        self._files_title = self.section(tr("Made in this session"))
        self.files = QListWidget()
        self.files.setAccessibleName(tr("Made in this session"))
        self.files.setMinimumHeight(100)
        self.files.itemActivated.connect(lambda item: open_file(Path(item.toolTip())))
        self.add(self.files)
        self.check = QLabel()
        self.check.setWordWrap(True)
        self.add(self.check)
        self.column.addStretch(1)
        self._show_files()
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: desk.unseen.refresh(self, self.refresh))
        self.refresh()

    def refresh(self) -> None:
        scene = self._desk.scene
        segments = scene.of_type(SegmentNode)
        loose = [surface for surface in scene.of_type(SurfaceNode) if surface.segment is None]
        self.export_what.fill([*segments, *loose, *scene.of_type(ImplantNode)])
        self._forget_check()
        ready = len(scene) > 0
        for widget in (self.report_button, self.snapshot_button):
            widget.setEnabled(ready)
        for widget in (self.stl_button, self.glb_button, self.export_button, self.check_button):
            widget.setEnabled(bool(segments))
        found = scene.of_type(ReportSettingsNode)
        settings = found[0] if found else None
        for line, text in (
            (self.report_title, settings.title if settings else ""),
            (self.author, settings.author if settings else ""),
            (self.notes, settings.notes if settings else ""),
        ):
            if not line.hasFocus():
                line.setText(text)
        self.identity.setChecked(settings.show_identity if settings else False)

    def _restart(self) -> None:
        self.files.clear()
        self.check.setText("")
        self._show_files()
        self.refresh()

    def _show_files(self) -> None:
        """The list is there as soon as it holds something."""
        for widget in (self._files_title, self.files):
            widget.setVisible(self.files.count() > 0)
        self.check.setVisible(bool(self.check.text()))

    def _keep_settings(self) -> None:
        if self._desk.session is None or len(self._desk.scene) == 0:
            return
        wanted = (self.report_title.text(), self.author.text(), self.notes.text(), self.identity.isChecked())
        found = self._desk.scene.of_type(ReportSettingsNode)
        now = (
            (found[0].title, found[0].author, found[0].notes, found[0].show_identity) if found else ("", "", "", False)
        )
        if wanted != now:
            title, author, notes, identity = wanted
            self._desk.do_now(SetReportSettings(heading=title, author=author, notes=notes, identity=identity))

    def make_report(self, path: Path | None = None) -> None:
        path = path or self._ask(tr("Report"), "report.pdf", "PDF (*.pdf)")
        if path is not None:
            self._keep_settings()
            self._desk.do(MakeReport(out=path, overwrite=True), self._made)

    def export(self, suffix: str, path: Path | None = None) -> None:
        chosen = self.export_what.node_ids()
        name = self._desk.scene.node(chosen[0]).name if len(chosen) == 1 else "twin"
        path = path or self._ask(tr("Export"), safe(name) + suffix, f"{suffix[1:].upper()} (*{suffix})")
        if path is not None:
            # The dialog asked about this file; a table without its label map may be another's.
            overwrite = path.exists() or suffix not in LABEL_MAPS
            self._desk.do(self._export_command(path, overwrite=overwrite), self._made)

    def check_export(self) -> None:
        """Show the check of what would be exported; nothing is written."""
        suffix = str(self.format.currentData())
        out = Path(tempfile.gettempdir()) / f"check{suffix}"
        self._forget_check()
        self._desk.do(self._export_command(out, check_only=True), self._show_check)

    def _export_command(self, out: Path, **values: Any) -> ExportCase:
        """What is ticked, each by the field that takes it."""
        scene = self._desk.scene
        ticked = [scene.node(key) for key in self.export_what.node_ids()]
        implants = tuple(node.id for node in ticked if isinstance(node, ImplantNode))
        if implants:
            values["implant"] = implants
        table = next((out.name.removesuffix(suffix) for suffix in LABEL_MAPS if out.name.endswith(suffix)), None)
        if table is not None:
            values["labels"] = out.with_name(f"{table}.json")
        elif self.preset.currentData():
            values["preset"] = self.preset.currentData()
        segments = tuple(node.id for node in ticked if not isinstance(node, ImplantNode))
        return ExportCase(out=out, segment=segments, **values)

    def _shaped(self, document: dict[str, Any]) -> None:
        """Tick what the workshop made, so that it can be checked and printed at once."""
        self.refresh()
        self.export_what.choose([surface["id"] for surface in document["surfaces"]])
        names = ", ".join(surface["name"] for surface in document["surfaces"])
        self._desk.say(tr("Made {names}.").format(names=names), "info")

    def _show_check(self, document: dict[str, Any]) -> None:
        self.mesh_check.setText(check_text(document["check"]))
        self.mesh_check.setVisible(True)

    def _forget_check(self) -> None:
        self.check_button.setVisible(self.format.currentData() in MESH_SUFFIXES)
        self.mesh_check.setVisible(False)

    def take_snapshot(self, path: Path | None = None) -> None:
        view = self.view.currentData()
        path = path or self._ask(tr("Picture"), f"{view}.png", "PNG (*.png)")
        if path is not None:
            self._desk.do(TakeSnapshot(out=path, view=view, overwrite=True), self._made)

    def _ask(self, title: str, name: str, kinds: str) -> Path | None:
        chosen, _ = QFileDialog.getSaveFileName(self, title, str(Path.home() / name), kinds)
        return Path(chosen) if chosen else None

    def _made(self, document: dict[str, Any]) -> None:
        for file in document["files"]:
            self.files.addItem(Path(file).name)
            item = self.files.item(self.files.count() - 1)
            if item is not None:
                item.setToolTip(str(file))
        check = document.get("check")
        if check is not None:
            self.check.setText(check_text(check))
        self._show_files()
        names = ", ".join(Path(file).name for file in document["files"])
        self._desk.say(tr("Saved {names}.").format(names=names), "info")


def check_text(check: dict[str, Any]) -> str:
    """Whether an export is safe to hand on, in words."""
    if check.get("closed") and check.get("manifold"):
        first = tr("✓ Closed and manifold")
    else:
        first = tr("⚠ Not closed everywhere: check before printing")
    error = check.get("volume_error_percent")
    second = tr("largest volume error {error:.2f} %").format(error=error) if error is not None else ""
    third = tr("{count} triangles, unit {unit}, axes {frame}").format(
        count=check.get("triangles"), unit=check.get("unit"), frame=check.get("frame")
    )
    outward = check.get("outward")
    facing = "" if outward is None else tr("✓ Facing outwards") if outward else tr("⚠ Not facing outwards")
    crossings = check.get("self_intersections")
    crossed = tr("– Crossings not assessed")
    if crossings is not None:
        crossed = tr("⚠ {count} crossings").format(count=crossings) if crossings else tr("✓ Crosses itself nowhere")
    wall = check.get("min_wall_mm")
    walls = tr("– Walls not assessed") if wall is None else tr("thinnest wall {wall:.2f} mm").format(wall=wall)
    size = check.get("size_mm")
    box = "" if size is None else " × ".join(f"{value:.1f}" for value in size) + " mm"
    shells = tr("shells: {count}").format(count=check.get("shells"))
    return "\n".join(part for part in (first, facing, crossed, shells, walls, box, second, third) if part)


def safe(name: str) -> str:
    from surgitwin.exchange.names import safe_file_name

    return safe_file_name(name)


def open_file(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
