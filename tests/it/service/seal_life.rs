//! The life of seals, from the appointment of officers to the archive: what officers sign, what is made for it, what a crash
//! leaves, and who cannot get around it, on both databases.

mod client;
mod device;
mod filing;
pub(crate) mod national;
pub(crate) mod office;
mod stamped;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use yinxin::base::credit_code::CreditCode;
use yinxin::base::division::Division;
use yinxin::base::id::{ApplicationId, KeyId, SealId};
use yinxin::base::limits::Limits;
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::built_in;
use yinxin::config::verification;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Actor, RevocationReason, SuspensionReason};
use yinxin::domain::ca::Profiles;
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, Owner};
use yinxin::domain::officer::OfficerRole;
use yinxin::domain::officer::request::{RefusalReason, Submitted as _, WithdrawalReason};
use yinxin::domain::seal::application::{Holder, Maker, Purpose, SealForm, SignerKey, SignerList, Wanted};
use yinxin::domain::seal::authority::UseTerms;
use yinxin::domain::verify::Indication;
use yinxin::format::ses::SesSeal;
use yinxin::render::NOTICE;
use yinxin::service::issuance::{Issuance, UnitRole};
use yinxin::service::keys::{life_cycle, making};
use yinxin::service::seal_applications::{self, NewApplication};
use yinxin::service::seal_fulfilment::{self, Fulfilled, Means};
use yinxin::service::seal_uses;
use yinxin::service::units::{NewUnit, establish};
use yinxin::service::verification::{Verification, sm3_hex};
use yinxin::service::{
    Error, Services, authorities, development, inventory, registration, seal_codes, seal_delivery, seal_officers, seals,
};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::certificates;
use yinxin::store::issued_certificates::StoredStatus;
use yinxin::store::seal_applications::StoredApplication;

use crate::service::authority::{BY, names, new_authority};
use crate::service::installation::{NOW, Place, events};
use crate::service::registration::{Hands, Person, person};
use crate::service::signing::order;
use crate::store::Folder;
use crate::store::postgres::Postgres;

/// An office of one city, with officers of other places beside it.
pub(crate) struct Office {
    pub(crate) services: Services,
    pub(crate) hands: Arc<Hands>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) issuance: Issuance,
    pub(crate) root: Vec<u8>,
    pub(crate) below: StoredAuthority,
    pub(crate) applicant: Person,
    pub(crate) checker: Person,
    pub(crate) approver: Person,
    pub(crate) keeper: Person,
    pub(crate) clerk: Person,
    pub(crate) picture: Vec<u8>,
}

pub(crate) fn division(code: &str) -> Division {
    Division::parse(code).unwrap()
}

/// The credit code of an organisation that does not exist.
pub(crate) fn credit_code(number: usize) -> CreditCode {
    let codes = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars().map(|check| format!("9933010000{number:07}{check}"));
    codes.into_iter().find_map(|code| CreditCode::parse(&code).ok()).unwrap()
}

pub(crate) async fn officer(services: &Services, role: OfficerRole, place: &str) -> Person {
    let person = person(services, &[Role::SealAdministrator]).await;
    seal_officers::appoint(services, (BY, None), &person.id, (role, &division(place))).await.unwrap();
    person
}

/// A certificate of an authority.
async fn kept(services: &Services, sm3: &[u8; 32]) -> Vec<u8> {
    services.store.read(|tx| Box::pin(certificates::find(tx, sm3))).await.unwrap().unwrap().der
}

impl Office {
    pub(crate) async fn open(services: Services) -> Self {
        let hands = Arc::new(Hands(AtomicI64::new(NOW.unix())));
        let services = Services { clock: hands.clone(), ..services };
        let profiles = Arc::new(built_in().unwrap());
        let root = authorities::create(&services, &profiles, BY, &new_authority("root", "root", None)).await.unwrap();
        let below = new_authority("below", "seal-issuing-ca", Some(&root));
        let below = authorities::create(&services, &profiles, BY, &below).await.unwrap();
        let root = kept(&services, &root.certificate).await;
        let issuance = Issuance::start(services.clone(), Arc::clone(&profiles));
        let picture = tokio::task::spawn_blocking(|| development::picture("33010600000001").unwrap().png);
        Self {
            applicant: officer(&services, OfficerRole::Applicant, "3301").await,
            checker: officer(&services, OfficerRole::Checker, "3301").await,
            approver: officer(&services, OfficerRole::Approver, "33").await,
            keeper: person(&services, &[Role::SealAdministrator]).await,
            clerk: person(&services, &[Role::SealUser]).await,
            picture: picture.await.unwrap(),
            services,
            hands,
            profiles,
            issuance,
            root,
            below,
        }
    }

    pub(crate) fn wait_days(&self, days: i64) {
        self.hands.0.fetch_add(days * 86_400, Ordering::SeqCst);
    }

