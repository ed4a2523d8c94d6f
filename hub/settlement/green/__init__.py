"""Green settlement: environmental value and energy as two streams, and what a month once settled keeps (144 to 154)."""
