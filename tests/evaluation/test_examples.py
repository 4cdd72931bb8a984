from lexipix.evaluation.evaluated_images import select_evaluated_images
from lexipix.evaluation.examples import best_and_worst


def test_best_and_worst_do_not_overlap(evaluation, pictures, test_captions):
    real = select_evaluated_images(evaluation, pictures, test_captions)
    drawn = real.images.copy()
    drawn[5:] = 0
    best, worst = best_and_worst(real, {"vae": drawn}, 5)
    assert sorted(best) == [0, 1, 2, 3, 4]
    assert not set(best) & set(worst)
    assert best_and_worst(real, {"vae": drawn}, 1000)[0] != []
