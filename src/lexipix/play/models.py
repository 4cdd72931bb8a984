"""The trained models that a page offers, opened when they are first chosen."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lexipix.cli.errors import sentence
from lexipix.cli.files import read_image_file
from lexipix.cli.project_context import ProjectContext, environments
from lexipix.config.generation import GenerationParameters
from lexipix.inference.caption_pipeline import CaptionPipeline
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.onnx_session import OnnxSession
from lexipix.inference.prompt_suggestions import PromptSuggestions
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.utils.errors import LexipixError
from lexipix.utils.logging import warn_on_failure

if TYPE_CHECKING:
    from lexipix.tracking.registry import RegisteredVersion
    from lexipix.utils.types import ModelBundle

Pixels = NDArray[np.uint8]
MAX_OPEN = 4  # models in memory


@dataclass(frozen=True)
class RunResults:
    """What a run made, for people to look at; what is not there is left out."""

    about: Sequence[tuple[str, str]]  # what the models are
    pictures: Mapping[str, Path]  # PNG files by their titles
    report: Path | None


class OpenModels:
    """The trained models of an environment, in use by several sessions.

    They use all cores, and the generators keep encoded prompts: whoever uses them holds the ``lock``.
    """

    def __init__(self, context: ProjectContext) -> None:
        self.context, self.lock = context, threading.RLock()
        self.pipe = self._load_pipe()
        self.warm_up()

    def _load_pipe(self) -> TextToImagePipeline:
        return self.context.text_to_image("champion")

    @cached_property
    def captioner(self) -> CaptionPipeline:
        """What describes pictures; a LexipixError if it is not trained."""
        return self.context.captioner()

    @cached_property
    def generators(self) -> Mapping[str, Callable[[], OnnxGenerator]]:
        """What draws a picture again: uncompressed generators that take turns."""
        return self.context.generators(self.pipe, "champion")

    @cached_property
    def trained_captioner(self) -> "ModelBundle":
        """The captioner with its weights, which shows its attention; it needs torch."""
        bundle: ModelBundle = self.context.load("captioner")
        return bundle

    @cached_property
    def suggestions(self) -> PromptSuggestions:
        """Captions of the training images, or the example prompts where the images are not kept."""
        try:
            captions = self.context.load("image_splits").train.captions["caption"].dropna()
        except Exception as error:
            if sentence(error) is None:
                raise
            return PromptSuggestions(self.generation.prompts)
        return PromptSuggestions([str(caption) for caption in captions])

    def results(self) -> RunResults:
        """What the environment's last run drew, and its report."""
        report, generated = self.context.path("report"), self.context.path("generated") / "sheet.png"
        grids = sorted((report.parent / "sample_grids").glob("*.png"))
        pictures = {
            "Drawn last by kedro generate": generated,
            "Drawn by the pipeline generation": self.context.path("generated_sheet"),
            **{_title(path): path for path in sorted(report.parent.glob("*_sheet.png"))},
            **{f"Samples of the training of {path.stem}": path for path in grids},
        }
        found = {title: path for title, path in pictures.items() if path.is_file()}
        qualities = ", ".join(f"{quality}: {variant}" for quality, variant in self.pipe.variants.items())
        about = [("Generator", self.pipe.family), ("Qualities", qualities)]
        return RunResults(about, found, report if report.is_file() else None)

    @property
    def generation(self) -> GenerationParameters:
        """Defaults and limits."""
        return self.context.parameters.generation

    @property
    def seed(self) -> int:
        """The seed of a first visit."""
        generation = self.generation
        return self.context.parameters.run.seed if generation.seed is None else generation.seed

    def examples(self, n: int) -> list[str]:
        """Prompts to begin with: those of the parameters if the model knows their words, else captions."""
        known = [one for one in self.generation.prompts if not self.pipe.unknown_words(one)]
        found = [*known, *self.suggestions("", n), *self.generation.prompts]
        return [*found, *[""] * n][:n]

    def read(self, path: str | None, model: OnnxSession) -> Pixels:
        """A picture that a visitor gave, at a model's size; a LexipixError if there is none to use."""
        if not path:
            raise LexipixError("There is no picture yet: drop a file, or choose one.")
        file, max_mb = Path(path), self.generation.serving.max_image_mb
        if file.stat().st_size > max_mb * 1e6:
            raise LexipixError(f"{file.name} has more than {max_mb:g} MB: choose a smaller file.")
        pixels: Pixels = read_image_file(file, self.context.parameters.ingestion, model, file.name)
        return pixels

    def warm_up(self) -> None:
        """Load and use every quality and the scorer once, so that no visitor waits for that."""
        for quality in self.pipe.variants:
            _, generator = self.pipe.generator(quality)
            image = generator.generate([""], np.zeros((1, generator.noise_dim), np.float32))
            self.pipe.scorer.embed_images(image)
        self.suggestions("")


