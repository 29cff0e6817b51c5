/* ## window: types */
/* Where a window lies on its input. Values lie pixel by pixel, the channels of each side by side. */
typedef struct {
    uint16_t height, width, channels, out_height, out_width, kernel_height, kernel_width;
    uint8_t stride_y, stride_x, dilation_y, dilation_x, top, left;
    uint8_t direct; /* one value per channel, none beyond the edge: no patch is needed */
    value_t zero;   /* what lies beyond the edge */
} window_t;

/* ## patch: types window copy */
/* What one output pixel reads: group by group, tap by tap, the channels of the group. */
KERNEL const value_t *patch_at(const window_t *w, int groups, const value_t *x, int pixel, value_t *patch)
{
    int top = pixel / w->out_width * w->stride_y - w->top, width = w->width, height = w->height;
    int left = pixel % w->out_width * w->stride_x - w->left, channels = w->channels;
    if (w->direct)
        return x + (top * width + left) * channels;
    int each = channels / groups, taps_x = w->kernel_width, span = w->kernel_height * taps_x * each;
    int down = w->dilation_y, right = w->dilation_x, bottom = top + w->kernel_height * down;
    value_t *to = patch, zero = w->zero;
    for (int iy = top; iy < bottom; iy += down)
        for (int kx = 0, ix = left; kx < taps_x; kx++, ix += right, to += each) {
            value_t *own = to;
            if (iy >= 0 && iy < height && ix >= 0 && ix < width) {
                const value_t *from = x + (iy * width + ix) * channels;
                copy(own, from, channels, each, span);
            } else {
                for (int group = 0; group < groups; group++, own += span)
                    for (int i = 0; i < each; i++)
                        own[i] = zero;
            }
        }
    return patch;
}

/* ## blocks: types window write */
/* Every group of outputs reads whole groups of inputs: that of its number, or several. */
typedef struct {
    window_t window;
    finish_t finish;
    const weight_t *weights;
    const index_t *sources; /* groups that are read, where they do not follow the rule */
    uint16_t outputs, groups, reads;
    uint16_t span;   /* values that a group of inputs has in a patch */
    uint16_t stride; /* of places of outputs */
    uint16_t patch;  /* values of a patch */
} blocks_t;

/* ## chunk: */
enum { CHUNK = 16 }; /* sums that become outputs at once */

/* ## rows: words_of dot_4x1 dot_2x1 dot_1x1 */
/* Weights of four outputs lie interleaved as long as there are four, then of two, then of one. */
INLINE int rows_of(int left)
{
    return left > 3 ? 4 : left > 1 ? 2 : 1;
}

/* Sums of products of so many rows with one column; returns where the weights go on. */
INLINE const weight_t *dot(const weight_t *w, int rows, const value_t *a, int length, sum_t *sums)
{
    if (rows > 3)
        dot_4x1(w, a, length, sums);
    else if (rows > 1)
        dot_2x1(w, a, length, sums);
    else
        dot_1x1(w, a, length, sums);
    return w + rows * words_of(length);
}

/* ## blocks_1: blocks chunk rows */
/* One column, a Linear layer or the last pixel of an odd number: each group of outputs reads one of inputs. */
KERNEL void blocks_1(const blocks_t *l, const value_t *x, value_t *y)
{
    const weight_t *w = l->weights;
    writer_t t = {l->finish, y, 0, l->outputs, l->stride};
    sum_t sums[CHUNK];
    int span = l->span, each = l->outputs / l->groups, filled = 0;
    for (const value_t *end = x + l->groups * span; x < end; x += span)
        for (int left = each, rows; left > 0; left -= rows) {
            rows = rows_of(left);
            w = dot(w, rows, x, span, sums + filled);
            filled += rows;
            if (filled > CHUNK - 4) {
                write(&t, sums, filled);
                filled = 0;
            }
        }
    write(&t, sums, filled);
}

/* ## blocks_2: blocks chunk rows dot_2x2 */
/* Two columns. */
KERNEL void blocks_2(const blocks_t *l, const value_t *x, const value_t *x1, value_t *y)
{
    const weight_t *w = l->weights;
    writer_t t = {l->finish, y, 0, l->outputs, l->stride};
    writer_t t1 = {l->finish, y + l->outputs, 0, l->outputs, l->stride};
    sum_t sums[2 * CHUNK];
    int span = l->span, each = l->outputs / l->groups, filled = 0;
    for (const value_t *end = x + l->groups * span; x < end; x += span, x1 += span)
        for (int left = each, rows; left > 0; left -= rows) {
            sum_t *own = sums + filled;
            rows = rows_of(left);
            if (rows == 4) {
                dot_2x2(w, x, x1, span, own);
                dot_2x2(w + 2, x, x1, span, own + 2);
                w += 4 * words_of(span);
            } else {
                dot(w, rows, x, span, own);
                w = dot(w, rows, x1, span, own + CHUNK);
            }
            filled += rows;
            if (filled > CHUNK - 4) {
                write(&t, sums, filled);
                write(&t1, sums + CHUNK, filled);
                filled = 0;
            }
        }
    write(&t, sums, filled);
    write(&t1, sums + CHUNK, filled);
}

