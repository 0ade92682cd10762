"""Keras 3 (on TensorFlow) and tf_keras: every layer call of a model that runs eagerly."""
import contextlib

from .record import Record, tensors


def _key(layer, call, output, outputs):
    return (layer if call == 0 else f"{layer}_{call}") + (f":{output}" if outputs > 1 else "")


@contextlib.contextmanager
def _patched(targets):
    saved = [(owner, owner.__call__) for owner, _ in targets]
    for owner, wrap in targets:
        owner.__call__ = wrap(owner.__call__)
    try:
        yield
    finally:
        for owner, call in saved:
            owner.__call__ = call


def _config(obj):
    try:
        config = obj.get_config()
    except Exception:  # a layer of one's own need not have one
        return None
    plain = (str, int, float, bool, type(None))
    return {k: v for k, v in config.items()
            if isinstance(v, plain) or (isinstance(v, (list, tuple)) and all(isinstance(y, plain) for y in v))}


def _is_keras3(model):
    return any(c.__module__.startswith("keras.src") and hasattr(c, "quantize") for c in type(model).__mro__)


def dump_keras(model, inputs, path):
    """Runs `model` on `inputs` and writes what each of its layers puts out to `path`, and the list of layers beside it.

    Keys: `layer`; in a model in the model `outer/inner`; the second call `layer_1`; of several outputs `layer:0`, ..."""
    import tensorflow as tf
    if _is_keras3(model):
        from keras import layers
        from keras.src.ops.operation import Operation
    else:
        from tf_keras import layers
        Operation = None
    record, stack = Record("keras", _key), []

    def is_tensor(x):
        return isinstance(x, (tf.Tensor, tf.RaggedTensor)) and hasattr(x, "numpy")

    def wrap(only_operations):
        def make(original):
            def call(self, *args, **kw):
                if only_operations and isinstance(self, layers.Layer):
                    return original(self, *args, **kw)
                sources = [record.source(t) for t in tensors((args, kw), is_tensor)]
                stack.append(self)
                name = "/".join(x.name for x in stack[1:])
                                # An operation that a layer uses inside of itself is that layer's own affair, and so is each step in time.
                steps = any(isinstance(x, (layers.RNN, layers.TimeDistributed)) for x in stack[:-1])
                seen = not steps and  len(stack) > 1 and (
                    isinstance(self, layers.Layer) or len(stack) == 2 or hasattr(stack[-2], "_run_through_graph"))
                try:
                    out = original(self, *args, **kw)
                finally:
                    stack.pop()
                got = tensors(out, is_tensor)
                if seen and got:
                    record.add(name, type(self).__name__, sources, got, lambda t: t.numpy(), _config(self))
                return out
            return call
        return make

    inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
    names = [t.name for t in model.inputs] if _is_keras3(model) and getattr(model, "inputs", None) \
        else list(getattr(model, "input_names", None) or [])
    given = tensors(inputs, is_tensor)
    if isinstance(inputs, dict):
        names = list(inputs)
    for name, t in zip(names, given):
        record.add(name, "InputLayer", [], [t], lambda t: t.numpy())
    targets = [(layers.Layer, wrap(False))] + ([(Operation, wrap(True))] if Operation else [])
    with _patched(targets):
        model(inputs, training=False)
    record.write(path)
