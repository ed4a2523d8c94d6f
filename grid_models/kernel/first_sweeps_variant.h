/* The first iterations in single precision, compiled once for each instruction set: half the memory and twice as many
 * scenarios in a register. They only bring the voltages near; what is found is found in double precision after them.
 *
 * Currents are kept where the voltages were, and beside them only what arrives from others than the node before.
 */

#define first_lanes VARIANT(first_lanes_of)
#define loose_first_lanes VARIANT(loose_first_lanes_of)
#define first_half VARIANT(first_half_of)
#define first_mask VARIANT(first_mask_of)
#define first_state VARIANT(first_state)

/* One register has a whole block; half of it is as many scenarios as `lanes` has. */
typedef float first_lanes __attribute__((vector_size(4 * BLOCK), aligned(4 * BLOCK)));
typedef float loose_first_lanes __attribute__((vector_size(4 * BLOCK), aligned(4)));
typedef float first_half __attribute__((vector_size(4 * LANES), aligned(4 * LANES)));
typedef int32_t first_mask __attribute__((vector_size(4 * BLOCK), aligned(4 * BLOCK)));

/* Of one node: its voltages, or currents on their way; and what it gathers. */
typedef struct {
    first_lanes r, m;
} first_state;

typedef struct {
    first_state *state, *gathered;
    first_factor_of_node *node;
    first_profile_entry *entry;
    float *factor;
} VARIANT(first_sweeps);

ALWAYS lanes VARIANT(wide)(const first_lanes *x, int h) {
    return __builtin_convertvector(((const first_half *)x)[h], lanes);
}

ALWAYS void VARIANT(narrow)(first_lanes *x, int h, lanes value) {
    ((first_half *)x)[h] = __builtin_convertvector(value, first_half);
}

static void VARIANT(close_first)(VARIANT(first_sweeps) * w) {
    free(w->state), free(w->gathered), free(w->node), free(w->entry), free(w->factor);
}

/* Copies factors and profiles in single precision. stop: scenarios of the profiles; pr: NULL for none. */
static int VARIANT(open_first)(VARIANT(first_sweeps) * w, const factors *f, const profiles *pr, int64_t stop) {
    size_t n = (size_t)f->n, n_entries = pr ? (size_t)pr->start[f->n] : 0;
    size_t n_factors = pr ? (size_t)(factors_at(pr, stop - 1) / pr->stride + 1) * (size_t)pr->stride : 0;
    *w = (VARIANT(first_sweeps)){0};
    w->state = block_memory(n, sizeof *w->state);
    w->gathered = block_memory(n, sizeof *w->gathered);
    w->node = block_memory(n, sizeof *w->node);
    w->entry = block_memory(n_entries, sizeof *w->entry);
    w->factor = block_memory(n_factors, sizeof *w->factor);
    if (!w->state || !w->gathered || !w->node || !w->entry || !w->factor) return -1;
    memset(w->gathered, 0, n * sizeof *w->gathered);
    for (size_t j = 0; j < n; j++) {
        const factor_of_node *of = f->node + j;
        w->node[j] = (first_factor_of_node){.l_r = (float)of->l_r, .l_m = (float)of->l_m, .u_r = (float)of->u_r,
                                            .u_m = (float)of->u_m, .d_r = (float)of->d_r, .d_m = (float)of->d_m,
                                            .role = (int32_t)of->role};
    }
    for (size_t k = 0; k < n_entries; k++) w->entry[k] = first_entry(pr->entry + k);
    for (size_t k = 0; k < n_factors; k++) w->factor[k] = (float)pr->factor[k];
    return 0;
}

ALWAYS void VARIANT(first_power_at)(const VARIANT(first_sweeps) * w, const power_source *s, int kind, int64_t j,
                                    first_lanes *p, first_lanes *q) {
    const first_lanes zero = {0};
    if (kind == VARIANT(FACTORED)) {
        *p = *q = zero;
        const float *factor = w->factor + s->t;
        const int64_t *start = s->factored->start;
        for (const first_profile_entry *k = w->entry + start[j], *end = w->entry + start[j + 1]; k < end; k++) {
            *p += k->p_nominal * *(const loose_first_lanes *)(factor + k->p_at);
            *q += k->q_nominal * *(const loose_first_lanes *)(factor + k->q_at);
        }
    } else {
        *p = zero + (float)s->base_r[j], *q = zero + (float)s->base_m[j];
        int32_t extra = s->extra_of[j];
        if (extra < 0) return;
        for (int b = 0; b < BLOCK; b++) {
            (*p)[b] += (float)s->extra[extra].power_r[b / LANES][b % LANES];
            (*q)[b] += (float)s->extra[extra].power_m[b / LANES][b % LANES];
        }
    }
}

