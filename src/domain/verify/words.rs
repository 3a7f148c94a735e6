//! What a finding means, in Chinese and English, with the clause of the rule that it breaks: for people who must act on a report.
//!
//! A code that has no words of its own is explained by its sub-indication (ETSI EN 319 102-1 5.1.3), so that every
//! finding is explained. Clauses of GB/T 38540, GM/T 0031 and GB/T 33190 are named by chapter: the numbers of their
//! sections are recollection.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use crate::domain::verify::Indication;

/// What a reader is told about one finding, or about a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The rule.
    pub clause: &'static str,
    /// A heading, Chinese.
    pub heading_zh: &'static str,
    /// A heading, English.
    pub heading_en: &'static str,
    /// What it means and what to do, Chinese.
    pub meaning_zh: &'static str,
    /// What it means and what to do, English.
    pub meaning_en: &'static str,
}

/// A heading and its explanation in one language.
#[derive(Serialize)]
struct InOneLanguage {
    heading: &'static str,
    meaning: &'static str,
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Words", 3)?;
        members.serialize_field("clause", self.clause)?;
        let (heading, meaning) = (self.heading_zh, self.meaning_zh);
        members.serialize_field("zh", &InOneLanguage { heading, meaning })?;
        let (heading, meaning) = (self.heading_en, self.meaning_en);
        members.serialize_field("en", &InOneLanguage { heading, meaning })?;
        members.end()
    }
}

