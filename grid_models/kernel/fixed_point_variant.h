/* The kernel's code, compiled once for each instruction set: VARIANT(name) gives the functions their names, LANES is the
 * number of scenarios that one register holds. HALVES registers side by side make a block: each node waits for the one
 * before it, and the halves fill each other's waiting. (Vectors twice as wide as a register would be split by the
 * compiler, comparisons of them even into single numbers.)
 *
 * Constant-matrix fixed point V <- Y^-1 (c + conj(S(V) / V)): one sparse factorisation, then a forward and a backward
 * sweep an iteration, the first of them in single precision (first_sweeps_variant.h). A lane that has converged keeps
 * its voltages, so that its result does not depend on its company.
 */

#define ALWAYS static inline __attribute__((always_inline))
#define lanes VARIANT(lanes_of)
#define loose_lanes VARIANT(loose_lanes_of)
#define lane_mask VARIANT(lane_mask_of)

#define BLOCK (LANES * HALVES)

typedef double lanes __attribute__((vector_size(8 * LANES), aligned(8 * LANES)));
typedef double loose_lanes __attribute__((vector_size(8 * LANES), aligned(8)));
typedef int64_t lane_mask __attribute__((vector_size(8 * LANES), aligned(8 * LANES)));

ALWAYS lanes VARIANT(choose)(lane_mask mask, lanes yes, lanes no) {
    return (lanes)(((lane_mask)yes & mask) | ((lane_mask)no & ~mask));
}

ALWAYS int VARIANT(any)(lane_mask mask) {
#if LANES == 4 && defined(__AVX2__)
    typedef long long whole __attribute__((vector_size(32)));
    return !__builtin_ia32_ptestz256((whole)mask, (whole)mask);
#else
    int64_t all = 0;
    for (int b = 0; b < LANES; b++) all |= mask[b];
    return all != 0;
#endif
}

ALWAYS lanes VARIANT(root)(lanes x) {
    lanes r;
    for (int b = 0; b < LANES; b++) r[b] = sqrt(x[b]);
    return r;
}

ALWAYS lanes VARIANT(larger)(lanes a, lanes b) {
#if LANES == 4 && defined(__AVX2__)
    return (lanes)__builtin_ia32_maxpd256(a, b);
#else
    return VARIANT(choose)(a > b, a, b);
#endif
}

/* One node's numbers in a block. What is swept again and again must be small: the processor waits for memory. */
typedef struct {
    lanes v_r[HALVES], v_m[HALVES];
} VARIANT(node_state);
typedef struct {
    lanes x_r[HALVES], x_m[HALVES];
} VARIANT(node_current);
typedef struct {
    lanes power_r[HALVES], power_m[HALVES];
} VARIANT(node_power);
typedef struct {
    lanes current_r[HALVES], current_m[HALVES], impedance_r[HALVES], impedance_m[HALVES];
} VARIANT(node_dependent);
#define node_state VARIANT(node_state)
#define node_current VARIANT(node_current)
#define node_dependent VARIANT(node_dependent)
#define node_power VARIANT(node_power)
#define power_source VARIANT(power_source)
#define EACH_HALF _Pragma("GCC unroll 4") for (int h = 0; h < HALVES; h++)

/* Where the injections of scenarios come from: given for each; from factored profiles; or the same base for all
 * and something extra at few nodes (extra_of: its place, -1 for none). */
enum { VARIANT(GIVEN), VARIANT(FACTORED), VARIANT(BASE) };
typedef struct {
    const node_power *given;
    const profiles *factored;
    int64_t t; /* where their factors begin */
    const double *base_r, *base_m;
    const int32_t *extra_of;
    const node_power *extra;
} VARIANT(power_source);

ALWAYS void VARIANT(power_at)(const power_source *s, int kind, int64_t j, lanes p[HALVES], lanes q[HALVES]) {
    const lanes zero = {0};
    if (kind == VARIANT(GIVEN)) {
        EACH_HALF p[h] = s->given[j].power_r[h], q[h] = s->given[j].power_m[h];
    } else if (kind == VARIANT(FACTORED)) {
        const profiles *f = s->factored;
        EACH_HALF p[h] = q[h] = zero;
        const double *factor = f->factor + s->t;
        for (const profile_entry *k = f->entry + f->start[j], *end = f->entry + f->start[j + 1]; k < end; k++) {
            const double *of_p = factor + k->p_at, *of_q = factor + k->q_at;
            EACH_HALF {
                p[h] += k->p_nominal * *(const loose_lanes *)(of_p + h * LANES);
                q[h] += k->q_nominal * *(const loose_lanes *)(of_q + h * LANES);
            }
        }
    } else {
        EACH_HALF p[h] = zero + s->base_r[j], q[h] = zero + s->base_m[j];
        int32_t extra = s->extra_of[j];
        if (extra >= 0) EACH_HALF p[h] += s->extra[extra].power_r[h], q[h] += s->extra[extra].power_m[h];
    }
}

