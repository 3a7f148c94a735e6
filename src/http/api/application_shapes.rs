//! Applications for seals in JSON: as they are asked for, and as they stand.

use axum::Json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::division::Division;
use crate::base::id::{ApplicationId, CallerId, KeyId, SealId};
use crate::domain::audit::RevocationReason;
use crate::domain::officer::request::RequestState;
use crate::domain::seal::application::{Holder, Maker, Purpose, SealForm, SignerKey, SignerList, Wanted};
use crate::domain::seal::code::FilingNumber;
use crate::http::api::certificate_requests::{ApprovalShape, OctetsShape, octets_of};
use crate::http::api::certificates::{authority, csr, profile};
use crate::http::api::form::{malformed, missing};
use crate::http::api::json::{Fields, Tree, hexadecimal};
use crate::http::api::seal_applications::{credit_code, division};
use crate::http::api::seal_life::unforeseen;
use crate::http::problem::Problem;
use crate::service::inventory::hexadecimal as hex;
use crate::service::issuance::request_in;
use crate::service::registration_desk::ApprovalRecord;
use crate::service::seal_applications::Asked;
use crate::service::seal_desk::{ApplicationRecord, Place, SealAnswer};

/// The fields of what is asked for, but for its files.
pub(crate) const WANTED: [&str; 21] = [
    "purpose",
    "seal",
    "reason",
    "division",
    "kind",
    "name",
    "credit_code",
    "holder",
    "holder_division",
    "keeper",
    "width",
    "height",
    "form",
    "list",
    "signer_key",
    "csr",
    "maker",
    "authority",
    "profile",
    "days",
    "filing",
];

/// What is asked for.
#[derive(ToSchema)]
#[schema(as = SealApplicationDraft)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct DraftShape {
    /// `make`, `replace`, `resume` or `revoke`.
    purpose: String,
    /// The seal that is replaced, resumed or revoked.
    seal: Option<String>,
    /// To revoke: `key-compromise`, `facts-changed`, `superseded`, `cessation-of-operation` or `authority-order`.
    reason: Option<String>,
    /// The code of the division that decides.
    division: String,
    /// SM3 of each document, hex, in the order in which they will come.
    documents_sm3: Vec<String>,
    /// To make and replace: SM3 of the picture, hex.
    picture_sm3: Option<String>,
    /// To make and replace, as all that follow: the code of the seal's type.
    kind: Option<u8>,
    /// Its name; the holder's where nothing is told.
    name: Option<String>,
    /// The holder's unified social credit code.
    credit_code: Option<String>,
    /// The holder's name as registered.
    holder: Option<String>,
    /// The code of the division where the holder lies.
    holder_division: Option<String>,
    /// Who keeps it: the name of a registered caller.
    keeper: Option<String>,
    /// Width of the stamp, millimetres; 42 where nothing is told.
    width: Option<u16>,
    /// Height of the stamp, millimetres; 42 where nothing is told.
    height: Option<u16>,
    /// `v4` (where nothing is told), `v1` or `v5`.
    form: Option<String>,
    /// `certificates` (where nothing is told) or `digests`.
    list: Option<String>,
    /// Its signer's key, where it was made here. Either this or `csr`.
    signer_key: Option<String>,
    /// The request of PKCS#10 of its signer's key, which lies with the client: PEM, or its DER in base64.
    csr: Option<String>,
    /// `own` (where nothing is told) or `national`: the national system.
    maker: Option<String>,
    /// Who issues its signer's certificate, where our own maker makes the seal.
    authority: Option<String>,
    /// Under which profile; `seal-signer` where nothing is told.
    profile: Option<String>,
    /// For how many days it is valid; 1095 where nothing is told.
    days: Option<u32>,
    /// Its number at the filing of public security.
    filing: Option<String>,
}

/// What is asked for, signed by its applicant, with its files.
#[derive(ToSchema)]
#[schema(as = SealApplicationSubmission)]
#[expect(dead_code, reason = "describes what Parts reads")]
pub(crate) struct SubmissionForm {
    /// A JSON object: the fields of the draft as they were, without `documents_sm3` and `picture_sm3`, which the files tell;
    /// `nonce`, as the answer to the draft said it; and `signature`, the caller's over `to_sign` of that answer, base64: DER,
    /// or r and s of 32 octets each.
    application: String,
    /// To make and replace: PNG, at most 1 MiB.
    #[schema(value_type = Option<String>, format = Binary)]
    picture: Option<Vec<u8>>,
    /// Each document, at most 32 of at most 10 MiB, in the order of the draft.
    #[schema(value_type = Vec<String>, format = Binary)]
    document: Vec<Vec<u8>>,
}

