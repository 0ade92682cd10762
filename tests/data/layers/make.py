#!/usr/bin/env python3
"""Writes the models of this folder: small graphs named and built as exporters name and build them, and lists of layers
as frameworks would write them. Needs onnx and numpy. The weights are zeros: what counts is which value is which.

    python3 make.py"""
import json
import os

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

HERE = os.path.dirname(os.path.abspath(__file__))
F = TensorProto.FLOAT


def const(name, *shape, value=None, dtype=np.float32):
    return numpy_helper.from_array(np.zeros(shape, dtype) if value is None else np.array(value, dtype), name)


def node(op, name, inputs, outputs, scopes=None, classes=None, rule=None, **attributes):
    n = helper.make_node(op, inputs, outputs if isinstance(outputs, list) else [outputs], name=name, **attributes)
    for key, value in (('pkg.torch.onnx.name_scopes', scopes), ('pkg.torch.onnx.class_hierarchy', classes),
                       ('pkg.onnxscript.rewriter.rule_name', rule)):
        if value is not None:
            p = n.metadata_props.add()
            p.key, p.value = key, str(value)
    return n


def write(name, nodes, inputs, outputs, weights, producer, opset=15):
    def port(n, s):
        return helper.make_tensor_value_info(n, F, s)
    g = helper.make_graph(nodes, name, [port(*x) for x in inputs], [port(*x) for x in outputs], weights)
    m = helper.make_model(g, producer_name=producer, opset_imports=[helper.make_opsetid('', opset)], ir_version=8)
    checker.check_model(m)
    save(m, os.path.join(HERE, name + '.onnx'))


def conv(name, x, w, b, y, **more):
    return node('Conv', name, [x, w, b] if b else [x, w], y, kernel_shape=[3, 3], pads=[1, 1, 1, 1], **more)


def layer(name, kind, shape, *calls, **config):
    """A layer of Keras's list; an input is a layer's name, or name, call and output."""
    return {'layer': name, 'class': kind, 'outputs': [{'shape': [None] + shape}], 'config': config,
            'inputs': [[[i, 0, 0] if isinstance(i, str) else i for i in c] for c in calls]}


def keras_list(name, layers):
    with open(os.path.join(HERE, name + '.layers.json'), 'w') as f:
        json.dump({'framework': 'keras', 'layers': layers}, f, indent=1)


