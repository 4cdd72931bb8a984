"""Creates the SQLite store of a project as a whole."""

from lexipix.utils.atomic import replace_file
from lexipix.utils.project_paths import SQLITE, exists, sqlite_file


def create_store(address: str) -> None:
    """Create the SQLite database of an MLflow store that does not exist yet; other stores stay as they are.

    MLflow creates the tables one after the other in place: a process that is killed meanwhile leaves a store
    that nothing can use or complete.
    """
    path = sqlite_file(address)
    if path is None or exists(path):
        return
    import mlflow
    from filelock import FileLock

    with FileLock(path.with_name(f"{path.name}.lock")):
        if exists(path):  # another run has just created it
            return
        with replace_file(path) as temporary:
            mlflow.MlflowClient(tracking_uri=f"{SQLITE}{temporary}").search_experiments(max_results=1)
