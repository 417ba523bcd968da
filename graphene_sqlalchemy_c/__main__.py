"""``python -m graphene_sqlalchemy_c``: what a bug report needs."""

from __future__ import annotations

import platform
import sysconfig
from importlib.metadata import version

from . import _core, is_installed

PACKAGES = (
    "graphene-sqlalchemy-c",
    "graphene-sqlalchemy",
    "graphene",
    "graphql-core",
    "SQLAlchemy",
)


def main() -> None:
    """Print versions, compiler flags and whether install() is in effect."""
    for name in PACKAGES:
        print(f"{name} {version(name)}")
    print(f"Python {platform.python_version()} ({platform.python_implementation()})")
    print(f"platform: {platform.platform()}")
    print(f"compiler: {_core.COMPILER}")
    print(f"flags of this Python: {sysconfig.get_config_var('CFLAGS')}")
    print(f"installed: {'yes' if is_installed() else 'no'}")


if __name__ == "__main__":
    main()
