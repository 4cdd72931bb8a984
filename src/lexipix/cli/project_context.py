"""Parameters, catalog and trained models of an environment, for commands that run no pipeline.

A Kedro session would import every pipeline. This reads the same configuration and loads only what is used.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.utils.errors import LexipixError
from lexipix.utils.project_paths import is_address

if TYPE_CHECKING:
    from lexipix.config.root import LexipixParameters
    from lexipix.inference.caption_pipeline import CaptionPipeline
    from lexipix.inference.onnx_generator import OnnxGenerator
    from lexipix.inference.text_to_image_pipeline import TextToImagePipeline


class ProjectContext:
    """An environment's parameters, its catalog, and its trained models.

    ``env`` None is the default of ``kedro run``; ``runtime_params`` replace parameters, as with ``--params``.
    """

    def __init__(
        self, project_path: Path, env: str | None, runtime_params: dict[str, Any] | None = None
    ) -> None:
        from kedro.io import DataCatalog

        from lexipix.config.root import validate
        from lexipix.settings import CONFIG_LOADER_ARGS, CONFIG_LOADER_CLASS

        conf = project_path / "conf"
        require_environment(conf, env)
        arguments: dict[str, Any] = CONFIG_LOADER_ARGS
        loader = CONFIG_LOADER_CLASS(str(conf), env=env, runtime_params=runtime_params, **arguments)
        entries = {name: _absolute(project_path, entry) for name, entry in loader["catalog"].items()}
        self.parameters: LexipixParameters = validate(loader["parameters"])
        self.catalog = DataCatalog.from_config(entries)

    def load(self, name: str) -> Any:
        """Load a dataset of the catalog."""
        return self.catalog[name].load()

    def path(self, name: str) -> Path:
        """Path of a dataset of the catalog."""
        return Path(self.catalog.config_resolver.resolve_pattern(name)["filepath"])

    def text_to_image(self, model: str) -> "TextToImagePipeline":
        """The pipeline of ``champion``, an uncompressed ``vae`` or ``gan``, or ``tokens``."""
        from lexipix.inference.onnx_generator import OnnxGenerator
        from lexipix.inference.onnx_scorer import OnnxScorer
        from lexipix.inference.text_to_image_pipeline import TextToImagePipeline

        if model == "champion":
            return TextToImagePipeline.from_champion(self.load("champion"))
        if model == "tokens":
            from lexipix.inference.token_generator import TokenImageGenerator

            generator: OnnxGenerator = TokenImageGenerator(self.load("tokens"))
        else:
            generator = OnnxGenerator(self.load(f"onnx_{model}"))
        return TextToImagePipeline.from_generator(
            model, generator, lambda: OnnxScorer(self.load("onnx_scorer"))
        )

    def generators(self, pipe: "TextToImagePipeline", model: str) -> "dict[str, Callable[[], OnnxGenerator]]":
        """Uncompressed generators that take turns: of ``champion`` both families, else the chosen one."""
        from lexipix.inference.onnx_generator import OnnxGenerator

        name, generator = pipe.generator("best")
        generators: dict[str, Callable[[], OnnxGenerator]] = {name: lambda: generator}
        if model == "champion":
            other = {"vae": "gan", "gan": "vae"}[pipe.family]
            if self.path(f"onnx_{other}").is_dir():
                generators[other] = cache(lambda: OnnxGenerator(self.load(f"onnx_{other}")))
        return generators

    def captioner(self) -> "CaptionPipeline":
        """The captioner that the compression chose."""
        from lexipix.inference.caption_pipeline import CaptionPipeline

        ingestion = self.parameters.ingestion
        return CaptionPipeline(self.load("captioner_champion"), ingestion.min_side, ingestion.max_pixels)


def environments(conf: Path) -> list[str]:
    """The names of the environments in a folder ``conf``, but ``local``.

    Raises:
        LexipixError: The folder cannot be listed.
    """
    try:
        return sorted(path.name for path in conf.iterdir() if path.is_dir() and path.name != "local")
    except OSError as error:
        raise LexipixError(
            f"The configuration folder {conf} cannot be read ({error.strerror}): restore it, or check its "
            "owner and permissions."
        ) from error


def require_environment(conf: Path, env: str | None) -> None:
    """Check that an environment has a folder, else a LexipixError; None is the default of ``kedro run``."""
    known = environments(conf)
    if env is not None and env not in {*known, "local"}:
        raise LexipixError(f"There is no environment {env!r}: choose from {', '.join(known)}.")


def _absolute(project_path: Path, entry: Any) -> Any:
    """A catalog entry whose paths do not depend on the current folder; an address such as ``s3://`` stays."""
    if not isinstance(entry, dict):
        return entry
    given = {key: str(entry[key]) for key in ("filepath", "path", "staging") if key in entry}
    paths = {key: path if is_address(path) else str(project_path / path) for key, path in given.items()}
    return {**entry, **paths}
