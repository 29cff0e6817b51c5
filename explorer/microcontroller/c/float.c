/* ## types */
typedef float value_t;
typedef float weight_t;
typedef float sum_t;

typedef struct {
    const float *bias;
    float low, high; /* the activation that is fused */
} finish_t;

/* Where the outputs of a layer go: after each one, `stride` places on, modulo outputs - 1. */
typedef struct {
    finish_t finish;
    value_t *y;
    int place, outputs, stride;
} writer_t;

/* ## between: */
INLINE float between(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

/* ## write: types between */
KERNEL void write(writer_t *t, const sum_t *sums, int count)
{
    float low = t->finish.low, high = t->finish.high;
    const float *bias = t->finish.bias;
    int place = t->place, outputs = t->outputs, stride = t->stride;
    value_t *y = t->y;
    t->finish.bias = bias + count;
    for (; count > 0; count--) {
        y[place] = between(*sums++ + *bias++, low, high);
        place += stride;
        place -= place < outputs ? 0 : outputs - 1;
    }
    t->place = place;
}

/* ## dot_2x2: types chunk */
/* Sums of products of two of four interleaved rows of weights with two columns. */
KERNEL void dot_2x2(const weight_t *w, const value_t *a, const value_t *b, int length, sum_t *sums)
{
    sum_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (const value_t *end = a + length; a < end; w += 4, a++, b++) {
        s0 += w[0] * a[0];
        s1 += w[1] * a[0];
        s2 += w[0] * b[0];
        s3 += w[1] * b[0];
    }
    sums[0] = s0, sums[1] = s1, sums[CHUNK] = s2, sums[CHUNK + 1] = s3;
}

/* ## dot_4x1: types */
KERNEL void dot_4x1(const weight_t *w, const value_t *a, int length, sum_t *sums)
{
    sum_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (const value_t *end = a + length; a < end; w += 4, a++) {
        s0 += w[0] * a[0];
        s1 += w[1] * a[0];
        s2 += w[2] * a[0];
        s3 += w[3] * a[0];
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

/* ## dot_2x1: types */
KERNEL void dot_2x1(const weight_t *w, const value_t *a, int length, sum_t *sums)
{
    sum_t s0 = 0, s1 = 0;
    for (const value_t *end = a + length; a < end; w += 2, a++) {
        s0 += w[0] * a[0];
        s1 += w[1] * a[0];
    }
    sums[0] = s0, sums[1] = s1;
}

/* ## dot_1x1: types */
KERNEL void dot_1x1(const weight_t *w, const value_t *a, int length, sum_t *sum)
{
    sum_t s0 = 0;
    for (const value_t *end = a + length; a < end;)
        s0 += *w++ * *a++;
    *sum = s0;
}

/* ## words_of: types */
INLINE int words_of(int length)
{
    return length;
}

/* ## copy: types */
/* Channels of one pixel to the patches of their groups. */
INLINE void copy(value_t *to, const value_t *from, int channels, int each, int span)
{
    for (const value_t *end = from + channels; from < end; to += span - each)
        for (int left = each; left > 0; left--)
            *to++ = *from++;
}

/* ## normalise: types */
/* Raw samples, channel by channel, to values pixel by pixel; `every` is 0 where channels share a scale. */
KERNEL void normalise(const raw_t *x, value_t *y, int pixels, int channels, const wide_t *mean, const wide_t *std,
                      int every)
{
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < pixels; p++)
            y[p * channels + c] = (float)(((wide_t)x[c * pixels + p] - mean[c * every]) / std[c * every]);
}

/* ## average: types */
INLINE value_t average(sum_t sum, float factor)
{
    return sum * factor;
}
typedef float factor_t;

/* ## add: types between */
KERNEL void add(const value_t *a, const value_t *b, value_t *y, int length, float low, float high)
{
    for (int i = 0; i < length; i++)
        y[i] = between(a[i] + b[i], low, high);
}

/* ## clamp: types between */
KERNEL void clamp(const value_t *x, value_t *y, int length, float low, float high)
{
    for (int i = 0; i < length; i++)
        y[i] = between(x[i], low, high);
}

/* ## hard_swish: types between */
KERNEL void hard_swish(const value_t *x, value_t *y, int length)
{
    for (int i = 0; i < length; i++)
        y[i] = x[i] * between(x[i] + 3.0f, 0.0f, 6.0f) / 6.0f;
}

/* ## sigmoid: types power */
KERNEL void sigmoid(const value_t *x, value_t *y, int length)
{
    for (int i = 0; i < length; i++) {
        float p = power(x[i] < 0.0f ? x[i] : -x[i]);
        y[i] = (x[i] < 0.0f ? p : 1.0f) / (1.0f + p);
    }
}

/* ## sparse: types */
typedef float sparse_t; /* a weight that stands alone */

/* ## depthwise_4: types */
INLINE void depthwise_4(const float *w, const value_t *x, int taps, int channels, float sums[4])
{
    for (; taps > 0; taps--, w += channels, x += channels)
        for (int i = 0; i < 4; i++)
            sums[i] += w[i] * x[i];
}
