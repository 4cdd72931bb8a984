"""What a registered model consists of: exported folders, limits, the code that serves them, its signature."""

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
from lexipix.repro.dvc_stages import used_modules
from lexipix.utils.model_files import read_json

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

# What the services import; what these need is theirs to say. In the versions that made the model.
PACKAGES = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pydantic", "tokenizers")
IMAGE_PARAMETERS = ("resize", "min_side", "max_pixels")

Place = Callable[[str], Path]


@dataclass(frozen=True)
class Bundle:
    """A model to be registered.

    Attributes:
        module: The code that serves it, with ``mlflow.models.set_model``.
        artifacts: Name -> file or folder, as the code asks for them.
        settings: Name -> content of further JSON files of the same kind.
        signature: What it takes and gives.
        input_example: A request.
    """

    module: str
    artifacts: Mapping[str, Path]
    settings: Mapping[str, Mapping[str, Any]]
    signature: "ModelSignature"
    input_example: Any

    @property
    def requirements(self) -> list[str]:
        """What has to be installed to serve it."""
        return [f"{name}=={version(name)}" for name in PACKAGES]

    def write_settings(self, folder: Path) -> dict[str, str]:
        """Write the JSON files; gives all artifacts by name."""
        found = {name: str(path) for name, path in self.artifacts.items()}
        for name, content in self.settings.items():
            file = folder / f"{name}.json"
            file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            found[name] = str(file)
        return found

    def copy_code(self, folder: Path) -> Path:
        """Copy those modules of ours that the service imports; gives the package's folder.

        The whole package would do as well, and would bring training and reports along.
        """
        root = _file_of("lexipix").parent
        for module in used_modules(self.module):
            file = _file_of(module)
            wanted = [file, *(parent / "__init__.py" for parent in file.parents if root in parent.parents)]
            for one in [*wanted, root / "__init__.py"]:
                target = folder / root.name / one.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(one, target)
        return folder / root.name

    @property
    def code(self) -> Path:
        """The file of the code that serves it."""
        return _file_of(self.module)


def generator(place: Place, parameters: LexipixParameters) -> Bundle:
    """The champion's forms that a budget takes, and the scorer that chooses among candidates.

    Args:
        place: Where a dataset of the catalog lies.
        parameters: The run's.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    champion = read_json(place("champion"))
    forms = {}
    for budget in champion["budgets"]:
        choice = choose(champion, budget=budget)
        whole = choice.form is None
        folder = place(f"onnx_{choice.family}") if whole else place("onnx_forms") / str(choice.form)
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
        {"champion": place("champion"), "scorer": place("onnx_scorer"), **forms},
        {"settings": defaults.serving.model_dump(mode="json")},
        signature,
        ([{"prompt": example}], {"seed": seed, "count": 1, "budget": defaults.budget, "candidates": 1}),
    )


def captioner(place: Place, parameters: LexipixParameters) -> Bundle:
    """The captioner in the form that the compression chose.

    Args:
        place: Where a dataset of the catalog lies.
        parameters: The run's.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from lexipix.utils.png import encode_png

    variant = read_json(place("captioner_champion"))["variant"]
    folder = place("onnx_captioner") if variant == WHOLE else place("captioner_forms") / variant
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
        raise ModuleNotFoundError(f"{module} is no module of this installation")
    return Path(spec.origin)
