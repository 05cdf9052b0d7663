"""Where adtrack keeps what can be made again: demo data, features, trunks, coreset orders."""

import os
from pathlib import Path

import platformdirs


def cache_folder(*parts: str) -> Path:
    """The folder ``parts`` below ADTRACK_CACHE, or below the user's cache folder (XDG_CACHE_HOME is respected)."""
    root = os.environ.get("ADTRACK_CACHE") or platformdirs.user_cache_dir("adtrack", appauthor=False)
    return Path(root).expanduser().joinpath(*parts)
