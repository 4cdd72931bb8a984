"""What stands for a model that is not trained, because a parameter or the data says so."""

from typing import Any

import pandas as pd

from lexipix.utils.types import ModelBundle

KIND = "none"


def skipped(reason: str) -> ModelBundle:
    """The record of a model that is not trained; ``because`` in its configuration says why."""
    return ModelBundle({"kind": KIND, "because": reason}, {}, None, {})


def is_skipped(bundle: ModelBundle) -> bool:
    """Whether nothing was trained here: the record is that of :func:`skipped`."""
    return bool(bundle.config["kind"] == KIND)


def untrained() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Curves and figures of a training that did not take place."""
    return pd.DataFrame({"images_seen": [], "seconds": []}), {}
