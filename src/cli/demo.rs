//! `yinxin demo`: the whole story in seconds, with real keys, real files, real verdicts.

mod office;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::base::clock::{Clock as _, SystemClock};
use crate::base::limits::Limits;
use crate::base::random::{HealthChecked, Random as _, SystemRandom};
use crate::cli::console::{Console, shown};
use crate::cli::exit::Outcome;
use crate::cli::installation::{Error, Installation, create_folder, write};
use crate::cli::serve::{announcement, runtime};
use crate::cli::verify::text;
use crate::config::Settings;
use crate::config::verification::built_in;
use crate::domain::audit::Actor;
use crate::domain::seal::signing::{self, Placement, corner, page_width};
use crate::domain::verify::{Indication, Policy, Report};
use crate::service::development::{self, DIAMETER_MM, ORGANISATION};
use crate::service::seal_uses::UsePurpose;
use crate::service::seals::{self, Order};
use crate::service::tampering::change_one_byte;
use crate::service::verification::{Verification, sm3_hex};
use crate::service::{self, Services};
use crate::store::seals::StoredSeal;

/// The whole story: keys, certificates, a seal, a sealed document, its verification, and what a changed byte does
///
/// Makes a development PKI (SM2 root, authority, seal maker, three signers of which one with RSA), draws a round
/// specimen seal, seals an OFD document, verifies it, changes one byte, verifies again, seals a second and a third
/// time. Nothing leaves this machine.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,

    /// The OFD document to seal; a specimen notice that comes with the program if none is given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Keep all files in this folder, which must be new or empty; without it they are removed at the end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Leave the server running on loopback with the demo's keys and seals; YINXIN_SERVER__LISTEN says where
    #[arg(long)]
    serve: bool,

    /// The page that bears the stamp, from 1 [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    page: Option<u32>,

    /// The stamp's left edge, millimetres from the page's left edge [default: near the page's lower right corner]
    #[arg(long, value_name = "MM", requires = "y", value_parser = millimetres)]
    x: Option<f64>,

    /// The stamp's upper edge, millimetres from the page's upper edge
    #[arg(long, value_name = "MM", requires = "x", value_parser = millimetres)]
    y: Option<f64>,
}

/// What else is played.
#[derive(Subcommand)]
enum Other {
    Office(office::Arguments),
}

/// Where the stamp goes on the notice that comes with the program: over the organisation and the date.
const ON_NOTICE: Placement = Placement { page: 3, x_mm: 124.0, y_mm: 211.682, lock: false };

fn millimetres(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=100_000.0).contains(&number) => Ok(number),
        _ => Err("a number of millimetres, 0 or more".to_owned()),
    }
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{path} cannot be read")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} has {bytes} bytes, more than the {limit} that are taken")]
    TooLarge { path: PathBuf, bytes: u64, limit: usize },
    #[error("{path} is not empty; --keep needs a new or empty folder")]
    NotEmpty { path: PathBuf },
    #[error("the document cannot be sealed: {0}")]
    Document(#[from] signing::Error),
    #[error(transparent)]
    Installation(#[from] Error),
    #[error("{step} should have been {expected:?} and is {found:?}: this is a defect, please report it")]
    Unexpected { step: &'static str, expected: Indication, found: Indication },
}

impl From<service::Error> for Failure {
    fn from(error: service::Error) -> Self {
        match error {
            service::Error::Signing(error) => Self::Document(error),
            error => Self::Installation(error.into()),
        }
    }
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Self {
        Self::Installation(error.into())
    }
}

impl Failure {
    const fn outcome(&self) -> Outcome {
        match self {
            Self::Unreadable { .. } => Outcome::Unreadable,
            Self::TooLarge { .. } | Self::Document(_) => Outcome::Refused,
            Self::NotEmpty { .. } => Outcome::Usage,
            Self::Installation(_) | Self::Unexpected { .. } => Outcome::Internal,
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Installation(error) => error.line(),
            Self::Document(error) => format!("error: {self} ({})", error.code()),
            Self::Unreadable { source, .. } => format!("error: {self}: {source} (file-unreadable)"),
            _ => format!("error: {self}"),
        }
    }
}

/// Runs the demo.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    if let Some(Other::Office(office)) = &arguments.other {
        return office::run(office, console);
    }
    match story(arguments, console) {
        Ok(()) => Outcome::Passed,
        Err(failure) => {
            console.complain(&failure.line());
            failure.outcome()
        }
    }
}

