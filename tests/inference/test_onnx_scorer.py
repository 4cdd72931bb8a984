import numpy as np
import pytest
from tests.support.exported_models import draw

from lexipix.inference.onnx_scorer import cosines

PROMPTS = ["a big red circle at the left on white", "a small blue star at the top on black"]


def test_agreement_is_the_cosine_of_unit_vectors(generator, scorer):
    images = draw(generator, PROMPTS, n=2, seed=7)
    texts = [prompt for prompt in PROMPTS for _ in range(2)]
    found = cosines(scorer.embed_images(images), scorer.embed_texts(texts))
    by_hand = [
        scorer.embed_images(image[None])[0] @ scorer.embed_texts([text])[0]
        for image, text in zip(images, texts, strict=True)
    ]
    assert found == pytest.approx(by_hand)
    assert np.linalg.norm(scorer.embed_images(images[:1])) == pytest.approx(1, abs=1e-6)
    assert (np.abs(found) <= 1 + 1e-6).all()
