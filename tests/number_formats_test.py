"""The table of number formats, and that everything keyed by a format follows it."""

import pytest

from tfpipeline import errors, number_formats
from tfpipeline.deploy import catalog
from tfpipeline.targets import catalog as targets


def test_names_are_unique_and_schemes_exist():
    names = [each.name for each in number_formats.ALL]
    assert len(set(names)) == len(names)
    assert number_formats.FLOAT not in names
    schemes = [scheme.name for scheme in number_formats.SCHEMES]
    assert {each.scheme for each in number_formats.ALL} == set(schemes)
    assert len(set(schemes)) == len(schemes)


def test_every_format_is_deployed_once():
    deployed = [each.number_format for each in catalog.ALL]
    assert sorted(deployed, key=number_formats.ALL.index) == list(number_formats.ALL)


def test_formats_of_a_scheme_have_stages_and_titles_of_their_own():
    for scheme in number_formats.SCHEMES:
        formats = number_formats.of_scheme(scheme.name)
        for attribute in ("stage", "title", "fake_quantized", "ptq", "qat"):
            values = [getattr(each, attribute) for each in formats]
            assert len(set(values)) == len(values), attribute


def test_targets_of_a_format_exist():
    for each in number_formats.ALL:
        known = {target.integers for target in targets.TARGETS.values()}
        assert set(each.targets) <= known, each.name


@pytest.mark.parametrize(
    "ask", [number_formats.named, number_formats.scheme_named], ids=["format", "scheme"]
)
def test_an_unknown_name_lists_the_known(ask):
    with pytest.raises(errors.UsageError, match=r"'int3'.*int8, .*gap8"):
        ask("int3")
    with pytest.raises(errors.UsageError, match="'int3'"):
        catalog.of("int3")
