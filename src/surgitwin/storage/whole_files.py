"""Case files that appear whole or not at all: new ones, and copies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw

from surgitwin.core.progress import Context
from surgitwin.scene.scene import Scene
from surgitwin.storage import failures
from surgitwin.storage.batches import batch_of_scene
from surgitwin.storage.connection import create_database, finish_database, wal_path
from surgitwin.storage.copies import backup
from surgitwin.storage.files import part_beside, put_in_place
from surgitwin.storage.writer import WORKERS, Writer, drop_unused


@contextlib.contextmanager
def passing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` for a file that is gone at the end; trouble with it becomes `StorageFailed`."""
    part = part_beside(path)
    try:
        part.touch(exist_ok=False)  # Python tells a folder without permission from a drive in trouble, the engine not
        yield part
    except (apsw.Error, OSError) as error:
        raise failures.not_written(path, error) from error
    finally:
        for leftover in (part, wal_path(part), part.with_name(part.name + "-journal")):
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def appearing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """`passing`, but without an error the file gets the name ``path`` at the end, synced."""
    with passing(path) as part:
        yield part
        put_in_place(part, path, overwrite=overwrite)


def write_case(path: Path, scene: Scene, key: str | None) -> None:
    """Write a scene to a file that is not there yet."""
    with appearing(path) as part, ThreadPoolExecutor(WORKERS) as pool:
        db = create_database(part, key)
        try:
            batch = batch_of_scene(scene)
            Writer(pool).write(db, batch)
            for one in batch.captures:
                one.release()
        except BaseException:
            db.close()
            raise
        finish_database(db)


def copy_case(
    db: apsw.Connection,
    part: Path,
    keys: tuple[str | None, str | None],
    ctx: Context,
    change: Callable[[apsw.Connection], None] | None = None,
) -> None:
    """Copy an open case to ``part``; ``change`` may alter the copy, and leaves no remains in it.

    Parameters
    ----------
    keys
        Passwords of the case and of the copy.
    """
    copy = backup(db, part, keys[0], ctx, keys[1])
    try:
        if change is not None:
            change(copy)
            drop_unused(copy)
            copy.execute("VACUUM")
    except BaseException:
        copy.close()
        raise
    finish_database(copy)
