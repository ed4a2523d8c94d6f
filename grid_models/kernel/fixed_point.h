/* Types shared by the kernel's variants. */
#ifndef CMB_FIXED_POINT_H
#define CMB_FIXED_POINT_H
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* Memory for n nodes in a block, at least one; NULL if there is none. It is swept from end to end again and again, so it
 * asks for huge pages, where the system gives them on request: of small ones there are more than the processor keeps. */
static void *block_memory(size_t n, size_t size) {
    enum { HUGE_PAGE = 1 << 21, REGISTER = 64 };
    size_t bytes = (n ? n : 1) * size;
    void *memory = NULL;
    if (posix_memalign(&memory, bytes >= HUGE_PAGE ? HUGE_PAGE : REGISTER, bytes)) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes >= HUGE_PAGE) (void)madvise(memory, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
#endif
    return memory;
}

/* So many iterations are made in single precision where a year or hosting is solved; more bring it no nearer. */
enum { FIRST_ITERATIONS = 5 };

/* Steps below this, pu, are followed further in single precision: what that neglects is the step's square. Not for long. */
#define SMALL_STEP 1e-4
enum { STEPS_MAX = 4 };

/* What both sweeps need of one node. l, u: its entries with the next node. */
typedef struct {
    double l_r, l_m, u_r, u_m, d_r, d_m;
    int64_t role;
} factor_of_node;

/* The same for the iterations in single precision. */
typedef struct {
    float l_r, l_m, u_r, u_m, d_r, d_m;
    int32_t role;
} first_factor_of_node;

/* An entry of L or U between a node and one that is not the next. */
typedef struct {
    double r, m;
    int32_t node, other;
} factor_link;

/* Current comes from the node before, from others, from a feeding point; goes to others than the next; the voltage hangs
 * on the next node's, on others'. */
enum { FROM_BEFORE = 1, GATHERS = 2, FED = 4, PASSES_ELSEWHERE = 8, HANGS_ON_NEXT = 16, HANGS_ELSEWHERE = 32 };

/* L and U of the nodal matrix without the feeding points, in elimination order. Columns of L without its unit diagonal,
 * rows of U without its diagonal and divided by it; d is its inverse. c: what the feeding points inject. node, up, down:
 * filled by describe_nodes. r, m: real and imaginary. */
typedef struct {
    int64_t n;
    const int64_t *l_start;
    const int32_t *l_row;
    const double *l_r, *l_m;
    const int64_t *u_start;
    const int32_t *u_column;
    const double *u_r, *u_m;
    const double *d_r, *d_m;
    const double *c_r, *c_m;
    const factor_of_node *node;
    const factor_link *up, *down;
} factors;

/* Links that are fetched ahead while one is worked on: they lead far away. */
enum { LINKS_AHEAD = 3 };

static size_t link_memory(int64_t n_entries) { return (size_t)(n_entries + LINKS_AHEAD) * sizeof(factor_link); }

/* Writes the entries of column or row j that do not lead to the next node; returns how many. */
static int64_t link_node(int64_t j, const int64_t *start, const int32_t *other, const double *r, const double *m,
                         factor_link *link) {
    int64_t count = 0;
    for (int64_t k = start[j]; k < start[j + 1]; k++)
        if (other[k] != j + 1) link[count++] = (factor_link){r[k], m[k], (int32_t)j, other[k]};
    return count;
}

/* Fills node, up and down from the rest of f. up: links of L in the order of their nodes, behind them some of no node;
 * down: ends the links of U, before which lie some of no node. Memory: f->n, link_memory(entries of L, of U). */
static void describe_nodes(factors *f, factor_of_node *node, factor_link *up, factor_link *down) {
    const factor_link none = {.node = -1};
    f->node = node, f->up = up;
    for (int i = 0; i < LINKS_AHEAD; i++) *down++ = none;
    for (int64_t j = 0; j < f->n; j++) {
        int64_t role = f->c_r[j] != 0 || f->c_m[j] != 0 ? FED : 0;
        node[j] = (factor_of_node){.d_r = f->d_r[j], .d_m = f->d_m[j], .role = role};
    }
    for (int64_t j = 0; j < f->n; j++) {
        for (int64_t k = f->l_start[j]; k < f->l_start[j + 1]; k++)
            if (f->l_row[k] == j + 1) {
                node[j].l_r = f->l_r[k], node[j].l_m = f->l_m[k];
                node[j + 1].role |= FROM_BEFORE;
            } else {
                node[j].role |= PASSES_ELSEWHERE;
                node[f->l_row[k]].role |= GATHERS;
            }
        for (int64_t k = f->u_start[j]; k < f->u_start[j + 1]; k++)
            if (f->u_column[k] == j + 1) {
                node[j].u_r = f->u_r[k], node[j].u_m = f->u_m[k];
                node[j].role |= HANGS_ON_NEXT;
            } else {
                node[j].role |= HANGS_ELSEWHERE;
            }
        up += link_node(j, f->l_start, f->l_row, f->l_r, f->l_m, up);
        down += link_node(j, f->u_start, f->u_column, f->u_r, f->u_m, down);
    }
    for (int i = 0; i < LINKS_AHEAD; i++) *up++ = none;
    f->down = down;
}

