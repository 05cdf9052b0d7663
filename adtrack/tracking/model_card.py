"""How a logged model is called: the words on its page, and the example that is saved with it."""

import base64
import io
import json

import pandas as pd
from PIL import Image

from adtrack.naming import argument

_TEXT = """Scores images for anomalies: `score`, `threshold` and `label` (1 = anomalous: score ≥ threshold), on request
the anomaly map.

**A folder of images** becomes a table, heatmaps and a gallery:

```
adtrack score --model {address} photos/ --out scored/
```

**In Python**, with or without adtrack:

```python
import mlflow, pandas

model = mlflow.pyfunc.load_model({quoted})
model.predict(pandas.DataFrame({{"image": ["part.png"]}}))  # files, encoded bytes or base64
model.predict(pandas.DataFrame({{"image": ["part.png"]}}), params={{"return_map": True}})
model.predict(images)  # uint8 (n, H, W, 3)
```

**Over HTTP**:

```
mlflow models serve --model-uri {address} \\
  --env-manager local --port 5001
printf '{{"inputs": ["%s"]}}' "$(base64 < part.png)" |
  curl --data @- --header 'Content-Type: application/json' http://127.0.0.1:5001/invocations
```

More images: `{{"inputs": ["…", "…"]}}`; with their maps: `{{"inputs": ["…"], "params": {{"return_map": true}}}}`.
"""


def how_to_call(uri: str) -> str:
    """Markdown for the page of the model with this URI."""
    return _TEXT.format(address=argument(uri), quoted=json.dumps(uri, ensure_ascii=False))


def example() -> pd.DataFrame:
    """A table of one image as a client would send it: a plain grey PNG in base64, for the shape of a request."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), (128, 128, 128)).save(stream, format="PNG")
    return pd.DataFrame({"image": [base64.b64encode(stream.getvalue()).decode()]})
