"""How a service refuses a request: a status and one sentence."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from lexipix.utils.errors import LexipixError

_log = logging.getLogger(__name__)

MEGA = 1e6


class Refused(MlflowException):  # type: ignore[misc]
    """A request that cannot be answered: an HTTP status and one sentence.

    MLflow's server puts the whole input, perhaps megabytes, in front of an error's message. This message
    cannot be changed.
    """

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence, error_code=INVALID_PARAMETER_VALUE)
        self._status = status

    def get_http_status_code(self) -> int:
        return self._status

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self.args[0])

    @message.setter
    def message(self, text: str) -> None:
        """MLflow's own text is ignored."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn a mistake of the client into a refusal; a defect of lexipix is logged and becomes status 500.

    MLflow itself would answer both with status 400 and a traceback.
    """
    try:
        yield
    except LexipixError as error:
        raise Refused(str(error)) from error
    except MlflowException:
        raise
    except Exception as error:
        _log.exception("A request failed")
        raise MlflowException("The model failed: see the server's log.", error_code=INTERNAL_ERROR) from error


def require_at_most(n_images: int, max_images: int) -> None:
    """Check the number of images of a request; a LexipixError if there are more than the limit, or none."""
    if not 1 <= n_images <= max_images:
        raise LexipixError(f"The request asks for {n_images:,} images: 1 to {max_images:,} are allowed.")
