/* STM32 by ST's HAL. Written for NUCLEO-64 boards with an STM32F4, whose ST-LINK has
   USART2 (PA2, PA3) on its USB cable; of other families the header's name differs.

   In a project of STM32CubeMX, which has a main and sets up clocks and UART, define
   HARNESS_UART=huart2 and HARNESS_MAIN=harness_main, and call harness_main() there.
   Without HARNESS_UART this file is all there is: 16 MHz of the internal oscillator. */
#ifndef HARNESS_HAL
#define HARNESS_HAL "stm32f4xx_hal.h"
#endif
#include HARNESS_HAL

#include "../board.h"

#ifndef HARNESS_BOARD
#define HARNESS_BOARD "STM32"
#endif

#ifdef HARNESS_UART
extern UART_HandleTypeDef HARNESS_UART;
#define UART HARNESS_UART
#else
static UART_HandleTypeDef UART;

void SysTick_Handler(void);

void SysTick_Handler(void)
{
    HAL_IncTick();
}

static void begin(void)
{
    GPIO_InitTypeDef pins = {0};
    HAL_Init();
    __HAL_RCC_GPIOA_CLK_ENABLE();
    __HAL_RCC_USART2_CLK_ENABLE();
    pins.Pin = GPIO_PIN_2 | GPIO_PIN_3;
    pins.Mode = GPIO_MODE_AF_PP;
    pins.Pull = GPIO_PULLUP;
    pins.Speed = GPIO_SPEED_FREQ_HIGH;
    pins.Alternate = GPIO_AF7_USART2;
    HAL_GPIO_Init(GPIOA, &pins);
    UART.Instance = USART2;
    UART.Init.BaudRate = 115200;
    UART.Init.WordLength = UART_WORDLENGTH_8B;
    UART.Init.StopBits = UART_STOPBITS_1;
    UART.Init.Parity = UART_PARITY_NONE;
    UART.Init.Mode = UART_MODE_TX_RX;
    UART.Init.HwFlowCtl = UART_HWCONTROL_NONE;
    UART.Init.OverSampling = UART_OVERSAMPLING_16;
    HAL_UART_Init(&UART);
}
#endif

uint32_t board_init(void)
{
#ifndef HARNESS_UART
    begin();
#endif
    /* The core's own counter (Armv7-M Architecture Reference Manual, C1.8). Some M7 keep
       it locked; others have no such register and ignore it. */
    CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
    *(volatile uint32_t *)0xE0001FB0 = 0xC5ACCE55; /* DWT_LAR */
    DWT->CYCCNT = 0;
    DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
    return HAL_RCC_GetHCLKFreq();
}

const char *board_name(void)
{
    return HARNESS_BOARD;
}

int board_getc(void)
{
    uint8_t byte;
    return HAL_UART_Receive(&UART, &byte, 1, 0) == HAL_OK ? byte : -1;
}

void board_putc(uint8_t byte)
{
    (void)HAL_UART_Transmit(&UART, &byte, 1, HAL_MAX_DELAY);
}

uint32_t board_cycles(void)
{
    return DWT->CYCCNT;
}