def keras3():
    """tf2onnx, Keras 3: a folded BatchNormalization on a nameless Conv, a layer called twice, a model in the model whose
    two calls share a constant, a Transpose that the exporter moved behind two operations, an output with the user's name."""
    s = 'net_1/'
    nodes = [
        node('Transpose', s + 'conv1_1/convolution__5', ['image'], s + 'conv1_1/convolution__5:0', perm=[0, 3, 1, 2]),
        conv(s + 'conv1_1/BiasAdd', s + 'conv1_1/convolution__5:0', s + 'conv1_1/convolution/ReadVariableOp:0',
             s + 'conv1_1/Squeeze:0', s + 'conv1_1/BiasAdd:0'),
        node('Relu', s + 'conv1_1/Relu', [s + 'conv1_1/BiasAdd:0'], s + 'conv1_1/Relu:0'),
        conv('Conv__9', s + 'conv1_1/Relu:0', s + 'conv2_1/convolution/merged_input:0', s + 'bn2_1/batchnorm/sub:0', 'Conv__9:0'),
        node('Relu', s + 'relu2_1/Relu', ['Conv__9:0'], s + 'relu2_1/Relu:0'),
        node('Add', s + 'Add', [s + 'relu2_1/Relu:0', s + 'conv1_1/Relu:0'], s + 'Add:0'),
        node('GlobalAveragePool', s + 'gap_1/Mean', [s + 'Add:0'], s + 'gap_1/Mean:0'),
        node('Squeeze', s + 'gap_1/Mean_Squeeze__20', [s + 'gap_1/Mean:0', 'axes'], s + 'gap_1/Mean_Squeeze__20:0'),
        node('Transpose', 'Transpose__12', [s + 'relu2_1/Relu:0'], 'Transpose__12:0', perm=[0, 2, 3, 1]),
        node('Reshape', s + 'flat_1/Reshape', ['Transpose__12:0', 'shape'], s + 'flat_1/Reshape:0'),
    ]
    x = s + 'flat_1/Reshape:0'
    for call, scope in enumerate(('inner_1', 'inner_3')):
        d = f'{s}{scope}/dense_1/'
        nodes += [node('MatMul', d + 'MatMul', [x, s + f'inner_1/dense_1/Cast{call}:0'], d + 'MatMul:0'),
                  node('Add', d + 'BiasAdd', [d + 'MatMul:0', s + 'inner_3/dense_1/BiasAdd/ReadVariableOp:0'], d + 'BiasAdd:0'),
                  node('Tanh', d + 'Tanh', [d + 'BiasAdd:0'], d + 'Tanh:0')]
        x = d + 'Tanh:0'
    nodes += [node('Concat', s + 'join_1/concat', [x, s + 'gap_1/Mean_Squeeze__20:0'], s + 'join_1/concat:0', axis=1),
              node('MatMul', s + 'out_1/MatMul', [s + 'join_1/concat:0', s + 'out_1/Cast:0'], s + 'out_1/MatMul:0'),
              node('Softmax', s + 'out_1/Softmax', [s + 'out_1/MatMul:0'], 'out', axis=1)]
    weights = [const(s + 'conv1_1/convolution/ReadVariableOp:0', 4, 3, 3, 3), const(s + 'conv1_1/Squeeze:0', 4),
               const(s + 'conv2_1/convolution/merged_input:0', 4, 4, 3, 3), const(s + 'bn2_1/batchnorm/sub:0', 4),
               const('axes', value=[2, 3], dtype=np.int64), const('shape', value=[-1, 144], dtype=np.int64),
               const(s + 'inner_1/dense_1/Cast0:0', 144, 5), const(s + 'inner_1/dense_1/Cast1:0', 5, 5),
               const(s + 'inner_3/dense_1/BiasAdd/ReadVariableOp:0', 5), const(s + 'out_1/Cast:0', 9, 3)]
    write('keras3', nodes, [('image', ['n', 6, 6, 3])], [('out', ['n', 3])], weights, 'tf2onnx')

    keras_list('keras3', [
        layer('image', 'InputLayer', [6, 6, 3], []),
        layer('conv1', 'Conv2D', [6, 6, 4], ['image'], activation='relu'),
        layer('conv2', 'Conv2D', [6, 6, 4], ['conv1'], activation='linear'),
        layer('bn2', 'BatchNormalization', [6, 6, 4], ['conv2']),
        layer('relu2', 'ReLU', [6, 6, 4], ['bn2']),
        layer('drop', 'Dropout', [6, 6, 4], ['relu2'], rate=.5),
        layer('flat', 'Flatten', [144], ['drop']),
        layer('inner/dense', 'Dense', [5], ['flat'], [['inner/dense', 0, 0]]),
        layer('inner', 'Functional', [5], ['flat'], [['inner', 0, 0]]),
        layer('add', 'Add', [6, 6, 4], ['drop', 'conv1']),
        layer('gap', 'GlobalAveragePooling2D', [4], ['add']),
        layer('join', 'Concatenate', [9], [['inner', 1, 0], 'gap']),
        layer('out', 'Dense', [3], ['join'], activation='softmax'),
        layer('elsewhere', 'Dense', [3], ['join'])])


def keras2():
    """tf2onnx, Keras 2 through a saved model: wrappers before the names, a nameless LSTM between Transposes, another whose
    sequence leaves in the order of time, with its states."""
    s = 'StatefulPartitionedCall/rnn/'

    def lstm(n, x, scope, hidden, width):
        return [node('Expand', f'{s}{scope}/zeros', ['zero', f'size{hidden}'], f'{s}{scope}/zeros:0'),
                node('LSTM', f'LSTM__{n}', [x, f'W__{n}', f'R__{n}', f'B__{n}', '', f'{s}{scope}/zeros:0', f'{s}{scope}/zeros:0'],
                     [f'LSTM__{n}:0', f'LSTM__{n}:1', f'LSTM__{n}:2'], hidden_size=hidden),
                node('Squeeze', f'Squeeze__{n + 1}', [f'LSTM__{n}:0', 'one'], f'Squeeze__{n + 1}:0')], \
            [const(f'W__{n}', 1, 4 * hidden, width), const(f'R__{n}', 1, 4 * hidden, hidden), const(f'B__{n}', 1, 8 * hidden),
             const(f'size{hidden}', value=[1, 2, hidden], dtype=np.int64)]
    one, w1 = lstm(20, s + 'first/transpose:0', 'first', 4, 5)
    two, w2 = lstm(30, s + 'second/transpose:0', 'second', 3, 4)
    nodes = [node('Transpose', s + 'first/transpose', ['series'], s + 'first/transpose:0', perm=[1, 0, 2]), *one,
             node('Transpose', s + 'first/transpose_1', ['Squeeze__21:0'], s + 'first/transpose_1:0', perm=[1, 0, 2]),
             node('Transpose', s + 'second/transpose', [s + 'first/transpose_1:0'], s + 'second/transpose:0', perm=[1, 0, 2]), *two,
             node('Squeeze', 'Squeeze__32', ['LSTM__30:1', 'axis0'], 'Identity_1:0'),
             node('Squeeze', 'Squeeze__33', ['LSTM__30:2', 'axis0'], 'Identity_2:0'),
             node('Sigmoid', s + 'end/Sigmoid', ['Squeeze__31:0'], s + 'end/Sigmoid:0'),
             node('Transpose', 'Transpose__40', [s + 'end/Sigmoid:0'], 'Identity:0', perm=[1, 0, 2])]
    weights = w1 + w2 + [const('zero', value=0), const('one', value=[1], dtype=np.int64), const('axis0', value=[0], dtype=np.int64)]
    write('keras2', nodes, [('series', [2, 7, 5])], [('Identity:0', [2, 7, 3]), ('Identity_1:0', [2, 3]), ('Identity_2:0', [2, 3])],
          weights, 'tf2onnx')


