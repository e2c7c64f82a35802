"""Types of what a recipe says of publishing its models: the licence of their weights, for the cards."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from recipe.types import Strict, Text

LICENSE = r"^[a-z0-9][a-z0-9.+-]*$"
"""How the hub writes licences: https://hf.co/docs/hub/repositories-licenses."""
LINK = r"^https?://\S+$"
OTHER = "other"
"""The hub's word for a licence that has no identifier there."""


class Publish(Strict):
    """What model cards say of the licence. It decides nothing of what is made."""

    license: Annotated[Text, Field(pattern=LICENSE)] | None = None
    """Identifier of the weights' licence on the hub, such as `apache-2.0`; `other` needs the two below."""
    license_name: Annotated[Text, Field(pattern=LICENSE)] | None = None
    """Of `other`, what the licence is called, in small letters without spaces."""
    license_link: Annotated[Text, Field(pattern=LINK)] | None = None
    """Address where the licence can be read."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Let a licence be named in the way that the hub takes."""
        if self.license == OTHER and not (self.license_name and self.license_link):
            raise ValueError("with license: other, give license_name and license_link too")
        if self.license_name and self.license != OTHER:
            raise ValueError("license_name is for license: other; leave it out")
        if self.license_link and not self.license:
            raise ValueError("license_link needs a license")
        return self
