/* ## types */
typedef int8_t value_t;
typedef uint32_t weight_t; /* four weights of 8 bits, the first in the lowest byte */
typedef int32_t sum_t;

enum { PLAIN, CUT, WIDE }; /* 8 bits; cut off or exchanged; 32 bits, not cut off */

typedef struct {
    const int16_t *bias, *factor;
    int32_t offset;     /* rounding and zero point */
    int32_t bias_unit;
    uint8_t shift, kind;
    int8_t low, high;   /* the activation that is fused */
} finish_t;

/* Where the outputs of a layer go: after each one, `stride` places on, modulo outputs - 1. */
typedef struct {
    finish_t finish;
    value_t *y;
    int place, outputs, stride;
} writer_t;

/* ## words */
INLINE uint32_t word_at(const int8_t *x)
{
    uint32_t word;
    __builtin_memcpy(&word, x, 4);
    return word;
}

/* ## dsp */
/* Dual 16-bit multiply-accumulate where the core has it; the same integers without. */
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
INLINE uint32_t even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

INLINE uint32_t odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

INLINE int32_t two_products(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

INLINE int32_t scaled(int32_t sum, int32_t factor, int32_t more)
{
    int32_t result;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(result) : "r"(sum), "r"(factor), "r"(more));
    return result;
}

INLINE int32_t in_8_bits(int32_t value)
{
    __asm__("ssat %0, #8, %0" : "+r"(value));
    return value;
}
#else
INLINE uint32_t even_bytes(uint32_t word)
{
    return (uint32_t)(uint16_t)(int8_t)(word & 0xff) | (uint32_t)(uint16_t)(int8_t)(word >> 16 & 0xff) << 16;
}

INLINE uint32_t odd_bytes(uint32_t word)
{
    return even_bytes(word >> 8);
}

INLINE int32_t two_products(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + (int16_t)(a & 0xffff) * (int16_t)(b & 0xffff) + (int16_t)(a >> 16) * (int16_t)(b >> 16);
}

INLINE int32_t scaled(int32_t sum, int32_t factor, int32_t more)
{
    return (int32_t)((int64_t)sum * factor >> 16) + more;
}

INLINE int32_t in_8_bits(int32_t value)
{
    return value < -128 ? -128 : value > 127 ? 127 : value;
}
#endif

/* ## between: */
INLINE int8_t between(int32_t value, int32_t low, int32_t high)
{
    return (int8_t)(value < low ? low : value > high ? high : value);
}

/* ## write: types dsp between */
/* Sums to units of 1 / 2^shift of an output's step, then to the output. */
KERNEL void write(writer_t *t, const sum_t *sums, int count)
{
    const finish_t f = t->finish;
    const int16_t *bias = f.bias, *factor = f.factor;
    const sum_t *end = sums + count;
    int place = t->place, outputs = t->outputs, stride = t->stride;
    t->finish.bias = bias + count;
    t->finish.factor = factor + count;
    if (f.kind == PLAIN) { /* most often: nothing is cut off before the ends of 8 bits, none is exchanged */
        value_t *y = t->y + place;
        while (sums < end) {
            int32_t value = scaled(*sums++, *factor++, *bias++ * f.bias_unit + f.offset) >> f.shift;
            *y++ = (value_t)in_8_bits(value);
        }
        t->place = place + count;
        return;
    }
    for (; sums < end; place -= place < outputs ? 0 : outputs - 1) {
        int32_t value = scaled(*sums++, *factor++, *bias++ * f.bias_unit + f.offset) >> f.shift;
        if (f.kind == WIDE)
            ((int32_t *)(void *)t->y)[place] = value;
        else
            t->y[place] = between(value, f.low, f.high);
        place += stride;
    }
    t->place = place;
}

/* ## dot_2x2: types words dsp chunk */
/* Sums of products of two of four interleaved rows of weights with two columns. */
KERNEL void dot_2x2(const weight_t *w, const value_t *a, const value_t *b, int length, sum_t *sums)
{
    sum_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (const value_t *end = a + length; a < end; w += 4, a += 4, b += 4) {
        uint32_t even = even_bytes(word_at(a)), odd = odd_bytes(word_at(a));
        uint32_t even_b = even_bytes(word_at(b)), odd_b = odd_bytes(word_at(b));
        uint32_t w0 = even_bytes(w[0]), w1 = even_bytes(w[1]);
        s0 = two_products(w0, even, s0);
        s1 = two_products(w1, even, s1);
        s2 = two_products(w0, even_b, s2);
        s3 = two_products(w1, even_b, s3);
        w0 = odd_bytes(w[0]), w1 = odd_bytes(w[1]);
        s0 = two_products(w0, odd, s0);
        s1 = two_products(w1, odd, s1);
        s2 = two_products(w0, odd_b, s2);
        s3 = two_products(w1, odd_b, s3);
    }
    sums[0] = s0, sums[1] = s1, sums[CHUNK] = s2, sums[CHUNK + 1] = s3;
}

