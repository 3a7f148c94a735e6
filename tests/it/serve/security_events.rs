//! Security events as others receive them: rsyslog over TCP, UDP and a socket of the machine, a parser written from the
//! standard's grammar, a file of JSON lines; and alarms at the command line beside the server.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{has_curl, program};
use crate::serve::Installation;

/// rsyslog with a configuration of its own. It is killed when the test ends.
struct Rsyslog {
    child: Child,
    folder: PathBuf,
}

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";

impl Rsyslog {
    fn start(folder: &Path, (tcp, udp): (u16, u16)) -> Self {
        fs::create_dir_all(folder).unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        // What rsyslog understood, field by field; and what came, as it came.
        let configuration = format!(
            "global(workDirectory=\"{work}\" maxMessageSize=\"16k\")\n\
             module(load=\"imtcp\")\nmodule(load=\"imudp\")\nmodule(load=\"mmpstrucdata\")\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             template(name=\"read\" type=\"list\" option.jsonf=\"on\") {{\n\
             property(outname=\"severity\" name=\"syslogseverity-text\" format=\"jsonf\")\n\
             property(outname=\"facility\" name=\"syslogfacility\" format=\"jsonf\")\n\
             property(outname=\"at\" name=\"timereported\" dateFormat=\"rfc3339\" format=\"jsonf\")\n\
             property(outname=\"hostname\" name=\"hostname\" format=\"jsonf\")\n\
             property(outname=\"app\" name=\"app-name\" format=\"jsonf\")\n\
             property(outname=\"class\" name=\"msgid\" format=\"jsonf\")\n\
             property(outname=\"number\" name=\"$!rfc5424-sd!yinxin@4711!number\" format=\"jsonf\")\n\
             property(outname=\"code\" name=\"$!rfc5424-sd!yinxin@4711!code\" format=\"jsonf\")\n\
             property(outname=\"message\" name=\"msg\" format=\"jsonf\")\n}}\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             ruleset(name=\"all\") {{ action(type=\"mmpstrucdata\")\n\
             action(type=\"omfile\" file=\"{read}\" template=\"read\")\n\
             action(type=\"omfile\" file=\"{raw}\" template=\"raw\") }}\n\
             input(type=\"imtcp\" port=\"{tcp}\" address=\"127.0.0.1\" ruleset=\"all\")\n\
             input(type=\"imudp\" port=\"{udp}\" address=\"127.0.0.1\" ruleset=\"all\")\n",
            work = folder.display(),
            read = at("read.jsonl"),
            raw = at("raw.log"),
        );
        fs::write(folder.join("rsyslog.conf"), configuration).unwrap();
        let child = Command::new(RSYSLOGD)
            .args(["-n", "-f", &at("rsyslog.conf"), "-i", &at("pid")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, folder: folder.to_owned() }
    }

    fn read(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("read.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }

    fn classes(&self) -> Vec<String> {
        self.read().iter().map(|line| line["class"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const REFUSALS: (&str, &str) = ("YINXIN_ALARMS__STRANGER_REFUSALS", "2");
const ENTERPRISE: (&str, &str) = ("YINXIN_SIEM__ENTERPRISE", "4711");
const HOST: (&str, &str) = ("YINXIN_SIEM__HOSTNAME", "seal.example");

/// The receiver is away at first, and again in between: nothing is lost.
#[test]
fn rsyslog_understands_every_event_and_gets_what_it_missed() {
    let name = "serve::rsyslog_understands_every_event_and_gets_what_it_missed";
    if !Path::new(RSYSLOGD).exists() {
        return crate::skip(name, "rsyslog");
    }
    if !has_curl() {
        return crate::skip(name, "curl");
    }
    let installation = Installation::new("serve-siem");
    let (tcp, udp) = (free_port(), free_port());
    let json = installation.path("events.json");
    let running = installation.serve_with(&[
        REFUSALS,
        ENTERPRISE,
        HOST,
        ("YINXIN_SIEM__SYSLOG", &format!("tcp://127.0.0.1:{tcp}")),
        ("YINXIN_SIEM__JSON", json.to_str().unwrap()),
    ]);
    let client = installation.client(&running);
    wait_until("places are kept", || client.call("/readyz", &[]).status == 200);
    std::thread::sleep(Duration::from_secs(2));
    let refuse = || assert_eq!(client.call(&client.seal_path(), &[]).refusal(), (401, "signature-missing".into()));
    for _ in 0..3 {
        refuse();
    }
    let written = || fs::read_to_string(&json).unwrap_or_default();
    wait_until("the alarm is written", || written().contains("\"class\":\"alarm-raised\""));
    let away = installation.path("rsyslog");
    let rsyslog = Rsyslog::start(&away, (tcp, udp));
    let expected = ["access-refused", "access-refused", "access-refused", "alarm-raised"];
    wait_until("rsyslog has what it missed", || rsyslog.classes().len() >= expected.len());
    assert_eq!(rsyslog.classes(), expected);
    let lines = written().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    for (read, told) in rsyslog.read().iter().zip(&lines) {
        assert_eq!(read["number"], told["number"].to_string(), "{read}");
        assert_eq!((&read["class"], &read["severity"]), (&told["class"], &Value::from("warning")), "{read}");
        assert_eq!((&read["hostname"], &read["app"]), (&Value::from("seal.example"), &Value::from("yinxin")));
        assert_eq!(read["facility"], "13", "{read}");
        assert_eq!(read["at"], told["at"]);
        assert_eq!(read["code"], told.get("code").cloned().unwrap_or(Value::from("")), "{read}");
    }
    assert_eq!(rsyslog.read()[3]["message"].as_str().unwrap().trim(), "docs/runbooks/repeated-refusals.md");
    drop(rsyslog);
    refuse();
    wait_until("the line is written", || written().lines().count() == 5);
    let rsyslog = Rsyslog::start(&away, (tcp, udp));
    wait_until("rsyslog has the last one too", || {
        rsyslog.read().iter().any(|read| read["number"] == lines_of(&written())[4])
    });
    judged_by_the_grammar(&away.join("raw.log"), 5);

    // The same database, at the command line beside the server.
    let alarms = |arguments: &[&str]| {
        let mut command = program();
        command
            .arg("alarms")
            .args(arguments)
            .env("YINXIN_DATA_DIR", installation.home())
            .env("YINXIN_TRUST__DEVELOPMENT", "true");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, listed, _) = alarms(&["list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, &listed["alarm"]), (Some(0), &Value::from("repeated-refusals")));
    let number = listed["number"].to_string();
    let (code, said, _) = alarms(&["acknowledge", &number]);
    assert!(code == Some(0) && said.starts_with(&format!("{number}  repeated-refusals  ")), "{said}");
    let (code, _, refused) = alarms(&["acknowledge", &number]);
    let expected = "error: the alarm was acknowledged before (alarm-acknowledged)\n";
    assert!(code == Some(4) && refused.ends_with(expected), "{refused}");
    assert_eq!(alarms(&["list"]).1, "");
    assert!(alarms(&["list", "--all"]).1.contains("  acknowledged "), "{:?}", alarms(&["list", "--all"]));
    wait_until("it is told too", || written().contains("\"class\":\"alarm-acknowledged\""));
    let figures = String::from_utf8(client.call("/metrics", &[]).ok()).unwrap();
    assert!(figures.contains("yinxin_alarms_total{alarm=\"repeated-refusals\"} 1"), "{figures}");
    assert!(figures.contains("yinxin_siem_events_behind{sink=\"syslog\"}"), "{figures}");
    nothing_of_anybody_is_told(&written());
    assert_eq!(running.terminate().0, Some(0));
}

/// The numbers of the lines, as rsyslog tells them.
fn lines_of(text: &str) -> Vec<Value> {
    let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["number"].to_string();
    text.lines().map(|line| Value::from(number(line))).collect()
}

#[test]
fn udp_and_a_socket_of_the_machine_carry_one_message_each() {
    let installation = Installation::new("serve-siem-datagrams");
    if !has_curl() {
        return crate::skip("serve::udp_and_a_socket_of_the_machine_carry_one_message_each", "curl");
    }
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Where a socket's path may be longest is 108 octets; test folders may lie deep.
    let path = std::env::temp_dir().join(format!("yinxin-log-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let unix = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let patience = Some(Duration::from_secs(60));
    udp.set_read_timeout(patience).unwrap();
    unix.set_read_timeout(patience).unwrap();
    let port = udp.local_addr().unwrap().port();
    for (target, over_udp) in [(format!("udp://127.0.0.1:{port}"), true), (format!("unix:{}", path.display()), false)] {
        let running = installation.serve_with(&[ENTERPRISE, ("YINXIN_SIEM__SYSLOG", &target)]);
        let client = installation.client(&running);
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(client.call(&client.seal_path(), &[]).refusal(), (401, "signature-missing".into()));
        let mut octets = [0; 4096];
        let mut message = || {
            let count = if over_udp { udp.recv(&mut octets) } else { unix.recv(&mut octets) }.unwrap();
            String::from_utf8(octets[..count].to_vec()).unwrap()
        };
        // The second start tells of itself first.
        let told = std::iter::from_fn(|| Some(message())).find(|message| message.contains("access-refused")).unwrap();
        assert!(
            told.starts_with("<108>1 ") && told.contains(" - yinxin - access-refused [yinxin@4711 number=\""),
            "{told}"
        );
        assert!(told.ends_with(" code=\"signature-missing\"]"), "{told}");
        assert_eq!(running.terminate().0, Some(0));
    }
    fs::remove_file(path).unwrap();
}

/// A parser of RFC 5424's grammar that shares no code with us.
fn judged_by_the_grammar(raw: &Path, at_least: usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python/read_syslog.py");
    let output = Command::new("python3").arg(script).arg(raw).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().count() >= at_least, "{said}");
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["structured_data"]["yinxin@4711"]["number"].is_string(), "{line}");
    }
}

/// Addresses, names and keys have no place in what leaves.
fn nothing_of_anybody_is_told(text: &str) {
    for word in ["127.0.0.1", "::1", "BEGIN", "business", "development caller"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}