    pub(crate) async fn key(&self) -> KeyId {
        let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::SealSigning, KeyAlgorithm::Sm2);
        making::generate(&self.services, BY, KeyLocation::Software, &attributes).await.unwrap().id
    }

    pub(crate) async fn maker(&self) {
        let new = NewUnit {
            algorithm: KeyAlgorithm::Sm2,
            location: None,
            subject: names("制章机构"),
            profile: "seal-maker".into(),
            not_after: None,
        };
        establish(&self.services, &self.issuance, BY, (&self.below.id, UnitRole::SealMaker), new).await.unwrap();
    }

    pub(crate) fn wanted(&self, number: usize, key: KeyId) -> Wanted {
        let name = format!("样章市试验局{number}");
        Wanted {
            kind: 1,
            name: name.clone(),
            holder: Holder { credit_code: credit_code(number), name, division: division("330106") },
            keeper: self.keeper.id.clone(),
            picture_sm3: sm3(&self.picture),
            size_mm: (42, 42),
            form: SealForm::V4,
            list: SignerList::Certificates,
            key: SignerKey::Ours(key),
            maker: Maker::Own(self.below.id.clone()),
            profile: "seal-signer".into(),
            days: 365,
            filing: None,
        }
    }

    pub(crate) fn asks(&self, purpose: Purpose) -> NewApplication {
        let picture = purpose.wanted().map(|_| self.picture.clone());
        NewApplication { purpose, division: division("3301"), documents: vec![b"scan".to_vec()], picture }
    }

    pub(crate) async fn make(&self, number: usize) -> NewApplication {
        self.asks(Purpose::Make(Box::new(self.wanted(number, self.key().await))))
    }

    pub(crate) async fn try_submit(&self, new: NewApplication, by: &Person) -> Result<StoredApplication, Error> {
        let nonce = array(&SystemRandom).unwrap();
        let draft = seal_applications::draft(&self.services, &self.profiles, &by.id, new, nonce).await?;
        let signature = by.sign(&draft.submission.to_submit());
        seal_applications::submit(&self.services, draft, by.by(&signature)).await
    }

    pub(crate) async fn submit(&self, new: NewApplication) -> ApplicationId {
        self.try_submit(new, &self.applicant).await.unwrap().id
    }

    pub(crate) async fn refused(&self, new: NewApplication) -> &'static str {
        self.try_submit(new, &self.applicant).await.unwrap_err().code()
    }

    pub(crate) async fn check(&self, id: &ApplicationId, by: &Person) -> Result<StoredApplication, Error> {
        let signature = by.sign(&seal_applications::to_check(&self.services, id, &by.id).await?);
        seal_applications::check(&self.services, id, by.by(&signature)).await
    }

    pub(crate) async fn approve(&self, id: &ApplicationId, by: &Person) -> Result<StoredApplication, Error> {
        let signature = by.sign(&seal_applications::to_approve(&self.services, id).await?);
        seal_applications::approve(&self.services, &self.profiles, id, by.by(&signature)).await
    }

    pub(crate) async fn refuse(&self, id: &ApplicationId, by: &Person) -> Result<StoredApplication, Error> {
        let why = (RefusalReason::NotEntitled, "无权");
        let signature = by.sign(&seal_applications::to_refuse(&self.services, id, &by.id, why).await?);
        seal_applications::refuse(&self.services, id, why, by.by(&signature)).await
    }

    pub(crate) async fn withdraw(&self, id: &ApplicationId, by: &Person) -> Result<StoredApplication, Error> {
        let why = WithdrawalReason::NotNeeded;
        let signature = by.sign(&seal_applications::to_withdraw(&self.services, id, &by.id, why).await?);
        seal_applications::withdraw(&self.services, id, why, by.by(&signature)).await
    }

    pub(crate) async fn approved(&self, new: NewApplication) -> ApplicationId {
        let id = self.submit(new).await;
        self.check(&id, &self.checker).await.unwrap();
        assert_eq!(self.approve(&id, &self.approver).await.unwrap().application.state_name(), "approved");
        id
    }

    fn means(&self) -> Means<'_> {
        Means { issuance: &self.issuance, stamping: None }
    }

    pub(crate) async fn fulfil(&self, id: &ApplicationId) -> Result<Fulfilled, Error> {
        seal_fulfilment::fulfil(&self.services, &self.profiles, self.means(), (BY, None), id).await
    }

    pub(crate) async fn deliver(&self, seal: &SealId, by: &Person) -> Result<&'static str, Error> {
        let signature = by.sign(&seal_delivery::to_deliver(&self.services, seal, &by.id).await?);
        Ok(seal_delivery::deliver(&self.services, seal, by.by(&signature)).await?.name())
    }

    pub(crate) async fn suspend(&self, seal: &SealId, by: &Person) -> Result<&'static str, Error> {
        let why = SuspensionReason::OwnerRequest;
        let signature = by.sign(&seal_delivery::to_suspend(&self.services, seal, &by.id, why).await?);
        Ok(seal_delivery::suspend(&self.services, seal, why, by.by(&signature)).await?.name())
    }

    /// A seal in use.
    pub(crate) async fn seal(&self, number: usize) -> SealId {
        let id = self.approved(self.make(number).await).await;
        let seal = self.fulfil(&id).await.unwrap().seal;
        assert_eq!(self.deliver(&seal, &self.keeper).await.unwrap(), "active");
        seal
    }

    pub(crate) async fn state(&self, seal: &SealId) -> &'static str {
        seal_delivery::find(&self.services, seal).await.unwrap().seal.state.name()
    }

    pub(crate) async fn sign(&self, seal: &SealId) -> Result<Vec<u8>, &'static str> {
        let user = Actor::Caller { id: self.clerk.id.clone(), roles: Roles::new([Role::SealUser]).unwrap() };
        let sign = async || seals::sign(&self.services, &user, None, seal, order(NOTICE)).await;
        let signed = match sign().await {
            // The keeper authorises the clerk once.
            Err(error) if error.code() == "use-not-authorised" => {
                self.authorise(seal).await;
                sign().await
            }
            signed => signed,
        };
        signed.map(|sealed| sealed.document).map_err(|error| error.code())
    }

    pub(crate) async fn authorise(&self, seal: &SealId) {
        let now = self.services.clock.now();
        let terms = UseTerms {
            nonce: array(&SystemRandom).unwrap(),
            seal: seal.clone(),
            user: self.clerk.id.clone(),
            items: Vec::new(),
            document_kinds: Vec::new(),
            from: now,
            until: now.plus_days(900),
            most_uses: None,
            most_amount: None,
            most_sum: None,
            each_approved: false,
            second_factor: false,
        };
        let signature = self.keeper.sign(&seal_uses::to_authorise(&self.services, &terms).await.unwrap());
        seal_uses::authorise(&self.services, terms, self.keeper.by(&signature)).await.unwrap();
    }

    pub(crate) async fn certificate(&self, seal: &SealId) -> StoredStatus {
        let known = seal_delivery::find(&self.services, seal).await.unwrap();
        inventory::find(&self.services, &known.record.certificate_sm3).await.unwrap().status
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("seal-life");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("the life of seals on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("seal-life-postgres") }).await;
}

/// The checks share one database and run in this order.
async fn contract(place: Place) {
    let office = Office::open(place.open().await).await;
    without_a_maker_or_codes_nothing_is_taken(&office, &place).await;
    a_seal_goes_its_way(&office).await;
    hopeless_applications_are_refused_at_once(&office, &place).await;
    every_step_wants_its_role_and_division(&office).await;
    nobody_is_two_persons(&office).await;
    what_breaks_off_anywhere_goes_on(&office, &place).await;
    what_comes_to_nothing_leaves_no_certificate(&office, &place).await;
    two_processes_make_one_seal(&office, &place).await;
    a_seal_is_replaced_and_revoked(&office).await;
    whoever_is_dismissed_approved_nothing(&office).await;
    a_changed_row_gives_no_authority(&office, &place).await;
    what_waits_too_long_lapses(&office).await;
    what_ended_is_archived(&office).await;
    other_forms_are_made_and_used(&office).await;
    no_code_stands_twice(&office, &place).await;
}

async fn other_forms_are_made_and_used(office: &Office) {
    let forms = [(SealForm::V1, SignerList::Certificates), (SealForm::V5, SignerList::Digests)];
    for (number, (form, list)) in (70..).zip(forms) {
        let wanted = Wanted { form, list, ..office.wanted(number, office.key().await) };
        let id = office.approved(office.asks(Purpose::Make(Box::new(wanted)))).await;
        let seal = office.fulfil(&id).await.unwrap().seal;
        assert_eq!(office.deliver(&seal, &office.keeper).await.unwrap(), "active");
        let known = seal_delivery::find(&office.services, &seal).await.unwrap();
        let written = SesSeal::parse_any(&known.seal.seal_der).unwrap();
        assert_eq!(u64::from(written.version), form.number());
        office.sign(&seal).await.unwrap();
    }
}

async fn without_a_maker_or_codes_nothing_is_taken(office: &Office, place: &Place) {
    let id = office.approved(office.make(1).await).await;
    assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "no-seal-maker");
    office.maker().await;
    assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "code-range-exhausted");
    assert_eq!(place.count("seal_makings").await, 0);
    office.withdraw(&id, &office.applicant).await.unwrap();

    let assign = async |code: &str, bounds| {
        seal_codes::assign(&office.services, (BY, None), &division(code), bounds).await.map_err(|error| error.code())
    };
    assert_eq!(assign("3301", (5, 4)).await.unwrap_err(), "code-range-form");
    assert_eq!(assign("330106001", (1, 4)).await.unwrap_err(), "code-range-division");
    // The county has two codes; what it lacks then comes from its city.
    assign("330106", (1, 2)).await.unwrap();
    assign("3301", (1, 500)).await.unwrap();
    assert_eq!(assign("330106", (2, 9)).await.unwrap_err(), "code-range-overlap");
    assert_eq!(seal_codes::list(&office.services).await.unwrap().len(), 2);
}

