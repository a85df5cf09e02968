"""Modules of equal content made one: read, simulated and synthesised once.

Amaranth writes a module an instance: eight vector lanes are eight equal modules.
"""

import re

_MODULE = re.compile(r"^module (\\\S+)\n(.*?^end\n)", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^(  cell )(\\\S+)", re.MULTILINE)


def merge_copies(rtlil: str) -> str:
    """The RTLIL with one module of each content. Submodules come after what instantiates them."""
    first_of: dict[str, str] = {}  # content -> the module kept
    kept_for: dict[str, str] = {}  # module -> the module kept in its place
    kept: list[str] = []
    modules = _MODULE.findall(rtlil)
    for name, body in reversed(modules):
        content = _INSTANCE.sub(lambda m: m[1] + kept_for.get(m[2], m[2]), body)
        kept_for[name] = first_of.setdefault(content, name)
        if kept_for[name] == name:
            kept.append(f"module {name}\n{content}")
    # Attributes in front of the modules (generator, top) are dropped: the script names the top.
    return "\n".join(reversed(kept))
