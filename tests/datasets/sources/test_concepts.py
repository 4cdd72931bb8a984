import pytest

from lexipix.datasets.sources.concepts import (
    MIN_CONCEPTS,
    CaptionedRow,
    Concept,
    are_classes,
    concept_of,
    find_style_field,
    held_out_pairs,
)


def sprites(n_both=MIN_CONCEPTS, n_one=30):
    """Rows whose captions end in category and style; some concepts occur in both styles."""
    rows = []
    for number in range(n_both + n_one):
        for style in ("ultica", "msx")[: 2 if number < n_both else 1]:
            fields = {"category": ("item", "monster")[number % 2], "style": style}
            caption = f"thing {number}, {fields['category']}, {style}"
            rows.append(CaptionedRow(caption, fields))
    return rows


def test_the_field_in_which_a_concept_has_several_values_is_the_style():
    rows = sprites()
    assert find_style_field(rows) == "style", "a concept has one category only"
    assert concept_of(rows[0], "style") == Concept("thing 0 item", "ultica")
    assert concept_of(rows[1], "style") == Concept("thing 0 item", "msx")
    assert concept_of(rows[0], None) == Concept("thing 0, item, ultica")


def test_a_style_need_not_be_in_the_caption():
    rows = [
        CaptionedRow("Red heart", {"style": style, "id": f"{n}"})
        for n, style in enumerate(["noto", "twemoji"])
    ]
    assert concept_of(rows[0], "style") == Concept("red heart", "noto")
    many = [
        CaptionedRow(f"thing {n}", {"style": s}) for n in range(MIN_CONCEPTS) for s in ("noto", "twemoji")
    ]
    assert find_style_field(many) == "style"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        sprites(n_both=MIN_CONCEPTS - 1),
        sprites(n_both=MIN_CONCEPTS, n_one=100 * MIN_CONCEPTS),
        [CaptionedRow("photo", {"id": str(number)}) for number in range(100)],
        [CaptionedRow(f"photo {number}", {"camera": "x"}) for number in range(100)],
    ],
    ids=["nothing", "few", "a small share", "one value for each image", "one value"],
)
def test_other_fields_are_no_styles(rows):
    assert find_style_field(rows) is None


def test_a_caption_that_is_its_style_stays():
    assert concept_of(CaptionedRow("Noto", {"style": "noto"}), "style") == Concept("noto", "noto")


def test_few_captions_of_many_images_are_classes():
    assert are_classes([Concept("cat"), Concept("dog")] * 11)
    assert not are_classes([Concept("cat"), Concept("dog")] * 10)


def test_held_out_pairs_leave_another_style_of_each_concept():
    concepts = [concept_of(row, "style") for row in sprites(n_both=400)]
    pairs = held_out_pairs(concepts, 0.1)
    assert 20 < len(pairs) < 60
    assert len({pair.name for pair in pairs}) == len(pairs), "one style of a concept at most"
    assert {pair.style for pair in pairs} == {"ultica", "msx"}
    several = {concept.name for concept in concepts if concept.style == "msx"}
    assert {pair.name for pair in pairs} <= several
    assert held_out_pairs(concepts[::-1], 0.1) == pairs and held_out_pairs(concepts, 0) == set()
    fewer = held_out_pairs(concepts[: len(concepts) // 2], 0.1)
    assert fewer <= pairs, "other images change nothing"
