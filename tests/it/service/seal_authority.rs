//! Who may do what with seals: every step in every state by everybody, of each role and division, the same person in two roles
//! among them, on both databases. What is expected is computed by a small table here, which shares nothing with the code.

use std::collections::BTreeMap;

use yinxin::base::id::{ApplicationId, AuthorisationId, CallerId, SealId};
use yinxin::base::random::{SystemRandom, array};
use yinxin::domain::audit::{Actor, RevocationReason, SuspensionReason};
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::officer::OfficerRole;
use yinxin::domain::officer::request::{RefusalReason, WithdrawalReason};
use yinxin::domain::seal::application::Purpose;
use yinxin::domain::seal::authority::UseTerms;
use yinxin::render::NOTICE;
use yinxin::service::seal_applications::{self, NewApplication};
use yinxin::service::seal_uses::{self, WantedApproval};
use yinxin::service::{Error, callers, seal_codes, seal_delivery, seal_officers, seals};
use yinxin::store::use_authorisations::StoredAuthorisation;
use yinxin::store::use_ledger::LedgerQuery;

use crate::service::authority::BY;
use crate::service::installation::{Place, events};
use crate::service::registration::{Person, person};
use crate::service::seal_life::{Office, division, officer};
use crate::service::signing::order;
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_tries_everything_on_sqlite() {
    let folder = Folder::new("seal-authority");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_tries_everything_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("authority over seals on PostgreSQL", "PostgreSQL");
    };
    contract(Place { url: server.url.clone(), folder: Folder::new("seal-authority-postgres") }).await;
}

/// Where officers are; whether that contains the city that decides, and the county of the holder.
const PLACES: [(&str, bool, bool); 7] = [
    ("000000", true, true),
    ("330000", true, true),
    ("330100", true, true),
    ("330106", false, true),
    ("330106001", false, false),
    ("330200", false, false),
    ("340000", false, false),
];

/// Roles of callers that no officer of seals has.
const OTHERS: [Role; 6] = [
    Role::SealUser,
    Role::Verifier,
    Role::SystemAdministrator,
    Role::SecurityAdministrator,
    Role::AuditAdministrator,
    Role::CertificateOfficer,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// An officer of that part; whether the division decides, and whether it is the holder's.
    Officer(OfficerRole, bool, bool),
    /// Was an officer of the city.
    Dismissed,
    /// Is an officer of the city by the row, and is let in no more.
    Barred,
    /// Holds the role of officers, without an appointment.
    Unappointed,
    /// Holds another role.
    Other(Role),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Check,
    Approve,
    Refuse,
    Withdraw,
}

const STEPS: [Step; 4] = [Step::Check, Step::Approve, Step::Refuse, Step::Withdraw];
const STATES: [&str; 6] = ["submitted", "checked", "approved", "fulfilled", "refused", "withdrawn"];

/// Somebody, and who that is to the applications of this test.
struct Somebody {
    person: Person,
    standing: Standing,
    is_applicant: bool,
    is_checker: bool,
    is_keeper: bool,
}

/// What an officer needs at all, before it is asked which.
fn barrier(who: &Somebody, is_within: impl Fn(bool, bool) -> bool) -> Option<&'static str> {
    match who.standing {
        Standing::Barred => Some("caller-barred"),
        Standing::Other(_) => Some("not-seal-administrator"),
        Standing::Dismissed | Standing::Unappointed => Some("not-seal-officer"),
        Standing::Officer(_, decides, holders) if !is_within(decides, holders) => Some("officer-division"),
        Standing::Officer(..) => None,
    }
}

