#include "clock.h"

#include "board.h"

static uint32_t rate, last;
static uint64_t total;

void clock_begin(uint32_t hz)
{
    rate = hz ? hz : 1;
    last = board_cycles();
    total = 0;
}

uint64_t clock_cycles(void)
{
    const uint32_t now = board_cycles();
    total += (uint32_t)(now - last);
    last = now;
    return total;
}

uint64_t clock_microseconds(void)
{
    const uint64_t cycles = clock_cycles();
    return cycles / rate * 1000000 + cycles % rate * 1000000 / rate;
}
