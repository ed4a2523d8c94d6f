"""CGMES files through pandapower's own converter: a .zip of profiles, one .xml, or a folder of them.

The version is what the files' namespace says, 2.4.15 (CIM 16) or 3.0 (CIM 100). The converter names the profile of a
file by its header and raises errors of every kind on files that it does not understand; header and form are therefore
checked before, and what it still raises is reported on one line.
"""

import importlib
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grid_models.elements import NetworkError
from grid_models.networks import one_line

if TYPE_CHECKING:
    from pandapower import pandapowerNet

_VERSIONS: Final = ((b"CIM-schema-cim16", "2.4.15"), (b"TC57/CIM100", "3.0"))
_PROFILE: Final = re.compile(rb"Model\.profile>([^<]+)<")


def read_cgmes(path: Path) -> "pandapowerNet":
    """Return the network in CGMES files as a pandapower net; names may be missing or repeat.

    :raises NetworkError: if the files are not CGMES or the converter does not understand them
    """
    texts = _texts(path)
    versions = set()
    for name, text in texts:
        version = next((version for mark, version in _VERSIONS if mark in text[:4096]), None)
        if version is None or not _PROFILE.search(text):
            raise NetworkError(f"{path}: {name} is no CGMES profile (2.4.15 or 3.0, with its header)")
        _refuse_malformed(path, name, text)
        versions.add(version)
    if len(versions) != 1:
        raise NetworkError(f"{path}: its profiles are of versions {', '.join(sorted(versions))}")
    files = [str(file) for file in _profile_files(path)]
    return _converted(path, files, versions.pop())


def _profile_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.xml")) if path.is_dir() else [path]


def _texts(path: Path) -> list[tuple[str, bytes]]:
    """Return name and content of every profile, those of a .zip included.

    :raises NetworkError: if a file cannot be read, or there is none
    """
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                texts = [(name, archive.read(name)) for name in archive.namelist() if name.lower().endswith(".xml")]
        else:
            texts = [(file.name, file.read_bytes()) for file in _profile_files(path)]
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError) as error:
        raise NetworkError(f"{path}: a broken zip file: {error}") from None
    if not texts:
        raise NetworkError(f"{path}: holds no .xml file")
    return texts


def _refuse_malformed(path: Path, name: str, text: bytes) -> None:
    etree = importlib.import_module("lxml.etree")
    try:
        etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as error:
        raise NetworkError(f"{path}: {name} is no XML: {error}") from None


def _converted(path: Path, files: list[str], version: str) -> "pandapowerNet":
    with _silenced():
        converter = importlib.import_module("pandapower.converter.cim.cim2pp.from_cim")
        try:
            net = converter.from_cim(files, cgmes_version=version, ignore_errors=False, create_tap_controller=False)
        except (
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RuntimeError,
            UserWarning,
        ) as error:
            raise NetworkError(f"{path}: pandapower's CGMES converter failed: {one_line(error)}") from None
    if not str(net.name or ""):
        net["name"] = path.stem
    return net


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the converter's own warnings and its log, hundreds of lines, from the user, who cannot act on them."""
    loggers = [logging.getLogger(name) for name in ("cim", "pandapower")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
