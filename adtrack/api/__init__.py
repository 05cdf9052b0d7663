"""adtrack in Python: fit a model to good images, score with it, keep it, and search the best one for a class.

These are the functions that the command line calls, without its runs where nobody asked for one: ``fit`` and ``load``
track nothing, ``tune`` does what the verb does. Mistakes raise ``adtrack.errors.UserError``, whose message says the
rule, the value and the remedy.
"""

from adtrack.api.fitting import fit, load
from adtrack.api.model import Model, Result
from adtrack.api.search import Study, tune

__all__ = ["Model", "Result", "Study", "fit", "load", "tune"]
