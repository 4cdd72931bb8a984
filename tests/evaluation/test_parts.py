import numpy as np
import pandas as pd
import pytest
from tests.support.evaluation_fixtures import ListStream, NoCheckpoints

from lexipix.evaluation.baselines import mean_image, same_caption_rows
from lexipix.evaluation.embedding import Judge
from lexipix.evaluation.evaluator import train_judge, with_captions
from lexipix.evaluation.measure import Evaluated, baselines, evaluated, extremes
from lexipix.evaluation.round_trips import from_captions, latent_bits, through_latent
from lexipix.scenes import SceneTruth
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle, Split


class TestBaselines:
    def test_mean_image_by_hand(self):
        images = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (0, 255, 255)])
        assert (mean_image(images) == 170).all()

    def test_mean_image_of_many_is_that_of_all_at_once(self):
        images = np.random.default_rng(0).integers(0, 256, (2500, 8, 8, 3), dtype=np.uint8)
        np.testing.assert_array_equal(mean_image(images), np.rint(images.mean(axis=0)).astype(np.uint8))
        rows = np.arange(0, 2500, 2)
        np.testing.assert_array_equal(
            mean_image(images, rows), np.rint(images[rows].mean(axis=0)).astype(np.uint8)
        )

    def test_partners_share_the_caption_or_else_the_label(self):
        asked = pd.DataFrame({"caption": ["a", "b", None, "x"], "label": ["cat", "dog", "dog", None]})
        pool = pd.DataFrame({"caption": ["a", "c", "a", None], "label": ["cat", "dog", "cat", "fish"]})
        rows, partners = same_caption_rows(asked, pool, seed=0)
        assert rows.tolist() == [0, 1, 2]  # the last has neither
        assert partners[0] in (0, 2) and partners[1:].tolist() == [1, 1]

    def test_without_captions_or_labels_there_is_no_such_baseline(self):
        nothing = pd.DataFrame({"caption": [None, None], "label": [None, None]})
        assert len(same_caption_rows(nothing, nothing, seed=0)[0]) == 0
        images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
        real = Evaluated(images, nothing, [None, None], ["a", "b"], None)
        assert set(baselines(real, images, nothing, 0)) == {"mean_image"}

    def test_scene_truth_of_what_is_no_scene(self):
        assert SceneTruth.of(["a photo of a cat"], 32) is None

    def test_scene_truth_reads_its_own_drawings(self, pictures):
        truth = SceneTruth.of(pictures.test.captions["caption"].tolist(), 32)
        assert truth is not None
        assert truth.accuracy(pictures.test.images) > 0.97
        assert truth.accuracy(pictures.test.images[::-1]) < 0.6
        assert not np.array_equal(truth.redraw(1), truth.redraw(2))
        np.testing.assert_array_equal(truth.redraw(None), truth.redraw(None))


class TestDrawing:
    def test_same_seed_same_pictures_whatever_the_batch(self, prior, run):
        captions = ["a big red star at the left on white", "a", "a small blue ring at the top on black"]
        one_by_one = from_captions(prior, captions, run, batch_size=1)
        together = from_captions(prior, captions, run, batch_size=8)
        assert one_by_one.shape == (3, 32, 32, 3)
        assert np.abs(one_by_one.astype(int) - together).max() <= 1  # rounding
        np.testing.assert_array_equal(together, from_captions(prior, captions, run, batch_size=8))

    def test_direct_path_and_its_information(self, vae, run, pictures):
        images = pictures.test.images[:7]
        assert through_latent(vae, images, run, batch_size=3).shape == images.shape
        bits = latent_bits(vae, images, run, batch_size=3)
        assert bits == pytest.approx(latent_bits(vae, images, run, batch_size=7))
        assert bits > 0


