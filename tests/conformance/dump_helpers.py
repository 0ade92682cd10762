#!/usr/bin/env python3
"""tools/python with the frameworks themselves: a model is dumped, exported, run by onnxtap, and compared layer by layer.

    dump_helpers.py ONNXTAP [keras|tf_keras|torch ...]

The models have what is hard: a model in a model, a layer called twice, several outputs, in-place and functional
operations, layers that do nothing. Every layer that onnxtap names has to have the framework's values, and most have to be
named. Frameworks that are not installed are left out; exit status 77 where none is."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools', 'python'))
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')


def compare(tool, model, inputs, folder, least):
    """inputs: by the ONNX model's names. least: the share of layers that must be found."""
    np.savez(os.path.join(folder, 'in.npz'), **inputs)
    listed = os.path.join(folder, 'ref.layers.json')
    text = json.load(open(listed))
    assert 'onnx' not in json.dumps(text).lower()
    r = subprocess.run([tool, 'run', model, '-i', os.path.join(folder, 'in.npz'), '--layer-list', listed, '--tap', 'layer:*',
                        '--keys', 'layer', '--layout', 'original', '-o', os.path.join(folder, 'got.npz')],
                       capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    want, got = np.load(os.path.join(folder, 'ref.npz')), np.load(os.path.join(folder, 'got.npz'))
    wrong, missing = [], []
    for key in want.files:
        ours = key[:-2] if key.endswith(':0') else key
        if ours not in got.files:
            missing.append(key)
        elif got[ours].shape != want[key].shape or not np.allclose(got[ours], want[key], rtol=1e-3, atol=1e-4):
            wrong.append(key)
    share = 1 - len(missing) / len(want.files)
    print(f'{os.path.basename(model)}: {len(want.files)} arrays, {len(missing)} not found {missing}, wrong {wrong}')
    return not wrong and share >= least


def keras_model(keras):
    layers, Input = keras.layers, keras.Input
    keras.utils.set_random_seed(1)
    x = image = Input((12, 12, 3), name='image')
    x = layers.Conv2D(6, 3, padding='same', name='conv')(x)
    x = layers.BatchNormalization(name='bn')(x)
    x = layers.Activation('relu', name='act')(x)
    x = layers.Dropout(.4, name='drop')(x)
    inner_in = Input((12, 12, 6))
    y = layers.DepthwiseConv2D(3, padding='same', name='depth')(inner_in)
    y = layers.LayerNormalization(name='norm')(y)
    inner = keras.Model(inner_in, y, name='inner')
    twice = inner(inner(x))
    x = layers.Add(name='sum')([twice, x])
    x = layers.MaxPooling2D(name='pool')(x)
    x = layers.Reshape((36, 6), name='steps')(x)
    seq, h, c = layers.LSTM(5, return_sequences=True, return_state=True, name='lstm')(x)
    dense = layers.Dense(5, activation='tanh', name='shared')
    y = layers.Concatenate(name='join')([dense(h), dense(dense(c))])
    z = layers.GlobalAveragePooling1D(name='mean')(seq)
    out = layers.Dense(4, activation='softmax', name='out')(layers.Concatenate(name='all')([y, z]))
    model = keras.Model(image, out, name='net')
    rng = np.random.default_rng(3)
    for w in model.weights:
        if 'moving_variance' in getattr(w, 'path', w.name):
            w.assign(rng.uniform(.5, 1.5, w.shape))
        else:
            w.assign(rng.normal(0, .4, w.shape))
    return model, rng.normal(size=(2, 12, 12, 3)).astype('float32')


def with_keras(tool, legacy):
    os.environ['TF_USE_LEGACY_KERAS'] = '1' if legacy else '0'
    import tensorflow as tf
    import tf2onnx
    if legacy:
        import tf_keras as keras
    else:
        import keras
    from onnxtap_dump import dump_keras
    model, x = keras_model(keras)
    least = .5 if legacy else .9  # Keras 2 has all calls of a layer in one scope: they are not told apart
    ok = True
    with tempfile.TemporaryDirectory() as folder:
        dump_keras(model, x, os.path.join(folder, 'ref.npz'))
        path = os.path.join(folder, 'from_keras.onnx')
        proto, _ = tf2onnx.convert.from_keras(model, opset=15, output_path=path,
                                              input_signature=[tf.TensorSpec((None, 12, 12, 3), name='image')])
        ok &= compare(tool, path, {proto.graph.input[0].name: x}, folder, least)
        path = os.path.join(folder, 'nchw.onnx')
        proto, _ = tf2onnx.convert.from_keras(model, opset=13, output_path=path, inputs_as_nchw=['image'],
                                              input_signature=[tf.TensorSpec((None, 12, 12, 3), name='image')])
        ok &= compare(tool, path, {proto.graph.input[0].name: x.transpose(0, 3, 1, 2)}, folder, least)
    return ok


def torch_model(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.conv, self.bn, self.act = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n), nn.ReLU(inplace=True)
            self.drop = nn.Dropout(.2)

        def forward(self, x):
            return self.drop(self.act(self.bn(self.conv(x)))) + x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.GELU())
            self.blocks = nn.ModuleList([Block(6), Block(6)])
            self.act, self.same = nn.Tanh(), nn.Identity()
            self.lstm = nn.LSTM(6, 5, batch_first=True)
            self.head = nn.Linear(10, 4)

        def forward(self, x):
            x = self.stem(x)
            for b in self.blocks:
                x = b(x)
            x = self.same(self.act(x)).flatten(2).transpose(1, 2)
            y, (h, c) = self.lstm(x)
            return self.head(self.act(torch.cat([h[0], c[0]], 1) + y.mean()))
    torch.manual_seed(2)
    net = Net().eval()
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_(0, .3)
                m.running_var.uniform_(.5, 1.5)
    return net, torch.randn(2, 3, 9, 9)


def with_torch(tool):
    import torch
    from onnxtap_dump import dump_torch
    net, x = torch_model(torch)
    ok = True
    with tempfile.TemporaryDirectory() as folder:
        dump_torch(net, x, os.path.join(folder, 'ref.npz'))
        for name, least, kw in (('traced', .85, {'dynamo': False, 'opset_version': 16}),
                                ('exported', .75, {'dynamo': True, 'opset_version': 18, 'verbose': False})):
            path = os.path.join(folder, name + '.onnx')
            torch.onnx.export(net, (x,), path, input_names=['x'], **kw)
            ok &= compare(tool, path, {'x': x.numpy()}, folder, least)
    return ok


def main():
    tool, asked = os.path.abspath(sys.argv[1]), sys.argv[2:] or ['keras', 'tf_keras', 'torch']
    ran, ok = 0, True
    if len(asked) > 1:  # one framework a process: Keras 2 and 3 do not go together
        codes = [subprocess.run([sys.executable, __file__, tool, a]).returncode for a in asked]
        return 1 if any(c not in (0, 77) for c in codes) else 0 if 0 in codes else 77
    try:
        ok = with_torch(tool) if asked[0] == 'torch' else with_keras(tool, asked[0] == 'tf_keras')
        ran += 1
    except ImportError as e:
        print(f'{asked[0]}: left out, {e}')
    return 77 if not ran else 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
