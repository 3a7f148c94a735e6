//! Who may call which endpoint: `policies/access.toml`, read once, denying whatever it does not name.

use std::collections::BTreeSet;

use axum::http::Method;
use serde::Deserialize;

/// The table as shipped.
pub const SHIPPED: &str = include_str!("../../policies/access.toml");

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Access {
    /// Anyone.
    Public,
    /// Anyone whose connection comes from this machine.
    Loopback,
    /// Holders of a registered key.
    Caller,
}

/// One row: an endpoint and what it asks of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// In capitals.
    pub method: String,
    /// As in the route table, `{id}` and all.
    pub path: String,
    /// Who.
    pub access: Access,
    /// One of these is needed. Empty unless `access` is `caller`, and never empty then.
    #[serde(default)]
    pub roles: Vec<String>,
    /// An Idempotency-Key is needed.
    #[serde(default)]
    pub idempotency: bool,
    /// The body may hold a file.
    #[serde(default)]
    pub upload: bool,
    /// The body may be a form of many files.
    #[serde(default)]
    pub many: bool,
}

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTable {
    /// Not the TOML that we expect.
    #[error("the access table cannot be read: {reason}")]
    Unreadable {
        /// The parser's words.
        reason: String,
    },
    /// An endpoint has two rows.
    #[error("the access table has two rows for {endpoint}")]
    RowTwice {
        /// Method and path.
        endpoint: String,
    },
    /// Roles where nobody is asked for them, or a caller's endpoint that names none.
    #[error("the access table's row for {endpoint} must name roles if, and only if, its access is \"caller\"")]
    Roles {
        /// Method and path.
        endpoint: String,
    },
    /// A row names no route.
    #[error("the access table has a row for {endpoint}, which is no route")]
    NoSuchRoute {
        /// Method and path.
        endpoint: String,
    },
    /// A route has no row.
    #[error("the access table has no row for {endpoint}")]
    RowMissing {
        /// Method and path.
        endpoint: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    endpoint: Vec<Rule>,
}

/// The rows, each endpoint once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    rules: Vec<Rule>,
}

impl Table {
    /// Reads a table. Unknown keys are refused.
    ///
    /// # Errors
    /// [`InvalidTable`] says which row.
    pub fn parse(text: &str) -> Result<Self, InvalidTable> {
        let raw: Raw = toml::from_str(text)
            .map_err(|e: toml::de::Error| InvalidTable::Unreadable { reason: e.message().to_owned() })?;
        let mut seen = BTreeSet::new();
        for rule in &raw.endpoint {
            let endpoint = format!("{} {}", rule.method, rule.path);
            if rule.roles.is_empty() == (rule.access == Access::Caller) {
                return Err(InvalidTable::Roles { endpoint });
            }
            if !seen.insert(endpoint.clone()) {
                return Err(InvalidTable::RowTwice { endpoint });
            }
        }
        Ok(Self { rules: raw.endpoint })
    }

    /// The rows.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The row of an endpoint. HEAD is judged as GET, since it is answered by the same route.
    #[must_use]
    pub fn rule(&self, method: &Method, path: &str) -> Option<&Rule> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.rules.iter().find(|rule| rule.method == method.as_str() && rule.path == path)
    }

    /// Every route has a row and every row a route.
    ///
    /// # Errors
    /// The first that has not.
    pub fn must_match(&self, routes: &BTreeSet<(String, String)>) -> Result<(), InvalidTable> {
        let rows: BTreeSet<_> = self.rules.iter().map(|r| (r.method.clone(), r.path.clone())).collect();
        if let Some((method, path)) = routes.difference(&rows).next() {
            return Err(InvalidTable::RowMissing { endpoint: format!("{method} {path}") });
        }
        if let Some((method, path)) = rows.difference(routes).next() {
            return Err(InvalidTable::NoSuchRoute { endpoint: format!("{method} {path}") });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> String {
        format!("[[endpoint]]\n{text}\n")
    }

    #[test]
    fn faulty_tables_are_refused_by_name() {
        let public = row("method='GET'\npath='/a'\naccess='public'");
        let endpoint = "GET /a".to_owned();
        assert_eq!(Table::parse(&public.repeat(2)), Err(InvalidTable::RowTwice { endpoint: endpoint.clone() }));
        for text in [
            "method='GET'\npath='/a'\naccess='public'\nroles=['x']",
            "method='GET'\npath='/a'\naccess='loopback'\nroles=['x']",
            "method='GET'\npath='/a'\naccess='caller'",
            "method='GET'\npath='/a'\naccess='caller'\nroles=[]",
        ] {
            assert_eq!(Table::parse(&row(text)), Err(InvalidTable::Roles { endpoint: endpoint.clone() }), "{text}");
        }
        for text in ["method='GET'\npath='/a'", "method='GET'\npath='/a'\naccess='everyone'", "acess='public'"] {
            assert!(matches!(Table::parse(&row(text)), Err(InvalidTable::Unreadable { .. })), "{text}");
        }
    }

    #[test]
    fn routes_and_rows_must_be_the_same() {
        let table = Table::parse(&row("method='GET'\npath='/a'\naccess='public'")).unwrap();
        let route = |path: &str| ("GET".to_owned(), path.to_owned());
        assert_eq!(table.must_match(&BTreeSet::from([route("/a")])), Ok(()));
        assert_eq!(table.must_match(&BTreeSet::new()), Err(InvalidTable::NoSuchRoute { endpoint: "GET /a".into() }));
        assert_eq!(
            table.must_match(&BTreeSet::from([route("/a"), route("/b")])),
            Err(InvalidTable::RowMissing { endpoint: "GET /b".into() })
        );
    }

    #[test]
    fn what_is_not_named_has_no_rule() {
        let table = Table::parse(SHIPPED).unwrap();
        assert!(table.rule(&Method::GET, "/healthz").is_some());
        assert!(table.rule(&Method::HEAD, "/healthz").is_some());
        assert_eq!(table.rule(&Method::POST, "/healthz"), None);
        assert_eq!(table.rule(&Method::GET, "/api/v1/seal"), None);
    }
}