async fn a_seal_goes_its_way(office: &Office) {
    let before = events(&office.services).await.len();
    let new = office.make(1).await;
    let key = new.purpose.wanted().unwrap().key.clone();
    let id = office.submit(new).await;
    assert_eq!(seal_applications::file(&office.services, &id, 1).await.unwrap(), b"scan");
    assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "request-state");
    assert_eq!(office.check(&id, &office.checker).await.unwrap().application.state_name(), "checked");
    assert_eq!(office.approve(&id, &office.approver).await.unwrap().application.state_name(), "approved");
    let Fulfilled { seal, state } = office.fulfil(&id).await.unwrap();
    assert_eq!(state.name(), "made");
    assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "request-state");

    // What was made is what was approved.
    let known = seal_delivery::find(&office.services, &seal).await.unwrap();
    assert_eq!((known.record.code.as_str(), known.record.origin.application()), ("33010600000001", Some(&id)));
    let written = SesSeal::parse(&known.seal.seal_der).unwrap();
    assert_eq!((written.es_id, written.name, written.kind), ("33010600000001", "样章市试验局1", 1));
    assert_eq!((written.picture, written.width, written.height), (&office.picture[..], 42, 42));
    assert_eq!(SignerKey::Ours(known.seal.signer_key.clone().unwrap()), key);
    let certificate = inventory::find(&office.services, &known.record.certificate_sm3).await.unwrap();
    let subject = format!("C=CN, O={}样章市试验局1, CN=33010600000001", credit_code(1));
    assert_eq!((certificate.subject, written.valid_end), (subject, certificate.not_after));

    // It signs nothing before its keeper has it.
    assert_eq!(office.sign(&seal).await, Err("seal-not-delivered"));
    assert_eq!(office.deliver(&seal, &office.applicant).await.unwrap_err().code(), "delivery-signature");
    let octets = seal_delivery::to_deliver(&office.services, &seal, &office.keeper.id).await.unwrap();
    let others = office.applicant.sign(&octets);
    let refused = seal_delivery::deliver(&office.services, &seal, office.keeper.by(&others)).await.unwrap_err();
    assert_eq!(refused.code(), "delivery-signature");
    assert_eq!(office.deliver(&seal, &office.keeper).await.unwrap(), "active");
    assert_eq!(office.deliver(&seal, &office.keeper).await.unwrap_err().code(), "invalid-transition");
    let told = events(&office.services).await.split_off(before);
    let names = told.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    let expected = [
        "key-created",
        "seal-application-submitted",
        "application-checked",
        "application-approved",
        "seal-making-intended",
        "issuance-intended",
        "certificate-issued",
        "seal-issued",
        "seal-application-fulfilled",
        "seal-delivered",
    ];
    assert_eq!(names, expected);

    let document = office.sign(&seal).await.unwrap();
    let policy = verification::built_in("default", &sm3_hex).unwrap();
    let mut judge = Verification::new(policy, NOW, Limits::DEFAULT);
    judge.add_anchors(&office.root, "root").unwrap();
    let below = kept(&office.services, &office.below.certificate).await;
    judge.add_evidence(&below, "below").unwrap();
    let report = judge.judge("document.ofd", &document, None);
    // The certificates name revocation lists, which nobody fetches here: everything else is right.
    let codes = report.signatures.iter().map(|one| (one.indication, one.code.clone())).collect::<Vec<_>>();
    assert_eq!(codes, [(Indication::Indeterminate, "revocation-unknown".to_owned())]);
    assert_eq!(seal_delivery::list(&office.services, None, 10).await.unwrap().seals.len(), 1);
}

