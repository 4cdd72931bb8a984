from tests.support.example_metrics import METRICS

from lexipix.reporting.summary import summary_lines


class TestSummaryLines:
    def test_each_line_has_a_tone(self) -> None:
        lines = summary_lines(METRICS, {})
        assert [line.value for line in lines] == ["96.0%", "33.1 dB", "95.7%", "91.3%", "1.3 ms"]
        assert [line.tone for line in lines] == ["good", "good", "good", "fair", "good"]
        assert "the weakest baseline has 13.1 dB" in lines[3].text

    def test_a_missed_target_is_reported(self) -> None:
        (line,) = summary_lines({"direct": {"psnr": 24.0, "ssim": 0.7}}, {})
        assert line.tone == "bad" and "misses the target" in line.text

    def test_photographs_are_measured_by_r_precision_beside_real_ones_and_chance(self) -> None:
        metrics = {
            "text": {"gan": {"psnr": 10.0, "r_precision": 0.3}},
            "baseline": {"real": {"r_precision": 0.6}, "shuffled": {"r_precision": 0.01}},
        }
        (line,) = summary_lines(metrics, {"gan": {"sharpness": 0.9}})
        assert line.value == "30%" and line.tone == "fair"
        assert "of real images 60%" in line.text and "Sharpness is 90%" in line.text

    def test_images_with_classes_are_measured_by_class_agreement_and_cas(self) -> None:
        metrics = {
            "text": {"gan": {"r_precision": 0.3, "class_agreement": 0.85}, "champion": {"cas": 0.55}},
            "baseline": {"real": {"r_precision": 0.6, "class_agreement": 0.9, "cas": 0.9}},
        }
        agreement, variety = summary_lines(metrics, {})
        assert (
            agreement.value == "85%" and agreement.tone == "good" and "of real images 90%" in agreement.text
        )
        assert variety.value == "55%" and variety.tone == "good" and "real images, 90%" in variety.text
        metrics["text"]["champion"]["cas"] = 0.2  # one image for each class
        assert summary_lines(metrics, {})[1].tone == "bad"

    def test_image_tokens_are_measured_by_decoding_and_by_generation(self) -> None:
        metrics = {
            "tokens": {"psnr": 29.8, "ssim": 0.944, "bits_per_image": 2513.2},
            "text": {"tokens": {"attribute_accuracy": 0.5}},
        }
        decoded, generated = summary_lines(metrics, {})
        assert decoded.value == "29.8 dB" and decoded.tone == "good" and "SSIM 0.944" in decoded.text
        assert "2,513 bits" in decoded.text
        assert generated.tone == "bad" and "that the token generator generates" in generated.text
        metrics["tokens"]["ssim"] = 0.87
        assert summary_lines(metrics, {})[0].tone == "fair"

    def test_without_metrics_there_are_no_lines(self) -> None:
        assert summary_lines({}, {}) == []
