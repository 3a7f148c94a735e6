//! What must hold of whatever the readers accept.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::algorithm::DigestAlgorithm;
use crate::crypto::digest::digest_many;
use crate::crypto::sm2::KeyTables;
use crate::domain::ca::job_file::{JobFileError, MOST_NAME, MOST_ROW_BYTES, MOST_ROWS, RowOrder, read as read_job};
use crate::domain::seal::import_table;
use crate::domain::seal::stamp_plan::{StampPlace, StampPlan};
use crate::domain::stamp::{Expected, StrangeCertificates, verify_token};
use crate::domain::trust::{
    AlgorithmPolicy, CheckedList, TrustAnchors, add_trust_list, find_signer_certificate, verify_signer,
};
use crate::format::backup::BackupManifest;
use crate::format::office::{Answer, Message};
use crate::format::cms::ber;
use crate::format::cms::{EnvelopedData, MAX_DEPTH, SignedAndEnvelopedData, SignedData};
use crate::format::der::walk;
use crate::format::jose::{self, Jws, Payload};
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{Document, Package, ReadingBudget};
use crate::format::ofd::fields::places_of_field;
use crate::format::ofd::letters::{find_text, letters_of};
use crate::format::ofd::path::PartName;
use crate::format::ofd::signatures::{SignatureDescription, SignatureList};
use crate::format::ofd::signing::{NewSealPart, NewSignature as NewOfdSignature, prepare_signature};
use crate::format::ses::{CertificateList, Kind, NewSeal, NewSigners, NewSignature, SesSeal, SesSignature, recognise};
use crate::format::trust_list::{SignedTrustList, TrustBundle, TrustList};
use crate::format::tsp::{NewTimeStampReq, NewTstInfo, TimeStampReq, TimeStampResp, TimeStampToken, TstInfo};
use crate::format::x509::crl::CrlIndex;
use crate::format::x509::csr::EXTENSION_REQUEST;
use crate::format::x509::extension::{Extension, rewrite};
use crate::format::x509::{EventBinding, EventStatement};
use crate::format::x509::ocsp::BasicResponse;
use crate::format::x509::{self, Certificate, CertificationRequest, Name, OcspRequest, OcspResponse};
use crate::render::page;
use crate::render::seal::{
    Centre, InkChoice, NameEnding, OvalFace, PictureKind, PictureRule, RectangleFace, RoundFace, SealFace, SquareFace,
    Trust, UploadError, draw, normalise,
};

/// Limits small enough that reaching one is cheap.
pub const LIMITS: Limits = Limits {
    file_bytes: 1 << 20,
    zip_entries: 64,
    zip_entry_bytes: 1 << 20,
    zip_total_bytes: 4 << 20,
    xml_bytes: 1 << 20,
    xml_nodes: 10_000,
    signatures: 8,
    references: 64,
    path_checks: 16,
    ..Limits::DEFAULT
};

/// Asserts that a slice is a part of the input, not a copy and not something else.
fn lies_inside(what: &str, part: &[u8], whole: &[u8]) {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    assert!(part.start >= whole.start && part.end <= whole.end, "{what} lies outside of the input");
}

