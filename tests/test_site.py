"""The documentation as a site: its pages, generated references and diagrams, and the built site."""

import re
from html.parser import HTMLParser
from importlib.util import find_spec
from itertools import combinations

import pytest
import yaml
from tests.support.project import REPOSITORY
from website.diagrams import read_flowchart, to_svg, without_implied
from website.pages import API, GENERATED, METRICS_AND_LOSSES, OF_ROOT
from website.parameters import describe, read_comments

from lexipix.cli import cli
from lexipix.config.errors import keys
from lexipix.config.pipelines import PIPELINE_ORDER
from lexipix.config.root import LexipixParameters

NEEDED = ("mkdocs", "material", "mkdocstrings", "latex2mathml", "ziamath")
MISSING = [name for name in NEEDED if find_spec(name) is None]
needs_extra = pytest.mark.skipif(
    bool(MISSING),
    reason=f"{', '.join(MISSING)} is not installed here (pip install -r requirements-docs.lock)",
)


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without importing what it names."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, name, node: name)


def configuration():
    return yaml.load((REPOSITORY / "mkdocs.yml").read_text("utf-8"), Loader)


def leaves(nav):
    if isinstance(nav, str):
        return [nav]
    children = nav.values() if isinstance(nav, dict) else nav
    return [leaf for child in children for leaf in leaves(child)]


def test_the_navigation_names_every_page_once():
    docs = REPOSITORY / "docs"
    pages = [str(path.relative_to(docs)) for path in docs.rglob("*.md")]
    of_root = [place for place in OF_ROOT.values() if place.endswith(".md")]
    assert sorted(leaves(configuration()["nav"])) == sorted([*pages, *of_root, *GENERATED])


def test_the_files_of_the_root_exist():
    assert all((REPOSITORY / source).is_file() for source in OF_ROOT)


@pytest.mark.parametrize("name", PIPELINE_ORDER)
def test_every_pipeline_has_a_page_with_its_diagram_and_formulas(name):
    text = (REPOSITORY / "docs" / "how-it-works" / f"{name}.md").read_text("utf-8")
    assert f"<!-- pipeline: {name} -->" in text
    assert text.count("\n$$\n") >= 2


def test_formulas_use_what_github_draws_too():
    for path in (REPOSITORY / "docs").rglob("*.md"):
        assert "\\operatorname" not in path.read_text("utf-8"), path.name


def test_every_command_and_option_is_on_the_page_of_commands():
    page = GENERATED["reference/commands.md"]()

    def look(group, name):
        for own, command in group.commands.items():
            if hasattr(command, "commands"):
                look(command, f"{name} {own}")
                continue
            assert f"\n## {name} {own}\n" in page
            for option in command.params:
                if getattr(option, "hidden", True):
                    continue
                assert all(f"{one}" in page for one in option.opts), option.name

    look(cli, "kedro")
    assert "--budget" not in page.split("## kedro generate")[1].split("## ")[0]  # an old name is hidden


def test_every_parameter_is_on_the_page_with_default_range_and_meaning():
    page = GENERATED["reference/parameters.md"]()
    rows = {}
    for part in re.split(r"(?m)^#+ `", page)[1:]:
        section = part.partition("`")[0]
        for name, *cells in re.findall(r"(?m)^\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", part):
            rows[f"{section}.{name}"] = cells
    all_keys = list(keys(LexipixParameters))
    wanted = {key for key in all_keys if not any(other.startswith(f"{key}.") for other in all_keys)}
    assert rows.keys() == wanted
    assert {key: cells for key, cells in rows.items() if not all(cell.strip() for cell in cells)} == {}
    assert rows["generator.gan.discriminator_width"][0] == "`64`<br>smoke `16`"
    assert (
        rows["generator.gan.discriminator_width"][1]
        == "whole number, at least 8, at most 1,024, a multiple of 2"
    )
    assert "folder `4`" in rows["generator.prior.neighbors"][0]


def test_comments_belong_to_the_key_beside_them_or_above():
    text = (
        "# Of the file\n"
        "one:\n"
        "  two: 1      # first line,\n"
        "              # second line\n"
        '  three: "#a"\n'
        "  four:       # of the list\n"
        "    - x y     # of an item\n"
        "    - z\n"
    )
    assert read_comments(text) == {
        "one.two": "first line, second line",
        "one.four": "of the list; `x y`: of an item",
    }


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, "number, above 0, at most 0.5"),
        (
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "whole number, at least 1 or `null`",
        ),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"type": "array", "items": {"$ref": "#/$defs/Share"}}, "list of: number"),
    ],
)
def test_ranges_are_described_in_words(field, words):
    assert describe(field, {"$defs": {"Share": {"type": "number"}}}) == words


