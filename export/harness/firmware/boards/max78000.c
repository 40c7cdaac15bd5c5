/* MAX78000FTHR by Analog Devices' MSDK: the Cortex-M4 at 100 MHz, UART0 on the USB cable.
   The network runs on the core, not on the accelerator. */
#include "mxc_device.h"
#include "mxc_sys.h"
#include "uart.h"

#include "../board.h"

uint32_t board_init(void)
{
    MXC_SYS_Clock_Select(MXC_SYS_CLOCK_IPO);
    SystemCoreClockUpdate();
    MXC_UART_Init(MXC_UART0, 115200, MXC_UART_APB_CLK);
    /* The core's own counter (Armv7-M Architecture Reference Manual, C1.8). */
    CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
    DWT->CYCCNT = 0;
    DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
    return SystemCoreClock;
}

const char *board_name(void)
{
    return "MAX78000FTHR, Cortex-M4 100 MHz";
}

int board_getc(void)
{
    const int found = MXC_UART_ReadCharacterRaw(MXC_UART0);
    return found < 0 ? -1 : found;
}

void board_putc(uint8_t byte)
{
    while (MXC_UART_WriteCharacterRaw(MXC_UART0, byte) != E_NO_ERROR) {
    }
}

uint32_t board_cycles(void)
{
    return DWT->CYCCNT;
}
