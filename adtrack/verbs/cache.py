"""cache: show what the cache holds, or empty it."""

import shutil

from adtrack.cache import cache_folder
from adtrack.features.store import LIMIT_VARIABLE, cache_limit

# The folders "workers" and "locks" hold empty files of processes that may be at work.
ROOMS = {
    "features": "backbone outputs",
    "orders": "coreset orders",
    "distances": "distances of images to banks",
    "scores": "scores of images by models",
    "trunks": "backbone weights",
    "training": "what methods and networks have learned by training",
    "checked": "what image files have shown",
    "demo": "demo data",
}


def describe_cache() -> list[str]:
    """Lines of text: the folder, the size of every room in it, and the limit on features."""
    lines = [f"{cache_folder()}"]
    for room, what in ROOMS.items():
        size = sum(file.stat().st_size for file in cache_folder(room).rglob("*") if file.is_file())
        lines.append(f"  {room:9} {size / 1e6:10.1f} MB   {what}")
    lines.append(f"Features may take {cache_limit() / 1e9:g} GB ({LIMIT_VARIABLE}). adtrack cache --clear empties all.")
    return lines


def clear_cache() -> str:
    """Remove every room."""
    for room in ROOMS:
        shutil.rmtree(cache_folder(room), ignore_errors=True)
    return f"Emptied {cache_folder()}; what is needed will be made again."
