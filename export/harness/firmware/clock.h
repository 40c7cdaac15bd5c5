/* Time since the start, in cycles of the board's counter. */
#ifndef HARNESS_CLOCK_H
#define HARNESS_CLOCK_H

#include <stdint.h>

void clock_begin(uint32_t hz);

/* To be asked at least once in 2^32 cycles. */
uint64_t clock_cycles(void);

uint64_t clock_microseconds(void);

#endif
