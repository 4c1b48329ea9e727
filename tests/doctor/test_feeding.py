"""What code takes is found: contexts, gates at once, objects, words, indices, samples in columns, generators."""

from __future__ import annotations

import types

import hypothesis
import numpy as np
import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, repair, targets
from tinygan.doctor.excuses import is_noise
from tinygan.doctor.feeding import SIZES, numbers
from tinygan.doctor.sandbox import in_library

TAKES = {  # what it takes: (right code, what is replaced, by what, so that it is wrong)
    "a kernel that is said to be odd": (
        """
from numpy.lib.stride_tricks import sliding_window_view as windows


def depthwise_forward(x, k):
    # x (N,C,H,W), k (C,R,S), 'same' padding, odd R and S
    C, R, S = k.shape
    xp = np.pad(x, ((0, 0), (0, 0), (R // 2,) * 2, (S // 2,) * 2))
    w = windows(xp, (R, S), axis=(2, 3))
    return np.einsum('nchwrs,crs->nchw', w, k), (w, k)


def depthwise_backward(dy, cache):
    w, k = cache
    C, R, S = k.shape
    dyp = np.pad(dy, ((0, 0), (0, 0), (R // 2,) * 2, (S // 2,) * 2))
    dx = np.einsum('nchwrs,crs->nchw', windows(dyp, (R, S), axis=(2, 3)), k[:, ::-1, ::-1])
    return dx, np.einsum('nchw,nchwrs->crs', dy, w)
""",
        "k[:, ::-1, ::-1]",
        "k",
    ),
    "a matrix by the name of a number": (
        """
def pointwise_forward(x, m, b):
    return np.einsum('nchw,cd->ndhw', x, m) + b[None, :, None, None], (x, m)


def pointwise_backward(dy, cache):
    x, m = cache
    return np.einsum('ndhw,cd->nchw', dy, m), np.einsum('nchw,ndhw->cd', x, dy), dy.sum(axis=(0, 2, 3))
""",
        "return np.einsum('ndhw,cd->nchw', dy, m)",
        "return -np.einsum('ndhw,cd->nchw', dy, m)",
    ),
    "the output under the name of what made it": (
        """
def _unit(a):
    r = np.linalg.norm(a, axis=-1, keepdims=True)
    return a / r, r


def _unit_vjp(d, unit, r):
    return (d - unit * np.sum(d * unit, axis=-1, keepdims=True)) / r
""",
        "(d - unit * np.sum(d * unit, axis=-1, keepdims=True)) / r",
        "d / r",
    ),
    "the output under the name of its gradient": (
        """
def l2_normalize(v):
    norm = np.linalg.norm(v, axis=1, keepdims=True)
    return v / norm, norm


def l2_normalize_grad(d_unit, unit, norm):
    return (d_unit - unit * np.sum(d_unit * unit, axis=1, keepdims=True)) / norm
""",
        "(d_unit - unit * np.sum(d_unit * unit, axis=1, keepdims=True)) / norm",
        "d_unit / norm",
    ),
    "what is said to be boolean": (
        """
def contrastive_loss(D2, same, margin):
    '''
    D2:    squared distances, shape (P,)
    same:  booleans, shape (P,)
    '''
    P = D2.shape[0]
    terms = np.where(same, D2, np.maximum(0.0, margin - D2))
    dD2 = np.where(same, 1.0, -1.0 * (D2 < margin)) / P
    return terms.sum() / P, dD2
""",
        "-1.0 * (D2 < margin)",
        "-1.0",
    ),
    "a power iteration in each forward": (
        """
class SpectralLinear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_out, n_in), np.zeros(n_out)
        self.u = np.random.randn(n_out)

    def forward(self, x):
        self.v = self.W.T @ self.u
        self.v = self.v / np.linalg.norm(self.v)
        self.u = self.W @ self.v
        self.u = self.u / np.linalg.norm(self.u)
        self.sigma = self.u @ self.W @ self.v
        self.x, self.W_bar = x, self.W / self.sigma
        return x @ self.W_bar.T + self.b

    def backward(self, grad_out):
        g = grad_out.T @ self.x
        self.W_grad = (g - np.sum(g * self.W_bar) * np.outer(self.u, self.v)) / self.sigma
        self.b_grad = grad_out.sum(axis=0)
        return grad_out @ self.W_bar
""",
        "(g - np.sum(g * self.W_bar) * np.outer(self.u, self.v))",
        "g",
    ),
    "a bias that a difference takes out": (
        """
def critic_loss(real, fake, w, b):
    # real (N, D), fake (N, D), w (D, 1), b (1,)
    return np.mean(fake @ w + b) - np.mean(real @ w + b)


def critic_gradients(real, fake, w, b):
    dw = (fake.mean(axis=0) - real.mean(axis=0))[:, None]
    db = np.sum(np.ones(len(fake)) / len(fake)) - np.sum(np.ones(len(real)) / len(real))
    return dw, db
""",
        "fake.mean(axis=0) - ",
        "fake.mean(axis=0) + ",
    ),
    "gradients that add up under their names in torch, and a size in two parts": (
        """
class Net:
    def __init__(self, n_in, hidden_sizes, n_out):
        H1, H2 = hidden_sizes
        self.w1, self.w2, self.w3 = np.random.randn(n_in, H1), np.random.randn(H1, H2), np.random.randn(H2, n_out)
        self.w1_grad = np.zeros_like(self.w1)
        self.w2_grad = np.zeros_like(self.w2)
        self.w3_grad = np.zeros_like(self.w3)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.w1)
        self.g = np.tanh(self.h @ self.w2)
        return self.g @ self.w3

    def backward(self, dout):
        self.w3_grad += self.g.T @ dout
        d = dout @ self.w3.T * (1 - self.g**2)
        self.w2_grad += self.h.T @ d
        d = d @ self.w2.T * (1 - self.h**2)
        self.w1_grad += self.x.T @ d
        return d @ self.w1.T
""",
        "self.w2.T * (1 - self.h**2)",
        "self.w2.T * (1 - self.h)",
    ),
    "windows that cannot be written to, and a forward for training": (
        """
from numpy.lib.stride_tricks import sliding_window_view


class Convolve:
    def __init__(self, c_in, c_out, size):
        self.kernel = np.random.randn(c_out, c_in, size, size)

    def forward_train(self, images):
        s = self.kernel.shape[-1]
        self.windows = sliding_window_view(images, (s, s), axis=(2, 3))
        return np.einsum("nchwij,ocij->nohw", self.windows, self.kernel)

    def backward(self, g):
        s = self.kernel.shape[-1]
        self.d_kernel = np.einsum("nohw,nchwij->ocij", g, self.windows)
        full = np.pad(g, ((0, 0), (0, 0), (s - 1, s - 1), (s - 1, s - 1)))
        turned = self.kernel[:, :, ::-1, ::-1]
        return np.einsum("nohwij,ocij->nchw", sliding_window_view(full, (s, s), axis=(2, 3)), turned)


layer = Convolve(2, 3, 2)
layer.backward(layer.forward_train(np.random.randn(2, 2, 4, 4)))
""",
        "self.kernel[:, :, ::-1, ::-1]",
        "self.kernel",
    ),
    "heads that have matrices of their own, in lists": (
        """
def init(d, heads):
    params = {"Wv": [np.random.randn(d, d // heads) for _ in range(heads)]}
    params["Wo"] = np.random.randn(d, d)
    return params


def heads_forward(X, params):
    concat = np.hstack([np.tanh(X @ Wv) for Wv in params["Wv"]])
    return concat @ params["Wo"], (X, concat)


def heads_backward(dY, params, cache):
    X, concat = cache
    grads = {"Wv": [], "Wo": concat.T @ dY}
    d = dY @ params["Wo"].T * (1 - concat**2)
    dX = 0
    for W, dv in zip(params["Wv"], np.split(d, len(params["Wv"]), axis=1)):
        grads["Wv"].append(X.T @ dv)
        dX = dX + dv @ W.T
    return dX, grads


params = init(6, 3)
Y, cache = heads_forward(np.random.randn(4, 6), params)
heads_backward(np.ones_like(Y), params, cache)
""",
        "concat.T @ dY",
        "dY.T @ concat",
    ),
    "constants under their names in transformers": (
        """
class Rotary:
    def __init__(self, n=4, base=100.0):
        self.inv_freq, self.PE = base ** (-np.arange(n) / n), np.random.randn(n)

    def forward(self, x):
        return x * np.sin(self.inv_freq) + self.PE

    def backward(self, dout):
        return dout * np.sin(self.inv_freq)


rotary = Rotary()
rotary.backward(rotary.forward(np.random.randn(5, 4)))
""",
        "return dout * np.sin",
        "return dout * np.cos",
    ),
    "a step that moves its arguments in place": (
        """
def loss(X, Y, W1, b1, W2, b2):
    return np.sum((np.tanh(X @ W1 + b1) @ W2 + b2 - Y) ** 2) / len(X)


def train_step(X, Y, W1, b1, W2, b2, lr=0.05):
    h = np.tanh(X @ W1 + b1)
    d_out = 2 * (h @ W2 + b2 - Y) / len(X)
    d_h = d_out @ W2.T * (1 - h**2)
    W2 -= lr * h.T @ d_out
    b2 -= lr * d_out.sum(axis=0)
    W1 -= lr * X.T @ d_h
    b1 -= lr * d_h.sum(axis=0)
    return loss(X, Y, W1, b1, W2, b2)


rng = np.random.default_rng(0)
train_step(rng.normal(size=(8, 2)), rng.normal(size=(8, 2)), *(rng.normal(size=s) for s in [(2, 5), 5, (5, 2), 2]))
""",
        "d_out.sum(axis=0)",
        "d_out.mean(axis=0)",
    ),
    "a step that returns a new list and the loss": (
        """
def error(theta, X, Y):
    return np.sum((theta[0] @ X + theta[1] - Y) ** 2) / X.shape[1]


def student_step(theta, X, Y, lr):
    W, b = theta
    J = error(theta, X, Y)
    dz = 2 * (W @ X + b - Y) / X.shape[1]
    dW = dz @ X.T
    db = dz.sum(axis=1, keepdims=True)
    return [W - lr * dW, b - lr * db], J


theta = [np.zeros((4, 6)), np.zeros((4, 1))]
student_step(theta, np.random.randn(6, 20), np.random.randn(4, 20), 0.1)
""",
        "dW = dz",
        "dW = 2 * dz",
    ),
    "a number among arrays in a list": (
        """
def objective(theta, x, y, decay):
    w, u, c = theta
    return 0.5 * np.mean((np.tanh(x @ w) @ u + c - y) ** 2) + 0.5 * decay * np.sum(w**2)


def gradient(theta, x, y, decay):
    w, u, c = theta
    h = np.tanh(x @ w)
    e = (h @ u + c - y) / len(y)
    dh = np.outer(e, u) * (1 - h**2)
    return [x.T @ dh + decay * w, h.T @ e, e.sum()]


theta = [np.random.randn(3, 5), np.random.randn(5), np.array(0.0)]
gradient(theta, np.random.randn(9, 3), np.random.randn(9), 1e-2)
""",
        "e.sum()]",
        "e.mean()]",
    ),
    "a loss that is called": (
        """
class DistillationLoss:
    def __init__(self, T=3.0):
        self.T = T

    def __call__(self, logits, targets):
        diff = logits / self.T - targets
        grad = diff / self.T
        return 0.5 * np.sum(diff**2), grad
""",
        "diff / self.T\n        return",
        "diff * self.T\n        return",
    ),
    "a step of one rating": (
        """
class Factors:
    def __init__(self, n_users, n_items, k=3, lr=0.05):
        self.P, self.Q, self.lr = np.random.randn(n_users, k), np.random.randn(n_items, k), lr

    def sample_loss(self, u, i, r):
        return 0.5 * (r - self.P[u] @ self.Q[i]) ** 2

    def partial_fit(self, u, i, r):
        p, q = self.P[u].copy(), self.Q[i].copy()
        e = r - p @ q
        self.P[u] += self.lr * e * q
        self.Q[i] += self.lr * e * p
        return e**2
""",
        "self.P[u].copy()",
        "self.P[u]",
    ),
    "a number that is called like a gradient and is none": (
        """
class Heat:
    def __init__(self, m=5, dt=0.02, steps=4):
        self.L = np.diag(np.ones(m - 1), 1) - 2 * np.eye(m)
        self.dt, self.steps = dt, steps

    def run(self, kappa, T0):
        T = [T0]
        for _ in range(self.steps):
            T.append(T[-1] + self.dt * kappa * (self.L @ T[-1]))
        return np.array(T)

    def cost(self, kappa, T0, obs):
        return 0.5 * np.sum((self.run(kappa, T0) - obs) ** 2)

    def cost_gradient(self, kappa, T0, obs):
        T = self.run(kappa, T0)
        r = T - obs
        dkappa, lam = 0.0, r[-1]
        for n in range(self.steps - 1, -1, -1):
            dkappa += self.dt * lam @ (self.L @ T[n])
            lam = lam + self.dt * kappa * (self.L.T @ lam) + r[n]
        return dkappa, lam


heat = Heat()
heat.cost_gradient(0.6, np.arange(5.0), heat.run(1.1, np.arange(5.0)))
""",
        "(self.L.T @ lam)",
        "(self.L @ lam)",
    ),
    "a network that makes its own filters": (
        """
def channels(x, w):
    return np.einsum("nchw,oc->nohw", x, w[:, :, 0, 0])


class ConvNet:
    def __init__(self, channels=1, filters=3):
        self.W = np.random.randn(filters, channels, 1, 1)

    def loss(self, x, t):
        return 0.5 * np.sum((channels(x, self.W).mean(axis=(2, 3)) - t) ** 2)

    def gradient(self, x, t):
        d = channels(x, self.W).mean(axis=(2, 3)) - t
        return {"W": np.einsum("no,nc->oc", d, x.mean(axis=(2, 3)))[:, :, None, None]}
""",
        "x.mean",
        "x.sum",
    ),
    "hyperparameters in a dictionary": (
        """
def pool_forward(A_prev, hparameters):
    f, stride = hparameters["f"], hparameters["stride"]
    m, H, W, C = A_prev.shape
    A = np.zeros((m, 1 + (H - f) // stride, 1 + (W - f) // stride, C))
    for h in range(A.shape[1]):
        for w in range(A.shape[2]):
            A[:, h, w] = A_prev[:, h * stride : h * stride + f, w * stride : w * stride + f].mean(axis=(1, 2))
    return A, (A_prev, hparameters)


def pool_backward(dA, cache):
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape)
    for h in range(dA.shape[1]):
        for w in range(dA.shape[2]):
            share = dA[:, h, w][:, None, None] / (f * f)
            dA_prev[:, h * stride : h * stride + f, w * stride : w * stride + f] += share
    return dA_prev
""",
        "(f * f)",
        "f",
    ),
    "weights of classes": (
        """
class WeightedCrossEntropy:
    def __init__(self, class_weight):
        self.class_weight = np.asarray(class_weight, float)

    def loss(self, logits, target):
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        w = self.class_weight[target]
        return -np.sum(w / w.sum() * np.log(p[np.arange(len(p)), target]))

    def gradient(self, logits, target):
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(p)), target] -= 1
        w = self.class_weight[target]
        return w[:, None] / w.sum() * p
""",
        "w[:, None] / w.sum()",
        "w[:, None] / len(w)",
    ),
    "an advantage that is held constant": (
        """
def actor_loss(logits, values, actions, returns):
    \"\"\"The advantage is a constant for the policy.\"\"\"
    adv = returns - values
    z = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = z / z.sum(axis=1, keepdims=True)
    n, rows = len(p), np.arange(len(p))
    loss = -np.mean(np.log(p[rows, actions]) * adv) + 0.5 * np.mean(adv**2)
    grad = p.copy()
    grad[rows, actions] -= 1
    return loss, grad * adv[:, None] / n, -adv / n


actor_loss(np.random.randn(6, 3), np.random.randn(6), np.array([0, 1, 2, 1, 0, 2]), np.random.randn(6))
""",
        "-adv / n",
        "adv / n",
    ),
    "a mask in a class that takes its own steps": (
        """
class Masked:
    def __init__(self, dim=4):
        self.theta = {"L": np.random.randn(dim, dim), "m": np.random.randn(dim)}
        self.tri = np.tril(np.ones((dim, dim)))

    def loss(self, X):
        return 0.5 * np.sum(((X - self.theta["m"]) @ (self.theta["L"] * self.tri)) ** 2)

    def gradient(self, X):
        d = X - self.theta["m"]
        L = self.theta["L"] * self.tri
        return {"L": d.T @ (d @ L) * self.tri, "m": -np.sum(d @ L @ L.T, axis=0)}

    def fit(self, X, lr=0.01):
        for name, g in self.gradient(X).items():
            self.theta[name] = self.theta[name] - lr * g
""",
        '* self.tri, "m"',
        ', "m"',
    ),
    "a derivative of a log-evidence, by a Cholesky factor": (
        """
def neg_log_evidence(phi, X, y):
    K0 = X @ X.T
    K = np.exp(phi[0]) * K0 + np.exp(phi[1]) * np.eye(len(X))
    alpha = np.linalg.solve(K, y)
    value = 0.5 * y @ alpha + np.log(np.diag(np.linalg.cholesky(K))).sum()
    A = 0.5 * (np.linalg.inv(K) - np.outer(alpha, alpha))
    grad = np.array([np.exp(phi[0]) * np.sum(A * K0), np.exp(phi[1]) * np.trace(A)])
    return value, grad


neg_log_evidence(np.zeros(2), np.random.randn(6, 2), np.random.randn(6))
""",
        "np.exp(phi[1]) * np.trace(A)",
        "np.trace(A)",
    ),
    "a context that saves": (
        """
class Tanh:
    @staticmethod
    def forward(ctx, x):
        out = np.tanh(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, grad_output):
        (out,) = ctx.saved_tensors
        return grad_output * (1 - out**2)
""",
        "(1 - out**2)",
        "(1 - out)",
    ),
    "a context that saves two arrays": (
        """
class Mul:
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return np.sin(x) * y

    @staticmethod
    def backward(ctx, grad_output):
        x, y = ctx.saved_tensors
        return grad_output * np.cos(x) * y, grad_output * np.sin(x)
""",
        "np.cos(x) * y",
        "np.cos(x)",
    ),
    "an LSTM, all gates at once": (
        """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    gates = dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g**2)
    da = np.concatenate(gates, axis=1)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)
""",
        "dc * f, x.T",
        "dc * o, x.T",
    ),
    "a GRU, all gates at once": (
        """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gru_forward(x, h, Wx, Wh, b):
    D = h.shape[1]
    xz, xr, xn = np.split(x @ Wx + b, 3, axis=1)
    hz, hr, hn = np.split(h @ Wh, 3, axis=1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    n = np.tanh(xn + r * hn)
    return (1 - z) * n + z * h, (x, h, Wx, Wh, z, r, n, hn)


def gru_backward(dout, cache):
    x, h, Wx, Wh, z, r, n, hn = cache
    dn = dout * (1 - z) * (1 - n**2)
    dz = dout * (h - n) * z * (1 - z)
    dr = dn * hn * r * (1 - r)
    da = np.concatenate([dz, dr, dn], axis=1)
    dm = np.concatenate([dz, dr, dn * r], axis=1)
    return da @ Wx.T, dout * z + dm @ Wh.T, x.T @ da, h.T @ dm, da.sum(axis=0)
""",
        "dout * z + dm",
        "dout * (1 - z) + dm",
    ),
    "objects for a constructor's G and D": (
        """
class Discriminator:
    def __init__(self, n_in):
        self.w = np.random.randn(n_in, 1)

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, dout):
        self.dw = self.x.T @ dout
        return dout @ self.w.T


class Generator:
    def __init__(self, n_latent, n_out):
        self.W = np.random.randn(n_latent, n_out)

    def forward(self, z):
        self.z = z
        return z @ self.W

    def backward(self, dout):
        self.dW = self.z.T @ dout
        return dout @ self.W.T


class GAN:
    def __init__(self, G, D):
        self.G, self.D = G, D

    def generator_loss(self, z):
        self.s = self.D.forward(self.G.forward(z))
        return np.mean((self.s - 1) ** 2)

    def generator_backward(self, z):
        self.generator_loss(z)
        return self.G.backward(self.D.backward(2 * (self.s - 1) / self.s.size))
""",
        "2 * (self.s - 1)",
        "2 * self.s",
    ),
    "objects of one class for a constructor's D and G": (
        """
class Net:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class GAN:
    def __init__(self, D, G):
        self.D, self.G = D, G

    def loss(self, z):
        self.s = self.D.forward(self.G.forward(z))
        return np.mean((self.s - 1) ** 2)

    def backward(self, z):
        self.loss(z)
        return self.G.backward(self.D.backward(2 * (self.s - 1) / self.s.size))
""",
        "2 * (self.s - 1)",
        "2 * self.s",
    ),
    "an argument that is used as an index": (
        """
def pick(table, place):
    return np.tanh(table)[place]


def pick_backward(dout, table, place):
    d = np.zeros_like(table)
    np.add.at(d, place, dout)
    return d * (1 - np.tanh(table) ** 2)
""",
        "np.add.at(d, place, dout)",
        "d[place] += dout",
    ),
    "a word that says which": (
        """
def activate(x, kind):
    if kind == "cube":
        return x**3
    if kind == "sine":
        return np.sin(x)
    raise ValueError(kind)


def activate_backward(dout, x, kind):
    return dout * (3 * x**2 if kind == "cube" else np.cos(x))
""",
        "3 * x**2 if",
        "2 * x**2 if",
    ),
    "a layer that is told the shape of its input": (
        """
class Dense:
    def __init__(self, n_units):
        self.n_units = n_units

    def initialize(self, input_shape):
        self.W = np.random.randn(input_shape[0], self.n_units)
        self.b = np.zeros(self.n_units)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T
""",
        "dout.sum(axis=0)",
        "dout.mean(axis=0)",
    ),
    "samples in columns, which nothing says": (
        """
def network(X, W, b):
    return np.tanh(W @ X + b)


def network_backward(dA, X, W, b):
    dZ = dA * (1 - np.tanh(W @ X + b) ** 2)
    return W.T @ dZ, dZ @ X.T, np.sum(dZ, axis=1, keepdims=True)
""",
        "dZ, axis=1, keepdims=True",
        "dZ / dZ.shape[1], axis=1, keepdims=True",
    ),
    "a loss of samples in columns": (
        """
def propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    dw = np.dot(X, (A - Y).T) / m
    db = np.sum(A - Y) / m
    return cost, dw, db
""",
        "np.sum(A - Y) / m",
        "np.sum(A - Y)",
    ),
    "three arguments of one shape": (
        """
def triplet_loss(anchor, positive, negative, margin=0.5):
    p = np.sum((anchor - positive) ** 2, axis=1)
    n = np.sum((anchor - negative) ** 2, axis=1)
    return np.mean(np.maximum(0, p - n + margin))


def triplet_loss_grad(anchor, positive, negative, margin=0.5):
    p = np.sum((anchor - positive) ** 2, axis=1)
    n = np.sum((anchor - negative) ** 2, axis=1)
    on = (p - n + margin > 0)[:, None] * 2 / len(anchor)
    return on * (negative - positive), on * (positive - anchor), on * (anchor - negative)
""",
        "on * (positive - anchor)",
        "on * (anchor - positive)",
    ),
    "a generator without a seed": (
        """
class Dropout:
    def __init__(self, p=0.5):
        self.p, self.rng = p, np.random.RandomState()

    def forward(self, x):
        self.mask = self.rng.uniform(size=x.shape) > self.p
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
""",
        "dout * self.mask",
        "dout * self.mask / self.p",
    ),
    "a generator that is made on the way, without a seed": (
        """
class Dropout:
    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x):
        self.mask = np.random.RandomState().uniform(size=x.shape) > self.p
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
""",
        "dout * self.mask",
        "dout * self.mask / self.p",
    ),
    "an LSTM whose constructor is given the weights": (
        """
class LSTM:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h, c):
        n = h.shape[1]
        a = x @ self.Wx + h @ self.Wh + self.b
        s = 1 / (1 + np.exp(-a))
        f, g, i, o = s[:, :n], np.tanh(a[:, n : 2 * n]), s[:, 2 * n : 3 * n], s[:, 3 * n :]
        c_next = f * c + i * g
        h_next = o * np.tanh(c_next)
        self.cache = x, h, c, f, g, i, o, c_next
        return h_next, c_next

    def backward(self, dh_next, dc_next):
        x, h, c, f, g, i, o, c_next = self.cache
        t = np.tanh(c_next)
        dc = dc_next + dh_next * o * (1 - t**2)
        df, dg = dc * c * f * (1 - f), dc * i * (1 - g**2)
        di, do = dc * g * i * (1 - i), dh_next * t * o * (1 - o)
        da = np.hstack([df, dg, di, do])
        self.dWx, self.dWh, self.db = x.T @ da, h.T @ da, da.sum(axis=0)
        return da @ self.Wx.T, da @ self.Wh.T, dc * f
""",
        "return da @ self.Wx.T, da @ self.Wh.T, dc * f",
        "return da @ self.Wx.T, da @ self.Wh.T, dc * i",
    ),
    "a GRU whose constructor is given the weights": (
        """
class GRU:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h):
        n = h.shape[1]
        a, c = x @ self.Wx + self.b, h @ self.Wh
        z, r = (1 / (1 + np.exp(-a[:, k * n : k * n + n] - c[:, k * n : k * n + n])) for k in (0, 1))
        m = np.tanh(a[:, 2 * n :] + r * c[:, 2 * n :])
        self.cache = x, h, z, r, m, c[:, 2 * n :]
        return (1 - z) * m + z * h

    def backward(self, dout):
        x, h, z, r, m, c = self.cache
        dm = dout * (1 - z) * (1 - m**2)
        dz, dr = dout * (h - m) * z * (1 - z), dm * c * r * (1 - r)
        da, dc = np.hstack([dz, dr, dm]), np.hstack([dz, dr, dm * r])
        self.dWx, self.dWh, self.db = x.T @ da, h.T @ dc, da.sum(axis=0)
        return da @ self.Wx.T, dout * z + dc @ self.Wh.T
""",
        "dout * z + dc",
        "dout * (1 - z) + dc",
    ),
    "an index as the first argument": (
        """
def embed(places, table):
    return np.tanh(table[places])


def embed_backward(dout, places, table):
    d = np.zeros_like(table)
    np.add.at(d, places, dout)
    return d * (1 - np.tanh(table) ** 2)
""",
        "np.add.at(d, places, dout)",
        "d[places] += dout",
    ),
    "one sample, a row, for the bias has one": (
        """
class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward(self, x):
        self.x = x
        return np.dot(x, self.weights) + self.bias

    def backward(self, output_error, learning_rate):
        input_error = np.dot(output_error, self.weights.T)
        self.weights -= learning_rate * np.dot(self.x.T, output_error)
        self.bias -= learning_rate * output_error
        return input_error
""",
        "self.weights.T)",
        "self.weights.T * 2)",
    ),
    "an optimizer, and initialize() after the constructor": (
        """
class Dense:
    def __init__(self, n_units, input_shape=None):
        self.n_units, self.input_shape, self.W = n_units, input_shape, None

    def initialize(self, optimizer):
        self.W = np.random.uniform(-1, 1, (self.input_shape[0], self.n_units))
        self.W_opt = optimizer

    def forward_pass(self, X):
        self.X = X
        return X.dot(self.W)

    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.W_opt.update(self.W, self.X.T.dot(accum_grad))
        return accum_grad.dot(W.T)
""",
        "self.X.T.dot(accum_grad)",
        "self.X.T.dot(accum_grad**2)",
    ),
    "parameters that fit() makes": (
        """
class Ridge:
    def __init__(self, lam=0.1, n_iter=1000):
        self.lam, self.n_iter, self.w, self.b = lam, n_iter, None, 0.0

    def cost(self, X, y):
        return 0.5 * np.mean((X @ self.w + self.b - y) ** 2) + 0.5 * self.lam * np.sum(self.w**2)

    def gradient(self, X, y):
        r = X @ self.w + self.b - y
        return X.T @ r / len(y) + self.lam * self.w, r.mean()

    def fit(self, X, y):
        self.w = np.zeros(X.shape[1])
        for _ in range(self.n_iter):
            dw, db = self.gradient(X, y)
            self.w -= 0.1 * dw
            self.b -= 0.1 * db
""",
        "r.mean()",
        "r.sum()",
    ),
    "parameters that the first forward makes, and a list that grows": (
        """
class Scale:
    def __init__(self):
        self.X, self.n, self.parameters, self.gradients = [], None, {"s": None}, {"s": None}

    def flush_gradients(self):
        self.X, self.gradients["s"] = [], np.zeros_like(self.parameters["s"])

    def forward(self, X):
        if self.n is None:
            self.n = X.shape[1]
            self.parameters["s"], self.gradients["s"] = np.ones(self.n), np.zeros(self.n)
        self.X.append(X)
        return np.tanh(X * self.parameters["s"])

    def backward(self, dout):
        X = self.X[0]
        dz = dout * (1 - np.tanh(X * self.parameters["s"]) ** 2)
        self.gradients["s"] += (dz * X).sum(axis=0)
        return dz * self.parameters["s"]
""",
        "return dz * self.parameters",
        "return dout * self.parameters",
    ),
    "pairs, one after the other": (
        """
class Network:
    def __init__(self, sizes):
        self.weights = [np.random.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def update_mini_batch(self, mini_batch, eta):
        nabla = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            nabla = [n + d for n, d in zip(nabla, self.backprop(x, y))]
        self.weights = [w - (eta / len(mini_batch)) * n for w, n in zip(self.weights, nabla)]

    def backprop(self, x, y):
        h = np.tanh(self.weights[0] @ x)
        delta = self.cost_derivative(self.weights[1] @ h, y)
        return [(self.weights[1].T @ delta * (1 - h**2)) @ x.T, delta @ h.T]

    def cost(self, x, y):
        return 0.5 * np.sum((self.weights[1] @ np.tanh(self.weights[0] @ x) - y) ** 2)

    def cost_derivative(self, output_activations, y):
        return output_activations - y
""",
        "(eta / len(mini_batch)) * n",
        "(eta / len(mini_batch)) * (n + w)",
    ),
    "a loss that asks for nothing, after forward": (
        """
class Net:
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.weights = np.random.rand(x.shape[1], y.shape[1])

    def feedforward(self):
        self.output = np.tanh(self.x @ self.weights)

    def loss(self):
        return np.sum((self.y - self.output) ** 2)

    def backprop(self):
        self.weights += self.x.T @ (2 * (self.y - self.output) * (1 - self.output**2))


if __name__ == "__main__":
    net = Net(np.array([[0, 1], [1, 0], [1, 1]]), np.array([[1], [1], [0]]))
    net.feedforward()
    net.backprop()
""",
        " * (1 - self.output**2)",
        "",
    ),
    "words, by a dictionary": (
        """
def skipgram(currentCenterWord, outsideWords, word2Ind, centerVectors, outsideVectors):
    loss, grad_center, grad_outside = 0.0, np.zeros_like(centerVectors), np.zeros_like(outsideVectors)
    c = word2Ind[currentCenterWord]
    for word in outsideWords:
        scores = outsideVectors @ centerVectors[c]
        p = np.exp(scores) / np.sum(np.exp(scores))
        loss -= np.log(p[word2Ind[word]])
        p[word2Ind[word]] -= 1
        grad_center[c] += outsideVectors.T @ p
        grad_outside += np.outer(p, centerVectors[c])
    return loss, grad_center, grad_outside
""",
        "grad_center[c] += outside",
        "grad_center[c] = outside",
    ),
    "gradients first, and the cost": (
        """
def propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    dw = 1 / m * np.dot(X, (A - Y).T)
    db = 1 / m * np.sum(A - Y)
    grads = {"dw": dw, "db": db}
    return grads, cost
""",
        "db = 1 / m * np.sum",
        "db = np.sum",
    ),
    "as many columns as a default has entries": (
        """
def quantile_loss(y_pred, y_true, quantiles=(0.1, 0.5, 0.8, 0.9)):
    # y_pred: (N, Q), y_true: (N,)
    q = np.asarray(quantiles).reshape(1, -1)
    e = y_true.reshape(-1, 1) - y_pred
    loss = np.maximum(q * e, (q - 1) * e).sum(axis=1).mean()
    return loss, np.where(e > 0, -q, 1 - q) / y_pred.shape[0]
""",
        "-q, 1 - q)",
        "-q, q)",
    ),
    "a state and an input in one vector, with weights in a dictionary": (
        """
def cell_forward(xt, h_prev, params):
    concat = np.vstack((xt, h_prev))
    z = 1 / (1 + np.exp(-(params["Wz"] @ concat + params["bz"])))
    h = (1 - z) * h_prev + z * np.tanh(params["Wh"] @ concat + params["bh"])
    return h, (concat, z, h_prev, params, xt.shape[0])


def cell_backward(dh, cache):
    concat, z, h_prev, params, n = cache
    t = np.tanh(params["Wh"] @ concat + params["bh"])
    da, dz = dh * z * (1 - t**2), dh * (t - h_prev) * z * (1 - z)
    d = params["Wh"].T @ da + params["Wz"].T @ dz
    grads = {"dxt": d[:n], "dh_prev": d[n:] + dh * (1 - z), "dWz": dz @ concat.T, "dWh": da @ concat.T}
    return {**grads, "dbz": dz.sum(axis=1, keepdims=True), "dbh": da.sum(axis=1, keepdims=True)}
""",
        "d[n:] + dh * (1 - z)",
        "d[n:]",
    ),
    "weights that are kept in the module, by their names": (
        """
model = {"W1": np.random.RandomState(0).randn(4, 6), "W2": np.random.RandomState(1).randn(4)}


def policy(x):
    h = np.tanh(model["W1"] @ x)
    return 1 / (1 + np.exp(-(model["W2"] @ h))), h


def objective(epx, actions, advantage):
    p = [policy(x)[0] for x in epx]
    return sum(adv * np.log(q if a == 1 else 1 - q) for q, a, adv in zip(p, actions, advantage))


def objective_gradient(epx, actions, advantage):
    ps, hs = zip(*[policy(x) for x in epx])
    d = np.array([(a - p) * adv for p, a, adv in zip(ps, actions, advantage)]).reshape(-1, 1)
    hs = np.vstack(hs)
    return {"W1": (d * model["W2"] * (1 - hs**2)).T @ np.vstack(epx), "W2": (d * hs).sum(axis=0)}


objective_gradient(list(np.random.randn(5, 6)), [1, 0, 1, 1, 0], np.random.randn(5))
""",
        " * (1 - hs**2)",
        "",
    ),
    "a dout with one entry that is not 0": (
        """
class Softmax:
    def forward(self, input):
        self.t = np.exp(input)
        return self.t / np.sum(self.t)

    def backprop(self, d_L_d_out):
        for i, gradient in enumerate(d_L_d_out):
            if gradient == 0:
                continue
            S = np.sum(self.t)
            d_out_d_t = -self.t[i] * self.t / S**2
            d_out_d_t[i] = self.t[i] * (S - self.t[i]) / S**2
            return gradient * d_out_d_t
""",
        "-self.t[i] * self.t / S**2",
        "0 * self.t",
    ),
    "layers, then a loss by compile()": (
        """
class Dense:
    def __init__(self, units, input_dim):
        self.weights = [np.random.randn(input_dim, units)]
        self.gradients = [np.zeros((input_dim, units))]

    def __call__(self, x):
        self.x = x
        return x @ self.weights[0]

    def backward(self, grad):
        self.gradients[0] = self.x.T @ grad
        return grad @ self.weights[0].T


class MeanSquaredError:
    def __call__(self, y_true, y_pred):
        self.diff = y_pred - y_true
        return np.mean(self.diff**2)

    def backward(self):
        return 2 * self.diff / self.diff.size


class Sequential:
    def __init__(self, layers):
        self.layers = list(layers)

    def add(self, layer):
        self.layers.append(layer)

    def compile(self, loss, lr=0.01):
        self.loss, self.lr = loss, lr

    def train_on_batch(self, x, y):
        for layer in self.layers:
            x = layer(x)
        value, grad = self.loss(y, x), self.loss.backward()
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
            layer.weights[0] -= self.lr * (layer.gradients[0])
        return value
""",
        "(layer.gradients[0])",
        "(layer.gradients[0] + layer.weights[0])",
    ),
    "whole numbers, in a loss beside the class that takes ten of them by default": (
        """
def one_hot(y, num_labels):
    rows = np.zeros((len(y), num_labels))
    for i, label in enumerate(y):
        rows[i, label] = 1
    return rows


def mse_loss(targets, probas, num_labels=10):
    return np.mean((one_hot(targets, num_labels) - probas) ** 2)


class Net:
    def __init__(self, num_features, num_hidden, num_classes):
        rng, self.num_classes = np.random.RandomState(1), num_classes
        self.weight_h, self.bias_h = rng.normal(size=(num_hidden, num_features)), np.zeros(num_hidden)
        self.weight_out, self.bias_out = rng.normal(size=(num_classes, num_hidden)), np.zeros(num_classes)

    def forward(self, x):
        a_h = np.tanh(x @ self.weight_h.T + self.bias_h)
        a_out = a_h @ self.weight_out.T + self.bias_out
        return a_h, a_out

    def backward(self, x, a_h, a_out, y):
        d_out = 2 * (a_out - one_hot(y, self.num_classes)) / a_out.size
        d_h = d_out @ self.weight_out * (1 - a_h**2)
        d_loss__dw_out, d_loss__db_out = d_out.T @ a_h, np.sum(d_out, axis=0)
        d_loss__d_w_h, d_loss__d_b_h = d_h.T @ x, np.sum(d_h, axis=0)
        return d_loss__dw_out, d_loss__db_out, d_loss__d_w_h, d_loss__d_b_h
""",
        "(1 - a_h**2)",
        "(1 - a_h)",
    ),
    "parameters of layers that are numbered": (
        """
def linear_forward(A, W, b):
    return W @ A + b, (A, W, b)


def linear_activation_forward(A, W, b):
    Z, linear_cache = linear_forward(A, W, b)
    return 1 / (1 + np.exp(-Z)), (linear_cache, Z)


def model_forward(X, parameters):
    caches = []
    for l in range(1, len(parameters) // 2 + 1):
        X, cache = linear_activation_forward(X, parameters["W" + str(l)], parameters["b" + str(l)])
        caches.append(cache)
    return X, caches


def compute_cost(AL, Y):
    return np.squeeze(-np.dot(Y, np.log(AL).T) - np.dot(1 - Y, np.log(1 - AL).T)) / Y.shape[1]


def linear_backward(dZ, cache):
    A, W, b = cache
    m = A.shape[1]
    return W.T @ dZ, dZ @ A.T / m, np.sum(dZ, axis=1, keepdims=True) / m


def linear_activation_backward(dA, cache):
    linear_cache, Z = cache
    S = 1 / (1 + np.exp(-Z))
    return linear_backward(dA * S * (1 - S), linear_cache)


def model_backward(AL, Y, caches):
    grads, dA = {}, (1 - Y) / (1 - AL) - Y / AL
    for l in reversed(range(len(caches))):
        dA, dW, db = linear_activation_backward(dA, caches[l])
        grads["dW" + str(l + 1)], grads["db" + str(l + 1)] = dW, db
    return grads
""",
        "linear_activation_backward(dA, caches[l])",
        "linear_activation_backward(dA * (1 + (l == 1)), caches[l])",
    ),
    "lengths that are zipped, columns, and a loss that calls backward": (
        """
class Dicht:
    def __init__(self, ein, aus):
        self.W, self.b = np.random.randn(aus, ein), np.zeros((aus, 1))

    def forward(self, A):
        self.A = np.tanh(A)
        return self.W @ self.A + self.b

    def backward(self, dZ):
        self.dW, self.db = dZ @ self.A.T, dZ.sum(axis=1, keepdims=True)
        return self.W.T @ dZ * (1 - self.A**2)


class Netz:
    def __init__(self, groessen):
        self.schichten = [Dicht(a, b) for a, b in zip(groessen[:-1], groessen[1:])]

    def forward(self, X):
        for s in self.schichten:
            X = s.forward(X)
        return X

    def backward(self, d):
        for s in self.schichten[::-1]:
            d = s.backward(d)
        return d

    def verlust(self, X, Y):
        A = self.forward(X)
        m = X.shape[1]
        return 0.5 / m * np.sum((A - Y) ** 2), self.backward((A - Y) / m)
""",
        "self.backward((A - Y) / m)",
        "self.backward(A - Y)",
    ),
    "a sequence of columns, and a cell with them": (
        """
def rnn_cell_forward(xt, a_prev, parameters):
    Wax, Waa, ba = parameters["Wax"], parameters["Waa"], parameters["ba"]
    a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
    return a_next, (a_next, a_prev, xt, parameters)


def rnn_forward(x, a0, parameters):
    caches, a = [], []
    n_x, m, T_x = x.shape
    for t in range(T_x):
        a0, cache = rnn_cell_forward(x[:, :, t], a0, parameters)
        a.append(a0)
        caches.append(cache)
    return np.stack(a, axis=2), (caches, x)


def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    dtanh = (1 - a_next**2) * da_next
    dx, da = np.dot(parameters["Wax"].T, dtanh), np.dot(parameters["Waa"].T, dtanh)
    dba = np.sum(dtanh, axis=1, keepdims=True)
    return {"dxt": dx, "da_prev": da, "dWax": np.dot(dtanh, xt.T), "dWaa": np.dot(dtanh, a_prev.T), "dba": dba}


def rnn_backward(da, caches):
    (caches, x), grads, dx, da0 = caches, {}, np.zeros_like(caches[1]), 0
    for t in reversed(range(x.shape[2])):
        step = rnn_cell_backward(da[:, :, t] + da0, caches[t])
        da0, dx[:, :, t] = step["da_prev"], step["dxt"]
        for key in ("dWax", "dWaa", "dba"):
            grads[key] = grads.get(key, 0) + step[key]
    return {"dx": dx, "da0": da0, **grads}
""",
        "np.dot(dtanh, a_prev.T)",
        "np.dot(dtanh, a_next.T)",
    ),
    "gradients in the order of params()": (
        """
class Part:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def params(self):
        return [self.W, self.b]

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        return dout @ self.W.T, [self.x.T @ dout, dout.sum(axis=0)]


class Both:
    def __init__(self, n_in, n_out):
        self.left, self.right, self.scale = Part(n_in, n_out), Part(n_in, n_out), np.ones(n_out)

    def params(self):
        return self.right.params() + [self.scale] + self.left.params()

    def forward(self, x):
        self.y = np.tanh(self.left.forward(x)) + self.right.forward(x**2)
        return self.y * self.scale

    def backward(self, dout):
        dx, left = self.left.backward(dout * self.scale * (1 - np.tanh(self.left.x @ self.left.W + self.left.b) ** 2))
        dz, right = self.right.backward(dout * self.scale)
        return dx + 2 * self.left.x * dz, right + [np.sum(dout * self.y, axis=0)] + left
""",
        "right + [np.sum(dout * self.y, axis=0)] + left",
        "left + [np.sum(dout * self.y, axis=0)] + right",
    ),
    "the logarithm of a temperature": (
        """
def clip_loss(img, txt, log_temp):
    n, logits = len(img), np.exp(log_temp) * img @ txt.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss, dlogits = -np.trace(np.log(p)) / n, (p - np.eye(n)) / n
    d_log_temp = np.sum(dlogits * logits)
    return loss, np.exp(log_temp) * dlogits @ txt, np.exp(log_temp) * dlogits.T @ img, d_log_temp
""",
        "np.sum(dlogits * logits)",
        "np.sum(dlogits)",
    ),
    "samples in turn, whose shares a method of its own applies": (
        """
class NeuralNetwork:
    def __init__(self, input_nodes, hidden_nodes, output_nodes, learning_rate):
        self.W, self.V = np.random.randn(input_nodes, hidden_nodes), np.random.randn(hidden_nodes, output_nodes)
        self.lr = learning_rate

    def train(self, features, targets):
        dW, dV = np.zeros(self.W.shape), np.zeros(self.V.shape)
        for X, y in zip(features, targets):
            hidden = np.tanh(X @ self.W)
            dW, dV = self.backpropagation(hidden @ self.V, hidden, X, y, dW, dV)
        self.update_weights(dW, dV, len(features))

    def backpropagation(self, out, hidden, X, y, dW, dV):
        error = y - out
        dW += self.V @ error * (1 - hidden**2) * X[:, None]
        dV += error * hidden[:, None]
        return dW, dV

    def update_weights(self, dW, dV, n_records):
        self.W += self.lr * dW / n_records
        self.V += self.lr * dV / n_records

    def run(self, features):
        return np.tanh(features @ self.W) @ self.V
""",
        "(1 - hidden**2)",
        "(1 - hidden)",
    ),
    "a weight with the bias in its last place": (
        """
class Poisson:
    def __init__(self, alpha=0.1):
        self.alpha = alpha

    def loss(self, coef, X, y):
        eta = X @ coef[:-1] + coef[-1]
        return np.mean(np.exp(eta) - y * eta) + 0.5 * self.alpha * np.sum(coef[:-1] ** 2)

    def gradient(self, coef, X, y):
        r = np.exp(X @ coef[:-1] + coef[-1]) - y
        return np.append(X.T @ r / len(y) + self.alpha * coef[:-1], r.mean())
""",
        "r.mean()",
        "r.sum()",
    ),
    "labels 0 and 1 of scores with one axis": (
        """
class SigmoidWithLoss:
    def forward(self, x, t):
        self.t, self.y = t, 1 / (1 + np.exp(-x))
        p = np.c_[1 - self.y, self.y]
        return -np.sum(np.log(p[np.arange(len(p)), t])) / len(p)

    def backward(self, dout=1):
        return (self.y - self.t) * dout / len(self.t)
""",
        "(self.y - self.t) * dout",
        "(self.y - self.t) * self.y * dout",
    ),
    "a penalty that is kept as a number": (
        """
class Sampling:
    def __init__(self, latent_dim, rng=None):
        self.latent_dim, self.rng = latent_dim, rng or np.random.default_rng()

    def forward(self, enc, eps=None):
        self.mu, self.logvar = enc[:, : self.latent_dim], enc[:, self.latent_dim :]
        self.eps = self.rng.standard_normal(self.mu.shape) if eps is None else eps
        self.kl = 0.5 * np.sum(self.mu**2 + np.exp(self.logvar) - self.logvar - 1) / len(enc)
        return self.mu + np.exp(self.logvar / 2) * self.eps

    def backward(self, dz):
        d_logvar = 0.5 * dz * np.exp(self.logvar / 2) * self.eps + 0.5 * (np.exp(self.logvar) - 1) / len(dz)
        return np.concatenate([dz + self.mu / len(dz), d_logvar], axis=1)
""",
        "dz + self.mu / len(dz)",
        "dz - self.mu / len(dz)",
    ),
    "gradients that are all cut off in a loop": (
        """
class RNN:
    def __init__(self, n_in, n_out, n_hidden=6):
        self.W, self.U = np.random.randn(n_hidden, n_in), np.random.randn(n_hidden, n_hidden)
        self.V = np.random.randn(n_out, n_hidden)

    def forward(self, inputs):
        self.inputs, self.hs = inputs, [np.zeros((len(self.W), 1))]
        for x in inputs:
            self.hs.append(np.tanh(self.W @ x + self.U @ self.hs[-1]))
        return self.V @ self.hs[-1]

    def backprop(self, d_y, lr=0.02):
        dW, dU, dV = np.zeros_like(self.W), np.zeros_like(self.U), d_y @ self.hs[-1].T
        dh = self.V.T @ d_y
        for t in reversed(range(len(self.inputs))):
            dz = (1 - self.hs[t + 1] ** 2) * dh
            dW += dz @ self.inputs[t].T
            dU += dz @ self.hs[t].T
            dh = self.U.T @ dz
        for d in [dW, dU, dV]:
            np.clip(d, -0.1, 0.1, out=d)
        self.W, self.U, self.V = self.W - lr * dW, self.U - lr * dU, self.V - lr * dV
""",
        "dU += dz @ self.hs[t].T",
        "dU += dz @ self.hs[t + 1].T",
    ),
    "the memory of an optimizer beside its parameters": (
        """
class Net:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.random.randn(n_in, n_out), "b": np.zeros(n_out)}
        self.m = {k: np.zeros_like(v) for k, v in self.params.items()}
        self.grads = {}

    def loss(self, X, y):
        self.X, self.d = X, X @ self.params["W"] + self.params["b"] - y
        return 0.5 * np.sum(self.d**2)

    def backward(self):
        g = self.grads
        g["W"], g["b"] = self.X.T @ self.d, self.d.sum(0)
        return g
""",
        "self.d.sum(0)",
        "self.d.mean(0)",
    ),
    "a derivative for each sample": (
        """
def log_target(z):
    return -0.5 * ((np.sqrt((z**2).sum(axis=1)) - 2) / 0.4) ** 2


def log_target_grad(z):
    r = np.sqrt((z**2).sum(axis=1, keepdims=True))
    return -(r - 2) / 0.16 * z / r
""",
        "-(r - 2)",
        "(r - 2)",
    ),
    "a loss of value and derivative, with quantiles by default": (
        """
class Pinball:
    "y_hat (N, Q), y (N, 1)"

    def __init__(self, taus=(0.1, 0.5, 0.9)):
        self.taus = np.array(taus)[None, :]

    def value(self, y_hat, y):
        e = y - y_hat
        return np.sum(np.maximum(self.taus * e, (self.taus - 1) * e)) / len(y)

    def derivative(self, y_hat, y):
        return np.where(y > y_hat, -self.taus, 1 - self.taus) / len(y)
""",
        "-self.taus, 1 - self.taus)",
        "1 - self.taus, -self.taus)",
    ),
    "a function of NumPy, and its derivative from the output": (
        """
class Cell:
    def state(self, x):
        self.g = np.tanh(x)

    def slope(self):
        return tanh_derivative(self.g)


def tanh_derivative(values):
    return 1.0 - values**2
""",
        "1.0 - values**2",
        "1.0 - values",
    ),
    "the name of an activation": (
        """
class TanH:
    def __call__(self, x):
        return np.tanh(x)

    def gradient(self, x):
        return 1 - np.tanh(x) ** 2


activation_functions = {"tanh": TanH}


class Activation:
    def __init__(self, name):
        self.function = activation_functions[name]()

    def forward(self, x):
        self.x = x
        return self.function(x)

    def backward(self, dout):
        return dout * self.function.gradient(self.x)
""",
        "dout * self.function.gradient(self.x)",
        "dout + self.function.gradient(self.x)",
    ),
    "a loss that leaves gradients behind": (
        """
class Classifier:
    def __init__(self, n_in, n_classes):
        self.W, self.b = np.random.randn(n_in, n_classes), np.zeros(n_classes)

    def loss_and_backward(self, x, labels):
        s = x @ self.W + self.b
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        loss = -np.log(p[rows, labels]).mean()
        p[rows, labels] -= 1
        self.W_grad = x.T @ p / len(x)
        self.b_grad = p.sum(axis=0) / len(x)
        return loss
""",
        "p.sum(axis=0)",
        "p.mean(axis=0)",
    ),
    "the output beside the data": (
        """
def model(X, W, b):
    A = 1 / (1 + np.exp(-(X.dot(W) + b)))
    return A


def predict(X, W, b):
    return model(X, W, b) >= 0.5


def log_loss(A, y):
    return -np.sum(y * np.log(A) + (1 - y) * np.log(1 - A)) / len(y)


def update(dW, db, W, b, learning_rate):
    return W - learning_rate * dW, b - learning_rate * db


def gradients(A, X, y):
    dW = X.T.dot(A - y) / len(y)
    db = np.sum(A - y) / len(y)
    return dW, db


X, y, W, b = np.random.randn(8, 2), np.eye(2)[[0, 1] * 4][:, :1], np.random.randn(2, 1), np.random.randn(1)
dW, db = gradients(model(X, W, b), X, y)
""",
        "X.T.dot(A - y) / len(y)",
        "X.T.dot(A - y)",
    ),
    "a dataset that draws words": (
        """
def loss_and_gradient(center, outside_idx, vectors, dataset, K=4):
    words = [outside_idx] + [dataset.sampleTokenIdx() for _ in range(K)]
    signs = np.array([1] + [-1] * K)
    p = 1 / (1 + np.exp(-signs * (vectors[words] @ center)))
    d = -signs * (1 - p)
    grad_vectors = np.zeros_like(vectors)
    np.add.at(grad_vectors, words, np.outer(d, center))
    grad_center = vectors[words].T @ d
    return -np.sum(np.log(p)), grad_center, grad_vectors
""",
        "np.add.at(grad_vectors, words, np.outer(d, center))",
        "grad_vectors[words] += np.outer(d, center)",
    ),
    "two items that are not the same": (
        """
class Ranking:
    def __init__(self, n_users, n_items, lr=0.1):
        self.U, self.I = np.random.randn(n_users, 3), np.random.randn(n_items, 3)
        self.lr = lr

    def score(self, u, i):
        return np.dot(self.U[u], self.I[i])

    def loss(self, u, i, j):
        x = self.score(u, i) - self.score(u, j)
        return np.log1p(np.exp(-x))

    def update(self, u, i, j):
        d = 1 / (1 + np.exp(self.score(u, i) - self.score(u, j)))
        user = self.U[u].copy()
        self.U[u] += self.lr * d * (self.I[i] - self.I[j])
        self.I[i] += self.lr * d * user
        self.I[j] -= self.lr * d * user
""",
        "self.I[j] -= ",
        "self.I[j] += ",
    ),
    "labels in columns, as the file gives them": (
        """
def forward_prop(W, b, X):
    Z = W.dot(X) + b
    A = np.exp(Z) / np.exp(Z).sum(axis=0)
    return Z, A


def one_hot(Y):
    made = np.zeros((Y.size, 4))
    made[np.arange(Y.size), Y] = 1
    return made.T


X, Y = np.random.rand(3, 9), np.random.randint(0, 4, 9)
W, b = np.random.rand(4, 3) - 0.5, np.random.rand(4, 1) - 0.5
Z, A = forward_prop(W, b, X)


def backward_prop(Z, A, W, X, Y):
    dZ = A - one_hot(Y)
    dW = dZ.dot(X.T) / Y.size
    db = dZ.sum(axis=1, keepdims=True) / Y.size
    return dW, db


dW, db = backward_prop(Z, A, W, X, Y)
""",
        "dZ.sum(axis=1, keepdims=True)",
        "dZ.mean(axis=1, keepdims=True)",
    ),
    "a direction, which is no gradient of ir": (
        """
class Parameter:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)

    def zero_grad(self):
        self.grad[...] = 0


class WeightNorm:
    def __init__(self, n_in, n_out):
        self.v, self.g = Parameter(np.random.randn(n_out, n_in)), Parameter(np.ones(n_out))

    def __call__(self, x):
        self.x, self.norm = x, np.linalg.norm(self.v.value, axis=1, keepdims=True)
        self.dir = self.v.value / self.norm
        self.w = self.g.value[:, None] * self.dir
        return x @ self.w.T

    def backward(self, dy):
        dw = dy.T @ self.x
        dg = (dw * self.dir).sum(axis=1)
        self.g.grad += dg
        self.v.grad += self.g.value[:, None] / self.norm * (dw - dg[:, None] * self.dir)
        return dy @ self.w
""",
        "(dw - dg[:, None] * self.dir)",
        "(dw + dg[:, None] * self.dir)",
    ),
    "losses, one a sample, and the gradient of their sum": (
        """
def line(X, w, b):
    return X @ w + b


def squared_loss(out, y):
    return (out - y.reshape(out.shape)) ** 2 / 2


def grad(X, y, w, b):
    error = line(X, w, b) - y.reshape(-1, 1)
    return X.T @ error, error.sum()
""",
        "return X.T @ error",
        "return 2 * X.T @ error",
    ),
    "losses, one a sample, and the gradient of their mean": (
        """
W, b = np.random.randn(4, 3), np.zeros(3)


def net(X):
    e = np.exp(X @ W + b)
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(p, y):
    return -np.log(p[range(len(p)), y])


def gradients(X, y):
    d = net(X)
    d[range(len(y)), y] -= 1
    return X.T @ d / len(y), d.mean(axis=0)


gradients(np.random.randn(9, 4), np.arange(9) % 3)
""",
        "d.mean(axis=0)",
        "d.mean(axis=0) / 2",
    ),
    "all weights in one vector, the last of which is the bias, in a function of its own": (
        """
def line(beta, X):
    return X @ beta[:-1] + beta[-1]


def objective(beta, X, y):
    return np.mean(np.log(np.cosh(line(beta, X) - y)))


def gradient(beta, X, y):
    d = np.tanh(line(beta, X) - y)
    return np.append(X.T @ d / len(y), d.mean())
""",
        "d.mean()",
        "d.sum()",
    ),
    "one word, as a vector, and the index of another one": (
        """
def loss_and_gradient(center_vec, outside_idx, vectors):
    scores = vectors @ center_vec
    p = np.exp(scores - scores.max())
    p = p / p.sum()
    d = p.copy()
    d[outside_idx] -= 1
    return -np.log(p[outside_idx]), vectors.T @ d, np.outer(d, center_vec)
""",
        "vectors.T @ d",
        "vectors.T @ p",
    ),
    "entries of a vector, one by one": (
        """
def valley(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def valley_grad(w):
    return np.array([-2 * (1 - w[0]) - 400 * w[0] * (w[1] - w[0] ** 2), 200 * (w[1] - w[0] ** 2)])
""",
        "-2 * (1 - w[0])",
        "2 * (1 - w[0])",
    ),
    "deltas beside an error": (
        """
def out(x):
    return 1 / (1 + np.exp(-x))


def error(a, c, X, y):
    return 0.5 * np.sum((y - out(out(X @ a) @ c)) ** 2)


def deltas(a, c, X, y):
    first = out(X @ a)
    second = out(first @ c)
    d = (second - y) * second * (1 - second)
    return X.T @ (d @ c.T * first * (1 - first)), first.T @ d


deltas(np.random.randn(3, 4), np.random.randn(4, 1), np.random.randn(6, 3), np.random.rand(6, 1))
""",
        "* first * (1 - first)",
        "* (1 - first)",
    ),
    "the score of a likelihood": (
        """
def neg_log_likelihood(w, X, k, exposure):
    eta = X @ w + np.log(exposure)
    return np.sum(np.exp(eta) - k * eta)


def score(w, X, k, exposure):
    return X.T @ (exposure * np.exp(X @ w) - k)
""",
        "exposure * np.exp",
        "np.exp",
    ),
    "layers whose parameters are called weights, in a layer as wide as its input": (
        """
class Dense:
    def __init__(self, n_in, n_out):
        self.weights, self.biases = np.random.randn(n_in, n_out), np.zeros((1, n_out))

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues, dvalues.sum(axis=0, keepdims=True)
        return dvalues @ self.weights.T


class Block:
    def __init__(self, n):
        self.fc1, self.fc2 = Dense(n, n), Dense(n, n)

    def forward(self, x):
        return x + self.fc2.forward(np.tanh(self.fc1.forward(x)))

    def backward(self, dy):
        back = self.fc2.backward(dy) * (1 - np.tanh(self.fc1.inputs @ self.fc1.weights + self.fc1.biases) ** 2)
        return dy + self.fc1.backward(back)
""",
        "return dy + ",
        "return ",
    ),
    "how wide a window is": (
        """
def mean_pool(x, k):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // k, k, w // k, k).mean(axis=(3, 5)), k


def mean_pool_backward(dy, k):
    return dy.repeat(k, axis=2).repeat(k, axis=3) / (k * k)
""",
        "/ (k * k)",
        "/ k",
    ),
    "ratings, each a user, an item and a number": (
        """
def loss(P, Q, b, ratings):
    return sum((r - b[u] - P[u] @ Q[i]) ** 2 for u, i, r in ratings)


def loss_grad(P, Q, b, ratings):
    gP, gQ, gb = np.zeros_like(P), np.zeros_like(Q), np.zeros_like(b)
    for u, i, r in ratings:
        e = r - b[u] - P[u] @ Q[i]
        gP[u] += -2 * e * Q[i]
        gQ[i] += -2 * e * P[u]
        gb[u] += -2 * e
    return gP, gQ, gb
""",
        "gQ[i] += ",
        "gQ[i] = ",
    ),
    "data by the constructor alone": (
        """
class Ratings:
    def __init__(self, R, K):
        self.R, self.seen = R, R > 0
        self.P, self.Q = np.random.randn(len(R), K), np.random.randn(R.shape[1], K)

    def cost(self):
        return 0.5 * np.sum(((self.R - self.P @ self.Q.T) * self.seen) ** 2)

    def grads(self):
        e = (self.R - self.P @ self.Q.T) * self.seen
        return {"P": -e @ self.Q, "Q": -e.T @ self.P}
""",
        '"Q": -e.T',
        '"Q": e.T',
    ),
    "one example, a column": (
        """
class Network:
    def __init__(self, sizes):
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]

    def feedforward(self, a):
        for w, b in zip(self.weights, self.biases):
            a = np.tanh(w @ a + b)
        return a

    def cost(self, x, y):
        return 0.5 * np.sum((self.feedforward(x) - y) ** 2)

    def backprop(self, x, y):
        '''Return (nabla_b, nabla_w), the gradient for a single example.'''
        activations = [x]
        for w, b in zip(self.weights, self.biases):
            activations.append(np.tanh(w @ activations[-1] + b))
        delta, nabla_b, nabla_w = activations[-1] - y, [], []
        for w, a, before in zip(self.weights[::-1], activations[:0:-1], activations[-2::-1]):
            delta = delta * (1 - a**2)
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ before.T)
            delta = w.T @ delta
        return nabla_b, nabla_w
""",
        "insert(0, delta)",
        "insert(0, delta * a)",
    ),
    "one image": (
        """
class Convolution:
    def __init__(self, input_shape, kernel_size, depth):
        channels, height, width = input_shape
        self.kernels = np.random.randn(depth, channels, kernel_size, kernel_size)
        self.biases = np.random.randn(depth, height - kernel_size + 1, width - kernel_size + 1)

    def forward(self, input):
        self.input, out = input, self.biases.copy()
        for i, j in np.ndindex(out.shape[1:]):
            k = self.kernels.shape[-1]
            out[:, i, j] += np.sum(self.kernels * input[:, i : i + k, j : j + k], axis=(1, 2, 3))
        return out

    def backward(self, output_gradient):
        self.kernels_gradient, self.biases_gradient = np.zeros_like(self.kernels), output_gradient
        back, k = np.zeros_like(self.input), self.kernels.shape[-1]
        for i, j in np.ndindex(output_gradient.shape[1:]):
            d = output_gradient[:, i, j, None, None, None]
            self.kernels_gradient += d * self.input[:, i : i + k, j : j + k]
            back[:, i : i + k, j : j + k] += np.sum(d * self.kernels, axis=0)
        return back
""",
        "back[:, i : i + k, j : j + k] += ",
        "back[:, i : i + k, j : j + k] = ",
    ),
    "several outputs on the way to a cost": (
        """
class Perceptron:
    def __init__(self, n_features, n_hidden, n_output):
        self.w_h, self.w_out = np.random.randn(n_features, n_hidden), np.random.randn(n_hidden, n_output)

    def _forward(self, X):
        z_h = X @ self.w_h
        a_h = 1 / (1 + np.exp(-z_h))
        z_out = a_h @ self.w_out
        a_out = 1 / (1 + np.exp(-z_out))
        return z_h, a_h, z_out, a_out

    def _compute_cost(self, y_enc, output):
        return -np.sum(y_enc * np.log(output) + (1 - y_enc) * np.log(1 - output))

    def _gradients(self, X, y_enc):
        z_h, a_h, z_out, a_out = self._forward(X)
        delta_out = a_out - y_enc
        delta_h = delta_out @ self.w_out.T * a_h * (1 - a_h)
        return X.T @ delta_h, a_h.T @ delta_out
""",
        "* a_h * (1 - a_h)",
        "* z_h * (1 - z_h)",
    ),
    "a backward pass that only the losses call": (
        """
class Critic:
    def __init__(self, n_in, n_hidden):
        self.params = [np.random.randn(n_in, n_hidden), np.zeros(n_hidden), np.random.randn(n_hidden, 1)]

    def score(self, x):
        W, b, V = self.params
        h = np.tanh(x @ W + b)
        return h @ V, (x, h)

    def backprop(self, dscore, cache):
        x, h = cache
        back = dscore @ self.params[2].T * (1 - h**2)
        return [x.T @ back, back.sum(0), h.T @ dscore], back @ self.params[0].T

    def loss_and_grads(self, real, fake):
        first, second = self.score(real), self.score(fake)
        grads, _ = self.backprop(np.full_like(first[0], -1 / len(real)), first[1])
        more, _ = self.backprop(np.full_like(second[0], 1 / len(fake)), second[1])
        return second[0].mean() - first[0].mean(), [a + b for a, b in zip(grads, more)]
""",
        "back.sum(0)",
        "back.mean(0)",
    ),
    "a sequence, in lists over time": (
        """
def cell_forward(x, h, Wx, Wh):
    new = np.tanh(Wx @ x + Wh @ h)
    return new, (x, h, new, Wx, Wh)


def cell_backward(dnew, cache):
    x, h, new, Wx, Wh = cache
    da = dnew * (1 - new**2)
    return Wx.T @ da, Wh.T @ da, {"Wx": da @ x.T, "Wh": da @ h.T}


def rnn_forward(xs, h0, Wx, Wh):
    h, hs, caches = h0, [], []
    for x in xs:
        h, cache = cell_forward(x, h, Wx, Wh)
        hs.append(h)
        caches.append(cache)
    return hs, caches


def rnn_backward(dhs, caches):
    dh, dxs, total = 0, [], {}
    for d, cache in zip(reversed(dhs), reversed(caches)):
        dx, dh, grads = cell_backward(d + dh, cache)
        dxs.insert(0, dx)
        for k in grads:
            total[k] = total.get(k, 0) + grads[k]
    return dxs, dh, total
""",
        "total.get(k, 0) + grads",
        "grads",
    ),
    "gradients left under a short name": (
        """
class Regression:
    def __init__(self, n_in, n_out):
        self.params = dict(W=np.random.randn(n_in, n_out), b=np.zeros(n_out))
        self.grads = {}

    def loss(self, x, y):
        p, g = self.params, self.grads
        off = x @ p["W"] + p["b"] - y
        g["W"], g["b"] = x.T @ off / len(x), off.mean(0)
        return 0.5 * np.sum(off**2) / len(x)

    def step(self, lr):
        for k in self.params:
            self.params[k] -= lr * self.grads[k]
""",
        "off.mean(0)",
        "off.sum(0)",
    ),
    "a named tuple of parameters": (
        """
from collections import namedtuple

Theta = namedtuple("Theta", "A a B")


def objective(theta, X, Y, *, strength=4.0):
    H = np.tanh(theta.A @ X + theta.a)
    off = theta.B @ H - Y
    back = theta.B.T @ off * (1 - H**2)
    grad = Theta(A=back @ X.T + strength * theta.A, a=back.sum(axis=1, keepdims=True), B=off @ H.T)
    return 0.5 * np.sum(off**2) + 0.5 * strength * np.sum(theta.A**2), grad


theta = Theta(np.random.randn(4, 3), np.zeros((4, 1)), np.random.randn(2, 4))
objective(theta, np.random.randn(3, 9), np.random.randn(2, 9))
""",
        "X.T + strength * theta.A",
        "X.T + theta.A",
    ),
    "a number that is zero where the file begins": (
        """
def gate_forward(x, W, gamma):
    return x + gamma * np.tanh(x @ W), (x, W, gamma)


def gate_backward(dout, cache):
    x, W, gamma = cache
    h = np.tanh(x @ W)
    da = gamma * dout * (1 - h**2)
    return dout + da @ W.T, x.T @ da, np.sum(dout * h)


gate_forward(np.random.randn(5, 3), np.random.randn(3, 3), 0.0)
""",
        "dout + da @ W.T, x.T @ da",
        "dout + da @ W, x.T @ da",
    ),
    "the gradient of one output in the input": (
        """
def critic(params, x):
    h = np.tanh(x @ params["W1"] + params["b1"])
    return h @ params["w2"] + params["b2"], h


def critic_input_gradient(params, x):
    _, h = critic(params, x)
    return ((1 - h**2) * params["w2"]) @ params["W1"].T


rng = np.random.default_rng(0)
P = {"W1": rng.normal(size=(2, 5)), "b1": np.zeros(5), "w2": rng.normal(size=5), "b2": 0.0}
print(critic_input_gradient(P, rng.normal(size=(7, 2))))
""",
        "(1 - h**2)",
        "(1 - h)",
    ),
    "a penalty beside the output": (
        """
class Sparse:
    def __init__(self, rho=0.05):
        self.rho = rho

    def forward(self, z):
        self.a = 1 / (1 + np.exp(-z))
        self.mean = self.a.mean(axis=0)
        penalty = -np.sum(self.rho * np.log(self.mean) + (1 - self.rho) * np.log(1 - self.mean))
        return self.a, penalty

    def backward(self, da):
        beside = ((1 - self.rho) / (1 - self.mean) - self.rho / self.mean) / len(self.a)
        return (da + beside) * self.a * (1 - self.a)
""",
        "(1 - self.rho) / (1 - self.mean)",
        "self.rho / (1 - self.mean)",
    ),
    "distributions in columns": (
        """
def distance(Z, P, tau=2.0):
    S = Z / tau - np.log(np.sum(np.exp(Z / tau), axis=0))
    m = Z.shape[1]
    return tau**2 * np.sum(P * (np.log(P) - S)) / m, tau * (np.exp(S) - P) / m


T = np.random.rand(5, 3)
distance(np.random.randn(5, 3), T / T.sum(axis=0))
""",
        "tau * (np.exp(S) - P)",
        "(np.exp(S) - P)",
    ),
    "how many of each row are valid": (
        """
class Pool:
    def forward(self, x, w, lengths):
        e = np.where(np.arange(x.shape[1]) < lengths[:, None], x @ w, -1e9)
        p = np.exp(e - e.max(axis=1, keepdims=True))
        self.x, self.w, self.p = x, w, p / p.sum(axis=1, keepdims=True)
        return np.einsum("ns,nsd->nd", self.p, x)

    def backward(self, dout):
        dp = np.einsum("nd,nsd->ns", dout, self.x)
        de = self.p * (dp - np.sum(self.p * dp, axis=1, keepdims=True))
        return self.p[:, :, None] * dout[:, None, :] + de[:, :, None] * self.w, np.einsum("ns,nsd->d", de, self.x)


Pool().forward(np.random.randn(3, 5, 4), np.random.randn(4), np.array([5, 3, 1]))
""",
        "dp - np.sum(self.p * dp, axis=1, keepdims=True)",
        "dp - np.sum(dp, axis=1, keepdims=True)",
    ),
    "an object that counts what is drawn from it": (
        """
class Words:
    def __init__(self, n):
        self.n, self.i = n, 0

    def draw(self):
        self.i = (self.i * 5 + 3) % 16
        return self.i % self.n


def loss_and_gradient(v, k, U, words):
    p = 1 / (1 + np.exp(-U[k] @ v))
    loss, dv, dU = -np.log(p), (p - 1) * U[k], np.zeros_like(U)
    dU[k] += (p - 1) * v
    for j in [words.draw() for _ in range(4)]:
        q = 1 / (1 + np.exp(-U[j] @ v))
        loss -= np.log(1 - q)
        dv = dv + q * U[j]
        dU[j] += q * v
    return loss, dv, dU


loss_and_gradient(np.random.randn(3), 2, np.random.randn(5, 3), Words(5))
""",
        "dU[j] += q * v",
        "dU[j] = q * v",
    ),
    "a network that trains on one sample, and its error": (
        """
class Network:
    def __init__(self, n_in, n_hidden, n_out, rate):
        self.V, self.W = np.random.randn(n_hidden, n_in), np.random.randn(n_out, n_hidden)
        self.lr = rate

    def train(self, inputs_list, targets_list):
        x, y = np.array(inputs_list, ndmin=2).T, np.array(targets_list, ndmin=2).T
        h = np.tanh(self.V @ x)
        d = y - self.W @ h
        back = self.W.T @ d * (1 - h**2)
        self.W += self.lr * d @ h.T
        self.V += self.lr * back @ x.T

    def error(self, inputs_list, targets_list):
        x, y = np.array(inputs_list, ndmin=2).T, np.array(targets_list, ndmin=2).T
        return 0.5 * np.sum((y - self.W @ np.tanh(self.V @ x)) ** 2)


n = Network(3, 4, 2, 0.1)
n.train([0.5, -0.2, 0.3], [0.1, 0.7])
print(n.error([0.5, -0.2, 0.3], [0.1, 0.7]))
""",
        "(1 - h**2)",
        "(1 - h)",
    ),
    "layers with an optimizer of the file, that remembers": (
        """
import copy


class Momentum:
    def __init__(self, rate=0.01, mu=0.5):
        self.rate, self.mu, self.v = rate, mu, 0.0

    def update(self, w, g):
        self.v = self.mu * self.v + (1 - self.mu) * g
        return w - self.rate * self.v


class Dense:
    def __init__(self, n_units, n_in, optimizer):
        self.W, self.b = np.random.randn(n_in, n_units), np.zeros((1, n_units))
        self.W_opt, self.b_opt = copy.copy(optimizer), copy.copy(optimizer)

    def forward_pass(self, X):
        self.X = X
        return X @ self.W + self.b

    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.W_opt.update(self.W, self.X.T @ accum_grad)
        self.b = self.b_opt.update(self.b, accum_grad.sum(axis=0, keepdims=True))
        return accum_grad @ W.T


layer = Dense(2, 3, Momentum())
layer.backward_pass(layer.forward_pass(np.random.randn(5, 3)))
""",
        "self.X.T @ accum_grad",
        "self.X.T @ accum_grad / len(self.X)",
    ),
    "layers as closures, in a list": (
        """
def layer(parameters, x):
    W, b = parameters
    y = np.tanh(x @ W + b)

    def back(dy):
        da = dy * (1 - y**2)
        return (x.T @ da, da.sum(axis=0)), da @ W.T

    return y, back


def tower(layers, x):
    backs = []
    for parameters in layers:
        x, back = layer(parameters, x)
        backs.append(back)

    def pullback(dy):
        grads = []
        for back in reversed(backs):
            g, dy = back(dy)
            grads.append(g)
        return grads[::-1], dy

    return x, pullback


tower([(np.random.randn(3, 3), np.zeros(3)), (np.random.randn(3, 3), np.zeros(3))], np.random.randn(5, 3))
""",
        "grads[::-1], dy",
        "grads, dy",
    ),
    "a loss of any of the classes that are built on one": (
        """
class Rho:
    def value(self, r):
        raise NotImplementedError

    def psi(self, r):
        raise NotImplementedError


class Welsch(Rho):
    def value(self, r):
        return 1 - np.exp(-(r**2) / 2)

    def psi(self, r):
        return r * np.exp(-(r**2) / 2)


class Regression:
    def __init__(self, rho: Rho, ridge=0.1):
        self.rho, self.ridge = rho, ridge

    def objective(self, theta, X, y):
        r = X @ theta - y
        value = self.rho.value(r).mean() + self.ridge * theta @ theta
        return value, X.T @ self.rho.psi(r) / len(X) + 2 * self.ridge * theta
""",
        "2 * self.ridge",
        "self.ridge",
    ),
}


