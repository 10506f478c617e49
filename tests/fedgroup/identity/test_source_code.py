import importlib
import linecache
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from fedgroup.errors import FedgroupError
from fedgroup.identity.source_code import differing, is_ours, source_of, source_of_named, texts
from strategies.rules.krum import Krum
from tests.fedgroup.foreign import RULE, importable, write

PACKAGE = {
    "pack_a/__init__.py": "",
    "pack_a/rules/__init__.py": "from . import late\n",
    "pack_a/rules/mine.py": RULE + "from ..tools import scale\nfrom pack_a import names\n",
    "pack_a/rules/late.py": "",
    "pack_a/tools.py": "import helper_a\nimport numpy\ndef scale(x):\n    from . import inner\n",
    "pack_a/inner.py": "from importlib import import_module\nimport_module('pack_a.by_name')\n",
    "pack_a/by_name.py": "",
    "pack_a/names.py": "",
    "pack_a/unused.py": "",
    "helper_a.py": "",
    "beside_a.py": "",
}


def sources(module: str) -> dict[str, str]:
    return source_of(importlib.import_module(module).Rule)


def test_ours_and_libraries_have_no_source_of_their_own() -> None:
    assert source_of(Krum) == source_of(OrderedDict) == {}
    assert source_of_named("flwr.serverapp.strategy:FedMedian") == {}
    assert is_ours("strategies.rules.krum") and not is_ours("tests.toy")


def test_the_module_and_what_it_imports_from_the_same_folder(tmp_path: Path) -> None:
    with importable(write(tmp_path, PACKAGE)):
        found = sources("pack_a.rules.mine")
    assert set(found) == set(PACKAGE) - {"pack_a/unused.py", "beside_a.py"}


def test_an_installed_package_is_read_alone(tmp_path: Path) -> None:
    root = write(tmp_path / "site-packages", PACKAGE)
    with importable(root):
        found = sources("pack_a.rules.mine")
    assert set(found) == set(PACKAGE) - {"pack_a/unused.py", "beside_a.py", "helper_a.py"}


@pytest.mark.parametrize(
    "name", [name for name in PACKAGE if name not in ("pack_a/unused.py", "beside_a.py")]
)
def test_a_change_of_any_of_them_is_named(name: str, tmp_path: Path) -> None:
    with importable(write(tmp_path, PACKAGE)) as forget:
        before = sources("pack_a.rules.mine")
        (tmp_path / name).write_text(PACKAGE[name] + "\nextra = 1\n")
        forget()
        assert differing(before, sources("pack_a.rules.mine")) == [name]


def test_place_line_ends_and_other_files_do_not_count(tmp_path: Path) -> None:
    with importable(write(tmp_path / "one", PACKAGE)):
        one = sources("pack_a.rules.mine")
    other = {**PACKAGE, "pack_a/unused.py": "x = 1", "beside_a.py": "x = 1"}
    write(tmp_path / "two", {name: text.replace("\n", "\r\n") for name, text in other.items()})
    with importable(tmp_path / "two"):
        assert sources("pack_a.rules.mine") == one


def test_a_process_answers_for_what_it_runs(tmp_path: Path) -> None:
    """A file that is edited while a table runs counts from the next import on."""
    with importable(write(tmp_path, {"edited_a.py": RULE})) as forget:
        before = sources("edited_a")
        (tmp_path / "edited_a.py").write_text(RULE + "# better\n")
        assert sources("edited_a") == before
        importlib.reload(sys.modules["edited_a"])
        reloaded = sources("edited_a")
        forget()
        assert before != reloaded == sources("edited_a")


def test_a_folder_of_the_users_with_one_of_our_names(tmp_path: Path) -> None:
    """`strategies/` of the user's own is the user's, wherever it is imported from."""
    root = write(tmp_path, {"user_a.py": RULE + "def late():\n    import strategies.mine\n"})
    write(root, {"strategies/__init__.py": "", "strategies/mine.py": ""})
    with importable(root):
        assert set(sources("user_a")) == {
            "user_a.py",
            "strategies/__init__.py",
            "strategies/mine.py",
        }


def test_a_class_named_in_a_setting(tmp_path: Path) -> None:
    with importable(write(tmp_path, {"strategy_a.py": RULE, "broken_a.py": "1/0\n"})):
        assert list(source_of_named("strategy_a:Rule")) == ["strategy_a.py"]
        assert list(source_of_named("strategy_a:Missing")) == ["strategy_a.py"]
    for text in ("no_such_module:Rule", "cuda:0", "a: b", "12:30", "strategy_a", ""):
        assert source_of_named(text) == {}


def test_texts_of_settings_at_any_depth() -> None:
    assert texts({"a": ["b", ("c", 1), {"d": None}]}) == ["a", "b", "c", "d"]


def typed(text: str) -> type:
    """A class as a notebook's cell makes it: no file, its lines in linecache."""
    name = f"<cell {text!r}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space: dict[str, Any] = {"__name__": "cell_a"}
    exec(compile(text, name, "exec"), space)
    return space["Rule"]  # type: ignore[no-any-return]


def test_what_was_typed_in_is_known_by_its_text() -> None:
    one, other = (f"class Rule:\n    def step(self):\n        return {n}\n" for n in (1, 2))
    assert list(source_of(typed(one))) == ["cell_a:Rule"]
    assert source_of(typed(one)) == source_of(typed(one)) != source_of(typed(other))
    with pytest.raises(FedgroupError, match=r"put it into a \.py file"):
        source_of(typed("class Rule:\n    pass\n"))
