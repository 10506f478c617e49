"""The shipped tables: every paper row has a spec, every spec a row, and layers lie in the right order."""

from pathlib import Path

import pytest

from experiments.tables.load import load
from experiments.tables.scales import read_scales
from experiments.tables.shipped import table_file, table_names
from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import read_yaml

TABLES = table_names()


def scales(name: str) -> list[str]:
    return list(read_scales(read_yaml(table_file(name)).get("scales"), name)) or [""]


@pytest.mark.parametrize("name", TABLES)
def test_every_scale_loads_and_no_two_rows_are_one_run(name: str) -> None:
    for scale in scales(name):
        table = load(
            name, scale or None
        )  # data sets without files are refused only when they are loaded
        ids = [experiment.id for row in table.rows for experiment in row.experiments]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "name", [name for name in TABLES if read_yaml(table_file(name)).get("paper")]
)
def test_every_row_of_the_paper_has_a_spec_and_every_spec_a_row(name: str) -> None:
    if "paper" not in scales(name):
        return
    table = load(name, "paper")
    ours = [tuple(row.label.values()) for row in table.rows]
    baselines = [label for label in ours if label[0] == "FedAvg"]  # Table 9 prints drops against it
    assert sorted(set(ours) - set(baselines)) == sorted(table.paper)


def test_rows_shared_by_tables_are_one_run() -> None:
    def ids(name: str, wanted: dict[str, str]) -> set[str]:
        table = load(name)
        return {
            e.id
            for row in table.rows
            if wanted.items() <= row.label.items()
            for e in row.experiments
        }

    standard = ids("table2", {"METHOD": "JTT", "ATTACK": "DLBD", "CASE": "STANDARD"})
    assert len(standard) == 3
    assert standard == ids("table1", {"METHOD": "JTT", "ATTACK": "DLBD"})
    assert standard == ids("table4", {"EARLY STOPPING": "60", "CASE": "STANDARD"})
    assert standard == ids("table5", {"UPSAMPLING FACTOR": "100", "CASE": "STANDARD"})
    assert standard == ids("table6", {"POISONS": "1%", "METHOD": "JTT", "CASE": "STANDARD"})
    assert ids("table2", {"METHOD": "GEORGE"}) == ids(
        "table6", {"POISONS": "1%", "METHOD": "GEORGE"}
    )


def test_rows_that_name_another_data_set_are_left_out(tmp_path: Path) -> None:
    chosen = {"use": "waterbirds", "root": str(tmp_path)}
    every, some = load("table2", "paper"), load("table2", data=chosen)
    left = [row.label for row in every.rows if row.label["DATASET"] != "CELEBA"]
    assert len(left) == 12 < len(every.rows)
    assert some.scale == "paper"
    assert [row.label for row in some.rows] == left
    assert {run.task.data.root for run in some.experiments()} == {str(tmp_path)}


VARIED = """
title: t
base: {task: {data: tests.toy:ToyData, model: tests.toy:ToyModel}}
scales: {small: {method: {use: jtt, upsample: 5}}, paper: {method: {use: jtt, upsample: 7}}}
scale: small
rows:
  - {label: {M: JTT}, set: {method: {identify_epochs: 2}}}
  - {label: {M: GEORGE}, set: {}, scales: {small: {method: {use: george}}}, only: [small]}
vary:
  - {label: {CASE: WORST}, set: {method: {case: worst}}}
  - {label: {CASE: IDEAL}, set: {method: {case: ideal}}}
"""


def test_variants_lie_over_scales_and_rows_can_be_kept_to_one(tmp_path: Path) -> None:
    path = tmp_path / "varied.yaml"
    path.write_text(VARIED)
    table = load(str(path))
    assert [tuple(row.label.values()) for row in table.rows] == [
        ("JTT", "WORST"), ("JTT", "IDEAL"), ("GEORGE", "WORST"), ("GEORGE", "IDEAL"),
    ]  # fmt: skip
    jtt, george = table.rows[1].experiments[0].method, table.rows[2].experiments[0].method
    assert (jtt.upsample, jtt.identify_epochs, jtt.case) == (5, 2, "ideal")
    assert (type(george).__name__, george.case) == ("George", "worst")
    assert len(load(str(path), "paper").rows) == 2
    with pytest.raises(
        FedgroupError, match="--rule adds an aggregation rule, but this table trains"
    ):
        load(str(path), rules=["krum"])


def test_a_method_and_its_settings_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "varied.yaml"
    for wrong, words in (
        ("use: jttt", "did you mean 'jtt'"),
        ("use: jtt, upsampel: 3", "did you mean 'upsample'"),
    ):
        path.write_text(VARIED.replace("use: jtt, upsample: 5", wrong))
        with pytest.raises(FedgroupError, match=words):
            load(str(path))


def test_a_scale_may_extend_another_and_rows_follow(tmp_path: Path) -> None:
    path = tmp_path / "extended.yaml"
    more = "{small: {method: {use: jtt}}, gpu: {extends: small, method: {upsample: 9}}}"
    old = "{small: {method: {use: jtt, upsample: 5}}, paper: {method: {use: jtt, upsample: 7}}}"
    path.write_text(VARIED.replace(old, more).replace("only: [small]", "only: [gpu]"))
    jtt, _, george, _ = (row.experiments[0].method for row in load(str(path), "gpu").rows)
    assert (jtt.upsample, type(george).__name__) == (
        9,
        "George",
    )  # the row's small settings hold for gpu too
    assert len(load(str(path), "small").rows) == 2


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ("{small: {extends: small}}", "scale small extends itself"),
        ("{small: {extends: smal}}", "scale to extend"),
        ("amplificatoin", "amplification"),
    ],
)
def test_bad_scales_are_refused_with_the_valid_choices(
    tmp_path: Path, scales: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"scale: small\nscales: {scales}\nrows: [{{label: {{M: A}}}}]\n")
    with pytest.raises(FedgroupError, match=message):
        load(str(path))
