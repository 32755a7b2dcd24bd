"""Golden numbers of torch's CPU generator, and a reference of it in numpy that gives the same bits.

usage: python torch_rng.py OUT.json      (OMP_NUM_THREADS=1 is enough; half a minute)
       python torch_rng.py --long N      compares N million normals of torch with the reference, writes nothing

The script runs itself under ATEN_CPU_CAPABILITY=default, avx2 and avx512, asserts that the reference below equals torch bit for bit in
every record, and only then writes.

FACTS (torch 2.15, x86-64; read from torch's headers, confirmed by the bits)
* Engine: mt19937 seeded with the LOW 32 BITS of the seed by Knuth's initialisation (1812433253). A 64-bit word is two 32-bit words, the
  first drawn is the high half. `manual_seed(negative)` adds 2^64 first, so -1 is 0xffffffff again.
* uniform f32 = (word & 0xffffff) * 2^-24; uniform f64 = (word64 & (2^53 - 1)) * 2^-53. f16 and bf16 uniforms are the f32 one, rounded; a
  result that rounds up to 1 becomes 0.
* randn of FEWER than 16 elements (any dtype): one value at a time, in f64, then rounded to the dtype. u1 then u2 are f64 uniforms;
  r = sqrt(-2 log1p(-u2)), theta = 2 pi u1; r cos(theta) is returned, r sin(theta) is KEPT IN THE GENERATOR for the next such draw, whatever
  draws lie between. manual_seed forgets it.
* randn of 16 ELEMENTS OR MORE, f32, contiguous ("normal_fill"): draw one f32 uniform per element, all of them; then each full block of 16
  becomes normals by Box-Muller, element j pairing with j + 8: u1 = 1 - u[j], u2 = u[j + 8], r = sqrt(-2 log u1), theta = 2 pi u2,
  out[j] = r cos(theta), out[j + 8] = r sin(theta). If the size is no multiple of 16, 16 MORE uniforms are drawn and the LAST 16 elements
  are overwritten with their block. The kept value of the small path is neither used nor cleared.
* f64 likewise with f64 uniforms and libm. f16 and bf16: the same blocks in f32, rounded at the end, but the uniforms of the incomplete block are
  not drawn first (blocks, then 16 for the tail). (Earlier torch draws f16 with 11-bit and bf16 with 8-bit uniforms, by its source, not run here: those bits differ.)
* TWO PATHS for f32 blocks. CPUs with AVX2 (also those with AVX-512: no AVX-512 kernel is registered for normal_fill, so capability avx512
  gives the avx2 bits): Cephes polynomials for log, sin, cos in f32, with the fused multiply-adds that the compiler chose; `normals_avx2`.
  Elsewhere (ATEN_CPU_CAPABILITY=default, and torch on ARM): libm's logf, cosf, sinf, theta rounded from a f64 product; `normals_libm`.
  They differ by some ulps in two fifths of the values, never in how many words are drawn.
* randint: range < 2^28 (earlier torch, by its source: 2^32): word % range; otherwise word64 % range.
* numpy: RandomState(seed) is the same engine and the same seeding (any 32-bit seed). A double takes two words a, b:
  ((a >> 5) * 2^26 + (b >> 6)) / 2^53. randn is Marsaglia's polar method: x1 = 2d - 1, x2 = 2d - 1, r2 = x1*x1 + x2*x2, again while r2 >= 1 or
  r2 == 0; f = sqrt(-2 log(r2) / r2); x2 * f is returned first, x1 * f is kept for the next call. diffusers' legacy ONNX pipeline draws so.
"""
import ctypes
import ctypes.util
import hashlib
import json
import math
import os
import subprocess
import sys

import numpy as np

f32 = np.float32
LIBM = ctypes.CDLL(ctypes.util.find_library("m"))


def libm(name):
    """The C library's f32 function, elementwise: numpy's own differ in the last bit."""
    f = getattr(LIBM, name)
    f.restype, f.argtypes = ctypes.c_float, [ctypes.c_float]
    return lambda a: np.array([f(float(v)) for v in a.reshape(-1)], f32).reshape(a.shape)


