"""Servers over HTTP and a client that loads them; what is measured is in ../bench_load.py."""