#include "first_sweeps_variant.h"

/* Currents at all nodes, and on up the elimination tree: x = L^-1 (c + conj(S / V)). Along a line each node's parent is
 * the next one, so what it passes on stays in registers: through memory each node would wait for the one before it.
 * old: voltages from which the currents follow, which then are kept in state where their own voltages would be; NULL: they
 * follow from the voltages in state and are kept in current. */
ALWAYS void VARIANT(sweep_up)(const factors *f, node_state *restrict state, node_current *restrict current,
                              const first_state *old, const power_source *source, int kind,
                              const node_dependent *dependent) {
    const lanes zero = {0}, one = zero + 1.0;
    const factor_of_node *restrict node = f->node;
    const power_source here = *source;
    const int64_t n = f->n;
    const factor_link *link = f->up;
    lanes xr[HALVES], xm[HALVES];
    EACH_HALF xr[h] = xm[h] = zero;
    for (int64_t j = 0; j < n; j++) {
        node_state *restrict a = state + j;
        node_current *restrict x = current + j;
        const factor_of_node *restrict of = node + j;
        const int64_t role = of->role;
        lanes p[HALVES], q[HALVES], ir[HALVES], im[HALVES];
        VARIANT(power_at)(&here, kind, j, p, q);
        EACH_HALF {
            lanes vr = old ? VARIANT(wide)(&old[j].r, h) : a->v_r[h];
            lanes vm = old ? VARIANT(wide)(&old[j].m, h) : a->v_m[h];
            lanes w = one / (vr * vr + vm * vm);
            lanes sr = p[h] * w, sm = q[h] * w;
            if (dependent) {
                const node_dependent *z = dependent + j;
                lanes root = VARIANT(root)(w);
                sr += z->current_r[h] * root + z->impedance_r[h];
                sm += z->current_m[h] * root + z->impedance_m[h];
            }
            ir[h] = sr * vr + sm * vm;
            im[h] = sr * vm - sm * vr;
        }
        if (role & GATHERS) {
            EACH_HALF ir[h] += x->x_r[h], im[h] += x->x_m[h];
            if (old) EACH_HALF x->x_r[h] = x->x_m[h] = zero;
        }
        if (role & FED) EACH_HALF ir[h] += f->c_r[j], im[h] += f->c_m[j];
        if (role & FROM_BEFORE) {
            const double lr = of[-1].l_r, lm = of[-1].l_m;
            EACH_HALF {
                lanes before_r = xr[h], before_m = xm[h];
                xr[h] = (ir[h] - lr * before_r) + lm * before_m;
                xm[h] = (im[h] - lr * before_m) - lm * before_r;
            }
        } else {
            EACH_HALF xr[h] = ir[h], xm[h] = im[h];
        }
        if (old) EACH_HALF a->v_r[h] = xr[h], a->v_m[h] = xm[h];
        else EACH_HALF x->x_r[h] = xr[h], x->x_m[h] = xm[h];
        if (role & PASSES_ELSEWHERE)
            do {
                node_current *to = current + link->other;
                double r = link->r, m = link->m;
                __builtin_prefetch(current + link[LINKS_AHEAD].other, 1);
                EACH_HALF {
                    to->x_r[h] -= r * xr[h] - m * xm[h];
                    to->x_m[h] -= r * xm[h] + m * xr[h];
                }
            } while ((++link)->node == j);
    }
}

/* Voltages down the tree: V = U^-1 x, where the rows of U are divided by its diagonal. Active lanes take them.
 * first: if the currents are in state, all lanes take their voltages, and first->step keeps the step from the state of the
 * first sweeps; or NULL. */
