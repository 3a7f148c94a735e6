//! A report as plain text for people: English with the Chinese terms, a stranger's text made safe, lines wrapped.

use std::fmt::Write as _;

use crate::cli::console::shown;
use crate::domain::verify::event::EventSummary;
use crate::domain::verify::{Axis, Indication, Report, SignatureReport, Status};

/// Columns of a line. East Asian characters take two.
const COLUMNS: usize = 100;

/// Columns of the headings, mark included.
const HEADING: usize = 24;

/// The report on one file.
pub(crate) fn report(report: &Report, colour: bool) -> String {
    let mut page = Page { text: String::new(), colour };
    let verdict = page.verdict(report.indication);
    page.line(0, &format!("{}: {verdict}", shown(&report.file)));
    if let Some(notice) = report.trust.notice {
        let notice =
            page.painted(YELLOW, &format!("{notice} 开发信任: these anchors prove nothing about the real world"));
        page.line(2, &notice);
    }
    let about = [
        report.format.map(|format| format!("format {format}")),
        Some(format!("policy {}", report.policy.name)),
        Some(format!("algorithm policy {}", report.policy.algorithms.name)),
        Some(format!("anchors {}", report.trust.anchors)),
        Some(format!("judged as of {}", report.verified_at)),
    ];
    let about: Vec<_> = about.into_iter().flatten().collect();
    page.line(2, &shown(&about.join(", ")));
    if let Some(error) = &report.error {
        let part = error.part.as_ref().map(|part| format!(" [{part}]")).unwrap_or_default();
        page.item(2, "REASON 原因", &format!("{}: {}{part} (clause: {})", error.code, error.detail, error.clause));
    }
    let total = report.signatures.len();
    for (number, signature) in (1_usize..).zip(&report.signatures) {
        page.signature(number, total, signature);
    }
    if let Some(coverage) = &report.coverage {
        let names = coverage.uncovered.join(", ");
        let names = if names.is_empty() { String::new() } else { format!(", not protected: {names}") };
        page.text.push('\n');
        page.item(2, "FILE 全文", &format!("coverage of all signatures together: {}{names}", coverage.coverage));
    }
    if !report.warnings.is_empty() {
        page.text.push('\n');
        page.line(2, "WARNINGS 警告");
        for warning in &report.warnings {
            let part = warning.part.as_ref().map(|part| format!(" [{part}]")).unwrap_or_default();
            page.wrapped(4, "! ", &format!("{}: {}{part}", warning.code, warning.detail));
        }
    }
    page.text
}

/// How many files came to what.
pub(crate) fn tally(indications: impl Iterator<Item = Indication>) -> String {
    let mut all: Vec<_> = indications.collect();
    all.sort_unstable();
    let groups = all.chunk_by(|a, b| a == b).filter_map(|group| Some((group.len(), group.first()?)));
    let parts: Vec<_> = groups.map(|(count, indication)| format!("{count} {}", indication.name())).collect();
    format!("\n{} files 个文件: {}\n", all.len(), parts.join(", "))
}

