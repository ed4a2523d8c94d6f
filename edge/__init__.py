"""The program that runs beside a meter or an inverter."""
