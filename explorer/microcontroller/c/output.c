/* ## power: */
/* The exponential function of what is not positive, within 2 units in the last place. */
INLINE float power(float x)
{
    if (!(x >= -87.0f)) /* what is no number, too */
        return 0.0f;
    int exponent = (int)(x * 1.44269504f - 0.5f);
    float r = x - (float)exponent * 0.693145752f;
    r = r - (float)exponent * 1.42860677e-6f;
    float p = 1.0f / 120.0f + r * (1.0f / 720.0f);
    p = 1.0f / 24.0f + r * p;
    p = 1.0f / 6.0f + r * p;
    p = 0.5f + r * p;
    p = 1.0f + r * (1.0f + r * p);
    union {
        uint32_t bits;
        float value;
    } scale = {(uint32_t)(exponent + 127) << 23};
    return p * scale.value;
}

/* ## logarithm: */
/* Of what is at least 1. */
INLINE float logarithm(float x)
{
    union {
        float value;
        uint32_t bits;
    } split = {x};
    int exponent = (int)(split.bits >> 23) - 127;
    split.bits = (split.bits & 0x7fffffu) | 0x3f800000u;
    float s = (split.value - 1.0f) / (split.value + 1.0f), q = s * s;
    float series = 1.0f + q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9 + q * (1.0f / 11)))));
    return (float)exponent * 0.693147181f + 2.0f * s * series;
}

/* ## label: */
KERNEL int largest(const logit_t *logits, int classes)
{
    int label = 0;
    for (int i = 1; i < classes; i++)
        label = logits[i] > logits[label] ? i : label;
    return label;
}

/* ## max_softmax: label power */
KERNEL float confidence(const logit_t *logits, int classes, int label, float factor)
{
    float sum = 0.0f;
    for (int i = 0; i < classes; i++)
        sum += power((float)(logits[i] - logits[label]) * factor);
    return 1.0f / sum;
}

/* ## margin: label power */
KERNEL float confidence(const logit_t *logits, int classes, int label, float factor)
{
    float sum = 0.0f, second = 0.0f;
    for (int i = 0; i < classes; i++) {
        float p = power((float)(logits[i] - logits[label]) * factor);
        sum += p;
        second = i != label && p > second ? p : second;
    }
    return (1.0f - second) / sum;
}

/* ## entropy: label power logarithm */
KERNEL float confidence(const logit_t *logits, int classes, int label, float factor)
{
    float sum = 0.0f, weighted = 0.0f;
    for (int i = 0; i < classes; i++) {
        float z = (float)(logits[i] - logits[label]) * factor, p = power(z);
        sum += p;
        weighted += p * z;
    }
    float sure = 1.0f - (logarithm(sum) - weighted / sum) / logarithm((float)classes);
    return sure < 0.0f ? 0.0f : sure > 1.0f ? 1.0f : sure;
}

/* ## bytes: */
INLINE uint8_t *put(uint8_t *to, uint32_t number, int bytes)
{
    for (; bytes > 0; bytes--, number >>= 8)
        *to++ = (uint8_t)(number & 0xff);
    return to;
}

INLINE uint32_t bits_of(float value)
{
    union {
        float value;
        uint32_t bits;
    } own = {value};
    return own.bits;
}

/* ## encode_32: types bytes */
KERNEL uint8_t *encode(const value_t *x, uint8_t *to, int pixels, int channels)
{
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < pixels; p++)
            to = put(to, bits_of(REAL(x[p * channels + c])), 4);
    return to;
}

/* ## encode_16: types bytes */
/* Half-precision floats, halves to even, no infinity. */
INLINE uint32_t half_of(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest >= 0x477fe000u)
        return sign | 0x7bffu;
    int exponent = (int)(rest >> 23) - 112, dropped = exponent < 1 ? 14 - exponent : 13;
    if (dropped > 24)
        return sign;
    uint32_t kept = exponent < 1 ? (rest & 0x7fffffu) | 0x800000u : rest - 0x38000000u;
    uint32_t half = kept >> dropped, lost = kept & ((1u << dropped) - 1u), middle = 1u << (dropped - 1);
    return sign | (half + (lost > middle || (lost == middle && (half & 1u))));
}

KERNEL uint8_t *encode(const value_t *x, uint8_t *to, int pixels, int channels)
{
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < pixels; p++)
            to = put(to, half_of(REAL(x[p * channels + c])), 2);
    return to;
}

/* ## codes: types bytes */
/* Values to codes from `low` on in steps, halves to even, packed without gaps, the highest bit first. */
KERNEL uint8_t *codes(const value_t *x, uint8_t *to, int pixels, int channels, const float *low, const float *step,
                      int ranges)
{
    uint32_t held = 0;
    int bits = 0;
    for (int c = 0; c < channels; c++) {
        float start = low[ranges > 1 ? c : 0], each = step[ranges > 1 ? c : 0];
        each = each > 0.0f ? each : 1.0f;
        for (int p = 0; p < pixels; p++) {
            float code = (REAL(x[p * channels + c]) - start) / each;
            code = code > 0.0f ? code : 0.0f;
            code = code < (float)((1 << PAYLOAD_BITS) - 1) ? code : (float)((1 << PAYLOAD_BITS) - 1);
            held = held << PAYLOAD_BITS | (uint32_t)((code + 12582912.0f) - 12582912.0f);
            for (bits += PAYLOAD_BITS; bits >= 8; bits -= 8)
                *to++ = (uint8_t)(held >> (bits - 8) & 0xff);
        }
    }
    if (bits > 0)
        *to++ = (uint8_t)(held << (8 - bits) & 0xff);
    return to;
}

/* ## encode_sample: codes */
KERNEL uint8_t *encode(const value_t *x, uint8_t *to, int pixels, int channels)
{
    value_t low = x[0], high = x[0];
    for (int i = 1; i < pixels * channels; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float start = REAL(low), step = (REAL(high) - start) / (float)((1 << PAYLOAD_BITS) - 1);
    to = put(put(to, bits_of(start), 4), bits_of(step), 4);
    return codes(x, to, pixels, channels, &start, &step, 1);
}

/* ## encode_integers: types */
/* The integers are the codes: their steps and the codec's are the same. */
KERNEL uint8_t *encode(const value_t *x, uint8_t *to, int pixels, int channels)
{
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < pixels; p++)
            *to++ = (uint8_t)(x[p * channels + c] + 128);
    return to;
}

/* ## frame: bytes */
/* The compact frame around a payload: 24 bytes, then the payload. */
KERNEL uint32_t checksum(uint32_t crc, const uint8_t *bytes, uint32_t length)
{
    for (crc = ~crc; length > 0; length--) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}
