from dataclasses import replace

import pytest
from tests.support.parameters import section

from lexipix.compression import distillation
from lexipix.compression.distillation import DistillationData, distill, distill_text_encoder


class Stop(Exception):
    """Ends a distillation before it trains."""


@pytest.fixture
def data(image_splits, prior, gan):
    """Gives the data of a distillation of a GAN that read captions in their first wording that often."""

    def go(prob):
        teacher = replace(gan, card={**gan.card, "parameters": {"primary_caption_prob": prob}})
        return DistillationData(image_splits, image_splits.train.captions, prior, teacher, None, None)

    return go


@pytest.mark.parametrize(("family", "chosen"), [("vae", "prior"), ("gan", "gan"), ("auto", "gan")])
def test_the_teacher_is_of_the_chosen_family(prior, gan, data, family, chosen):
    compression = section("compression", {"variants": ["onnx_fp32"], "champion.family": family})
    bundle, _, metrics, _ = distill("pruned", compression, section("run"), replace(data(0.5), gan=gan))
    assert bundle is {"prior": prior, "gan": gan}[chosen] and metrics == {}


@pytest.mark.parametrize("prob", [0.0, 0.25])
def test_students_read_captions_as_their_teacher_did(monkeypatch, data, prob):
    def task(*given, primary_caption_prob, **settings):
        raise Stop(primary_caption_prob)

    monkeypatch.setattr(distillation, "generate_targets", lambda *_: None)
    monkeypatch.setattr(distillation, "DistillationTask", task)
    compression = section("compression", {"variants": ["pruned_onnx_fp32"]})
    with pytest.raises(Stop, match=str(prob)):
        distill("pruned", compression, section("run"), data(prob))


@pytest.mark.parametrize("prob", [0.0, 0.25])
def test_a_text_encoder_reads_captions_as_its_teacher_did(monkeypatch, data, prob):
    def encode(network, captions, n, primary_caption_prob, *_):
        raise Stop(primary_caption_prob)

    monkeypatch.setattr(distillation, "encode_captions", encode)
    compression = section("compression", {"variants": ["small_onnx_fp32"]})
    with pytest.raises(Stop, match=str(prob)):
        distill_text_encoder(compression, section("run"), data(prob))
