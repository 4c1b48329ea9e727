"""Deliberately wrong code, as edits of right code: each must be rejected, and named.

    python tests/planted_mistakes.py

prints what the doctor says about all of them. ``RIGHT`` is right code, as a learner might write it; a row of
``PLANTED`` says which of it, what is replaced, by what, and the names that the doctor must give.
"""

from __future__ import annotations

from tinygan.doctor import examine, targets
from tinygan.doctor.sandbox import run

LAYERS = {
    "Dense": """
class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.zeros((n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
""",
    "Linear": """
class Linear:  # W is (O, I), as in torch
    def __init__(self, in_features, out_features):
        self.weight = np.random.randn(out_features, in_features)
        self.bias = np.zeros(out_features)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad_out):
        self.grad_weight = grad_out.T @ self.x
        self.grad_bias = grad_out.sum(axis=0)
        return grad_out @ self.weight
""",
    "Gain": """
class Gain:
    def __init__(self, n_in):
        self.W, self.b = np.ones(n_in), np.zeros(n_in)

    def forward(self, x):
        self.x = x
        return x * self.W + self.b

    def backward(self, dout):
        self.dW = np.sum(self.x * dout, axis=0)
        self.db = dout.sum(axis=0)
        return dout * self.W
""",
    "LeakyReLU": """
class LeakyReLU:
    alpha = 0.2

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.alpha)
""",
    "ReLU": """
class ReLU:
    def forward(self, x):
        self.x = x
        return np.maximum(0, x)

    def backward(self, dout):
        return dout * (self.x > 0)
""",
    "Sigmoid": """
class Sigmoid:
    def forward(self, x):
        self.x, self.out = x, 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)
""",
    "Tanh": """
class Tanh:
    def forward(self, x):
        self.x, self.out = x, np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)
""",
    "SiLU": """
class SiLU:
    def forward(self, x):
        self.x, self.p = x, 1 / (1 + np.exp(-x))
        return x * self.p

    def backward(self, dout):
        return dout * (self.p + self.x * self.p * (1 - self.p))
""",
    "ReLU6": """
class ReLU6:
    def forward(self, x):
        self.x = x
        return np.minimum(np.maximum(x, 0), 6)

    def backward(self, dout):
        return dout * ((self.x > 0) & (self.x < 6))
""",
    "DenseReLU": """
class DenseReLU:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.zeros((n_in, n_out)), "b": np.zeros(n_out)}
        self.grads = {}

    def forward(self, x):
        self.x, self.s = x, x @ self.params["W"] + self.params["b"]
        return np.maximum(0, self.s)

    def backward(self, dout):
        ds = dout * (self.s > 0)
        self.grads["W"], self.grads["b"] = self.x.T @ ds, ds.sum(axis=0)
        return ds @ self.params["W"].T
""",
    "Softmax": """
class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.out = e / e.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        return self.out * (dout - np.sum(dout * self.out, axis=1, keepdims=True))
""",
    "BatchNorm": """
class BatchNorm:
    def __init__(self, n):
        self.gamma, self.beta = np.ones(n), np.zeros(n)

    def forward(self, x):
        self.centered = x - x.mean(axis=0)
        self.std = np.sqrt(np.mean(self.centered**2, axis=0) + 1e-5)
        self.xhat = self.centered / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = np.sum(dout * self.xhat, axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        mean = d.mean(axis=0)
        along = self.xhat * (d * self.xhat).mean(axis=0)
        return (d - mean - along) / self.std
""",
    "LayerNorm": """
class LayerNorm:
    def __init__(self, n):
        self.gamma, self.beta = np.random.randn(n), np.random.randn(n)

    def forward(self, x):
        self.inv = 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.x_hat = (x - x.mean(axis=1, keepdims=True)) * self.inv
        return self.gamma * self.x_hat + self.beta

    def through(self, d):
        own = (d * self.x_hat).mean(axis=1, keepdims=True)
        return self.inv * (d - d.mean(axis=1, keepdims=True) - self.x_hat * own)

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.x_hat).sum(axis=0), dout.sum(axis=0)
        return self.through(dout * self.gamma)
""",
    "Twice": """
class Curve:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class Twice:
    def __init__(self, n):
        self.W, self.first, self.second = np.random.randn(n, n), Curve(), Curve()

    def forward(self, x):
        self.h = self.first.forward(x)
        return self.second.forward(self.h @ self.W)

    def backward(self, dout):
        d = self.second.backward(dout)
        self.dW = self.h.T @ d
        return self.first.backward(d @ self.W.T)
""",
    "RNNStep": """
class RNNStep:
    def __init__(self, n_in, n_hidden):
        self.Wx, self.Wh = np.random.randn(n_in, n_hidden) * 0.5, np.random.randn(n_hidden, n_hidden) * 0.5

    def forward(self, x, h):
        self.x, self.h = x, h
        self.out = np.tanh(x @ self.Wx + h @ self.Wh)
        return self.out

    def backward(self, dout):
        da = dout * (1 - self.out**2)
        self.dWx, self.dWh = self.x.T @ da, self.h.T @ da
        return da @ self.Wx.T, da @ self.Wh.T
""",
    "Gate": """
class Gate:  # out = a σ(b), x = [a, b]
    def forward(self, x):
        self.a, self.b = np.split(x, 2, axis=1)
        self.s = 1 / (1 + np.exp(-self.b))
        return self.a * self.s

    def backward(self, dout):
        da = dout * self.s
        db = dout * self.a * self.s * (1 - self.s)
        return np.concatenate([da, db], axis=1)
""",
    "Residual": """
class Residual:
    def __init__(self, n):
        self.W = np.random.randn(n, n)

    def forward(self, x):
        self.x, self.t = x, np.tanh(x @ self.W)
        return x + self.t

    def backward(self, dout):
        da = dout * (1 - self.t**2)
        self.dW = self.x.T @ da
        return dout + da @ self.W.T
""",
    "Conv": """
class Conv:  # x: (N, C, H, W)
    def __init__(self, channels, filters):
        self.w, self.pad = np.random.randn(filters, channels, 3, 3) * 0.3, 1

    def forward(self, x):
        p, (h, w) = self.pad, x.shape[2:]
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        shifts = [(i, j, self.xp[:, :, i : i + h, j : j + w]) for i in range(3) for j in range(3)]
        return sum(np.einsum("fc,nchw->nfhw", self.w[:, :, i, j], part) for i, j, part in shifts)

    def backward(self, dout):
        h, w = dout.shape[2:]
        self.dw, dxp = np.zeros_like(self.w), np.zeros_like(self.xp)
        for i in range(3):
            for j in range(3):
                self.dw[:, :, i, j] = np.einsum("nfhw,nchw->fc", dout, self.xp[:, :, i : i + h, j : j + w])
                dxp[:, :, i : i + h, j : j + w] += np.einsum("fc,nfhw->nchw", self.w[:, :, i, j], dout)
        p = self.pad
        return dxp[:, :, p : p + h, p : p + w]
""",
    "Embedding": """
class Embedding:
    def __init__(self, vocab_size, dim):
        self.W = np.random.randn(vocab_size, dim)

    def forward(self, ids):
        self.ids = ids
        return self.W[ids]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.ids, dout)
""",
    "SumLayer": """
class SumLayer:
    def __init__(self, n_in, n_out):
        self.weights = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.weights

    def backward(self, dout, learning_rate):
        dx = dout @ self.weights.T
        self.weights -= learning_rate * self.x.T @ dout
        return dx
""",
    "Dropout": """
class Dropout:
    def __init__(self, p=0.4):
        self.p, self.rng = p, np.random.default_rng()

    def forward(self, x):
        self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
""",
}
LOSSES = {
    "mean_squares": """
def mean_squares_by_definition(out, target):
    return 0.5 * np.mean((out - target) ** 2)

def mean_squares(out, target):
    difference = out - target
    return 0.5 * np.mean(difference**2), difference / out.size
""",
    "ridge": """
def ridge(theta, X, y, lam=0.3):
    residual = X @ theta - y
    loss = 0.5 * np.mean(residual**2) + 0.5 * lam * np.sum(theta[1:] ** 2)
    grad = X.T @ residual / len(y)
    grad[1:] += lam * theta[1:]
    return loss, grad
""",
    "bce": """
def bce(p, target):
    loss = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))
    return loss, ((1 - target) / (1 - p) - target / p) / p.size
""",
    "bce_with_logits": """
def bce_with_logits_by_definition(logits, target):
    p = 1 / (1 + np.exp(-logits))
    return -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))

def bce_with_logits(logits, target):
    p = 0.5 * (1 + np.tanh(logits / 2))
    loss = np.mean(np.logaddexp(0, logits) - target * logits)
    return loss, (p - target) / p.size
""",
    "root_mean_square": """
def root_mean_square(out, target):
    value = np.sqrt(np.mean((out - target) ** 2))
    return value, (out - target) / (out.size * value)
""",
    "hinge": """
def hinge(scores, y):  # y in {-1, +1}
    return np.mean(np.maximum(0, 1 - y * scores)), -y * (y * scores < 1) / y.size
""",
    "averages": """
def averages(real, fake):  # (N, 1)
    loss = np.mean(np.logaddexp(0, np.mean(fake) - real))
    dreal = -1 / (1 + np.exp(real - np.mean(fake))) / real.size
    return loss, dreal, np.full(fake.shape, -dreal.sum() / fake.size)
""",
    "log_cosh": """
def log_cosh(x):
    return np.mean(np.log(np.cosh(x)))

def log_cosh_prime(x):
    return np.tanh(x) / x.size
""",
    "guessed_width": """
def guessed_width(d, s):  # -log of a bell curve of width exp(s), without its constant
    squares = (d / np.exp(s)) ** 2
    return np.mean(0.5 * squares + s), d / np.exp(2 * s) / d.size, (1 - squares) / d.size
""",
}
GAMES = {
    "Game": """
class Game(objectives.LeastSquares):
    def discriminator(self, real_logits, fake_logits):
        real_loss, dreal = losses.least_squares(real_logits, self.b)
        fake_loss, dfake = losses.least_squares(fake_logits, self.a)
        return real_loss + fake_loss, dreal, dfake

    def generator(self, fake_logits):
        loss, dfake = losses.least_squares(fake_logits, self.c)
        return loss, dfake
""",
    "Critic": """
class Critic(objectives.Wasserstein):
    def discriminator(self, real_logits, fake_logits):
        loss, dreal, dfake = super().discriminator(real_logits, fake_logits)
        return loss, dreal, dfake
""",
    "TwoSteps": """
class TwoSteps(gan.GAN):
    def discriminator_gradients(self, x_real, x_fake):
        d = self.discriminator
        logits = d.forward(np.concatenate([x_real, x_fake])).copy()
        real_logits, fake_logits = np.split(logits, 2)
        loss, dreal, dfake = self.objective.discriminator(real_logits, fake_logits)
        d.backward(np.concatenate([dreal, dfake]), input_grad=False)
        return gan.DiscriminatorResult(loss, 0.0, real_logits, fake_logits)

    def generator_gradients(self, x_fake):
        loss, dfake = self.objective.generator(self.discriminator.forward(x_fake))
        dx_fake = self.discriminator.backward(dfake, param_grads=False)
        self.generator.backward(dx_fake, input_grad=False)
        return loss

    def generator_step(self, x_fake):
        loss = self.generator_gradients(x_fake)
        self.g_optimizer.step(self.generator.params, self.generator.grads)
        return loss
""",
    "Penalty": """
class Penalty(gradient_penalty.R1):
    def __init__(self, gamma=0.1, every=1):
        super().__init__(gamma, every)

    def __call__(self, discriminator, x_real, x_fake):
        self.calls += 1
        if (self.calls - 1) % self.every:
            return 0.0
        weight = self.gamma * self.every

        def penalty(g):
            return 0.5 * weight * np.sum(g * g) / len(g), weight * g / len(g)

        return gradient_penalty.add_gradient_penalty(discriminator, x_real, penalty)
""",
    "Player": """
class Net:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        self.out = np.tanh(x @ self.W)
        return self.out

    def backward(self, dout):
        d = dout * (1 - self.out**2)
        self.dW = self.x.T @ d
        return d @ self.W.T


class Player:
    def __init__(self, z_dim, x_dim, lr=0.1):
        self.G, self.D, self.lr = Net(z_dim, x_dim), Net(x_dim, 1), lr

    def d_loss(self, x, z):
        return np.mean((self.D.forward(x) - 1) ** 2) + np.mean(self.D.forward(self.G.forward(z)) ** 2)

    def d_step(self, x, z):
        real = self.D.forward(x)
        self.D.backward(2 * (real - 1) / len(x))
        dW = self.D.dW
        fake = self.D.forward(self.G.forward(z))
        self.D.backward(2 * fake / len(z))
        dW = dW + self.D.dW
        self.D.W = self.D.W - self.lr * dW

    def g_loss(self, z):
        return np.mean((self.D.forward(self.G.forward(z)) - 1) ** 2)

    def g_step(self, z):
        fake = self.D.forward(self.G.forward(z))
        self.G.backward(self.D.backward(2 * (fake - 1) / len(z)))
        self.G.W = self.G.W - self.lr * self.G.dW
""",
}
OPTIMIZERS = {
    "Momentum": """
class Momentum:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = self.momentum * self.v.get(k, 0) - self.lr * grads[k]
            params[k] += self.v[k]
""",
    "Adam": """
class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * g**2
            m, v = self.m[k] / (1 - self.beta1**self.t), self.v[k] / (1 - self.beta2**self.t)
            params[k] -= self.lr * m / (np.sqrt(v) + self.eps)
""",
    "Adamax": """
class Adamax:
    def __init__(self, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.u, self.t = {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * g
            self.u[k] = np.maximum(self.beta2 * self.u.get(k, 0), np.abs(g))
            params[k] -= self.lr / (1 - self.beta1**self.t) * self.m[k] / (self.u[k] + self.eps)
""",
    "RMSprop": """
class RMSprop:
    def __init__(self, lr=0.01, rho=0.9):
        self.lr, self.rho, self.v = lr, rho, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = self.rho * self.v.get(k, 0) + (1 - self.rho) * g * g
            params[k] -= self.lr * g / (np.sqrt(self.v[k]) + 1e-8)
""",
    "Adagrad": """
class Adagrad:
    def __init__(self, lr=0.01):
        self.lr, self.G = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.G[k] = self.G.get(k, 0) + g**2
            params[k] -= self.lr * g / (np.sqrt(self.G[k]) + 1e-8)
""",
    "AdamW": """
class AdamW:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999, weight_decay=0.1):
        self.lr, self.beta1, self.beta2, self.weight_decay = lr, beta1, beta2, weight_decay
        self.m, self.v, self.t = {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            params[k] -= self.lr * self.weight_decay * params[k]
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * g**2
            m, v = self.m[k] / (1 - self.beta1**self.t), self.v[k] / (1 - self.beta2**self.t)
            params[k] -= self.lr * m / (np.sqrt(v) + 1e-8)
""",
}
LAYERS["Upsample"] = """
class Upsample:
    '''x: (N, C, H, W)'''

    def forward(self, x):
        self.shape = x.shape
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def backward(self, dout):
        n, c, h, w = self.shape
        return dout.reshape(n, c, h, 2, w, 2).sum(axis=(3, 5))
"""
LAYERS["Polar"] = """
class Polar:  # two outputs
    def forward(self, r, angle):
        self.r, self.angle = r, angle
        return r * np.cos(angle), r * np.sin(angle)

    def backward(self, dx, dy):
        dr = dx * np.cos(self.angle) + dy * np.sin(self.angle)
        return dr, self.r * (dy * np.cos(self.angle) - dx * np.sin(self.angle))
"""
LAYERS["Quadratic"] = """
class Quadratic:
    def __init__(self, n_in):
        self.A, self.c = np.random.randn(n_in, n_in), np.random.randn(n_in)

    def forward(self, x):
        self.x = x
        return np.sum((x @ self.A) * x, axis=1) + x @ self.c

    def backward(self, dout):
        self.dA = (dout[:, None] * self.x).T @ self.x
        self.dc = dout @ self.x
        return dout[:, None] * (self.x @ (self.A + self.A.T) + self.c)
"""
LAYERS["Spread"] = """
class Spread:  # every sample feels every other
    def forward(self, x):
        self.x = x
        return x * x.mean(axis=0) ** 2

    def backward(self, dout):
        mean = self.x.mean(axis=0)
        return dout * mean**2 + np.sum(dout * self.x, axis=0) * 2 * mean / len(self.x)
"""
LAYERS["DropoutInUse"] = """
class DropoutInUse:
    def __init__(self, p=0.4):
        self.p, self.rng, self.mask = p, np.random.default_rng(), 1.0

    def forward(self, x, train=True):
        self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p) if train else 1.0
        return x * self.mask if train else x

    def backward(self, dout):
        return dout * self.mask
"""
LAYERS["MaxPool"] = """
class MaxPool:  # of pairs
    def forward(self, x):
        self.pairs = x.reshape(len(x), -1, 2)
        self.out = self.pairs.max(axis=2)
        return self.out

    def backward(self, dout):
        mask = self.pairs == self.out[:, :, None]
        share = mask / mask.sum(axis=2, keepdims=True)
        return (share * dout[:, :, None]).reshape(len(dout), -1)
"""
OPTIMIZERS["Nesterov"] = """
class Nesterov:  # it holds the parameters
    def __init__(self, params, lr=0.01, mu=0.9):
        self.params, self.lr, self.mu = params, lr, mu
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads):
        for i, (p, g) in enumerate(zip(self.params, grads)):
            old, self.v[i] = self.v[i], self.mu * self.v[i] - self.lr * g
            p += -self.mu * old + (1 + self.mu) * self.v[i]
"""
RIGHT = {**LAYERS, **LOSSES, **GAMES, **OPTIMIZERS}

