import json

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.support.pickling_engine import PicklingEngine
from tests.support.small_world import (
    RUN,
    ListStream,
    NoPretrained,
    captioner,
    features,
    image_splits,
    save_language_model,
)

from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.datasets.models import ModelFolderDataset
from lexipix.datasets.pretrained import PretrainedModels
from lexipix.datasets.tables import ParquetDataset
from lexipix.evaluation.attention import attention_of_captions
from lexipix.models.captioner import Captioner
from lexipix.pipelines.captioner.nodes import caption_missing, caption_test, show_attention, train_captioner
from lexipix.pipelines.captioner.pipeline import create_pipeline
from lexipix.pipelines.features.nodes import train_features
from lexipix.training.bundles import load_network
from lexipix.utils.errors import LexipixError


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """An image encoder to put the captioner on; how good it is does not matter here."""
    store = FileCheckpoints(tmp_path_factory.mktemp("pair") / "checkpoint")
    return train_features(
        features(training={"num_images": 32}), RUN, image_splits(), NoPretrained(), ListStream(), store
    )[0]


@pytest.fixture
def train(pair, tmp_path):
    """Runs the training node on a checkpoint store on disk."""

    def go(parameters=None, data=None, stream=None, pretrained=None, folder="checkpoints"):
        return train_captioner(
            parameters or captioner(),
            RUN,
            data or image_splits(),
            pair,
            pretrained or NoPretrained(),
            stream or ListStream(),
            FileCheckpoints(tmp_path / folder / "captioner.safetensors"),
        )

    return go


@pytest.fixture(scope="module")
def trained(pair, tmp_path_factory):
    """A captioner that has hardly learned anything, but can be used."""
    store = FileCheckpoints(tmp_path_factory.mktemp("trained") / "checkpoint")
    return train_captioner(
        captioner(training={"num_images": 32}), RUN, image_splits(), pair, NoPretrained(), ListStream(), store
    )[0]


