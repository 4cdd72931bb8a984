import numpy as np
import pytest

from lexipix.reporting.contact_sheet import MARGIN, PAPER, comparison_sheet, contact_sheet


def random_images(n: int, height: int = 32, width: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (n, height, width, 3), dtype=np.uint8)


def positions_of(image: np.ndarray, sheet: np.ndarray, scale: int) -> list[tuple[int, int]]:
    """Top left corners of the exact copies of the enlarged image in the sheet."""
    large = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
    height, width = large.shape[:2]
    corners = np.argwhere((sheet[: 1 - height, : 1 - width] == large[0, 0]).all(axis=-1))
    return [(y, x) for y, x in corners if np.array_equal(sheet[y : y + height, x : x + width], large)]


class TestContactSheet:
    def test_every_image_appears_once_enlarged_by_whole_pixels(self) -> None:
        images = random_images(7)
        sheet = contact_sheet(images, ["a caption"] * 7, columns=3, scale=2, title="Seven")
        assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
        places = [positions_of(image, sheet, 2) for image in images]
        assert all(len(place) == 1 for place in places)
        rows = sorted({place[0][0] for place in places})
        assert len(rows) == 3
        assert [place[0][0] for place in places] == [rows[0]] * 3 + [rows[1]] * 3 + [rows[2]]

    def test_captions_are_drawn_below_their_images_and_touch_nothing(self) -> None:
        images = np.full((4, 32, 32, 3), 120, np.uint8)
        long = "a small purple star at the center and a small orange circle at the right on white"
        sheet = contact_sheet(images, [long, "", long, ""], columns=2, scale=3)
        blank = contact_sheet(images, ["", "", "", ""], columns=2, scale=3)
        picture = (sheet == 120).all(axis=-1)
        assert picture.sum() == 4 * 96 * 96  # no text overlaps an image
        ink = (sheet < 90).all(axis=-1)
        assert ink.any() and not (blank < 90).all(axis=-1).any()
        second_column = np.flatnonzero(picture.any(axis=0))[-96]
        assert not ink[:, second_column:].any()  # or the next column
        assert (sheet[:, : MARGIN - 1] == PAPER).all() and (sheet[-MARGIN + 1 :] == PAPER).all()

    def test_rows_are_as_high_as_their_longest_caption(self) -> None:
        images = random_images(4)
        short = contact_sheet(images, ["a"] * 4, columns=2)
        one_long = contact_sheet(images, ["a", "word " * 20, "a", "a"], columns=2)
        assert one_long.shape[0] > short.shape[0]

    @pytest.mark.parametrize("captions", [None, [], ["x", None]])
    def test_without_captions_or_random_images(self, captions) -> None:
        n = 0 if captions == [] else 2
        sheet = contact_sheet(random_images(n), captions)
        assert sheet.ndim == 3 and min(sheet.shape) > 0

    def test_any_language_and_invalid_characters_are_drawn(self) -> None:
        captions = [
            "большой круг",
            "红色圆圈",
            "ทดสอบ",
            "مرحبا",
            "🙂 emoji",
            "bad \ud800 \x00 text",
            "y" * 500,
        ]
        assert contact_sheet(random_images(7), captions).size

    def test_a_caption_that_no_font_can_draw_is_replaced_by_the_image_number(self, system_fonts) -> None:
        system_fonts()
        images = random_images(2)
        np.testing.assert_array_equal(
            contact_sheet(images, ["a star", "红色"]), contact_sheet(images, ["a star", "image 2"])
        )

    def test_not_square_and_larger_random_images(self) -> None:
        images = random_images(3, height=20, width=150)
        sheet = contact_sheet(images, ["a"] * 3, columns=2, scale=1)
        assert all(len(positions_of(image, sheet, 1)) == 1 for image in images)

    def test_same_input_same_pixels(self) -> None:
        images = random_images(5)
        first = contact_sheet(images, list("abcde"))
        np.testing.assert_array_equal(first, contact_sheet(images, list("abcde")))


class TestComparisonSheet:
    def test_versions_are_side_by_side_in_the_given_order(self) -> None:
        versions = {
            name: random_images(3) // (i + 1) for i, name in enumerate(["original", "direct", "text"])
        }
        captions = {"caption": ["a star", "a circle", "a square"]}
        sheet = comparison_sheet(versions | captions, scale=2, title="Paths")
        for i in range(3):
            places = [positions_of(column[i], sheet, 2)[0] for column in versions.values()]
            assert len({y for y, _ in places}) == 1
            assert [x for _, x in places] == sorted(x for _, x in places)

    def test_a_text_that_no_font_can_draw_is_replaced_by_the_image_number(self, system_fonts) -> None:
        system_fonts()
        images = random_images(2)
        sheet = comparison_sheet({"original": images, "caption": ["a star", "红色"]})
        np.testing.assert_array_equal(
            sheet, comparison_sheet({"original": images, "caption": ["a star", "image 2"]})
        )
