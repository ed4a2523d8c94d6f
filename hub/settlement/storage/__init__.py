"""Storage: dual role, price sources, compensations, leasing, joint participation, value check (rows 128 to 136)."""
