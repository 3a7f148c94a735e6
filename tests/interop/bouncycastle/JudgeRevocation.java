// Judges a revocation list and an OCSP response with Bouncy Castle, sharing no code with Yinxin.
//
//   java -cp bcprov.jar:bcpkix.jar:bcutil.jar JudgeRevocation.java crl ISSUER.der LIST.crl CERTIFICATE.der
//   java -cp … JudgeRevocation.java ocsp ISSUER.der RESPONSE.der CERTIFICATE.der
//
// Prints `good`, `revoked REASON` or why not; exits 1 in the last case. The delegated responder must be the issuer's, and
// for OCSP signing.

import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.X509Certificate;
import org.bouncycastle.asn1.ASN1Enumerated;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.cert.X509CRLEntryHolder;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.ocsp.BasicOCSPResp;
import org.bouncycastle.cert.ocsp.CertificateID;
import org.bouncycastle.cert.ocsp.CertificateStatus;
import org.bouncycastle.cert.ocsp.OCSPResp;
import org.bouncycastle.cert.ocsp.RevokedStatus;
import org.bouncycastle.cert.ocsp.SingleResp;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.bc.BcDigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;

public final class JudgeRevocation {
    private JudgeRevocation() {}

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        try {
            X509CertificateHolder issuer = new X509CertificateHolder(read(arguments[1]));
            X509CertificateHolder subject = new X509CertificateHolder(read(arguments[3]));
            byte[] evidence = read(arguments[2]);
            System.out.println(arguments[0].equals("crl") ? crl(issuer, evidence, subject) : ocsp(issuer, evidence, subject));
        } catch (Exception failure) {
            System.out.println(failure);
            System.exit(1);
        }
    }

    private static byte[] read(String path) throws Exception {
        return Files.readAllBytes(Path.of(path));
    }

    private static ContentVerifierProvider verifier(X509CertificateHolder signer) throws Exception {
        return new JcaContentVerifierProviderBuilder().setProvider("BC").build(signer);
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what);
        }
    }

    private static String crl(X509CertificateHolder issuer, byte[] der, X509CertificateHolder subject) throws Exception {
        X509CRLHolder list = new X509CRLHolder(der);
        require(list.isSignatureValid(verifier(issuer)), "signature of the list");
        require(list.getIssuer().equals(issuer.getSubject()), "issuer of the list");
        X509CRLEntryHolder entry = list.getRevokedCertificate(subject.getSerialNumber());
        if (entry == null) {
            return "good";
        }
        Extension reason = entry.getExtension(Extension.reasonCode);
        BigInteger number = reason == null ? BigInteger.ZERO : ASN1Enumerated.getInstance(reason.getParsedValue()).getValue();
        return "revoked " + number;
    }

    private static String ocsp(X509CertificateHolder issuer, byte[] der, X509CertificateHolder subject) throws Exception {
        OCSPResp response = new OCSPResp(der);
        require(response.getStatus() == OCSPResp.SUCCESSFUL, "status " + response.getStatus());
        BasicOCSPResp basic = (BasicOCSPResp) response.getResponseObject();
        X509CertificateHolder responder = basic.getCerts()[0];
        require(responder.isSignatureValid(verifier(issuer)), "signature of the responder's certificate");
        require(
            ExtendedKeyUsage.fromExtensions(responder.getExtensions()).hasKeyPurposeId(KeyPurposeId.id_kp_OCSPSigning),
            "purpose of the responder");
        require(basic.isSignatureValid(verifier(responder)), "signature of the response");
        SingleResp single = basic.getResponses()[0];
        CertificateID id = single.getCertID();
        require(id.matchesIssuer(issuer, new BcDigestCalculatorProvider()), "issuer of the CertID");
        require(id.getSerialNumber().equals(subject.getSerialNumber()), "serial number of the CertID");
        CertificateStatus status = single.getCertStatus();
        if (status == CertificateStatus.GOOD) {
            return "good";
        }
        RevokedStatus revoked = (RevokedStatus) status;
        return "revoked " + (revoked.hasRevocationReason() ? revoked.getRevocationReason() : 0);
    }
}
