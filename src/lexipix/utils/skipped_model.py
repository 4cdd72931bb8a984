"""The placeholder for a model that is not trained, because of a parameter or of the data."""

from typing import Any

import pandas as pd

from lexipix.utils.types import ModelBundle, OnnxPipeline

KIND = "none"


def skipped(reason: str) -> ModelBundle:
    """The placeholder of a model; ``because`` in its configuration holds the reason."""
    return ModelBundle({"kind": KIND, "because": reason}, {}, None, {})


def is_skipped(model: ModelBundle | OnnxPipeline) -> bool:
    """Whether a model is the placeholder of :func:`skipped`."""
    return model.config.get("kind") == KIND


def untrained() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Empty curves and metrics of a skipped training."""
    return pd.DataFrame({"images_seen": [], "seconds": []}), {}
