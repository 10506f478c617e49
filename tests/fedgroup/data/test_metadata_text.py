"""Metadata files: every encoding, separator and quote loads right, or one line says the row."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgroup.data.metadata import integers, need, splits, unique
from fedgroup.data.metadata_text import first_line, read_csv
from fedgroup.errors import FedgroupError

TEXT = "file,y\ncafé.png,1\nb.png,0\n"
VALUES = {"file": ["café.png", "b.png"], "y": ["1", "0"]}


def written(folder: Path, data: bytes | str) -> Path:
    path = folder / "metadata.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        (TEXT + "\n\n").encode(),
        (TEXT + "   \n , \n").encode(),
        ("\n" + TEXT.rstrip("\n")).encode(),
        TEXT.replace(",", ", ").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "   ").encode(),
        b'"file","y"\n"caf\xc3\xa9.png","1"\n"b.png","0"\n',
    ],
)
def test_every_way_to_write_it_is_read_alike(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    assert dict(read_csv(path)) == VALUES
    assert "file" in first_line(path) or data.startswith(b"\n")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (TEXT.encode("latin-1"), "line 2: byte 0xe9 is not utf-8 text: save the file as UTF-8"),
        (TEXT.replace("é", "e").encode("utf-16-le"), "line 1: it holds zero bytes"),
        (b"\xff\xfea", "not utf-16 text"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"file,y\na,1\nb\n", "line 3: 1 values for 2 columns"),
        (b"file,y\n\na,1\n\nb,1,\n", "line 5: 3 values for 2 columns"),
        (b'file,y\na,1\n"b,0\nc,1\n', "line 3: .*quote not closed"),
        (b"file,y,y\na,1,2\n", "line 1: two columns are called 'y'"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_its_row(
    data: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(FedgroupError, match=words) as caught:
        read_csv(written(tmp_path, data))
    assert "metadata.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match=r"cannot read .*nothing\.csv \(No such file"):
        read_csv(tmp_path / "nothing.csv")


def test_quoted_commas_newlines_and_odd_separators_stay_in_their_value(tmp_path: Path) -> None:
    text = 'file,y\n"a,b.png","land\nbird"\nc\u2028d\x0be.png,\x85x\n'
    columns = read_csv(written(tmp_path, text))
    assert columns["file"] == ["a,b.png", "c\u2028d\x0be.png"]
    assert columns["y"][0] == "land\nbird"
    assert columns.lines == [2, 4]


def test_columns_of_the_users_own_do_no_harm(tmp_path: Path) -> None:
    head = "seed,round,wga,id,,file,y,split,index,group"
    columns = read_csv(written(tmp_path, f"{head}\n7,8,9,10,0,a.png,1,val,3,2\n"))
    need(columns, ("file", "y", "split"), tmp_path)
    assert integers(columns, "y", (0, 1), tmp_path).tolist() == [1]
    assert splits(columns, "split", tmp_path).tolist() == [1]
    assert columns["wga"] == ["9"]


@pytest.mark.parametrize("value", ["1.0", "01", "", "nan", "-1", "2", "1e9", "true"])
def test_a_number_of_a_known_set_is_refused_with_row_and_column(value: str, tmp_path: Path) -> None:
    columns = read_csv(written(tmp_path, f"file,y\n\na,1\nb,{value}\n"))
    with pytest.raises(FedgroupError, match=f"line 4: y is '{value}', expected one of 0, 1"):
        integers(columns, "y", (0, 1), tmp_path)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ("a.png", r"line 4: file 'a\.png' occurs twice, first in line 2"),
        ("./a.png", r"line 4: file '\./a\.png' occurs twice"),
        ("x/../a.png", "occurs twice"),
        ("", "line 4: file is empty"),
    ],
)
def test_a_file_named_twice_is_refused_with_both_rows(
    second: str, words: str, tmp_path: Path
) -> None:
    columns = read_csv(written(tmp_path, f"file,y\na.png,1\nb.png,0\n{second},1\n"))
    with pytest.raises(FedgroupError, match=words):
        unique(columns, "file", tmp_path)


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda text: text.strip()
)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from([",", "\t", ";"]),
    empty=st.integers(0, 2),
)
def test_what_csv_writes_is_what_is_read(
    rows: list[tuple[str, str, str]],
    encoding: str,
    end: str,
    separator: str,
    empty: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerows([("file", "y", "a"), *rows])
    data = (text.getvalue() + end * empty).encode(encoding)
    columns = read_csv(written(tmp_path_factory.getbasetemp(), data))
    assert list(columns) == ["file", "y", "a"]
    assert list(zip(*columns.values(), strict=True)) == [
        tuple(cell.strip() for cell in row) for row in rows
    ]
    assert columns.lines == list(range(2, len(rows) + 2))


@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_in_one_line(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.getbasetemp(), b"file,y\n" + data)
    try:
        columns = read_csv(path)
    except FedgroupError as error:
        assert "line" in str(error) and "\n" not in str(error)
    else:
        assert {len(values) for values in columns.values()} == {len(columns.lines)}
