"""The environment ``folder`` as it is, on a small folder: its networks are made and take a step each."""

from collections import ChainMap

import numpy as np
import pytest
from PIL import Image
from tests.support.project import copy_project

from lexipix.cli.project_context import ProjectContext
from lexipix.pipeline_registry import register_pipelines
from lexipix.repro.dry_run import TRAININGS, DryRun, shorten
from lexipix.utils.nested import lookup

N_IMAGES = 200
TRAINED = ("features", "captioner", "vae", "prior", "gan")  # folders have no image tokens


@pytest.fixture
def context(tmp_path):
    """A project with a folder of captioned images."""
    draw = np.random.default_rng(2)
    folder = copy_project(tmp_path) / "images"
    folder.mkdir()
    for number in range(N_IMAGES):
        pixels = np.full((48, 48, 3), draw.integers(0, 255, 3), np.uint8)
        pixels[8:30, 12:40] = draw.integers(0, 255, 3)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"thing number {number}", encoding="utf-8")
    return ProjectContext(tmp_path, "folder", {"ingestion": {"source": {"path": "images"}}})


def test_every_training_of_the_folder_environment_takes_a_step(context, tmp_path):
    parameters = shorten(context.parameters, 1, N_IMAGES)
    assert parameters.generator.vae.width == context.parameters.generator.vae.width
    run = DryRun(parameters, context.load, tmp_path / "store", ChainMap())
    for name in ("ingestion", "features", "captioner", "generator"):
        for node in register_pipelines()[name].nodes:
            run.run(node)
    for model in TRAINED:
        curves = run.data[f"{model}_curves"]
        assert list(curves["images_seen"]) == [lookup(parameters, TRAININGS[model]).batch_size], model
        assert np.isfinite(curves.select_dtypes("number")).all(axis=None), model
