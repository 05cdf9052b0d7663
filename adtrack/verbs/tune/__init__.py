"""tune: studies, by one process or several."""

LOADED_AHEAD = f"{__name__}.ahead"  # the module that is loaded for the workers before they begin
