"""Draws OFD files with easyofd, a reader that is not ours, and checks what it drew.

    python render_ofd.py [--out DIR] [--no-seal] file.ofd...

Checks for each file: as many pages as Document.xml names; no page blank; at each StampAnnot's Boundary, on its page, red pixels
(skipped with --no-seal; a stamp cut by Clip is looked for in its cut part only). One JSON line per file; exit 0 only when all are ok.
The reader draws one stamp of each signature only, so a riding seal needs --no-seal; it refuses a package that names an absent part.
The reader draws text only with a font that is installed, or that the package embeds as TrueType; other pages may come out blank.
"""

import argparse
import base64
import contextlib
import io
import json
import logging
import os
import pathlib
import posixpath
import sys
import warnings
import zipfile
from xml.etree import ElementTree

warnings.filterwarnings("ignore")
from loguru import logger  # noqa: E402

logger.remove()
logging.disable(logging.CRITICAL)
from easyofd.ofd import OFD  # noqa: E402
from reportlab.pdfbase import pdfmetrics  # noqa: E402
from reportlab.pdfbase.ttfonts import TTFont  # noqa: E402


def local(element):
    return element.tag.rpartition("}")[2]


def resolve(source, location):
    return posixpath.normpath(posixpath.join("/" + posixpath.dirname(source), location)).lstrip("/")


def read_xml(package, path):
    return ElementTree.fromstring(package.read(path))


def first(root, name):
    return next((element for element in root.iter() if local(element) == name), None)


def numbers(text):
    return [float(number) for number in text.split()]


def expectations(file):
    """Page IDs in order, and the stamps as (page index, box in mm), from the package itself."""
    with zipfile.ZipFile(file) as package:
        ofd = read_xml(package, "OFD.xml")
        root_path = resolve("OFD.xml", first(ofd, "DocRoot").text.strip())
        document = read_xml(package, root_path)
        pages = [page.get("ID") for page in first(document, "Pages") if local(page) == "Page"]
        stamps = []
        named = first(ofd, "Signatures")
        if named is not None:
            list_path = resolve("OFD.xml", named.text.strip())
            for entry in read_xml(package, list_path):
                if local(entry) != "Signature":
                    continue
                path = resolve(list_path, entry.get("BaseLoc"))
                for stamp in read_xml(package, path).iter():
                    if local(stamp) == "StampAnnot":
                        x, y, width, height = numbers(stamp.get("Boundary"))
                        if stamp.get("Clip"):
                            left, top, width, height = numbers(stamp.get("Clip"))
                            x, y = x + left, y + top
                        stamps.append((pages.index(stamp.get("PageRef")), (x, y, width, height)))
        return pages, page_sizes(package, document, root_path), stamps


def page_sizes(package, document, root_path):
    """Width and height in mm of each page: its own Area, else the document's."""
    default = numbers(first(document, "PhysicalBox").text)[2:4]
    sizes = []
    for page in first(document, "Pages"):
        own = first(read_xml(package, resolve(root_path, page.get("BaseLoc"))), "PhysicalBox")
        sizes.append(numbers(own.text)[2:4] if own is not None else default)
    return sizes


def ink(image, box=None):
    """Counts of pixels that are not white, and that are red, in the box."""
    image = image.crop(box) if box else image
    octets = image.tobytes()
    red = dark = 0
    for at in range(0, len(octets), 3):
        r, g, b = octets[at : at + 3]
        dark += min(r, g, b) < 200
        red += r > 150 and g < 110 and b < 110
    return dark, red


def register_fonts(file):
    """The reader draws all text in a font that it calls 宋体: give it the package's own, the largest TrueType one."""
    with zipfile.ZipFile(file) as package:
        fonts = [entry for entry in package.infolist() if entry.filename.lower().endswith(".ttf")]
        if fonts:
            largest = max(fonts, key=lambda entry: entry.file_size)
            pdfmetrics.registerFont(TTFont("宋体", io.BytesIO(package.read(largest))))


def render(file, out, want_seal):
    pages, sizes, stamps = expectations(file)
    register_fonts(file)
    reader = OFD()
    with contextlib.redirect_stdout(io.StringIO()):
        reader.read(base64.b64encode(pathlib.Path(file).read_bytes()).decode(), save_xml=False)
        images = [image.convert("RGB").resize((1050, 1050 * image.height // image.width)) for image in reader.to_jpg()]
        reader.del_data()
    faults = []
    if len(images) != len(pages):
        faults.append(f"{len(images)} pages drawn, {len(pages)} named")
    for number, image in enumerate(images):
        if out:
            image.save(os.path.join(out, f"{pathlib.Path(file).stem}-{number + 1}.png"))
        if ink(image)[0] == 0:
            faults.append(f"page {number + 1} is blank")
    if want_seal:
        for number, (x, y, width, height) in stamps:
            if number >= len(images):
                continue
            image, (page_width, page_height) = images[number], sizes[number]
            box = (
                max(0, int(x / page_width * image.width)),
                max(0, int(y / page_height * image.height)),
                min(image.width, int((x + width) / page_width * image.width) + 1),
                min(image.height, int((y + height) / page_height * image.height) + 1),
            )
            if ink(image, box)[1] < 50:
                faults.append(f"no red at the stamp on page {number + 1}")
    return {"file": file, "pages": len(images), "stamps": len(stamps), "status": "failed" if faults else "ok", "faults": faults}


def main():
    arguments = argparse.ArgumentParser(description="Draws OFD files with easyofd and checks the pictures.")
    arguments.add_argument("--out")
    arguments.add_argument("--no-seal", action="store_true")
    arguments.add_argument("files", nargs="+")
    chosen = arguments.parse_args()
    if chosen.out:
        os.makedirs(chosen.out, exist_ok=True)
    all_ok = True
    for file in chosen.files:
        try:
            answer = render(file, chosen.out, not chosen.no_seal)
        except Exception as error:  # the reader raises anything on a file it does not understand
            answer = {"file": file, "status": "failed", "faults": [f"reader: {error!r}"]}
        all_ok &= answer["status"] == "ok"
        print(json.dumps(answer))
    sys.exit(0 if all_ok else 1)


if __name__ == "__main__":
    main()
