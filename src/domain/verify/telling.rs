//! What the axes and warnings of a report say in Chinese, beside their English details: by their codes, with the figures
//! that the report itself holds.
//!
//! A code without a text of its own is told by its heading in [`words`], or else by how its axis stands, so that none is
//! left untold.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use crate::domain::verify::{Axis, SignatureReport, Status, Warning, words};

/// The Chinese details of the nine axes, in the order of [`words::AXES`].
pub(in crate::domain::verify) fn axes(report: &SignatureReport) -> [String; 9] {
    let SignatureReport { intact, signature, seal, trusted, time, revocation, coverage, algorithm, logged, .. } =
        report;
    [
        told("intact", intact, of_intact(report)),
        told("signature", signature, of_signature(report)),
        told("seal", seal, of_seal(report)),
        told("trusted", trusted, of_trusted(report)),
        told("time", time, of_time(report)),
        told("revocation", revocation, of_revocation(report)),
        told("coverage", coverage, of_coverage(report)),
        told("algorithm", algorithm, of_algorithm(report)),
        told("logged", logged, of_logged(logged)),
    ]
}

/// Its own text, or what is known of its code, or how it stands.
fn told(name: &str, axis: &Axis, own: Option<String>) -> String {
    let not_reached = axis.code == "not-reached";
    let of_code = || {
        let heading = words::heading_zh(&axis.code).filter(|_| axis.status != Status::Ok);
        heading.map(str::to_owned)
    };
    own.filter(|_| !not_reached).or_else(of_code).unwrap_or_else(|| {
        let [status, _] = words::status(axis.status.name());
        let said = words::of_axis(name, axis.status.name(), &axis.code);
        if said.is_empty() { status.to_owned() } else { said.to_owned() }
    })
}

/// Parts of a package, as evidence names them.
fn listed(parts: &[String]) -> String {
    parts.join("、")
}

fn of_intact(report: &SignatureReport) -> Option<String> {
    let (axis, details) = (&report.intact, &report.details);
    Some(match (axis.code.as_str(), axis.status) {
        ("ok", Status::Ok) => match (report.kind, details.references, details.data_hash_algorithm) {
            ("certificate" | "crl", ..) => "内容与其签发者签署时一致".to_owned(),
            ("ses-seal", ..) => "印章信息与制章人签署时一致".to_owned(),
            ("time-stamp", ..) => "时间戳中的摘要与原文一致".to_owned(),
            (_, Some(count), Some(algorithm)) => {
                format!("{count} 个部件与签章时的摘要一致，签章描述的 {algorithm} 摘要也一致")
            }
            (_, Some(count), None) => format!("{count} 个部件与签章时的摘要一致"),
            (_, None, Some(algorithm)) => format!("被签内容与签名时一致（{algorithm}）"),
            (_, None, None) => return None,
        },
        ("reference-wrong", _) => format!("签章后被改动：{}", listed(&axis.evidence)),
        ("reference-missing", _) => format!("签章后缺少：{}", listed(&axis.evidence)),
        ("message-digest-mismatch" | "content-differs", Status::Failed) => "内容的摘要与签名中的不符".to_owned(),
        ("seal-signature-wrong", _) => "印章信息没有正确的签名保护".to_owned(),
        ("signature-wrong", _) => "签名值不正确，不能证明内容未被改动".to_owned(),
        _ => return None,
    })
}

fn of_signature(report: &SignatureReport) -> Option<String> {
    let axis = &report.signature;
    Some(match (axis.code.as_str(), axis.status) {
        ("ok", Status::Ok) => {
            let person = report.details.event.as_ref().filter(|event| event.bound == Status::Ok);
            let person = person.and_then(|event| Some((event.level?, event.procedure.as_ref()?)));
            let person = person.map_or_else(String::new, |(level, procedure)| {
                format!("；签名人的身份等级为 {level}（{procedure}），证书仅用于本次签名")
            });
            match report.details.signature_algorithm {
                Some("sm2-sm3") => format!("签名值正确（sm2-sm3，签名者标识 1234567812345678）{person}"),
                Some(algorithm) => format!("签名值正确（{algorithm}）{person}"),
                None => format!("签名值正确{person}"),
            }
        }
        ("signature-wrong", _) => "签名值不是由证书的密钥对被签内容做出的".to_owned(),
        ("algorithm-not-of-key", _) => "签名算法与证书的密钥种类不符".to_owned(),
        ("algorithm-not-accepted" | "signature-unsupported" | "digest-unsupported", _) => {
            "签名所用的算法不被接受，未判定".to_owned()
        }
        ("issuer-missing", _) => "缺少签发者的证书，未判定".to_owned(),
        _ => return None,
    })
}

