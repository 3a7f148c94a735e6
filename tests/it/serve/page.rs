//! The page for verifying, used in Chromium as an official would use it; and what an upload leaves behind: nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use yinxin::service::tampering::change_one_byte;
use zip::write::SimpleFileOptions;

use crate::process::{has_curl, program};
use crate::serve::{Installation, NOTICE};

/// A package with one part's text changed, and one part added.
fn edited(package: &[u8], change: Option<(&str, &str, &str)>, add: Option<(&str, &str)>) -> Vec<u8> {
    let mut from = zip::ZipArchive::new(std::io::Cursor::new(package)).unwrap();
    let mut to = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let mut entry = from.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let own_name = entry.name().unwrap().into_owned();
        if let Some((name, old, new)) = change
            && own_name == name
        {
            let text = String::from_utf8(content).unwrap();
            assert!(text.contains(old), "{name} holds {old}");
            content = text.replacen(old, new, 1).into_bytes();
        }
        to.start_file(own_name, SimpleFileOptions::default()).unwrap();
        to.write_all(&content).unwrap();
    }
    if let Some((name, content)) = add {
        to.start_file(name, SimpleFileOptions::default()).unwrap();
        to.write_all(content.as_bytes()).unwrap();
    }
    to.finish().unwrap().into_inner()
}

const ANNOTATIONS: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<ofd:Annotations xmlns:ofd="http://www.ofdspec.org/2016"></ofd:Annotations>"#
);

#[test]
fn an_official_can_tell_them_apart() {
    let name = "serve::an_official_can_tell_them_apart";
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
    let has_browser =
        Command::new(&python).args(["-c", "import playwright"]).status().is_ok_and(|status| status.success());
    if !has_browser || !Path::new("/usr/bin/chromium").exists() {
        return crate::skip(name, "Chromium with Playwright");
    }
    if !has_curl() {
        return crate::skip(name, "curl");
    }
    let installation = Installation::new("serve-page");
    let running = installation.serve();
    let client = installation.client(&running);
    let genuine = client.seal(Path::new(NOTICE), "genuine").ok();
    installation.write("tampered.ofd", &change_one_byte(&genuine).unwrap().document);
    installation.write("genuine.ofd", &genuine);
    // The document names a list of annotations that is not there when it is sealed. Whoever adds one later changes no
    // protected part, and yet decides what the pages show.
    let notice = fs::read(NOTICE).unwrap();
    let names = (
        "Doc_0/Document.xml",
        "</ofd:Document>",
        "<ofd:Annotations>Annots/Annotations.xml</ofd:Annotations></ofd:Document>",
    );
    let open = installation.write("open.ofd", &edited(&notice, Some(names), None));
    let sealed = client.seal(&open, "open").ok();
    installation.write("partial.ofd", &edited(&sealed, None, Some(("Doc_0/Annots/Annotations.xml", ANNOTATIONS))));
    // Another installation's seal: sound, and of nobody whom this one knows.
    let elsewhere = installation.path("elsewhere");
    let made = program().args(["demo", "--keep"]).arg(&elsewhere).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::copy(elsewhere.join("2-sealed.ofd"), installation.path("stranger.ofd")).unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python/verify_page.py");
    let folder = installation.write("x", b"").parent().unwrap().to_owned();
    let output = Command::new(python).arg(script).arg(&client.base).arg(&folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim_end().ends_with("OK"), "{said}");
    // What the browser kept is a signed report on that file, and passes here.
    for name in ["signed-report.p7m", "signed-report.ofd", "signed-report.jws"] {
        let form = format!("file=@{}", folder.join(name).display());
        let report = client.call("/api/v1/verifications", &["-F", &form]).json();
        assert_eq!(report["indication"], "TOTAL_PASSED", "{name}: {report}");
    }
    keep_pictures(&folder);
}

/// For people who want to look.
fn keep_pictures(folder: &Path) {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify-page");
    fs::create_dir_all(&kept).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "png") {
            fs::copy(&path, kept.join(path.file_name().unwrap())).unwrap();
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn an_upload_leaves_nothing_behind() {
    if !has_curl() {
        return crate::skip("serve::an_upload_leaves_nothing_behind", "curl");
    }
    // A folder for what a process might put aside, so that all of it is looked through.
    let installation = Installation::new("serve-upload");
    let aside = installation.path("aside");
    fs::create_dir_all(&aside).unwrap();
    let more = [("TMPDIR", aside.to_str().unwrap()), ("YINXIN_LOG__LEVEL", "debug")];
    let running = installation.serve_with(&more);
    let client = installation.client(&running);
    const NAME: &str = "never-to-be-kept-0815.ofd";
    const CONTENT: &str = "never-to-be-kept-4711";
    let notice = fs::read(NOTICE).unwrap();
    let outside = crate::store::Folder::new("serve-upload-client");
    let upload = outside.path().join(NAME);
    fs::write(&upload, edited(&notice, None, Some((CONTENT, CONTENT)))).unwrap();
    let form = format!("file=@{}", upload.display());
    let page = client.call("/verify", &["-F", &form]).ok();
    assert!(String::from_utf8(page).unwrap().contains(NAME), "the answer names the file");
    let report = client.call("/api/v1/verifications", &["-F", &form]).json();
    assert_eq!(report["indication"], "NO_SIGNATURE_FOUND");
    let signed = client.call("/verify", &["-F", &form, "-F", "report=jws"]);
    assert_eq!(signed.kind, "application/jose", "recorded, by digests alone");
    signed.ok();
    running.kill();

    let mut left = Vec::new();
    files(installation.home().parent().unwrap(), &mut left);
    assert!(left.iter().any(|path| path.ends_with("yinxin.db")), "the database is looked through: {left:?}");
    assert!(left.iter().any(|path| path.extension().is_some_and(|kind| kind == "log")), "and the log: {left:?}");
    for path in left {
        let bytes = fs::read(&path).unwrap();
        for marker in [NAME, CONTENT] {
            let held = bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            assert!(!held, "{} holds {marker}", path.display());
        }
    }
}
