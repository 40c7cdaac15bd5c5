"""Which task is meant: said, plain from data and head, or asked for in one line."""

import pytest

from tfpipeline import errors
from tfpipeline.tasks import binary, catalog, regression
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds
from tfpipeline.tasks.head import Head
from tfpipeline.tasks.kind import Data

_TEN = Data((8, 8, 3), has_classes=True, num_classes=10)
_TWO = Data((8, 8, 3), has_classes=True, num_classes=2)
_ONE_VALUE = Data((9,), (), has_classes=False)
_THREE_VALUES = Data((9,), (3,), has_classes=False)
_LABELS = Data((9,), (3,), has_classes=False, is_zero_or_one=True)
_ANSWER = Data((9,), (), has_classes=False, is_zero_or_one=True)
_NORMAL = Data((9,), has_classes=True, num_classes=1)


@pytest.mark.parametrize(
    ("data", "head", "name"),
    [
        (_TEN, None, "classification"),
        (_TWO, None, "classification"),
        (_TEN, Head((10,)), "classification"),
        (_TWO, Head((2,), "softmax"), "classification"),
        (_TWO, Head((1,), "sigmoid"), "binary"),
        (_TWO, Head((1,)), "binary"),
        (_ANSWER, None, "binary"),
        (_ONE_VALUE, None, "regression"),
        (_ONE_VALUE, Head((1,)), "regression"),
        (_THREE_VALUES, Head((3,)), "regression"),
        (_LABELS, None, "multi_label"),
        (_LABELS, Head((3,), "sigmoid"), "multi_label"),
        (_TWO, Head((192,)), "reconstruction"),
        (_ONE_VALUE, Head((9,)), "reconstruction"),
        (_NORMAL, Head((9,), "sigmoid"), "reconstruction"),
    ],
)
def test_what_is_plain(data, head, name):
    assert catalog.choose("auto", data, head).name == name
    assert catalog.choose(name, data, head).name == name


@pytest.mark.parametrize(
    ("data", "head"),
    [(_TEN, Head((1,))), (_TEN, Head((10,), "sigmoid")), (_THREE_VALUES, Head((2,)))],
)
def test_what_is_not_plain_is_asked_for(data, head):
    with pytest.raises(errors.UsageError, match=r"Say which one it is \(--task="):
        catalog.choose("auto", data, head)


@pytest.mark.parametrize(
    ("name", "data", "head", "error", "parts"),
    [
        ("binary", _TEN, None, errors.DataError, ("two classes", "numbers of 10")),
        ("multi_label", _THREE_VALUES, None, errors.DataError, ("a 0 or 1",)),
        (
            *("classification", _TEN, Head((4,)), errors.UsageError),
            ("with 10 outputs", "ends with 4 values"),
        ),
        (
            *("classification", _TEN, Head((10,), "sigmoid"), errors.UsageError),
            ("linear or softmax", "10 values of a sigmoid"),
        ),
        ("reconstruction", _TEN, Head((10,)), errors.UsageError, ("8x8x3 outputs",)),
        ("counting", _TEN, None, errors.UsageError, ("auto, classification",)),
        ("detection", _TEN, None, errors.DataError, ("needs boxes", "10 classes")),
    ],
)
def test_a_task_that_data_or_network_are_not_for(name, data, head, error, parts):
    with pytest.raises(error) as caught:
        catalog.choose(name, data, head)
    for part in parts:
        assert part in str(caught.value)
    assert len(str(caught.value)) < 400


def test_class_numbers_can_be_values_where_the_user_says_so():
    assert catalog.choose("regression", _TEN, Head((1,))).name == "regression"


@pytest.mark.parametrize(
    "objective",
    [
        kinds.Objective(
            binary.KIND,
            head_lib.Head((1,), head_lib.SIGMOID),
            kinds.Data((4,), num_classes=2),
            kinds.Options(threshold=0.7),
        ),
        kinds.Objective(
            regression.KIND,
            head_lib.Head((2,)),
            kinds.Data((4,), (2,), has_classes=False),
            kinds.Options(standardizes=True),
            kinds.Scaling((1.0, 2.0), (3.0, 4.0)),
        ),
    ],
)
def test_a_record_gives_the_objective_again(objective):
    again = catalog.recorded(objective.to_dict(), objective.data, objective.head)
    assert again.to_dict() == objective.to_dict()
    assert (again.kind, again.scaling) == (objective.kind, objective.scaling)


def test_a_record_that_is_none_is_said():
    for record in ({}, {"name": "binary", "threshold": "x"}, []):
        with pytest.raises(errors.DataError, match="does not describe a task"):
            catalog.recorded(record, kinds.Data((4,)), head_lib.Head((2,)))
