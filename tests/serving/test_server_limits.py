"""Limits of the server that need no trained model."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from lexipix.serving.refusals import Refused
from lexipix.serving.server_limits import close_silent_connections, require_usable

SECONDS = 0.2


class Protocol(H11Protocol):
    """Not uvicorn's own class, which other tests use."""


close_silent_connections(Protocol, SECONDS)


async def slow(scope, receive, send):
    """Answers after three times as long as a connection may be silent."""
    await asyncio.sleep(3 * SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def answer_to(sent):
    """What a server of the app sends until it closes the connection, for a client that sends some bytes."""

    async def ask():
        config = Config(slow, lifespan="off", log_config=None, timeout_keep_alive=60)
        config.load()
        loop, state = asyncio.get_running_loop(), ServerState()
        server = await loop.create_server(
            lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()
            server.close()

    with ThreadPoolExecutor(1) as thread:  # a browser of other tests may have a loop in this one
        return thread.submit(asyncio.run, ask()).result()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_without_a_whole_request_is_closed(sent):
    assert answer_to(sent) == b""


def test_a_request_that_takes_long_is_answered():
    answer = answer_to(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"ok")


def request(*prompts):
    return json.dumps({"inputs": {"prompt": prompts}}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not valid JSON"),
        (b"\xff" * 10_000, "not valid JSON"),
        (b"1" * 10_000, "not valid JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (request("x" * 9_000, *[""] * 100), "take too much memory"),
        (request(10**4_000, *[""] * 1_000), "take too much memory"),
        (b"[" + b"0," * 100_000 + b"0]", "more than 100,000 values"),
    ],
)
def test_bodies_that_would_grow_are_refused_in_a_sentence(content, said):
    with pytest.raises(Refused, match=said) as caught:
        require_usable(content, 10_000)
    assert len(caught.value.message) < 350


def test_bodies_within_the_limits_are_not_refused():
    require_usable(request(*["x" * 100] * 64), 10_000)
    require_usable(request("x" * 9_900), 10_000)
