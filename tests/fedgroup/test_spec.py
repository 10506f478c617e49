import math
from dataclasses import dataclass, field

import pytest

from fedgroup.errors import FedgroupError
from fedgroup.identity.settings_id import settings_id
from fedgroup.spec import build, component, resolve, to_dict
from fedgroup.train import TrainConfig

NAMES = {"square": "tests.fedgroup.test_spec:Square", "circle": "tests.fedgroup.test_spec:Circle"}


@dataclass(frozen=True)
class Square:
    side: float = 1.0


@dataclass(frozen=True)
class Circle:
    radius: float = 2.0
    centre: tuple[float, ...] = (0.0, 0.0)


@dataclass(frozen=True)
class Drawing:
    shape: object = component(NAMES, "square")
    train: TrainConfig = field(default_factory=TrainConfig)
    copies: int = 1
    k: int | float = 5
    name: str | None = None


def test_component_by_short_name_mapping_and_import_path() -> None:
    assert build(Drawing, {}).shape == Square()
    assert build(Drawing, {"shape": "circle"}).shape == Circle()
    assert build(Drawing, {"shape": {"use": "circle", "radius": 3}}).shape == Circle(radius=3.0)
    assert build(Drawing, {"shape": {"use": "tests.fedgroup.test_spec:Circle"}}).shape == Circle()
    assert build(Drawing, {"shape": {"side": 2}}).shape == Square(
        2.0
    )  # settings of the default component


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"shap": "circle"}, ["shap", "did you mean 'shape'"]),
        ({"train": {"epoch": 3}}, ["train", "epoch", "did you mean 'epochs'"]),
        ({"shape": "cirle"}, ["cirle", "did you mean 'circle'", "square"]),
        ({"shape": {"use": "circle", "side": 1}}, ["shape", "side", "radius"]),
        ({"shape": "nowhere.mod:Thing"}, ["cannot import", "nowhere.mod:Thing"]),
        ({"shape": "fedgroup.errors:Nothing"}, ["has no 'Nothing'"]),
        ({"shape": "fedgroup.errors:FedgroupError"}, ["is not a dataclass"]),
        ({"copies": "three"}, ["copies", "integer", "three"]),
        ({"copies": "3"}, ["copies", "integer"]),
        ({"copies": 1.5}, ["copies", "integer"]),
        ({"copies": True}, ["copies", "integer"]),
        ({"train": {"lr": -1}}, ["train", "lr must be positive"]),
        ({"train": {"lr": "fast"}}, ["train.lr", "number"]),
        ({"train": {"precision": "float16"}}, ["train.precision", "float32"]),
        ({"train": 3}, ["train", "mapping"]),
        ({"train": None}, ["train", "mapping"]),
        ({"shape": None}, ["shape", "must name a component", "None"]),
        ({"shape": ""}, ["shape", "must name a component"]),
        ({"shape": ["circle"]}, ["shape", "must name a component"]),
        ({"shape": {"use": 3}}, ["shape.use", "must be a name"]),
        ({"shape": {"use": None}}, ["shape.use", "must be a name"]),
        ({"shape": {"side": math.nan}}, ["shape.side", "nan is no value"]),
        ({"copies": None}, ["copies", "integer"]),
    ],
)
def test_refusals_name_the_key_and_the_choice(values: dict[str, object], words: list[str]) -> None:
    with pytest.raises(FedgroupError) as caught:
        build(Drawing, values)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_integers_and_fractions_stay_apart() -> None:
    assert build(Drawing, {"k": 400_000}).k == 400_000
    assert isinstance(build(Drawing, {"k": 400_000}).k, int)
    assert build(Drawing, {"k": 0.0358}).k == 0.0358
    assert isinstance(build(Drawing, {"k": 1.0}).k, float)


def test_round_trip_and_settings_id() -> None:
    drawing = build(Drawing, {"shape": {"use": "circle", "radius": 3.0}, "train": {"lr": 0.5}})
    assert build(Drawing, to_dict(drawing)) == drawing
    assert to_dict(drawing, defaults=False) == {
        "shape": {"use": "circle", "radius": 3.0},
        "train": {"lr": 0.5},
    }
    assert settings_id({"d": build(Drawing, {"copies": 1})}) == settings_id(
        {"d": build(Drawing, {})}
    )
    assert settings_id({"d": drawing}) != settings_id({"d": build(Drawing, {})})
    assert len(settings_id({"d": drawing})) == 12


def test_resolve_needs_a_known_name_or_a_path() -> None:
    assert resolve(NAMES, "square") is Square
    with pytest.raises(FedgroupError, match=r"my_pkg\.mod:Class"):
        resolve(NAMES, "triangle")


def test_ids_are_the_same_on_every_python() -> None:
    values = {
        "shape": {"use": "circle", "radius": 1e-7, "centre": [0.1 + 0.2, 1e22, -0.0]},
        "copies": 10**15,
        "k": 1.0,
        "name": "ü\u2028 \U0001f600",
    }
    drawing = build(Drawing, values)
    assert settings_id({"d": drawing}) == "f5bc807d5f35"
    turned = build(Drawing, dict(reversed(values.items())))
    assert settings_id({"d": turned}) == "f5bc807d5f35"  # the order of keys says nothing
