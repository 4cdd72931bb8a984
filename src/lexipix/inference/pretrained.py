"""Where a trained model lies: a folder, or a model in MLflow's registry."""

from importlib import import_module
from pathlib import Path

from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import CONFIG
from lexipix.utils.permissions import not_readable

_URIS = ("models:/", "runs:/")


def model_folder(source: str | Path) -> Path:
    """The folder with a model's ``config.json``; a LexipixError if there is no model.

    The source is a folder, such as ``data/06_models/champion``, or the URI of a registered model, such as
    ``models:/lexipix-generator@champion``, which is downloaded from the server that MLflow is set to
    (``MLFLOW_TRACKING_URI``).
    """
    folder = Path(source)
    if str(source).startswith(_URIS):
        # By name: MLflow is needed for a URI only, and code that loads folders does not depend on it
        artifacts = import_module("mlflow.artifacts")
        download = Path(artifacts.download_artifacts(str(source)))
        folder = next((config.parent for config in download.glob(f"artifacts/*/{CONFIG}")), download)
    if denied := not_readable(folder):
        raise LexipixError(f"{denied}.")
    if not (folder / CONFIG).is_file():
        raise LexipixError(
            f"There is no trained model at {source} ({CONFIG} is missing): name the folder that "
            "`kedro run` wrote, such as data/06_models/champion, or a registered model "
            "(models:/lexipix-generator@champion)."
        )
    return folder
