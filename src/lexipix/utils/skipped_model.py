"""The placeholder for a model that is not trained, because of a parameter or of the data."""

from typing import Any

import pandas as pd

from lexipix.utils.types import ModelBundle

KIND = "none"


def skipped(reason: str) -> ModelBundle:
    """The placeholder of a model; ``because`` in its configuration holds the reason."""
    return ModelBundle({"kind": KIND, "because": reason}, {}, None, {})


def is_skipped(bundle: ModelBundle) -> bool:
    """Whether a model is the placeholder of :func:`skipped`."""
    return bool(bundle.config["kind"] == KIND)


def untrained() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Empty curves and metrics of a skipped training."""
    return pd.DataFrame({"images_seen": [], "seconds": []}), {}