fn of_seal(report: &SignatureReport) -> Option<String> {
    let axis = &report.seal;
    let name = report.seal_summary.as_ref().map_or("", |seal| seal.name.as_str());
    Some(match (axis.code.as_str(), axis.status) {
        ("ok", Status::Ok) => {
            let listed =
                if report.details.signer_in_list == Some(true) { "，签章人在其用户列表中" } else { "" };
            let stamped = match (report.details.seal_time_stamp, report.details.seal_proved_time) {
                (Some("present"), Some(at)) => format!("；可信证明表明其在 {at} 已存在"),
                _ => String::new(),
            };
            format!("印章《{name}》由其制章人制作{listed}{stamped}")
        }
        ("no-seal", _) => "此类签名没有印章".to_owned(),
        ("maker-certificate-malformed", _) => "制章人的证书无法读取".to_owned(),
        _ => return None,
    })
}

fn of_trusted(report: &SignatureReport) -> Option<String> {
    let who = match (&report.signer, &report.maker) {
        (Some(_), Some(_)) => "签章人与制章人",
        (None, Some(_)) => "制章人",
        _ => "签名人",
    };
    let axis = &report.trusted;
    Some(match (axis.code.as_str(), axis.status) {
        ("ok", Status::Ok) => format!("{who}的证书链通向信任锚"),
        ("no-certificate-chain", _) => match &report.signer {
            Some(signer) => format!("{who}的证书链未能通向信任锚；签名人证书的签发者：{}", signer.issuer),
            None => format!("{who}的证书链未能通向信任锚"),
        },
        _ => return None,
    })
}

fn of_time(report: &SignatureReport) -> Option<String> {
    let (axis, details) = (&report.time, &report.details);
    let claimed = match details.claimed_time {
        Some(claimed) => format!("签章声称的时间为 {claimed}"),
        None => "签章没有声称时间".to_owned(),
    };
    let proved = details.proved_time;
    let (signer, seal) = (report.signer.as_ref(), report.seal_summary.as_ref());
    Some(match (axis.code.as_str(), report.kind) {
        ("proved", _) if axis.status == Status::Ok && proved.is_none() && details.seal_proved_time.is_some() => {
            let (seal, at) = (seal?, details.seal_proved_time?);
            format!("制章人声称的制作时间为 {}；可信时间戳证明其在 {at} 已存在", seal.created)
        }
        ("proved", _) => match proved {
            Some(proved) => format!("{claimed}；可信时间戳证明其在 {proved} 已存在"),
            None => format!("{claimed}；有可信时间戳证明"),
        },
        ("claimed", _) => format!("{claimed}；未经时间戳证明"),
        ("claimed-after-time-stamp", _) => {
            format!("{claimed}，晚于时间戳证明其已存在的时间{}", proved.map(|at| format!(" {at}")).unwrap_or_default())
        }
        ("claimed-time-in-future", _) => format!("{claimed}，晚于判定时间"),
        ("seal-expired", _) => format!("{claimed}；印章的有效期止于 {}", seal?.valid_to),
        ("seal-not-yet-valid", _) => format!("{claimed}；印章的有效期始于 {}", seal?.valid_from),
        ("signer-certificate-expired", _) => format!("{claimed}；签名人证书的有效期止于 {}", signer?.not_after),
        ("signer-certificate-not-yet-valid", _) => {
            format!("{claimed}；签名人证书的有效期始于 {}", signer?.not_before)
        }
        ("certificate-expired", _) => format!("证书的有效期止于 {}", signer?.not_after),
        ("certificate-not-yet-valid", _) => format!("证书的有效期始于 {}", signer?.not_before),
        ("ok", "certificate") => format!("有效期自 {} 至 {}", signer?.not_before, signer?.not_after),
        ("ok", "ses-seal") => format!("制章人声称的制作时间为 {}；现在仍在有效期内", seal?.created),
        ("ok", "crl") => format!("发布于 {}，尚未到下次更新时间", details.claimed_time?),
        ("crl-without-next-update", _) => format!("发布于 {}，未写明下次更新时间", details.claimed_time?),
        ("crl-not-yet", _) => format!("自 {} 起才有效", details.claimed_time?),
        ("crl-stale", _) => format!("发布于 {}，下次更新时间已过", details.claimed_time?),
        // A time stamp that proves nothing: the claim, and why it stays one.
        (code, _) if axis.status != Status::Ok => format!("{claimed}；{}", words::heading_zh(code)?),
        _ => return None,
    })
}

