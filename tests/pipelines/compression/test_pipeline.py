"""The pipeline on untrained models: what comes out runs without torch and computes what torch computes."""

import logging

import numpy as np
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from lexipix.config.compression import CompressionParameters
from lexipix.config.run import RunParameters
from lexipix.datasets.files import JsonDataset
from lexipix.datasets.onnx_models import OnnxModelDataset
from lexipix.errors import LexipixError
from lexipix.pipelines.compression.export import Exporter, Samples, largest_difference
from lexipix.pipelines.compression.nodes import real_input
from lexipix.pipelines.compression.pipeline import create_pipeline
from lexipix.pipelines.generation.models import Describer, Drawer, Scorer, from_pixels, noise_of, to_pixels
from lexipix.records import Pictures, Split
from lexipix.training.bundles import load_network
from lexipix.training.tokenization import decode

PROMPT = "a big red circle at the left on white"
OUTPUTS = ("onnx_vae", "onnx_gan", "onnx_captioner", "onnx_scorer", "speed_table", "champion")


@pytest.fixture(scope="module")
def made(pictures, prior, gan, make, tmp_path_factory):
    """Every output of the pipeline, as it is found on disk."""
    compression = CompressionParameters.model_validate(
        {
            "verification": {"n_captions": 4, "max_difference": 1e-4},
            "measurement": {"batch_size": 2, "latency_repeats": 2, "throughput_repeats": 1},
        }
    )
    data = {
        "params:compression": compression,
        "params:run": RunParameters(threads=1),
        "pictures": pictures,
        "prior": prior,
        "gan": gan,
        "captioner": make("captioner", 3),
        "contrastive_pair": make("contrastive_pair", 4),
        "prior_figures": {"val_alignment": 0.4},
        "gan_figures": {"val_alignment": 0.5},
    }
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in data.items()})
    for name in OUTPUTS:
        kind = OnnxModelDataset if name.startswith("onnx_") else JsonDataset
        catalog[name] = kind(filepath=str(tmp_path_factory.mktemp("made") / name))
    SequentialRunner().run(create_pipeline(), catalog)
    return {name: catalog.load(name) for name in OUTPUTS}


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_generators_draw_what_their_networks_draw(made, prior, gan, family):
    network = load_network({"vae": prior, "gan": gan}[family])
    drawer = Drawer(made[f"onnx_{family}"])
    assert drawer.image_size == 32 and drawer.known_words == {"circle", "red"}
    for index in range(3):
        with torch.no_grad():
            ids, noise = torch.from_numpy(drawer.ids(PROMPT)), torch.from_numpy(noise_of(7, index, 8))
            expected = to_pixels(network(ids, noise).numpy())[0]
        found = drawer.draw_one(PROMPT, 7, index)
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_two_generators_are_not_one(made):
    vae, gan = Drawer(made["onnx_vae"]), Drawer(made["onnx_gan"])
    assert not np.array_equal(vae.draw_one(PROMPT, 7, 0), gan.draw_one(PROMPT, 7, 0))


def test_captioner_writes_what_its_network_writes(made, make, pictures):
    network = load_network(make("captioner", 3))
    describer = Describer(made["onnx_captioner"])
    for image in pictures.test.images:
        ids = network.generate(torch.from_numpy(from_pixels(image[None])), describer.max_tokens)
        assert describer.describe(describer.see(image)) == decode(describer.tokenizer, ids.numpy())[0]


def test_scorer_gives_the_vectors_of_its_networks(made, make, pictures):
    pair = load_network(make("contrastive_pair", 4))
    scorer = Scorer(made["onnx_scorer"])
    with torch.no_grad():
        image = torch.from_numpy(from_pixels(pictures.test.images[:1]))
        ids = torch.from_numpy(scorer.ids(PROMPT))
        vector, text = pair.image_encoder(image).vector[0], pair.text_encoder(ids, ids != 0)[0]
    assert scorer.image_vector(pictures.test.images[0]) == pytest.approx(vector.numpy(), abs=1e-5)
    assert scorer.text_vector(PROMPT) == pytest.approx(text.numpy(), abs=1e-5)


