// Checks the seals of OFD files with Bouncy Castle, sharing no code with Yinxin.
//
//   java -cp /usr/share/java/bcprov.jar VerifySealedOfd.java [--trust ca.pem]... file.ofd...
//
// Written from the structures of GM/T 0031-2014 (V1), GB/T 38540-2020 (V4), GM/T 0031-2025 (V5) and GB/T 33190-2016 clause 18.
// One JSON line per signature; exit 0 only when every check of every signature of every file is ok
// and every file has a signature; 1 when some check failed; 2 on usage or an unreadable file.
// Strict: DER only, GeneralizedTime only (V1: UTCTime only in the seal), no tolerance of any kind.
// The time stamp of a seal of version 5 is checked: its imprint, its signature by SM2, its certificate. Not checked: validity
// periods, revocation, key usage, time stamps of signatures, coverage of the shown parts.

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Deque;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import javax.xml.parsers.DocumentBuilderFactory;
import org.bouncycastle.asn1.ASN1BitString;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1GeneralizedTime;
import org.bouncycastle.asn1.ASN1IA5String;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.ASN1PrintableString;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.ASN1Set;
import org.bouncycastle.asn1.ASN1TaggedObject;
import org.bouncycastle.asn1.ASN1UTCTime;
import org.bouncycastle.asn1.ASN1UTF8String;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.gm.GMObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Certificate;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.crypto.digests.SM3Digest;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.params.ParametersWithID;
import org.bouncycastle.crypto.params.RSAKeyParameters;
import org.bouncycastle.crypto.signers.RSADigestSigner;
import org.bouncycastle.crypto.signers.SM2Signer;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

public final class VerifySealedOfd {
    private static final byte[] DEFAULT_ID = "1234567812345678".getBytes(StandardCharsets.US_ASCII);
    private static final ASN1ObjectIdentifier SM2_WITH_SM3 = GMObjectIdentifiers.sm2sign_with_sm3;
    private static final ASN1ObjectIdentifier RSA_WITH_SHA256 = PKCSObjectIdentifiers.sha256WithRSAEncryption;
    private static final int MAX_ENTRY = 64 << 20;

