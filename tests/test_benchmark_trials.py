"""Benchmarks that train: their pieces, and each as a whole on the tiny models of the smoke environment."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from tests.support.generator_world import world
from tests.support.project import REPOSITORY
from tokenizers import Tokenizer

from lexipix.data.tokenization import EOS_ID, PAD_ID
from lexipix.models.language_model import small_gpt2
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.vae import Decoder


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """The scripts import each other, as they do when one of them is started."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    monkeypatch.setenv("LEXIPIX_MLFLOW", "0")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(REPOSITORY / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


IDS = torch.tensor([[5, 6, 7, EOS_ID], [7, 5, 6, EOS_ID]])


def read(name):
    from readers import ARMS, Reader

    torch.manual_seed(0)
    captioner = SimpleNamespace(language_model=small_gpt2(40, 16, 32, 2, EOS_ID))
    reader = Reader(ARMS[name], captioner, seed=1)
    return reader, reader(IDS, IDS != PAD_ID), captioner.language_model


def test_results_are_kept_until_the_setting_changes(tmp_path):
    from trials import kept

    made = []
    for setting in ({"a": (1, 2)}, {"a": (1, 2)}, {"a": (1, 3)}):
        found = kept(tmp_path / "x" / "one.json", setting, lambda: made.append(1) or {"n": len(made)})
    assert found["n"] == len(made) == 2
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["one.json"]


def test_pictures_to_the_target_lie_between_two_reports():
    from reading_trials import images_to

    assert images_to(0.5, [100, 200], [0.4, 0.6]) == pytest.approx(150)
    assert images_to(0.5, [100], [1.0]) == pytest.approx(50)
    assert images_to(0.5, [100, 200], [0.2, 0.4]) is None


def test_a_bag_of_words_knows_no_order_and_a_language_model_does():
    _, states, _ = read("bag")
    assert torch.equal(states[0, :3], states[1, [1, 2, 0]])
    for name in ("frozen", "random"):
        _, states, _ = read(name)
        assert not torch.allclose(states[0, :3], states[1, [1, 2, 0]])


def test_arms_read_by_the_weights_that_they_name():
    _, frozen, model = read("frozen")
    assert torch.allclose(frozen, model.base_model(input_ids=IDS)[0], atol=1e-5) and not frozen.requires_grad
    _, tuned, _ = read("finetuned")
    assert torch.allclose(tuned, frozen, atol=1e-5) and tuned.requires_grad
    reader, layers, _ = read("layers")
    assert layers.shape[-1] == reader.width == 3 * 32 and torch.allclose(layers[..., -32:], frozen, rtol=0.02)
    assert not torch.allclose(read("random")[1], frozen)
    assert not read("random-frozen")[1].requires_grad
    assert read("none")[1].shape == (2, 4, 0)


@pytest.mark.parametrize(("name", "learns"), [("frozen", False), ("finetuned", True), ("bag", True)])
def test_a_reader_learns_with_its_prior_or_stays(name, learns):
    from readers import ReadingModel, ReadingPrior, grouped

    reader, _, _ = read(name)
    sizes = {"embed_dim": 8, "latent_channels": 4, "width": 32, "depth": 1, "noise_dim": 3}
    prior = ReadingPrior(reader, "solved", 32, **sizes)
    model = ReadingModel(TextEncoder(40, 16, 32, 1, 8), prior, world().vae().decoder, PAD_ID)
    assert isinstance(model.decoder, Decoder)
    model.requires_grad_(False)
    prior.set_trainable(True)
    assert all(weight.requires_grad == learns for weight in reader.parameters())
    with torch.no_grad():
        reading = model.encode_text(IDS)
    model.decode(reading, torch.randn(2, 3)).sum().backward()
    assert all(weight.grad is None for weight in prior.sentence.parameters())
    assert prior.proj_in[1].weight.grad is not None and prior.proj_in[1].in_features == 32
    if learns:
        assert any(weight.grad is not None for weight in reader.parameters())
        weights = [weight for weight in prior.parameters() if weight.requires_grad]
        optimizer = grouped(torch.optim.AdamW(weights, 1e-2, betas=(0.5, 0.6)), reader, 0.25)
        assert [group["lr"] for group in optimizer.param_groups] == [1e-2, 2.5e-3]
        assert optimizer.defaults["betas"] == (0.5, 0.6)
        assert sum(len(group["params"]) for group in optimizer.param_groups) == len(weights)


