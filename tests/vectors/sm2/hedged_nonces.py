"""Makes hedged_nonces.json: SM2 signatures with hedged nonces, computed without any code of this project.

k = B1 || B2 mod n, Bi = HMAC-SM3(d, "yinxin sm2 nonce 1" || e || fresh || 00 || i), i = 01, 02; the 00 is the first attempt.
Run: python3 hedged_nonces.py > hedged_nonces.json (a Python whose hashlib has sm3).
"""
import hashlib, hmac, json

P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff
N = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123
G = (0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7,
     0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0)


def add(a, b):
    if a is None: return b
    if b is None: return a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0: return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k):
    total, base = None, G
    while k:
        if k & 1: total = add(total, base)
        base, k = add(base, base), k >> 1
    return total


def sm3(*parts):
    return hashlib.new("sm3", b"".join(parts)).digest()


rows = []
for i in range(16):
    d = int.from_bytes(sm3(b"private", bytes([i])), "big") % (N - 2) + 1
    d = {0: 1, 1: N - 2}.get(i, d)
    e = {2: bytes(32), 3: b"\xff" * 32}.get(i, sm3(b"digest", bytes([i])))
    fresh = {4: bytes(32), 5: b"\xff" * 32}.get(i, sm3(b"fresh", bytes([i])))
    block = lambda j: hmac.new(d.to_bytes(32, "big"), b"yinxin sm2 nonce 1" + e + fresh + bytes([0, j]), "sm3").digest()
    k = int.from_bytes(block(1) + block(2), "big") % N
    r = (int.from_bytes(e, "big") + multiply(k)[0]) % N
    s = pow(1 + d, -1, N) * (k - r * d) % N
    assert k and r and s and (r + k) % N
    rows.append({"d": f"{d:064x}", "e": e.hex(), "fresh": fresh.hex(), "k": f"{k:064x}", "r": f"{r:064x}", "s": f"{s:064x}"})
print(json.dumps(rows, indent=1))