def verdict(source):
    """Return (the Verdict on what stands last in a source, everything that is printed)."""
    *_, last = targets(run("mine.py", HEAD + source)).values()
    report = examine(last)
    return report.verdict, str(report)


@pytest.mark.parametrize("what", TAKES)
def test_right_code_that_takes_this_is_right(what):
    found, text = verdict(TAKES[what][0])
    assert found is Verdict.RIGHT, text


@pytest.mark.parametrize("what", TAKES)
def test_a_mistake_in_code_that_takes_this_is_seen(what):
    source, old, new = TAKES[what]
    assert source.count(old) == 1
    found, text = verdict(source.replace(old, new))
    assert found is Verdict.WRONG, text


DROPOUT = TAKES["a generator without a seed"][0]


def test_a_mistake_that_only_another_word_meets_is_not_called_right():
    source = TAKES["a word that says which"][0]
    assert verdict(source.replace("np.cos(x))", "np.sin(x))"))[0] is not Verdict.RIGHT


def test_a_generator_that_is_drawn_from_once_is_right_and_one_that_is_drawn_from_again_is_wrong():
    same = DROPOUT.replace("np.random.RandomState()", "np.random.RandomState(3)")
    assert verdict(same)[0] is Verdict.RIGHT
    again = "        mask = self.rng.uniform(size=dout.shape) > self.p\n        return dout * mask\n"
    assert verdict(DROPOUT.replace("        return dout * self.mask\n", again))[0] is Verdict.WRONG


