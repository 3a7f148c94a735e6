// Judges and makes cryptographic messages and time stamps with Bouncy Castle, sharing no code with Yinxin.
//
//   java -cp bcprov.jar:bcpkix.jar:bcutil.jar JudgeMessages.java cms SIGNER.der MESSAGE.der CONTENT
//   java -cp … JudgeMessages.java messages SIGNER.der CONTENT MESSAGE.der…
//   java -cp … JudgeMessages.java tsp SIGNER.der REQUEST.der RESPONSE.der
//   java -cp … JudgeMessages.java make-cms KEY.p8 SIGNER.der CONTENT OUT.der
//   java -cp … JudgeMessages.java make-tsp KEY.p8 SIGNER.der REQUEST.der OUT.der
//
// Prints `ok` and exits 0, or prints why not and exits 1; `messages` prints a line for each message and exits 0. The signer's certificate is given: no path is built.

import java.io.FileOutputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.gm.GMObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampResponseGenerator;
import org.bouncycastle.tsp.TimeStampTokenGenerator;

public final class JudgeMessages {
    private JudgeMessages() {}

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        try {
            switch (arguments[0]) {
                case "cms" -> cms(read(arguments[1]), read(arguments[2]), read(arguments[3]));
                case "messages" -> messages(arguments);
                case "tsp" -> tsp(read(arguments[1]), read(arguments[2]), read(arguments[3]));
                case "make-cms" -> makeCms(arguments);
                case "make-tsp" -> makeTsp(arguments);
                default -> throw new IllegalArgumentException(arguments[0]);
            }
            System.out.println("ok");
        } catch (Exception failure) {
            System.out.println(failure);
            System.exit(1);
        }
    }

    private static byte[] read(String path) throws Exception {
        return Files.readAllBytes(Path.of(path));
    }

    private static SignerInformationVerifier verifier(byte[] certificate) throws Exception {
        return new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(new X509CertificateHolder(certificate));
    }

    private static void cms(byte[] certificate, byte[] message, byte[] content) throws Exception {
        CMSSignedData signed = new CMSSignedData(message);
        if (signed.getSignedContent() == null) {
            signed = new CMSSignedData(new CMSProcessableByteArray(content), message);
        }
        if (signed.getSignerInfos().size() != 1) {
            throw new IllegalStateException("not one signer");
        }
        for (SignerInformation signer : signed.getSignerInfos()) {
            if (!signer.verify(verifier(certificate))) {
                throw new IllegalStateException("the signature is wrong");
            }
        }
    }

    private static void messages(String[] arguments) throws Exception {
        for (String message : List.of(arguments).subList(3, arguments.length)) {
            try {
                cms(read(arguments[1]), read(message), read(arguments[2]));
                System.out.println("right");
            } catch (Exception failure) {
                System.out.println("wrong: " + failure);
            }
        }
    }

    private static void tsp(byte[] certificate, byte[] request, byte[] response) throws Exception {
        TimeStampResponse read = new TimeStampResponse(response);
        if (read.getTimeStampToken() == null) {
            throw new IllegalStateException("no token: " + read.getStatusString());
        }
        read.validate(new TimeStampRequest(request));
        read.getTimeStampToken().validate(verifier(certificate));
    }

    private static PrivateKey key(String path) throws Exception {
        return KeyFactory.getInstance("EC", "BC").generatePrivate(new PKCS8EncodedKeySpec(read(path)));
    }

    private static String algorithm(X509Certificate certificate) {
        boolean sm2 = certificate.getSigAlgOID().equals(GMObjectIdentifiers.sm2sign_with_sm3.getId());
        return sm2 ? "SM3WITHSM2" : "SHA256WITHECDSA";
    }

    private static X509Certificate certificate(String path) throws Exception {
        return new JcaX509CertificateConverter().setProvider("BC").getCertificate(new X509CertificateHolder(read(path)));
    }

    private static void makeCms(String[] arguments) throws Exception {
        X509Certificate certificate = certificate(arguments[2]);
        DigestCalculatorProvider digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(new JcaSignerInfoGeneratorBuilder(digests).build(
                new JcaContentSignerBuilder(algorithm(certificate)).setProvider("BC").build(key(arguments[1])), certificate));
        generator.addCertificates(new JcaCertStore(List.of(certificate)));
        CMSSignedData signed = generator.generate(new CMSProcessableByteArray(read(arguments[3])), true);
        write(arguments[4], signed.toASN1Structure().getEncoded(ASN1Encoding.DER));
    }

    private static void makeTsp(String[] arguments) throws Exception {
        X509Certificate certificate = certificate(arguments[2]);
        DigestCalculatorProvider digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
        boolean sm2 = algorithm(certificate).equals("SM3WITHSM2");
        ASN1ObjectIdentifier digest = new ASN1ObjectIdentifier(sm2 ? "1.2.156.10197.1.401" : "2.16.840.1.101.3.4.2.1");
        TimeStampTokenGenerator tokens = new TimeStampTokenGenerator(
                new JcaSignerInfoGeneratorBuilder(digests).build(
                        new JcaContentSignerBuilder(algorithm(certificate)).setProvider("BC").build(key(arguments[1])), certificate),
                digests.get(new AlgorithmIdentifier(digest)), new ASN1ObjectIdentifier("1.2.3.4"));
        tokens.addCertificates(new JcaCertStore(List.of(certificate)));
        tokens.setAccuracySeconds(1);
        TimeStampResponseGenerator responses = new TimeStampResponseGenerator(tokens, Set.of("1.2.156.10197.1.401", "2.16.840.1.101.3.4.2.1"));
        TimeStampResponse response = responses.generate(new TimeStampRequest(read(arguments[3])), BigInteger.valueOf(23), new Date());
        if (response.getTimeStampToken() == null) {
            throw new IllegalStateException(response.getStatusString());
        }
        write(arguments[4], response.getEncoded(ASN1Encoding.DER));
    }

    private static void write(String path, byte[] octets) throws Exception {
        try (FileOutputStream out = new FileOutputStream(path)) {
            out.write(octets);
        }
    }
}
