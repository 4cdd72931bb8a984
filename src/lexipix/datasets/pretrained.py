"""Pretrained networks from a folder or by name, loaded with transformers."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.datasets.base import ServiceDataset
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import CARD, CONFIG, TOKENIZER, read_onnx_model
from lexipix.utils.permissions import not_readable
from lexipix.utils.types import (
    OnnxModel,
    PretrainedBackbone,
    PretrainedLanguageModel,
    PretrainedSentenceEncoder,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_log = logging.getLogger(__name__)

# What most image networks were trained with; used with a warning for models without their own values.
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PAD = "<pad>"
# Without it, transformers asks on the terminal whether to run code of the model's folder
_SAFE: dict[str, Any] = {"trust_remote_code": False}
_WEIGHTS: dict[str, Any] = {**_SAFE, "use_safetensors": True}
_CAPTIONER_FILES = (CONFIG, TOKENIZER, CARD, "see.onnx", "next_word.onnx")


class PretrainedModels:
    """Loads pretrained networks: weights from safetensors only, code from transformers only.

    The methods take a folder, which may be relative to ``root``, or a name to download, and the parameter
    that names it, for error messages.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def backbone(self, path: str, key: str) -> PretrainedBackbone:
        """An image backbone with its normalization.

        Raises:
            LexipixError: It does not exist, or it is not a backbone with at least three stages.
        """
        import torch
        from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoConfig

        source = self._source(path, key)
        with _readable_errors(key, path), torch.random.fork_rng(devices=[]):
            config = AutoConfig.from_pretrained(source, **_SAFE)
            if type(config) not in MODEL_FOR_BACKBONE_MAPPING:
                raise LexipixError(
                    f"{key} = {path!r} is a {config.model_type}, which has no feature maps: choose a "
                    "backbone such as a ResNet, ConvNeXt, Swin or DINOv2."
                )
            if len(config.stage_names or ()) < 3:
                raise LexipixError(f"{key} = {path!r} has fewer than three stages: choose a deeper backbone.")
            config.set_output_features_output_indices(out_features=None, out_indices=[-3, -2, -1])
            torch.manual_seed(0)  # for norms that exist only in the backbone and have no weights
            model, report = MODEL_FOR_BACKBONE_MAPPING[type(config)].from_pretrained(
                source, config=config, dtype=torch.float32, output_loading_info=True, **_WEIGHTS
            )
            missing = sorted(k for k in report["missing_keys"] if not k.startswith("hidden_states_norms"))
            if missing:
                raise LexipixError(
                    f"{key} = {path!r} lacks weights of a {config.model_type}: {', '.join(missing[:3])} …."
                )
            mean, std = self._normalization(source, key)
        return PretrainedBackbone(model, mean, std)

    def language_model(self, path: str, key: str) -> PretrainedLanguageModel:
        """A causal language model with its tokenizer; LexipixError if one is missing or has no end token."""
        import torch
        from transformers import AutoModelForCausalLM

        source = self._source(path, key)
        tokenizer, start_id = self._tokenizer(path, key)
        with _readable_errors(key, path), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **_WEIGHTS)
            model.config.pad_token_id = None  # padding follows the text, where a causal model does not look
            if tokenizer.get_vocab_size() > model.get_input_embeddings().weight.shape[0]:
                model.resize_token_embeddings(tokenizer.get_vocab_size(), mean_resizing=False)
        return PretrainedLanguageModel(model.eval(), tokenizer.to_str(), start_id)

    def tokenizer(self, path: str, key: str) -> str:
        """The ``tokenizer.json`` of a language model alone, as :meth:`language_model` returns it."""
        return str(self._tokenizer(path, key)[0].to_str())

    def sentence_encoder(self, path: str, key: str) -> PretrainedSentenceEncoder:
        """A sentence encoder in the format of sentence-transformers, or the text encoder of a CLIP.

        Raises:
            LexipixError: It does not exist, lacks weights, or has no fast tokenizer.
        """
        import torch
        from transformers import AutoConfig, AutoModel, AutoTokenizer, CLIPTextModelWithProjection

        source = self._source(path, key)
        with _readable_errors(key, path), torch.random.fork_rng(devices=[]):
            is_clip = AutoConfig.from_pretrained(source, **_SAFE).model_type in ("clip", "clip_text_model")
            kind = CLIPTextModelWithProjection if is_clip else AutoModel
            model, report = kind.from_pretrained(
                source, dtype=torch.float32, output_loading_info=True, **_WEIGHTS
            )
            # A pooler stands behind the states of the tokens, and is not used
            missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
            if missing:
                raise LexipixError(f"{key} = {path!r} lacks weights: {', '.join(missing[:3])} ….")
            tokenizer = AutoTokenizer.from_pretrained(source, **_SAFE)
            if not tokenizer.is_fast or tokenizer.pad_token is None:
                raise LexipixError(
                    f"{key} = {path!r} has no tokenizer.json with a padding token: choose another encoder."
                )
            pools_first = _json_of(source, "1_Pooling/config.json").get("pooling_mode_cls_token", False)
        return PretrainedSentenceEncoder(
            model.eval(), tokenizer, "projection" if is_clip else "first" if pools_first else "mean"
        )

    def captioner(self, path: str, key: str) -> OnnxModel:
        """A captioner that another run has trained and exported; LexipixError if the folder is none."""
        folder = self._folder(path, key)
        missing = [name for name in _CAPTIONER_FILES if not (folder / name).is_file()]
        if missing:
            raise LexipixError(
                f"{key} = {path!r} is not an exported captioner, {', '.join(missing)} missing: choose "
                "the folder 06_models/onnx/captioner of an environment with a finished run, or a copy of it."
            )
        try:
            return read_onnx_model(folder)
        except LexipixError as error:
            raise LexipixError(f"{key} = {path!r} cannot be used: {error}") from error

    def _tokenizer(self, path: str, key: str) -> "tuple[Tokenizer, int]":
        """The tokenizer and the id of the token that starts a text."""
        from tokenizers import Tokenizer, processors
        from transformers import AutoConfig, AutoTokenizer

        source = self._source(path, key)
        with _readable_errors(key, path):
            n_tokens = AutoConfig.from_pretrained(source, **_SAFE).get_text_config().vocab_size
            fast = AutoTokenizer.from_pretrained(source, **_SAFE)
            # If its files are missing, transformers returns an almost empty tokenizer
            if not fast.is_fast or len(fast) < n_tokens / 2 or fast.eos_token is None:
                raise LexipixError(
                    f"{key} = {path!r} has no tokenizer.json that fits its vocabulary and has an end token: "
                    "choose another language model."
                )
            # A token that is only padding: a model that pads with its end token never learns to stop
            if fast.pad_token in (None, fast.eos_token, fast.bos_token, fast.unk_token):
                fast.add_special_tokens({"pad_token": _PAD})
        tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
        # As tokenizers that are trained here
        tokenizer.post_processor = processors.TemplateProcessing(
            single=["$A", fast.eos_token], special_tokens=[(fast.eos_token, fast.eos_token_id)]
        )
        tokenizer.no_truncation()
        tokenizer.enable_padding(pad_id=fast.pad_token_id, pad_token=fast.pad_token)
        return tokenizer, fast.eos_token_id if fast.bos_token is None else fast.bos_token_id

    def _source(self, path: str, key: str) -> str:
        """The folder if it exists, else the name."""
        folder = self._folder(path, key)
        return str(folder) if folder.is_dir() else path

    def _folder(self, path: str, key: str) -> Path:
        folder = self.root / Path(path).expanduser()
        if denied := not_readable(folder):
            raise LexipixError(f"{key} = {path!r} cannot be read: {denied}.")
        return folder

    def _normalization(
        self, source: str, key: str
    ) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        # Read as JSON, because the image processors of transformers need torchvision
        data = _json_of(source, "preprocessor_config.json")
        if not data.get("do_normalize", True):
            return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if "image_mean" not in data or "image_std" not in data:
            _log.warning("%s: the model has no normalization of images, so that of ImageNet is used.", key)
        mean, std = data.get("image_mean") or _IMAGENET_MEAN, data.get("image_std") or _IMAGENET_STD
        return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


class PretrainedModelsDataset(ServiceDataset[PretrainedModels]):
    """Loads as the object that reads pretrained networks; relative folders start from ``path``."""

    def __init__(self, *, path: str = ".") -> None:
        self.path = Path(path)

    def load(self) -> PretrainedModels:
        return PretrainedModels(self.path)


def _json_of(source: str, name: str) -> dict[str, Any]:
    """The content of one of a model's JSON files; empty if it has none of that name."""
    from transformers.utils import cached_file

    file = cached_file(source, name, _raise_exceptions_for_missing_entries=False)
    content: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
    return content


@contextmanager
def _readable_errors(key: str, path: str) -> Iterator[None]:
    """Turn errors into one sentence, and silence the reports of transformers."""
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    except LexipixError:
        raise
    except Exception as error:  # transformers and its hub client raise many types
        reason = " ".join(str(error).split())
        raise LexipixError(
            f"{key} = {path!r} is neither a folder with a model of transformers and safetensors weights nor "
            f"the name of one that could be downloaded ({reason[:200]})."
        ) from error
    finally:
        transformers_logging.set_verbosity(before)
        transformers_logging.enable_progress_bar()
