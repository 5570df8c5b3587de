"""Opens the database of a case: first looks without touching, then takes the file for itself."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import apsw

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.storage import failures
from surgitwin.storage.migrations import FORMAT, migrate

APPLICATION_ID = 0x5477696E  # “Twin”
PAGE_SIZE = 8192  # measured: 4, 16 and 32 KiB save no faster, and every table takes a page at least
CIPHER = "chacha20"
_MAGIC = b"SQLite format 3\x00"
_HEADER_BYTES = 100


def wal_path(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def read_through_engine(path: Path, vfs: str, offset: int, length: int) -> bytes:
    """Read raw bytes; less than ``length`` at the file's end.

    Not with `open`: on POSIX, closing any other handle of a file drops the locks that this process holds on it. The
    engine's own layer knows that.
    """
    name = vfs or ("win32" if os.name == "nt" else "unix")
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB
    file = apsw.VFSFile(name, str(path), [flags, 0])
    try:
        available = min(length, max(file.xFileSize() - offset, 0))
        return file.xRead(available, offset) if available else b""
    finally:
        file.xClose()


def look(path: Path, key: str | None, vfs: str = "") -> None:
    """Refuse what is not a whole case of this or an older format; nothing is changed and no lock is taken.

    Raises
    ------
    BadInput
        With one sentence that says what the file is instead.
    """
    if not path.exists():
        raise BadInput(tr("There is no case file “{path}”; check the name, or make a new case.").format(path=path))
    if not path.is_file():
        raise BadInput(tr("“{path}” is a folder; choose a .twin file.").format(path=path))
    size = path.stat().st_size
    if size == 0:
        raise BadInput(tr("“{name}” is empty; choose a .twin file that Surgitwin wrote.").format(name=path.name))
    try:
        header = read_through_engine(path, vfs, 0, _HEADER_BYTES)
    except (apsw.Error, OSError) as error:
        raise failures.not_opened(path, error) from error
    if header[:16] != _MAGIC[: len(header)]:
        if key is None:
            raise failures.foreign(path)
        return
    if key is not None:
        message = tr("“{name}” is not encrypted; open it without a password.")
        raise BadInput(message.format(name=path.name))
    if len(header) < _HEADER_BYTES:
        raise failures.cut_short(path)
    _judge_header(path, header, size)


def _judge_header(path: Path, header: bytes, size: int) -> None:
    """The fields are those of https://www.sqlite.org/fileformat2.html#the_database_header."""

    def number(at: int, length: int = 4) -> int:
        return int.from_bytes(header[at : at + length], "big")

    if number(68) != APPLICATION_ID:
        raise failures.foreign(path)
    if number(60) > FORMAT:
        raise failures.newer(path, number(60), FORMAT)
    page_size = 65536 if number(16, 2) == 1 else number(16, 2)
    pages = number(28) if number(24) == number(92) else 0
    # While a crash has left a write-ahead log, the file itself may lag behind its header.
    if size < pages * page_size and not _has_bytes(wal_path(path)):
        raise failures.cut_short(path)


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def connect_to_write(path: Path, key: str | None, vfs: str = "") -> apsw.Connection:
    """Take the case for this process alone, bring back what a crash left in the log, and migrate it if it is older.

    Raises
    ------
    CaseLocked
        If another process, or another window of this one, has it.
    BadInput
        If it cannot be written to, is damaged, foreign or newer.
    """
    look(path, key, vfs)
    if not wal_path(path).exists():
        # Opened for writing, a file gets a log beside it. What will be refused must not even get that.
        connect_to_read(path, key, vfs).close()
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs or None)
    except (apsw.Error, OSError) as error:
        raise failures.not_opened(path, error) from error
    try:
        if db.readonly("main"):  # what the engine makes of a file without permission to write
            raise failures.no_permission(path)
        unlock(db, key)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.pragma("locking_mode", "EXCLUSIVE")
        found = _checked_format(db, path, key)
        make_durable(db)
        migrate(db, found)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    except BaseException as error:
        db.close()
        if isinstance(error, failures.UNREADABLE):
            raise failures.not_opened(path, error) from error
        raise
    return db


def connect_to_read(path: Path, key: str | None, vfs: str = "") -> apsw.Connection:
    """Read a case that nobody has open and that no crash interrupted, without any lock or file beside it."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    db: apsw.Connection | None = None
    try:
        db = apsw.Connection(_uri(path) + "?immutable=1", flags=flags, vfs=vfs or None)
        unlock(db, key)
        _checked_format(db, path, key)
    except BaseException as error:
        if db is not None:
            db.close()
        if isinstance(error, failures.UNREADABLE):
            raise failures.not_opened(path, error) from error
        raise
    return db


def needs_copy(path: Path, key: str | None, vfs: str = "") -> bool:
    """True if the case must be read from a copy: somebody has it open, a crash left a log, or its format is older."""
    if wal_path(path).exists():
        return True
    db = connect_to_read(path, key, vfs)
    try:
        return int(db.pragma("user_version")) < FORMAT
    finally:
        db.close()


def _uri(path: Path) -> str:
    """The form that the engine takes on every system, a Windows share included: ``file:////server/share/...``."""
    posix = path.absolute().as_posix()
    return "file://" + ("" if posix.startswith("/") else "/") + quote(os.fsencode(posix))


def _checked_format(db: apsw.Connection, path: Path, key: str | None) -> int:
    try:
        application = int(db.pragma("application_id"))
        found = int(db.pragma("user_version"))
    except apsw.NotADBError as error:
        raise (failures.damaged(path) if key is None else failures.wrong_key(path)) from error
    if application != APPLICATION_ID:
        raise failures.foreign(path)
    if found > FORMAT:
        raise failures.newer(path, found, FORMAT)
    if found < 1:
        raise failures.damaged(path)
    db.execute("SELECT count(*) FROM nodes").fetchall()
    return found


def unlock(db: apsw.Connection, key: str | None) -> None:
    if key is not None:
        db.pragma("cipher", CIPHER)
        db.pragma("key", key)


def make_durable(db: apsw.Connection) -> None:
    """What each connection that writes must ask for; the file itself does not remember it."""
    db.pragma("synchronous", "FULL")
    db.pragma("fullfsync", "ON")  # macOS alone has it: its plain fsync leaves data in the drive's cache
    db.pragma("checkpoint_fullfsync", "ON")
    db.pragma("secure_delete", "ON")
    db.pragma("foreign_keys", "ON")
    db.pragma("temp_store", "MEMORY")
    db.pragma("cache_size", -16384)


def create_database(path: Path, key: str | None) -> apsw.Connection:
    """A new, empty database at a path that nothing has yet; without a journal until `finish_database`."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    try:
        unlock(db, key)  # first: asking for auto_vacuum before would settle the file as a plain one
        db.pragma("page_size", PAGE_SIZE)
        db.pragma("auto_vacuum", "INCREMENTAL")
        db.pragma("locking_mode", "EXCLUSIVE")
        db.pragma("journal_mode", "OFF")
        make_durable(db)
        db.pragma("application_id", APPLICATION_ID)
        migrate(db, 0)
    except BaseException:
        db.close()
        raise
    return db


def finish_database(db: apsw.Connection) -> None:
    """Give a new database its write-ahead log and close it."""
    try:
        db.pragma("journal_mode", "WAL")
    finally:
        db.close()