def test_a_flowchart_is_read():
    chart = read_flowchart("flowchart LR\n  a[one, two] --> b --> c([three])\n  b --> d\n")
    assert chart.labels == {"a": "one, two", "b": "b", "c": "three", "d": "d"}
    assert chart.arrows == [("a", "b"), ("b", "c"), ("b", "d")] and chart.rounded == {"c"}


@pytest.mark.parametrize(
    "text", ["sequenceDiagram\n  a --> b", "flowchart LR\n  a -.-> b", "flowchart LR\n  a{b}"]
)
def test_a_chart_that_cannot_be_drawn_is_an_error(text):
    with pytest.raises(ValueError, match="drawn"):
        read_flowchart(text)


def test_implied_arrows_are_left_out():
    assert without_implied([("a", "b"), ("b", "c"), ("a", "c"), ("a", "b")]) == [("a", "b"), ("b", "c")]


@pytest.mark.parametrize("label", ["b", "a label that needs three lines because it is so long"])
def test_boxes_do_not_overlap_and_arrows_end_at_them(label):
    lines = [f"  a --> b{n}[{label}] --> c --> d{n}" for n in range(4)]
    svg = to_svg(read_flowchart("\n".join(["flowchart LR", *lines])), "A <chart>")
    assert "<title>A &lt;chart&gt;</title>" in svg
    boxes = [
        tuple(map(float, found))
        for found in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)
    ]
    assert len(boxes) == 10
    for (x, y, w, h), (x2, y2, w2, h2) in combinations(boxes, 2):
        assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    assert all(x + w <= width + 1 and y + h <= height + 1 for x, y, w, h in boxes)
    ends = [tuple(map(float, pair)) for pair in re.findall(r'<polygon points="([\d.]+),([\d.]+)', svg)]
    assert len(ends) == 12
    for x, y in ends:
        assert any(x0 - 0.2 <= x <= x0 + w + 0.2 and y0 - 0.2 <= y <= y0 + h + 0.2 for x0, y0, w, h in boxes)


class References(HTMLParser):
    """What a page loads: addresses of scripts, styles, images and fonts."""

    def __init__(self):
        super().__init__()
        self.loaded, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        if tag in ("script", "img", "iframe", "source") and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") != "canonical":
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, which is built once; a warning is an error."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        build(load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


@needs_extra
def test_the_site_loads_nothing_from_another_host(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        references = References()
        references.feed(page.read_text("utf-8"))
        for address in references.loaded:
            assert not re.match(r"(?:\w+:)?//", address), (page.name, address)
            folder = site if address.startswith("/") else page.parent  # 404.html is served at any address
            file = re.split("[?#]", address)[0].lstrip("/")
            assert (folder / file).exists(), (page.name, address)
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text("utf-8")), style.name


@needs_extra
def test_formulas_and_diagrams_are_drawn(site):
    for name in PIPELINE_ORDER:
        text = (site / "how-it-works" / f"{name}.html").read_text("utf-8")
        references = References()
        references.feed(text)
        assert references.tags.count("math") >= 3 and '<svg class="diagram"' in text
        assert "arithmatex" not in text and "<merror" not in text
        # What latex2mathml does not know stays as it is
        assert not re.search(r"<m[io]>\\", text), name
    assert '<svg class="diagram"' in (site / "index.html").read_text("utf-8")


@needs_extra
def test_references_show_commands_parameters_and_docstrings(site):
    assert "kedro generate" in (site / "reference/commands.html").read_text("utf-8")
    assert "generator.prior" in (site / "reference/parameters.html").read_text("utf-8")
    for page, sections in (("api", API), ("metrics-and-losses", METRICS_AND_LOSSES)):
        text = (site / f"reference/{page}.html").read_text("utf-8")
        for name in (name for names in sections.values() for name in names):
            assert f'id="{name}"' in text, name
        assert not re.search(r":(?:class|func|meth):", text)


@needs_extra
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_from_disk_and_asks_no_one(browser, site, scheme):
    asked, errors = [], []
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    for name in ("index", "how-it-works/generator", "reference/parameters"):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3]))
    assert (brightness > 384) == (scheme == "light")
    page.locator("label[for=__search]").first.click()
    page.locator(".md-search__input").press_sequentially("energy distance")
    page.locator(".md-search-result__item").first.wait_for()
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
