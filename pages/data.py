"""Data."""

from pages import shell

workbench = shell.bench()