/// The table for applications. `None`: it is done.
fn expected(step: Step, state: &str, who: &Somebody) -> Option<&'static str> {
    if let Some(code) = barrier(who, |decides, _| decides) {
        return Some(code);
    }
    let Standing::Officer(part, ..) = who.standing else { return Some("not-seal-officer") };
    let is_open = ["submitted", "checked", "approved"].contains(&state);
    let stands = match step {
        Step::Check => state == "submitted",
        Step::Approve => state == "checked",
        Step::Refuse | Step::Withdraw => is_open,
    };
    let has_part = match step {
        Step::Check => part == OfficerRole::Checker,
        Step::Approve => part == OfficerRole::Approver,
        Step::Refuse => part != OfficerRole::Applicant,
        Step::Withdraw => true,
    };
    match (stands, has_part, step) {
        (false, ..) => Some("request-state"),
        (_, false, _) => Some("officer-role"),
        (_, _, Step::Withdraw) => (!who.is_applicant).then_some("not-applicant"),
        _ if who.is_applicant => Some("approver-is-applicant"),
        (_, _, Step::Approve) if who.is_checker => Some("approver-is-checker"),
        _ => None,
    }
}

struct Matrix {
    office: Office,
    /// Applications to end a seal, by their state.
    pool: BTreeMap<&'static str, Vec<ApplicationId>>,
    seal: SealId,
    tried: usize,
    done: usize,
    holes: Vec<String>,
}

fn code<T>(outcome: Result<T, Error>) -> Option<&'static str> {
    outcome.err().map(|error| error.code())
}

fn actor(who: &Somebody) -> Actor {
    let role = match who.standing {
        Standing::Other(role) => role,
        _ => Role::SealAdministrator,
    };
    Actor::Caller { id: who.person.id.clone(), roles: Roles::new([role]).unwrap() }
}

impl Matrix {
    fn note(&mut self, what: &str, who: &Somebody, expected: Option<&'static str>, found: Option<&'static str>) {
        self.tried += 1;
        self.done += usize::from(found.is_none());
        if expected != found {
            let Somebody { standing, is_applicant, is_checker, is_keeper, .. } = who;
            let whom = format!("{standing:?} applicant={is_applicant} checker={is_checker} keeper={is_keeper}");
            self.holes.push(format!("{what} by {whom}: expected {expected:?}, found {found:?}"));
        }
    }

    fn end(&self) -> NewApplication {
        let reason = RevocationReason::CessationOfOperation;
        self.office.asks(Purpose::Revoke { seal: self.seal.clone(), reason })
    }

    /// So many applications in each state, submitted and checked by the same two persons.
    async fn fill(&mut self, count: usize) {
        for state in STATES {
            let count = if ["submitted", "checked", "approved"].contains(&state) { count } else { 1 };
            for _ in 0..count {
                let office = &self.office;
                let id = office.submit(self.end()).await;
                if ["checked", "approved"].contains(&state) {
                    office.check(&id, &office.checker).await.unwrap();
                }
                match state {
                    "approved" => drop(office.approve(&id, &office.approver).await.unwrap()),
                    "refused" => drop(office.refuse(&id, &office.checker).await.unwrap()),
                    "withdrawn" => drop(office.withdraw(&id, &office.applicant).await.unwrap()),
                    _ => {}
                }
                if state != "fulfilled" {
                    self.pool.entry(state).or_default().push(id);
                }
            }
        }
    }

