"""Worker processes and what belongs to them."""

from __future__ import annotations

import gc
import warnings

import pytest

from flowbuilder import run
from tests.conftest import Collect


@pytest.mark.parametrize("body", ["return 1", "os._exit(3)"])
def test_the_files_of_a_worker_are_closed_with_it(collect: Collect, body: str) -> None:
    flows = collect(
        f"""
        import os
        from flowbuilder import step

        @step(executor="process")
        def work():
            {body}
        """
    )

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run("work", registry=flows)
        gc.collect()

    assert [str(one.message) for one in caught] == []
