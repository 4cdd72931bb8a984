from tests.support.example_metrics import METRICS

from lexipix.reporting.tables import direct_table, rate_facts, text_table

EXTRAS = {"gan": {"frechet": 0.8, "sharpness": 0.97}}
REAL_VS_REAL = {"kid": 0.0002, "kid_std": 0.001, "frechet": 0.11}


class TestTables:
    def test_the_paths_are_never_in_one_table(self) -> None:
        direct, text = direct_table(METRICS), text_table(METRICS, EXTRAS, REAL_VS_REAL)
        assert direct is not None and text is not None
        assert not any("33.12" in cell.text for _, cells in text.rows for cell in cells)
        assert not any("24.31" in cell.text for _, cells in direct.rows for cell in cells)

    def test_every_metric_has_its_sentences_baselines_and_ceiling(self) -> None:
        table = text_table(METRICS, EXTRAS, REAL_VS_REAL)
        assert table is not None
        assert all(metric.meaning.endswith(".") and metric.bad.startswith("Bad") for metric, _ in table.rows)
        by_name = {metric.name: [cell.text for cell in cells] for metric, cells in table.rows}
        assert by_name["PSNR"] == ["24.31 dB", "12.00 dB", "13.10 dB", "18.20 dB", "–", "26.90 dB"]
        assert by_name["R-precision"] == ["91.3%", "88.0%", "–", "–", "1.1%", "97.1%"]
        assert by_name["KID"][-1] == "0.0002"
        assert by_name["Sharpness"] == ["–", "97%", "–", "–", "–", "100%"]

    def test_worse_than_every_baseline_is_marked_and_worse_than_one_is_not(self) -> None:
        table = text_table(METRICS, EXTRAS, REAL_VS_REAL)
        assert table is not None
        assert [cell.kind for cell in table.rows[0][1][:2]] == [
            "ours",
            "under",
        ]  # 24.31, 12 beside 13.1, 18.2
        assert [cell.kind for cell in table.rows[1][1][:2]] == ["ours", "ours"]  # 0.702 beside 0.42, 0.71

    def test_empty_columns_are_left_out(self) -> None:
        metrics = {k: v for k, v in METRICS.items() if k != "ceiling"}
        metrics["text"] = {"vae": {"psnr": 10.0}}
        table = text_table(metrics, {}, {})
        assert table is not None
        assert table.headings == ["VAE", "mean image", "another image, same caption"]

    def test_class_metrics_are_beside_chance_and_real_images(self) -> None:
        metrics = {
            "text": {
                "vae": {"class_agreement": 0.05, "cas": 0.2},
                "gan": {"class_agreement": 0.8, "cas": 0.5},
            },
            "baseline": {
                "real": {"class_agreement": 0.9, "cas": 0.75},
                "shuffled": {"class_agreement": 0.1, "cas": 0.1},
            },
        }
        table = text_table(metrics, {}, {})
        assert table is not None
        assert table.headings == ["VAE", "GAN", "shuffled captions", "best possible"]
        assert [[cell.text for cell in cells] for _, cells in table.rows] == [
            ["5.0%", "80.0%", "10.0%", "90.0%"], ["20.0%", "50.0%", "10.0%", "75.0%"],
        ]  # fmt: skip
        assert table.rows[0][1][0].kind == "under"

    def test_rate_facts_name_coder_quality_and_bits(self) -> None:
        facts = rate_facts({"psnr": 30.0, "jpeg": 6543.2, "latent_coded": 1500.0})
        assert facts == {
            "Latent, n bits per number, entropy-coded, 30 dB": "1,500 bits",
            "JPEG, 30 dB": "6,543 bits",
        }
        assert rate_facts({}) == {}
