//! The folder of a ceremony: made beside its place, put there by one rename when everything is done.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::json;

use crate::cli::ca::ceremony::Error;
use crate::cli::installation::{self, create_folder, write_new};
use crate::domain::ca::ceremony::{Plan, Protection};
use crate::service::ceremony::{Held, Made};
use crate::service::verification::pem_of;

/// What the ceremony is told of in: a folder of the installation without secrets.
pub(super) const RECORD: &str = "ceremony";
/// The transcript in it.
pub(super) const TRANSCRIPT: &str = "transcript.jsonl";
/// The transcript's signature in it.
pub(super) const SIGNATURE: &str = "transcript.p7s";
/// Certificates in it.
const CERTIFICATES: &str = "certificates";
/// Revocation lists in it.
const LISTS: &str = "crls";

fn file(path: &Path) -> impl Fn(io::Error) -> installation::Error {
    let path = path.to_owned();
    move |source| installation::Error::File { path: path.clone(), source }
}

fn absent(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file(path)(error).into()),
        Ok(_) => Err(installation::Error::Exists { path: path.to_owned() }.into()),
    }
}

/// `PATH.unfinished`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(".unfinished");
    path.with_file_name(name)
}

/// Where a ceremony is at work. Until it is published, dropping it deletes what it wrote; a process that is killed leaves
/// it under a name that nothing uses.
pub(super) struct Staged {
    folder: PathBuf,
    shares: RefCell<Vec<PathBuf>>,
    published: Cell<bool>,
}

impl Staged {
    /// Everything that will be written must not be there yet.
    pub(super) fn begin(plan: &Plan, out: Option<&Path>) -> Result<Self, Error> {
        let folder = beside(&plan.installation);
        match absent(&folder) {
            Err(Error::Installation(installation::Error::Exists { path })) => return Err(Error::Unfinished { path }),
            outcome => outcome?,
        }
        absent(&plan.installation)?;
        out.map_or(Ok(()), absent)?;
        if let Protection::Shares { custodians, .. } = &plan.protection {
            custodians.iter().try_for_each(|one| absent(&one.file))?;
        }
        create_folder(&folder)?;
        Ok(Self { folder, shares: RefCell::default(), published: Cell::new(false) })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A share that is deleted again should the ceremony break off: it would open nothing.
    pub(super) fn will_write(&self, path: &Path) {
        self.shares.borrow_mut().push(path.to_owned());
    }

    /// Writes the record and the configuration beside the database, and puts all of it in its place.
    pub(super) fn publish(self, plan: &Plan, text: &[u8], held: &Held) -> Result<(), Error> {
        let record = self.folder.join(RECORD);
        let (certificates, lists) = (record.join(CERTIFICATES), record.join(LISTS));
        for folder in [&record, &certificates, &lists] {
            create_folder(folder)?;
        }
        write_new(&record.join("plan.toml"), text)?;
        write_new(&record.join(TRANSCRIPT), held.transcript.as_bytes())?;
        write_new(&record.join(SIGNATURE), &held.signature)?;
        for Made { name, der, .. } in &held.certificates {
            write_new(&certificates.join(format!("{name}.cer")), der)?;
            write_new(&certificates.join(format!("{name}.pem")), pem_of(der).as_bytes())?;
        }
        for (name, der) in &held.lists {
            write_new(&lists.join(format!("{name}.crl")), der)?;
        }
        if let Some(text) = configuration(plan) {
            write_new(&self.folder.join("yinxin.toml"), text.as_bytes())?;
        }
        for folder in [&certificates, &lists, &record, &self.folder] {
            synced(folder)?;
        }
        // Asked once more: a rename would take the place of an empty folder.
        absent(&plan.installation)?;
        fs::rename(&self.folder, &plan.installation).map_err(file(&plan.installation))?;
        self.published.set(true);
        if let Some(parent) = plan.installation.parent() {
            synced(parent)?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.published.get() {
            return;
        }
        // The error that brought us here is the one to tell; what stays has a name that says so.
        let _ = fs::remove_dir_all(&self.folder);
        for share in self.shares.borrow().iter() {
            let _ = fs::remove_file(share);
        }
    }
}

fn synced(folder: &Path) -> Result<(), Error> {
    Ok(fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file(folder))?)
}

/// How the installation is opened from now on; that of a device goes on as it is.
fn configuration(plan: &Plan) -> Option<String> {
    let Protection::Shares { custodians, .. } = &plan.protection else { return None };
    let text = |path: &Path| json!(path.display().to_string()).to_string();
    let files = custodians.iter().map(|one| text(&one.file)).collect::<Vec<_>>().join(", ");
    let data_dir = text(&plan.installation);
    Some(format!(
        "# Made by a key ceremony. Shares that are absent are left out; [\"-\"] asks for them on standard input.\n\
         data_dir = {data_dir}\n\n[keys]\nshare_files = [{files}]\n"
    ))
}

/// Copies the record of a finished ceremony to a new folder, which is there whole or not at all.
pub(super) fn copy(installation: &Path, out: &Path) -> Result<(), Error> {
    let unfinished = beside(out);
    let copied = copy_folder(&installation.join(RECORD), &unfinished).and_then(|()| fs::rename(&unfinished, out));
    copied.map_err(|source| {
        let (installation, path) = (installation.to_owned(), out.to_owned());
        Error::NotCopied { installation, path, source }
    })
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
            fs::File::open(&target)?.sync_all()?;
        }
    }
    fs::File::open(to)?.sync_all()
}
