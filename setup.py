"""Builds the power-flow kernel; all else is in pyproject.toml.

Without a C compiler the installation goes on (optional) and says so, and power-grid-model does the kernel's work.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "grid_models.kernel.fixed_point_kernel",
            sources=["grid_models/kernel/fixed_point.c"],
            depends=[
                "grid_models/kernel/first_sweeps_variant.h",
                "grid_models/kernel/fixed_point.h",
                "grid_models/kernel/fixed_point_variant.h",
                "grid_models/kernel/hosting_limits_variant.h",
                "grid_models/kernel/hosting_path_variant.h",
                "grid_models/kernel/hosting_variant.h",
            ],
            extra_compile_args=["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"],
            libraries=["m"],
            optional=True,
        )
    ]
)
