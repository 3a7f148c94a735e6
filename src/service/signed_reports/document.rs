//! A report as a document for people (OFD): the verdict, what it means, every question by itself, and on what it rests.
//!
//! The report's JSON is attached. The same report gives the same octets.

use crate::crypto::digest::{hex, sm3};
use crate::domain::verify::report::{CertificateSummary, SealSummary};
use crate::domain::verify::{Indication, Report, SignatureReport, words};
use crate::render::text_ofd::{Block, Style, TextDocument, text_document};
use crate::service::Error;

const BLACK: [u8; 3] = [0x1b, 0x1b, 0x1f];
const GREY: [u8; 3] = [0x4a, 0x4d, 0x57];
const GREEN: [u8; 3] = [0x0b, 0x6b, 0x2f];
const RED: [u8; 3] = [0xa3, 0x10, 0x1a];
const BROWN: [u8; 3] = [0x7a, 0x4b, 0x00];

const TITLE: &str = "电子签章验证报告";
const PLAIN: Style = Style { size: 3.6, ink: BLACK, above: 1.0 };
const SMALL: Style = Style { size: 3.0, ink: GREY, above: 0.8 };
const CELL: Style = Style { size: 3.2, ink: BLACK, above: 2.0 };

/// A verdict's colour; it is told in words beside it.
const fn colour(indication: Indication) -> [u8; 3] {
    match indication {
        Indication::TotalPassed => GREEN,
        Indication::TotalFailed | Indication::Refused => RED,
        Indication::Indeterminate => BROWN,
        Indication::NoSignatureFound => GREY,
    }
}

fn heading(size: f64, ink: [u8; 3], text: impl Into<String>) -> Block {
    Block::Text(Style { size, ink, above: size }, text.into())
}

fn plain(text: impl Into<String>) -> Block {
    Block::Text(PLAIN, text.into())
}

fn small(text: impl Into<String>) -> Block {
    Block::Text(SMALL, text.into())
}

/// The unsigned document of a report.
///
/// # Errors
/// [`Error::Drawing`].
pub fn unsigned_document(report: &Report) -> Result<Vec<u8>, Error> {
    let json = report.to_json();
    let id: String = hex(&sm3(json.as_bytes())).chars().take(32).collect();
    let moment = report.verified_at.to_string();
    let created = moment.split('T').next().unwrap_or_default();
    let blocks = blocks(report);
    let document = TextDocument {
        id: &id,
        title: TITLE,
        created,
        blocks: &blocks,
        attachment: ("report.json", json.as_bytes()),
        cut_off: "报告过长，其余内容见附件 report.json。The rest is in the attached report.json.",
    };
    Ok(text_document(&document)?)
}

fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = vec![heading(6.5, BLACK, format!("{TITLE}  Verification report"))];
    if let Some(notice) = report.trust.notice {
        let text = format!(
            "{notice} 开发信任：此处的信任仅供开发测试，不能证明任何真实身份。These anchors prove nothing about the real world."
        );
        blocks.push(Block::Text(Style { ink: BROWN, ..PLAIN }, text));
    }
    let ink = colour(report.indication);
    let [zh, en] = words::verdict(report.indication.name());
    blocks.push(heading(6.0, ink, format!("【{zh}】 {en}")));
    blocks.push(plain(format!("文件 File：{}", report.file)));
    for (name, digest) in
        [("文件 SM3 SM3 of the file", &report.document_sm3), ("原文 SM3 SM3 of the original", &report.original_sm3)]
    {
        if let Some(digest) = digest {
            blocks.push(small(format!("{name}：{digest}")));
        }
    }
    let told = report.summary.words;
    blocks.push(heading(4.4, BLACK, format!("{}  {}", told.heading_zh, told.heading_en)));
    blocks.extend([plain(told.meaning_zh), plain(told.meaning_en), small(told.clause)]);
    if let Some(error) = &report.error {
        let part = error.part.as_deref().unwrap_or_default();
        blocks.push(small(format!("{} {part} {} ({})", error.code, error.detail, error.clause)));
    }
    for (number, signature) in (1_usize..).zip(&report.signatures) {
        signature_blocks(number, signature, &mut blocks);
    }
    if let Some(coverage) = report.coverage.as_ref().filter(|coverage| !coverage.uncovered.is_empty()) {
        blocks.push(heading(4.4, BROWN, "未受任何签章保护的部分  Shown, but protected by no signature"));
        blocks.push(small(coverage.uncovered.join("  ")));
    }
    if !report.warnings.is_empty() {
        blocks.push(heading(4.4, BLACK, "提示  Worth a look"));
        for warning in &report.warnings {
            let part = warning.part.as_deref().unwrap_or_default();
            blocks.push(plain(format!("{} {part}", warning.detail_zh())));
            blocks.push(small(format!("{} {}", warning.code, warning.detail)));
        }
    }
    blocks.push(heading(4.4, BLACK, "依据  What this rests on"));
    let policy = &report.policy;
    blocks.push(table(
        &[0.28, 0.72],
        [
            ("判定时间 Judged as of", report.verified_at.to_string()),
            ("政策 Policy", format!("{} {}", policy.name, policy.sm3)),
            ("算法政策 Algorithm policy", format!("{} {}", policy.algorithms.name, policy.algorithms.sm3)),
            ("信任锚 Trust anchors", format!("{} {}", report.trust.anchors, report.trust.sm3)),
        ]
        .into_iter()
        .chain(
            report
                .trust
                .lists
                .iter()
                .map(|list| ("信任列表 Trust list", format!("{} {} {}", list.name, list.number, list.sm3))),
        )
        .map(|(name, value)| vec![name.to_owned(), value]),
    ));
    blocks
}

