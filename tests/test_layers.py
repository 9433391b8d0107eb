"""Data flows one way: a package imports only from those before it."""

import ast
from pathlib import Path

import pytest

import femtms

PACKAGE = Path(femtms.__file__).parent

# In the order in which data flows.  Names in one row do not know each other.
ROWS = [
    {"errors", "arrays", "stage", "memory", "spelling", "warned", "callable_module"},
    {"plausible", "arguments"},
    {"extras"},
    {"tissue", "core"},
    {"kernels"},
    {"backend"},
    {"head"},
    {"mesh"},
    {"conductivity", "coil"},
    {"fem"},
    {"solver"},
    {"field"},
    {"simulator"},
    {"analysis"},
    {"report", "reference"},
    {"io"},
    {"placement", "samples", "anisotropy", "within", "costs"},
    {"compare", "simulate", "sweep", "study"},
    {"batch"},
    {"cli"},
]
LEVEL = {name: level for level, row in enumerate(ROWS) for name in row}
# Users expect to save and see what they hold: imports against the flow, each inside a method.
EXCEPTIONS = {
    ("field/field.py", "io"),
    ("field/field.py", "report"),
    ("mesh/tetmesh.py", "report"),
    ("coil/coil.py", "report"),
}


def part_of(module):
    """`femtms.mesh.lattice` -> "mesh"."""
    return module.split(".")[1] if "." in module else None


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "femtms":
                yield from (f"femtms.{alias.name}" for alias in node.names)
            else:
                yield node.module


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_flow_of_data(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in LEVEL, f"{own} has no place in ROWS"
    for module in imports_of(path):
        if not module.startswith("femtms"):
            continue
        other = part_of(module)
        if own == "cli" and (other is None or other not in LEVEL):
            continue  # the command line uses the façade
        allowed = other == own or (other in LEVEL and LEVEL[other] < LEVEL[own])
        exception = (str(path.relative_to(PACKAGE)), other) in EXCEPTIONS
        assert allowed or exception, f"{path.name} imports {module}"


def test_only_backend_and_kernels_import_cupy():
    for path in FILES:
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if any(module.split(".")[0] == "cupy" for module in imports_of(path)):
            assert own in ("backend", "kernels"), path


def test_reference_is_not_used_by_the_solver():
    for path in FILES:
        if path.relative_to(PACKAGE).parts[0] != "reference":
            assert not any((module or "").startswith("femtms.reference") for module in imports_of(path)), path


def test_public_names_exist_and_are_documented():
    for name in femtms.__all__:
        assert getattr(femtms, name).__doc__, name