def fma(a, b, c):
    """a*b + c in f32 with one rounding. The product of two f32 is exact in f64; the sum is rounded to odd there, so that rounding it again to
    f32 equals rounding once. (Rust: f32::mul_add.)"""
    a, b, c = (np.asarray(v, f32).astype(np.float64) for v in (a, b, c))
    p = a * b
    c = c + np.zeros_like(p)
    s = p + c
    back = s - p
    lost = (p - (s - back)) + (c - back)
    bits = s.view(np.int64)
    toward = np.where((lost > 0) == (s > 0), 1, -1)
    bits = np.where((lost != 0) & (bits & 1 == 0), bits + toward, bits)
    return bits.view(np.float64).astype(f32)


def log_avx2(x):
    """Natural logarithm of x in (0, 1], normal numbers, as Cephes' logf with these fusions."""
    bits = x.view(np.int32)
    e = ((bits >> 23) - 127).astype(f32) + f32(1)  # x = m * 2^e, m in [0.5, 1)
    m = ((bits & 0x007FFFFF) | 0x3F000000).view(f32)
    below = m < f32(0.707106781186547524)
    e = e - below.astype(f32)
    x = (m - f32(1)) + np.where(below, m, f32(0))  # below: 2m - 1
    z = x * x
    y = f32(7.0376836292e-2)
    for c in (-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1):
        y = fma(y, x, f32(c))
    y = y * x  # rounded
    y = fma(y, z, e * f32(-2.12194440e-4))  # e * q1 rounded, y * z fused
    y = fma(-z, f32(0.5), y)  # exact product: fused or not is the same
    return fma(e, f32(0.693359375), x + y)  # exact product too


def sin_cos_avx2(x):
    """Sine and cosine of x in [0, 2 pi), as Cephes' sinf and cosf with these fusions."""
    j = ((x * f32(1.27323954473516)).astype(np.int32) + 1) & ~1  # octant (truncated), made even
    y = j.astype(f32)
    sin_negative, cos_negative, swap = (j & 4) != 0, ((j - 2) & 4) == 0, (j & 2) != 0
    for c in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8):  # x - y * pi/4, pi/4 in three parts
        x = fma(y, f32(c), x)
    z = x * x
    c = fma(f32(2.443315711809948e-5), z, f32(-1.388731625493765e-3))
    c = fma(c, z, f32(4.166664568298827e-2))
    c = c * z  # rounded
    c = fma(c, z, -(z * f32(0.5)))  # c * z fused with the subtraction
    c = c + f32(1)
    s = fma(f32(-1.9515295891e-4), z, f32(8.3321608736e-3))
    s = fma(s, z, f32(-1.6666654611e-1))
    s = s * z  # rounded
    s = fma(s, x, x)
    sin, cos = np.where(swap, c, s), np.where(swap, s, c)
    return np.where(sin_negative, -sin, sin), np.where(cos_negative, -cos, cos)


def normals_avx2(u):
    """Blocks of 16 f32 uniforms to blocks of 16 normals, on a CPU with AVX2."""
    u = u.reshape(-1, 2, 8)
    r = np.sqrt(f32(-2) * log_avx2(f32(1) - u[:, 0]))
    sin, cos = sin_cos_avx2(f32(2 * math.pi) * u[:, 1])
    return np.stack([r * cos, r * sin], 1).reshape(-1) + f32(0)  # (n * std + mean) leaves no negative zero


def normals_libm(u):
    """The same where torch has no AVX2 kernel."""
    u = u.reshape(-1, 2, 8)
    r = np.sqrt(f32(-2) * libm("logf")(f32(1) - u[:, 0]))
    theta = (2 * math.pi * u[:, 1].astype(np.float64)).astype(f32)
    return np.stack([r * libm("cosf")(theta), r * libm("sinf")(theta)], 1).reshape(-1) + f32(0)


def normals_f64(u):
    u = u.reshape(-1, 2, 8)
    each = lambda f, a: np.array([f(v) for v in a.reshape(-1)]).reshape(a.shape)
    r = np.sqrt(-2 * each(math.log, 1 - u[:, 0]))
    theta = 2 * math.pi * u[:, 1]
    return np.stack([r * each(math.cos, theta), r * each(math.sin, theta)], 1).reshape(-1) + 0.0


