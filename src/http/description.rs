//! The description of the API (OpenAPI 3.1), made from the route table and the access table.

use std::collections::BTreeSet;

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use crate::http::access::{Access, Table};

const CERTIFICATE: &str = "clientCertificate";
const SIGNATURE: &str = "messageSignature";

/// The description before any endpoint is added.
pub(crate) fn opening() -> OpenApi {
    let text =
        "Verifies sealed and signed files and seals files. Errors are RFC 9457 problem documents with a stable `code`.";
    let about = InfoBuilder::new().title("Yinxin").version(env!("CARGO_PKG_VERSION")).description(Some(text));
    OpenApiBuilder::new().info(about.build()).build()
}

/// Adds what the access table asks of callers.
pub(crate) fn add_access(openapi: &mut OpenApi, table: &Table) {
    let mut signature = ApiKeyValue::new("Signature");
    signature.description = Some(
        "An HTTP message signature (RFC 9421) of the registered key over @method, @target-uri and content-digest, \
         with created, nonce, keyid (SHA-256 of SubjectPublicKeyInfo, hex) and alg."
            .into(),
    );
    let certificate = "A client certificate around the registered key. Only the key counts.";
    let components = openapi.components.get_or_insert_default();
    components.add_security_scheme(SIGNATURE, SecurityScheme::ApiKey(ApiKey::Header(signature)));
    components.add_security_scheme(
        CERTIFICATE,
        SecurityScheme::MutualTls { description: Some(certificate.into()), deprecated: None, extensions: None },
    );
    for rule in table.rules().iter().filter(|rule| rule.access == Access::Caller) {
        let item = openapi.paths.paths.get_mut(&rule.path);
        let operation = item.and_then(|item| operations(item).into_iter().find(|(name, _)| *name == rule.method));
        if let Some((_, Some(operation))) = operation {
            // In OpenAPI 3.1 the scopes of such schemes are role names.
            let either = [CERTIFICATE, SIGNATURE].map(|name| SecurityRequirement::new(name, rule.roles.clone()));
            operation.security = Some(either.to_vec());
        }
    }
}

fn operations(item: &mut PathItem) -> [(&'static str, &mut Option<Operation>); 8] {
    [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
        ("HEAD", &mut item.head),
        ("OPTIONS", &mut item.options),
        ("TRACE", &mut item.trace),
    ]
}

/// Method and path of every operation.
pub(crate) fn endpoints(openapi: &mut OpenApi) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (path, item) in &mut openapi.paths.paths {
        for (method, operation) in operations(item) {
            if operation.is_some() {
                found.insert((method.to_owned(), path.clone()));
            }
        }
    }
    found
}