def slashes():
    """tf2onnx, Keras 2: layers with a slash in their names stand behind the layer that the name begins with, "conv/bn" in the
    kernel of "conv", "fc/relu" beside it; own has a layer of its own for its activation; what late0 and late1 are
    given is prepared in the name of bn0, which has the work of the first."""
    s = 'net/'
    nodes = [node('Transpose', s + 'conv/Conv2D__3', ['image'], s + 'conv/Conv2D__3:0', perm=[0, 3, 1, 2]),
             conv(s + 'conv/Conv2D', s + 'conv/Conv2D__3:0', s + 'conv/Conv2D_weights_fused_bn', s + 'conv/Conv2D_bias_fused_bn',
                  s + 'conv/bn/FusedBatchNormV3:0'),
             node('Relu', s + 'act/Relu', [s + 'conv/bn/FusedBatchNormV3:0'], s + 'act/Relu:0'),
             node('GlobalAveragePool', s + 'gap/Mean', [s + 'act/Relu:0'], s + 'gap/Mean:0'),
             node('Squeeze', s + 'gap/Mean_Squeeze__7', [s + 'gap/Mean:0', 'axes'], s + 'gap/Mean_Squeeze__7:0')]
    weights = [const(s + 'conv/Conv2D_weights_fused_bn', 4, 3, 3, 3), const(s + 'conv/Conv2D_bias_fused_bn', 4),
               const('axes', value=[2, 3], dtype=np.int64)]
    x = s + 'gap/Mean_Squeeze__7:0'
    for name, op, inside in (('fc', 'Relu', 'fc/relu/Relu'), ('own', 'LeakyRelu', 'own/leaky_re_lu_2/LeakyRelu')):
        nodes += [node('MatMul', f'{s}{name}/MatMul', [x, f'{s}{name}/MatMul/ReadVariableOp:0'], f'{s}{name}/MatMul:0'),
                  node('Add', f'{s}{name}/BiasAdd', [f'{s}{name}/MatMul:0', f'{s}{name}/BiasAdd/ReadVariableOp:0'], f'{s}{name}/BiasAdd:0'),
                  node(op, s + inside, [f'{s}{name}/BiasAdd:0'], s + inside + ':0')]
        weights += [const(f'{s}{name}/MatMul/ReadVariableOp:0', 4, 4), const(f'{s}{name}/BiasAdd/ReadVariableOp:0', 4)]
        x = s + inside + ':0'
    nodes += [node('Add', s + 'sum/add', [x, s + 'fc/relu/Relu:0'], s + 'sum/add:0'),
              node('Sigmoid', s + 'sum/out/Sigmoid', [s + 'sum/add:0'], s + 'sum/out/Sigmoid:0'),
              node('Tanh', s + 'end/Tanh', [s + 'sum/out/Sigmoid:0'], 'end')]
    prepared = s + 'bn0/batchnorm/mul__9'
    nodes += [node('Reshape', prepared, [s + 'act/Relu:0', 'shape'], prepared + ':0')]
    for i in '01':
        nodes += [node('Conv', f'{s}bn{i}/batchnorm/mul', [prepared + ':0', f'{s}late{i}/convolution/merged_input:0'],
                       f'{s}bn{i}/batchnorm/mul:0')]
        weights += [const(f'{s}late{i}/convolution/merged_input:0', 4, 4, 1, 1)]
    nodes += [node('Add', s + 'last/add', [s + 'bn0/batchnorm/mul:0', s + 'bn1/batchnorm/mul:0'], 'last')]
    weights += [const('shape', value=[0, 4, 6, 6], dtype=np.int64)]
    write('slashes', nodes, [('image', ['n', 6, 6, 3])], [('end', ['n', 4]), ('last', ['n', 4, 6, 6])], weights, 'tf2onnx')
    keras_list('slashes', [
        layer('image', 'InputLayer', [6, 6, 3], []),
        layer('conv', 'Conv2D', [6, 6, 4], ['image']),
        layer('conv/bn', 'BatchNormalization', [6, 6, 4], ['conv']),
        layer('act', 'ReLU', [6, 6, 4], ['conv/bn']),
        layer('gap', 'GlobalAveragePooling2D', [4], ['act']),
        layer('fc', 'Dense', [4], ['gap']),
        layer('fc/relu', 'ReLU', [4], ['fc']),
        layer('own', 'Dense', [4], ['fc/relu']),
        layer('sum', 'Add', [4], ['own', 'fc/relu']),
        layer('sum/out', 'Activation', [4], ['sum'], activation='sigmoid'),
        layer('end', 'Activation', [4], ['sum/out'], activation='tanh'),
        *(x for i in '01' for x in (layer('late' + i, 'Conv2D', [6, 6, 4], ['act']),
                                    layer('bn' + i, 'BatchNormalization', [6, 6, 4], ['late' + i]))),
        layer('last', 'Add', [6, 6, 4], ['bn0', 'bn1'])])


