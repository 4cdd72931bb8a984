from dataclasses import replace

import numpy as np
import pytest
from tests.support.exported_retrieval import CAPTIONS, NEW, export_bundle, make_bundle
from tests.support.retrieval import SIZE

from lexipix.compression.quantization import quantize_generator
from lexipix.compression.runtimes import load_generator
from lexipix.datasets.onnx_models import OnnxModelDataset, OnnxPipelineDataset
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.metrics.images import psnr
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxPipeline


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


@pytest.fixture(scope="module")
def exported(bundle):
    return export_bundle(bundle)


def noise(n):
    return np.random.default_rng(0).standard_normal((n, 4), np.float32)


def test_the_exported_generator_draws_what_the_network_draws(bundle, exported):
    texts = [*CAPTIONS, *NEW]
    expected = load_generator("torch_fp32", bundle)(texts, noise(len(texts)))
    drawn = OnnxGenerator(exported).generate(texts, noise(len(texts)))
    assert drawn.shape == (len(texts), SIZE, SIZE, 4)
    assert (drawn[..., :3] <= drawn[..., 3:]).all()
    assert psnr(drawn, expected).min() > 40


def test_an_image_does_not_depend_on_its_batch(exported):
    texts = [*CAPTIONS, *NEW]
    together = OnnxGenerator(exported).generate(texts, noise(len(texts)))
    alone = [
        OnnxGenerator(exported).generate([text], row[None]) for text, row in zip(texts, noise(9), strict=True)
    ]
    assert np.array_equal(together, np.concatenate(alone))


def test_the_memory_is_written_once_for_all_variants(exported, tmp_path):
    quantized = quantize_generator(exported, CAPTIONS)
    models = {"onnx_fp32": exported, "onnx_int8": quantized}
    dataset = OnnxPipelineDataset(filepath=str(tmp_path / "champion"))
    dataset.save(OnnxPipeline({"kind": "champion"}, models))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.safetensors"))
    assert files == ["champion/model.safetensors"]
    again = dataset.load().models
    for name, model in models.items():
        drawn = OnnxGenerator(again[name]).generate(NEW, noise(3))
        assert np.array_equal(drawn, OnnxGenerator(model).generate(NEW, noise(3)))


def test_a_model_without_its_memory_is_an_error(exported):
    with pytest.raises(
        LexipixError,
        match=r"model\.safetensors of an exported model cannot be used \(there is none.*compression` again",
    ):
        OnnxGenerator(replace(exported, arrays={}))


def test_a_model_folder_holds_its_memory(exported, tmp_path):
    dataset = OnnxModelDataset(filepath=str(tmp_path / "model"))
    dataset.save(exported)
    loaded = dataset.load()
    assert np.array_equal(
        OnnxGenerator(loaded).generate(NEW, noise(3)), OnnxGenerator(exported).generate(NEW, noise(3))
    )


def test_images_between_two_captions_are_retrieved_at_each_step(exported):
    generator, one = OnnxGenerator(exported), noise(1)
    ends = generator.generate([CAPTIONS[0], CAPTIONS[5]], np.repeat(one, 2, 0))
    shares = np.linspace(0, 1, 20, dtype=np.float32)
    between = generator.interpolate(CAPTIONS[0], CAPTIONS[5], shares, one)
    assert np.array_equal(between[[0, -1]], ends)
    assert (between[..., :3] <= between[..., 3:]).all()
    assert len({image.tobytes() for image in between}) > 2
    same = generator.interpolate(CAPTIONS[0], CAPTIONS[0], shares[:3], one)
    assert np.array_equal(same, ends[[0, 0, 0]])
