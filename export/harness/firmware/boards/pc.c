/* A PC: standard input and output are the serial line; ends with the input.
   Cycles are nanoseconds of the clock, which wraps after 4 seconds. */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "../board.h"

static uint8_t written[512];
static size_t count;

static void flush(void)
{
    for (size_t done = 0; done < count;) {
        const ssize_t more = write(1, written + done, count - done);
        if (more <= 0) {
            exit(1);
        }
        done += (size_t)more;
    }
    count = 0;
}

uint32_t board_init(void)
{
    return 1000000000;
}

const char *board_name(void)
{
    return "PC";
}

int board_getc(void)
{
    static uint8_t taken[512];
    static ssize_t given, next;
    if (next == given) {
        struct pollfd line = {.fd = 0, .events = POLLIN};
        flush();
        if (poll(&line, 1, 1000) == 0) {
            return -1;
        }
        next = 0;
        given = read(0, taken, sizeof taken);
        if (given <= 0) {
            exit(0);
        }
    }
    return taken[next++];
}

void board_putc(uint8_t byte)
{
    written[count++] = byte;
    if (count == sizeof written) {
        flush();
    }
}

uint32_t board_cycles(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * 1000000000u + (uint32_t)now.tv_nsec;
}
