"""Projects for the tests of what pages show: those of the desks."""

from tests.workbench.conftest import open_bench, opened, wishes

__all__ = ["open_bench", "opened", "wishes"]
