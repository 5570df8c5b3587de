"""Copies of a case: of one that somebody else has open, for keeping, and for sharing without identity."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from surgitwin.core.anonymous import anonymous_name, without_file_names
from surgitwin.core.errors import CaseLocked
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.storage.batches import checksum, to_json
from surgitwin.storage.connection import make_durable, read_through_engine, unlock, wal_path

_PIECE = 4 * 2**20
_TRIES = 20
_WAL_HEADER_BYTES = 32
_BACKUP_PAGES = 512


def copy_while_open(path: Path, folder: Path, vfs: str = "") -> Path:
    """Copy a case that a process may be writing to at this moment, as it was at one moment.

    The write-ahead log is append-only until its header gets new salts; only then may pages be missing from it that
    are not in the file yet. So if the log's header is the same before the file was copied and after the log was, file
    and log fit together, whatever was moved from one to the other meanwhile. Without a log, the file itself must be
    unchanged.

    Raises
    ------
    CaseLocked
        If it is written to so busily that no such copy could be made.
    """
    copy = folder / path.name
    log = wal_path(path)
    for _ in range(_TRIES):
        before, stamp = _head(log), _stamp(path)
        _copy_bytes(lambda at, n: read_through_engine(path, vfs, at, n), copy)
        data = log.read_bytes() if log.exists() else b""
        untouched = bool(data) or _stamp(path) == stamp
        if untouched and data[:_WAL_HEADER_BYTES] == before and _head(log) == before:
            if data:
                wal_path(copy).write_bytes(data)
            return copy
    message = tr("“{name}” is being written to by another program; try again when it has finished.")
    raise CaseLocked(message.format(name=path.name))


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _head(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_WAL_HEADER_BYTES)
    except FileNotFoundError:
        return b""


def _copy_bytes(read: Callable[[int, int], bytes], target: Path) -> None:
    with target.open("wb") as file:
        target.chmod(0o600)
        at = 0
        while piece := read(at, _PIECE):
            file.write(piece)
            at += len(piece)


def backup(
    db: apsw.Connection, target: Path, key: str | None, ctx: Context, new_key: str | None = None
) -> apsw.Connection:
    """Copy the whole database page by page into a new file, and return a connection to it, without a journal.

    Parameters
    ----------
    key, new_key
        Passwords of the database and of the copy.
    """
    page_size = int(db.pragma("page_size"))
    copy = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    try:
        unlock(copy, key)
        copy.pragma("page_size", page_size)
        with copy.backup("main", db, "main") as run:
            while not run.done:
                run.step(_BACKUP_PAGES)
                done = 1 - run.remaining / run.page_count if run.page_count else 1.0
                ctx.progress(done, tr("Copying the case"))
        copy.pragma("locking_mode", "EXCLUSIVE")
        if new_key != key:
            copy.pragma("journal_mode", "DELETE")  # the engine changes passwords under this journal only
            copy.pragma("rekey", new_key or "")
        copy.pragma("journal_mode", "OFF")
        make_durable(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def clear_log(db: apsw.Connection) -> None:
    """Empty the log of commands, which counts as patient data."""
    triggers = [
        (str(name), str(sql))
        for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE type='trigger' AND tbl_name='log'")
    ]
    for name, _ in triggers:
        db.execute(f'DROP TRIGGER "{name}"')
    db.execute("DELETE FROM log")
    for _, sql in triggers:
        db.execute(sql)


def strip_identity(db: apsw.Connection) -> None:
    """Blank who the patient is in every node of every version; UIDs are replaced, the same one always alike.

    Names that scanners and files gave to images go too. What people typed stays: names of nodes, notes, the report's
    title and author.
    """
    salt = secrets.token_bytes(16)
    rows = [
        (version, node_id, str(kind), json.loads(str(text)))
        for version, node_id, kind, text in db.execute("SELECT version, id, type, json FROM nodes").fetchall()
    ]
    names = dict(_image_name(fields) for _, _, kind, fields in rows if kind == "volume")
    for version, node_id, kind, fields in rows:
        stripped = to_json(_renamed(kind, _stripped(kind, fields, salt), names))
        update = "UPDATE nodes SET json=?, crc=? WHERE version=? AND id=?"
        db.execute(update, (stripped, checksum(stripped), version, node_id))
    db.execute("UPDATE versions SET made_by=''")


_UID_FIELDS = frozenset(
    {"study_uid", "series_uid", "frame_of_reference_uid", "sop_instance_uids", "source_sop_instance_uids"}
)
_BLANKED = ("study_description", "series_description", "study_date", "acquisition_time")
_NOBODY = {name: getattr(PatientIdentity(), name) for name in PatientIdentity.__dataclass_fields__}


def _image_name(fields: dict[str, Any]) -> tuple[str, str]:
    """The name of an image, and the name it has in a copy without identity."""
    known = fields.get("identity", {})
    identity = ImageIdentity(
        modality=known.get("modality", ""),
        series_description=known.get("series_description", ""),
        phase=known.get("phase", ""),
    )
    return fields["name"], anonymous_name(fields["name"], identity)


def _renamed(kind: str, fields: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Image names replaced in the images and in what is called after them."""
    if kind == "volume":
        fields["name"] = names.get(fields["name"], fields["name"])
    elif kind in ("segmentation", "transform"):
        for name, plain in ((name, plain) for name, plain in names.items() if name):
            fields["name"] = fields["name"].replace(name, plain)
    for notice in fields.get("notices", ()):
        notice["message"] = without_file_names(notice["message"])
        notice["details"] = {k: v for k, v in notice.get("details", {}).items() if not isinstance(v, str | list)}
    return fields


def _stripped(kind: str, fields: dict[str, Any], salt: bytes) -> dict[str, Any]:
    fields = _with_new_uids(fields, salt)
    if "patient" in fields:
        fields["patient"] = dict(_NOBODY)
    if kind == "case":
        fields["name"] = fields["pseudonym"]
        fields["log_confirmations"] = []
    if isinstance(fields.get("identity"), dict):
        fields["identity"].update(dict.fromkeys(_BLANKED, ""), header={})
    if isinstance(fields.get("provenance"), dict):
        # A parameter may be the path of a file that is named after the patient.
        parameters = fields["provenance"].get("parameters", {})
        fields["provenance"]["parameters"] = {k: v for k, v in parameters.items() if not _like_path(v)}
    return fields


def _like_path(value: Any) -> bool:
    if isinstance(value, list):
        return any(_like_path(one) for one in value)
    return isinstance(value, str) and ("/" in value or "\\" in value)


def _with_new_uids(value: Any, salt: bytes) -> Any:
    if isinstance(value, dict):
        return {
            key: _new_uids(one, salt) if key in _UID_FIELDS else _with_new_uids(one, salt) for key, one in value.items()
        }
    if isinstance(value, list):
        return [_with_new_uids(one, salt) for one in value]
    return value


def _new_uids(value: Any, salt: bytes) -> Any:
    if isinstance(value, list):
        return [_new_uids(one, salt) for one in value]
    if not isinstance(value, str) or not value:
        return value
    # A UID made from 128 bits, as DICOM PS3.5 annex B.2 allows.
    return f"2.25.{int.from_bytes(hashlib.sha256(salt + value.encode()).digest()[:16], 'big')}"
