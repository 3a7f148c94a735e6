"""Checks the seals of OFD files with GmSSL (SM2, SM3) and asn1crypto (DER), sharing no code with Yinxin.

    python verify_sealed_ofd.py [--trust ca.pem]... file.ofd...

Written from the structures of GB/T 38540-2020 (V4) and GB/T 33190-2016 clause 18.
One JSON line per signature; exit 0 only when every check of every signature of every file is ok
and every file has a signature; 1 when some check failed; 2 on usage.
Strict: DER only, GeneralizedTime only, no tolerance but one: an ExtData may write `critical FALSE` out.
Not checked: validity periods, revocation, key usage, time stamps, coverage of the shown parts.
"""

import argparse
import base64
import hashlib
import json
import posixpath
import sys
import zipfile
from xml.parsers import expat
from xml.etree import ElementTree

import gmssl_pyx
from asn1crypto import core, pem, x509

SM3_OID = "1.2.156.10197.1.401"
SM2_WITH_SM3 = "1.2.156.10197.1.501"
RSA_WITH_SHA256 = "1.2.840.113549.1.1.11"
SM2_CURVE = "1.2.156.10197.1.301"
MAX_ENTRY = 64 << 20


class Refused(Exception):
    """A check that did not hold, in words."""


# ---- GB/T 38540-2020, as asn1crypto types ----


class ExtData(core.Sequence):
    _fields = [
        ("extn_id", core.ObjectIdentifier),
        ("critical", core.Boolean, {"optional": True}),
        ("extn_value", core.OctetString),
    ]


class ExtensionDatas(core.SequenceOf):
    _child_spec = ExtData


class SesHeader(core.Sequence):
    _fields = [("id", core.IA5String), ("version", core.Integer), ("vid", core.IA5String)]


class CertInfoList(core.SequenceOf):
    _child_spec = core.OctetString


class CertDigestObj(core.Sequence):
    _fields = [("type", core.PrintableString), ("value", core.OctetString)]


class CertDigestList(core.SequenceOf):
    _child_spec = CertDigestObj


class SesEsPropertyInfo(core.Sequence):
    _fields = [
        ("type", core.Integer),
        ("name", core.UTF8String),
        ("cert_list_type", core.Integer),
        ("cert_list", core.Any),
        ("create_date", core.GeneralizedTime),
        ("valid_start", core.GeneralizedTime),
        ("valid_end", core.GeneralizedTime),
    ]


class SesEsPictureInfo(core.Sequence):
    _fields = [
        ("type", core.IA5String),
        ("data", core.OctetString),
        ("width", core.Integer),
        ("height", core.Integer),
    ]


class SesSealInfo(core.Sequence):
    _fields = [
        ("header", SesHeader),
        ("es_id", core.IA5String),
        ("property", SesEsPropertyInfo),
        ("picture", SesEsPictureInfo),
        ("ext_datas", ExtensionDatas, {"optional": True}),
    ]


class SeSeal(core.Sequence):
    _fields = [
        ("e_seal_info", SesSealInfo),
        ("cert", core.OctetString),
        ("sign_alg_id", core.ObjectIdentifier),
        ("signed_value", core.BitString),
    ]


class TbsSign(core.Sequence):
    _fields = [
        ("version", core.Integer),
        ("eseal", SeSeal),
        ("time_info", core.GeneralizedTime),
        ("data_hash", core.BitString),
        ("property_info", core.IA5String),
        ("ext_datas", ExtensionDatas, {"explicit": 0, "optional": True}),
    ]


class SesSignature(core.Sequence):
    _fields = [
        ("to_sign", TbsSign),
        ("cert", core.OctetString),
        ("signature_alg_id", core.ObjectIdentifier),
        ("signature", core.BitString),
        ("time_stamp", core.BitString, {"explicit": 0, "optional": True}),
    ]


class Sm2Signature(core.Sequence):
    _fields = [("r", core.Integer), ("s", core.Integer)]


