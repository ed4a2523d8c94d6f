"""The three trading modes and the four supply modes of an operating day: what elections mean for clearing."""
