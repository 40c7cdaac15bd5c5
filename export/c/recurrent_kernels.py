"""Kernels in C for the layers that keep a state from run to run.

The states are the caller's arrays; a kernel finds what they held and leaves what they
hold from then on. None needs scratch memory: the hidden state of an LSTM is the row
that it wrote last, and an SVDF is done with a filter before it turns to the next.
"""

from export.c import fragment, literals

Fragment = fragment.Fragment

_LSTM_TYPES = """\
/* A gate: its kernels have a row for each unit, for what comes in and for what came
   out before; factors to Q3.12. */
typedef struct {
    const int8_t *input_weights, *hidden_weights;
    const $sum *bias;
    factor input, hidden;
} gate_$name;

/* Steps are from row to row and from one of a batch to the next, in rows of memory.
   low and high bound a result before the zero point is added. */
typedef struct {
    int32_t batches, batch_step, rows, row_step, channels, units;
    int32_t input_zero, zero, low, high, clip;
    factor forget, taken_in, shown, tanh;
    const gate_$name *gates[4]; /* input, forget, cell, output */
} lstm_$name;
"""

_GATED = {
    "int8": """\
static int32_t gated_int8(uint32_t sum, factor by)
{
    return clamped(scaled(wrapped(sum), by), INT16_MIN, INT16_MAX);
}
""",
    "int16": """\
/* multiplier * 2^-shift, rounded once. */
static int32_t gated_int16(int64_t sum, factor by)
{
    sum = (sum * by.multiplier + (INT64_C(1) << (by.shift - 1))) >> by.shift;
    return clamped(wrapped((uint32_t)sum), INT16_MIN, INT16_MAX);
}
""",
}

_LSTM = """\
/* What the function of a gate's unit is of, in Q3.12. */
static int32_t gate_sum_$name(const $value *input, const $value *hidden,
    const lstm_$name *l, int32_t number, int32_t unit)
{
    const gate_$name *const g = l->gates[number];
    const $sum of_input = add_products_$products(($sum)g->bias[unit], input,
        g->input_weights + unit * l->channels, l->channels, l->input_zero);
    const $sum of_hidden = add_products_$products(0, hidden,
        g->hidden_weights + unit * l->units, l->units, l->zero);
    return clamped(gated_$name(of_input, g->input)
        + gated_$name(of_hidden, g->hidden), INT16_MIN, INT16_MAX);
}

/* hidden and cell are the states of all of the batch. */
static void run_lstm_$name(const $value *input, $value *output, $value *hidden,
    int16_t *cell, const lstm_$name *l)
{
    const factor exact = {3, 0}; /* of Q3.12 */
    for (int32_t batch = 0; batch < l->batches; ++batch) {
        const $value *before = hidden;
        for (int32_t row = 0; row < l->rows; ++row) {
            const int32_t at = batch * l->batch_step + row * l->row_step;
            const $value *const given = input + at * l->channels;
            $value *const result = output + at * l->units;
            for (int32_t i = 0; i < l->units; ++i) {
                const int32_t taken =
                    sigmoid_of(gate_sum_$name(given, before, l, 0, i), exact);
                const int32_t remembered =
                    sigmoid_of(gate_sum_$name(given, before, l, 1, i), exact);
                const int32_t candidate =
                    tanh_of(gate_sum_$name(given, before, l, 2, i), exact);
                const int32_t shown =
                    sigmoid_of(gate_sum_$name(given, before, l, 3, i), exact);
                const int32_t old = clamped(
                    scaled(remembered * cell[i], l->forget), INT16_MIN, INT16_MAX);
                const int32_t new = clamped(
                    scaled(taken * candidate, l->taken_in), INT16_MIN, INT16_MAX);
                const int32_t sum = clamped(old + new, INT16_MIN, INT16_MAX);
                cell[i] = (int16_t)clamped(sum, -l->clip, l->clip);
                result[i] = ($value)(
                    clamped(scaled(tanh_of(cell[i], l->tanh) * shown, l->shown),
                            l->low, l->high) + l->zero);
            }
            before = result;
        }
        memcpy(hidden, before, (size_t)l->units * sizeof *hidden);
        hidden += l->units;
        cell += l->units;
    }
}
"""

_SVDF_TYPE = """\
/* Filters of rank that are added up in one unit; each remembers as many moments. */
typedef struct {
    int32_t batches, channels, units, rank, moments;
    int32_t input_zero, state_zero, zero, low, high;
    factor into, out;
} svdf;
"""

_SVDF = """\
static void run_svdf_$name(const int8_t *input, int8_t *output, $value *state,
    const int8_t *weights, const $value *time_weights, const int32_t *bias,
    const svdf *s)
{
    for (int32_t batch = 0; batch < s->batches; ++batch) {
        const int8_t *taps = weights;
        const $value *times = time_weights;
        for (int32_t unit = 0; unit < s->units; ++unit) {
            uint32_t sum = (uint32_t)bias[unit];
            for (int32_t i = 0; i < s->rank; ++i) {
                const int32_t last = s->moments - 1;
                const uint32_t found =
                    add_products_int8(0, input, taps, s->channels, s->input_zero);
                const int32_t value = s->state_zero
                    + clamped(scaled(wrapped(found), s->into), $low, $high);
                memmove(state, state + 1, (size_t)last * sizeof *state);
                /* It keeps the low bits. */
                state[last] = ($value)(value < $low    ? value + $range
                                       : value > $high ? value - $range
                                                       : value);
                for (int32_t moment = 0; moment < s->moments; ++moment) {
                    sum += (uint32_t)(state[moment] - s->state_zero)
                        * (uint32_t)times[moment];
                }
                taps += s->channels;
                times += s->moments;
                state += s->moments;
            }
            *output++ = (int8_t)(
                clamped(scaled(wrapped(sum), s->out), s->low, s->high) + s->zero);
        }
        input += s->channels;
    }
}
"""

# Variant -> what its texts name. Sums of int16 have 64 bits.
_LSTM_VARIANTS = {
    "int8": {"value": "int8_t", "sum": "uint32_t", "products": "int8"},
    "int16": {"value": "int16_t", "sum": "int64_t", "products": "int16_wide"},
}


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `run_lstm_int8`, with what they build on."""
    found = {"svdf": Fragment(_SVDF_TYPE, ("factor",))}
    for name, types in _LSTM_VARIANTS.items():
        scale = "scaled" if name == "int8" else "factor"
        found |= {
            f"lstm_{name}": Fragment(
                # Biases have the sign that sums wrap without.
                literals.filled(
                    _LSTM_TYPES, name=name, sum=types["sum"].removeprefix("u")
                ),
                ("factor",),
            ),
            f"gated_{name}": Fragment(
                _GATED[name], (scale, "wrapped", "clamped", "right_shifts")
            ),
            f"run_lstm_{name}": Fragment(
                literals.filled(_LSTM, name=name, **types),
                (
                    *(f"lstm_{name}", f"gated_{name}", "scaled", "clamped"),
                    *(f"add_products_{types['products']}", "sigmoid_of", "tanh_of"),
                ),
            ),
        }
        value = types["value"]
        bits = name.removeprefix("int")
        found[f"run_svdf_{name}"] = Fragment(
            literals.filled(
                _SVDF,
                name=name,
                value=value,
                low=f"INT{bits}_MIN",
                high=f"INT{bits}_MAX",
                range=str(2 ** int(bits)),
            ),
            ("svdf", "scaled", "wrapped", "clamped", "add_products_int8"),
        )
    return found
