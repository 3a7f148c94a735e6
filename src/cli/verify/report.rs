//! `yinxin verify --report`: the report as a file: JSON, a page, or signed by the report key of an installation.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::id::SealId;
use crate::base::limits::Limits;
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::keys::attached;
use crate::cli::verify::Error;
use crate::domain::audit::Actor;
use crate::domain::verify::Report;
use crate::http::pages::report::standalone;
use crate::service::preview::preview;
use crate::service::signed_reports::{Form, seal, sign};
use crate::service::verification::sm3_hex;

/// What `--report` is told.
#[derive(Args)]
pub(crate) struct Order {
    /// Write the report on the one FILE to --report-to as well: json; html, a page that stands alone; or signed by the
    /// installation of --config: jws, cms, ofd
    #[arg(long = "report", value_name = "FORM", value_parser = form, requires = "to")]
    form: Option<ReportForm>,

    /// Where --report writes; nothing is overwritten
    #[arg(long = "report-to", id = "to", value_name = "FILE", requires = "form")]
    to: Option<PathBuf>,

    /// The configuration of the installation whose report key signs, TOML
    #[arg(long, value_name = "FILE", requires = "form")]
    config: Option<PathBuf>,

    /// The seal of that installation by which the report as ofd is sealed, instead of its report key
    #[arg(long, value_name = "SEAL", value_parser = seal_id, requires = "form")]
    report_seal: Option<SealId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReportForm {
    Json,
    Html,
    Signed(Form),
}

fn form(text: &str) -> Result<ReportForm, String> {
    match text {
        "json" => Ok(ReportForm::Json),
        "html" => Ok(ReportForm::Html),
        _ => {
            let signed = Form::ALL.into_iter().find(|form| form.name() == text);
            signed.map(ReportForm::Signed).ok_or_else(|| "one of json, html, jws, cms, ofd".to_owned())
        }
    }
}

fn seal_id(text: &str) -> Result<SealId, String> {
    SealId::parse(text).map_err(|refused| refused.to_string())
}

/// A report that shall be written to a place where nothing is.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    form: ReportForm,
    to: &'a Path,
    config: Option<&'a Path>,
    seal: Option<&'a SealId>,
}

impl Order {
    /// Whether anything is wanted, of so many files.
    ///
    /// # Errors
    /// There is not exactly one file, or something is at the place already.
    pub(super) fn wanted(&self, files: usize) -> Result<Option<Wanted<'_>>, Error> {
        let (Some(form), Some(to)) = (self.form, self.to.as_deref()) else { return Ok(None) };
        if files != 1 {
            return Err(Error::ReportOfMany { count: files });
        }
        // A link to nowhere is something too.
        if to.symlink_metadata().is_ok() {
            return Err(Error::ReportExists { path: to.display().to_string() });
        }
        let seal = self.report_seal.as_ref();
        if seal.is_some() && form != ReportForm::Signed(Form::Ofd) {
            return Err(Error::ReportNotSealed);
        }
        Ok(Some(Wanted { form, to, config: self.config.as_deref(), seal }))
    }
}

impl Wanted<'_> {
    /// Writes the report on a file, of which the content is there where it could be read.
    ///
    /// # Errors
    /// The file cannot be written. What keeps the report from being signed is told, and is the outcome.
    pub(super) fn write(self, report: &Report, file: Option<&[u8]>, console: &mut Console) -> Result<Outcome, Error> {
        let json = report.to_json().into_bytes();
        let bytes = match self.form {
            ReportForm::Json => json,
            ReportForm::Html => {
                let sm3 = file.map(sm3_hex).unwrap_or_default();
                let drawn = file.and_then(|file| preview(file, &Limits::DEFAULT));
                standalone(&json, &sm3, drawn.as_ref())?.into_bytes()
            }
            ReportForm::Signed(form) => {
                let mut signed = None;
                let outcome = attached((self.config, false), console, async |services, _, _| {
                    let by = (&Actor::Operator, None);
                    signed = Some(match self.seal {
                        Some(id) => seal(&services, by, report, id).await?,
                        None => sign(&services, by, report, form).await?,
                    });
                    Ok(String::new())
                });
                match signed {
                    Some(signed) => signed,
                    None => return Ok(outcome),
                }
            }
        };
        let written = OpenOptions::new().write(true).create_new(true).open(self.to);
        let written = written.and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        let path = || self.to.display().to_string();
        written.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::ReportExists { path: path() },
            _ => Error::ReportNotWritten { path: path(), source },
        })?;
        Ok(Outcome::Passed)
    }
}
