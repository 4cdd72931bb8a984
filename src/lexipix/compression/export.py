"""From trained networks to ONNX graphs that need no torch, each held against its network on real input."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lexipix.compression.onnx_graphs import (
    PLAN,
    Draw,
    ImageVector,
    NextWord,
    NextWordAfterPrefix,
    Read,
    See,
    TextVector,
)
from lexipix.data.images import normalize
from lexipix.data.tokenization import encode, pad_id
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.utils.logging import quiet
from lexipix.utils.types import ModelBundle, OnnxModel

_log = logging.getLogger(__name__)

Inputs = Mapping[str, Tensor]


class Unavailable(Exception):
    """A form of a model that cannot be made, or not be run on this machine; the message says why."""


@dataclass(frozen=True)
class Samples:
    """Real input to verify exports with.

    Attributes:
        captions: N texts.
        images: uint8 (M, H, W, 3), M at least 2.
    """

    captions: Sequence[str]
    images: NDArray[np.uint8]


class Exporter:
    """Exports networks and refuses graphs that do not compute the same.

    Args:
        samples: Real input to compare with.
        max_difference: Largest difference allowed between an output of the graph and of the network.
    """

    def __init__(self, samples: Samples, max_difference: float) -> None:
        self.samples, self.max_difference = samples, max_difference
        self._drawn: tuple[Mapping[str, Any], tuple[torch.onnx.ONNXProgram, ...]] | None = None

    def text_to_image(self, bundle: ModelBundle) -> OnnxModel:
        """Export a generator.

        ``read`` takes ids (B, L) and gives what captions decide by themselves; ``draw`` takes that and noise
        (B, Z), and gives pictures (B, 3, S, S) and the same as uint8 (B, S, S, 3).
        """
        network = bundle.config["network"]
        module = load_network(bundle)
        assert isinstance(module, TextToImage)
        read, draw = Read(module).eval(), Draw(module).eval()
        noise_width = int(network["prior"]["noise_width"])
        reads, draws = [], []
        for ids in self._ids(bundle):
            noise = np.random.default_rng(0).standard_normal((len(ids), noise_width), np.float32)
            with torch.no_grad():
                parts = dict(zip(PLAN, read(ids), strict=False))
            reads.append({"ids": ids})
            draws.append({"noise": torch.from_numpy(noise), **parts})
        if self._drawn is not None and self._drawn[0] == network:
            # The two generators are one network with two sets of weights: the second export costs nothing.
            programs = self._drawn[1]
            with _quiet():  # it tells of each weight that a graph does not use
                for program, wrapper in zip(programs, (read, draw), strict=True):
                    program.apply_weights(wrapper.state_dict())
        else:
            rows = dict.fromkeys(draws[0], (0,))
            programs = (
                _export(read, reads[0], {"ids": (0, 1)}, list(parts)),
                _export(draw, draws[0], rows, ["images", "pixels"]),
            )
            self._drawn = network, programs
        graphs = {name: _content(program) for name, program in zip(("read", "draw"), programs, strict=True)}
        config = {
            "max_tokens": bundle.config["max_tokens"],
            "noise_dim": noise_width,
            "image_size": int(network["decoder"]["image_size"]),
            "known_words": bundle.config.get("known_words", []),
        }
        return self._model(bundle, config, graphs, {"read": (read, reads), "draw": (draw, draws)})

    def captioner(self, bundle: ModelBundle) -> OnnxModel:
        """Export a captioner.

        ``see`` takes pictures and gives cells; ``next_word`` takes cells and what has been written, and gives
        logits: the last words with the memory of those before, or all words where the cells are a prefix.
        ``memory`` in the configuration is the shape of what is kept for each text, but for its length.
        """
        module = load_network(bundle)
        assert isinstance(module, Captioner)
        see = See(module).eval()
        images = self._images()
        with torch.no_grad():
            cells = see(images["images"])
        texts = []
        for ids in self._ids(bundle):
            ids = torch.cat([torch.full((len(ids), 1), module.start_id), ids[:, :-1]], dim=1)
            texts.append((ids, cells[torch.arange(len(ids)) % len(cells)]))
        step: nn.Module
        steps: list[Inputs]
        if module.conditioning == "prefix":
            step = NextWordAfterPrefix(module).eval()
            steps = [{"ids": ids, "cells": rows} for ids, rows in texts]
            free, outputs, memory = {"ids": (0, 1), "cells": (0,)}, ["logits"], None
        else:
            step = NextWord(module).eval()
            steps = [one for ids, rows in texts for one in _written(step, ids, rows)]
            free = {"words": (0,), "position": (), "cells": (0,), "memory": (0, 3)}
            outputs, memory = ["logits", "kept"], step.memory
        graphs = {
            "see": _content(_export(see, images, {"images": (0,)}, ["cells"])),
            "next_word": _content(_export(step, steps[0], free, outputs)),
        }
        config = {
            "max_tokens": bundle.config["max_tokens"],
            "image_size": self.samples.images.shape[1],
            "start_id": module.start_id,
            "pad_id": module.pad_id,
            "eos_id": module.eos_id,
            "memory": memory,
        }
        return self._model(bundle, config, graphs, {"see": (see, [images]), "next_word": (step, steps)})

    def contrastive_pair(self, bundle: ModelBundle) -> OnnxModel:
        """Export the scorer: ``image`` takes pictures, ``text`` takes ids; both give unit vectors (B, D)."""
        module = load_network(bundle)
        assert isinstance(module, ContrastivePair)
        image = ImageVector(module).eval()
        text = TextVector(module, pad_id(tokenizer_of(bundle))).eval()
        images, texts = self._images(), [{"ids": ids} for ids in self._ids(bundle)]
        graphs = {
            "image": _content(_export(image, images, {"images": (0,)}, ["vectors"])),
            "text": _content(_export(text, texts[0], {"ids": (0, 1)}, ["vectors"])),
        }
        config = {"max_tokens": bundle.config["max_tokens"], "image_size": self.samples.images.shape[1]}
        return self._model(bundle, config, graphs, {"image": (image, [images]), "text": (text, texts)})

    def _ids(self, bundle: ModelBundle) -> list[Tensor]:
        """The captions as one padded batch, and the shortest and the longest of them on their own."""
        tokenizer, longest = tokenizer_of(bundle), int(bundle.config["max_tokens"])
        batch = torch.from_numpy(encode(tokenizer, self.samples.captions, longest))
        by_length = sorted(self.samples.captions, key=lambda text: len(tokenizer.encode(text).ids))
        alone = [torch.from_numpy(encode(tokenizer, [by_length[i]], longest)) for i in (0, -1)]
        return [batch, *alone]

    def _images(self) -> dict[str, Tensor]:
        return {"images": normalize(torch.from_numpy(np.array(self.samples.images))).contiguous()}

    def _model(
        self,
        bundle: ModelBundle,
        config: dict[str, Any],
        graphs: dict[str, bytes],
        checks: Mapping[str, tuple[nn.Module, Sequence[Inputs]]],
    ) -> OnnxModel:
        """Verify the graphs and put them into a record.

        Raises:
            RuntimeError: A graph does not compute what its network computes.
        """
        kind = bundle.config["kind"]
        differences = {name: largest_difference(graphs[name], *check) for name, check in checks.items()}
        for name, difference in differences.items():
            size = megabytes(graphs[name])
            _log.info("%s.%s as ONNX: %.1f MB, differs by %.1e", kind, name, size, difference)
            if not difference <= self.max_difference:
                raise RuntimeError(
                    f"the ONNX graph {name} of the {kind} differs from its network by {difference:g}, more "
                    f"than compression.verification.max_difference = {self.max_difference:g}"
                )
        verification = {"max_difference": differences, "n_captions": len(self.samples.captions)}
        card = {**bundle.card, "onnx": verification}
        return OnnxModel({"kind": kind, **config}, graphs, bundle.tokenizer, card)


@torch.no_grad()
def _written(step: NextWord, ids: Tensor, cells: Tensor) -> list[Inputs]:
    """Inputs of the last step of writing texts ``ids`` (B, L), and of the first."""
    layers, heads, width = step.memory
    memory = cells.new_zeros(len(ids), layers, heads, 0, width)
    inputs: list[Inputs] = []
    for place in range(ids.shape[1]):
        inputs.append(
            {"words": ids[:, place], "position": torch.tensor([place]), "cells": cells, "memory": memory}
        )
        _, memory = step(*inputs[-1].values())
    return [inputs[-1], inputs[0]]


def largest_difference(graph: bytes, module: nn.Module, batches: Sequence[Inputs]) -> float:
    """Largest absolute difference between a graph's outputs of real numbers and a network's, over inputs."""
    session = start(graph)
    largest = 0.0
    for batch in batches:
        with torch.no_grad():
            expected = module(*batch.values())
        outputs = [expected] if isinstance(expected, Tensor) else expected
        found = session.run(None, {name: value.numpy() for name, value in batch.items()})
        for wanted, got in zip(outputs, found, strict=True):
            if wanted.is_floating_point():
                largest = max(largest, float(np.abs(got - wanted.numpy()).max()))
    return largest


def start(graph: bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """Load a graph for the CPU; 0 threads are as many as torch takes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def megabytes(*contents: bytes) -> float:
    """Size of files in MB (10^6 bytes)."""
    return sum(map(len, contents)) / 1e6


def _export(
    module: nn.Module, inputs: Inputs, free_axes: Mapping[str, Sequence[int]], outputs: Sequence[str]
) -> torch.onnx.ONNXProgram:
    """Trace a module into a graph whose named axes stay free.

    ONNX Runtime optimises a graph when it loads it; without the exporter's own optimisation the export takes
    two thirds of the time, the result is as fast, and parameters keep their names.
    """
    shapes = tuple(dict.fromkeys(free_axes[name], torch.export.Dim.DYNAMIC) for name in inputs)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module, tuple(inputs.values()), input_names=list(inputs), output_names=list(outputs),
            dynamic_shapes=shapes, dynamo=True, optimize=False, verbose=False,
        )  # fmt: skip
    assert program is not None
    return program


def _content(program: torch.onnx.ONNXProgram) -> bytes:
    """The graph as the content of a file, without the traces of where it was made (paths, source lines)."""
    proto = program.model_proto
    for graph in (proto.graph, *proto.functions):
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes about libraries that are not installed off the screen."""
    with quiet("torch.onnx", "onnx_ir", "onnxscript"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
