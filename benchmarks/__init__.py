"""Ratios between the stock packages, this one and code written by hand; see __main__.py."""
