"""Whether results of a simulator may be laid side by side: only if they are of one patient, taken in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_THE_PLAN = ("remnant_fraction", "graft_volume_ml")
"""What a plan decides; all else is of the patient."""
SAMPLING = ("samples", "seed")


def patient_key(document: Mapping[str, Any]) -> str:
    """What a result was made from but for the plan, as one text: two results of equal keys differ by their plans alone.

    Parameters
    ----------
    document
        What the simulate command prints.
    """
    known = {name: (one["value"], one["spread"]) for name, one in document["inputs"].items() if name not in OF_THE_PLAN}
    sampling = [str(document["provenance"]["settings"].get(name)) for name in SAMPLING]
    learning = document["details"].get("learning") or {}
    taught = (learning.get("measured"), learning.get("measured_remnant_fraction"))
    made_by = (document["simulator"], document["provenance"]["tool"])
    return repr((made_by, sorted(known.items()), sampling, taught))
