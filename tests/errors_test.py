"""Messages of many findings."""

from tfpipeline import errors


def test_a_message_tells_the_first_findings_and_counts_the_others():
    findings = [f"layer '{i}' is wrong" for i in range(100)]
    text = errors.told("no network: ", findings)
    assert text.startswith("no network: layer '0' is wrong; layer '1' is wrong; ")
    told = text.count(" is wrong")
    assert text.endswith(f"; and {100 - told} more")
    assert len(text) <= 380
    assert errors.told("no network: ", findings[:2]) == (
        "no network: layer '0' is wrong; layer '1' is wrong"
    )


def test_a_single_finding_is_shortened_where_it_is_too_long():
    text = errors.told("no: ", ["x" * 1000])
    assert len(text) <= 380
    assert text.endswith("...")
