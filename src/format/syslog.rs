//! Syslog messages (RFC 5424), written: header, structured data, and a message where there is one.
//!
//! Nothing is read here. What stands in the header is printable ASCII and cut to the standard's length, so that whatever
//! is handed in makes one well-formed message. Parameter values are UTF-8, with `"`, `\` and `]` escaped (6.3.3).
//!
//! ```text
//! SYSLOG-MSG = HEADER SP STRUCTURED-DATA [SP MSG]
//! HEADER     = PRI VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID
//! ```

use crate::base::clock::Timestamp;

/// Facility 13, "log audit" (RFC 5424 6.2.1, table 1).
pub const LOG_AUDIT: u8 = 13;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogMessage<'a> {
    /// 0 to 23 (6.2.1, table 1).
    pub facility: u8,
    /// 0 to 7 (6.2.1, table 2).
    pub severity: u8,
    /// When.
    pub at: Timestamp,
    /// Who sends it; nothing where that is not known.
    pub hostname: Option<&'a str>,
    /// The program.
    pub app_name: &'a str,
    /// The kind of message.
    pub msg_id: &'a str,
    /// The name of the structured data, `name@enterprise number`.
    pub sd_id: &'a str,
    /// Its parameters.
    pub parameters: &'a [(&'a str, &'a str)],
    /// For people; ASCII, so that it needs no byte order mark (6.4).
    pub message: Option<&'a str>,
}

impl SyslogMessage<'_> {
    /// The message in octets, without any frame.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let priority =
            u16::from(self.facility.min(23)).saturating_mul(8).saturating_add(u16::from(self.severity.min(7)));
        let hostname = self.hostname.map_or_else(String::new, |name| printable(name, 255));
        // NILVALUE: "-".
        let or_nil = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let (at, hostname) = (self.at, or_nil(hostname));
        let (app_name, msg_id) = (or_nil(printable(self.app_name, 48)), or_nil(printable(self.msg_id, 32)));
        let mut text = format!("<{priority}>1 {at} {hostname} {app_name} - {msg_id} [{}", name_of(self.sd_id));
        for (name, value) in self.parameters {
            text.push_str(&format!(" {}=\"{}\"", name_of(name), escaped(value)));
        }
        text.push(']');
        if let Some(message) = self.message {
            text.push(' ');
            text.extend(message.chars().filter(|c| matches!(c, ' '..='~')));
        }
        text.into_bytes()
    }
}

/// A message in the frame of a stream: its length in octets, a space, the message (RFC 6587 3.4.1, RFC 5425 4.3).
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = format!("{} ", message.len()).into_bytes();
    framed.extend_from_slice(message);
    framed
}

/// PRINTUSASCII, at most so many.
fn printable(text: &str, most: usize) -> String {
    text.chars().filter(|c| matches!(c, '!'..='~')).take(most).collect()
}

/// SD-NAME: printable, and none of `=`, `]`, `"`; at most 32.
fn name_of(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '!'..='~') && !matches!(c, '=' | ']' | '"')).take(32).collect()
}

/// PARAM-VALUE. Control characters are left out: no receiver wants them, and some split lines at them (8.2).
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\' | ']') {
            value.push('\\');
        }
        value.push(c);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(parameters: &'a [(&'a str, &'a str)]) -> SyslogMessage<'a> {
        SyslogMessage {
            facility: LOG_AUDIT,
            severity: 6,
            at: Timestamp::from_unix(1_795_392_000),
            hostname: Some("seal.example"),
            app_name: "yinxin",
            msg_id: "document-signed",
            sd_id: "yinxin@32473",
            parameters,
            message: None,
        }
    }

    fn text(message: &SyslogMessage<'_>) -> String {
        String::from_utf8(message.to_octets()).unwrap()
    }

    /// Written by hand from the ABNF of section 6.
    #[test]
    fn a_message_is_as_the_standard_says() {
        let parameters = [("number", "7"), ("seal", "s-1")];
        let expected = "<110>1 2026-11-23T00:00:00Z seal.example yinxin - document-signed \
                        [yinxin@32473 number=\"7\" seal=\"s-1\"]";
        assert_eq!(text(&message(&parameters)), expected);
        let told = SyslogMessage { message: Some("see docs"), hostname: None, ..message(&[]) };
        let expected = "<110>1 2026-11-23T00:00:00Z - yinxin - document-signed [yinxin@32473] see docs";
        assert_eq!(text(&told), expected);
    }

    #[test]
    fn nothing_breaks_out_of_its_place() {
        let parameters = [("a] b=\"", "x\"]\\ \n[y z=\"1\"] 印")];
        let hostile = SyslogMessage { hostname: Some("a b\n"), app_name: "", ..message(&parameters) };
        let expected = "<110>1 2026-11-23T00:00:00Z ab - - document-signed \
                        [yinxin@32473 ab=\"x\\\"\\]\\\\ [y z=\\\"1\\\"\\] 印\"]";
        assert_eq!(text(&hostile), expected);
        let long = "n".repeat(300);
        let cut = SyslogMessage { hostname: Some(&long), app_name: &long, msg_id: &long, sd_id: &long, ..message(&[]) };
        let fields = text(&cut).split(' ').map(str::len).collect::<Vec<_>>();
        assert_eq!(fields, [6, 20, 255, 48, 1, 32, 34]);
    }

    #[test]
    fn a_frame_counts_octets() {
        assert_eq!(framed("印".as_bytes()), [b"3 ", "印".as_bytes()].concat());
    }
}
