import pytest
import torch
from tests.support.generator_world import CPU, Training, check_reproducible, check_resumes, world

from lexipix.training.tasks.prior import PriorTask, best_of_noises


@pytest.fixture
def make():
    def make(noises=1, flip=False):
        vae = world().vae()
        vae.init_from_pca(torch.from_numpy(world().images).permute(0, 3, 1, 2).float() / 127.5 - 1)
        model = world().text_to_image()
        model.decoder = vae.decoder
        return PriorTask(
            model,
            vae.encoder,
            world().images,
            world().captions,
            world().validation(),
            learning_rate=2e-3,
            noises=noises,
            canonical_share=0.5,
            flip=flip,
            device=CPU,
        )

    return make


def test_best_of_noises_by_hand():
    errors = torch.tensor([[1.0, 5.0, 2.0], [3.0, 4.0, 0.5]])
    assert float(best_of_noises(errors)) == pytest.approx((1 + 4 + 0.5) / 3)
    assert float(best_of_noises(errors[:1])) == pytest.approx(8 / 3)


@pytest.mark.parametrize("noises", [1, 3])
def test_a_few_captions_are_learned(make, noises):
    result, _, _ = Training(lambda: make(noises), images=480)()
    loss = [row["loss"] for row in result.curves]
    assert loss[-1] < 0.8 * loss[0]


def test_only_the_prior_learns(make):
    task = make()
    before = {key: value.clone() for key, value in task.model.state_dict().items()}
    task.step(torch.arange(8), 0.0)
    moved = {key for key, value in task.model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved and all(key.startswith("prior.") for key in moved)


def test_errors_count_by_what_a_component_does_to_the_picture(make):
    task = make()
    weights = task.channel_weights.flatten()
    assert float(weights.mean()) == pytest.approx(1.0, rel=1e-5)
    # Whitened components come in the order of what they explain
    assert (weights.diff() <= 1e-6).all()


def test_with_several_noises_the_best_candidate_sets_the_loss(make):
    one, many = [], []
    for seed in range(4):
        for noises, losses in ((1, one), (8, many)):
            torch.manual_seed(seed)
            losses.append(float(make(noises).step(torch.arange(8), 0.0)["loss"]))
    assert sum(many) < sum(one)


@pytest.mark.parametrize("noises", [1, 2])
def test_same_seed_same_bytes(make, noises):
    check_reproducible(lambda: make(noises, flip=True))


@pytest.mark.parametrize("noises", [1, 2])
def test_resumes_to_the_bit(make, noises):
    check_resumes(lambda: make(noises, flip=True))
