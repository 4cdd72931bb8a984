"""The pipeline on untrained models: what comes out runs without torch and computes what torch computes."""

import logging

import numpy as np
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.support.evaluation_fixtures import Kept, ListStream, NoCheckpoints
from tests.support.exported_models import draw_one
from tests.support.parameters import section
from tests.support.pickling_engine import PicklingEngine
from tests.support.small_world import save_sentence_encoder

from lexipix.compression.export import Exporter, largest_difference
from lexipix.compression.onnx_graphs import TextToConditioning
from lexipix.data.images import to_uint8
from lexipix.data.tokenization import decode
from lexipix.datasets.files import JsonDataset
from lexipix.datasets.onnx_models import OnnxModelDataset, OnnxPipelineDataset, OnnxVariantsDataset
from lexipix.datasets.pretrained import PretrainedModels
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.onnx_session import normalize_pixels
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.text_to_image import TextToImage
from lexipix.pipelines.compression.nodes import distill_small
from lexipix.pipelines.compression.pipeline import create_pipeline
from lexipix.training.bundles import load_network
from lexipix.training.precision import has_bf16
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits, Split

DISTILLED = ("small", "small_metrics", "small_sample_grid", "pruned", "pruned_metrics", "frontier_sheet")
PROMPT = "a big red circle at the left on white"
TABLES = ("speed_table", "captioner_speed_table")
VARIANTS = ("onnx_variants", "captioner_variants")
MODELS = ("onnx_vae", "onnx_gan", "onnx_captioner", "onnx_scorer", "captioner_champion")
OUTPUTS = (*MODELS, *VARIANTS, "champion", *TABLES)
VERIFICATION = section("compression.verification", {"n_captions": 4, "max_difference": 1e-4})
BF16 = ["torch_bf16"] if has_bf16(torch.device("cpu")) else []  # without it the variant is skipped
SCHEDULE = {"num_images": 64, "batch_size": 16, "num_validations": 1}


@pytest.fixture(scope="module")
def made(image_splits, prior, gan, make, tmp_path_factory):
    """Every output of the pipeline, as it is found on disk."""
    compression = section(
        "compression",
        {
            "variants": [
                "torch_fp32",
                "torch_channels_last",
                *BF16,
                "onnx_fp32",
                "onnx_int8",
                "pruned_onnx_fp32",
                "small_onnx_fp32",
                "small_onnx_int8",
            ],
            "small.text_encoder.width": 32,
            "small.text_encoder.depth": 1,
            **{
                f"{name}.training.{key}": value
                for name in ("small.text_encoder", "small", "pruned")
                for key, value in SCHEDULE.items()
            },
            "verification.n_captions": 4,
            "verification.max_difference": 1e-4,
            "measurement.batch_size": 2,
            "measurement.latency_repeats": 2,
            "measurement.throughput_repeats": 1,
            "champion.max_quality_loss": 0.0,
            "champion.fast_max_quality_loss": 1.0,
            "sentence_encoder": "words",
        },
    )
    data = {
        "params:compression": compression,
        "captions_complete": image_splits.train.captions,
        "params:ingestion": section("ingestion"),
        "params:run": section("run", {"threads": 1}),
        "image_splits": image_splits,
        "prior": prior,
        "gan": gan,
        "captioner": make("captioner", 3),
        "contrastive_pair": make("contrastive_pair", 4),
    }
    folder = tmp_path_factory.mktemp("encoder")
    save_sentence_encoder(folder / "words", ["circle", "disc"], [("circle", "disc")])
    data["pretrained_models"] = PretrainedModels(folder)
    for name in ("small_text_encoder", "small", "pruned"):
        data |= {f"{name}_stream": ListStream(), f"{name}_checkpoints": NoCheckpoints()}
    data["engine"] = PicklingEngine()
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in data.items()})
    kinds = dict.fromkeys(VARIANTS, OnnxVariantsDataset) | {"champion": OnnxPipelineDataset}
    kinds |= dict.fromkeys(TABLES, JsonDataset)
    for name in OUTPUTS:
        kind = kinds.get(name, OnnxModelDataset)
        catalog[name] = kind(filepath=str(tmp_path_factory.mktemp("made") / name))
    for name in DISTILLED:
        catalog[name] = Kept(copy_mode="assign")
    catalog["nearest_words"] = Kept(copy_mode="assign")
    SequentialRunner().run(create_pipeline(), catalog)
    return {name: catalog.load(name) for name in (*OUTPUTS, *DISTILLED)}


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_generators_draw_what_their_networks_draw(made, prior, gan, family):
    network = load_network({"vae": prior, "gan": gan}[family], TextToImage)
    generator = OnnxGenerator(made[f"onnx_{family}"])
    assert generator.image_size == 32 and generator.known_words == {"circle", "red"}
    for index in range(3):
        with torch.no_grad():
            ids, noise = (
                torch.from_numpy(generator.token_ids(PROMPT)),
                torch.from_numpy(sample_noise(7, index, 8)),
            )
            expected = to_uint8(network(ids, noise))[0]
        found = draw_one(generator, PROMPT, 7, index)
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_two_generators_are_not_one(made):
    vae, gan = OnnxGenerator(made["onnx_vae"]), OnnxGenerator(made["onnx_gan"])
    assert not np.array_equal(draw_one(vae, PROMPT, 7, 0), draw_one(gan, PROMPT, 7, 0))


