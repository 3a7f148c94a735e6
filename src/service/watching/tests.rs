//! A look that is cut off at any of its steps, as a crash would: no alarm is lost, none is raised twice.

use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::*;
use crate::base::clock::FixedClock;
use crate::base::id::CallerId;
use crate::base::random::SystemRandom;
use crate::domain::audit::misuse::Threshold;
use crate::domain::audit::{Actor, EventBody};
use crate::domain::caller::Roles;
use crate::service::keys::KeySource;

/// Polls so often and no more.
struct CutOff<F> {
    work: F,
    left: usize,
}

impl<F: Future + Unpin> Future for CutOff<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Pin::new(&mut self.work).poll(context).map(Some)
    }
}

fn folder() -> PathBuf {
    let path = std::env::temp_dir().join(format!("yinxin-cut-off-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

async fn alarms_of(services: &Services, caller: &CallerId) -> usize {
    let all = alarms::list(services, None).await.unwrap();
    all.iter().filter(|alarm| alarm.alarm.caller.as_ref() == Some(caller)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_is_cut_off_anywhere_loses_nothing_and_repeats_nothing() {
    let folder = folder();
    let url = format!("sqlite:{}", folder.join("rows.db").display());
    let source = KeySource::File { path: folder.join("key"), create: true };
    let clock = Arc::new(FixedClock(Timestamp::from_unix(1_800_000_000)));
    let services = Services::open(&url, &source, clock, Arc::new(SystemRandom)).await.unwrap();
    let misuse = Misuse { refusals: Some(Threshold { most: 1, minutes: 10 }), ..Misuse::default() };
    let begin = async || Watch::begin(services.clone(), misuse.clone()).await.unwrap();
    begin().await;
    let mut in_between = 0;
    for left in 0..200 {
        let caller = CallerId::parse(&format!("c-{left}")).unwrap();
        let actor = Actor::Caller { id: caller.clone(), roles: Roles::default() };
        for _ in 0..2 {
            let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
            services.record(&actor, None, body).await.unwrap();
        }
        let mut watch = begin().await;
        let cut_off = CutOff { work: pin!(watch.look()), left }.await;
        in_between += usize::from(cut_off.is_none());
        // Whoever starts again finds the place of the rules where their memory and alarms are.
        let mut again = begin().await;
        while again.look().await.unwrap().events > 0 {}
        assert_eq!(alarms_of(&services, &caller).await, 1, "cut off after {left} steps");
        if cut_off.is_some() {
            break;
        }
    }
    // How often a look yields depends on how quick the database is.
    assert!((2..200).contains(&in_between), "{in_between}");
    services.store.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}