fn of_revocation(report: &SignatureReport) -> Option<String> {
    let axis = &report.revocation;
    Some(match axis.code.as_str() {
        "ok" => "证书链上的证书均未被吊销".to_owned(),
        "revoked" => match report.details.revoked_since {
            Some(since) => format!("签名人的证书自 {since} 起被吊销"),
            None => "证书链上有证书已被吊销".to_owned(),
        },
        "suspended" => match report.details.revoked_since {
            Some(since) => format!("签名人的证书自 {since} 起被冻结"),
            None => "证书链上有证书处于冻结状态".to_owned(),
        },
        "revocation-unknown" => "证书指明了查询来源或政策要求查询，但没有可用的应答".to_owned(),
        "revocation-unknown-no-source" => "有证书的吊销状态未知，且没有指明可查询的来源".to_owned(),
        "no-certificate-chain" => "没有通向信任锚的证书链，未查询".to_owned(),
        _ => return None,
    })
}

fn of_coverage(report: &SignatureReport) -> Option<String> {
    let axis = &report.coverage;
    Some(match (axis.code.as_str(), axis.status) {
        ("full", _) if report.details.references.is_some() => "显示的全部内容都受此签章保护".to_owned(),
        ("full", _) => "签名覆盖所附的全部内容".to_owned(),
        ("partial", _) => format!("已显示但未受此签章保护：{}", listed(&axis.evidence)),
        ("detached", _) if report.kind == "time-stamp" => "时间戳不含可显示的内容".to_owned(),
        ("detached", _) => "分离式签名，不含可显示的内容".to_owned(),
        ("certificate", _) => "证书不含可显示的内容".to_owned(),
        ("crl", _) => "吊销列表不含可显示的内容".to_owned(),
        ("countersignature", _) => "副署只覆盖另一签名的签名值".to_owned(),
        ("seal-alone", _) => "只有印章，没有可显示的文件".to_owned(),
        _ => return None,
    })
}

fn of_algorithm(report: &SignatureReport) -> Option<String> {
    let axis = &report.algorithm;
    Some(match (axis.status, report.details.signature_algorithm) {
        (Status::Ok, Some(algorithm)) => format!("{algorithm} 可以接受"),
        (Status::Ok, None) => "所用的签名算法都可以接受".to_owned(),
        (Status::Failed, Some(algorithm)) if words::heading_zh(&axis.code).is_none() => {
            format!("算法政策不接受所用的算法或密钥（签名为 {algorithm}）")
        }
        _ => return None,
    })
}

fn of_logged(axis: &Axis) -> Option<String> {
    match axis.code.as_str() {
        "not-in-log" => Some("未查询审计日志".to_owned()),
        "log-not-asked" => Some("信任列表未要求其签发机构登记审计日志，未查询".to_owned()),
        "in-log" => {
            let [log, leaf, size, seal @ ..] = axis.evidence.as_slice() else { return None };
            let (log, leaf) = (log.strip_prefix("log ")?, leaf.strip_prefix("leaf ")?);
            let size = size.strip_prefix("tree size ")?;
            let seal = if seal.is_empty() { "" } else { "；其印章的登记也有证明" };
            Some(format!("已登记在审计日志 {log} 中，叶序号 {leaf}，树的大小为 {size}{seal}"))
        }
        "promised" | "receipt-unredeemed" => {
            let [log, leaf, before] = axis.evidence.as_slice() else { return None };
            let (log, leaf) = (log.strip_prefix("log ")?, leaf.strip_prefix("leaf ")?);
            let before = before.strip_prefix("before ")?;
            let state = if axis.code == "promised" {
                "尚未到期，承诺不是证明"
            } else {
                "期限已过，没有登记的证明"
            };
            Some(format!("审计日志 {log} 承诺在 {before} 之前将其登记为第 {leaf} 号叶；{state}"))
        }
        _ => None,
    }
}

/// A warning in Chinese, by its code; the part that it concerns stands beside it.
fn of_warning(code: &str) -> &'static str {
    match code {
        "attribute-order" => "签名属性的排列顺序不符合 DER 编码规则",
        "carried-evidence-not-used" => "签名附带的吊销列表、应答或证书形式不明或过大，未采用",
        "countersignature-not-judged" => "有副署未判定",
        "ofd-xml-uncovered" => "入口文件 OFD.xml 不受任何签章保护，其指明的文档均受保护",
        "resource-missing" => "文档指明的部件不在包内",
        "revocation-unknown-no-source" => "有证书的吊销状态未知，且没有指明可查询的来源",
        "signed-data-version" => "签名数据的版本号与标准规定的不同",
        "signer-version" => "签名人信息的版本号与标准规定的不同",
        "time-stamp-not-accepted" => "签名上的时间戳不能作为时间证明",
        "time-stamp-rejected" => "时间戳机构没有给出时间戳",
        "unlisted-signature" => "包内有一个未列入签名列表的签名文件",
        "unprotected-extra-part" => "包内有一个不显示也不受任何签章保护的部件",
        code => words::heading_zh(code).unwrap_or("详情见英文说明"),
    }
}