def test_graphs_say_how_near_they_are_and_not_where_they_were_made(made):
    for name in ("onnx_vae", "onnx_gan", "onnx_captioner", "onnx_scorer"):
        differences = made[name].card["onnx"]["max_difference"]
        assert differences.keys() == made[name].graphs.keys()
        assert max(differences.values()) < 1e-4
        assert made[name].card["data_digest"] == "d"
        for graph in made[name].graphs.values():
            assert b"site-packages" not in graph and b"lexipix/" not in graph


def test_every_form_is_measured_and_the_champion_is_one_that_needs_no_torch(made):
    table, champion = made["speed_table"], made["champion"]
    forms = ["torch_fp32", "torch_channels_last", "torch_bf16", "onnx_fp32"]
    assert list(table) == ["champion", *(f"{family}_{form}" for family in ("vae", "gan") for form in forms)]
    for name, row in table.items():
        keys = {"images_per_s", "latency_p50_ms", "size_mb", "fidelity_psnr"}
        assert row.keys() == (keys - {"fidelity_psnr"} if name.endswith("torch_fp32") else keys)
        assert all(value > 0 for value in row.values())
    assert table["gan_torch_bf16"]["size_mb"] == pytest.approx(table["gan_torch_fp32"]["size_mb"] / 2)
    assert table["gan_torch_bf16"]["fidelity_psnr"] < table["gan_onnx_fp32"]["fidelity_psnr"]
    assert (champion["family"], champion["variant"]) == ("gan", "onnx_fp32")
    assert table["champion"] == table["gan_onnx_fp32"] == champion["figures"]


def test_same_network_gives_the_same_bytes(made, make, pictures):
    exporter = Exporter(real_input(pictures, 4), 1e-4)
    assert exporter.contrastive_pair(make("contrastive_pair", 4)).graphs == made["onnx_scorer"].graphs


def test_a_captioner_that_reads_a_prefix_is_exported_too(make, pictures):
    exporter = Exporter(real_input(pictures, 4), 1e-4)
    bundle = make("captioner_with_prefix", 3)
    describer = Describer(exporter.captioner(bundle))
    image = pictures.test.images[0]
    ids = load_network(bundle).generate(torch.from_numpy(from_pixels(image[None])), describer.max_tokens)
    assert describer.describe(describer.see(image)) == decode(describer.tokenizer, ids.numpy())[0]


def test_a_graph_that_computes_something_else_is_refused(made, prior, gan, pictures):
    batch = {"ids": torch.ones(1, 3, dtype=torch.int64), "noise": torch.zeros(1, 8)}
    graph = made["onnx_vae"].graphs["draw"]
    assert largest_difference(graph, load_network(prior), [batch]) < 1e-4
    assert largest_difference(graph, load_network(gan), [batch]) > 1e-2
    exporter = Exporter(real_input(pictures, 4), max_difference=1e-12)
    with pytest.raises(
        RuntimeError, match=r"differs from its network by .* more than compression.verification"
    ):
        exporter._model(prior, {}, {"draw": graph}, {"draw": (load_network(prior), [batch])})


def test_exporting_is_quiet_and_leaves_the_log_as_it_was(made, capfd):
    assert logging.getLogger("torch.onnx").level != logging.ERROR
    assert capfd.readouterr().out == ""


def test_input_is_taken_where_captions_are(pictures):
    import pandas as pd

    bare = Split(pictures.val.images, pd.DataFrame({"caption": [None] * 12}))
    found = real_input(Pictures(train=pictures.train, val=bare, test=bare, judge=bare), 3)
    assert isinstance(found, Samples)
    assert list(found.captions) == list(pictures.train.captions["caption"][:3])
    with pytest.raises(LexipixError, match="No picture has a caption"):
        real_input(Pictures(train=bare, val=bare, test=bare, judge=bare), 3)
