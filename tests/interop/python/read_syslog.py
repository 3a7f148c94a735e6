#!/usr/bin/env python3
"""Reads syslog messages by the ABNF of RFC 5424 section 6, and by nothing else; one JSON object for each line of a file.

Refuses what the grammar does not give: exit code 1 and the line. Written from the RFC's text; shares no code with Yinxin.
`--self-test` reads the RFC's own examples (6.5) and refuses a few that are wrong.
"""
import json
import re
import sys

PRINTUSASCII = r"[\x21-\x7e]"
PRI = r"<(?P<pri>0|[1-9][0-9]?|1[0-8][0-9]|19[01])>"
VERSION = r"(?P<version>[1-9][0-9]{0,2})"
DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
TIMESTAMP = rf"(?P<timestamp>-|{DATE}T{TIME})"
HEADER = re.compile(
    rf"{PRI}{VERSION} {TIMESTAMP} (?P<hostname>{PRINTUSASCII}{{1,255}}) (?P<app_name>{PRINTUSASCII}{{1,48}})"
    rf" (?P<procid>{PRINTUSASCII}{{1,128}}) (?P<msgid>{PRINTUSASCII}{{1,32}}) "
)
SD_NAME = re.compile(r'[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}')


class Wrong(Exception):
    pass


def structured_data(text):
    """Gives the elements and what is left."""
    if text.startswith("-"):
        return {}, text[1:]
    elements = {}
    while text.startswith("["):
        name = SD_NAME.match(text, 1)
        if not name or name.group() in elements:
            raise Wrong("SD-ID")
        at, parameters = name.end(), {}
        while text[at : at + 1] == " ":
            param = SD_NAME.match(text, at + 1)
            if not param or text[param.end() : param.end() + 2] != '="':
                raise Wrong("PARAM-NAME")
            at, value = param.end() + 2, []
            while True:
                c = text[at : at + 1]
                if c == "" or c == "]":
                    raise Wrong("PARAM-VALUE")
                if c == '"':
                    at += 1
                    break
                if c == "\\" and text[at + 1 : at + 2] in ('"', "\\", "]"):
                    at += 1
                    c = text[at]
                value.append(c)
                at += 1
            parameters.setdefault(param.group(), "".join(value))
        if text[at : at + 1] != "]":
            raise Wrong("SD-ELEMENT")
        elements[name.group()] = parameters
        text = text[at + 1 :]
    if not elements:
        raise Wrong("STRUCTURED-DATA")
    return elements, text


def message(octets):
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Wrong("UTF-8") from None
    header = HEADER.match(text)
    if not header:
        raise Wrong("HEADER")
    elements, rest = structured_data(text[header.end() :])
    if rest and not rest.startswith(" "):
        raise Wrong("MSG")
    found = header.groupdict()
    priority = int(found.pop("pri"))
    return {
        "facility": priority // 8,
        "severity": priority % 8,
        **found,
        "structured_data": elements,
        "message": rest[1:],
    }


def self_test():
    good = [
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 '
        '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] \ufeffAn application event log entry...',
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 '
        '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]',
    ]
    wrong = [
        good[0].replace("<34>", "<192>"),
        good[0].replace("T22:14", " 22:14"),
        good[3].replace('"3"', '"3]"'),
        good[3].replace("[exampleSDID", "[exa]mpleSDID"),
        good[3].replace("][", "]x["),
        good[3].replace("examplePriority", "exampleSDID"),
    ]
    for text in good:
        message(text.encode())
    for text in wrong:
        try:
            message(text.encode())
        except Wrong:
            continue
        raise SystemExit(f"taken, and wrong: {text}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    self_test()
    with open(sys.argv[1], "rb") as lines:
        for line in lines:
            try:
                print(json.dumps(message(line.rstrip(b"\n"))))
            except Wrong as fault:
                print(f"{fault}: {line!r}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
