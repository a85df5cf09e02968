"""Every network of the paper with random weights: float networks and what they are fed."""

from collections.abc import Callable

import numpy as np

from golden.feed import Feed
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LstmOptions, Norm, Weights
from irnn_hw.quant.compound import Attend
from irnn_hw.quant.network import Network, ScanNodes
from irnn_hw.quant.nodes import Embedding, Input, Product

SYMBOLS, SIZE, HIDDEN = 20, 12, 16

Made = tuple[Network, dict[str, Feed]]


class Maker:
    """Random weights from a seed, and networks around a cell."""

    def __init__(self, seed: int = 1):
        self.rng = np.random.default_rng(seed)

    def weights(self, rows: int, columns: int, bias: bool = True, **kept) -> Weights:
        matrix = self.rng.normal(0, 1.4 / np.sqrt(columns), (rows, columns))
        return Weights(matrix, self.rng.normal(0, 0.3, rows) if bias else None, **kept)

    def norms(self, hidden: int, rows: int) -> tuple[Norm, Norm, Norm]:
        def one(length: int, parts: int) -> Norm:
            gamma = self.rng.uniform(0.5, 1.2, length)
            return Norm.of_layer_norm(gamma, self.rng.normal(0, 0.1, length), parts)

        return one(4 * hidden, rows), one(4 * hidden, rows), one(hidden, 1)

    def tokens(self, batch: int = 6, steps: int = 25) -> Feed:
        return Feed(self.rng.integers(0, SYMBOLS, (batch, steps)))

    def language_model(
        self, cell: Callable[[ScanNodes, str], str], tied: bool = False, hidden: int = HIDDEN
    ) -> Made:
        """Embedding, a cell, 32-bit logits."""
        net = Network(outputs=["logits"])
        s = net.scan("text")
        table = self.rng.normal(0, 1, (SYMBOLS, SIZE))
        x = s.add(Embedding(name="x", length=SIZE, table=table))
        h = cell(s, x)
        if tied:
            s.add(Product(name="logits", inputs=(h,), length=SYMBOLS, bits=32, weights=table,
                          weight_format="uint8", tied="x"))  # fmt: skip
        else:
            cells.product(s, "logits", h, self.weights(SYMBOLS, hidden), 32)
        return net, {"text": self.tokens()}

    def lstm(self, options: LstmOptions | None = None, **kept) -> Made:
        """kept: how the recurrent weights are kept."""
        gates = len((options or LstmOptions()).gates)
        p = None if options is None else options.projection
        width = HIDDEN if p is None else len(p.matrix)
        w_x = self.weights(gates * HIDDEN, SIZE, bias=options is None or options.norms is None)
        w_h = self.weights(gates * HIDDEN, width, bias=False, **kept)
        return self.language_model(
            lambda s, x: cells.lstm(s, "l", [(x, w_x)], w_h, options), hidden=width
        )

    def rnn(self) -> Made:
        w_x, w_h = self.weights(HIDDEN, SIZE), self.weights(HIDDEN, HIDDEN, bias=False)
        return self.language_model(lambda s, x: cells.rnn(s, "r", x, w_x, w_h))

    def gru(self) -> Made:
        w_x, w_h = self.weights(3 * HIDDEN, SIZE), self.weights(3 * HIDDEN, HIDDEN)
        return self.language_model(lambda s, x: cells.gru(s, "g", x, w_x, w_h))

    def stack(self, layers: int = 3) -> Made:
        """LSTM layers as wide as the embedding, each with a residual."""

        def cell(s: ScanNodes, x: str) -> str:
            for n in range(layers):
                w = self.weights(4 * SIZE, SIZE), self.weights(4 * SIZE, SIZE, bias=False)
                y = cells.lstm(s, f"l{n}", [(x, w[0])], w[1])
                x = cells.residual(s, f"l{n}.out", x, y)
            return x

        return self.language_model(cell, hidden=SIZE)

    def mogrifier(self, rounds: int = 5, rank: int = 3, softmaxes: int = 2) -> Made:
        """Capped gates, rounds of low rank, a mixture of softmaxes over the tied embedding."""
        net = Network(outputs=["prior", *(f"logits.{k}" for k in range(softmaxes))])
        s = net.scan("text")
        table = self.rng.normal(0, 1, (SYMBOLS, SIZE))
        x = s.add(Embedding(name="x", length=SIZE, table=table))
        options, sizes = LstmOptions(capped=True), (SIZE, HIDDEN)
        h = cells.hidden_state(s, "l", HIDDEN, options)
        factors = [
            (self.weights(sizes[n % 2], rank), self.weights(rank, sizes[1 - n % 2], bias=False))
            for n in range(rounds)
        ]
        x, modulated = cells.mogrify(s, "m", x, h, factors)
        w_x, w_h = self.weights(4 * HIDDEN, SIZE), self.weights(4 * HIDDEN, HIDDEN, bias=False)
        h = cells.lstm(s, "l", [(x, w_x)], w_h, options, modulated)
        cells.product(s, "prior", h, self.weights(softmaxes, HIDDEN), 32)
        for k in range(softmaxes):
            latent = cells.product(s, f"latent.{k}", h, self.weights(SIZE, HIDDEN))
            squashed = cells.activation(s, f"latent.{k}.tanh", "tanh", latent)
            s.add(Product(name=f"logits.{k}", inputs=(squashed,), length=SYMBOLS, bits=32,
                          weights=table, weight_format="uint8", tied="x"))  # fmt: skip
        return net, {"text": self.tokens()}

    def encoder_decoder(self, bits: int = 8) -> Made:
        """Two BiLSTM layers over real features; an LSTM with additive attention."""
        net, options = Network(outputs=["logits"]), LstmOptions(gate_bits=bits, cell_bits=bits)
        for layer in range(2):
            halves, size = [], SIZE if layer == 0 else 2 * HIDDEN
            for side in ("forward", "backward"):
                s = net.scan("speech", reverse=side == "backward")
                x = f"encoder{layer - 1}"
                if layer == 0:
                    x = "features"
                    if side == "forward":
                        s.add(Input(name=x, length=SIZE))
                w = self.weights(4 * HIDDEN, size), self.weights(4 * HIDDEN, HIDDEN, bias=False)
                halves.append(cells.lstm(s, f"e{layer}.{side}", [(x, w[0])], w[1], options))
            s = net.scan("speech")
            memory = cells.concatenate(s, f"encoder{layer}", *halves)
        key = cells.product(s, "key", memory, self.weights(HIDDEN, 2 * HIDDEN, bias=False))
        s = net.scan("text")
        x = s.add(Embedding(name="x", length=SIZE, table=self.rng.normal(0, 1, (SYMBOLS, SIZE))))
        h = cells.hidden_state(s, "d", HIDDEN, options)
        query = cells.product(s, "query", h, self.weights(HIDDEN, HIDDEN, bias=False))
        context = s.add(Attend(name="context", inputs=(query, key, memory), length=2 * HIDDEN,
                               memory="speech", v=self.rng.normal(0, 1.5, HIDDEN)))  # fmt: skip
        sources = [(x, self.weights(4 * HIDDEN, SIZE)),
                   (context, self.weights(4 * HIDDEN, 2 * HIDDEN, bias=False))]  # fmt: skip
        w_h = self.weights(4 * HIDDEN, HIDDEN, bias=False)
        h = cells.lstm(s, "d", sources, w_h, options, h)
        cells.product(s, "logits", h, self.weights(SYMBOLS, HIDDEN), 32)
        features = self.rng.normal(0, 1, (5, 18, SIZE))
        lengths = np.array([18, 3, 11, 18, 7])
        speech = Feed(None, {"features": features}, lengths)
        text = self.rng.integers(0, SYMBOLS, (5, 9))
        return net, {"speech": speech, "text": Feed(text, lengths=np.array([9, 2, 9, 5, 1]))}