fn table(columns: &[f64], rows: impl IntoIterator<Item = Vec<String>>) -> Block {
    Block::Table { columns: columns.to_vec(), style: CELL, rows: rows.into_iter().collect() }
}

fn signature_blocks(number: usize, signature: &SignatureReport, blocks: &mut Vec<Block>) {
    let ink = colour(signature.indication);
    let [zh, en] = words::verdict(signature.indication.name());
    blocks.push(heading(4.8, ink, format!("签章 {number} Signature {number}：【{zh}】 {en}")));
    blocks.push(small(format!("ID {}  {}", signature.id, signature.kind)));
    if let Some(SealSummary { name, es_id, valid_from, valid_to, .. }) = &signature.seal_summary {
        blocks.push(plain(format!("印章 Seal：{name}")));
        blocks.push(small(format!("{es_id}；{valid_from} 至 {valid_to}")));
    }
    for (who, certificate) in [("签章人 Signer", &signature.signer), ("制章人 Seal maker", &signature.maker)] {
        if let Some(CertificateSummary { subject, issuer, serial, not_before, not_after, .. }) = certificate {
            blocks.push(plain(format!("{who}：{subject}")));
            blocks.push(small(format!("{issuer}；{serial}；{not_before} 至 {not_after}")));
        }
    }
    if let Some(time) = signature.details.claimed_time {
        blocks.push(plain(format!("声称的签章时间 Claimed time：{time}")));
    }
    if let Some(time) = signature.details.proved_time {
        blocks.push(plain(format!("已证明的时间 Proved time：{time}")));
    }
    for (number, reason) in (1_usize..).zip(&signature.reasons) {
        let words = reason.words;
        blocks.push(plain(format!("{number}. {}  {}", words.heading_zh, words.heading_en)));
        blocks.extend([plain(words.meaning_zh), plain(words.meaning_en)]);
        let sub_indication = reason.sub_indication.unwrap_or_default();
        blocks.push(small(format!("{}；{sub_indication}；{}；{}", words.clause, reason.code, reason.detail)));
    }
    let SignatureReport {
        intact, signature: value, seal, trusted, time, revocation, coverage, algorithm, logged, ..
    } = signature;
    let axes = [intact, value, seal, trusted, time, revocation, coverage, algorithm, logged];
    let rows = words::AXES.into_iter().zip(axes).map(|((name_zh, name_en), axis)| {
        let status = axis.status.name();
        let [zh, en] = words::status(status);
        let said = format!("{} [{}] {}", axis.detail_zh, axis.code, axis.detail);
        vec![format!("{name_zh} {name_en}"), format!("{zh} {en}"), said]
    });
    let head = ["项目 Question", "结论 Answer", "说明 Detail"].map(str::to_owned).to_vec();
    blocks.push(table(&[0.22, 0.16, 0.62], std::iter::once(head).chain(rows)));
}
