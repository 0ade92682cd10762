#!/usr/bin/env python3
"""Layers: what `onnxtap info --layers` finds, beside what the framework computed.

    layers.py ONNXTAP FOLDER [-k PATTERN] [--list] [-v] [--lists DIR]

FOLDER holds cases of two forms: Keras (keras.npz, layers.json) and PyTorch (layers.npz, layers.json). The values of each
tensor that is named for a layer are computed by onnxtap and compared with the framework's, under the permutation that is
given. layers.json is used for one question alone: whether any tensor of the file has the layer's output. With --list a
list of the layers, as a framework would write it, goes to --layer-list: from DIR/CASE.json where there is one, else made
from layers.json without its tensors.
Needs numpy and onnx. Exit status 1 where a share is below what is promised, or a tensor has other values."""
import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx


def cases(folder, pattern):
    """Yields (case, tag, family) for each export that has a map."""
    for case in sorted(os.listdir(folder)):
        path = os.path.join(folder, case)
        if not os.path.isdir(path):
            continue
        for file in sorted(os.listdir(path)):
            m = re.fullmatch(r'layers(_\w+)?\.json', file)
            tag = m and (m.group(1) or '')
            if not any(os.path.exists(os.path.join(path, x)) for x in ('keras.npz', 'layers.npz')):
                continue
            if m and os.path.exists(os.path.join(path, f'model{tag}.onnx')) and re.search(pattern, case + tag):
                yield path, tag, 'keras' if os.path.exists(os.path.join(path, 'keras.npz')) else 'torch'


def entries(path, tag, family):
    """The framework's layer outputs: dicts with key, layer, call, output, class, shape, has (a tensor has it)."""
    data = json.load(open(os.path.join(path, f'layers{tag}.json')))
    if family == 'torch':
        return [dict(key=k, layer=x['path'], call=x['call'], output=x['output'], kind=x['class'], shape=x['shape'],
                     has=x['onnx'] is not None) for k, x in data.items()]
    seen, out = {}, []
    names = [x['name'] for x in data]
    for x in data:
        name, output = (x['name'].rsplit(':', 1) + ['0'])[:2] if re.search(r':\d+$', x['name']) else (x['name'], '0')
        layer, call = name, 0
        m = re.fullmatch(r'(.*)_(\d+)', name)
        # The second call of a layer: the same class, and the plain name was there before.
        if m and seen.get(m.group(1)) == x['class'] and called_again(path, m.group(1), name, names):
            layer, call = m.group(1), int(m.group(2))
        seen.setdefault(name, x['class'])
        out.append(dict(key=x['name'], layer=layer, call=call, output=int(output), kind=x['class'], shape=x['shape'],
                        activation=x.get('activation'), has=x['tensor'] is not None))
    return out


def called_again(path, first, name, names):
    """Whether NAME_1 is a second call: its model says so, where the case has more than the map tells."""
    origin = os.path.join(path, 'origin.json')
    shared = json.load(open(origin)).get('shared_layers') if os.path.exists(origin) else None
    if shared is not None:
        return first.split('/')[-1] in shared
    return 'shared' in os.path.basename(path)


def words(path, tag):
    """Everything that is written in the file: names of nodes, values, weights, and metadata."""
    m = onnx.load(os.path.join(path, f'model{tag}.onnx'), load_external_data=False)
    out = set()

    def walk(g):
        for n in g.node:
            out.update([n.name, *n.input, *n.output, *(p.value for p in n.metadata_props)])
            for a in n.attribute:
                for sub in ([a.g] if a.type == onnx.AttributeProto.GRAPH else a.graphs):
                    walk(sub)
        out.update(x.name for x in g.initializer)
        out.update(x.name for x in g.input)
        out.update(x.name for x in g.output)
    walk(m.graph)
    return '\n'.join(out)


