"""What a case generator draws from: one object for a case, with the operator, its version and types, and random choices."""
import numpy as np

import values

REGISTRY = {}  # (domain, operator) -> generator


def operator(*names, domain=""):
    """Registers a generator of cases. It is called with a Draw and returns (attributes, inputs, outputs):

    attributes  {name: value}; None leaves one out
    inputs      arrays, values.Sequence, values.Nothing, or None for an absent input; Fixed(array) for an initializer
    outputs     how many, or a list with a truth value for each"""
    def keep(generator):
        for name in names:
            REGISTRY[domain, name] = generator
        return generator
    return keep


class Skip(Exception):
    """This combination of types makes no valid case."""


class Fixed:
    """An input that has to be an initializer."""

    def __init__(self, value):
        self.value = value


class Draw:
    def __init__(self, schema, opset, whole, types, seed):
        self.op, self.version, self.opset, self.schema = schema.name, schema.since_version, opset, schema
        self.whole = whole  # of the schema's type variables: "seq(tensor(float))"
        self.types = types  # the same: "float"
        self.r = np.random.Generator(np.random.PCG64(seed))
        self.large = self.chance(0.15)  # some dims that fill vectors and blocks, with rests

    # Choices
    def chance(self, p=0.5):
        return bool(self.r.random() < p)

    def int(self, low, high):
        return int(self.r.integers(low, high, endpoint=True))

    def pick(self, *options):
        return options[self.int(0, len(options) - 1)]

    def maybe(self, value, p=0.5):
        return value if self.chance(p) else None

    def real(self, low, high):
        return float(np.float32(self.r.uniform(low, high)))

    # Types
    def type(self, name):
        """The element type behind a type variable of the schema; a plain type is itself."""
        return self.types.get(name, name)

    def has(self, attribute):
        return attribute in self.schema.attributes

    # Shapes
    def dim(self, high=5, empty=0.06):
        return 0 if self.chance(empty) else self.int(1, high)

    def shape(self, low=0, high=4, dim=5, empty=0.06):
        """A rank between low and high (now and then up to 16 where high is 4), dims up to dim, or 0."""
        rank = self.int(low, high)
        if high == 4 and self.chance(0.03):
            rank = self.int(5, 16)
            dim = 2
        dims = [self.dim(dim, empty / max(rank, 1)) for _ in range(rank)]
        if self.large and 0 < rank <= 4:
            dims[self.int(0, rank - 1)] = self.int(6, 300)
        return tuple(dims)

    def size(self, small, large):
        """Up to `small`, or up to `large` in a large case."""
        return self.int(1, large if self.large and self.chance(0.7) else small)

    def broadcast(self, n, shape=None):
        """n shapes that broadcast together."""
        shape = self.shape() if shape is None else shape
        found = []
        for _ in range(n):
            one = tuple(1 if self.chance(0.25) else d for d in shape)
            while one and self.chance(0.2):
                one = one[1:]
            found.append(one)
        if n and self.chance(0.5):
            found[self.int(0, n - 1)] = tuple(shape)
        return found

    def axis(self, rank, negative=True):
        if rank == 0:
            raise Skip
        a = self.int(0, rank - 1)
        return a - rank if negative and self.chance(0.4) else a

    def axes(self, rank, low=0, negative=True):
        """A few different axes in any order."""
        n = self.int(low, rank)
        return [int(a) - (rank if negative and self.chance(0.4) else 0) for a in self.r.permutation(rank)[:n]]

    # Values
    def wild(self, type_name, shape):
        return values.wild(self.r, tuple(shape), self.type(type_name))

    def mild(self, type_name, shape, low=-3.0, high=3.0):
        return values.mild(self.r, tuple(shape), self.type(type_name), low, high)

    def any(self, type_name, shape):
        """Mild more often than wild."""
        return self.wild(type_name, shape) if self.chance(0.3) else self.mild(type_name, shape)

    def array(self, type_name, items):
        return np.array(items).astype(values.NUMPY[self.type(type_name)])

    def i64(self, *items):
        return np.array(items, np.int64)
