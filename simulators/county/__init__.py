"""Builds the demo county: the network, the registry of metering points, and what drives the devices."""