def nchw():
    """tf2onnx with inputs_as_nchw: no Transpose before the convolution, one behind it."""
    s = 'net_1/'
    nodes = [conv(s + 'conv_1/BiasAdd', 'image', s + 'conv_1/convolution/ReadVariableOp:0', s + 'conv_1/Squeeze:0', s + 'conv_1/BiasAdd:0'),
             node('Concat', s + 'cat_1/concat', [s + 'conv_1/BiasAdd:0', 'image'], s + 'cat_1/concat:0', axis=1),
             node('ReduceMean', s + 'mean_1/Mean', [s + 'cat_1/concat:0'], s + 'mean_1/Mean:0', axes=[2], keepdims=0),
             node('Pad', s + 'pad_1/Pad', [s + 'cat_1/concat:0', 'pads'], s + 'pad_1/Pad:0'),
             node('Transpose', 'Transpose__8', [s + 'pad_1/Pad:0'], 'out', perm=[0, 2, 3, 1]),
             node('Transpose', 'Transpose__9', [s + 'mean_1/Mean:0'], 'mean', perm=[0, 2, 1])]
    weights = [const(s + 'conv_1/convolution/ReadVariableOp:0', 4, 3, 3, 3), const(s + 'conv_1/Squeeze:0', 4),
               const('pads', value=[0, 0, 1, 1, 0, 0, 1, 1], dtype=np.int64)]
    write('nchw', nodes, [('image', ['n', 3, 6, 5])], [('out', ['n', 8, 7, 7]), ('mean', ['n', 5, 7])], weights, 'tf2onnx')


def tflite():
    """tf2onnx from TFLite: a name of several operations, the activation behind it nameless, and so is the end."""
    group = 'net_1/relu_1/Relu;net_1/bn_1/batchnorm/add_1;net_1/conv_1/convolution;net_1/bn_1/batchnorm/sub1'
    dense = 'net_1/dense_1/MatMul;net_1/dense_1/Relu;net_1/dense_1/BiasAdd'
    last = 'net_1/last_1/MatMul;net_1/last_1/BiasAdd'
    nodes = [node('Transpose', group + '__3', ['serving_default_image:0'], group + '__3:0', perm=[0, 3, 1, 2]),
             conv(group, group + '__3:0', 'const_fold_opt__1', 'const_fold_opt__2', group),
             node('Relu', 'Relu__5', [group], 'Relu__5:0'),
             node('Transpose', 'Transpose__6', ['Relu__5:0'], 'Transpose__6:0', perm=[0, 2, 3, 1]),
             node('Reshape', 'net_1/flat_1/Reshape', ['Transpose__6:0', 'shape'], 'net_1/flat_1/Reshape'),
             node('MatMul', dense, ['net_1/flat_1/Reshape', 'const_fold_opt__7'], dense),
             node('Add', 'Add__8', [dense, 'const_fold_opt__9'], 'Add__8:0'),
             node('Relu', 'Relu__10', ['Add__8:0'], 'Relu__10:0'),
             node('MatMul', last, ['Relu__10:0', 'const_fold_opt__11'], last),
             node('Softmax', 'StatefulPartitionedCall_1:0', [last], 'StatefulPartitionedCall_1:0', axis=1)]
    weights = [const('const_fold_opt__1', 4, 3, 3, 3), const('const_fold_opt__2', 4), const('shape', value=[-1, 144], dtype=np.int64),
               const('const_fold_opt__7', 144, 5), const('const_fold_opt__9', 5), const('const_fold_opt__11', 5, 3)]
    write('tflite', nodes, [('serving_default_image:0', ['n', 6, 6, 3])], [('StatefulPartitionedCall_1:0', ['n', 3])], weights, 'tf2onnx')