/// What is read of an extension is written again, and read the same: a second writing changes nothing.
fn extensions(found: &[Extension<'_>]) {
    for extension in found {
        if let Some(Ok(written)) = rewrite(extension) {
            let again = Extension { value: &written, ..*extension };
            assert_eq!(rewrite(&again), Some(Ok(written.clone())), "{}", extension.oid);
        }
    }
}

/// A name matches itself, lies within itself, and is shown.
fn name(read: &Name<'_>) {
    assert!(read.matches(read) && read.is_within(read));
    let _ = read.display();
}

/// Any bytes as a trust list, a signed one, or a bundle. What we accept is written again and read the same.
pub fn trust_list(input: &[u8]) {
    if let Ok(list) = TrustList::from_canonical(input) {
        assert_eq!(list.to_canonical().as_deref(), Ok(input), "a list has one form");
    }
    let Ok(bundle) = TrustBundle::parse(input) else { return };
    let again = bundle.to_json();
    assert_eq!(TrustBundle::parse(&again).as_ref(), Ok(&bundle));
    let (policy, now) = (AlgorithmPolicy::whatever_we_compute(), Timestamp::from_unix(1_800_000_000));
    for signed in bundle.lists {
        assert_eq!(SignedTrustList::parse(&signed.to_json()).as_ref(), Ok(&signed));
        if let Ok(list) = CheckedList::check(signed, &policy, now) {
            let mut trust = TrustAnchors::none();
            add_trust_list(&mut trust, &list);
            assert_eq!(trust.anchor_count(), list.list().anchors.len());
            assert!(list.introduced(Some(&list), &[]).is_err(), "no list follows itself");
        }
    }
}

/// Any bytes as the manifest of a backup.
pub fn backup_manifest(input: &[u8]) {
    let Ok(manifest) = BackupManifest::parse(input) else { return };
    assert_eq!(BackupManifest::parse(&manifest.to_json()).as_ref(), Ok(&manifest));
    for file in &manifest.files {
        assert!(
            !file.name.contains(['/', '\\', '\0']) && !file.name.starts_with('.'),
            "a name leads out of the folder"
        );
    }
}

/// Any bytes as a message to an office elsewhere, and as an office's answer.
pub fn office(input: &[u8]) {
    if let Ok(message) = Message::parse(input) {
        assert_eq!(message.to_der(), input);
    }
    if let Ok(answer) = Answer::parse(input) {
        assert_eq!(answer.to_der(), input);
    }
}

/// Any bytes as a request for a certificate. What we accept, a second parser accepts and reads the same.
pub fn csr(input: &[u8]) {
    let Ok(read) = CertificationRequest::parse(input) else { return };
    assert_eq!(read.raw, input);
    for (what, slice) in [("tbs", read.tbs), ("subject", read.subject.raw()), ("signature", read.signature)] {
        lies_inside(what, slice, input);
    }
    name(&read.subject);
    let _ = (read.challenge_password(), read.temporary_key());
    let asked = read.extensions();
    extensions(asked.as_deref().unwrap_or_default());
    let _ = crate::domain::trust::key::public_key(&read.public_key);
    // CFCA's attributes stand without their SET; others leave the attributes out; x509-parser looks into values.
    let is_plain = asked.is_ok() && read.attributes.iter().all(|attribute| attribute.kind == EXTENSION_REQUEST);
    if let Ok((rest, peer)) = X509CertificationRequest::from_der(input) {
        assert!(rest.is_empty());
        assert_eq!(peer.certification_request_info.raw, read.tbs);
        assert_eq!(peer.certification_request_info.subject.as_raw(), read.subject.raw());
        assert_eq!(peer.certification_request_info.attributes().len(), read.attributes.len());
    } else {
        assert!(!is_plain || read.attributes.is_empty(), "the second parser refuses it");
    }
}

/// Any bytes as a table of seals that are taken in together.
pub fn import_table(input: &[u8]) {
    let rows = match import_table::read(input) {
        Ok(rows) => rows,
        Err(error) => {
            assert!(error.code().starts_with("import-table-"), "{error}");
            return;
        }
    };
    assert!((1..=import_table::MOST_ROWS).contains(&rows.len()));
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    for record in rows.into_iter().flatten() {
        for path in [Some(&record.seal), record.certificate.as_ref(), record.key.as_ref()].into_iter().flatten() {
            assert!(!path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
        }
        assert!((1..=99).contains(&record.kind));
        let kind = record.kind.to_string();
        let division = record.holder.division.code();
        let fields: [&str; 9] = [
            &record.seal,
            record.certificate.as_deref().unwrap_or_default(),
            record.key.as_deref().unwrap_or_default(),
            &kind,
            record.holder.credit_code.as_str(),
            &record.holder.name,
            &division,
            record.keeper.as_str(),
            record.filing.as_ref().map_or("", |filing| filing.as_str()),
        ];
        let line = fields.map(quoted).join(",");
        let table = format!("{}\r\n{line}", import_table::COLUMNS.join(","));
        assert_eq!(import_table::read(table.as_bytes()), Ok(vec![Ok(record)]), "a record reads the same");
    }
}

/// Any bytes as the file of a job, and as a row of one that is kept.
pub fn job_file(input: &[u8]) {
    if let Ok(order) = RowOrder::from_der(input) {
        assert_eq!(order.to_der(), input, "a row has one form");
    }
    let rows = match read_job(input) {
        Ok(rows) => rows,
        Err(error) => {
            assert!(error.code().starts_with("job-"), "{error}");
            return;
        }
    };
    let lines = input.strip_suffix(b"\n").unwrap_or(input).split(|octet| *octet == b'\n').collect::<Vec<_>>();
    assert!((1..=MOST_ROWS).contains(&rows.len()) && rows.len() == lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        assert!(line.len() <= MOST_ROW_BYTES && !row.order.csr.is_empty());
        assert!((1..=MOST_NAME).contains(&row.name.chars().count()));
        // A line says the same by itself; twice it is refused, with both its numbers.
        assert_eq!(read_job(line).as_deref(), Ok(std::slice::from_ref(row)));
        let twice = [*line, *line].join(&b'\n');
        assert_eq!(read_job(&twice), Err(JobFileError::NameRepeated { line: 2, first: 1 }));
        let kept = row.order.to_der();
        assert_eq!(RowOrder::from_der(&kept).as_ref(), Ok(&row.order), "a row that is kept");
    }
}

/// Any bytes as a certificate. What we accept, a second parser accepts and reads the same.
pub fn certificate(input: &[u8]) {
    let Ok(read) = Certificate::parse(input) else { return };
    assert_eq!(read.raw, input);
    for (what, slice) in [
        ("tbs", read.tbs),
        ("serial", read.serial),
        ("issuer", read.issuer.raw()),
        ("subject", read.subject.raw()),
        ("signature", read.signature),
    ] {
        lies_inside(what, slice, input);
    }
    name(&read.issuer);
    name(&read.subject);
    extensions(&read.extensions);
    assert_eq!(read.subject.matches(&read.issuer), read.issuer.matches(&read.subject));
    if let Ok(Some(EventBinding { statement: Some(statement), .. })) = EventBinding::of(&read) {
        assert_eq!(EventStatement::parse(&statement.to_text()), Some(statement));
    }
    let _ = (read.deviations(), read.names_revocation_source());
    let _ = crate::domain::trust::key::public_key(&read.public_key);
    match X509Certificate::from_der(input) {
        Ok((rest, peer)) => {
            assert!(rest.is_empty());
            assert_eq!(peer.tbs_certificate.as_ref(), read.tbs);
            assert_eq!(peer.raw_serial(), read.serial);
            assert_eq!(peer.issuer().as_raw(), read.issuer.raw());
            assert_eq!(peer.subject().as_raw(), read.subject.raw());
            assert_eq!(peer.validity().not_before.timestamp(), read.not_before.unix());
            assert_eq!(peer.validity().not_after.timestamp(), read.not_after.unix());
            assert_eq!(peer.extensions().len(), read.extensions.len());
        }
        Err(error) => assert!(peer_is_known_to_refuse(&read), "the second parser refuses it: {error:?}"),
    }
}

/// What we read and x509-parser does not. Each line says why we do.
fn peer_is_known_to_refuse(_read: &Certificate<'_>) -> bool {
    false
}

/// Any bytes as a CRL. What we accept, a second parser reads the same; every entry is found, by walking and by index.
pub fn crl(input: &[u8]) {
    let Ok(read) = x509::CertificateList::parse(input) else { return };
    assert_eq!(read.raw, input);
    for (what, slice) in [("tbs", read.tbs), ("issuer", read.issuer.raw()), ("signature", read.signature)] {
        lies_inside(what, slice, input);
    }
    assert_eq!(read.entries().count(), read.count(), "an entry that was read once fails the second time");
    let index = CrlIndex::new(&read, read.count()).expect("within the limit");
    for entry in read.entries().take(64) {
        lies_inside("serial", entry.serial, input);
        let walked = read.find(entry.serial, &read.issuer);
        assert_eq!(index.find(&read, entry.serial, &read.issuer), walked, "the index says something else");
        assert!(walked.is_some() || entry.certificate_issuer.is_some(), "an entry is not found");
    }
    // What x509-parser refuses and we read is no fault: it knows fewer kinds of names and times.
    if let Ok((rest, peer)) = CertificateRevocationList::from_der(input) {
        assert!(rest.is_empty());
        assert_eq!(peer.issuer().as_raw(), read.issuer.raw());
        assert_eq!(peer.last_update().timestamp(), read.this_update.unix());
        assert_eq!(peer.next_update().map(|time| time.timestamp()), read.next_update.map(Timestamp::unix));
        assert_eq!(peer.iter_revoked_certificates().count(), read.count());
        for (theirs, ours) in peer.iter_revoked_certificates().zip(read.entries()) {
            assert_eq!(theirs.raw_serial(), ours.serial);
        }
    }
}

/// Any bytes as an OCSP request and as a response: never both, and what is read lies inside of the input.
pub fn ocsp(input: &[u8]) {
    let request = OcspRequest::parse(input);
    let response = OcspResponse::parse(input);
    assert!(request.is_err() || response.is_err(), "a request and a response at once");
    if let Ok(read) = request {
        assert_eq!(read.raw, input);
        lies_inside("tbs", read.tbs, input);
        for single in &read.requests {
            lies_inside("certID", single.cert_id.raw, input);
        }
        assert!(read.nonce.is_none_or(|nonce| (1..=128).contains(&nonce.len())));
        let _ = read.unknown_critical();
    }
    if let Ok(OcspResponse::Successful(read)) = response {
        for (what, slice) in [("tbs", read.tbs), ("signature", read.signature)] {
            lies_inside(what, slice, input);
        }
        assert!(!read.responses.is_empty());
        assert_eq!(BasicResponse::parse(read.raw).as_ref(), Ok(&*read));
        let _ = read.unknown_critical();
    }
}

/// Any bytes as a seal. What we accept is DER, borrows from the input, and is written again byte for byte.
pub fn seal(input: &[u8]) {
    if let Ok(any) = SesSeal::parse_any(input) {
        assert_eq!(recognise(input), Kind::SesSeal, "parsed but not recognised");
        lies_inside("info", any.info, input);
        walk(any.raw, Limits::DEFAULT.der_depth).expect("an accepted seal is DER throughout");
        walk(&any.signed_bytes(), Limits::DEFAULT.der_depth).expect("what the maker signed is DER");
    }
    let Ok(read) = SesSeal::parse(input) else { return };
    assert_eq!(read.raw, input);
    same_seal(&read, input);
    assert_eq!(SesSeal::parse(read.raw).as_ref(), Ok(&read));
}

fn same_seal(read: &SesSeal<'_>, input: &[u8]) {
    for (what, slice) in [
        ("raw", read.raw),
        ("info", read.info),
        ("picture", read.picture),
        ("cert", read.maker_certificate),
        ("signedValue", read.signed_value),
        ("name", read.name.as_bytes()),
        ("esID", read.es_id.as_bytes()),
    ] {
        lies_inside(what, slice, input);
    }
    walk(read.raw, Limits::DEFAULT.der_depth).expect("an accepted seal is DER throughout");
    let signers = match &read.certificates {
        CertificateList::Certificates(all) => NewSigners::Certificates(all),
        CertificateList::Digests(all) => NewSigners::Digests(all),
    };
    if !read.extensions.is_empty() || !read.deviations.is_empty() {
        return; // We never write these.
    }
    let again = NewSeal {
        layout: read.layout,
        vendor: read.vendor,
        es_id: read.es_id,
        kind: read.kind,
        name: read.name,
        signers,
        created: read.created,
        valid_start: read.valid_start,
        valid_end: read.valid_end,
        picture_type: read.picture_type,
        picture: read.picture,
        width: read.width,
        height: read.height,
    };
    assert_eq!(again.to_info(), read.info, "DER has one encoding");
    let whole = NewSeal::assemble(read.layout, read.info, read.maker_certificate, read.signature_algorithm, read.signed_value);
    assert_eq!(whole, read.raw, "DER has one encoding");
}

/// Any bytes as a seal signature. What we accept is DER, is recognised, and is written again byte for byte.
pub fn signature(input: &[u8]) {
    let kind = recognise(input);
    if let Ok(any) = SesSignature::parse_any(input) {
        assert_eq!(kind, any.kind, "parsed but not recognised");
        lies_inside("tbs", any.tbs, input);
        walk(input, Limits::DEFAULT.der_depth).expect("an accepted signature is DER throughout");
    }
    let Ok(read) = SesSignature::parse(input) else { return };
    assert_eq!(kind, Kind::SesV4, "parsed but not recognised");
    same_seal(&read.seal, input);
    for (what, slice) in
        [("tbs", read.tbs), ("cert", read.certificate), ("signature", read.signature), ("dataHash", read.data_hash)]
    {
        lies_inside(what, slice, input);
    }
    assert_eq!(SesSeal::parse(read.seal.raw).as_ref(), Ok(&read.seal));
    walk(input, Limits::DEFAULT.der_depth).expect("an accepted signature is DER throughout");
    if read.version != 4 || !read.extensions.is_empty() || !read.deviations.is_empty() {
        return;
    }
    let again = NewSignature {
        layout: read.seal.layout,
        seal: read.seal.raw,
        time: read.time.expect("version 4 has a time"),
        data_hash: read.data_hash,
        property_info: read.property_info,
        certificate: read.certificate,
        signature_algorithm: read.signature_algorithm,
    };
    assert_eq!(again.to_tbs(), read.tbs, "DER has one encoding");
    if read.time_stamp.is_none() {
        let whole = NewSignature::assemble(read.seal.layout, read.tbs, read.certificate, read.signature_algorithm, read.signature);
        assert_eq!(whole, input, "DER has one encoding");
    }
}

/// Any bytes as a cryptographic message. What we accept is DER, borrows from the input, and no signer of it is right
/// over other content.
pub fn message(input: &[u8]) {
    let accepted = EnvelopedData::parse(input).is_ok() || SignedAndEnvelopedData::parse(input).is_ok();
    let Ok(read) = SignedData::parse(input) else {
        if accepted {
            walk(input, MAX_DEPTH).expect("an accepted message is DER throughout");
        }
        return;
    };
    assert!(!accepted, "one message of two kinds");
    walk(input, MAX_DEPTH).expect("an accepted message is DER throughout");
    for certificate in read.x509_certificates() {
        lies_inside("certificate", certificate, input);
    }
    for signer in &read.signers {
        lies_inside("signer", signer.raw, input);
        if let Some(attributes) = &signer.signed_attributes {
            lies_inside("attributes", attributes.raw(), input);
            assert_eq!(attributes.to_sign().get(1..), attributes.raw().get(1..));
        }
        let _ = signer.time_stamps().count();
        let Ok(certificate) = find_signer_certificate(signer, read.x509_certificates()) else { continue };
        let judge = |content| verify_signer(&read, signer, content, &certificate, &KeyTables::default());
        if read.content.is_some() {
            let _ = judge(None);
        }
        let right = [b"one".as_slice(), b"two"].map(|content| judge(Some(content)).is_ok());
        assert_ne!(right, [true, true], "right over two contents");
    }
}

/// Any bytes as a message that others stream. What is rewritten is no longer than a few octets for each value, and
/// written again it stays as it is.
pub fn streamed_message(input: &[u8]) {
    let Ok(der) = ber::to_der(input) else { return };
    assert!(der.len() <= input.len().saturating_mul(3), "{} octets became {}", input.len(), der.len());
    assert_eq!(ber::to_der(&der).as_deref(), Ok(&der[..]), "written again it changes");
    if walk(input, MAX_DEPTH).is_ok() && !ber::is_streamed(input) && !input.contains(&0x24) {
        assert_eq!(der, input, "DER changes");
    }
    let _ = SignedData::parse(&der);
}

/// Any bytes as a JSON Web Signature. What we accept keeps to the limits, and signs one payload alone.
pub fn jws(input: &[u8]) {
    let Ok(read) = Jws::parse(input) else { return };
    assert!((1..=jose::MAX_SIGNATURES).contains(&read.signatures.len()));
    for signature in &read.signatures {
        let header = &signature.header;
        assert!(header.algorithm.is_some());
        assert!(header.certificates.as_ref().is_none_or(|all| all.len() <= jose::MAX_CERTIFICATES));
        let _ = header.unknown_critical();
        let counts = header.signed_objects().map(|found| found.objects.len());
        assert!(counts.is_none_or(|count| (1..=jose::MAX_NAMES).contains(&count)));
        let over = |payload: &[u8]| read.to_sign(signature, Some(payload));
        match read.payload {
            Payload::Attached(_) => {
                assert_eq!(over(b"one"), read.to_sign(signature, None));
                assert!(!(read.is_over(b"one") && read.is_over(b"two")));
            }
            // The header holds what is signed: whatever is beside adds nothing to it.
            Payload::Detached if header.signed_objects().is_some() => {
                assert_eq!(over(b"one"), read.to_sign(signature, None));
                assert_eq!(over(b"one"), Some(format!("{}.", signature.protected).into_bytes()));
            }
            Payload::Detached => assert_ne!(over(b"one"), over(b"two")),
        }
    }
}

/// Any bytes as a time-stamp request. What we accept without extensions is read the same when written again.
pub fn time_stamp_request(input: &[u8]) {
    let Ok(read) = TimeStampReq::parse(input) else { return };
    let again = NewTimeStampReq {
        algorithm: read.imprint.algorithm.oid,
        digest: read.imprint.digest,
        policy: read.policy,
        nonce: read.nonce,
        certificate_wanted: read.certificate_wanted,
    }
    .to_der();
    let again = TimeStampReq::parse(&again).expect("what we write, we read");
    assert_eq!((again.imprint.digest, again.policy, again.nonce), (read.imprint.digest, read.policy, read.nonce));
    assert_eq!(again.certificate_wanted, read.certificate_wanted);
}

/// Any bytes as a time-stamp response, then the token in it. What we accept is read the same when written again, and is
/// not over two messages.
pub fn time_stamp_response(input: &[u8]) {
    let Ok(read) = TimeStampResp::parse(input) else { return };
    let Some(token) = read.token else { return };
    lies_inside("token", token, input);
    let Ok(token) = TimeStampToken::parse(token) else { return };
    let info = &token.info;
    let serial = info.serial;
    if serial.first().is_some_and(|top| *top < 0x80) {
        let again = NewTstInfo {
            policy: info.policy,
            imprint: info.imprint.raw,
            serial,
            gen_time: info.gen_time,
            accuracy: info.accuracy,
            ordering: info.ordering,
            nonce: info.nonce,
            tsa: info.tsa,
        }
        .to_der();
        let again = TstInfo::parse(&again).expect("what we write, we read");
        assert_eq!((again.gen_time, again.accuracy, again.serial), (info.gen_time, info.accuracy, info.serial));
        assert_eq!((again.nonce, again.tsa, again.ordering), (info.nonce, info.tsa, info.ordering));
    }
    let judge = |message, strangers| {
        let expected = Expected { strangers, ..Expected::over(message) };
        verify_token(&token, &[], &expected, &KeyTables::default()).is_ok()
    };
    let strictly = judge(b"one", StrangeCertificates::Refuse);
    assert!(!strictly || judge(b"one", StrangeCertificates::Ignore), "strictness refuses more, never less");
    assert!(!(strictly && judge(b"two", StrangeCertificates::Refuse)), "over two messages");
}

/// Any bytes as a package, then as a document to sign. A package that can be signed stays readable, and no part that
/// was there changes but the entry and the list of signatures.
pub fn package(input: &[u8]) {
    let Ok(container) = Container::read(input, &LIMITS) else { return };
    let total: usize = container.names().map(|name| container.required(name).expect("named, so present").len()).sum();
    assert!(total <= LIMITS.zip_total_bytes);
    let Ok(package) = Package::read(&container, &LIMITS) else { return };
    let _ = crate::format::ofd::shown::shown_parts(&container, &package, &LIMITS);
    for list in package.bodies.iter().filter_map(|body| body.signatures.as_ref()) {
        let Ok(list) = SignatureList::read(&container, list, &LIMITS) else { continue };
        assert!(list.entries.len() <= LIMITS.signatures);
        for entry in &list.entries {
            let _ = SignatureDescription::read(&container, &entry.base_loc, &LIMITS);
        }
    }
    // Packing is slow; small packages have all that matters.
    if input.len() < 16 << 10 {
        sign(input, &container);
    }
}

/// Pages are drawn or refused; what is drawn is SVG that a strict reader takes, without words of the file in it.
pub fn pages(input: &[u8]) {
    let Ok(container) = Container::read(input, &LIMITS) else { return };
    let Ok(document) = page::Document::open(&container, 0, &LIMITS) else { return };
    let package = Package::read(&container, &LIMITS).expect("opened, so it has a body");
    places(&container, &package);
    let stamps = package.bodies.first().and_then(|body| page::stamps_of(&container, body, &LIMITS).ok());
    for number in 0..document.page_count().min(2) {
        let Ok(drawn) = document.render_page(number, &stamps.clone().unwrap_or_default()) else { continue };
        assert!(drawn.width > 0.0 && drawn.height > 0.0 && drawn.unsupported.len() <= 65);
        drawn.png(48).expect("our own SVG is read");
        let again = document.render_page(number, &stamps.clone().unwrap_or_default()).expect("drawn before");
        assert_eq!(drawn.svg(), again.svg());
    }
}

/// The letters and the fields of a package's pages: whatever is found is made of letters that are there, and within bounds.
fn places(container: &Container, package: &Package) {
    let Some(body) = package.bodies.first() else { return };
    let Ok(document) = Document::read(container, &body.doc_root, &LIMITS) else { return };
    let budget = &mut ReadingBudget::new(&LIMITS);
    for page in document.pages.iter().take(2) {
        let Ok(letters) = letters_of(container, (&document, &page.content), 2000, budget, &LIMITS) else { continue };
        assert!(letters.len() <= 2001);
        for length in [1, 2, 5] {
            let text: String = letters.iter().take(length).map(|letter| letter.character).collect();
            let found = find_text(&letters, &text, 9);
            assert!(found.len() <= 10 && found.iter().all(|area| area.left <= area.right && area.top <= area.bottom));
            if let [only] = letters.get(..length.min(letters.len())).unwrap_or_default() {
                assert!(found.len() > 9 || found.iter().any(|area| area.top <= only.area.bottom), "{text}");
            }
        }
    }
    for name in ["field", "cert"] {
        if let Ok(found) = places_of_field(container, &document, name, 9, &LIMITS) {
            assert!(found.len() <= 10);
        }
    }
}

/// Any text, read as a place of a stamp: what is read is written, and read the same.
pub fn stamp_place(text: &str) {
    if let Ok(place) = text.parse::<StampPlace>() {
        assert_eq!(place.to_string().parse(), Ok(place));
    }
    if let Ok(plan) = StampPlan::read(text, true) {
        assert_eq!(StampPlan::read(&plan.text(), true), Ok(plan));
    }
}

fn sign(input: &[u8], container: &Container) {
    let new = NewOfdSignature {
        body: 0,
        provider: "fuzz",
        check_method: "1.2.156.10197.1.401",
        signature_method: "1.2.156.10197.1.501",
        signature_date_time: "20260101000000Z",
        stamps: &[],
        seal: NewSealPart::File(b"seal"),
        lock: false,
        digests: &|parts: &[&[u8]]| digest_many(DigestAlgorithm::Sm3, parts),
    };
    let Ok(prepared) = prepare_signature(container, input, &new, &LIMITS) else { return };
    let own = PartName::from_root(prepared.property_info()).expect("a path of our own");
    let description = prepared.signature_xml().to_vec();
    let signed = prepared.finish(b"value").expect("memory takes every write");
    let again = Container::read(&signed, &Limits::DEFAULT).expect("what we write, we read");
    assert_eq!(again.part(&own), Some(description.as_slice()));
    let list = Package::read(&again, &Limits::DEFAULT).expect("what we write, we read");
    let list = list.bodies.first().and_then(|body| body.signatures.clone()).expect("the list that we wrote");
    let read = SignatureDescription::read(&again, &own, &Limits::DEFAULT).expect("what we write, we read");
    for reference in &read.references {
        let part = again.required(&reference.file_ref).expect("what we refer to is there");
        assert_eq!(reference.check_value, crate::crypto::digest::sm3(part), "{}", reference.file_ref);
    }
    let may_change = [Package::entry(), list];
    for name in container.names().filter(|name| !may_change.contains(name)) {
        assert_eq!(container.part(name), again.part(name), "{name} changed");
    }
}

/// Any bytes, judged: no anchor is given, so nothing may pass, and the report can always be written.
pub fn verify(input: &[u8]) {
    use crate::domain::verify::{
        Evidence, ExtraParts, Ground, Indication, Past, Policy, Promised, SealTimeStamp, Tolerance, UnknownRevocation,
        Unlogged, verify,
    };
    let policy = Policy {
        name: "fuzz".to_owned(),
        sm3: String::new(),
        tolerances: Tolerance::ALL.into_iter().collect(),
        unknown_revocation: UnknownRevocation::Warn,
        extra_parts: ExtraParts::Warn,
        rsa_bits: 2048,
        algorithms: crate::domain::trust::AlgorithmPolicy::whatever_we_compute().into(),
        future_seconds: 300,
        maker_late_days: 30,
        past: Past::AtProof,
        unlogged: Unlogged::Refuse,
        promised: Promised::Enough,
        log_witnesses: 1,
        seal_time_stamp: SealTimeStamp::Refuse,
        greatest_revocation_age: None,
    };
    let trust = crate::domain::trust::TrustAnchors::none();
    let ground = Ground {
        trust: &trust,
        policy: &policy,
        now: Timestamp::from_unix(1_800_000_000),
        limits: &LIMITS,
        remembered: &crate::domain::verify::Remembered::default(),
        evidence: &Evidence::none(),
        log_keys: &[],
    };
    for original in [None, Some(input)] {
        let report = verify("fuzz", input, original, &ground);
        assert_ne!(report.indication, Indication::TotalPassed, "passed without an anchor");
        assert!(report.signatures.iter().all(|signature| signature.indication != Indication::TotalPassed));
        serde_json::to_string(&report).expect("a report can be written");
        if input.first() != Some(&0x30) {
            break; // Only detached signatures have an original.
        }
    }
}

/// The first byte says what the rest is: a picture that somebody hands in, or the text of a face. What is taken is a PNG of
/// the stated size, twice the same, and is taken again; a face is drawn whole or refused.
pub fn seal_picture(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let trust = if choice & 1 == 0 { Trust::Production } else { Trust::Development };
    if choice & 2 == 0 {
        let kind = match choice >> 2 & 3 {
            0 => PictureKind::Writing,
            1 => PictureKind::Seal(InkChoice::MustBeRed),
            _ => PictureKind::Seal(InkChoice::Recolour),
        };
        let rule = PictureRule { kind, width_mm: 20, height_mm: if choice & 16 == 0 { 20 } else { 12 }, trust };
        // A header of four bytes can ask for millions of pixels: the fuzzer's time goes to small ones.
        if rest
            .get(16..24)
            .is_some_and(|size| size[..2] != [0; 2] || size[4..6] != [0; 2] || size[2] > 2 || size[6] > 2)
            && rest.starts_with(b"\x89PNG")
        {
            return;
        }
        let Ok(taken) = normalise(rest, rule) else { return };
        assert_eq!(Some(&taken), normalise(rest, rule).ok().as_ref());
        let side = |at: usize| taken.png[at..at + 4].try_into().map(u32::from_be_bytes).unwrap();
        assert_eq!((side(16), side(20)), (472, if rule.height_mm == 20 { 472 } else { 283 }));
        if trust == Trust::Production && rule.kind != PictureKind::Writing {
            // Thin strokes may fade below what counts as ink; the shape and the size stay.
            let again = normalise(&taken.png, PictureRule { kind: PictureKind::Seal(InkChoice::MustBeRed), ..rule });
            let fading = matches!(
                again,
                Ok(_)
                    | Err(UploadError::Blank
                        | UploadError::Photograph { .. }
                        | UploadError::Aspect { .. }
                        | UploadError::Overfull)
            );
            assert!(fading, "{again:?}");
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let mut texts = text.split('\n').map(str::to_owned);
    let name = texts.next().unwrap_or_default();
    let (second, third) = (texts.next(), texts.next());
    let size = 8 + u16::from(choice >> 4) * 4;
    let face = match choice >> 2 & 3 {
        0 => SealFace::Round(RoundFace {
            organisation: name,
            centre: if choice & 128 == 0 { Centre::Star } else { Centre::Empty },
            lines: second.into_iter().chain(texts.take(2)).collect(),
            code: third.clone(),
            note: third.map(|text| text.chars().rev().collect()),
            diameter_mm: size,
        }),
        1 => SealFace::Oval(OvalFace {
            organisation: name,
            tax_number: second.clone(),
            line: second,
            number: third,
            code: texts.next(),
            width_mm: size + size / 3,
            height_mm: size,
        }),
        2 => SealFace::Square(SquareFace { name, ending: NameEnding::Customary, side_mm: size }),
        _ => SealFace::Rectangle(RectangleFace { text: name, width_mm: size * 2, height_mm: size }),
    };
    if let Ok(picture) = draw(&face, trust) {
        assert!(picture.svg.len() < 1 << 20, "{}", picture.svg.len());
        assert_eq!((picture.width_mm, picture.height_mm), face.size_mm());
    }
}
