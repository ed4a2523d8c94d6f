/* The path from candidates to the root, cut out of the network; compiled once for each instruction set.
 *
 * It holds the candidates' ancestors in the elimination tree. What hangs beside the path is frozen: it injects at its
 * parent what it injected in the base state, as constant power, and its voltages rise and fall with its parent's.
 */

typedef struct {
    int32_t *place, *node, *branch_name, *extra_of;
    int64_t n, n_branches;
    int64_t *l_start, *u_start;
    int32_t *l_row, *u_column;
    factor_of_node *described;
    factor_link *up, *down;
    double *number[4], *node_number[12], *branch_number[12];
    int32_t first[BLOCK];
    int64_t *from, *to;
    node_state *state;
    node_current *current;
} VARIANT(part);

static int VARIANT(open_part)(VARIANT(part) * p, const factors *f, const branches *br) {
    size_t n = (size_t)(f->n ? f->n : 1), m = (size_t)(br->n ? br->n : 1), nnz = (size_t)f->l_start[f->n] + 1;
    size_t nnz_u = (size_t)f->u_start[f->n] + 1;
    *p = (VARIANT(part)){0};
    int failed = !(p->state = block_memory(n, sizeof *p->state));
    failed |= !(p->current = block_memory(n, sizeof *p->current));
    failed |= !(p->place = malloc(n * sizeof *p->place)) | !(p->node = malloc(n * sizeof *p->node));
    failed |= !(p->branch_name = malloc(m * sizeof *p->branch_name));
    failed |= !(p->extra_of = malloc(n * sizeof *p->extra_of));
    failed |= !(p->l_start = malloc((n + 1) * sizeof *p->l_start));
    failed |= !(p->u_start = malloc((n + 1) * sizeof *p->u_start));
    failed |= !(p->l_row = malloc(nnz * sizeof *p->l_row)) | !(p->u_column = malloc(nnz_u * sizeof *p->u_column));
    failed |= !(p->described = malloc(n * sizeof *p->described));
    failed |= !(p->up = malloc(link_memory((int64_t)nnz))) | !(p->down = malloc(link_memory((int64_t)nnz_u)));
    failed |= !(p->from = malloc(m * sizeof *p->from)) | !(p->to = malloc(m * sizeof *p->to));
    for (int i = 0; i < 4; i++) failed |= !(p->number[i] = malloc((i < 2 ? nnz : nnz_u) * sizeof(double)));
    for (int i = 0; i < 12; i++) failed |= !(p->node_number[i] = malloc(n * sizeof(double)));
    for (int i = 0; i < 12; i++)
        if (i == 0 || i >= 8)
            failed |= !(p->branch_number[i] = malloc(m * (i == 0 ? 8 : i == 8 ? 4 : 1) * sizeof(double)));
    if (!failed)
        for (size_t j = 0; j < n; j++) p->place[j] = -1;
    return failed;
}

static void VARIANT(close_part)(VARIANT(part) * p) {
    for (int i = 0; i < 12; i++) free(p->node_number[i]), free(p->branch_number[i]);
    for (int i = 0; i < 4; i++) free(p->number[i]);
    free(p->from), free(p->to), free(p->l_row), free(p->u_column), free(p->described), free(p->up), free(p->down);
    free(p->l_start), free(p->u_start), free(p->branch_name), free(p->extra_of), free(p->node), free(p->place);
    free(p->current), free(p->state);
}

