"""Checks the checkers: every genuine fixture of a form that a checker judges must pass it, everything else and every tampered copy must fail.

    python check_checkers.py FIXTURES BCPROV_JAR

FIXTURES is the folder that holds eseal/generated. A checker that accepts everything would make its word worthless.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
SIGN = "Doc_0/Signs/Sign_0/"
# The forms that each checker judges; it refuses the others.
FORMS = {"bouncycastle": ("v1_", "v4_", "v5_"), "python": ("v4_",)}
# Of a judged form, but wrong by the standard's letter.
LENIENT = {"v1_timeinfo_octetstring.ofd", "v4_raw_rs_signature.ofd"}
AXES = ("references", "der", "dataHash", "signature", "seal", "listed", "sealFile", "propertyInfo", "chain")


def rewrite(source, target, change):
    """Copies a package; `change(name, content)` gives the new content, or None to leave the entry out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = change(entry.filename, old.read(entry))
            if content is not None:
                new.writestr(entry.filename, content)


def at(name, edit):
    """A change of one entry, which must really change."""

    def change(entry, content):
        if entry != name:
            return content
        edited = edit(content)
        assert edited != content, name
        return edited

    return change


def flip(position):
    def edit(content):
        edited = bytearray(content)
        edited[position] ^= 1
        return bytes(edited)

    return edit


def swap(old, new):
    return lambda content: content.replace(old, new, 1)


def tampered(source):
    """Name, change, the check that must fail; None: the file as a whole."""
    value = zipfile.ZipFile(source).read(SIGN + "SignedValue.dat")
    property_info = value.rindex(b"/Doc_0/Signs/Sign_0/Signature.xml")
    return [
        ("page content", at("Doc_0/Pages/Page_0/Content.xml", flip(300)), "references"),
        ("page left out", lambda name, content: None if name.endswith("Page_0/Content.xml") else content, "references"),
        ("check value", at(SIGN + "Signature.xml", swap(b"<ofd:CheckValue>u", b"<ofd:CheckValue>v")), "references"),
        ("description", at(SIGN + "Signature.xml", swap(b"50 50 40 40", b"51 50 40 40")), "dataHash"),
        ("property info", at(SIGN + "SignedValue.dat", flip(property_info + 20)), "propertyInfo"),
        ("signed bytes", at(SIGN + "SignedValue.dat", flip(property_info + 20)), "signature"),
        ("signature value", at(SIGN + "SignedValue.dat", flip(-1)), "signature"),
        ("seal picture", at(SIGN + "SignedValue.dat", flip(4000)), "seal"),
        ("seal in the signature", at(SIGN + "SignedValue.dat", flip(4000)), "sealFile"),
        ("seal file", at(SIGN + "Seal.esl", flip(4000)), "sealFile"),
        ("trailing byte", at(SIGN + "SignedValue.dat", lambda content: content + b"\0"), "der"),
        ("value left out", lambda name, content: None if name.endswith(".dat") else content, None),
        ("list without entries", at("Doc_0/Signs/Signatures.xml", swap(b'<ofd:Signature ID="s001" Type="Seal" BaseLoc="/Doc_0/Signs/Sign_0/Signature.xml"/>', b"")), None),
    ]


def run(command, files):
    done = subprocess.run(command + [str(file) for file in files], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    lines = {}
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        lines.setdefault(answer["file"], []).append(answer)
    return done.returncode, lines


def main():
    fixtures, jar = pathlib.Path(sys.argv[1]) / "eseal" / "generated", sys.argv[2]
    trust = ["--trust", str(fixtures / "keys" / "ca.pem"), "--trust", str(fixtures / "keys" / "rsa_ca.pem")]
    checkers = {
        "bouncycastle": ["java", "-cp", jar, str(HERE.parent / "bouncycastle" / "VerifySealedOfd.java")],
        "python": [sys.executable, str(HERE / "verify_sealed_ofd.py")],
    }
    files = sorted(fixtures.glob("*.ofd"))
    passed, faults = 0, []

    def expect(condition, what):
        nonlocal passed
        if condition:
            passed += 1
        else:
            faults.append(what)

    with tempfile.TemporaryDirectory() as folder:
        cases = []
        for number, (name, change, fails) in enumerate(tampered(fixtures / "v4_basic.ofd")):
            path = pathlib.Path(folder) / f"{number}.ofd"
            rewrite(fixtures / "v4_basic.ofd", path, change)
            cases.append((name, path, fails))
        for checker, command in checkers.items():
            genuine = [file for file in files if file.name.startswith(FORMS[checker]) and file.name not in LENIENT]
            refused = [file for file in files if file not in genuine]
            assert len(genuine) >= 10 and len(refused) >= 5, "fixtures incomplete"
            code, lines = run(command + trust, genuine)
            expect(code == 0, f"{checker}: a genuine file failed: {lines}")
            for file in genuine:
                for answer in lines[str(file)]:
                    expect(all(answer.get(axis) == "ok" for axis in AXES), f"{checker}: {answer}")
            for file in refused:
                code, _ = run(command, [file])
                expect(code == 1, f"{checker}: {file.name} passed")
            code, lines = run(command + ["--trust", str(fixtures / "keys" / "rsa_ca.pem")], [fixtures / "v4_basic.ofd"])
            expect(code == 1 and next(iter(lines.values()))[0]["chain"] == "failed", f"{checker}: wrong anchor passed")
            for name, path, fails in cases:
                code, lines = run(command, [path])
                expect(code == 1, f"{checker}: tampered ({name}) passed")
                answer = lines.get(str(path), [{}])[-1]
                expect("error" in answer if fails is None else answer.get(fails) == "failed", f"{checker}: tampered ({name}): {answer}")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"checkers: {passed} passed, {len(faults)} failed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