const fn words(
    clause: &'static str,
    [heading_zh, heading_en]: [&'static str; 2],
    [meaning_zh, meaning_en]: [&'static str; 2],
) -> Words {
    Words { clause, heading_zh, heading_en, meaning_zh, meaning_en }
}

/// By the code of the finding. In the order of the alphabet.
#[rustfmt::skip]
static BY_CODE: &[(&str, Words)] = &[
    ("authority-revoked-no-proof-of-time", words("ETSI EN 319 102-1 5.5",
        ["签发机构证书已被吊销，签名时间无法证明", "An authority above the signer is revoked and nothing proves the time of signing"],
        ["上级机构的证书已被吊销，没有可信时间戳证明签名在吊销之前做出。请向出具单位核实。",
         "The certificate of an authority above the signer is revoked, and no trusted time stamp proves that the signature came before. Check with the issuer."])),
    ("check-method-not-accepted", words("GB/T 33190-2016 18",
        ["文件摘要算法不被接受", "A digest algorithm is not accepted"],
        ["签章用不安全的摘要算法保护文件，不能证明文件未被改动。请向出具单位索取重新签章的文件。",
         "The signature protects the file with a digest that is no longer safe, so it does not prove that nothing was changed. Ask the issuer for a newly sealed file."])),
    ("claimed-after-time-stamp", words("ETSI EN 319 102-1 5.5",
        ["声称的时间晚于时间戳", "The claimed time is after the time stamp"],
        ["签章声称的时间比证明它已存在的时间戳还晚，时间自相矛盾。",
         "The signature claims a later time than the time stamp that proves it: the times contradict each other."])),
    ("claimed-time-in-future", words("ETSI EN 319 102-1 5.2.8",
        ["签章时间晚于当前时间", "The claimed time lies in the future"],
        ["签章声称的时间尚未到来，签章端的时钟可能有误。请与出具单位核实。",
         "The signature claims a time that has not come yet; the signer's clock may be wrong. Check with the issuer."])),
    ("content-differs", words("RFC 5652 5.4; GB/T 35275-2017 9",
        ["签名的内容与所给文件不同", "What was signed is not the given document"],
        ["签名中的内容或摘要与所给的原文不一致。请确认原文是否正确，否则请勿采信。",
         "The signed content or digest is not that of the given original. Make sure that it is the right original; otherwise do not rely on it."])),
    ("coverage-foreign", words("GB/T 33190-2016 18",
        ["签章保护的不是所显示的内容", "The signature protects nothing of what is shown"],
        ["页面上显示的内容不在签章保护范围内，很可能是替换过的。请勿采信。",
         "What the pages show is not protected by this signature; it was probably exchanged. Do not rely on this file."])),
    ("coverage-partial", words("GB/T 33190-2016 18",
        ["部分显示内容未受签章保护", "Part of what is shown is not protected"],
        ["签章本身有效，但下列部件不在保护范围内，改动这些部分不会被发现。请只采信受保护的内容，并向出具单位核实其余部分。",
         "The signature itself holds, but the parts that are named are outside its protection: a change there would not be noticed. Rely on the protected content only and check the rest with the issuer."])),
    ("crl-stale", words("RFC 5280 5.1.2.5",
        ["吊销列表已过期", "The revocation list is out of date"],
        ["列表的下次更新时间已过，请取得新的列表。",
         "Its next update is past. Get a newer list."])),
    ("data-hash-wrong", words("GB/T 38540-2020 7",
        ["签章后文件被改动", "The file was changed after it was sealed"],
        ["签章所保护的摘要与文件内容不符：内容在签章之后被改动，或签章来自另一份文件。请勿采信。",
         "The protected digest does not fit the content: it was changed after sealing, or the signature was taken from another file. Do not rely on this file."])),
    ("event-certificate-malformed", words("docs/formats/event-certificate.md; RFC 7773",
        ["事件型证书的内容不合规定", "The certificate of one transaction is not of its form"],
        ["证书声称只用于一次签名，但其中的摘要或身份说明不合规定，不能判定它属于哪一次。请勿采信。",
         "The certificate says that it is for one act of signing, and its digest or its statement is not of the form: which act it is for cannot be told. Do not rely on it."])),
    ("event-certificate-misused", words("docs/formats/event-certificate.md",
        ["事件型证书被用于别处", "A certificate of one transaction stands where it does not belong"],
        ["只供一次签名使用的证书被用于其他种类的签名或制章。请勿采信。",
         "A certificate that is for one act of signing is used for another kind of signature, or to make seals. Do not rely on it."])),
    ("event-certificate-seal", words("docs/formats/event-certificate.md; GB/T 38540-2020 7",
        ["个人签名证书与所用印章不符", "The seal is not the one of the person's act"],
        ["签名人的证书只用于一次个人签名，而所附印章不是该次签名的手写签名图样。请勿采信。",
         "The signer's certificate is for one act of a person, and the seal beside it is not the one that shows the handwriting of that act. Do not rely on it."])),
    ("log-proof-wrong", words("C2SP tlog-proof; docs/audit-log.md",
        ["审计日志的证明不正确", "A proof of a log is wrong"],
        ["所附的日志证明与已知日志的签名或树根不符，什么也不能证明。请向日志运营者重新索取证明。",
         "The proof does not fit the signed head of the log that it names, so it proves nothing. Ask the log for another one."])),
    ("log-unknown", words("C2SP tlog-proof; docs/audit-log.md",
        ["证明所属的审计日志未知", "The log of the proof is not known"],
        ["附有日志证明，但本次验证不认识该日志的密钥。请从可靠渠道取得其验证密钥。",
         "There is a proof, and no key of its log is known here. Get the log's verifier key from a source that you trust."])),
    ("maker-certificate-expired", words("GB/T 38540-2020 7",
        ["制章时制章人证书已过期", "The seal maker's certificate had expired when the seal was made"],
        ["印章是用已过期的制章人证书制作的。请向印章管理单位核实。",
         "The seal was made with a certificate that had expired. Check with the authority that manages the seal."])),
    ("maker-certificate-not-yet-valid", words("GB/T 38540-2020 7",
        ["制章时制章人证书尚未生效", "The seal maker's certificate was not yet valid when the seal was made"],
        ["印章的制作时间早于制章人证书生效时间。请向印章管理单位核实。",
         "The seal claims to be made before its maker's certificate began. Check with the authority that manages the seal."])),
    ("no-certificate-chain", words("RFC 5280 6.1; ETSI EN 319 102-1 5.2.6",
        ["签发机构不在信任列表中", "The issuer is not on a trust list"],
        ["签章在技术上完好，但本系统不认识为其作保的机构，因此不能确认签章人是谁。请核对印章归属地区的信任列表，或向出具单位核实。",
         "The signature is sound, but nobody whom this service knows answers for the signer, so who signed is not established. Look for the trust list of the seal's region, or check with the issuer."])),
    ("no-proof-of-time", words("ETSI EN 319 102-1 5.5",
        ["证书现已过期，签章时间无法证明", "The certificate has expired and nothing proves the time of signing"],
        ["声称的签章时间在证书有效期内，但没有可信时间戳证明。证书到期后，仅凭声称的时间不能判定。",
         "The claimed time lies within the certificate's validity, but no trusted time stamp proves it. After the certificate's end a claim alone does not decide."])),
    ("original-missing", words("ETSI EN 319 102-1 5.2.7",
        ["缺少被签名的原文", "The document that was signed is not at hand"],
        ["这是分离式签名，需要同时提供被签名的原文才能验证。",
         "This is a detached signature: hand in the document that it signs as well."])),
    ("promised", words("docs/audit-log.md",
        ["审计日志已承诺登记", "The log has promised to hold it"],
        ["日志已签字承诺将其登记，承诺的期限尚未到。承诺不是证明，期限过后请索取日志证明。",
         "The log signed that it will hold this, and the moment before which it must has not come. A promise is no proof: ask for the proof afterwards."])),
    ("property-info-differs", words("GB/T 38540-2020 7",
        ["签章指向另一处签名文件", "The signature names another place"],
        ["签章写明的保护对象与它所在的位置不同，可能是从别处搬来的。请勿采信。",
         "The signature says that it protects another part than the one it stands beside; it may have been moved here. Do not rely on this file."])),
    ("receipt-missing", words("ETSI EN 319 102-1 5.2.8; docs/audit-log.md",
        ["没有登记在审计日志中的证明", "Nothing proves that it is in the log"],
        ["没有证明表明该印章或签章登记在已知的审计日志中；用盗取的密钥制作的印章正是如此。请向出具单位索取日志证明。",
         "No proof says that the seal or its use is in a known log; a seal that was made with a stolen key is like this. Ask the issuer for the log's proof."])),
    ("receipt-unredeemed", words("docs/audit-log.md",
        ["日志承诺的期限已过，尚无证明", "The log's promise is due and no proof is at hand"],
        ["日志承诺登记的期限已过，到期的承诺不能作为证明。请向日志运营者索取证明；若其拿不出，则日志违背了承诺。",
         "The moment before which the log promised to hold this is past, and a promise that is due proves nothing. Ask for the log's proof; a log that has none broke its word."])),
    ("revocation-unknown", words("RFC 5280 6.3; RFC 6960",
        ["无法取得证书状态", "The certificate's status is not known"],
        ["暂时不能确认签章人证书是否已被吊销。请稍后重试，或提供吊销列表、OCSP 应答后再验证。",
         "Whether the signer's certificate was revoked cannot be told now. Try again later, or supply a revocation list or an OCSP answer."])),
    ("revoked", words("RFC 5280 6.3; RFC 6960",
        ["签章前证书已被吊销", "The certificate was revoked before the signature"],
        ["声称的签章时间晚于证书吊销时间，签章无效。请勿采信。",
         "The claimed time is later than the revocation of the certificate: the signature does not count. Do not rely on this file."])),
    ("revoked-no-proof-of-time", words("ETSI EN 319 102-1 5.5",
        ["证书已被吊销，签章时间无法证明", "The certificate is revoked and nothing proves the time of signing"],
        ["声称的签章时间早于吊销时间，但没有可信时间戳证明。请向出具单位核实。",
         "The claimed time is before the revocation, but no trusted time stamp proves it. Check with the issuer."])),
    ("rsa-key-too-short", words("policies/algorithms.toml",
        ["密钥长度不足", "The key is too short"],
        ["签章所用 RSA 密钥长度低于政策要求。", "The RSA key is shorter than the policy demands."])),
    ("seal-alone", words("GB/T 38540-2020 6",
        ["这是印章文件，不是签章", "This is a seal, not a signature"],
        ["文件只含印章本身，没有对任何文件签章。",
         "The file holds the seal alone; nothing is signed with it."])),
    ("seal-created-after-time-stamp", words("GM/T 0031-2025; ETSI EN 319 102-1 5.5",
        ["印章的制作时间晚于其时间戳", "The seal claims to be made after its time stamp"],
        ["印章声称的制作时间比证明它已存在的时间戳还晚，时间自相矛盾。请向印章管理单位核实。",
         "The seal names a later time of making than the time stamp that proves it: the times contradict each other. Check with the authority that manages the seal."])),
    ("seal-file-differs", words("GB/T 38540-2020 7; GB/T 33190-2016 18",
        ["显示的印章与签章所用印章不同", "The seal that is shown is not the one that signed"],
        ["文件中所附印章与签章数据中的印章不一致，印模可能被替换。请勿采信。",
         "The seal that the file carries differs from the one inside the signature; its picture may have been exchanged. Do not rely on this file."])),
    ("seal-file-missing", words("GB/T 33190-2016 18",
        ["缺少印章文件", "The seal's file is missing"],
        ["文件声明了印章文件，但包内没有。文件已损坏或被改动。",
         "The file names a seal's file that it does not hold. It is damaged or was changed."])),
    ("seal-signature-wrong", words("GB/T 38540-2020 6; GM/T 0031-2014",
        ["印章是伪造的", "The seal is forged"],
        ["制章人对印章的签名不正确：印章不是由所称的制章机构制作，或制作后被改动。请勿采信，并向印章管理单位报告。",
         "The maker's signature on the seal is wrong: the seal was not made by whom it names, or was changed later. Do not rely on this file, and report it."])),
    ("seal-time-stamp-before-certificate", words("GM/T 0031-2025; ETSI EN 319 102-1 5.5",
        ["印章的时间戳早于制章人证书", "The seal was stamped before its maker's certificate began"],
        ["时间戳证明印章在制章人证书生效之前已存在，制作时间不可信。请勿采信，并向印章管理单位核实。",
         "The time stamp proves that the seal existed before its maker's certificate did, so the time of making is not true. Do not rely on it; check with the authority that manages the seal."])),
    ("seal-time-stamp-missing", words("GM/T 0031-2025",
        ["印章没有时间戳", "The seal has no time stamp of its own"],
        ["第 5 版印章可以自带时间戳，本次验证所用政策要求它，而此印章没有。",
         "A seal of version 5 may bear a time stamp of its own. The policy of this verification demands one, and this seal has none."])),
    ("signature-malformed", words("GB/T 38540-2020 6; GM/T 0031-2014",
        ["签章数据格式错误", "The signature cannot be read"],
        ["签章数据不符合标准，无法作为有效签章。", "The signature does not have the form that the standard prescribes, so it counts as none."])),
    ("signature-wrong", words("GB/T 32918.2-2016 7; ETSI EN 319 102-1 5.2.7",
        ["签名值不正确", "The signature value is wrong"],
        ["签名不是由所附证书的密钥做出的，或签名数据被改动。请勿采信。",
         "The signature was not made with the key of the certificate that it carries, or was changed. Do not rely on this file."])),
    ("signer-certificate-missing", words("RFC 5652 5.3; ETSI EN 319 102-1 5.2.3",
        ["找不到签名人证书", "The signer's certificate is not at hand"],
        ["签名没有附带证书，无法确认签名人。请提供签名人证书。",
         "The signature carries no certificate, so who signed cannot be told. Supply the signer's certificate."])),
    ("signer-not-listed", words("GB/T 38540-2020 7",
        ["签章人无权使用该印章", "The signer may not use this seal"],
        ["签章人的证书不在印章的用户列表中，印章可能被盗用。请勿采信。",
         "The signer's certificate is not in the seal's list of users; the seal may have been misused. Do not rely on this file."])),
    ("suspended", words("RFC 5280 5.3.1",
        ["证书处于冻结状态", "The certificate is suspended"],
        ["证书现被暂停使用。请稍后重试，或向出具单位核实。",
         "The certificate is on hold now. Try again later, or check with the issuer."])),
    ("time-stamp-not-trusted", words("RFC 3161; ETSI EN 319 102-1 5.4",
        ["时间戳的签发机构不受信任", "The time stamp's authority is not trusted"],
        ["时间戳不能作为时间证明，因为没有受信任的机构为其作保。",
         "The time stamp proves nothing, since nobody whom this service knows answers for its authority."])),
    ("time-stamp-rejected", words("RFC 3161 2.4.2; ETSI EN 319 102-1 5.4",
        ["时间戳无效", "The time stamp does not hold"],
        ["时间戳与签名不符或不完整，不能作为时间证明。",
         "The time stamp does not fit the signature or is not whole, so it proves no time."])),
    ("transaction-differs", words("docs/formats/event-certificate.md; RFC 5280 4.2.1.8",
        ["证书属于另一次签名", "The certificate is for another transaction"],
        ["签名人的证书绑定的是另一份内容的摘要：证书或签名是从别处搬来的。请勿采信。",
         "The signer's certificate is bound to the digest of something else: the certificate, or the signature, was taken from elsewhere. Do not rely on it."])),
    ("unsupported-kind", words("product contract 2",
        ["不支持的签名类型", "A kind of signature that is not judged"],
        ["本系统尚不能判定此类签名。", "This service does not judge signatures of this kind yet."])),
    ("version-differs", words("GB/T 38540-2020 6",
        ["签章与印章版本不一致", "Signature and seal have different versions"],
        ["签章数据与印章的版本号不同，结构不一致。", "The signature's version differs from the seal's: the structure contradicts itself."])),
];

/// By sub-indication, for codes without words of their own.
#[rustfmt::skip]
static BY_SUB_INDICATION: &[(&str, Words)] = &[
    ("CHAIN_CONSTRAINTS_FAILURE", words("RFC 5280 4.2.1; ETSI EN 319 102-1 5.2.6",
        ["证书不允许此用途", "The certificate is not meant for this"],
        ["证书或其上级证书的限制不允许这样使用。请向出具单位核实。", "The certificate, or one above it, forbids this use. Check with the issuer."])),
    ("CRYPTO_CONSTRAINTS_FAILURE", words("policies/algorithms.toml; ETSI EN 319 102-1 5.2.8",
        ["算法或密钥强度不被接受", "An algorithm or key size is not accepted"],
        ["所用算法或密钥长度在该时间不被政策接受，不能单凭此签名认定。", "The policy does not accept the algorithm or key size at that time, so the signature alone proves nothing."])),
    ("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", words("policies/algorithms.toml; ETSI EN 319 102-1 5.5",
        ["算法现已不被接受，签名时间无法证明", "The algorithm is not accepted any more and nothing proves the time of signing"],
        ["签名所用算法在声称的时间仍可接受，但没有可信时间戳证明签名在那时做出。",
         "The algorithm was acceptable at the claimed time, but no trusted time stamp proves that the signature is that old."])),
    ("EXPIRED", words("GB/T 38540-2020 7; RFC 5280 6.1.3",
        ["签章时已过有效期", "Signed after the end of validity"],
        ["声称的签章时间晚于印章或证书的有效期。请勿采信，并向出具单位核实。", "The claimed time lies after the validity of the seal or certificate. Do not rely on this file; check with the issuer."])),
    ("FORMAT_FAILURE", words("GB/T 38540-2020 6; GB/T 33190-2016 18; ETSI EN 319 102-1 5.2.2",
        ["签名结构不符合标准", "The structure breaks the standard"],
        ["签名的结构或绑定关系不符合标准，不能作为有效签名。", "Structure or binding of the signature break the standard, so it does not count."])),
    ("HASH_FAILURE", words("GB/T 38540-2020 7; GB/T 33190-2016 18",
        ["签章后内容被改动", "The content was changed after it was signed"],
        ["受保护的内容与签名时不同。请勿采信。", "Protected content is not what was signed. Do not rely on this file."])),
    ("NOT_YET_VALID", words("GB/T 38540-2020 7; RFC 5280 6.1.3",
        ["签章时尚未生效", "Signed before the start of validity"],
        ["声称的签章时间早于印章或证书的生效时间。请勿采信，并向出具单位核实。", "The claimed time lies before the validity of the seal or certificate. Do not rely on this file; check with the issuer."])),
    ("NO_CERTIFICATE_CHAIN_FOUND", words("RFC 5280 6.1; ETSI EN 319 102-1 5.2.6",
        ["签发机构不在信任列表中", "The issuer is not on a trust list"],
        ["没有受信任的机构为该证书作保，不能确认签名人是谁。请核对相应地区的信任列表。", "No trusted authority answers for the certificate, so who signed is not established. Look for the trust list of that region."])),
    ("NO_SIGNING_CERTIFICATE_FOUND", words("RFC 5652 5.3; ETSI EN 319 102-1 5.2.3",
        ["找不到签名人证书", "The signer's certificate is not at hand"],
        ["无法确认签名密钥属于谁。请提供签名人证书。",
         "Whose key it was cannot be told. Supply the signer's certificate."])),
    ("OUT_OF_BOUNDS_NO_POE", words("ETSI EN 319 102-1 5.5",
        ["证书现已过期，签名时间无法证明", "The certificate has expired and nothing proves the time of signing"],
        ["没有可信时间戳证明签名在证书有效期内做出。", "No trusted time stamp proves that the signature was made while the certificate was valid."])),
    ("REVOKED", words("RFC 5280 6.3; RFC 6960",
        ["签章前证书已被吊销", "The certificate was revoked before the signature"],
        ["签名时证书已被吊销。请勿采信。", "The certificate was revoked when the signature was made. Do not rely on this file."])),
    ("REVOKED_CA_NO_POE", words("ETSI EN 319 102-1 5.5",
        ["签发机构证书已被吊销，签名时间无法证明", "An authority above the signer is revoked and nothing proves the time of signing"],
        ["没有可信时间戳证明签名在上级机构被吊销之前做出。",
         "No trusted time stamp proves that the signature came before the authority was revoked."])),
    ("REVOKED_NO_POE", words("ETSI EN 319 102-1 5.5",
        ["证书已被吊销，签名时间无法证明", "The certificate is revoked and nothing proves the time of signing"],
        ["没有可信时间戳证明签名在吊销之前做出。请向出具单位核实。", "No trusted time stamp proves that the signature came before the revocation. Check with the issuer."])),
    ("SIGNED_DATA_NOT_FOUND", words("ETSI EN 319 102-1 5.2.7",
        ["缺少被签名的原文", "The document that was signed is not at hand"],
        ["请同时提供被签名的原文。",
         "Hand in the document that was signed as well."])),
    ("SIG_CONSTRAINTS_FAILURE", words("ETSI EN 319 102-1 5.2.8",
        ["不满足验证政策的要求", "The policy demands more"],
        ["签名本身可读，但不满足本次验证所用政策的要求。", "The signature can be read but does not satisfy the policy of this verification."])),
    ("SIG_CRYPTO_FAILURE", words("GB/T 32918.2-2016 7; ETSI EN 319 102-1 5.2.7",
        ["签名值不正确", "A signature value is wrong"],
        ["签名不是由所附证书的密钥做出的。请勿采信。", "The signature was not made with the key of its certificate. Do not rely on this file."])),
    ("TIMESTAMP_ORDER_FAILURE", words("ETSI EN 319 102-1 5.5",
        ["时间先后矛盾", "The times contradict each other"],
        ["时间戳与声称的时间先后矛盾。",
         "Time stamps and claimed time are in the wrong order."])),
    ("TRY_LATER", words("RFC 5280 6.3; RFC 6960; ETSI EN 319 102-1 5.2.5",
        ["无法取得证书状态", "The certificate's status is not known"],
        ["暂时不能确认证书是否已被吊销。请稍后重试。", "Whether the certificate was revoked cannot be told now. Try again later."])),
];

/// Where not even a sub-indication says more.
static OTHER: Words = words(
    "ETSI EN 319 102-1 5.1.3",
    ["无法判定", "It cannot be decided"],
    ["现有信息不足以判定。详情见技术信息。", "Not enough is known to decide. See the technical details."],
);

/// What a finding of this code, with this sub-indication, means.
#[must_use]
pub fn meaning(code: &str, sub_indication: Option<&str>) -> &'static Words {
    let of = |table: &'static [(&'static str, Words)], name: &str| {
        table
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()
            .and_then(|at| table.get(at))
            .map(|(_, words)| words)
    };
    of(BY_CODE, code).or_else(|| of(BY_SUB_INDICATION, sub_indication?)).unwrap_or(&OTHER)
}