/* ## four_products: types words dsp */
INLINE sum_t four_products(uint32_t w, uint32_t even, uint32_t odd, sum_t sum)
{
    return two_products(odd_bytes(w), odd, two_products(even_bytes(w), even, sum));
}

/* ## dot_4x1: four_products */
KERNEL void dot_4x1(const weight_t *w, const value_t *a, int length, sum_t *sums)
{
    sum_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (const value_t *end = a + length; a < end; w += 4, a += 4) {
        uint32_t even = even_bytes(word_at(a)), odd = odd_bytes(word_at(a));
        s0 = four_products(w[0], even, odd, s0);
        s1 = four_products(w[1], even, odd, s1);
        s2 = four_products(w[2], even, odd, s2);
        s3 = four_products(w[3], even, odd, s3);
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

/* ## dot_2x1: four_products */
KERNEL void dot_2x1(const weight_t *w, const value_t *a, int length, sum_t *sums)
{
    sum_t s0 = 0, s1 = 0;
    for (const value_t *end = a + length; a < end; w += 2, a += 4) {
        uint32_t even = even_bytes(word_at(a)), odd = odd_bytes(word_at(a));
        s0 = four_products(w[0], even, odd, s0);
        s1 = four_products(w[1], even, odd, s1);
    }
    sums[0] = s0, sums[1] = s1;
}

/* ## dot_1x1: four_products */
KERNEL void dot_1x1(const weight_t *w, const value_t *a, int length, sum_t *sum)
{
    sum_t s0 = 0;
    for (const value_t *end = a + length; a < end; w++, a += 4)
        s0 = four_products(w[0], even_bytes(word_at(a)), odd_bytes(word_at(a)), s0);
    *sum = s0;
}

/* ## words_of: types */
/* Words of weights for so many inputs. */
INLINE int words_of(int length)
{
    return (length + 3) / 4;
}

/* ## copy: types words */
/* Channels of one pixel to the patches of their groups. */
INLINE void copy(value_t *to, const value_t *from, int channels, int each, int span)
{
    const value_t *end = from + channels;
    if (each % 4 == 0) {
        for (; from < end; to += span - each)
            for (const value_t *own = from + each; from < own; from += 4, to += 4) {
                uint32_t word = word_at(from);
                __builtin_memcpy(to, &word, 4);
            }
    } else {
        for (; from < end; to += span - each)
            for (int left = each; left > 0; left--)
                *to++ = *from++;
    }
}

/* ## normalise: types */
/* Raw samples, channel by channel, to integers pixel by pixel, halves to even; `every` is 0 where channels
   share a scale. */
KERNEL void normalise(const raw_t *x, value_t *y, int pixels, int channels, const float *factor, const float *shift,
                      int every)
{
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < pixels; p++) {
            float value = (float)x[c * pixels + p] * factor[c * every];
            value = value + shift[c * every];
            value = value > -128.0f ? value : -128.0f;
            value = value < 127.0f ? value : 127.0f;
            y[p * channels + c] = (int8_t)((value + 12582912.0f) - 12582912.0f);
        }
}

/* ## average: types */
INLINE value_t average(sum_t sum, int32_t factor)
{
    return (value_t)((sum * factor + 32768) >> 16);
}
typedef int32_t factor_t;

/* ## add: types between */
typedef struct {
    int32_t factor_a, factor_b, offset;
    int8_t shift, low, high;
} add_t;

KERNEL void add(const value_t *a, const value_t *b, value_t *y, int length, const add_t *l)
{
    for (int i = 0; i < length; i++)
        y[i] = between((a[i] * l->factor_a + b[i] * l->factor_b + l->offset) >> l->shift, l->low, l->high);
}

/* ## table: types */
KERNEL void table(const value_t *x, value_t *y, int length, const int8_t *values)
{
    for (int i = 0; i < length; i++)
        y[i] = values[x[i] + 128];
}

/* ## sparse: types */
typedef int8_t sparse_t; /* a weight that stands alone */

/* ## depthwise_4: types words dsp */
INLINE void depthwise_4(const int8_t *w, const value_t *x, int taps, int channels, sum_t sums[4])
{
    for (; taps > 0; taps--, w += channels, x += channels) {
        uint32_t even = even_bytes(word_at(x)), odd = odd_bytes(word_at(x));
        uint32_t even_w = even_bytes(word_at(w)), odd_w = odd_bytes(word_at(w));
        sums[0] += (int16_t)(even & 0xffff) * (int16_t)(even_w & 0xffff);
        sums[1] += (int16_t)(odd & 0xffff) * (int16_t)(odd_w & 0xffff);
        sums[2] += (int16_t)(even >> 16) * (int16_t)(even_w >> 16);
        sums[3] += (int16_t)(odd >> 16) * (int16_t)(odd_w >> 16);
    }
}
