/* Steps of training a D -> h -> C head: products in bfloat16, everything else in float32.
 * The first matrix may have connections that are off, or a gate on every input (a factor of its row).
 *
 * Needs AVX-512 F, BW, VL and BF16. One thread; the order of all sums is fixed, so the
 * result depends on the arguments alone. The forward weights are kept a second time in
 * bfloat16, two rows interleaved and in panels of 32 columns, as the dot-product
 * instruction wants them; the backward product, the optimizer and this copy are one pass.
 */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t rows;          /* rows of this call, n */
    int64_t inputs;        /* d, a multiple of 4 */
    int64_t units;         /* h, a multiple of 64 */
    int64_t classes;       /* C */
    int64_t batch;         /* rows a step */
    int64_t step;          /* steps made before this call */
    int32_t adam;          /* 1: Adam, 0: SGD with momentum */
    int32_t nesterov;
    int32_t squared;       /* 1: squared error, 0: cross entropy of the softmax */
    float momentum;        /* beta 1 for Adam */
    float beta2, epsilon;  /* Adam */
    float gate_rate;       /* of the gates, in units of the weights' */
    float gate_scale;      /* another factor of the gated rows, which is not trained */
    float gate_penalty;    /* of the sum of the gates' sizes, in the loss */
    const uint16_t *features;  /* [N, d] bfloat16 */
    const uint16_t *keep;      /* [n or more, d], 0 or 0xffff, by place, or NULL */
    const float *targets;      /* [N, C] */
    const float *weights;      /* [N], what a row counts, or NULL */
    const int64_t *order;      /* [n], rows of features and targets */
    const double *rates;       /* [steps] */
    float *first, *first_a, *first_b;    /* [d, h]: weights, momentum (mean), Adam's square */
    float *output, *output_a, *output_b; /* [C, h] */
    float *bias, *bias_a, *bias_b;       /* [C] */
    float *gates, *gates_a, *gates_b;    /* [d], or NULL */
    const uint16_t *mask;      /* [d, h / 16], a bit for each connection that is on, or NULL */
    uint32_t *panels;          /* [h / 32, d / 2, 32]: first, gated, interleaved bfloat16 */
    float *logits;             /* [n, C], in the order of the steps, or NULL */
} Epoch;

static inline __m512i interleave(__m512 even, __m512 odd) {
    __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
    __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

typedef struct {
    __m512 momentum, rate, one_minus, beta2, one_minus2, correct2, epsilon;
    int adam, first;
} Rule;

static Rule make_rule(const Epoch *e, int64_t step, double rate) {
    Rule r;
    r.adam = e->adam;
    r.first = step == 0;
    r.momentum = _mm512_set1_ps(e->momentum);
    if (e->adam) {
        double c1 = 1 - pow(e->momentum, (double)(step + 1)), c2 = 1 - pow(e->beta2, (double)(step + 1));
        r.rate = _mm512_set1_ps((float)(rate / c1));
        r.correct2 = _mm512_set1_ps((float)(1 / sqrt(c2)));
    } else {
        r.rate = _mm512_set1_ps((float)rate);
        r.correct2 = _mm512_setzero_ps();
    }
    r.one_minus = _mm512_set1_ps((float)(1.0 - (double)e->momentum));
    r.beta2 = _mm512_set1_ps(e->beta2);
    r.one_minus2 = _mm512_set1_ps((float)(1.0 - (double)e->beta2));
    r.epsilon = _mm512_set1_ps(e->epsilon);
    return r;
}

/* New weights from old ones and their gradient; the optimizer's state is updated in place. */
static inline __m512 update(const Rule *r, int nesterov, __m512 w, __m512 g, float *a, float *b) {
    if (r->adam) {
        __m512 m = _mm512_fmadd_ps(r->one_minus, _mm512_sub_ps(g, _mm512_loadu_ps(a)), _mm512_loadu_ps(a));
        __m512 v = _mm512_fmadd_ps(r->one_minus2, _mm512_mul_ps(g, g), _mm512_mul_ps(r->beta2, _mm512_loadu_ps(b)));
        _mm512_storeu_ps(a, m);
        _mm512_storeu_ps(b, v);
        __m512 denominator = _mm512_fmadd_ps(_mm512_sqrt_ps(v), r->correct2, r->epsilon);
        return _mm512_fnmadd_ps(r->rate, _mm512_div_ps(m, denominator), w);
    }
    __m512 v = r->first ? g : _mm512_fmadd_ps(r->momentum, _mm512_loadu_ps(a), g);
    _mm512_storeu_ps(a, v);
    __m512 direction = nesterov ? _mm512_fmadd_ps(r->momentum, v, g) : v;
    return _mm512_fnmadd_ps(r->rate, direction, w);
}

/* out[8, 32] = relu(x[8, d] @ panel), x rows `stride` pairs apart. */
static inline void forward_tile(const uint32_t *x, int64_t stride, const uint32_t *panel, int64_t pairs, float *out, int64_t units) {
    __m512 s[8][2];
    for (int i = 0; i < 8; i++) s[i][0] = s[i][1] = _mm512_setzero_ps();
    for (int64_t k = 0; k < pairs; k++) {
        __m512bh w0 = (__m512bh)_mm512_loadu_si512(panel + 32 * k), w1 = (__m512bh)_mm512_loadu_si512(panel + 32 * k + 16);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            __m512bh a = (__m512bh)_mm512_set1_epi32((int)x[i * stride + k]);
            s[i][0] = _mm512_dpbf16_ps(s[i][0], a, w0);
            s[i][1] = _mm512_dpbf16_ps(s[i][1], a, w1);
        }
    }
    __m512 zero = _mm512_setzero_ps();
    for (int i = 0; i < 8; i++) {
        _mm512_storeu_ps(out + i * units, _mm512_max_ps(s[i][0], zero));
        _mm512_storeu_ps(out + i * units + 16, _mm512_max_ps(s[i][1], zero));
    }
}

