"""Names of people in figures: no formula, no hidden name, no warning, and room for long ones."""

import warnings
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.text import Text

from experiments.figures import FIGURES, glyphs
from experiments.figures.style import canvas, save, styled
from experiments.results.measurements import lines
from tests.experiments.hostile import GROUPS, LABELS, hostile


@pytest.fixture(autouse=True)
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def comments(svg: Path) -> list[str]:
    """The texts of a figure: matplotlib draws them as paths and keeps each in a comment."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    root, comment = ElementTree.parse(svg, parser).getroot(), cast(object, ElementTree.Comment)
    return [unescape(node.text or "").strip() for node in root.iter() if node.tag is comment]


def words(texts: list[str]) -> str:
    """All texts in one line, without the spaces at which they were wrapped."""
    return "".join("".join(texts).split())


def expected(name: str) -> str:
    """What a figure writes of a name: letters that no font has by their names."""
    text = glyphs.shown(name).replace("--", "- -")
    return "".join(text.split())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every figure of the hostile table that applies, as SVG."""
    folder = tmp_path_factory.mktemp("drawn")
    made, results = hostile(folder)
    rows = lines(made, results, "final")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("error")
        patch.setattr("experiments.figures.style.FORMATS", (".svg",))
        for name in ("groups", "tension", "drops", "influence"):
            figure = FIGURES[name]
            assert figure.applies(made, rows, results)
            figure.draw(made, rows, results, folder / f"{name}.svg")
    return folder


@pytest.mark.parametrize("name", ["groups", "tension", "drops", "influence"])
def test_every_name_stands_in_the_figure(drawn: Path, name: str) -> None:
    shown = words(comments(drawn / f"{name}.svg"))
    assert [label for label in LABELS if expected(label) not in shown] == []


def test_a_group_that_begins_with_an_underscore_is_in_the_legend(drawn: Path) -> None:
    shown = words(comments(drawn / "groups.svg"))
    assert [group for group in GROUPS if expected(f"{group} (") not in shown] == []


def test_the_baseline_is_named_as_it_is(drawn: Path) -> None:
    for name in ("groups", "tension", "drops"):
        assert expected("$b_0$ <FedAvg>") in words(comments(drawn / f"{name}.svg"))


def test_no_text_is_a_formula_in_any_format(tmp_path: Path) -> None:
    @styled
    def draw() -> None:
        figure, ((axis,),) = canvas(1, 1, 3, 2)
        axis.set_title("$\\frac{$ $x$ \U0001f426 \u4e2d")
        axis.set_yticks([0, 1], ["$a_1$", "\U0001f436\ufe0f"])
        save(figure, tmp_path / "figure")
        texts = [text.get_text() for text in figure.findobj(Text)]
        assert (
            "$\\frac{$ $x$ [bird] [cjk unified ideograph-4e2d]" in texts
            or glyphs.shown("\U0001f426\u4e2d") == "\U0001f426\u4e2d"
        ), "unless a font of this machine has them"
        assert "$a_1$" in texts

    draw()
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg", ".pdf", ".png"}


def test_letters_that_no_font_has_are_named_apart() -> None:
    assert glyphs.shown("Grüße ρ = 0.9 – ±") == "Grüße ρ = 0.9 – ±"
    assert glyphs.shown("\U0010fffd") == "[u+10fffd]"
    assert glyphs.shown("a\u200d\ufe0fb") in ("ab", "a\u200d\ufe0fb")
    assert glyphs.shown("\U0001f426") != glyphs.shown("\U0001f436")


def test_a_users_matplotlibrc_makes_no_text_a_formula() -> None:
    @styled
    def settings() -> dict[str, Any]:
        chosen: Any = matplotlib.rcParams
        return {key: chosen[key] for key in theirs}

    theirs: Any = {"text.usetex": True, "text.parse_math": True, "font.size": 30}
    with matplotlib.rc_context(theirs):
        assert settings() == {"text.usetex": False, "text.parse_math": False, "font.size": 9}


def test_long_names_are_wrapped_and_short_ones_stay() -> None:
    assert glyphs.wrapped("short name", 20) == "short name"
    assert glyphs.wrapped("n" * 50, 20) == "\n".join(["n" * 20, "n" * 20, "n" * 10])
    assert glyphs.wrapped("two\nlines", 20) == "two lines"
    assert glyphs.lines_of(["a", "b\nc"]) == 2
    assert glyphs.lines_of([]) == 1
