"""The page: a choice of models, and the tabs."""

from importlib.resources import files
from typing import Any

import gradio as gr

from lexipix.play.models import Models
from lexipix.play.tabs.describe import add_describe_tab
from lexipix.play.tabs.draw import add_draw_tab
from lexipix.play.tabs.gallery import add_gallery_tab
from lexipix.play.tabs.morph import add_morph_tab
from lexipix.play.tabs.redraw import add_redraw_tab

TITLE = "lexipix"
# The system's own fonts: Gradio's themes would ask a font server
FONTS = ["system-ui", "sans-serif"]


def build_page(models: Models) -> Any:
    """The page as Gradio's blocks."""
    with gr.Blocks(analytics_enabled=False, title=TITLE) as page:
        with gr.Row(elem_id="top"):
            gr.HTML("<h1>lexipix</h1>")
            choice = gr.Dropdown(
                models.names,
                value=models.names[0],
                label="Models",
                show_label=False,
                container=False,
                elem_id="models",
                min_width=200,
            )
        with gr.Tabs(overflow_behavior="wrap"):
            with gr.Tab("Draw"):
                add_draw_tab(models, choice, page)
            with gr.Tab("Describe"):
                add_describe_tab(models, choice)
            with gr.Tab("Redraw"):
                add_redraw_tab(models, choice)
            with gr.Tab("Morph") as morph:
                add_morph_tab(models, choice, morph)
            with gr.Tab("Gallery") as gallery:
                add_gallery_tab(models, choice, gallery)
    return page


def theme() -> Any:
    """Colors and fonts."""
    return gr.themes.Default(
        primary_hue="orange", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "monospace"]
    )


def css() -> str:
    """The page's own styles."""
    return files("lexipix.play").joinpath("page.css").read_text(encoding="utf-8")


def script() -> str:
    """The page's own script."""
    return files("lexipix.play").joinpath("page.js").read_text(encoding="utf-8")