fn story(arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let original = match &arguments.file {
        Some(path) => read(path)?,
        None => development::NOTICE.to_vec(),
    };
    let placement = place(arguments, &original)?;
    let folder = match &arguments.keep {
        Some(folder) => {
            let entries = fs::read_dir(folder).map(Iterator::count).unwrap_or(0);
            if entries > 0 {
                return Err(Failure::NotEmpty { path: folder.clone() });
            }
            folder.clone()
        }
        None => temporary()?,
    };
    create_folder(&folder)?;
    let told = tell(arguments, console, &folder, &original, &placement);
    if arguments.keep.is_none() {
        // What cannot be removed is in the system's folder for such things.
        let _ = fs::remove_dir_all(&folder);
    }
    told
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    let (bytes, limit) = (fs::metadata(path).map_err(unreadable)?.len(), Limits::DEFAULT.file_bytes);
    if usize::try_from(bytes).map_or(true, |bytes| bytes > limit) {
        return Err(Failure::TooLarge { path: path.to_owned(), bytes, limit });
    }
    fs::read(path).map_err(unreadable)
}

fn temporary() -> Result<PathBuf, Failure> {
    let mut name = [0; 8];
    HealthChecked::new(SystemRandom).fill(&mut name).map_err(service::Error::from)?;
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(std::env::temp_dir().join(format!("yinxin-demo-{name}")))
}

fn place(arguments: &Arguments, original: &[u8]) -> Result<Placement, Failure> {
    let mut placement = if arguments.file.is_none() && arguments.page.is_none() {
        ON_NOTICE
    } else {
        corner(original, arguments.page, DIAMETER_MM, &Limits::DEFAULT)?
    };
    if let (Some(x), Some(y)) = (arguments.x, arguments.y) {
        (placement.x_mm, placement.y_mm) = (x, y);
    }
    Ok(placement)
}

fn tell(
    arguments: &Arguments,
    console: &mut Console,
    folder: &Path,
    original: &[u8],
    placement: &Placement,
) -> Result<(), Failure> {
    let state = folder.join("state");
    let text = format!("data_dir = {:?}\n[trust]\ndevelopment = true\n", state.display().to_string());
    // Of the environment's settings only the server's count: the demo brings its own keys, database and trust.
    let server = std::env::vars().filter(|(name, _)| name.starts_with("YINXIN_SERVER__"));
    let settings = Settings::from_text("demo", &text, server)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut stage = Stage { console, step: 0 };
        stage.announce(
            "making a development PKI: SM2 root → seal-issuing CA → seal maker, two SM2 signers, one RSA signer",
        );
        let installation = Installation::open(settings).await?;
        let anchor = installation.write_development(&folder.join("pki"))?.unwrap_or_default();
        let Some(pki) = &installation.development else { return Ok(()) };
        stage.say(&format!("anchor {}", anchor.display()));
        let [first, second, third] = pki.seals.as_slice() else {
            return Err(service::Error::UnknownSeal.into());
        };

        stage.announce("drawing the round seal and making three GB/T 38540-2020 (V4) seals with it");
        let picture = development::picture(&first.es_id)?;
        write(&folder.join("seal.svg"), picture.svg.as_bytes())?;
        write(&folder.join("seal.png"), &picture.png)?;
        write(&folder.join("seal.esl"), &first.seal_der)?;
        stage.say(&format!(
            "{ORGANISATION}, 样章 (specimen), {DIAMETER_MM} mm, 600 dpi: seal.svg, seal.png; the seal itself: seal.esl"
        ));

        let now = SystemClock.now();
        let algorithms = Arc::clone(&installation.services.algorithms);
        let policy = Policy { algorithms, ..built_in("default", &sm3_hex).map_err(Error::from)? };
        let mut judge = Verification::new(policy, now, Limits::DEFAULT);
        let _ = judge.add_anchors(&pki.root, "root.pem");
        let _ = judge.add_evidence(&pki.authority, "authority.pem");
        let desk = Desk { services: &installation.services, folder, judge };

        desk.keep("1-original.ofd", original)?;
        let by = format!("sealing page {} with the first signer's seal (SM2)", placement.page);
        stage.announce(&by);
        let sealed = desk.seal(first, original, *placement).await?;
        desk.keep("2-sealed.ofd", &sealed)?;
        stage.announce("verifying it");
        desk.verify(&mut stage, "2-sealed.ofd", &sealed, (1, Indication::TotalPassed))?;

        stage.announce("changing one byte and verifying again");
        let tampered = change_one_byte(&sealed)?;
        desk.keep("3-tampered.ofd", &tampered.document)?;
        let (before, after) = (shown(&tampered.before.to_string()), shown(&tampered.after.to_string()));
        stage.say(&format!("byte {} of {}: {before} became {after}", tampered.offset, shown(&tampered.part)));
        desk.verify(&mut stage, "3-tampered.ofd", &tampered.document, (1, Indication::TotalFailed))?;

        stage.announce("sealing the sealed document again, with the second signer's seal (SM2), and verifying both");
        let width = page_width(original, placement.page, &Limits::DEFAULT).ok();
        let twice = desk.seal(second, &sealed, beside(placement, 1.0, width)).await?;
        desk.keep("4-sealed-twice.ofd", &twice)?;
        desk.verify(&mut stage, "4-sealed-twice.ofd", &twice, (2, Indication::TotalPassed))?;

        stage.announce("a third seal, by the RSA signer, which locks the document");
        let locked = desk.seal(third, &twice, Placement { lock: true, ..beside(placement, 2.0, width) }).await?;
        desk.keep("5-sealed-locked.ofd", &locked)?;
        desk.verify(&mut stage, "5-sealed-locked.ofd", &locked, (3, Indication::TotalPassed))?;
        match desk.seal(first, &locked, *placement).await {
            Err(Failure::Document(error)) => {
                stage.say(&format!("one more seal is refused: {error} ({})", error.code()))
            }
            Err(other) => return Err(other),
            Ok(_) => {
                let (expected, found) = (Indication::Refused, Indication::TotalPassed);
                return Err(Failure::Unexpected { step: "a fourth seal", expected, found });
            }
        }
        stage.console.print(&ending(arguments, folder, &anchor));
        if arguments.serve {
            let listening = installation.listen().await?;
            stage.console.print(&announcement(&listening, &installation));
            stage.console.print("stop it with Ctrl-C\n");
            listening.serve().await?;
        }
        installation.services.store.close().await;
        Ok(())
    })
}

