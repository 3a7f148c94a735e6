//! Applications for seals and for what changes them (制发、续期、变更、解冻、注销): what is asked for, and whether it can be.
//!
//! The way of an application, from its submission to its end, is that of all requests (`domain::officer::request`): the
//! applicant, the checker and the approvers are different persons with different keys, and each signs.

use crate::base::clock::Timestamp;
use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::{AuthorityId, CallerId, KeyId, SealId};
use crate::domain::audit::RevocationReason;
use crate::domain::officer::request::{Request, Submitted};
use crate::domain::officer::{Hand, Officer};
use crate::domain::seal::State;
use crate::domain::seal::code::FilingNumber;
use crate::domain::seal::kind::{SealKind, SealKinds};
pub use crate::domain::seal::maker::{SealForm, SignerList};
use crate::format::der::Writer;

/// An application on its way.
pub type SealApplication = Request<SealSubmission>;

/// The most documents that an application brings.
pub const MOST_DOCUMENTS: usize = 32;
/// The most characters of a name.
pub const MOST_NAME: usize = 100;
/// The longest validity of a seal, in days.
pub const MOST_DAYS: u32 = 3660;

/// Who has a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The organisation's code.
    pub credit_code: CreditCode,
    /// Its name as registered (法定名称).
    pub name: String,
    /// Where it lies.
    pub division: Division,
}

/// Where the signer's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerKey {
    /// In our key store, software or device.
    Ours(KeyId),
    /// With the client, who signs what we prepare: its request of PKCS#10 in DER proves that it holds the key.
    Clients {
        /// DER.
        csr: Vec<u8>,
    },
}

/// Who makes a seal; fixed when it is applied for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Our own maker's key; the signer's certificate is issued by this authority of ours.
    Own(AuthorityId),
    /// The national system (国家制章系统), from which the signer's certificate comes too.
    National,
}

impl Maker {
    /// Stable name: `own`, `national`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Own(_) => "own",
            Self::National => "national",
        }
    }
}

/// What a seal shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The code of its type.
    pub kind: u8,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub holder: Holder,
    /// Who keeps it, and authorises its use (保管人).
    pub keeper: CallerId,
    /// SM3 of its picture.
    pub picture_sm3: [u8; 32],
    /// Width and height of the stamp, millimetres.
    pub size_mm: (u16, u16),
    /// In which form it is written.
    pub form: SealForm,
    /// How it lists its signers.
    pub list: SignerList,
    /// Where its signer's key is.
    pub key: SignerKey,
    /// Who makes it.
    pub maker: Maker,
    /// Under which profile its signer's certificate is issued. It says how many approve, whoever makes the seal.
    pub profile: String,
    /// How many days it shall be valid.
    pub days: u32,
    /// Its number at the filing of public security, where it has one.
    pub filing: Option<FilingNumber>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A new seal (制发).
    Make(Box<Wanted>),
    /// A new seal in the place of one, which it supersedes: a new period, picture, name or key (续期、变更).
    Replace {
        /// The one that is superseded.
        seal: SealId,
        /// What stands in its place.
        wanted: Box<Wanted>,
    },
    /// That a resting seal is in use again (解冻).
    Resume {
        /// Which.
        seal: SealId,
    },
    /// The end of a seal (注销).
    Revoke {
        /// Which.
        seal: SealId,
        /// Why.
        reason: RevocationReason,
    },
}

impl Purpose {
    /// Stable name: `make`, `replace`, `resume`, `revoke`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Make(_) => "make",
            Self::Replace { .. } => "replace",
            Self::Resume { .. } => "resume",
            Self::Revoke { .. } => "revoke",
        }
    }

    /// The seal that it is about, where there is one.
    #[must_use]
    pub const fn seal(&self) -> Option<&SealId> {
        match self {
            Self::Make(_) => None,
            Self::Replace { seal, .. } | Self::Resume { seal } | Self::Revoke { seal, .. } => Some(seal),
        }
    }

    /// What shall be made, where something shall.
    #[must_use]
    pub fn wanted(&self) -> Option<&Wanted> {
        match self {
            Self::Make(wanted) | Self::Replace { wanted, .. } => Some(wanted),
            Self::Resume { .. } | Self::Revoke { .. } => None,
        }
    }
}

