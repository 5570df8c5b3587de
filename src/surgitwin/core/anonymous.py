"""Names and sentences without what scanners and file names say of the patient."""

from __future__ import annotations

import re

from surgitwin.core.identity import ImageIdentity
from surgitwin.core.text import tr

# A quotation mark inside a word is an apostrophe.
_QUOTED = re.compile(r"(?<!\w)'[^']+'(?!\w)")


def anonymous_name(name: str, identity: ImageIdentity) -> str:
    """What to call an image where the patient is not to be named, such as “CT 2024-01-15 portal venous”.

    Series descriptions and file names may hold the patient's name, so a name made from one is replaced; a name that a
    person gave stays.
    """
    given = identity.series_description.strip()
    if not given or given.casefold() not in name.casefold():
        return name
    return " ".join(part for part in (identity.modality, identity.study_date, identity.phase) if part) or tr("Image")


def without_file_names(message: str) -> str:
    """A notice's sentence without the names of files, which stand in single quotation marks."""
    return _QUOTED.sub("‘…’", message)
