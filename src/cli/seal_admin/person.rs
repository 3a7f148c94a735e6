//! `yinxin seal-admin sign-person`: a person signs a document here, by a key and a certificate of that one act.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::clock::Timestamp;
use crate::base::limits::{Limits, SEAL_PICTURE_BYTES};
use crate::cli::installation::{Error, write_new};
use crate::domain::audit::Actor;
use crate::domain::seal::person::{AssuranceLevel, StatedPerson};
use crate::domain::seal::signing::{self, Placement};
use crate::domain::seal::stamp_plan::{MAX_PLACES, StampPlace, StampPlan};
use crate::service::Services;
use crate::service::person_signings::{self, Means, PersonOrder};

/// Have a person sign an OFD file, and print the name of the act
///
/// Who the person is, and how surely that was proven, is the operator's statement, and is logged as such. Where the installation
/// stamps time the signature carries a time stamp, and lasts beyond its certificate; where that cannot be made, nothing is written.
#[derive(Args)]
pub(super) struct Order {
    /// The document, OFD
    #[arg(value_name = "FILE")]
    document: PathBuf,
    /// Where the signed document goes: a new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The picture of the handwriting: PNG, JPEG, GIF or BMP
    #[arg(long, value_name = "FILE")]
    handwriting: PathBuf,
    /// The page that bears it; the first is 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    page: u32,
    /// Its left edge, in mm from the page's left edge
    #[arg(long, value_name = "MM", required_unless_present = "place", conflicts_with = "place")]
    x: Option<f64>,
    /// Its upper edge, in mm from the page's upper edge
    #[arg(long, value_name = "MM", required_unless_present = "place", conflicts_with = "place")]
    y: Option<f64>,
    /// Where it goes instead, up to 16 times: `keyword which=last text=签名`, `field name=签名处`, …; docs/signing.md
    #[arg(long, value_name = "PLACE", conflicts_with = "page")]
    place: Vec<StampPlace>,
    /// Its width, 10 to 80 mm
    #[arg(long, value_name = "MM", default_value_t = 40)]
    width: u16,
    /// Its height, 5 to 40 mm
    #[arg(long, value_name = "MM", default_value_t = 15)]
    height: u16,
    /// The person's name
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// A lasting pseudonym of the person where the proof comes from, never a number of identity
    #[arg(long, value_name = "CODE")]
    person: String,
    /// How surely the person was identified, 1 to 5
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: AssuranceLevel,
    /// By which procedure
    #[arg(long, value_name = "CODE")]
    procedure: String,
    /// When
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    proven_at: Timestamp,
}

fn level(text: &str) -> Result<AssuranceLevel, String> {
    text.parse().ok().and_then(AssuranceLevel::new).ok_or_else(|| "1 to 5".to_owned())
}

/// Does it; gives the name of the act.
pub(super) async fn sign(services: &Services, means: Means<'_>, order: &Order) -> Result<String, Error> {
    let wanted = PersonOrder {
        document: read(&order.document, Limits::DEFAULT.file_bytes)?,
        plan: plan(order)?,
        handwriting: read(&order.handwriting, SEAL_PICTURE_BYTES)?,
        size_mm: (order.width, order.height),
        person: StatedPerson {
            name: order.name.clone(),
            person: order.person.clone(),
            level: order.level,
            procedure: order.procedure.clone(),
            proven_at: order.proven_at,
        },
        idempotency_key: None,
    };
    let signed = person_signings::sign(services, means, (&Actor::Operator, None), wanted).await?;
    write_new(&order.out, &signed.document)?;
    Ok(format!("{}\n", signed.signature))
}

/// Where the handwriting goes.
fn plan(order: &Order) -> Result<StampPlan, Error> {
    if let (Some(x_mm), Some(y_mm)) = (order.x, order.y) {
        return Ok(Placement { page: order.page, x_mm, y_mm, lock: false }.into());
    }
    let many = signing::Error::TooManyStamps { limit: MAX_PLACES };
    StampPlan::new(order.place.clone(), false).ok_or_else(|| crate::service::Error::from(many).into())
}

/// A file of at most so many octets, and one more, which is refused by its own code.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let opened = fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut octets));
    opened.map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(octets)
}
