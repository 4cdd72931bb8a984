import pytest
import torch
from tests.support.generator_world import SIZE, Training, check_reproducible, pair_on, world

from lexipix.data.images import to_uint8
from lexipix.data.tokenization import PAD_ID
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import Decoder
from lexipix.training.tasks.distillation import DistillationTask, generate_targets


def teacher(upsampling=False):
    model = world().text_to_image(upsampling)
    with torch.no_grad():  # what starts at zero would give all captions one picture
        torch.manual_seed(4)
        for weight in model.parameters():
            if not weight.abs().sum():
                weight.normal_(std=0.1)
    return model.eval()


def student(upsampling=False):
    torch.manual_seed(5)
    decoder = UpsamplingDecoder(SIZE, 4, 8) if upsampling else Decoder(SIZE // 8, 4, 8, 1)
    text_encoder = TextEncoder(world().vocabulary, 48, 32, 1, 8)
    return TextToImage(None, text_encoder, TextPrior(32, 8, 4, 32, 1, 3), decoder, PAD_ID)


def task(upsampling=False, same_network=False):
    captions = world().captions
    one = teacher(upsampling) if same_network else student(upsampling)
    torch.manual_seed(6)
    drawn = generate_targets(teacher(upsampling), captions, 12, "targets")
    return DistillationTask(
        one, drawn, drawn, captions, captions, learning_rate=2e-3, primary_caption_prob=1.0
    )


@pytest.mark.parametrize("upsampling", [False, True])
def test_student_comes_to_draw_what_its_teacher_draws(upsampling):
    result, _, stream = Training(lambda: task(upsampling), images=640)()
    fidelity = [row["val_fidelity"] for _, row in stream.rows]
    assert fidelity[-1] > fidelity[0] + 1
    assert result.metrics["val_fidelity"] == max(fidelity)
    assert [half.shape for half in pair_on(result.sample_grid, 11, 12, SIZE)] == [(SIZE, SIZE, 3)] * 2


def test_the_text_encoding_stays_as_it_is():
    learns = task()
    before = {key: value.clone() for key, value in learns.student.state_dict().items()}
    learns.step(torch.arange(6), 0.5)
    reading = ("text_encoder.", "prior.proj_in.", "prior.text_norm.", "prior.text_layers.")
    changed = {
        key for key, value in learns.student.state_dict().items() if not torch.equal(value, before[key])
    }
    assert "prior.proj_out.weight" in changed
    assert not [key for key in changed if key.startswith(reading)]


def test_a_student_that_is_its_teacher_has_next_to_nothing_to_learn():
    learns = task(same_network=True)
    with torch.no_grad():
        assert learns.validate()["fidelity"] > 55  # pictures are kept in 8 bits


def test_targets_are_what_the_teacher_generates_from_first_wordings():
    captions = world().captions
    torch.manual_seed(6)
    drawn = generate_targets(teacher(), captions, 5, "targets")
    assert drawn.noise.shape == (5, 3) and drawn.latents.shape[0] == 5
    with torch.no_grad():
        expected = to_uint8(teacher()(captions.primary(torch.arange(5)), drawn.noise))
    assert (drawn.images.numpy() == expected).all()
    assert len(generate_targets(teacher(), captions, 10**6, "targets").noise) == len(captions)


def test_latents_are_learned_only_where_both_draw_from_the_same_kind():
    assert task().channel_weights is not None and task().targets.latents is not None
    assert task(upsampling=True).channel_weights is None and task(upsampling=True).targets.latents is None


def test_one_seed_gives_the_same_bytes_interrupted_or_not():
    check_reproducible(task)