def walk_der(octets, start, end, depth=0):
    """Refuses what X.690 clause 10 does not allow in lengths, tags, BOOLEAN and INTEGER; asn1crypto is laxer."""
    if depth > 32:
        raise Refused("nested too deep")
    while start < end:
        first = octets[start]
        start += 1
        if first & 0x1F == 0x1F:
            raise Refused("high tag number")
        if start >= end:
            raise Refused("no length")
        length = octets[start]
        start += 1
        if length == 0x80:
            raise Refused("indefinite length")
        if length > 0x80:
            count = length & 0x7F
            if count > 4 or start + count > end or octets[start] == 0:
                raise Refused("length of length")
            length = int.from_bytes(octets[start : start + count], "big")
            start += count
            if length < 0x80:
                raise Refused("length not minimal")
        if start + length > end:
            raise Refused("value past the end")
        body = octets[start : start + length]
        if first & 0x20:
            walk_der(octets, start, start + length, depth + 1)
        elif first & 0xC0 == 0:
            tag = first & 0x1F
            if tag in (16, 17):
                raise Refused("primitive SEQUENCE or SET")
            if tag == 1 and body not in (b"\x00", b"\xff"):
                raise Refused("BOOLEAN")
            if tag == 2 and (
                not body or (len(body) > 1 and (body[0], body[1] >> 7) in ((0, 0), (255, 1)))
            ):
                raise Refused("INTEGER not minimal")
            if tag == 3 and (not body or body[0] > 7):
                raise Refused("BIT STRING")
            if tag == 24 and (len(body) < 15 or body[-1:] != b"Z"):
                raise Refused("GeneralizedTime not in Z")
        start += length


def strict(spec, octets, what):
    """Parses `octets` as `spec`, wholly, and refuses what a DER writer would have written differently."""
    try:
        walk_der(octets, 0, len(octets))
        value = spec.load(octets, strict=True)
        value.native  # parses everything, since asn1crypto is lazy
        again = value.dump(force=True)
    except (ValueError, TypeError) as error:
        raise Refused(f"{what}: {' '.join(str(error).split())}") from error
    if again != octets:
        raise Refused(f"{what} is not DER")
    return value


def bits(value, what):
    """The octets of a BIT STRING without unused bits."""
    if value.contents[0] != 0:
        raise Refused(f"{what} has unused bits")
    return value.contents[1:]


# ---- certificates and signatures ----


def sm3(octets):
    return gmssl_pyx.sm3_hash(octets)


def sha256(octets):
    return hashlib.sha256(octets).digest()


def certificate(octets):
    walk_der(octets, 0, len(octets))
    return x509.Certificate.load(octets, strict=True)


def require_value(cert, algorithm, message, value):
    """The signature `value` over `message` must be right under the key of `cert`."""
    key = cert["tbs_certificate"]["subject_public_key_info"]
    octets = bits(key["public_key"], "public key") if key.algorithm == "ec" else None
    if algorithm == SM2_WITH_SM3:
        if key.algorithm != "ec" or key["algorithm"]["parameters"].chosen.dotted != SM2_CURVE:
            raise Refused("not an SM2 key")
        if len(octets) != 65 or octets[0] != 4:
            raise Refused("SM2 point is not uncompressed")
        strict(Sm2Signature, value, "SM2 signature")
        right = gmssl_pyx.sm2_verify(octets[1:], message, value)
    elif algorithm == RSA_WITH_SHA256:
        if key.algorithm != "rsa":
            raise Refused("not an RSA key")
        numbers = key["public_key"].parsed
        modulus, exponent = numbers["modulus"].native, numbers["public_exponent"].native
        size = (modulus.bit_length() + 7) // 8
        info = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(message)
        expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info  # RFC 8017, 9.2
        opened = pow(int.from_bytes(value, "big"), exponent, modulus).to_bytes(size, "big")
        right = len(value) == size and opened == expected
    else:
        raise Refused(f"algorithm {algorithm}")
    if not right:
        raise Refused(f"wrong value under the key of {cert.subject.human_friendly}")