def occurs(e, text, family):
    if family == 'torch':
        piece = e['layer'].split('.')
        last = piece[-1]
        if last.isdigit() and len(piece) > 1:
            last = piece[-2] + '.' + last
        legacy = re.search(r'/(?:[\w.]+\.)?' + re.escape(last) + r'(_\d+)?/', text)
        return bool(legacy) or bool(re.search(r"'" + re.escape(e['layer']) + "'", text))
    name = e['layer'].split('/')[-1]
    return bool(re.search(r'(^|[/;])' + re.escape(name) + r'(_\d+)?([/;:]|$|__)', text, re.M))


def listed(es, family):
    """The list as a framework would write it, without connections."""
    layers = {}
    for e in es:
        x = layers.setdefault(e['layer'], {'layer': e['layer'], 'class': e['kind'], 'outputs': {}, 'calls': 0})
        x['outputs'].setdefault(e['output'], {'shape': [None] + e['shape'][1:] if e['shape'] else []})
        x['calls'] = max(x['calls'], e['call'] + 1)
        if e.get('activation'):
            x['config'] = {'activation': e['activation']}
    return {'framework': 'keras' if family == 'keras' else 'torch',
            'layers': [{**{k: v for k, v in x.items() if k != 'calls'},
                        'outputs': [v for _, v in sorted(x['outputs'].items())],
                        'inputs': [[] for _ in range(x['calls'])]} for x in layers.values()]}


def info(tool, model, layer_list):
    args = [tool, 'info', model, '--layers', '--json'] + (['--layer-list', layer_list] if layer_list else [])
    r = subprocess.run(args, capture_output=True)
    if r.returncode:
        raise RuntimeError(r.stderr.decode())
    return json.loads(r.stdout)['layers']


def run(tool, path, tag, model, tensors, scratch):
    """Values of the named tensors, by onnxtap."""
    names = os.path.join(scratch, 'names.txt')
    with open(names, 'w') as f:
        f.writelines(n + '\n' for n in sorted(tensors))
    inputs = os.path.join(path, f'inputs{tag}.npz')
    if not os.path.exists(inputs):
        inputs = os.path.join(path, 'inputs.npz')
    out = os.path.join(scratch, 'out.npz')
    taps = [a for n in sorted(tensors) for a in ('--tap', n)]
    r = subprocess.run([tool, 'run', model, '-i', inputs, *taps, '-o', out], capture_output=True)
    if r.returncode:
        raise RuntimeError(r.stderr.decode())
    with np.load(out) as z:
        got = {k: z[k] for k in z.files}
    with np.load(inputs) as z:
        got.update({k: z[k] for k in z.files})
    return got


def same(a, b, rtol, atol):
    if a.shape != b.shape:
        return False
    if a.dtype.kind in 'USO' or b.dtype.kind in 'USO':
        return bool(np.array_equal(a.astype(str), b.astype(str)))
    a, b = a.astype(np.float64), b.astype(np.float64)
    scale = max(1.0, float(np.nanstd(b)) if b.size else 1.0)
    return bool(np.allclose(a, b, rtol=rtol, atol=atol * scale, equal_nan=True))


def equal_under(a, b, perm, rtol, atol):
    """'right', 'axes' (equal under another permutation than perm), or 'wrong'."""
    if a.ndim != b.ndim:
        return 'wrong'
    if perm is not None and same(np.transpose(a, perm), b, rtol, atol):
        return 'right'
    for p in itertools.permutations(range(a.ndim)):
        if same(np.transpose(a, p), b, rtol, atol):
            return 'axes'
    return 'wrong'


