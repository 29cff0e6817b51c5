/* Runs samples through an edge part and writes a line for each: what came out, stack and ticks. */
#include "edge.h"
#include "samples.h"

#ifdef ON_BOARD
extern uint32_t bss_end;
void board_write(const char *text);

#define STACK_MOST 65536u
#define MARK 0xa5a5a5a5u
#define SYSTICK ((volatile uint32_t *)0xe000e010u)

static uint32_t *mark_stack(void)
{
    uint32_t *here = (uint32_t *)__builtin_frame_address(0) - 16;
    for (uint32_t *at = here - STACK_MOST / 4; at < here; at++)
        *at = MARK;
    return here;
}

static uint32_t stack_used(const uint32_t *here)
{
    const uint32_t *at = here - STACK_MOST / 4;
    while (at < here && *at == MARK)
        at++;
    return (uint32_t)(here - at) * 4u;
}

static uint32_t ticks(void)
{
    return SYSTICK[2];
}

static void start_ticks(void)
{
    SYSTICK[1] = 0xffffff;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5;
    while (ticks() == 0)
        ;
}

/* As many instructions as the argument says, an even number. */
__attribute__((noinline)) static void known_loop(uint32_t instructions)
{
    uint32_t left = instructions / 2;
    __asm__ volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(left) : : "cc");
}
#else
#include <stdio.h>

static void board_write(const char *text)
{
    fputs(text, stdout);
}
#endif

static void write_hex(const void *start, uint32_t bytes)
{
    static char text[65];
    const uint8_t *at = start;
    while (bytes > 0) {
        int length = 0;
        for (; bytes > 0 && length < 64; bytes--, at++) {
            text[length++] = "0123456789abcdef"[*at >> 4];
            text[length++] = "0123456789abcdef"[*at & 15];
        }
        text[length] = 0;
        board_write(text);
    }
    board_write(" ");
}

static void write_number(const char *name, uint32_t number)
{
    char text[12];
    int at = 11;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    board_write(name);
    board_write("=");
    board_write(text + at);
    board_write(" ");
}

static explorer_edge_output output;

#ifdef ON_BOARD
void explorer_main(void)
#else
int main(void)
#endif
{
#ifdef ON_BOARD
    start_ticks();
    uint32_t known = ticks();
    known_loop(1000000u);
    known = (known - ticks()) & 0xffffffu;
#endif
    for (uint32_t number = 0; number < SAMPLES; number++) {
        write_number("sample", number);
#ifdef ON_BOARD
        uint32_t *here = mark_stack(), before = ticks();
        explorer_edge_run(samples[number], &output);
        uint32_t after = ticks();
        write_number("stack", stack_used(here));
        write_number("ticks", (before - after) & 0xffffffu);
        write_number("per_million", known);
#else
        explorer_edge_run(samples[number], &output);
#endif
#ifdef EXPLORER_EDGE_CLASSES
        write_number("label", (uint32_t)output.label);
        board_write("logits=");
        write_hex(output.logits, sizeof output.logits);
#endif
#ifdef EXPLORER_EDGE_SCORES
        write_number("answers", (uint32_t)output.answers);
        board_write("confidence=");
        write_hex(&output.confidence, sizeof output.confidence);
#endif
#ifdef EXPLORER_EDGE_CROSSING
        board_write("crossing=");
        write_hex(output.crossing, EXPLORER_EDGE_CROSSING * sizeof *output.crossing);
#endif
#ifdef EXPLORER_EDGE_FRAME_BYTES
        static uint8_t frame[EXPLORER_EDGE_FRAME_BYTES];
        if (output.payload_bytes > 0) {
            board_write("frame=");
            write_hex(frame, explorer_edge_frame(&output, (uint16_t)number, frame));
        }
#endif
        board_write("\n");
    }
    board_write("done\n");
#ifndef ON_BOARD
    return 0;
#endif
}
