from tests.support.example_metrics import METRICS

from lexipix.reporting.summary import findings


class TestFindings:
    def test_say_what_is_good_and_what_is_not(self) -> None:
        found = findings(METRICS, {})
        assert [f.figure for f in found] == ["96.0%", "33.1 dB", "95.7%", "91.3%", "1.3 ms"]
        assert [f.tone for f in found] == ["good", "good", "good", "fair", "good"]
        assert "less than the 13.1 dB of the weakest baseline" in found[3].words

    def test_a_missed_bar_is_called_missed(self) -> None:
        (finding,) = findings({"direct": {"psnr": 24.0, "ssim": 0.7}}, {})
        assert finding.tone == "bad" and "misses the bar" in finding.words

    def test_photographs_are_judged_by_retrieval_beside_real_ones_and_chance(self) -> None:
        metrics = {
            "text": {"gan": {"psnr": 10.0, "r_precision": 0.3}},
            "baseline": {"real": {"r_precision": 0.6}, "shuffled": {"r_precision": 0.01}},
        }
        (finding,) = findings(metrics, {"gan": {"sharpness": 0.9}})
        assert finding.figure == "30%" and finding.tone == "fair"
        assert "for real pictures it does so in 60%" in finding.words and "90% as steep" in finding.words

    def test_pictures_with_classes_are_judged_by_them_and_by_what_can_be_learned(self) -> None:
        metrics = {
            "text": {"gan": {"r_precision": 0.3, "class_agreement": 0.85, "cas": 0.55}},
            "baseline": {"real": {"r_precision": 0.6, "class_agreement": 0.9, "cas": 0.75}},
        }
        (finding,) = findings(metrics, {})
        assert finding.figure == "85%" and finding.tone == "good"
        assert "of real pictures it does so of 90%" in finding.words
        assert "knows 55% of real ones, and 75% if from as many real ones" in finding.words
        metrics["text"]["gan"]["cas"] = 0.2  # one picture for each class
        assert findings(metrics, {})[0].tone == "bad"

    def test_visual_words_are_judged_by_what_comes_back_and_by_what_they_draw(self) -> None:
        metrics = {
            "words": {"psnr": 29.8, "ssim": 0.944, "bits_per_image": 2513.2},
            "text": {"words": {"attribute_accuracy": 0.5}},
        }
        back, drawn = findings(metrics, {})
        assert back.figure == "29.8 dB" and back.tone == "good" and "SSIM 0.944" in back.words
        assert "2,513 bits" in back.words
        assert drawn.tone == "bad" and "by the writer of visual words from its caption alone" in drawn.words
        metrics["words"]["ssim"] = 0.87
        assert findings(metrics, {})[0].tone == "fair"

    def test_nothing_measured_nothing_said(self) -> None:
        assert findings({}, {}) == []
