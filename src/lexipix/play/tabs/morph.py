"""The tab Morph: from one prompt to another by a slider, and as a file."""

import time
from html import escape
from typing import Any

import gradio as gr

from lexipix.play import fragments
from lexipix.play.models import Models, Pixels
from lexipix.play.problems import explain
from lexipix.play.requests import MorphRequest
from lexipix.reporting.animation import sprite_sheet

FRAMES = [31, 61, 121]
FILES = {"gif": "GIF", "webp": "WebP", "png": "sprite sheet"}


def add_morph_tab(models: Models, choice: Any, tab: Any) -> None:
    """Add the tab's inputs, outputs and events to the page; it is filled when it is opened."""
    first = models.open(models.names[0])
    start, end = first.examples(2)
    with gr.Row(elem_classes="inputs"):
        from_prompt = gr.Textbox(start, label="From", max_lines=3)
        to_prompt = gr.Textbox(end, label="To", max_lines=3)
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=2, min_width=300):
            morphed = gr.HTML(elem_id="morphed")
        with gr.Column(scale=1, min_width=300):
            frames = gr.Radio(FRAMES, value=61, label="Frames")
            quality = gr.Radio(list(first.pipe.variants), value=first.generation.quality, label="Quality")
            seed = gr.Number(first.seed, label="Seed", precision=0)
    gr.on(
        [tab.select, choice.change, from_prompt.change, to_prompt.change, frames.change, quality.change,
         seed.change],
        lambda *values: show_morph(models, MorphRequest.of(*values)),
        [choice, from_prompt, to_prompt, frames, seed, quality], morphed, queue=False,
        show_progress="hidden", trigger_mode="always_last", api_visibility="private",
    )  # fmt: skip


def show_morph(models: Models, request: MorphRequest) -> str:
    """A picture with a slider, whose frames are in the page, and links to files."""
    try:
        began = time.perf_counter()
        images = request.draw(models.open(request.models))
        seconds = time.perf_counter() - began
    except Exception as error:
        return fragments.problem(explain(error))
    return _player(request, images) + fragments.note(
        f"{len(images)} frames in {1000 * seconds:.0f} ms, {1000 * seconds / len(images):.1f} ms each; "
        "shown at 30 frames a second"
    )


def _player(request: MorphRequest, images: Pixels) -> str:
    strip, size = fragments.data_uri(sprite_sheet(images, len(images))), images.shape[1]
    scale = max(1, fragments.ENLARGED // 2 // size)
    links = [
        fragments.download(
            f"/morph.{kind}", request.query() | {"scale": factor}, f"{text} {factor * size}",
            f"morph_{request.seed}_{factor * size}.{kind}",
        )
        for kind, text in FILES.items()
        for factor in dict.fromkeys([1, scale])
    ]  # fmt: skip
    described = f"from {request.start} to {request.end}"
    return (
        f'<div class="morph" data-frames="{len(images)}">'
        f'<div class="strip" role="img" aria-label="{escape(described)}" '
        f"style=\"--frames: {len(images)}; --strip: url('{strip}')\"></div>"
        '<div class="controls"><button type="button" class="chip" data-play>Play</button>'
        f'<input type="range" min="0" max="{len(images) - 1}" value="0" aria-label="Way to the end">'
        f'</div><div class="links">{"".join(links)}</div></div>'
    )
