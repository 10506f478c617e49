"""What of the current folder cannot be imported is said, and what hides it."""

import json
from pathlib import Path

import pytest

import fedgroup
from fedgroup.errors import FedgroupError
from fedgroup.host.namesakes import hidden, namesakes
from fedgroup.spec import imported


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("json.py", "my_rules.py", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "fedgroup").mkdir()
    (tmp_path / "fedgroup" / "mine.py").write_text("")
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_hides_what(folder: Path) -> None:
    ours, python = Path(fedgroup.__file__).parent, Path(json.__file__).parent
    assert namesakes(folder) == [
        f"fedgroup is hidden by {ours}: rename yours to import it",
        f"json.py is hidden by {python}: rename yours to import it",
    ]
    assert hidden("json.decoder", folder).startswith("json.py is hidden by")
    assert hidden("my_rules", folder) == ""
    assert namesakes(folder / "no such") == []


def test_a_hidden_component_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        FedgroupError, match=r"cannot import 'fedgroup\.mine:Rule'.*fedgroup is hidden by"
    ):
        imported("fedgroup.mine:Rule")
    with pytest.raises(FedgroupError, match=r"module 'json' has no 'Rule'.*json\.py is hidden by"):
        imported("json:Rule")
    assert imported("json:JSONDecoder") is json.JSONDecoder
    assert "'json:JSONDecoder' is not what lies here: json.py is hidden by" in caplog.text
    caplog.clear()
    assert imported("fedgroup.errors:FedgroupError") is FedgroupError
    assert not caplog.records