def test_captioner_writes_what_its_network_writes(made, make, image_splits):
    network = load_network(make("captioner", 3), Captioner)
    exported = OnnxCaptioner(made["onnx_captioner"])
    images = image_splits.test.images
    ids = network.generate(torch.from_numpy(normalize_pixels(images)), exported.max_tokens)
    expected = decode(exported.tokenizer, ids.numpy())
    assert exported.caption(images) == expected
    assert [exported.caption(image[None])[0] for image in images] == expected


def test_every_variant_of_the_captioner_is_measured(made, image_splits):
    table, champion = made["captioner_speed_table"], made["captioner_champion"].config
    named = section("compression").captioner_variants
    assert set(table) == {"champion", *named} - ({"torch_bf16"} - set(BF16))
    for row in table.values():
        assert row["latency_p50_ms"] <= row["latency_p95_ms"] <= row["latency_p99_ms"]
        assert min(row[key] for key in ("images_per_s", "size_mb", "parameters", "mflop")) > 0
        assert 0 <= row["agreement"] <= 1 and "bleu4" in row
    for same in ("torch_fp32", "onnx_fp32"):
        assert table[same]["agreement"] == 1
    for half in BF16:
        assert table[half]["size_mb"] == pytest.approx(table["torch_fp32"]["size_mb"] / 2, rel=0.01)
    assert table["onnx_int8"]["size_mb"] < table["onnx_fp32"]["size_mb"]
    assert champion["variant"] in {"onnx_fp32", *made["captioner_variants"]}
    assert table["champion"] == champion["metrics"] == table[champion["variant"]]
    exported = OnnxCaptioner(made["captioner_variants"]["onnx_int8"])
    cells = exported.encode_images(image_splits.test.images)
    assert cells == pytest.approx(
        OnnxCaptioner(made["onnx_captioner"]).encode_images(image_splits.test.images), abs=0.5
    )


def test_scorer_gives_the_vectors_of_its_networks(made, make, image_splits):
    pair = load_network(make("contrastive_pair", 4), ContrastivePair)
    scorer = OnnxScorer(made["onnx_scorer"])
    with torch.no_grad():
        image = torch.from_numpy(normalize_pixels(image_splits.test.images[:1]))
        ids = torch.from_numpy(scorer.token_ids(PROMPT))
        vector, text = pair.image_encoder(image).embedding[0], pair.text_encoder(ids, ids != 0)[0]
    assert scorer.embed_images(image_splits.test.images[:1])[0] == pytest.approx(vector.numpy(), abs=1e-5)
    assert scorer.embed_texts([PROMPT])[0] == pytest.approx(text.numpy(), abs=1e-5)