async fn hopeless_applications_are_refused_at_once(office: &Office, place: &Place) {
    let rows = place.count("seal_applications").await;
    assert_eq!(office.refused(office.make(1).await).await, "seal-single");
    let change = async |change: &dyn Fn(&mut Wanted)| {
        let mut wanted = office.wanted(2, office.key().await);
        change(&mut wanted);
        office.refused(office.asks(Purpose::Make(Box::new(wanted)))).await
    };
    assert_eq!(change(&|one| one.kind = 9).await, "seal-kind-unknown");
    assert_eq!(change(&|one| one.name = "别处".into()).await, "seal-naming");
    assert_eq!(change(&|one| one.holder.division = division("3302")).await, "out-of-division");
    let digests_in_version_1 = |one: &mut Wanted| {
        one.form = SealForm::V1;
        one.list = SignerList::Digests;
    };
    assert_eq!(change(&digests_in_version_1).await, "seal-form");
    assert_eq!(change(&|one| one.picture_sm3 = [1; 32]).await, "seal-picture");
    assert_eq!(change(&|one| one.profile = "root".into()).await, "authority-profile");
    assert_eq!(change(&|one| one.profile = "none".into()).await, "profile-unknown");
    assert_eq!(change(&|one| one.keeper = yinxin::base::id::CallerId::parse("none").unwrap()).await, "seal-keeper");
    let auditor = person(&office.services, &[Role::AuditAdministrator]).await;
    assert_eq!(change(&|one| one.keeper = auditor.id.clone()).await, "seal-keeper");
    assert_eq!(change(&|one| one.key = SignerKey::Clients { csr: vec![0x30, 0] }).await, "csr-malformed");
    // The key of the first seal.
    let known = seal_delivery::list(&office.services, None, 1).await.unwrap().seals.remove(0);
    let used = known.seal.signer_key.unwrap();
    assert_eq!(change(&|one| one.key = SignerKey::Ours(used.clone())).await, "signer-key-in-use");
    let new = office.make(2).await;
    let documents = |documents: Vec<Vec<u8>>| NewApplication { documents, ..new.clone() };
    assert_eq!(office.refused(documents(vec![])).await, "seal-documents");
    assert_eq!(office.refused(documents(vec![b"a".to_vec(); 2])).await, "seal-documents");
    assert_eq!(office.refused(documents((0..33).map(|n| vec![n]).collect())).await, "seal-documents");
    assert_eq!(office.refused(documents(vec![vec![]])).await, "seal-document");
    let large = vec![0; seal_applications::MOST_DOCUMENT + 1];
    assert_eq!(office.refused(documents(vec![large])).await, "seal-document");
    assert_eq!(office.refused(NewApplication { picture: None, ..new.clone() }).await, "seal-picture");
    let unknown = Purpose::Resume { seal: SealId::parse("none").unwrap() };
    assert_eq!(office.refused(office.asks(unknown)).await, "unknown-seal");
    let active = Purpose::Resume { seal: known.seal.id.clone() };
    assert_eq!(office.refused(office.asks(active.clone())).await, "seal-state");
    let picture = Some(office.picture.clone());
    assert_eq!(office.refused(NewApplication { picture, ..office.asks(active) }).await, "seal-picture");
    assert_eq!(place.count("seal_applications").await, rows);
}