/// What the applicant, or the keeper, signs.
#[derive(Serialize, ToSchema)]
#[schema(as = DraftedStatement)]
pub(crate) struct DraftedShape {
    /// Its own random number, hex; it comes back with the signature.
    nonce: String,
    /// The octets to sign, base64.
    to_sign: String,
}

impl DraftedShape {
    pub(crate) fn of(nonce: &[u8; 32], to_sign: &[u8]) -> Self {
        Self { nonce: hex(nonce), to_sign: STANDARD.encode(to_sign) }
    }
}

/// What a seal shall be.
#[derive(Serialize, ToSchema)]
#[schema(as = WantedSeal)]
pub(crate) struct WantedShape {
    /// The code of its type.
    kind: u8,
    /// Its name.
    name: String,
    /// The holder's unified social credit code.
    credit_code: String,
    /// The holder's name as registered.
    holder: String,
    /// The code of the division where the holder lies.
    holder_division: String,
    /// Who keeps it.
    keeper: String,
    /// SM3 of its picture, hex.
    picture_sm3: String,
    /// Width of the stamp, millimetres.
    width: u16,
    /// Height of the stamp, millimetres.
    height: u16,
    /// `v1`, `v4` or `v5`.
    form: &'static str,
    /// `certificates` or `digests`.
    list: &'static str,
    /// Its signer's key, where it was made here.
    signer_key: Option<String>,
    /// Else the request of PKCS#10 of its signer's key, DER in base64.
    csr: Option<String>,
    /// Who makes it: `own` or `national`.
    maker: &'static str,
    /// Who issues its signer's certificate, where our own maker makes the seal.
    authority: Option<String>,
    /// Under which profile.
    profile: String,
    /// For how many days it is valid.
    days: u32,
    /// Its number at the filing of public security.
    filing: Option<String>,
}

impl From<&Wanted> for WantedShape {
    fn from(wanted: &Wanted) -> Self {
        let (signer_key, csr) = match &wanted.key {
            SignerKey::Ours(key) => (Some(key.to_string()), None),
            SignerKey::Clients { csr } => (None, Some(STANDARD.encode(csr))),
        };
        Self {
            kind: wanted.kind,
            name: wanted.name.clone(),
            credit_code: wanted.holder.credit_code.as_str().to_owned(),
            holder: wanted.holder.name.clone(),
            holder_division: wanted.holder.division.code(),
            keeper: wanted.keeper.to_string(),
            picture_sm3: hex(&wanted.picture_sm3),
            width: wanted.size_mm.0,
            height: wanted.size_mm.1,
            form: wanted.form.name(),
            list: wanted.list.name(),
            signer_key,
            csr,
            maker: wanted.maker.name(),
            authority: match &wanted.maker {
                Maker::Own(authority) => Some(authority.to_string()),
                Maker::National => None,
            },
            profile: wanted.profile.clone(),
            days: wanted.days,
            filing: wanted.filing.as_ref().map(|filing| filing.as_str().to_owned()),
        }
    }
}

/// An application as it stands now. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = SealApplication)]
pub(crate) struct ApplicationShape {
    /// Its name here.
    pub(crate) id: String,
    /// `submitted`, `checked`, `approved`, `fulfilled`, `refused` or `withdrawn`.
    state: &'static str,
    /// When it last moved.
    since: String,
    /// `make`, `replace`, `resume` or `revoke`.
    purpose: &'static str,
    /// The seal that it is about.
    seal: Option<String>,
    /// Why that seal shall be revoked.
    revocation_reason: Option<&'static str>,
    /// What shall be made.
    wanted: Option<WantedShape>,
    /// The code of the division that decides.
    division: String,
    /// SM3 of each document, hex.
    documents_sm3: Vec<String>,
    /// Its own random number, hex.
    nonce: String,
    /// Who submitted it.
    applicant: String,
    /// When.
    submitted_at: String,
    /// Who checked it.
    checked_by: Option<String>,
    /// When.
    checked_at: Option<String>,
    /// The approvals so far.
    approvals: Vec<ApprovalShape>,
    /// Who refused it; nobody where it lapsed.
    refused_by: Option<String>,
    /// Why it was refused or withdrawn.
    reason: Option<&'static str>,
    /// Why it was refused, in words.
    explanation: Option<String>,
    /// The seal that was made for it.
    made: Option<String>,
    /// SM3 of the seal that came of it, hex.
    seal_sm3: Option<String>,
}

