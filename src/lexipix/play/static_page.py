"""The tab Draw as static files: a page that runs the champion in the browser, without a server of ours."""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from lexipix.data.tokenization import eos_id, pad_id, reads_features, train_tokenizer
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.utils.errors import LexipixError
from lexipix.utils.packed_images import PackedImages

RUNTIME = "onnxruntime-web@1.30.0"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
_RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_NPM_SECONDS = 600  # for 33 MB over a slow connection
_SEARCHED = ("starts", "wordings", "text_keys", "image_keys", "idf", "tokens", "token_counts")


def require_npm() -> str:
    """The path of npm, which fetches ONNX Runtime; a LexipixError if it is not installed."""
    if (npm := shutil.which("npm")) is None:
        raise LexipixError(
            f"The page needs {RUNTIME}, which npm fetches, and npm is not installed: install Node.js, which "
            "has it (https://nodejs.org), and run the same command again."
        )
    return npm


@dataclass(frozen=True)
class PageSettings:
    """What the page shows first, and its limit."""

    model: str  # name of the generator
    prompt: str
    seed: int
    max_prompt_chars: int


def write_page(
    folder: Path, generator: OnnxGenerator, captions: Sequence[str], settings: PageSettings
) -> None:
    """Write the page of a generator into an empty folder; it suggests ``captions``.

    Raises:
        LexipixError: npm is not installed or cannot fetch ONNX Runtime, or the model's tokenizer is not one
            that the page can read.
    """
    _require_own_tokenizer(generator)
    _fetch_runtime(require_npm(), folder / "onnxruntime")
    with as_file(files("lexipix.play")) as sources:
        for path in [*(sources / "static").iterdir(), sources / "page.css"]:
            shutil.copyfile(path, folder / path.name)
    _write_model(generator, folder / "model")
    _write_json(folder / "model" / "config.json", asdict(settings) | _config(generator))
    _write_json(folder / "model" / "captions.json", list(captions))


def _write_model(generator: OnnxGenerator, folder: Path) -> None:
    """Write graphs, tokenizer and memory."""
    folder.mkdir()
    for name, graph in generator.model.graphs.items():
        (folder / f"{name}.onnx").write_bytes(graph)
    (folder / "tokenizer.json").write_text(generator.tokenizer.to_str(), encoding="utf-8")
    if generator.config.retrieval is not None:
        side, channels = generator.image_size, generator.image_channels
        arrays = _browser_arrays(generator.model.arrays, (side, side, channels))
        save_file(arrays, folder / "memory.safetensors")


def _config(generator: OnnxGenerator) -> dict[str, Any]:
    """What the page must know of a model."""
    keys = {"image_size", "image_channels", "noise_dim", "max_tokens", "retrieval"}
    tokenizer = generator.tokenizer
    return {
        **generator.config.model_dump(mode="json", include=keys),
        "special_ids": {"eos": eos_id(tokenizer), "pad": pad_id(tokenizer)},
        "known_words": sorted(generator.known_words),
        "nearest_words": dict(generator.nearest_words),
    }


def _browser_arrays(arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """A memory's arrays as the page reads them: whole numbers of 32 bits, and images that zlib packed.

    A browser decodes WebP files too, but changes colors under alpha 0.
    """
    images = PackedImages(arrays["packed"], arrays["ends"], shape)
    packed = [zlib.compress(images[np.array([row])].tobytes(), 9) for row in range(len(images))]
    searched = {name: arrays[name] for name in _SEARCHED}
    small = {name: one.astype(np.int32) if one.dtype == np.int64 else one for name, one in searched.items()}
    return small | {
        "packed": np.frombuffer(b"".join(packed), np.uint8),
        "ends": np.cumsum([len(one) for one in packed]).astype(np.int32),
    }


def _require_own_tokenizer(generator: OnnxGenerator) -> None:
    """Check that the page's JavaScript reads prompts as the model's tokenizer does, else a LexipixError."""
    tokenizer = generator.tokenizer
    if reads_features(tokenizer):
        return
    found, own = (json.loads(one.to_str()) for one in (tokenizer, train_tokenizer([], 258)))
    if any(found[part] != own[part] for part in ("normalizer", "pre_tokenizer", "post_processor")):
        raise LexipixError(
            "The champion reads prompts with the tokenizer of a pretrained language model, which the page "
            "cannot: train one with features.tokenizer: null and no captioner.language_model.path."
        )


def _fetch_runtime(npm: str, folder: Path) -> None:
    """Fetch ONNX Runtime for browsers and write what the page needs of it."""
    folder.mkdir()
    with TemporaryDirectory(prefix="lexipix-npm-") as place:
        command = [npm, "pack", RUNTIME, "--ignore-scripts", "--prefer-offline", "--no-update-notifier"]
        try:
            answer = subprocess.run(
                command, cwd=place, capture_output=True, text=True, timeout=_NPM_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise _not_fetched(f"no answer in {_NPM_SECONDS} seconds") from None
        if answer.returncode:
            raise _not_fetched(" ".join(answer.stderr.split())[-300:])
        (archive,) = Path(place).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != _SHA512:
            raise _not_fetched("the archive is not the one that lexipix was tested with")
        with tarfile.open(archive) as package:
            for name in _RUNTIME_FILES:
                content = package.extractfile(f"package/dist/{name}")
                assert content is not None  # the archive is the one with this digest
                (folder / name).write_bytes(content.read())


def _not_fetched(reason: str) -> LexipixError:
    return LexipixError(
        f"npm could not fetch {RUNTIME} ({reason}): check the connection and npm's registry "
        "(npm config get registry), and run the same command again."
    )


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
