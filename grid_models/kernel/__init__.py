"""C source of the power-flow kernel; built at installation if there is a compiler (see grid_models/fixed_point.py)."""