/// The Chinese heading of a code that has words of its own.
#[must_use]
pub fn heading_zh(code: &str) -> Option<&'static str> {
    let found = BY_CODE.binary_search_by(|(known, _)| (*known).cmp(code)).ok().and_then(|at| BY_CODE.get(at));
    found.map(|(_, words)| words.heading_zh)
}

/// Of a file whose signatures all passed.
static PASSED: Words = words(
    "ETSI EN 319 102-1 5.1.3",
    ["签章真实有效，内容未被改动", "Genuine and unchanged"],
    [
        "签章由受信任的机构认证，文件显示的内容自签章后没有改动。请核对下面的印章名称和签章人是否是您所期望的单位。",
        "A trusted authority answers for the signer, and nothing that is shown was changed since. Check that seal and signer below are whom you expect.",
    ],
);

/// Of a file without a signature.
static UNSIGNED: Words = words(
    "product contract 2",
    ["文件里没有电子签章或签名", "The file bears no electronic seal or signature"],
    ["页面上的印章图案只是图片，不能证明任何事情。", "A picture of a seal on a page proves nothing."],
);

/// Of a file that was refused.
static REFUSED: Words = words(
    "product contract 2",
    ["文件无法读取或不符合格式", "The file cannot be read, or breaks its format"],
    [
        "本系统不能判定此文件。它可能已损坏、不是带签章的文件，或超出处理上限。请向出具单位重新索取。",
        "This service cannot judge the file: it is damaged, of another kind, or beyond what is taken on. Ask the issuer for it again.",
    ],
);

