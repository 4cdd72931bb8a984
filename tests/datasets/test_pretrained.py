import json
from contextlib import suppress

import pytest
import torch
from tests.support.small_world import quiet, save_backbone, save_language_model, save_sentence_encoder
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from lexipix.datasets.pretrained import PretrainedModels, PretrainedModelsDataset
from lexipix.utils.errors import LexipixError

CODE = """
from pathlib import Path
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer
Path({!r}).touch()
Config, Model, ModelForCausalLM, Tokenizer = GPT2Config, GPT2LMHeadModel, GPT2LMHeadModel, GPT2Tokenizer
"""
KEY = "features.image_encoder.path"


@pytest.fixture
def models(tmp_path):
    return PretrainedModels(tmp_path)


@pytest.mark.parametrize("family", ["resnet", "convnext"])
def test_backbone_from_a_folder(family, models, tmp_path):
    normalisation = {"do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    original = save_backbone(tmp_path / "x", family, normalisation)
    found = models.backbone("x", KEY)
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    maps = found.model(torch.zeros(1, 3, 64, 64)).feature_maps
    assert [tuple(m.shape[1:]) for m in maps] == [(12, 8, 8), (16, 4, 4), (24, 2, 2)]
    theirs = {key.partition(".")[2]: value for key, value in original.state_dict().items()}
    mine = {k: v for k, v in found.model.state_dict().items() if not k.startswith("hidden_states_norms")}
    assert mine and all(torch.equal(value, theirs[key]) for key, value in mine.items())


def test_a_backbone_without_normalization_gets_that_of_imagenet(models, tmp_path, caplog):
    save_backbone(tmp_path / "x")
    assert models.backbone("x", KEY).mean == (0.485, 0.456, 0.406)
    assert "has no normalization of images" in caplog.text
    (tmp_path / "x/preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    assert models.backbone("x", KEY).std == (1.0, 1.0, 1.0)


def test_reading_leaves_the_global_generator_alone(models, tmp_path):
    save_backbone(tmp_path / "x", "convnext")
    before = torch.get_rng_state()
    first, second = models.backbone("x", KEY).model, models.backbone("x", KEY).model
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(v, second.state_dict()[k]) for k, v in first.state_dict().items())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_language_model_from_a_folder(family, models, tmp_path):
    original = save_language_model(tmp_path / "x", family)
    found = models.language_model("x", "captioner.language_model.path")
    tokenizer = Tokenizer.from_str(found.tokenizer)
    ids = tokenizer.encode("a red star").ids
    end, padding = tokenizer.encode("").ids[-1], tokenizer.padding["pad_id"]
    assert ids[-1] == end and ids.count(end) == 1
    assert found.start_id not in ids[:-1], "what stands before the text is not the tokenizer's matter"
    batch = [row.ids for row in tokenizer.encode_batch(["a red star", "a"])]
    assert batch[1][-1] == padding not in (end, found.start_id)
    words = found.model.get_input_embeddings().weight
    assert len(words) == original.config.vocab_size + 1 == tokenizer.get_vocab_size()
    assert torch.equal(words[:-1], original.get_input_embeddings().weight)


@pytest.mark.parametrize("method", ["backbone", "language_model", "tokenizer", "sentence_encoder"])
def test_what_is_not_there_is_reported(method, models):
    with pytest.raises(LexipixError, match=r"the\.key = 'no/such' is neither a folder with a model"):
        getattr(models, method)("no/such", "the.key")


def test_language_model_is_no_backbone(models, tmp_path):
    save_language_model(tmp_path / "x")
    with pytest.raises(LexipixError, match="is a gpt2, which has no feature maps"):
        models.backbone("x", KEY)


def test_language_model_without_a_tokenizer_is_reported(models, tmp_path):
    with quiet():
        config = GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=300)
        GPT2LMHeadModel(config).save_pretrained(tmp_path / "x")
    with pytest.raises(LexipixError, match=r"captioner\.path = 'x' has no tokenizer\.json"):
        models.language_model("x", "captioner.path")


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_tokenizer_alone_is_that_of_the_language_model(family, models, tmp_path):
    save_language_model(tmp_path / "x", family)
    assert models.tokenizer("x", "a.key") == models.language_model("x", "a.key").tokenizer


@pytest.mark.parametrize("method", ["backbone", "language_model", "tokenizer", "sentence_encoder"])
@pytest.mark.parametrize("kind", ["strange", "gpt2"])
def test_code_in_a_folder_is_never_run(method, kind, models, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *question: "y")
    save_language_model(tmp_path / "x")
    (tmp_path / "x/code.py").write_text(CODE.format(str(tmp_path / "was here")))
    names = ("Config", "Model", "ModelForCausalLM")
    code = {f"Auto{name}": f"code.{name}" for name in names} | {"AutoTokenizer": ["code.Tokenizer"] * 2}
    for file in ("config.json", "tokenizer_config.json"):
        known = json.loads((tmp_path / "x" / file).read_text())
        own = {"model_type": kind, "auto_map": code, "tokenizer_class": "Tokenizer"}
        (tmp_path / "x" / file).write_text(json.dumps(known | own))
    with suppress(LexipixError):
        getattr(models, method)("x", "the.key")
    assert not (tmp_path / "was here").exists()


def test_pickled_weights_are_refused(models, tmp_path):
    model = save_backbone(tmp_path / "x")
    (tmp_path / "x/model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "x/pytorch_model.bin")
    with pytest.raises(LexipixError, match="safetensors"):
        models.backbone("x", KEY)


def test_weights_of_something_else_are_reported(models, tmp_path):
    from safetensors.torch import load_file, save_file

    save_backbone(tmp_path / "x")
    weights = load_file(tmp_path / "x/model.safetensors")
    kept = {key: value for key, value in weights.items() if "stages.3" not in key}
    save_file(kept, tmp_path / "x/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LexipixError, match="lacks weights of a resnet"):
        models.backbone("x", KEY)


def test_dataset_gives_a_reader(tmp_path):
    assert PretrainedModelsDataset(path=str(tmp_path)).load().root == tmp_path


def test_sentence_encoder_pools_as_its_folder_says(models, tmp_path):
    save_sentence_encoder(tmp_path / "mean", ["red"])
    save_sentence_encoder(tmp_path / "first", ["red"], pools_first=True)
    save_sentence_encoder(tmp_path / "clip", ["red"], family="clip")
    found = [models.sentence_encoder(name, "the.key").pooling for name in ("mean", "first", "clip")]
    assert found == ["mean", "first", "projection"]


def test_sentence_encoder_without_its_weights_is_reported(models, tmp_path):
    from safetensors.torch import load_file, save_file

    save_sentence_encoder(tmp_path / "x", ["red"])
    weights = load_file(tmp_path / "x/model.safetensors")
    kept = {name: value for name, value in weights.items() if "query" not in name}
    save_file(kept, tmp_path / "x/model.safetensors", {"format": "pt"})
    with pytest.raises(LexipixError, match=r"the\.key = 'x' lacks weights: .*query"):
        models.sentence_encoder("x", "the.key")
