"""How many bytes are written as text that a compiler reads.

Twice the flash of the largest of our boards (esp32s3, 8 MiB): beyond, no program is
made of the text, which is several times as long as the bytes.
"""

MAX_BYTES = 16 * 2**20


def reason(num_bytes: int) -> str | None:
    """Why so many bytes are not written; None if they are."""
    if num_bytes <= MAX_BYTES:
        return None
    return (
        f"{num_bytes:,} bytes of weights and biases as text for a compiler; at most "
        f"{MAX_BYTES:,}, twice the flash of the largest board. Take a smaller network, "
        "or the file as it is: --targets=int8"
    )
