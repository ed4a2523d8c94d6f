"""The county and the province: orders at the gateway, exchange schedules and their hand-over, price rules."""
