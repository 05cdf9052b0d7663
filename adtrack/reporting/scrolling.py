"""Tables that are wider than their page: they scroll by themselves, and show that there is more."""

# A bar that stays in sight, a shadow at each edge that hides columns, and the first column always there. Borders are
# the cells' own: those of a collapsed table would scroll away from a cell that stays.
STYLE = """
.wide { overflow-x: auto; margin: .8rem 0; background-repeat: no-repeat; background-position: left, right, left, right;
  background-image: linear-gradient(to right, var(--ground) 40%, transparent),
    linear-gradient(to left, var(--ground) 40%, transparent),
    linear-gradient(to right, var(--shadow), transparent), linear-gradient(to left, var(--shadow), transparent);
  background-size: 3rem 100%, 3rem 100%, .9rem 100%, .9rem 100%;
  background-attachment: local, local, scroll, scroll; --shadow: #1d243040; }
@media (prefers-color-scheme: dark) { .wide { --shadow: #000c; } }
.wide::-webkit-scrollbar { height: .6rem; }
.wide::-webkit-scrollbar-thumb { background: var(--line); border-radius: .3rem; }
.wide table { border-collapse: separate; border-spacing: 0; }
.wide th:first-child, .wide td:first-child { position: sticky; left: 0; background: var(--ground); }
.wide td.number { white-space: normal; }
.wide .number span { white-space: nowrap; }
@media print { .wide { overflow: visible; background: none; } .wide table { font-size: 7pt; } }
"""


def scrolling(table: str) -> str:
    """The table (HTML) in a frame of its own, which keys scroll too."""
    return f'<div class="wide" tabindex="0">{table}</div>\n'
