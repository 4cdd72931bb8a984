"""The tab Describe in a real browser."""

import re


def test_a_picture_gets_its_caption(page, tab, give, said):
    tab("Describe")
    give("star.png")
    described = page.locator("#described")
    described.get_by_text(said, exact=True).wait_for()
    assert described.locator("img").count() == 1
    assert re.search(r"16x16 pixels, .*described in \d+ ms", described.inner_text())


def test_what_the_attention_needs_is_told_where_it_is_missing(page, tab, give):
    tab("Describe")
    give("star.png")
    told = page.locator("#attention [role=status]")
    told.wait_for()
    assert told.inner_text().startswith("Where the captioner looked cannot be shown: There is no ")
