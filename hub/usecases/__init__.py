"""One verb a file: load, call the core, save, commit."""
