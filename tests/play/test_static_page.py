"""The page of ``kedro export-page`` in a real browser: what Python computes is computed there too."""

import io
import json
import shutil
import sys
from contextlib import ExitStack
from functools import cache
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.support.browser import visitors
from tests.support.exported_retrieval import CAPTIONS, NEW, export_bundle, make_bundle
from tests.support.project import environment_without_settings
from tests.support.servers import free_port, running_server

from lexipix import TextToImagePipeline
from lexipix.cli.export_page import export_page
from lexipix.data.tokenization import encode, n_tokens, train_feature_tokenizer, train_tokenizer
from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise
from lexipix.inference.prompt_checks import check_prompt, unknown_words
from lexipix.inference.prompt_suggestions import PromptSuggestions
from lexipix.play.static_page import PageSettings, write_page
from lexipix.scenes import caption, sample_scene
from lexipix.utils.alpha import straight
from lexipix.utils.errors import LexipixError

TEXT = "a small blue star at the top on black"
SCENES = ["a big red circle at the left on white", TEXT, "a star", "a small ring and a bleu heart on navy"]
SEED, MAX_LEVELS = 7, 2  # levels between the page's pixels and Python's
TEXTS = [
    "a big red circle at the left on white", "don't you'll we've", "İstanbul ΣΑΣ ς", "é and e\u0301",
    "日本語のテキスト 红色的鸭子", "한국어 text", "x_y z-1 1,000.5!", "emoji 😀👍🏽 zwj 👨‍👩‍👧",
    "<eos> <pad>", "ﬁne ① Ⅻ", "'s 't 'LL", "naïve; co:lon, end.", "a,b . c", "½ ٣ 𝒳 𐍈",
    "circel bleu skware", "wordword" * 10,
]  # fmt: skip

pytestmark = pytest.mark.skipif(
    shutil.which("npm") is None, reason="there is no npm here (it fetches ONNX Runtime)"
)


@pytest.fixture(scope="module")
def export_scenes(smoke, tmp_path_factory):
    """Export the page of a smoke run, which draws from latents."""

    @cache
    def export(quality):
        folder = tmp_path_factory.mktemp("scenes") / "page"
        arguments = ["--env", "smoke", "--out", str(folder), "--quality", quality]
        project = SimpleNamespace(project_path=smoke.path)
        answer = CliRunner().invoke(export_page, arguments, obj=project)
        if "npm could not fetch" in answer.output:
            pytest.skip(answer.output)
        assert answer.exit_code == 0, answer.output
        assert f"--directory {folder}" in answer.output
        return folder

    return export


@pytest.fixture(scope="module")
def scenes_page(export_scenes):
    return export_scenes("balanced")


@pytest.fixture(scope="module")
def retrieval():
    """A generator that retrieves and edits images with alpha."""
    known = sorted({word for text in CAPTIONS for word in text.replace(",", "").split()})
    return OnnxGenerator(export_bundle(make_bundle(known)), {"crimson": "red"})


