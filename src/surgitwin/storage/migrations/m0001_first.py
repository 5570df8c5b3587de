"""Format 1: nodes as JSON rows, arrays as compressed chunks that named versions share, and the log of commands."""

from __future__ import annotations

import apsw

INFO = "The first format."

ABOUT = (
    "Surgitwin case. Table nodes: one row of JSON for each node; version 0 is the present state, other versions are "
    "named in table versions. An array of a node is found through node_arrays and is cut, in C order, into chunks of "
    "chunk_shape (the last ones are smaller); array_chunks gives the chunk of each position, counted in C order over "
    "the grid of chunks. A chunk is one Zstandard frame with checksum; with codec shuffle+zstd the first bytes of all "
    "elements come first, then all second bytes, and so on. dtype is written as NumPy does. nodes.crc is the CRC-32 "
    "of the JSON in UTF-8."
)

SCHEMA = """
CREATE TABLE meta(
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE versions(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL
) STRICT;

CREATE TABLE nodes(
  version INTEGER NOT NULL REFERENCES versions(id) ON DELETE CASCADE,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  parent TEXT,
  json TEXT NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY(version, id)
) STRICT;

CREATE TABLE arrays(
  id INTEGER PRIMARY KEY,
  dtype TEXT NOT NULL,
  shape TEXT NOT NULL,
  chunk_shape TEXT NOT NULL,
  codec TEXT NOT NULL
) STRICT;

CREATE TABLE node_arrays(
  version INTEGER NOT NULL,
  node TEXT NOT NULL,
  field TEXT NOT NULL,
  array INTEGER NOT NULL REFERENCES arrays(id),
  PRIMARY KEY(version, node, field),
  FOREIGN KEY(version, node) REFERENCES nodes(version, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX node_arrays_by_array ON node_arrays(array);

CREATE TABLE chunks(
  id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE array_chunks(
  array INTEGER NOT NULL REFERENCES arrays(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  chunk INTEGER NOT NULL REFERENCES chunks(id),
  PRIMARY KEY(array, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX array_chunks_by_chunk ON array_chunks(chunk);

CREATE TABLE log(
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  who TEXT NOT NULL,
  command TEXT NOT NULL,
  params TEXT NOT NULL,
  inputs TEXT NOT NULL
) STRICT;
CREATE TRIGGER log_keeps_rows BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_keeps_text BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
"""


def apply(db: apsw.Connection) -> None:
    db.execute(SCHEMA)
    db.execute("INSERT INTO meta(key, value) VALUES('about', ?)", (ABOUT,))
    db.execute("INSERT INTO versions(id, name, made_at, made_by) VALUES(0, '', datetime('now'), '')")
