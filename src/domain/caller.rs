//! Callers: who may ask for something, by a registered key, and in which roles.

use std::collections::BTreeSet;

use crate::domain::key::named;

named! {
    /// What a caller may be. `policies/access.toml` says which endpoint wants which role.
    Role {
        /// Has documents verified.
        Verifier = 1, "verifier";
        /// Signs documents with seals.
        SealUser = 2, "seal-user";
        /// Applies for seals and cares for them.
        SealAdministrator = 3, "seal-administrator";
        /// Runs the system (系统管理员).
        SystemAdministrator = 4, "system-administrator";
        /// Grants roles and registers callers (安全管理员).
        SecurityAdministrator = 5, "security-administrator";
        /// Reads the audit log (审计管理员).
        AuditAdministrator = 6, "audit-administrator";
        /// Enters, checks and approves requests for certificates, and changes their status (RA officer).
        CertificateOfficer = 7, "certificate-officer";
        /// States who persons are and how surely they were identified, and has them sign documents.
        PersonSigner = 8, "person-signer";
        /// Has messages signed by keys of its own that lie here.
        KeyUser = 9, "key-user";
    }
}

named! {
    /// Whether a caller is let in.
    CallerState {
        /// Let in.
        Active = 1, "active";
        /// Refused; the row stays for the record.
        Barred = 2, "barred";
    }
}

/// A set of roles that one caller may hold together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles(BTreeSet<Role>);

/// Two roles that one caller must not hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one caller cannot be both {first} and {second}")]
pub struct RolesConflict {
    /// One of them.
    pub first: Role,
    /// The other.
    pub second: Role,
}

const ADMINISTRATORS: [Role; 3] = [Role::SystemAdministrator, Role::SecurityAdministrator, Role::AuditAdministrator];

impl Roles {
    /// Takes the roles together.
    ///
    /// The three administrators are three persons (三员分立), and none of them can use or keep a seal or use a key,
    /// decide on certificates, or state who persons are.
    ///
    /// # Errors
    /// Two of the roles exclude each other.
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Result<Self, RolesConflict> {
        let roles = roles.into_iter().collect::<BTreeSet<_>>();
        for first in ADMINISTRATORS.into_iter().filter(|role| roles.contains(role)) {
            let excluded = |role: &Role| {
                *role != first
                    && (ADMINISTRATORS.contains(role)
                        || matches!(
                            role,
                            Role::SealUser
                                | Role::SealAdministrator
                                | Role::CertificateOfficer
                                | Role::PersonSigner
                                | Role::KeyUser
                        ))
            };
            if let Some(second) = roles.iter().copied().find(excluded) {
                return Err(RolesConflict { first, second });
            }
        }
        Ok(Self(roles))
    }

    /// Whether that role is among them.
    #[must_use]
    pub fn contains(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = Role> {
        self.0.iter().copied()
    }

    /// The names, joined by commas: the form in rows.
    #[must_use]
    pub fn to_names(&self) -> String {
        self.iter().map(Role::name).collect::<Vec<_>>().join(",")
    }

    /// What [`Self::to_names`] wrote; nothing for an unknown name or roles that exclude each other.
    #[must_use]
    pub fn from_names(names: &str) -> Option<Self> {
        let names = names.split(',').filter(|name| !name.is_empty());
        Self::new(names.map(Role::from_name).collect::<Option<Vec<_>>>()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_different_persons_and_use_no_seal() {
        let conflict = |first, second| Err(RolesConflict { first, second });
        for (i, first) in ADMINISTRATORS.into_iter().enumerate() {
            for second in ADMINISTRATORS.into_iter().skip(i + 1) {
                assert_eq!(Roles::new([second, first]), conflict(first, second));
            }
            assert_eq!(Roles::new([first, Role::SealUser]), conflict(first, Role::SealUser));
            for excluded in [Role::SealAdministrator, Role::CertificateOfficer, Role::PersonSigner, Role::KeyUser] {
                assert_eq!(Roles::new([first, excluded]), conflict(first, excluded));
            }
        }
    }

    #[test]
    fn names_lead_back() {
        let roles = Roles::new([Role::SealUser, Role::Verifier]).unwrap();
        assert_eq!(roles.to_names(), "verifier,seal-user");
        assert_eq!(Roles::from_names("verifier,seal-user"), Some(roles));
        assert_eq!(Roles::from_names(""), Some(Roles::default()));
        assert_eq!(Roles::from_names("root"), None);
        assert_eq!(Roles::from_names("system-administrator,audit-administrator"), None);
    }
}
