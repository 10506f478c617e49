"""The group of all commands: empty values and misplaced settings are refused in one line."""

import re
from typing import Any

from click import Context, NoSuchOption
from typer.core import TyperGroup

from fedgroup.errors import FedgroupError

EMPTY = re.compile(r"--[a-z][a-z-]*=\s*")


class Commands(TyperGroup):
    """The commands of `fedgroup`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Refuse an argument without a value, which an empty shell variable leaves behind."""
        for before, text in zip(["", *args], args, strict=False):
            if not text.strip() or EMPTY.fullmatch(text):
                option = text.rstrip("= ") or (before if before.startswith("-") else "an argument")
                raise FedgroupError(f"{option} has an empty value (an empty shell variable?)")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Context) -> Any:
        """Run a command; for an option that is a setting, say how a setting is given."""
        try:
            return super().invoke(ctx)
        except NoSuchOption as error:
            from experiments.tables.assignments import did_you_mean

            name = error.option_name.lstrip("-").replace("-", "_")
            hint = did_you_mean(name, exact=True)
            if not hint:
                raise
            raise FedgroupError(
                f"no option {error.option_name}: settings are given by --set{hint}"
            ) from error
