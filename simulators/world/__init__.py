"""The physical world of a county: devices, batteries, the network's own AC power flow, and the meters' registers."""
