"""Holds certificates against pkilint's PKIX rules, as its lint_pkix_cert does; one JSON object for each file.

Findings of severity NOTICE and above are told. Usage: lint_certificates.py FILE.der...
"""

import json
import sys

from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity


def main(paths):
    validator = certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
    for path in paths:
        with open(path, "rb") as file:
            document = loader.RFC5280CertificateDocumentLoader().load_der_document(file.read(), path)
        findings = []
        for result in validator.validate(document.root):
            for found in result.finding_descriptions:
                if found.finding.severity <= ValidationFindingSeverity.NOTICE:
                    findings.append(
                        {
                            "severity": found.finding.severity.name,
                            "code": found.finding.code,
                            "node": result.node.path,
                            "message": found.message,
                        }
                    )
        print(json.dumps({"file": path, "findings": findings}))


if __name__ == "__main__":
    main(sys.argv[1:])