/* ## convolve: patch blocks_1 blocks_2 */
KERNEL void convolve(const blocks_t *l, const value_t *x, value_t *y, value_t *patch)
{
    int pixels = l->window.out_height * l->window.out_width, pixel = 0;
    for (; pixel + 1 < pixels; pixel += 2, y += 2 * l->outputs) {
        const value_t *first = patch_at(&l->window, l->groups, x, pixel, patch);
        blocks_2(l, first, patch_at(&l->window, l->groups, x, pixel + 1, patch + l->patch), y);
    }
    if (pixel < pixels)
        blocks_1(l, patch_at(&l->window, l->groups, x, pixel, patch), y);
}

/* ## overlapping: patch blocks rows */
/* How many of the groups read lie side by side from the one in place `at` on; their first one in `source`. */
INLINE int next_run(const blocks_t *l, int block, int at, int *source)
{
    int run = 1;
    if (l->sources) {
        const index_t *own = l->sources + block * l->reads;
        *source = own[at];
        while (at + run < l->reads && own[at + run] == *source + run)
            run++;
        return run;
    }
    *source = block + at < l->groups ? block + at : block + at - l->groups;
    run = l->groups - *source;
    return run < l->reads - at ? run : l->reads - at;
}

/* Each group of outputs reads several of inputs: those from its number on, or those that are listed. */
KERNEL void overlapping(const blocks_t *l, const value_t *x, value_t *y, value_t *patch)
{
    int pixels = l->window.out_height * l->window.out_width, each = l->outputs / l->groups, span = l->span;
    for (int pixel = 0; pixel < pixels; pixel++, y += l->outputs) {
        writer_t t = {l->finish, y, 0, l->outputs, l->stride};
        const value_t *column = patch_at(&l->window, l->groups, x, pixel, patch);
        const weight_t *w = l->weights;
        for (int block = 0; block < l->groups; block++)
            for (int left = each, rows; left > 0; left -= rows) {
                sum_t sums[4] = {0, 0, 0, 0}, own[4];
                rows = rows_of(left);
                for (int at = 0, run, source; at < l->reads; at += run) {
                    run = next_run(l, block, at, &source);
                    w = dot(w, rows, column + source * span, run * span, own);
                    for (int i = 0; i < rows; i++)
                        sums[i] += own[i];
                }
                write(&t, sums, rows);
            }
    }
}

/* ## indexed: patch sparse write */
/* Freely placed connections: the inputs of every output are listed. A patch has the taps of a channel together. */
typedef struct {
    window_t window;
    finish_t finish;
    const sparse_t *weights;
    const index_t *inputs;
    const uint16_t *counts; /* inputs of each output, where they differ */
    uint16_t outputs, fan_in, taps, stride;
} indexed_t;

KERNEL void indexed(const indexed_t *l, const value_t *x, value_t *y, value_t *patch)
{
    int pixels = l->window.out_height * l->window.out_width, taps = l->taps;
    for (int pixel = 0; pixel < pixels; pixel++, y += l->outputs) {
        writer_t t = {l->finish, y, 0, l->outputs, l->stride};
        const value_t *a = patch_at(&l->window, l->window.channels, x, pixel, patch);
        const sparse_t *w = l->weights;
        const index_t *input = l->inputs;
        for (int output = 0; output < l->outputs; output++) {
            sum_t sum = 0;
            int left = l->counts ? l->counts[output] : l->fan_in;
            if (taps == 1) {
                for (; left > 0; left--)
                    sum += *w++ * a[*input++];
            } else {
                for (; left > 0; left--) {
                    const value_t *own = a + *input++ * taps;
                    for (int tap = taps; tap > 0; tap--)
                        sum += *w++ * *own++;
                }
            }
            sum_t done = sum;
            write(&t, &done, 1);
        }
    }
}

/* ## periodic: patch sparse write */
/* Kernels that keep some taps, in places that repeat over inputs and outputs. */
typedef struct {
    window_t window;
    finish_t finish;
    const sparse_t *weights;
    const index_t *supports;
    uint16_t outputs, variants, kept, stride;
} periodic_t;

KERNEL void periodic(const periodic_t *l, const value_t *x, value_t *y, value_t *patch)
{
    int pixels = l->window.out_height * l->window.out_width, inputs = l->window.channels;
    int taps = l->window.kernel_height * l->window.kernel_width, kept = l->kept;
    for (int pixel = 0; pixel < pixels; pixel++, y += l->outputs) {
        writer_t t = {l->finish, y, 0, l->outputs, l->stride};
        const value_t *a = patch_at(&l->window, inputs, x, pixel, patch);
        const sparse_t *w = l->weights;
        for (int output = 0; output < l->outputs; output++) {
            sum_t sum = 0;
            int variant = output % l->variants;
            const value_t *own = a;
            for (int input = inputs; input > 0; input--, own += taps) {
                const index_t *support = l->supports + variant * kept;
                for (int i = kept; i > 0; i--)
                    sum += *w++ * own[*support++];
                variant = variant + 1 < l->variants ? variant + 1 : 0;
            }
            sum_t done = sum;
            write(&t, &done, 1);
        }
    }
}

