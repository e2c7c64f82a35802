"""The kinds of values that a recipe holds, and the base of its parts; see `recipe.schema` for what is made of them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def number(value: Any) -> Any:
    """Let a number be written in any way a person would: YAML 1.1 reads `3e-4` and `350e9` as text.

    Raises:
        ValueError: for true and false, which would otherwise count as 1 and 0.
    """
    if isinstance(value, bool):
        raise ValueError("needs a number, not true or false")
    if not isinstance(value, str):
        return value
    try:
        parsed = Decimal(value.replace("_", ""))
    except InvalidOperation:
        return value
    whole = parsed.is_finite() and parsed == parsed.to_integral_value() and abs(parsed) < 2**63
    return int(parsed) if whole else float(parsed)


def text(value: Any) -> Any:
    """Explain YAML 1.1's best-known trap: `no`, the code of Norwegian, is read as false.

    Raises:
        ValueError: for true and false.
    """
    if isinstance(value, bool):
        raise ValueError("needs text; YAML reads on, off, yes and no as true and false, so put the word in quotes")
    return value


NAME = r"^[a-z0-9][a-z0-9-]*$"
LANGUAGE = r"^[a-z]{2,3}(-[a-z]{2,3})?$|^code$"
TOKENIZER = r"^[\w./~-]+$"

Engine = Literal["tokie", "tokenizers"]
Objective = Literal["classical", "parity"]
Text = Annotated[str, BeforeValidator(text)]
Name = Annotated[str, Field(pattern=NAME), BeforeValidator(text)]
Language = Annotated[str, Field(pattern=LANGUAGE), BeforeValidator(text)]
TokenizerName = Annotated[str, Field(pattern=TOKENIZER), BeforeValidator(text)]
Count = Annotated[int, Field(gt=0, lt=2**63), BeforeValidator(number)]
Size = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(number)]
Positive = Annotated[float, Field(gt=0.0), BeforeValidator(number)]
NotNegative = Annotated[float, Field(ge=0.0), BeforeValidator(number)]
Share = Annotated[float, Field(ge=0.0, le=1.0), BeforeValidator(number)]
PositiveShare = Annotated[float, Field(gt=0.0, le=1.0), BeforeValidator(number)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0), BeforeValidator(number)]
GridValue = Annotated[int | float | str, BeforeValidator(number)]
Beta = Annotated[float, Field(ge=0.0, lt=1.0), BeforeValidator(number)]


class Strict(BaseModel):
    """A part of the recipe: unknown keys are errors, and it does not change once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        defer_build=True,  # a stage reads one slice, and need not build what the others hold
    )