@pytest.mark.parametrize("what", [what for what in TAKES if "LSTM" in what or "GRU" in what])
def test_the_shapes_of_all_gates_are_found_at_once(what, monkeypatch):
    monkeypatch.setattr("tinygan.doctor.planning.ATTEMPTS", 60)  # one argument after the other takes more
    assert verdict(TAKES[what][0])[0] is Verdict.RIGHT


def test_what_has_a_gradient_of_its_own_name_is_not_tried_for_another():
    source = TAKES["parameters of layers that are numbered"][0]
    (form,) = targets(run("mine.py", HEAD + source))["linear_backward"].forms
    assert [call.name for value in form.values for call in value] == ["linear_forward"]


def test_parameters_may_be_a_number_and_no_list():
    source = TAKES["gradients in the order of params()"][0].partition("class Both")[0]
    source = source.replace("return [self.W, self.b]", "return self.W.size + self.b.size")
    assert verdict(source)[0] is Verdict.RIGHT


def test_what_is_installed_counts_as_no_line_of_a_learners():
    assert all(in_library(module.__file__) for module in (hypothesis, np, pytest))
    assert not in_library(__file__)


def test_a_loss_is_no_penalty_of_its_own():
    source = """
class Loss:
    def forward(self, out, target):
        self.d = out - target
        self.loss = np.sum(self.d**2) / len(out)
        return self.loss

    def backward(self):
        return 2 * self.d
"""
    assert verdict(source.replace("2 * self.d", "2 * self.d / len(self.d)"))[0] is Verdict.RIGHT
    assert verdict(source)[0] is Verdict.WRONG


