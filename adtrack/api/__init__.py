"""adtrack in Python: fit a model to good images, score with it, keep it, and search the best one for a class.

The code that does the work is the command line's. ``fit`` and ``load`` track nothing; ``tune`` does what the verb does,
with its runs in the tracking store. Mistakes raise ``adtrack.errors.UserError``, whose message says the
rule, the value and the remedy.
"""

from adtrack.api.fitting import fit, load
from adtrack.api.model import Model, Result
from adtrack.api.search import Study, tune

__all__ = ["Model", "Result", "Study", "fit", "load", "tune"]