/* Order of positions. */
static int VARIANT(ascending)(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void VARIANT(find_path)(VARIANT(part) * p, const surroundings *s, const int32_t *candidate, int count) {
    p->n = 0;
    for (int b = 0; b < count; b++)
        for (int64_t j = candidate[b]; j >= 0 && p->place[j] < 0; j = s->parent[j]) {
            p->place[j] = 0;
            p->node[p->n++] = (int32_t)j;
        }
    qsort(p->node, (size_t)p->n, sizeof *p->node, VARIANT(ascending));
    for (int64_t i = 0; i < p->n; i++) p->place[p->node[i]] = (int32_t)i;
}

static void VARIANT(cut_factors)(VARIANT(part) * p, const factors *f, factors *cut) {
    int64_t nl = 0, nu = 0;
    for (int64_t i = 0; i < p->n; i++) {
        int64_t j = p->node[i];
        p->l_start[i] = nl;
        p->u_start[i] = nu;
        for (int64_t k = f->l_start[j]; k < f->l_start[j + 1]; k++, nl++) {
            p->l_row[nl] = p->place[f->l_row[k]];
            p->number[0][nl] = f->l_r[k];
            p->number[1][nl] = f->l_m[k];
        }
        for (int64_t k = f->u_start[j]; k < f->u_start[j + 1]; k++, nu++) {
            p->u_column[nu] = p->place[f->u_column[k]];
            p->number[2][nu] = f->u_r[k];
            p->number[3][nu] = f->u_m[k];
        }
        p->node_number[0][i] = f->d_r[j];
        p->node_number[1][i] = f->d_m[j];
        p->node_number[2][i] = f->c_r[j];
        p->node_number[3][i] = f->c_m[j];
    }
    p->l_start[p->n] = nl;
    p->u_start[p->n] = nu;
    *cut = (factors){p->n, p->l_start, p->l_row, p->number[0], p->number[1], p->u_start, p->u_column, p->number[2],
                     p->number[3], p->node_number[0], p->node_number[1], p->node_number[2], p->node_number[3],
                     NULL, NULL, NULL};
}

/* Base injections, voltages and limits of the path, what hangs beside it included. */
static void VARIANT(cut_state)(VARIANT(part) * p, const factors *f, const surroundings *s, const hosting *h,
                               hosting *cut) {
    double *base_r = p->node_number[4], *base_m = p->node_number[5], *v_r = p->node_number[6];
    double *v_m = p->node_number[7], *low2 = p->node_number[8], *high2 = p->node_number[9];
    double *in_r = p->node_number[10], *in_m = p->node_number[11];
    /* What the feeding points send through nodes beside the path stays a constant current. */
    double *c_r = p->node_number[2], *c_m = p->node_number[3];
    for (int64_t i = 0; i < p->n; i++) {
        in_r[i] = s->gathered_r[p->node[i]];
        in_m[i] = s->gathered_m[p->node[i]];
        c_r[i] += s->fixed_gathered_r[p->node[i]];
        c_m[i] += s->fixed_gathered_m[p->node[i]];
    }
    for (int64_t i = 0; i < p->n; i++) {
        int64_t j = p->node[i];
        double xr = s->passed_r[j], xm = s->passed_m[j], yr = s->fixed_passed_r[j], ym = s->fixed_passed_m[j];
        for (int64_t k = f->l_start[j]; k < f->l_start[j + 1]; k++) {
            int32_t to = p->place[f->l_row[k]];
            in_r[to] += f->l_r[k] * xr - f->l_m[k] * xm;
            in_m[to] += f->l_r[k] * xm + f->l_m[k] * xr;
            c_r[to] += f->l_r[k] * yr - f->l_m[k] * ym;
            c_m[to] += f->l_r[k] * ym + f->l_m[k] * yr;
        }
    }
    for (int64_t i = 0; i < p->n; i++) {
        int64_t j = p->node[i];
        double vr = v_r[i] = h->v_r[j], vm = v_m[i] = h->v_m[j], v2 = vr * vr + vm * vm;
        base_r[i] = h->base_r[j] + vr * in_r[i] + vm * in_m[i];
        base_m[i] = h->base_m[j] + vm * in_r[i] - vr * in_m[i];
        double high = sqrt(v2 / h->v_high2[j]), low = sqrt(v2 / h->v_low2[j]);
        for (int64_t k = s->child_start[j]; k < s->child_start[j + 1]; k++) {
            int64_t child = s->child[k];
            if (p->place[child] >= 0) continue;
            if (s->closest_high[child] > high) high = s->closest_high[child];
            if (s->closest_low[child] < low) low = s->closest_low[child];
        }
        high2[i] = v2 / (high * high);
        low2[i] = v2 / (low * low);
    }
    cut->base_r = base_r, cut->base_m = base_m, cut->v_r = v_r, cut->v_m = v_m;
    cut->v_low2 = low2, cut->v_high2 = high2;
}

static void VARIANT(cut_branches)(VARIANT(part) * p, const branches *br, const surroundings *s, const hosting *h,
                                  hosting *cut_h, branches *cut) {
    double *y = p->branch_number[0], *current = p->branch_number[8];
    int64_t m = 0;
    for (int64_t i = 0; i < p->n; i++)
        for (int64_t k = s->branch_start[p->node[i]]; k < s->branch_start[p->node[i] + 1]; k++) {
            int64_t e = s->branch[k], from = br->from[e], to = br->to[e];
            if ((from >= 0 && p->place[from] < 0) || (to >= 0 && p->place[to] < 0)) continue;
            p->from[m] = from >= 0 ? p->place[from] : from;
            p->to[m] = to >= 0 ? p->place[to] : to;
            memcpy(y + 8 * m, br->y + 8 * e, 8 * sizeof *y);
            memcpy(current + 4 * m, h->current + 4 * e, 4 * sizeof *current);
            p->branch_number[9][m] = br->from_scale[e];
            p->branch_number[10][m] = br->to_scale[e];
            p->branch_number[11][m] = h->loading2[e];
            p->branch_name[m++] = (int32_t)e;
        }
    *cut = (branches){m, p->from, p->to, y, p->branch_number[9], p->branch_number[10], br->source_r, br->source_m};
    cut_h->current = current;
    cut_h->loading2 = p->branch_number[11];
}