/* As sweep_up. */
ALWAYS void VARIANT(first_sweep_up)(const VARIANT(first_sweeps) * w, const factors *f, const power_source *source,
                                    int kind) {
    const first_lanes zero = {0}, one = zero + 1.0f;
    const first_factor_of_node *restrict node = w->node;
    first_state *restrict state = w->state, *restrict gathered = w->gathered;
    const power_source here = *source;
    const VARIANT(first_sweeps) sweeps = *w;
    const int64_t n = f->n;
    const factor_link *link = f->up;
    first_lanes xr = zero, xm = zero;
    for (int64_t j = 0; j < n; j++) {
        const int32_t role = node[j].role;
        first_lanes p, q, vr = state[j].r, vm = state[j].m, inverse = one / (vr * vr + vm * vm);
        VARIANT(first_power_at)(&sweeps, &here, kind, j, &p, &q);
        first_lanes sr = p * inverse, sm = q * inverse;
        first_lanes ir = sr * vr + sm * vm, im = sr * vm - sm * vr;
        if (role & GATHERS) {
            ir += gathered[j].r, im += gathered[j].m;
            gathered[j] = (first_state){zero, zero};
        }
        if (role & FED) ir += (float)f->c_r[j], im += (float)f->c_m[j];
        if (role & FROM_BEFORE) {
            const float lr = node[j - 1].l_r, lm = node[j - 1].l_m;
            first_lanes before_r = xr, before_m = xm;
            xr = (ir - lr * before_r) + lm * before_m;
            xm = (im - lr * before_m) - lm * before_r;
        } else {
            xr = ir, xm = im;
        }
        state[j] = (first_state){xr, xm};
        if (role & PASSES_ELSEWHERE)
            do {
                first_state *to = gathered + link->other;
                float r = (float)link->r, m = (float)link->m;
                __builtin_prefetch(gathered + link[LINKS_AHEAD].other, 1);
                to->r -= r * xr - m * xm;
                to->m -= r * xm + m * xr;
            } while ((++link)->node == j);
    }
}

/* As sweep_down, without a step. */
ALWAYS void VARIANT(first_sweep_down)(const VARIANT(first_sweeps) * w, const factors *f) {
    const first_factor_of_node *restrict node = w->node;
    first_state *restrict state = w->state;
    const factor_link *link = f->down;
    first_lanes vr = {0}, vm = {0};
    for (int64_t j = f->n - 1; j >= 0; j--) {
        const int32_t role = node[j].role;
        const float dr = node[j].d_r, dm = node[j].d_m;
        first_lanes xr = state[j].r, xm = state[j].m;
        first_lanes yr = xr * dr - xm * dm, ym = xr * dm + xm * dr;
        if (role & HANGS_ELSEWHERE)
            do {
                link--;
                const first_state *from = state + link->other;
                float ur = (float)link->r, um = (float)link->m;
                __builtin_prefetch(state + link[-LINKS_AHEAD].other);
                yr -= ur * from->r - um * from->m;
                ym -= ur * from->m + um * from->r;
            } while (link[-1].node == j);
        if (role & HANGS_ON_NEXT) {
            const float ur = node[j].u_r, um = node[j].u_m;
            first_lanes next_r = vr, next_m = vm;
            vr = (yr - ur * next_r) + um * next_m;
            vm = (ym - ur * next_m) - um * next_r;
        } else {
            vr = yr, vm = ym;
        }
        state[j] = (first_state){vr, vm};
    }
}

/* Starts the lanes at the voltages v, which are the same for all. */
static void VARIANT(restart_first)(VARIANT(first_sweeps) * w, int64_t n, const double *v_r, const double *v_m,
                                   first_mask chosen) {
    const first_lanes zero = {0};
    for (int64_t j = 0; j < n; j++) {
        first_mask r = (first_mask)(zero + (float)v_r[j]), m = (first_mask)(zero + (float)v_m[j]);
        w->state[j].r = (first_lanes)((r & chosen) | ((first_mask)w->state[j].r & ~chosen));
        w->state[j].m = (first_lanes)((m & chosen) | ((first_mask)w->state[j].m & ~chosen));
    }
}

/* Iterates from where the state is. Lanes that leave all reason start again at v: single precision must not decide that
 * there is no solution. */
ALWAYS void VARIANT(approach)(VARIANT(first_sweeps) * w, const factors *f, const power_source *source, int kind,
                              const double *v_r, const double *v_m) {
    for (int i = 0; i < FIRST_ITERATIONS; i++) {
        VARIANT(first_sweep_up)(w, f, source, kind);
        VARIANT(first_sweep_down)(w, f);
    }
    const first_lanes zero = {0};
    first_mask good = (first_mask)(zero == zero);
    for (int64_t j = 0; j < f->n; j++) {
        first_lanes v2 = w->state[j].r * w->state[j].r + w->state[j].m * w->state[j].m;
        good &= (first_mask)(v2 > 0.01f) & (first_mask)(v2 < 25.0f);
    }
    int all = 1;
    for (int b = 0; b < BLOCK; b++) all &= good[b] != 0;
    if (!all) VARIANT(restart_first)(w, f->n, v_r, v_m, ~good);
}
