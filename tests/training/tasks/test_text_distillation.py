import pytest
import torch
from tests.support.generator_world import SIZE, Training, check_reproducible, world

from lexipix.data.tokenization import PAD_ID
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder
from lexipix.training.tasks.text_distillation import TextDistillationTask, encode_captions, encode_words


def teacher():
    return world().text_to_image(False).eval()


def targets(n=24):
    torch.manual_seed(6)
    return encode_captions(teacher(), world().captions, n, 0.5, "targets")


def student():
    torch.manual_seed(5)
    wide = teacher().prior
    prior = TextPrior(
        32, wide_vector(), 4, wide.text_norm.normalized_shape[0], 1, wide.noise_dim, text_layers=0
    )
    text_encoder = TextEncoder(world().vocabulary, 48, 32, 1, wide_vector())
    return TextToImage(None, text_encoder, prior, Decoder(SIZE // 8, 4, 8, 1), PAD_ID)


def wide_vector():
    return teacher().text_encoder.project.out_features


def task():
    return TextDistillationTask(student(), targets(), targets(), learning_rate=1e-2)


def test_targets_are_what_the_teacher_makes_of_each_token():
    encoded = targets()
    assert len(encoded.ids) == 24, "more targets than captions: some are read again, in another wording"
    ids = encoded.ids[3][encoded.ids[3] != PAD_ID][None].long()
    with torch.no_grad():
        words, vectors = encode_words(teacher(), ids)
    torch.testing.assert_close(
        encoded.hidden_states[3, : ids.shape[1]].float(), words[0], atol=5e-3, rtol=5e-3
    )
    torch.testing.assert_close(encoded.embeddings[3], vectors[0], atol=1e-5, rtol=0)


def test_student_comes_to_understand_what_its_teacher_does():
    result, _, stream = Training(task, images=960)()
    unexplained = [row["val_unexplained"] for _, row in stream.rows]
    assert unexplained[-1] < 0.5 * unexplained[0]
    assert result.metrics["val_vector_cosine"] > 0.9
    assert result.sample_grid is None


def test_only_the_text_encoding_learns():
    learns = task()
    before = {key: value.clone() for key, value in learns.student.state_dict().items()}
    learns.step(torch.arange(6), 0.5)
    changed = {
        key for key, value in learns.student.state_dict().items() if not torch.equal(value, before[key])
    }
    assert {key.split(".")[0] for key in changed} == {"text_encoder", "prior"}
    assert all(key.startswith(("text_encoder.", "prior.proj_in", "prior.text_norm")) for key in changed)


def test_padding_is_no_target():
    learns = task()
    rows = torch.arange(6)
    before = [float(value.detach()) for value in learns._errors(learns.targets, rows)]
    longer = torch.nn.functional.pad(learns.targets.ids, (0, 3), value=PAD_ID)
    words = torch.nn.functional.pad(learns.targets.hidden_states, (0, 0, 0, 3), value=9.0)
    padded = learns.targets._replace(ids=longer, hidden_states=words)
    assert [float(value.detach()) for value in learns._errors(padded, rows)] == pytest.approx(before)


def test_one_seed_gives_the_same_bytes_interrupted_or_not():
    check_reproducible(task)
