/* Batched AC power flow and hosting capacity by the constant-matrix fixed point; as many
 * scenarios side by side as a register of the machine holds.
 *
 * The functions below are called through ctypes (see fixed_point.py), which lets go of the interpreter's lock. The code
 * is compiled for several instruction sets, and the best that this machine has is used. Needs no Python header.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixed_point.h"

#define VARIANT(name) name##_plain
#define LANES 2
#define HALVES 2
#include "fixed_point_variant.h"
#include "hosting_limits_variant.h"
#include "hosting_path_variant.h"
#include "hosting_variant.h"
#undef VARIANT
#undef LANES
#undef HALVES

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAS_VARIANTS 1
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define VARIANT(name) name##_avx2
#define LANES 4
#define HALVES 2
#include "fixed_point_variant.h"
#include "hosting_limits_variant.h"
#include "hosting_path_variant.h"
#include "hosting_variant.h"
#undef VARIANT
#undef LANES
#undef HALVES
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,fma,prefer-vector-width=512")
#define VARIANT(name) name##_avx512
#define LANES 8
#define HALVES 1
#include "fixed_point_variant.h"
#include "hosting_limits_variant.h"
#include "hosting_path_variant.h"
#include "hosting_variant.h"
#undef VARIANT
#undef LANES
#undef HALVES
#pragma GCC pop_options
#else
#define HAS_VARIANTS 0
#endif

#define EXPORTED __attribute__((visibility("default")))

static int level(void) {
#if HAS_VARIANTS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

#if HAS_VARIANTS
#define CALL(name, ...)                                                                        \
    switch (level()) {                                                                         \
        case 2: return name##_avx512(__VA_ARGS__);                                             \
        case 1: return name##_avx2(__VA_ARGS__);                                               \
        default: return name##_plain(__VA_ARGS__);                                             \
    }
#else
#define CALL(name, ...) return name##_plain(__VA_ARGS__);
#endif

static int64_t best_solve(const factors *f, const injections *s, int64_t start, int64_t stop, const double *v_r,
                           const double *v_m, double tolerance2, int64_t iterations_max, double *out_r, double *out_m,
                           int8_t *converged) {
    CALL(solve, f, s, start, stop, v_r, v_m, tolerance2, iterations_max, out_r, out_m, converged)
}

static int64_t best_stream(const factors *f, const branches *br, const profiles *pr, int64_t start, int64_t stop,
                            int64_t restart, const double *v_r, const double *v_m, double tolerance2,
                            int64_t iterations_max, extremes *x, int8_t *converged) {
    CALL(stream, f, br, pr, start, stop, restart, v_r, v_m, tolerance2, iterations_max, x, converged)
}

static int64_t best_host(const factors *f, const branches *br, const surroundings *s, const hosting *h, int64_t start,
                         int64_t stop, double tolerance2, int64_t iterations_max) {
    CALL(host, f, br, s, h, start, stop, tolerance2, iterations_max)
}

static int64_t best_host_locally(const factors *f, const branches *br, const surroundings *s, const hosting *h,
                                  int64_t start, int64_t stop, double tolerance2, int64_t iterations_max,
                                  int64_t rounds_max) {
    CALL(host_locally, f, br, s, h, start, stop, tolerance2, iterations_max, rounds_max)
}

/* Calls with factors whose nodes are described. */
#define WITH_NODES(f, call)                                                    \
    factors described = *f;                                                    \
    factor_of_node *node = malloc((size_t)(f->n + 1) * sizeof *node);          \
    factor_link *up = malloc(link_memory(f->l_start[f->n]));                   \
    factor_link *down = malloc(link_memory(f->u_start[f->n]));                 \
    int64_t count = -1;                                                        \
    if (node && up && down) {                                                  \
        describe_nodes(&described, node, up, down);                            \
        count = call;                                                          \
    }                                                                          \
    free(down), free(up), free(node);                                          \
    return count;

EXPORTED int64_t cmb_level(void) { return level(); }

EXPORTED int64_t cmb_solve(const factors *f, const injections *s, int64_t start, int64_t stop, const double *v_r,
                           const double *v_m, double tolerance2, int64_t iterations_max, double *out_r, double *out_m,
                           int8_t *converged) {
    WITH_NODES(f, best_solve(&described, s, start, stop, v_r, v_m, tolerance2, iterations_max, out_r, out_m, converged))
}

EXPORTED int64_t cmb_stream(const factors *f, const branches *br, const profiles *pr, int64_t start, int64_t stop,
                            int64_t restart, const double *v_r, const double *v_m, double tolerance2,
                            int64_t iterations_max, extremes *x, int8_t *converged) {
    WITH_NODES(f, best_stream(&described, br, pr, start, stop, restart, v_r, v_m, tolerance2, iterations_max, x,
                              converged))
}

EXPORTED int64_t cmb_host(const factors *f, const branches *br, const surroundings *s, const hosting *h, int64_t start,
                          int64_t stop, double tolerance2, int64_t iterations_max) {
    WITH_NODES(f, best_host(&described, br, s, h, start, stop, tolerance2, iterations_max))
}

EXPORTED int64_t cmb_host_locally(const factors *f, const branches *br, const surroundings *s, const hosting *h,
                                  int64_t start, int64_t stop, double tolerance2, int64_t iterations_max,
                                  int64_t rounds_max) {
    WITH_NODES(f, best_host_locally(&described, br, s, h, start, stop, tolerance2, iterations_max, rounds_max))
}
