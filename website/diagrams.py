"""Diagrams as SVG, laid out when the site is built: a page needs no script and no other host for them."""

import html
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import networkx as nx
from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout, VertexViewer
from grandalf.routing import EdgeViewer
from kedro.pipeline import Pipeline

FONT_SIZE, LINE_HEIGHT, LETTER = 13, 17, 7.9  # pixels; the width of a letter of a monospaced font
WRAP, PADDING, MARGIN = 24, 10, 4
LAYER_GAP, GAP = 46, 16  # between the layers of a diagram, and within one
MAX_WIDTH = 740  # of a page's text on a desktop; wider diagrams go from top to bottom

# `a[label] --> b([label]) --> c`, what the project's charts use of mermaid's syntax
NODE = re.compile(r"(?P<name>\w+)(?:\(\[(?P<round>[^\]]*)\]\)|\[(?P<label>[^\]]*)\])?")
ARROW = " --> "


@dataclass
class Diagram:
    """Boxes by name, each with its label, and arrows between them."""

    labels: dict[str, str] = field(default_factory=dict)
    arrows: list[tuple[str, str]] = field(default_factory=list)
    rounded: set[str] = field(default_factory=set)  # boxes that are drawn with round ends


def read_flowchart(text: str) -> Diagram:
    """Reads a mermaid flowchart; a line that is no chain of boxes and arrows is a ValueError."""
    diagram = Diagram()
    kind, *lines = [line.strip() for line in text.strip().splitlines()]
    if not kind.startswith("flowchart "):
        raise ValueError(f"only flowcharts are drawn, not {kind!r}")
    for line in lines:
        names = []
        for part in line.split(ARROW):
            match = NODE.fullmatch(part)
            if match is None:
                raise ValueError(f"{part!r} of the flowchart's line {line!r} is not drawn")
            name = match["name"]
            if match["round"]:
                diagram.rounded.add(name)
            label = match["label"] or match["round"]
            if label or name not in diagram.labels:
                diagram.labels[name] = label or name
            names.append(name)
        diagram.arrows += pairwise(names)
    return diagram


