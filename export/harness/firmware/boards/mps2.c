/* QEMU's mps2-an385 (Cortex-M3), mps2-an386 (M4), mps2-an500 (M7) and mps3-an547 (M55):
   UART0 of Arm's CMSDK, and start-up.

   The counter has the rate of the emulated clock. With `-icount shift=0` an executed
   instruction takes 1 ns of it: what is counted are instructions, in steps of 40 (32 of
   the AN547), and no cycles. Without -icount it is the time of the PC.

   Where nothing has come the core sleeps until the UART asks for an interrupt: polling
   keeps QEMU from its serial line. Interrupts stay masked, so that none is taken.

   Arm CMSDK Technical Reference Manual (DDI 0479), 4.3 UART and 4.1 timer; AN547, "Arm
   Corstone SSE-300 with Cortex-M55", 3.4 memory map and SSE-300 TRM (101773), 3.6 system
   timers. */
#include "../board.h"

#define AT(address) (*(volatile uint32_t *)(uintptr_t)(address))

#ifdef HARNESS_MPS3
enum { CLOCK_HZ = 32000000 };
#define UART 0x49303000u
#define COUNTER_CONTROL 0x58100000u /* CNTCR of the system counter */
#define COUNTER 0x48000000u         /* CNTPCT of timer 0 */
#define NAME "QEMU mps3-an547, Cortex-M55"
enum { RECEIVE_IRQ = 33 };
#else
enum { CLOCK_HZ = 25000000 };
#define UART 0x40004000u
#define TIMER 0x40000000u /* timer 0, which counts down */
#define NAME "QEMU mps2, " HARNESS_CORE
enum { RECEIVE_IRQ = 0 };
#endif

/* Registers of the UART, and of the interrupt controller. */
#define IRQ_ENABLE AT(0xE000E100u + RECEIVE_IRQ / 32 * 4)
#define IRQ_CLEAR AT(0xE000E280u + RECEIVE_IRQ / 32 * 4)
#define IRQ_BIT (1u << RECEIVE_IRQ % 32)
enum { DATA = 0x0, STATE = 0x4, CONTROL = 0x8, INTERRUPTS = 0xC, DIVISOR = 0x10 };
enum { FULL_TO_SEND = 1, RECEIVED = 2 };


uint32_t board_init(void)
{
    AT(UART + DIVISOR) = CLOCK_HZ / 115200;
    AT(UART + CONTROL) = 1 | 2 | 8; /* sends, receives, and says that it has */
    __asm__ volatile("cpsid i" ::: "memory");
    IRQ_ENABLE = IRQ_BIT;
#ifdef HARNESS_MPS3
    AT(COUNTER_CONTROL) = 1;
#else
    AT(TIMER + 0x8) = 0xFFFFFFFF; /* reload */
    AT(TIMER + 0x4) = 0xFFFFFFFF; /* value */
    AT(TIMER) = 1;
#endif
    return CLOCK_HZ;
}

const char *board_name(void)
{
    return NAME;
}

int board_getc(void)
{
    if (!(AT(UART + STATE) & RECEIVED)) {
        __asm__ volatile("dsb\n\twfi" ::: "memory");
        AT(UART + INTERRUPTS) = 2; /* received */
        IRQ_CLEAR = IRQ_BIT;
        return -1;
    }
    return (int)(AT(UART + DATA) & 0xFF);
}

void board_putc(uint8_t byte)
{
    while (AT(UART + STATE) & FULL_TO_SEND) {
    }
    AT(UART + DATA) = byte;
}

uint32_t board_cycles(void)
{
#ifdef HARNESS_MPS3
    return AT(COUNTER);
#else
    return ~AT(TIMER + 0x4);
#endif
}

#ifndef HARNESS_OWN_STARTUP

/* Of the linker script. */
extern const uint32_t data_load[];
extern uint32_t data_start[], data_end[], bss_start[], bss_end[], stack_end[];

void reset(void);
void fault(void);
int main(void);

static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    stack_end,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
     fault, fault, fault},
};

void fault(void)
{
    for (;;) {
    }
}

void reset(void)
{
    const uint32_t *from = data_load;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    AT(0xE000ED88) |= 0xFu << 20; /* CPACR: coprocessors 10 and 11 */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    for (uint32_t *to = data_start; to < data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; ++to) {
        *to = 0;
    }
    main();
    fault();
}

#endif
