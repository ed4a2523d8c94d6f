/* Iterations in single precision, compiled once for each instruction set: half the memory and twice as many scenarios in
 * a register. The first only bring the voltages near; one in double precision follows; and where its step is small, the
 * next steps are found in single precision again, to some six digits of what is small itself.
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
    first_state *state, *gathered, *step;
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

/* The larger of each. */
ALWAYS first_lanes VARIANT(larger_first)(first_lanes a, first_lanes b) {
    first_mask of_a = (first_mask)(a > b);
    return (first_lanes)(((first_mask)a & of_a) | ((first_mask)b & ~of_a));
}

static void VARIANT(close_first)(VARIANT(first_sweeps) * w) {
    free(w->state), free(w->gathered), free(w->step), free(w->node), free(w->entry), free(w->factor);
}

/* Copies factors and profiles in single precision. stop: scenarios of the profiles; pr: NULL for none. */
static int VARIANT(open_first)(VARIANT(first_sweeps) * w, const factors *f, const profiles *pr, int64_t stop) {
    size_t n = (size_t)f->n, n_entries = pr ? (size_t)pr->start[f->n] : 0;
    size_t n_factors = pr ? (size_t)(factors_at(pr, stop - 1) / pr->stride + 1) * (size_t)pr->stride : 0;
    *w = (VARIANT(first_sweeps)){0};
    w->state = block_memory(n, sizeof *w->state);
    w->gathered = block_memory(n, sizeof *w->gathered);
    w->step = block_memory(n, sizeof *w->step);
    w->node = block_memory(n, sizeof *w->node);
    w->entry = block_memory(n_entries, sizeof *w->entry);
    w->factor = block_memory(n_factors, sizeof *w->factor);
    if (!w->state || !w->gathered || !w->step || !w->node || !w->entry || !w->factor) return -1;
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

/* As sweep_up, of the currents or, if of_step, of how they change with a step; what goes up is left in state or step. */
ALWAYS void VARIANT(first_sweep_up)(const VARIANT(first_sweeps) * w, const factors *f, const power_source *source,
                                    int kind, int of_step) {
    const first_lanes zero = {0}, one = zero + 1.0f;
    const first_factor_of_node *restrict node = w->node;
    first_state *restrict state = w->state, *restrict gathered = w->gathered, *restrict step = w->step;
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
        if (of_step) {
            /* I = conj(S / V), so dI = -I conj(dV / V). */
            first_lanes er = step[j].r, em = step[j].m;
            first_lanes tr = (er * vr + em * vm) * inverse, tm = (em * vr - er * vm) * inverse;
            first_lanes dr = -(ir * tr + im * tm), dm = ir * tm - im * tr;
            ir = dr, im = dm;
        }
        if (role & GATHERS) {
            ir += gathered[j].r, im += gathered[j].m;
            gathered[j] = (first_state){zero, zero};
        }
        if (!of_step && role & FED) ir += (float)f->c_r[j], im += (float)f->c_m[j];
        if (role & FROM_BEFORE) {
            const float lr = node[j - 1].l_r, lm = node[j - 1].l_m;
            first_lanes before_r = xr, before_m = xm;
            xr = (ir - lr * before_r) + lm * before_m;
            xm = (im - lr * before_m) - lm * before_r;
        } else {
            xr = ir, xm = im;
        }
        if (of_step) step[j] = (first_state){xr, xm};
        else state[j] = (first_state){xr, xm};
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

/* As sweep_down. of: the state, or the step; then exact takes it in its active lanes, and within says where it was small. */
ALWAYS void VARIANT(first_sweep_down)(const VARIANT(first_sweeps) * w, const factors *f, first_state *restrict state,
                                      node_state *restrict exact, const lane_mask *active, double tolerance2,
                                      lane_mask *within) {
    const first_factor_of_node *restrict node = w->node;
    first_lanes largest2 = {0};
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
        if (!exact) continue;
        first_lanes step2 = vr * vr + vm * vm;
        largest2 = VARIANT(larger_first)(step2, largest2);
        EACH_HALF {
            const lanes none = {0};
            exact[j].v_r[h] += VARIANT(choose)(active[h], VARIANT(wide)(&vr, h), none);
            exact[j].v_m[h] += VARIANT(choose)(active[h], VARIANT(wide)(&vm, h), none);
        }
    }
    if (exact) EACH_HALF within[h] = (lane_mask)(VARIANT(wide)(&largest2, h) <= tolerance2);
}

/* The change of the currents with the last step, and the step that follows from it. */
ALWAYS void VARIANT(step_up)(const VARIANT(first_sweeps) * w, const factors *f, const power_source *source, int kind) {
    VARIANT(first_sweep_up)(w, f, source, kind, 1);
}

ALWAYS void VARIANT(step_down)(const VARIANT(first_sweeps) * w, const factors *f, node_state *restrict exact,
                               const lane_mask *active, double tolerance2, lane_mask *within) {
    VARIANT(first_sweep_down)(w, f, w->step, exact, active, tolerance2, within);
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
        VARIANT(first_sweep_up)(w, f, source, kind, 0);
        VARIANT(first_sweep_down)(w, f, w->state, NULL, NULL, 0, NULL);
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
