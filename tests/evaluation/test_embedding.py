import numpy as np

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


def test_several_paraphrases_are_embedded_together(evaluator, run):
    embedder = Embedder(Evaluator, evaluator, run, 16)
    read = embedder.embed_texts(["a star", "a ring", "a disc"])
    together = embedder.embed_paraphrases([["a star"], ["a ring", "a disc"]])
    mean = read[1:].mean(0)
    np.testing.assert_allclose(together, [read[0], mean / np.linalg.norm(mean)], atol=1e-5)
