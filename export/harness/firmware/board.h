/* What a board gives to the harness: five functions. boards/ has some; copy the one
   that is nearest to yours. */
#ifndef HARNESS_BOARD_H
#define HARNESS_BOARD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called once, before all others: clocks, the serial line (8 data bits, no parity, one
   stop bit, no flow control), the counter of cycles. Returns the counter's rate in Hz. */
uint32_t board_init(void);

/* Which board this is, with the rate of its clock: at most 40 characters. */
const char *board_name(void);

/* The next byte of the serial line; -1, at once or soon, where there is none. */
int board_getc(void);

/* Sends a byte, when there is room for it. */
void board_putc(uint8_t byte);

/* A counter that goes up and wraps at 32 bits: of the core's cycles where there is one.
   It must not wrap within one run of the network. */
uint32_t board_cycles(void);

#ifdef __cplusplus
}
#endif

#endif