def _norms(rows: int) -> LstmOptions:
    maker = Maker(9)
    bias = maker.rng.normal(0, 0.3, 4 * HIDDEN)
    return LstmOptions(norms=maker.norms(HIDDEN, rows), bias=bias)


NETWORKS: dict[str, Callable[[], Made]] = {
    "vanilla RNN": lambda: Maker().rnn(),
    "LSTM": lambda: Maker().lstm(),
    "LSTM, 16-bit gates and cell": lambda: Maker().lstm(LstmOptions(gate_bits=16, cell_bits=16)),
    "LSTM, 16-bit cell": lambda: Maker().lstm(LstmOptions(cell_bits=16)),
    "LSTM, projection": lambda: Maker().lstm(LstmOptions(projection=Maker(3).weights(8, HIDDEN))),
    "LSTM, coupled gates": lambda: Maker().lstm(LstmOptions(coupled=True)),
    "LSTM, a multiplier a row": lambda: Maker().lstm(per_row=True),
    "LSTM, asymmetric weights": lambda: Maker().lstm(weight_format="uint8"),
    "LSTM, ternary weights": lambda: Maker().lstm(weight_format="ternary"),
    "LSTM, power-of-two weights": lambda: Maker().lstm(weight_format="power of two"),
    "LSTM, exponential weights": lambda: Maker().lstm(weight_format="exponential"),
    "MadNorm LSTM": lambda: Maker().lstm(_norms(1)),
    "MadNorm LSTM, norms of each gate": lambda: Maker().lstm(_norms(4)),
    "GRU": lambda: Maker().gru(),
    "stack with residuals": lambda: Maker().stack(),
    "Mogrifier, mixture of softmaxes": lambda: Maker().mogrifier(),
    "encoder-decoder": lambda: Maker().encoder_decoder(),
    "encoder-decoder, 16 bits": lambda: Maker().encoder_decoder(16),
}