/* ## depthwise: patch sparse depthwise_4 write */
typedef struct {
    window_t window;
    finish_t finish;
    const sparse_t *weights; /* tap by tap */
} depthwise_t;

KERNEL void depthwise(const depthwise_t *l, const value_t *x, value_t *y, value_t *patch)
{
    int pixels = l->window.out_height * l->window.out_width, channels = l->window.channels;
    int taps = l->window.kernel_height * l->window.kernel_width;
    for (int pixel = 0; pixel < pixels; pixel++, y += channels) {
        writer_t t = {l->finish, y, 0, channels, channels};
        const value_t *a = patch_at(&l->window, 1, x, pixel, patch);
        int channel = 0;
        for (; channel + 3 < channels; channel += 4) {
            sum_t own[4] = {0, 0, 0, 0};
            depthwise_4(l->weights + channel, a + channel, taps, channels, own);
            sum_t sums[4] = {own[0], own[1], own[2], own[3]};
            write(&t, sums, 4);
        }
        for (; channel < channels; channel++) {
            sum_t sum = 0;
            for (int tap = 0; tap < taps; tap++)
                sum += l->weights[tap * channels + channel] * a[tap * channels + channel];
            sum_t done = sum;
            write(&t, &done, 1);
        }
    }
}

/* ## max_pool: types window */
KERNEL void max_pool(const window_t *w, const value_t *x, value_t *y)
{
    int pixels = w->out_height * w->out_width, taps = w->kernel_height * w->kernel_width;
    for (int pixel = 0; pixel < pixels; pixel++)
        for (int channel = 0; channel < w->channels; channel++, y++) {
            int found = 0;
            for (int tap = 0; tap < taps; tap++) {
                int iy = pixel / w->out_width * w->stride_y - w->top + tap / w->kernel_width * w->dilation_y;
                int ix = pixel % w->out_width * w->stride_x - w->left + tap % w->kernel_width * w->dilation_x;
                if (iy < 0 || iy >= w->height || ix < 0 || ix >= w->width)
                    continue;
                value_t value = x[(iy * w->width + ix) * w->channels + channel];
                *y = !found || value > *y ? value : *y;
                found = 1;
            }
        }
}

/* ## average_pool: types window average */
/* No window reaches beyond the edge. */
KERNEL void average_pool(const window_t *w, const value_t *x, value_t *y, factor_t factor)
{
    int pixels = w->out_height * w->out_width;
    for (int pixel = 0; pixel < pixels; pixel++) {
        const value_t *corner = x + (pixel / w->out_width * w->stride_y * w->width +
                                     pixel % w->out_width * w->stride_x) * w->channels;
        for (int channel = 0; channel < w->channels; channel++) {
            sum_t sum = 0;
            for (int ky = 0; ky < w->kernel_height; ky++)
                for (int kx = 0; kx < w->kernel_width; kx++)
                    sum += corner[(ky * w->width + kx) * w->channels + channel];
            *y++ = average(sum, factor);
        }
    }
}

/* ## place: types */
/* The channels of every pixel to their place among those of a wider tensor. */
KERNEL void place(const value_t *x, value_t *y, int pixels, int channels, int wide)
{
    for (; pixels > 0; pixels--, y += wide, x += channels)
        for (int channel = 0; channel < channels; channel++)
            y[channel] = x[channel];
}

/* ## thin: types */
/* Every so many pixels, and channels of zero around those there are. */
typedef struct {
    uint16_t width, channels, out_height, out_width, out_channels, before;
    uint8_t stride_y, stride_x;
    value_t zero;
} thin_t;

KERNEL void thin(const thin_t *l, const value_t *x, value_t *y)
{
    for (int oy = 0; oy < l->out_height; oy++)
        for (int ox = 0; ox < l->out_width; ox++) {
            const value_t *from = x + (oy * l->stride_y * l->width + ox * l->stride_x) * l->channels;
            for (int channel = -l->before; channel < l->out_channels - l->before; channel++)
                *y++ = channel >= 0 && channel < l->channels ? from[channel] : l->zero;
        }
}

/* ## transpose: types */
/* Each of so many tables of rows and columns to its columns and rows. */
KERNEL void transpose(const value_t *x, value_t *y, int tables, int rows, int columns)
{
    for (; tables > 0; tables--, x += rows * columns)
        for (int column = 0; column < columns; column++)
            for (int row = 0; row < rows; row++)
                *y++ = x[row * columns + column];
}
