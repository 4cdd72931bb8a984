"""Exports trained networks to ONNX graphs and verifies each on real input."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from lexipix.compression import onnx_graphs
from lexipix.config.compression import VerificationParameters
from lexipix.data.images import normalize
from lexipix.data.tokenization import n_tokens, pad_id
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.neighbor_memory import MAX_SIMILARITY
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network, token_ids, tokenizer_of
from lexipix.utils.errors import LexipixError
from lexipix.utils.logging import suppress_logs
from lexipix.utils.types import ImageSplits, ModelBundle, OnnxModel

VERIFICATION_IMAGES = 16

Inputs = Mapping[str, Tensor]


class Unavailable(Exception):
    """A variant that cannot be made or run on this machine; the message gives the reason."""


@dataclass(frozen=True)
class _Graph:
    """A module to export, with input to verify it and the names of its dynamic axes and outputs."""

    module: nn.Module
    batches: Sequence[Inputs]
    dynamic_axes: Mapping[str, Sequence[int]]
    outputs: Sequence[str]


class Exporter:
    """Exports networks and rejects graphs that compute something else.

    The graphs are compared with their networks on the first ``captions`` and ``images``, uint8 (M, H, W, 3),
    of the validation split, or of the training split where the validation split has no caption. Without any
    caption there is a LexipixError.
    """

    def __init__(self, image_splits: ImageSplits, verification: VerificationParameters) -> None:
        for split in (image_splits.val, image_splits.train):
            captions = split.captions["caption"].dropna()
            if len(captions):
                self.captions = [str(text) for text in captions[: verification.n_captions]]
                self.images = np.array(split.images[:VERIFICATION_IMAGES])
                break
        else:
            raise LexipixError(
                "No image has a caption, and exported graphs are verified on captions: add captions to the "
                "source (metadata.jsonl or NAME.txt) and run `kedro run --pipelines ingestion`."
            )
        self.max_difference = verification.max_difference
        self._network: Mapping[str, Any] = {}
        self._programs: dict[str, torch.onnx.ONNXProgram] = {}

    def generator(self, bundle: ModelBundle) -> OnnxModel:
        """Exports a generator of either family.

        ``read`` maps ids (B, L) to what ``draw`` needs; what that is depends on the kind of the generator.
        """
        if bundle.config["kind"] == RetrievalToImage.kind:
            return self._retrieval_to_image(bundle)
        return self._text_to_image(bundle)

    def _retrieval_to_image(self, bundle: ModelBundle) -> OnnxModel:
        """Exports a generator with its memory.

        ``read`` maps ids (B, L) to unit vectors (B, D), with which the memory is searched; ``rank`` maps
        these and what was found to scores; ``draw`` maps them and the chosen images, uint8 (B, K, S, S, C),
        to images and pixels.
        """
        module = load_network(bundle, RetrievalToImage)
        n_neighbors = module.editor.n_neighbors
        reads, ranks, draws = [], [], []
        for ids in self._ids(bundle):
            found = module.retrieve(ids)
            own = {"query": found.embedding, "words": found.words}
            theirs = {"keys": found.keys, "key_words": found.key_words}
            reads.append({"ids": ids})
            similarities = found.similarities.clamp_max(MAX_SIMILARITY)
            ranks.append({**own, **theirs, "vectors": found.vectors, "similarities": similarities})
            chosen = [min(row, found.rows.shape[1] - 1) for row in range(n_neighbors)]
            images = torch.from_numpy(module.memory.images[found.rows[:, chosen].numpy()])
            draws.append({**own, **{k: v[:, chosen] for k, v in theirs.items()}, "neighbors": images})
        network = bundle.config["network"]
        config = {
            **_image_shape(bundle),
            "noise_dim": module.noise_dim,
            "known_words": bundle.config.get("known_words", []),
            "retrieval": {"n_neighbors": n_neighbors, "temperature": module.temperature},
        }
        ranked = dict.fromkeys(ranks[0], (0, 1)) | {"query": (0,), "key_words": (0, 1, 2)}
        drawn: dict[str, Sequence[int]] = dict.fromkeys(draws[0], (0,))
        drawn |= {"words": (0, 1), "key_words": (0, 2)}
        read = onnx_graphs.text_embedding(module.text_encoder, module.pad_id)
        rank = onnx_graphs.NeighborsToScores(module).eval()
        draw = onnx_graphs.NeighborsToImage(module).eval()
        graphs = {
            "read": _Graph(read, reads, {"ids": (0, 1)}, ["query"]),
            "rank": _Graph(rank, ranks, ranked, ["scores"]),
            "draw": _Graph(draw, draws, drawn, ["images", "pixels"]),
        }
        arrays = {name: bundle.weights[f"memory_{name}"].numpy() for name in network["memory"]}
        return replace(self._model(bundle, config, graphs), arrays=arrays)

    def _text_to_image(self, bundle: ModelBundle) -> OnnxModel:
        """Exports a generator from latents.

        ``read`` maps ids (B, L) to all that depends on captions alone; ``draw`` maps that and noise (B, Z) to
        images (B, 3, S, S) and the same as uint8 (B, S, S, 3).
        """
        network = bundle.config["network"]
        module = load_network(bundle, TextToImage)
        read = onnx_graphs.TextToConditioning(module).eval()
        draw = onnx_graphs.ConditioningToImage(module).eval()
        noise_dim = int(network["prior"]["noise_dim"])
        reads, draws = [], []
        for ids in self._ids(bundle):
            noise = np.random.default_rng(0).standard_normal((len(ids), noise_dim), np.float32)
            with torch.no_grad():
                parts = dict(zip(onnx_graphs.PLAN, read(ids), strict=True))
            reads.append({"ids": ids})
            draws.append({"noise": torch.from_numpy(noise), **parts})
        config = {
            "noise_dim": noise_dim,
            **_image_shape(bundle),
            "known_words": bundle.config.get("known_words", []),
        }
        graphs = {
            "read": _Graph(read, reads, {"ids": (0, 1)}, list(parts)),
            "draw": _Graph(draw, draws, dict.fromkeys(draws[0], (0,)), ["images", "pixels"]),
        }
        return self._model(bundle, config, graphs)

    def captioner(self, bundle: ModelBundle) -> OnnxModel:
        """Exports a captioner.

        ``see`` maps images to cells; ``next_word`` maps cells and the tokens so far to logits: the last token
        with the key-value cache of those before, or all tokens if the cells are a prefix. ``memory`` in the
        configuration is the shape of the cache of a text, without its length.
        """
        module = load_network(bundle, Captioner)
        see, images = onnx_graphs.ImageCells(module).eval(), self._images()
        with torch.no_grad():
            cells = see(images["images"])
        texts = []
        for ids in self._ids(bundle):
            ids = torch.cat([torch.full((len(ids), 1), module.start_id), ids[:, :-1]], dim=1)
            texts.append((ids, cells[torch.arange(len(ids)) % len(cells)]))
        config: dict[str, Any] = {
            **_image_shape(bundle),
            "start_id": module.start_id,
            "pad_id": module.pad_id,
            "eos_id": module.eos_id,
            "memory": None,
        }
        if module.conditioning == "prefix":
            prefixed = [{"ids": ids, "cells": rows} for ids, rows in texts]
            axes = {"ids": (0, 1), "cells": (0,)}
            next_word = _Graph(onnx_graphs.PrefixDecodingStep(module).eval(), prefixed, axes, ["logits"])
        else:
            step = onnx_graphs.DecodingStep(module).eval()
            config["memory"] = step.memory
            steps = [one for ids, rows in texts for one in _written(step, ids, rows)]
            axes = {"words": (0,), "position": (), "cells": (0,), "memory": (0, 3)}
            next_word = _Graph(step, steps, axes, ["logits", "kept"])
        graphs = {"see": _Graph(see, [images], {"images": (0,)}, ["cells"]), "next_word": next_word}
        return self._model(bundle, config, graphs)

    def contrastive_pair(self, bundle: ModelBundle) -> OnnxModel:
        """Exports the scorer: ``image`` maps images and ``text`` maps ids to unit vectors (B, D)."""
        module = load_network(bundle, ContrastivePair)
        image = onnx_graphs.ImageEmbedding(module).eval()
        text = onnx_graphs.text_embedding(module.text_encoder, pad_id(tokenizer_of(bundle)))
        texts = [{"ids": ids} for ids in self._ids(bundle)]
        graphs = {
            "image": _Graph(image, [self._images()], {"images": (0,)}, ["vectors"]),
            "text": _Graph(text, texts, {"ids": (0, 1)}, ["vectors"]),
        }
        return self._model(bundle, _image_shape(bundle), graphs)

    def _ids(self, bundle: ModelBundle) -> list[Tensor]:
        """The captions as one padded batch, and the shortest and the longest of them by themselves."""
        tokenizer = tokenizer_of(bundle)
        by_length = n_tokens(tokenizer, self.captions).argsort(kind="stable")
        shortest, longest = (self.captions[place] for place in (by_length[0], by_length[-1]))
        return [token_ids(bundle, texts) for texts in (self.captions, [shortest], [longest])]

    def _images(self) -> dict[str, Tensor]:
        return {"images": normalize(torch.from_numpy(self.images)).contiguous()}

    def _model(self, bundle: ModelBundle, config: dict[str, Any], graphs: Mapping[str, _Graph]) -> OnnxModel:
        """Exports and verifies graphs; a RuntimeError if one does not compute what its network does."""
        kind, network = bundle.config["kind"], bundle.config["network"]
        if self._network == network:
            # Both generators have the same network: the second export only replaces the weights
            with _quiet():  # it logs each weight that a graph does not use
                for name, graph in graphs.items():
                    self._programs[name].apply_weights(graph.module.state_dict())
        else:
            self._programs = {name: _export(graph) for name, graph in graphs.items()}
            self._network = network
        contents = {name: _content(program) for name, program in self._programs.items()}
        differences = {}
        for name, graph in graphs.items():
            difference = largest_difference(contents[name], graph.module, graph.batches)
            if not difference <= self.max_difference:
                raise RuntimeError(
                    f"the ONNX graph {name} of the {kind} differs from its network by {difference:g}, more "
                    f"than compression.verification.max_difference = {self.max_difference:g}"
                )
            differences[name] = difference
        verification = {"max_difference": differences, "n_captions": len(self.captions)}
        card = {**bundle.card, "onnx": verification}
        config = {"kind": kind, "max_tokens": bundle.config["max_tokens"], **config}
        return OnnxModel(config, contents, bundle.tokenizer, card)


@torch.no_grad()
def _written(step: onnx_graphs.DecodingStep, ids: Tensor, cells: Tensor) -> list[Inputs]:
    """Inputs of the last and of the first decoding step of texts ``ids`` (B, L)."""
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
    """Returns the largest absolute difference between the real outputs of a graph and of a network."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
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


def _image_shape(bundle: ModelBundle) -> dict[str, int]:
    return {key: int(bundle.config[key]) for key in ("image_size", "image_channels")}


def _export(graph: _Graph) -> torch.onnx.ONNXProgram:
    """Traces a module into a graph with dynamic axes."""
    # ONNX Runtime optimizes a graph when it loads it; without the exporter's own optimization the export
    # takes two thirds of the time, the result is as fast, and parameters keep their names
    inputs = graph.batches[0]
    graph.module.requires_grad_(False)  # tracing is faster without gradients
    shapes = tuple(dict.fromkeys(graph.dynamic_axes[name], torch.export.Dim.DYNAMIC) for name in inputs)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph.module, tuple(inputs.values()), input_names=list(inputs), output_names=list(graph.outputs),
            dynamic_shapes=shapes, dynamo=True, optimize=False, verbose=False,
        )  # fmt: skip
    assert program is not None
    return program


def _content(program: torch.onnx.ONNXProgram) -> bytes:
    """The graph as the content of a file, without paths and source lines of this machine."""
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
    """Suppresses the exporter's notes about libraries that are not installed."""
    with suppress_logs("torch.onnx", "onnx_ir", "onnxscript"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
