"""Trainings by several workers of a cluster."""

import threading
from dataclasses import replace
from functools import partial

import pytest
from tests.support import cluster_work
from tests.support.cluster import wait_until
from tests.support.parameters import section
from tests.support.small_world import ListStream, NoPretrained, features, image_splits

from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.engines.local import LOCAL
from lexipix.training.builders.common import TrainingJob, run_training
from lexipix.training.builders.contrastive_pair import build_contrastive_pair
from lexipix.training.builders.image_tokenizer import build_image_tokenizer
from lexipix.utils.errors import LexipixError

RUN = section("run", {"seed": 3, "precision": "fp32", "device": "cpu", "threads": 1})


def tokenizer_job(**training):
    """The training of an image tokenizer that draws no random numbers, which differ among workers."""
    schedule = {"num_images": 20 * 16, "batch_size": 16, "num_validations": 20}
    schedule |= {"gradient_accumulation_steps": 1} | training
    small = {"width": 8, "depth": 1, "nested_dropout_prob": 0.0}
    changes = small | {f"training.{key}": value for key, value in schedule.items()}
    parameters = section("generator.tokens.tokenizer", changes)
    build = partial(build_image_tokenizer, RUN, parameters, image_splits())
    key = "generator.tokens.tokenizer"
    return TrainingJob("image_tokenizer", key, build, parameters.training, RUN, "digest")


def losses_of(job, folder, engine):
    stream = ListStream()
    outputs = run_training(job, stream, FileCheckpoints(folder / "model.safetensors"), engine)
    return [row["loss"] for _, row in stream.rows], outputs


def test_two_workers_learn_what_one_process_learns(machines, tmp_path):
    job = tokenizer_job()
    alone, (_, curves, metrics, grid) = losses_of(job, tmp_path, LOCAL)
    engine = machines(2).engine(tmp_path / "parts")
    together, (bundle, curves_of_two, metrics_of_two, grid_of_two) = losses_of(job, tmp_path, engine)
    assert len(alone) == 20 and together == pytest.approx(alone, rel=0.01)
    assert metrics_of_two["images_seen"] == metrics["images_seen"] == 320
    assert metrics_of_two["val_psnr"] == pytest.approx(metrics["val_psnr"], abs=0.1)
    assert curves_of_two.columns.tolist() == curves.columns.tolist() and grid_of_two.shape == grid.shape
    assert bundle.config["kind"] == "image_tokenizer" and not list(tmp_path.glob("*.safetensors"))


def test_embeddings_of_all_workers_are_compared(machines, tmp_path):
    training = {"num_images": 20 * 16, "num_validations": 20}
    parameters = features(training, augment=False, flip=False)
    build = partial(build_contrastive_pair, RUN, parameters, image_splits(), NoPretrained())
    job = TrainingJob("features", "features", build, parameters.training, RUN, "digest")
    alone, _ = losses_of(job, tmp_path, LOCAL)
    together, _ = losses_of(job, tmp_path, machines(2).engine(tmp_path / "parts"))
    # Without the other worker's images a batch has half the wrong captions, and a loss lower by log 2
    assert together[0] == pytest.approx(alone[0], rel=0.02)
    assert together[-5:] == pytest.approx(alone[-5:], rel=0.2)


def test_figures_of_two_workers_lie_within_the_spread_of_three_seeds(machines, tmp_path):
    parameters = features({"num_images": 60 * 16})

    def figures(seed, engine):
        run = RUN.model_copy(update={"seed": seed})
        build = partial(build_contrastive_pair, run, parameters, image_splits(), NoPretrained())
        job = TrainingJob("features", "features", build, parameters.training, run, "digest")
        _, (_, _, metrics, _) = losses_of(job, tmp_path, engine)
        return {key: metrics[key] for key in ("val_objective", "val_accuracy")}

    alone = [figures(seed, LOCAL) for seed in (3, 4, 5)]
    engine = machines(2).engine(tmp_path / "parts")
    for key, value in figures(3, engine).items():
        values = [one[key] for one in alone]
        spread = max(values) - min(values)
        assert min(values) - spread <= value <= max(values) + spread, key


def test_a_training_goes_on_with_the_workers_that_are_left(machines, tmp_path):
    job, log = tokenizer_job(checkpoint_seconds=0.5, num_images=100 * 16), tmp_path / "steps"
    expected, _ = losses_of(job, tmp_path, LOCAL)
    slow = replace(job, build=partial(cluster_work.slowed, job.build, 0.1, log))
    cluster, found = machines(2), []
    engine, checkpoint = cluster.engine(tmp_path / "parts"), tmp_path / "two" / "model.safetensors"
    checkpoint.parent.mkdir()
    thread = threading.Thread(target=lambda: found.append(losses_of(slow, checkpoint.parent, engine)))
    thread.start()
    wait_until(checkpoint.is_file)
    cluster.lose(cluster.nodes[1])
    thread.join(300)
    ((losses, (_, _, metrics, _)),) = found
    assert metrics["images_seen"] == 1600 and losses[-1] == pytest.approx(expected[-1], rel=0.02)
    steps = [line.split() for line in log.read_text().splitlines()]
    together, alone = ([float(at) for at, n in steps if n == count] for count in ("2", "1"))
    assert together[0] == 0 and 0 < alone[0] <= together[-1] + 0.01, "it goes on from the checkpoint"
    assert len(together) < 100 and alone == pytest.approx([alone[0] + n / 100 for n in range(len(alone))])
    assert alone[-1] == pytest.approx(0.99)
    assert not list(tmp_path.rglob("*.pkl")) and not checkpoint.exists()


def test_the_number_of_workers_divides_the_batch(machines, tmp_path, caplog):
    caplog.set_level("INFO")
    job = tokenizer_job(num_validations=1, num_images=16)
    losses_of(job, tmp_path, machines(3).engine(tmp_path / "parts"))
    assert "Training with 2 workers" in caplog.text


def test_a_training_that_diverges_is_one_sentence_and_is_not_repeated(machines, tmp_path, caplog):
    job = tokenizer_job()
    broken = replace(job, build=partial(cluster_work.diverging, job.build))
    with pytest.raises(LexipixError, match=r"^The training of image_tokenizer diverged: after 16 images"):
        losses_of(broken, tmp_path, machines(2).engine(tmp_path / "parts"))
    assert "starts from its checkpoint" not in caplog.text
