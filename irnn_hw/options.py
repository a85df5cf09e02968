"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from golden.npu_config import CONFIGS

Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON on stdout.")]
CorpusName = Annotated[
    str,
    typer.Option("--corpus", help="`pydoc` (every Python has it), a UTF-8 text FILE, or ptb:DIR."),
]
ConfigName = Annotated[
    str, typer.Option("--config", help=f"NPU configuration: {', '.join(CONFIGS)}.")
]
ModelFile = Annotated[Path, typer.Argument(help="Integer model, as `irnn export` writes it.")]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of ptb, wikitext-2 and fsdd; default $IRNN_DATA."),
]