/// The place of a further stamp: that many stamps to the left, else to the right, else on top of the first.
fn beside(placement: &Placement, stamps: f64, width: Option<f64>) -> Placement {
    let step = stamps * (f64::from(DIAMETER_MM) + 2.0);
    let right = placement.x_mm + step;
    let x_mm = if placement.x_mm >= step {
        placement.x_mm - step
    } else if width.is_some_and(|width| right + f64::from(DIAMETER_MM) <= width) {
        right
    } else {
        placement.x_mm
    };
    Placement { x_mm, ..*placement }
}

/// Tells the story step by step.
struct Stage<'c> {
    console: &'c mut Console,
    step: u32,
}

impl Stage<'_> {
    const STEPS: u32 = 7;

    fn announce(&mut self, text: &str) {
        self.step = self.step.saturating_add(1);
        self.console.print(&format!("\n[{}/{}] {text}\n", self.step, Self::STEPS));
    }

    fn say(&mut self, text: &str) {
        self.console.print(&format!("      {text}\n"));
    }
}

struct Desk<'a> {
    services: &'a Services,
    folder: &'a Path,
    judge: Verification,
}

impl Desk<'_> {
    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        Ok(write(&self.folder.join(name), bytes)?)
    }

    async fn seal(&self, seal: &StoredSeal, document: &[u8], placement: Placement) -> Result<Vec<u8>, Failure> {
        let order = Order {
            document: document.to_vec(),
            plan: placement.into(),
            idempotency_key: None,
            purpose: UsePurpose::default(),
        };
        Ok(seals::sign(self.services, &Actor::Operator, None, &seal.id, order).await?.document)
    }

    /// Judges a file and shows the report. The last `ours` signatures are the demo's own and must come out as
    /// expected; what the document bore before is judged and shown too, and may be anything.
    fn verify(
        &self,
        stage: &mut Stage<'_>,
        name: &'static str,
        bytes: &[u8],
        (ours, expected): (usize, Indication),
    ) -> Result<(), Failure> {
        let report: Report = self.judge.judge(name, bytes, None);
        let colour = stage.console.colour();
        stage.console.print(&text::report(&report, colour));
        let earlier = report.signatures.len().saturating_sub(ours);
        if earlier > 0 {
            stage.say(&format!(
                "{earlier} of these signatures stood in the document before; the demo answers for its own"
            ));
        }
        let own = report.signatures.iter().skip(earlier).map(|signature| signature.indication);
        let found = own.clone().find(|indication| *indication != expected).unwrap_or(expected);
        if own.count() == ours && found == expected {
            Ok(())
        } else {
            Err(Failure::Unexpected { step: name, expected, found: report.indication })
        }
    }
}

fn ending(arguments: &Arguments, folder: &Path, anchor: &Path) -> String {
    if arguments.keep.is_none() {
        return "\ndone; the files were removed. Keep them with --keep DIR, and go on with the server with --serve\n"
            .to_owned();
    }
    let folder = folder.display();
    // However the program was started: what is printed can be copied and run.
    let program = std::env::current_exe().map_or_else(|_| "yinxin".to_owned(), |path| path.display().to_string());
    format!(
        "\ndone; everything is in {folder}:\n\
         \x20 1-original.ofd 2-sealed.ofd 3-tampered.ofd 4-sealed-twice.ofd 5-sealed-locked.ofd\n\
         \x20 seal.svg seal.png seal.esl, pki/ (certificates), state/ (database and sealed keys)\n\
         \ntry:\n\
         \x20 {program} verify --trust '{anchor}' --evidence '{folder}/pki/authority.pem' '{folder}/4-sealed-twice.ofd'\n\
         \x20 {program} verify --json '{folder}/3-tampered.ofd'\n\
         \x20 {program} verify '{folder}/2-sealed.ofd'   # nothing is trusted that you do not name\n\
         \x20 {program} demo YOUR.ofd --keep DIR --page 1 --x 100 --y 200\n",
        anchor = anchor.display(),
    )
}