    /// The step itself, with a signature of that person even where nobody gives the octets.
    async fn take(&self, step: Step, id: &ApplicationId, by: &Person) -> Option<&'static str> {
        let (services, profiles) = (&self.office.services, &self.office.profiles);
        let (why, words, because) = (RefusalReason::NotEntitled, "无权", WithdrawalReason::NotNeeded);
        let octets = match step {
            Step::Check => seal_applications::to_check(services, id, &by.id).await,
            Step::Approve => seal_applications::to_approve(services, id).await,
            Step::Refuse => seal_applications::to_refuse(services, id, &by.id, (why, words)).await,
            Step::Withdraw => seal_applications::to_withdraw(services, id, &by.id, because).await,
        };
        let refused = octets.as_ref().err().map(Error::code);
        let signature = by.sign(&octets.unwrap_or_default());
        let signed = by.by(&signature);
        let taken = code(match step {
            Step::Check => seal_applications::check(services, id, signed).await,
            Step::Approve => seal_applications::approve(services, profiles, id, signed).await,
            Step::Refuse => seal_applications::refuse(services, id, (why, words), signed).await,
            Step::Withdraw => seal_applications::withdraw(services, id, because, signed).await,
        });
        // Whoever gets no octets takes no step either, for the same reason.
        assert!(refused.is_none() || refused == taken, "{refused:?} {taken:?}");
        taken
    }

    async fn applications(&mut self, who: &Somebody) {
        for state in STATES {
            for step in STEPS {
                let id = self.pool[state].last().unwrap().clone();
                let expected = expected(step, state, who);
                let found = self.take(step, &id, &who.person).await;
                self.note(&format!("{step:?} of one {state}"), who, expected, found);
                if found.is_none() {
                    self.pool.get_mut(state).unwrap().pop();
                }
            }
        }
        let draft = self.office.try_submit(self.end(), &who.person).await;
        let expected = barrier(who, |decides, _| decides);
        self.note("submission", who, expected, code(draft));
    }

    /// The seal, in each state that it is put into.
    async fn seal_in(&mut self, state: &'static str, seal: &SealId, who: &Somebody) {
        let (services, by) = (self.office.services.clone(), &who.person);
        let octets = seal_delivery::to_deliver(&services, seal, &by.id).await.unwrap_or_default();
        let signature = by.sign(&octets);
        let taken = code(seal_delivery::deliver(&services, seal, by.by(&signature)).await);
        let may_keep = !matches!(who.standing, Standing::Barred | Standing::Other(_));
        let expected = match (who.is_keeper, may_keep) {
            (_, false) => Some("seal-keeper"),
            (false, _) => Some("delivery-signature"),
            (true, _) if state == "made" => None,
            (true, _) => Some("invalid-transition"),
        };
        self.note(&format!("delivery of one {state}"), who, expected, taken);
        if taken.is_none() {
            return;
        }
        let why = SuspensionReason::OwnerRequest;
        let octets = seal_delivery::to_suspend(&services, seal, &by.id, why).await.unwrap_or_default();
        let signature = by.sign(&octets);
        let taken = code(seal_delivery::suspend(&services, seal, why, by.by(&signature)).await);
        let of_state = (state != "active").then_some("invalid-transition");
        let expected = barrier(who, |_, holders| holders).or(of_state);
        self.note(&format!("suspension of one {state}"), who, expected, taken);
        if taken.is_none() {
            let id = self.office.approved(self.office.asks(Purpose::Resume { seal: seal.clone() })).await;
            self.office.fulfil(&id).await.unwrap();
        }
        if state != "revoked" {
            let taken = code(seal_delivery::archive(&services, (&actor(who), None), seal).await);
            let expected = barrier(who, |_, holders| holders).or(Some("invalid-transition"));
            self.note(&format!("archive of one {state}"), who, expected, taken);
        }
    }

    /// Authority to use the seal: given, approved, looked at, withdrawn, used.
    async fn uses(&mut self, who: &Somebody, clerk: &CallerId, (first, withdrawn): (&AuthorisationId, &UseTerms)) {
        let (services, by) = (self.office.services.clone(), &who.person);
        let now = services.clock.now();
        let terms = UseTerms { nonce: array(&SystemRandom).unwrap(), ..withdrawn.clone() };
        let signature = by.sign(&seal_uses::to_authorise(&services, &terms).await.unwrap());
        let given = seal_uses::authorise(&services, terms, by.by(&signature)).await;
        let of_keeper = (!who.is_keeper).then_some("not-keeper");
        let id = given.as_ref().ok().map(|given| given.authorisation.id.clone());
        self.note("authorisation", who, of_keeper, code(given));
        let wanted = WantedApproval {
            authorisation: id.as_ref().unwrap_or(first).clone(),
            nonce: array(&SystemRandom).unwrap(),
            document_sm3: [1; 32],
            amount: None,
        };
        let signature = by.sign(&seal_uses::to_approve_use(&services, &wanted).await.unwrap());
        let approved = code(seal_uses::approve_use(&services, wanted, by.by(&signature)).await);
        let expected = of_keeper.or(id.is_none().then_some("use-withdrawn"));
        self.note("approval of a use", who, expected, approved);

        // Who looks after the seal: its keeper, and officers of the holder's division.
        let tends = match who.standing {
            _ if who.is_keeper => None,
            Standing::Officer(_, _, true) => None,
            Standing::Officer(_, _, false) => Some("officer-division"),
            _ => Some("not-keeper"),
        };
        let by = (&actor(who), None);
        let taken = code(seal_uses::withdraw(&services, by, first).await);
        self.note("withdrawal", who, tends.or(Some("use-withdrawn")), taken);
        let taken = code(seal_uses::withdraw_all(&services, by, &self.seal).await);
        self.note("withdrawal of all", who, tends, taken);
        let query = LedgerQuery { seal: Some(self.seal.clone()), user: Some(clerk.clone()), ..LedgerQuery::default() };
        let read = code(seal_uses::ledger(&services, &actor(who), &query, 9).await);
        let may_read = tends.is_none() || who.standing == Standing::Other(Role::AuditAdministrator);
        self.note("ledger", who, (!may_read).then_some("ledger-not-yours"), read);

        // The clerk alone is authorised.
        self.office.authorise(&self.seal).await;
        assert!(withdrawn.until > now);
        let used = code(seals::sign(&services, &actor(who), None, &self.seal, order(NOTICE)).await);
        let expected = if who.standing == Standing::Barred { "caller-barred" } else { "use-not-authorised" };
        self.note("use", who, Some(expected), used);
        seal_uses::withdraw_all(&services, (BY, None), &self.seal).await.unwrap();
    }
}

