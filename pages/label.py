"""Label."""

from pages import shell

workbench = shell.bench()
