"""The code of docs/python.md runs, and what its ten lines export is served."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from tests.conftest import REPOSITORY

import growthlab as gl
from growthlab.serving.app import create_app
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions

PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


async def served_answer(bundle: str, request: dict[str, Any]) -> Any:
    """What the service of a bundle answers."""
    service = Service(ServiceOptions(bundle=bundle))
    app = create_app(service)
    service.start()
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/recommend", json=request)
    await service.stop()
    return answer.json()


def test_from_a_table_to_a_bundle_in_ten_lines_and_then_a_model_of_ones_own(
    orders: pd.DataFrame, folder: Path
) -> None:
    first, own = BLOCKS
    assert len([line for line in first.splitlines() if line]) <= 10
    orders.to_csv("orders.csv", index=False)
    names: dict[str, Any] = {}
    exec(first, names)
    listed = names["bundle"].recommend("c1", k=5)
    assert len(listed) == 5

    answer = asyncio.run(served_answer("bundles/orders", {"user_id": "c1", "k": 5}))
    assert [item["item"] for item in answer["items"]] == listed["item_id"].tolist()

    exec(own, names)
    assert set(names["board"].models) == {"newest", "quick", "knn"}


def test_the_page_names_every_function() -> None:
    for name in set(gl.__all__) - {"EventLog"}:
        assert f"gl.{name}(" in PAGE, name


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, growthlab as gl\n"
        "assert set(gl.__all__) <= set(dir(gl))\n"
        "print([m for m in ('pandas', 'numpy', 'torch', 'hydra', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_function_stays_one_when_the_room_of_its_name_is_imported() -> None:
    from growthlab.export.write_bundle import write_bundle

    assert callable(gl.export)
    assert callable(write_bundle)
