"""What a hardware designer takes home: Verilog, its interface, memory images, a listing."""

from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from golden.container import write_atomic
from golden.npu_config import NpuConfig
from golden.program import Program
from golden.registers import REGISTERS, address_bits, window_address, windows
from irnn_hw.files import write_json
from rtl.emit import verilog_text
from rtl.npu import Npu

Figures = dict[str, Any]


def generate(config: NpuConfig, folder: Path, program: Program | None = None) -> Figures:
    """Verilog and interface of a configuration; of a program, memory images and listing too."""
    text = verilog_text(Npu(config=config), "npu")
    digest = sha256(text.encode()).hexdigest()
    write_atomic(folder / "npu.v", text)
    write_json(folder / "interface.json", interface(config, digest))
    files = ["npu.v", "interface.json"]
    if program is not None:
        for name, image in program.images().items():
            lines = "\n".join("".join(f"{w:08x}" for w in row[::-1]) for row in image)
            write_atomic(folder / f"{name}.hex", lines + "\n")
            files.append(f"{name}.hex")
        write_atomic(folder / "program.lst", listing(program))
        files.append("program.lst")
    return {"sha256": digest, "bytes": len(text), "files": files}


def listing(program: Program) -> str:
    """The program as text: address, instruction, and the tensor that it computes."""
    rows = enumerate(zip(program.instructions, program.labels, strict=True))
    return "".join(f"{n:4}  {i}{f'  ; {label}' if label else ''}\n" for n, (i, label) in rows)


def interface(config: NpuConfig, digest: str) -> Figures:
    """What a host needs to know: configuration, registers, memory windows."""
    return {
        "top": "npu",
        "verilog_sha256": digest,
        "config": asdict(config),
        "config_sha256": config.sha256,
        "axi_lite": {"prefix": "s_axil", "address_bits": address_bits(config), "data_bits": 32},
        "input_stream": {"prefix": "s_axis", "data_bits": 32},
        "output_stream": {"prefix": "m_axis", "data_bits": 32},
        "registers": [asdict(register) for register in REGISTERS.values()],
        "windows": [
            {**asdict(w), "base": window_address(config, w), "stride": w.stride}
            for w in windows(config).values()
        ],
    }
