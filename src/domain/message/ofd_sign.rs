//! An OFD document with a signature of type Sign (GB/T 33190 18.1): the value is SignedData over Signature.xml, which it leaves
//! out, and Signature.xml names every part of the document with its digest.

use crate::base::limits::Limits;
use crate::crypto::digest::{digest, digest_many};
use crate::domain::message::cms::Draft;
use crate::domain::message::{Content, Error, Order, Signer};
use crate::format::der::time::to_generalized;
use crate::format::ofd::container::Container;
use crate::format::ofd::signing::{NewSealPart, NewSignature, PreparedSignature, prepare_signature};

/// The document but for the value, and what the value says.
pub(super) fn prepare<'a>(
    signer: &Signer<'a>,
    order: &Order<'a>,
    limits: &Limits,
) -> Result<(Box<PreparedSignature>, Draft<'a>), Error> {
    let form = signer.form.name();
    let original = match order.content {
        Content::Attached(original) => original,
        Content::Detached(_) => return Err(Error::ContentBeside { form }),
        Content::Digest(_) => {
            let cure = "the signature is written into the document, which must be handed in";
            return Err(Error::DigestNotEnough { form, cure });
        }
    };
    let kind = signer.algorithm.digest();
    let method = signer.algorithm.oid().ok_or_else(|| signer.unfit())?;
    let container = Container::read(original, limits)?;
    let digests = |parts: &[&[u8]]| digest_many(kind, parts);
    let new = NewSignature {
        body: 0,
        provider: "yinxin",
        check_method: &kind.oid().to_string(),
        signature_method: &method.to_string(),
        signature_date_time: &to_generalized(signer.now),
        stamps: &[],
        seal: NewSealPart::Absent,
        lock: order.lock,
        digests: &digests,
    };
    let prepared = prepare_signature(&container, original, &new, limits)?;
    let draft = Draft::over(signer, &digest(kind, prepared.signature_xml()), None)?;
    Ok((Box::new(prepared), draft))
}
