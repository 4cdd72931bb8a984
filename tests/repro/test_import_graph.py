"""Code dependencies of a function: what its own names need, not what its module imports for others."""

from tests.support.project import REPOSITORY

from lexipix.repro.import_graph import code_paths, modules_of_function, used_modules

NODES = "lexipix.pipelines.generator.nodes"


def test_a_function_does_not_depend_on_what_other_functions_of_its_module_import():
    vae = modules_of_function(NODES, "train_vae")
    assert {NODES, "lexipix.training.tasks.vae", "lexipix.models.vae"} <= vae
    assert "lexipix.training.tasks.vae" in used_modules(NODES) and "lexipix.training.losses.gan" not in vae


def test_lazy_imports_within_a_function_count():
    ingest = modules_of_function("lexipix.pipelines.ingestion.nodes", "ingest")
    assert "lexipix.inference.onnx_captioner" in ingest


def test_a_name_that_a_module_does_not_define_counts_as_the_whole_module():
    assert modules_of_function(NODES, "no_such_name") == used_modules(NODES)


def test_each_module_is_a_file_and_a_package_is_none():
    assert code_paths(REPOSITORY, ["lexipix.scenes", "lexipix.scenes.oracle"]) == [
        "src/lexipix/scenes/oracle.py"
    ]


def test_what_a_module_reads_counts_with_it():
    assert code_paths(REPOSITORY, ["lexipix.reporting.report"]) == [
        "src/lexipix/reporting/report.py",
        "src/lexipix/reporting/templates",
    ]


def test_modules_that_only_carry_data_are_no_dependencies():
    assert code_paths(REPOSITORY, ["lexipix.utils.types", "lexipix.datasets.files"]) == []
    assert code_paths(REPOSITORY, ["lexipix.utils.seeding"]) == ["src/lexipix/utils/seeding.py"]
