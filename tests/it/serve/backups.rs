//! Backups from outside: taken beside a server at work, put back; a restored installation writes nothing before its log is
//! compared, and does not start while a mirror is ahead.

use std::path::Path;

use crate::process::{has_curl, program};
use crate::serve::{Installation, NOTICE};

/// A command on the installation whose folder that is: exit code, and what it says on both outputs.
fn done(home: &Path, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = program();
    command.env("YINXIN_DATA_DIR", home).env("YINXIN_LOG__LEVEL", "error").envs(more.iter().copied());
    command.env("YINXIN_SERVER__LISTEN", "[\"127.0.0.1:0\"]");
    let done = command.args(arguments).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (done.status.code(), text(&done.stdout) + &text(&done.stderr))
}

#[test]
fn a_restored_installation_writes_nothing_before_it_is_compared() {
    if !has_curl() {
        return crate::skip("serve::a_restored_installation_writes_nothing_before_it_is_compared", "curl");
    }
    let installation = Installation::new("serve-backups");
    let (home, backup, mirror) = (installation.home(), installation.path("backup"), installation.path("mirror"));
    let (backup, mirror) = (backup.to_str().unwrap(), mirror.to_str().unwrap());
    let mirrored = [("YINXIN_AUDIT_LOG__MIRROR", mirror)];
    let running = installation.serve_with(&mirrored);
    let client = installation.client(&running);
    let (code, said) = done(&home, &["backup", backup, "--with-key"], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("audit log localhost/log: "), "{said}");
    let (code, said) = done(&home, &["backup", backup], &[]);
    assert_eq!((code, said.contains("(backup-folder-not-empty)")), (Some(4), true), "{said}");
    let (code, said) = done(&home, &["migrate", "--check"], &[]);
    let newest = yinxin::store::newest_version();
    let stated = format!("the database is at version {newest}, that of this program\nprograms from version ");
    assert_eq!((code, said.starts_with(&stated)), (Some(0), true), "{said}");
    assert!(said.contains("\na downgrade to version "), "{said}");
    // Behind the backup: the mirror will be ahead of it.
    let certificate = client.certificate();
    let mut arguments = certificate.iter().map(String::as_str).collect::<Vec<_>>();
    let file = format!("file=@{NOTICE}");
    arguments.extend(["-F", &file, "-F", "page=3", "-F", "x=124", "-F", "y=211.682", "-H", "Idempotency-Key: lost"]);
    client.call(&format!("{}/signatures", client.seal_path()), &arguments).ok();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let (code, said) = done(&home, &["restore", backup], &[]);
    assert_eq!((code, said.contains("(installation-in-use)") || said.contains("at work")), (Some(4), true), "{said}");
    assert_eq!(running.terminate().0, Some(0));
    let (code, said) = done(&home, &["restore", backup], &[]);
    assert_eq!((code, said.contains("(restore-not-empty)")), (Some(4), true), "{said}");

    std::fs::rename(&home, installation.path("broken")).unwrap();
    let (code, said) = done(&home, &["restore", backup], &[]);
    assert_eq!((code, said.contains("leaves, proven")), (Some(0), true), "{said}");
    let (code, said) = done(&home, &["keys", "list"], &[]);
    assert_eq!((code, said.contains("(restore-not-compared)")), (Some(4), true), "{said}");
    let empty = installation.path("another-mirror");
    let unseen = [("YINXIN_AUDIT_LOG__MIRROR", empty.to_str().unwrap())];
    let (code, said) = done(&home, &["serve"], &unseen);
    assert_eq!((code, said.contains("(restore-not-compared)")), (Some(70), true), "{said}");
    let (code, said) = done(&home, &["serve"], &mirrored);
    assert_eq!((code, said.contains("(log-behind-mirror)")), (Some(70), true), "{said}");
    let (code, said) = done(&home, &["log", "export", mirror], &[]);
    assert_eq!((code, said.contains("(log-behind-mirror)")), (Some(4), true), "{said}");
    let (code, said) = done(&home, &["log", "adopt", mirror], &[]);
    assert_eq!((code, said.contains("(log-gap-approvals)")), (Some(4), true), "{said}");
    let octets = installation.path("to-sign");
    let signing = ["log", "adopt", mirror, "--to-sign", octets.to_str().unwrap(), "--officer", "nobody"];
    let (code, said) = done(&home, &signing, &[]);
    assert_eq!((code, said.contains("(unknown-caller)")), (Some(4), true), "{said}");

    // What was there before, in the place of the backup: the mirror goes on.
    std::fs::remove_dir_all(&home).unwrap();
    std::fs::rename(installation.path("broken"), &home).unwrap();
    assert_eq!(installation.serve_with(&mirrored).terminate().0, Some(0));
    // Without a mirror or a witness there is nothing to compare with, and the first start says so.
    std::fs::remove_dir_all(&home).unwrap();
    assert_eq!(done(&home, &["restore", backup], &[]).0, Some(0));
    assert_eq!(installation.serve().terminate().0, Some(0));
    assert_eq!(done(&home, &["keys", "list"], &[]).0, Some(0));
}