def test_pipeline_on_an_in_memory_catalog(pair, tmp_path):
    stream = ListStream()
    outputs = (
        "captioner_curves", "captions_complete", "captioner_test_captions", "captioner_metrics",
        "captioner_attention", "attention_sheet",
    )  # fmt: skip
    catalog = DataCatalog(
        {
            "params:captioner": MemoryDataset(captioner()),
            "params:run": MemoryDataset(RUN),
            "image_splits": MemoryDataset(image_splits(), copy_mode="assign"),
            "contrastive_pair": MemoryDataset(pair, copy_mode="assign"),
            "pretrained_models": MemoryDataset(NoPretrained(), copy_mode="assign"),
            "engine": MemoryDataset(PicklingEngine(), copy_mode="assign"),
            "captioner_stream": MemoryDataset(stream, copy_mode="assign"),
            "captioner_checkpoints": MemoryDataset(FileCheckpoints(tmp_path / "c"), copy_mode="assign"),
            "captioner": ModelFolderDataset(filepath=str(tmp_path / "captioner")),
            **{name: MemoryDataset() for name in outputs},
            "captions_complete": ParquetDataset(filepath=str(tmp_path / "captions.parquet")),
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    curves, complete, written, figures, attention, sheet = (catalog.load(name) for name in outputs)
    bundle = catalog.load("captioner")
    assert bundle.config["known_words"] == pair.config["known_words"]
    assert bundle.tokenizer == pair.tokenizer
    assert curves["images_seen"].tolist() == [32, 64]

    assert complete["caption"].notna().all() and len(complete) == 60
    assert written.columns.tolist() == ["file", "caption", "truth"] and len(written) == 9
    assert {
        "exact_match",
        "bleu4",
        "cider_d",
        "attribute_f1",
        "captions_per_s",
        "images_seen",
    } <= figures.keys()
    assert figures["generated_captions"] == 10 and 0 <= figures["generated_captions_exact_match"] <= 1
    json.dumps(figures)

    assert attention["maps"].shape[0] == 3 == len(attention["words"]) and attention["maps"].shape[2:] == (
        8,
        8,
    )
    for maps, words in zip(attention["maps"], attention["words"], strict=True):
        assert np.allclose(maps[: len(words)].sum((1, 2)), 1, atol=1e-3)
        assert (maps[len(words) :] == 0).all()
    assert sheet.dtype == np.uint8 and sheet.ndim == 3


def test_missing_captions_are_written_and_marked_and_the_others_are_as_they_were(trained):
    data = image_splits()
    before = data.train.captions.copy()
    complete = caption_missing(captioner(), RUN, trained, data)
    assert complete["caption_source"].tolist() == ["generated"] * 10 + ["given"] * 50
    assert complete.columns.tolist() == before.columns.tolist()
    assert complete["caption"].map(type).eq(str).all()
    pd.testing.assert_frame_equal(complete.iloc[10:], before.iloc[10:])
    same = [name for name in before.columns if name not in ("caption", "caption_source")]
    pd.testing.assert_frame_equal(complete[same], before[same])
    pd.testing.assert_frame_equal(data.train.captions, before)


def test_captions_that_the_captioner_is_not_sure_of_stay_missing(trained, caplog):
    data = image_splits()
    complete = caption_missing(captioner(min_confidence=1.0), RUN, trained, data)
    pd.testing.assert_frame_equal(complete, data.train.captions)
    assert "0 of 10 images without a caption" in caplog.text


def test_nothing_missing_needs_no_captioner():
    complete = caption_missing(captioner(), RUN, None, image_splits(n_uncaptioned=0))
    assert (complete["caption_source"] == "given").all()


def test_figures_that_do_not_apply_are_absent(trained):
    data = image_splits(n_uncaptioned=0, source="folder")
    table, figures = caption_test(captioner(), RUN, trained, data, data.train.captions)
    assert "attribute_f1" not in figures and "generated_captions_exact_match" not in figures
    data.test.captions["caption"] = None
    table, figures = caption_test(captioner(), RUN, trained, data, data.train.captions)
    assert table["caption"].notna().all() and table["truth"].isna().all()
    assert not {"bleu4", "cider_d", "exact_match"} & figures.keys()


def test_no_attention_wanted(trained):
    attention, sheet = show_attention(captioner(attention_images=0), RUN, trained, image_splits())
    assert attention["maps"].shape[0] == 0 and sheet.ndim == 3


def test_interrupted_and_resumed_is_as_never_interrupted(train):
    often = captioner(training={"checkpoint_seconds": 1e-9})
    whole, _ = train(often)
    with pytest.raises(KeyboardInterrupt):
        train(often, stream=ListStream(interrupt_at=2), folder="broken")
    resumed, curves = train(often, folder="broken")
    assert all(torch.equal(whole.weights[key], resumed.weights[key]) for key in whole.weights)
    assert curves["images_seen"].tolist() == [32, 64]


def test_scratch_language_model_by_prefix(train):
    bundle, _ = train(captioner(conditioning="prefix"))
    assert bundle.config["network"]["conditioning"] == "prefix"
    attention, _ = show_attention(captioner(), RUN, bundle, image_splits())
    assert attention["maps"].shape[2:] == (4, 4)
    assert not any("crossattention" in name for name in bundle.weights)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("frozen", [False, True])
def test_pretrained_language_model(family, frozen, train, tmp_path):
    model = save_language_model(tmp_path / "lm", family)
    parameters = captioner(
        **{
            "language_model.source": "pretrained",
            "language_model.path": "lm",
            "language_model.frozen": frozen,
        }
    )
    bundle, curves = train(parameters, pretrained=PretrainedModels(tmp_path))
    network = load_network(bundle, Captioner)
    assert network.conditioning == "prefix"
    assert len({network.pad_id, network.eos_id}) == 2
    assert network.start_id == (network.eos_id if family == "gpt2" else 1)
    words = network.language_model.get_input_embeddings().weight
    same = torch.equal(words[: model.config.vocab_size], model.get_input_embeddings().weight)
    assert same == frozen
    assert ("text_loss" in curves) != frozen
    complete = caption_missing(parameters, RUN, bundle, image_splits())
    assert complete["caption"].notna().all()
    attention, sheet = show_attention(parameters, RUN, bundle, image_splits())
    assert attention["maps"].shape[2:] == (4, 4) and sheet.ndim == 3


def test_pretrained_language_model_that_reads_too_little_is_told(train, tmp_path):
    save_language_model(tmp_path / "lm", positions=50)
    parameters = captioner(**{"language_model.source": "pretrained", "language_model.path": "lm"})
    with pytest.raises(LexipixError, match="reads 50 tokens at most, and 16 for the image and 41"):
        train(parameters, pretrained=PretrainedModels(tmp_path))


def test_parameters_that_exclude_each_other():
    for key, value in (("language_model.source", "pretrained"), ("language_model.frozen", True)):
        with pytest.raises(ValueError, match="needs"):
            captioner(**{key: value})
    with pytest.raises(ValueError, match="has no cross-attention"):
        captioner(
            **{"language_model.source": "pretrained", "language_model.path": "x"},
            conditioning="cross_attention",
        )


def test_attention_for_a_caption_that_is_given(trained):
    images = np.array(image_splits().test.images[:2])
    words, maps = attention_of_captions(trained, images, ["a big red circle", "star"], RUN)
    assert words == [["a", "big", "red", "circle"], ["star"]]
    assert [len(one) for one in maps] == [4, 1]
    assert all(np.allclose(one.sum((1, 2)), 1, atol=1e-3) for one in maps)
    assert not np.array_equal(maps[0][0], maps[0][3])