/* Copy the rows of a step: [B, d] as they are, and transposed pairs of rows [B / 2, d]. */
static void gather(const Epoch *e, int64_t start, int64_t count, int64_t padded, uint16_t *x, uint32_t *xp) {
    int64_t d = e->inputs;
    for (int64_t b = 0; b < padded; b++) {
        uint16_t *to = x + b * d;
        if (b >= count) { memset(to, 0, 2 * d); continue; }
        const uint16_t *from = e->features + e->order[start + b] * d;
        if (e->keep) {
            const uint16_t *keep = e->keep + (start + b) * d;
            for (int64_t k = 0; k < d; k++) to[k] = from[k] & keep[k];
        } else memcpy(to, from, 2 * d);
    }
    for (int64_t b = 0; b < padded; b += 2)
        for (int64_t k = 0; k < d; k++) xp[(b / 2) * d + k] = (uint32_t)x[b * d + k] | ((uint32_t)x[(b + 1) * d + k] << 16);
}

static inline float sum_of(__m512 v) { return _mm512_reduce_add_ps(v); }

/* delta = weight (softmax(logits) - target) / count, or weight 2 (logits - target) / (C count); rows above count are 0. */
static void output_layer(const Epoch *e, int64_t start, int64_t count, int64_t padded, const float *top, float *delta) {
    int64_t h = e->units, c = e->classes;
    memset(delta, 0, sizeof(float) * padded * c);
    for (int64_t b = 0; b < count; b++) {
        float *z = delta + b * c, largest = -INFINITY, total = 0;
        const float *a = top + b * h;
        for (int64_t j = 0; j < c; j++) {
            const float *w = e->output + j * h;
            __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
            for (int64_t k = 0; k < h; k += 64) {
                s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + k), _mm512_loadu_ps(w + k), s0);
                s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + k + 16), _mm512_loadu_ps(w + k + 16), s1);
                s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + k + 32), _mm512_loadu_ps(w + k + 32), s2);
                s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + k + 48), _mm512_loadu_ps(w + k + 48), s3);
            }
            z[j] = e->bias[j] + sum_of(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
        }
        if (e->logits) memcpy(e->logits + (start + b) * c, z, sizeof(float) * c);
        const float *t = e->targets + e->order[start + b] * c, weight = e->weights ? e->weights[e->order[start + b]] : 1;
        if (e->squared) {
            for (int64_t j = 0; j < c; j++) z[j] = 2 * (z[j] - t[j]) * weight / (float)(c * count);
            continue;
        }
        for (int64_t j = 0; j < c; j++) largest = z[j] > largest ? z[j] : largest;
        for (int64_t j = 0; j < c; j++) total += z[j] = expf(z[j] - largest);
        for (int64_t j = 0; j < c; j++) z[j] = (z[j] / total - t[j]) * weight / (float)count;
    }
}