ALWAYS void VARIANT(sweep_down)(const factors *f, node_state *restrict state, node_current *restrict current,
                                const VARIANT(first_sweeps) * first, const lane_mask active[HALVES],
                                double tolerance2, lane_mask within[HALVES]) {
    const lanes zero = {0};
    const factor_of_node *restrict node = f->node;
    const factor_link *link = f->down;
    lanes vr[HALVES], vm[HALVES], step2[HALVES];
    EACH_HALF step2[h] = vr[h] = vm[h] = zero;
    for (int64_t j = f->n - 1; j >= 0; j--) {
        node_state *restrict a = state + j;
        node_current *restrict x = current + j;
        const factor_of_node *restrict of = node + j;
        const int64_t role = of->role;
        const double dr = of->d_r, dm = of->d_m;
        lanes yr[HALVES], ym[HALVES];
        EACH_HALF {
            lanes xr = first ? a->v_r[h] : x->x_r[h], xm = first ? a->v_m[h] : x->x_m[h];
            yr[h] = xr * dr - xm * dm;
            ym[h] = xr * dm + xm * dr;
        }
        if (role & HANGS_ELSEWHERE)
            do {
                link--;
                const node_state *from = state + link->other;
                double ur = link->r, um = link->m;
                __builtin_prefetch(state + link[-LINKS_AHEAD].other);
                EACH_HALF {
                    yr[h] -= ur * from->v_r[h] - um * from->v_m[h];
                    ym[h] -= ur * from->v_m[h] + um * from->v_r[h];
                }
            } while (link[-1].node == j);
        if (role & HANGS_ON_NEXT) {
            const double ur = of->u_r, um = of->u_m;
            EACH_HALF {
                lanes next_r = vr[h], next_m = vm[h];
                vr[h] = (yr[h] - ur * next_r) + um * next_m;
                vm[h] = (ym[h] - ur * next_m) - um * next_r;
            }
        } else {
            EACH_HALF vr[h] = yr[h], vm[h] = ym[h];
        }
        EACH_HALF {
            lanes old_r = first ? VARIANT(wide)(&first->state[j].r, h) : a->v_r[h];
            lanes old_m = first ? VARIANT(wide)(&first->state[j].m, h) : a->v_m[h];
            lanes er = vr[h] - old_r, em = vm[h] - old_m;
            step2[h] = VARIANT(larger)(er * er + em * em, step2[h]);
            if (first) {
                VARIANT(narrow)(&first->step[j].r, h, er), VARIANT(narrow)(&first->step[j].m, h, em);
                a->v_r[h] = vr[h], a->v_m[h] = vm[h];
            } else {
                a->v_r[h] = VARIANT(choose)(active[h], vr[h], old_r);
                a->v_m[h] = VARIANT(choose)(active[h], vm[h], old_m);
            }
        }
        if (first) continue;
        if (role & GATHERS) EACH_HALF x->x_r[h] = x->x_m[h] = zero;
    }
    EACH_HALF within[h] = (lane_mask)(step2[h] <= tolerance2);
}

/* Which lanes have voltages: one that is no number, or no voltage, passes no comparison. */
ALWAYS void VARIANT(sensible)(const factors *f, const node_state *state, lane_mask good[HALVES]) {
    for (int64_t j = 0; j < f->n; j++) EACH_HALF {
            lanes v2 = state[j].v_r[h] * state[j].v_r[h] + state[j].v_m[h] * state[j].v_m[h];
            good[h] &= (lane_mask)(v2 > 0.01) & (lane_mask)(v2 < 25.0);
        }
}

/* Goes on from where the first sweeps have come: one iteration in double precision, and from its step, where that is
 * small, the next steps in single precision, which is as good for what is small. Lanes that have not converged stay active.
 * Returns the number of iterations. */
ALWAYS int64_t VARIANT(refine)(const factors *f, node_state *state, node_current *current,
                               const VARIANT(first_sweeps) * first, const power_source *source, int kind,
                               double tolerance2, lane_mask active[HALVES]) {
    lane_mask within[HALVES], small[HALVES];
    VARIANT(sweep_up)(f, state, current, first->state, source, kind, NULL);
    VARIANT(sweep_down)(f, state, current, first, active, SMALL_STEP * SMALL_STEP, small);
    int is_small = 0;
    EACH_HALF is_small |= VARIANT(any)(small[h]);
    int64_t iterations = 1;
    for (; is_small && iterations <= STEPS_MAX; iterations++) {
        VARIANT(step_up)(first, f, source, kind);
        VARIANT(step_down)(first, f, state, small, tolerance2, within);
        is_small = 0;
        EACH_HALF {
            lane_mask done = small[h] & within[h];
            active[h] &= ~done;
            small[h] &= ~done;
            is_small |= VARIANT(any)(small[h]);
        }
    }
    return iterations;
}