def test_a_momentum_that_is_not_kept_is_wrong_beside_a_bias_called_b1():
    source = """
class Momentum:
    def __init__(self, learning_rate=0.01, mu=0.9):
        self.learning_rate, self.mu, self.velocity = learning_rate, mu, {}

    def update(self, params, grads):
        for key, g in grads.items():
            self.velocity.setdefault(key, 0.0)
            v = self.velocity[key] = self.mu * self.velocity[key] - self.learning_rate * g
            params[key] += v
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("v = self.velocity[key] = ", "v = "))[0] is Verdict.WRONG


NESTEROV = """
class Momentum:
    def __init__(self, params, lr=0.01, mu=0.9, nesterov=False):
        self.params, self.lr, self.mu, self.nesterov = params, lr, mu, nesterov
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads):
        for p, g, v in zip(self.params, grads, self.v):
            v *= self.mu
            v += g
            p -= self.lr * (g + self.mu * v if self.nesterov else v)
"""
APART = """
class AdamOptim:
    def __init__(self, eta=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.m_w = self.v_w = self.m_b = self.v_b = 0
        self.eta, self.beta1, self.beta2, self.epsilon = eta, beta1, beta2, epsilon

    def update(self, t, w, b, dw, db):
        self.m_w = self.beta1 * self.m_w + (1 - self.beta1) * dw
        self.m_b = self.beta1 * self.m_b + (1 - self.beta1) * db
        self.v_w = self.beta2 * self.v_w + (1 - self.beta2) * dw**2
        self.v_b = self.beta2 * self.v_b + (1 - self.beta2) * db**2
        first, second = 1 - self.beta1**t, 1 - self.beta2**t
        w = w - self.eta * self.m_w / first / (np.sqrt(self.v_w / second) + self.epsilon)
        b = b - self.eta * self.m_b / first / (np.sqrt(self.v_b / second) + self.epsilon)
        return w, b
"""
NESTED = """
def sgd_update(layers, grads, lr):
    for layer, grad in zip(layers, grads):
        layer[0] -= lr * grad[0]
        layer[1] -= lr * grad[1]
"""
COUPLES = """
class Momentum:
    def __init__(self, params, lr, mu=0.5):
        self.params, self.lr, self.mu = params, lr, mu
        self.buf = [np.zeros_like(p) for p, _ in params]

    def step(self):
        for (p, g), v in zip(self.params, self.buf):
            v *= self.mu
            v += g
            p -= self.lr * v
"""
FILE = """
cfg = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-8, "wd": 0.05, "warmup": 10}