class RegisteredModels(OpenModels):
    """A registered version of the generator, with the captioner of the same run."""

    def __init__(self, context: ProjectContext, version: "RegisteredVersion") -> None:
        self.version = version
        super().__init__(context)

    def _load_pipe(self) -> TextToImagePipeline:
        return TextToImagePipeline.from_pretrained(self.version.uri)

    @cached_property
    def captioner(self) -> CaptionPipeline:
        if self.version.captioner is None:
            raise LexipixError(f"No captioner was registered with {self.version.name}.")
        ingestion = self.context.parameters.ingestion
        return CaptionPipeline.from_pretrained(
            self.version.captioner, ingestion.min_side, ingestion.max_pixels
        )

    @cached_property
    def generators(self) -> Mapping[str, Callable[[], OnnxGenerator]]:
        name, generator = self.pipe.generator("best")
        return {name: lambda: generator}

    @cached_property
    def trained_captioner(self) -> "ModelBundle":
        raise LexipixError("A registered captioner has no weights for that: choose the models of a run.")

    @cached_property
    def _report(self) -> Path | None:
        from lexipix.tracking.registry import report_of

        return report_of(self.version)

    def results(self) -> RunResults:
        """The version's history, and the report of its run."""
        version, own = self.version, super().results()
        about = [
            ("Version", f"{version.number} of {version.name}"),
            ("Aliases", ", ".join(version.aliases) or "none"),
            ("Run", version.run_id),
            ("Decision", version.reason),
        ]
        return RunResults([*about, *own.about], {}, self._report)


class Models:
    """The models that a page offers, by the names that it shows; the environment ``env`` comes first.

    Others are the environments with a champion, and the registered versions of the MLflow store.
    """

    def __init__(self, project_path: Path, env: str | None) -> None:
        first = env or "base"
        contexts = {first: ProjectContext(project_path, env)}
        for other in environments(project_path / "conf"):
            with suppress(LexipixError):  # another environment may be wrong: it is not offered
                contexts.setdefault(other, ProjectContext(project_path, other))
        self._sources: dict[str, Callable[[], OpenModels]] = {
            name: partial(OpenModels, context)
            for name, context in contexts.items()
            if name == first or context.path("champion").is_dir()
        }
        for version in _registered(project_path):
            aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
            context = contexts.get(version.env, contexts[first])
            title = f"{version.name} {version.number}{aliases}"
            self._sources[title] = partial(RegisteredModels, context, version)
        self._open: dict[str, OpenModels] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """What can be chosen; the first is shown to a new visitor."""
        return list(self._sources)

    def open(self, name: str) -> OpenModels:
        """The models of a name, ready to draw; a LexipixError if there are none."""
        if name not in self._sources:
            raise LexipixError(f"There are no models {name!r}: choose from {', '.join(self._sources)}.")
        models = self._open.get(name)  # without waiting for others that are being opened
        if models is None:
            with self._lock:
                models = self._open.get(name) or _opened(self._sources[name])
                self._open[name] = models
                while len(self._open) > MAX_OPEN:  # the first one stays
                    del self._open[list(self._open)[1]]
        return models


def _opened(source: Callable[[], OpenModels]) -> OpenModels:
    """The models of a source; a LexipixError if it is not trained or damaged."""
    try:
        return source()
    except Exception as error:
        if (told := sentence(error)) is None:
            raise
        raise LexipixError(told) from error


def _registered(project_path: Path) -> "list[RegisteredVersion]":
    """The versions in the project's MLflow store; none, with a warning, if it cannot be read."""
    if os.environ.get("LEXIPIX_MLFLOW") == "0":
        return []
    from lexipix.tracking.registry import registered_versions
    from lexipix.tracking.run import store

    with warn_on_failure("MLflow: registered versions are not offered"):
        os.environ["MLFLOW_TRACKING_URI"] = store(project_path)  # where models:/ is looked up
        return registered_versions(store(project_path))
    return []


def _title(sheet: Path) -> str:
    """The title of a contact sheet: evaluation_sheet.png is Evaluation."""
    return sheet.stem.removesuffix("_sheet").replace("_", " ").capitalize()
