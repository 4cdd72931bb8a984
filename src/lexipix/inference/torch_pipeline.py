"""A champion as networks in safetensors, with torch instead of ONNX Runtime.

The folder holds ``config.json`` of the champion and two model folders, ``generator`` and ``scorer``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from kedro.io import DatasetError
from torch import Tensor

from lexipix.config.generation import Quality
from lexipix.data.images import normalize, to_uint8
from lexipix.data.tokenization import pad_id
from lexipix.datasets.models import ModelFolderDataset
from lexipix.inference.exported_config import ChampionConfig, checked
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.onnx_session import Pixels, Vectors, damaged, fitting
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import CONFIG, GENERATOR, WEIGHTS, checked_file, read_json
from lexipix.utils.threads import on_all_cores
from lexipix.utils.types import BASELINE, SCORER, ModelBundle, OnnxModel


class TorchGenerator(OnnxGenerator):
    """Draws images of prompts with a network.

    As with the exported generators, an image depends neither on the other images nor on the number of cores:
    each is drawn alone, on one thread, and images are distributed over the cores.
    """

    graphs: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        model: ModelBundle,
        network: ConditionalGenerator,
        config: Mapping[str, Any],
        nearest_words: Mapping[str, str] | None = None,
    ) -> None:
        """``config`` holds what an exported generator says of itself."""
        own = {**config, "noise_dim": network.noise_dim, "retrieval": None}
        super().__init__(OnnxModel(own, {}, model.tokenizer, model.card), nearest_words)
        self._network = network

    def _generate(self, prompts: Sequence[str], noise: Vectors, pixels: Pixels) -> None:
        """Fill ``pixels``."""

        def draw(row: int) -> None:
            ids = torch.from_numpy(self.token_ids(prompts[row]))
            image = self._network(ids, torch.from_numpy(noise[row : row + 1]))
            pixels[row] = to_uint8(image)[0]

        _on_all_cores(draw, len(prompts))


class TorchScorer(OnnxScorer):
    """The contrastive pair as a scorer."""

    graphs: ClassVar[Sequence[str]] = ()

    def __init__(self, model: ModelBundle, config: Mapping[str, Any]) -> None:
        own = {**config, "max_tokens": model.config["max_tokens"]}
        super().__init__(OnnxModel(own, {}, model.tokenizer, model.card))
        self._pair = load_network(model, ContrastivePair)
        self._pad_id = pad_id(self.tokenizer)

    def embed_images(self, images: Pixels) -> Vectors:
        def embed(row: int) -> Tensor:
            image = normalize(torch.from_numpy(images[row : row + 1]))
            embedding: Tensor = self._pair.image_encoder(image).embedding
            return embedding

        return _vectors(embed, len(images))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        def embed(row: int) -> Tensor:
            ids = torch.from_numpy(self.token_ids(texts[row]))
            embedding: Tensor = self._pair.text_encoder(ids, ids != self._pad_id)
            return embedding

        return _vectors(embed, len(texts))


def load(folder: Path) -> TextToImagePipeline:
    """The pipeline of a folder with networks; every quality is the uncompressed network.

    Raises:
        LexipixError: A file is missing or damaged, or the weights do not fit the network.
    """
    config = read_json(folder / CONFIG)
    champion = checked(ChampionConfig, config)
    qualities = dict.fromkeys(get_args(Quality), BASELINE)

    def generator(variant: str) -> OnnxGenerator:
        with _usable(folder / GENERATOR):
            model = _read_bundle(folder / GENERATOR)
            network: ConditionalGenerator = load_network(model, TextToImage, RetrievalToImage)
            return TorchGenerator(model, network, config, champion.nearest_words)

    def scorer() -> OnnxScorer:
        with _usable(folder / SCORER):
            return TorchScorer(_read_bundle(folder / SCORER), config)

    return TextToImagePipeline(champion.family, qualities, generator, scorer)


def _read_bundle(folder: Path) -> ModelBundle:
    if (weights := folder / WEIGHTS).exists():
        checked_file(weights)
    return ModelFolderDataset(filepath=str(folder)).load()


def _vectors(embed: Callable[[int], Tensor], n_vectors: int) -> Vectors:
    """The results (1, V) of a function for each number below ``n_vectors``, as float32 (n_vectors, V)."""
    vectors: list[Vectors] = [np.empty(0, np.float32)] * n_vectors

    def keep(row: int) -> None:
        vectors[row] = embed(row).float().numpy()

    _on_all_cores(keep, n_vectors)
    return np.concatenate(vectors)


@fitting()
def _on_all_cores(function: Callable[[int], None], n_tasks: int) -> None:
    """Call a function for each number below ``n_tasks``, on one thread each, without gradients."""

    def alone(row: int) -> None:
        torch.set_num_threads(1)  # torch keeps this number for each thread
        with torch.inference_mode():
            function(row)

    n_threads = torch.get_num_threads()
    try:
        on_all_cores(alone, range(n_tasks))
    except RuntimeError as error:  # torch's, also of shapes that do not fit each other
        if "memory" in str(error):
            raise
        raise damaged("networks", error) from error
    finally:
        torch.set_num_threads(n_threads)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Report a damaged file, or a configuration that describes no network, in one sentence."""
    try:
        yield
    except LexipixError:
        raise
    except (DatasetError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        cause: BaseException = error
        while isinstance(cause, DatasetError | LexipixError) and cause.__cause__ is not None:
            cause = cause.__cause__  # what a dataset says of a stage does not help here
        reason = " ".join(str(cause).split())[:200]
        raise LexipixError(
            f"The model in {folder} is damaged or from another version ({type(cause).__name__}: {reason}): "
            "run `kedro export` again."
        ) from error
