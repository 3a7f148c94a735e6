//! DER around secrets: each buffer is allocated once, at its final size, and wiped when dropped.

use zeroize::Zeroizing;

use crate::base::secret::Secret;

/// The tags that private key files need.
pub(in crate::format::keys) const INTEGER: u8 = 0x02;
pub(in crate::format::keys) const OCTET_STRING: u8 = 0x04;
pub(in crate::format::keys) const SEQUENCE: u8 = 0x30;

/// One value around the parts, in order.
pub(in crate::format::keys) fn wrap(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.saturating_add(10)));
    bytes.push(tag);
    if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
        bytes.push(short);
    } else {
        let octets = length.to_be_bytes();
        let skipped = octets.iter().take_while(|octet| **octet == 0).count();
        // A usize has at most 8 octets.
        bytes.push(0x80 | u8::try_from(octets.len().saturating_sub(skipped)).unwrap_or(8));
        bytes.extend(octets.iter().skip(skipped));
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The finished structure as a secret.
pub(in crate::format::keys) fn secret(mut bytes: Zeroizing<Vec<u8>>) -> Secret {
    Secret::new(std::mem::take(&mut *bytes))
}

/// A copy that is wiped, as a secret.
pub(in crate::format::keys) fn copy(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::der::Writer;

    #[test]
    fn the_same_bytes_as_the_writer() {
        for size in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; size];
            let mut writer = Writer::new();
            writer.octet_string(&content);
            let (head, tail) = content.split_at(size / 3);
            let wrapped = wrap(OCTET_STRING, &[head, tail]);
            assert_eq!(*wrapped, writer.into_bytes(), "{size}");
            assert!(wrapped.capacity() <= size + 10, "never grown");
        }
    }
}