/* Gradient of the hidden sums, as interleaved pairs of rows in panels of 64 columns [h / 64, B / 2, 64]. */
static void hidden_gradient(const Epoch *e, int64_t padded, const float *top, const float *delta, uint32_t *back) {
    int64_t h = e->units, c = e->classes;
    __m512 zero = _mm512_setzero_ps();
    for (int64_t b = 0; b < padded; b += 2)
        for (int64_t k = 0; k < h; k += 16) {
            __m512 even = zero, odd = zero;
            for (int64_t j = 0; j < c; j++) {
                __m512 w = _mm512_loadu_ps(e->output + j * h + k);
                even = _mm512_fmadd_ps(_mm512_set1_ps(delta[b * c + j]), w, even);
                odd = _mm512_fmadd_ps(_mm512_set1_ps(delta[(b + 1) * c + j]), w, odd);
            }
            __mmask16 m0 = _mm512_cmp_ps_mask(_mm512_loadu_ps(top + b * h + k), zero, _CMP_GT_OQ);
            __mmask16 m1 = _mm512_cmp_ps_mask(_mm512_loadu_ps(top + (b + 1) * h + k), zero, _CMP_GT_OQ);
            __m512i pair = interleave(_mm512_maskz_mov_ps(m0, even), _mm512_maskz_mov_ps(m1, odd));
            _mm512_storeu_si512(back + ((k / 64) * (padded / 2) + b / 2) * 64 + k % 64, pair);
        }
}

static void update_output(const Epoch *e, const Rule *r, int64_t count, const float *top, const float *delta) {
    int64_t h = e->units, c = e->classes;
    for (int64_t j = 0; j < c; j++)
        for (int64_t k = 0; k < h; k += 64) {
            __m512 g[4];
            for (int i = 0; i < 4; i++) g[i] = _mm512_setzero_ps();
            for (int64_t b = 0; b < count; b++) {
                __m512 s = _mm512_set1_ps(delta[b * c + j]);
                for (int i = 0; i < 4; i++) g[i] = _mm512_fmadd_ps(s, _mm512_loadu_ps(top + b * h + k + 16 * i), g[i]);
            }
            for (int i = 0; i < 4; i++) {
                int64_t at = j * h + k + 16 * i;
                __m512 w = update(r, e->nesterov, _mm512_loadu_ps(e->output + at), g[i], e->output_a + at, e->output_b + at);
                _mm512_storeu_ps(e->output + at, w);
            }
        }
    for (int64_t j = 0; j < c; j++) {
        float g[16] = {0}, w[16] = {0}, a[16] = {0}, b[16] = {0};
        for (int64_t i = 0; i < count; i++) g[0] += delta[i * c + j];
        w[0] = e->bias[j]; a[0] = e->bias_a[j]; b[0] = e->bias_b[j];
        _mm512_storeu_ps(w, update(r, e->nesterov, _mm512_loadu_ps(w), _mm512_loadu_ps(g), a, b));
        e->bias[j] = w[0]; e->bias_a[j] = a[0]; e->bias_b[j] = b[0];
    }
}

/* The copy of four rows of 16 columns. */
static inline void pack_rows(const Epoch *e, int64_t row, int64_t column, const __m512 *w) {
    uint32_t *to = e->panels + ((column / 32) * (e->inputs / 2) + row / 2) * 32 + column % 32;
    _mm512_storeu_si512(to, interleave(w[0], w[1]));
    _mm512_storeu_si512(to + 32, interleave(w[2], w[3]));
}

/* The copy of four whole rows, gated. */
static void pack_gated(const Epoch *e, int64_t row) {
    for (int64_t column = 0; column < e->units; column += 16) {
        __m512 w[4];
        for (int i = 0; i < 4; i++) {
            __m512 factor = _mm512_set1_ps(e->gates[row + i] * e->gate_scale);
            w[i] = _mm512_mul_ps(_mm512_loadu_ps(e->first + (row + i) * e->units + column), factor);
        }
        pack_rows(e, row, column, w);
    }
}

/* Four gates; `slopes` are the sums over columns of a row's weights times the gradients of what they are in the product. */
static void update_gates(const Epoch *e, const Rule *r, int64_t row, const __m512 *slopes) {
    float g[16] = {0}, w[16] = {0}, a[16] = {0}, b[16] = {0};
    for (int i = 0; i < 4; i++) {
        w[i] = e->gates[row + i]; a[i] = e->gates_a[row + i]; b[i] = e->gates_b[row + i];
        g[i] = sum_of(slopes[i]) * e->gate_scale + e->gate_penalty * (float)((w[i] > 0) - (w[i] < 0));
    }
    _mm512_storeu_ps(w, update(r, e->nesterov, _mm512_loadu_ps(w), _mm512_loadu_ps(g), a, b));
    for (int i = 0; i < 4; i++) { e->gates[row + i] = w[i]; e->gates_a[row + i] = a[i]; e->gates_b[row + i] = b[i]; }
}