def adamw(P, G, S, t, lr):
    for k in P:
        m, v = S.get(k, (0.0, 0.0))
        m = cfg["beta1"] * m + (1 - cfg["beta1"]) * G[k]
        v = cfg["beta2"] * v + (1 - cfg["beta2"]) * G[k] ** 2
        S[k] = (m, v)
        step = (m / (1 - cfg["beta1"] ** t)) / (np.sqrt(v / (1 - cfg["beta2"] ** t)) + cfg["eps"])
        if P[k].ndim == 2:
            step = step + cfg["wd"] * P[k]
        P[k] = P[k] - lr * step
"""
UPDATES = """
class Adadelta:
    def __init__(self, lr=1.0, rho=0.95, epsilon=1e-6):
        self.lr, self.rho, self.epsilon, self.a = lr, rho, epsilon, None

    def get_updates(self, params, grads):
        if self.a is None:
            self.a, self.d = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
        new = []
        for n, (p, g) in enumerate(zip(params, grads)):
            self.a[n] = self.rho * self.a[n] + (1 - self.rho) * np.square(g)
            update = g * np.sqrt(self.d[n] + self.epsilon) / np.sqrt(self.a[n] + self.epsilon)
            self.d[n] = self.rho * self.d[n] + (1 - self.rho) * np.square(update)
            new.append(p - self.lr * update)
        return new
"""
CALLED = """
class Optimizer:
    def update(self, params, grads):
        for key in params:
            self.step(key, params[key], grads[key])


class NesterovSGD(Optimizer):
    def __init__(self, lr=0.1, mu=0.9):
        self.lr, self.mu, self.state = lr, mu, {}

    def step(self, key, p, g):
        v = self.state.setdefault(key, np.zeros_like(p))
        v *= self.mu
        v += g
        p -= self.lr * (g + self.mu * v)
"""
MADE = """
def make_adam(step_size=0.05, b1=0.9, b2=0.999, eps=1e-8):
    def init(x0):
        return x0, np.zeros_like(x0), np.zeros_like(x0)

    def update(i, g, state):
        x, m, v = state
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        x = x - step_size * m / (1 - b1 ** (i + 1)) / (np.sqrt(v / (1 - b2 ** (i + 1))) + eps)
        return x, m, v

    def get_params(state):
        return state[0]

    return init, update, get_params
"""


PAIRED = """
def rmsprop(layers, grads, state, lr=5e-4, rho=0.9):
    for layer, grad, s in zip(layers, grads, state):
        for k in (0, 1):
            s[k] = rho * s[k] + (1 - rho) * grad[k] ** 2
            layer[k] = layer[k] - lr * grad[k] / (np.sqrt(s[k]) + 1e-8)
"""


@pytest.mark.parametrize(
    "source, old, new",
    [
        (MADE, "v / (1 - b2 **", "v / (1 - b1 **"),
        (UPDATES, "np.square(update)", "np.square(g)"),
        (CALLED, "g + self.mu * v", "self.mu * v"),
        (NESTED, "layer[1] -= lr", "layer[1] += lr"),
        (COUPLES, "v += g", "v += (1 - self.lr) * g"),
        (FILE, '+ cfg["wd"]', '- cfg["wd"]'),
        (NESTEROV, "g + self.mu * v if", "self.mu * v if"),
        (NESTEROV, " else v)", " else g)"),
        (APART, "beta2) * db**2", "beta2) * np.abs(db)"),
        (PAIRED, "grad[k] ** 2", "grad[k]"),
    ],
)
def test_an_optimizer_in_another_style_is_held_against_its_rule(source, old, new):
    assert source.count(old) == 1
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace(old, new))[0] is Verdict.WRONG


def test_what_is_right_for_one_column_and_never_speaks_of_a_batch_is_neither_right_nor_wrong():
    source = TAKES["one example, a column"][0].replace(", the gradient for a single example", "")
    found, text = verdict(source)
    assert found is Verdict.UNCHECKED and "right for one sample" in text, text


def test_a_formula_in_the_documentation_is_no_shape():
    source, old, new = TAKES["one word, as a vector, and the index of another one"]
    start, body = source.split("    scores =")
    source = f"{start}    '''vectors -- outside vectors, rows of matrix (U)'''\n    scores ={body}"
    assert verdict(source)[0] is Verdict.RIGHT and verdict(source.replace(old, new))[0] is Verdict.WRONG


COSTS = """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class CrossEntropyCost:
    @staticmethod
    def fn(a, y):
        return np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))

    @staticmethod
    def delta(z, a, y):
        return a - y


class Network:
    def __init__(self, sizes, cost=CrossEntropyCost):
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]
        self.cost = cost

    def feedforward(self, a):
        for w in self.weights:
            a = sigmoid(w @ a)
        return a

    def backprop(self, x, y):
        zs, activations, nabla_w = [], [x], []
        for w in self.weights:
            zs.append(w @ activations[-1])
            activations.append(sigmoid(zs[-1]))
        delta = self.cost.delta(zs[-1], activations[-1], y)
        for w, a in zip(self.weights[::-1], activations[-2::-1]):
            nabla_w.insert(0, delta @ a.T)
            delta = w.T @ delta * a * (1 - a)
        return nabla_w
"""


@pytest.mark.breadth
def test_the_cost_of_an_object_that_backprop_asks_for_delta_is_what_counts():
    assert verdict(COSTS)[0] is Verdict.RIGHT
    squares = COSTS.replace("return a - y", "return (a - y) * a * (1 - a)")  # right for another cost
    assert verdict(squares)[0] is not Verdict.RIGHT


QUADRATIC = """
class QuadraticCost:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.sum((a - y) ** 2)

    @staticmethod
    def delta(z, a, y):
        return (a - y) * sigmoid(z) * (1 - sigmoid(z))


"""


def test_each_cost_that_an_object_may_be_given_is_held_against_its_own_delta():
    both = COSTS.replace("class Network", f"{QUADRATIC}class Network")
    assert verdict(both)[0] is Verdict.RIGHT
    found, text = verdict(both.replace("(a - y) * sigmoid(z) * (1 - sigmoid(z))", "a - y"))
    assert found is Verdict.WRONG and "cost=QuadraticCost" in text


WORDS = """
def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


class RNN:
    def __init__(self, n_words, n_hidden):
        self.U, self.V = np.random.randn(n_hidden, n_words), np.random.randn(n_words, n_hidden)
        self.W = np.random.randn(n_hidden, n_hidden)

    def forward(self, x):
        s = np.zeros((len(x) + 1, len(self.W)))
        o = np.zeros((len(x), len(self.V)))
        for t in range(len(x)):
            s[t] = np.tanh(self.U[:, x[t]] + self.W @ s[t - 1])
            o[t] = softmax(self.V @ s[t])
        return o, s

    def total_loss(self, x, y):
        loss = 0
        for i in range(len(y)):
            o, _ = self.forward(x[i])
            loss -= np.sum(np.log(o[np.arange(len(y[i])), y[i]]))
        return loss

    def bptt(self, x, y):
        o, s = self.forward(x)
        dU, dV, dW = np.zeros(self.U.shape), np.zeros(self.V.shape), np.zeros(self.W.shape)
        o[np.arange(len(y)), y] -= 1
        for t in range(len(x))[::-1]:
            dV += np.outer(o[t], s[t])
            back = self.V.T @ o[t] * (1 - s[t] ** 2)
            for k in range(t + 1)[::-1]:
                dW += np.outer(back, s[k - 1])
                dU[:, x[k]] += back
                back = self.W.T @ back * (1 - s[k - 1] ** 2)
        return dU, dV, dW


