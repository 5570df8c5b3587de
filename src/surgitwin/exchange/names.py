"""Names of structures as file names, safe on every file system, and as text that every format can hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
_LONGEST_BYTES = 120


def safe_file_name(name: str, fallback: str = "segment") -> str:
    """``name`` as a file name without suffix that Windows, macOS and Linux all accept.

    Separators, reserved and control characters become ``_``; dots and spaces at the ends go; device names of Windows
    get a ``_``; the rest is kept, accents too, up to 120 bytes.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in text)
    text = re.sub(r'[<>:"/\\|?*]+', "_", text)
    text = re.sub(r"\s+", " ", text).strip(" .")
    while len(text.encode("utf-8")) > _LONGEST_BYTES:
        text = text[:-1].rstrip(" .")
    if not text.strip("_"):
        return fallback
    if text.split(".")[0].rstrip(" ").lower() in _RESERVED:
        text = f"_{text}"
    return text


def plain_text(text: str) -> str:
    """``text`` on one line and without characters that XML, JSON or the header of a file cannot hold.

    Line ends and tabs become spaces, other control characters, halves of a surrogate pair and U+FFFE and U+FFFF ``_``;
    everything else stays, whatever its length.
    """
    text = re.sub(r"[\t\r\n\v\f\x85\u2028\u2029]+", " ", text)
    return "".join("_" if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff" else c for c in text)


def unique_file_names(names: Iterable[str], fallback: str = "segment") -> list[str]:
    """Safe names, each once: a second ``Liver`` becomes ``Liver (2)``; case does not tell names apart."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        base = safe_file_name(name, fallback)
        candidate, number = base, 2
        while candidate.casefold() in taken:
            candidate = f"{base} ({number})"
            number += 1
        taken.add(candidate.casefold())
        result.append(candidate)
    return result
