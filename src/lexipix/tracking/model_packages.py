"""The content of a registered model: exported folders, settings, serving code, signature."""

import base64
import importlib.util
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.config.root import LexipixParameters
from lexipix.inference.selection import WHOLE, choose
from lexipix.repro.import_graph import used_modules
from lexipix.utils.model_files import read_json

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

# What the services import, pinned to the installed versions; pip resolves what these need themselves
PACKAGES = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pydantic", "tokenizers")
IMAGE_PARAMETERS = ("resize", "min_side", "max_pixels")

PathOf = Callable[[str], Path]


@dataclass(frozen=True)
class Bundle:
    """The parts of a model to be registered.

    Attributes:
        module: The serving code, which calls ``mlflow.models.set_model``.
        artifacts: Name -> file or folder, by the names that the serving code uses.
        settings: Name -> content of further artifacts, which are written as JSON files.
        signature: The model's inputs, outputs and parameters.
        input_example: A request.
    """

    module: str
    artifacts: Mapping[str, Path]
    settings: Mapping[str, Mapping[str, Any]]
    signature: "ModelSignature"
    input_example: Any

    @property
    def requirements(self) -> list[str]:
        """The packages to install for serving it."""
        return [f"{name}=={version(name)}" for name in PACKAGES]

    def write_settings(self, folder: Path) -> dict[str, str]:
        """Write the settings as JSON files; returns all artifacts by name."""
        found = {name: str(path) for name, path in self.artifacts.items()}
        for name, content in self.settings.items():
            file = folder / f"{name}.json"
            file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            found[name] = str(file)
        return found

    def copy_code(self, folder: Path) -> Path:
        """Copy the modules of lexipix that the serving code imports; returns the copied package's folder."""
        root = _file_of("lexipix").parent
        for module in used_modules(self.module):
            file = _file_of(module)
            needed = [file, *(parent / "__init__.py" for parent in file.parents if root in parent.parents)]
            for source in [*needed, root / "__init__.py"]:
                target = folder / root.name / source.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        return folder / root.name

    @property
    def code(self) -> Path:
        """The file of the serving code."""
        return _file_of(self.module)


def generator(path_of: PathOf, parameters: LexipixParameters) -> Bundle:
    """The variants of the champion for each quality, and the scorer that ranks candidates.

    Args:
        path_of: Dataset's name -> its file or folder.
        parameters: The run's parameters.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    champion = read_json(path_of("champion"))
    forms = {}
    for budget in champion["budgets"]:
        choice = choose(champion, budget=budget)
        whole = choice.form is None
        folder = path_of(f"onnx_{choice.family}") if whole else path_of("onnx_forms") / str(choice.form)
        forms[choice.form or WHOLE] = folder
    defaults = parameters.generation
    seed = parameters.run.seed if defaults.seed is None else defaults.seed
    example = defaults.prompts[0] if defaults.prompts else "a picture"
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "prompt")]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "prompt"),
                ColSpec(DataType.long, "index"),
                ColSpec(DataType.long, "seed"),
                ColSpec(DataType.string, "model"),
                ColSpec(DataType.string, "png"),
                ColSpec(DataType.string, "warning"),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("seed", DataType.long, seed),
                ParamSpec("count", DataType.long, 1),
                ParamSpec("budget", DataType.string, defaults.budget),
                ParamSpec("candidates", DataType.long, 1),
            ]
        ),
    )
    return Bundle(
        "lexipix.serving.generator",
        {"champion": path_of("champion"), "scorer": path_of("onnx_scorer"), **forms},
        {"settings": defaults.serving.model_dump(mode="json")},
        signature,
        ([{"prompt": example}], {"seed": seed, "count": 1, "budget": defaults.budget, "candidates": 1}),
    )


def captioner(path_of: PathOf, parameters: LexipixParameters) -> Bundle:
    """The captioner, in the variant that the compression chose.

    Args:
        path_of: Dataset's name -> its file or folder.
        parameters: The run's parameters.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from lexipix.utils.png import encode_png

    variant = read_json(path_of("captioner_champion"))["variant"]
    folder = path_of("onnx_captioner") if variant == WHOLE else path_of("captioner_forms") / variant
    size = parameters.ingestion.image_size
    picture = base64.b64encode(encode_png(np.full((size, size, 3), 255, np.uint8))).decode()
    ingestion = parameters.ingestion.model_dump(mode="json", include=set(IMAGE_PARAMETERS))
    return Bundle(
        "lexipix.serving.captioner",
        {"captioner": folder},
        {"settings": parameters.generation.serving.model_dump(mode="json"), "ingestion": ingestion},
        ModelSignature(
            inputs=Schema([ColSpec(DataType.string, "picture")]),
            outputs=Schema([ColSpec(DataType.string, "caption")]),
        ),
        [{"picture": picture}],
    )


def _file_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module} is not installed")
    return Path(spec.origin)