/// Every step × role × division: exactly one cell of each column is let through.
async fn every_step_wants_its_role_and_division(office: &Office) {
    let seal = office.seal(2).await;
    for place in ["3301", "33", "330106", "3302"] {
        let inside = ["3301", "33"].contains(&place);
        for role in OfficerRole::ALL.iter().copied() {
            let other = officer(&office.services, role, place).await;
            let outcome = |outcome: Result<StoredApplication, Error>| {
                outcome.map_or_else(|error| error.code(), |stored| stored.application.state_name())
            };
            let expected = |may: bool, state: &'static str| match (inside, may) {
                (false, _) => "officer-division",
                (true, true) => state,
                (true, false) => "officer-role",
            };
            let submitted = office.submit(office.make(3).await).await;
            let checked = outcome(office.check(&submitted, &other).await);
            assert_eq!(checked, expected(role == OfficerRole::Checker, "checked"), "check {place} {role}");
            let id = office.submit(office.make(3).await).await;
            office.check(&id, &office.checker).await.unwrap();
            let approved = outcome(office.approve(&id, &other).await);
            assert_eq!(approved, expected(role == OfficerRole::Approver, "approved"), "approve {place} {role}");
            let refused = outcome(office.refuse(&id, &other).await);
            assert_eq!(refused, expected(role != OfficerRole::Applicant, "refused"), "refuse {place} {role}");
            let withdrawn = outcome(office.withdraw(&submitted, &other).await);
            let nobody = if inside { "not-applicant" } else { "officer-division" };
            assert_eq!(withdrawn, nobody, "withdraw {place} {role}");
            // Whoever acts for another division applies for nothing here.
            let applied = office.try_submit(office.make(3).await, &other).await;
            assert_eq!(
                applied.map_or_else(|error| error.code(), |_| "taken"),
                if inside { "taken" } else { "officer-division" }
            );
            let near = ["3301", "33", "330106"].contains(&place);
            let rests = office.suspend(&seal, &other).await.map_err(|error| error.code());
            assert_eq!(rests, if near { Ok("suspended") } else { Err("officer-division") }, "suspend {place} {role}");
            if near {
                // By the operator alone it does not come back.
                let back = seals::resume(&office.services, BY, &seal).await.unwrap_err();
                assert_eq!(back.code(), "seal-approval-needed");
                let id = office.approved(office.asks(Purpose::Resume { seal: seal.clone() })).await;
                assert_eq!(office.fulfil(&id).await.unwrap().state.name(), "active");
            }
            seal_officers::dismiss(&office.services, (BY, None), &other.id).await.unwrap();
        }
    }
    let person = person(&office.services, &[Role::CertificateOfficer]).await;
    let appoint = async |id| {
        let what = (OfficerRole::Checker, &division("3301"));
        seal_officers::appoint(&office.services, (BY, None), id, what).await.unwrap_err().code()
    };
    assert_eq!(appoint(&person.id).await, "not-seal-administrator");
    assert_eq!(appoint(&office.checker.id).await, "seal-officer-exists");
    assert_eq!(
        seal_officers::dismiss(&office.services, (BY, None), &person.id).await.unwrap_err().code(),
        "not-seal-officer"
    );
    let id = office.submit(office.make(3).await).await;
    assert_eq!(office.check(&id, &person).await.unwrap_err().code(), "not-seal-administrator");
}

