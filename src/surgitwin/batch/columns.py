"""Values out of documents: those that were asked for, or all numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Value = bool | int | float | str | None
_NOTHING = object()


def pick(documents: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]]) -> dict[str, Value]:
    """The value of each column; None where the document has null. What the document lacks is left out.

    Parameters
    ----------
    documents
        By the label of their step.
    columns
        The label of a step and the way into its document. A part of the way is a key, the place in a list from 0, or
        the ``name`` of one of a list's entries.
    """
    found = {name: _follow(documents.get(way[0]), way[1:]) for name, way in columns.items()}
    return {name: _scalar(value) for name, value in found.items() if value is not _NOTHING}


def all_numbers(documents: Mapping[str, Any]) -> dict[str, Value]:
    """Every number, under ``step.key``; entries of a list go by their names, lists of bare numbers are left out."""
    found: dict[str, Value] = {}
    for label, document in documents.items():
        for way, number in _numbers(document):
            found[".".join((label, *way))] = number
    return found


def warning_codes(documents: Iterable[Any]) -> list[str]:
    """The codes of what the documents warn of, each once: a number without its warning would say too much."""
    found: dict[str, None] = {}
    for document in documents:
        warnings = document.get("warnings") if isinstance(document, Mapping) else None
        for warning in warnings if isinstance(warnings, list) else ():
            found[str(warning["code"] if isinstance(warning, Mapping) and "code" in warning else warning)] = None
    return list(found)


def _follow(document: Any, way: Sequence[str]) -> Any:
    for part in way:
        if isinstance(document, Mapping):
            document = document.get(part, _NOTHING)
        elif isinstance(document, list):
            document = _entry(document, part)
        else:
            return None if document is None else _NOTHING
    return document


def _entry(entries: list[Any], part: str) -> Any:
    named = [e for e in entries if isinstance(e, Mapping) and str(e.get("name", "")).casefold() == part.casefold()]
    if named:
        return named[0] if len(named) == 1 else _NOTHING  # which of them is meant, nobody knows
    return entries[int(part)] if part.isdecimal() and int(part) < len(entries) else _NOTHING


def _scalar(value: Any) -> Value:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _numbers(document: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int | float | None]]:
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _numbers(value, (*way, str(key)))
    elif isinstance(document, list):
        names = [str(entry["name"]) for entry in document if isinstance(entry, Mapping) and entry.get("name")]
        if len(names) == len(document) == len(set(names)):
            for name, entry in zip(names, document, strict=True):
                yield from _numbers(entry, (*way, name))
    elif isinstance(document, int | float) and not isinstance(document, bool) and way:
        yield way, document
