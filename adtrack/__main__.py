"""``python -m adtrack``: what MLproject runs, so that the project folder needs no installation."""

from adtrack.cli import main

if __name__ == "__main__":
    main()
