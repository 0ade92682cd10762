#!/usr/bin/env python3
"""What recording costs beside the plain run: a table of times over a data set, and of memory as it grows.

    recording.py ONNXTAP MODEL [--rows N] [--rounds K] [--batch N] [--threads N] [--layers A,B,C]

MODEL has one image-like float32 input. Runs take turns, the shortest time of each kind counts, and so does the processor's
time, which other programs disturb less. Peak memory is that of the process, for a thousand rows and for a hundred times as
many. Needs numpy."""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np


def measure(args, cwd):
    """Seconds, processor seconds, peak MB."""
    begin = time.monotonic()
    p = subprocess.Popen(args, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while True:  # what a process inherits counts in ru_maxrss: the kernel's own mark is looked at while it runs
        pid, status, used = os.wait4(p.pid, os.WNOHANG)
        if pid:
            break
        try:
            peak = max(peak, *(int(x.split()[1]) for x in open(f'/proc/{p.pid}/status') if x.startswith('VmHWM')))
        except (OSError, TypeError):
            pass
        time.sleep(.005)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(' '.join(args) + f': status {p.returncode}')
    return time.monotonic() - begin, used.ru_utime + used.ru_stime, peak / 1024


def times(tool, model, x, a, folder):
    common = ['-i', x, '--batch', str(a.batch)] + (['--threads', str(a.threads)] if a.threads else [])
    listed = json.loads(subprocess.run([tool, 'info', model, '--layers', '--json'], capture_output=True, check=True).stdout)
    found = [r['key'] for r in listed['layers'] if r['status'] == 'found']
    layers = a.layers.split(',') if a.layers else [found[len(found) * k // 4] for k in (1, 2, 3)]
    three = [t for name in layers for t in ('--tap', 'layer:' + name)]
    kinds = {
        'plain run': ['run', model, *common, '-o', 'plain.npz'],
        'three layers to .npz': ['run', model, *common, *three, '-o', 'three.npz'],
        'three layers, statistics': ['stats', model, *common, *three],
        'all layers, statistics': ['stats', model, *common, '--tap', 'layer:*'],
        'all values, statistics': ['stats', model, *common, '--tap', 'all'],
    }
    best = {}
    for _ in range(a.rounds):
        for kind, args in kinds.items():
            got = measure([tool, *args], folder)
            best[kind] = [min(o, n) for o, n in zip(best.get(kind, got), got)]
    wall, cpu, _ = best['plain run']
    print(f'{os.path.basename(os.path.dirname(model))}: {a.rows} rows, {a.batch} at a time; layers {", ".join(layers)} of {len(found)}')
    print(f'{"":26s} {"seconds":>8s} {"ratio":>6s} {"CPU s":>8s} {"ratio":>6s} {"peak MB":>8s}')
    for kind, (w, c, m) in best.items():
        print(f'{kind:26s} {w:8.2f} {w / wall:6.2f} {c:8.2f} {c / cpu:6.2f} {m:8.1f}')


def memory(tool, folder):
    """A small model, for rows are what counts: tests/data/digits."""
    digits = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'data', 'digits')
    x = np.load(os.path.join(digits, 'input.npy'))
    model = os.path.join(digits, 'model.onnx')
    print(f'\n{"peak MB":26s} {"1000 rows":>10s} {"100000 rows":>12s}')
    for kind in ('npz', 'csv', 'jsonl', 'sqlite', 'folder/', 'stats'):
        peaks = []
        for n in (1000, 100000):
            np.save(os.path.join(folder, 'rows.npy'), np.resize(x, (n, *x.shape[1:])))
            out = ['stats', model] if kind == 'stats' else ['run', model, '-o', 'out/' if kind == 'folder/' else 'out.' + kind]
            args = [tool, *out, '-i', 'rows.npy', '--batch', '50', '--tap', 'layer:pool_2', '--tap', 'layer:features']
            peaks.append(measure(args, folder)[2])
            for f in os.listdir(folder):
                if f.startswith('out.'):
                    os.remove(os.path.join(folder, f))
        print(f'{kind:26s} {peaks[0]:10.1f} {peaks[1]:12.1f}')


def main():
    p = argparse.ArgumentParser()
    p.add_argument('tool')
    p.add_argument('model')
    p.add_argument('--rows', type=int, default=2000)
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--batch', type=int, default=8)
    p.add_argument('--threads', type=int)
    p.add_argument('--layers')
    a = p.parse_args()
    tool, model = os.path.abspath(a.tool), os.path.abspath(a.model)
    port = json.loads(subprocess.run([tool, 'info', model, '--json'], capture_output=True, check=True).stdout)['inputs'][0]
    shape = [d if isinstance(d, int) else 1 for d in port['shape'][1:]]
    with tempfile.TemporaryDirectory() as folder:
        x = os.path.join(folder, 'x.npy')
        np.save(x, np.random.default_rng(1).random((a.rows, *shape), np.float32))
        times(tool, model, x, a, folder)
        os.remove(x)
        memory(tool, folder)


if __name__ == '__main__':
    main()