impl From<ApplicationRecord> for ApplicationShape {
    fn from(record: ApplicationRecord) -> Self {
        let application = &record.application;
        let (checked_by, checked_at) = record.checked.map(|(by, at)| (by.to_string(), at.to_string())).unzip();
        let (mut refused_by, mut reason, mut seal_sm3) = (None, None, None);
        match &application.state {
            RequestState::Fulfilled { result_sm3, .. } => seal_sm3 = Some(hex(result_sm3)),
            RequestState::Refused { by, reason: why, .. } => {
                refused_by = by.as_ref().map(|hand| hand.officer.to_string());
                reason = Some(why.name());
            }
            RequestState::Withdrawn { reason: why, .. } => reason = Some(why.name()),
            _ => {}
        }
        let submission = &application.submission;
        let revocation = match &submission.purpose {
            Purpose::Revoke { reason, .. } => Some(reason.name()),
            _ => None,
        };
        Self {
            id: record.id.to_string(),
            state: application.state_name(),
            since: application.since().to_string(),
            purpose: submission.purpose.name(),
            seal: submission.purpose.seal().map(SealId::to_string),
            revocation_reason: revocation,
            wanted: submission.purpose.wanted().map(WantedShape::from),
            division: submission.division.code(),
            documents_sm3: submission.documents.iter().map(|sm3| hex(sm3)).collect(),
            nonce: hex(&submission.nonce),
            applicant: submission.applicant.officer.to_string(),
            submitted_at: submission.submitted_at.to_string(),
            checked_by,
            checked_at,
            approvals: record.approvals.into_iter().map(|one| ApprovalShape::from(ApprovalRecord::from(one))).collect(),
            refused_by,
            reason,
            explanation: record.explanation,
            made: record.made.map(|seal| seal.to_string()),
            seal_sm3,
        }
    }
}

/// A page of applications.
#[derive(Serialize, ToSchema)]
#[schema(as = SealApplicationPage)]
pub(crate) struct ApplicationPageShape {
    /// The applications.
    applications: Vec<ApplicationShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<String>,
}

impl ApplicationPageShape {
    pub(crate) fn of(found: Vec<ApplicationRecord>, next: Option<Place<ApplicationId>>) -> Self {
        let next = next.map(|place| place.to_string());
        Self { applications: found.into_iter().map(ApplicationShape::from).collect(), next }
    }
}

/// The octets of a step, in JSON.
pub(crate) fn octets_answer(answer: SealAnswer) -> Result<Json<OctetsShape>, Problem> {
    match answer {
        SealAnswer::Octets(octets) => Ok(Json(OctetsShape { to_sign: STANDARD.encode(octets) })),
        _ => Err(unforeseen()),
    }
}

/// What a draft asks for.
pub(crate) fn asked(fields: &Fields) -> Result<Asked, Problem> {
    let picture = fields.text("picture_sm3")?.map(|text| octets_of("picture_sm3", text)).transpose()?;
    let (purpose, division) = purpose(fields, picture)?;
    if purpose.wanted().is_none() && picture.is_some() {
        return Err(malformed("picture_sm3", "left out of this"));
    }
    if purpose.wanted().is_some() && picture.is_none() {
        return Err(missing("picture_sm3"));
    }
    let wrong = || malformed("documents_sm3", "a list of 64 hexadecimal digits each");
    let listed = fields.list("documents_sm3")?.ok_or_else(|| missing("documents_sm3"))?;
    let one = |tree: &Tree| match tree {
        Tree::Text(text) => hexadecimal(text).ok_or_else(wrong),
        _ => Err(wrong()),
    };
    Ok(Asked { purpose, division, documents: listed.iter().map(one).collect::<Result<_, _>>()? })
}

