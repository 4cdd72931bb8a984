"""The tab Redraw in a real browser."""


def test_a_picture_is_drawn_again_with_all_tries(page, tab, give, said):
    tab("Redraw")
    give("star.png")
    page.locator("#redrawn figure.best").wait_for()
    assert page.locator("#redrawn .caption").inner_text() == said
    figures = page.locator("#redrawn figure")
    assert figures.count() == 2 + 8, "given, best, and the default budget"
    assert (
        page.locator("#redrawn [role=status]").inner_text().startswith("8 tries from captions; the best has")
    )


def test_a_target_ends_the_search_and_a_text_replaces_the_caption(page, tab, give):
    tab("Redraw")
    page.get_by_label("Text (empty").fill("a small blue star at the top on black")
    page.get_by_role("radio", name="PSNR").check()
    value = page.get_by_label("Value of the target")
    value.wait_for()
    assert value.input_value() == "20"
    value.fill("1")
    give("star.png")
    page.locator("#redrawn figure.best").wait_for()
    told = page.locator("#redrawn [role=status]").inner_text()
    assert told.startswith("1 try from the given text;") and told.endswith("target psnr=1 was reached.")
    value.fill("99")
    page.get_by_role("button", name="Draw it again").click()
    page.get_by_text("The target psnr=99 was not reached.").wait_for()
