"""Exact nearest rows and exact greedy orders, found fast.

``reference.py`` says in a few lines what is computed. The other modules give the same indices and the same bits with
far fewer multiplications. All of them work by one rule: a cheap bound rules most vectors out, and float64 differences
decide among the rest.
"""
