"""Parts of spaces that tests have in common."""

# What a study tries of the settings for drift if it shall do nothing about it, as texts and as options.
PLAIN = {"smooth": "0", "augment": "0", "standardise": "0", "score_top": "0"}
PLAIN_OPTIONS = tuple(part for key, text in PLAIN.items() for part in (f"--space-{key.replace('_', '-')}", text))
