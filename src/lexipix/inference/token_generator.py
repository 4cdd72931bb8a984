"""The generator that writes visual words, at work. It has no exported form and needs torch."""

from collections.abc import Sequence
from typing import ClassVar

import torch

from lexipix.data.images import to_uint8
from lexipix.inference.onnx_models import OnnxGenerator, Pixels, Vectors
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.bundles import load_network
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.threads import on_all_cores
from lexipix.utils.types import ModelBundle, OnnxModel


class TokenImageGenerator(OnnxGenerator):
    """Prompts and noise to pictures by way of visual words.

    As with the others, a picture depends neither on what is drawn beside it nor on the number of cores: each
    is drawn alone, on one thread, and they are shared out among the cores.

    Args:
        model: A ``tokens_to_image``.

    Raises:
        LexipixError: Its training was left out.
    """

    needs: ClassVar[Sequence[str]] = ()

    def __init__(self, model: ModelBundle) -> None:
        if is_skipped(model):
            raise LexipixError(
                f"There is no generator 'words' here: {model.config['because']}. Set it to true and "
                "run `kedro run --pipelines generator --tags image_tokenizer,words`, or choose --model vae or gan."
            )
        super().__init__(OnnxModel(model.config, {}, model.tokenizer, model.card))
        self._network = load_network(model, TokensToImage)

    def _draw(self, prompts: Sequence[str], noise: Vectors, pixels: Pixels) -> None:
        """Fill ``pixels``."""

        def draw_one(place: int) -> None:
            torch.set_num_threads(1)  # each thread has its own number
            ids = torch.from_numpy(self.ids(prompts[place]))
            with torch.inference_mode():
                image = self._network(ids, torch.from_numpy(noise[place : place + 1]))
            pixels[place] = to_uint8(image)[0]

        n_threads = torch.get_num_threads()
        try:
            on_all_cores(draw_one, range(len(prompts)))
        finally:
            torch.set_num_threads(n_threads)