class Mt19937:
    def __init__(self, seed):
        s = [seed & 0xFFFFFFFF]
        for i in range(1, 624):
            s.append((1812433253 * (s[-1] ^ (s[-1] >> 30)) + i) & 0xFFFFFFFF)
        self.state, self.ready = np.array(s, np.uint32), np.zeros(0, np.uint32)

    def words(self, n):
        while len(self.ready) < n:
            s = self.state
            for a, b in ((0, 227), (227, 454), (454, 623), (623, 624)):  # stretches that read only finished words
                i = np.arange(a, b)
                y = (s[i] & np.uint32(0x80000000)) | (s[(i + 1) % 624] & np.uint32(0x7FFFFFFF))
                s[i] = s[(i + 397) % 624] ^ (y >> np.uint32(1)) ^ np.where(y & np.uint32(1), np.uint32(0x9908B0DF), np.uint32(0))
            y = s.copy()
            y ^= y >> np.uint32(11)
            y ^= (y << np.uint32(7)) & np.uint32(0x9D2C5680)
            y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
            y ^= y >> np.uint32(18)
            self.ready = np.concatenate([self.ready, y])
        out, self.ready = self.ready[:n], self.ready[n:]
        return out


def bf16(x):
    """f32 to bf16 bits, to nearest even."""
    b = x.astype(f32).view(np.uint32).astype(np.uint64)
    return ((b + 0x7FFF + ((b >> 16) & 1)) >> 16).astype(np.uint16)


class Generator:
    """torch.Generator('cpu') in numpy."""

    def __init__(self, seed, normals=normals_avx2):
        self.engine, self.kept, self.normals = Mt19937(seed), None, normals

    def words64(self, n):
        w = self.engine.words(2 * n).astype(np.uint64).reshape(-1, 2)
        return (w[:, 0] << np.uint64(32)) | w[:, 1]

    def uniform(self, n):
        return (self.engine.words(n) & np.uint32(0xFFFFFF)).astype(f32) * f32(2.0**-24)

    def uniform64(self, n):
        return (self.words64(n) & np.uint64(2**53 - 1)).astype(np.float64) * 2.0**-53

    def one_normal(self):
        if self.kept is not None:
            value, self.kept = self.kept, None
            return value
        u1, u2 = (float(v) for v in self.uniform64(2))
        r, theta = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        self.kept = r * math.sin(theta)
        return r * math.cos(theta)

    def randn(self, n, dtype):
        if n < 16:
            out = np.array([self.one_normal() for _ in range(n)])
            narrow = dtype == "bf16"
            return bf16(out) if narrow else out.astype(DTYPES[dtype])
        full = n // 16 * 16
        if dtype in ("f16", "bf16"):
            out = np.empty(n, f32)
            out[:full] = self.normals(self.uniform(full))
            if full != n:
                out[-16:] = self.normals(self.uniform(16))
            return bf16(out) if dtype == "bf16" else out.astype(np.float16)
        draw, normals = (self.uniform, self.normals) if dtype == "f32" else (self.uniform64, normals_f64)
        out = draw(n).copy()
        out[:full] = normals(out[:full])
        if full != n:
            out[-16:] = normals(draw(16))
        return out

    def rand(self, n, dtype):
        if dtype == "f64":
            return self.uniform64(n)
        u = self.uniform(n)
        if dtype == "f32":
            return u
        v = bf16(u) if dtype == "bf16" else u.astype(np.float16).view(np.uint16)
        one = 0x3F80 if dtype == "bf16" else 0x3C00
        return np.where(v == one, 0, v).astype(np.uint16)

    def randint(self, n, range):
        return (self.engine.words(n).astype(np.int64) % range) if range < 2**28 else (self.words64(n) % np.uint64(range)).astype(np.int64)


DTYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": np.uint16}
SEEDS = [0, 1, 7, 42, 2**32 + 5, 2**63 - 1]
SHAPES = [[n] for n in (1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 1000, 4096)] + [[1, 4, 32, 32], [3, 5, 7]]
# What one generator is asked for in turn: (kind, dtype, shape) or ("randint", range, shape).
SEQUENCES = [
    [("randn", "f32", [5]), ("randn", "f32", [20]), ("randn", "f32", [16]), ("randn", "f32", [3])],
    [("randn", "f32", [1]), ("randn", "f32", [1]), ("randn", "f32", [1]), ("randn", "f64", [1]), ("randn", "f32", [2, 7])],
    [("randn", "f32", [3]), ("randn", "f64", [3]), ("rand", "f32", [4]), ("randn", "f32", [4])],
    [("randn", "f32", [1, 4, 8, 8])] * 5,
    [("randn", "f32", [1, 4, 2, 3])] * 4,
    [("rand", "f64", [3]), ("randn", "f64", [40]), ("randn", "f64", [5]), ("randint", 1000, [5]), ("randn", "f32", [18])],
    [("randint", 2**27, [700]), ("randint", 2**40, [6]), ("rand", "f32", [3]), ("randint", 2, [16]), ("randint", 2**32, [3])],
]


def pack(a, word):
    """Whole when small; else the first and last 20 and the sha256 of the little-endian bytes. Words in hexadecimal."""
    a = np.ascontiguousarray(a).reshape(-1)
    bits = a.view({4: np.uint32, 8: np.uint64, 2: np.uint16}[word])
    text = lambda b: " ".join(f"{int(v):0{2 * word}x}" for v in b)
    if len(bits) <= 33:
        return {"bits": text(bits)}
    return {"first": text(bits[:20]), "last": text(bits[-20:]), "sha256": hashlib.sha256(bits.astype(bits.dtype.newbyteorder("<")).tobytes()).hexdigest()}


