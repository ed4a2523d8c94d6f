"""The HTTP interface of the hub: translates requests into reads of the store; holds no rules."""