class TestJudge:
    @pytest.fixture(scope="class")
    def bundle(self, pictures, evaluation, run):
        return train_judge(pictures.judge, evaluation.evaluator, run, "d", ListStream(), NoCheckpoints())[0]

    def test_unit_vectors_and_equal_captions_read_alike(self, bundle, run, pictures):
        judge = Judge(bundle, run, 16)
        features, vectors = judge.look(pictures.test.images)
        assert len(features) == len(vectors) == 30
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        read = judge.read(["a star", "a ring", "a star"])
        np.testing.assert_array_equal(read[0], read[2])
        assert not np.allclose(read[0], read[1])

    def test_same_seed_same_judge(self, bundle, pictures, evaluation, run):
        again, _ = train_judge(pictures.judge, evaluation.evaluator, run, "d", ListStream(), NoCheckpoints())
        for name, weights in bundle.weights.items():
            np.testing.assert_array_equal(weights, again.weights[name])

    def test_several_wordings_are_understood_together(self, bundle, run):
        judge = Judge(bundle, run, 16)
        read = judge.read(["a star", "a ring", "a disc"])
        together = judge.understand([["a star"], ["a ring", "a disc"]])
        mean = read[1:].mean(0)
        np.testing.assert_allclose(together, [read[0], mean / np.linalg.norm(mean)], atol=1e-5)

    def test_the_captioner_describes_what_next_to_nothing_is_said_of(
        self, pictures, evaluation, run, monkeypatch
    ):
        from lexipix.evaluation import evaluator as judge

        monkeypatch.setattr(judge, "load_network", lambda *_: object.__new__(judge.Captioner))
        monkeypatch.setattr(judge, "tokenizer_of", lambda bundle: None)
        monkeypatch.setattr(
            judge, "write_captions", lambda *args, **_: [f"seen {i}" for i in range(len(args[2]))]
        )
        captioner = ModelBundle({"max_tokens": 8}, {}, "{}")
        captions = pictures.judge.captions["caption"].where(np.arange(48) % 6 == 0, None)
        split = Split(pictures.judge.images, pictures.judge.captions.assign(caption=captions))
        found, n_described = with_captions(split, captioner, evaluation.evaluator, run)
        assert n_described == 40 and found.captions["caption"].notna().all()
        assert found.captions["caption"][0] == pictures.judge.captions["caption"][0]
        assert found.captions["caption"][7] == "seen 5" and found.captions["caption_source"][7] == "generated"
        assert split.captions["caption"].isna().sum() == 40, "the split is as it was"
        enough = evaluation.evaluator.model_copy(update={"min_captioned": 8})
        assert with_captions(split, captioner, enough, run) == (split, 0)
        assert with_captions(pictures.judge, captioner, evaluation.evaluator, run) == (pictures.judge, 0)

    def test_too_few_captions_are_refused_with_the_mend(self, pictures, evaluation, run):
        table = pictures.judge.captions.assign(caption=None)
        with pytest.raises(LexipixError, match=r"has 0 pictures with a caption.*ingestion\.splits\.judge"):
            train_judge(
                Split(pictures.judge.images, table),
                evaluation.evaluator,
                run,
                "d",
                ListStream(),
                NoCheckpoints(),
            )


class TestEvaluated:
    def test_a_part_is_spread_over_the_whole(self, evaluation, pictures, test_captions):
        part = evaluated(evaluation.model_copy(update={"n_images": 4}), pictures, test_captions)
        assert part.table["file"].tolist() == ["2-0.png", "2-10.png", "2-19.png", "2-29.png"]
        np.testing.assert_array_equal(part.images[1], pictures.test.images[10])
        assert part.truths[1] == part.asked[1] == test_captions["truth"][10]

    def test_captions_of_other_pictures_are_refused(self, evaluation, pictures, test_captions):
        with pytest.raises(LexipixError, match="kedro run --pipelines captioner"):
            evaluated(evaluation, pictures, test_captions[::-1])

    def test_best_and_worst_do_not_overlap(self, evaluation, pictures, test_captions):
        real = evaluated(evaluation, pictures, test_captions)
        drawn = real.images.copy()
        drawn[5:] = 0
        best, worst = extremes(real, {"vae": drawn}, 5)
        assert sorted(best) == [0, 1, 2, 3, 4]
        assert not set(best) & set(worst)
        assert extremes(real, {"vae": drawn}, 1000)[0] != []