def require_issued(whose, cert, trust):
    for anchor in trust:
        if anchor.subject.dump() != cert.issuer.dump():
            continue
        outer = cert["signature_algorithm"]
        if outer.dump() != cert["tbs_certificate"]["signature"].dump():
            raise Refused(f"{whose} names two signature algorithms")
        value = bits(cert["signature_value"], "certificate signature")
        require_value(anchor, outer["algorithm"].dotted, cert["tbs_certificate"].dump(), value)
        return
    raise Refused(f"{whose} was issued by none of the trusted")


# ---- package ----


def read_package(path):
    parts = {}
    with zipfile.ZipFile(path) as package:
        for entry in package.infolist():
            if entry.is_dir():
                continue
            if entry.file_size > MAX_ENTRY:
                raise Refused(f"entry too large: {entry.filename}")
            if entry.filename in parts:
                raise Refused(f"entry twice: {entry.filename}")
            parts[entry.filename] = package.read(entry)
    return parts


def part(parts, path):
    if path not in parts:
        raise Refused(f"missing part: {path}")
    return parts[path]


def resolve(source, location):
    """Absolute in the package when it starts with a slash, else relative to the folder of the naming file."""
    whole = posixpath.normpath(posixpath.join("/" + posixpath.dirname(source), location))
    return whole.lstrip("/")


def refuse_doctype(*_):
    raise Refused("DOCTYPE")


def parse_xml(octets):
    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = refuse_doctype
    guard.Parse(octets, True)
    return ElementTree.fromstring(octets)


def children(parent, name):
    return [child for child in parent if child.tag.rpartition("}")[2] == name]


def only(parent, name):
    found = children(parent, name)
    if len(found) != 1:
        raise Refused(f"{len(found)} elements {name}")
    return found[0]


def text(element):
    return (element.text or "").strip()


# ---- one signature ----


def references(parts, path, element):
    digests = {"sm3": sm3, SM3_OID: sm3, "sha256": sha256, "sha-256": sha256, "2.16.840.1.101.3.4.2.1": sha256}
    method = element.get("CheckMethod", "")
    digest = digests.get(method.lower())
    if digest is None:
        raise Refused(f"CheckMethod {method!r}")
    found = children(element, "Reference")
    if not found:
        raise Refused("no Reference")
    for reference in found:
        named = resolve(path, reference.get("FileRef", ""))
        claimed = base64.b64decode(text(only(reference, "CheckValue")), validate=True)
        if digest(part(parts, named)) != claimed:
            raise Refused(f"digest of {named}")


def parse_signature(octets):
    ses = strict(SesSignature, octets, "SES_Signature")
    to_sign = ses["to_sign"]
    if to_sign["version"].native != 4:
        raise Refused("TBS_Sign version is not 4")
    header = to_sign["eseal"]["e_seal_info"]["header"]
    if (header["id"].native, header["version"].native) != ("ES", 4):
        raise Refused("seal header is not ES, 4")
    return ses


def require_listed(seal, signer):
    info = seal["e_seal_info"]["property"]
    kind = info["cert_list_type"].native
    octets = info["cert_list"].dump()
    if kind == 1:
        listed = [item.native for item in strict(CertInfoList, octets, "certList")]
        found = signer in listed
    elif kind == 2:
        listed = [item["value"].native for item in strict(CertDigestList, octets, "certDigestList")]
        found = sm3(signer) in listed or sha256(signer) in listed
    else:
        raise Refused(f"certListType {kind}")
    if not found:
        raise Refused("the seal does not list the signer")


