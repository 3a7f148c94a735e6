//! Every extension is read as it was written, refused where the standard says so, and read the same by a second parser.

use proptest::collection::vec;
use proptest::prelude::*;
use x509_parser::extensions::ParsedExtension;

use super::*;
use crate::base::clock::Timestamp;
use crate::format::keys::SubjectPublicKeyInfo;
use crate::format::keys::pkcs8::KeyKind;
use crate::format::x509::certificate::NewCertificate;
use crate::format::x509::general_name::{GeneralName, NewGeneralName};
use crate::format::x509::name::{COMMON_NAME, NameAttributes, NameBuf, ORGANIZATION};

fn oid() -> impl Strategy<Value = ObjectIdentifier> {
    (0_u32..40, any::<u32>()).prop_map(|(second, last)| ObjectIdentifier::new(&format!("1.{second}.{last}")).unwrap())
}

fn directory() -> impl Strategy<Value = NameBuf> {
    ("\\PC{1,8}", "\\PC{0,8}").prop_map(|(o, cn)| {
        NameBuf::parse(NameAttributes(vec![(ORGANIZATION, o), (COMMON_NAME, cn)]).to_der()).unwrap()
    })
}

fn name() -> impl Strategy<Value = NewGeneralName> {
    let octets = |octets: Vec<u8>| {
        let mut writer = Writer::new();
        writer.octet_string(&octets);
        writer.into_bytes()
    };
    prop_oneof![
        (oid(), vec(any::<u8>(), 0..9)).prop_map(move |(kind, value)| NewGeneralName::OtherName(kind, octets(value))),
        "[ -~]{0,12}".prop_map(NewGeneralName::Rfc822),
        "[ -~]{0,12}".prop_map(NewGeneralName::Dns),
        directory().prop_map(NewGeneralName::Directory),
        "[ -~]{0,12}".prop_map(NewGeneralName::Uri),
        prop_oneof![vec(any::<u8>(), 4), vec(any::<u8>(), 16)].prop_map(NewGeneralName::Ip),
        oid().prop_map(NewGeneralName::RegisteredId),
    ]
}

fn borrowed(names: &[NewGeneralName]) -> Vec<GeneralName<'_>> {
    names.iter().map(NewGeneralName::as_general_name).collect()
}

