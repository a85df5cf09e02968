"""Compile a model: lower it, order it, assemble it, prove the order on the machine."""

from golden.errors import InputError
from golden.isa import Instruction, Opcode
from golden.machine import Host, Machine, MachineError, TokenError
from golden.model import IntModel
from golden.npu_config import NpuConfig
from golden.program import Program
from irnn_hw.compiler.lower import Lowering
from irnn_hw.compiler.lowered import Lowered
from irnn_hw.compiler.order import order

PROOF_STEPS = 3
SYNC = {"mac": Opcode.MAC_SYNC, "vector": Opcode.VECTOR_SYNC}


def compile_model(model: IntModel, config: NpuConfig) -> Program:
    """The program of a model. Raises InputError when the model does not fit the configuration.

    Every program is run for a few steps on the machine, which finds any race or deadlock.
    """
    lowering = Lowering(model, config)
    step = lowering.step()
    code = [*_prologue(lowering.initial()), ("", Instruction(Opcode.LOOP, {}))]
    code += _body(step, config.lanes)
    code += [("", Instruction(Opcode.END, {})), ("", Instruction(Opcode.HALT, {}))]
    program = Program(
        config=config,
        instructions=tuple(i for _, i in code),
        labels=tuple(label for label, _ in code),
        buffers=lowering.layout.buffers,
        outputs=model.tensors[model.output].length,
        model_sha256=model.sha256,
        **lowering.images.arrays(),
    )
    _prove(program)
    return program


def _prologue(initial: list[Lowered]) -> list[tuple[str, Instruction]]:
    """States are set; the MAC engine waits until they are."""
    code = [(i.label, i.instruction(signal=int(i is initial[-1]))) for i in initial]
    return [*code, ("", Instruction(Opcode.MAC_SYNC, {"wait": 1}))] if code else []


def _body(step: list[Lowered], lanes: int) -> list[tuple[str, Instruction]]:
    flags = order(step, lanes)
    code = []
    for n, lowered in enumerate(step):
        set_flags = {"wait": int(n in flags.waits), "signal": int(n in flags.signals)}
        if lowered.engine == "vector":
            set_flags["fence"] = int(n in flags.fences)
        code.append((lowered.label, lowered.instruction(**set_flags)))
    code += [("", Instruction(SYNC[engine], {"wait": 1})) for engine in sorted(flags.closing)]
    return code


def _prove(program: Program) -> None:
    try:
        Machine(program, PROOF_STEPS, Host([0] * PROOF_STEPS)).run()
    except TokenError as error:
        raise InputError(f"configuration {program.config.name}: {error}; give it more") from error
    except MachineError as error:
        raise AssertionError(f"the compiler ordered its program wrongly: {error}") from error
