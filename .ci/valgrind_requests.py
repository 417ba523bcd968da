"""The demo's smaller queries, once each on the accelerated side; run under valgrind."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "chinook"))

from demo import ASYNC, QUERIES, SYNC, Side

side = Side(accelerated=True)
for name in ("employees -> manager, reports", "customers -> invoices -> lines"):
    for mode in (SYNC, ASYNC):
        sample = side.request(QUERIES[name], mode)
        print(f"{name}, {mode}: {sample.statements} statements, {sample.failure or 'no error'}")
        assert sample.failure is None
side.close()
