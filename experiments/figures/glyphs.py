"""Text in figures as it stands: which fonts have its letters, and words for those that none has."""

import unicodedata
from functools import cache
from textwrap import fill

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

FIRST = "DejaVu Sans"
"""Ships with matplotlib: figures of text that it has look alike everywhere."""
OTHERS = (
    *("Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("Microsoft YaHei", "PingFang SC", "Hiragino Sans", "WenQuanYi Zen Hei", "Arial Unicode MS"),
    *("Noto Emoji", "Segoe UI Emoji", "Symbola", "Noto Sans Symbols 2", "Segoe UI Symbol"),
)
"""Fonts of other scripts and signs, asked where they are installed."""


@cache
def families() -> list[str]:
    """Return the font families of every figure, in the order in which they are asked."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [FIRST, *(name for name in OTHERS if name in installed)]


@cache
def _letters() -> frozenset[int]:
    """Return the code points that some font of the figures has."""
    known: set[int] = set()
    for family in families():
        path = font_manager.findfont(family, fallback_to_default=False)
        known |= set(font_manager.get_font(path).get_charmap())
    return frozenset(known)


def shown(text: str) -> str:
    """Return text that can be drawn: a letter that no font has becomes its name, '[bird]'."""
    if text.isascii():
        return text
    return "".join(c if c == "\n" or ord(c) in _letters() else _name(c) for c in text)


def _name(letter: str) -> str:
    if unicodedata.category(letter) in ("Cf", "Mn", "Cc"):
        return ""  # joiners and variants: they change a letter that is named anyway
    return f"[{unicodedata.name(letter, f'U+{ord(letter):04X}').lower()}]"


def show_letters(figure: Figure) -> None:
    """Name every letter of a figure's text that no font has, the labels of ticks included."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if any(shown(text) != text for text in labels):
                axis.set_ticklabels([shown(text) for text in labels])
    for found in figure.findobj(Text):
        if isinstance(found, Text) and shown(found.get_text()) != found.get_text():
            found.set_text(shown(found.get_text()))


def wrapped(text: str, letters: int) -> str:
    """Return text in lines of at most so many letters; a longer word is cut."""
    if len(text) <= letters and "\n" not in text:
        return text
    return fill(text, letters, break_on_hyphens=False)


def lines_of(texts: list[str]) -> int:
    """Return how many lines the longest of some texts takes, at least one."""
    return max((text.count("\n") + 1 for text in texts), default=1)
