"""Uses the public page for verifying in Chromium, as an official would. Prints OK at the end; any surprise is an exception.

usage: verify_page.py BASE FOLDER: FOLDER holds genuine.ofd, tampered.ofd, partial.ofd, stranger.ofd; pictures are put there.
"""

import base64
import json
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

BASE, FOLDER = sys.argv[1], Path(sys.argv[2])
# What an official must be able to tell apart: class of the box, heading, and what the explanation says.
EXPECTED = {
    "genuine.ofd": ("passed", "验证通过", "签章真实有效"),
    "tampered.ofd": ("failed", "验证不通过", "内容被改动"),
    "partial.ofd": ("unknown", "不能认定", "部分显示内容未受签章保护"),
    "stranger.ofd": ("unknown", "不能认定", "签发机构不在信任列表中"),
}


def box(page):
    verdict = page.locator("section.verdict")
    kind = verdict.get_attribute("class").split()[1]
    return kind, verdict.locator("h1").inner_text(), verdict.inner_text()


def check(page, name):
    expected = EXPECTED[name]
    kind, heading, text = box(page)
    assert kind == expected[0], (name, kind)
    assert heading.startswith(expected[1]), (name, heading)
    assert expected[2] in text, (name, text)
    assert name in text, (name, text)
    assert page.locator(".card").count() == 1, name
    assert page.locator(".card tbody tr").count() == 9, name
    assert page.locator("figure svg image").count() == 3, "the notice has three pages"
    assert page.locator("figure rect.mark").count() == 1, "one stamp is marked"


def answered(page):
    """Waits for the verdict, and for all that stands below it: the page comes in pieces on a busy machine."""
    page.wait_for_selector("#verdict")
    page.wait_for_load_state("load")


def outline(page):
    return page.evaluate("getComputedStyle(document.activeElement).outlineStyle")


with sync_playwright() as playwright:
    # Its own sandbox needs rights that a container has not; it opens our page alone.
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1100, "height": 900}, locale="zh-CN")
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    # Each file through the form.
    for name in EXPECTED:
        page.goto(BASE + "/verify")
        page.set_input_files("#file", FOLDER / name)
        page.click("button[type=submit]")
        answered(page)
        check(page, name)
        page.screenshot(path=FOLDER / f"{name}.png")
        page.locator("section[aria-labelledby=pages]").screenshot(path=FOLDER / f"{name}.pages.png")

    # Pictures of pages are drawn, not broken.
    widths = page.evaluate(
        """async () => Promise.all([...document.querySelectorAll("figure svg image")].map(async (image) => {
            const picture = new Image(); picture.src = image.href.baseVal; await picture.decode(); return picture.naturalWidth; }))"""
    )
    assert len(widths) == 3 and all(width > 100 for width in widths), widths

    # The report itself can be kept.
    address = page.locator("a[download]").get_attribute("href")
    report = json.loads(base64.b64decode(address.split(",", 1)[1]))
    assert report["indication"] == "INDETERMINATE", report["indication"]

    # Dropped on the box.
    page.goto(BASE + "/verify")
    content = base64.b64encode((FOLDER / "tampered.ofd").read_bytes()).decode()
    transfer = page.evaluate_handle(
        """(content) => { const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], "tampered.ofd")); return transfer; }""",
        content,
    )
    page.dispatch_event("form[data-drop]", "drop", {"dataTransfer": transfer})
    answered(page)
    check(page, "tampered.ofd")

    # By keyboard alone: skip link, heading link, size, file, button. The focus can always be seen.
    page.goto(BASE + "/verify")
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.type"))
        assert outline(page) != "none", order
        if order[-1] == "file":
            with page.expect_file_chooser() as chooser:
                page.keyboard.press("Space")
            chooser.value.set_files(FOLDER / "genuine.ofd")
    assert order == ["skip", "home", "size", "file", "report", "submit"], order
    page.keyboard.press("Enter")
    answered(page)
    check(page, "genuine.ofd")

    # A signed report of it, by keyboard alone: the last button of the page, and before it the form and the file.
    page.locator("form.drop").screenshot(path=FOLDER / "signed.png")
    page.focus("a.again")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file" and outline(page) != "none"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(FOLDER / "genuine.ofd")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "report" and outline(page) != "none"
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.value") == "cms"
    page.keyboard.press("Tab")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "report.p7m", download.value.suggested_filename
    download.value.save_as(FOLDER / "signed-report.p7m")
    assert box(page)[0] == "passed", "the page stays"
    # And at once, from the first page.
    for form, name in [("ofd", "report.ofd"), ("jws", "report.jws")]:
        page.goto(BASE + "/verify")
        page.set_input_files("#file", FOLDER / "genuine.ofd")
        page.select_option("#report", form)
        with page.expect_download() as download:
            page.click("button[type=submit]")
        assert download.value.suggested_filename == name, download.value.suggested_filename
        download.value.save_as(FOLDER / f"signed-{name}")

    # Large print, on the same way, and on a narrow screen: nothing is cut off.
    page.goto(BASE + "/verify")
    usual = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    page.click("a.size")
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == usual * 1.5
    page.set_viewport_size({"width": 480, "height": 900})
    page.set_input_files("#file", FOLDER / "partial.ofd")
    page.click("button[type=submit]")
    answered(page)
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == usual * 1.5
    check(page, "partial.ofd")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"the page is {wide} pixels too wide"
    page.screenshot(path=FOLDER / "large.png")

    # On paper: the doors are gone, the verdict is there.
    page.emulate_media(media="print")
    assert not page.locator("header").is_visible() and page.locator("#verdict").is_visible()
    page.emulate_media(media="screen")

    # Not a signed file, and no file at all: said in words, not as a document for programs.
    page.goto(BASE + "/verify")
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"})
    page.click("button[type=submit]")
    answered(page)
    assert box(page)[:2] == ("failed", "无法验证此文件 The file cannot be judged"), box(page)
    answer = page.request.post(BASE + "/verify", multipart={})
    assert answer.status == 400 and "请先选择一个文件" in answer.text(), answer.text()

    assert not said, said
    for url in asked:
        assert url.startswith((BASE + "/verify", "data:image/svg+xml;base64,")), url

    # Without scripts.
    plain = browser.new_context(ignore_https_errors=True, java_script_enabled=False).new_page()
    plain.goto(BASE + "/verify")
    plain.set_input_files("#file", FOLDER / "genuine.ofd")
    plain.click("button[type=submit]")
    answered(plain)
    check(plain, "genuine.ofd")
    plain.set_input_files("#file", FOLDER / "genuine.ofd")
    with plain.expect_download() as download:
        plain.click("form.drop button")
    assert download.value.suggested_filename == "report.ofd", download.value.suggested_filename
    browser.close()
print("OK")
