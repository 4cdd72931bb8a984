import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from lexipix.cli.parameters import read_params, typed_option
from lexipix.tracking.lineage import command
from lexipix.utils.nested import flatten, lookup

PATH = "ingestion.source.path"


@pytest.mark.parametrize(
    "text",
    [
        "/data/set #2",
        "007",
        "@x",
        "a, b",
        "a,b=c",
        "a: b",
        "yes",
        "1e3",
        "[x]",
        "'x'",
        "{a}",
        "é 💡",
        "x ",
        "%",
        "*",
        "!x",
    ],
)
def test_a_path_is_taken_as_it_was_typed(text):
    assert read_params(f"{PATH}={text}") == {"ingestion": {"source": {"path": text}}}
    both = read_params(f"{PATH}={text},run.seed=3")
    assert lookup(both, PATH) == text and lookup(both, "run.seed") == 3


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0,\r\n"), min_size=1))
def test_any_name_reaches_the_configuration_and_comes_back_from_the_command_of_a_run(name):
    given_params = read_params(f"{PATH}={name}")
    if name.strip() == "null":
        return
    resolved = OmegaConf.to_container(OmegaConf.create(given_params), resolve=True)
    assert lookup(resolved, PATH) == name


@pytest.mark.parametrize("text", ["a ${b} c", "${oc.env:HOME}", "${", "$x"])
def test_a_dollar_sign_is_no_reference(text):
    params = read_params(f"{PATH}={text}")
    assert lookup(OmegaConf.to_container(OmegaConf.create(params), resolve=True), PATH) == text
    assert text in command({"runtime_params": params})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "ingestion.resize.background=[255,0,0],run.seed=7",
            {"ingestion.resize.background": [255, 0, 0], "run.seed": 7},
        ),
        ("generation.prompts=[a star, 007, no]", {"generation.prompts": ["a star", "007", "no"]}),
        ("generation.until=score=0.9,generation.n=4", {"generation.until": "score=0.9", "generation.n": 4}),
        ("features.tokenizer=null, run.seed=1", {"features.tokenizer": None, "run.seed": 1}),
        ("generator.vae.training.lr=1e-3", {"generator.vae.training.lr": 0.001}),
        ("ingestion.alpha= keep ,run.seed=1", {"ingestion.alpha": "keep", "run.seed": 1}),
        (
            "ingestion.source.folder.caption_values={style: {x: 3D, y: no}}",
            {
                "ingestion.source.folder.caption_values.style.x": "3D",
                "ingestion.source.folder.caption_values.style.y": "no",
            },
        ),
        (f"{PATH}=x,captoner.beams=3", {PATH: "x", "captoner.beams": 3}),
        ("", {}),
    ],
)  # fmt: skip
def test_values_are_read_by_the_type_of_their_parameter(text, expected):
    params = read_params(text)
    assert dict(flatten(params)) == expected
    (words,) = [word for word in [command({"runtime_params": params})] if word] or [""]
    repeated = CliRunner().invoke(show, words.replace("kedro run", "").strip())
    assert repeated.output.strip() == str(params), "the command of a run says the same"


@click.command(params=[typed_option("params")])
def show(params):
    click.echo(str(params))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("run.seed=@x", "run.seed = '@x' is not valid YAML"),
        ("run.seed=[1", "run.seed = '[1' is not valid YAML"),
        ("run.seed", "'run.seed' is not KEY=VALUE"),
        ("=3", "'=3' is not KEY=VALUE"),
        ("run=4,run.seed=3", "run.seed contradicts the value given for run"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(text, sentence):
    answer = CliRunner().invoke(show, [f"--params={text}"])
    assert answer.exit_code == 2
    assert sentence in " ".join(answer.output.split())


def test_the_option_may_be_given_several_times():
    answer = CliRunner().invoke(show, ["--params=run.seed=3", f"--params={PATH}=a,b", "--params=run.seed=3"])
    assert answer.output.strip() == str({"run": {"seed": 3}, "ingestion": {"source": {"path": "a,b"}}})
    assert CliRunner().invoke(show, []).output.strip() == "{}"


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (("run.seed=3", "run.seed=4"), "run.seed is given twice, with different values: give it once"),
        (("run=4", "run.seed=4"), "run is given twice, with different values"),
        (("run.seed=4", "run=4"), "run is given twice, with different values"),
    ],
)
def test_values_that_contradict_each_other_are_refused(texts, sentence):
    answer = CliRunner().invoke(show, [f"--params={text}" for text in texts])
    assert answer.exit_code == 2
    assert sentence in " ".join(answer.output.split())


@pytest.mark.parametrize("value", [{"run": {"seed": 3}}, "run.seed=3"])
def test_the_file_of_config_gives_a_mapping_or_text(value):
    answer = CliRunner().invoke(show, [], default_map={"params": value})
    assert answer.output.strip() == str({"run": {"seed": 3}})


def test_a_path_is_also_looked_for_where_the_user_is(tmp_path):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project / "both", project / "notebooks" / "here", elsewhere / "mine", elsewhere / "both"):
        folder.mkdir(parents=True)

    def place(text, folder):
        return lookup(read_params(f"{PATH}={text}", project, folder), PATH)

    assert place("both", elsewhere) == "both", "the project comes first"
    assert place("here", project / "notebooks") == "notebooks/here"
    assert place("mine", elsewhere) == str(elsewhere / "mine")
    assert place("nowhere", elsewhere) == "nowhere"
    assert lookup(read_params("ingestion.captioner=mine", project, elsewhere), "ingestion.captioner") == str(
        elsewhere / "mine"
    )


def test_the_option_of_every_command_is_this_one():
    from lexipix.cli.estimate import estimate
    from lexipix.cli.run import run

    for command_of_lexipix in (run, estimate):
        (option,) = (one for one in command_of_lexipix.params if one.name == "params")
        assert option.callback is typed_option("params").callback
