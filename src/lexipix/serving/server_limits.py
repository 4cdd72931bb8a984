"""What MLflow's server lacks to stand hostile requests: limits, short errors, and security headers.

They are put into the libraries that the server consists of (Starlette, uvicorn), in its process only.
"""

import asyncio
import json
import os
from typing import Any

from mlflow.exceptions import MlflowException

from lexipix.serving.refusals import MEGA, Refused

JSON = "application/json"
MAX_VALUES = 100_000  # of a request: lists, numbers, texts
MAX_GROWTH = 32  # how often the limit of a request may fit into the memory for its texts
SMALL = 2**16  # bytes of a request that takes less than a millisecond to check
MAX_MESSAGE = 350  # characters of an error
MAX_SILENCE = 30.0  # seconds of a connection without a request
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


def protect_server(max_bytes: int) -> None:
    """Limit what MLflow's server reads, and how it answers, if this process is such a server."""
    if _SERVED_MODEL in os.environ:
        from uvicorn.protocols.http.auto import AutoHTTPProtocol

        _limit_requests(max_bytes)
        _shorten_errors()
        _add_security_headers()
        close_silent_connections(AutoHTTPProtocol, MAX_SILENCE)


def _add_security_headers() -> None:
    from starlette.responses import Response

    init_headers = Response.init_headers

    def with_security(response: Any, headers: Any = None) -> None:
        init_headers(response, headers)
        for name, value in _SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)

    Response.init_headers = with_security  # type: ignore[assignment, method-assign]


def _shorten_errors() -> None:
    """Answer an error with one sentence: MLflow adds the input, perhaps megabytes of it, and tracebacks."""

    def serialize(error: MlflowException) -> str:
        whole = str(error.message)
        # MLflow's own errors say what is wrong after the input
        sentence = whole if isinstance(error, Refused) else whole.rpartition("Error: ")[2]
        words = " ".join(sentence[: 4 * MAX_MESSAGE].split())
        short = words if len(words) <= MAX_MESSAGE else f"{words[:MAX_MESSAGE]} …"
        return json.dumps({"error_code": error.error_code, "message": short})

    MlflowException.serialize_as_json = serialize


def close_silent_connections(protocol: Any, seconds: float) -> None:
    """Close connections of a protocol of uvicorn on which no request begins or goes on for some seconds.

    Uvicorn closes those that wait for another request, but not those that never send a whole one.
    """
    connection_made = protocol.connection_made

    def watched(connection: Any, transport: asyncio.Transport) -> None:
        connection_made(connection, transport)

        def check(last: Any) -> None:
            request = connection.cycle
            if request is last and (request is None or request.response_complete):
                transport.close()
            elif not transport.is_closing():
                connection.loop.call_later(seconds, check, request)

        connection.loop.call_later(seconds, check, connection.cycle)

    protocol.connection_made = watched


def _limit_requests(max_bytes: int) -> None:
    """Refuse bodies that are larger, no JSON, or that MLflow would make much larger.

    The server has no limit of its own, keeps a body of any length in memory, and reads CSV and Parquet, of
    which some kilobytes become gigabytes. Bytes after the limit are received, so that the client can read the
    answer, and dropped.
    """
    from starlette.requests import Request

    async def body(request: Any) -> bytes:
        if not hasattr(request, "_body"):
            require_json(request.headers.get("content-type"))
            received = await _received(request, max_bytes)
            if len(received) > SMALL:  # in a thread, so that other requests do not wait meanwhile
                await asyncio.to_thread(require_usable, received, max_bytes)
            else:
                require_usable(received, max_bytes)
            request._body = received
        content: bytes = request._body
        return content

    Request.body = body  # type: ignore[assignment, method-assign]


async def _received(request: Any, max_bytes: int) -> bytes:
    chunks, n_bytes = [], 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes <= max_bytes:
            chunks.append(chunk)
        else:
            chunks.clear()
    if n_bytes > max_bytes:
        raise Refused(
            f"The request has {n_bytes / MEGA:,.1f} MB, more than the limit of {max_bytes / MEGA:,.1f} MB: "
            "send less at a time.",
            status=413,
        )
    return b"".join(chunks)


def require_json(content_type: str | None) -> None:
    """Check the header Content-Type; Refused if it is missing or another than JSON."""
    if content_type is None:
        raise Refused(f"The request has no Content-Type: send JSON, as {JSON}.", status=415)
    if content_type.partition(";")[0].strip() != JSON:
        text = f"The Content-Type {content_type[:60]!r} is not read: send JSON, as {JSON}."
        raise Refused(text, status=415)


def require_usable(content: bytes, max_bytes: int) -> None:
    """Check the body of a request of up to some bytes.

    Raises:
        Refused: It is no JSON, is nested too deeply for Python's parser, or grows when MLflow makes arrays of
            its texts: every text of an array takes as much memory as the longest one.
    """
    try:
        waiting = [json.loads(content)]
    except RecursionError:
        raise Refused("The request is nested too deeply: send a table of prompts or images.") from None
    except ValueError as error:
        raise Refused(f"The request is not valid JSON ({error!s:.200}): send a JSON object.") from None
    n_values = longest = 0
    while waiting:
        value = waiting.pop()
        n_values += 1
        if isinstance(value, list | dict):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, str):
            longest = max(longest, len(value))
        elif isinstance(value, int):
            longest = max(longest, value.bit_length() // 3)
        if n_values + len(waiting) > MAX_VALUES:
            raise Refused(f"The request has more than {MAX_VALUES:,} values: send less at a time.")
    if 4 * n_values * longest > MAX_GROWTH * max_bytes:
        raise Refused(
            f"The request has {n_values:,} values, the longest of {longest:,} characters, and would take too "
            "much memory: send long ones in requests of their own."
        )