/// An application as it was submitted; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealSubmission {
    /// Its own random number: no signature fits another application.
    pub nonce: [u8; 32],
    /// What is asked for.
    pub purpose: Purpose,
    /// The division that decides: officers of it, or of one around it, act.
    pub division: Division,
    /// SM3 of each document that came with it.
    pub documents: Vec<[u8; 32]>,
    /// Who submitted it.
    pub applicant: Hand,
    /// When.
    pub submitted_at: Timestamp,
}

impl Submitted for SealSubmission {
    const FULFILLED: &'static str = "fulfilled";
    const STEP_DOMAIN: &'static str = "yinxin seal application step";

    fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    fn applicant(&self) -> &Hand {
        &self.applicant
    }

    fn submitted_at(&self) -> Timestamp {
        self.submitted_at
    }

    /// `Approval ::= SEQUENCE { domain UTF8String ("yinxin seal application approval"), version INTEGER, nonce OCTET STRING,
    /// purpose UTF8String, seal [0] EXPLICIT UTF8String OPTIONAL, reason [1] EXPLICIT UTF8String OPTIONAL, wanted [2] EXPLICIT
    /// Wanted OPTIONAL, division UTF8String, documents SEQUENCE OF OCTET STRING, applicant UTF8String, applicantKey OCTET
    /// STRING, submitted GeneralizedTime }`,
    /// `Wanted ::= SEQUENCE { kind INTEGER, name UTF8String, creditCode UTF8String, holder UTF8String, holderDivision
    /// UTF8String, keeper UTF8String, picture OCTET STRING, width INTEGER, height INTEGER, form UTF8String, list UTF8String,
    /// key CHOICE { ours UTF8String, clients OCTET STRING }, maker CHOICE { authority UTF8String, national [1] EXPLICIT NULL },
    /// profile UTF8String, days INTEGER, filing [0] EXPLICIT UTF8String OPTIONAL }`, all of it DER.
    fn to_approve(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            self.write_fields(fields, "yinxin seal application approval");
            fields.generalized_time(self.submitted_at);
        });
        writer.into_bytes()
    }

    /// What [`Self::to_approve`] says under another domain, `yinxin seal application submission`, and without the time, which
    /// is ours to tell.
    fn to_submit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| self.write_fields(fields, "yinxin seal application submission"));
        writer.into_bytes()
    }
}

impl SealSubmission {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    fn write_fields(&self, fields: &mut Writer, domain: &str) {
        fields.utf8(domain).small(Self::VERSION).octet_string(&self.nonce).utf8(self.purpose.name());
        if let Some(seal) = self.purpose.seal() {
            fields.context(0, |inner| {
                inner.utf8(seal.as_str());
            });
        }
        if let Purpose::Revoke { reason, .. } = &self.purpose {
            fields.context(1, |inner| {
                inner.utf8(reason.name());
            });
        }
        if let Some(wanted) = self.purpose.wanted() {
            fields.context(2, |inner| wanted.write(inner));
        }
        fields.utf8(&self.division.code()).sequence(|documents| {
            for sm3 in &self.documents {
                documents.octet_string(sm3);
            }
        });
        fields.utf8(self.applicant.officer.as_str()).octet_string(&self.applicant.key_sm3);
    }
}

impl Wanted {
    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.small(u32::from(self.kind)).utf8(&self.name);
            fields.utf8(self.holder.credit_code.as_str()).utf8(&self.holder.name).utf8(&self.holder.division.code());
            fields.utf8(self.keeper.as_str()).octet_string(&self.picture_sm3);
            fields.small(u32::from(self.size_mm.0)).small(u32::from(self.size_mm.1));
            fields.utf8(self.form.name()).utf8(self.list.name());
            match &self.key {
                SignerKey::Ours(key) => fields.utf8(key.as_str()),
                SignerKey::Clients { csr } => fields.octet_string(csr),
            };
            match &self.maker {
                Maker::Own(authority) => fields.utf8(authority.as_str()),
                Maker::National => fields.context(1, |inner| {
                    inner.null();
                }),
            };
            fields.utf8(&self.profile).small(self.days);
            if let Some(filing) = &self.filing {
                fields.context(0, |inner| {
                    inner.utf8(filing.as_str());
                });
            }
        });
    }
}

