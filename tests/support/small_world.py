"""Scenes in memory, pretrained networks of a few thousand weights on disk, and parameters for them."""

import logging
from contextlib import contextmanager

import numpy as np
import pandas as pd
from tests.support.parameters import base_parameters, section
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
)

from lexipix.scenes import caption, paraphrases, render_many, sample_scene
from lexipix.utils.types import ImageSplits, Split

RUN = section("run", {"seed": 3, "precision": "fp32", "device": "cpu"})


class ListStream:
    """A metric stream that keeps its rows; it can interrupt the training at a report, as Ctrl-C does."""

    def __init__(self, interrupt_at=None):
        self.rows, self.interrupt_at = [], interrupt_at

    def log(self, images_seen, values):
        self.rows.append((images_seen, dict(values)))
        if self.interrupt_at == len(self.rows):
            raise KeyboardInterrupt

    def image(self, key, images_seen, image):
        pass


def split(n, seed, n_uncaptioned=0):
    random = np.random.default_rng(seed)
    scenes = [sample_scene(random) for _ in range(n)]
    texts = [caption(scene) for scene in scenes]
    withheld = np.arange(n) < n_uncaptioned
    table = pd.DataFrame(
        {
            "file": [f"{seed}/{i}" for i in range(n)],
            "caption": [None if hidden else text for text, hidden in zip(texts, withheld, strict=True)],
            "caption_source": [None if hidden else "given" for hidden in withheld],
            "paraphrases": [
                [] if hidden else list(paraphrases(scene))
                for scene, hidden in zip(scenes, withheld, strict=True)
            ],
            "label": None,
            "digest": [f"{seed}-{i}" for i in range(n)],
            "withheld_caption": [
                text if hidden else None for text, hidden in zip(texts, withheld, strict=True)
            ],
        }
    )
    return Split(render_many(scenes, random), table)


def image_splits(n=60, n_uncaptioned=10, source="scenes"):
    return ImageSplits(
        split(n, 1, n_uncaptioned), split(12, 2), split(9, 3), split(4, 4),
        summary={"source": source, "digest": f"{n}-{n_uncaptioned}"},
    )  # fmt: skip


def features(training=None, **changes):
    small = {
        "image_encoder.size": "tiny", "text_encoder.width": 32, "text_encoder.depth": 1,
        "vocabulary": 330, "max_tokens": 40,
    }  # fmt: skip
    return section("features", small | _schedule(training) | changes)


def captioner(training=None, **changes):
    small = {"language_model.size": "nano", "attention_images": 3}
    own = {f"captioner.{name}": value for name, value in (small | _schedule(training) | changes).items()}
    # A pretrained language model brings its tokenizer, which the features then use as well
    return base_parameters(own | {"features.tokenizer": changes.get("language_model.path")}).captioner


def _schedule(training):
    schedule = {"num_images": 64, "batch_size": 16, "num_validations": 2} | (training or {})
    return {f"training.{name}": value for name, value in schedule.items()}


class NoPretrained:
    """Pretrained models for a training from scratch, which must not load any."""

    def backbone(self, path, key):
        raise AssertionError("a training from scratch loaded a pretrained model")

    language_model = tokenizer = backbone


def save_backbone(folder, family="resnet", normalisation=None):
    """Saves a random image network of a few thousand weights in the format of real ones."""
    import json

    import torch

    torch.manual_seed(5)
    sizes = {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1]}
    if family == "resnet":
        model = ResNetForImageClassification(ResNetConfig(embedding_size=8, layer_type="basic", **sizes))
    else:
        model = ConvNextForImageClassification(ConvNextConfig(**sizes))
    with quiet():
        model.save_pretrained(folder)
    if normalisation is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(normalisation))
    return model


def save_sentence_encoder(folder, words, same=(), family="bert", pools_first=False):
    """Saves a random sentence encoder that knows ``words``, as sentence-transformers or CLIP do.

    Of each pair in ``same`` the second word has the vector of the first.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertModel,
        CLIPTextConfig,
        CLIPTextModelWithProjection,
        PreTrainedTokenizerFast,
    )

    entries = ["[PAD]", "[UNK]", "##s", *words]
    tokenizer = Tokenizer(
        models.WordPiece({word: row for row, word in enumerate(entries)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    torch.manual_seed(3)
    sizes = {"vocab_size": len(entries), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    if family == "bert":
        model = BertModel(BertConfig(**sizes, num_attention_heads=2), add_pooling_layer=False)
    else:
        config = CLIPTextConfig(**sizes, num_attention_heads=2, projection_dim=16, eos_token_id=1)
        model = CLIPTextModelWithProjection(config)
    vectors = model.get_input_embeddings().weight
    torch.nn.init.normal_(vectors)
    with torch.no_grad():
        for first, second in same:
            vectors[entries.index(second)] = vectors[entries.index(first)]
    with quiet():
        model.save_pretrained(folder)
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
        fast.save_pretrained(folder)
    if pools_first:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')


def save_language_model(folder, family="gpt2", positions=128):
    """Saves a random language model and its tokenizer in the format of real ones.

    GPT-2 has no padding token, and its EOS is its BOS; Llama has a BOS of its own, which its tokenizer puts
    before every text.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    random = np.random.default_rng(0)
    texts = [caption(sample_scene(random)) for _ in range(50)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>"] if family == "gpt2" else ["<unk>", "<s>", "</s>"]
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=340,
            special_tokens=special,
            show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        ),
    )
    if family == "gpt2":
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        named = {"bos_token": special[0], "eos_token": special[0], "unk_token": special[0]}
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
        named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    size = tokenizer.get_vocab_size()
    torch.manual_seed(5)
    if family == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=size, n_positions=positions, n_embd=32, n_layer=1, n_head=2,
                bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=1,
                num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=positions,
                bos_token_id=1, eos_token_id=2,
            )
        )  # fmt: skip
    with quiet():
        model.save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    return model


@contextmanager
def quiet():
    """Suppresses the log of transformers."""
    from transformers.utils import logging as chatter

    level = chatter.get_verbosity()
    chatter.set_verbosity(logging.ERROR)
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        chatter.enable_progress_bar()