def test_a_vector_is_solved_for_the_states_as_they_are_before_the_training():
    from readers import SentenceVector, Words

    reader, states, _ = read("finetuned")
    states, mask = states.detach(), IDS != PAD_ID
    words = Words(IDS, mask, states, torch.zeros(2, 3))
    sentence = SentenceVector(reader, 3)
    wanted = torch.eye(3)[:2]
    described = torch.randn(200, 64)
    described[:2] = sentence.describe(states, words).detach()
    assert not torch.allclose(described[0], described[1])
    vectors = torch.cat([wanted, torch.zeros(198, 3)])
    sentence.solve(described.repeat(4, 1), vectors.repeat(4, 1))
    before = sentence(states, words)
    assert torch.allclose(before.norm(dim=1), torch.ones(2)) and (before @ wanted.T).argmax(1).tolist() == [
        0,
        1,
    ]
    with torch.no_grad():
        reader.network.wte.weight.zero_()  # what learns along may become anything
    assert torch.allclose(sentence(reader(IDS, mask), words), before)


def test_a_probe_finds_objects_and_what_states_know_of_them():
    from reading_probe import agreement, ends

    text = "a small red ring at the top left and a big blue star at the right on white"
    tokenizer = world_tokenizer()
    ids, places, truth = ends([text], tokenizer, 48)
    words = [tokenizer.decode([int(ids[0, last])]).strip() for _, last in places]
    assert len(words) == 2 and "left".endswith(words[0]) and "right".endswith(words[1])
    assert truth.tolist() == [[0, 0, 6], [1, 5, 4]]
    known = torch.nn.functional.one_hot(torch.arange(40) % 4, 4).float()
    assert agreement([known, known], [torch.arange(40) % 4] * 2, 4, 1e-3) == 1.0


def world_tokenizer() -> Tokenizer:
    import numpy as np

    from lexipix.data.tokenization import train_tokenizer
    from lexipix.scenes import caption, sample_scene

    rng = np.random.default_rng(0)
    return train_tokenizer([caption(sample_scene(rng)) for _ in range(200)], 400)


def run(module, smoke, monkeypatch, tmp_path, *arguments):
    monkeypatch.setattr(module, "REPOSITORY", smoke.path)
    monkeypatch.setattr(sys, "argv", ["x", "--env", "smoke", "--out", str(tmp_path), *arguments])
    module.main()
    return json.loads((tmp_path / f"{module.__name__}.json").read_text())["rows"]


def at_targets(rows):
    return [one for one in rows if (one["stage"], one["accuracy"]) in {("prior", 0.99), ("gan", 0.5)}]


