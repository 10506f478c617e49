"""Text as Markdown shows it: names of people are no markup."""

import re

OURS = re.compile(r"(`fedgroup [^`\n]*`)")
"""A command in a sentence of ours: it stays code."""
ALWAYS = re.compile(r"[\\`*<|$~]")
"""Markup wherever it stands: escapes, code, emphasis, HTML, columns, formulas, struck text."""
BORDER = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""An underscore at the border of a word: emphasis; within one it is a letter."""
LINK = re.compile(r"\](?=[(\[:])|!(?=\[)")
ENTITY = re.compile(r"&(?=#?\w+;)")
BLOCK = re.compile(r"^(\s*)([#>+=-]|\d+(?=[.)]))")
"""What begins a heading, a quote, a list, a line or a number at the start of a line."""
BREAKS = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+")


def shown(text: str) -> str:
    """Return text in one line that Markdown shows as it stands; commands of ours stay code."""
    parts = OURS.split(BREAKS.sub(" ", text))
    return "".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts))


def block(text: str) -> str:
    """Return text that begins a paragraph or a list item, and is shown as it stands."""
    begun = BLOCK.match(text)
    if begun is None:
        return shown(text)
    space, mark = begun.groups()
    rest = shown(text[begun.end() :])
    return f"{space}{mark}\\{rest}" if mark.isdigit() else f"{space}\\{mark}{rest}"


def heading(text: str) -> str:
    """Return text that stands after '# ': a hash sign at its end would be left out."""
    return re.sub(r"(#+)$", r"\\\1", shown(text))


def _escaped(text: str) -> str:
    text = ALWAYS.sub(r"\\\g<0>", text)
    for markup in (BORDER, LINK, ENTITY):
        text = markup.sub(r"\\\g<0>", text)
    return text
