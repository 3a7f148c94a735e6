//! Seals that are written and read, and those that are refused.

use super::*;

const SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");

pub(in crate::format::ses) fn sample() -> Vec<u8> {
    of_layout(Layout::V4)
}

pub(in crate::format::ses) fn of_layout(layout: Layout) -> Vec<u8> {
    let moment = Timestamp::from_unix(1_700_000_000);
    let new = NewSeal {
        layout,
        vendor: "yinxin",
        es_id: "99000000000001",
        kind: 1,
        name: "示例章",
        signers: NewSigners::Certificates(&[&[1, 2, 3], &[4]]),
        created: moment,
        valid_start: moment,
        valid_end: moment.plus_days(365),
        picture_type: "png",
        picture: &[9; 300],
        width: 42,
        height: 42,
    };
    NewSeal::assemble(layout, &new.to_info(), &[5, 6], SM2, &[7; 70])
}

#[test]
fn what_is_written_is_read() {
    let der = sample();
    let seal = SesSeal::parse(&der).unwrap();
    assert_eq!((seal.es_id, seal.name, seal.kind), ("99000000000001", "示例章", 1));
    assert_eq!(seal.certificates, CertificateList::Certificates(vec![&[1, 2, 3], &[4]]));
    assert_eq!((seal.picture.len(), seal.width, seal.picture_type), (300, 42, "png"));
    assert_eq!((seal.maker_certificate, seal.signed_value), (&[5, 6][..], &[7; 70][..]));
    assert_eq!(seal.deviations, []);
    assert_eq!(seal.valid_end, seal.valid_start.plus_days(365));
}

#[test]
fn each_layout_is_written_as_it_is_read() {
    for layout in [Layout::V1, Layout::V4, Layout::V5] {
        let der = of_layout(layout);
        let seal = SesSeal::parse_any(&der).unwrap();
        assert_eq!((seal.layout, seal.version), (layout, layout.version()));
        assert_eq!((seal.name, seal.maker_certificate), ("示例章", &[5, 6][..]));
        assert_eq!(seal.valid_end, seal.valid_start.plus_days(365));
        assert_eq!((&seal.deviations[..], seal.time_stamp), (&[][..], None));
        assert_eq!(&*seal.signed_bytes(), NewSeal::to_sign(layout, seal.info, &[5, 6], SM2));
    }
    let digests = [CertificateDigest { kind: "SM3", value: &[8; 32] }];
    let moment = Timestamp::from_unix(1_700_000_000);
    let new = |layout| NewSeal {
        layout,
        vendor: "yinxin",
        es_id: "99000000000001",
        kind: 6,
        name: "示例章",
        signers: NewSigners::Digests(&digests),
        created: moment,
        valid_start: moment,
        valid_end: moment,
        picture_type: "png",
        picture: &[9; 3],
        width: 30,
        height: 20,
    };
    let listed = |layout| {
        let der = NewSeal::assemble(layout, &new(layout).to_info(), &[5, 6], SM2, &[7; 70]);
        SesSeal::parse_any(&der).map(|seal| seal.certificates == CertificateList::Digests(digests.to_vec()))
    };
    assert_eq!((listed(Layout::V4), listed(Layout::V5)), (Ok(true), Ok(true)));
    let limit = Limits::DEFAULT.seal_certificates;
    assert_eq!(listed(Layout::V1), Err(Error::ListLength { what: "certList", found: 0, limit }));
}

#[test]
fn a_time_stamp_is_written_as_it_is_read() {
    for layout in [Layout::V1, Layout::V4, Layout::V5] {
        let der = of_layout(layout);
        let seal = SesSeal::parse_any(&der).unwrap();
        let value = |time_stamp| (seal.signed_value, time_stamp);
        let with = |time_stamp| NewSeal::assemble_stamped(layout, seal.info, &[5, 6], SM2, value(time_stamp));
        let stamped = with(Some(&[9; 20]));
        let read = SesSeal::parse_any(&stamped).unwrap();
        let expected = if layout == Layout::V5 { Some(&[9; 20][..]) } else { None };
        assert_eq!((read.time_stamp, read.info, read.deviations.len()), (expected, seal.info, 0));
        assert_eq!(with(None), der);
    }
}

#[test]
fn other_versions_headers_and_trailing_bytes_are_refused() {
    let mut der = sample();
    let header = der.windows(7).position(|w| w == [0x16, 2, b'E', b'S', 2, 1, 4]).unwrap();
    der[header + 6] = 5;
    assert_eq!(SesSeal::parse(&der), Err(Error::Version { found: 5 }));
    der[header + 2] = b'X';
    assert_eq!(SesSeal::parse(&der), Err(Error::HeaderId));
    let mut der = sample();
    der.push(0);
    let source = der::Error::TrailingBytes { what: "SESeal" };
    assert_eq!(SesSeal::parse(&der), Err(Error::Structure { clause: CLAUSE, source }));
}
