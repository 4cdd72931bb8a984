import subprocess
import sys

import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.support.exported_models import draw, draw_one
from tests.support.parameters import section

from lexipix.inference.image_request import ImageOptions
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.result_files import result_files
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.pipelines.generation.pipeline import create_pipeline
from lexipix.utils.errors import LexipixError


@pytest.fixture
def run(toys):
    def go(**parameters):
        data = {
            "params:generation": section("generation", parameters),
            "params:run": section("run", {"seed": 11}),
            **{name: toys[name] for name in ("champion", "onnx_vae", "onnx_gan")},
        }
        catalog = DataCatalog({name: MemoryDataset(value) for name, value in data.items()})
        catalog["generated"], catalog["generated_sheet"] = MemoryDataset(), MemoryDataset()
        SequentialRunner().run(create_pipeline(), catalog)
        return catalog.load("generated"), catalog.load("generated_sheet")

    return go


PROMPTS = ("a big red circle at the left on white", "a small blue star at the top on black")


def test_prompts_of_the_parameters_are_drawn_and_scored(run, toys, scorer):
    files, sheet = run(prompts=PROMPTS, n=2)
    rows = files["generated.jsonl"]
    assert [row["file"] for row in rows] == ["0000.png", "0001.png", "0002.png", "0003.png"]
    assert [row["prompt"] for row in rows] == [PROMPTS[0]] * 2 + [PROMPTS[1]] * 2
    assert [row["index"] for row in rows] == [0, 1, 0, 1]
    assert {row["seed"] for row in rows} == {11} and {row["model"] for row in rows} == {"gan"}
    expected = draw_one(OnnxGenerator(toys["onnx_gan"]), PROMPTS[1], 11, 1)
    assert np.array_equal(files["0003.png"], expected)
    score = float(scorer.embed_images(expected[None])[0] @ scorer.embed_texts([PROMPTS[1]])[0])
    assert rows[3]["score"] == pytest.approx(score, abs=1e-4)
    assert np.array_equal(files["sheet.png"], sheet)


def test_model_and_seed_can_be_chosen(run, toys):
    files, _ = run(prompts=PROMPTS[:1], n=1, seed=3, model="vae")
    assert np.array_equal(files["0000.png"], draw_one(OnnxGenerator(toys["onnx_vae"]), PROMPTS[0], 3, 0))


def test_quality_chooses_the_variant(run, toys):
    files, _ = run(prompts=PROMPTS[:1], n=1, seed=3, quality="fast")
    small = OnnxGenerator(toys["champion"].models["small_onnx_fp32"])
    assert np.array_equal(files["0000.png"], draw_one(small, PROMPTS[0], 3, 0))
    assert files["generated.jsonl"][0]["model"] == "gan small_onnx_fp32"
    other, _ = run(prompts=PROMPTS[:1], n=1, seed=3, quality="fast", model="vae")
    assert other["generated.jsonl"][0]["model"] == "vae", "the other family is uncompressed"


def test_wrong_prompt_is_named_by_its_place(run):
    with pytest.raises(LexipixError, match=r"generation.prompts, number 2: The model never saw any word"):
        run(prompts=(PROMPTS[0], "xylophone"))


def test_an_empty_list_of_prompts_is_an_error(run):
    with pytest.raises(LexipixError, match=r"generation.prompts is empty"):
        run(prompts=[])


def test_more_images_than_allowed_are_refused(run):
    with pytest.raises(LexipixError, match=r"are 6 images, more than generation.max_images = 5"):
        run(prompts=PROMPTS, n=3, max_images=5)


def test_sheet_of_many_says_that_it_shows_some(generator):
    pipe = TextToImagePipeline.from_generator("vae", generator, lambda: None)
    request = pipe.request(PROMPTS[:1], ImageOptions(70, 7, score=False))
    files = dict(result_files(request))
    rows = list(files["generated.jsonl"])
    assert len(rows) == 70 and rows[0]["score"] is None
    assert files["sheet.png"].shape[0] < 1800


def test_pictures_are_drawn_as_they_are_asked_for(generator, monkeypatch):
    monkeypatch.setattr("lexipix.inference.image_request.MAX_IN_MEMORY", 4)
    asked, whole = [], generator.generate
    monkeypatch.setattr(generator, "generate", lambda *args: asked.append(len(args[0])) or whole(*args))
    pipe = TextToImagePipeline.from_generator("vae", generator, lambda: None)
    files = result_files(pipe.request(PROMPTS, ImageOptions(5, 7, score=False)))
    first = [next(files) for _ in range(4)]
    assert asked == [4]
    rest = list(files)
    assert asked == [4, 4, 2]
    everything = draw(generator, PROMPTS, 5, 7)
    for (_, image), expected in zip([*first, *rest[:6]], everything, strict=True):
        assert np.array_equal(image, expected)


def test_generation_needs_no_torch():
    code = (
        "import sys\n"
        "import lexipix.pipelines.generation.pipeline, lexipix.inference.redraw\n"
        "import lexipix.datasets.onnx_models, lexipix.datasets.results, lexipix.cli.files\n"
        "heavy = {'torch', 'transformers', 'mlflow', 'pandas', 'skimage', 'scipy', 'onnx'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"