def reshaped():
    """tf2onnx: layers that work in another rank than they are given. The way back from one is in what comes behind it:
    the 1-D pool's is undone by the next convolution, the grouped one's is merged with Flatten's."""
    s = 'net_1/'
    nodes = [
        node('Relu', s + 'first_1/Relu', ['x'], s + 'first_1/Relu:0'),
        node('Unsqueeze', s + 'pool_1/MaxPool1d/ExpandDims', [s + 'first_1/Relu:0', 'axis'], s + 'pool_1/MaxPool1d/ExpandDims:0'),
        node('MaxPool', s + 'pool_1/MaxPool1d', [s + 'pool_1/MaxPool1d/ExpandDims:0'], s + 'pool_1/MaxPool1d:0', kernel_shape=[1, 2], strides=[1, 2]),
        node('Conv', s + 'conv_1/convolution', [s + 'pool_1/MaxPool1d:0', s + 'conv_1/convolution/ExpandDims_1:0'], s + 'conv_1/convolution:0'),
        node('Squeeze', s + 'conv_1/convolution/Squeeze', [s + 'conv_1/convolution:0', 'axis'], s + 'conv_1/convolution/Squeeze:0'),
        node('Reshape', s + 'norm_1/Reshape', [s + 'conv_1/convolution/Squeeze:0', 'groups'], s + 'norm_1/Reshape:0'),
        node('Mul', s + 'norm_1/mul', [s + 'norm_1/Reshape:0', 'scale'], s + 'norm_1/mul:0'),
        node('Reshape', s + 'flat_1/Reshape', [s + 'norm_1/mul:0', 'flat'], s + 'flat_1/Reshape:0'),
        node('Unsqueeze', s + 'rep_1/ExpandDims', [s + 'flat_1/Reshape:0', 'one'], s + 'rep_1/ExpandDims:0'),
        node('Tile', s + 'rep_1/Tile', [s + 'rep_1/ExpandDims:0', 'times'], s + 'rep_1/Tile:0'),
        node('Neg', s + 'out_1/Neg', [s + 'rep_1/Tile:0'], 'out')]
    weights = [const('axis', value=[2], dtype=np.int64), const('one', value=[1], dtype=np.int64),
               const(s + 'conv_1/convolution/ExpandDims_1:0', 4, 6, 1, 1), const('groups', value=[-1, 2, 2, 4], dtype=np.int64),
               const('scale', 1, 2, 1, 1), const('flat', value=[-1, 16], dtype=np.int64), const('times', value=[1, 3, 1], dtype=np.int64)]
    write('reshaped', nodes, [('x', ['n', 6, 8])], [('out', ['n', 3, 16])], weights, 'tf2onnx')


def tflite_biases():
    """tf2onnx from TFLite: the bias of a layer without an activation went into the next one's; a 1-D convolution that begins
    by itself ends, with what comes behind it, in a group, whose activation is turned back under the group's name."""
    moved = 'net_1/two_1/BiasAdd;net_1/three_1/MatMul;net_1/three_1/BiasAdd'
    group = 'net_1/act_1/Relu;net_1/bn_1/batchnorm/add_1;net_1/conv_1/convolution/Squeeze;net_1/conv_1/BiasAdd'
    nodes = [node('Unsqueeze', 'net_1/conv_1/convolution/ExpandDims', ['serving_default_x:0', 'one'], 'net_1/conv_1/convolution/ExpandDims'),
             node('Transpose', group + '__1', ['net_1/conv_1/convolution/ExpandDims'], group + '__1:0', perm=[0, 3, 1, 2]),
             node('Conv', group + ';net_1/conv_1/convolution1', [group + '__1:0', 'const_fold_opt__1'], group + ';net_1/conv_1/convolution1'),
             node('Relu', 'Relu__2', [group + ';net_1/conv_1/convolution1'], 'Relu__2:0'),
             node('Transpose', group + '__3', ['Relu__2:0'], group + '__3:0', perm=[0, 2, 3, 1]),
             node('Reshape', group, [group + '__3:0', 'shape'], group),
             node('ReduceMax', 'net_1/pool_1/Max', [group], 'net_1/pool_1/Max', axes=[1], keepdims=0),
             node('MatMul', 'net_1/two_1/MatMul1', ['net_1/pool_1/Max', 'const_fold_opt__4'], 'net_1/two_1/MatMul1'),
             node('MatMul', moved, ['net_1/two_1/MatMul1', 'const_fold_opt__5'], moved),
             node('Add', 'Add__6', [moved, 'net_1/three_1/MatMul;net_1/three_1/BiasAdd'], 'Add__6:0'),
             node('Tanh', 'net_1/last_1/Tanh', ['Add__6:0'], 'net_1/last_1/Tanh'),
             node('Neg', 'net_1/neg_1/Neg', ['net_1/last_1/Tanh'], 'StatefulPartitionedCall_1:0')]
    weights = [const('one', value=[1], dtype=np.int64), const('const_fold_opt__1', 4, 3, 1, 1),
               const('shape', value=[-1, 8, 4], dtype=np.int64), const('const_fold_opt__4', 4, 5), const('const_fold_opt__5', 5, 3),
               const('net_1/three_1/MatMul;net_1/three_1/BiasAdd', 3)]
    write('tflite_biases', nodes, [('serving_default_x:0', ['n', 8, 3])], [('StatefulPartitionedCall_1:0', ['n', 3])], weights, 'tf2onnx')


