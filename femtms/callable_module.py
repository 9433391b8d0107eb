"""Modules that are called as the function they are named after: `femtms.compare(…)` is `femtms.compare.compare(…)`.

The function and its module have one name, and users may ask for either.
"""

import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _function_of(self)(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)  # other processes are given jobs to do

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(_function_of(self))


def _function_of(module: ModuleType) -> Any:
    return getattr(module, module.__name__.rpartition(".")[2])


def callable_as_its_function(name: str) -> None:
    """Make the module `name` callable, with the documentation of its function."""
    module = sys.modules[name]
    module.__class__ = _CallableModule
    module.__doc__ = _function_of(module).__doc__
