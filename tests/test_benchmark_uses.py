"""The functions of the benchmarks of uses: restoration, drawing in real time, augmentation."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.support.benchmark_scripts import scripts  # noqa: F401
from tests.support.parameters import section

from lexipix.datasets.sources.cifar10 import CLASSES
from lexipix.evaluation.class_agreement import LabeledImages

pytestmark = pytest.mark.usefixtures("scripts")


def test_frames_that_come_too_late_are_missed():
    from real_time import row, run_loop

    now = [100.0]

    def sleep(seconds):
        now[0] += seconds

    takes = {0: 0.2, 1: 0.9, 2: 2.5, 5: 1.0}  # frames of a second each; 3 and 4 begin while 2 is drawn
    drawn = []

    def draw(frame):
        drawn.append(frame)
        now[0] += takes[frame]

    times = run_loop(draw, 1.0, 6, lambda: now[0], sleep)
    assert drawn == [0, 1, 2, 5] and times.n_missed == 3
    assert times.seconds == pytest.approx([0.2, 0.9, 2.5, 1.0])
    assert now[0] == 106.0
    found = row("m", times)
    assert (found["frames"], found["missed"], found["missed, %"]) == (6, 3, 50.0)
    assert found["p50, ms"] == pytest.approx(950) and found["max, ms"] == 2500


def test_every_frame_draws_a_prompt_that_is_not_in_the_cache():
    from real_time import measure
    from tests.support.exported_models import make_toys

    from lexipix.inference.onnx_generator import OnnxGenerator

    generator, encoded = OnnxGenerator(make_toys()["onnx_vae"]), []
    generator._read = lambda ids: encoded.append(len(ids)) or generator.run("read", ids=ids)
    times = measure(generator, ["a red circle"], hz=200.0, seconds=0.1)
    assert times.n_due == 20 and len(times.seconds) + times.n_missed >= 20
    assert len(encoded) == len(times.seconds) + 20


def test_holes_and_noise_are_where_they_are_measured():
    from restoration import MARGIN, mean_scores, scores_inside, square_holes, with_noise

    images = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), np.uint8)
    holes, corners = square_holes(9, 16, 4, seed=1)
    assert (holes.sum((1, 2)) == 16).all() and len(np.unique(corners, axis=0)) > 4
    assert corners.min() >= MARGIN and corners.max() <= 16 - MARGIN - 4
    changed = np.where(holes[..., None], 255 - images, images)
    outside = np.where(holes[..., None], images, 255 - images)
    assert scores_inside(changed, images, corners, 4)["PSNR"] < 10
    assert scores_inside(outside, images, corners, 4)["PSNR"] == 100.0
    same = {"PSNR": 100.0, "PSNR of the mean error": pytest.approx(100.0), "SSIM": 1.0}
    assert scores_inside(images, images, corners, 4) == same
    half = images.copy()
    half[0, *(slice(at, at + 4) for at in corners[0])] ^= 255
    row = scores_inside(half, images, corners, 4)
    assert row["PSNR of the mean error"] < 20 < row["PSNR"], "one exact square does not outweigh a wrong one"
    noisy = with_noise(np.full((9, 16, 16, 3), 128, np.uint8), 20.0, 0)
    assert 18 < noisy.std() < 22 and mean_scores(noisy, noisy)["PSNR"] == 100.0


def test_opencv_fills_holes_and_removes_noise():
    pytest.importorskip("cv2")
    from restoration import averaged, blurred, inpainted, square_holes, with_noise

    from lexipix.inference.restoration_result import DamagedImages
    from lexipix.metrics.images import psnr

    ramp = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None] * 12, (3, 16, 16, 3)).copy()
    holes, _ = square_holes(3, 16, 4, seed=0)
    for images in (ramp, np.concatenate([ramp, np.full_like(ramp[..., :1], 255)], axis=-1)):
        for method in ("INPAINT_TELEA", "INPAINT_NS"):
            found = inpainted(DamagedImages(np.where(holes[..., None], 0, images), holes), method)
            assert np.array_equal(found[~holes], images[~holes])
            assert psnr(found, images).mean() > 30
        noisy = with_noise(images, 25.0, 0)
        damaged = DamagedImages(noisy, np.zeros_like(holes), 25.0)
        for denoise in (blurred, averaged):
            assert psnr(denoise(damaged, images), images).mean() > psnr(noisy, images).mean()


def test_every_method_restores_every_damage(monkeypatch):
    import restoration
    from tests.support.latent_models import latent_models, latent_scenes

    captions, images = latent_scenes()
    monkeypatch.setattr(restoration, "inpainted", lambda damaged, method: damaged.filled())
    for name in ("blurred", "averaged"):
        monkeypatch.setattr(restoration, name, lambda damaged, images: damaged.images)
    ours = object.__new__(restoration.Ours)
    run = section("run", {"device": "cpu", "threads": 1})
    ours.model = restoration.RestorationModel(latent_models()["vae"], latent_models()["prior"], run)
    ours.codec = restoration.LatentCodec(latent_models()["vae"], run, 8)
    ours.captioner = SimpleNamespace(caption=lambda images: captions[: len(images)])
    ours.captions, ours.seed = captions, 0
    ours.parameters = section("generation.restore", {"steps": 3, "candidates": 2})
    rows, sheet = restoration.holes(images, ours, 0)
    assert {row["damage"] for row in rows} == {f"hole of {side}x{side} pixels" for side in (2, 4, 6, 8)}
    by_method = {row["method"]: row for row in rows if row["damage"] == "hole of 4x4 pixels"}
    assert by_method["ceiling"]["PSNR"] > by_method["text alone"]["PSNR"]
    assert by_method["lexipix, true caption"]["SSIM"] == by_method["lexipix, generated caption"]["SSIM"]
    assert sheet.dtype == np.uint8 and sheet.ndim == 3
    rows = restoration.noises(images, ours, 0)
    assert len(rows) == len(restoration.NOISES) * 5
    assert all(row["PSNR"] > 5 and -1 <= row["SSIM"] <= 1 for row in rows)


def test_real_pictures_are_balanced_and_nested():
    from augmentation import balanced_rows

    labels = np.random.default_rng(0).integers(0, 10, 2000)
    few, more, other = (
        balanced_rows(labels, 50, 1),
        balanced_rows(labels, 500, 1),
        balanced_rows(labels, 50, 2),
    )
    assert (np.bincount(labels[few]) == 5).all() and (np.bincount(labels[more]) == 50).all()
    assert set(few) <= set(more) and set(few) != set(other)
    assert len(balanced_rows(labels, 53, 1)) == 53


def test_finished_rows_are_not_measured_again(tmp_path):
    from augmentation import NONE, OWN, FinishedRows, summarized

    values = iter([0.5, 0.25])
    path = tmp_path / "new" / "rows.json"
    assert FinishedRows(path).once({"n": 100, "seed": 0}, lambda: next(values)) == 0.5
    again = FinishedRows(path)
    assert again.once({"n": 100, "seed": 0}, lambda: next(values)) == 0.5
    assert again.once({"n": 100, "seed": 1}, lambda: next(values)) == 0.25
    assert [row["accuracy"] for row in json.loads(path.read_text("utf-8"))] == [0.5, 0.25]
    rows = summarized(
        {(100, NONE, False): [0.2, 0.4], (100, OWN, True): [0.5, 0.3], (500, NONE, False): [0.9]}
    )
    assert [row["best"] for row in rows] == ["", "best", "best"]
    assert rows[0]["accuracy"] == pytest.approx(0.3) and (rows[0]["from"], rows[0]["to"]) == (0.2, 0.4)


def test_pictures_of_cifar10_become_a_folder_that_is_read_as_it_was(tmp_path):
    from augmentation import read_cifar10, write_folder
    from tests.datasets.sources.test_cifar10 import batch
    from tests.datasets.sources.test_cifar10 import write_folder as write_cifar10

    from lexipix.datasets.sources.folder import open_folder

    batches = write_cifar10(tmp_path / "cifar-10-batches-py")
    ingestion = section("ingestion", {"image_size": 32, "source.kind": "cifar10"})
    train, test = read_cifar10(batches, SimpleNamespace(parameters=SimpleNamespace(ingestion=ingestion)))
    assert (len(train), len(test)) == (20, 4)
    assert train.labels[:4].tolist() == batch(1)[b"labels"]
    write_folder(tmp_path / "pictures", train=train, test=test)
    ingestion = section("ingestion", {"image_size": 32, "source.kind": "folder", "workers": 0})
    found = list(open_folder(tmp_path / "pictures", ingestion).read())
    for name, some in (("train", train), ("test", test)):
        own = sorted((one for one in found if one.split == name), key=lambda one: one.file)
        assert [one.caption for one in own] == list(some.captions)
        assert np.array_equal(np.stack([one.image for one in own]), some.images)


@pytest.mark.parametrize(("source", "n_seen"), [("none", 40), ("the same pictures", 80)])
def test_a_classifier_learns_from_real_and_drawn_pictures(source, n_seen, monkeypatch):
    import augmentation

    rng = np.random.default_rng(0)
    labels = np.arange(40) % 4
    images = np.clip(60 * labels[:, None, None, None] + rng.integers(0, 30, (40, 16, 16, 3)), 0, 255)
    real = LabeledImages(images.astype(np.uint8), labels, [f"a photo of {n}" for n in labels], list(CLASSES))
    seen = []
    monkeypatch.setattr(augmentation, "drawn_by", lambda context, real, n, seed: context)
    made = augmentation.Case(real, {"the same pictures": lambda: seen.append(1) or real}, 40, 0)
    parameters = section("evaluation.classifier", {
        "width": 8,
        "training": {"num_images": 6000, "batch_size": 32, "num_validations": 1, "keep_best": False},
    })  # fmt: skip
    run = section("run", {"device": "cpu", "precision": "fp32", "threads": 1})
    sizes = []
    task = augmentation.UnaugmentedTask.__init__

    def noted(self, classifier, images, *rest):
        sizes.append(len(images))
        task(self, classifier, images, *rest)

    monkeypatch.setattr(augmentation.UnaugmentedTask, "__init__", noted)
    assert augmentation.accuracy(made, source, False, real, parameters, run) > 0.9
    assert sizes == [n_seen] and len(seen) == (source != "none")
    same = augmentation.UnaugmentedTask.augment(None, torch.ones(1))
    assert torch.equal(same, torch.ones(1))


def test_a_generator_is_trained_in_a_project_of_its_own(tmp_path, monkeypatch):
    import augmentation

    commands = []

    def run(command, cwd, **options):
        commands.append((command, cwd))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(augmentation.subprocess, "run", run)
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)
    real = LabeledImages(images, np.arange(30) % 10, ["a photo of a cat"] * 30, list(CLASSES))
    test = real.select(np.arange(60) % 30)
    context = augmentation.generator_of(real, test, tmp_path / "own", "smoke", {"run.seed": 3})
    ((command, folder),) = commands
    assert folder == tmp_path / "own" and "--only-missing-outputs" in command
    assert "ingestion.source.kind=folder,ingestion.source.path=pictures" in command[-1]
    assert "run.seed=3" in command[-1]
    assert len(list((folder / "pictures/train").glob("*.png"))) == 30
    for split in ("val", "test"):
        assert len(list((folder / "pictures" / split).glob("*.png"))) == augmentation.N_HELD_OUT
    assert context.path("gan") == folder / "data/smoke/06_models/gan"
    assert not list((folder / "conf/local").iterdir())
