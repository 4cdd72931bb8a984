import pytest

from lexipix.config.text_keys import path_keys, text_key, text_keys


def test_the_parameters_that_name_files_are_found_by_their_type():
    assert path_keys() == [
        "ingestion.source.path",
        "ingestion.captioner",
        "features.image_encoder.path",
        "features.tokenizer",
        "captioner.language_model.path",
        "compression.sentence_encoder",
    ]


@pytest.mark.parametrize(
    ("key", "facts"),
    [
        ("ingestion.source.path", (False, False, True, True)),
        ("ingestion.source.folder.caption_field", (False, False, False, False)),
        ("ingestion.source.folder.label_template", (False, False, True, False)),
        ("ingestion.source.folder.caption_templates", (True, False, False, False)),
        ("ingestion.source.folder.caption_values", (True, False, False, False)),
        ("ingestion.source.folder.caption_values.style.x", (False, False, False, False)),
        ("ingestion.alpha", (False, True, False, False)),
    ],
)
def test_text_is_told_apart(key, facts):
    found = text_key(key)
    assert (found.has_items, found.is_choice, found.is_nullable, found.is_path) == facts


@pytest.mark.parametrize(
    "key", ["run.seed", "ingestion.resize.background", "ingestion.source", "no.such.key"]
)
def test_other_values_are_no_text(key):
    assert key not in text_keys() and text_key(key) is None