def without_implied(arrows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the arrows without those that a longer path implies."""
    return sorted(nx.transitive_reduction(nx.DiGraph(sorted(set(arrows)))).edges)


def to_svg(diagram: Diagram, title: str) -> str:
    """Returns a diagram from left to right, or from top to bottom if it is too wide for a page.

    Colors are those of CSS classes. The ``title`` is read by screen readers.
    """
    across = _Layout(diagram, is_across=True)
    return (across if across.width <= MAX_WIDTH else _Layout(diagram, is_across=False)).svg(title)


def figure(svg: str) -> str:
    """Returns the HTML of a diagram."""
    return f'<figure class="diagram">{svg}</figure>'


def flowchart(source: str, *_: Any, **__: Any) -> str:
    """Returns the HTML of a page's mermaid block; ``pymdownx.superfences`` calls it."""
    return figure(to_svg(read_flowchart(source), "Flowchart"))


class _Layout:
    """Places of boxes and arrows, in pixels."""

    def __init__(self, diagram: Diagram, *, is_across: bool) -> None:
        self.is_across, self.rounded = is_across, diagram.rounded
        vertices = {}
        for name, label in sorted(diagram.labels.items()):
            lines = textwrap.wrap(label, WRAP, break_long_words=False)
            vertex = Vertex((name, lines))
            width = LETTER * max(map(len, lines)) + 2 * PADDING
            height = LINE_HEIGHT * len(lines) + PADDING
            vertex.view = VertexViewer(*((height, width) if is_across else (width, height)))
            vertices[name] = vertex
        edges = [Edge(vertices[start], vertices[end]) for start, end in diagram.arrows]
        for edge in edges:
            edge.view = EdgeViewer()
        self.parts = Graph(list(vertices.values()), edges).C
        first = 0.0
        for part in self.parts:  # those without an arrow between them lie side by side
            _place(part)
            views = [vertex.view for vertex in part.sV]
            shift = first - min(view.xy[0] - view.w / 2 for view in views)
            for view in views:
                view.xy = (view.xy[0] + shift, view.xy[1])
            for edge in part.sE:
                edge.view._pts = [(x + shift, y) for x, y in edge.view._pts]
            first = max(view.xy[0] + view.w / 2 for view in views) + GAP
        boxes = [vertex.view for part in self.parts for vertex in part.sV]
        points = [point for part in self.parts for edge in part.sE for point in edge.view._pts]
        lowest = min(view.xy[1] - view.h / 2 for view in boxes)
        self.origin = (min([0.0, *(x for x, _ in points)]) - MARGIN, lowest - MARGIN)
        right = max([*(view.xy[0] + view.w / 2 for view in boxes), *(x for x, _ in points)])
        far = max(view.xy[1] + view.h / 2 for view in boxes)
        size = right - self.origin[0] + MARGIN, far - self.origin[1] + MARGIN
        self.width, self.height = size[::-1] if is_across else size

    def svg(self, title: str) -> str:
        parts = [
            f'<svg class="diagram" role="img" viewBox="0 0 {self.width:.0f} {self.height:.0f}" '
            f'width="{self.width:.0f}" height="{self.height:.0f}" font-size="{FONT_SIZE}">'
            f"<title>{html.escape(title)}</title>"
        ]
        for part in self.parts:
            parts += [self._arrow(edge) for edge in part.sE]
            parts += [self._box(vertex) for vertex in sorted(part.sV, key=lambda vertex: vertex.data)]
        return "".join([*parts, "</svg>"])

    def _box(self, vertex: Any) -> str:
        name, lines = vertex.data
        x, y = self._at(*vertex.view.xy)
        width, height = vertex.view.w, vertex.view.h
        width, height = (height, width) if self.is_across else (width, height)
        is_round = name in self.rounded
        radius = min(height / 2, 14) if is_round else 3
        top = y - LINE_HEIGHT * (len(lines) - 1) / 2 + FONT_SIZE * 0.35
        texts = "".join(
            f'<text x="{x:.1f}" y="{top + LINE_HEIGHT * number:.1f}">{html.escape(line)}</text>'
            for number, line in enumerate(lines)
        )
        return (
            f'<g class="{"other" if is_round else "own"}"><rect x="{x - width / 2:.1f}" '
            f'y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.0f}"/>'
            f"{texts}</g>"
        )

    def _arrow(self, edge: Any) -> str:
        """A smooth line through the layers, with a head."""
        start, end = (vertex.view for vertex in edge.v)
        middle = edge.view._pts[1:-1]
        points = [
            self._at(start.xy[0], start.xy[1] + start.h / 2),
            *(self._at(*point) for point in middle),
            self._at(end.xy[0], end.xy[1] - end.h / 2),
        ]
        path = "M{:.1f},{:.1f}".format(*points[0])
        for (x0, y0), (x1, y1) in pairwise(points):
            if self.is_across:
                first, second = ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)
            else:
                first, second = (x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)
            path += f" C{first[0]:.1f},{first[1]:.1f} {second[0]:.1f},{second[1]:.1f} {x1:.1f},{y1:.1f}"
        x, y = points[-1]
        sides = ((-6, -3.5), (-6, 3.5)) if self.is_across else ((-3.5, -6), (3.5, -6))
        head = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x, y), *((x + i, y + j) for i, j in sides)))
        return f'<path d="{path}"/><polygon points="{head}"/>'

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """A place of the layout, whose layers follow each other downwards, on the page."""
        x, y = x - self.origin[0], y - self.origin[1]
        return (y, x) if self.is_across else (x, y)


def _place(part: Any) -> None:
    layout = SugiyamaLayout(part)
    layout.xspace, layout.yspace = GAP, LAYER_GAP
    layout.init_all(roots=[vertex for vertex in part.sV if not vertex.e_in()])
    layout.draw(4)


def pipeline_diagram(pipelines: Mapping[str, Pipeline], name: str) -> Diagram:
    """Returns the nodes of a pipeline, and the pipelines whose results they read.

    ``pipelines`` are Kedro pipelines by name.
    """
    own = pipelines[name].nodes
    makers = {dataset: node.name for node in own for dataset in node.outputs}
    others = {
        dataset: other
        for other, pipeline in pipelines.items()
        if other != name
        for dataset in pipeline.all_outputs()
    }
    diagram = Diagram({node.name: node.name for node in own})
    for node in own:
        for dataset in node.inputs:
            maker = makers.get(dataset) or others.get(dataset)
            if maker is None:
                continue
            if dataset not in makers:
                diagram.labels[maker] = maker
                diagram.rounded.add(maker)
            diagram.arrows.append((maker, node.name))
    diagram.arrows = without_implied(diagram.arrows)
    return diagram


def nodes_table(pipeline: Pipeline, is_shown: Callable[[str], bool]) -> str:
    """Returns the nodes of a pipeline as Markdown: what each does, and the datasets that it writes."""
    rows = ["| node | does | writes |", "|---|---|---|"]
    for node in pipeline.nodes:
        does = (node.func.__doc__ or "").strip().splitlines()[0]
        written = ", ".join(f"`{dataset}`" for dataset in node.outputs if is_shown(dataset))
        rows.append(f"| `{node.name}` | {does} | {written} |")
    return "\n".join(rows)