/* dependent: what of the injections depends on the voltage, or NULL. current must be zero before. first: where the
 * voltages to start from are, if not in state, or NULL. Returns the number of iterations; converged has ones in the
 * lanes whose last step was within the tolerance. */
ALWAYS int64_t VARIANT(iterate)(const factors *f, node_state *state, node_current *current,
                                const VARIANT(first_sweeps) * first, const power_source *source, int kind,
                                const node_dependent *dependent, double tolerance2, int64_t iterations_max,
                                lane_mask *converged) {
    const lanes zero = {0};
    lane_mask active[HALVES];
    EACH_HALF active[h] = (lane_mask)(zero == zero);
    int64_t iterations = 0, is_active = 1;
    if (first) {
        iterations = VARIANT(refine)(f, state, current, first, source, kind, tolerance2, active);
        is_active = 0;
        EACH_HALF is_active |= VARIANT(any)(active[h]);
    }
    while (iterations < iterations_max && is_active) {
        lane_mask within[HALVES];
        VARIANT(sweep_up)(f, state, current, NULL, source, kind, dependent);
        VARIANT(sweep_down)(f, state, current, NULL, active, tolerance2, within);
        iterations++;
        is_active = 0;
        EACH_HALF {
            active[h] &= ~within[h];
            is_active |= VARIANT(any)(active[h]);
        }
    }
    EACH_HALF converged[h] = ~active[h];
    VARIANT(sensible)(f, state, converged);
    return iterations;
}

/* Currents of branch e at both ends: i[0..1] at from, i[2..3] at to; v[0..3] the voltages there. */
ALWAYS void VARIANT(branch_state)(const branches *br, int64_t e, const node_state *state, int h, lanes v[4],
                                  lanes i[4]) {
    const lanes zero = {0};
    int64_t f = br->from[e], t = br->to[e];
    v[0] = f >= 0 ? state[f].v_r[h] : zero + br->source_r[-f - 1];
    v[1] = f >= 0 ? state[f].v_m[h] : zero + br->source_m[-f - 1];
    v[2] = t >= 0 ? state[t].v_r[h] : zero + br->source_r[-t - 1];
    v[3] = t >= 0 ? state[t].v_m[h] : zero + br->source_m[-t - 1];
    const double *y = br->y + 8 * e;
    i[0] = y[0] * v[0] - y[1] * v[1] + y[2] * v[2] - y[3] * v[3];
    i[1] = y[0] * v[1] + y[1] * v[0] + y[2] * v[3] + y[3] * v[2];
    i[2] = y[4] * v[0] - y[5] * v[1] + y[6] * v[2] - y[7] * v[3];
    i[3] = y[4] * v[1] + y[5] * v[0] + y[6] * v[3] + y[7] * v[2];
}

static int64_t VARIANT(solve)(const factors *f, const injections *s, int64_t start, int64_t stop, const double *v_r,
                              const double *v_m, double tolerance2, int64_t iterations_max, double *out_r,
                              double *out_m, int8_t *converged) {
    size_t n = (size_t)f->n;
    node_state *state = block_memory(n, sizeof *state);
    node_current *current = block_memory(n, sizeof *current);
    node_power *power = block_memory(n, sizeof *power);
    node_dependent *dependent = s->current_r ? block_memory(n, sizeof *dependent) : NULL;
    if (!state || !current || !power || (s->current_r && !dependent))
        return free(dependent), free(power), free(current), free(state), -1;
    memset(current, 0, n * sizeof *current);
    const power_source source = {.given = power};
    int64_t iterations = 0;
    const lanes zero = {0};
    for (int64_t t = start; t < stop; t += BLOCK) {
        for (int64_t j = 0; j < f->n; j++) EACH_HALF {
                int64_t at = j * s->stride + t + h * LANES;
                power[j].power_r[h] = *(const loose_lanes *)(s->power_r + at);
                power[j].power_m[h] = *(const loose_lanes *)(s->power_m + at);
                state[j].v_r[h] = zero + v_r[j];
                state[j].v_m[h] = zero + v_m[j];
                if (dependent) {
                    dependent[j].current_r[h] = *(const loose_lanes *)(s->current_r + at);
                    dependent[j].current_m[h] = *(const loose_lanes *)(s->current_m + at);
                    dependent[j].impedance_r[h] = *(const loose_lanes *)(s->impedance_r + at);
                    dependent[j].impedance_m[h] = *(const loose_lanes *)(s->impedance_m + at);
                }
            }
        lane_mask good[HALVES];
        iterations += dependent ? VARIANT(iterate)(f, state, current, NULL, &source, VARIANT(GIVEN), dependent, tolerance2,
                                                   iterations_max, good)
                                : VARIANT(iterate)(f, state, current, NULL, &source, VARIANT(GIVEN), NULL, tolerance2,
                                                   iterations_max, good);
        EACH_HALF {
            for (int b = 0; b < LANES; b++) converged[t + h * LANES + b] = good[h][b] != 0;
            for (int64_t j = 0; j < f->n; j++) {
                *(loose_lanes *)(out_r + j * s->stride + t + h * LANES) = state[j].v_r[h];
                *(loose_lanes *)(out_m + j * s->stride + t + h * LANES) = state[j].v_m[h];
            }
        }
    }
    free(dependent), free(power), free(current), free(state);
    return iterations;
}

