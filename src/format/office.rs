//! Messages to offices elsewhere, which make seals (制章系统) or file them (公安备案), and their answers.
//!
//! The form is ours: the national one is not public. It is described in docs/national-maker.md. Everything is DER without
//! anything left over; every text and every list is bounded; a message names itself, and its answer names it again.

use crate::base::clock::Timestamp;
use crate::format::cms::content::context;
use crate::format::der::{self, Reader, Tag, Writer};

/// Octets of a message, or of an answer, that are read: a picture of 1 MiB, a seal with it, and a few certificates.
pub const MOST_OCTETS: usize = 4 << 20;
/// Characters of a text.
const MOST_TEXT: usize = 256;
/// Characters of a code, or of a name of ours.
const MOST_CODE: usize = 64;
/// Certificates that come with a seal: its signer's, and those above it.
const MOST_CERTIFICATES: usize = 8;
/// Changes in one answer.
pub const MOST_CHANGES: usize = 100;
const VERSION: u32 = 1;

/// The name of a message: random, the same however often the message is sent.
pub type MessageName = [u8; 16];

/// A message to an office.
///
/// `Message ::= SEQUENCE { version INTEGER (1), name OCTET STRING (16), subject UTF8String, body CHOICE { order [0] Order, ask
/// [1] NULL, cancel [2] NULL, state [3] State, file [4] Filing, changes [5] INTEGER } }`, all tags EXPLICIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its name.
    pub name: MessageName,
    /// What it is about: an application, or a seal, by our name.
    pub subject: &'a str,
    /// What it says.
    pub body: MessageBody<'a>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageBody<'a> {
    /// Make this seal.
    Order(Box<SealOrder<'a>>),
    /// What became of it?
    Ask,
    /// Nothing more is wanted; what was made for it shall never count. One for an order that never arrived is remembered.
    Cancel,
    /// The seal stands there now, here.
    State(StateTold<'a>),
    /// File this seal.
    File(Filing<'a>),
    /// What changed at the office, behind that number?
    Changes(u32),
}

/// `Order ::= SEQUENCE { kind INTEGER, name UTF8String, creditCode UTF8String, holder UTF8String, division UTF8String, code
/// UTF8String, width INTEGER, height INTEGER, days INTEGER, form UTF8String, list UTF8String, picture OCTET STRING, request
/// OCTET STRING, replaces [0] UTF8String OPTIONAL }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealOrder<'a> {
    /// The code of its type.
    pub kind: u32,
    /// Its name.
    pub name: &'a str,
    /// The holder's code.
    pub credit_code: &'a str,
    /// The holder's name.
    pub holder: &'a str,
    /// Where the holder lies.
    pub division: &'a str,
    /// The code that it shall have.
    pub code: &'a str,
    /// Width and height, millimetres.
    pub size_mm: (u32, u32),
    /// For how many days.
    pub days: u32,
    /// `v1`, `v4`, `v5`.
    pub form: &'a str,
    /// `certificates` or `digests`.
    pub list: &'a str,
    /// PNG.
    pub picture: &'a [u8],
    /// The request for the signer's certificate, PKCS#10.
    pub request: &'a [u8],
    /// The code of the seal in whose place it will stand.
    pub replaces: Option<&'a str>,
}

/// `State ::= SEQUENCE { state UTF8String, reason [0] UTF8String OPTIONAL }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTold<'a> {
    /// `active`, `suspended` or `cancelled`.
    pub state: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
}

/// `Filing ::= SEQUENCE { kind INTEGER, name UTF8String, creditCode UTF8String, holder UTF8String, division UTF8String, code
/// UTF8String, validFrom GeneralizedTime, validTo GeneralizedTime, seal OCTET STRING (SM3) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing<'a> {
    /// The code of its type.
    pub kind: u32,
    /// Its name.
    pub name: &'a str,
    /// The holder's code.
    pub credit_code: &'a str,
    /// The holder's name.
    pub holder: &'a str,
    /// Where the holder lies.
    pub division: &'a str,
    /// Its code.
    pub code: &'a str,
    /// Start and end of its validity.
    pub validity: (Timestamp, Timestamp),
    /// SM3 of the seal.
    pub seal_sm3: [u8; 32],
}

