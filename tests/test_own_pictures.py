"""A folder of images without captions, through the real command line."""

import json
import shutil

import numpy as np
import pandas as pd
from PIL import Image
from tests.support.project import Project, make_folder_environment_small, run_kedro
from tests.test_docs import SHORT

N_IMAGES = 140
ALSO_SHORT = ",".join(
    f"{training}.training.num_images=128"
    for training in ("generator.tokens.tokenizer", "generator.tokens.transformer", "compression.pruned")
)


def test_images_without_captions_are_described_by_another_captioner(smoke, tmp_path):
    """Run the whole chain at 64x64; the captioner of another environment writes every caption."""
    path = tmp_path / "project"
    shutil.copytree(smoke.path, path, ignore=shutil.ignore_patterns("mlartifacts", "__pycache__"))
    make_folder_environment_small(path)
    draw = np.random.default_rng(5)
    (path / "my-pictures").mkdir()
    for number in range(N_IMAGES):
        pixels = np.full((70, 70, 3), draw.integers(0, 255, 3))
        pixels[20:44, 8:40] = draw.integers(0, 255, 3)
        Image.fromarray(pixels.astype(np.uint8)).save(path / "my-pictures" / f"{number}.png")
    given = (
        "ingestion.source.path=my-pictures,ingestion.image_size=64,generator.vae.latent_channels=24,"
        f"ingestion.captioner=data/smoke/06_models/onnx/captioner,{SHORT},{ALSO_SHORT}"
    )
    done = run_kedro(path, "run", "--env", "folder", f"--params={given}", LEXIPIX_MLFLOW="0")
    assert done.returncode == 0, done.stdout + done.stderr
    data = Project(path, "").data.with_name("folder")
    summary = json.loads((data / "03_primary" / "summary.json").read_text())
    assert summary["described"] == N_IMAGES and summary["uncaptioned"] == 0
    table = pd.read_parquet(data / "03_primary" / "pictures" / "train" / "captions.parquet")
    assert set(table["caption_source"]) == {"generated"} and table["caption"].str.len().min() > 0
    metrics = json.loads((data / "08_reporting" / "metrics.json").read_text())
    assert metrics["data"]["image_size"] == 64
    assert {"vae", "gan", "champion", "tokens"} == set(metrics["text"])
