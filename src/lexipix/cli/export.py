"""``kedro export``: a folder with the champion, a model card and samples, ready to be shared."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.files import require_new
from lexipix.cli.options import env_option
from lexipix.cli.output import show
from lexipix.cli.project_context import ProjectContext
from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    from lexipix.inference.onnx_generator import OnnxGenerator
    from lexipix.utils.types import ImageSplits

FORMATS = ("onnx", "safetensors")
N_SAMPLES, N_TRIED = 16, 256
NETWORKS = {"vae": "prior", "gan": "gan"}  # the dataset with the network of each family
UNKNOWN = "unknown"
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


@click.command()
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="onnx", show_default=True,
    help="onnx: the compressed graphs, without torch; safetensors: the networks as trained, with torch.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="New folder of the model."
)
@click.option(
    "--license", "license_id", default=UNKNOWN, show_default=True, metavar="ID",
    help="Licence in the model card, such as apache-2.0 or cc-by-4.0. The pictures decide which fits.",
)  # fmt: skip
@env_option
@click.pass_obj
@user_errors()
def export(metadata: ProjectMetadata, form: str, out: Path, license_id: str, env: str | None) -> None:
    """Write the champion with a model card and samples into a folder.

    TextToImagePipeline.from_pretrained reads the folder, and huggingface_hub.upload_folder can publish it.
    README.md describes the data, the figures of the evaluation beside their baselines, and the limits.

    \b
    Examples:
      kedro export --env smoke --out model
      kedro export --env cifar10 --format safetensors --license mit --out model
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.datasets.results import ResultsFolderDataset
    from lexipix.inference.image_request import ImageOptions
    from lexipix.inference.result_files import result_files
    from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
    from lexipix.reporting.model_card import CardFacts, render_model_card
    from lexipix.utils.atomic import replace_folder

    if _LICENSE.fullmatch(license_id) is None:
        raise LexipixError(
            f"--license is {license_id!r}: write an identifier of the Hugging Face Hub in small letters, "
            "such as apache-2.0, cc-by-4.0 or other."
        )
    require_new(out)
    context = ProjectContext(metadata.project_path, env)
    champion, metrics = context.load("champion"), context.load("metrics")
    summary, image_splits = context.load("ingestion_summary"), context.load("image_splits")
    with replace_folder(out.absolute()) as folder:
        _copy_model(context, form, champion.config["family"], folder)
        pipe = TextToImagePipeline.from_pretrained(folder)
        prompts = sample_prompts(image_splits, pipe.generator()[1])
        request = pipe.request(prompts, ImageOptions(seed=context.parameters.run.seed))
        ResultsFolderDataset(filepath=str(folder / "samples")).save(result_files(request))
        facts = CardFacts(
            name=out.absolute().name,
            form=form,
            license=license_id,
            config=champion.config,
            card=champion.card,
            holds_images=bool(champion.arrays),
            summary=summary,
            metrics=metrics,
            prompts=prompts,
        )
        (folder / "README.md").write_text(render_model_card(facts), encoding="utf-8")
    show(f"{out}: the champion as {form}, {len(prompts)} samples, and a model card (README.md)")
    if license_id == UNKNOWN:
        show("The card has no licence: --license ID sets it.")


def sample_prompts(image_splits: "ImageSplits", generator: "OnnxGenerator") -> list[str]:
    """Different captions of the test split, evenly spread; of the training split if none can be drawn.

    Raises:
        LexipixError: There are none at all.
    """
    from lexipix.inference.prompt_checks import check_prompt

    def can_be_drawn(text: str) -> bool:
        try:
            return bool(check_prompt(text, generator).text)
        except LexipixError:
            return False

    for split in (image_splits.test, image_splits.train):
        captions = [str(text) for text in split.captions["caption"].dropna().unique()]
        drawable = list(filter(can_be_drawn, _spread(captions, N_TRIED)))
        if drawable:
            return _spread(drawable, N_SAMPLES)
    raise LexipixError("No image has a caption that the model can draw, so that there are no samples.")


def _spread(texts: list[str], n_texts: int) -> list[str]:
    n_texts = min(n_texts, len(texts))
    return [texts[number * len(texts) // n_texts] for number in range(n_texts)]


def _copy_model(context: ProjectContext, form: str, family: str, folder: Path) -> None:
    """Copy the champion's exported graphs, or its networks as they were trained."""
    from lexipix.utils.model_files import CARD, CONFIG, GENERATOR
    from lexipix.utils.types import SCORER

    champion = context.path("champion")
    if form == "onnx":
        shutil.copytree(champion, folder, dirs_exist_ok=True)
        return
    for name in (CONFIG, CARD):
        shutil.copyfile(champion / name, folder / name)
    for name, dataset in {GENERATOR: NETWORKS[family], SCORER: "contrastive_pair"}.items():
        context.load(dataset)  # reports what is missing or damaged
        shutil.copytree(context.path(dataset), folder / name)
