"""The web server of the page: this machine only, and nothing is asked from outside."""

import socket
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from lexipix.play import downloads
from lexipix.play.models import Models
from lexipix.play.page import build_page, css, script, theme
from lexipix.play.problems import explain
from lexipix.utils.errors import LexipixError

HOST = "127.0.0.1"
# What the browser may load: only what this server sends
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


def build_app(models: Models) -> FastAPI:
    """The page and the files that it offers, as one application."""
    limits = models.open(models.names[0]).generation.serving
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])

    @app.middleware("http")
    async def keep_inside(request: Request, answer: Any) -> Response:
        response: Response = await answer(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @app.exception_handler(LexipixError)
    async def refuse(request: Request, error: Exception) -> Response:
        return PlainTextResponse(explain(error), status_code=400)

    downloads.add_routes(app, models)
    gr.mount_gradio_app(
        app, build_page(models), path="/", server_name=HOST, footer_links=[], run_history=False,
        max_file_size=int(limits.max_request_mb * 1e6), ssr_mode=False, theme=theme(), css=css(),
        head=f"<script>{script()}</script>", show_error=True,
    )  # fmt: skip
    return app


def listen(port: int) -> socket.socket:
    """A socket of this machine only; a LexipixError if the port is taken. Port 0 takes a free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise LexipixError(
            f"Port {port} cannot be used ({error.strerror}): stop what uses it, or name another with --port."
        ) from None
    return listener


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C."""
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run([listener])