async fn nobody_is_two_persons(office: &Office) {
    let id = office.submit(office.make(3).await).await;
    // One person in the next role: dismissed and appointed again, the person stays the same.
    let again = async |person: &Person, role| {
        seal_officers::dismiss(&office.services, (BY, None), &person.id).await.unwrap();
        let what = (role, &division("3301"));
        seal_officers::appoint(&office.services, (BY, None), &person.id, what).await.unwrap();
    };
    again(&office.applicant, OfficerRole::Checker).await;
    assert_eq!(office.check(&id, &office.applicant).await.unwrap_err().code(), "approver-is-applicant");
    office.check(&id, &office.checker).await.unwrap();
    again(&office.applicant, OfficerRole::Approver).await;
    assert_eq!(office.approve(&id, &office.applicant).await.unwrap_err().code(), "approver-is-applicant");
    again(&office.checker, OfficerRole::Approver).await;
    assert_eq!(office.approve(&id, &office.checker).await.unwrap_err().code(), "approver-is-checker");
    again(&office.applicant, OfficerRole::Applicant).await;
    again(&office.checker, OfficerRole::Checker).await;
    // Another's signature, and one over another step.
    let octets = seal_applications::to_approve(&office.services, &id).await.unwrap();
    let forged = office.checker.sign(&octets);
    let by = office.approver.by(&forged);
    let refused = seal_applications::approve(&office.services, &office.profiles, &id, by).await.unwrap_err();
    assert_eq!(refused.code(), "approval-signature");
    office.refuse(&id, &office.checker).await.unwrap();
    assert_eq!(office.approve(&id, &office.approver).await.unwrap_err().code(), "request-state");
}

/// From now on nothing can be written to that table.
async fn closed(place: &Place, table: &str) {
    let sql = if place.is_sqlite() {
        format!("CREATE TRIGGER closed BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'closed'); END")
    } else {
        format!(
            "CREATE OR REPLACE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'closed'; \
             END $$; CREATE TRIGGER closed BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION closed()"
        )
    };
    place.script(&sql).await;
}

async fn opened(place: &Place, table: &str) {
    let sql =
        if place.is_sqlite() { "DROP TRIGGER closed".to_owned() } else { format!("DROP TRIGGER closed ON {table}") };
    place.script(&sql).await;
}

async fn what_breaks_off_anywhere_goes_on(office: &Office, place: &Place) {
    let counts = async || {
        let makings = place.count("seal_makings").await;
        let issued = place.count("issued_certificates WHERE profile = 'seal-signer'").await;
        (makings, issued, place.count("seal_records").await)
    };
    let before = counts().await;
    let id = office.approved(office.make(4).await).await;
    // In the order in which they are written: what is there before the fault stays, and is used.
    for (table, (makings, issued)) in [
        ("seal_makings", (0, 0)),
        ("issuance_batches", (1, 0)),
        ("certificates", (1, 0)),
        ("seals", (1, 1)),
        ("seal_records", (1, 1)),
    ] {
        closed(place, table).await;
        assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "database", "{table}");
        opened(place, table).await;
        assert_eq!(counts().await, (before.0 + makings, before.1 + issued, before.2), "{table}");
        let state = seal_applications::find(&office.services, &id).await.unwrap().application.state_name();
        assert_eq!(state, "approved", "{table}");
    }
    // A service that starts anew goes on where the other one was.
    let services = Services { clock: office.hands.clone(), ..place.open().await };
    let issuance = Issuance::start(services.clone(), Arc::clone(&office.profiles));
    let done = seal_fulfilment::fulfil(
        &services,
        &office.profiles,
        Means { issuance: &issuance, stamping: None },
        (BY, None),
        &id,
    )
    .await
    .unwrap();
    assert_eq!((done.state.name(), counts().await), ("made", (before.0 + 1, before.1 + 1, before.2 + 1)));
    assert_eq!(office.deliver(&done.seal, &office.keeper).await.unwrap(), "active");
    office.sign(&done.seal).await.unwrap();
}

async fn what_comes_to_nothing_leaves_no_certificate(office: &Office, place: &Place) {
    for end in 0..2 {
        let id = office.approved(office.make(5).await).await;
        closed(place, "seals").await;
        assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "database");
        opened(place, "seals").await;
        let active = "issued_certificates WHERE profile = 'seal-signer' AND status = 'active'";
        let before = place.count(active).await;
        match end {
            0 => office.withdraw(&id, &office.applicant).await.unwrap(),
            _ => office.refuse(&id, &office.approver).await.unwrap(),
        };
        assert_eq!(place.count(active).await, before - 1);
        assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "request-state");
    }
}

