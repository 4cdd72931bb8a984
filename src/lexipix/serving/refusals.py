"""What protects a service: refusals with a status and one sentence, limits, and security headers."""

import json
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
_MAX_BRACKETS = 500  # of a request that Python's parser reads however they are nested
# Set by MLflow in the process that `mlflow models serve` starts, before it loads the model
_SERVED_MODEL = "__pyfunc_model_path__"
# Of every answer: a browser that is led to the service shows it in no frame, runs nothing and keeps nothing
# (OWASP HTTP Headers Cheat Sheet, for APIs)
_SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


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


def protect_server(max_bytes: int) -> None:
    """Limit what MLflow's server reads, and add security headers, if this process is such a server."""
    if _SERVED_MODEL in os.environ:
        _limit_requests(max_bytes)
        _add_security_headers()


def _add_security_headers() -> None:
    from starlette.responses import Response

    init_headers = Response.init_headers

    def with_security(response: Any, headers: Any = None) -> None:
        init_headers(response, headers)
        for name, value in _SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)

    Response.init_headers = with_security  # type: ignore[assignment, method-assign]


def _limit_requests(max_bytes: int) -> None:
    """Refuse larger bodies.

    The server has no limit of its own and keeps a body of any length in memory. Bytes after the limit are
    received, so that the client can read the answer, and dropped. A body without a Content-Type, which the
    server cannot handle, is refused as well.
    """
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
                raise Refused(
                    f"The request has {n_bytes / MEGA:,.1f} MB, more than the limit of "
                    f"{max_bytes / MEGA:,.1f} MB: send less at a time.",
                    status=413,
                )
            if "content-type" not in request.headers:
                text = "The request has no Content-Type: send JSON, as application/json."
                raise Refused(text, status=415)
            request._body = b"".join(chunks)
            _require_shallow(request._body)
        content: bytes = request._body
        return content

    Request.body = body  # type: ignore[assignment, method-assign]


def _require_shallow(content: bytes) -> None:
    """Refuse JSON that is nested too deeply for Python's parser."""
    if content.count(b"[") + content.count(b"{") <= _MAX_BRACKETS:
        return
    try:
        json.loads(content)
    except RecursionError:
        raise Refused("The request is nested too deeply: send a table of prompts or images.") from None
    except ValueError:  # the server reports it
        return
