"""A small retrieval generator: six images of random pixels, each with a caption of its own."""

import numpy as np
import torch

from lexipix.models.editor import Editor
from lexipix.models.neighbor_memory import memory_arrays
from lexipix.models.retrieval_to_image import RetrievalToImage, memory_tensors
from lexipix.models.text_encoder import TextEncoder

PAD, EOS, SIZE, N_IMAGES, VOCABULARY = 0, 1, 16, 6, 20
IDS = torch.tensor([[number + 2, 12, EOS, PAD] for number in range(N_IMAGES)])


def make_retrieval_generator(ids=IDS, vocabulary=VOCABULARY, pad=PAD, eos=EOS, channels=4, noise_dim=4):
    """A model, its configuration, and its images in [-1, 1], with a caption of ``ids`` (N, L) each."""
    torch.manual_seed(0)
    text = {"vocabulary": vocabulary, "max_tokens": 40, "width": 32, "depth": 1, "embed_dim": 8}
    encoder, n_images = TextEncoder(**text).eval(), len(ids)
    images = np.random.default_rng(0).integers(0, 256, (n_images, SIZE, SIZE, channels), np.uint8)
    if channels == 4:
        images[..., :3] = np.minimum(images[..., :3], images[..., 3:])
    with torch.no_grad():
        keys = encoder(ids, ids != pad).numpy()
    wordings = [[row.numpy()] for row in ids]
    numbers, vectors = np.arange(n_images), keys[::-1].copy()
    is_word = ~np.isin(np.arange(vocabulary), [pad, eos])
    arrays = memory_arrays(list(images), numbers, wordings, keys, vectors, is_word, pad)
    memory, shapes = memory_tensors(arrays)
    editor = {
        "image_size": SIZE, "image_channels": channels, "vocabulary": vocabulary, "pad_id": pad,
        "embed_dim": 8, "n_neighbors": 3, "width": 8, "depth": 1,
    }  # fmt: skip
    options = {
        "image_size": SIZE, "noise_dim": noise_dim, "temperature": 0.1, "min_edge_similarity": 0.5,
        "pad_id": pad,
    }  # fmt: skip
    config = {"text_encoder": text, "editor": editor, "memory": shapes, "retrieval": options}
    model = RetrievalToImage(encoder, Editor(**editor), memory, **options).eval()
    return model, config, torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