def scopes():
    """PyTorch by tracing: a child of a Sequential repeats its parent's name, a second call is _1, a module that is called
    act_2 has weights of that name, a Conv with normalised weights has another's output."""
    nodes = [conv('/features/features.0/conv/Conv', 'input', 'onnx::Conv_31', 'onnx::Conv_32', '/features/features.0/conv/Conv_output_0'),
             node('Relu', '/features/features.0/act/Relu', ['/features/features.0/conv/Conv_output_0'], '/features/features.0/act/Relu_output_0'),
             conv('/features/features.1/Conv', '/features/features.0/act/Relu_output_0', 'features.1.weight', 'features.1.bias',
                  '/features/features.1/Conv_output_0'),
             node('PRelu', '/act_2/PRelu', ['/features/features.1/Conv_output_0', 'act_2.weight'], '/act_2/PRelu_output_0'),
             node('Relu', '/act/Relu', ['/act_2/PRelu_output_0'], '/act/Relu_output_0'),
             node('Neg', '/Neg', ['/act/Relu_output_0'], '/Neg_output_0'),
             node('Relu', '/act_1/Relu', ['/Neg_output_0'], '/act_1/Relu_output_0'),
             node('Exp', '/two/Exp', ['/act_1/Relu_output_0'], '/two/Exp_output_0'),
             node('Sqrt', '/two/Sqrt', ['/act_1/Relu_output_0'], '/two/Sqrt_output_0'),
             node('Mul', '/Mul', ['/two/Exp_output_0', '/two/Sqrt_output_0'], '/Mul_output_0'),
             node('Softmax', '/head/Softmax', ['/Mul_output_0'], 'probs', axis=1)]
    weights = [const('onnx::Conv_31', 4, 3, 3, 3), const('onnx::Conv_32', 4), const('features.1.weight', 4, 4, 3, 3),
               const('features.1.bias', 4), const('act_2.weight', 1)]
    write('scopes', nodes, [('input', [1, 3, 6, 6])], [('probs', [1, 4, 6, 6])], weights, 'pytorch')
    shape = [{'shape': [1, 4, 6, 6]}]

    def module(path, kind, *calls):
        return {'layer': path, 'class': 'torch.nn.' + kind, 'outputs': shape, 'inputs': [list(c) for c in calls]}
    json.dump({'framework': 'torch', 'layers': [
        module('features.0.conv', 'Conv2d', [None]),
        module('features.0.norm', 'BatchNorm2d', [['features.0.conv', 0, 0]]),
        module('features.0.act', 'ReLU', [['features.0.norm', 0, 0]]),
        module('features.0.drop', 'Dropout', [['features.0.act', 0, 0]]),
        module('features.0', 'Block', [None]),
        module('features.1', 'Conv2d', [['features.0', 0, 0]]),
        module('features', 'Sequential', [None]),
        module('act_2', 'PReLU', [['features', 0, 0]]),
        module('act', 'ReLU', [['act_2', 0, 0]], [None]),
        module('late', 'Dropout', [None])]}, open(os.path.join(HERE, 'scopes.layers.json'), 'w'), indent=1)


def scopes_again():
    """PyTorch by tracing: conv's second call has the scope of a layer called conv_1; a block that is called twice has its
    second Relu in block_1 and its second Linears in block; act_1 is a Tanh and not act's second call; of two recurrent layers
    with the batch first the exchanges between them are cancelled."""
    def relu(scope, x):
        return node('Relu', scope + '/Relu', [x], scope + '/Relu_output_0')

    def gemm(scope, x, layer, y=None):
        return node('Gemm', scope + '/Gemm', [x, layer + '.weight', layer + '.bias'], y or scope + '/Gemm_output_0')

    def lstm(scope, x):
        return node('LSTM', scope + '/LSTM', [x, 'onnx::LSTM_1', 'onnx::LSTM_2'], scope + '/LSTM_output_0', hidden_size=4)
    nodes = [gemm('/conv', 'x', 'conv'), gemm('/conv_1', '/conv/Gemm_output_0', 'conv_1'),
             relu('/act', '/conv_1/Gemm_output_0'),
             node('Gemm', '/conv_1/Gemm_1', ['/act/Relu_output_0', 'conv.weight', 'conv.bias'], '/conv_1/Gemm_1_output_0'),
             node('Tanh', '/act_1/Tanh', ['/conv_1/Gemm_1_output_0'], '/act_1/Tanh_output_0')]
    x = '/act_1/Tanh_output_0'
    for call in ('', '_1'):
        nodes += [gemm('/block/a' + call, x, 'block.a'), relu('/block' + call, f'/block/a{call}/Gemm_output_0'),
                  gemm('/block/b' + call, f'/block{call}/Relu_output_0', 'block.b')]
        x = f'/block/b{call}/Gemm_output_0'
    nodes += [gemm('/head', x, 'head', 'y'),
              node('Transpose', '/l/Transpose', ['sequence'], '/l/Transpose_output_0', perm=[1, 0, 2]),
              lstm('/l', '/l/Transpose_output_0'),
              node('Squeeze', '/l/Squeeze', ['/l/LSTM_output_0', 'axis'], '/l/Squeeze_output_0'),
              lstm('/m', '/l/Squeeze_output_0'),
              node('Squeeze', '/m/Squeeze', ['/m/LSTM_output_0', 'axis'], '/m/Squeeze_output_0'),
              lstm('/n', '/m/Squeeze_output_0'),
              node('Squeeze', '/n/Squeeze', ['/n/LSTM_output_0', 'axis'], '/n/Squeeze_output_0'),
              node('Transpose', '/n/Transpose', ['/n/Squeeze_output_0'], '/n/Transpose_output_0', perm=[1, 0, 2]),
              node('Exp', '/Exp', ['/n/Transpose_output_0'], 'z')]
    layers = ('conv', 'conv_1', 'block.a', 'block.b', 'head')
    weights = [c for name in layers for c in (const(name + '.weight', 4, 4), const(name + '.bias', 4))]
    weights += [const('onnx::LSTM_1', 1, 16, 4), const('onnx::LSTM_2', 1, 16, 4), const('axis', value=[1], dtype=np.int64)]
    write('scopes_again', nodes, [('x', [2, 4]), ('sequence', [2, 5, 4])], [('y', [2, 4]), ('z', [2, 5, 4])], weights, 'pytorch')


def handed():
    """PyTorch by tracing: block ends in a Dropout behind an operation of its own, tail in a convolution with the BatchNormalization
    of norm, which comes behind tail, in its kernel; attn has a table of positions, with a first axis of 1, beside its weights;
    what rms takes in another type, which it is already, goes on beside what it gives."""
    nodes = [node('Gemm', '/block/fc/Gemm', ['x', 'block.fc.weight', 'block.fc.bias'], '/block/fc/Gemm_output_0'),
             node('Add', '/block/Add', ['x', '/block/fc/Gemm_output_0'], '/block/Add_output_0'),
             node('Reshape', '/Reshape', ['/block/Add_output_0', 'image'], '/Reshape_output_0'),
             conv('/tail/tail.0/Conv', '/Reshape_output_0', 'onnx::Conv_11', 'onnx::Conv_12', '/tail/tail.0/Conv_output_0'),
             node('Relu', '/act/Relu', ['/tail/tail.0/Conv_output_0'], '/act/Relu_output_0'),
             node('Softmax', '/attn/Softmax', ['/act/Relu_output_0'], '/attn/Softmax_output_0'),
             node('Mul', '/attn/Mul', ['/attn/Softmax_output_0', '/act/Relu_output_0'], '/attn/Mul_output_0'),
             node('Cast', '/rms/Cast', ['/attn/Mul_output_0'], '/rms/Cast_output_0', to=F),
             node('Mul', '/rms/Mul', ['/rms/Cast_output_0', '/rms/Cast_output_0'], '/rms/Mul_output_0'),
             node('Add', '/Add', ['/rms/Cast_output_0', '/rms/Mul_output_0'], 'y')]
    weights = [const('block.fc.weight', 4, 4), const('block.fc.bias', 4), const('image', value=[2, 1, 2, 2], dtype=np.int64),
               const('onnx::Conv_11', 1, 1, 3, 3), const('onnx::Conv_12', 1)]
    write('handed', nodes, [('x', [2, 4])], [('y', [2, 1, 2, 2])], weights, 'pytorch')

    def module(path, kind, shapes, inputs, same=None):
        return {'layer': path, 'class': kind, 'outputs': [{'shape': s} for s in shapes], 'inputs': [inputs],
                'same': [same or [None] * len(shapes)]}
    picture = [2, 1, 2, 2]
    with open(os.path.join(HERE, 'handed.layers.json'), 'w') as f:
        json.dump({'framework': 'torch', 'layers': [
            module('block.fc', 'Linear', [[2, 4]], [None]),
            module('block.drop', 'Dropout', [[2, 4]], [None]),
            module('block', 'Block', [[2, 4]], [None], [['block.drop', 0, 0]]),
            module('tail.0', 'Conv2d', [picture], [None]),
            module('tail', 'Sequential', [picture], [None], [['tail.0', 0, 0]]),
            module('norm', 'BatchNorm2d', [picture], [['tail', 0, 0]]),
            module('act', 'ReLU', [picture], [['norm', 0, 0]]),
            module('attn', 'Attention', [picture, [1, 1, 2, 2]], [['act', 0, 0]]),
            module('rms', 'RMSNorm', [picture], [['attn', 0, 0]])]}, f, indent=1)


def fx():
    """PyTorch by torch.export: modules in the metadata, calls not numbered, a mask that the optimiser shares between two
    layers, a node that swallowed what followed a module."""
    def at(*path):
        return ['', *path], ['pkg.Model', *('pkg.' + p.split('.')[-1].capitalize() for p in path[:-1]), 'aten.x']

    def n(op, y, inputs, *path, rule=None, **more):
        names, kinds = at(*path, y)
        return node(op, 'node_' + y, inputs, y, scopes=names, classes=kinds, rule=rule, **more)
    nodes = [n('MatMul', 'linear', ['x', 'layers.0.fc.weight'], 'layers.0', 'layers.0.fc'),
             n('Abs', 'mask', ['x'], 'layers.0'),
             n('Mul', 'mul', ['linear', 'mask'], 'layers.0'),
             n('Relu', 'relu', ['mul'], 'act'),
             n('MatMul', 'linear_1', ['relu', 'layers.1.fc.weight'], 'layers.1', 'layers.1.fc'),
             n('Mul', 'mul_1', ['linear_1', 'mask'], 'layers.1'),
             n('Relu', 'relu_1', ['mul_1'], 'act'),
             n('Neg', 'half', ['relu_1'], 'rotary'),
             n('Cos', 'swallowed', ['half'], 'attn', rule='RotaryEmbedding23'),
             n('MatMul', 'logits', ['swallowed', 'head.weight'], 'head')]
    weights = [const(k, 4, 4) for k in ('layers.0.fc.weight', 'layers.1.fc.weight', 'head.weight')]
    write('fx', nodes, [('x', ['n', 4])], [('logits', ['n', 4])], weights, 'pytorch', 18)


def fx_again():
    """PyTorch by torch.export, whose scopes do not tell two calls in a row from one: own, without modules in it, runs its
    operations twice; pair is such a Sequential; tall is called once and has an operation twice, not in a row; act ends in a
    Relu that was swallowed by the one behind it; mid ends in a product that norm, behind it, has in its weights."""
    def n(op, y, inputs, path, aten, rule=None):
        kinds = {'own': 'pkg.Own', 'pair': 'pkg.Pair', 'pair.0': 'pkg.Linear', 'tall': 'pkg.Tall', 'act': 'pkg.Act',
                 'head': 'pkg.Linear', 'mid': 'pkg.Mid', 'mid.0': 'pkg.Sin', 'norm': 'pkg.BatchNorm'}
        return node(op, 'node_' + y, inputs, y, scopes=['', *path, y],
                    classes=['pkg.Model', *(kinds[p] for p in path), 'aten.' + aten], rule=rule)
    nodes = [n('MatMul', 'matmul', ['x', 'own.w'], ['own'], 'matmul'),
             n('Tanh', 'tanh', ['matmul'], ['own'], 'tanh'),
             n('MatMul', 'matmul_1', ['tanh', 'own.w'], ['own'], 'matmul'),
             n('Tanh', 'tanh_1', ['matmul_1'], ['own'], 'tanh'),
             n('MatMul', 'linear', ['tanh_1', 'pair.0.w'], ['pair', 'pair.0'], 'linear'),
             n('MatMul', 'linear_1', ['linear', 'pair.0.w'], ['pair', 'pair.0'], 'linear'),
             n('Exp', 'exp', ['linear_1'], ['tall'], 'exp'),
             n('Neg', 'neg', ['exp'], ['tall'], 'neg'),
             n('Exp', 'exp_1', ['neg'], ['tall'], 'exp'),
             n('Sin', 'sin', ['exp_1'], ['mid', 'mid.0'], 'sin'),
             n('MatMul', 'normed', ['sin', 'mid.1.w'], ['norm'], 'batch_norm', rule='FuseBatchNormIntoGemm'),
             n('Cos', 'cos', ['normed'], ['act'], 'cos'),
             n('Relu', 'relu_1', ['cos'], [], 'relu', rule='FuseSuccessiveRelu'),
             n('MatMul', 'y', ['relu_1', 'head.w'], ['head'], 'linear')]
    weights = [const(k, 4, 4) for k in ('own.w', 'pair.0.w', 'mid.1.w', 'head.w')]
    write('fx_again', nodes, [('x', ['n', 4])], [('y', ['n', 4])], weights, 'pytorch', 18)


def nodes_only():
    """Something else: nodes have names, and that is all."""
    nodes = [node('Abs', 'Absolute', ['x'], 'a'), node('TopK', 'Best', ['a', 'k'], ['values', 'indices']),
             node('Neg', '', ['values'], 'y')]
    write('nodes', nodes, [('x', [3, 4])], [('y', [3, 2])], [const('k', value=[2], dtype=np.int64)], 'skl2onnx')


for make in (keras3, keras2, slashes, nchw, tflite, reshaped, tflite_biases, scopes, scopes_again, handed, fx, fx_again, nodes_only):
    make()
