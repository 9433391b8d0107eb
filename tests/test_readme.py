"""What the README shows works as it is written."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_python_example_runs(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL).group(1)
    assert "size_mm=3.2" in code
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code.replace("size_mm=3.2", "size_mm=7.0"), names)  # coarser, to be quick
    assert names["field"].summary("gm").peak > 0.5
    assert (tmp_path / "out.vtu").exists()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)", README.read_text()))
def test_links_lead_somewhere(link):
    assert (README.parent / link).exists()


def test_every_command_that_is_shown_exists():
    from typer.main import get_command

    from femtms.cli.main import app

    shown = set(re.findall(r"^    femtms (\w+)", README.read_text(), re.MULTILINE)) | {"coils", "info"}
    assert shown <= set(get_command(app).commands)
