"""PyTorch: every call of every module, by forward hooks."""
from .record import Record, tensors


def _key(path, call, output, outputs):
    return path + (f"#{call}" if call else "") + (f":{output}" if output else "")


def dump_torch(model, inputs, path):
    """Runs `model` on `inputs` (a tensor, or a tuple or dictionary of arguments) and writes what each of its modules puts
    out to `path`, and the list of modules beside it.

    Keys: the module's path, `layer1.0.conv1`; the second call `act#1`; the second tensor of several `lstm:1`."""
    import torch
    record, sources = Record("torch", _key, lambda t: 0 if t.is_inference() else t._version), []

    def is_tensor(x):
        return isinstance(x, torch.Tensor)

    def before(_, args, kw):
        sources.append([record.source(t) for t in tensors((args, kw), is_tensor)])

    def after(name):
        def hook(module, args, kw, out):
            taken = sources.pop()
            got = tensors(out, is_tensor)
            if name and got:
                kind = type(module)
                record.add(name, f"{kind.__module__}.{kind.__qualname__}", taken, got,
                           lambda t: t.detach().to("cpu").float().numpy() if t.dtype == torch.bfloat16
                           else t.detach().to("cpu").numpy())
        return hook

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            continue
        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        handles.append(module.register_forward_hook(after(name), with_kwargs=True))
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            if isinstance(inputs, dict):
                model(**inputs)
            else:
                model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)
    finally:
        model.train(was_training)
        for h in handles:
            h.remove()
    record.write(path)
