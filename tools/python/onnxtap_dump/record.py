"""What both frameworks share: the calls that were seen, and writing them down."""
import json
import os

import numpy as np


def tensors(x, is_tensor):
    """The tensors in nested lists, tuples and dictionaries, in order."""
    if is_tensor(x):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    if hasattr(x, "to_tuple"):  # transformers' outputs
        x = x.to_tuple()
    if isinstance(x, (list, tuple)):
        return [t for y in x for t in tensors(y, is_tensor)]
    return []


class Record:
    """Calls of layers in the order in which they end."""

    def __init__(self, framework, key, version=lambda t: 0):
        self.framework, self.key = framework, key  # key(layer, call, output, outputs): the array's name
        self.version = version  # a number that is another once a tensor was written to
        self.layers, self.arrays = {}, {}
        self.made, self.kept = {}, []  # id of a tensor -> where it comes from; tensors that must live as long

    def source(self, t):
        """The call and output that gave t; None: something else did, or wrote to it since."""
        where, version = self.made.get(id(t), (None, None))
        return where if version == self.version(t) else None

    def add(self, layer, kind, inputs, outputs, to_numpy, config=None):
        """inputs: sources, taken before the call, for a layer may work in place; outputs: tensors."""
        x = self.layers.setdefault(layer, {"layer": layer, "class": kind, "outputs": [], "inputs": [], "same": [],
                                           "config": config})
        call = len(x["inputs"])
        x["inputs"].append([list(s) if s else None for s in inputs])
        same = [self.source(t) for t in outputs]  # what the layer hands on as another gave it
        x["same"].append([list(s) if s else None for s in same])
        for i, t in enumerate(outputs):
            value = np.array(to_numpy(t))
            self.arrays[self.key(layer, call, i, len(outputs))] = value
            if call == 0:
                x["outputs"].append({"shape": list(value.shape)})
            self.kept.append(t)
            self.made[id(t)] = ((layer, call, i), self.version(t))

    def write(self, path):
        np.savez(path, **self.arrays)
        layers = [{k: v for k, v in x.items() if v is not None} for x in self.layers.values()]
        with open(os.path.splitext(path)[0] + ".layers.json", "w", encoding="utf-8") as f:
            json.dump({"framework": self.framework, "layers": layers}, f, indent=1)
