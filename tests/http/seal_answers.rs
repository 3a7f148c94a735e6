//! What the double answers about seals: one application, one seal, one authorisation, one use.

use yinxin::base::clock::Timestamp;
use yinxin::base::credit_code::CreditCode;
use yinxin::base::division::Division;
use yinxin::base::id::{ApplicationId, AuthorisationId, AuthorityId, CallerId, KeyId, SealId, SignatureId};
use yinxin::domain::audit::SuspensionReason;
use yinxin::domain::officer::{Approval, Hand};
use yinxin::domain::seal::State;
use yinxin::domain::seal::application::{
    Holder, Maker, Purpose, SealApplication, SealForm, SealSubmission, SignerKey, SignerList, Wanted,
};
use yinxin::domain::seal::authority::{Authorisation, UseApproval, UseTerms, Used};
use yinxin::domain::seal::code::SealCode;
use yinxin::service::seal_desk::{
    ApplicationRecord, ApplicationRequest, LedgerEntry, LifeRequest, Place, SealAnswer, SealRecord, SealRequest,
    UseRequest,
};
use yinxin::store::seal_records::{SealOrigin, StoredSealRecord};
use yinxin::store::seals::StoredSeal;
use yinxin::store::use_ledger::UseOutcome;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn division() -> Division {
    Division::parse("330106").unwrap()
}

fn caller(name: &str) -> CallerId {
    CallerId::parse(name).unwrap()
}

pub(crate) fn wanted() -> Wanted {
    Wanted {
        kind: 1,
        name: "样章市试验局".into(),
        holder: Holder {
            credit_code: CreditCode::parse("99990000000000001F").unwrap(),
            name: "样章市试验局".into(),
            division: division(),
        },
        keeper: caller("keeper"),
        picture_sm3: [5; 32],
        size_mm: (42, 42),
        form: SealForm::V4,
        list: SignerList::Certificates,
        key: SignerKey::Ours(KeyId::parse("k1").unwrap()),
        maker: Maker::Own(AuthorityId::parse("seals").unwrap()),
        profile: "seal-signer".into(),
        days: 1095,
        filing: None,
    }
}

fn given() -> Approval {
    Approval { hand: Hand { officer: caller("o1"), key_sm3: [1; 32] }, signature: vec![2; 64], at: at(1) }
}

fn application() -> ApplicationRecord {
    let submission = SealSubmission {
        nonce: [3; 32],
        purpose: Purpose::Make(Box::new(wanted())),
        division: division(),
        documents: vec![[4; 32]],
        applicant: given().hand,
        submitted_at: at(0),
    };
    ApplicationRecord {
        id: ApplicationId::parse("a1").unwrap(),
        application: SealApplication::new(submission),
        checked: Some((caller("o2"), at(1))),
        approvals: vec![given()],
        explanation: None,
        made: Some(SealId::parse("seal-1").unwrap()),
    }
}

fn seal() -> SealRecord {
    let id = SealId::parse("seal-1").unwrap();
    let wanted = wanted();
    let code = SealCode::parse("33010600000001").unwrap();
    let known = StoredSealRecord {
        seal: id.clone(),
        code: code.clone(),
        filing: None,
        kind: wanted.kind,
        name: wanted.name.clone(),
        holder: wanted.holder,
        keeper: wanted.keeper.clone(),
        origin: SealOrigin::Application(ApplicationId::parse("a1").unwrap()),
        predecessor: Some(SealId::parse("seal-0").unwrap()),
        certificate_sm3: [6; 32],
        valid_to: at(9),
        delivery: Some((at(2), vec![7; 64])),
        version: 2,
    };
    let state = State::Suspended { since: at(3), reason: SuspensionReason::OwnerRequest };
    let (es_id, seal_der) = (code.as_str().to_owned(), Vec::new());
    let seal = StoredSeal { id, es_id, name: wanted.name, seal_der, signer_key: None, state, version: 3 };
    SealRecord { seal, keeper: Some(wanted.keeper), known: Some(known) }
}

fn authorisation() -> Authorisation {
    let terms = UseTerms {
        nonce: [8; 32],
        seal: SealId::parse("seal-1").unwrap(),
        user: caller("clerk"),
        items: vec!["permit".into()],
        document_kinds: Vec::new(),
        from: at(0),
        until: at(100),
        most_uses: Some(5),
        most_amount: None,
        most_sum: None,
        each_approved: true,
        second_factor: false,
    };
    let id = AuthorisationId::parse("u1").unwrap();
    Authorisation { id, terms, given: given(), withdrawn_at: None, used: Used { uses: 1, sum: 250 } }
}

/// A use; an item that a spreadsheet would take for a formula.
pub(crate) fn line(signature: &str) -> LedgerEntry {
    LedgerEntry {
        signature: SignatureId::parse(signature).unwrap(),
        seal: SealId::parse("seal-1").unwrap(),
        user: Some(caller("clerk")),
        authorisation: Some((AuthorisationId::parse("u1").unwrap(), 1)),
        approval: None,
        item: Some("-1".into()),
        document_kind: None,
        amount: Some(250),
        document_sm3: [9; 32],
        factor: None,
        at: at(50),
        outcome: UseOutcome::Signed { at: at(51) },
        version: 2,
    }
}

pub(crate) fn answer(request: &SealRequest) -> SealAnswer {
    let drafted = SealAnswer::Drafted { nonce: [3; 32], to_sign: vec![7, 8, 9] };
    match request {
        SealRequest::Application(request) => match request {
            ApplicationRequest::Draft(_) => drafted,
            ApplicationRequest::List(_) => {
                let next = Place { division: Some(division()), id: ApplicationId::parse("a1").unwrap() };
                SealAnswer::Applications(vec![application()], Some(next))
            }
            ApplicationRequest::File(..) => SealAnswer::File(b"<script>".to_vec()),
            ApplicationRequest::Octets(..) => SealAnswer::Octets(vec![7, 8, 9]),
            ApplicationRequest::Fulfil(_) => SealAnswer::Seal(Box::new(seal())),
            _ => SealAnswer::Application(Box::new(application())),
        },
        SealRequest::Life(request) => match request {
            LifeRequest::List(_) => SealAnswer::Seals(vec![seal()], None),
            LifeRequest::Chain(_) => SealAnswer::Seals(vec![seal(), seal()], None),
            LifeRequest::Picture(_) => SealAnswer::Picture(b"PNG".to_vec(), "PNG".into()),
            LifeRequest::Octets(..) => SealAnswer::Octets(vec![7, 8, 9]),
            _ => SealAnswer::Seal(Box::new(seal())),
        },
        SealRequest::Use(request) => match request {
            UseRequest::Draft(_) | UseRequest::DraftApproval(..) => drafted,
            UseRequest::List(..) => SealAnswer::Authorisations(vec![authorisation()], None),
            UseRequest::WithdrawAll(_) => SealAnswer::Withdrawn(3),
            UseRequest::Approve(_, wanted, _) => SealAnswer::Approval(Box::new(UseApproval {
                authorisation: wanted.authorisation.clone(),
                nonce: wanted.nonce,
                document_sm3: wanted.document_sm3,
                amount: wanted.amount,
                given: given(),
                is_spent: false,
            })),
            UseRequest::Ledger(query, _) => match &query.after {
                None => SealAnswer::Ledger(vec![line("s2")], Some((at(50), SignatureId::parse("s2").unwrap()))),
                Some(_) => SealAnswer::Ledger(vec![line("s1")], None),
            },
            _ => SealAnswer::Authorisation(Box::new(authorisation())),
        },
    }
}
