import numpy as np
import torch

from lexipix.data.images import normalize, to_uint8
from lexipix.inference.onnx_session import normalize_pixels


def test_pixels_are_normalized_as_in_training():
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert np.array_equal(normalize_pixels(images), normalize(torch.from_numpy(images)).numpy())
    assert np.array_equal(to_uint8(torch.from_numpy(normalize_pixels(images))), images)
    values = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    levels = np.rint((values + 1) * 127.5).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    assert np.array_equal(to_uint8(torch.from_numpy(values)), levels)