async fn appoint(office: &Office, id: &CallerId, part: OfficerRole) {
    seal_officers::dismiss(&office.services, (BY, None), id).await.unwrap();
    seal_officers::appoint(&office.services, (BY, None), id, (part, &division("3301"))).await.unwrap();
}

async fn everybody(office: &Office) -> Vec<Somebody> {
    let services = &office.services;
    let somebody =
        |person, standing| Somebody { person, standing, is_applicant: false, is_checker: false, is_keeper: false };
    let mut all = Vec::new();
    for part in OfficerRole::ALL.iter().copied() {
        for (place, decides, holders) in PLACES {
            let standing = Standing::Officer(part, decides, holders);
            all.push(somebody(officer(services, part, place).await, standing));
        }
        let gone = officer(services, part, "3301").await;
        seal_officers::dismiss(services, (BY, None), &gone.id).await.unwrap();
        all.push(somebody(gone, Standing::Dismissed));
        let barred = officer(services, part, "3301").await;
        callers::bar_caller(services, BY, None, &barred.id).await.unwrap();
        all.push(somebody(barred, Standing::Barred));
    }
    all.push(somebody(person(services, &[Role::SealAdministrator]).await, Standing::Unappointed));
    for role in OTHERS {
        all.push(somebody(person(services, &[role]).await, Standing::Other(role)));
    }
    all
}

