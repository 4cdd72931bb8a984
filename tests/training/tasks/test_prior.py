import pytest
import torch
from tests.support.generator_world import Training, check_reproducible, world

from lexipix.training.builders.common import pca_sample


@pytest.fixture
def make():
    def make(imle_candidates=1, **changes):
        vae = world().vae()
        vae.init_from_pca(pca_sample(world().images))
        model = world().text_to_image()
        model.decoder = vae.decoder
        return world().prior_task(model, vae.encoder, imle_candidates=imle_candidates, **changes)

    return make


@pytest.mark.parametrize("candidates", [1, 3])
def test_a_few_captions_are_learned(make, candidates):
    result, _, _ = Training(lambda: make(candidates), images=240)()
    loss = [row["loss"] for row in result.curves]
    assert loss[-1] < 0.8 * loss[0]


def test_only_the_prior_learns(make):
    task = make()
    before = {key: value.clone() for key, value in task.model.state_dict().items()}
    task.step(torch.arange(8), 0.0)
    moved = {key for key, value in task.model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved and all(key.startswith("prior.") for key in moved)


def test_the_nearest_of_several_candidates_sets_the_loss(make):
    one, many = [], []
    for seed in range(4):
        for candidates, losses in ((1, one), (8, many)):
            torch.manual_seed(seed)
            losses.append(float(make(candidates).step(torch.arange(8), 0.0)["loss"]))
    assert sum(many) < sum(one)


def test_a_caption_is_encoded_once_however_many_candidates_are_compared(make, monkeypatch):
    task, calls = make(5), []
    for name in ("condition", "sample_latents"):
        method = getattr(task.model.prior, name)
        monkeypatch.setattr(
            task.model.prior, name, lambda *given, n=name, m=method: calls.append(n) or m(*given)
        )
    task.step(torch.arange(8), 0.0)
    assert calls == ["condition"] + ["sample_latents"] * 6


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_conditioning_learns_though_candidates_are_compared_without_gradients(make, precision):
    task = make(3)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        for _ in range(2):  # what starts at zero passes no gradient on in the first step
            task.step(torch.arange(8), 0.0)
    without = {name for name, weight in task.model.prior.named_parameters() if weight.grad is None}
    assert not without


@pytest.mark.parametrize("changes", [{}, {"imle_candidates": 2, "training.gradient_accumulation_steps": 2}])
def test_one_seed_gives_the_same_bytes_interrupted_or_not(make, changes):
    check_reproducible(lambda: make(flip=True, **changes))
