"""The content of a registered model: an exported folder, limits, the code that serves it, its signature."""

import base64
import importlib.util
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow.models import ModelSignature, infer_signature

from lexipix.config.root import LexipixParameters
from lexipix.repro.import_graph import used_modules

# What the services import, in the versions that made the model; these packages require the others
PACKAGES = (
    "mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pydantic", "safetensors", "scipy", "threadpoolctl",
    "tokenizers",
)  # fmt: skip

PathOf = Callable[[str], Path]


@dataclass(frozen=True)
class ModelPackage:
    """A model to be registered; the module of ``lexipix.serving`` named as its kind serves it."""

    kind: str  # ``generator`` or ``captioner``
    description: str
    folder: Path  # the exported model; nothing else is needed to use it
    config: Mapping[str, Any]  # limits of the service (MLflow's ``model_config``)
    signature: ModelSignature
    input_example: Any
    quality: str  # the group of metrics about its quality
    gated: Sequence[str]  # those of them that decide whether it is promoted
    speed: str  # the group of metrics about its speed

    def content(self, folder: Path) -> dict[str, Any]:
        """What ``mlflow.pyfunc.save_model`` takes.

        The modules of lexipix that the service imports, not the whole package, are copied to ``folder``.
        """
        serving = f"lexipix.serving.{self.kind}"
        root = _file_of("lexipix").parent
        for module in used_modules(serving):
            file = _file_of(module)
            packages = [parent / "__init__.py" for parent in file.parents if root in parent.parents]
            for source in [file, *packages, root / "__init__.py"]:
                target = folder / root.name / source.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        return {
            "python_model": str(_file_of(serving)),
            "code_paths": [str(folder / root.name)],
            "artifacts": {"model": str(self.folder)},
            "model_config": dict(self.config),
            "pip_requirements": [f"{name}=={version(name)}" for name in PACKAGES],
            "signature": self.signature,
            "input_example": self.input_example,
        }


def generator(path_of: PathOf, parameters: LexipixParameters) -> ModelPackage:
    """The champion; ``path_of`` gives the file or folder of a dataset."""
    from lexipix.compression.quality import GATED

    defaults = parameters.generation
    seed = parameters.run.seed if defaults.seed is None else defaults.seed
    params = {"seed": seed, "count": 1, "quality": defaults.quality, "candidates": 1}
    request = {"prompt": defaults.prompts[0] if defaults.prompts else "a picture"}
    answer = {**request, "index": 0, "seed": seed, "model": "onnx_fp32", "png": "base64", "warning": ""}
    return ModelPackage(
        kind="generator",
        description="Generates images from prompts; returns PNG files in base64.",
        folder=path_of("champion"),
        config={"serving": defaults.serving.model_dump(mode="json")},
        signature=_signature(request, answer, params),
        input_example=([request], params),
        quality="text.champion",
        gated=GATED,
        speed="speed.champion",
    )


def captioner(path_of: PathOf, parameters: LexipixParameters) -> ModelPackage:
    """The captioner in the variant that the compression chose."""
    import numpy as np

    from lexipix.compression.captioner_variants import GATED
    from lexipix.utils.png import encode_png

    size = parameters.ingestion.size
    request = {"picture": base64.b64encode(encode_png(np.full((size, size, 3), 255, np.uint8))).decode()}
    return ModelPackage(
        kind="captioner",
        description="Captions images, given as files in base64.",
        folder=path_of("captioner_champion"),
        config={
            "serving": parameters.generation.serving.model_dump(mode="json"),
            "image": parameters.ingestion.model_dump(mode="json", include={"min_side", "max_pixels"}),
        },
        signature=_signature(request, {"caption": "a picture"}),
        input_example=[request],
        quality="captioner",
        gated=GATED,
        speed="captioner_speed.champion",
    )


def _signature(
    request: Mapping[str, Any], answer: Mapping[str, Any], params: Mapping[str, Any] | None = None
) -> ModelSignature:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of integers that may be missing: none may
        return infer_signature([request], [answer], params)


def _file_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin)
