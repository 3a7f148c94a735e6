//! Hardens the process before it holds anything: no core dumps, no peeking by other processes of the same user.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Switches core dumps off. On Linux the process also becomes closed to debuggers of other processes (`PR_SET_DUMPABLE`).
///
/// # Errors
/// The system refused.
pub(crate) fn harden() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_core_is_left() {
        harden().unwrap();
        assert_eq!(rustix::process::getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        #[cfg(target_os = "linux")]
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::NotDumpable);
    }
}
