"""lexipix turns a folder of captioned images into a fast text-to-image model, reproducibly.

The public API loads and uses trained models, without torch::

    from lexipix import CaptionPipeline, TextToImagePipeline

    pipe = TextToImagePipeline.from_pretrained("data/06_models/champion")
    images = pipe(["a big red circle at the left on white"], num_images=4, seed=7, quality="best").images
    captions = CaptionPipeline.from_pretrained("data/06_models/captioner_champion")(images)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lexipix.inference.caption_pipeline import CaptionPipeline
    from lexipix.inference.text_to_image_pipeline import TextToImagePipeline

__version__ = "0.1.0"
__all__ = ["CaptionPipeline", "TextToImagePipeline", "__version__"]

_MODULES = {
    "CaptionPipeline": "lexipix.inference.caption_pipeline",
    "TextToImagePipeline": "lexipix.inference.text_to_image_pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public class when it is first used, so that ``import lexipix`` costs nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module 'lexipix' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