impl Warning {
    /// What it says in Chinese, by its code; the part that it concerns stands beside it.
    #[must_use]
    pub fn detail_zh(&self) -> &'static str {
        of_warning(self.code)
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = if self.part.is_some() { 4 } else { 3 };
        let mut members = serializer.serialize_struct("Warning", count)?;
        members.serialize_field("code", self.code)?;
        match &self.part {
            Some(part) => members.serialize_field("part", part)?,
            None => members.skip_field("part")?,
        }
        members.serialize_field("detail", &self.detail)?;
        members.serialize_field("detail_zh", self.detail_zh())?;
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::domain::verify::words::AXES;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn every_axis_is_told_whatever_its_code() {
        for (place, (_, name)) in AXES.iter().enumerate() {
            for status in [Status::Ok, Status::Failed, Status::Unknown, Status::Warning, Status::NotApplicable] {
                for code in
                    ["ok", "no-such-code", "not-reached", "no-certificate-chain", "seal-expired", "original-missing"]
                {
                    let mut report = SignatureReport::blank("1", "ses-v4");
                    let axis = Axis::new(status, code, "said");
                    let SignatureReport {
                        intact,
                        signature,
                        seal,
                        trusted,
                        time,
                        revocation,
                        coverage,
                        algorithm,
                        logged,
                        ..
                    } = &mut report;
                    let mut all = [intact, signature, seal, trusted, time, revocation, coverage, algorithm, logged];
                    **all.get_mut(place).unwrap() = axis;
                    let told = axes(&report);
                    assert!(!told[place].is_empty() && !told[place].is_ascii(), "{name} {status:?} {code}: {told:?}");
                }
            }
        }
    }

    #[test]
    fn figures_are_those_of_the_report() {
        let mut report = SignatureReport::blank("1", "ses-v4");
        report.details.references = Some(12);
        report.details.data_hash_algorithm = Some("sm3");
        report.details.signature_algorithm = Some("sm2-sm3");
        report.details.claimed_time = Some(at("2026-01-02T03:04:05Z"));
        report.details.proved_time = Some(at("2026-01-02T03:04:06Z"));
        report.intact = Axis::new(Status::Ok, "ok", "");
        report.signature = Axis::new(Status::Ok, "ok", "");
        report.time = Axis::new(Status::Ok, "proved", "");
        report.coverage = Axis::new(Status::Warning, "partial", "").with(vec!["/a.xml".into(), "/b.xml".into()]);
        report.algorithm = Axis::new(Status::Ok, "ok", "");
        let [intact, signature, seal, _, time, _, coverage, algorithm, logged] = axes(&report);
        assert_eq!(intact, "12 个部件与签章时的摘要一致，签章描述的 sm3 摘要也一致");
        assert_eq!(signature, "签名值正确（sm2-sm3，签名者标识 1234567812345678）");
        assert_eq!(seal, "前面的步骤失败，未判定");
        assert_eq!(time, "签章声称的时间为 2026-01-02T03:04:05Z；可信时间戳证明其在 2026-01-02T03:04:06Z 已存在");
        assert_eq!(coverage, "已显示但未受此签章保护：/a.xml、/b.xml");
        assert_eq!((algorithm.as_str(), logged.as_str()), ("sm2-sm3 可以接受", "未查询审计日志"));
        report.time = Axis::new(Status::Warning, "time-stamp-not-trusted", "");
        report.revocation = Axis::new(Status::Failed, "revoked", "");
        report.details.revoked_since = Some(at("2026-01-01T00:00:00Z"));
        let [_, _, _, _, time, revocation, ..] = axes(&report);
        assert_eq!(time, "签章声称的时间为 2026-01-02T03:04:05Z；时间戳的签发机构不受信任");
        assert_eq!(revocation, "签名人的证书自 2026-01-01T00:00:00Z 起被吊销");
    }

    #[test]
    fn warnings_are_written_in_both_languages() {
        let warning = Warning { code: "resource-missing", part: Some("/a".into()), detail: "said".into() };
        let expected =
            r#"{"code":"resource-missing","part":"/a","detail":"said","detail_zh":"文档指明的部件不在包内"}"#;
        assert_eq!(serde_json::to_string(&warning).unwrap(), expected);
        let warning = Warning { code: "no-such-code", part: None, detail: "said".into() };
        let expected = r#"{"code":"no-such-code","detail":"said","detail_zh":"详情见英文说明"}"#;
        assert_eq!(serde_json::to_string(&warning).unwrap(), expected);
    }
}
