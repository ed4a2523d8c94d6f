"""The operators' console: a Vue application in app/, built into static/, which is committed and served as it is."""

from pathlib import Path

STATIC_FILES = Path(__file__).parent / "static"
"""Folder of the built files, for hub.api.app.create_app."""