/// An office's answer to one message.
///
/// `Answer ::= SEQUENCE { version INTEGER (1), name OCTET STRING (16), subject UTF8String, body CHOICE { received [0]
/// UTF8String, made [1] Made, refused [2] UTF8String, done [3] NULL, unknown [4] NULL, filed [5] UTF8String, changes [6]
/// SEQUENCE OF Change } }`, all tags EXPLICIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The name of the message that it answers.
    pub name: MessageName,
    /// What that was about.
    pub subject: &'a str,
    /// What it says.
    pub body: AnswerBody<'a>,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerBody<'a> {
    /// It is at work, under this number of the office's.
    Received(&'a str),
    /// Here is the seal.
    Made(MadeSeal<'a>),
    /// It is not done, and never will be: a code of 1 to 64 of `a-z A-Z 0-9 - _ .`, never words.
    Refused(&'a str),
    /// It is done.
    Done,
    /// The office knows nothing of it.
    Unknown,
    /// It is filed under this number.
    Filed(&'a str),
    /// What changed at the office, in its order.
    Changes(Vec<Change<'a>>),
}

/// `Made ::= SEQUENCE { number UTF8String, seal OCTET STRING, certificates SEQUENCE OF OCTET STRING }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeSeal<'a> {
    /// The office's number.
    pub number: &'a str,
    /// The seal.
    pub seal: &'a [u8],
    /// The signer's certificate first, then those above it and above the maker.
    pub certificates: Vec<&'a [u8]>,
}

/// `Change ::= SEQUENCE { number INTEGER, subject UTF8String, state UTF8String, at GeneralizedTime }`: what an office decided
/// by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Its number, above that of the one before.
    pub number: u32,
    /// What it is about, by our name.
    pub subject: &'a str,
    /// `active`, `suspended` or `cancelled`.
    pub state: &'a str,
    /// When.
    pub at: Timestamp,
}

fn text<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a str, der::Error> {
    let found = reader.utf8(what)?;
    let fits = (1..=MOST_TEXT).contains(&found.chars().count()) && !found.contains(char::is_control);
    if fits { Ok(found) } else { Err(der::Error::InvalidValue { what }) }
}

/// A code or a name that may stand in the audit log: 1 to 64 of `a-z A-Z 0-9 - _ .`, so no words and nothing personal.
fn code<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a str, der::Error> {
    let found = reader.utf8(what)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = (1..=MOST_CODE).contains(&found.len()) && found.bytes().all(allowed);
    if fits { Ok(found) } else { Err(der::Error::InvalidValue { what }) }
}

fn optional_text<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<Option<&'a str>, der::Error> {
    let Some(value) = reader.optional(context(0), what)? else { return Ok(None) };
    let mut inner = value.inside();
    let found = text(&mut inner, what)?;
    inner.finish(what)?;
    Ok(Some(found))
}

fn digest(reader: &mut Reader<'_>, what: &'static str) -> Result<[u8; 32], der::Error> {
    reader.octet_string(what)?.try_into().map_err(|_| der::Error::InvalidValue { what })
}

/// The frame of both directions: version, name, subject, and one tagged value.
fn frame<'a>(der: &'a [u8], what: &'static str) -> Result<(MessageName, &'a str, u8, Reader<'a>), der::Error> {
    if der.len() > MOST_OCTETS {
        return Err(der::Error::TooMany { what, limit: MOST_OCTETS });
    }
    let mut outer = Reader::new(der);
    let mut inner = outer.sequence(what)?;
    outer.finish(what)?;
    if inner.small("version")? != VERSION {
        return Err(der::Error::InvalidValue { what: "version" });
    }
    let name = inner.octet_string("name")?.try_into().map_err(|_| der::Error::InvalidValue { what: "name" })?;
    let subject = code(&mut inner, "subject")?;
    let body = inner.value("body")?;
    inner.finish(what)?;
    let number = (0_u8..8).find(|number| context(u32::from(*number)) == body.tag());
    let number = number.ok_or(der::Error::InvalidValue { what: "body" })?;
    Ok((name, subject, number, body.inside()))
}

fn null(reader: &mut Reader<'_>) -> Result<(), der::Error> {
    match reader.expect(Tag::Null, "body")?.content() {
        [] => Ok(()),
        _ => Err(der::Error::InvalidValue { what: "body" }),
    }
}

fn write_frame(name: &MessageName, subject: &str, number: u8, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|fields| {
        fields.small(VERSION).octet_string(name).utf8(subject).context(number, body);
    });
    writer.into_bytes()
}

