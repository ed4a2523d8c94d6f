"""The demo: one operating day of the demo county in virtual time, every part a process of its own."""
