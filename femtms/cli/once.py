"""Options that are given twice although one value counts: said, where the first would be dropped."""

from typing import Any

import typer
import typer.core

from femtms.errors import FemtmsError


class OnceEach(typer.core.TyperCommand):
    """A command that refuses an option which is repeated, unless it takes several values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As of click, after a look at what would be dropped."""
        try:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        except Exception:  # click says what is wrong when it parses again
            order = []
        for option in self.params:
            repeated = order.count(option) if option.nargs == 1 else 0
            if repeated > 1 and not getattr(option, "multiple", False) and not getattr(option, "is_flag", False):
                raise FemtmsError(f"{max(option.opts, key=len)} must be given once; it is given {repeated} times")
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """Commands of which each is OnceEach."""

    def command(self, *args: Any, **kwargs: Any) -> Any:
        """As of typer."""
        return super().command(*args, **({"cls": OnceEach} | kwargs))
