"""What a service says no to, and how: a status that fits and one sentence."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from lexipix.utils.errors import LexipixError

_log = logging.getLogger(__name__)

MEGA = 1e6
# Set by MLflow in the process that `mlflow models serve` starts, before it loads the model
_SERVED_MODEL = "__pyfunc_model_path__"


class Refused(MlflowException):  # type: ignore[misc]
    """A request that asks for what cannot be done: status 400 and our sentence.

    MLflow's server repeats the whole input in front of an error's message, a picture of some megabytes among
    it; this message stays as it was.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self.args[0])

    @message.setter
    def message(self, text: str) -> None:
        """What MLflow wishes to put in its place is dropped."""


class TooLarge(Refused):
    """A request whose body is larger than is read."""

    def get_http_status_code(self) -> int:
        return 413


class UnknownKind(Refused):
    """A request that does not say what its body is."""

    def get_http_status_code(self) -> int:
        return 415


@contextmanager
def user_errors() -> Iterator[None]:
    """Mistakes of whoever asks become refusals; a defect of ours becomes status 500 and is logged.

    MLflow itself would answer both with status 400 and a traceback.
    """
    try:
        yield
    except LexipixError as error:
        raise Refused(str(error)) from error
    except MlflowException:
        raise
    except Exception as error:
        _log.exception("a request failed")
        raise MlflowException(
            "The model failed; the server's log says why.", error_code=INTERNAL_ERROR
        ) from error


def require_at_most(n_pictures: int, max_pictures: int) -> None:
    """Check that a request keeps within the limit.

    Raises:
        LexipixError: It asks for more pictures, or for none.
    """
    if not 1 <= n_pictures <= max_pictures:
        raise LexipixError(
            f"The request asks for {n_pictures:,} pictures: 1 to {max_pictures:,} may be asked for at a time."
        )


def limit_requests(max_bytes: int) -> None:
    """Let MLflow's server refuse bodies of more bytes, where this process is such a server.

    It has no limit of its own and keeps a body of any length in memory. What comes after the limit is
    received, so that the one who sends it hears the answer, and dropped. A body without a Content-Type, on
    which the server stumbles, is refused as well.
    """
    if _SERVED_MODEL not in os.environ:
        return
    from starlette.requests import Request

    async def body(request: Any) -> bytes:
        if not hasattr(request, "_body"):
            chunks, n_bytes = [], 0
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes <= max_bytes:
                    chunks.append(chunk)
                else:
                    chunks.clear()
            if n_bytes > max_bytes:
                raise TooLarge(
                    f"The request has {n_bytes / MEGA:,.1f} MB, more than the {max_bytes / MEGA:,.1f} that "
                    "are read: ask for less at a time."
                )
            if "content-type" not in request.headers:
                raise UnknownKind("The request has no Content-Type: send JSON, as application/json.")
            request._body = b"".join(chunks)
        content: bytes = request._body
        return content

    Request.body = body  # type: ignore[assignment, method-assign]
