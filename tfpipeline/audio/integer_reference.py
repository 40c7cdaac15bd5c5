"""A front end in plain integers, frame by frame: the specification.

Step by step as the sources have it that `integer_tables` names; Python's integers
cannot overflow, and no step needs more bits than its C has.
"""

from collections.abc import Sequence

from tfpipeline.audio import front_end, integer_features, integer_tables

Complex = tuple[int, int]


def row(given: front_end.FrontEnd, frame: Sequence[int]) -> list[int]:
    """The features of a frame of `window_samples` samples, in Q16."""
    tables = integer_tables.of(given)
    scaled = [
        shifted(sample * factor, integer_tables.WINDOW_SHIFT)
        for sample, factor in zip(frame, tables.window.tolist(), strict=True)
    ]
    scaled += [0] * (given.fft_length - len(scaled))
    bands = mel(tables, [magnitude(*each) for each in spectrum(tables, scaled)])
    logs = [
        natural(tables, band + tables.log_offset) - tables.log_of_one for band in bands
    ]
    if given.kind == "log_mel":
        return logs
    return [
        shifted(
            sum(a * b for a, b in zip(logs, cosines, strict=True)), tables.cosine_bits
        )
        for cosines in tables.cosines.tolist()
    ]


def quantized(feature: int, by: integer_features.Scaling) -> int:
    """A feature in Q16 as an integer of a network's input."""
    largest = 127 if by.dtype == "int8" else 32_767
    steps = shifted(feature * by.multiplier, by.shift) + by.zero_point
    return min(max(steps, -largest - 1), largest)


def shifted(value: int, bits: int) -> int:
    """`value / 2^bits`, rounded to nearest, halves up."""
    return (value + (1 << bits >> 1)) >> bits


def spectrum(tables: integer_tables.Tables, values: Sequence[int]) -> list[Complex]:
    """kiss_fftr of kiss_fftr.c: `length / 2 + 1` bins, divided by the length."""
    half = len(values) // 2
    pairs = list(zip(values[::2], values[1::2], strict=True))
    packed = _transform(tables, pairs, tables.radices)
    real, imaginary = _part(packed[0], 2)
    bins = [(real + imaginary, 0)] + [(0, 0)] * (half - 1) + [(real - imaginary, 0)]
    for k in range(1, half // 2 + 1):
        low_r, low_i = _part(packed[k], 2)
        high_r, high_i = _part((packed[half - k][0], -packed[half - k][1]), 2)
        even_r, even_i = low_r + high_r, low_i + high_i
        odd_r, odd_i = _product(
            (low_r - high_r, low_i - high_i), tables.splits[k - 1].tolist()
        )
        bins[k] = ((even_r + odd_r) >> 1, (even_i + odd_i) >> 1)
        bins[half - k] = ((even_r - odd_r) >> 1, (odd_i - even_i) >> 1)
    return bins


def _transform(
    tables: integer_tables.Tables, values: Sequence[Complex], radices: Sequence[int]
) -> list[Complex]:
    """kf_work of kiss_fft.c: smaller transforms, and butterflies of their results."""
    if not radices:
        return list(values)
    radix, inner = radices[0], len(values) // radices[0]
    parts = [_transform(tables, values[i::radix], radices[1:]) for i in range(radix)]
    turns = tables.twiddles[:: len(tables.twiddles) // len(values)].tolist()
    result = [(0, 0)] * len(values)
    for k in range(inner):
        turned = [_part(parts[0][k], radix)] + [
            _product(_part(parts[i][k], radix), turns[k * i]) for i in range(1, radix)
        ]
        butterfly = _of_two(*turned) if radix == 2 else _of_four(*turned)
        for i, each in enumerate(butterfly):
            result[k + i * inner] = each
    return result


def _of_two(a: Complex, b: Complex) -> tuple[Complex, ...]:
    return _sum(a, b), _difference(a, b)


def _of_four(a: Complex, b: Complex, c: Complex, d: Complex) -> tuple[Complex, ...]:
    even, odd = _difference(a, c), _difference(b, d)
    # By -i.
    turned = (odd[1], -odd[0])
    all_even, all_odd = _sum(a, c), _sum(b, d)
    return (
        _sum(all_even, all_odd),
        _sum(even, turned),
        _difference(all_even, all_odd),
        _difference(even, turned),
    )


def _sum(a: Complex, b: Complex) -> Complex:
    return (a[0] + b[0], a[1] + b[1])


def _difference(a: Complex, b: Complex) -> Complex:
    return (a[0] - b[0], a[1] - b[1])


def _product(value: Complex, by: Sequence[int]) -> Complex:
    """C_MUL of _kiss_fft_guts.h."""
    bits = integer_tables.FFT_BITS
    return (
        shifted(value[0] * by[0] - value[1] * by[1], bits),
        shifted(value[0] * by[1] + value[1] * by[0], bits),
    )


def _part(value: Complex, divisor: int) -> Complex:
    """C_FIXDIV of _kiss_fft_guts.h."""
    factor, bits = integer_tables.FFT_ONE // divisor, integer_tables.FFT_BITS
    return (shifted(value[0] * factor, bits), shifted(value[1] * factor, bits))


def magnitude(real: int, imaginary: int) -> int:
    """Of square_root_64.cc, and square_root_32.cc for what has 32 bits."""
    square = real * real + imaginary * imaginary
    bit = 1 << max(square.bit_length() - 1, 0) // 2 * 2
    rest, root = square, 0
    while bit:
        if rest >= root + bit:
            rest -= root + bit
            root = (root >> 1) + bit
        else:
            root >>= 1
        bit >>= 2
    if rest > root and not (square < 2**32 and root == 2**16 - 1):
        root += 1
    return root


def mel(tables: integer_tables.Tables, magnitudes: Sequence[int]) -> list[int]:
    """filter_bank.cc: bands of what falls to them, and rises from the one below."""
    bands, rising, at = [], 0, 0
    for start, width in zip(
        tables.span_starts.tolist(), tables.span_widths.tolist(), strict=True
    ):
        band, rising_next = rising, 0
        for j in range(width):
            weight = int(tables.falling[at + j])
            band += weight * magnitudes[start + j]
            rising_next += (2**integer_tables.WEIGHT_BITS - weight) * magnitudes[
                start + j
            ]
        bands.append(band)
        rising, at = rising_next, at + width
    # The first holds what falls from the lowest edge downwards.
    return bands[1:]


def natural(tables: integer_tables.Tables, value: int) -> int:
    """Log32 of log.cc, for any positive number, in Q16."""
    bits, segment_bits = integer_tables.LOG_BITS, integer_tables.LOG_SEGMENT_BITS
    whole = value.bit_length() - 1
    fraction = ((value - 2**whole) << bits) >> whole
    segment = fraction >> (bits - segment_bits)
    low, high = (int(each) for each in tables.log_lead[segment : segment + 2])
    within = fraction - (segment << (bits - segment_bits))
    # The source divides by 2^16 where a segment has 2^9, so this is -1, 0 or 1.
    between = ((high - low) * within) >> bits
    binary = (whole << bits) + fraction + low + between
    return shifted(binary * integer_tables.LOG_OF_2, bits)
