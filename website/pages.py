"""The pages of the site that are no files in ``docs/``: some of the root, and generated ones."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from website.commands import commands_page
from website.parameters import parameters_page

from lexipix.cli import cli

REPOSITORY = Path(__file__).parents[1]
# Files of the root that are part of the site, and their places in it
OF_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "LICENSE": "license.txt",
}
# What the API's pages show, by their headings: the full names of classes, functions and modules
API = {
    "Images from prompts": (
        "lexipix.inference.text_to_image_pipeline.TextToImagePipeline",
        "lexipix.inference.text_to_image_pipeline.TextToImageOutput",
        "lexipix.inference.image_request.ImageOptions",
        "lexipix.inference.prompt_checks.UnknownWord",
        "lexipix.inference.prompt_suggestions.PromptSuggestions",
        "lexipix.reporting.animation.encode_animation",
    ),
    "Captions of images": ("lexipix.inference.caption_pipeline.CaptionPipeline",),
    "Damaged images": (
        "lexipix.inference.restoration.restore",
        "lexipix.inference.restoration.RestorationModel",
        "lexipix.inference.restoration_result.DamagedImages",
        "lexipix.inference.restoration_result.RestorationResult",
    ),
    "Folders of models": ("lexipix.inference.pretrained.model_folder",),
    "Data": (
        "lexipix.datasets.image_store.RemoteImageStoreDataset",
        "lexipix.scenes.truth.SceneTruth",
    ),
    "Errors": ("lexipix.utils.errors.LexipixError",),
}
METRICS_AND_LOSSES = {
    "Metrics": (
        "lexipix.metrics.images",
        "lexipix.metrics.retrieval",
        "lexipix.metrics.distribution",
        "lexipix.metrics.text",
        "lexipix.metrics.artifacts",
        "lexipix.metrics.quantization",
    ),
    "Losses": (
        "lexipix.training.losses.contrastive",
        "lexipix.training.losses.vae",
        "lexipix.training.losses.ssim",
        "lexipix.training.losses.latents",
        "lexipix.training.losses.gan",
        "lexipix.training.losses.energy",
        "lexipix.training.losses.tokens",
    ),
    "Optimizer": ("lexipix.training.muon",),
}


def api_page(title: str, introduction: str, sections: Mapping[str, Iterable[str]]) -> str:
    """Returns a page whose objects ``mkdocstrings`` fills in from the docstrings."""
    lines = [f"# {title}", "", introduction]
    for heading, names in sections.items():
        lines += ["", f"## {heading}", *(line for name in names for line in ("", f"::: {name}"))]
    return "\n".join(lines) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": lambda: commands_page(cli, "kedro"),
    "reference/parameters.md": lambda: parameters_page(REPOSITORY / "conf"),
    "reference/api.md": lambda: api_page(
        "Python API",
        "`lexipix` exports `TextToImagePipeline` and `CaptionPipeline`. Other names are imported from their "
        "modules.",
        API,
    ),
    "reference/metrics-and-losses.md": lambda: api_page(
        "Metrics and losses",
        "Pure functions of arrays and tensors. The pages of the pipelines have their formulas.",
        METRICS_AND_LOSSES,
    ),
}