STRAIGHT = """for layer in discriminator.layers:
            if not layer.shapes:
                forget = type(layer).tangent_backward
                layer.tangent_backward = lambda dv, d=None, layer=layer, forget=forget: forget(layer, 0 * dv, d)
        return gradient_penalty.add_gradient_penalty("""
PLANTED = [  # (what is edited, what stands there, what is put there, the doctor's names)
    ("LayerNorm", "self.through(dout * self.gamma)", "self.gamma * self.through(dout)", "factor in front of a sum"),
    ("Twice", "self.second = np.random.randn(n, n), Curve(), Curve()", "self.second = np.random.randn(n, n), *2 * [Curve()]", "one object for two places"),
    # signs and factors
    ("Tanh", "1 - self.out**2", "self.out**2 - 1", "wrong sign"),
    ("Dense", "dout.sum(axis=0)", "-dout.sum(axis=0)", "wrong sign"),
    ("mean_squares", "difference / out.size", "-difference / out.size", "wrong sign"),
    ("bce_with_logits", "(p - target) / p.size", "target - p", "wrong sign", "missing 1/N"),
    ("RNNStep", "da @ self.Wh.T", "-da @ self.Wh.T", "wrong sign"),
    ("bce_with_logits", "(p - target) / p.size", "p - target", "missing 1/N"),
    ("mean_squares", "difference / out.size", "difference / out.shape[1]", "missing 1/N"),
    ("Dense", "self.x.T @ dout", "self.x.T @ dout / len(dout)", "1/N divided twice"),
    ("Dense", "return dout @ self.W.T", "return dout @ self.W.T / len(dout)", "1/N divided twice"),
    ("Dense", "dout.sum(axis=0)", "dout.mean(axis=0)", "1/N divided twice"),
    ("bce_with_logits", "(p - target) / p.size", "(p - target) / p.size / len(p)", "1/N divided twice"),
    ("mean_squares", "difference / out.size", "difference / 32", "batch size written down"),
    ("mean_squares", "difference / out.size", "2 * difference / out.size", "constant factor"),
    ("ridge", "grad[1:] += lam * theta[1:]", "grad += lam * theta", "penalty on what the loss leaves out"),
    ("ridge", "grad[1:] += lam * theta[1:]", "", "penalty's share wrong"),
    ("bce", "(1 - target) / (1 - p) - target / p", "(1 - target) / (1 - p) - target / p + target * 0.3 * p * p - target * 0.2 * p", "one kind of target wrong"),
    ("mean_squares", "difference / out.size", "difference / len(out)", "constant factor"),
    ("Dense", "self.x.T @ dout", "1.001 * self.x.T @ dout", "constant factor"),
    ("Sigmoid", "dout * self.out", "1.0005 * dout * self.out", "constant factor"),
    ("Dense", "self.x.T @ dout", "self.x.T @ dout / dout.shape[1]", "constant factor"),
    ("Dropout", "dout * self.mask", "dout * (self.mask > 0)", "constant factor"),
    ("root_mean_square", "(out.size * value)", "out.size", "outer derivative missing"),
    # weights and biases
    ("Dense", "dout @ self.W.T", "dout @ self.W", "transposed matrix"),
    ("RNNStep", "da @ self.Wh.T", "da @ self.Wh", "transposed matrix"),
    ("Linear", "grad_out @ self.weight", "grad_out @ self.weight.T", "transposed matrix"),
    ("Dense", "self.x.T @ dout", "dout.T @ self.x", "transposed result"),
    ("Linear", "grad_out.T @ self.x", "self.x.T @ grad_out", "transposed result"),
    ("Dense", "dout @ self.W.T", "self.W @ dout.T", "transposed result"),
    ("Gain", "np.sum(self.x * dout, axis=0)", "self.x * dout", "not summed over the batch"),
    ("Dense", "self.x.T @ dout", "self.x[:, :, None] * dout[:, None]", "not summed over the batch"),
    ("Dense", "dout.sum(axis=0)", "dout", "not summed over the batch"),
    ("Gain", "np.sum(self.x * dout, axis=0)", "np.sum(self.x * dout)", "summed over everything"),
    ("Dense", "dout.sum(axis=0)", "dout.sum()", "summed over everything"),
    ("Dense", "dout.sum(axis=0)", "np.full(self.b.shape, dout.sum())", "summed over everything"),
    ("bce_with_logits", "(p - target) / p.size", "np.mean(p - target)", "summed over everything"),
    ("Gain", "np.sum(self.x * dout, axis=0)", "np.sum(self.x * dout, axis=1)", "summed over the wrong axis"),
    ("Gain", "return dout * self.W", "return (dout * self.W).sum(axis=1)", "summed over the wrong axis"),
    ("Dense", "dout.sum(axis=0)", "dout.sum(axis=1)", "summed over the wrong axis"),
    ("Dense", "dout.sum(axis=0)", "dout.sum(axis=0)[:, None]", "keepdims"),
    ("Gain", "np.sum(self.x * dout, axis=0)", "np.outer(self.x, dout)", "wrong shape"),
    ("Dense", "self.x.T @ dout", "self.x[:-1].T @ dout[:-1]", "not every sample counted"),
    ("Dense", "dout.sum(axis=0)", "dout[-1]", "not every sample counted"),
    ("Gain", "return dout * self.W", "return 1 * dout", "derivative missing"),
    ("Gain", "np.sum(self.x * dout, axis=0)", "dout.sum(axis=0)", "wrong product"),
    ("Upsample", ".sum(axis=(3, 5))", "[:, :, :, 0, :, 0]", "only a part of the outputs counted"),
    ("Embedding", "np.add.at(self.dW, self.ids, dout)", "self.dW[self.ids] = dout", "overwritten"),
    ("Conv", "dxp[:, :, i : i + h, j : j + w] +=", "dxp[:, :, i : i + h, j : j + w] =", "overwritten"),
    ("Conv", "dxp[:, :, p : p + h, p : p + w]", "dxp[:, :, :h, :w]", "shifted"),
    ("Quadratic", "self.A + self.A.T", "2 * self.A", "matrix taken as symmetric"),
    # activations
    ("ReLU", "dout * (self.x > 0)", "dout.copy()", "derivative where the function is flat"),
    ("LeakyReLU", "np.where(self.x > 0, 1, self.alpha)", "1.0", "activation mask missing"),
    ("DenseReLU", "dout * (self.s > 0)", "1 * dout", "activation mask missing"),
    ("ReLU", "self.x > 0)", "self.x <= 0)", "activation mask inverted"),
    ("LeakyReLU", "np.where(self.x > 0, 1, self.alpha)", "np.where(self.x > 0, self.alpha, 1)", "activation mask inverted"),
    ("LeakyReLU", "np.where(self.x > 0, 1, self.alpha)", "(self.x > 0)", "wrong slope on one side"),
    ("ReLU6", " & (self.x < 6)", "", "derivative where the function is flat"),
    ("hinge", " * (y * scores < 1)", "", "derivative where the function is flat"),
    ("Sigmoid", "dout * self.out * (1 - self.out)", "1 * dout", "derivative missing"),
    ("Sigmoid", "dout * self.out * (1 - self.out)", "dout * (self.out * (1 - self.out)) ** 2", "derivative twice"),
    ("bce_with_logits", "(p - target) / p.size", "(p - target) * p * (1 - p) / p.size", "derivative twice"),
    ("Tanh", "1 - self.out**2", "1 - self.out", "wrong slope"),
    ("Sigmoid", "self.out * (1 - self.out)", "self.out", "wrong slope"),
    ("Tanh", "1 - self.out**2", "self.out * (1 - self.out)", "wrong slope"),
    ("SiLU", "self.p + self.x * self.p", "self.x * self.p", "product rule"),
    ("SiLU", " + self.x * self.p * (1 - self.p)", "", "product rule"),
    ("log_cosh", "np.tanh(x) / x.size", "(1 - np.tanh(x) ** 2) / x.size", "derivative of the derivative"),
    ("Sigmoid", "self.out * (1 - self.out)", "(s := 1 / (1 + np.exp(-self.out))) * (1 - s)", "derivative at the wrong variable"),
    ("Sigmoid", "self.out * (1 - self.out)", "self.x * (1 - self.x)", "derivative at the wrong variable"),
    ("Tanh", "1 - self.out**2", "1 - self.x**2", "derivative at the wrong variable"),
    ("LeakyReLU", "np.where(self.x > 0", "np.where(dout > 0", "derivative at the wrong variable"),
    ("Sigmoid", "dout * self.out *", "self.out *", "upstream gradient ignored"),
    ("Dense", "self.dW =", "dout = np.ones_like(dout); self.dW =", "upstream gradient ignored"),
    ("Softmax", "dout - np.sum(dout * self.out, axis=1, keepdims=True)", "dout * (1 - self.out)", "diagonal of the Jacobian only"),
    ("Softmax", " - np.sum(dout * self.out, axis=1, keepdims=True)", "", "sum over the others missing"),
    ("Gate", "dout * self.a * self.s * (1 - self.s)", "np.zeros_like(self.b)", "one part disconnected"),
    ("Residual", "dout + da @", "da @", "one path missing"),
    ("BatchNorm", "d - mean - along", "d - along", "statistic taken as a constant"),
    ("BatchNorm", "d - mean - along", "d - mean", "statistic taken as a constant"),
    ("averages", "np.full(fake.shape, -dreal.sum() / fake.size)", "np.zeros(fake.shape)", "disconnected"),
    ("BatchNorm", "self.dgamma, self.dbeta =", "self.dbeta, self.dgamma =", "gradients exchanged"),
    ("Dense", "self.dW = self.x.T @ dout", "self.dW = np.clip(self.x.T @ dout, -1, 1)", "clipped"),
    ("Polar", "dx * np.cos(self.angle) + dy * np.sin(self.angle)", "dx * np.cos(self.angle)", "one output forgotten"),
    ("Spread", "np.sum(dout * self.x, axis=0)", "dout * self.x", "own sample only"),
    # memory
    ("Dense", "return x @ self.W + self.b", "self.n = getattr(self, 'n', 0) + 1; return x @ self.W + self.b / self.n", "state carried over"),
    ("Dense", "return x @ self.W + self.b", "import random; return x @ self.W + random.SystemRandom().random()", "not deterministic"),
    ("Dense", "self.dW = self.x.T @ dout", "self.dW = getattr(self, 'dW', 0) + self.x.T @ dout", "gradients accumulated"),
    ("Dense", "self.x = x\n", "self.x = getattr(self, 'x', x)\n", "stale cache"),
    ("Dense", "self.x = x\n", "self.__dict__.setdefault('xs', []).append(x); self.x = self.xs[0]\n", "stale cache"),
    ("Tanh", "self.x, self.out = x, np.tanh(x)", "Tanh.out = np.tanh(x)", "stale cache"),
    ("LeakyReLU", "return np.where(x > 0, x, self.alpha * x)", "x[x < 0] *= self.alpha; return x", "changed in place"),
    ("Tanh", "return dout * (1 - self.out**2)", "self.out **= 2; return dout * (1 - self.out)", "changed in place"),
    ("Dense", "return dout @ self.W.T", "dx = dout @ self.W.T; self.W -= 0.1 * self.dW; return dx", "parameters changed in backward"),
    ("Softmax", "return self.out * (dout -", "self.out = self.out * 0.5; return 2 * self.out * (dout - 2 *", "saved array changed"),
    ("bce_with_logits", "def bce_with_logits(logits, target):\n", "def bce_with_logits(logits, target):\n    target *= 0.9\n", "changed in place"),
    ("SumLayer", "self.weights.T\n        self.weights -= learning_rate * self.x.T @ dout", "(self.weights - learning_rate * self.x.T @ dout).T\n        self.weights -= learning_rate * self.x.T @ dout", "updated too early"),
    ("Dense", "    def __init__(self, n_in, n_out):\n        self.W,", "    W = np.ones((7, 3))\n\n    def __init__(self, n_in, n_out):\n        _,", "shared between objects"),
    ("Dropout", "return dout * self.mask", "return dout * (self.rng.random(dout.shape) >= self.p) / (1 - self.p)", "random numbers drawn again"),
    # nothing arrives
    ("Dense", "return dout @ self.W.T", "return np.zeros_like(self.x)", "disconnected"),
    ("Dense", "dout.sum(axis=0)", "np.zeros_like(self.b); self.db.copy()[:] = dout.sum(axis=0)", "disconnected"),
    ("hinge", "-y * (y * scores < 1) / y.size", "(-y * (y * scores < 1) / y.size).astype(int)", "integers"),
    ("Tanh", "return dout * (1 - self.out**2)", "return 0 * dout + (dout * (1 - self.out**2))[:1]", "silent broadcast"),
    ("Dense", "self.x.T @ dout", "0 * self.W + (self.x.T @ dout).sum(axis=1, keepdims=True)", "silent broadcast"),
    # numbers
    ("Dense", "self.x = x\n", "self.x = x.astype(np.float32)\n", "precision lost"),
    ("Tanh", "np.tanh(x)", "np.tanh(x.astype(np.float32)).astype(float)", "precision lost"),
    ("bce_with_logits", "np.logaddexp(0, logits)", "np.log(1 + np.exp(logits))", "overflow"),
    ("bce_with_logits", "p = 0.5 * (1 + np.tanh(logits / 2))\n    loss", "p = np.exp(logits) / (1 + np.exp(logits))\n    loss", "overflow"),
    ("bce_with_logits", "loss = np.mean(np.logaddexp(0, logits) - target * logits)", "loss = -np.mean(target * np.log(p + 1e-8) + (1 - target) * np.log(1 - p + 1e-8))", "epsilon in the logarithm"),
    ("bce_with_logits", "loss = np.mean(np.logaddexp(0, logits) - target * logits)", "q = np.clip(p, 1e-3, 1 - 1e-3); loss = -np.mean(target * np.log(q) + (1 - target) * np.log(1 - q))", "saturated by clipping or epsilon"),
    ("bce_with_logits", "(p - target) / p.size", "(p - target) * (np.abs(logits) < 16) / p.size", "saturated by clipping or epsilon"),
    ("mean_squares", "return 0.5 * np.mean(difference**2), difference / out.size", "return 0.5 * np.sum(difference**2), difference", "loss is a sum"),
    ("mean_squares", "0.5 * np.mean(difference**2), difference", "np.mean(difference**2), 2 * difference", "another loss"),
    ("guessed_width", "(1 - squares) / d.size", "(squares - 1) / d.size", "wrong sign"),
    ("guessed_width", "d / np.exp(2 * s) / d.size", "d / np.exp(2 * s)", "missing 1/N"),
    # objectives, steps, penalties
    ("Game", "real_logits, self.b", "real_logits, self.a", "targets a, b, c swapped"),
    ("Game", "fake_logits, self.c", "fake_logits, self.b", "targets a, b, c swapped"),
    ("Game", "return loss, dfake", "return loss, -dfake", "wrong sign"),
    ("Critic", "return loss, dreal, dfake", "return loss, np.sign(dreal), np.sign(dfake)", "missing 1/N"),
    ("TwoSteps", "(self.generator.params, self.generator.grads)", "(self.generator.params, self.generator.grads); self.discriminator.params += 1", "other player's parameters touched"),
    ("TwoSteps", "backward(dfake, param_grads=False)", "backward(dfake)", "other player's parameters touched"),
    ("TwoSteps", "np.concatenate([dreal, dfake])", "np.concatenate([0 * dreal, dfake])", "one half of the batch lost"),
    ("TwoSteps", "self.generator.backward(dx_fake, input_grad=False)", "pass", "disconnected"),
    ("TwoSteps", "self.generator.params, self.generator.grads", "self.generator.params, -self.generator.grads", "wrong sign"),
    ("TwoSteps", "input_grad=False)\n        return loss", "input_grad=False)\n        return loss / 2", "another loss"),
    ("Penalty", "return gradient_penalty.add_gradient_penalty(", STRAIGHT, "curvature missing"),
    ("Penalty", "weight * g / len(g)", "weight * g", "missing 1/N"),
    ("Penalty", "weight * g / len(g)", "2 * weight * g / len(g)", "constant factor"),
    ("Penalty", "weight * g / len(g)", "-weight * g / len(g)", "wrong sign"),
    ("Penalty", "weight = self.gamma * self.every", "weight = self.gamma", "lazy penalty of the wrong strength"),
    ("Player", "self.G.W = self.G.W - self.lr * self.G.dW", "self.G.W = self.G.W - self.lr * self.G.dW; self.D.W = self.D.W - self.lr * self.D.dW", "other player's parameters touched"),
    ("Player", "self.D.backward(2 * (real - 1) / len(x))\n        dW = self.D.dW\n        fake = self.D.forward(self.G.forward(z))", "fake = self.D.forward(self.G.forward(z))\n        self.D.backward(2 * (real - 1) / len(x))\n        dW = self.D.dW", "wrong order"),
    # optimizers
    ("Momentum", "self.v.get(k, 0)", "0", "memory lost"),
    ("Momentum", "params[k] += self.v[k]", "params[k] -= self.v[k]", "wrong sign"),
    ("Adam", "self.t += 1", "self.t = 1", "clock stopped"),
    ("Nesterov", "-self.mu * old", "-self.mu * self.v[i]", "look-ahead missing"),
    ("DropoutInUse", " if train else 1.0", " if train else self.mask", "training mode taken for the other"),
    ("Adam", "self.t += 1\n        for k, g in grads.items():", "for k, g in grads.items():\n            self.t += 1", "clock too fast"),
    ("Adam", "self.m[k] / (1 - self.beta1**self.t), self.v[k] / (1 - self.beta2**self.t)", "self.m[k], self.v[k]", "bias correction missing"),
    ("Adam", "np.sqrt(v)", "v", "square root missing"),
    ("Adam", "self.beta2 * self.v.get(k, 0) + (1 - self.beta2)", "self.beta1 * self.v.get(k, 0) + (1 - self.beta1)", "wrong decay rate"),
    ("Adam", "self.lr * m", "m", "learning rate missing"),
    ("Adam", "self.v[k] / (1 - self.beta2**self.t)", "self.v[k] / (1 - self.beta1**self.t)", "wrong decay rate"),
    ("Adam", "self.m[k] / (1 - self.beta1**self.t)", "self.m[k] / (1 - self.beta2**self.t)", "wrong decay rate"),
    ("Adam", "g**2", "np.abs(g)", "square missing"),
    ("Adam", "g**2", "g", "square missing"),  # and no number, then
    ("Adam", "g**2", "self.m[k]**2", "wrong average"),
    ("Adam", "m, v = self.m[k] / (", "m, v = self.m[k], self.v[k] = self.m[k] / (", "corrected average stored"),
    ("Adam", "self.t += 1\n", "self.t += self.t > 0 or bool(self.m)\n", "clock too late"),
    ("Adam", "self.t += 1\n", "self.t += 1 + (not self.t)\n", "clock ahead"),
    ("Adamax", "(1 - self.beta1**self.t)", "1.0", "bias correction missing"),
    ("Momentum", "params[k] += self.v[k]", "params[k] += self.lr * self.v[k]", "learning rate twice"),
    ("AdamW", "params[k] -= self.lr * self.weight_decay", "params[k] += self.lr * self.weight_decay", "wrong sign of the decay"),
    ("RMSprop", "self.rho * self.v.get(k, 0) +", "self.v.get(k, 0) +", "decay missing"),
    ("Adam", "self.v[k] / (1 - self.beta2**self.t)", "self.v[k] / (1 - self.beta2) ** self.t", "wrong power"),
    ("AdamW", "self.weight_decay * params[k]", "self.weight_decay * params[k] / (np.sqrt((self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * g**2) / (1 - self.beta2**self.t)) + 1e-8)", "weight decay divided"),
    ("AdamW", "params[k] -= self.lr * self.weight_decay * params[k]", "g = g + self.weight_decay * params[k]", "weight decay in the gradient"),
    ("RMSprop", "self.rho * self.v.get(k, 0) + (1 - self.rho)", "(1 - self.rho) * self.v.get(k, 0) + self.rho", "decay the wrong way round"),
    ("RMSprop", "np.sqrt(self.v[k])", "self.v[k]", "square root missing"),
    ("RMSprop", "(1 - self.rho) * g * g", "g * g", "weight of the new gradient missing"),
]  # fmt: skip


HEAD = "import numpy as np\nfrom tinygan import gan, gradient_penalty, losses, objectives\n\n"


def module_of(name, old="", new=""):
    """Return the module of one piece of right code, with one edit."""
    source = RIGHT[name]
    assert source.count(old) == 1 or not old, f"{name}: {old!r} stands there {source.count(old)} times"
    return run(f"planted_{name}.py", HEAD + (source.replace(old, new) if old else source))


def check(name, old="", new="", **setting):
    """Return (the Reports on one piece of right code with one edit, the doctor's names for what is wrong)."""
    reports = [examine(target, **setting) for target in targets(module_of(name, old, new)).values()]
    return reports, [finding.name for report in reports for finding in report.findings]


def table():
    """Lines: what was edited, what the doctor says, whether that is right."""
    for name, old, new, *names in PLANTED:
        reports, found = check(name, old, new)
        verdicts = "/".join(report.verdict.name for report in reports)
        mark = "" if sorted(found) == sorted(names) else f"   SHOULD BE {names}"
        yield f"{name:<17} {new.strip()[:58]!r:<62} {verdicts:<6} {', '.join(found) or 'no name'}{mark}"


if __name__ == "__main__":
    for line in table():
        print(line, flush=True)