/// What the verdict on a whole file means. `worst` is the code of the signature that decided it, and its sub-indication.
#[must_use]
pub fn of_file(indication: &str, worst: Option<(&str, Option<&str>)>) -> &'static Words {
    match (indication, worst) {
        ("TOTAL_PASSED", _) => &PASSED,
        ("NO_SIGNATURE_FOUND", _) => &UNSIGNED,
        ("REFUSED", _) => &REFUSED,
        (_, Some((code, sub_indication))) => meaning(code, sub_indication),
        _ => &OTHER,
    }
}

/// A verdict in a few words, Chinese and English, by the name of its indication.
#[must_use]
pub fn verdict(indication: &str) -> [&'static str; 2] {
    match indication {
        "TOTAL_PASSED" => ["验证通过", "Verified"],
        "TOTAL_FAILED" => ["验证不通过", "Not valid"],
        "NO_SIGNATURE_FOUND" => ["没有签名", "No signature"],
        "REFUSED" => ["无法验证此文件", "The file cannot be judged"],
        _ => ["不能认定", "Not established"],
    }
}

/// The axes of a verdict: Chinese name, and the name in reports.
pub const AXES: [(&str, &str); 9] = [
    ("内容完整", "intact"),
    ("签名值", "signature"),
    ("印章", "seal"),
    ("信任链", "trusted"),
    ("签章时间", "time"),
    ("吊销状态", "revocation"),
    ("保护范围", "coverage"),
    ("算法", "algorithm"),
    ("存证", "logged"),
];

