"""Networks that somebody else has trained, from a folder or by name, through transformers."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.datasets.base import ServiceDataset
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import CARD, CONFIG, TOKENIZER, read_onnx_model
from lexipix.utils.types import OnnxModel, PretrainedBackbone, PretrainedLanguageModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

_log = logging.getLogger(__name__)

# What most image networks were trained with; told when a model does not say.
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PAD = "<pad>"
_CAPTIONER_FILES = (CONFIG, TOKENIZER, CARD, "see.onnx", "next_word.onnx")


class PretrainedModels:
    """Reads pretrained networks; weights only from safetensors, code only of transformers.

    Args:
        root: Where a relative folder starts.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def backbone(self, path: str, key: str) -> PretrainedBackbone:
        """Read an image backbone.

        Args:
            path: A folder, or a name to fetch.
            key: The parameter that names it, for error messages.

        Raises:
            LexipixError: There is none, or it cannot serve as a backbone of three stages.
        """
        import torch
        from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoConfig

        place = self._place(path)
        with _told(key, path), torch.random.fork_rng(devices=[]):
            config = AutoConfig.from_pretrained(place)
            if type(config) not in MODEL_FOR_BACKBONE_MAPPING:
                raise LexipixError(
                    f"{key} = {path!r} is a {config.model_type}, which gives no feature maps: choose a "
                    "backbone, such as a ResNet, ConvNeXt, Swin or DINOv2."
                )
            if len(config.stage_names or ()) < 3:
                raise LexipixError(f"{key} = {path!r} has fewer than three stages: choose a deeper backbone.")
            config.set_output_features_output_indices(out_features=None, out_indices=[-3, -2, -1])
            torch.manual_seed(0)  # norms that only a backbone has start as they are made
            model, report = MODEL_FOR_BACKBONE_MAPPING[type(config)].from_pretrained(
                place, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            )
            missing = sorted(k for k in report["missing_keys"] if not k.startswith("hidden_states_norms"))
            if missing:
                raise LexipixError(
                    f"{key} = {path!r} lacks weights of a {config.model_type} ({', '.join(missing[:3])} …)."
                )
            mean, std = self._normalisation(place, key)
        return PretrainedBackbone(model, mean, std)

    def language_model(self, path: str, key: str) -> PretrainedLanguageModel:
        """Read a causal language model with its tokenizer.

        Args:
            path: A folder, or a name to fetch.
            key: The parameter that names it, for error messages.

        Raises:
            LexipixError: There is none, or its tokenizer is none of the fast ones or has no end token.
        """
        import torch
        from transformers import AutoModelForCausalLM

        place = self._place(path)
        tokenizer, start = self._tokenizer(path, key)
        with _told(key, path), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, use_safetensors=True)
            model.config.pad_token_id = None  # padding stands behind the text, where no causal model looks
            if tokenizer.get_vocab_size() > model.get_input_embeddings().weight.shape[0]:
                model.resize_token_embeddings(tokenizer.get_vocab_size(), mean_resizing=False)
        start_id = tokenizer.token_to_id(start)
        assert start_id is not None and tokenizer.padding is not None
        return PretrainedLanguageModel(
            model.eval(),
            tokenizer.to_str(),
            start_id=start_id,
            pad_id=int(tokenizer.padding["pad_id"]),
            eos_id=int(tokenizer.encode("").ids[-1]),
        )

    def tokenizer(self, path: str, key: str) -> str:
        """Read a language model's tokenizer alone, as :meth:`language_model` gives it.

        Args:
            path: A folder, or a name to fetch.
            key: The parameter that names it, for error messages.

        Returns:
            The text of its ``tokenizer.json``; it closes a text with its end token and knows its padding.

        Raises:
            LexipixError: There is none, or it is none of the fast ones or has no end token.
        """
        return str(self._tokenizer(path, key)[0].to_str())

    def captioner(self, path: str, key: str) -> OnnxModel:
        """Read a captioner that another run of this project has trained and exported.

        Args:
            path: Its folder.
            key: The parameter that names it, for error messages.

        Raises:
            LexipixError: There is none, or it is damaged.
        """
        folder = self.root / Path(path).expanduser()
        missing = [name for name in _CAPTIONER_FILES if not (folder / name).is_file()]
        if missing:
            raise LexipixError(
                f"{key} = {path!r} is no exported captioner, {', '.join(missing)} missing: name the folder "
                "06_models/onnx/captioner of an environment whose run is finished, or a copy of it."
            )
        try:
            return read_onnx_model(folder)
        except LexipixError as error:
            raise LexipixError(f"{key} = {path!r} cannot be used: {error}") from error

    def _tokenizer(self, path: str, key: str) -> "tuple[Tokenizer, str]":
        """The tokenizer, and the token that stands before a text."""
        from tokenizers import Tokenizer
        from transformers import AutoConfig, AutoTokenizer

        place = self._place(path)
        with _told(key, path):
            n_rows = AutoConfig.from_pretrained(place).get_text_config().vocab_size
            fast = AutoTokenizer.from_pretrained(place)
            # Where its files are missing, transformers makes a tokenizer that knows next to nothing
            if not fast.is_fast or len(fast) < n_rows / 2 or fast.eos_token is None:
                raise LexipixError(
                    f"{key} = {path!r} lacks a tokenizer.json that fits it and has an end token: choose "
                    "another language model."
                )
            tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
            _close(tokenizer, _own_pad(fast, tokenizer), fast.eos_token)
        return tokenizer, str(fast.bos_token or fast.eos_token)

    def _place(self, path: str) -> str:
        """A folder if there is one, else the name as it is."""
        folder = self.root / Path(path).expanduser()
        return str(folder) if folder.is_dir() else path

    def _normalisation(
        self, place: str, key: str
    ) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        from transformers.utils import cached_file

        # Read plainly: the image processors of transformers want torchvision
        file = cached_file(place, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False)
        data = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        if not data.get("do_normalize", True):
            return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if "image_mean" not in data or "image_std" not in data:
            _log.warning(
                "%s: the model does not say how it normalises pictures: ImageNet's way is taken.", key
            )
        mean, std = data.get("image_mean") or _IMAGENET_MEAN, data.get("image_std") or _IMAGENET_STD
        return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