static void VARIANT(tally)(uint16_t *histogram, int64_t n_bins, lanes value, double from, double per_unit,
                           lane_mask good) {
    for (int b = 0; b < LANES; b++) {
        if (!good[b]) continue;
        int64_t bin = (int64_t)((value[b] - from) * per_unit);
        bin = value[b] < from || bin < 0 ? 0 : bin >= n_bins ? n_bins - 1 : bin;
        histogram[bin]++;
    }
}

/* Of a lane that counts, whatever is beyond what was seen or permitted; scenarios come in order, so the first stays. */
static __attribute__((noinline)) void VARIANT(note_node)(extremes *x, int64_t j, lanes v2, lane_mask good, int64_t t) {
    for (int b = 0; b < LANES; b++) {
        if (!good[b]) continue;
        if (v2[b] < x->v_min[j]) x->v_min[j] = v2[b], x->v_min_at[j] = t + b;
        if (v2[b] > x->v_max[j]) x->v_max[j] = v2[b], x->v_max_at[j] = t + b;
        x->n_low[j] += v2[b] < x->v_low2[j];
        x->n_high[j] += v2[b] > x->v_high2[j];
    }
}

static __attribute__((noinline)) void VARIANT(note_branch)(extremes *x, int64_t e, lanes loading2, lane_mask good,
                                                           int64_t t) {
    for (int b = 0; b < LANES; b++) {
        if (!good[b]) continue;
        if (loading2[b] > x->loading_max[e]) x->loading_max[e] = loading2[b], x->loading_max_at[e] = t + b;
        x->n_over[e] += loading2[b] > 1.0;
    }
}

/* Keeps what a solved block, scenarios t..., brings for each node, branch and scenario. */
static __attribute__((noinline)) void VARIANT(keep)(const factors *f, const branches *br, const node_state *state, int64_t t,
                          const lane_mask *good, extremes *x, int8_t *converged) {
    const lanes zero = {0};
    lanes low[HALVES], high[HALVES], loaded[HALVES], lost[HALVES];
    EACH_HALF low[h] = zero + INFINITY, high[h] = loaded[h] = lost[h] = zero;
    for (int64_t j = 0; j < f->n; j++) {
        double seen_low = x->v_min[j], seen_high = x->v_max[j];
        double below = seen_low > x->v_low2[j] ? seen_low : x->v_low2[j];
        double above = seen_high < x->v_high2[j] ? seen_high : x->v_high2[j];
        EACH_HALF {
            lanes v2 = state[j].v_r[h] * state[j].v_r[h] + state[j].v_m[h] * state[j].v_m[h];
            low[h] = VARIANT(choose)((lane_mask)(v2 < low[h]), v2, low[h]);
            high[h] = VARIANT(larger)(v2, high[h]);
            if (VARIANT(any)(((lane_mask)(v2 < below) | (lane_mask)(v2 > above)) & good[h]))
                VARIANT(note_node)(x, j, v2, good[h], t + h * LANES);
            if (x->v_histogram)
                VARIANT(tally)(x->v_histogram + j * x->n_bins, x->n_bins, VARIANT(root)(v2), x->v_bin_from,
                               x->v_bins_per_unit, good[h]);
        }
    }
    for (int64_t e = 0; e < br->n; e++) {
        double seen = x->loading_max[e], above = seen < 1.0 ? seen : 1.0;
        lanes sum = zero;
        EACH_HALF {
            lanes v[4], i[4];
            VARIANT(branch_state)(br, e, state, h, v, i);
            lanes loading2 = VARIANT(larger)((i[0] * i[0] + i[1] * i[1]) * br->from_scale[e],
                                             (i[2] * i[2] + i[3] * i[3]) * br->to_scale[e]);
            lanes loss = v[0] * i[0] + v[1] * i[1] + v[2] * i[2] + v[3] * i[3];
            loss = VARIANT(choose)(good[h], loss, zero);
            loaded[h] = VARIANT(larger)(loading2, loaded[h]);
            lost[h] += loss;
            sum += loss;
            if (VARIANT(any)((lane_mask)(loading2 > above) & good[h]))
                VARIANT(note_branch)(x, e, loading2, good[h], t + h * LANES);
            if (x->loading_histogram)
                VARIANT(tally)(x->loading_histogram + e * x->n_bins, x->n_bins, VARIANT(root)(loading2), 0.0,
                               x->loading_bins_per_unit, good[h]);
        }
        double total = 0;
        for (int b = 0; b < LANES; b++) total += sum[b];
        x->loss_sum[e] += total;
    }
    for (int k = 0; k < BLOCK; k++) {
        int h = k / LANES, b = k % LANES;
        if (!good[h][b]) continue;
        converged[t + k] = 1;
        x->scenario_loss[t + k] = lost[h][b];
        x->scenario_v_min[t + k] = sqrt(low[h][b]);
        x->scenario_v_max[t + k] = sqrt(high[h][b]);
        x->scenario_loading[t + k] = sqrt(loaded[h][b]);
    }
}

