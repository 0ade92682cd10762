"""RNN, GRU, LSTM with everything that they take."""
import numpy as np

from draw import operator

PLAIN = ["Relu", "Tanh", "Sigmoid", "Softsign", "Softplus"]
ALPHA = {"LeakyRelu": 0.1, "ThresholdedRelu": 1.0, "ScaledTanh": 1.2, "HardSigmoid": 0.3, "Elu": 1.0, "Affine": 0.8}
BETA = {"ScaledTanh": 0.9, "HardSigmoid": 0.4, "Affine": 0.1}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}


def activations(g, directions):
    if g.chance(0.5):
        return {}
    n = FUNCTIONS[g.op] * directions
    names = [g.pick(*PLAIN, *(list(ALPHA) if g.chance(0.4) else [])) for _ in range(n)]
    if any(f in ALPHA for f in names):
        alpha = [ALPHA.get(f, 0.0) for f in names if f in ALPHA]
        beta = [BETA.get(f, 0.0) for f in names if f in BETA]
        return {"activations": names, "activation_alpha": alpha, "activation_beta": beta or None}
    return {"activations": names}


@operator("RNN", "GRU", "LSTM")
def recurrent(g):
    direction = g.pick(None, "forward", "reverse", "bidirectional")
    d = 2 if direction == "bidirectional" else 1
    t, n, i, h = g.size(4, 9), g.size(3, 9), g.size(4, 40), g.size(4, 40)
    k = GATES[g.op]
    layout = g.pick(None, 0, 1) if g.has("layout") else None
    x = (n, t, i) if layout else (t, n, i)
    state = (n, d, h) if layout else (d, n, h)
    inputs = [g.mild("T", x), g.mild("T", (d, k * h, i), -1, 1), g.mild("T", (d, k * h, h), -1, 1), g.maybe(g.mild("T", (d, 2 * k * h), -1, 1)),
              g.maybe(g.mild("T1", (n,), 1, t)), g.maybe(g.mild("T", state, -1, 1))]
    if g.op == "LSTM":
        inputs += [g.maybe(g.mild("T", state, -1, 1)), g.maybe(g.mild("T", (d, 3 * h), -1, 1))]
    attributes = {"hidden_size": h, "direction": direction, "layout": layout, "clip": g.maybe(g.real(0.2, 2), 0.2), **activations(g, d),
                  "linear_before_reset": g.pick(None, 0, 1) if g.op == "GRU" else None,
                  "input_forget": g.pick(None, None, 0, 1) if g.op == "LSTM" else None}
    if g.version == 1 and g.has("output_sequence"):
        attributes["output_sequence"] = 1
    outputs = g.pick([True], [True, True], [False, True]) if g.op != "LSTM" else g.pick([True], [True, True, True], [False, True, True], [True, False, True])
    return attributes, inputs, outputs
