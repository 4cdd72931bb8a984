"""The tab Redraw: a picture to a caption to pictures, until one is close enough."""

from html import escape
from typing import Any

import gradio as gr

from lexipix.config.generation import MAX_SEED
from lexipix.inference.prompt_checks import check_prompt
from lexipix.inference.redraw import redraw
from lexipix.inference.redraw_result import Attempt, RedrawResult
from lexipix.play import fragments
from lexipix.play.models import Models, OpenModels
from lexipix.play.problems import explain
from lexipix.play.requests import require_prompt, whole_number

MAX_TRIES = 64
NO_TARGET = "none"
TARGETS = {NO_TARGET: "", "SSIM": "ssim", "PSNR": "psnr", "score": "score"}
FIRST_VALUES = {NO_TARGET: 0.6, "SSIM": 0.6, "PSNR": 20, "score": 0.8}


def add_redraw_tab(models: Models, choice: Any) -> None:
    """Add the tab's inputs, outputs and events to the page."""
    first = models.open(models.names[0])
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=1, min_width=300):
            file = gr.File(label="Picture", type="filepath", height=160)
            text = gr.Textbox(label="Text (empty: the captioner describes it)", max_lines=3)
            target = gr.Radio(list(TARGETS), value=NO_TARGET, label="Good enough from")
            value = gr.Number(FIRST_VALUES[NO_TARGET], label="Value of the target", visible=False)
            tries = gr.Slider(1, MAX_TRIES, first.generation.redraw.budget, step=1, label="Tries at most")
            seed = gr.Number(first.seed, label="Seed", precision=0)
            start = gr.Button("Draw it again", variant="primary")
        with gr.Column(scale=2, min_width=300):
            redrawn = gr.HTML(elem_id="redrawn")
    target.change(
        lambda name: gr.Number(FIRST_VALUES[name], visible=name != NO_TARGET), target, value, queue=False,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    gr.on(
        [start.click, file.upload], lambda *values: show_redraw(models, *values),
        [choice, file, text, target, value, tries, seed], redrawn, concurrency_limit=None,
        api_visibility="private",
    )  # fmt: skip


def show_redraw(
    models: Models, name: str, path: str | None, text: str, target: str, value: Any, tries: Any, seed: Any
) -> str:
    """The given picture, the best one and all tries as HTML."""
    try:
        own = models.open(name)
        until = f"{TARGETS.get(target, '')}={value}" if target != NO_TARGET else None
        result = _redraw(own, path, text or "", until, tries, seed)
    except Exception as error:
        return fragments.problem(explain(error))
    best = result.attempts[result.best]
    pair = [
        fragments.picture(result.given, "the given picture", "given"),
        fragments.picture(result.images[result.best], "the best picture", f"best: number {best.number}"),
    ]
    found = [
        _try(result, attempt, fragments.picture(image, f"number {attempt.number}", _measures(attempt)))
        for attempt, image in zip(result.attempts, result.images, strict=True)
    ]
    return (
        fragments.grid(pair, 2)
        + fragments.sentence(best.text)
        + fragments.note(_told(result))
        + "<h3>All tries</h3>"
        + fragments.grid(found, 4)
    )


def _redraw(
    own: OpenModels, path: str | None, text: str, until: str | None, tries: Any, seed: Any
) -> RedrawResult:
    update = {"until": until, "budget": whole_number("The number of tries", tries, 1, MAX_TRIES)}
    parameters = own.generation.redraw.model_copy(update=update)
    number = whole_number("The seed", seed, 0, MAX_SEED)
    require_prompt(text, own.generation.serving.max_prompt_chars)
    with own.lock:
        _, generator = own.pipe.generator("best")
        pixels = own.read(path, generator)
        prompt = check_prompt(text, generator).text if text.strip() else None
        return redraw(
            pixels, prompt, "given", own.generators, lambda: own.captioner.captioner, own.pipe.scorer,
            parameters, number,
        )  # fmt: skip


def _told(result: RedrawResult) -> str:
    """A sentence about the best picture and the target."""
    best, n_tries = result.attempts[result.best], len(result.attempts)
    source = "the given text" if result.text_source == "given" else "captions"
    told = f"{n_tries} {'tries' if n_tries > 1 else 'try'} from {source}; the best has {best}."
    if result.target is None:
        return told
    return f"{told} The target {result.target} was {'reached' if result.reached else 'not reached'}."


def _measures(attempt: Attempt) -> str:
    words = f"{attempt.number}: {attempt.model}, {attempt}"
    return f'<span title="{escape(attempt.text)}">{escape(words)}</span>'


def _try(result: RedrawResult, attempt: Attempt, figure: str) -> str:
    """A try's figure, marked if it is the best."""
    is_best = attempt.number - 1 == result.best
    return figure.replace("<figure>", '<figure class="best">', 1) if is_best else figure