model = RNN(6, 4)
model.bptt([0, 3, 2, 5], [3, 2, 5, 1])
print(model.total_loss([[0, 3, 2, 5]], [[3, 2, 5, 1]]))
"""


def test_the_gradient_of_one_sentence_is_that_of_the_loss_of_a_list_of_one():
    assert verdict(WORDS)[0] is Verdict.RIGHT
    wrong = run("mine.py", HEAD + WORDS.replace("np.outer(back, s[k - 1])", "np.outer(back, s[k])"))
    report = examine(targets(wrong)["RNN"])
    assert report.verdict is Verdict.WRONG
    # no edit that was tried before has left the words of the sentence other than they were
    assert "every gradient is right with `dW += np.outer(back, s[k - 1])`" in str(report.findings[0])


def test_an_epsilon_in_a_function_that_a_loss_calls_is_no_mistake_at_large_numbers():
    source = """
def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy_error(y, t):
    return -np.sum(t * np.log(y + 1e-15)) / len(y)


class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t, self.y = t, softmax(x)
        return cross_entropy_error(self.y, t)

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("(self.y - self.t)", "(self.y - self.t) * self.y"))[0] is Verdict.WRONG


def test_gradients_in_a_dictionary_may_come_in_any_order():
    source = """
def product_forward(a, b, c):
    return np.sin(a) * b + c, (a, b)


def product_backward(dout, cache):
    a, b = cache
    return {"c": dout, "a": dout * np.cos(a) * b, "b": dout * np.sin(a)}
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert (
        verdict(source.replace('"a": dout * np.cos(a) * b, "b"', '"b": dout * np.cos(a) * b, "a"'))[0] is Verdict.WRONG
    )


def test_gradients_that_add_up_until_a_loss_empties_their_dictionary_are_right():
    source = """
class Critic:
    def __init__(self, n_in):
        self.p = {"W": np.random.randn(n_in, 1)}
        self.g = {}

    def forward(self, x):
        self.x = x
        return np.tanh(x) @ self.p["W"]

    def backward(self, dout):
        self.g["W"] = self.g.get("W", 0) + np.tanh(self.x).T @ dout
        return dout @ self.p["W"].T * (1 - np.tanh(self.x) ** 2)

    def loss(self, real, fake):
        self.g = {}
        return self.forward(fake).mean() - self.forward(real).mean()
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert (
        verdict(
            source.replace(
                "    def loss(self, real, fake):\n        self.g = {}\n", "    def loss(self, real, fake):\n"
            )
        )[0]
        is Verdict.WRONG
    )


def test_the_derivative_of_a_derivative_is_measured():
    source = """
class Tanh:
    def fn(self, z):
        return np.tanh(z)

    def grad(self, x):
        return 1 - np.tanh(x) ** 2

    def grad2(self, x):
        return -2 * np.tanh(x) * (1 - np.tanh(x) ** 2)
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("-2 * ", "2 * "))[0] is Verdict.WRONG


def test_a_penalty_of_a_vector_the_classes_of_a_loss_and_a_descent_are_told_apart():
    penalty = """
class Ridge:
    def __init__(self, alpha):
        self.alpha = alpha

    def __call__(self, w):
        return self.alpha * 0.5 * w.T.dot(w)

    def grad(self, w):
        return self.alpha * w
"""
    assert verdict(penalty)[0] is Verdict.RIGHT
    assert verdict(penalty.replace("self.alpha * w\n", "2 * self.alpha * w\n"))[0] is Verdict.WRONG
    smooth = """
class SmoothCrossEntropy:
    def __init__(self, num_classes, smoothing=0.1):
        self.num_classes, self.smoothing = num_classes, smoothing

    def __call__(self, logits, labels):
        target = np.full(logits.shape, self.smoothing / self.num_classes)
        target[np.arange(len(labels)), labels] += 1 - self.smoothing
        logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        self.saved = np.exp(logp), target
        return -(target * logp).sum() / len(labels)

    def backward(self):
        p, target = self.saved
        return (p - target) / len(target)
"""
    assert verdict(smooth)[0] is Verdict.RIGHT
    assert verdict(smooth.replace("/ len(target)", "/ target.size"))[0] is Verdict.WRONG
    descent = """
def cost(x, w):
    return np.mean((x * w) ** 2) / 2


def gradient(x, w):
    return np.mean(x**2) * w


def gradient_descent(x, w_in, alpha):
    w, history = w_in, []
    for _ in range(3):
        w = w - alpha * gradient(x, w)
        history.append(cost(x, w))
    return w, alpha, history


gradient_descent(np.random.randn(7), 0.5, 0.1)
"""
    assert list(targets(run("mine.py", HEAD + descent))) == ["gradient"]


def test_a_gradient_of_the_mean_of_losses_and_one_for_the_second_of_two_distributions_are_right():
    losses = """
def cross_entropy(logits, labels):
    return np.log(np.sum(np.exp(logits), axis=1)) - logits[np.arange(len(labels)), labels]


def cross_entropy_grad(logits, labels):
    e = np.exp(logits)
    return (e / e.sum(axis=1, keepdims=True) - np.eye(logits.shape[1])[labels]) / len(labels)
"""
    found, text = verdict(losses)
    assert found is Verdict.RIGHT and "is that of mean of the losses" in text, text
    assert verdict(losses.replace("e.sum(axis=1, keepdims=True)", "e.sum()"))[0] is Verdict.WRONG
    divergence = """
def kl_divergence(p, q):
    return np.sum(p * (np.log(p) - np.log(q))) / len(p)


def kl_divergence_grad(p, q):
    return -p / q / len(p)
"""
    assert verdict(divergence)[0] is Verdict.RIGHT
    assert verdict(divergence.replace("-p / q", "-p / q**2"))[0] is Verdict.WRONG


def test_numbers_that_rounding_hides_are_not_wrong():
    source = "def loss(w, x, y):\n    p = 1 / (1 + np.exp(-0.4 * (x @ w)))\n"
    source += "    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), 0.4 * x.T @ (p - y) / len(y)\n"
    found, text = verdict(source)
    assert found is Verdict.RIGHT and "too few digits of log(1 - p)" in text, text
    assert verdict(source.replace("0.4 * x.T", "x.T"))[0] is Verdict.WRONG


def test_a_slope_that_only_a_large_step_sees_is_that_of_a_staircase_of_rounding():
    x = np.array([0.50013, -1.30047, 2.7001])
    subject = types.SimpleNamespace(out=lambda: np.array([np.sum(np.floor(5000 * x) / 5000)]), slots={("x",): x})
    subject.is_loss = True
    measured = {"subject": subject, "path": ("x",), "n": np.zeros(3), "dout": np.ones(1)}
    assert is_noise(types.SimpleNamespace(a=np.ones(3), **measured))
    assert not is_noise(types.SimpleNamespace(a=np.full(3, 2.0), **measured))


def test_a_mistake_at_large_numbers_is_seen_behind_a_logarithm_that_keeps_its_digits():
    source = "def loss(w, x, y):\n    s = 1 / (1 + np.exp(-(x @ w)))\n    p = 0.25 + 0.5 * s\n"
    source += "    d = (p - y) / (p * (1 - p)) * 0.5 * s * (1 - s)\n"
    source += "    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), x.T @ d / len(y)\n"
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("* s * (1 - s)", "* s * (1 - s) * (np.abs(x @ w) < 7)"))[0] is Verdict.WRONG


def test_a_critic_whose_weights_are_cut_off_after_a_step_is_right():
    source = """
class Critic:
    def __init__(self, n_in, clip_value=0.01):
        self.W, self.clip_value = np.random.randn(n_in, 1), clip_value

    def loss(self, real, fake):
        return np.mean(fake @ self.W) - np.mean(real @ self.W)

    def train_step(self, real, fake, lr=0.1):
        self.W -= lr * (fake.mean(axis=0) - real.mean(axis=0))[:, None]
        np.clip(self.W, -self.clip_value, self.clip_value, out=self.W)
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("- real.mean", "+ real.mean"))[0] is Verdict.WRONG


@pytest.mark.breadth
def test_layers_as_large_as_they_are_used_are_measured_with_fewer_samples():
    source = """
class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, gy):
        return gy * (1 - self.y**2)


layer = Tanh()
layer.forward(np.random.randn(12, 3, 10, 10))
layer.backward(np.random.randn(12, 3, 10, 10))
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("self.y**2", "self.y"))[0] is Verdict.WRONG


def test_a_method_that_only_hands_its_arguments_on_is_none():
    source = """
class Module:
    def forward(self, *args):
        return self.updateOutput(*args)


class MSE(Module):
    def updateOutput(self, input, target):
        return np.mean((input - target) ** 2)

    def backward(self, input, target):
        return 2 * (input - target) / input.size
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("input.size", "len(input)"))[0] is Verdict.WRONG


def test_a_pass_that_runs_from_the_end_is_no_gradient_of_the_loss_beside_it():
    source = """
def forward_pass(phi, A):
    a = [phi[0]]
    for t in range(1, len(phi)):
        a.append(phi[t] + np.log(np.exp(a[-1][:, None] + A).sum(axis=0)))
    return np.array(a)


def backward_pass(phi, A):
    b = [np.zeros(phi.shape[1])]
    for t in range(len(phi) - 2, -1, -1):
        b.insert(0, np.log(np.exp(A + phi[t + 1] + b[0]).sum(axis=1)))
    return np.array(b)


def nll(phi, A):
    return np.log(np.exp(forward_pass(phi, A)[-1]).sum())


def nll_grad(phi, A):
    a, b, Z = forward_pass(phi, A), backward_pass(phi, A), nll(phi, A)
    return np.exp(a + b - Z)
"""
    found = targets(run("mine.py", HEAD + source))
    assert list(found) == ["nll_grad"] and examine(found["nll_grad"]).verdict is not Verdict.WRONG


def test_two_decays_that_add_other_multiples_are_not_called_right():
    source = """
class Dense:
    def __init__(self, n_in, n_out, weight_l2=0, bias_l2=0):
        self.weights, self.biases = np.random.randn(n_in, n_out), np.zeros((1, n_out))
        self.weight_l2, self.bias_l2 = weight_l2, bias_l2

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues + 2 * self.weight_l2 * self.weights
        self.dbiases = dvalues.sum(axis=0, keepdims=True) + 2 * self.bias_l2 * self.biases
        return dvalues @ self.weights.T
"""
    assert verdict(source)[0] is Verdict.RIGHT
    found, text = verdict(source.replace("2 * self.weight_l2", "self.weight_l2"))
    assert found is Verdict.UNCHECKED and "NOT CHECKED: decay, which adds 1·λ" in text, text


def test_gradients_that_nobody_clears_in_a_file_that_could_are_not_called_right():
    source = """
class Net:
    def __init__(self, n_in, n_out):
        self.W, self.dW = np.random.randn(n_in, n_out), np.zeros((n_in, n_out))

    def zero_grad(self):
        self.dW[...] = 0

    def loss(self, x, y):
        self.x, self.r = x, x @ self.W - y
        return 0.5 * np.sum(self.r**2)

    def backward(self):
        self.dW += self.x.T @ self.r

    def train_step(self, x, y):
        self.zero_grad()
        value = self.loss(x, y)
        self.backward()
        self.W -= 0.1 * self.dW
        return value
"""
    assert verdict(source)[0] is Verdict.RIGHT
    found, text = verdict(source.replace("        self.zero_grad()\n", ""))
    assert found is Verdict.UNCHECKED and "zero_grad, which is never called" in text, text


CLIPPED = """
def clip_by_global_norm(grads, limit):
    total = np.sqrt(sum(np.sum(g**2) for g in grads))
    return [g * min(1.0, limit / total) for g in grads], total
"""
IN_PLACE = """
def clip_grad_norm(grads, max_norm):
    for k in grads:
        norm = np.linalg.norm(grads[k])
        if norm > max_norm:
            grads[k] *= max_norm / norm
"""


@pytest.mark.parametrize(
    "source, old, new",
    [
        (CLIPPED, "np.sqrt(sum(np.sum(g**2) for g in grads))", "sum(np.sqrt(np.sum(g**2)) for g in grads)"),
        (CLIPPED, "min(1.0, ", "("),
        (IN_PLACE, "max_norm / norm", "max_norm"),
    ],
)
def test_a_clipping_by_the_norm_is_held_against_its_rule(source, old, new):
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace(old, new))[0] is Verdict.WRONG


@pytest.mark.parametrize(
    "norm, said",
    [
        ("sum(np.sqrt(np.sum(g**2)) for g in grads)", "the sum of the norms"),
        ("sum(np.sum(g**2) for g in grads)", "without its root"),
        ("max(np.abs(g).max() for g in grads)", "the largest entry"),
        ("np.sqrt(np.mean([np.mean(g**2) for g in grads]))", "no known mistake"),
    ],
)
def test_the_norm_that_was_taken_for_the_right_one_is_named(norm, said):
    source = CLIPPED.replace("np.sqrt(sum(np.sum(g**2) for g in grads))", norm)
    *_, last = targets(run("mine.py", HEAD + source)).values()
    report = examine(last)
    assert report.verdict is Verdict.WRONG
    assert said in "".join(map(str, report.findings)) or not report.findings and said == "no known mistake"


RNN = """
Wx, Wh, Wy = np.random.randn(4, 2), 0.5 * np.random.randn(4, 4), np.random.randn(1, 4)


def lossFun(inputs, targets, h0):
    xs, hs, loss = {}, {-1: h0}, 0
    for t in range(len(inputs)):
        xs[t] = np.array([[inputs[t]], [1.0]])
        hs[t] = np.tanh(Wx @ xs[t] + Wh @ hs[t - 1])
        loss += 0.5 * np.sum((Wy @ hs[t] - targets[t]) ** 2)
    dWx, dWh, dWy, dnext = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy), 0
    for t in reversed(range(len(inputs))):
        dy = Wy @ hs[t] - targets[t]
        dWy += dy @ hs[t].T
        draw = (Wy.T @ dy + dnext) * (1 - hs[t] ** 2)
        dWx += draw @ xs[t].T
        dWh += draw @ hs[t - 1].T
        dnext = Wh.T @ draw
    return loss, dWx, dWh, dWy


lossFun(np.random.randn(5), np.random.randn(5), np.zeros((4, 1)))
"""
KEYS = """
class Net:
    def __init__(self, n_in, n_out):
        self.layers = [{"w": np.random.randn(n_in, 5)}, {"w": np.random.randn(5, n_out)}]

    def predict(self, x):
        for layer in self.layers:
            layer["in"] = x
            layer["z"] = x @ layer["w"]
            layer["a"] = x = np.tanh(layer["z"])
        return x

    def loss(self, x, y):
        return 0.5 * np.sum((self.predict(x) - y) ** 2)

    def backward(self, x, y):
        d = self.predict(x) - y
        for layer in self.layers[::-1]:
            z = layer["z"]
            d = d * (1 - np.tanh(z) ** 2)
            layer["grad_w"] = layer["in"].T @ d
            d = d @ layer["w"].T
"""
LISTS = """
def f_prime(z):
    return 1 - np.tanh(z) ** 2


class MLP:
    def __init__(self, n_in, n_out):
        self.Ws = [np.random.randn(n_in, 5), np.random.randn(5, 4), np.random.randn(4, n_out)]

    def forward(self, x):
        self.z, self.a = [], [x]
        for W in self.Ws:
            self.z.append(self.a[-1] @ W)
            self.a.append(np.tanh(self.z[-1]))
        return self.a[-1]

    def loss(self, x, y):
        return 0.5 * np.sum((self.forward(x) - y) ** 2)

    def backprop(self, x, y):
        d, dWs = self.forward(x) - y, [None] * len(self.Ws)
        for i in reversed(range(len(self.Ws))):
            d = d * f_prime(self.z[i])
            dWs[i] = self.a[i].T @ d
            d = d @ self.Ws[i].T
        return dWs
"""
SHUFFLE = """
class PixelShuffle:
    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    def backward(self, grad):
        n, c, h, w = grad.shape
        g = grad.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 3, 5, 2, 4)
        return g.reshape(n, 4 * c, h // 2, w // 2)


PixelShuffle().forward(np.random.randn(2, 4, 2, 3))
"""
FACTS = """
class Facts:
    def __init__(self, n_entities, k=3):
        self.ent = np.random.randn(n_entities, k)

    def loss(self, h, t, other):
        good, bad = self.ent[h] - self.ent[t], self.ent[h] - self.ent[other]
        return np.sum(good**2) + np.sum(np.sin(bad))

    def gradients(self, h, t, other):
        d, e = 2 * (self.ent[h] - self.ent[t]), np.cos(self.ent[h] - self.ent[other])
        grad_ent = np.zeros_like(self.ent)
        np.add.at(grad_ent, h, d + e)
        np.add.at(grad_ent, t, -d)
        np.add.at(grad_ent, other, -e)
        return grad_ent
"""


@pytest.mark.breadth
@pytest.mark.parametrize(
    "source, right, wrong",
    [
        (RNN, "dWh += draw", "dWh = draw"),  # the parameters are the module's: each pass has its own values
        (KEYS, "z = layer['z']", "z = layer['a']"),
        (LISTS, "f_prime(self.z[i])", "f_prime(self.a[i + 1])"),
        (SHUFFLE, "transpose(0, 1, 3, 5, 2, 4)", "transpose(0, 1, 5, 3, 2, 4)"),
        (FACTS, "np.add.at(grad_ent, h, d + e)", "np.add.at(grad_ent, h, d)"),
    ],
)
def test_the_line_of_a_mistake_is_found_where_only_wrong_gradients_come_from(source, right, wrong, monkeypatch):
    monkeypatch.setattr(repair, "SECONDS", (30, 60))  # however slow the machine is
    source = source.replace('"', "'")
    assert verdict(source)[0] is Verdict.RIGHT and source.count(right) == 1
    *_, last = targets(run("mine.py", HEAD + source.replace(right, wrong))).values()
    report = examine(last)
    assert report.verdict is Verdict.WRONG
    assert right in "".join(map(str, report.findings))


