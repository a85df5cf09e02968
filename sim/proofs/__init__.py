"""What is proved of the RTL, a file a family."""

from sim.proofs.division import DIVISION_PROOFS
from sim.proofs.handshake import HANDSHAKE_PROOFS
from sim.proofs.queue import QUEUE_PROOFS
from sim.proofs.rounding import ROUNDING_PROOFS
from sim.proofs.select import SELECT_PROOFS
from sim.proofs.streams import STREAM_PROOFS

PROOFS = {
    proof.name: proof
    for proofs in (
        ROUNDING_PROOFS,
        SELECT_PROOFS,
        DIVISION_PROOFS,
        HANDSHAKE_PROOFS,
        QUEUE_PROOFS,
        STREAM_PROOFS,
    )
    for proof in proofs
}
