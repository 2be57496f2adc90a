"""What a wheel holds beside the library: the app, as ``sslcore/_app``, so that no other package's
``app`` or ``pages`` can meet it. All else stands in pyproject.toml."""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

APP = "sslcore._app"
PAGES = find_packages(include=["pages*"])


class BuildWithoutSetup(build_py):
    """The app's folder is this one, but this file is no part of the app."""

    def find_package_modules(self, package, package_dir):
        """The modules of a package's folder, as (package, module, file)."""
        found = super().find_package_modules(package, package_dir)
        return [held for held in found if held[1] != "setup"]


setup(
    cmdclass={"build_py": BuildWithoutSetup},
    packages=[*find_packages(include=["sslcore*"]), APP, *(f"{APP}.{name}" for name in PAGES)],
    package_dir={APP: "."},
    package_data={
        APP: [".streamlit/config.toml", "docs/*.md", "docs/methods/*.md", "docs/methods/scores.json"],
        f"{APP}.pages.components": ["assets/*"],
    },
)
