"""Text as LaTeX prints it: names of people are no commands, whatever the compiler."""

import re
import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\ne$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "°": r"\textsuperscript{$\circ$}",
    "ε": r"$\varepsilon$",
    "\u00a0": "~",
}
"""What LaTeX reads as something else, or does not know without packages."""
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon",
    "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi",
    "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0307\u0308\u030a\u030b\u030c\u0327"
"""Accents that LaTeX sets on a letter without packages."""
LETTERS = "ßøØæÆœŒłŁı"
LIGATURES = re.compile(r"-(?=-)|,(?=,)|'(?=')")
"""Where two characters would be printed as one."""
SOLID = re.compile(r"\S{32,}")
"""A word too long for a line."""
BREAKS = re.compile(r"[\r\n\v\f\x85\u2028\u2029\t]+")
ARGUMENT = re.compile(r"[\[*]")
"""What a cell begins with that the command before it (end of row, rule) takes for an argument."""
OTHER = r"\fedgroupletter"
DEFINED = (
    r"\providecommand{\fedgroupletter}[2]{\ifdefined\Umathchar #1\else [U+#2]\fi}"
    "% a letter that XeLaTeX and LuaLaTeX print, and pdfLaTeX by its number"
)
"""Stands before a table that has such letters."""


def escape(text: str) -> str:
    """Return text that LaTeX prints as it stands, in one line."""
    whole = unicodedata.normalize("NFC", BREAKS.sub(" ", text).replace("\0", "")).strip()
    plain = LIGATURES.sub("\\g<0>\0", whole)
    printed = "".join(_printed(character) for character in plain)
    return f"{{{printed[0]}}}{printed[1:]}" if ARGUMENT.match(printed) else printed


def breakable(text: str) -> str:
    """Return escaped text whose very long words may be broken at the end of a line."""
    words = SOLID.sub(lambda word: "\1".join(_chunks(word[0])), text)
    return escape(words).replace("\1", r"\allowbreak{}")


def _chunks(word: str) -> list[str]:
    return [word[start : start + 16] for start in range(0, len(word), 16)]


def _printed(character: str) -> str:
    if character == "\0":
        return "{}"
    if character in SPECIAL:
        return SPECIAL[character]
    if character in GREEK:
        return f"$\\{GREEK[character]}$"
    if unicodedata.category(character) == "Cc":
        return character if character == "\1" else ""
    if character.isascii() or character in LETTERS or _accented(character):
        return character
    return f"{OTHER}{{{character}}}{{{ord(character):04X}}}"


def _accented(character: str) -> bool:
    """Return whether a letter is an ASCII letter with one accent that LaTeX knows."""
    parts = unicodedata.normalize("NFD", character)
    return len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS
