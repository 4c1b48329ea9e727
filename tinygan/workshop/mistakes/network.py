"""The typical mistakes in the vector and the network."""

from __future__ import annotations

from tinygan.workshop.mistakes.rows import broken, known, own

# fmt: off
VIEW, DVIEW, BOUNDS = "params[start:stop].reshape(shape)", "grads[start:stop].reshape(shape)", "stop = start + math.prod(shape)"
COPIES = "copies instead of views", "the layer has numbers of its own: what is written into the vector never reaches it", "params[start:stop].reshape(shape) is a view; .copy(), .flatten(), np.array(...) and a sum are not"
ITEMS = "in layer.shapes.items():\n            stop"
KEPT = "old arrays kept", "the layers still have the arrays that they had: filling those shares no memory with the vectors", "setattr(layer, name, params[start:stop].reshape(shape)): the attribute itself becomes the view"
ONE_VECTOR = [
    own(*COPIES, VIEW, VIEW + ".copy()", DVIEW, DVIEW + ".copy()"),
    own(*COPIES, VIEW, VIEW + ".copy()"),
    own(*COPIES, DVIEW, DVIEW + ".copy()"),
    own(*COPIES, VIEW, "np.zeros(shape)", DVIEW, "np.zeros(shape)"),
    own("gradients forgotten", "the layers' dW and db are no part of grads", "setattr(layer, 'd' + name, ...): a view into grads, too", f'            setattr(layer, "d" + name, {DVIEW})\n', ""),
    own(*KEPT, f"            setattr(layer, name, {VIEW})\n", "", f'            setattr(layer, "d" + name, {DVIEW})\n', ""),
    own("parameters forgotten", "the layers' W and b are no part of params", "setattr(layer, name, ...): a view into params", f"            setattr(layer, name, {VIEW})\n", ""),
    own("one vector for both", "params and grads are the same numbers", "two vectors: np.zeros twice", "params, grads = np.zeros(size, dtype), np.zeros(size, dtype)", "params = grads = np.zeros(size, dtype)"),
    own("one vector for both", "dW and db are views into params", "dW, db: pieces of grads", DVIEW, VIEW),
    own("one vector for both", "W and b are views into grads", "W, b: pieces of params", VIEW, DVIEW),
    own("all at the beginning", "start never moves on: all layers share the first numbers", "start = stop, after each parameter", "            start = stop\n", ""),
    own("all at the beginning", "start moves on after a layer only: its b shares the numbers of its W", "start = stop, after each parameter", "            start = stop\n", "        start = stop\n"),
    own("all at the beginning", "start is 0 again for each layer", "start = 0 stands before the loops", "    for layer in layers:\n        for name", "    for layer in layers:\n        start = 0\n        for name"),
    own("wrong order", "the last layer comes first", "in the order of the layers", "    for layer in layers:\n        for name", "    for layer in reversed(layers):\n        for name"),
    own("wrong order", "b comes before W", "in the order of layer.shapes", ITEMS, "in reversed(layer.shapes.items()):\n            stop"),
    own("wrong order", "all W come first, then all b", "layer by layer", "    for layer in layers:\n        for name, shape in layer.shapes.items():\n            stop", "    for layer, name, shape in sorted(((l, n, s) for l in layers for n, s in l.shapes.items()), key=lambda item: item[1]):\n        if True:\n            stop"),
    own("wrong order within a matrix", "the entries are taken column by column", "reshape(shape), as it is", VIEW, 'params[start:stop].reshape(shape, order="F")', DVIEW, 'grads[start:stop].reshape(shape, order="F")'),
    own("transposed matrix", "W has the shape (O, I)", "reshape(shape), as layer.shapes has it", VIEW, "params[start:stop].reshape(shape[::-1])", DVIEW, "grads[start:stop].reshape(shape[::-1])"),
    own("wrong size", "the sides of a matrix are added, and must be multiplied", "math.prod(shape): (4, 3) has 12 entries", "sum(math.prod(shape)", "sum(sum(shape)"),
    own("wrong size", "one is left over", "P = Σ math.prod(shape)", "size = sum(", "size = 1 + sum("),
    own("wrong size", "only the first side of each shape is counted", "math.prod(shape): (4, 3) has 12 entries", "sum(math.prod(shape)", "sum(shape[0]"),
    own("dtype forgotten", "the vectors are float64, whatever was asked for", "np.zeros(size, dtype)", "np.zeros(size, dtype), np.zeros(size, dtype)", "np.zeros(size), np.zeros(size)"),
    own("dtype forgotten", "grads is float64, whatever was asked for", "np.zeros(size, dtype)", "dtype), np.zeros(size, dtype)", "dtype), np.zeros(size)"),
    own("not flat", "a piece of the vector keeps its one dimension", "reshape(shape)", VIEW, "params[start:stop]", DVIEW, "grads[start:stop]"),
    own("vectors exchanged", "grads is returned first", "return params, grads", "return params, grads", "return grads, params"),
    own("one of two missing", "only params is returned", "return params, grads", "return params, grads", "return params"),
    own("return missing", "nothing is returned", "return params, grads", "    return params, grads\n", ""),
    own("not zero", "the vectors begin with ones", "np.zeros(size, dtype)", "np.zeros(size, dtype), np.zeros(size, dtype)", "np.ones(size, dtype), np.ones(size, dtype)"),
    own("only the last layer", "return stands within the loop, or only one layer was taken in", "all layers, then return", "    return params, grads\n", "        return params, grads\n"),
]
FWD, FWD_OUT = "        for layer in self.layers:\n            x = layer.forward(x)\n", "        return x\n"
BWD, BWD_OUT = "        for layer in reversed(self.layers):\n            dout = layer.backward(dout, param_grads)\n", "        return dout\n"
NETWORK = [
    own("chain broken", "each layer sees the first x, not what the layer before it has made", "x = layer.forward(x)", FWD, "        first = x\n        for layer in self.layers:\n            x = layer.forward(first)\n"),
    own("chain broken", "what a layer returns is thrown away", "x = layer.forward(x)", FWD, "        for layer in self.layers:\n            layer.forward(x)\n"),
    own("last layer left out", "forward stops before the last layer", "for layer in self.layers", FWD, FWD.replace("self.layers", "self.layers[:-1]")),
    own("first layer left out", "forward begins with the second layer", "for layer in self.layers", FWD, FWD.replace("self.layers", "self.layers[1:]")),
    own("wrong order", "forward begins with the last layer", "for layer in self.layers", FWD, FWD.replace("self.layers", "reversed(self.layers)")),
    own("return missing", "forward gives nothing back", "return x", FWD_OUT, ""),
    own("return too early", "return stands within the loop: only the first layer is run", "return behind the loop", FWD_OUT, "            return x\n"),
    own("wrong order", "backward goes through the layers in the order of forward", "for layer in reversed(self.layers): the chain rule begins at the loss", BWD, BWD.replace("reversed(self.layers)", "self.layers")),
    own("chain broken", "each layer gets the dout of the last one", "dout = layer.backward(dout)", BWD, "        last = dout\n        for layer in reversed(self.layers):\n            dout = layer.backward(last, param_grads)\n"),
    own("chain broken", "what a layer's backward returns is thrown away", "dout = layer.backward(dout)", BWD, BWD.replace("dout = layer", "layer")),
    own("first layer left out", "backward stops before the first layer", "for layer in reversed(self.layers)", BWD, BWD.replace("reversed(self.layers)", "reversed(self.layers[1:])")),
    own("last layer left out", "backward begins with the layer before the last", "for layer in reversed(self.layers)", BWD, BWD.replace("reversed(self.layers)", "reversed(self.layers[:-1])")),
    own("return missing", "backward gives nothing back", "return dx, what the first layer's backward returned", BWD_OUT, ""),
    own("return too early", "return stands within the loop: only the last layer is run", "return behind the loop", BWD_OUT, "            return dout\n"),
    own("not frozen", "param_grads is not handed on: with False the gradients are filled all the same", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", "")),
    own("not frozen", "param_grads is not handed on: with False the gradients are filled all the same", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", ", True")),
    own("always frozen", "the gradients are never filled", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", ", False")),
    own("flag the wrong way round", "the gradients are filled if param_grads is False", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", ", not param_grads")),
    own("not frozen", "with param_grads=False grads was set to zero: it is to stay as it is", "no zeros: every layer overwrites its own part", BWD, "        self.grads[...] = 0\n" + BWD),
    own("nothing while frozen", "with param_grads=False nothing is done: the gradient must still pass", "layer.backward(dout, param_grads)", BWD, "        if not param_grads:\n            return dout\n" + BWD),
    own("updated in backward", "backward has moved the parameters", "the step is the optimizer's", BWD, BWD + "        self.params -= 0.1 * self.grads\n"),
    known("wrong sign", BWD_OUT, "        return -dout\n"),
    known("1/N divided twice", BWD, "        dout = dout / len(dout)\n" + BWD),
    known("1/N divided twice", BWD, BWD.replace("dout, param_grads)", "dout, param_grads) / len(dout)")),
    broken("in place", FWD, "        x /= 2\n        x *= 2\n        x += 1\n" + FWD),
]
# fmt: on