@pytest.fixture(scope="module")
def retrieval_page(retrieval, tmp_path_factory):
    """The page of that generator."""
    folder = tmp_path_factory.mktemp("retrieval")
    try:
        write_page(folder, retrieval, CAPTIONS, PageSettings("gan", CAPTIONS[0], SEED, 1000))
    except LexipixError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Serve a folder as the documentation says."""
    with ExitStack() as servers:

        def serve(folder):
            port = free_port()
            command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
            address, log = f"http://127.0.0.1:{port}/", tmp_path_factory.mktemp("log")
            command += ["--directory", str(folder)]
            servers.enter_context(running_server(command, address, log, environment_without_settings()))
            return address

        yield serve


@pytest.fixture
def open_page(browser):
    with visitors(browser, "#drawn canvas", ("http://127.0.0.1:", "blob:")) as visit:
        yield visit


@pytest.fixture(scope="module")
def scenes_address(serve, scenes_page):
    return serve(scenes_page)


@pytest.fixture(scope="module")
def retrieval_address(serve, retrieval_page):
    return serve(retrieval_page)


@pytest.fixture
def page(open_page, scenes_address):
    return open_page(scenes_address)


@pytest.fixture
def alpha_page(open_page, retrieval_address):
    return open_page(retrieval_address)


DRAW = """async ([prompts, seed, n]) => {
  const { Generator } = await import("./generator.js");
  const generator = await Generator.load();
  const drawn = [];
  for (const prompt of prompts) drawn.push(Array.from(await generator.draw(prompt, seed, n)));
  return drawn;
}"""


def drawn_in(page, prompts, n, seed=SEED):
    """The pixels of prompts in a browser, flat."""
    return np.array(page.evaluate(DRAW, [prompts, seed, n])).reshape(-1)


@pytest.mark.parametrize("quality", ["balanced", "best"])
def test_scenes_have_the_pixels_of_python(open_page, serve, export_scenes, smoke, quality):
    champion = TextToImagePipeline.from_pretrained(smoke.data / "06_models/champion")
    expected = champion(SCENES, 4, SEED, quality, score=False).pixels
    page = open_page(serve(export_scenes(quality)))
    apart = np.abs(drawn_in(page, SCENES, 4) - expected.reshape(-1).astype(int))
    assert apart.max() <= MAX_LEVELS
    assert np.ptp(expected) > 100


@pytest.mark.parametrize("n", [1, 4])
def test_retrieved_and_edited_images_have_the_pixels_of_python(alpha_page, retrieval, n):
    texts = [*CAPTIONS, *NEW]
    noise = np.concatenate(
        [sample_noise(SEED, index, retrieval.noise_dim) for index in range(n)] * len(texts)
    )
    expected = retrieval.generate([text for text in texts for _ in range(n)], noise)
    apart = np.abs(drawn_in(alpha_page, texts, n) - expected.reshape(-1).astype(int))
    assert apart.max() <= MAX_LEVELS
    assert len({image.tobytes() for image in expected}) >= len(CAPTIONS)


def test_noise_is_that_of_numpy(page):
    cases = [[0, 0, 5], [SEED, 3, 64], [2**31 - 1, 15, 8], [3, 1, 50_000]]
    found = page.evaluate(
        """async (cases) => {
          const { sampleNoise } = await import("./noise.js");
          return cases.map((numbers) => Array.from(sampleNoise(...numbers)));
        }""",
        cases,
    )
    for (seed, index, length), noise in zip(cases, found, strict=True):
        np.testing.assert_allclose(noise, sample_noise(seed, index, length)[0], rtol=3e-7)


@pytest.mark.parametrize("kind", ["bytes", "features"])
def test_prompts_are_read_as_in_python(page, kind):
    rng = np.random.default_rng(0)
    captions = [*(caption(sample_scene(rng)) for _ in range(200)), *TEXTS]
    if kind == "bytes":
        tokenizer = train_tokenizer(captions, 500)
    else:
        tokenizer = train_feature_tokenizer(captions, 1000).tokenizer
    limit = 24
    found = page.evaluate(
        """async ([tokenizer, special, limit, texts]) => {
          const { Tokenizer } = await import("./tokenization.js");
          const own = new Tokenizer(tokenizer, special, limit);
          return texts.map((text) => [own.encode(text), own.count(text)]);
        }""",
        [json.loads(tokenizer.to_str()), {"eos": 1, "pad": 0}, limit, TEXTS],
    )
    for text, (ids, count) in zip(TEXTS, found, strict=True):
        expected = encode(tokenizer, [text], limit)[0].tolist()
        padding = [0] * (limit - len(expected)) if kind == "features" else []
        assert ids == expected + padding, text
        assert count == n_tokens(tokenizer, [text])[0], text


def test_prompts_are_checked_as_in_python(alpha_page, retrieval):
    prompts = [
        "crimson duck", "red dukc and a stra", "", " \t", "?!", "zzz qqq", "red " * 60, "x" * 1001,
        "Red  DUCK\u2003star", "red one two three four five six seven", "<img src=x onerror=alert(1)>",
        *TEXTS,
    ]  # fmt: skip
    found = alpha_page.evaluate(
        """async (prompts) => {
          const { Generator } = await import("./generator.js");
          const { PromptChecks } = await import("./prompts.js");
          const { config, tokenizer } = await Generator.load();
          const limits = { maxTokens: config.max_tokens, maxChars: 10_000 };
          const checks = new PromptChecks(config.known_words, config.nearest_words, tokenizer, limits);
          return prompts.map((prompt) => {
            const unknown = checks.unknownWords(prompt);
            try {
              const { text, warning } = checks.check(prompt);
              return [text, warning, unknown];
            } catch (error) {
              return [error.message, null, unknown];
            }
          });
        }""",
        prompts,
    )
    for prompt, (text, warning, unknown) in zip(prompts, found, strict=True):
        try:
            expected = check_prompt(prompt, retrieval)
        except LexipixError as error:
            expected = (str(error), None)
        assert (text, warning) == expected
        assert unknown == [[one.word, list(one.nearest)] for one in unknown_words(prompt, retrieval)]


def test_suggestions_are_those_of_python(page):
    rng = np.random.default_rng(1)
    suggest = PromptSuggestions(
        [*(caption(sample_scene(rng)) for _ in range(400)), "红色 鸭子", "It's a DOG"]
    )
    prompts = [
        "",
        " ",
        "a",
        "a big",
        "a big ",
        "A  BIG red c",
        "red on",
        "on white an",
        "qq",
        "circle ring",
        "红",
        "it'",
    ]
    found = page.evaluate(
        """async ([captions, prompts]) => {
          const { Suggestions } = await import("./prompts.js");
          const suggestions = new Suggestions(captions);
          return prompts.map((prompt) => suggestions.find(prompt));
        }""",
        [suggest.captions, prompts],
    )
    assert dict(zip(prompts, found, strict=True)) == {prompt: suggest(prompt) for prompt in prompts}


def wait_for_text(page, text):
    page.locator(f"#drawn canvas[aria-label='{text}, picture 1']").wait_for()


def test_pictures_appear_while_the_prompt_is_typed(page):
    assert page.locator("#drawn canvas").count() == 4
    before = page.locator("#drawn canvas").evaluate_all("all => all.map((one) => one.toDataURL())")
    box = page.get_by_label("Prompt")
    box.fill("")
    box.press_sequentially(TEXT)
    wait_for_text(page, TEXT)
    after = page.locator("#drawn canvas").evaluate_all("all => all.map((one) => one.toDataURL())")
    assert len({*before, *after}) == 8
    assert " ms for each picture, " in page.get_by_role("status").inner_text()


@pytest.mark.parametrize("scale", [1, 32])
def test_saved_pictures_hold_the_pixels_of_python(alpha_page, retrieval, scale):
    alpha_page.get_by_label("Prompt").fill(NEW[0])
    wait_for_text(alpha_page, NEW[0])
    with alpha_page.expect_download() as saved:
        alpha_page.get_by_role("button", name=f"PNG {16 * scale}").nth(2).click()
    assert saved.value.suggested_filename == f"{SEED}_2_{16 * scale}.png"
    with Image.open(io.BytesIO(saved.value.path().read_bytes())) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (16 * scale, 16 * scale))
        pixels = np.asarray(image)
    (expected,) = straight(retrieval.generate([NEW[0]], sample_noise(SEED, 2, retrieval.noise_dim)))
    assert (pixels == pixels[::scale, ::scale].repeat(scale, 0).repeat(scale, 1)).all()
    drawn = pixels[::scale, ::scale].astype(int)
    # Straight colors are those of the network divided by alpha, and so are their differences
    allowed = np.maximum(MAX_LEVELS * 255 / np.maximum(expected[..., 3:], 1), MAX_LEVELS)
    assert (np.abs(drawn - expected) <= allowed + 1).all()
    assert np.abs(drawn[..., 3] - expected[..., 3]).max() <= MAX_LEVELS


def test_pictures_without_alpha_are_saved_without(page):
    with page.expect_download() as saved:
        page.get_by_role("button", name="PNG 32").first.click()
    with Image.open(io.BytesIO(saved.value.path().read_bytes())) as image:
        assert (image.mode, image.size) == ("RGB", (32, 32))


def test_count_and_seed_change_the_pictures(page):
    page.get_by_label("Pictures").select_option("9")
    page.locator("#drawn canvas").nth(8).wait_for()
    before = page.locator("#drawn canvas").first.evaluate("one => one.toDataURL()")
    page.get_by_role("button", name="Another seed").click()
    page.wait_for_function(
        "before => document.querySelector('#drawn canvas').toDataURL() !== before", arg=before
    )


def test_unknown_words_are_marked_and_a_click_takes_the_nearest(page):
    page.get_by_label("Prompt").fill("a big red circel at the left on white")
    assert page.locator("mark").inner_text() == "circel"
    page.get_by_role("button", name="circle", exact=True).click()
    page.locator("mark").wait_for(state="detached")
    assert page.get_by_label("Prompt").input_value() == SCENES[0]


def test_a_suggestion_becomes_the_prompt(page):
    chip = page.get_by_role("group", name="Captions to try").get_by_role("button").first
    text = chip.inner_text()
    chip.click()
    wait_for_text(page, text)
    assert page.get_by_label("Prompt").input_value() == text


WRONG = [
    ("Prompt", "", "The prompt is empty: name what to draw"),
    ("Prompt", "x" * 1001, "has 1,001 characters, more than 1,000: shorten it."),
    ("Prompt", "red " * 200, "is too long: it has 200 tokens"),
    ("Prompt", "<img src=x onerror=alert(1)>", "never saw any word"),
    ("Seed", "", "The seed must be a whole number from 0 to 2,147,483,647."),
    ("Seed", "-1", "The seed must be a whole number from 0 to 2,147,483,647."),
]


def test_wrong_input_is_told_and_the_next_input_works(page):
    for field, value, sentence in WRONG:
        good = page.get_by_label(field).input_value()
        page.get_by_label(field).fill(value)
        page.get_by_role("alert").filter(has_text=sentence).wait_for()
        page.get_by_label(field).fill(good)
        page.locator("#drawn canvas").first.wait_for()
        assert page.get_by_role("alert").count() == 0


def test_it_fits_its_window_in_light_and_dark(page):
    for width, scheme in product((390, 1280), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        color = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)"
        assert (sum(map(int, page.evaluate(color)[:3])) < 200) == (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_folder_holds_what_the_page_loads_and_no_more(scenes_page, open_page, serve):
    address, loaded = serve(scenes_page), set()
    page = open_page(address)
    page.on("response", lambda response: loaded.add(response.url.removeprefix(address) or "index.html"))
    page.reload()
    page.locator("#drawn canvas").first.wait_for()
    files = {path.relative_to(scenes_page).as_posix() for path in scenes_page.rglob("*") if path.is_file()}
    assert loaded == files


def test_only_own_files_may_be_loaded(page):
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; ")
    assert "http:" not in policy and "https:" not in policy and "unsafe-inline" not in policy
