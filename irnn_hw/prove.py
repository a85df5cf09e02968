"""Formal proofs of the RTL: what is proved, for which inputs, and whether it is."""

from collections.abc import Callable, Iterable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from golden.errors import InputError
from sim.proof import Proof, Verdict
from sim.proof import prove as run_proof
from sim.proofs import PROOFS


def chosen(names: Sequence[str] | None, everything: bool) -> list[Proof]:
    """Proofs whose names begin so, slow ones, too; without names the quick ones, or everything.

    Raises InputError for a name with which none begins.
    """
    for name in names or ():
        if not any(known.startswith(name) for known in PROOFS):
            raise InputError(f"proof: no proof {name}; there are {', '.join(PROOFS)}")
    if names:
        return [p for p in PROOFS.values() if p.name.startswith(tuple(names))]
    return [p for p in PROOFS.values() if everything or not p.slow]


def prove(proofs: Sequence[Proof], progress: Callable[[int, int, str], None]) -> list[Verdict]:
    """The verdict on each proof, one after the other."""
    verdicts = []
    for done, proof in enumerate(proofs):
        progress(done, len(proofs), proof.name)
        verdicts.append(run_proof(proof))
    return verdicts


def proof_table(verdicts: Iterable[Verdict]) -> Group:
    """What `irnn prove` shows: a row a proof, and the ports of a counterexample by cycle."""
    table = Table("proof", "what", "for", title="proofs", title_justify="left")
    table.add_column("s", justify="right")
    table.add_column("")
    shown = []
    for v in verdicts:
        proof = PROOFS[v.name]
        state = "proved" if v.ok else f"[bold red]{v.state}[/]"
        table.add_row(v.name, proof.claim, proof.inputs, f"{v.seconds:.1f}", state)
        if v.counterexample:
            shown.append(Text(f"{v.name}: {v.text()}"))
    return Group(table, *shown)
