/* The network as the harness sees it: harness.c or harness.cc beside this file. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdint.h>

#include "harness_data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Integers that go in or come out: real = scale * (integer - zero_point). */
typedef struct {
    void *values;
    uint32_t elements;
    uint8_t bytes; /* of an element: 1, 2, 4 or 8 */
    uint8_t is_signed;
    float scale; /* 1 of positions, which have none */
    int32_t zero_point;
} harness_tensor;

/* Memory of the harness; a run changes outputs only. */
extern const harness_tensor harness_inputs[HARNESS_INPUTS];
extern const harness_tensor harness_outputs[HARNESS_OUTPUTS];

/* Both return 0, or what went wrong. A run begins with no state of earlier ones. */
int harness_begin(void);
int harness_run(void);

#ifdef __cplusplus
}
#endif

#endif
