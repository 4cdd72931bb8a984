"""Creates the SQLite store of a project as a whole."""

from pathlib import Path

from filelock import FileLock

from lexipix.utils.atomic import replace_file

_SQLITE = "sqlite:///"


def create_store(address: str) -> None:
    """Create the SQLite database of an MLflow store that does not exist yet; other stores stay as they are.

    MLflow creates the tables one after the other in place: a process that is killed meanwhile leaves a store
    that nothing can use or complete.
    """
    path = Path(address.removeprefix(_SQLITE).partition("?")[0])
    if not address.startswith(_SQLITE) or path.exists():
        return
    import mlflow

    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.exists():  # another run has just created it
            return
        with replace_file(path) as temporary:
            mlflow.MlflowClient(tracking_uri=f"{_SQLITE}{temporary}").search_experiments(max_results=1)
