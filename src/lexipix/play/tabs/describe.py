"""The tab Describe: a picture's caption, and where the captioner looked at each word."""

import time
from html import escape
from typing import Any

import gradio as gr

from lexipix.play import fragments
from lexipix.play.models import Models, OpenModels, Pixels
from lexipix.play.problems import explain


def add_describe_tab(models: Models, choice: Any) -> None:
    """Add the tab's inputs, outputs and events to the page."""
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=1, min_width=300):
            file = gr.File(label="Picture", type="filepath", height=160)
        with gr.Column(scale=2, min_width=300):
            described = gr.HTML(elem_id="described")
            attention = gr.HTML(elem_id="attention")
    caption = gr.State("")
    gr.on(
        [file.change, choice.change], lambda *values: describe(models, *values), [choice, file],
        [described, attention, caption], concurrency_limit=None, show_progress="minimal",
        api_visibility="private",
    ).then(
        lambda *values: show_attention(models, *values), [choice, file, caption], attention,
        concurrency_limit=1, show_progress="minimal", api_visibility="private",
    )  # fmt: skip


def describe(models: Models, name: str, path: str | None) -> tuple[str, str, str]:
    """The picture with its caption, nothing yet for the attention, and the caption itself."""
    if not path:
        return "", "", ""
    try:
        own = models.open(name)
        pixels = own.read(path, own.captioner.captioner)
        with own.lock:
            start = time.perf_counter()
            (text,) = own.captioner([pixels])
            seconds = time.perf_counter() - start
    except Exception as error:
        return fragments.problem(explain(error)), "", ""
    seen = fragments.picture(pixels, "the picture as the captioner sees it")
    size = f"{pixels.shape[1]}x{pixels.shape[0]} pixels, as the captioner sees it"
    return (
        fragments.grid([seen], 2)
        + fragments.sentence(text)
        + fragments.note(f"{size}; described in {1000 * seconds:.0f} ms"),
        "",
        text,
    )


def show_attention(models: Models, name: str, path: str | None, text: str) -> str:
    """A copy of the picture for each word of a caption, with the captioner's attention at that word.

    It loads torch and a network of its own, so that it does not hold the models' lock: others go on drawing.
    """
    if not path or not text:
        return ""
    try:
        own = models.open(name)
        words, pictures = _attention(own, own.read(path, own.captioner.captioner), text)
    except Exception as error:
        return fragments.note(f"Where the captioner looked cannot be shown: {explain(error)}")
    figures = [
        fragments.picture(image, f"attention at the word {word}", escape(word))
        for word, image in zip(words, pictures, strict=True)
    ]
    return "<h3>Where the captioner looked at each word</h3>" + fragments.many(figures)


def _attention(own: OpenModels, pixels: Pixels, text: str) -> tuple[list[str], Pixels]:
    from lexipix.evaluation.attention import attention_of_captions, highlighted  # it needs torch

    (words,), (maps,) = attention_of_captions(
        own.trained_captioner, pixels[None], [text], own.context.parameters.run
    )
    return words, highlighted(pixels, maps)[1:]
