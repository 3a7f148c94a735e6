// Judges chains of certificates with Bouncy Castle: every signature (SM2 with the default signer ID) and the path by PKIX.
// Usage: java -cp bcprov.jar VerifyCertificates.java UNIX-SECONDS ANCHOR.der,…,END.der … ; prints "ok" or why not for each.

import java.io.FileInputStream;
import java.security.Security;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class VerifyCertificates {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        Date now = new Date(Long.parseLong(arguments[0]) * 1000L);
        for (int at = 1; at < arguments.length; at++) {
            String verdict;
            try {
                judge(arguments[at].split(","), now);
                verdict = "ok";
            } catch (Exception refused) {
                verdict = String.valueOf(refused).replace('\n', ' ');
            }
            System.out.println(verdict);
        }
    }

    static void judge(String[] paths, Date now) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        List<X509Certificate> chain = new ArrayList<>();
        for (String path : paths) {
            try (FileInputStream file = new FileInputStream(path)) {
                chain.add((X509Certificate) factory.generateCertificate(file));
            }
        }
        X509Certificate anchor = chain.get(0);
        anchor.verify(anchor.getPublicKey(), "BC");
        for (int at = 1; at < chain.size(); at++) {
            chain.get(at).verify(chain.get(at - 1).getPublicKey(), "BC");
        }
        List<X509Certificate> path = new ArrayList<>(chain.subList(1, chain.size()));
        Collections.reverse(path);
        PKIXParameters parameters = new PKIXParameters(Collections.singleton(new TrustAnchor(anchor, null)));
        parameters.setRevocationEnabled(false);
        parameters.setDate(now);
        CertPathValidator.getInstance("PKIX", "BC").validate(factory.generateCertPath(path), parameters);
    }
}
