"""Builds the C extension; everything else is in pyproject.toml."""

import sys
from glob import glob

from setuptools import Extension, setup

FLAGS = [] if sys.platform == "win32" else ["-std=c11", "-fvisibility=hidden", "-Wall", "-Wextra"]

setup(
    ext_modules=[
        Extension(
            "graphene_sqlalchemy_c._core",
            sources=sorted(glob("src/*.c")),
            depends=sorted(glob("src/*.h")),
            extra_compile_args=FLAGS,
        )
    ]
)