def judge(tool, path, tag, family, args):
    model = os.path.join(path, f'model{tag}.onnx')
    es = entries(path, tag, family)
    origin = json.load(open(os.path.join(path, 'origin.json')))
    export = (origin.get('exports') or {}).get(f'model{tag}.onnx', {})
    rtol, atol = export.get('map_rtol', 1e-3), max(export.get('map_atol', 1e-4), 1e-4)
    if family == 'torch' and 'float16' in json.dumps(origin.get('tolerance', '')) or 'half' in path:
        rtol = atol = 3e-2
    with np.load(os.path.join(path, 'keras.npz' if family == 'keras' else 'layers.npz')) as z:
        want = {k: z[k] for k in z.files}
    with tempfile.TemporaryDirectory() as scratch:
        layer_list = None
        if args.list:
            layer_list = os.path.join(scratch, 'list.json')
            given = args.lists and os.path.join(args.lists, os.path.basename(path) + '.layers.json')
            content = json.load(open(given)) if given and os.path.exists(given) else listed(es, family)
            json.dump(content, open(layer_list, 'w'))
        rows = info(tool, model, layer_list)
        got = run(tool, path, tag, model, {r['tensor'] for r in rows if r['tensor']}, scratch)
    found = {(r['layer'], r['call'], r['output']): r for r in rows}
    by_key = {r['key']: r for r in rows}
    text = words(path, tag)
    count = dict(has=0, named=0, found=0, found_named=0, axes=0, wrong=0, extra=0)
    lines = []
    for e in es:
        r = found.get((e['layer'], e['call'], e['output'])) or by_key.get(re.sub(r':0$', '', e['key']))
        if e['key'] not in want:  # an input of the model: not recorded
            continue
        named = occurs(e, text, family)
        count['has'] += e['has']
        count['named'] += e['has'] and named
        if r is None or r['tensor'] is None:
            if e['has'] and (named or args.list):
                lines.append(f"  missing  {e['key']} ({e['kind'].split('.')[-1]}): {r['status'] if r else 'not listed'}")
            continue
        verdict = equal_under(got[r['tensor']], want[e['key']], r['perm'], rtol, atol)
        if verdict == 'wrong':
            count['wrong'] += 1
            lines.append(f"  WRONG    {e['key']} ({e['kind'].split('.')[-1]}): {r['tensor']} {list(got[r['tensor']].shape)} "
                         f"for {list(want[e['key']].shape)}")
            continue
        if verdict == 'axes':
            count['axes'] += 1
            lines.append(f"  axes     {e['key']} ({e['kind'].split('.')[-1]}): {r['tensor']} perm {r['perm']}")
        elif e['has']:
            count['found'] += 1
            count['found_named'] += named
        else:
            count['extra'] += 1
    return count, lines


def exporter(path, tag, family):
    m = onnx.load(os.path.join(path, f'model{tag}.onnx'), load_external_data=False)
    if family == 'torch':
        return 'torch.export' if any(n.metadata_props for n in m.graph.node) else 'torch tracing'
    origin = json.load(open(os.path.join(path, 'origin.json')))
    e = (origin.get('exports') or {}).get(f'model{tag}.onnx', {}).get('exporter', 'tf2onnx')
    return 'tflite' if 'tflite' in e else 'keras export' if 'Model.export' in e else \
        'saved model' if 'saved' in e else 'tf2onnx function' if 'function' in e else 'tf2onnx'


def main():
    p = argparse.ArgumentParser()
    p.add_argument('tool')
    p.add_argument('folder', nargs='+')
    p.add_argument('-k', default='')
    p.add_argument('--list', action='store_true')
    p.add_argument('--lists')
    p.add_argument('-v', action='store_true')
    args = p.parse_args()
    total, wrong = {}, 0
    for folder in args.folder:
        for path, tag, family in cases(folder, args.k):
            try:
                count, lines = judge(args.tool, path, tag, family, args)
            except Exception as e:
                print(f'{os.path.basename(path)}{tag}: {e}')
                wrong += 1
                continue
            t = total.setdefault(exporter(path, tag, family), dict.fromkeys(count, 0))
            for k in count:
                t[k] += count[k]
            wrong += count['wrong']
            if args.v and lines:
                print(f'{os.path.basename(path)}{tag}')
                print('\n'.join(lines))
    low = 0
    for name, c in sorted(total.items()):
        of, got = (c['has'], c['found']) if args.list else (c['named'], c['found_named'])
        share = got / of if of else 1
        low += share < (0.98 if args.list else 0.95)
        print(f"{name:18s} {got} of {of} found with the right axes ({100 * share:.1f} %), all that have a tensor "
              f"{c['found']} of {c['has']}; other axes {c['axes']}, wrong {c['wrong']}, beyond the map {c['extra']}")
    return 1 if wrong or low else 0


if __name__ == '__main__':
    sys.exit(main())