def test_an_object_that_the_file_leaves_in_use_is_measured_as_it_learns():
    source = """
class Dropout:
    training = True

    def __init__(self, rate, gen):
        self.rate, self.gen = rate, gen

    def forward(self, inputs):
        if not self.training:
            return inputs
        self.mask = self.gen.random(inputs.shape) >= self.rate
        return inputs * self.mask / (1 - self.rate)

    def backward(self, upstream):
        return upstream * self.mask / (1 - self.rate) if self.training else upstream


dropout = Dropout(0.25, np.random.default_rng(0))
dropout.forward(np.random.randn(7, 4))
dropout.backward(np.random.randn(7, 4))
dropout.training = False
"""
    assert verdict(source)[0] is Verdict.RIGHT
    assert verdict(source.replace("upstream * self.mask / (1 - self.rate)", "upstream * self.mask"))[0] is Verdict.WRONG


def test_a_function_is_measured_where_the_file_has_begun_not_where_it_has_ended():
    source = """
def bowl(theta):
    x, y = theta
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def bowl_grad(theta):
    x, y = theta
    p, q = x**2 + y - 11, x + y**2 - 7
    return np.array([4 * x * p + 2 * q, 2 * p + 4 * y * q])


def minimize(f, f_grad, start):
    theta = np.array(start)
    for _ in range(3000):
        theta = theta - 0.01 * f_grad(theta)
    return theta, f(theta)


minimize(bowl, bowl_grad, (2.0, 1.0))
"""
    for written, expected in (source, Verdict.RIGHT), (source.replace("4 * y * q", "4 * x * q"), Verdict.WRONG):
        assert examine(targets(run("mine.py", HEAD + written))["bowl_grad"]).verdict is expected


def test_what_comes_through_a_private_method_is_edited_too():
    source = """
class BatchNorm:
    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta

    def forward(self, x):
        self.rows = len(x)
        return self.__forward(x)

    def __forward(self, x):
        self.xc = x - x.mean(axis=0)
        self.std = np.sqrt(np.mean(self.xc**2, axis=0) + 1e-6)
        self.xn = self.xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        return self.__backward(dout)

    def __backward(self, dout):
        self.dbeta, self.dgamma = dout.sum(axis=0), np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dstd = -np.sum(dxn * self.xc / self.std**2, axis=0)
        dxc = dxn / self.std + self.xc * dstd / (self.std * self.rows)
        return dxc - dxc.mean(axis=0)
"""
    found, text = verdict(source)
    assert found is Verdict.RIGHT, text
    *_, last = targets(run("mine.py", HEAD + source.replace("-np.sum(dxn", "-2 * np.sum(dxn"))).values()
    report = examine(last)
    assert report.verdict is Verdict.WRONG and not report.errors
    assert "-2 * np.sum" in "".join(map(str, report.findings)) or "counts 2 times" in "".join(map(str, report.findings))


BAR = """
class Scale:
    def __init__(self, n):
        self.a, self.c = np.ones(n), np.zeros(n)

    def __call__(self, x):
        self._x = x
        return self.a * np.tanh(x) + self.c

    def pullback(self, ybar):
        t = np.tanh(self._x)
        self.a_bar, self.c_bar = np.sum(ybar * t, axis=0), ybar.sum(axis=0)
        return ybar * self.a * (1 - t**2)
"""
PIECES = """
class Maxout:
    def __init__(self, n_in, n_out, k=3):
        self.W, self.b = np.random.randn(k, n_in, n_out), np.random.randn(k, n_out)
        self.params, self.grads = [self.W, self.b], [np.zeros_like(self.W), np.zeros_like(self.b)]

    def fprop(self, x):
        self.x = x
        pieces = np.tensordot(x, self.W, axes=(1, 1)) + self.b
        self.first = pieces.argmax(axis=1)
        return pieces.max(axis=1)

    def bprop(self, dy):
        routed = np.zeros((len(dy), *self.b.shape))
        np.put_along_axis(routed, self.first[:, None], dy[:, None], axis=1)
        self.grads[0][...] = np.einsum("ni,nko->kio", self.x, routed)
        self.grads[1][...] = routed.sum(axis=0)
        return np.einsum("nko,kio->ni", routed, self.W)
"""
MASKED = """
class Pool:
    '''x (B, T, D); mask (B, T), true where there is a word'''

    def forward(self, x, mask=None):
        e = x.sum(axis=2)
        e = e if mask is None else np.where(mask, e, -1e30)
        a = np.exp(e - e.max(axis=1, keepdims=True))
        self.x, self.a = x, a / a.sum(axis=1, keepdims=True)
        return np.einsum("bt,btd->bd", self.a, x)

    def backward(self, dout):
        da = np.einsum("bd,btd->bt", dout, self.x)
        de = self.a * (da - (self.a * da).sum(axis=1, keepdims=True))
        return self.a[:, :, None] * dout[:, None] + de[:, :, None]
"""
STEP = """
def train_step(w0, b0, w1, b1, X, y, alpha):
    h = np.tanh(X @ w0 + b0)
    out = h @ w1 + b1
    delta = out - y
    below = delta @ w1.T * (1 - h**2)
    w1 = w1 - alpha * h.T @ delta
    b1 = b1 - alpha * delta.sum(axis=0)
    w0 = w0 - alpha * X.T @ below
    b0 = b0 - alpha * below.sum(axis=0)
    return w0, b0, w1, b1, 0.5 * np.sum(delta**2)


def train(X, y):
    w0, b0, w1, b1 = np.random.randn(2, 4), np.zeros(4), np.random.randn(4, 1), np.zeros(1)
    for _ in range(9):
        w0, b0, w1, b1, loss = train_step(w0, b0, w1, b1, X, y, 0.1)


train(np.random.randn(6, 2), np.random.randn(6, 1))
"""


@pytest.mark.parametrize(
    "source, right, wrong",
    [
        (BAR, "ybar * t", "ybar"),
        (BAR, "* (1 - t**2)", ""),
        (PIECES, "routed.sum(axis=0)", "routed.mean(axis=0)"),
        (PIECES, "self.x, routed)", "self.x, routed) / 2"),
        (MASKED, "(self.a * da)", "da"),
        (STEP, "X.T @ below", "X.T @ (delta @ w1.T)"),
        (STEP, "- alpha * delta.sum(axis=0)", "- alpha * 2 * delta.sum(axis=0)"),
    ],
    ids="bars bars lists lists mask last last".split(),
)
def test_it_is_right_as_it_is_written_and_wrong_with_one_mistake(source, right, wrong):
    found, text = verdict(source)
    assert found is Verdict.RIGHT, text
    assert source.count(right) == 1 and verdict(source.replace(right, wrong))[0] is Verdict.WRONG


def test_a_mask_leaves_something_in_every_row():
    rng = np.random.default_rng(0)
    for kind in ("mask", "boolean"):
        drawn = numbers(kind, (200, 3), dict(SIZES), rng, "near")
        assert drawn.any(axis=1).all() and not drawn.all()


PLAYERS = """
class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW, self.db = self.x.T @ grad, grad.sum(axis=0)
        return grad @ self.W.T

    def update(self, lr):
        self.W -= lr * self.dW
        self.b -= lr * self.db


class Conditional:
    def __init__(self, cond_dim, x_dim, *layers):
        self.cond_dim, self.x_dim, self.layers = cond_dim, x_dim, layers

    def forward(self, cond, x):
        h = np.concatenate([cond, x], axis=1)
        for layer in self.layers:
            h = layer.forward(h)
        return h

    def backward(self, grad):
        for layer in self.layers[::-1]:
            grad = layer.backward(grad)
        return grad[:, self.cond_dim :]

    def update(self, lr):
        for layer in self.layers:
            layer.update(lr)


G = Conditional(4, 5, Dense(9, 3))
D = Conditional(4, 3, Dense(7, 1))


def train_generator(cond, z, lr=0.1):
    p = D.forward(cond, G.forward(cond, z))
    loss, grad = np.mean((p - 1) ** 2), 2 * (p - 1) / p.size
    G.backward(D.backward(grad))
    G.update(lr)
    return loss


train_generator(np.eye(4)[[0, 1, 2, 3, 0]], np.random.randn(5, 5))
"""


def test_a_container_gets_the_layers_of_the_file_and_a_step_the_objects_of_the_module():
    of = targets(run("mine.py", HEAD + PLAYERS))
    for name in ("Conditional", "train_generator"):
        report = examine(of[name])
        assert report.verdict is Verdict.RIGHT, str(report)
    cut = targets(run("mine.py", HEAD + PLAYERS.replace("grad[:, self.cond_dim :]", "grad[:, : self.x_dim]")))
    report = examine(cut["Conditional"])
    assert report.verdict is Verdict.WRONG and "grad[:, self.cond_dim:]" in "".join(map(str, report.findings))
    late = targets(run("mine.py", HEAD + PLAYERS.replace("G.update(lr)", "G.update(-lr)")))
    assert examine(late["train_generator"]).verdict is Verdict.WRONG


GAUSSIAN = """
def get_loss(W, x, t):
    '''the mean squared error'''
    return np.mean((x @ W - t) ** 2)


def get_loss_grad(W, x, t):
    return 2 * x.T @ (x @ W - t) / t.size
"""
MODULATE = """
def modulate_fw(x, gain, shift):
    return x * (1 + gain) + shift, (x, gain)


def modulate_bw(dy, cache):
    x, gain = cache
    return dy * (1 + gain), dy * x, dy
"""
LOGIT = """
class Discriminator:
    def __init__(self, n_in):
        self.W, self.b = np.random.randn(n_in, 1), np.zeros(1)

    def forward(self, x):
        self.x = x
        return 1 / (1 + np.exp(-(x @ self.W + self.b)))

    def backward(self, dlogit):
        self.dW, self.db = self.x.T @ dlogit, dlogit.sum(axis=0)
        return dlogit @ self.W.T
"""
GRAM = """
def energy(X, gram):
    '''The energy of X (N, D) with the Gram matrix gram (N, N).'''
    return 0.5 * np.sum(X * (gram @ X)), gram @ X
"""
PARTS = """
class Net:
    def __init__(self, n_in, n_hidden):
        self.p = {"g_w": np.random.randn(n_in, n_hidden), "d_w": np.random.randn(n_hidden, n_hidden)}
        self.p |= {"g_b": np.zeros(n_hidden), "d_b": np.zeros(n_hidden)}

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.p["g_w"] + self.p["g_b"])
        return self.h @ self.p["d_w"] + self.p["d_b"]

    def backward(self, dout):
        dh = dout @ self.p["d_w"].T * (1 - self.h**2)
        grads = {"d_d_w": self.h.T @ dout, "d_d_b": dout.sum(axis=0)}
        grads |= {"d_g_w": self.x.T @ dh, "d_g_b": dh.sum(axis=0)}
        return dh @ self.p["g_w"].T, grads
"""
PAIRS = """
def forward(W, V, rows, columns):
    a, b = W[rows], V[columns]
    p = 1 / (1 + np.exp(-(a * b).sum(axis=1)))
    return p, (W.shape, V.shape, rows, columns, a, b)


def bce(p, click):
    return -np.mean(click * np.log(p) + (1 - click) * np.log(1 - p))


def backward(p, click, cache):
    shape, other, rows, columns, a, b = cache
    d = (p - click) / len(click)
    dW, dV = np.zeros(shape), np.zeros(other)
    np.add.at(dW, rows, d[:, None] * b)
    np.add.at(dV, columns, d[:, None] * a)
    return dW, dV
"""
HINGES = """
class Hinge:
    def forward(self, d_real, d_fake):
        self.real, self.fake = 1 - d_real > 0, 1 + d_fake > 0
        return np.mean(np.maximum(0, 1 - d_real)) + np.mean(np.maximum(0, 1 + d_fake))

    def backward(self):
        return -1 * self.real / self.real.size, self.fake / self.fake.size
"""


BY_NAME = """
class Adam:
    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t = lr, beta1, beta2, eps, 0
        self.m = {k: np.zeros_like(p) for k, p in params.items()}
        self.v = {k: np.zeros_like(p) for k, p in params.items()}

    def update(self, params, grads):
        self.t += 1
        for k in params:
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * grads[k] ** 2
            m_hat, v_hat = self.m[k] / (1 - self.beta1**self.t), self.v[k] / (1 - self.beta2**self.t)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
"""
GUARDED = """
def cross_entropy(scores, labels):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p, onehot = e / e.sum(axis=1, keepdims=True), np.eye(scores.shape[1])[labels]
    return -np.sum(onehot * np.log(p + 1e-12)) / len(labels), (p - onehot) / len(labels)


def loss_fn(params, x, labels):
    hidden = np.maximum(0, x @ params["W1"])
    loss, d = cross_entropy(hidden @ params["W2"], labels)
    dhidden = d @ params["W2"].T * (hidden > 0)
    return loss, {"W1": x.T @ dhidden, "W2": hidden.T @ d}


loss_fn({"W1": np.random.randn(4, 5), "W2": np.random.randn(5, 3)}, np.random.randn(6, 4), np.arange(6) % 3)
"""
NUMBERED = """
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Net:
    def __init__(self, n_in=4, n_out=3, l2=0.1):
        self.l2, self.layers = l2, [Affine(np.random.randn(n_in, 5), np.zeros(5))]
        self.layers.append(Affine(np.random.randn(5, n_out), np.zeros(n_out)))

    def loss(self, x, t):
        for layer in self.layers:
            x = layer.forward(x)
        self.e = x - t
        return 0.5 * np.sum(self.e**2) + sum(0.5 * self.l2 * np.sum(layer.W**2) for layer in self.layers)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.e
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        a, b = self.layers
        return {"W1": a.dW + self.l2 * a.W, "b1": a.db, "W2": b.dW + self.l2 * b.W, "b2": b.db}
"""
AS_MANY = """
class Line:
    def __init__(self, n=2):
        self.a, self.b = np.random.randn(3), np.random.randn(3)

    def forward(self, x):  # x (6,)
        self.x = x
        return x * np.tile(self.a, 2) + np.tile(self.b, 2)

    def backward(self, dy):
        self.da = (dy * self.x).reshape(2, 3).sum(axis=0)
        self.db = dy.reshape(2, 3).sum(axis=0)
        return dy * np.tile(self.a, 2)


Line().forward(np.random.randn(6))
"""
WINDOWS = """
class Smooth:
    def __init__(self):
        self.k = np.random.randn(3)

    def forward(self, x):
        self.windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)
        return self.windows @ self.k

    def train_step(self, x, t, lr):
        e = self.forward(x) - t
        loss = 0.5 * np.sum(e**2)
        self.k -= lr * np.einsum("ntk,nt->k", self.windows, e)
        return loss


Smooth().train_step(np.random.randn(4, 8), np.random.randn(4, 6), 0.1)
"""
OF_THE_FILE = """
class Gain:
    def __init__(self, n):
        self.g = np.ones(n)

    def forward(self, x):
        self.x = x
        return np.tanh(x) * self.g

    def backward(self, dout):
        self.dg = np.sum(dout * np.tanh(self.x), axis=0)
        return dout * self.g * (1 - np.tanh(self.x) ** 2)


net = [Gain(4), Gain(4)]


def run(x):
    for layer in net:
        x = layer.forward(x)
    return x


def grads(d):
    for layer in net[::-1]:
        d = 1 * layer.backward(d)
    return d


def batch(n=6):
    return np.random.randn(n, 4)


run(batch())
"""
BEGUN = """
class Waves:
    def __init__(self, n_features=5):
        self.n_features = n_features

    def _init(self, n):
        self.phase = np.random.uniform(0, 6, self.n_features)
        self.w = 0.1 * np.random.randn(n, self.n_features)

    def loss(self, X):
        return np.sum(np.cos(X @ self.w + self.phase)) / len(X)

    def gradients(self, X):
        return X.T @ -np.sin(X @ self.w + self.phase) / len(X)

    def fit(self, X, lr=0.1):
        self._init(X.shape[1])
        for _ in range(3):
            self.w -= lr * self.gradients(X)


Waves().fit(np.random.randn(6, 4))
"""
UNDECAYED = """
def softmax_loss(W, X, y, reg):
    e = np.exp(X @ W - (X @ W).max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(y)), y])) + reg * np.sum(W * W)
    p[np.arange(len(y)), y] -= 1
    dW = X.T @ p / len(y)
    dW += 2 * reg * W
    return loss, dW


softmax_loss(np.random.randn(4, 3), np.random.randn(6, 4), np.arange(6) % 3, 0.0)
"""
LEFT_INSIDE = """
class Affine:
    def __init__(self, n_in, n_out):
        self.p = {"W": np.random.randn(n_in, n_out), "b": np.zeros(n_out)}

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.p["W"] + self.p["b"])

    def backward(self, dout, out):
        dz = dout * (1 - out**2)
        self.g = {"W": self.x.T @ dz, "b": dz.sum(axis=0)}
        return dz @ self.p["W"].T


class Net:
    def __init__(self, n=3, hidden=4):
        self.layers = [Affine(n, hidden), Affine(hidden, 2)]

    def loss(self, x, t):
        h = self.layers[0].forward(x)
        y = self.layers[1].forward(h)
        dh = self.layers[1].backward((y - t) / len(x), y)
        return 0.5 * np.sum((y - t) ** 2) / len(x), self.layers[0].backward(dh, h)


Net().loss(np.random.randn(6, 3), np.random.randn(6, 2))
"""
ACT_NORM = """
class ActNorm:
    def __init__(self, n):
        self.logs, self.bias, self.ready = np.zeros(n), np.zeros(n), False

    def forward(self, x):  # x (N, n)
        if not self.ready:
            self.bias, self.logs, self.ready = -x.mean(axis=0), -np.log(x.std(axis=0)), True
        self.y = (x + self.bias) * np.exp(self.logs)
        return self.y, np.full(len(x), self.logs.sum())

    def backward(self, dy, dlogdet):
        self.dbias = (dy * np.exp(self.logs)).sum(axis=0)
        self.dlogs = (dy * self.y).sum(axis=0) + dlogdet.sum()
        return dy * np.exp(self.logs)


ActNorm(3).forward(np.random.randn(6, 3))
"""
DILATED = """
def shifted(x, s):
    y = np.zeros_like(x)
    y[:, s:] = x[:, : x.shape[1] - s]
    return y


def conv_forward(x, w, dilation):
    return sum(w[k] * shifted(x, k * dilation) for k in range(len(w))), (x, w, dilation)


def conv_backward(dy, cache):
    x, w, dilation = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(len(w)):
        dw[k] = np.sum(dy * shifted(x, k * dilation))
        dx += w[k] * shifted(dy[:, ::-1], k * dilation)[:, ::-1]
    return dx, dw


conv_forward(np.random.randn(3, 8), np.random.randn(2), 1)
"""


