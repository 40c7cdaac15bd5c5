"""C99 that makes boxes of a detector's integer maps: `tfpipeline.detection`'s rules.

It allocates nothing: the caller gives the boxes' memory. All is in integers, so that it
computes what `integer_decoding.decode` does on any machine.
"""

from export.c import literals
from tfpipeline.detection import integer_decoding

_HEADER = """\
{about}
#ifndef {upper}_BOXES_H
#define {upper}_BOXES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_BRANCHES {branches}
/* So many boxes of the highest scores enter suppression. */
#define {upper}_MOST_BOXES {most}
/* Units of a pixel and of a logit. */
#define {upper}_PIXEL {pixel}
#define {upper}_LOGIT {logit}

/* left, top, right, bottom in 1/{upper}_PIXEL pixels; the logit of an object less that
   of the background in 1/{upper}_LOGIT: its softmax is 1 / (1 + exp(-score)). */
typedef struct {{
    int32_t left, top, right, bottom, score;
}} {name}_box;

/* Boxes of one image in descending order of their scores; returns how many.
   logits: for each branch [rows][columns][2], object and background.
   maps: for each branch [rows][columns][4].
   boxes: memory of {upper}_MOST_BOXES boxes. */
int {name}_boxes({ctype} const *const logits[{upper}_BRANCHES],
                 {ctype} const *const maps[{upper}_BRANCHES],
                 {name}_box *boxes);

#ifdef __cplusplus
}}
#endif

#endif
"""

_SOURCE = """\
{about}
#include "{name}_boxes.h"

/* Centers and strides in 1/{upper}_PIXEL pixels. */
typedef struct {{
    int32_t rows, columns, first_center, stride;
    int32_t score_multiplier, box_multiplier, box_zero_point;
}} branch_t;

static const branch_t branches[{upper}_BRANCHES] = {{
{rows}
}};

/* A shift of a negative number is not defined in C; this rounds halves up. */
static int32_t scaled(int32_t value, int32_t multiplier)
{{
    const int64_t product = (int64_t)value * multiplier + {half};
    if (product >= 0) {{
        return (int32_t)(product / {unit});
    }}
    return (int32_t)-((-product + {unit} - 1) / {unit});
}}

static int32_t cut(int32_t value, int32_t limit)
{{
    return value < 0 ? 0 : value > limit ? limit : value;
}}

/* Puts a box behind all of at least its score; the last one falls out if need be. */
static int insert({name}_box *boxes, int count, const {name}_box *box)
{{
    int place = count;
    if (count == {upper}_MOST_BOXES) {{
        if (box->score <= boxes[count - 1].score) {{
            return count;
        }}
        place = --count;
    }}
    while (place > 0 && boxes[place - 1].score < box->score) {{
        boxes[place] = boxes[place - 1];
        --place;
    }}
    boxes[place] = *box;
    return count + 1;
}}

static int64_t side(int32_t low_a, int32_t low_b, int32_t high_a, int32_t high_b)
{{
    const int32_t low = low_a > low_b ? low_a : low_b;
    const int32_t high = high_a < high_b ? high_a : high_b;
    const int32_t length = high - low + {upper}_PIXEL;
    return length > 0 ? length : 0;
}}

/* Whether a box goes for one of a higher score: by the share of its own area. */
static int goes(const {name}_box *better, const {name}_box *box)
{{
    const int64_t shared =
        side(better->left, box->left, better->right, box->right) *
        side(better->top, box->top, better->bottom, box->bottom);
    const int64_t area =
        (int64_t)(box->right - box->left) * (box->bottom - box->top);
    return shared * {overlap_unit} > area * {overlap};
}}

static int suppress({name}_box *boxes, int count)
{{
    int kept = 0;
    for (int i = 0; i < count; ++i) {{
        int j = 0;
        while (j < kept && !goes(&boxes[j], &boxes[i])) {{
            ++j;
        }}
        if (j == kept) {{
            boxes[kept++] = boxes[i];
        }}
    }}
    return kept;
}}

static int add_branch(const branch_t *branch, {ctype} const *logits,
                      {ctype} const *maps, {name}_box *boxes, int count)
{{
    for (int32_t row = 0; row < branch->rows; ++row) {{
        for (int32_t column = 0; column < branch->columns; ++column) {{
            const int32_t steps = (int32_t)logits[0] - logits[1];
            {name}_box box;
            box.score = scaled(steps, branch->score_multiplier);
            if (box.score > {threshold}) {{
                const int32_t x = branch->first_center + branch->stride * column;
                const int32_t y = branch->first_center + branch->stride * row;
                int32_t offset[4];
                for (int k = 0; k < 4; ++k) {{
                    offset[k] = scaled(maps[k] - branch->box_zero_point,
                                       branch->box_multiplier);
                }}
                box.left = cut(x - offset[0], {right});
                box.top = cut(y - offset[1], {bottom});
                box.right = cut(x - offset[2], {right});
                box.bottom = cut(y - offset[3], {bottom});
                count = insert(boxes, count, &box);
            }}
            logits += 2;
            maps += 4;
        }}
    }}
    return count;
}}

int {name}_boxes({ctype} const *const logits[{upper}_BRANCHES],
                 {ctype} const *const maps[{upper}_BRANCHES],
                 {name}_box *boxes)
{{
    int count = 0;
    for (int i = 0; i < {upper}_BRANCHES; ++i) {{
        count = add_branch(&branches[i], logits[i], maps[i], boxes, count);
    }}
    return suppress(boxes, count);
}}
"""


def contents(
    decoder: integer_decoding.Decoder, name: str, bits: int = 8
) -> dict[str, str]:
    """The files NAME_boxes.h and NAME_boxes.c.

    Args:
        decoder: the detector's integers.
        name: of the network; spelled as C spells names.
        bits: of the maps' integers, 8 or 16.
    """
    name = literals.identifier(name)
    about = literals.comment(
        f"Boxes of {name}, from its maps of integers. Written by tfpipeline."
    )
    rows = [
        f"    {{{', '.join(map(str, row))}}},"
        for row in (
            (*cells, *centers, *numbers)
            for cells, centers, *numbers in zip(
                decoder.cells,
                decoder.centers,
                decoder.score_multipliers,
                decoder.box_multipliers,
                decoder.box_zero_points,
                strict=True,
            )
        )
    ]
    values = {
        "about": about,
        "name": name,
        "upper": name.upper(),
        "ctype": f"int{bits}_t",
        "branches": len(decoder.cells),
        "most": decoder.most,
        "pixel": integer_decoding.PIXEL,
        "logit": 1 << integer_decoding.LOGIT_BITS,
        "rows": "\n".join(rows),
        "half": 1 << (integer_decoding.MULTIPLIER_BITS - 1),
        "unit": 1 << integer_decoding.MULTIPLIER_BITS,
        "overlap_unit": 1 << integer_decoding.OVERLAP_BITS,
        "overlap": decoder.overlap,
        "threshold": decoder.threshold,
        "right": decoder.width * integer_decoding.PIXEL,
        "bottom": decoder.height * integer_decoding.PIXEL,
    }
    return {
        f"{name}_boxes.h": _HEADER.format(**values),
        f"{name}_boxes.c": _SOURCE.format(**values),
    }
