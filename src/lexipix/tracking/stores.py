"""Opens the tracking store, the same way for every command."""

from typing import TYPE_CHECKING

from lexipix.tracking.reachability import Server
from lexipix.tracking.relocation import relocate
from lexipix.tracking.store_creation import create_store
from lexipix.utils.errors import LexipixError, reason
from lexipix.utils.project_paths import store_exists
from lexipix.utils.terminal import make_logs_inert

if TYPE_CHECKING:
    from mlflow import MlflowClient

WITHOUT = "or set LEXIPIX_MLFLOW=0 to run without tracking"  # the way out of a run
_OTHER = "set MLFLOW_TRACKING_URI to another one"


def open_store(address: str) -> "MlflowClient":
    """A client of a store that exists and can be used; its places are those of this project.

    Raises:
        LexipixError: There is no such store, its server does not answer, or its database cannot be used.
    """
    try:
        if store_exists(address):
            return _opened(address)
    except Exception as error:
        raise unusable(address, error) from error
    raise LexipixError(f"The MLflow store {address} does not exist: `kedro run` creates it, or {_OTHER}.")


def open_or_create_store(address: str) -> "MlflowClient":
    """The same for a run, which creates a SQLite store where there is none, and can do without a store."""
    try:
        create_store(address)
        return _opened(address)
    except Exception as error:
        raise unusable(address, error, WITHOUT) from error


def unusable(address: str, error: Exception, otherwise: str = "") -> LexipixError:
    """What to tell of a store that cannot be used, with another way out."""
    ways = f"{_OTHER}, {otherwise}" if otherwise else f"or {_OTHER}"
    return LexipixError(f"The MLflow store {address} cannot be used ({reason(error)}): fix it, {ways}.")


def _opened(address: str) -> "MlflowClient":
    if problem := Server(address).problem():
        raise ConnectionError(problem)
    relocate(address)
    import mlflow

    make_logs_inert()
    client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
    client.search_experiments(max_results=1)  # the first request connects, and looks at the tables
    return client