fn write_optional(fields: &mut Writer, value: Option<&str>) {
    if let Some(value) = value {
        fields.context(0, |inner| {
            inner.utf8(value);
        });
    }
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// The first thing that is not as it is written above.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        let (name, subject, number, mut body) = frame(der, "message")?;
        let said = match number {
            0 => MessageBody::Order(Box::new(SealOrder::read(&mut body)?)),
            1 => null(&mut body).map(|()| MessageBody::Ask)?,
            2 => null(&mut body).map(|()| MessageBody::Cancel)?,
            3 => MessageBody::State(StateTold::read(&mut body)?),
            4 => MessageBody::File(Filing::read(&mut body)?),
            5 => MessageBody::Changes(body.small("changes")?),
            _ => return Err(der::Error::InvalidValue { what: "body" }),
        };
        body.finish("body")?;
        Ok(Self { name, subject, body: said })
    }

    /// As DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let number = match self.body {
            MessageBody::Order(_) => 0,
            MessageBody::Ask => 1,
            MessageBody::Cancel => 2,
            MessageBody::State(_) => 3,
            MessageBody::File(_) => 4,
            MessageBody::Changes(_) => 5,
        };
        write_frame(&self.name, self.subject, number, |body| match &self.body {
            MessageBody::Order(order) => order.write(body),
            MessageBody::Ask | MessageBody::Cancel => {
                body.null();
            }
            MessageBody::State(told) => told.write(body),
            MessageBody::File(filing) => filing.write(body),
            MessageBody::Changes(after) => {
                body.small(*after);
            }
        })
    }
}

impl<'a> SealOrder<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        let mut fields = reader.sequence("order")?;
        let order = Self {
            kind: fields.small("kind")?,
            name: text(&mut fields, "name")?,
            credit_code: text(&mut fields, "creditCode")?,
            holder: text(&mut fields, "holder")?,
            division: text(&mut fields, "division")?,
            code: text(&mut fields, "code")?,
            size_mm: (fields.small("width")?, fields.small("height")?),
            days: fields.small("days")?,
            form: text(&mut fields, "form")?,
            list: text(&mut fields, "list")?,
            picture: fields.octet_string("picture")?,
            request: fields.octet_string("request")?,
            replaces: optional_text(&mut fields, "replaces")?,
        };
        fields.finish("order")?;
        Ok(order)
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.small(self.kind).utf8(self.name).utf8(self.credit_code).utf8(self.holder).utf8(self.division);
            fields.utf8(self.code).small(self.size_mm.0).small(self.size_mm.1).small(self.days);
            fields.utf8(self.form).utf8(self.list).octet_string(self.picture).octet_string(self.request);
            write_optional(fields, self.replaces);
        });
    }
}

impl<'a> StateTold<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        let mut fields = reader.sequence("state")?;
        let told = Self { state: text(&mut fields, "state")?, reason: optional_text(&mut fields, "reason")? };
        fields.finish("state")?;
        Ok(told)
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.utf8(self.state);
            write_optional(fields, self.reason);
        });
    }
}

impl<'a> Filing<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        let mut fields = reader.sequence("filing")?;
        let filing = Self {
            kind: fields.small("kind")?,
            name: text(&mut fields, "name")?,
            credit_code: text(&mut fields, "creditCode")?,
            holder: text(&mut fields, "holder")?,
            division: text(&mut fields, "division")?,
            code: text(&mut fields, "code")?,
            validity: (fields.generalized_time("validFrom")?, fields.generalized_time("validTo")?),
            seal_sm3: digest(&mut fields, "seal")?,
        };
        fields.finish("filing")?;
        Ok(filing)
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.small(self.kind).utf8(self.name).utf8(self.credit_code).utf8(self.holder).utf8(self.division);
            fields.utf8(self.code).generalized_time(self.validity.0).generalized_time(self.validity.1);
            fields.octet_string(&self.seal_sm3);
        });
    }
}

