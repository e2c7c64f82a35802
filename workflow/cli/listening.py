"""What Alasin's logger plugins of Snakemake have in common: they take the place of its own words on the terminal."""

from __future__ import annotations

from snakemake_interface_logger_plugins.base import LogHandlerBase


class Listener(LogHandlerBase):
    """A handler that chooses and words by itself what is told; subclasses have `emit`."""

    @property
    def writes_to_stream(self) -> bool:
        """Take the place of Snakemake's own words on the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Not in the sense of a log that a person is told of; Snakemake writes its own."""
        return False

    @property
    def has_filter(self) -> bool:
        """Hear what the profile leaves out of the terminal, too."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Records are not formatted."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Jobs are enough."""
        return False