class PretrainedModelsDataset(ServiceDataset[PretrainedModels]):
    """Loads as the object that reads pretrained networks.

    Args:
        path: Folder that a relative folder starts from; Kedro makes it absolute.
        metadata: For plugins.
    """

    def __init__(self, *, path: str = ".", metadata: dict[str, Any] | None = None) -> None:
        super().__init__(metadata=metadata)
        self.path = Path(path)

    def load(self) -> PretrainedModels:
        return PretrainedModels(self.path)


def _own_pad(fast: "PreTrainedTokenizerFast", tokenizer: "Tokenizer") -> str:
    """A token that is padding and nothing else: a model whose padding is its end never learns to stop."""
    others = {fast.eos_token, fast.bos_token, fast.unk_token}
    if fast.pad_token is not None and fast.pad_token not in others:
        return str(fast.pad_token)
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(_PAD, special=True)])
    return _PAD


def _close(tokenizer: "Tokenizer", pad: str, eos: str) -> None:
    """As lexipix.data.tokenization.with_ends, which datasets may not import."""
    from tokenizers import processors

    tokenizer.post_processor = processors.TemplateProcessing(
        single=["$A", eos], special_tokens=[(eos, tokenizer.token_to_id(eos))]
    )
    tokenizer.no_truncation()
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)


@contextmanager
def _told(key: str, path: str) -> Iterator[None]:
    """Turn what goes wrong while reading into a sentence, and keep transformers' reports to itself."""
    from transformers.utils import logging as chatter

    before = chatter.get_verbosity()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        yield
    except LexipixError:
        raise
    except Exception as error:  # the library and its hub client raise all kinds for a wrong name or file
        reason = " ".join(str(error).split())
        raise LexipixError(
            f"{key} = {path!r} is neither the folder of a model in transformers' format with safetensors "
            f"weights nor the name of one that could be fetched ({reason[:200]})."
        ) from error
    finally:
        chatter.set_verbosity(before)
        chatter.enable_progress_bar()