def verify_signature(file, parts, list_path, entry, trust):
    line = {"file": file, "id": entry.get("ID", "")}
    reasons = {}
    if entry.get("Type", "Seal") != "Seal":
        raise Refused(f"signature {entry.get('ID')} is not a seal: {entry.get('Type')}")
    path = resolve(list_path, entry.get("BaseLoc", ""))
    description = part(parts, path)
    signature = parse_xml(description)
    signed_info = only(signature, "SignedInfo")
    value = part(parts, resolve(path, text(only(signature, "SignedValue"))))

    def check(name, step):
        try:
            step()
            line[name] = "ok"
        except Exception as error:  # every fault of a hostile file is a failed check
            line[name] = "failed"
            reasons[name] = str(error) or repr(error)

    parsed = []

    def ses():
        if not parsed:
            raise Refused("not parsed")
        return parsed[0]

    def data_hash():
        claimed = bits(ses()["to_sign"]["data_hash"], "dataHash")
        allowed = [sm3(description)]
        if ses()["signature_alg_id"].dotted != SM2_WITH_SM3:
            allowed.append(sha256(description))  # an RSA signer may use either
        if claimed not in allowed:
            raise Refused(f"dataHash is not the digest of {path}")

    def seal_file():
        named = children(signed_info, "Seal")
        if named and part(parts, resolve(path, text(only(named[0], "BaseLoc")))) != ses()["to_sign"]["eseal"].dump():
            raise Refused("Seal.esl differs from the seal that was signed")

    def property_info():
        named = ses()["to_sign"]["property_info"].native
        if resolve("", named) != path:
            raise Refused(f"propertyInfo names {named}, the file is {path}")

    def signature_value():
        require_value(
            certificate(ses()["cert"].native),
            ses()["signature_alg_id"].dotted,
            ses()["to_sign"].dump(),
            bits(ses()["signature"], "signature"),
        )

    def seal_value():
        seal = ses()["to_sign"]["eseal"]
        require_value(
            certificate(seal["cert"].native),
            seal["sign_alg_id"].dotted,
            seal["e_seal_info"].dump(),
            bits(seal["signed_value"], "signedValue"),
        )

    def chain():
        require_issued("signer", certificate(ses()["cert"].native), trust)
        require_issued("maker", certificate(ses()["to_sign"]["eseal"]["cert"].native), trust)

    check("references", lambda: references(parts, path, only(signed_info, "References")))
    check("der", lambda: parsed.append(parse_signature(value)))
    check("dataHash", data_hash)
    check("signature", signature_value)
    check("seal", seal_value)
    check("listed", lambda: require_listed(ses()["to_sign"]["eseal"], ses()["cert"].native))
    check("sealFile", seal_file)
    check("propertyInfo", property_info)
    if trust:
        check("chain", chain)
    else:
        line["chain"] = "unchecked"
    if reasons:
        line["reason"] = reasons
    print(json.dumps(line))
    return not reasons


def verify_file(file, trust):
    parts = read_package(file)
    all_ok, count = True, 0
    for body in children(parse_xml(part(parts, "OFD.xml")), "DocBody"):
        for named in children(body, "Signatures"):
            list_path = resolve("OFD.xml", text(named))
            for entry in children(parse_xml(part(parts, list_path)), "Signature"):
                count += 1
                all_ok &= verify_signature(file, parts, list_path, entry, trust)
    if count == 0:
        raise Refused("no signature")
    return all_ok


def anchors(path):
    with open(path, "rb") as source:
        return [certificate(octets) for kind, _, octets in pem.unarmor(source.read(), multiple=True) if kind == "CERTIFICATE"]


def main():
    arguments = argparse.ArgumentParser(description="Checks the seals of OFD files.")
    arguments.add_argument("--trust", action="append", default=[])
    arguments.add_argument("files", nargs="+")
    chosen = arguments.parse_args()
    trust = [anchor for path in chosen.trust for anchor in anchors(path)]
    all_ok = True
    for file in chosen.files:
        try:
            all_ok &= verify_file(file, trust)
        except Exception as error:  # a file that cannot be read is a failed file, the next one still counts
            print(json.dumps({"file": file, "error": str(error) or repr(error)}))
            all_ok = False
    sys.exit(0 if all_ok else 1)


if __name__ == "__main__":
    main()
