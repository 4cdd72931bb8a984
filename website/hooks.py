"""What mkdocs does beside rendering pages: further pages, links, diagrams and formulas.

Everything that a page shows lies in the site: formulas become MathML, and diagrams SVG, when it is built.
"""

import html
import posixpath
import re
from functools import cache
from pathlib import Path
from typing import Any

import latex2mathml.converter
import ziamath
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from website.diagrams import figure, nodes_table, pipeline_diagram, to_svg
from website.pages import GENERATED, OF_ROOT, REPOSITORY

from lexipix.config.pipelines import PIPELINE_ORDER
from lexipix.pipeline_registry import register_pipelines

ASSETS, FONT = ("site.css", "iframe-worker.js"), "assets/math.ttf"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
PIPELINE = re.compile(r"<!-- pipeline: (\w+) -->")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[([](.*?)\\[)\]]</\1>', re.DOTALL)
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):<code>[.~]*([^<]*)</code>")  # of docstrings
RESOURCES = re.compile(r"_(?:stream|checkpoints)$")  # datasets of a training that hold no result


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of the root, the generated ones, the style and the font of formulas."""
    for source, place in OF_ROOT.items():
        files.append(File.generated(config, place, abs_src_path=str(REPOSITORY / source)))
    for place, generate in GENERATED.items():
        files.append(File.generated(config, place, content=generate()))
    for name in ASSETS:
        files.append(File.generated(config, f"assets/{name}", abs_src_path=str(Path(__file__).parent / name)))
    # STIX Two Math (SIL Open Font License): system fonts lack brackets that grow with what they enclose
    font = next(Path(ziamath.__file__).parent.rglob("STIXTwoMath-Regular.ttf"))
    files.append(File.generated(config, FONT, abs_src_path=str(font)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Lead links to where pages are in the site, and draw the pipelines."""
    own = page.file.src_uri
    origin = next((source for source, place in OF_ROOT.items() if place == own), f"docs/{own}")

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), match[1]))
        place = OF_ROOT.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(place, posixpath.dirname(own) or ".") + (match[2] or "")

    return PIPELINE.sub(lambda match: _pipeline(match[1]), LINK.sub(link, markdown))


def on_page_content(content: str, **_: Any) -> str:
    """Turn formulas into MathML, and references of docstrings into code."""
    return ROLE.sub(r"<code>\1</code>", FORMULA.sub(_formula, content))


def _formula(match: re.Match[str]) -> str:
    display = "block" if match[1] == "div" else "inline"
    made: str = latex2mathml.converter.convert(html.unescape(match[2]).strip(), display=display)
    return f'<div class="formula">{made}</div>' if display == "block" else made


@cache
def _pipeline(name: str) -> str:
    pipelines = {own: register_pipelines()[own] for own in PIPELINE_ORDER}
    svg = to_svg(pipeline_diagram(pipelines, name), f"Nodes of the pipeline {name}")
    table = nodes_table(pipelines[name], lambda dataset: not RESOURCES.search(dataset))
    return f"{figure(svg)}\n\n{table}\n"
