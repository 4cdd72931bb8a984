import numpy as np
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.support.pickling_engine import PicklingEngine
from tests.support.small_world import RUN, ListStream, NoPretrained, features, image_splits, save_backbone

from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.datasets.models import ModelFolderDataset
from lexipix.datasets.pretrained import PretrainedModels
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.pipelines.features.nodes import export_features, train_features
from lexipix.pipelines.features.pipeline import create_pipeline
from lexipix.training.bundles import load_network
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits, Split


@pytest.fixture
def train(tmp_path):
    """Runs the training node on a checkpoint store on disk."""

    def go(parameters=None, data=None, stream=None, pretrained=None, folder="checkpoints"):
        return train_features(
            parameters or features(),
            RUN,
            data or image_splits(),
            pretrained or NoPretrained(),
            stream or ListStream(),
            FileCheckpoints(tmp_path / folder / "features.safetensors"),
        )

    return go


def test_pipeline_on_an_in_memory_catalog(tmp_path):
    stream = ListStream()
    catalog = DataCatalog(
        {
            "params:features": MemoryDataset(features()),
            "params:run": MemoryDataset(RUN.model_copy(update={"precision": "auto"})),
            "image_splits": MemoryDataset(image_splits(), copy_mode="assign"),
            "pretrained_models": MemoryDataset(NoPretrained(), copy_mode="assign"),
            "engine": MemoryDataset(PicklingEngine(), copy_mode="assign"),
            "features_stream": MemoryDataset(stream, copy_mode="assign"),
            "features_checkpoints": MemoryDataset(FileCheckpoints(tmp_path / "c"), copy_mode="assign"),
            "contrastive_pair": ModelFolderDataset(filepath=str(tmp_path / "features")),
            **{name: MemoryDataset() for name in ("features_curves", "features_metrics", "image_features")},
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    bundle, curves, figures = (
        catalog.load(f"{name}") for name in ("contrastive_pair", "features_curves", "features_metrics")
    )
    assert bundle.config["kind"] == "contrastive_pair" and bundle.config["image_size"] == 32
    assert bundle.card["data_digest"] == "60-10" and bundle.card["metrics"] == figures
    assert {"red", "star", "on"} <= set(bundle.config["known_words"])
    assert curves["images_seen"].tolist() == [32, 64] == [seen for seen, _ in stream.rows]
    assert {"val_accuracy", "val_objective", "loss", "words_loss"} <= set(curves.columns)
    assert figures["images_seen"] == 64 and figures["seconds"] > 0
    vectors = catalog.load("image_features")
    assert {name: array.shape for name, array in vectors.items()} == {
        "train": (60, 64), "val": (12, 64), "test": (9, 64),
    }  # fmt: skip
    assert np.allclose(np.linalg.norm(vectors["train"], axis=1), 1, atol=1e-5)


def test_captions_that_all_say_the_same_are_told(train, caplog):
    data = image_splits()
    train(data=data)
    assert "every caption" not in caplog.text
    data.train.captions.loc[data.train.captions["caption"].notna(), "caption"] = "a photo of a holiday"
    bundle, *_ = train(data=data, folder="same")
    assert "every caption is 'a photo of a holiday'" in caplog.text
    assert all(
        torch.isfinite(values).all() for values in bundle.weights.values() if values.is_floating_point()
    )


def test_captions_that_are_too_long_are_counted(train, caplog):
    data, limit = image_splits(), features().max_tokens
    table = data.train.captions
    table["paraphrases"] = [[] for _ in table["paraphrases"]]
    table.loc[table["caption"].notna(), "caption"] = [f"star {n}" for n in range(table["caption"].count())]
    train(data=data)
    assert "captions have more than" not in caplog.text
    table.loc[table["caption"].notna().idxmax(), "caption"] = "a red star " * 30
    train(data=data, folder="long")
    said = f"1 of {table['caption'].nunique()} captions have more than {limit} tokens (features.max_tokens)"
    assert said in caplog.text


def test_only_captioned_pictures_train(train):
    """Changing a picture without a caption changes no weight."""
    data, other = image_splits(), image_splits()
    other.train.images[:10] = 0
    weights = [train(data=one, folder=str(i))[0].weights for i, one in enumerate((data, other))]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    other.train.images[10] = 0
    changed = train(data=other, folder="2")[0].weights
    assert any(not torch.equal(weights[0][key], changed[key]) for key in changed)


def test_interrupted_and_resumed_is_as_never_interrupted(train):
    often = features(training={"checkpoint_seconds": 1e-9})
    whole, _, _ = train(often)
    with pytest.raises(KeyboardInterrupt):
        train(often, stream=ListStream(interrupt_at=2), folder="broken")
    resumed, curves, _ = train(often, folder="broken")
    assert all(torch.equal(whole.weights[key], resumed.weights[key]) for key in whole.weights)
    assert whole.tokenizer == resumed.tokenizer
    assert curves["images_seen"].tolist() == [32, 64]


def test_other_parameters_do_not_resume(train):
    with pytest.raises(KeyboardInterrupt):
        train(features(training={"checkpoint_seconds": 1e-9}), stream=ListStream(interrupt_at=2))
    stream = ListStream()
    train(features(training={"checkpoint_seconds": 1e-9}, words_weight=0.1), stream=stream)
    assert len(stream.rows) == 2


@pytest.mark.parametrize("family", ["resnet", "convnext"])
def test_pretrained_backbone(family, train, tmp_path):
    model = save_backbone(tmp_path / "backbone", family)
    parameters = features(**{"image_encoder.source": "pretrained", "image_encoder.path": "backbone"})
    bundle, _, _ = train(parameters, pretrained=PretrainedModels(tmp_path))
    network = load_network(bundle, ContrastivePair)
    state = network.image_encoder.backbone.state_dict()
    theirs = {key.partition(".")[2]: value for key, value in model.state_dict().items()}
    shared = state.keys() & theirs.keys()
    assert len(shared) > 20 and all(torch.equal(state[key], theirs[key]) for key in shared)
    vectors = export_features(RUN, bundle, image_splits())
    assert vectors["test"].shape == (9, 128)


def test_no_captions_at_all(train):
    data = image_splits(12, n_uncaptioned=12)
    with pytest.raises(LexipixError, match="features: 0 of 12 training images have a caption"):
        train(data=data)


def test_no_validation_pictures(train):
    data = image_splits(20, 0)
    empty = Split(data.val.images[:0], data.val.captions.iloc[:0])
    _, curves, _ = train(data=ImageSplits(data.train, empty, data.test, data.pairs, data.summary))
    assert curves["val_accuracy"].notna().all()


def test_fewer_pictures_than_a_batch(train):
    bundle, _, figures = train(data=image_splits(5, 0))
    assert figures["images_seen"] == 64
    assert all(torch.isfinite(value.float()).all() for value in bundle.weights.values())


def test_parameters_of_a_pretrained_encoder_need_its_path():
    with pytest.raises(ValueError, match="needs path"):
        features(**{"image_encoder.source": "pretrained"})


def test_captions_of_any_language(train):
    data = image_splits(8, 0)
    table = data.train.captions.assign(caption=["紅い星", "ein Stern", "نجمة", "★", "a", "a", "", "  "])
    learn = Split(data.train.images, table)
    bundle, _, figures = train(data=ImageSplits(learn, data.val, data.test, data.pairs, data.summary))
    assert {"stern", "ein", "نجمة"} <= set(bundle.config["known_words"])
    assert np.isfinite(figures["val_objective"])