/// What is asked for, and the division that decides. Without a picture there is nothing to be made: the use case says so.
pub(crate) fn purpose(fields: &Fields, picture_sm3: Option<[u8; 32]>) -> Result<(Purpose, Division), Problem> {
    let division = division("division", fields.required("division")?)?;
    let seal = || {
        let text = fields.required("seal")?;
        SealId::parse(text).map_err(|_| malformed("seal", "the name of a seal"))
    };
    let purpose = match fields.required("purpose")? {
        "make" => {
            fields.without(&["seal", "reason"])?;
            Purpose::Make(Box::new(wanted(fields, picture_sm3)?))
        }
        "replace" => {
            fields.without(&["reason"])?;
            Purpose::Replace { seal: seal()?, wanted: Box::new(wanted(fields, picture_sm3)?) }
        }
        "resume" => {
            fields.without(&["reason"])?;
            Purpose::Resume { seal: seal()? }
        }
        "revoke" => {
            let names = RevocationReason::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
            let reason = RevocationReason::from_name(fields.required("reason")?);
            Purpose::Revoke { seal: seal()?, reason: reason.ok_or_else(|| malformed("reason", &names))? }
        }
        _ => return Err(malformed("purpose", "make, replace, resume or revoke")),
    };
    if purpose.wanted().is_none() {
        fields.without(WANTED.get(4..).unwrap_or_default())?;
    }
    Ok((purpose, division))
}

fn wanted(fields: &Fields, picture_sm3: Option<[u8; 32]>) -> Result<Wanted, Problem> {
    let small = |name: &'static str, usual: u16| match fields.number(name)? {
        None => Ok(usual),
        Some(number) => u16::try_from(number).map_err(|_| malformed(name, "a number of millimetres")),
    };
    let kind = fields.number("kind")?.ok_or_else(|| missing("kind"))?;
    let key = match (fields.text("signer_key")?, fields.text("csr")?) {
        (Some(key), None) => {
            SignerKey::Ours(KeyId::parse(key).map_err(|_| malformed("signer_key", "the name of a key"))?)
        }
        (None, Some(text)) => SignerKey::Clients { csr: request_in(&csr(text)?) },
        (Some(_), Some(_)) => return Err(malformed("csr", "left out where signer_key is told")),
        (None, None) => return Err(missing("signer_key or csr")),
    };
    let holder = fields.required("holder")?;
    let filing = |text| FilingNumber::parse(text).map_err(|_| malformed("filing", "a number of 13 digits"));
    Ok(Wanted {
        kind: u8::try_from(kind).map_err(|_| malformed("kind", "the code of a type, at most 99"))?,
        name: fields.text("name")?.unwrap_or(holder).to_owned(),
        holder: Holder {
            credit_code: credit_code(fields.required("credit_code")?)?,
            name: holder.to_owned(),
            division: division("holder_division", fields.required("holder_division")?)?,
        },
        keeper: CallerId::parse(fields.required("keeper")?).map_err(|_| malformed("keeper", "the name of a caller"))?,
        picture_sm3: picture_sm3.unwrap_or_default(),
        size_mm: (small("width", 42)?, small("height", 42)?),
        form: match fields.text("form")? {
            None => SealForm::V4,
            Some(text) => SealForm::from_name(text).ok_or_else(|| malformed("form", "v1, v4 or v5"))?,
        },
        list: match fields.text("list")? {
            None => SignerList::Certificates,
            Some(text) => SignerList::from_name(text).ok_or_else(|| malformed("list", "certificates or digests"))?,
        },
        key,
        maker: match (fields.text("maker")?.unwrap_or("own"), fields.text("authority")?) {
            ("own", Some(text)) => Maker::Own(authority("authority", text)?),
            ("own", None) => return Err(missing("authority")),
            ("national", None) => Maker::National,
            ("national", Some(_)) => return Err(malformed("authority", "left out where maker is national")),
            _ => return Err(malformed("maker", "own or national")),
        },
        profile: profile(fields.text("profile")?.unwrap_or("seal-signer"))?,
        days: fields.number("days")?.unwrap_or(1095),
        filing: fields.text("filing")?.map(filing).transpose()?,
    })
}