def test_the_language_model_is_compared_and_goes_on_where_it_was(smoke, monkeypatch, tmp_path, capsys):
    import language_model

    asked = [
        "--arms", "frozen", "finetuned", "random", "bag", "told", "--seeds", "0", "--images", "64",
        "--gan-images", "32", "--every", "32", "--shown", "8", "--target", "0.99", "--precision", "fp32",
        "--beside", "solved",
    ]  # fmt: skip
    rows = run(language_model, smoke, monkeypatch, tmp_path, *asked)
    marks = [*[0.3] * 5, *[0.6] * 5, *[0.99] * 5, *[0.3] * 4, *[0.5] * 4]
    assert [one["accuracy"] for one in rows] == marks
    rows = at_targets(rows)
    assert [(one["stage"], one["language model"]) for one in rows] == [
        *(("prior", arm) for arm in ("frozen", "finetuned", "random", "bag", "told")),
        *(("gan", arm) for arm in ("frozen", "finetuned", "random", "bag")),
    ]
    assert all(one["gave up"] == "1 of 1" and one["pictures/s"] > 0 for one in rows)
    assert "contrastive text encoder | " in capsys.readouterr().out
    trial = json.loads((tmp_path / "language_model" / "prior-told-solved-0.json").read_text())
    assert trial["images"] == [32, 64] and len(trial["accuracy"]) == 2
    monkeypatch.setattr(language_model, "trained", lambda *_: pytest.fail("trained again"))
    again = run(language_model, smoke, monkeypatch, tmp_path, *asked)
    again = at_targets(again)
    assert [one["pictures to it"] for one in again] == [one["pictures to it"] for one in rows]


def test_a_speed_up_over_what_gave_up_is_a_lower_bound():
    from language_model import BESIDE, FEWER, row, said

    beside = "contrastive"
    setting = SimpleNamespace(images=400)
    curves = {
        ("frozen", beside): [{"images": [100, 200], "accuracy": [0.4, 0.8]}],
        ("random", beside): [{"images": [200, 400], "accuracy": [0.4, 0.6]}],
    }
    speed = {("frozen", beside): 50.0, ("random", beside): 25.0}
    rows = [
        row("prior", arm, list(curves), curves, speed, setting, mark) for mark in (0.4, 0.7) for arm in curves
    ]
    passed, _, reached, gave_up = rows
    assert (passed["pictures to it"], passed[FEWER], passed["seconds to it"]) == (100, 2.0, 2.0)
    assert reached["pictures to it"] == pytest.approx(175)
    assert (gave_up["pictures to it"], gave_up["gave up"]) == (400, "1 of 1")
    assert reached[FEWER] == pytest.approx(400 / 175) and FEWER not in gave_up
    text = said("prior", rows)
    assert (
        f"accuracy 0.4, vector {BESIDE[beside]}: the best use of the language model (frozen) needs 2.00"
        in text
    )
    assert "accuracy 0.7" in text and "needs at least 2.29 times fewer" in text


def test_the_loop_is_compared_seed_by_seed(smoke, monkeypatch, tmp_path, capsys):
    import loop

    asked = ["--seeds", "0", "--images", "64", "--gan-images", "32", "--reports", "2", "--judged", "16"]
    rows = run(loop, smoke, monkeypatch, tmp_path, *asked)
    assert [one["stage and loop"] for one in rows] == ["prior, off", "prior, on", "gan, off", "gan, on"]
    assert all(one.keys() >= {"attribute accuracy", "KID", "PSNR", "training, s"} for one in rows)
    assert rows[2]["PSNR"] != rows[3]["PSNR"]
    assert "| prior | PSNR |" in capsys.readouterr().out


def test_what_descriptions_are_worth_is_compared(smoke, monkeypatch, tmp_path):
    import few_captions

    asked = ["--share", "0.5", "--least", "0", "1", "--seeds", "0", "--judged", "16"]
    none, every, sure, true = run(few_captions, smoke, monkeypatch, tmp_path, *asked)
    assert [row["descriptions"] for row in (none, every, sure, true)] == [
        "none", "as sure as 0.0", "as sure as 1.0", "true",
    ]  # fmt: skip
    assert none["learned from"] == sure["learned from"] < true["learned from"] < every["learned from"]
    assert (none["word for word"], true["word for word"]) == ("-", 1) and 0 <= every["word for word"] < 1
    for row in (none, every, sure, true):
        assert all(", real " in row[name] for name in ("kept", "withheld", "test"))
    monkeypatch.setattr(few_captions, "train_prior", lambda *_: pytest.fail("trained again"))
    assert run(few_captions, smoke, monkeypatch, tmp_path, *asked) == [none, every, sure, true]
