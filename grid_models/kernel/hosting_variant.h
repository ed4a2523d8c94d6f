/* Hosting capacity: first on the path to the root alone, which is near but not exact, then by full power flows, which
 * certify it; compiled once for each instruction set.
 */

/* Solves the path with the plants start... of the whole; the state stays in p. */
static void VARIANT(solve_path)(VARIANT(part) * p, const factors *f, const hosting *cut, const hosting *whole,
                                int64_t start, int count, double tolerance2, int64_t iterations_max, lane_mask *good) {
    const lanes zero = {0};
    node_power extra[BLOCK];
    const power_source source = {
        .base_r = cut->base_r, .base_m = cut->base_m, .extra_of = p->extra_of, .extra = extra};
    for (int b = 0; b < count; b++) p->first[b] = p->place[whole->node[start + b]];
    for (int64_t j = 0; j < f->n; j++) {
        p->extra_of[j] = -1;
        EACH_HALF {
            p->state[j].v_r[h] = zero + cut->v_r[j];
            p->state[j].v_m[h] = zero + cut->v_m[j];
            p->current[j].x_r[h] = p->current[j].x_m[h] = zero;
        }
    }
    VARIANT(place_plants)(p->first, whole->power_r + start, whole->power_m + start, count, p->extra_of, extra);
    VARIANT(iterate)(f, p->state, p->current, NULL, &source, VARIANT(BASE), NULL, tolerance2, iterations_max, good);
}

/* Cuts the path of the candidates start... out. */
static void VARIANT(cut)(VARIANT(part) * p, const factors *f, const surroundings *s, const hosting *whole,
                         int64_t start, int count, factors *cut_f, hosting *cut_h) {
    for (int64_t i = 0; i < p->n; i++) p->place[p->node[i]] = -1;
    VARIANT(find_path)(p, s, whole->node + start, count);
    VARIANT(cut_factors)(p, f, cut_f);
    VARIANT(cut_state)(p, f, s, whole, cut_h);
    describe_nodes(cut_f, p->described, p->up, p->down);
}

/* Solves one group of at most BLOCK candidates until each stands at its limit; powers are changed in place. */
static int64_t VARIANT(settle)(VARIANT(part) * p, const factors *f, const branches *br, const hosting *cut,
                               const hosting *whole, int64_t n_all, int64_t start, int count, double tolerance2,
                               int64_t iterations_max, int64_t rounds_max) {
    int64_t solves = 0;
    for (int64_t round = 0; round < rounds_max; round++) {
        lane_mask good[HALVES];
        VARIANT(solve_path)(p, f, cut, whole, start, count, tolerance2, iterations_max, good);
        VARIANT(bound) found[HALVES];
        EACH_HALF VARIANT(bind)(f, br, p->state, h, cut, p->first, count, n_all, p->node, p->branch_name, found + h);
        solves += count;
        int settled = 1;
        for (int b = 0; b < count; b++) {
            double share = good[b / LANES][b % LANES] ? found[b / LANES].share[b % LANES] : 0.3;
            share = share > 0.02 ? share : 0.02;
            share = share < 8.0 ? share : 8.0;
            settled &= fabs(share - 1) < 1e-4;
            whole->power_r[start + b] *= share;
            whole->power_m[start + b] *= share;
            whole->share[start + b] = share;
            whole->binding[start + b] = found[b / LANES].binding[b % LANES];
            whole->solved[start + b] = good[b / LANES][b % LANES] != 0;
        }
        if (settled) break;
    }
    return solves;
}

static int64_t VARIANT(host_locally)(const factors *f, const branches *br, const surroundings *s, const hosting *h,
                                     int64_t start, int64_t stop, double tolerance2, int64_t iterations_max,
                                     int64_t rounds_max) {
    VARIANT(part) p;
    int64_t solves = 0;
    if (VARIANT(open_part)(&p, f, br)) return VARIANT(close_part)(&p), -1;
    for (int64_t k = start; k < stop; k += BLOCK) {
        int count = stop - k < BLOCK ? (int)(stop - k) : BLOCK;
        factors cut_f;
        branches cut_b;
        hosting cut_h = {0};
        VARIANT(cut)(&p, f, s, h, k, count, &cut_f, &cut_h);
        VARIANT(cut_branches)(&p, br, s, h, &cut_h, &cut_b);
        solves += VARIANT(settle)(&p, &cut_f, &cut_b, &cut_h, h, f->n, k, count, tolerance2, iterations_max,
                                  rounds_max);
    }
    VARIANT(close_part)(&p);
    return solves;
}