/// Written and read again.
macro_rules! same {
    ($kind:ty, $value:expr) => {{
        let value: $kind = $value;
        let der = value.to_value();
        prop_assert_eq!(<$kind>::from_value(&der), Ok(value));
        // Nothing may follow, nothing may be missing.
        let mut longer = der.clone();
        longer.push(0);
        let is_refused = matches!(<$kind>::from_value(&longer), Err(der::Error::TrailingBytes { .. }));
        prop_assert!(is_refused, "longer");
        let refused = <$kind>::from_value(der.split_last().unwrap().1);
        let is_refused = matches!(refused, Err(der::Error::Malformed { .. } | der::Error::Missing { .. }));
        prop_assert!(is_refused, "shorter");
    }};
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        names in vec(name(), 1..5),
        others in vec(name(), 0..3),
        oids in vec(oid(), 1..5),
        bits in 0_u16..0x200,
        octets in vec(any::<u8>(), 0..33),
        one in any::<u32>(),
        two in any::<Option<u32>>(),
        authority in any::<bool>(),
        seconds in -2_000_000_000_i64..9_000_000_000,
        digits in "[0-9A-Z]{1,18}",
    ) {
        let (names, others) = (borrowed(&names), borrowed(&others));
        let moment = Timestamp::from_unix(seconds);
        same!(KeyUsage, KeyUsage(bits));
        same!(ExtendedKeyUsage, ExtendedKeyUsage(oids.clone()));
        same!(SubjectKeyIdentifier<'_>, SubjectKeyIdentifier(&octets));
        same!(PrivateKeyUsagePeriod, PrivateKeyUsagePeriod { not_before: Some(moment), not_after: two.map(|_| moment) });
        same!(BasicConstraints, BasicConstraints { authority, path_length: two });
        same!(SubjectAltName<'_>, SubjectAltName(names.clone()));
        same!(IssuerAltName<'_>, IssuerAltName(names.clone()));
        same!(PolicyMappings, PolicyMappings(oids.iter().map(|oid| (*oid, ANY_POLICY)).collect()));
        same!(
            PolicyConstraints,
            PolicyConstraints { require_explicit_policy: Some(one), inhibit_policy_mapping: two }
        );
        same!(InhibitAnyPolicy, InhibitAnyPolicy(one));
        same!(OcspNoCheck, OcspNoCheck);
        same!(NoRevAvail, NoRevAvail);
        let context = |context_info| AuthenticationContext { context_type: "urn:x", context_info };
        same!(AuthenticationContexts<'_>, AuthenticationContexts(vec![context(None), context(Some(digits.as_str()))]));
        same!(IdentityCode<'_>, IdentityCode::ResidentCard(&digits));
        same!(IdentityCode<'_>, IdentityCode::MilitaryOfficerCard("军字第1号"));
        same!(IdentityCode<'_>, IdentityCode::Passport(&digits));
        let serial = [&[1], octets.as_slice()].concat();
        let issuer = others.clone();
        let serial = (!issuer.is_empty()).then_some(serial.as_slice());
        same!(AuthorityKeyIdentifier<'_>, AuthorityKeyIdentifier { key_identifier: Some(&octets), issuer, serial });
        let places: Vec<_> =
            names.iter().map(|location| AccessDescription { method: ACCESS_OCSP, location: *location }).collect();
        same!(AuthorityInfoAccess<'_>, AuthorityInfoAccess(places.clone()));
        same!(SubjectInfoAccess<'_>, SubjectInfoAccess(places));
        let point = |name, reasons, crl_issuer| DistributionPoint { name, reasons, crl_issuer };
        let part = [0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, b'c'];
        let points = vec![
            point(Some(DistributionPointName::FullName(names.clone())), Some(ReasonFlags(bits)), others),
            point(Some(DistributionPointName::RelativeToIssuer(&part)), None, Vec::new()),
            point(None, Some(ReasonFlags(bits)), names.clone()),
        ];
        same!(CrlDistributionPoints<'_>, CrlDistributionPoints(points.clone()));
        same!(FreshestCrl<'_>, FreshestCrl(points));
        let subtrees: Vec<_> = names
            .iter()
            .filter(|base| !matches!(base, GeneralName::Ip(_)))
            .chain(&[GeneralName::Ip(&[10, 0, 0, 0, 255, 0, 0, 0])])
            .map(|base| GeneralSubtree { base: *base, minimum: one, maximum: two })
            .collect();
        same!(NameConstraints<'_>, NameConstraints { permitted: subtrees.clone(), excluded: Vec::new() });
        same!(NameConstraints<'_>, NameConstraints { permitted: Vec::new(), excluded: subtrees });
        let qualifier = [0x30, 4, 6, 2, 0x2a, 3];
        let mut named = oids;
        named.sort_unstable();
        named.dedup();
        let qualifier = [&qualifier[..1], &[6], &qualifier[2..], &[5, 0]].concat();
        let policies = named.iter().enumerate().map(|(index, policy)| PolicyInformation {
            policy: *policy,
            qualifiers: if index == 0 { &qualifier } else { &[] },
        });
        same!(CertificatePolicies<'_>, CertificatePolicies(policies.collect()));
        same!(SubjectDirectoryAttributes<'_>, SubjectDirectoryAttributes(vec![(ANY_POLICY, &qualifier)]));
        for kind in IdentityNumberKind::ALL {
            let number = IdentityNumber { kind, number: &digits };
            let value = number.to_der();
            let extension = Extension { oid: kind.oid(), critical: false, value: &value };
            prop_assert_eq!(IdentityNumber::from_extension(&extension), Ok(Some(number)));
        }
    }
}

fn refusal<'a, T: ExtensionValue<'a>>(bytes: &'a [u8]) -> der::Error {
    T::from_value(bytes).err().unwrap()
}

#[test]
fn empty_lists_are_refused() {
    let missing = |what| der::Error::Missing { what };
    let empty = &[0x30, 0];
    assert_eq!(refusal::<ExtendedKeyUsage>(empty), missing("extKeyUsage"));
    assert_eq!(refusal::<SubjectAltName<'_>>(empty), missing("subjectAltName"));
    assert_eq!(refusal::<IssuerAltName<'_>>(empty), missing("issuerAltName"));
    assert_eq!(refusal::<NameConstraints<'_>>(empty), missing("nameConstraints"));
    assert_eq!(refusal::<NameConstraints<'_>>(&[0x30, 2, 0xa0, 0]), missing("nameConstraints"));
    assert_eq!(refusal::<CertificatePolicies<'_>>(empty), missing("certificatePolicies"));
    assert_eq!(refusal::<PolicyMappings>(empty), missing("policyMappings"));
    assert_eq!(refusal::<PolicyConstraints>(empty), missing("policyConstraints"));
    assert_eq!(refusal::<CrlDistributionPoints<'_>>(empty), missing("cRLDistributionPoints"));
    assert_eq!(refusal::<CrlDistributionPoints<'_>>(&[0x30, 2, 0x30, 0]), missing("DistributionPoint"));
    assert_eq!(refusal::<FreshestCrl<'_>>(empty), missing("freshestCRL"));
    assert_eq!(refusal::<AuthorityInfoAccess<'_>>(empty), missing("authorityInfoAccess"));
    assert_eq!(refusal::<SubjectInfoAccess<'_>>(empty), missing("subjectInfoAccess"));
    assert_eq!(refusal::<PrivateKeyUsagePeriod>(empty), missing("privateKeyUsagePeriod"));
    assert_eq!(refusal::<SubjectDirectoryAttributes<'_>>(empty), missing("subjectDirectoryAttributes"));
    assert_eq!(refusal::<AuthenticationContexts<'_>>(empty), missing("authContext"));
    assert_eq!(refusal::<AuthenticationContexts<'_>>(&[0x30, 4, 0x30, 2, 12, 0]), missing("authContext"));
    // A policy with an empty list of qualifiers.
    let policy = [0x30, 8, 0x30, 6, 6, 2, 0x2a, 3, 0x30, 0];
    assert_eq!(refusal::<CertificatePolicies<'_>>(&policy), missing("PolicyInformation"));
    // An authorityKeyIdentifier may be empty (RFC 5280 4.2.1.1 only asks issuers for more).
    assert_eq!(AuthorityKeyIdentifier::parse(empty), Ok(AuthorityKeyIdentifier::default()));
}

#[test]
fn what_the_standard_forbids_is_refused() {
    let invalid = |what| der::Error::InvalidValue { what };
    let twice = [0x30, 12, 0x30, 4, 6, 2, 0x2a, 3, 0x30, 4, 6, 2, 0x2a, 3];
    assert_eq!(refusal::<CertificatePolicies<'_>>(&twice), invalid("certificatePolicies"));
    // A serial number without its issuer, the reverse, and one that is not minimal.
    let aki = "authorityKeyIdentifier";
    assert_eq!(refusal::<AuthorityKeyIdentifier<'_>>(&[0x30, 3, 0x82, 1, 5]), invalid(aki));
    assert_eq!(refusal::<AuthorityKeyIdentifier<'_>>(&[0x30, 5, 0xa1, 3, 0x82, 1, b'x']), invalid(aki));
    let padded = [0x30, 9, 0xa1, 3, 0x82, 1, b'x', 0x82, 2, 0, 5];
    assert_eq!(refusal::<AuthorityKeyIdentifier<'_>>(&padded), invalid(aki));
    // Numbers: negative, not minimal, larger than 32 bits.
    for number in [&[0x80, 1, 0xff][..], &[0x80, 2, 0, 5], &[0x80, 0], &[0x80, 5, 1, 0, 0, 0, 0]] {
        let bytes = Writer::sequence_of(number);
        assert_eq!(refusal::<PolicyConstraints>(&bytes), invalid("policyConstraints"), "{number:?}");
    }
    let most = Writer::sequence_of(&[0x80, 5, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(PolicyConstraints::parse(&most).unwrap().require_explicit_policy, Some(u32::MAX));
    // A minimum that is written though it is the default; an address without a mask.
    let subtree = |bytes: &[u8]| {
        let list = Writer::sequence_of(bytes);
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.context(0, |inner| {
                inner.raw(&list);
            });
        });
        writer.into_bytes()
    };
    let zero = subtree(&[0x82, 1, b'x', 0x80, 1, 0]);
    assert_eq!(refusal::<NameConstraints<'_>>(&zero), invalid("GeneralSubtree"));
    let address = subtree(&[0x87, 4, 1, 2, 3, 4]);
    assert_eq!(refusal::<NameConstraints<'_>>(&address), invalid("GeneralName"));
    // The lists of constraints in the wrong order.
    let part = [0x30, 3, 0x82, 1, b'x'];
    let turned = Writer::sequence_of(&[&[0xa1, 5], &part[..], &[0xa0, 5], &part[..]].concat());
    assert_eq!(refusal::<NameConstraints<'_>>(&turned), der::Error::TrailingBytes { what: "nameConstraints" });
    // Reasons: ten bits, unused bits that are set, no octet at all; a point of reasons alone.
    for reasons in [&[6, 0, 0x40][..], &[4, 0x1f], &[], &[0, 1, 2, 3], &[8, 0]] {
        let refused = ReasonFlags::from_content(reasons, "reasons");
        assert_eq!(refused, Err(invalid("reasons")), "{reasons:?}");
    }
    assert_eq!(ReasonFlags::from_content(&[1, 0x06], "x"), Ok(ReasonFlags(0x60)));
    assert_eq!(ReasonFlags::from_content(&[7, 0, 0x80], "x"), Ok(ReasonFlags(ReasonFlags::AA_COMPROMISE)));
    let alone = [0x30, 6, 0x30, 4, 0x81, 2, 1, 6];
    assert_eq!(refusal::<CrlDistributionPoints<'_>>(&alone), der::Error::Missing { what: "DistributionPoint" });
    // NULL with content; a period that is not GeneralizedTime.
    assert_eq!(refusal::<OcspNoCheck>(&[5, 1, 0]), invalid("ocsp-nocheck"));
    assert_eq!(refusal::<NoRevAvail>(&[5, 1, 0]), invalid("noRevAvail"));
    let short = [0x30, 4, 0x80, 2, b'2', b'0'];
    assert_eq!(refusal::<PrivateKeyUsagePeriod>(&short), invalid("privateKeyUsagePeriod"));
    let many = Writer::sequence_of(&[6, 1, 0x2a].repeat(MAX_ELEMENTS + 1));
    let limit = MAX_ELEMENTS;
    assert_eq!(refusal::<ExtendedKeyUsage>(&many), der::Error::TooMany { what: "extKeyUsage", limit });
}

#[test]
fn identity_numbers_are_read_as_files_write_them() {
    let code = IdentityCode::ResidentCard("1");
    // Implicit, then explicit with a string inside, as clients of provincial authorities cut it out.
    assert_eq!(IdentityCode::parse(&[0x80, 1, b'1']), Ok(code));
    assert_eq!(IdentityCode::parse(&[0xa0, 3, 0x13, 1, b'1']), Ok(code));
    let invalid = |what| der::Error::InvalidValue { what };
    for bytes in [&[0x80, 0][..], &[0x83, 1, b'1'], &[0x13, 1, b'1'], &[0x80, 2, 0xc3, 0xa9], &[0x80, 1, 0]] {
        assert_eq!(refusal::<IdentityCode<'_>>(bytes), invalid("IdentityCode"), "{bytes:?}");
    }
    let kind = IdentityNumberKind::OrganisationCode;
    let number = IdentityNumber { kind, number: "1" };
    for tag in [12, 19, 22] {
        assert_eq!(IdentityNumber::parse(kind, &[tag, 1, b'1']), Ok(number));
    }
    let found = Tag::OctetString;
    let expected = Tag::PrintableString;
    let refused = der::Error::UnexpectedTag { what: "identity number", expected, found };
    assert_eq!(IdentityNumber::parse(kind, &[4, 1, b'1']), Err(refused));
    let other = Extension { oid: KEY_USAGE, critical: false, value: &[] };
    assert_eq!(IdentityNumber::from_extension(&other), Ok(None));
    // A character that PrintableString has not, on the card of a resident, however it is tagged.
    assert_eq!(refusal::<IdentityCode<'_>>(&[0xa0, 4, 12, 2, 0xc3, 0xa9]), invalid("IdentityCode"));
    let wide = IdentityNumber { kind, number: "证1" };
    assert_eq!(IdentityNumber::parse(kind, &wide.to_der()), Ok(wide));
}

#[test]
fn a_second_parser_reads_what_we_write() {
    let oid = ObjectIdentifier::new_unwrap("1.2.3.4");
    let directory = NameBuf::parse(NameAttributes(vec![(COMMON_NAME, "甲".into())]).to_der()).unwrap();
    let names = vec![
        GeneralName::Dns("a.example"),
        GeneralName::Rfc822("a@b.example"),
        GeneralName::Ip(&[192, 0, 2, 1]),
        GeneralName::Directory(directory.as_name()),
        GeneralName::RegisteredId(oid),
    ];
    let point = DistributionPoint {
        name: Some(DistributionPointName::FullName(vec![GeneralName::Uri("http://crl.example/1.crl")])),
        reasons: Some(ReasonFlags(ReasonFlags::KEY_COMPROMISE | ReasonFlags::CA_COMPROMISE)),
        crl_issuer: vec![GeneralName::Directory(directory.as_name())],
    };
    let base = GeneralName::Dns("b.example");
    let extensions = [
        NewExtension::new(true, &BasicConstraints { authority: true, path_length: Some(2) }),
        NewExtension::new(true, &KeyUsage(KeyUsage::DECIPHER_ONLY | KeyUsage::KEY_AGREEMENT)),
        NewExtension::new(false, &ExtendedKeyUsage(vec![OCSP_SIGNING, oid])),
        NewExtension::new(false, &SubjectKeyIdentifier(&[7; 20])),
        NewExtension::new(
            false,
            &AuthorityKeyIdentifier { key_identifier: Some(&[8; 20]), issuer: names.clone(), serial: Some(&[9]) },
        ),
        NewExtension::new(false, &SubjectAltName(names.clone())),
        NewExtension::new(false, &IssuerAltName(names)),
        NewExtension::new(
            true,
            &NameConstraints {
                permitted: vec![GeneralSubtree { base, minimum: 0, maximum: None }],
                excluded: Vec::new(),
            },
        ),
        NewExtension::new(false, &CertificatePolicies(vec![PolicyInformation { policy: oid, qualifiers: &[] }])),
        NewExtension::new(true, &PolicyMappings(vec![(oid, ObjectIdentifier::new_unwrap("1.2.3.5"))])),
        NewExtension::new(
            true,
            &PolicyConstraints { require_explicit_policy: Some(3), inhibit_policy_mapping: Some(200) },
        ),
        NewExtension::new(true, &InhibitAnyPolicy(300)),
        NewExtension::new(false, &CrlDistributionPoints(vec![point])),
        NewExtension::new(
            false,
            &AuthorityInfoAccess(vec![AccessDescription {
                method: ACCESS_OCSP,
                location: GeneralName::Uri("http://ocsp.example/"),
            }]),
        ),
    ];
    let sm2 = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
    let tbs = NewCertificate {
        serial: &[1],
        signature_algorithm: sm2,
        issuer: directory.as_name().raw(),
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::MAX,
        subject: directory.as_name().raw(),
        public_key: &SubjectPublicKeyInfo::write(KeyKind::Sm2, &[4; 65]),
        extensions: &extensions,
    }
    .to_tbs();
    let der = NewCertificate::assemble(&tbs, sm2, &[9; 70]);
    let (_, peer) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert_eq!(peer.extensions().len(), extensions.len());
    for (ours, theirs) in extensions.iter().zip(peer.extensions()) {
        assert_eq!((ours.critical, ours.value.as_slice()), (theirs.critical, theirs.value));
        let shown = format!("{:?}", theirs.parsed_extension());
        match theirs.parsed_extension() {
            ParsedExtension::BasicConstraints(read) => assert_eq!((read.ca, read.path_len_constraint), (true, Some(2))),
            ParsedExtension::KeyUsage(read) => {
                assert!(read.decipher_only() && read.key_agreement() && read.flags == 0x110)
            }
            ParsedExtension::ExtendedKeyUsage(read) => assert!(read.ocsp_signing && read.other.len() == 1),
            ParsedExtension::SubjectKeyIdentifier(read) => assert_eq!(read.0, [7; 20]),
            ParsedExtension::AuthorityKeyIdentifier(read) => {
                assert_eq!(read.key_identifier.as_ref().unwrap().0, [8; 20]);
                assert_eq!(read.authority_cert_issuer.as_ref().unwrap().len(), 5);
                assert_eq!(read.authority_cert_serial, Some(&[9][..]));
            }
            ParsedExtension::SubjectAlternativeName(read) => assert_eq!(read.general_names.len(), 5, "{shown}"),
            ParsedExtension::IssuerAlternativeName(read) => assert_eq!(read.general_names.len(), 5, "{shown}"),
            ParsedExtension::NameConstraints(read) => {
                assert_eq!(read.permitted_subtrees.as_ref().unwrap().len(), 1);
                assert!(read.excluded_subtrees.is_none() && shown.contains("b.example"), "{shown}");
            }
            ParsedExtension::CertificatePolicies(read) => assert_eq!(read.len(), 1),
            ParsedExtension::PolicyMappings(read) => assert_eq!(read.mappings.len(), 1),
            ParsedExtension::PolicyConstraints(read) => {
                assert_eq!((read.require_explicit_policy, read.inhibit_policy_mapping), (Some(3), Some(200)));
            }
            ParsedExtension::InhibitAnyPolicy(read) => assert_eq!(read.skip_certs, 300),
            ParsedExtension::CRLDistributionPoints(read) => {
                let point = read.points.first().unwrap();
                let reasons = point.reasons.as_ref().unwrap();
                assert!(reasons.key_compromise() && reasons.ca_compromise() && !reasons.superseded());
                assert!(shown.contains("http://crl.example/1.crl") && point.crl_issuer.is_some(), "{shown}");
            }
            ParsedExtension::AuthorityInfoAccess(read) => {
                assert_eq!(read.accessdescs.len(), 1);
                assert!(shown.contains("http://ocsp.example/"), "{shown}");
            }
            _ => panic!("{shown}"),
        }
    }
}

#[test]
fn kinds_without_a_type_are_not_written_again() {
    let usage = KeyUsage(5).to_value();
    let extension = |oid| Extension { oid, critical: false, value: &usage };
    assert_eq!(rewrite(&extension(KEY_USAGE)), Some(Ok(usage.clone())));
    let refused = der::Error::UnexpectedTag { what: "nameConstraints", expected: Tag::Sequence, found: Tag::BitString };
    assert_eq!(rewrite(&extension(NAME_CONSTRAINTS)), Some(Err(refused)));
    assert_eq!(rewrite(&extension(ObjectIdentifier::new_unwrap("1.2.3.4"))), None);
}
