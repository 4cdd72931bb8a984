"""The tab Draw: pictures appear while a prompt is typed."""

import time
from typing import Any

import gradio as gr

from lexipix.config.generation import MAX_SEED
from lexipix.inference.text_to_image_pipeline import TextToImageOutput
from lexipix.play import fragments
from lexipix.play.models import Models
from lexipix.play.problems import explain
from lexipix.play.requests import DrawRequest, require_prompt

COUNTS = {1: 1, 4: 2, 9: 3, 16: 4}  # pictures, and the columns that show them


def add_draw_tab(models: Models, choice: Any, page: Any) -> None:
    """Add the tab's inputs, outputs and events to the page."""
    first = models.open(models.names[0])
    with gr.Row(elem_classes="inputs"):
        prompt = gr.Textbox(
            first.examples(1)[0],
            label="Prompt",
            placeholder="What to draw",
            elem_id="prompt",
            autofocus=True,
            max_lines=3,
        )
    found = gr.HTML(elem_id="found")
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=2, min_width=300):
            pictures = gr.HTML(elem_id="drawn")
        with gr.Column(scale=1, min_width=300):
            count = gr.Radio(list(COUNTS), value=4, label="Pictures")
            quality = gr.Radio(list(first.pipe.variants), value=first.generation.quality, label="Quality")
            best_of = gr.Slider(1, 16, 1, step=1, label="Best of", info="candidates for each picture")
            seed = gr.Number(first.seed, label="Seed", precision=0)
            another = gr.Button("Another seed", size="sm")
    inputs = [choice, prompt, count, seed, quality, best_of]

    def show(*values: Any) -> tuple[str, str]:
        return draw(models, DrawRequest.of(*values))

    gr.on(
        [page.load, choice.change, prompt.change, count.change, seed.change, quality.change, best_of.change],
        show, inputs, [pictures, found], queue=False, show_progress="hidden", trigger_mode="always_last",
        api_visibility="private",
    )  # fmt: skip
    another.click(
        None, None, seed, js=f"() => Math.floor(Math.random() * {MAX_SEED})", api_visibility="private"
    )


def draw(models: Models, request: DrawRequest) -> tuple[str, str]:
    """The pictures of a request as HTML, and what was found about its prompt."""
    try:
        own = models.open(request.models)
        require_prompt(request.prompt, own.generation.serving.max_prompt_chars)
        unknown = own.pipe.unknown_words(request.prompt, request.quality)
        suggested = fragments.suggestions(own.suggestions(request.prompt))
    except Exception as error:
        return fragments.problem(explain(error)), ""
    found = suggested + fragments.marked(request.prompt, unknown)
    try:
        start = time.perf_counter()
        output = request.draw(own)
        seconds = time.perf_counter() - start
    except Exception as error:
        return fragments.problem(explain(error)), found
    return _pictures(request, output, seconds), found


def _pictures(request: DrawRequest, output: TextToImageOutput, seconds: float) -> str:
    size = output.pixels.shape[1]
    scale = max(1, fragments.ENLARGED // size)
    figures = []
    for number, image in enumerate(output.pixels):
        links = [
            fragments.download(
                "/picture.png", request.query() | {"index": number, "scale": factor}, f"PNG {factor * size}",
                f"{request.seed}_{number}_{factor * size}.png",
            )
            for factor in dict.fromkeys([1, scale])
        ]  # fmt: skip
        score = output.scores[number]
        below = (f"<span>score {score:.2f}</span>" if score is not None else "") + "".join(links)
        figures.append(fragments.picture(image, f"{output.prompts[number]}, picture {number + 1}", below))
    each = 1000 * seconds / len(figures)
    told = f"{output.model}: {each:.1f} ms for each picture, {1000 * seconds:.0f} ms in all"
    warning = output.warnings[0]
    return (
        fragments.grid(figures, COUNTS.get(len(figures), 4))
        + (fragments.warning(warning) if warning else "")
        + fragments.note(told)
    )
