//! `yinxin ca bulk` from outside, beside a service at work: a file becomes a job, and the service goes on with what rests.

use std::fs;
use std::time::{Duration, Instant};

use yinxin::crypto::digest::{hex, sm3};
use yinxin::format::keys::read_pem;

use crate::ca::Place;
use crate::process::Running;
use crate::service::authority::request;
use crate::service::jobs::line;
use crate::store::Folder;

#[test]
fn a_file_becomes_certificates_beside_a_service_at_work() {
    let place = Place { folder: Folder::new("cli-bulk") };
    let service = Running::serve(&place.path("installation"), &[]);
    let at = ["--base-url", "http://ca.example"];
    let root = ["create", "示例根", "--id", "root", "--profile", "root", "--subject", "O=示例局,CN=示例根"];
    place.done(&[&root[..], &at].concat());
    let below = ["create", "示例机构", "--id", "below", "--profile", "intermediate", "--parent", "root"];
    let told = place.done(&[&below[..], &["--subject", "O=示例局,CN=示例机构"], &at].concat());
    let authority = read_pem(told.split_once('\n').unwrap().1, "CERTIFICATE").unwrap().remove(0);

    let file = [line("甲", &request(1), ""), line("乙", &[0x30, 0], ""), line("丙", &request(3), "")].concat();
    fs::write(place.path("three.jsonl"), &file).unwrap();
    let submit = ["bulk", "submit", "three.jsonl", "--authority", "below", "--profile", "officer"];
    let job = place.done(&submit);
    let job = job.trim_end();
    let status = |job: &str| place.objects(&["bulk", "status", job, "--json"]).remove(0);
    let waiting = status(job);
    assert_eq!((waiting["state"].as_str(), waiting["rows"].as_u64()), (Some("waiting"), Some(3)));
    assert_eq!(waiting["rows_sm3"].as_str(), Some(hex(&sm3(file.as_bytes())).as_str()));
    assert_eq!(place.refused(&["bulk", "pause", job]), "job-state");
    let told = place.done(&["bulk", "run", job]);
    assert!(told.contains("  finished  below  officer  3 rows  2 issued  1 refused  "), "{told}");
    assert_eq!(place.refused(&["bulk", "run", job]), "job-state");
    let rows = place.objects(&["bulk", "results", job, "--json"]);
    let told = rows.iter().map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap()));
    assert_eq!(told.collect::<Vec<_>>(), [("甲", "issued"), ("乙", "refused"), ("丙", "issued")]);
    assert_eq!(rows[1]["refusal"], "csr-malformed");
    let page = place.done(&["bulk", "results", job, "--limit", "1"]);
    assert!(page.starts_with("1  issued  ") && page.ends_with("more: --after 1\n"), "{page}");
    let page = place.done(&["bulk", "results", job, "--after", "1", "--limit", "1"]);
    assert!(page.starts_with("2  refused  csr-malformed  乙: not a certification request"), "{page}");
    assert_eq!(place.done(&["bulk", "results", job, "--pem-dir", "out"]), "2 certificates in out\n");
    for (number, row) in [(1, &rows[0]), (3, &rows[2])] {
        let pem = fs::read_to_string(place.path("out").join(format!("{number:06}.pem"))).unwrap();
        let der = read_pem(&pem, "CERTIFICATE").unwrap().remove(0);
        assert_eq!(row["certificate_sm3"].as_str(), Some(hex(&sm3(&der)).as_str()));
    }
    assert_eq!(place.refused(&["bulk", "results", job, "--pem-dir", "out"]), "file-exists");

    // What is wrong in the file is told with its line.
    fs::write(place.path("wrong.jsonl"), format!("{file}{{\"name\":\"丁\"}}\n")).unwrap();
    let wrong = ["bulk", "submit", "wrong.jsonl", "--authority", "below", "--profile", "officer"];
    let told = String::from_utf8(place.ca(&wrong).stderr).unwrap();
    assert_eq!(told, "error: line 4, column 14: missing field `csr` (job-row-json)\n");

    // The authority is on hold: nobody is refused. When it is back, the service goes on by itself.
    let name = hex(&sm3(&authority));
    place.done(&["suspend", &name]);
    assert_eq!(place.refused(&[&submit[..], &["--run"]].concat()), "job-paused");
    let resting = place.objects(&["bulk", "list", "--json"]).into_iter().find(|one| one["state"] == "paused").unwrap();
    let id = resting["id"].as_str().unwrap();
    assert_eq!((resting["reason"].as_str(), resting["refused"].as_u64()), (Some("authority-not-active"), Some(0)));
    place.done(&["resume", &name]);
    assert!(place.done(&["bulk", "resume", id]).contains("  running  "));
    let begun = Instant::now();
    while status(id)["state"] != "finished" {
        assert!(begun.elapsed() < Duration::from_secs(60), "the service did not go on: {}", status(id));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!((status(id)["issued"].as_u64(), status(id)["refused"].as_u64()), (Some(2), Some(1)));
    let last = place.done(&submit);
    assert!(place.done(&["bulk", "cancel", last.trim_end()]).contains("  cancelled  "));
    assert_eq!(place.refused(&["bulk", "cancel", last.trim_end()]), "job-state");
    assert_eq!(place.refused(&["bulk", "status", "nobody"]), "unknown-job");
    assert_eq!(place.done(&["bulk", "forget", "--days", "1"]), "0 jobs forgotten\n");
    assert_eq!(place.ca(&["bulk", "forget"]).status.code(), Some(64));
    assert_eq!(service.terminate().0, Some(0));
}
