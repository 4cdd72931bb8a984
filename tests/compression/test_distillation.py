from types import SimpleNamespace

import pytest
import torch
from tests.support.parameters import section

from lexipix.compression import distillation
from lexipix.compression.distillation import Teacher, choose_teacher, distill
from lexipix.pipelines.compression.pipeline import create_pipeline


@pytest.mark.parametrize(("family", "prob"), [("vae", 0.0), ("gan", 0.25), ("auto", 0.25)])
def test_a_teacher_has_the_primary_caption_prob_of_its_own_training(family, prob):
    metrics = {"val_alignment": 0.4}, {"val_alignment": 0.5}
    teacher = choose_teacher(family, "prior", "gan", *metrics, 0.0, 0.25)
    assert teacher == Teacher("prior" if prob == 0 else "gan", prob)


def test_the_parameters_reach_every_distillation():
    wanted = {f"params:generator.{family}.primary_caption_prob" for family in ("prior", "gan")}
    nodes = [node for node in create_pipeline().nodes if node.name.startswith("distill_")]
    assert len(nodes) == 3 and all(wanted <= set(node.inputs) for node in nodes)


class Stop(Exception):
    """Ends a distillation before it trains."""


@pytest.mark.parametrize("prob", [0.0, 0.25])
def test_students_read_captions_as_their_teacher_did(monkeypatch, prob):
    def task(*given, primary_caption_prob, **settings):
        raise Stop(primary_caption_prob)

    network = torch.nn.Linear(1, 1)
    setup = SimpleNamespace(network=network, captions=[], validation=[], device=torch.device("cpu"))
    monkeypatch.setattr(distillation, "_setup", lambda *_: setup)
    monkeypatch.setattr(distillation, "make_student", lambda *_: ({}, network))
    monkeypatch.setattr(distillation, "generate_targets", lambda *_: None)
    monkeypatch.setattr(distillation, "DistillationTask", task)
    compression = section("compression", {"variants": ["pruned_onnx_fp32"]})
    teacher = Teacher(SimpleNamespace(config={"network": {}}), prob)
    with pytest.raises(Stop, match=str(prob)):
        distill("pruned", compression, section("run"), None, None, teacher, None, None)


@pytest.mark.parametrize("prob", [0.0, 0.25])
def test_a_text_encoder_reads_captions_as_its_teacher_did(monkeypatch, prob):
    def encode(network, captions, n, primary_caption_prob, *_):
        raise Stop(primary_caption_prob)

    setup = SimpleNamespace(
        network=torch.nn.Linear(1, 1), captions=[], validation=[], device=torch.device("cpu")
    )
    monkeypatch.setattr(distillation, "_setup", lambda *_: setup)
    monkeypatch.setattr(distillation, "make_student", lambda *_: ({}, None))
    monkeypatch.setattr(distillation, "encode_captions", encode)
    teacher = Teacher(SimpleNamespace(config={"network": {"prior": {}}}), prob)
    with pytest.raises(Stop, match=str(prob)):
        distillation.distill_text_encoder(
            section("compression", {"variants": ["small_onnx_fp32"]}), section("run"), None, None, teacher,
            None, None,
        )  # fmt: skip
