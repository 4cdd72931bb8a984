"""The tab Gallery: what the run drew, and its report."""

from html import escape
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from lexipix.play import fragments
from lexipix.play.models import Models
from lexipix.play.problems import explain


def add_gallery_tab(models: Models, choice: Any, tab: Any) -> None:
    """Add the tab's output and events to the page; it is filled when it is opened."""
    gallery = gr.HTML(elem_id="gallery")
    gr.on(
        [tab.select, choice.change], lambda name: show_gallery(models, name), choice, gallery,
        concurrency_limit=None, show_progress="minimal", api_visibility="private",
    )  # fmt: skip


def show_gallery(models: Models, name: str) -> str:
    """What is known of the models, their run's sheets, and its report."""
    try:
        results = models.open(name).results()
    except Exception as error:
        return fragments.problem(explain(error))
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(value)}</dd>" for term, value in results.about)
    parts = [f'<dl class="about">{rows}</dl>']
    if results.report is not None:
        address = escape(f"/report.html?{urlencode({'models': name})}")
        parts.append(
            f'<p><a href="{address}" target="_blank" rel="noopener">The report in a tab of its own</a></p>'
            f'<iframe class="report" src="{address}" title="Report of the run" sandbox></iframe>'
        )
    else:
        parts.append(fragments.note("The run has no report yet: the pipeline evaluation writes it."))
    for title in results.pictures:
        address = escape(f"/sheet.png?{urlencode({'models': name, 'title': title})}")
        parts.append(
            f'<figure class="sheet"><figcaption>{escape(title)}</figcaption>'
            f'<a href="{address}" target="_blank" rel="noopener">'
            f'<img src="{address}" alt="{escape(title)}" loading="lazy"></a></figure>'
        )
    return "".join(parts)
