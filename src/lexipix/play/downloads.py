"""The files that the page's links save. A link names everything about its file, and the server keeps none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.responses import Response

from lexipix.play.models import Models, Pixels
from lexipix.play.requests import MAX_PICTURES, DrawRequest, MorphRequest, whole_number
from lexipix.reporting.animation import encode_animation, sprite_sheet
from lexipix.utils.errors import LexipixError
from lexipix.utils.png import encode_png

MAX_SCALE = 64  # of an enlarged picture
REPORT_POLICY = (
    "sandbox allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
)
MAX_PIXELS = 30_000_000  # of a file, with all its frames
SHEET_COLUMNS = 8  # of a sprite sheet


def add_routes(app: FastAPI, offered: Models) -> None:
    """Add the addresses of the files to the application."""

    @app.get("/picture.png")
    def picture(
        models: str, prompt: str, count: str, seed: str, quality: str, best_of: str, index: str, scale: str
    ) -> Response:
        """One picture of a request, at the model's size or enlarged without smoothing."""
        request = DrawRequest(models, prompt, count, seed, quality, best_of)
        row = whole_number("The picture's number", index, 0, MAX_PICTURES - 1)
        pixels = request.draw(offered.open(models)).pixels
        (image,) = _enlarged(pixels[min(row, len(pixels) - 1)][None], scale)
        return Response(encode_png(image), media_type="image/png")

    def frames(models: str, start: str, end: str, frames: str, seed: str, quality: str, scale: str) -> Any:
        """The frames of a morph, enlarged without smoothing: uint8 (N, S, S, C)."""
        request = MorphRequest(models, start, end, frames, seed, quality)
        return _enlarged(request.draw(offered.open(models)), scale)

    @app.get("/morph.gif")
    def gif(images: Annotated[Any, Depends(frames)]) -> Response:
        return Response(encode_animation(images, "gif"), media_type="image/gif")

    @app.get("/morph.webp")
    def webp(images: Annotated[Any, Depends(frames)]) -> Response:
        return Response(encode_animation(images, "webp"), media_type="image/webp")

    @app.get("/morph.png")
    def sheet(images: Annotated[Any, Depends(frames)]) -> Response:
        return Response(encode_png(sprite_sheet(images, SHEET_COLUMNS)), media_type="image/png")

    @app.get("/sheet.png")
    def sheet_of_run(models: str, title: str) -> Response:
        return _file(offered.open(models).results().pictures.get(title), "image/png")

    @app.get("/report.html")
    def report(models: str) -> Response:
        # Whoever registered a version wrote its report: it must not act in the page's name
        policy = {"Content-Security-Policy": REPORT_POLICY}
        return _file(offered.open(models).results().report, "text/html; charset=utf-8", policy)


def _file(path: Path | None, kind: str, headers: Mapping[str, str] | None = None) -> Response:
    if path is None:
        raise LexipixError("The run has no such file.")
    return Response(path.read_bytes(), media_type=kind, headers=headers)


def _enlarged(images: Pixels, scale: str) -> Pixels:
    """Images (N, S, S, C), enlarged by a whole factor; a LexipixError if they become too large."""
    factor = whole_number("The enlargement", scale, 1, MAX_SCALE)
    if (n_pixels := images[..., 0].size * factor**2) > MAX_PIXELS:
        raise LexipixError(f"The file has more than {MAX_PIXELS:,} pixels ({n_pixels:,}): enlarge it less.")
    return images.repeat(factor, axis=1).repeat(factor, axis=2)