/// What an axis says in Chinese, by its name, status and code.
#[must_use]
pub fn of_axis(axis: &str, status: &str, code: &str) -> &'static str {
    match (axis, status) {
        _ if code == "not-reached" => "前面的步骤失败，未判定",
        ("intact", "ok") => "受保护的内容与签章时一致",
        ("intact", "failed") => "受保护的内容被改动或缺失",
        ("signature", "ok") => "签名值正确",
        ("signature", "failed") => "签名值不正确或无法读取",
        ("seal", "ok") => "印章由制章人签名，签章人有权使用，在有效期内",
        ("seal", "failed") => "印章不真实、不在有效期内，或签章人无权使用",
        ("trusted", "ok") => "签章人与制章人由受信任的机构认证",
        ("trusted", "failed") => "证书链不符合要求",
        ("trusted", "unknown") => "没有受信任的机构为其作保",
        ("time", "ok") => "签章时间在有效期内",
        ("time", "failed") => "签章时间不在有效期内",
        ("time", "unknown") => "签章时间无法证明",
        ("revocation", "ok") => "证书未被吊销",
        ("revocation", "failed") => "证书已被吊销",
        ("revocation", "unknown" | "warning") => "未能核实证书是否被吊销",
        ("coverage", "ok") => "显示的全部内容受签章保护",
        ("coverage", "failed") => "显示的内容不受签章保护",
        ("coverage", "unknown" | "warning") => "部分显示内容不受签章保护",
        ("algorithm", "ok") => "算法与密钥强度符合政策",
        ("algorithm", "failed" | "unknown" | "warning") => "算法或密钥强度不符合政策",
        ("logged", "ok") => "已在审计日志中登记",
        ("logged", "failed") => "审计日志的证明不正确",
        (_, "not_applicable") => "不适用",
        (_, "unknown") => "未能判定",
        _ => "",
    }
}