/// A seal that is there already, as far as an application must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its name here.
    pub seal: SealId,
    /// The code of its type.
    pub kind: u8,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub holder: Holder,
    /// Where it stands.
    pub state: State,
}

/// Why an application is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplicationRefused {
    /// No such type of seal.
    #[error("no type of seal has the code {code:02}")]
    Kind {
        /// The code.
        code: u8,
    },
    /// The name does not follow the rule of its type.
    #[error("a seal of type {code:02} of this holder is not named so")]
    Naming {
        /// The code of the type.
        code: u8,
    },
    /// A name is empty, too long, or has signs that no name has.
    #[error("the {whose} name has 1 to {MOST_NAME} characters, none of them a control")]
    Name {
        /// `seal's` or `holder's`.
        whose: &'static str,
    },
    /// The seal's size is none.
    #[error("a stamp is 1 to 200 mm wide and high")]
    Size,
    /// The validity is none.
    #[error("a seal is valid for 1 to {MOST_DAYS} days")]
    Days,
    /// The holder lies elsewhere.
    #[error("the holder lies in {holder}, which is no part of {division}")]
    OutOfDivision {
        /// Where the holder lies.
        holder: Division,
        /// Which division decides.
        division: Division,
    },
    /// The officer's division is another.
    #[error("the officer acts for {officer}, not for {division}")]
    OfficersDivision {
        /// The officer's.
        officer: Division,
        /// Which division decides.
        division: Division,
    },
    /// The holder has one.
    #[error("the holder has a seal of type {code:02} already: {seal}")]
    Single {
        /// The code of the type.
        code: u8,
        /// The seal.
        seal: SealId,
    },
    /// The holder has one of that name.
    #[error("the holder has a seal of that type and name already: {seal}")]
    Duplicate {
        /// The seal.
        seal: SealId,
    },
    /// No such seal.
    #[error("there is no such seal")]
    UnknownSeal,
    /// The seal stands where that cannot be done.
    #[error("a seal that is {from} cannot {attempt}")]
    State {
        /// The state's name.
        from: &'static str,
        /// `replace`, `resume`, `revoke`.
        attempt: &'static str,
    },
    /// The one in its place would be another organisation's, or of another type.
    #[error("what stands in the place of a seal has its holder and its type")]
    Replacement,
    /// Documents are missing, too many, or one stands twice.
    #[error("an application brings 1 to {MOST_DOCUMENTS} documents, each once")]
    Documents,
}

impl ApplicationRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "seal-kind-unknown",
            Self::Naming { .. } => "seal-naming",
            Self::Name { .. } => "seal-name",
            Self::Size => "seal-size",
            Self::Days => "seal-validity",
            Self::OutOfDivision { .. } => "out-of-division",
            Self::OfficersDivision { .. } => "officer-division",
            Self::Single { .. } => "seal-single",
            Self::Duplicate { .. } => "seal-duplicate",
            Self::UnknownSeal => "unknown-seal",
            Self::State { .. } => "seal-state",
            Self::Replacement => "seal-replacement",
            Self::Documents => "seal-documents",
        }
    }
}

/// An officer of seals: what the officer may do, and for which division.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealOfficer {
    /// Who, in which role, with which key.
    pub officer: Officer,
    /// For which division, and all that lie in it.
    pub division: Division,
}

