import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import javax.crypto.spec.*;
import javax.mail.Session;
import javax.mail.internet.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.pkcs.*;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.mail.smime.*;
import org.bouncycastle.operator.*;
import org.bouncycastle.operator.bc.BcDigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.*;
import org.bouncycastle.util.Store;

/** Bouncy Castle as a peer: reads one command a line, answers with one line, until its input ends.
 *
 *  A command is a word and arguments {@code name=value}, separated by tabs; values of files are paths. The answer is
 *  {@code ok} with a value, or {@code error} with what Bouncy Castle said.
 */
@SuppressWarnings({"rawtypes", "unchecked"})
public final class BouncyCastle {
    private static final Map<String, PrivateKey> KEYS = new HashMap<>();
    private static final Map<String, X509Certificate> CERTIFICATES = new HashMap<>();

    private final Map<String, String> arguments = new HashMap<>();

    public static void main(String[] unused) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        // Its S/MIME handlers are found through the class loader of the thread.
        Thread.currentThread().setContextClassLoader(BouncyCastle.class.getClassLoader());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok\t" + new BouncyCastle(line).run(line.split("\t")[0]);
            } catch (Throwable error) {
                answer = "error\t" + describe(error);
            }
            System.out.println(answer);
            System.out.flush();
        }
    }

    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            String words = cause.getClass().getSimpleName() + ": " + cause.getMessage();
            text.append(text.length() == 0 ? "" : " <- ").append(words);
            if (cause == cause.getCause()) {
                break;
            }
        }
        return text.toString().replaceAll("[\\t\\r\\n]+", " ");
    }

    private BouncyCastle(String line) {
        for (String argument : line.split("\t")) {
            int equals = argument.indexOf('=');
            if (equals > 0) {
                arguments.put(argument.substring(0, equals), argument.substring(equals + 1));
            }
        }
    }

    private String run(String command) throws Exception {
        switch (command) {
            case "version": return new BouncyCastleProvider().getInfo();
            case "sign": return sign();
            case "verify": return verify();
            case "encrypt": return encrypt();
            case "decrypt": return decrypt();
            case "compress": return compress();
            case "decompress": return decompress();
            case "write-certificates": return writeCertificates();
            case "read-certificates": return readCertificates();
            case "write-pkcs12": return writePkcs12();
            case "read-pkcs12": return readPkcs12();
            case "path": return path();
            default: throw new IllegalArgumentException("no command " + command);
        }
    }

    // What commands are made of.

    private String get(String name) {
        String value = arguments.get(name);
        if (value == null) {
            throw new IllegalArgumentException("missing " + name);
        }
        return value;
    }

    private boolean has(String name) {
        return arguments.containsKey(name);
    }

    private String[] list(String name) {
        String value = arguments.getOrDefault(name, "");
        return value.isEmpty() ? new String[0] : value.split(",");
    }

    private byte[] read(String name) throws IOException {
        return Files.readAllBytes(Paths.get(get(name)));
    }

    private void write(byte[] bytes) throws IOException {
        Files.write(Paths.get(get("out")), bytes);
    }

    private static X509Certificate certificate(String path) throws Exception {
        if (!CERTIFICATES.containsKey(path)) {
            CERTIFICATES.put(path, parse(Files.readAllBytes(Paths.get(path)), "BC"));
        }
        return CERTIFICATES.get(path);
    }

    private static X509Certificate parse(byte[] der, String provider) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509", provider)
            .generateCertificate(new ByteArrayInputStream(der));
    }

    private static PrivateKey key(String path) throws Exception {
        if (!KEYS.containsKey(path)) {
            KEYS.put(path, BouncyCastleProvider.getPrivateKey(
                PrivateKeyInfo.getInstance(Files.readAllBytes(Paths.get(path)))));
        }
        if (KEYS.get(path) == null) {
            throw new IOException("the key's algorithm is not known");
        }
        return KEYS.get(path);
    }

    // Signing: signers=KEY:CERTIFICATE:ALGORITHM,…

    private List<SignerInfoGenerator> signers() throws Exception {
        List<SignerInfoGenerator> generators = new ArrayList<>();
        DigestCalculatorProvider digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
        for (String signer : list("signers")) {
            String[] parts = signer.split(":");
            X509Certificate certificate = certificate(parts[1]);
            ContentSigner content = new JcaContentSignerBuilder(parts[2]).setProvider("BC").build(key(parts[0]));
            JcaSignerInfoGeneratorBuilder builder = new JcaSignerInfoGeneratorBuilder(digests);
            builder.setDirectSignature(has("bare"));
            generators.add(has("by-key")
                ? builder.build(content, subjectKeyIdentifier(certificate))
                : builder.build(content, certificate));
        }
        return generators;
    }

    private static byte[] subjectKeyIdentifier(X509Certificate certificate) {
        return ASN1OctetString.getInstance(
            ASN1OctetString.getInstance(certificate.getExtensionValue("2.5.29.14")).getOctets()).getOctets();
    }

    private Store<X509CertificateHolder> certificates() throws Exception {
        List<X509Certificate> certificates = new ArrayList<>();
        for (String path : list("certificates")) {
            certificates.add(certificate(path));
        }
        return new JcaCertStore(certificates);
    }

    private String sign() throws Exception {
        byte[] content = read("in");
        switch (get("form")) {
            case "clear": {
                SMIMESignedGenerator generator = new SMIMESignedGenerator();
                signers().forEach(generator::addSignerInfoGenerator);
                generator.addCertificates(certificates());
                MimeMessage mail = mail();
                mail.setContent(generator.generate(new MimeBodyPart(new ByteArrayInputStream(content))));
                return writeMail(mail);
            }
            case "opaque": {
                SMIMESignedGenerator generator = new SMIMESignedGenerator();
                signers().forEach(generator::addSignerInfoGenerator);
                generator.addCertificates(certificates());
                return writeMail(generator.generateEncapsulated(new MimeBodyPart(new ByteArrayInputStream(content))));
            }
            case "ber": {
                CMSSignedDataStreamGenerator generator = new CMSSignedDataStreamGenerator();
                signers().forEach(generator::addSignerInfoGenerator);
                generator.addCertificates(certificates());
                generator.setBufferSize(1000);
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                try (OutputStream stream = generator.open(out, true)) {
                    stream.write(content);
                }
                write(out.toByteArray());
                return "";
            }
            default: {
                CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
                signers().forEach(generator::addSignerInfoGenerator);
                generator.addCertificates(certificates());
                boolean detached = get("form").equals("detached");
                CMSSignedData signed = generator.generate(new CMSProcessableByteArray(content), !detached);
                write(signed.toASN1Structure().getEncoded(ASN1Encoding.DER));
                return "";
            }
        }
    }

    private String verify() throws Exception {
        CMSSignedData signed;
        byte[] content = null;
        switch (get("form")) {
            case "clear": {
                SMIMESigned mail = new SMIMESigned((MimeMultipart) readMail().getContent());
                content = bytes(mail.getContent());
                signed = mail;
                break;
            }
            case "opaque": {
                SMIMESigned mail = new SMIMESigned(readMail());
                content = (byte[]) mail.getSignedContent().getContent();
                signed = mail;
                break;
            }
            case "detached":
                content = read("content");
                signed = new CMSSignedData(new CMSProcessableByteArray(content), read("in"));
                break;
            default:
                signed = new CMSSignedData(read("in"));
                content = (byte[]) signed.getSignedContent().getContent();
        }
        X509Certificate root = certificate(get("root"));
        int count = 0;
        for (SignerInformation signer : signed.getSignerInfos()) {
            @SuppressWarnings("unchecked")
            Collection<X509CertificateHolder> found = signed.getCertificates().getMatches(signer.getSID());
            if (found.isEmpty()) {
                throw new CMSException("no certificate for the signer");
            }
            X509CertificateHolder holder = found.iterator().next();
            SignerInformationVerifier verifier =
                new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(holder);
            if (!signer.verify(verifier)) {
                throw new CMSException("signature does not verify");
            }
            // To the root, through whatever came along.
            X509CertSelector target = new X509CertSelector();
            target.setCertificate(new JcaX509CertificateConverter().setProvider("BC").getCertificate(holder));
            PKIXBuilderParameters parameters =
                new PKIXBuilderParameters(Collections.singleton(new TrustAnchor(root, null)), target);
            parameters.setRevocationEnabled(false);
            List<X509Certificate> all = new ArrayList<>();
            for (X509CertificateHolder other : signed.getCertificates().getMatches(null)) {
                all.add(new JcaX509CertificateConverter().setProvider("BC").getCertificate(other));
            }
            parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(all), "BC"));
            CertPathBuilder.getInstance("PKIX", "BC").build(parameters);
            count++;
        }
        write(content);
        return String.valueOf(count);
    }

    // Encrypting: recipients=KIND:…,… with
    // trans:CERTIFICATE:DIGEST (none, or the OAEP digest), agree:CERTIFICATE:DIGEST, password:TEXT, shared:HEX

    private List<RecipientInfoGenerator> recipients(ASN1ObjectIdentifier wrap) throws Exception {
        List<RecipientInfoGenerator> generators = new ArrayList<>();
        for (String recipient : list("recipients")) {
            String[] parts = recipient.split(":");
            switch (parts[0]) {
                case "trans": {
                    X509Certificate certificate = certificate(parts[1]);
                    if (parts.length == 2) {
                        generators.add(has("by-key")
                            ? new JceKeyTransRecipientInfoGenerator(subjectKeyIdentifier(certificate),
                                certificate.getPublicKey()).setProvider("BC")
                            : new JceKeyTransRecipientInfoGenerator(certificate).setProvider("BC"));
                        break;
                    }
                    OAEPParameterSpec oaep = new OAEPParameterSpec(
                        parts[2], "MGF1", new MGF1ParameterSpec(parts[2]), PSource.PSpecified.DEFAULT);
                    AlgorithmIdentifier algorithm = new JcaAlgorithmParametersConverter()
                        .getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP, oaep);
                    generators.add(
                        new JceKeyTransRecipientInfoGenerator(certificate, algorithm).setProvider("BC"));
                    break;
                }
                case "agree": {
                    X509Certificate certificate = certificate(parts[1]);
                    PublicKey key = certificate.getPublicKey();
                    boolean edwards = !(key instanceof java.security.interfaces.ECKey);
                    KeyPairGenerator pairs = KeyPairGenerator.getInstance(edwards ? key.getAlgorithm() : "EC", "BC");
                    if (!edwards) {
                        pairs.initialize(((java.security.interfaces.ECKey) key).getParams());
                    }
                    KeyPair ephemeral = pairs.generateKeyPair();
                    generators.add(new JceKeyAgreeRecipientInfoGenerator(agreement(parts[2]),
                        ephemeral.getPrivate(), ephemeral.getPublic(), wrap)
                        .addRecipient(certificate).setProvider("BC"));
                    break;
                }
                case "password":
                    generators.add(new JcePasswordRecipientInfoGenerator(CMSAlgorithm.AES256_CBC, parts[1].toCharArray())
                        .setProvider("BC").setPRF(PasswordRecipient.PRF.HMacSHA256)
                        .setSaltAndIterationCount("salt of 16 bytes".getBytes(), 10000));
                    break;
                default: {
                    byte[] key = org.bouncycastle.util.encoders.Hex.decode(parts[1]);
                    generators.add(new JceKEKRecipientInfoGenerator("shared".getBytes(), new SecretKeySpec(key, "AES"))
                        .setProvider("BC"));
                }
            }
        }
        return generators;
    }

    private static ASN1ObjectIdentifier agreement(String digest) {
        switch (digest) {
            case "SHA-1": return CMSAlgorithm.ECDH_SHA1KDF;
            case "SHA-224": return CMSAlgorithm.ECDH_SHA224KDF;
            case "SHA-256": return CMSAlgorithm.ECDH_SHA256KDF;
            case "SHA-384": return CMSAlgorithm.ECDH_SHA384KDF;
            case "SHA-512": return CMSAlgorithm.ECDH_SHA512KDF;
            // RFC 8418 section 2.3
            case "HKDF-SHA-256": return new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.3.19");
            case "HKDF-SHA-384": return new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.3.20");
            default: return new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.3.21");
        }
    }

    private static ASN1ObjectIdentifier cipher(String name) throws Exception {
        switch (name) {
            case "3DES-CBC": return CMSAlgorithm.DES_EDE3_CBC;
            case "RC2-CBC-40": case "RC2-CBC-64": case "RC2-CBC-128": return CMSAlgorithm.RC2_CBC;
            case "ChaCha20-Poly1305": return new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.3.18");
            default:
                return (ASN1ObjectIdentifier) CMSAlgorithm.class
                    .getField(name.replaceFirst("AES-", "AES").replace('-', '_')).get(null);
        }
    }

    private String encrypt() throws Exception {
        String name = get("cipher");
        byte[] content = read("in");
        ASN1ObjectIdentifier wrap = name.contains("128") ? CMSAlgorithm.AES128_WRAP
            : name.contains("192") ? CMSAlgorithm.AES192_WRAP : CMSAlgorithm.AES256_WRAP;
        JceCMSContentEncryptorBuilder builder = name.startsWith("RC2")
            ? new JceCMSContentEncryptorBuilder(cipher(name), Integer.parseInt(name.substring(8)))
            : new JceCMSContentEncryptorBuilder(cipher(name));
        OutputEncryptor encryptor = builder.setProvider("BC").build();
        if (name.startsWith("ChaCha20") && !(encryptor instanceof OutputAEADEncryptor)) {
            // RFC 8103 section 3: never in EnvelopedData.
            throw new CMSException("content encryptor for " + name + " is no OutputAEADEncryptor");
        }
        String form = get("form");
        if (form.equals("mail") && !(encryptor instanceof OutputAEADEncryptor)) {
            SMIMEEnvelopedGenerator generator = new SMIMEEnvelopedGenerator();
            recipients(wrap).forEach(generator::addRecipientInfoGenerator);
            return writeMail(generator.generate(new MimeBodyPart(new ByteArrayInputStream(content)), encryptor));
        }
        if (form.equals("ber") && !(encryptor instanceof OutputAEADEncryptor)) {
            CMSEnvelopedDataStreamGenerator generator = new CMSEnvelopedDataStreamGenerator();
            recipients(wrap).forEach(generator::addRecipientInfoGenerator);
            generator.setBufferSize(1000);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (OutputStream stream = generator.open(out, encryptor)) {
                stream.write(content);
            }
            write(out.toByteArray());
            return "";
        }
        String encoding = form.equals("ber") ? ASN1Encoding.BER : ASN1Encoding.DER;
        if (encryptor instanceof OutputAEADEncryptor) {
            CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
            recipients(wrap).forEach(generator::addRecipientInfoGenerator);
            CMSAuthEnvelopedData data =
                generator.generate(new CMSProcessableByteArray(content), (OutputAEADEncryptor) encryptor);
            write(data.toASN1Structure().getEncoded(encoding));
        } else {
            CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
            recipients(wrap).forEach(generator::addRecipientInfoGenerator);
            CMSEnvelopedData data = generator.generate(new CMSProcessableByteArray(content), encryptor);
            write(data.toASN1Structure().getEncoded(encoding));
        }
        return "";
    }

    private String decrypt() throws Exception {
        byte[] message = get("form").equals("mail") ? bytes(readMail().getInputStream()) : read("in");
        ContentInfoReader info = new ContentInfoReader(message);
        Recipient recipient = null;
        RecipientInformation found = null;
        for (RecipientInformation candidate : info.recipients.getRecipients()) {
            if (has("password") && candidate instanceof PasswordRecipientInformation) {
                recipient = new JcePasswordEnvelopedRecipient(get("password").toCharArray()).setProvider("BC");
                found = candidate;
            } else if (has("shared") && candidate instanceof KEKRecipientInformation) {
                byte[] key = org.bouncycastle.util.encoders.Hex.decode(get("shared"));
                recipient = new JceKEKEnvelopedRecipient(new SecretKeySpec(key, "AES")).setProvider("BC");
                found = candidate;
            } else if (has("certificate")) {
                X509Certificate certificate = certificate(get("certificate"));
                PrivateKey key = key(get("key"));
                if (candidate instanceof KeyAgreeRecipientInformation
                    && candidate.getRID().match(new JcaX509CertificateHolder(certificate))) {
                    recipient = new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
                    found = candidate;
                } else if (candidate instanceof KeyTransRecipientInformation
                    && candidate.getRID().match(new JcaX509CertificateHolder(certificate))) {
                    recipient = info.authenticated
                        ? new JceKeyTransAuthEnvelopedRecipient(key).setProvider("BC")
                        : new JceKeyTransEnvelopedRecipient(key).setProvider("BC");
                    found = candidate;
                }
            }
        }
        if (found == null) {
            throw new CMSException("no recipient is ours");
        }
        write(found.getContent(recipient));
        return "";
    }

    private static final class ContentInfoReader {
        final boolean authenticated;
        final RecipientInformationStore recipients;

        ContentInfoReader(byte[] message) throws Exception {
            ASN1ObjectIdentifier type =
                org.bouncycastle.asn1.cms.ContentInfo.getInstance(ASN1Primitive.fromByteArray(message)).getContentType();
            authenticated = type.equals(PKCSObjectIdentifiers.id_ct_authEnvelopedData);
            recipients = authenticated
                ? new CMSAuthEnvelopedData(message).getRecipientInfos()
                : new CMSEnvelopedData(message).getRecipientInfos();
        }
    }

    // Compressing, and certificates alone.

    private String compress() throws Exception {
        byte[] content = read("in");
        if (get("form").equals("mail")) {
            return writeMail(new SMIMECompressedGenerator()
                .generate(new MimeBodyPart(new ByteArrayInputStream(content)), new ZlibCompressor()));
        }
        CMSCompressedData data =
            new CMSCompressedDataGenerator().generate(new CMSProcessableByteArray(content), new ZlibCompressor());
        write(data.getEncoded());
        return "";
    }

    private String decompress() throws Exception {
        byte[] message = get("form").equals("mail") ? bytes(readMail().getInputStream()) : read("in");
        write(new CMSCompressedData(message).getContent(new ZlibExpanderProvider()));
        return "";
    }

    private String writeCertificates() throws Exception {
        if (get("form").equals("mail")) {
            SMIMESignedGenerator generator = new SMIMESignedGenerator();
            generator.addCertificates(certificates());
            return writeMail(generator.generateCertificateManagement());
        }
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addCertificates(certificates());
        write(generator.generate(new CMSAbsentContent()).getEncoded());
        return "";
    }

    private String readCertificates() throws Exception {
        byte[] message = get("form").equals("mail") ? bytes(readMail().getInputStream()) : read("in");
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (X509CertificateHolder certificate : new CMSSignedData(message).getCertificates().getMatches(null)) {
            all.write(certificate.getEncoded());
        }
        write(all.toByteArray());
        return "";
    }

    // PKCS #12: entries=KEY:CERTIFICATE:CHAIN…,…

    private String writePkcs12() throws Exception {
        KeyStore store = KeyStore.getInstance(get("type"), get("provider"));
        store.load(null, null);
        boolean alone = !get("provider").equals("BC");
        if (alone) {
            // With Bouncy Castle at hand the runtime's own key store writes files that nobody opens.
            Security.removeProvider("BC");
        }
        try {
            int count = 0;
            for (String entry : list("entries")) {
                String[] parts = entry.split(":");
                List<X509Certificate> chain = new ArrayList<>();
                for (String path : Arrays.asList(parts).subList(1, parts.length)) {
                    chain.add(alone ? parse(Files.readAllBytes(Paths.get(path)), "SUN") : certificate(path));
                }
                PrivateKey key = key(parts[0]);
                if (alone) {
                    key = KeyFactory.getInstance(key.getAlgorithm().replace("ECDSA", "EC"))
                        .generatePrivate(new PKCS8EncodedKeySpec(key.getEncoded()));
                }
                store.setKeyEntry("entry " + count++, key, get("password").toCharArray(),
                    chain.toArray(new X509Certificate[0]));
            }
            try (OutputStream out = new FileOutputStream(get("out"))) {
                store.store(out, get("password").toCharArray());
            }
        } finally {
            if (alone) {
                Security.addProvider(new BouncyCastleProvider());
            }
        }
        return "";
    }

    private String readPkcs12() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12", get("provider"));
        char[] password = get("password").toCharArray();
        store.load(new ByteArrayInputStream(read("in")), password);
        List<String> found = new ArrayList<>();
        for (String alias : Collections.list(store.aliases())) {
            if (store.isKeyEntry(alias)) {
                byte[] key = store.getKey(alias, password).getEncoded();
                String fingerprint = fingerprint(store.getCertificate(alias).getEncoded());
                if (!matches(store.getCertificate(alias).getPublicKey(), key)) {
                    throw new KeyStoreException("the key does not match the certificate");
                }
                found.add(fingerprint + "+" + (store.getCertificateChain(alias).length - 1));
            }
        }
        Collections.sort(found);
        return String.join(",", found);
    }

    private static boolean matches(PublicKey publicKey, byte[] pkcs8) throws Exception {
        PrivateKey key = BouncyCastleProvider.getPrivateKey(PrivateKeyInfo.getInstance(pkcs8));
        String algorithm = publicKey.getAlgorithm().startsWith("EC") ? "SHA256withECDSA" : "SHA256withRSA";
        PublicKey again = BouncyCastleProvider.getPublicKey(
            org.bouncycastle.asn1.x509.SubjectPublicKeyInfo.getInstance(publicKey.getEncoded()));
        Signature signature = Signature.getInstance(algorithm, "BC");
        signature.initSign(key);
        signature.update(pkcs8);
        byte[] value = signature.sign();
        signature.initVerify(again);
        signature.update(pkcs8);
        return signature.verify(value);
    }

    private static String fingerprint(byte[] der) throws Exception {
        return org.bouncycastle.util.encoders.Hex.toHexString(MessageDigest.getInstance("SHA-256").digest(der));
    }

    // Paths: leaf, anchors, intermediates, lists as files; at in milliseconds; policies as identifiers.

    private String path() throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        Set<TrustAnchor> anchors = new HashSet<>();
        for (String path : list("anchors")) {
            anchors.add(new TrustAnchor(certificate(path), null));
        }
        List<Object> objects = new ArrayList<>();
        for (String path : list("intermediates")) {
            objects.add(certificate(path));
        }
        for (String path : list("lists")) {
            objects.add(factory.generateCRL(new ByteArrayInputStream(Files.readAllBytes(Paths.get(path)))));
        }
        X509Certificate leaf = certificate(get("leaf"));
        objects.add(leaf);
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(leaf);
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, target);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(objects), "BC"));
        parameters.setDate(new Date(Long.parseLong(get("at"))));
        parameters.setRevocationEnabled(list("lists").length > 0);
        parameters.setMaxPathLength(Integer.parseInt(arguments.getOrDefault("depth", "10")));
        if (has("policies")) {
            parameters.setInitialPolicies(new HashSet<>(Arrays.asList(list("policies"))));
        }
        parameters.setExplicitPolicyRequired(has("explicit"));
        parameters.setPolicyMappingInhibited(has("no-mapping"));
        parameters.setAnyPolicyInhibited(has("no-any"));
        PKIXExtendedParameters deltas = new PKIXExtendedParameters.Builder(parameters).setUseDeltasEnabled(true).build();
        CertPathBuilder.getInstance("PKIX", "BC").build(new PKIXExtendedBuilderParameters.Builder(deltas)
            .setMaxPathLength(parameters.getMaxPathLength()).build());
        return "";
    }

    // Mail.

    private static MimeMessage mail() throws Exception {
        MimeMessage mail = new MimeMessage(Session.getInstance(new Properties()));
        mail.setFrom(new InternetAddress("sender@example.org"));
        mail.setSubject("interop");
        return mail;
    }

    private String writeMail(MimeBodyPart part) throws Exception {
        MimeMessage mail = mail();
        mail.setContent(part.getContent(), part.getContentType());
        for (String field : new String[] {"Content-Type", "Content-Disposition", "Content-Transfer-Encoding"}) {
            mail.setHeader(field, part.getHeader(field)[0]);
        }
        return writeMail(mail);
    }

    private String writeMail(MimeMessage mail) throws Exception {
        mail.saveChanges();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        mail.writeTo(out);
        write(out.toByteArray());
        return "";
    }

    private MimeMessage readMail() throws Exception {
        return new MimeMessage(Session.getInstance(new Properties()), new ByteArrayInputStream(read("in")));
    }

    private static byte[] bytes(MimeBodyPart part) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        part.writeTo(out);
        return out.toByteArray();
    }

    private static byte[] bytes(InputStream in) throws IOException {
        return in.readAllBytes();
    }
}
