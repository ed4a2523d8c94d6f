/* Where the first limit lies on the way from a base state to a state with a plant; compiled once for each instruction set. */

/* Smallest s > 0 with |x + s d|^2 = limit: rising to an upper limit (c <= 0), falling to a lower one (c >= 0). */
ALWAYS lanes VARIANT(rise)(lanes a, lanes h, lanes c) {
    const lanes zero = {0};
    return -c / (h + VARIANT(root)(VARIANT(larger)(h * h - a * c, zero)) + 1e-300);
}

ALWAYS lanes VARIANT(fall)(lanes a, lanes h, lanes c) {
    const lanes zero = {0};
    lanes inside = h * h - a * c;
    lanes s = c / (VARIANT(root)(VARIANT(larger)(inside, zero)) - h + 1e-300);
    return VARIANT(choose)((lane_mask)(inside >= 0.0) & (lane_mask)(h < 0.0), s, zero + INFINITY);
}

typedef struct {
    lanes share;
    int32_t binding[LANES];
} VARIANT(bound);

ALWAYS void VARIANT(tighten)(VARIANT(bound) * found, lanes share, int64_t binding) {
    lane_mask less = (lane_mask)(share < found->share);
    if (!VARIANT(any)(less)) return;
    for (int b = 0; b < LANES; b++)
        if (less[b]) {
            found->share[b] = share[b];
            found->binding[b] = (int32_t)binding;
        }
}

/* Is there a limit before the share found so far? f(s) = a s^2 + 2 h s + c; cheap, and never wrong in saying no. */
ALWAYS lane_mask VARIANT(may_rise)(lanes a, lanes half, lanes c, lanes share) {
    return (lane_mask)((a * share + 2.0 * half) * share + c > 0.0);
}

ALWAYS lane_mask VARIANT(may_fall)(lanes half, lanes c, lanes share) {
    return (lane_mask)(c + 2.0 * half * share < 0.0);
}

ALWAYS void VARIANT(bind_node)(const node_state *state, int64_t j, int half, const hosting *host, int64_t high,
                               int64_t low, VARIANT(bound) * found) {
    const lanes zero = {0};
    double vr = host->v_r[j], vm = host->v_m[j], v2 = vr * vr + vm * vm;
    lanes dr = state[j].v_r[half] - vr, dm = state[j].v_m[half] - vm;
    lanes a = dr * dr + dm * dm, h = dr * vr + dm * vm;
    lanes to_high = zero + (v2 - host->v_high2[j]), to_low = zero + (v2 - host->v_low2[j]);
    lane_mask rising = VARIANT(may_rise)(a, h, to_high, found->share);
    lane_mask falling = VARIANT(may_fall)(h, to_low, found->share);
    if (!VARIANT(any)(rising | falling)) return;
    VARIANT(tighten)(found, VARIANT(rise)(a, h, to_high), high);
    VARIANT(tighten)(found, VARIANT(fall)(a, h, to_low), low);
}

/* Compares one block's state with the base state and finds how far along the way the first limit lies. first: a node
 * of each lane that probably binds. name: maps a node to its number in the whole network, branch_name a branch; NULL:
 * they are the same. */
ALWAYS void VARIANT(bind)(const factors *f, const branches *br, const node_state *state, int half, const hosting *host,
                          const int32_t *first, int n_first, int64_t n_all, const int32_t *name,
                          const int32_t *branch_name, VARIANT(bound) * found) {
    const lanes zero = {0};
    found->share = zero + 1e30;
    for (int b = 0; b < LANES; b++) found->binding[b] = -1;
    for (int b = 0; b < n_first; b++) {
        int64_t j = first[b], at = name ? name[j] : j;
        VARIANT(bind_node)(state, j, half, host, at, n_all + at, found);
    }
    for (int64_t j = 0; j < f->n; j++) {
        int64_t at = name ? name[j] : j;
        VARIANT(bind_node)(state, j, half, host, at, n_all + at, found);
    }
    for (int64_t e = 0; e < br->n; e++) {
        if (br->from_scale[e] == 0 && br->to_scale[e] == 0) continue;
        lanes v[4], i[4];
        VARIANT(branch_state)(br, e, state, half, v, i);
        const double *base = host->current + 4 * e;
        for (int side = 0; side < 2; side++) {
            double scale = side ? br->to_scale[e] : br->from_scale[e], ir = base[2 * side], im = base[2 * side + 1];
            lanes dr = i[2 * side] - ir, dm = i[2 * side + 1] - im;
            lanes a = (dr * dr + dm * dm) * scale, h = (dr * ir + dm * im) * scale;
            lanes c = zero + ((ir * ir + im * im) * scale - host->loading2[e]);
            if (VARIANT(any)(VARIANT(may_rise)(a, h, c, found->share)))
                VARIANT(tighten)(found, VARIANT(rise)(a, h, c), 2 * n_all + (branch_name ? branch_name[e] : e));
        }
    }
    for (int b = 0; b < LANES; b++)
        if (found->binding[b] < 0) found->share[b] = INFINITY;
}

/* Puts each lane's plant at its node; lanes at one node share a place. */
ALWAYS void VARIANT(place_plants)(const int32_t *node, const double *power_r, const double *power_m, int count,
                                  int32_t *extra_of, node_power *extra) {
    memset(extra, 0, BLOCK * sizeof *extra);
    for (int b = 0; b < count; b++) {
        if (extra_of[node[b]] < 0) extra_of[node[b]] = b;
        node_power *at = extra + extra_of[node[b]];
        at->power_r[b / LANES][b % LANES] = power_r[b];
        at->power_m[b / LANES][b % LANES] = power_m[b];
    }
}