def test_graphs_say_how_near_they_are_and_not_where_they_were_made(made):
    for name in ("onnx_vae", "onnx_gan", "onnx_captioner", "onnx_scorer"):
        differences = made[name].card["onnx"]["max_difference"]
        assert differences.keys() == made[name].graphs.keys()
        assert max(differences.values()) < 1e-4
        assert made[name].card["data_digest"] == "d"
        for graph in made[name].graphs.values():
            assert b"site-packages" not in graph and b"lexipix/" not in graph


def test_every_variant_is_measured(made):
    table = made["speed_table"]
    both = ["torch_fp32", "torch_channels_last", *BF16, "onnx_fp32"]
    smaller = ["pruned_onnx_fp32", "small_onnx_fp32", "small_onnx_int8"]
    names = {f"vae_{form}" for form in both} | {f"gan_{form}" for form in (*both, "onnx_int8", *smaller)}
    assert set(table) == {"champion"} | names
    measured = {
        "images_per_s", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "size_mb", "parameters",
        "mflop", "fidelity_psnr", "fidelity_ssim",
    }  # fmt: skip
    for row in table.values():
        assert measured <= row.keys()
        assert all(row[key] > 0 for key in measured)
        assert row["latency_p50_ms"] <= row["latency_p95_ms"] <= row["latency_p99_ms"]
        assert {"attribute_accuracy", "r_precision", "kid"} <= row.keys()
    assert table["gan_torch_fp32"]["fidelity_psnr"] == 100
    for half in BF16:
        assert table[f"gan_{half}"]["size_mb"] == pytest.approx(table["gan_torch_fp32"]["size_mb"] / 2)
        assert table[f"gan_{half}"]["fidelity_psnr"] < table["gan_onnx_fp32"]["fidelity_psnr"]
    for key in ("parameters", "mflop", "size_mb"):
        whole, pruned, small = (table[f"gan_{name}onnx_fp32"][key] for name in ("", "pruned_", "small_"))
        assert small < whole and pruned < whole


def test_champion_draws_a_new_word_as_the_nearest_known_one(made):
    pipe = TextToImagePipeline.from_champion(made["champion"])
    images = pipe(["a red circle", "a red disc"], seed=7)
    assert np.array_equal(*images.pixels)
    assert 'draws "disc" as "circle".' in images.warnings[1]


def test_champion_runs_without_torch(made):
    table, champion = made["speed_table"], made["champion"].config
    assert champion["family"] == "gan" and champion["qualities"]["best"] == "onnx_fp32"
    assert champion["metrics"].items() <= table[f"gan_{champion['variant']}"].items()
    assert set(made["champion"].models) == {*champion["qualities"].values(), "scorer"}
    pipe = TextToImagePipeline.from_champion(made["champion"])
    for quality, variant in champion["qualities"].items():
        model = made["onnx_gan"] if variant == "onnx_fp32" else made["onnx_variants"][variant]
        expected = draw_one(OnnxGenerator(model), "a red circle", 7, 0)
        assert np.array_equal(pipe("a red circle", seed=7, quality=quality).pixels[0], expected)
    assert made["frontier_sheet"].dtype == np.uint8


@pytest.mark.parametrize("name", ["small", "pruned"])
def test_smaller_networks_are_distilled_and_exported(made, name):
    figures, bundle = made[f"{name}_metrics"], made[name]
    assert figures["images_seen"] == 64 and figures["val_fidelity"] > 0
    network = load_network(bundle, TextToImage)
    generator = OnnxGenerator(made["onnx_variants"][f"{name}_onnx_fp32"])
    with torch.no_grad():
        ids, noise = torch.from_numpy(generator.token_ids(PROMPT)), torch.from_numpy(sample_noise(7, 0, 8))
        expected = to_uint8(network(ids, noise))[0]
    assert np.abs(draw_one(generator, PROMPT, 7, 0).astype(int) - expected).max() <= 1


