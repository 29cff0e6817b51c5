/* Start, output and exit of a Cortex-M board in QEMU, by semihosting; no library. */
#include <stdint.h>

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
void explorer_main(void);

static int32_t semihosting(int32_t operation, const void *argument)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_write(const char *text)
{
    semihosting(0x04, text);
}

static void board_exit(void)
{
    semihosting(0x18, (const void *)0x20026);
    for (;;)
        ;
}

static void fault(void)
{
    board_write("fault\n");
    board_exit();
}

void board_start(void)
{
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* the floating-point unit, where there is one */
    __asm__ volatile("dsb\nisb");
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end; to++)
        *to = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end; to++)
        *to = 0;
    explorer_main();
    board_exit();
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, (void *)board_start, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault};