impl SealOfficer {
    /// Whether the officer acts for that division.
    ///
    /// # Errors
    /// [`ApplicationRefused::OfficersDivision`].
    pub fn acts_for(&self, division: &Division) -> Result<(), ApplicationRefused> {
        match self.division.contains(division) {
            true => Ok(()),
            false => {
                Err(ApplicationRefused::OfficersDivision { officer: self.division.clone(), division: division.clone() })
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=MOST_NAME).contains(&length) && name.trim() == name && !name.contains(char::is_control)
}

/// Judges an application when it is submitted, and again in the transaction that fulfils it. `existing` has every seal of the
/// holder and the one that it is about.
///
/// # Errors
/// Why it is not taken.
pub fn examine(
    submission: &SealSubmission,
    kinds: &SealKinds,
    existing: &[Existing],
) -> Result<(), ApplicationRefused> {
    let documents = &submission.documents;
    let twice = documents.iter().enumerate().any(|(place, one)| documents.iter().take(place).any(|other| other == one));
    if twice || !(1..=MOST_DOCUMENTS).contains(&documents.len()) {
        return Err(ApplicationRefused::Documents);
    }
    let about = match submission.purpose.seal() {
        None => None,
        Some(id) => Some(existing.iter().find(|one| one.seal == *id).ok_or(ApplicationRefused::UnknownSeal)?),
    };
    if let Some(seal) = about {
        in_division(&seal.holder, &submission.division)?;
        let allowed = match submission.purpose {
            Purpose::Resume { .. } => matches!(seal.state, State::Suspended { .. }),
            // A lost seal is replaced while it rests.
            Purpose::Replace { .. } => {
                matches!(seal.state, State::Active { .. } | State::Suspended { .. } | State::Expired { .. })
            }
            _ => !seal.state.is_ended() || matches!(seal.state, State::Expired { .. }),
        };
        if !allowed {
            return Err(ApplicationRefused::State { from: seal.state.name(), attempt: submission.purpose.name() });
        }
    }
    let Some(wanted) = submission.purpose.wanted() else { return Ok(()) };
    let kind = kinds.find(wanted.kind).ok_or(ApplicationRefused::Kind { code: wanted.kind })?;
    named(kind, &wanted.holder.name, &wanted.name)?;
    let (width, height) = wanted.size_mm;
    if !(1..=200).contains(&width) || !(1..=200).contains(&height) {
        return Err(ApplicationRefused::Size);
    }
    if !(1..=MOST_DAYS).contains(&wanted.days) {
        return Err(ApplicationRefused::Days);
    }
    in_division(&wanted.holder, &submission.division)?;
    if let Some(seal) = about
        && (seal.holder.credit_code != wanted.holder.credit_code || seal.kind != wanted.kind)
    {
        return Err(ApplicationRefused::Replacement);
    }
    let holder = &wanted.holder.credit_code;
    alone(kind, (holder, &wanted.name), existing, submission.purpose.seal())
}

/// Whether a seal of that type and holder may have that name.
///
/// # Errors
/// [`ApplicationRefused::Name`], [`ApplicationRefused::Naming`].
pub fn named(kind: &SealKind, holder: &str, name: &str) -> Result<(), ApplicationRefused> {
    for (whose, name) in [("holder's", holder), ("seal's", name)] {
        if !is_name(name) {
            return Err(ApplicationRefused::Name { whose });
        }
    }
    if kind.naming.allows(holder, name) { Ok(()) } else { Err(ApplicationRefused::Naming { code: kind.code }) }
}

/// Whether a holder may have a further seal of that type and name, beside those that have not ended; `but` is about to end.
///
/// # Errors
/// [`ApplicationRefused::Single`], [`ApplicationRefused::Duplicate`].
pub fn alone(
    kind: &SealKind,
    (holder, name): (&CreditCode, &str),
    existing: &[Existing],
    but: Option<&SealId>,
) -> Result<(), ApplicationRefused> {
    let others = existing.iter().filter(|one| {
        one.holder.credit_code == *holder && one.kind == kind.code && !one.state.is_ended() && Some(&one.seal) != but
    });
    for other in others {
        if kind.is_single {
            return Err(ApplicationRefused::Single { code: kind.code, seal: other.seal.clone() });
        }
        if other.name == name {
            return Err(ApplicationRefused::Duplicate { seal: other.seal.clone() });
        }
    }
    Ok(())
}

fn in_division(holder: &Holder, division: &Division) -> Result<(), ApplicationRefused> {
    match division.contains(&holder.division) {
        true => Ok(()),
        false => Err(ApplicationRefused::OutOfDivision { holder: holder.division.clone(), division: division.clone() }),
    }
}

#[cfg(test)]
mod tests;
