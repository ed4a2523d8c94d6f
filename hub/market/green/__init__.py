"""Green power: attributes bound to traded energy, environmental value apart from energy, certificates of one MWh."""
