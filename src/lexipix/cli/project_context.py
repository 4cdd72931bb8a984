"""What the commands that draw and describe work with: an environment's parameters and exported models.

A Kedro session would import every pipeline; this reads the same configuration and only what is asked for.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lexipix.config.root import LexipixParameters
    from lexipix.inference.onnx_models import OnnxCaptioner, OnnxGenerator, Scorer


class ProjectContext:
    """An environment's parameters and exported models, read as they are asked for.

    Args:
        project_path: The project's folder.
        env: Environment; None is what ``kedro run`` takes without one.
        given: Parameters that take the place of those in the files, as by ``--params``.
    """

    def __init__(self, project_path: Path, env: str | None, given: dict[str, Any] | None = None) -> None:
        from kedro.config import OmegaConfigLoader

        from lexipix.config.root import validate
        from lexipix.settings import CONFIG_LOADER_ARGS

        conf = project_path / "conf"
        require_environment(conf, env)
        arguments: dict[str, Any] = CONFIG_LOADER_ARGS
        loader = OmegaConfigLoader(conf_source=str(conf), env=env, runtime_params=given, **arguments)
        self.parameters: LexipixParameters = validate(loader["parameters"])
        self._entries: dict[str, dict[str, Any]] = loader["catalog"]
        self._project_path = project_path

    def load(self, name: str) -> Any:
        """Load a dataset of the catalog."""
        from kedro.io import AbstractDataset, DatasetError

        entry = dict(self._entries[name])
        if "filepath" in entry:
            entry["filepath"] = str(self.place(name))
        try:
            return AbstractDataset.from_config(name, entry).load()
        except DatasetError as error:
            if isinstance(error.__cause__, LexipixError):
                raise error.__cause__ from None
            raise

    def _load_from(self, name: str, part: str) -> Any:
        """Load one of the models of a dataset that holds several."""
        from lexipix.datasets.onnx_models import OnnxModelDataset

        place = str(self.place(name) / part)
        return OnnxModelDataset(filepath=place, made_by=self._entries[name]["made_by"]).load()

    def place(self, name: str) -> Path:
        """Where a dataset of the catalog lies."""
        return self._project_path / str(self._entries[name]["filepath"])

    def drawer(self, choice: str, budget: str = "balanced") -> "tuple[str, OnnxGenerator]":
        """The generator that was chosen, and its name: family, and variant where it is not the whole network.

        Args:
            choice: ``champion``, a family, or ``words``.
            budget: ``fast``, ``balanced`` or ``best``; smaller forms exist of the champion's family only.
        """
        from lexipix.inference.onnx_models import OnnxGenerator
        from lexipix.inference.selection import Choice, choose

        if choice == "words":
            from lexipix.inference.token_generator import TokenImageGenerator

            return choice, TokenImageGenerator(self.load("words"))

        if choice == "champion" and not self.place("champion").is_file():
            raise LexipixError(
                f"No generator is trained here yet ({self.place('champion')} is missing): "
                f"run `{self._entries['champion']['made_by']}` first."
            )
        chosen = Choice(choice, None)
        if self.place("champion").is_file():
            chosen = choose(self.load("champion"), choice, budget)
        if chosen.form is None:
            return chosen.name, OnnxGenerator(self.load(f"onnx_{chosen.family}"))
        return chosen.name, OnnxGenerator(self._load_from("onnx_forms", chosen.form))

    def drawers(self, choice: str) -> "dict[str, Callable[[], OnnxGenerator]]":
        """The whole generators that take turns: the chosen one; or the champion's, then the other."""
        name, champion = self.drawer(choice, "best")
        drawers: dict[str, Callable[[], OnnxGenerator]] = {name: lambda: champion}
        if choice == "champion":
            other = {"vae": "gan", "gan": "vae"}[name]
            if self.place(f"onnx_{other}").is_dir():
                drawers[other] = cache(lambda: self.drawer(other)[1])
        return drawers

    def describer(self) -> "OnnxCaptioner":
        """The captioner, in the form that the compression chose."""
        from lexipix.inference.onnx_models import OnnxCaptioner
        from lexipix.inference.selection import WHOLE

        variant = WHOLE
        if self.place("captioner_champion").is_file():
            variant = self.load("captioner_champion")["variant"]
        if variant == WHOLE:
            return OnnxCaptioner(self.load("onnx_captioner"))
        return OnnxCaptioner(self._load_from("captioner_forms", variant))

    def scorer(self) -> "Scorer":
        """The judge of pictures against words and pictures."""
        from lexipix.inference.onnx_models import Scorer

        return Scorer(self.load("onnx_scorer"))

    def seed(self, wish: int | None) -> int:
        """The seed that was given, else that of the parameters."""
        if wish is not None:
            return wish
        own = self.parameters.generation.seed
        return self.parameters.run.seed if own is None else own

    def picture(self, path: Path, image_size: int) -> "NDArray[np.uint8]":
        """A picture file as the models see it, uint8 (S, S, 3)."""
        from lexipix.cli.user_inputs import read_picture

        return read_picture(path, self.parameters.ingestion.model_copy(update={"image_size": image_size}))


def require_environment(conf: Path, env: str | None) -> None:
    """Check that an environment has a folder of its own; None is what ``kedro run`` takes without one.

    Raises:
        LexipixError: It has none.
    """
    known = sorted(path.name for path in conf.iterdir() if path.is_dir() and path.name != "local")
    if env is not None and env not in {*known, "local"}:
        raise LexipixError(f"There is no environment {env!r}: choose from {', '.join(known)}.")
