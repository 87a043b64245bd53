from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sections import begin, put

LINES = st.lists(st.text("ab |#", max_size=8).map(lambda text: f"x{text}"), max_size=4)


@given(LINES, LINES, LINES, LINES)
def test_a_section_is_replaced_and_nothing_else(
    before: list[str], old: list[str], after: list[str], new: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        page = Path(folder) / "page.md"
        others = "# Page\n\n" + "\n".join(before)
        page.write_text(others)
        put(page, ["## Mine", "", *old])
        page.write_text(page.read_text() + "\n## Last\n" + "\n".join(after) + "\n")
        put(page, ["## Mine", "", *new])
        text = page.read_text()
        put(page, ["## Mine", "", *new])
        assert page.read_text() == text
        assert text.count("## Mine\n") == 1 == text.count("\n## Last\n")
        assert text.startswith(others.rstrip())
        assert text.endswith("## Last\n" + "\n".join(after) + "\n")
        mine = text[text.index("## Mine") : text.index("## Last")]
        assert mine.strip() == "\n".join(["## Mine", "", *new]).strip()


def test_a_new_section_goes_behind_the_one_that_is_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n## First\n\none\n\n## Last\n\nend\n")
    put(page, ["## Mine", "", "new"], after="## First")
    assert page.read_text() == "# Page\n\n## First\n\none\n\n## Mine\n\nnew\n\n## Last\n\nend\n"
    put(page, ["## Mine", "", "newer"], after="## Last")  # it stays where it is
    assert page.read_text() == "# Page\n\n## First\n\none\n\n## Mine\n\nnewer\n\n## Last\n\nend\n"
    put(page, ["## Other", "", "x"], after="## Nowhere")
    assert page.read_text().endswith("## Last\n\nend\n\n## Other\n\nx\n")
    put(page, ["## New", "", "y"])
    assert page.read_text().endswith("## Other\n\nx\n\n## New\n\ny\n")


def test_what_stands_before_the_first_section_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin(page, ["# Page", "", "one"])
    assert page.read_text() == "# Page\n\none\n"
    put(page, ["## First", "", "kept"])
    put(page, ["## Last", "", "kept"])
    sections = page.read_text().removeprefix("# Page\n\none\n")
    begin(page, ["# Page", "", "two", ""])
    assert page.read_text() == "# Page\n\ntwo\n" + sections
