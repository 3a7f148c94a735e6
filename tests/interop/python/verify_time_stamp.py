"""Judges a time-stamp response with rfc3161-client, sharing no code with Yinxin.

    python verify_time_stamp.py ROOT.pem AUTHORITY.pem REQUEST.tsq RESPONSE.tsr CONTENT

Exit 0 where the response answers the request, is over the content, and its authority's certificate leads to the root.
"""

import pathlib
import sys

from cryptography import x509
from rfc3161_client import VerifierBuilder, decode_timestamp_response
from rfc3161_client._rust import parse_timestamp_request


def main() -> None:
    root, authority, request, response, content = (pathlib.Path(name).read_bytes() for name in sys.argv[1:])
    verifier = (
        VerifierBuilder.from_request(parse_timestamp_request(request))
        .add_root_certificate(x509.load_pem_x509_certificate(root))
        .tsa_certificate(x509.load_pem_x509_certificate(authority))
        .build()
    )
    if not verifier.verify_message(decode_timestamp_response(response), content):
        sys.exit(1)


main()
