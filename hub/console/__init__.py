"""The operators' console: its source in app/, its built assets in static/."""