/* Where a full power flow starts: on the path what the path's own gave, beside it the base state, turned and stretched
 * as the path's voltages are. Lanes without a solution start from the base state. */
static void VARIANT(start_near)(VARIANT(part) * p, const factors *f, const surroundings *s, const hosting *host,
                                const lane_mask *good, first_state *first) {
    const lanes zero = {0};
    for (int64_t j = f->n - 1; j >= 0; j--) {
        int64_t at = p->place[j], parent = s->parent[j];
        if (at >= 0 || parent < 0) {
            EACH_HALF {
                lanes base_r = zero + host->v_r[j], base_m = zero + host->v_m[j];
                lanes vr = at < 0 ? base_r : VARIANT(choose)(good[h], p->state[at].v_r[h], base_r);
                lanes vm = at < 0 ? base_m : VARIANT(choose)(good[h], p->state[at].v_m[h], base_m);
                VARIANT(narrow)(&first[j].r, h, vr), VARIANT(narrow)(&first[j].m, h, vm);
            }
            continue;
        }
        const float r = (float)s->relative_r[j], m = (float)s->relative_m[j];
        const first_lanes vr = first[parent].r, vm = first[parent].m;
        first[j] = (first_state){r * vr - m * vm, r * vm + m * vr};
    }
}

static int64_t VARIANT(host)(const factors *f, const branches *br, const surroundings *s, const hosting *host,
                             int64_t start, int64_t stop, double tolerance2, int64_t iterations_max) {
    VARIANT(part) p;
    size_t n = (size_t)f->n;
    node_state *state = block_memory(n, sizeof *state);
    node_current *current = block_memory(n, sizeof *current);
    node_power *extra = block_memory(BLOCK, sizeof *extra);
    int32_t *extra_of = malloc((n + 1) * sizeof *extra_of);
    VARIANT(first_sweeps) first;
    int failed = VARIANT(open_first)(&first, f, NULL, 0) | VARIANT(open_part)(&p, f, br);
    if (failed || !state || !current || !extra || !extra_of)
        return VARIANT(close_part)(&p), VARIANT(close_first)(&first), free(extra_of), free(extra), free(current),
               free(state), -1;
    const lanes zero = {0};
    int64_t iterations = 0;
    const power_source source = {
        .base_r = host->base_r, .base_m = host->base_m, .extra_of = extra_of, .extra = extra};
    for (int64_t j = 0; j < f->n; j++) {
        extra_of[j] = -1;
        EACH_HALF current[j].x_r[h] = current[j].x_m[h] = zero;
    }
    for (int64_t k = start; k < stop; k += BLOCK) {
        int n_here = stop - k < BLOCK ? (int)(stop - k) : BLOCK;
        factors cut_f;
        hosting cut_h = {0};
        lane_mask good[HALVES];
        VARIANT(cut)(&p, f, s, host, k, n_here, &cut_f, &cut_h);
        VARIANT(solve_path)(&p, &cut_f, &cut_h, host, k, n_here, tolerance2, iterations_max, good);
        VARIANT(start_near)(&p, f, s, host, good, first.state);
        VARIANT(place_plants)(host->node + k, host->power_r + k, host->power_m + k, n_here, extra_of, extra);
        VARIANT(approach)(&first, f, &source, VARIANT(BASE), host->v_r, host->v_m);
        iterations += VARIANT(iterate)(f, state, current, &first, &source, VARIANT(BASE), NULL, tolerance2,
                                       iterations_max, good);
        VARIANT(bound) found[HALVES];
        EACH_HALF VARIANT(bind)(f, br, state, h, host, host->node + k, n_here, f->n, NULL, NULL, found + h);
        for (int b = 0; b < n_here; b++) {
            host->share[k + b] = found[b / LANES].share[b % LANES];
            host->binding[k + b] = found[b / LANES].binding[b % LANES];
            host->solved[k + b] = good[b / LANES][b % LANES] != 0;
            extra_of[host->node[k + b]] = -1;
        }
    }
    VARIANT(close_part)(&p), VARIANT(close_first)(&first), free(extra_of), free(extra), free(current), free(state);
    return iterations;
}

#undef ALWAYS
#undef lanes
#undef loose_lanes
#undef lane_mask
#undef node_state
#undef node_current
#undef first_lanes
#undef loose_first_lanes
#undef first_half
#undef first_mask
#undef first_state
#undef node_dependent
#undef node_power
#undef power_source
#undef EACH_HALF
#undef BLOCK