def draw_torch(g, kind, what, shape):
    import torch

    if kind == "randint":
        return torch.randint(0, what, shape, generator=g).numpy()
    t = getattr(torch, kind)(shape, generator=g, dtype={"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16}[what])
    return t.view(torch.int16).numpy().view(np.uint16) if what in ("f16", "bf16") else t.numpy()


def draw_reference(g, kind, what, shape):
    return getattr(g, kind)(math.prod(shape), what)


def record(kind, what, shape, a):
    word = {"f32": 4, "f64": 8, "f16": 2, "bf16": 2}.get(what, 8)
    return {"kind": kind, "range" if kind == "randint" else "dtype": what, "shape": shape, **pack(a, word)}


def records(make, draw):
    """Every golden record, drawn with generators from `make` by `draw`."""
    out = {"draws": [], "sequences": []}
    for seed in SEEDS:
        for shape in SHAPES:
            out["draws"].append({"seed": seed, **record("randn", "f32", shape, draw(make(seed), "randn", "f32", shape))})
    for kind, what, seed, shape in (
        [("randn", d, s, [n]) for d in ("f64", "f16", "bf16") for s in (0, 42) for n in (3, 16, 17, 33, 100)]
        + [("rand", d, s, [n]) for d in ("f32", "f64", "f16", "bf16") for s in (0, 42) for n in (3, 33)]
        + [("rand", "f32", 2**32 + 5, [1000]), ("rand", "f16", 1, [5000]), ("rand", "bf16", 1, [5000])]
        + [("randint", r, 42, [8]) for r in (2, 1000, 2**28 - 1, 2**28, 2**32, 2**53)]
    ):
        out["draws"].append({"seed": seed, **record(kind, what, shape, draw(make(seed), kind, what, shape))})
    for seed, draws in [(42, s) for s in SEQUENCES] + [(2**63 - 1, SEQUENCES[0])]:
        g = make(seed)
        out["sequences"].append({"seed": seed, "draws": [record(*d, draw(g, *d)) for d in draws]})
    return out


def torch_records():
    import torch

    torch.set_num_threads(1)
    return records(lambda seed: torch.Generator("cpu").manual_seed(seed), draw_torch)


def differing(a, b):
    """How many of the stored values of all f32 randn draws of 16 or more differ between two sets of records."""
    n = total = 0
    for x, y in zip(a["draws"], b["draws"]):
        if x["kind"] == "randn" and x["dtype"] == "f32" and math.prod(x["shape"]) >= 16:
            for k in ("bits", "first", "last"):
                for v, w in zip(x.get(k, "").split(), y.get(k, "").split()):
                    n, total = n + (v != w), total + 1
    return n, total


def numpy_randn(seed, n):
    """numpy.random.RandomState(seed).randn(n)"""
    engine, out = Mt19937(seed), []

    def double():
        a, b = (int(w) for w in engine.words(2))
        return ((a >> 5) * 2.0**26 + (b >> 6)) / 2.0**53

    while len(out) < n:
        x1, x2 = 2 * double() - 1, 2 * double() - 1
        r2 = x1 * x1 + x2 * x2
        if 0 < r2 < 1:
            f = math.sqrt(-2 * math.log(r2) / r2)
            out += [x2 * f, x1 * f]
    return np.array(out[:n])


def numpy_records():
    out = []
    for seed in (0, 42, 2**32 - 1):
        for n in (1, 5, 33, 256):
            a = np.random.RandomState(seed).randn(n)
            assert a.tobytes() == numpy_randn(seed, n).tobytes()
            out.append({"seed": seed, "kind": "randn", "dtype": "f64", "shape": [n], **pack(a, 8)})
    return out


def main(path):
    import torch

    runs = {}
    for capability in ("default", "avx2", "avx512"):
        env = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
        runs[capability] = json.loads(subprocess.run([sys.executable, __file__, "--records"], env=env, check=True, capture_output=True, text=True).stdout)
    runs = {k: json.loads(json.dumps(v)) for k, v in runs.items()}
    reference = {"default": records(lambda s: Generator(s, normals_libm), draw_reference), "avx2": records(Generator, draw_reference)}
    assert runs["avx512"] == runs["avx2"], "avx512 is no longer the avx2 path"
    for k, v in reference.items():
        assert json.loads(json.dumps(v)) == runs[k], f"the reference of path {k} is not torch"
    n, total = differing(runs["default"], runs["avx2"])
    scalar = [a for a, b in zip(runs["default"]["draws"], runs["avx2"]["draws"]) if a != b and a["seed"] in (0, 42) and math.prod(a["shape"]) in (16, 33, 105, 4096)]
    doc = {
        "made_by": "torch_rng.py",
        "torch": torch.__version__.split("+")[0],
        "note": "bits: big-endian hexadecimal words of the values in order; first/last: the first and last 20; sha256: of all values as little-endian "
        "bytes. draws: each from a fresh generator. sequences: draws in turn from one generator. scalar_path: f32 draws whose bits differ where torch "
        "has no AVX2 (ATEN_CPU_CAPABILITY=default, libm). numpy: RandomState(seed).randn.",
        "paths": {"avx2_equals_avx512": True, "f32_values_compared": total, "f32_values_that_differ_between_avx2_and_default": n},
        **runs["avx2"],
        "scalar_path": scalar,
        "numpy": numpy_records(),
    }
    lines = lambda rows: "[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]"
    text = "{\n" + ",\n".join(f"{json.dumps(k)}: {lines(v) if isinstance(v, list) else json.dumps(v)}" for k, v in doc.items()) + "\n}\n"
    with open(path + ".part", "w") as f:
        f.write(text)
    os.replace(path + ".part", path)
    print(f"{path}: {len(doc['draws'])} draws, {len(doc['sequences'])} sequences; {n} of {total} values differ between the two paths")


def long(millions):
    import torch

    torch.set_num_threads(1)
    for i in range(millions):
        n = 16 * 62500
        want = torch.randn(n, generator=torch.Generator().manual_seed(1000 + i)).numpy()
        u = torch.rand(n, generator=torch.Generator().manual_seed(1000 + i)).numpy()
        bad = int((normals_avx2(u).view(np.int32) != want.view(np.int32)).sum())
        assert bad == 0, f"seed {1000 + i}: {bad} values differ"
    print(f"{millions} million values equal")


if __name__ == "__main__":
    if sys.argv[1] == "--records":
        print(json.dumps(torch_records()))
    elif sys.argv[1] == "--long":
        long(int(sys.argv[2]))
    else:
        main(sys.argv[1])
