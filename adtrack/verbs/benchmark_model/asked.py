"""Which engines benchmark-model compares; importing this is quick."""

from adtrack.edge.formats import FORMATS, check_format
from adtrack.errors import UserError

TORCH, INT8 = "torch", "-int8"  # an engine is torch, a format, or a format with 8 bits
ENGINES = (TORCH, *FORMATS, *(f"{name}{INT8}" for name in FORMATS))


def parse_engines(text: str) -> tuple[str, ...]:
    """The engines that a text joins by commas. UserError: there is no such engine, or its library is missing."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in ENGINES:
            raise UserError(f"engines must be {', '.join(ENGINES)}, joined by commas, but got {name!r}.")
        if name != TORCH:
            check_format(name.removesuffix(INT8), int8=name.endswith(INT8))
    return names
