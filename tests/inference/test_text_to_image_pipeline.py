import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.support.exported_models import MAX_TOKENS, draw, draw_one

from lexipix.datasets.onnx_models import OnnxModelDataset, OnnxPipelineDataset
from lexipix.inference import pretrained
from lexipix.inference.image_request import ImageOptions
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.inference.token_generator import TokenImageGenerator
from lexipix.utils.errors import LexipixError

PROMPTS = ["a big red circle at the left on white", "a small blue star at the top on black"]
# Importing these fails, as where they are not installed
BLOCKED = ("torch", "transformers", "kedro", "kedro_datasets", "mlflow", "dvc")
USE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[3].split(","):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
from lexipix import CaptionPipeline, TextToImagePipeline

pipe = TextToImagePipeline.from_pretrained(sys.argv[1])
output = pipe(["a big red circle at the left on white"], num_images=2, seed=7, quality="best", candidates=3)
print([image.size for image in output.images], CaptionPipeline.from_pretrained(sys.argv[2])(output.images))
"""


@pytest.fixture
def pipe(toys):
    return TextToImagePipeline.from_champion(toys["champion"])


@pytest.fixture(scope="module")
def folder(toys, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "champion"
    OnnxPipelineDataset(filepath=str(path)).save(toys["champion"])
    return path


def test_prompts_become_images_with_all_that_decides_them(pipe, toys, scorer):
    output = pipe(PROMPTS, num_images=2, seed=7)
    expected = draw(OnnxGenerator(toys["onnx_gan"]), PROMPTS, 2, 7)
    assert np.array_equal(output.pixels, expected)
    assert all(np.array_equal(image, pixels) for image, pixels in zip(output.images, expected, strict=True))
    assert output.prompts == [PROMPTS[0]] * 2 + [PROMPTS[1]] * 2
    assert (output.seeds, output.indices, output.model) == ([7] * 4, [0, 1, 0, 1], "gan")
    assert output.scores[2] == pytest.approx(
        float(scorer.embed_images(expected[2:3])[0] @ scorer.embed_texts(PROMPTS[1:])[0])
    )
    assert output.warnings == [""] * 4
    assert pipe(PROMPTS[0], score=False).scores == [None]


def test_quality_chooses_the_variant(pipe, toys):
    small = OnnxGenerator(toys["champion"].models["small_onnx_fp32"])
    output = pipe(PROMPTS[0], seed=3, quality="fast")
    assert output.model == "gan small_onnx_fp32"
    assert np.array_equal(output.pixels[0], draw_one(small, PROMPTS[0], 3, 0))
    assert pipe.generator("best")[0] == pipe.generator("balanced")[0] == "gan"


def test_a_champion_is_one_folder_with_one_tokenizer(folder, pipe):
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("tokenizer.json")}
    assert files == {"tokenizer.json"}
    output = TextToImagePipeline.from_pretrained(folder)(PROMPTS, seed=5, quality="fast")
    assert np.array_equal(output.pixels, pipe(PROMPTS, seed=5, quality="fast").pixels)


def test_a_variant_is_read_when_its_quality_is_used(folder):
    pipe = TextToImagePipeline.from_pretrained(folder)
    (folder / "onnx_fp32" / "draw.onnx").rename(folder / "away")
    try:
        assert len(pipe(PROMPTS, quality="fast").images) == 2
        with pytest.raises(LexipixError, match=r"lacks draw\.onnx"):
            pipe(PROMPTS, quality="best")
    finally:
        (folder / "away").rename(folder / "onnx_fp32" / "draw.onnx")


def test_a_uri_is_downloaded_and_its_artifact_used(folder, tmp_path, monkeypatch):
    class Artifacts:
        @staticmethod
        def download_artifacts(uri):
            assert uri == "models:/lexipix-generator@champion"
            (tmp_path / "artifacts").mkdir()
            (tmp_path / "artifacts" / "champion").symlink_to(folder)
            return str(tmp_path)

    monkeypatch.setattr(pretrained, "import_module", {"mlflow.artifacts": Artifacts}.__getitem__)
    pipe = TextToImagePipeline.from_pretrained("models:/lexipix-generator@champion")
    assert pipe(PROMPTS[0]).model == "gan"


def test_the_api_draws_and_captions_where_torch_cannot_be_imported(folder, toys, tmp_path):
    OnnxModelDataset(filepath=str(tmp_path / "captioner")).save(toys["captioner_champion"])
    answer = subprocess.run(
        [sys.executable, "-c", USE, str(folder), str(tmp_path / "captioner"), ",".join(BLOCKED)],
        capture_output=True, text=True, env=os.environ, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == f"[(16, 16), (16, 16)] {[PROMPTS[0]] * 2}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"quality": "huge"}, 'quality is "huge": choose from fast, balanced, best'),
        ({"num_images": 0}, "num_images is 0: it must be 1 or more"),
        ({"candidates": 0}, "candidates is 0: it must be 1 or more"),
        ({"prompts": []}, "There is no prompt"),
        ({"prompts": [PROMPTS[0], "xylophone"]}, "^Prompt 2: The model never saw any word"),
        ({"prompts": "red " * MAX_TOKENS}, "is too long"),
    ],
)
def test_mistakes_are_named(pipe, arguments, said):
    with pytest.raises(LexipixError, match=said):
        pipe(**{"prompts": PROMPTS, **arguments})


@pytest.mark.parametrize(
    ("n_prompts", "num_images", "said"),
    [
        (2, 4, r"are 8 images, more than generation.max_images = 7"),
        (4, 1, r"There are 4 prompts, more than generation.max_prompts = 3"),
    ],
)
def test_a_request_keeps_within_its_limits(pipe, n_prompts, num_images, said):
    options = ImageOptions(num_images, max_prompts=3, max_images=7)
    assert len(pipe.request(PROMPTS[:1], options)) == num_images
    with pytest.raises(LexipixError, match=said):
        pipe.request((PROMPTS * 2)[:n_prompts], options)


def test_a_champion_with_a_missing_folder_is_an_error(toys):
    champion = toys["champion"]
    for name in champion.models:
        rest = {other: model for other, model in champion.models.items() if other != name}
        with pytest.raises(LexipixError, match=r"The champion lacks the folder .*: run `kedro run"):
            TextToImagePipeline.from_champion(replace(champion, models=rest))


def test_a_folder_that_is_no_champion_is_an_error(toys, tmp_path):
    with pytest.raises(LexipixError, match=r"no trained model at .*config.json is missing"):
        TextToImagePipeline.from_pretrained(tmp_path)
    OnnxModelDataset(filepath=str(tmp_path / "gan")).save(toys["onnx_gan"])
    with pytest.raises(LexipixError, match=r"config\.json is not valid"):
        TextToImagePipeline.from_pretrained(tmp_path / "gan")


def test_interpolation_starts_and_ends_with_the_first_images_of_the_prompts(pipe):
    images = pipe.interpolate(*PROMPTS, num_images=5, seed=7, quality="fast")
    ends = pipe(PROMPTS, seed=7, quality="fast", score=False).pixels
    assert len(images) == 5 and np.array_equal(images[[0, -1]], ends)
    with pytest.raises(LexipixError, match="num_images is 1: it must be 2 or more"):
        pipe.interpolate(*PROMPTS, num_images=1)
    with pytest.raises(LexipixError, match=r"Prompt 2: The prompt is empty"):
        pipe.interpolate(PROMPTS[0], " ")


def test_image_tokens_cannot_be_interpolated(tokens_model, scorer):
    generator = TokenImageGenerator(tokens_model)
    pipe = TextToImagePipeline.from_generator("tokens", generator, lambda: scorer)
    with pytest.raises(LexipixError, match="nothing between two prompts for the model tokens"):
        pipe.interpolate(*PROMPTS)


def test_unknown_words_are_those_of_the_qualitys_generator(pipe):
    assert pipe.unknown_words("a red circel") == [("circel", ("circle",))]
