"""The part of a page between two marker lines, which the code makes."""

from tfpipeline import errors


def replace(text: str, begin: str, end: str, content: str) -> str:
    """Returns a page with the lines between the markers made anew.

    Args:
        text: the page.
        begin: the line before the part.
        end: the line behind it.
        content: the new part, with its last newline.

    Raises:
        UsageError: the page does not hold both markers, once and in order.
    """
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end or begin in rest or end in after:
        raise errors.UsageError(
            f"the page must hold the lines {begin!r} and {end!r}, once and in order"
        )
    return f"{before}{begin}\n{content}{end}{after}"