/// A status in a word, Chinese and English, by its name.
#[must_use]
pub fn status(name: &str) -> [&'static str; 2] {
    match name {
        "ok" => ["正常", "ok"],
        "failed" => ["不符", "failed"],
        "warning" => ["注意", "look"],
        "not_applicable" => ["不适用", "not applicable"],
        _ => ["未知", "unknown"],
    }
}

/// A verdict on a whole file in plain words, as a report carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The verdict in a few words.
    verdict: InBoth,
    /// What it means and what to do, with the clause of the rule.
    #[serde(flatten)]
    pub words: &'static Words,
}

/// A few words in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct InBoth {
    zh: &'static str,
    en: &'static str,
}

impl Summary {
    /// Of that verdict; `worst` as [`of_file`] has it.
    #[must_use]
    pub fn of(indication: Indication, worst: Option<(&str, Option<&str>)>) -> Self {
        let [zh, en] = verdict(indication.name());
        Self { verdict: InBoth { zh, en }, words: of_file(indication.name(), worst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verify::Case;

    #[test]
    fn both_tables_are_in_order_and_complete() {
        for table in [BY_CODE, BY_SUB_INDICATION] {
            assert!(table.windows(2).all(|two| two[0].0 < two[1].0), "sorted, each once");
            for (name, words) in table {
                for text in [words.clause, words.heading_zh, words.heading_en, words.meaning_zh, words.meaning_en] {
                    assert!(!text.trim().is_empty(), "{name}");
                }
                assert!(words.heading_en.is_ascii() && !words.heading_zh.is_ascii(), "{name}");
                assert_eq!(meaning(name, Some(name)), words);
            }
        }
    }

    #[test]
    fn a_summary_is_written_in_both_languages_with_its_clause() {
        let summary = Summary::of(Indication::TotalFailed, Some(("seal-signature-wrong", Some("SIG_CRYPTO_FAILURE"))));
        let json = serde_json::to_value(summary).unwrap();
        assert_eq!(json["verdict"], serde_json::json!({"zh": "验证不通过", "en": "Not valid"}));
        assert_eq!(json["clause"], "GB/T 38540-2020 6; GM/T 0031-2014");
        assert_eq!(
            (&json["zh"]["heading"], &json["en"]["heading"]),
            (&"印章是伪造的".into(), &"The seal is forged".into())
        );
        for (indication, heading) in [
            (Indication::TotalPassed, "Genuine and unchanged"),
            (Indication::NoSignatureFound, "The file bears no electronic seal or signature"),
            (Indication::Refused, "The file cannot be read, or breaks its format"),
            (Indication::Indeterminate, "It cannot be decided"),
        ] {
            assert_eq!(Summary::of(indication, None).words.heading_en, heading);
        }
    }

    #[test]
    fn every_sub_indication_has_words() {
        for case in Case::ALL.into_iter().filter(|case| *case != Case::UnsupportedKind) {
            assert_ne!(meaning("no-such-code", case.sub_indication()), &OTHER, "{case:?}");
        }
        assert_eq!(meaning("no-such-code", None), &OTHER);
        assert_eq!(meaning("seal-signature-wrong", None).heading_en, "The seal is forged");
    }
}