def test_a_network_without_variant_is_not_distilled(image_splits, gan, prior):
    compression, run = section("compression", {"variants": ["onnx_fp32"]}), section("run", {"threads": 1})
    data = {
        "image_splits": image_splits,
        "captions_complete": image_splits.train.captions,
        "prior": prior,
        "gan": gan,
    }
    resources = {"stream": ListStream(), "checkpoints": NoCheckpoints()}
    bundle, curves, metrics, sheet = distill_small(compression, run, gan, **data, **resources)
    assert bundle is gan and metrics == {} and len(curves) == 0 and sheet.ndim == 3


def test_quantized_graph_draws_nearly_the_same_with_smaller_weights(made):
    baseline, quantized = OnnxGenerator(made["onnx_gan"]), OnnxGenerator(made["onnx_variants"]["onnx_int8"])
    graphs = made["onnx_variants"]["onnx_int8"].graphs
    assert b"QuantizeLinear" in graphs["draw"] and graphs["read"] == made["onnx_gan"].graphs["read"]
    difference = draw_one(baseline, PROMPT, 7, 0).astype(int) - draw_one(quantized, PROMPT, 7, 0)
    assert 0 < np.abs(difference).mean() < 4


def test_pictures_do_not_depend_on_what_is_drawn_beside_them(made, image_splits):
    prompts = [*image_splits.val.captions["caption"], *image_splits.train.captions["caption"]]
    noise = np.random.default_rng(0).standard_normal((len(prompts), 8), np.float32)
    for name in ("onnx_gan", "small", "small_int8"):
        model = (
            made[name]
            if name == "onnx_gan"
            else made["onnx_variants"]["small_onnx_int8" if name.endswith("int8") else "small_onnx_fp32"]
        )
        together = OnnxGenerator(model).generate(prompts, noise)
        alone = OnnxGenerator(model)
        for row in (0, 1, 17, len(prompts) - 1):
            assert np.array_equal(alone.generate([prompts[row]], noise[row : row + 1])[0], together[row])


def test_same_network_gives_the_same_bytes_and_a_difference_is_refused(made, make, image_splits):
    exporter, pair = Exporter(image_splits, VERIFICATION), make("contrastive_pair", 4)
    assert exporter.contrastive_pair(pair).graphs == made["onnx_scorer"].graphs
    exporter.max_difference = 1e-12
    with pytest.raises(
        RuntimeError, match=r"differs from its network by .* more than compression.verification"
    ):
        exporter.contrastive_pair(pair)


def test_a_captioner_that_reads_a_prefix_is_exported_too(make, image_splits):
    exporter = Exporter(image_splits, VERIFICATION)
    bundle = make("captioner_with_prefix", 3)
    exported = OnnxCaptioner(exporter.captioner(bundle))
    images = image_splits.test.images[:3]
    ids = load_network(bundle, Captioner).generate(
        torch.from_numpy(normalize_pixels(images)), exported.max_tokens
    )
    assert exported.caption(images) == decode(exported.tokenizer, ids.numpy())


def test_a_graph_of_another_network_computes_something_else(made, prior, gan):
    batch = {"ids": torch.ones(1, 3, dtype=torch.int64)}
    graph = made["onnx_vae"].graphs["read"]
    right, wrong = (TextToConditioning(load_network(bundle, TextToImage)).eval() for bundle in (prior, gan))
    assert largest_difference(graph, right, [batch]) < 1e-4
    assert largest_difference(graph, wrong, [batch]) > 1e-2


def test_exporting_is_quiet_and_leaves_the_log_as_it_was(made, capfd):
    assert logging.getLogger("torch.onnx").level != logging.ERROR
    assert capfd.readouterr().out == ""


def test_input_is_taken_where_captions_are(image_splits):
    import pandas as pd

    bare = Split(image_splits.val.images, pd.DataFrame({"caption": [None] * 12}))
    found = Exporter(ImageSplits(train=image_splits.train, val=bare, test=bare, pairs=bare), VERIFICATION)
    assert list(found.captions) == list(image_splits.train.captions["caption"][:4])
    with pytest.raises(LexipixError, match="No image has a caption"):
        Exporter(ImageSplits(train=bare, val=bare, test=bare, pairs=bare), VERIFICATION)
