"""Checks an audit log from its files alone, written from the texts of C2SP and docs/formats, sharing no code with Yinxin.

    python check_log.py DIR --sm3 VKEY --sha256 VKEY [--witness VKEY]...
    python check_log.py --statement FILE --sha256 VKEY [--sm3 VKEY]
    python check_log.py --receipt FILE --sm3 VKEY
    python check_log.py --vectors FILE

DIR holds sm3/ and sha256/, each with `checkpoint` and `tile/...` of C2SP tlog-tiles. Prints `ok SIZE ROOT ROOT` and ends with 0;
or `entry N: why` with the first index that is wrong, or `refused: why`, and ends with 1. A statement that the log knows nothing
of a thing is what its service says, and proves nothing of the tree: what is checked is who signed it. So it is with a receipt,
of which its opening is checked too: prints `ok INDEX MOMENT EVENT`, with `-` where it opens nothing.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sys

import gmssl_pyx
from asn1crypto.algos import DSASignature
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SM2_TYPE = b"\xffyinxin/sm2-sm3/v1\0"


class Refused(Exception):
    """What is wrong, in words."""


def hashing(name):
    if name == "sm3" and "sm3" not in hashlib.algorithms_available:
        return gmssl_pyx.sm3_hash
    return lambda octets: hashlib.new(name, octets).digest()


def need(holds, why):
    if not holds:
        raise Refused(why)


def unbase64(text, what):
    octets = base64.b64decode(text, validate=True)
    need(base64.b64encode(octets).decode() == text, f"{what} is not canonical Base64")
    return octets


# ---- C2SP signed-note, tlog-checkpoint, tlog-cosignature; docs/formats/audit-notes.md ----


def verifier(vkey):
    name, key_id, key = vkey.split("+", 2)
    key = unbase64(key, "verifier key")
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    need(key_id == expected.hex(), f"key ID of {name}")
    return name, expected, key


def ed25519(key, message, value):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(value, message)
        return True
    except InvalidSignature:
        return False


def is_right(key, text, value):
    if key[:1] == b"\x01":
        return ed25519(key[1:], text, value)
    if key[:1] == b"\x04":
        header = b"cosignature/v1\ntime %d\n" % int.from_bytes(value[:8], "big")
        return ed25519(key[1:], header + text, value[8:])
    need(key.startswith(SM2_TYPE) and len(key) == len(SM2_TYPE) + 65 and len(value) == 64, "SM2 key or value")
    r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
    der = DSASignature({"r": r, "s": s}).dump()
    return gmssl_pyx.sm2_verify(key[len(SM2_TYPE) + 1 :], text, der)


def signed_text(octets, log, others):
    """The lines of a note; the log must have signed, and no known key may have signed wrongly."""
    at = octets.rindex(b"\n\n") + 1
    text, lines = octets[:at], octets[at + 1 :].decode()
    need(lines.endswith("\n") and all(o >= 32 or o == 10 for o in octets), "not a note")
    signed = False
    for line in lines[:-1].split("\n"):
        dash, name, value = line.split(" ")
        need(dash == "\u2014", "not a signature line")
        value = unbase64(value, "signature")
        for known in [log, *others]:
            if (name, value[:4]) == known[:2]:
                need(is_right(known[2], text, value[4:]), f"the signature of {name} is wrong")
                signed = signed or known is log
    need(signed, f"no signature of {log[0]}")
    return text


def checkpoint(octets, origin, log, witnesses):
    """Size and root."""
    text = signed_text(octets, log, witnesses)
    found, size, root, rest = text.decode().split("\n")  # three lines, each with its newline
    need(found == origin and rest == "", f"the origin is {found}")
    need(size == str(int(size)), "tree size")
    root = unbase64(root, "root")
    need(len(root) == 32, "root")
    return int(size), root


def statement(octets, keys):
    """The thing of which the service says that it knows no event, and the size of the tree then."""
    log = keys["sha256"]
    text = signed_text(octets, log, [key for key in keys.values() if key is not log])
    first, origin, unknown, thing, size, root, moment, rest = text.decode().split("\n")
    need((first, unknown, rest) == ("yinxin statement v1", "no event is known", ""), "not a statement")
    need(all(key[0] == f"{origin}/{name}" for name, key in keys.items()), f"the origin is {origin}")
    need(thing == thing.lower() and len(bytes.fromhex(thing)) == 32, "SM3")
    need(size == str(int(size)) and moment == str(int(moment)), "number")
    need(len(unbase64(root, "root")) == 32, "root")
    return thing, int(size)


def receipt(octets, log):
    """Index, moment before which the trees have the entry, and event, where its salt and it stand there."""
    need(octets.endswith(b"\n"), "not a receipt")
    start = octets.rindex(b"\n", 0, len(octets) - 1) + 1
    note, last, opening = octets[:start], octets[start:-1].decode(), None
    if last.startswith("extra "):
        opening = unbase64(last[6:], "extra line")
    else:
        note = octets
    text = signed_text(note, log, [])
    first, origin, index, entry, moment, rest = text.decode().split("\n")
    need((first, origin, rest) == ("yinxin promise v1", log[0], ""), "not a promise of the log")
    need(index == str(int(index)) and moment == str(int(moment)), "number")
    entry = unbase64(entry, "entry")
    need(len(entry) == 39 and entry[0] == 1, "not an entry")
    if opening is None:
        return int(index), int(moment), None
    commitment = hashing("sm3")(b"\0" + opening)
    need(len(opening) > 32 and entry[7:] == commitment, "the entry is of another salt or event")
    return int(index), int(moment), opening[32:]


# ---- C2SP tlog-tiles, RFC 6962 2.1; docs/formats/audit-leaf.md ----


def path(kind, index, width):
    digits = f"{index % 1000:03}"
    while index := index // 1000:
        digits = f"x{index % 1000:03}/{digits}"
    return f"tile/{kind}/{digits}" + (f".p/{width}" if width < 256 else "")


def tree_hash(h, hashes):
    """MTH over hashes of equal subtrees."""
    while len(hashes) > 1:
        pairs = [h(b"\x01" + hashes[i] + hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0]


def read(folder, name, first):
    need((folder / name).is_file(), f"entry {first}: {folder.name}/{name} is missing")
    return (folder / name).read_bytes()


def entries_of(folder, index, width):
    octets, found, first = read(folder, path("entries", index, width), index * 256), [], index * 256
    while octets:
        length = int.from_bytes(octets[:2], "big")
        need(length == 39 == len(octets[2 : 2 + length]), f"entry {first + len(found)}: not an entry")
        found.append(octets[2 : 2 + length])
        octets = octets[2 + length :]
        need(found[-1][0] == 1, f"entry {first + len(found) - 1}: not version 1")
    need(len(found) == width, f"entry {first + min(len(found), width)}: the bundle has {len(found)} entries")
    return found


def check_tree(folder, name, size):
    """All tiles of one tree against its entries; gives the root and the entries."""
    h, entries, level = hashing(name), [], 0
    for start in range(0, size, 256):
        entries += entries_of(folder, start // 256, min(256, size - start))
    row = [h(b"\0" + entry) for entry in entries]
    edge = []
    while row:
        above = []
        for start in range(0, len(row), 256):
            hashes = row[start : start + 256]
            octets = read(folder, path(level, start // 256, len(hashes)), start << 8 * level)
            for at, hashed in enumerate(hashes):
                same = octets[32 * at : 32 * at + 32] == hashed
                need(same, f"entry {(start + at) << 8 * level}: {name} differs at level {level}")
            need(len(octets) == 32 * len(hashes), f"entry {start << 8 * level}: length of a tile")
            if len(hashes) == 256:
                above.append(tree_hash(h, hashes))
        edge.append(row[len(row) - len(row) % 256 :])
        row, level = above, level + 1
    whole = []
    for hashes in reversed(edge):  # whole subtrees, large to small
        while hashes:
            count = 1 << (len(hashes).bit_length() - 1)
            whole.append(tree_hash(h, hashes[:count]))
            hashes = hashes[count:]
    root = whole.pop() if whole else h(b"")
    while whole:
        root = h(b"\x01" + whole.pop() + root)
    return root, entries


def check(folder, keys, witnesses):
    heads, roots, logs = [], [], []
    for name, key in keys.items():
        need(key[0].endswith("/" + name), f"the key's name is {key[0]}")
        head = (folder / name / "checkpoint").read_bytes()
        heads.append(checkpoint(head, key[0], key, witnesses))
    sizes = [size for size, _ in heads]
    need(sizes[0] == sizes[1], f"entry {min(sizes)}: the trees have other sizes")
    for name in keys:
        root, entries = check_tree(folder / name, name, sizes[0])
        roots.append(root)
        logs.append(entries)
    for at, (one, other) in enumerate(zip(*logs)):
        need(one == other, f"entry {at}: the trees have different entries")
    need(roots == [root for _, root in heads], "entry 0: the checkpoint has another root than the tiles")
    return f"ok {sizes[0]} {roots[0].hex()} {roots[1].hex()}"


def vectors(file):
    held = json.loads(pathlib.Path(file).read_text())
    entries = []
    for row in held["events"]:
        event, salt = bytes.fromhex(row["event"]), bytes.fromhex(row["salt"])
        commitment = hashing("sm3")(b"\0" + salt + event)
        hour = (row["at"] // 3600).to_bytes(4, "big")
        entry = b"\x01" + row["class"].to_bytes(2, "big") + hour + commitment
        need(row["commitment"] == commitment.hex() and row["entry"] == entry.hex(), "entry")
        for name in ["sm3", "sha256"]:
            need(row["leaf_" + name] == hashing(name)(b"\0" + entry).hex(), "leaf")
        entries.append(entry)
    for name in ["sm3", "sha256"]:
        h = hashing(name)
        leaves = [h(b"\0" + entry) for entry in entries]
        root = h(b"\x01" + h(b"\x01" + leaves[0] + leaves[1]) + leaves[2])
        key, witness = verifier(held["vkey_" + name]), verifier(held["vkey_witness"])
        found = checkpoint(held["checkpoint_" + name].encode(), f"{held['origin']}/{name}", key, [witness])
        need(found == (3, root) and held["root_" + name] == root.hex(), "root")
    keys = {name: verifier(held["vkey_" + name]) for name in ["sm3", "sha256"]}
    need(statement(held["statement"].encode(), keys) == ("cd" * 32, 3), "statement")
    promised = 1, 1_800_000_060, bytes.fromhex(held["events"][1]["event"])
    need(receipt(held["receipt"].encode(), keys["sm3"]) == promised, "receipt")
    return "ok"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", nargs="?", type=pathlib.Path)
    arguments.add_argument("--vectors")
    arguments.add_argument("--statement", type=pathlib.Path)
    arguments.add_argument("--receipt", type=pathlib.Path)
    arguments.add_argument("--sm3")
    arguments.add_argument("--sha256")
    arguments.add_argument("--witness", action="append", default=[])
    given = arguments.parse_args()
    try:
        if given.vectors:
            print(vectors(given.vectors))
        elif given.statement:
            named = {"sm3": given.sm3, "sha256": given.sha256}
            keys = {name: verifier(key) for name, key in named.items() if key}
            print("ok", *statement(given.statement.read_bytes(), keys))
        elif given.receipt:
            index, moment, event = receipt(given.receipt.read_bytes(), verifier(given.sm3))
            print("ok", index, moment, event.hex() if event else "-")
        else:
            keys = {"sm3": verifier(given.sm3), "sha256": verifier(given.sha256)}
            print(check(given.folder, keys, [verifier(key) for key in given.witness]))
    except (Refused, ValueError, OSError) as error:
        text = str(error)
        print(text if text.startswith("entry ") else f"refused: {text}")
        sys.exit(1)


main()
