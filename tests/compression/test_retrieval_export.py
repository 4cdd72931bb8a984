from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.support.parameters import section
from tests.support.retrieval import N_IMAGES, SIZE, make_retrieval_generator

from lexipix.compression.export import Exporter
from lexipix.compression.quantization import quantize_generator
from lexipix.compression.runtimes import load_generator
from lexipix.data.tokenization import encode, eos_id, pad_id, train_tokenizer
from lexipix.datasets.onnx_models import OnnxModelDataset, OnnxPipelineDataset
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.metrics.images import psnr
from lexipix.training.bundles import to_bundle
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits, OnnxPipeline, Split

CAPTIONS = [f"{color} {thing}, pixel art" for color in ("red", "blue") for thing in ("duck", "dog", "star")]
NEW = ["red dog", "blue", "a duck of pixel art that is both red and blue, and a star"]
MAX_TOKENS = 40


@pytest.fixture(scope="module")
def bundle():
    tokenizer = train_tokenizer(CAPTIONS, 300)
    ids = torch.from_numpy(encode(tokenizer, CAPTIONS, MAX_TOKENS))
    model, config, _ = make_retrieval_generator(
        ids, tokenizer.get_vocab_size(), pad_id(tokenizer), eos_id(tokenizer)
    )
    torch.nn.init.normal_(model.editor.pixel_out.weight, std=0.1)
    torch.nn.init.normal_(model.editor.rank_mlp[2].weight, std=0.1)
    return to_bundle(
        model.kind, model, config, tokenizer=tokenizer, max_tokens=MAX_TOKENS, card_parameters={},
        data_digest="d", metrics={}, image_size=SIZE, image_channels=4, noise_dim=4, known_words=["red"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(bundle):
    import pandas as pd

    table = pd.DataFrame({"caption": CAPTIONS})
    split = Split(np.zeros((N_IMAGES, SIZE, SIZE, 4), np.uint8), table)
    splits = ImageSplits(split, split, split, split, {}, table)
    return Exporter(splits, section("compression.verification")).generator(bundle)


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
