"""The page of a logged model, which says how it did and how it is called, and the example that is saved with it."""

import base64
import io
import json

import pandas as pd
from PIL import Image

from adtrack.naming import argument
from adtrack.reporting.table import Table
from adtrack.reporting.templating import render


def how_to_call(uri: str, *, maps: bool, figures: Table | None = None, story: str = "") -> str:
    """Markdown for the page of the model with this URI; ``maps`` says whether it has anomaly maps.

    ``figures`` say what it does at its threshold, if it has been measured. ``story`` is what a reader must know of how
    the threshold came about.
    """
    quoted = json.dumps(uri, ensure_ascii=False)
    return render("model_card.md", address=argument(uri), quoted=quoted, maps=maps, table=figures, story=story)


def example() -> pd.DataFrame:
    """A table of one image as a client would send it: a plain grey PNG in base64, for the shape of a request."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), (128, 128, 128)).save(stream, format="PNG")
    return pd.DataFrame({"image": [base64.b64encode(stream.getvalue()).decode()]})
