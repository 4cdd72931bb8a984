"""Reads ``lineage.json``, which a run recorded, possibly years ago."""

import json
from collections.abc import Mapping
from typing import Any

from lexipix.config.text_keys import path_keys
from lexipix.tracking import provenance
from lexipix.utils.errors import LexipixError

# The parts of the file, by their types
_PARTS = {"nodes": list, "measured": list, "pins": dict, "inputs": dict, "outputs": dict}


def read_lineage(content: bytes, run_id: str) -> Mapping[str, Any]:
    """The inputs and outputs of a run.

    Raises:
        LexipixError: The file was cut or changed.
    """
    try:
        lineage = json.loads(content)
        is_whole = isinstance(lineage, dict) and (
            "measured" not in lineage or _has_all_parts(lineage)  # an earlier version recorded less
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        lineage, is_whole = {}, False
    if not is_whole:
        raise LexipixError(
            f"Run {run_id} cannot be repeated: its record, the artifact {provenance.FILE}, is damaged. "
            "Restore the file, or run the run's command by hand."
        )
    return dict(lineage)


def _has_all_parts(lineage: Mapping[str, Any]) -> bool:
    return all(isinstance(lineage[part], kind) for part, kind in _PARTS.items()) and all(
        isinstance(facts["path"], str) and (name in path_keys() or isinstance(facts["md5"], str))
        for part in ("inputs", "outputs")
        for name, facts in lineage[part].items()
    )