static int64_t VARIANT(stream)(const factors *f, const branches *br, const profiles *pr, int64_t start, int64_t stop,
                               int64_t restart, const double *v_r, const double *v_m, double tolerance2,
                               int64_t iterations_max, extremes *x, int8_t *converged) {
    size_t n = (size_t)f->n;
    node_state *state = block_memory(n, sizeof *state);
    node_current *current = block_memory(n, sizeof *current);
    VARIANT(first_sweeps) first;
    if (VARIANT(open_first)(&first, f, pr, stop) || !state || !current)
        return VARIANT(close_first)(&first), free(current), free(state), -1;
    memset(current, 0, n * sizeof *current);
    for (int64_t j = 0; j < f->n; j++) {
        x->v_min[j] = INFINITY, x->v_max[j] = -INFINITY;
        x->v_min_at[j] = x->v_max_at[j] = -1;
        x->n_low[j] = x->n_high[j] = 0;
    }
    for (int64_t e = 0; e < br->n; e++) {
        x->loading_max[e] = -INFINITY;
        x->loading_max_at[e] = -1;
        x->n_over[e] = 0;
        x->loss_sum[e] = 0;
    }
    int64_t iterations = 0;
    for (int64_t t = start; t < stop; t += BLOCK) {
        int cold = (t - start) % restart == 0;
        const power_source source = {.factored = pr, .t = factors_at(pr, t)};
        if (cold) VARIANT(restart_first)(&first, f->n, v_r, v_m, (first_mask){0} == 0);
        VARIANT(approach)(&first, f, &source, VARIANT(FACTORED), v_r, v_m);
        lane_mask solved[HALVES], good[HALVES];
        iterations += VARIANT(iterate)(f, state, current, &first, &source, VARIANT(FACTORED), NULL, tolerance2,
                                       iterations_max, solved);
        EACH_HALF {
            good[h] = solved[h];
            for (int b = 0; b < LANES; b++)
                if (t + h * LANES + b >= stop) good[h][b] = 0;
        }
        VARIANT(keep)(f, br, state, t, good, x, converged);
        /* A lane that failed must not be where the next block starts. */
        first_mask failed = {0};
        int any_failed = 0;
        for (int k = 0; k < BLOCK; k++)
            if (!solved[k / LANES][k % LANES]) failed[k] = -1, any_failed = 1;
        if (any_failed) VARIANT(restart_first)(&first, f->n, v_r, v_m, failed);
    }
    for (int64_t j = 0; j < f->n; j++)
        if (x->v_min_at[j] >= 0) x->v_min[j] = sqrt(x->v_min[j]), x->v_max[j] = sqrt(x->v_max[j]);
    for (int64_t e = 0; e < br->n; e++)
        if (x->loading_max_at[e] >= 0) x->loading_max[e] = sqrt(x->loading_max[e]);
    VARIANT(close_first)(&first), free(current), free(state);
    return iterations;
}