async fn contract(place: Place) {
    let office = Office::open(place.open().await).await;
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 99)).await.unwrap();
    let mut everybody = everybody(&office).await;
    let seal = office.seal(1).await;
    let mut matrix = Matrix { office, pool: BTreeMap::new(), seal, tried: 0, done: 0, holes: Vec::new() };
    matrix.fill(20).await;
    // The one that was fulfilled is that of the seal itself.
    let record = seal_delivery::find(&matrix.office.services, &matrix.seal).await.unwrap().record;
    matrix.pool.insert("fulfilled", vec![record.origin.application().unwrap().clone()]);

    for who in &everybody {
        matrix.applications(who).await;
    }
    // The applicant and the checker themselves: in their own part, and appointed to each other one.
    let same = |of: &Office, is_applicant: bool, part| {
        let person = if is_applicant { of.applicant.clone() } else { of.checker.clone() };
        let standing = Standing::Officer(part, true, true);
        Somebody { person, standing, is_applicant, is_checker: !is_applicant, is_keeper: false }
    };
    for is_applicant in [true, false] {
        for part in OfficerRole::ALL.iter().copied() {
            let who = same(&matrix.office, is_applicant, part);
            appoint(&matrix.office, &who.person.id, part).await;
            matrix.applications(&who).await;
        }
    }
    let (applicant, checker) = (matrix.office.applicant.id.clone(), matrix.office.checker.id.clone());
    appoint(&matrix.office, &applicant, OfficerRole::Applicant).await;
    appoint(&matrix.office, &checker, OfficerRole::Checker).await;
    let applications = matrix.tried;

    everybody.push(Somebody {
        person: matrix.office.keeper.clone(),
        standing: Standing::Unappointed,
        is_applicant: false,
        is_checker: false,
        is_keeper: true,
    });
    let clerk = matrix.office.clerk.id.clone();
    matrix.office.sign(&matrix.seal).await.unwrap();
    let page = seal_uses::list(&matrix.office.services, &matrix.seal, None, 2).await.unwrap();
    // It is the only one, so it is this one that is withdrawn: of several of one moment any may stand first.
    let [StoredAuthorisation { authorisation, .. }] = &page.authorisations[..] else { panic!("{page:?}") };
    seal_uses::withdraw_all(&matrix.office.services, (BY, None), &matrix.seal).await.unwrap();
    for who in &everybody {
        matrix.uses(who, &clerk, (&authorisation.id, &authorisation.terms)).await;
    }
    let uses = matrix.tried - applications;

    let made = matrix.office.approved(matrix.office.make(2).await).await;
    let made = matrix.office.fulfil(&made).await.unwrap().seal;
    let active = matrix.seal.clone();
    let rests = matrix.office.seal(3).await;
    matrix.office.suspend(&rests, &matrix.office.checker).await.unwrap();
    let ended = matrix.office.seal(4).await;
    let reason = RevocationReason::CessationOfOperation;
    let revoke = matrix.office.asks(Purpose::Revoke { seal: ended.clone(), reason });
    let revoke = matrix.office.approved(revoke).await;
    matrix.office.fulfil(&revoke).await.unwrap();
    for (state, seal) in [("made", &made), ("active", &active), ("suspended", &rests), ("revoked", &ended)] {
        for who in &everybody {
            matrix.seal_in(state, seal, who).await;
        }
    }
    // Whoever cannot let a seal rest does not archive one either; the first who may does.
    for who in &everybody {
        let services = &matrix.office.services;
        let expected = barrier(who, |_, holders| holders);
        if expected.is_some() {
            let taken = code(seal_delivery::archive(services, (&actor(who), None), &ended).await);
            matrix.note("archive of one revoked", who, expected, taken);
        }
    }
    let anonymous = seal_delivery::archive(&matrix.office.services, (&Actor::Anonymous, None), &ended).await;
    assert_eq!(code(anonymous), Some("caller-needed"));
    let first = everybody.iter().find(|who| barrier(who, |_, holders| holders).is_none()).unwrap();
    seal_delivery::archive(&matrix.office.services, (&actor(first), None), &ended).await.unwrap();

    // Every step that was taken has its event; nothing that was refused has one.
    let events = events(&matrix.office.services).await.len();
    let Matrix { tried, done, holes, .. } = &matrix;
    println!(
        "{tried} combinations ({applications} of applications, {uses} of uses, {} of seals) by {} persons: {done} done, {} \
         refused, {} holes; {events} events",
        tried - applications - uses,
        everybody.len() + 6,
        tried - done,
        holes.len()
    );
    assert_eq!(holes, &Vec::<String>::new());
    assert!(*done > 40 && *tried > 1500, "{tried} {done}");
}