const TRUSTED: &str = "TRUSTED 信任链";

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn verdict(&self, indication: Indication) -> String {
        let (colour, term) = match indication {
            Indication::TotalPassed => (GREEN, "验证通过"),
            Indication::NoSignatureFound => (YELLOW, "没有签名"),
            Indication::Indeterminate => (YELLOW, "无法判定"),
            Indication::TotalFailed => (RED, "验证不通过"),
            Indication::Refused => (RED, "拒绝验证"),
        };
        self.painted(colour, &format!("{} {term}", indication.name()))
    }

    /// A line as it is, already safe.
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    /// A heading and a stranger's text after it.
    fn item(&mut self, indent: usize, heading: &str, text: &str) {
        let gap = HEADING.saturating_sub(width(heading));
        self.wrapped(indent, &format!("{heading}{:gap$}", ""), text);
    }

    /// A stranger's text after a lead, wrapped under itself.
    fn wrapped(&mut self, indent: usize, lead: &str, text: &str) {
        let margin = indent.saturating_add(width(lead));
        let lines = wrap(&shown(text), COLUMNS.saturating_sub(margin).max(20));
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                self.line(indent, format!("{lead}{line}").trim_end());
            } else {
                self.line(margin, line);
            }
        }
    }

    fn signature(&mut self, number: usize, total: usize, signature: &SignatureReport) {
        let verdict = self.verdict(signature.indication);
        self.text.push('\n');
        let (id, kind) = (shown(&signature.id), signature.kind);
        self.line(2, &format!("SIGNATURE 签章 {number} of {total} (ID {id}, {kind}): {verdict}"));
        if let Some(seal) = &signature.seal_summary {
            let text = format!("{} (esID {}), {} × {} mm", seal.name, seal.es_id, seal.width, seal.height);
            self.item(4, "Seal 印章", &text);
            let text = format!("made {}, valid {} to {}", seal.created, seal.valid_from, seal.valid_to);
            self.item(4, "", &text);
        }
        for (heading, certificate) in [("Signer 签章人", &signature.signer), ("Maker 制章人", &signature.maker)] {
            if let Some(certificate) = certificate {
                self.item(4, heading, &format!("{} (serial {})", certificate.subject, certificate.serial));
                let text = format!(
                    "issued by {}, valid {} to {}",
                    certificate.issuer, certificate.not_before, certificate.not_after
                );
                self.item(4, "", &text);
            }
        }
        if let Some(EventSummary { level: Some(level), procedure: Some(procedure), proven_at: Some(at), .. }) =
            &signature.details.event
        {
            let text = format!("level {level} 身份等级, by {procedure}, proven {at}; a certificate for this act alone");
            self.item(4, "Person 签名人", &text);
        }
        match (&signature.details.claimed_time, &signature.details.claimed_time_raw) {
            (Some(time), Some(raw)) => self.item(4, "Claimed time 声称时间", &format!("{time} (written {raw})")),
            (Some(time), None) => self.item(4, "Claimed time 声称时间", &time.to_string()),
            _ => {}
        }
        for (heading, axis) in axes(signature) {
            self.axis(heading, axis);
        }
        if !signature.reasons.is_empty() {
            self.line(4, "REASONS 原因");
            for (number, reason) in (1_usize..).zip(&signature.reasons) {
                let rule = reason.sub_indication.map(|sub| format!(" {sub}")).unwrap_or_default();
                let verdict = reason.indication.name();
                self.wrapped(
                    6,
                    &format!("{number}. "),
                    &format!("{verdict}{rule}: {} ({})", reason.detail, reason.code),
                );
            }
        }
    }

    fn axis(&mut self, heading: &str, axis: &Axis) {
        let (mark, colour) = match axis.status {
            Status::Ok => ("✔", GREEN),
            Status::Failed => ("✘", RED),
            Status::Unknown => ("?", YELLOW),
            Status::Warning => ("!", YELLOW),
            Status::NotApplicable => ("-", ""),
        };
        let gap = HEADING.saturating_sub(width(heading)).saturating_sub(2);
        let text = if axis.code == "ok" { axis.detail.clone() } else { format!("{} ({})", axis.detail, axis.code) };
        let mut part = Self { text: String::new(), colour: false };
        part.wrapped(4, &format!("{mark} {heading}{:gap$}", ""), &text);
        let painted = if colour.is_empty() { mark.to_owned() } else { self.painted(colour, mark) };
        self.text.push_str(&part.text.replacen(mark, &painted, 1));
        // Which anchor it was is the answer here, not only that there is one.
        if heading == TRUSTED && axis.status == Status::Ok {
            for path in &axis.evidence {
                self.item(4, "", path);
            }
        }
    }
}

fn axes(signature: &SignatureReport) -> [(&'static str, &Axis); 9] {
    [
        ("INTACT 完整性", &signature.intact),
        ("SIGNATURE 签名值", &signature.signature),
        ("SEAL 印章", &signature.seal),
        (TRUSTED, &signature.trusted),
        ("TIME 时间", &signature.time),
        ("REVOCATION 吊销", &signature.revocation),
        ("COVERAGE 覆盖范围", &signature.coverage),
        ("ALGORITHM 算法", &signature.algorithm),
        ("LOGGED 存证", &signature.logged),
    ]
}

/// Columns that a text takes (Unicode UAX 11, wide and full-width blocks).
fn width(text: &str) -> usize {
    text.chars().map(columns).fold(0, usize::saturating_add)
}

const fn columns(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Lines of at most that many columns, broken at spaces, and inside of words only where a word alone is longer.
fn wrap(text: &str, limit: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0_usize);
    for word in text.split(' ') {
        let needed = width(word);
        let fits = used.saturating_add(1).saturating_add(needed) <= limit;
        if !line.is_empty() && !fits {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if !line.is_empty() {
            line.push(' ');
            used = used.saturating_add(1);
        }
        for c in word.chars() {
            if used.saturating_add(columns(c)) > limit {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used = used.saturating_add(columns(c));
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_count_wide_characters_twice() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("电子印章 x", 6), ["电子印", "章 x"]);
        assert_eq!(wrap("", 6), [""]);
        assert_eq!(width("SEAL 印章"), 9);
    }

    #[test]
    fn a_tally_names_what_there_is() {
        let all = [Indication::TotalFailed, Indication::TotalPassed, Indication::TotalFailed];
        assert_eq!(tally(all.into_iter()), "\n3 files 个文件: 1 TOTAL_PASSED, 2 TOTAL_FAILED\n");
    }

    #[test]
    fn colour_is_painted_only_where_asked() {
        let plain = Page { text: String::new(), colour: false };
        assert_eq!(plain.verdict(Indication::TotalFailed), "TOTAL_FAILED 验证不通过");
        let painted = Page { text: String::new(), colour: true };
        assert_eq!(painted.verdict(Indication::TotalFailed), "\u{1b}[31mTOTAL_FAILED 验证不通过\u{1b}[0m");
        let mut painted = painted;
        painted.axis("SEAL 印章", &Axis::new(Status::Failed, "x", "a\u{1b}[2Jb"));
        assert_eq!(painted.text, "    \u{1b}[31m✘\u{1b}[0m SEAL 印章             a\\u{1b}[2Jb (x)\n");
    }
}