/* Two-ports of the branches. from, to: a node, or -1-k for feeding point k, whose voltage is source_r[k] + j source_m[k].
 * y: 8 numbers a branch (yff, yft, ytf, ytt). from_scale, to_scale: squared current in per unit, times this, is the
 * squared loading; 0 where there is no rating. */
typedef struct {
    int64_t n;
    const int64_t *from, *to;
    const double *y;
    const double *from_scale, *to_scale;
    const double *source_r, *source_m;
} branches;

/* Injections of a batch, (n, stride) each, scenarios contiguous; the last four may be NULL. */
typedef struct {
    int64_t stride;
    const double *power_r, *power_m;
    const double *current_r, *current_m;
    const double *impedance_r, *impedance_m;
} injections;

/* p_at, q_at: where the factors of its profiles begin. */
typedef struct {
    double p_nominal, q_nominal;
    int64_t p_at, q_at;
} profile_entry;

typedef struct {
    float p_nominal, q_nominal;
    int32_t p_at, q_at;
} first_profile_entry;

static inline first_profile_entry first_entry(const profile_entry *e) {
    return (first_profile_entry){(float)e->p_nominal, (float)e->q_nominal, (int32_t)e->p_at, (int32_t)e->q_at};
}

/* Factored profiles: injection of node j = sum over its entries of nominal * factor[column][scenario]. The factors of
 * eight scenarios lie together, `stride` numbers from those of the next eight, so that they stay near the processor. */
typedef struct {
    int64_t stride;
    const int64_t *start;
    const profile_entry *entry;
    const double *factor;
} profiles;

enum { FACTORS_TOGETHER = 8 };

static inline int64_t factors_at(const profiles *pr, int64_t t) {
    return t / FACTORS_TOGETHER * pr->stride + t % FACTORS_TOGETHER;
}

/* What a run over many scenarios leaves, by node and by branch. Squares of voltages and loadings are compared. */
typedef struct {
    const double *v_low2, *v_high2;
    double *v_min, *v_max;
    int64_t *v_min_at, *v_max_at;
    int64_t *n_low, *n_high;
    double *loading_max;
    int64_t *loading_max_at;
    int64_t *n_over;
    double *loss_sum;
    double *scenario_loss, *scenario_v_min, *scenario_v_max, *scenario_loading;
    uint16_t *v_histogram, *loading_histogram;
    int64_t n_bins;
    double v_bin_from, v_bins_per_unit, loading_bins_per_unit;
} extremes;

/* Hosting: candidates, their trial powers, the base state and its limits. share: the root found; binding: j for a high
 * voltage at node j, n + j for a low one, 2 n + e for branch e, -1 for nothing. */
typedef struct {
    const int32_t *node;
    double *power_r, *power_m;
    const double *base_r, *base_m;
    const double *v_r, *v_m;
    const double *v_low2, *v_high2;
    const double *loading2;
    const double *current;
    double *share;
    int32_t *binding;
    int8_t *solved;
} hosting;

/* What the local method needs besides: the elimination tree and what of the base state lies outside a path to its root:
 * gathered, passed: current that arrives at a node and goes on from it, of the injections; fixed_...: of the feeding
 * points. closest_high, closest_low: largest and smallest ratio of voltage to limit in the subtree. relative: base
 * voltage by its parent's. */
typedef struct {
    const int64_t *parent;
    const int64_t *child_start, *child;
    const int64_t *branch_start, *branch;
    const double *gathered_r, *gathered_m;
    const double *passed_r, *passed_m;
    const double *fixed_gathered_r, *fixed_gathered_m;
    const double *fixed_passed_r, *fixed_passed_m;
    const double *closest_high, *closest_low;
    const double *relative_r, *relative_m;
} surroundings;
#endif
