"""slowhttptest, which nobody here wrote, in its four modes at once: the service stays available all the time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtest import slow

from ..conftest import need
from .siege import under_siege

pytestmark = pytest.mark.attack

CONNECTIONS = 100
SECONDS = 3


def test_the_service_stays_available(tmp_path: Path) -> None:
    need("slowhttptest")
    with under_siege(tmp_path) as siege, ThreadPoolExecutor(len(slow.MODES)) as pool:
        under_way = {mode: pool.submit(slow.strike, mode, siege.port, CONNECTIONS, SECONDS) for mode in slow.MODES}
        found = {mode: each.result() for mode, each in under_way.items()}
    for mode, each in found.items():
        assert each.available == "YES", (mode, each.said)
        assert each.opened >= CONNECTIONS // 2, (mode, each.said)
