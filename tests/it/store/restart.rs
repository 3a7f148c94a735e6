//! A server that was away: started anew, with nothing in memory.

use std::path::Path;
use std::process::Command;

use crate::store::postgres::{Postgres, run};

impl Postgres {
    /// Ends it, lets the system forget its files, and starts it again on the same port: nothing is in memory then. Nothing
    /// happens where the server is not ours.
    pub(crate) fn restart_cold(&self) {
        let Some((folder, ..)) = &self.private else { return };
        self.stop("fast");
        forget(&folder.path().join("rows"));
        self.start_again();
    }

    /// Ends it: `fast` in order, `immediate` as a crash does.
    pub(crate) fn stop(&self, mode: &str) {
        let Some((folder, pg_ctl, user)) = &self.private else { return };
        let rows = folder.path().join("rows");
        run(pg_ctl, &["-D", rows.to_str().unwrap(), "-w", "-m", mode, "stop"], *user, folder.path());
    }

    /// Starts it on the same port.
    pub(crate) fn start_again(&self) {
        let Some((folder, pg_ctl, user)) = &self.private else { return };
        let rows = folder.path().join("rows");
        let rows = rows.to_str().unwrap();
        let log = folder.path().join("log");
        // With the options of its last start.
        let options = std::fs::read_to_string(folder.path().join("rows/postmaster.opts")).unwrap();
        let words = options.split('"').skip(1).step_by(2).collect::<Vec<_>>();
        let options = words.split_at(2).1.join(" ");
        run(pg_ctl, &["-D", rows, "-w", "-l", log.to_str().unwrap(), "-o", &options, "start"], *user, folder.path());
    }
}

/// Has the system drop what it holds of the files in a folder.
fn forget(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            forget(&path);
        } else {
            std::fs::File::open(&path).unwrap().sync_all().unwrap();
            let file = format!("if={}", path.display());
            let told = Command::new("dd").args([&file, "iflag=nocache", "count=0", "status=none"]).status().unwrap();
            assert!(told.success(), "{}", path.display());
        }
    }
}
