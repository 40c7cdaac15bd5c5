"""Numbers in texts that anybody may have written."""

# Below 2^63, and far from the 4,300 digits that Python converts at most.
MAX_DIGITS = 18


def whole(text: str | bytes) -> int:
    """The number that digits 0 to 9 say.

    Raises:
        ValueError: other characters, none, or over `MAX_DIGITS` of them.
    """
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has over {MAX_DIGITS} digits")
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a whole number has digits 0 to 9 only")
    return int(text)
