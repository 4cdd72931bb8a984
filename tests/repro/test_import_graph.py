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


def test_a_folder_stands_for_its_files_where_most_are_used():
    scenes = sorted(module for module in used_modules("lexipix.scenes.oracle") if ".scenes." in module)
    assert code_paths(REPOSITORY, [*scenes, *used_modules("lexipix.scenes")]) == ["src/lexipix/scenes"]
    assert code_paths(REPOSITORY, ["lexipix.scenes.oracle"]) == ["src/lexipix/scenes/oracle.py"]


def test_in_training_it_stands_for_them_only_where_all_are_used():
    names = sorted(path.stem for path in (REPOSITORY / "src/lexipix/training/losses").glob("[a-z]*.py"))
    modules = [f"lexipix.training.losses.{name}" for name in names]
    assert code_paths(REPOSITORY, modules) == ["src/lexipix/training/losses"]
    assert len(code_paths(REPOSITORY, modules[1:])) == len(names) - 1


def test_modules_that_only_carry_data_are_no_dependencies():
    assert code_paths(REPOSITORY, ["lexipix.utils.types", "lexipix.datasets.files"]) == []
    assert code_paths(REPOSITORY, ["lexipix.utils.seeding"]) == ["src/lexipix/utils/seeding.py"]