async fn two_processes_make_one_seal(office: &Office, place: &Place) {
    let services = Services { clock: office.hands.clone(), ..place.open().await };
    let issuance = Issuance::start(services.clone(), Arc::clone(&office.profiles));
    let id = office.approved(office.make(6).await).await;
    let issued = "issued_certificates WHERE profile = 'seal-signer'";
    let before = (place.count(issued).await, place.count("seal_records").await);
    let other = seal_fulfilment::fulfil(
        &services,
        &office.profiles,
        Means { issuance: &issuance, stamping: None },
        (BY, None),
        &id,
    );
    let (one, two) = tokio::join!(office.fulfil(&id), other);
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
    assert_eq!((place.count(issued).await, place.count("seal_records").await), (before.0 + 1, before.1 + 1));
}

async fn a_seal_is_replaced_and_revoked(office: &Office) {
    let first = office.seal(7).await;
    let replace = async |seal: &SealId| {
        let wanted = Box::new(office.wanted(7, office.key().await));
        office.asks(Purpose::Replace { seal: seal.clone(), wanted })
    };
    let (one, two) = (office.approved(replace(&first).await).await, office.approved(replace(&first).await).await);
    let second = office.fulfil(&one).await.unwrap().seal;
    // The count is never two: the old one ends in the transaction that keeps the new one.
    assert_eq!((office.state(&first).await, office.state(&second).await), ("superseded", "made"));
    assert_eq!(office.sign(&first).await, Err("seal-ended"));
    assert_eq!(office.fulfil(&two).await.unwrap_err().code(), "seal-state");
    office.deliver(&second, &office.keeper).await.unwrap();
    office.sign(&second).await.unwrap();
    let known = seal_delivery::find(&office.services, &second).await.unwrap();
    assert_eq!(known.record.predecessor, Some(first.clone()));

    let reason = RevocationReason::KeyCompromise;
    let id = office.approved(office.asks(Purpose::Revoke { seal: second.clone(), reason })).await;
    assert_eq!(office.certificate(&second).await, StoredStatus::Active);
    assert_eq!(office.fulfil(&id).await.unwrap().state.name(), "revoked");
    assert_eq!(office.certificate(&second).await, StoredStatus::Revoked { reason: 1, invalidity_date: None });
    assert_eq!(office.sign(&second).await, Err("seal-revoked"));
    // What a holder has one of can be made again, once it ended.
    office.seal(7).await;
}

async fn whoever_is_dismissed_approved_nothing(office: &Office) {
    let gone = officer(&office.services, OfficerRole::Approver, "33").await;
    let id = office.submit(office.make(8).await).await;
    office.check(&id, &office.checker).await.unwrap();
    office.approve(&id, &gone).await.unwrap();
    seal_officers::dismiss(&office.services, (BY, None), &gone.id).await.unwrap();
    assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "approver-gone");
    // Also where the officer is one still, for another division.
    let what = (OfficerRole::Approver, &division("3302"));
    seal_officers::appoint(&office.services, (BY, None), &gone.id, what).await.unwrap();
    assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "approver-gone");
    office.refuse(&id, &office.approver).await.unwrap();
}