    /** A check that did not hold, in words. */
    private static final class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    /** A check: runs, or throws. */
    private interface Check {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        List<Certificate> trust = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < args.length; i++) {
            if (args[i].equals("--trust") && i + 1 < args.length) {
                trust.addAll(pem(Path.of(args[++i])));
            } else if (args[i].startsWith("--")) {
                usage();
            } else {
                files.add(Path.of(args[i]));
            }
        }
        if (files.isEmpty()) {
            usage();
        }
        boolean allOk = true;
        for (Path file : files) {
            try {
                allOk &= verifyFile(file, trust);
            } catch (Exception e) {
                Map<String, String> line = new LinkedHashMap<>();
                line.put("file", file.toString());
                line.put("error", String.valueOf(e.getMessage() == null ? e : e.getMessage()));
                System.out.println(json(line));
                allOk = false;
            }
        }
        System.exit(allOk ? 0 : 1);
    }

    private static void usage() {
        System.err.println("usage: VerifySealedOfd.java [--trust ca.pem]... file.ofd...");
        System.exit(2);
    }

    // ---- package ----

    private static boolean verifyFile(Path file, List<Certificate> trust) throws Exception {
        Map<String, byte[]> parts = readPackage(file);
        boolean allOk = true;
        int signatures = 0;
        Element ofd = xml(parts, "OFD.xml");
        for (Element body : children(ofd, "DocBody")) {
            for (Element named : children(body, "Signatures")) {
                String listPath = resolve("OFD.xml", text(named));
                for (Element entry : children(xml(parts, listPath), "Signature")) {
                    signatures++;
                    allOk &= verifySignature(file, parts, listPath, entry, trust);
                }
            }
        }
        if (signatures == 0) {
            throw new Refused("no signature");
        }
        return allOk;
    }

    private static Map<String, byte[]> readPackage(Path file) throws Exception {
        Map<String, byte[]> parts = new LinkedHashMap<>();
        try (ZipFile zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8)) {
            Enumeration<? extends ZipEntry> entries = zip.entries();
            while (entries.hasMoreElements()) {
                ZipEntry entry = entries.nextElement();
                if (entry.isDirectory()) {
                    continue;
                }
                byte[] content = zip.getInputStream(entry).readNBytes(MAX_ENTRY + 1);
                if (content.length > MAX_ENTRY) {
                    throw new Refused("entry too large: " + entry.getName());
                }
                if (parts.put(entry.getName(), content) != null) {
                    throw new Refused("entry twice: " + entry.getName());
                }
            }
        }
        return parts;
    }

    private static byte[] part(Map<String, byte[]> parts, String path) throws Refused {
        byte[] content = parts.get(path);
        if (content == null) {
            throw new Refused("missing part: " + path);
        }
        return content;
    }

    /** Absolute in the package when it starts with a slash, else relative to the folder of the naming file. */
    private static String resolve(String from, String location) throws Refused {
        String whole = location.startsWith("/") ? location : from.substring(0, from.lastIndexOf('/') + 1) + location;
        Deque<String> steps = new ArrayDeque<>();
        for (String step : whole.split("/")) {
            if (step.equals("..")) {
                if (steps.pollLast() == null) {
                    throw new Refused("path leaves the package: " + location);
                }
            } else if (!step.isEmpty() && !step.equals(".")) {
                steps.addLast(step);
            }
        }
        return String.join("/", steps);
    }

    // ---- XML ----

    private static Element xml(Map<String, byte[]> parts, String path) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = factory.newDocumentBuilder().parse(new ByteArrayInputStream(part(parts, path)));
        return document.getDocumentElement();
    }

    private static List<Element> children(Element parent, String name) {
        List<Element> found = new ArrayList<>();
        for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element && name.equals(node.getLocalName())) {
                found.add((Element) node);
            }
        }
        return found;
    }

    private static Element only(Element parent, String name) throws Refused {
        List<Element> found = children(parent, name);
        if (found.size() != 1) {
            throw new Refused(found.size() + " elements " + name);
        }
        return found.get(0);
    }

    private static String text(Element element) {
        return element.getTextContent().trim();
    }

    // ---- one signature ----

    private static boolean verifySignature(
            Path file, Map<String, byte[]> parts, String listPath, Element entry, List<Certificate> trust)
            throws Exception {
        Map<String, String> line = new LinkedHashMap<>();
        Map<String, String> reasons = new LinkedHashMap<>();
        line.put("file", file.toString());
        line.put("id", entry.getAttribute("ID"));
        String type = entry.getAttribute("Type");
        if (!type.isEmpty() && !type.equals("Seal")) {
            throw new Refused("signature " + entry.getAttribute("ID") + " is not a seal: " + type);
        }
        String path = resolve(listPath, entry.getAttribute("BaseLoc"));
        byte[] description = part(parts, path);
        Element signature = xml(parts, path);
        Element signedInfo = only(signature, "SignedInfo");
        byte[] value = part(parts, resolve(path, text(only(signature, "SignedValue"))));

        check(line, reasons, "references", () -> references(parts, path, only(signedInfo, "References")));
        SesSignature[] parsed = new SesSignature[1];
        check(line, reasons, "der", () -> parsed[0] = SesSignature.parse(value));
        SesSignature ses = parsed[0];
        check(line, reasons, "dataHash", () -> {
            byte[] hash = isSm2(some(ses).algorithm) ? sm3(description) : sha256(description);
            byte[] alsoPossible = sm3(description);
            // An RSA signer may still use SM3 as the digest of the document.
            if (!Arrays.equals(ses.dataHash, hash) && !(!isSm2(ses.algorithm) && Arrays.equals(ses.dataHash, alsoPossible))) {
                throw new Refused("dataHash is not the digest of " + path);
            }
        });
        check(line, reasons, "signature", () -> {
            byte[] toSign = some(ses).toSign.getEncoded(ASN1Encoding.DER);
            verifyValue(ses.certificate, ses.algorithm, toSign, ses.signature);
        });
        check(line, reasons, "seal", () -> {
            byte[] signed = some(ses).seal.signed.getEncoded(ASN1Encoding.DER);
            verifyValue(ses.seal.certificate, ses.seal.algorithm, signed, ses.seal.signature);
        });
        check(line, reasons, "sealTimeStamp", () -> {
            if (some(ses).seal.timeStamp != null) {
                timeStamp(ses.seal.timeStamp, ses.seal.signature, trust);
            }
        });
        check(line, reasons, "listed", () -> some(ses).seal.requireListed(ses.certificateBytes));
        check(line, reasons, "sealFile", () -> {
            List<Element> seals = children(signedInfo, "Seal");
            if (seals.isEmpty()) {
                return; // The element is optional.
            }
            byte[] sealFile = part(parts, resolve(path, text(only(seals.get(0), "BaseLoc"))));
            if (!Arrays.equals(sealFile, some(ses).seal.encoded)) {
                throw new Refused("Seal.esl differs from the seal that was signed");
            }
        });
        check(line, reasons, "propertyInfo", () -> {
            String named = some(ses).propertyInfo;
            if (!resolve("", named).equals(path)) {
                throw new Refused("propertyInfo names " + named + ", the file is " + path);
            }
        });
        if (trust.isEmpty()) {
            line.put("chain", "unchecked");
        } else {
            check(line, reasons, "chain", () -> {
                issued("signer", some(ses).certificate, trust);
                issued("maker", ses.seal.certificate, trust);
            });
        }
        if (!reasons.isEmpty()) {
            line.put("reason", reasons.toString());
        }
        System.out.println(json(line));
        return reasons.isEmpty();
    }

    private static void check(Map<String, String> line, Map<String, String> reasons, String name, Check check) {
        try {
            check.run();
            line.put(name, "ok");
        } catch (Exception e) {
            line.put(name, "failed");
            reasons.put(name, String.valueOf(e.getMessage() == null ? e : e.getMessage()));
        }
    }

    private static SesSignature some(SesSignature ses) throws Refused {
        if (ses == null) {
            throw new Refused("not parsed");
        }
        return ses;
    }

    private static void references(Map<String, byte[]> parts, String path, Element references) throws Exception {
        String method = references.getAttribute("CheckMethod");
        boolean sm3 = method.equalsIgnoreCase("SM3") || method.equals(GMObjectIdentifiers.sm3.getId());
        boolean sha256 = method.equalsIgnoreCase("SHA256") || method.equalsIgnoreCase("SHA-256")
                || method.equals("2.16.840.1.101.3.4.2.1");
        if (!sm3 && !sha256) {
            throw new Refused("CheckMethod " + method);
        }
        List<Element> all = children(references, "Reference");
        if (all.isEmpty()) {
            throw new Refused("no Reference");
        }
        for (Element reference : all) {
            String named = resolve(path, reference.getAttribute("FileRef"));
            byte[] content = part(parts, named);
            byte[] claimed = Base64.getDecoder().decode(text(only(reference, "CheckValue")));
            if (!Arrays.equals(sm3 ? sm3(content) : sha256(content), claimed)) {
                throw new Refused("digest of " + named);
            }
        }
    }

    // ---- GB/T 38540-2020 ----

    private static ASN1Sequence strict(byte[] input, String what) throws Exception {
        ASN1Primitive value = ASN1Primitive.fromByteArray(input); // refuses trailing bytes
        if (!Arrays.equals(value.getEncoded(ASN1Encoding.DER), input)) {
            throw new Refused(what + " is not DER");
        }
        return sequence(value, what);
    }

    private static ASN1Sequence sequence(ASN1Encodable value, String what) throws Refused {
        return typed(ASN1Sequence.class, value, what);
    }

    private static <T> T typed(Class<T> type, ASN1Encodable value, String what) throws Refused {
        if (!type.isInstance(value)) {
            throw new Refused(what + " is a " + value.getClass().getSimpleName());
        }
        return type.cast(value);
    }

    private static int size(ASN1Sequence sequence, int least, int most, String what) throws Refused {
        if (sequence.size() < least || sequence.size() > most) {
            throw new Refused(what + " has " + sequence.size() + " elements");
        }
        return sequence.size();
    }

    private static byte[] octets(ASN1Encodable value, String what) throws Refused {
        return typed(ASN1OctetString.class, value, what).getOctets();
    }

    private static byte[] bits(ASN1Encodable value, String what) throws Refused {
        ASN1BitString string = typed(ASN1BitString.class, value, what);
        if (string.getPadBits() != 0) {
            throw new Refused(what + " has unused bits");
        }
        return string.getBytes();
    }

    private static BigInteger integer(ASN1Encodable value, String what) throws Refused {
        return typed(ASN1Integer.class, value, what).getValue();
    }

    private static void extDatas(ASN1Encodable value) throws Refused {
        for (ASN1Encodable item : sequence(value, "extDatas")) {
            ASN1Sequence ext = sequence(item, "ExtData");
            size(ext, 2, 3, "ExtData");
            typed(ASN1ObjectIdentifier.class, ext.getObjectAt(0), "extnID");
            octets(ext.getObjectAt(ext.size() - 1), "extnValue");
        }
    }

    private static final class SesSignature {
        ASN1Sequence toSign;
        SesSeal seal;
        byte[] dataHash;
        String propertyInfo;
        byte[] certificateBytes;
        Certificate certificate;
        ASN1ObjectIdentifier algorithm;
        byte[] signature;

        static SesSignature parse(byte[] input) throws Exception {
            SesSignature ses = new SesSignature();
            ASN1Sequence top = strict(input, "SES_Signature");
            if (top.size() == 2) {
                return parseFirst(top);
            }
            size(top, 4, 5, "SES_Signature");
            ses.toSign = sequence(top.getObjectAt(0), "toSign");
            size(ses.toSign, 5, 6, "TBS_Sign");
            ses.seal = SesSeal.parse(sequence(ses.toSign.getObjectAt(1), "eseal"));
            if (ses.seal.version == 1) {
                throw new Refused("a seal of version 1 in a later signature");
            }
            ses.requireVersion();
            typed(ASN1GeneralizedTime.class, ses.toSign.getObjectAt(2), "timeInfo");
            ses.dataHash = bits(ses.toSign.getObjectAt(3), "dataHash");
            ses.propertyInfo = typed(ASN1IA5String.class, ses.toSign.getObjectAt(4), "propertyInfo").getString();
            if (ses.toSign.size() == 6) {
                ASN1TaggedObject tagged = typed(ASN1TaggedObject.class, ses.toSign.getObjectAt(5), "extDatas");
                if (tagged.getTagNo() != 0 || !tagged.isExplicit()) {
                    throw new Refused("extDatas is not [0] EXPLICIT");
                }
                extDatas(tagged.getExplicitBaseObject());
            }
            ses.certificateBytes = octets(top.getObjectAt(1), "cert");
            ses.certificate = certificate(ses.certificateBytes);
            ses.algorithm = typed(ASN1ObjectIdentifier.class, top.getObjectAt(2), "signatureAlgID");
            ses.signature = bits(top.getObjectAt(3), "signature");
            if (top.size() == 5) {
                ASN1TaggedObject tagged = typed(ASN1TaggedObject.class, top.getObjectAt(4), "timeStamp");
                if (tagged.getTagNo() != 0 || !tagged.isExplicit()) {
                    throw new Refused("timeStamp is not [0] EXPLICIT");
                }
                bits(tagged.getExplicitBaseObject(), "timeStamp");
            }
            return ses;
        }

        /** GM/T 0031-2014: certificate and algorithm are signed too, timeInfo is free. */
        private static SesSignature parseFirst(ASN1Sequence top) throws Exception {
            SesSignature ses = new SesSignature();
            ses.toSign = sequence(top.getObjectAt(0), "toSign");
            size(ses.toSign, 7, 7, "TBS_Sign");
            ses.seal = SesSeal.parse(sequence(ses.toSign.getObjectAt(1), "eseal"));
            if (ses.seal.version != 1) {
                throw new Refused("a seal of version " + ses.seal.version + " in a signature of version 1");
            }
            ses.requireVersion();
            bits(ses.toSign.getObjectAt(2), "timeInfo");
            ses.dataHash = bits(ses.toSign.getObjectAt(3), "dataHash");
            ses.propertyInfo = typed(ASN1IA5String.class, ses.toSign.getObjectAt(4), "propertyInfo").getString();
            ses.certificateBytes = octets(ses.toSign.getObjectAt(5), "cert");
            ses.certificate = certificate(ses.certificateBytes);
            ses.algorithm = typed(ASN1ObjectIdentifier.class, ses.toSign.getObjectAt(6), "signatureAlgorithm");
            ses.signature = bits(top.getObjectAt(1), "signature");
            return ses;
        }

        private void requireVersion() throws Refused {
            if (!integer(toSign.getObjectAt(0), "version").equals(BigInteger.valueOf(seal.version))) {
                throw new Refused("TBS_Sign version is not " + seal.version);
            }
        }
    }

    private static final class SesSeal {
        byte[] encoded;
        int version;
        ASN1Sequence info;
        /** What the maker signed. */
        ASN1Sequence signed;
        Certificate certificate;
        ASN1ObjectIdentifier algorithm;
        byte[] signature;
        /** The token of version 5, where there is one. */
        byte[] timeStamp;
        int certListType;
        ASN1Sequence certList;

        static SesSeal parse(ASN1Sequence top) throws Exception {
            SesSeal seal = new SesSeal();
            size(top, 2, 5, "SESeal");
            seal.encoded = top.getEncoded(ASN1Encoding.DER);
            seal.info = sequence(top.getObjectAt(0), "eSealInfo");
            size(seal.info, 4, 5, "SES_SealInfo");
            ASN1Sequence header = sequence(seal.info.getObjectAt(0), "header");
            size(header, 3, 3, "SES_Header");
            if (!typed(ASN1IA5String.class, header.getObjectAt(0), "ID").getString().equals("ES")) {
                throw new Refused("header ID is not ES");
            }
            seal.version = integer(header.getObjectAt(1), "version").intValueExact();
            if (seal.version != 1 && seal.version != 4 && seal.version != 5) {
                throw new Refused("header version " + seal.version);
            }
            int elements = top.size();
            if (seal.version == 1 ? elements != 2 : seal.version == 4 ? elements != 4 : elements < 4) {
                throw new Refused("SESeal of version " + seal.version + " has " + elements + " elements");
            }
            typed(ASN1IA5String.class, header.getObjectAt(2), "Vid");
            typed(ASN1IA5String.class, seal.info.getObjectAt(1), "esID");
            ASN1Sequence property = sequence(seal.info.getObjectAt(2), "property");
            boolean first = seal.version == 1;
            size(property, first ? 6 : 7, first ? 6 : 7, "SES_ESPropertyInfo");
            integer(property.getObjectAt(0), "type");
            typed(ASN1UTF8String.class, property.getObjectAt(1), "name");
            // Version 1 lists certificates, and has no number for their kind.
            seal.certListType = first ? 1 : integer(property.getObjectAt(2), "certListType").intValueExact();
            seal.certList = sequence(property.getObjectAt(first ? 2 : 3), "certList");
            for (int i = first ? 3 : 4; i < property.size(); i++) {
                if (first) {
                    typed(ASN1UTCTime.class, property.getObjectAt(i), "seal time");
                } else {
                    typed(ASN1GeneralizedTime.class, property.getObjectAt(i), "seal time");
                }
            }
            ASN1Sequence picture = sequence(seal.info.getObjectAt(3), "picture");
            size(picture, 4, 4, "SES_ESPictrueInfo");
            typed(ASN1IA5String.class, picture.getObjectAt(0), "picture type");
            octets(picture.getObjectAt(1), "picture data");
            integer(picture.getObjectAt(2), "width");
            integer(picture.getObjectAt(3), "height");
            if (seal.info.size() == 5) {
                extDatas(seal.info.getObjectAt(4));
            }
            if (first) {
                ASN1Sequence signInfo = sequence(top.getObjectAt(1), "signInfo");
                size(signInfo, 3, 3, "SES_SignInfo");
                seal.certificate = certificate(octets(signInfo.getObjectAt(0), "maker cert"));
                seal.algorithm = typed(ASN1ObjectIdentifier.class, signInfo.getObjectAt(1), "signatureAlgorithm");
                seal.signature = bits(signInfo.getObjectAt(2), "signData");
                seal.signed = new DERSequence(
                        new ASN1Encodable[] {seal.info, signInfo.getObjectAt(0), signInfo.getObjectAt(1)});
                return seal;
            }
            seal.certificate = certificate(octets(top.getObjectAt(1), "maker cert"));
            seal.algorithm = typed(ASN1ObjectIdentifier.class, top.getObjectAt(2), "signAlgID");
            seal.signature = bits(top.getObjectAt(3), "signedValue");
            seal.signed = seal.info;
            if (top.size() == 5) {
                ASN1TaggedObject tagged = typed(ASN1TaggedObject.class, top.getObjectAt(4), "timeStamp");
                if (tagged.getTagNo() != 0 || !tagged.isExplicit()) {
                    throw new Refused("timeStamp is not [0] EXPLICIT");
                }
                seal.timeStamp = bits(tagged.getExplicitBaseObject(), "timeStamp");
            }
            return seal;
        }

        void requireListed(byte[] signer) throws Exception {
            for (ASN1Encodable item : certList) {
                if (certListType == 1) {
                    if (Arrays.equals(octets(item, "listed cert"), signer)) {
                        return;
                    }
                } else if (certListType == 2) {
                    ASN1Sequence digest = sequence(item, "CertDigestObj");
                    size(digest, 2, 2, "CertDigestObj");
                    typed(ASN1PrintableString.class, digest.getObjectAt(0), "digest type");
                    byte[] value = octets(digest.getObjectAt(1), "digest value");
                    if (Arrays.equals(value, sm3(signer)) || Arrays.equals(value, sha256(signer))) {
                        return;
                    }
                } else {
                    throw new Refused("certListType " + certListType);
                }
            }
            throw new Refused("the seal does not list the signer");
        }
    }

    // ---- certificates and signatures ----

    private static Certificate certificate(byte[] input) throws Exception {
        return Certificate.getInstance(strict(input, "certificate"));
    }

    private static List<Certificate> pem(Path path) throws Exception {
        List<Certificate> found = new ArrayList<>();
        String text = Files.readString(path);
        int at = 0;
        while ((at = text.indexOf("-----BEGIN CERTIFICATE-----", at)) >= 0) {
            int start = at + "-----BEGIN CERTIFICATE-----".length();
            int end = text.indexOf("-----END CERTIFICATE-----", start);
            if (end < 0) {
                throw new IOException("unfinished PEM: " + path);
            }
            found.add(certificate(Base64.getMimeDecoder().decode(text.substring(start, end))));
            at = end;
        }
        if (found.isEmpty()) {
            throw new IOException("no certificate in " + path);
        }
        return found;
    }

    private static void issued(String whose, Certificate certificate, List<Certificate> trust) throws Exception {
        for (Certificate anchor : trust) {
            if (!anchor.getSubject().equals(certificate.getIssuer())) {
                continue;
            }
            if (!certificate.getSignatureAlgorithm().equals(certificate.getTBSCertificate().getSignature())) {
                throw new Refused(whose + " names two signature algorithms");
            }
            byte[] tbs = certificate.getTBSCertificate().getEncoded(ASN1Encoding.DER);
            verifyValue(anchor, certificate.getSignatureAlgorithm().getAlgorithm(), tbs,
                    certificate.getSignature().getOctets());
            return;
        }
        throw new Refused(whose + " was issued by none of the trusted");
    }

    /**
     * A token of RFC 3161 by an SM2 key, over the octets of the maker's value (an assumption: the text of GM/T 0031-2025
     * was not at hand).
     */
    private static void timeStamp(byte[] token, byte[] over, List<Certificate> trust) throws Exception {
        ASN1Sequence message = strict(token, "token");
        oid(message.getObjectAt(0), "1.2.840.113549.1.7.2", "content type");
        ASN1Sequence signed = sequence(tagged(message.getObjectAt(1), 0).getExplicitBaseObject(), "SignedData");
        ASN1Sequence inside = sequence(signed.getObjectAt(2), "encapContentInfo");
        oid(inside.getObjectAt(0), "1.2.840.113549.1.9.16.1.4", "eContentType");
        byte[] content = octets(tagged(inside.getObjectAt(1), 0).getExplicitBaseObject(), "eContent");
        ASN1Sequence imprint = sequence(strict(content, "TSTInfo").getObjectAt(2), "messageImprint");
        sm3Named(imprint.getObjectAt(0), "messageImprint");
        if (!Arrays.equals(octets(imprint.getObjectAt(1), "hashedMessage"), sm3(over))) {
            throw new Refused("the time stamp is over something else");
        }
        List<Certificate> carried = new ArrayList<>();
        ASN1Set signers = null;
        for (int i = 3; i < signed.size(); i++) {
            ASN1Encodable part = signed.getObjectAt(i);
            if (part instanceof ASN1TaggedObject && ((ASN1TaggedObject) part).getTagNo() == 0) {
                for (ASN1Encodable one : ASN1Set.getInstance((ASN1TaggedObject) part, false)) {
                    carried.add(Certificate.getInstance(one));
                }
            } else if (part instanceof ASN1Set) {
                signers = (ASN1Set) part;
            }
        }
        if (signers == null || signers.size() != 1) {
            throw new Refused("the token has not one signer");
        }
        ASN1Sequence signer = sequence(signers.getObjectAt(0), "SignerInfo");
        sm3Named(signer.getObjectAt(2), "digestAlgorithm");
        ASN1Set attributes = ASN1Set.getInstance(tagged(signer.getObjectAt(3), 0), false);
        byte[] digest = null;
        for (ASN1Encodable attribute : attributes) {
            ASN1Sequence pair = sequence(attribute, "attribute");
            if (pair.getObjectAt(0).equals(new ASN1ObjectIdentifier("1.2.840.113549.1.9.4"))) {
                digest = octets(ASN1Set.getInstance(pair.getObjectAt(1)).getObjectAt(0), "messageDigest");
            }
        }
        if (!Arrays.equals(digest, sm3(content))) {
            throw new Refused("messageDigest is not that of TSTInfo");
        }
        ASN1Sequence named = sequence(signer.getObjectAt(1), "issuerAndSerialNumber");
        byte[] value = octets(signer.getObjectAt(5), "signature");
        for (Certificate one : carried) {
            if (!one.getIssuer().equals(X500Name.getInstance(named.getObjectAt(0)))
                    || !one.getSerialNumber().equals(named.getObjectAt(1))) {
                continue;
            }
            ExtendedKeyUsage purposes = ExtendedKeyUsage.fromExtensions(one.getTBSCertificate().getExtensions());
            if (purposes == null || purposes.size() != 1 || !purposes.hasKeyPurposeId(KeyPurposeId.id_kp_timeStamping)) {
                throw new Refused("the time stamper's certificate is not for time stamps alone");
            }
            verifyValue(one, SM2_WITH_SM3, attributes.getEncoded(ASN1Encoding.DER), value);
            issued("time stamper", one, trust);
            return;
        }
        throw new Refused("the token does not carry its signer's certificate");
    }

    private static ASN1TaggedObject tagged(ASN1Encodable value, int number) throws Refused {
        ASN1TaggedObject found = typed(ASN1TaggedObject.class, value, "tagged");
        if (found.getTagNo() != number) {
            throw new Refused("tag " + found.getTagNo() + " where " + number + " is expected");
        }
        return found;
    }

    private static void oid(ASN1Encodable value, String expected, String what) throws Refused {
        if (!typed(ASN1ObjectIdentifier.class, value, what).getId().equals(expected)) {
            throw new Refused(what + " is " + value);
        }
    }

    private static void sm3Named(ASN1Encodable algorithm, String what) throws Refused {
        oid(sequence(algorithm, what).getObjectAt(0), GMObjectIdentifiers.sm3.getId(), what);
    }

    private static boolean isSm2(ASN1ObjectIdentifier algorithm) {
        return algorithm.equals(SM2_WITH_SM3);
    }

    private static void verifyValue(Certificate by, ASN1ObjectIdentifier algorithm, byte[] message, byte[] value)
            throws Exception {
        var key = PublicKeyFactory.createKey(by.getSubjectPublicKeyInfo());
        boolean right;
        if (isSm2(algorithm)) {
            strict(value, "SM2 signature");
            SM2Signer verifier = new SM2Signer(new SM3Digest());
            verifier.init(false, new ParametersWithID(key, DEFAULT_ID));
            verifier.update(message, 0, message.length);
            right = verifier.verifySignature(value);
        } else if (algorithm.equals(RSA_WITH_SHA256)) {
            RSADigestSigner verifier = new RSADigestSigner(new SHA256Digest());
            verifier.init(false, (RSAKeyParameters) key);
            verifier.update(message, 0, message.length);
            right = verifier.verifySignature(value);
        } else {
            throw new Refused("algorithm " + algorithm);
        }
        if (!right) {
            throw new Refused("wrong value under the key of " + by.getSubject());
        }
    }

    private static byte[] sm3(byte[] input) {
        SM3Digest digest = new SM3Digest();
        digest.update(input, 0, input.length);
        byte[] out = new byte[digest.getDigestSize()];
        digest.doFinal(out, 0);
        return out;
    }

    private static byte[] sha256(byte[] input) throws Exception {
        return MessageDigest.getInstance("SHA-256").digest(input);
    }

    // ---- output ----

    private static String json(Map<String, String> line) {
        StringBuilder out = new StringBuilder("{");
        for (Map.Entry<String, String> entry : line.entrySet()) {
            out.append(out.length() > 1 ? "," : "").append(quote(entry.getKey())).append(':').append(quote(entry.getValue()));
        }
        return out.append('}').toString();
    }

    private static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20 || c > 0x7e) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