impl<'a> Answer<'a> {
    /// Reads an answer.
    ///
    /// # Errors
    /// The first thing that is not as it is written above.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        let (name, subject, number, mut body) = frame(der, "answer")?;
        let said = match number {
            0 => AnswerBody::Received(text(&mut body, "received")?),
            1 => AnswerBody::Made(MadeSeal::read(&mut body)?),
            2 => AnswerBody::Refused(code(&mut body, "refused")?),
            3 => null(&mut body).map(|()| AnswerBody::Done)?,
            4 => null(&mut body).map(|()| AnswerBody::Unknown)?,
            5 => AnswerBody::Filed(text(&mut body, "filed")?),
            6 => AnswerBody::Changes(Change::read_all(&mut body)?),
            _ => return Err(der::Error::InvalidValue { what: "body" }),
        };
        body.finish("body")?;
        Ok(Self { name, subject, body: said })
    }

    /// As DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let number = match self.body {
            AnswerBody::Received(_) => 0,
            AnswerBody::Made(_) => 1,
            AnswerBody::Refused(_) => 2,
            AnswerBody::Done => 3,
            AnswerBody::Unknown => 4,
            AnswerBody::Filed(_) => 5,
            AnswerBody::Changes(_) => 6,
        };
        write_frame(&self.name, self.subject, number, |body| match &self.body {
            AnswerBody::Received(text) | AnswerBody::Refused(text) | AnswerBody::Filed(text) => {
                body.utf8(text);
            }
            AnswerBody::Made(made) => made.write(body),
            AnswerBody::Done | AnswerBody::Unknown => {
                body.null();
            }
            AnswerBody::Changes(changes) => {
                body.sequence(|list| changes.iter().for_each(|change| change.write(list)));
            }
        })
    }
}

impl<'a> MadeSeal<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        let mut fields = reader.sequence("made")?;
        let (number, seal) = (text(&mut fields, "number")?, fields.octet_string("seal")?);
        let mut list = fields.sequence("certificates")?;
        fields.finish("made")?;
        let mut certificates = Vec::new();
        while !list.is_empty() {
            if certificates.len() >= MOST_CERTIFICATES {
                return Err(der::Error::TooMany { what: "certificates", limit: MOST_CERTIFICATES });
            }
            certificates.push(list.octet_string("certificate")?);
        }
        Ok(Self { number, seal, certificates })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.utf8(self.number).octet_string(self.seal).sequence(|list| {
                for certificate in &self.certificates {
                    list.octet_string(certificate);
                }
            });
        });
    }
}

impl<'a> Change<'a> {
    fn read_all(reader: &mut Reader<'a>) -> Result<Vec<Self>, der::Error> {
        let mut list = reader.sequence("changes")?;
        let mut changes: Vec<Self> = Vec::new();
        while !list.is_empty() {
            if changes.len() >= MOST_CHANGES {
                return Err(der::Error::TooMany { what: "changes", limit: MOST_CHANGES });
            }
            let mut fields = list.sequence("change")?;
            let change = Self {
                number: fields.small("number")?,
                subject: code(&mut fields, "subject")?,
                state: code(&mut fields, "state")?,
                at: fields.generalized_time("at")?,
            };
            fields.finish("change")?;
            if changes.last().is_some_and(|before| before.number >= change.number) {
                return Err(der::Error::InvalidValue { what: "number" });
            }
            changes.push(change);
        }
        Ok(changes)
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.small(self.number).utf8(self.subject).utf8(self.state).generalized_time(self.at);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<MessageBody<'static>> {
        let order = SealOrder {
            kind: 1,
            name: "样章市试验局",
            credit_code: "99330100000000011A",
            holder: "样章市试验局",
            division: "330106",
            code: "33010600000001",
            size_mm: (42, 40),
            days: 365,
            form: "v4",
            list: "certificates",
            picture: b"picture",
            request: b"request",
            replaces: None,
        };
        let filing = Filing {
            kind: 1,
            name: "样章市试验局",
            credit_code: "99330100000000011A",
            holder: "样章市试验局",
            division: "330106",
            code: "33010600000001",
            validity: (Timestamp::from_unix(1_800_000_000), Timestamp::from_unix(1_800_000_001)),
            seal_sm3: [7; 32],
        };
        vec![
            MessageBody::Order(Box::new(order.clone())),
            MessageBody::Order(Box::new(SealOrder { replaces: Some("33010600000002"), ..order })),
            MessageBody::Ask,
            MessageBody::Cancel,
            MessageBody::State(StateTold { state: "active", reason: None }),
            MessageBody::State(StateTold { state: "suspended", reason: Some("owner-request") }),
            MessageBody::File(filing),
            MessageBody::Changes(9),
        ]
    }

