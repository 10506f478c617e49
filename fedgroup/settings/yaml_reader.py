"""YAML 1.2 as its core schema reads it; a key that stands twice is refused with its line.

PyYAML alone reads YAML 1.1: 012 as 10, 1:30 as 90, 1_000 as 1000, 2024-01-01 as a date, off and no
as False, 1e-5 as text; and of two equal keys it keeps the last without a word.
"""

import re
from typing import Any, ClassVar

import yaml
from yaml.constructor import ConstructorError

MAX_DIGITS = 100
"""Python itself reads no whole number of more than a few thousand digits."""


class CoreLoader(yaml.SafeLoader):
    """PyYAML's parser with the core schema of YAML 1.2 (and the merge key `<<`)."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

    def unique_mapping(self, node: yaml.MappingNode) -> dict[Any, Any]:
        """Return a mapping; refuse a key that stands twice (1 and '1' are one key)."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            merge = key.tag == "tag:yaml.org,2002:merge"
            name = "<<" if merge else str(self.construct_object(key, deep=True))
            if name in lines:
                reason = f"the key '{name}' stands twice, first in line {lines[name]}: keep one"
                raise ConstructorError(problem=reason, problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        return self.construct_mapping(node, deep=True)

    def plain_sequence(self, node: yaml.SequenceNode) -> list[Any]:
        """Return a list; one that contains itself is refused."""
        return self.construct_sequence(node, deep=True)

    def core_integer(self, node: yaml.ScalarNode) -> int:
        """Return a whole number: 012 is 12, 0o14 and 0xc are too."""
        text = self.construct_scalar(node)
        if not re.fullmatch(_CORE["int"][0], text) or len(text) > MAX_DIGITS:
            reason = f"'{text[:40]}' is not a whole number of up to {MAX_DIGITS} digits"
            raise ConstructorError(problem=reason, problem_mark=node.start_mark)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def whole_text(self, node: yaml.ScalarNode) -> str:
        """Return text; JSON writes a character beyond 16 bits as two escapes, which are joined."""
        try:
            text = self.construct_scalar(node).encode("utf-16-le", "surrogatepass")
            return text.decode("utf-16-le")
        except UnicodeDecodeError:
            reason = "the text holds half of a character"
            raise ConstructorError(problem=reason, problem_mark=node.start_mark) from None


_CORE = {  # tag: (what it looks like, its first characters); whole numbers before decimals
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    "merge": ("<<", ["<"]),
}
for _tag, (_pattern, _first) in _CORE.items():
    CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
    )
CoreLoader.add_constructor("tag:yaml.org,2002:map", CoreLoader.unique_mapping)
CoreLoader.add_constructor("tag:yaml.org,2002:seq", CoreLoader.plain_sequence)
CoreLoader.add_constructor("tag:yaml.org,2002:str", CoreLoader.whole_text)
CoreLoader.add_constructor("tag:yaml.org,2002:int", CoreLoader.core_integer)
