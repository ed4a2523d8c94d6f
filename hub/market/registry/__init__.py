"""The market's registry: who takes part, under which rules, in which modes, on which days; a fold over dated events."""
