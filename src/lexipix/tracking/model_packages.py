"""The content of a registered model: an exported folder, limits, the code that serves it, its signature."""

import base64
import importlib.util
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.config.root import LexipixParameters
from lexipix.repro.import_graph import used_modules

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

# What the services import, in the versions that made the model; these packages require the others
PACKAGES = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pydantic", "tokenizers")

PathOf = Callable[[str], Path]


@dataclass(frozen=True)
class Bundle:
    """The parts of a model to be registered.

    Attributes:
        module: The serving code, which calls ``mlflow.models.set_model``.
        folder: The exported model. Nothing else is needed to use it.
        config: Limits of the service (MLflow's ``model_config``).
        signature: The model's inputs, outputs and parameters.
        input_example: A request.
    """

    module: str
    folder: Path
    config: Mapping[str, Any]
    signature: "ModelSignature"
    input_example: Any

    @property
    def requirements(self) -> list[str]:
        """The packages to install for serving it."""
        return [f"{name}=={version(name)}" for name in PACKAGES]

    def copy_code(self, folder: Path) -> Path:
        """Copy the modules of lexipix that the service imports; returns the package's folder.

        The whole package would contain training and reports as well.
        """
        root = _file_of("lexipix").parent
        for module in used_modules(self.module):
            file = _file_of(module)
            packages = [parent / "__init__.py" for parent in file.parents if root in parent.parents]
            for source in [file, *packages, root / "__init__.py"]:
                target = folder / root.name / source.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        return folder / root.name

    @property
    def code(self) -> Path:
        """The file of the serving code."""
        return _file_of(self.module)


def generator(path_of: PathOf, parameters: LexipixParameters) -> Bundle:
    """The champion.

    Args:
        path_of: Dataset's name -> its file or folder.
        parameters: The run's parameters.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    defaults = parameters.generation
    seed = parameters.run.seed if defaults.seed is None else defaults.seed
    params = {"seed": seed, "count": 1, "quality": defaults.quality, "candidates": 1}
    example = defaults.prompts[0] if defaults.prompts else "a picture"
    text, number = DataType.string, DataType.long
    outputs = {"prompt": text, "index": number, "seed": number, "model": text, "png": text, "warning": text}
    signature = ModelSignature(
        inputs=Schema([ColSpec(text, "prompt")]),
        outputs=Schema([ColSpec(kind, name) for name, kind in outputs.items()]),
        params=ParamSchema(
            [
                ParamSpec(name, text if isinstance(value, str) else number, value)
                for name, value in params.items()
            ]
        ),
    )
    return Bundle(
        "lexipix.serving.generator",
        path_of("champion"),
        {"serving": defaults.serving.model_dump(mode="json")},
        signature,
        ([{"prompt": example}], params),
    )


def captioner(path_of: PathOf, parameters: LexipixParameters) -> Bundle:
    """The captioner in the variant that the compression chose.

    Args:
        path_of: Dataset's name -> its file or folder.
        parameters: The run's parameters.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from lexipix.utils.png import encode_png

    size = parameters.ingestion.image_size
    picture = base64.b64encode(encode_png(np.full((size, size, 3), 255, np.uint8))).decode()
    return Bundle(
        "lexipix.serving.captioner",
        path_of("captioner_champion"),
        {
            "serving": parameters.generation.serving.model_dump(mode="json"),
            "image": parameters.ingestion.model_dump(mode="json", include={"min_side", "max_pixels"}),
        },
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