async fn a_changed_row_gives_no_authority(office: &Office, place: &Place) {
    let seal = office.approved(office.make(9).await).await;
    let other = office.submit(office.make(10).await).await;
    let approver = &office.approver.id;
    let id = &seal;
    let forged = format!(
        "UPDATE seal_applications SET state = 'approved', checked_by = applicant, checked_key_sm3 = applicant_key_sm3, \
         checked_at = since, check_signature = nonce WHERE id = '{other}'"
    );
    assert_eq!(place.by_hand(&forged).await, 1);
    assert_eq!(office.fulfil(&other).await.unwrap_err().code(), "inconsistent");
    for (change, back) in [
        (
            format!("UPDATE seal_application_approvals SET application = '{other}' WHERE application = '{id}'"),
            format!("UPDATE seal_application_approvals SET application = '{id}' WHERE application = '{other}'"),
        ),
        (
            format!("UPDATE seal_applications SET days = days + 1 WHERE id = '{id}'"),
            format!("UPDATE seal_applications SET days = days - 1 WHERE id = '{id}'"),
        ),
        (
            format!("UPDATE seal_applications SET version = version - 1 WHERE id = '{id}'"),
            format!("UPDATE seal_applications SET version = version + 1 WHERE id = '{id}'"),
        ),
        (
            format!("UPDATE seal_officers SET division = '330000', since = since + 1 WHERE caller = '{approver}'"),
            format!("UPDATE seal_officers SET since = since - 1 WHERE caller = '{approver}'"),
        ),
        (
            "UPDATE seal_code_ranges SET next = next - 1 WHERE division = '330106'".to_owned(),
            "UPDATE seal_code_ranges SET next = next + 1 WHERE division = '330106'".to_owned(),
        ),
    ] {
        assert_eq!(place.by_hand(&change).await, 1, "{change}");
        assert_eq!(office.fulfil(id).await.unwrap_err().code(), "inconsistent", "{change}");
        assert_eq!(place.by_hand(&back).await, 1, "{back}");
    }
    // The picture has no integrity value of its own: its SM3 was approved.
    let picture = format!(
        "UPDATE seal_application_files SET octets = integrity FROM seal_applications \
         WHERE seal_applications.id = application AND number = 0 AND application = '{id}'"
    );
    assert_eq!(place.by_hand(&picture).await, 1);
    assert_eq!(office.fulfil(id).await.unwrap_err().code(), "inconsistent");
    let making =
        |sign: &str| format!("UPDATE seal_makings SET begun_at = begun_at {sign} 1 WHERE application = '{id}'");
    assert_eq!(place.by_hand(&making("+")).await, 1);
    assert_eq!(office.fulfil(id).await.unwrap_err().code(), "inconsistent");
    assert_eq!(place.by_hand(&making("-")).await, 1);
    office.refuse(id, &office.approver).await.unwrap();

    let seal = office.seal(11).await;
    let keeper = |to: &Person| format!("UPDATE seal_records SET keeper = '{}' WHERE seal = '{seal}'", to.id);
    assert_eq!(place.by_hand(&keeper(&office.applicant)).await, 1);
    assert_eq!(seal_delivery::find(&office.services, &seal).await.unwrap_err().code(), "inconsistent");
    assert_eq!(office.suspend(&seal, &office.checker).await.unwrap_err().code(), "inconsistent");
    assert_eq!(place.by_hand(&keeper(&office.keeper)).await, 1);
    assert_eq!(office.suspend(&seal, &office.checker).await.unwrap(), "suspended");
    // Nobody reads what was forged.
    assert_eq!(place.by_hand(&format!("DELETE FROM seal_application_files WHERE application = '{other}'")).await, 2);
    assert_eq!(place.by_hand(&format!("DELETE FROM seal_applications WHERE id = '{other}'")).await, 1);
}

async fn what_waits_too_long_lapses(office: &Office) {
    let id = office.approved(office.make(12).await).await;
    office.wait_days(31);
    assert!(seal_applications::lapse(&office.services, 30).await.unwrap() > 0);
    let stored = seal_applications::find(&office.services, &id).await.unwrap();
    assert_eq!(stored.application.state_name(), "refused");
    assert_eq!(office.fulfil(&id).await.unwrap_err().code(), "request-state");
    assert_eq!(seal_applications::lapse(&office.services, 30).await.unwrap(), 0);
    // And by itself, while a service is at work.
    let id = office.approved(office.make(84).await).await;
    office.wait_days(31);
    let timer = tokio::spawn(registration::keep_lapsing(office.services.clone(), 30));
    let state = async || seal_applications::find(&office.services, &id).await.unwrap().application.state_name();
    for _ in 0..100 {
        if state().await == "refused" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    timer.abort();
    assert_eq!(state().await, "refused");
    let page = seal_applications::list(&office.services, Some("fulfilled"), None, 3).await.unwrap();
    assert_eq!(page.applications.len(), 3);
    let next = seal_applications::list(&office.services, Some("fulfilled"), page.next.as_ref(), 3).await.unwrap();
    assert!(next.applications[0].id > page.applications[2].id);
}

async fn what_ended_is_archived(office: &Office) {
    let seal = office.seal(13).await;
    let archive = async || {
        let done = seal_delivery::archive(&office.services, (BY, None), &seal).await;
        done.map(|state| state.name()).map_err(|error| error.code())
    };
    assert_eq!(archive().await, Err("invalid-transition"));
    office.wait_days(366);
    assert_eq!(archive().await, Ok("archived"));
    assert_eq!(archive().await, Err("invalid-transition"));
    assert_eq!(office.sign(&seal).await, Err("seal-ended"));
}

/// Every code that was taken is a making's own; every seal has its application, and each application one seal.
async fn no_code_stands_twice(office: &Office, place: &Place) {
    let makings = place.count("seal_makings").await;
    let seals = place.count("seal_records").await;
    assert!(makings > seals && seals > 8, "{makings} {seals}");
    assert_eq!(
        place.count("seal_applications WHERE state = 'fulfilled' AND purpose IN ('make', 'replace')").await,
        seals
    );
    let used = seal_codes::list(&office.services).await.unwrap();
    let used = used.iter().map(|range| i64::from(range.next() - range.bounds().0)).sum::<i64>();
    assert_eq!(used, makings);
    let keys = life_cycle::list(&office.services).await.unwrap();
    assert!(keys.iter().any(|key| key.attributes.purpose == KeyPurpose::SealMaking));
}
