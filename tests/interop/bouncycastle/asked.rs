//! Bouncy Castle, asked of sealed files by `VerifySealedOfd.java`.

use std::path::Path;
use std::process::Command;

const CHECKS: [&str; 10] = [
    "references",
    "der",
    "dataHash",
    "signature",
    "seal",
    "sealTimeStamp",
    "listed",
    "sealFile",
    "propertyInfo",
    "chain",
];

/// A file by its name, and the checks that it does not pass: one entry for each of its signatures.
pub(crate) type Unsound = (String, Vec<&'static str>);

/// Has files judged under that root (DER), of which one at least is not sound: it must say so. None where Java with Bouncy
/// Castle is absent and may be.
pub(crate) fn judged(test: &str, root: &[u8], files: &[(String, Vec<u8>)]) -> Option<Vec<Unsound>> {
    let jar = Path::new("/usr/share/java/bcprov.jar");
    let runs = Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
    if !(runs && jar.exists()) {
        println!("SKIPPED {test}: Java with Bouncy Castle absent");
        let required = std::env::var_os("CI").is_some()
            || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
        assert!(!required, "Java with Bouncy Castle is required and absent");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    let anchor = folder.join("root.pem");
    std::fs::write(&anchor, openssl::x509::X509::from_der(root).unwrap().to_pem().unwrap()).unwrap();
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/bouncycastle/VerifySealedOfd.java");
    let mut command = Command::new("java");
    command.arg("-cp").arg(jar).arg(check).arg("--trust").arg(&anchor);
    for (name, document) in files {
        let file = folder.join(name);
        std::fs::write(&file, document).unwrap();
        command.arg(&file);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let one = |line: &str| {
        let told = serde_json::from_str::<serde_json::Value>(line).unwrap();
        let name = Path::new(told["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
        (name, CHECKS.into_iter().filter(|check| told[check] != "ok").collect())
    };
    Some(said.lines().map(one).collect())
}
