"""Causal language models: the project's small GPT-2, and models of transformers from their dictionaries.

Importing transformers takes twice as long as torch: it waits until a model is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedModel

HEAD_DIM = 32


def small_gpt2(
    vocabulary: int, positions: int, width: int, depth: int, eos_id: int, *, cross_attention: bool = True
) -> GPT2LMHeadModel:
    """Build a GPT-2 with random weights and without dropout; ``width`` is a multiple of 32."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=depth,
        n_head=width // HEAD_DIM,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, in one kernel
        add_cross_attention=cross_attention,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=eos_id,
        eos_token_id=eos_id,
        # None: padding follows the text, where a causal model never attends, so it needs no mask
        pad_token_id=None,
    )
    return GPT2LMHeadModel(config)


def language_model_from_config(config: dict[str, Any]) -> PreTrainedModel:
    """Build a causal language model with random weights from its ``config.to_dict()``."""
    from transformers import AutoConfig, AutoModelForCausalLM

    model: PreTrainedModel = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    return model


def append_language_model_states(
    language_model: PreTrainedModel, ids: Tensor, mask: Tensor, hidden_states: Tensor
) -> Tensor:
    """Hidden states of a language model for ``ids`` (B, L), then those of a text encoder (B, L, W), joined.

    ``mask`` (B, L) is true where there is a token; the language model sees no image.
    """
    causal = language_model.base_model(input_ids=ids, attention_mask=mask.long(), use_cache=False)[0]
    return torch.cat([causal, hidden_states], dim=-1)