@pytest.mark.parametrize(
    "source, right, wrong",
    [
        (GAUSSIAN, "/ t.size", "/ len(t)"),
        (MODULATE, "dy * (1 + gain)", "dy * gain"),
        (LOGIT, "dlogit @ self.W.T", "-dlogit @ self.W.T"),
        (GRAM, ", gram @ X", ", 2 * gram @ X"),
        (PARTS, "dh.sum(axis=0)", "dout.sum(axis=0)"),
        (PARTS, "return dh", "return -dh"),
        (PAIRS, "np.add.at(dV, columns, d[:, None] * a)", "dV[columns] += d[:, None] * a"),
        (HINGES, ", self.fake / self.fake.size", ", self.fake"),
        (BY_NAME, "(1 - self.beta2) * grads[k] ** 2", "(1 - self.beta2) * grads[k]"),
        (GUARDED, 'params["W2"].T * (hidden > 0)', 'params["W2"].T'),
        (NUMBERED, "b.dW + self.l2 * b.W", "b.dW"),
        (AS_MANY, "dy * np.tile(self.a, 2)", "dy * np.tile(self.b, 2)"),
        (WINDOWS, "self.windows, e)", "self.windows, e[::-1])"),
        (OF_THE_FILE, "1 * layer.backward(d)", "d + layer.backward(d)"),
        (BEGUN, "self.phase) / len(X)\n\n    def fit", "self.phase)\n\n    def fit"),
        (UNDECAYED, "dW += 2 * reg * W", "dW += reg * W"),
        (LEFT_INSIDE, "self.x.T @ dz", "2 * self.x.T @ dz"),
        (ACT_NORM, " + dlogdet.sum()", ""),
        (DILATED, "shifted(dy[:, ::-1], k * dilation)", "shifted(dy[:, ::-1], k)"),
    ],
    ids="get bw log even prefix bare cache game dict guard number size window file begin zero held act stride".split(),
)
def test_it_is_found_right_and_with_one_mistake_wrong(source, right, wrong):
    found, text = verdict(source)
    assert found is Verdict.RIGHT, text
    assert source.count(right) == 1 and verdict(source.replace(right, wrong))[0] is Verdict.WRONG


PLAYERS_OF_FUNCTIONS = """
def make_player(n_in, n_out):
    return {"f": np.tanh, "theta": {"W": np.random.randn(n_out, n_in), "b": np.zeros((n_out, 1))}}


def play(player, X):
    return player["f"](player["theta"]["W"] @ X + player["theta"]["b"])


def backprop(player, X, out, dout):
    dZ = dout * (1 - out**2)
    return {"W": dZ @ X.T, "b": dZ.sum(axis=1, keepdims=True)}, player["theta"]["W"].T @ dZ


def discriminator_grads(D, real, fake):
    a, b = play(D, real), play(D, fake)
    ga, gb = (backprop(D, X, out, s * np.ones_like(out) / out.size)[0] for X, out, s in ((real, a, -1), (fake, b, 1)))
    return np.mean(b) - np.mean(a), {k: ga[k] + gb[k] for k in ga}


def generator_grads(G, D, Z):
    X = play(G, Z)
    s = play(D, X)
    dX = backprop(D, X, s, -np.ones_like(s) / s.size)[1]
    return -np.mean(s), backprop(G, Z, X, dX)[0]


G, D = make_player(3, 2), make_player(2, 1)
discriminator_grads(D, np.random.randn(2, 20), play(G, np.random.randn(3, 20)))
generator_grads(G, D, np.random.randn(3, 20))
"""
FREE_ENERGY = """
class Machine:
    def __init__(self, n_visible, n_hidden):
        self.W, self.b = np.random.randn(n_visible, n_hidden), np.zeros(n_visible)

    def free_energy(self, v):
        '''v (N, n_visible); one number for each row'''
        return -v @ self.b - np.logaddexp(0, v @ self.W).sum(axis=1)

    def free_energy_grad(self, v):
        '''of the mean'''
        ph = 1 / (1 + np.exp(-v @ self.W))
        return -v.T @ ph / len(v), -v.mean(axis=0)
"""
COMPARED = """
class Head:
    def __init__(self, n_in, n_out):
        self.W, self.V = np.random.randn(n_in, n_out), np.random.randn(n_in, n_out)

    def forward(self, f):
        self.f = f
        self.mean, self.sigma = f @ self.W, np.exp(f @ self.V)
        return self.mean, self.sigma

    def nll(self, y):
        self.z = (y - self.mean) / self.sigma
        return np.sum(self.z**2 / 2 + np.log(self.sigma))

    def backward(self):
        dmean, dlog = -self.z / self.sigma, 1 - self.z**2
        self.grads = {"W": self.f.T @ dmean, "V": self.f.T @ dlog}
        return dmean @ self.W.T + dlog @ self.V.T
"""
IN_COLUMNS = """
CLAMP = 2.0


def couple_forward(x, p):
    s = CLAMP * np.tanh(p["v"] * x[0] / CLAMP)
    return np.stack([x[0], x[1] * np.exp(s)]), (x, s)


def couple_backward(dy, p, cache):
    x, s = cache
    ds = dy[1] * x[1] * np.exp(s)
    dr = ds * (1 - (s / CLAMP) ** 2)
    return np.stack([dy[0] + dr * p["v"], dy[1] * np.exp(s)]), {"v": np.sum(dr * x[0], keepdims=True)}


p = {"v": np.ones(1)}
y, cache = couple_forward(np.random.randn(2, 80), p)
couple_backward(y, p, cache)
"""
IDLE = """
class Net:
    def __init__(self, sizes=(4, 5, 3)):
        pairs = list(zip(sizes[:-1], sizes[1:]))
        self.W, self.b = [np.random.randn(o, i) for i, o in pairs], [np.zeros((o, 1)) for _, o in pairs]

    def centered(self, X):
        S = self.W[0] @ X + self.b[0]
        return np.tanh(S - S.mean(axis=1, keepdims=True))

    def cost(self, X, Y):
        return np.sum((self.W[1] @ self.centered(X) + self.b[1] - Y) ** 2) / 2

    def compute_gradients(self, X, Y):
        H = self.centered(X)
        G = self.W[1] @ H + self.b[1] - Y
        D = (self.W[1].T @ G) * (1 - H**2)
        D = D - D.mean(axis=1, keepdims=True)
        gb = [D.sum(axis=1, keepdims=True), G.sum(axis=1, keepdims=True)]
        return {"W": [D @ X.T, G @ H.T], "b": gb}


Net().compute_gradients(np.random.randn(4, 30), np.random.randn(3, 30))
"""
FACTORS = """
class Factors:
    def __init__(self, R, k=3):
        self.R = R
        self.U, self.V = np.random.randn(R.shape[0], k), np.random.randn(R.shape[1], k)

    def loss(self):
        return np.sum((self.U @ self.V.T - self.R) ** 2) / 2

    def step(self, lr):
        before = self.loss()
        E = self.U @ self.V.T - self.R
        U, V = self.U.copy(), self.V.copy()
        self.U -= lr * E @ V
        self.V -= lr * E.T @ U
        return before


Factors(np.random.randn(6, 5)).step(0.03)
"""
REGRESSOR = """
class Regressor:
    def __init__(self, rate=0.1):
        self.rate = rate

    def loss(self, X, y, weight):
        mean = np.exp(X @ self.coef_ + self.intercept_)
        return np.sum(weight * (mean - y) ** 2) / 2

    def loss_gradient(self, X, y, weight):
        mean = np.exp(X @ self.coef_ + self.intercept_)
        d = weight * (mean - y) * mean
        return X.T @ d, d.sum()

    def fit(self, X, y, weight):
        self.coef_, self.intercept_ = np.zeros(X.shape[1]), 0.0
        for _ in range(10):
            g_coef, g_int = self.loss_gradient(X, y, weight)
            self.coef_ -= self.rate * g_coef
            self.intercept_ -= self.rate * g_int


Regressor().fit(np.random.randn(40, 3), np.ones(40), np.full(40, 0.01))
"""


COMPARED_WITH_ITSELF = """
rng = np.random.default_rng(7)


class Model:
    def __init__(self, n_x, n_z):
        self.W, self.V = rng.normal(size=(n_x, n_z)), rng.normal(size=(n_z, n_x))

    def forward(self, x):
        self.x = x
        self.z = np.tanh(x @ self.W) + 0.1 * rng.normal(size=(len(x), self.W.shape[1]))
        return self.z @ self.V

    def loss(self, x, x_hat):
        return np.sum((x_hat - x) ** 2) / 2 + np.sum(self.z**2) / 2

    def backward(self, x, x_hat):
        grad = x_hat - x
        self.dV = self.z.T @ grad
        dz = grad @ self.V.T + self.z
        da = dz * (1 - np.tanh(self.x @ self.W) ** 2)
        self.dW = self.x.T @ da
        return da @ self.W.T
"""
KEPT_OUTPUT = """
class Auto:
    def __init__(self, n_x=4, n_z=3):
        self.params = {"W": np.random.randn(n_x, n_z), "V": np.random.randn(n_z, n_x)}

    def encode(self, x):
        self.x = x
        return np.tanh(x @ self.params["W"])

    def forward(self, x):
        self.z = self.encode(x)
        self.out = self.z @ self.params["V"]
        return self.out, self.z

    def loss(self, x):
        return (np.sum((self.out - x) ** 2) + np.sum(self.z**2)) / 2

    def backward(self, x):
        g, d = {}, self.out - x
        g["V"] = self.z.T @ d
        dz = d @ self.params["V"].T + self.z
        g["W"] = self.x.T @ (dz * (1 - self.z**2))
        return g
"""
IN_A_LIST = """
class Conditional:
    def __init__(self, n_x, n_c, n_h):
        self.theta = [np.random.randn(n_h, n_x + n_c), np.zeros((n_h, 1)), np.random.randn(n_x, n_h)]

    def forward(self, x, c):
        W, b, V = self.theta
        xc = np.vstack([x, c])
        h = np.tanh(W @ xc + b)
        return V @ h, (xc, h)

    def loss(self, x, logits, cache):
        return np.sum(np.logaddexp(0, logits) - x * logits) + np.sum(cache[1] ** 2) / 2

    def gradients(self, x, logits, cache):
        W, b, V = self.theta
        xc, h = cache
        d = 1 / (1 + np.exp(-logits)) - x
        da = (V.T @ d + h) * (1 - h**2)
        return [da @ xc.T, da.sum(axis=1, keepdims=True), d @ h.T]

    def fit(self, x, c):
        logits, cache = self.forward(x, c)
        for t, g in zip(self.theta, self.gradients(x, logits, cache)):
            t -= 0.01 * g


Conditional(4, 2, 5).fit(np.random.randn(4, 30), np.random.rand(2, 30))
"""
MASKED = """
class Masked:
    def __init__(self, n=4, h=6):
        degrees = np.arange(h) % (n - 1)
        self.M = (degrees[None] >= np.arange(n)[:, None]).astype(float)
        self.W, self.V = np.random.randn(n, h), np.random.randn(h, n)
        self.grads = {}

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ (self.W * self.M))
        return self.h @ self.V

    def backward(self, dout):
        self.grads["V"] = self.h.T @ dout
        da = dout @ self.V.T * (1 - self.h**2)
        self.grads["W"] = self.x.T @ da * self.M
        return da @ (self.W * self.M).T
"""
OF_A_DICTIONARY = """
class RMSProp:
    def __init__(self, P, lr=0.01, decay=0.9):
        self.lr, self.decay = lr, decay
        self.s = {n: np.zeros_like(p) for n, p in P.items()}

    def __call__(self, P, g):
        for n in P:
            self.s[n] = self.decay * self.s[n] + (1 - self.decay) * g[n] ** 2
            P[n] -= self.lr * g[n] / (np.sqrt(self.s[n]) + 1e-8)
"""
OF_THE_MODULE = """
G = {"W": np.random.randn(3, 2), "b": np.zeros(2)}
D = {"W": np.random.randn(2, 1), "b": np.zeros(1)}


def run(net, x):
    return x @ net["W"] + net["b"]


def d_loss(real, fake):
    return np.mean((real - 1) ** 2) + np.mean(fake**2)


def d_gradients(x_real, z):
    x_fake = run(G, z)
    real, fake = run(D, x_real), run(D, x_fake)
    d1, d2 = 2 * (real - 1) / len(real), 2 * fake / len(fake)
    return d_loss(real, fake), {"W": x_real.T @ d1 + x_fake.T @ d2, "b": d1.sum(0) + d2.sum(0)}
"""
ANEW = """
lr = 0.05
U, V, c = np.random.randn(2, 3), np.random.randn(1, 2), np.zeros((1, 1))


def train_discriminator(X, Z):
    global V, c
    XF, target = np.hstack([X, U @ Z]), np.hstack([np.ones((1, X.shape[1])), np.zeros((1, Z.shape[1]))])
    dS = V @ XF + c - target
    loss = np.sum(dS**2) / 2
    V = V - lr * dS @ XF.T
    c = c - lr * dS.sum(axis=1, keepdims=True)
    return loss


train_discriminator(np.random.randn(2, 30), np.random.randn(3, 30))
"""


@pytest.mark.parametrize(
    "source, right, wrong",
    [
        (COMPARED_WITH_ITSELF, "self.V.T + self.z", "self.V.T"),
        (KEPT_OUTPUT, 'self.params["V"].T + self.z', 'self.params["V"].T'),
        (IN_A_LIST, "(V.T @ d + h)", "(V.T @ d)"),
        (MASKED, "self.x.T @ da * self.M", "self.x.T @ da"),
        (OF_A_DICTIONARY, "(1 - self.decay) * g[n] ** 2", "g[n] ** 2"),
        (OF_THE_MODULE, '"b": d1.sum(0) + d2.sum(0)', '"b": d1.sum(0) - d2.sum(0)'),
        (ANEW, "c = c - lr *", "c = c - 2 * lr *"),
        (REGRESSOR, "X.T @ d, d.sum()", "X.T @ d, d.mean()"),
        (FACTORS, "self.U.copy(), self.V.copy()", "self.U, self.V"),
        (PLAYERS_OF_FUNCTIONS, "dZ @ X.T,", "-dZ @ X.T,"),
        (PLAYERS_OF_FUNCTIONS, "dX = backprop(D, X, s, -", "dX = backprop(D, X, s, "),
        (FREE_ENERGY, "/ len(v), -v.mean", "/ len(v), -2 * v.mean"),
        (COMPARED, "1 - self.z**2", "2 - self.z**2"),
        (IN_COLUMNS, "(s / CLAMP) ** 2", "s ** 2"),
        (IDLE, "D = D - D.mean(axis=1, keepdims=True)", "D = D - D.mean(axis=0, keepdims=True)"),
    ],
    ids="itself kept list masked dict module anew number factors players twice mean after columns idle".split(),
)
def test_it_is_right_as_it_stands_and_a_mistake_in_it_is_seen(source, right, wrong):
    found, text = verdict(source)
    assert found is Verdict.RIGHT, text
    assert source.count(right) == 1 and verdict(source.replace(right, wrong))[0] is Verdict.WRONG


def test_gradients_that_fit_no_argument_at_all_are_not_called_wrong():
    """Nothing says that the output comes of the network: nobody knows what the list that is returned belongs to."""
    found, text = verdict(IN_A_LIST.replace("forward", "network"))
    assert found is Verdict.UNCHECKED, text


def test_what_would_take_all_memory_is_stopped_as_what_never_ends_is():
    pytest.importorskip("resource")
    found, text = verdict("def loss(x):\n    return np.sum(x) + np.zeros(10**10)[0], np.ones_like(x)\n")
    assert found is Verdict.UNCHECKED and "MemoryError" in text


def test_a_constant_of_the_file_comes_before_a_length_that_happens_to_be_as_large():
    *_, last = targets(run("mine.py", HEAD + IN_COLUMNS.replace("(s / CLAMP) ** 2", "s ** 2"))).values()
    assert "`dr = ds * (1 - (s / CLAMP) ** 2)`" in "".join(map(str, examine(last).findings))


def test_a_file_without_a_seed_is_fed_the_same_each_time():
    """Not only for the numbers: whether data are taken for positive ones depends on those that the file has used."""
    source = HEAD + "def square(x):\n    return np.sum(x**2), 2 * x\n\n\nsquare(np.random.randn(4))\n"
    np.random.seed(5)
    first = [run("mine.py", source).calls for _ in range(2)]
    given = [{name: x for call in calls.values() for name, x in call.items()}["x"] for calls in first]
    np.testing.assert_array_equal(*given)
    assert given[0].min() < 0 < given[0].max()
