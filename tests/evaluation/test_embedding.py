import numpy as np
from tests.support.pickling_engine import PicklingEngine

from lexipix.data.images import Subset
from lexipix.engines.base import row_parts
from lexipix.evaluation.embedding import Embedder
from lexipix.models.evaluator import Evaluator


def test_unit_vectors_and_equal_captions_read_alike(evaluator, run, image_splits):
    embedder = Embedder(Evaluator, evaluator, run, 16)
    features, embeddings = embedder.embed_images(image_splits.test.images)
    assert len(features) == len(embeddings) == 30
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    read = embedder.embed_texts(["a star", "a ring", "a star"])
    np.testing.assert_array_equal(read[0], read[2])
    assert not np.allclose(read[0], read[1])


def test_images_are_embedded_in_parts_that_another_process_can_run(evaluator, run, image_splits, monkeypatch):
    images = Subset(image_splits.test.images, np.arange(29, -1, -2))
    whole = Embedder(Evaluator, evaluator, run, 5).embed_images(images)
    monkeypatch.setattr("lexipix.evaluation.embedding.row_parts", lambda n: row_parts(n, 10))
    parts = Embedder(Evaluator, evaluator, run, 5, PicklingEngine()).embed_images(images)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_paraphrases_are_embedded_together(evaluator, run):
    embedder = Embedder(Evaluator, evaluator, run, 16)
    read = embedder.embed_texts(["a star", "a ring", "a disc"])
    together = embedder.embed_paraphrases([["a star"], ["a ring", "a disc"]])
    mean = read[1:].mean(0)
    np.testing.assert_allclose(together, [read[0], mean / np.linalg.norm(mean)], atol=1e-5)
