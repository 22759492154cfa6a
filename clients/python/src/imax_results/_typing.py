"""Parts of `typing` that older versions of Python have elsewhere."""

import sys

if sys.version_info >= (3, 11):
    from typing import Required, Self, Unpack
else:
    from typing_extensions import Required, Self, Unpack

__all__ = ["Required", "Self", "Unpack"]
