/* Zephyr: the UART of its console, polled. prj.conf says CONFIG_SERIAL=y, and
   CONFIG_UART_CONSOLE=n, CONFIG_BOOT_BANNER=n, so that nobody else writes there. */
#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "../board.h"

static const struct device *const line = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));

uint32_t board_init(void)
{
    return (uint32_t)sys_clock_hw_cycles_per_sec();
}

const char *board_name(void)
{
    return CONFIG_BOARD;
}

int board_getc(void)
{
    unsigned char byte;
    return uart_poll_in(line, &byte) == 0 ? byte : -1;
}

void board_putc(uint8_t byte)
{
    uart_poll_out(line, byte);
}

uint32_t board_cycles(void)
{
    return k_cycle_get_32();
}
