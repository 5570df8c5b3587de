"""The library of implants: built-in families and the user's folders, searched, and what is placed or exchanged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QListWidget, QListWidgetItem

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import USER_ROLE, Choice, WarningList, button, button_row, note_label
from surgitwin.gui.settings import Settings, save_settings
from surgitwin.gui.theme import Theme
from surgitwin.gui.views.background import Background
from surgitwin.gui.widgets.sections import Section

if TYPE_CHECKING:
    from surgitwin.implants.library import Item, Library

ROWS = 7


class FitLibrary(Section):
    """Signals: the chosen item is wanted at the crosshair, by the next click (or no more), in the implant's place."""

    place_wanted = Signal()
    click_toggled = Signal(bool)
    exchange_wanted = Signal()

    def __init__(self, theme: Theme, settings: Settings, background: Background) -> None:
        super().__init__(theme, tr("Library"))
        self._settings, self._background = settings, background
        self._library: Library | None = None
        self._has_implant = False
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search: name, size, maker"))
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName(tr("Search the library"))
        self.search.textChanged.connect(lambda _: self._fill_items())
        self.family = Choice()
        self.family.setAccessibleName(tr("Family"))
        self.family.activated.connect(lambda _: self._fill_items())
        self.items = QListWidget()
        self.items.setAccessibleName(tr("Library"))
        self.items.currentItemChanged.connect(lambda *_: self._tell_item())
        self.items.itemDoubleClicked.connect(lambda _: self.place_wanted.emit())
        self.item_note = note_label()
        for widget in (self.search, self.family, self.items, self.item_note):
            self.body.addWidget(widget)
        self.place_button = button(tr("Place"), self.place_wanted.emit, "primary", tr("Put it at the crosshair"))
        self.click_button = button(
            tr("Place by click"),
            lambda: self.click_toggled.emit(self.click_button.isChecked()),
            tip=tr("The next click in a slice or on a surface in 3D places it"),
        )
        self.click_button.setCheckable(True)
        self.exchange_button = button(
            tr("Exchange"),
            self.exchange_wanted.emit,
            tip=tr("Put it in the place of the chosen implant, as for another size"),
        )
        self.body.addLayout(button_row(self.place_button, self.click_button, self.exchange_button))
        self.folder_button = button(tr("Add folder …"), self.add_folder, tip=tr("A folder of manifests and meshes"))
        self.forget_button = button(tr("Forget folders"), self.forget_folders)
        self.body.addLayout(button_row(self.folder_button, self.forget_button))
        self.bad = WarningList(theme)
        self.body.addWidget(self.bad)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The user's folders that are there."""
        return tuple(folder for folder in self._settings.implant_folders if folder.is_dir())

    def open_once(self) -> None:
        """Read the library if that was not done yet."""
        if self._library is None:
            self.load_library()

    def set_has_implant(self, has: bool) -> None:
        """Whether there is one to exchange."""
        self._has_implant = has
        self.exchange_button.setEnabled(has and self.item_id is not None)

    def load_library(self) -> None:
        """Read the built-in families at once and the user's folders on a thread."""
        from surgitwin.implants.library import BadFile, Library, open_library

        folders = list(self.folders)
        gone = [folder for folder in self._settings.implant_folders if not folder.is_dir()]
        if self._library is None:
            self._take_library(open_library())

        def done(found: Library) -> None:
            missing = tuple(
                BadFile(one, tr("The folder {name} is not there any more.").format(name=one.name)) for one in gone
            )
            self._take_library(Library(found.items, (*found.bad, *missing)))

        if folders or gone:
            self._background.submit(lambda: open_library(folders), done)
        else:
            self._take_library(open_library())

    def _take_library(self, library: Library) -> None:
        self._library = library
        chosen = self.family.currentData()
        self.family.clear()
        self.family.addItem(tr("All families"), "")
        names: dict[str, str] = {}
        for item in library.items:
            names.setdefault(item.model.family, item.model.name if item.model.generic else item.model.family)
        for family, title in names.items():
            self.family.addItem(title, family)
        self.family.setCurrentIndex(max(self.family.findData(chosen), 0))
        self.forget_button.setVisible(bool(self._settings.implant_folders))
        self.bad.show_warnings([(bad.reason, None) for bad in library.bad])
        self.bad.setVisible(bool(library.bad))
        self._fill_items()

    def _fill_items(self) -> None:
        from surgitwin.implants.library import maker_text

        if self._library is None:
            return
        words = self.search.text().casefold().split()
        family = self.family.currentData()
        before = self.item_id
        self.items.clear()
        for item in self._library.items:
            model = item.model
            text = f"{model.name} {model.size}"
            searched = " ".join((text, model.family, model.maker, model.material, maker_text(model))).casefold()
            if (family and model.family != family) or not all(word in searched for word in words):
                continue
            row = QListWidgetItem(text)
            row.setData(USER_ROLE, item.id)
            self.items.addItem(row)
            if item.id == before:
                self.items.setCurrentItem(row)
        if self.items.currentItem() is None and self.items.count():
            self.items.setCurrentRow(0)
        height = max(self.items.sizeHintForRow(0), 20) if self.items.count() else 20
        self.items.setFixedHeight(height * ROWS + 2 * self.items.frameWidth() + 2)
        self._tell_item()

    @property
    def item_id(self) -> str | None:
        row = self.items.currentRow()
        return str(self.items.item(row).data(USER_ROLE)) if row >= 0 else None

    def _item(self) -> Item | None:
        wanted = self.item_id
        items = self._library.items if self._library is not None else ()
        return next((item for item in items if item.id == wanted), None)

    def _tell_item(self) -> None:
        from surgitwin.implants.library import maker_text

        item = self._item()
        ready = item is not None
        for one in (self.place_button, self.click_button):
            one.setEnabled(ready)
        self.exchange_button.setEnabled(ready and self._has_implant)
        if item is None:
            self.item_note.setText(tr("Nothing in the library fits the search."))
            return
        model = item.model
        sizes = ", ".join(f"{name} {value:g} mm" for name, value in model.dimensions_mm.items())
        lines = (maker_text(model), model.material, sizes.replace("_", " "), model.note)
        self.item_note.setText("\n".join(line for line in lines if line))

    def add_folder(self, folder: Path | None = None) -> None:
        """Take the implants of a folder into the library, from now on."""
        if folder is None:
            chosen = QFileDialog.getExistingDirectory(self, tr("Add a folder of implants"))
            if not chosen:
                return
            folder = Path(chosen)
        if folder not in self._settings.implant_folders:
            self._settings.implant_folders = [*self._settings.implant_folders, folder]
            save_settings(self._settings)
        self.load_library()

    def forget_folders(self) -> None:
        """Leave out the user's folders from now on; nothing in them is touched."""
        self._settings.implant_folders = []
        save_settings(self._settings)
        self.load_library()