/* Four rows of the first matrix, all columns: gradient, optimizer, interleaved copy. */
static void update_rows(const Epoch *e, const Rule *r, const Rule *of_gates, int64_t row, int64_t padded, const uint32_t *xp, const uint32_t *back) {
    int64_t h = e->units, d = e->inputs, pairs = padded / 2;
    __m512 slopes[4], factors[4];
    for (int i = 0; i < 4; i++) {
        slopes[i] = _mm512_setzero_ps();
        factors[i] = _mm512_set1_ps(e->gates ? e->gates[row + i] * e->gate_scale : 1);
    }
    for (int64_t k = 0; k < h; k += 64) {
        const uint32_t *panel = back + (k / 64) * pairs * 64;
        __m512 g[4][4];
        for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) g[i][j] = _mm512_setzero_ps();
        for (int64_t p = 0; p < pairs; p++) {
            __m512bh z[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) z[j] = (__m512bh)_mm512_loadu_si512(panel + 64 * p + 16 * j);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                __m512bh a = (__m512bh)_mm512_set1_epi32((int)xp[p * d + row + i]);
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++) g[i][j] = _mm512_dpbf16_ps(g[i][j], a, z[j]);
            }
        }
        for (int j = 0; j < 4; j++) {
            int64_t column = k + 16 * j;
            __m512 w[4];
            for (int i = 0; i < 4; i++) {
                int64_t at = (row + i) * h + column;
                __m512 old = _mm512_loadu_ps(e->first + at), slope = g[i][j];
                if (e->gates) {
                    slopes[i] = _mm512_fmadd_ps(slope, old, slopes[i]);
                    slope = _mm512_mul_ps(slope, factors[i]);
                }
                __mmask16 on = e->mask ? e->mask[at / 16] : 0xffff;
                slope = _mm512_maskz_mov_ps(on, slope);
                w[i] = _mm512_maskz_mov_ps(on, update(r, e->nesterov, old, slope, e->first_a + at, e->first_b + at));
                _mm512_storeu_ps(e->first + at, w[i]);
            }
            if (!e->gates) pack_rows(e, row, column, w);
        }
    }
    if (!e->gates) return;
    update_gates(e, of_gates, row, slopes);
    pack_gated(e, row);
}

/* Fill the interleaved copy from the weights. */
void evoprune_pack(const Epoch *e) {
    for (int64_t row = 0; row < e->inputs; row += 4) {
        if (e->gates) { pack_gated(e, row); continue; }
        for (int64_t column = 0; column < e->units; column += 16) {
            __m512 w[4];
            for (int i = 0; i < 4; i++) w[i] = _mm512_loadu_ps(e->first + (row + i) * e->units + column);
            pack_rows(e, row, column, w);
        }
    }
}

/* Checked when the library is loaded: both sides must mean the same structure. */
int64_t evoprune_size(void) { return (int64_t)sizeof(Epoch); }

/* Run the steps of `rows` rows. Returns 0, or 1 where memory could not be had. */
int evoprune_epoch(const Epoch *e) {
    int64_t d = e->inputs, h = e->units, c = e->classes, most = (e->batch + 7) / 8 * 8;
    uint16_t *x = aligned_alloc(64, (2 * most * d + 127) / 64 * 64);
    uint32_t *xp = aligned_alloc(64, (2 * most * d + 127) / 64 * 64);
    float *top = aligned_alloc(64, sizeof(float) * most * h);
    float *delta = aligned_alloc(64, (sizeof(float) * most * c + 127) / 64 * 64);
    uint32_t *back = aligned_alloc(64, 2 * most * h);
    int failed = !x || !xp || !top || !delta || !back;
    for (int64_t start = 0, s = 0; !failed && start < e->rows; start += e->batch, s++) {
        int64_t count = e->rows - start < e->batch ? e->rows - start : e->batch, padded = (count + 7) / 8 * 8;
        Rule rule = make_rule(e, e->step + s, e->rates[s]), of_gates = make_rule(e, e->step + s, e->rates[s] * e->gate_rate);
        gather(e, start, count, padded, x, xp);
        for (int64_t column = 0; column < h; column += 32)
            for (int64_t b = 0; b < padded; b += 8)
                forward_tile((const uint32_t *)(x + b * d), d / 2, e->panels + (column / 32) * (d / 2) * 32, d / 2, top + b * h + column, h);
        output_layer(e, start, count, padded, top, delta);
        hidden_gradient(e, padded, top, delta, back);
        update_output(e, &rule, count, top, delta);
        for (int64_t row = 0; row < d; row += 4) update_rows(e, &rule, &of_gates, row, padded, xp, back);
    }
    free(x); free(xp); free(top); free(delta); free(back);
    return failed;
}
