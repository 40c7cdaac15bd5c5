"""What QEMU's mps2 boards need to run a program: start-up, memory map, compiler.

QEMU's mps2-an500 (Cortex-M7) has 4 MB of memory from 0, for code and constants, and 4
MB from 0x20000000. newlib's `rdimon` prints and ends by semihosting: QEMU answers.
"""

FOLDER = "mps2"

_TOOLCHAIN = """\
# Cortex-M7 without floating-point unit, newlib with semihosting: QEMU's mps2-an500.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m7 -mthumb -mfloat-abi=soft")
set(CMAKE_CXX_FLAGS_INIT "-mcpu=cortex-m7 -mthumb -mfloat-abi=soft")
set(MPS2_DIR "${CMAKE_CURRENT_LIST_DIR}")
set(CMAKE_EXE_LINKER_FLAGS_INIT
  "--specs=rdimon.specs -nostartfiles -T \\"${MPS2_DIR}/linker.ld\\"")
"""

_LINKER = """\
/* Memory of QEMU's mps2-an500. */
MEMORY
{
    FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M
}

ENTRY(Reset)

SECTIONS
{
    .text : {
        KEEP(*(.vectors))
        *(.text* .rodata*)
        . = ALIGN(4);
        __preinit_array_start = .;
        KEEP(*(.preinit_array*))
        __preinit_array_end = .;
        __init_array_start = .;
        KEEP(*(SORT(.init_array.*) .init_array))
        __init_array_end = .;
        __fini_array_start = .;
        KEEP(*(SORT(.fini_array.*) .fini_array))
        __fini_array_end = .;
    } > FLASH
    .ARM.extab : { *(.ARM.extab*) } > FLASH
    .ARM.exidx : {
        __exidx_start = .;
        *(.ARM.exidx*)
        __exidx_end = .;
    } > FLASH
    .data : ALIGN(8) {
        data_start = .;
        *(.data*)
        . = ALIGN(8);
        data_end = .;
    } > RAM AT > FLASH
    data_load = LOADADDR(.data);
    .bss (NOLOAD) : ALIGN(16) {
        bss_start = .;
        *(.bss* COMMON)
        . = ALIGN(8);
        bss_end = .;
        end = .;  /* The heap of newlib starts here. */
    } > RAM
    stack_end = ORIGIN(RAM) + LENGTH(RAM);
}
"""

_STARTUP = """\
// Starts main on a Cortex-M of QEMU's mps2 boards, and ends with its exit code.

#include <cstdint>
#include <cstdlib>
#include <cstring>

// Of linker.ld.
extern "C" const unsigned char data_load[];
extern "C" unsigned char data_start[], data_end[], bss_start[], bss_end[], stack_end[];

// Of newlib; _init and _fini it calls itself.
extern "C" void __libc_init_array();
extern "C" void initialise_monitor_handles();
extern "C" void _init() {}
extern "C" void _fini() {}
// What destructors of static objects are registered under.
extern "C" {
void* __dso_handle = nullptr;
}

int main();

extern "C" void Fault() { std::_Exit(1); }

extern "C" void Reset() {
  std::memcpy(data_start, data_load, data_end - data_start);
  std::memset(bss_start, 0, bss_end - bss_start);
  initialise_monitor_handles();
  __libc_init_array();
  std::exit(main());
}

namespace {

struct Vectors {
  unsigned char* stack;
  void (*handlers[15])();
};

__attribute__((section(".vectors"), used)) const Vectors vectors = {
    stack_end,
    {Reset, Fault, Fault, Fault, Fault, Fault, Fault, Fault, Fault, Fault, Fault,
     Fault, Fault, Fault, Fault}};

}  // namespace
"""

# By name in the bundle.
FILES = {
    f"{FOLDER}/toolchain.cmake": _TOOLCHAIN,
    f"{FOLDER}/linker.ld": _LINKER,
    f"{FOLDER}/startup.cc": _STARTUP,
}
