//! Bytes ↔ types: strict readers that borrow, and writers beside them. Nothing is decided here.

pub mod backup;
pub mod cms;
pub mod der;
pub mod evidence;
pub mod jose;
pub mod keys;
pub mod ofd;
pub mod office;
pub mod ses;
pub mod syslog;
pub mod tlog;
pub mod trust_list;
pub mod tsp;
pub mod x509;