    fn change(number: u32) -> Change<'static> {
        Change { number, subject: "a", state: "suspended", at: Timestamp::from_unix(1_800_000_000) }
    }

    fn answers() -> Vec<AnswerBody<'static>> {
        let made = MadeSeal { number: "N-1", seal: b"seal", certificates: vec![b"a", b"b"] };
        vec![
            AnswerBody::Received("N-1"),
            AnswerBody::Made(made),
            AnswerBody::Refused("name-taken"),
            AnswerBody::Done,
            AnswerBody::Unknown,
            AnswerBody::Filed("4101035072803"),
            AnswerBody::Changes(vec![change(1), change(3)]),
            AnswerBody::Changes(Vec::new()),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for body in messages() {
            let message = Message { name: [1; 16], subject: "a-1", body };
            assert_eq!(Message::parse(&message.to_der()), Ok(message.clone()));
        }
        for body in answers() {
            let answer = Answer { name: [1; 16], subject: "a-1", body };
            assert_eq!(Answer::parse(&answer.to_der()), Ok(answer.clone()));
        }
    }

    #[test]
    fn what_is_cut_longer_or_beyond_its_bounds_is_refused() {
        for body in answers() {
            let der = Answer { name: [1; 16], subject: "a-1", body }.to_der();
            for end in 0..der.len() {
                let what = "answer";
                let refused = if end == 0 { der::Error::Missing { what } } else { der::Error::Malformed { what } };
                assert_eq!(Answer::parse(&der[..end]), Err(refused), "{end}");
            }
            let mut longer = der.clone();
            longer.push(0);
            assert_eq!(Answer::parse(&longer), Err(der::Error::TrailingBytes { what: "answer" }));
        }
        let parse = |body: AnswerBody<'_>| {
            let der = Answer { name: [1; 16], subject: "a-1", body }.to_der();
            Answer::parse(&der).map(|_| ())
        };
        let long = "章".repeat(MOST_TEXT + 1);
        assert_eq!(parse(AnswerBody::Received(&long)), Err(der::Error::InvalidValue { what: "received" }));
        for words in ["a\nb", "张三的章", "a b", &"a".repeat(MOST_CODE + 1)] {
            assert_eq!(parse(AnswerBody::Refused(words)), Err(der::Error::InvalidValue { what: "refused" }));
        }
        assert_eq!(parse(AnswerBody::Filed("")), Err(der::Error::InvalidValue { what: "filed" }));
        let made = MadeSeal { number: "N", seal: b"s", certificates: vec![b"c"; MOST_CERTIFICATES + 1] };
        let many = der::Error::TooMany { what: "certificates", limit: MOST_CERTIFICATES };
        assert_eq!(parse(AnswerBody::Made(made)), Err(many));
        let backwards = AnswerBody::Changes(vec![change(3), change(3)]);
        assert_eq!(parse(backwards), Err(der::Error::InvalidValue { what: "number" }));
        let many = AnswerBody::Changes((1..=101).map(change).collect());
        assert_eq!(parse(many), Err(der::Error::TooMany { what: "changes", limit: MOST_CHANGES }));
        let message = Message { name: [1; 16], subject: "", body: MessageBody::Ask }.to_der();
        assert_eq!(Message::parse(&message), Err(der::Error::InvalidValue { what: "subject" }));
        // The same with a body of another number.
        let other = write_frame(&[1; 16], "a", 7, |body| {
            body.null();
        });
        assert_eq!(Message::parse(&other), Err(der::Error::InvalidValue { what: "body" }));
        assert_eq!(Answer::parse(&other), Err(der::Error::InvalidValue { what: "body" }));
        assert_eq!(
            Answer::parse(&vec![0; MOST_OCTETS + 1]),
            Err(der::Error::TooMany { what: "answer", limit: MOST_OCTETS })
        );
    }
}
