from lexipix.evaluation.evaluated_images import select_evaluated_images
from lexipix.evaluation.examples import choose_rows


def test_best_and_worst_do_not_overlap(evaluation, image_splits, test_captions):
    real = select_evaluated_images(evaluation, image_splits, test_captions)
    drawn = real.images.copy()
    drawn[5:] = 0
    paths = {"vae": drawn, "gan": drawn}
    rows = choose_rows(real, paths, evaluation.model_copy(update={"n_extremes": 5}))
    assert rows["fixed"] == [0, 9, 19, 29] and sorted(rows["best"]) == [0, 1, 2, 3, 4]
    assert not set(rows["best"]) & set(rows["worst"])
    assert len(choose_rows(real, paths, evaluation.model_copy(update={"n_extremes": 1000}))["best"]) == 15
