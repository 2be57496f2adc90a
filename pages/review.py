"""Review."""

from pages import shell

workbench = shell.bench()
