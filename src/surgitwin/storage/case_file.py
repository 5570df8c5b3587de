"""The `.twin` file: where every finished change of a scene goes, at once and for good."""

from __future__ import annotations

import contextlib
import functools
import getpass
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import apsw
import platformdirs

from surgitwin.core.errors import BadInput, StorageFailed
from surgitwin.core.ids import ArrayId, new_array_id
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.signals import Signal
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.edits import Entry
from surgitwin.scene.nodes import Node
from surgitwin.scene.scene import Scene
from surgitwin.storage import copies, failures, reader, versions, whole_files
from surgitwin.storage.batches import Batch, LogRow, batch_of, now, to_json
from surgitwin.storage.connection import connect_to_read, connect_to_write, look, needs_copy, wal_path
from surgitwin.storage.files import refuse_existing
from surgitwin.storage.network import WorkingCopy, is_network_path
from surgitwin.storage.storage_thread import SaveState, StorageThread
from surgitwin.storage.versions import Version, revert_edits
from surgitwin.storage.writer import PRESENT, Writer, drop_unused

T = TypeVar("T")
logger = logging.getLogger(__name__)
__all__ = ["CaseFile", "LogRow", "SaveState", "Version", "revert_edits"]


class CaseFile:
    """One open case. `create` and `open` make it; `close` leaves exactly one file.

    The scene changes at once and `append` queues the change; it is *finished* when it is on disk, which `wait`
    waits for and `state_changed` tells. If a change cannot be written (the disk is full, a drive is unplugged), it is
    kept, `state_changed` carries the sentence, and every later change is refused with it: the scene stays as it is,
    at most two changes ahead of the file. `retry` tries again; `save_copy` takes the scene elsewhere, unsaved changes
    included; `close` tries once more and else raises, leaving the file with every finished change.

    Attributes
    ----------
    path
        Where the case is, for its user; on a network drive the work is done on a local copy.
    notices
        What the user should know about how it was opened.
    state_changed
        Emitted when a change was queued, saved, or could not be saved; on any thread. Listeners must not wait for
        the file.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[], apsw.Connection],
        *,
        key: str | None,
        read_only: bool = False,
        notices: tuple[Notice, ...] = (),
        working_copy: WorkingCopy | None = None,
        temporary: Path | None = None,
    ) -> None:
        self.path = path
        self.read_only = read_only
        self.notices = notices
        self._key = key
        self._working_copy = working_copy
        self._temporary = temporary
        self._known: set[ArrayId] = set()
        self._closed = False
        self._thread = StorageThread(path, connect)
        self.state_changed: Signal[SaveState] = self._thread.state_changed
        try:
            self._learn_arrays()
        except BaseException:
            self._thread.stop(lambda db: db.close())
            raise

    @classmethod
    def create(
        cls,
        path: Path,
        scene: Scene,
        *,
        key: str | None = None,
        working_folder: Path | None = None,
        network: bool | None = None,
    ) -> CaseFile:
        """Write a scene to a new file and open it; the file appears whole or not at all.

        Parameters
        ----------
        key
            Password; the case is encrypted with it (ChaCha20-Poly1305). Without one it is plain SQLite.
        working_folder
            Where local copies of cases on network drives go; by default the user's data folder.
        network
            Whether the path is on a network drive; by default found out.

        Raises
        ------
        BadInput
            If there is a file already, or the folder is missing or closed to the user.
        StorageFailed
            If the drive refuses, for example because it is full.
        """
        path = Path(path)
        refuse_existing(path)
        if not (is_network_path(path.parent) if network is None else network):
            whole_files.write_case(path, scene, key)
            case_file = cls.open(path, key=key, network=False)
            case_file._attach(array for node in scene for array in node.arrays().values())
            return case_file
        working = WorkingCopy(path, working_folder or _default_working_folder())
        notice = working.start()
        whole_files.write_case(working.local, scene, key)
        working.bring_back(working.local)
        connect = functools.partial(connect_to_write, working.local, key)
        return cls(path, connect, key=key, notices=(notice,), working_copy=working)

    @classmethod
    def open(
        cls,
        path: Path,
        read_only: bool = False,
        *,
        key: str | None = None,
        vfs: str = "",
        working_folder: Path | None = None,
        network: bool | None = None,
    ) -> CaseFile:
        """Open a case; nodes are read by `load_nodes`, arrays when they are first needed.

        Parameters
        ----------
        read_only
            Never changes the file, works from a copy if another process has it, and refuses changes.
        vfs
            Name of a registered layer between the engine and the operating system; for tests.

        Raises
        ------
        CaseLocked
            If another process, or another window, works on it.
        BadInput
            If it is missing, damaged, foreign, newer, locked with another password, or not writable.
        """
        path = Path(path)
        if read_only:
            return cls._open_to_read(path, key, vfs)
        if not (is_network_path(path) if network is None else network):
            return cls(path, functools.partial(connect_to_write, path, key, vfs), key=key)
        look(path, key, vfs)
        working = WorkingCopy(path, working_folder or _default_working_folder())
        notice = working.take(lambda local: connect_to_write(local, key).close())
        connect = functools.partial(connect_to_write, working.local, key)
        return cls(path, connect, key=key, notices=(notice,), working_copy=working)

    @classmethod
    def _open_to_read(cls, path: Path, key: str | None, vfs: str) -> CaseFile:
        look(path, key, vfs)
        if not needs_copy(path, key, vfs):
            return cls(path, functools.partial(connect_to_read, path, key, vfs), key=key, read_only=True)
        folder = Path(tempfile.mkdtemp(prefix="surgitwin-"))
        try:
            copy = copies.copy_while_open(path, folder, vfs)
            message = tr(
                "This case is open elsewhere, was not closed properly, or is of an older format; you see a copy of it, "
                "read-only."
            )
            notices = (Notice("read-only-copy", message),)
            connect = functools.partial(connect_to_write, copy, key)
            return cls(path, connect, key=key, read_only=True, notices=notices, temporary=folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    # Changes

    def append(self, entry: Entry, scene: Scene) -> None:
        """Take a change over; called on the main thread after the scene has changed.

        Returns at once, or after the change that is being written if another one waits behind it.

        Raises
        ------
        StorageFailed
            If an earlier change could not be written; this one was not taken.
        BadInput
            If the case is open read-only.
        """
        self._refuse_read_only()

        def make() -> Batch:
            batch = batch_of(entry, scene, self._known)
            self._known |= {one.array.id for one in batch.captures}
            return replace(batch, on_saved=functools.partial(self._attach, [one.array for one in batch.captures]))

        self._thread.submit(make)

    def log(self, command: str, params: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Add a line to the log of commands: who did what, when, to which inputs; never array data."""
        self._refuse_read_only()
        self._thread.log((now(), _user(), command, to_json(dict(params)), to_json(dict(inputs))))

    def wait(self) -> None:
        """Return once every appended change is on disk.

        Raises
        ------
        StorageFailed
            If one cannot be written.
        """
        self._thread.wait()

    def retry(self) -> None:
        """Try again to write what could not be written; raises `StorageFailed` if it still cannot."""
        self._thread.retry()

    @property
    def local_path(self) -> Path:
        """The file that is worked on: the local copy of a case on a network drive, else `path`."""
        return self._working_copy.local if self._working_copy is not None else self.path

    @property
    def state(self) -> SaveState:
        return self._thread.state

    @property
    def pending(self) -> int:
        """How many changes are not on disk yet."""
        return self.state.pending

    @property
    def synced(self) -> bool:
        return self.state.saved

    # Reading

    def load_nodes(self) -> list[Node]:
        """All nodes; their arrays are read when they are first needed.

        Raises
        ------
        BadInput
            If a node cannot be read; the sentence names it.
        """
        self.wait()
        return self._build(self._ask(lambda db: reader.stored_nodes(db, PRESENT)), None)

    def log_rows(self) -> list[LogRow]:
        """The log of commands, the oldest line first."""
        self.wait()
        return self._ask(reader.log_rows)

    # Versions

    def save_version(self, name: str) -> Version:
        """Give the present state a name; it shares everything with the present until that changes.

        Raises
        ------
        BadInput
            If a version has this name already, or the case is open read-only.
        StorageFailed
            If it cannot be written.
        """
        self._refuse_read_only()
        if not name.strip():
            raise BadInput(tr("A version needs a name; give it one."))
        self.wait()
        if self._ask(lambda db: versions.version_number(db, name)) is not None:
            message = tr("There is a version “{name}” already; choose another name.")
            raise BadInput(message.format(name=name))
        try:
            version = self._thread.ask(lambda db: versions.save_version(db, name, _user()))
        except (apsw.Error, OSError) as error:
            raise failures.not_written(self.path, error) from error
        if self._working_copy is not None:
            self._bring_snapshot_back(self._working_copy)
        return version

    def versions(self) -> list[Version]:
        """Named versions, the oldest first."""
        return self._ask(versions.list_versions)

    def load_version(self, name: str) -> list[Node]:
        """The nodes of a named version, for `revert_edits` on the scene of this case.

        Raises
        ------
        BadInput
            If there is no such version.
        """
        self.wait()
        number = self._ask(lambda db: versions.version_number(db, name))
        if number is None:
            names = ", ".join(f"“{version.name}”" for version in self.versions()) or tr("none")
            message = tr("There is no version “{name}” in this case; there are: {names}.")
            raise BadInput(message.format(name=name, names=names))
        present = self._ask(lambda db: reader.stored_nodes(db, PRESENT))
        shown = {row: array_id for stored in present for array_id, row in reader.array_ids(stored).items()}
        found = self._ask(lambda db: reader.stored_nodes(db, number))
        added: dict[ArrayId, int] = {}

        def rename(array_id: ArrayId, row: int, constant: bool) -> ArrayId:
            # Strokes may have changed an array that is shown under its old id. The old contents get a new id, unless
            # they are what is shown.
            if not constant:
                array_id = shown.get(row) or new_array_id()
            if array_id not in self._known:
                added[array_id] = row
            return array_id

        nodes = self._build(found, rename)
        self._thread.ask(lambda db: self._thread.writer.rows.update(added))
        self._known |= set(added)
        return nodes

    # Copies and closing

    def save_copy(
        self,
        path: Path,
        *,
        strip_log: bool = False,
        strip_identity: bool = False,
        key: str | None = None,
        plain: bool = False,
        overwrite: bool = False,
        ctx: Context | None = None,
    ) -> None:
        """Write the whole case, versions included, to another file.

        Parameters
        ----------
        strip_log
            Leave the log of commands out.
        strip_identity
            Blank who the patient is and replace UIDs (see `copies.strip_identity`); leaves the log out too.
        key
            Password of the copy; by default that of the case. ``plain`` leaves it without one.

        Raises
        ------
        BadInput
            If there is a file already and ``overwrite`` is false, or the folder is closed to the user.
        StorageFailed
            If the drive refuses.
        """
        path = Path(path)
        if path.exists() and self.path.exists() and path.samefile(self.path):
            raise BadInput(tr("A copy needs another name than the case itself; choose one."))
        if not (overwrite and path.is_file()):
            refuse_existing(path)
        with contextlib.suppress(StorageFailed):
            self.wait()  # what cannot be saved here goes into the copy all the same
        unsaved, ctx = self._thread.unsaved, ctx or Context()
        keys = (self._key, None if plain else key or self._key)

        def change(copy: apsw.Connection) -> None:
            writer = Writer(self._thread.pool)
            writer.rows = dict(self._thread.writer.rows)
            for batch in unsaved:
                writer.write(copy, batch)
            if strip_log or strip_identity:
                copies.clear_log(copy)
            if strip_identity:
                copies.strip_identity(copy)

        with whole_files.appearing(path, overwrite=overwrite) as part:
            self._thread.ask(lambda db: whole_files.copy_case(db, part, keys, ctx, change))

    def close(self) -> None:
        """Finish every change, move the log into the file, and leave exactly one file.

        Raises
        ------
        StorageFailed
            If changes could not be written; the file holds every finished one.
        """
        if self._closed:
            return
        failure: StorageFailed | None = None
        try:
            self._thread.retry() if self._thread.state.failure else self._thread.wait()
        except StorageFailed as error:
            failure = error
        self._closed = True
        try:
            self._thread.stop(self._finish)
        except (apsw.Error, OSError) as error:
            logger.warning("The case could not be tidied up on closing: %s", type(error).__name__)
        if wal_path(self.local_path).exists() and not self.read_only:
            message = tr("“{name}” is saved, but not in one file; keep “{log}” beside it and open it once more.")
            names = {"name": self.path.name, "log": wal_path(self.path).name}
            failure = failure or StorageFailed(message.format(**names))
        elif self._working_copy is not None:
            self._bring_final_back(self._working_copy)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
        if failure is not None:
            raise failure

    def __enter__(self) -> CaseFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _finish(self, db: apsw.Connection) -> None:
        """The last work of the storage thread."""
        try:
            if not self.read_only:
                with contextlib.suppress(apsw.Error):  # room that cannot be given back now is given back next time
                    drop_unused(db)
                db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            db.close()

    def _bring_snapshot_back(self, working: WorkingCopy) -> None:
        with whole_files.passing(working.local) as part:
            self._thread.ask(lambda db: whole_files.copy_case(db, part, (self._key, self._key), Context()))
            self._note(working.bring_back(part))
        self.path = working.path

    def _bring_final_back(self, working: WorkingCopy) -> None:
        self._note(working.bring_back(working.local))
        self.path = working.path
        working.discard()

    def _note(self, notice: Notice | None) -> None:
        if notice is not None:
            self.notices = (*self.notices, notice)

    def _learn_arrays(self) -> None:
        """Find the row of each array that is in use; a damaged node is left for `load_nodes` to name."""
        rows: dict[ArrayId, int] = {}
        for stored in self._ask(lambda db: reader.stored_nodes(db, PRESENT)):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                rows.update(reader.array_ids(stored))
        self._thread.ask(lambda db: self._thread.writer.rows.update(rows))
        self._known = set(rows)

    def _attach(self, arrays: Iterable[ArrayData]) -> None:
        """Tell constant arrays that they can be read here from now on."""
        for array in arrays:
            if array.constant:
                array.attach_loader(self._loader(self._thread.writer.rows[array.id]))

    def _build(self, stored: list[reader.StoredNode], rename: reader.Rename | None) -> list[Node]:
        return reader.build_nodes(self.path, stored, self._loader, rename)

    def _loader(self, row: int) -> reader.Loader:
        ask = functools.partial(self._thread.ask, inside=True)
        return lambda: reader.read_array(self.path, row, ask, self._thread.pool)

    def _ask(self, question: Callable[[apsw.Connection], T]) -> T:
        try:
            return self._thread.ask(question)
        except failures.UNREADABLE as error:
            raise failures.not_opened(self.path, error) from error

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise BadInput(tr("This case is open read-only; save a copy of it to change it."))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return ""


def _default_working_folder() -> Path:
    return Path(platformdirs.user_data_dir("surgitwin", appauthor=False)) / "working-copies"
