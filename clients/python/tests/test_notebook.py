"""The notebook of the documentation runs to its end against a real server."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import ROOT, Served


def test_notebook_of_the_documentation_runs(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAX_URL", served.url)
    notebook = nbformat.read(ROOT / "docs/tutorials/notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells), "the committed notebook has no outputs"
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs), "a chart is drawn"
    assert any("text/html" in output.get("data", {}) for output in outputs), "tables are shown"
