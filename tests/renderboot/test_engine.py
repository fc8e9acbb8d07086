"""mitsuba's own objects, made by our functions."""

from __future__ import annotations

import threading
import time
from typing import Any

from host.renderboot.renderers.mitsuba.engine import dr, load, mi


class _Probe(mi.BSDF):
    """A surface that notes which thread made it."""

    made_by: list[int] = []

    def __init__(self, properties: Any) -> None:
        super().__init__(properties)
        properties["number"]
        time.sleep(0.005)  # so that others would make the next ones meanwhile
        self.made_by.append(threading.get_native_id())


def test_objects_are_made_by_the_calling_thread() -> None:
    """mitsuba's others may be denoising: a change would wait for them."""
    mi.register_bsdf("probe", _Probe)
    threads = dr.thread_count()
    dr.set_thread_count(2)
    try:
        load({"type": "scene", **{f"b{number}": {"type": "probe", "number": number} for number in range(20)}})
    finally:
        dr.set_thread_count(threads)
    assert _Probe.made_by == [threading.get_native_id()] * 20
