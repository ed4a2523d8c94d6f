"""Network models: pandapower and power flow stay inside this folder."""
