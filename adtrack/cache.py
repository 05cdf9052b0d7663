"""Finds the folder for files that can be made again: demo data, features, networks, coreset orders."""

import os
from pathlib import Path

import platformdirs


def cache_folder(*parts: str) -> Path:
    """The folder ``parts`` below ADTRACK_CACHE, or else below the user's cache folder, which XDG_CACHE_HOME may set."""
    root = os.environ.get("ADTRACK_CACHE") or platformdirs.user_cache_dir("adtrack", appauthor=False)
    return Path(root).expanduser().joinpath(*parts)
