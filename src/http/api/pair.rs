//! The other half of a pair of certificates, in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::service::door::EncryptionRecord;
use crate::service::inventory::hexadecimal as hex;
use crate::service::verification::pem_of;

/// The other half of a pair.
#[derive(Serialize, ToSchema)]
#[schema(as = PairedEncryption)]
pub(crate) struct EncryptionShape {
    /// SM3 of the encryption certificate in DER, hex.
    sm3: String,
    /// The encryption certificate.
    pem: String,
    /// Its key, enveloped for the signing key.
    envelope: String,
}

impl From<EncryptionRecord> for EncryptionShape {
    fn from(EncryptionRecord { sm3, der, envelope }: EncryptionRecord) -> Self {
        Self { sm3: hex(&sm3), pem: pem_of(&der), envelope }
    }
}
