"""Python's `cryptography` as a peer: reads one command a line, answers with one line, until its input ends.

A command is a word and arguments name=value, separated by tabs; values of files are paths. The answer is "ok" with a
value, or "error" with what the library said.
"""

import sys

import cryptography
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

ENCODINGS = {
    "clear": serialization.Encoding.SMIME,
    "opaque": serialization.Encoding.SMIME,
    "pem": serialization.Encoding.PEM,
}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def certificate(path):
    return x509.load_der_x509_certificate(read(path))


def key(path):
    return serialization.load_der_private_key(read(path), None)


def split(value):
    return value.split(",") if value else []


def sign(a):
    builder = pkcs7.PKCS7SignatureBuilder().set_data(read(a["in"]))
    for signer in split(a["signers"]):
        private, public, digest = signer.split(":")
        builder = builder.add_signer(certificate(public), key(private), getattr(hashes, digest)())
    for path in split(a["certificates"]):
        builder = builder.add_certificate(certificate(path))
    options = [] if a["form"] == "clear" else [pkcs7.PKCS7Options.Binary]
    if a["form"] in ("clear", "detached"):
        options.append(pkcs7.PKCS7Options.DetachedSignature)
    if "bare" in a:
        options.append(pkcs7.PKCS7Options.NoAttributes)
    encoding = ENCODINGS.get(a["form"], serialization.Encoding.DER)
    write(a["out"], builder.sign(encoding, options))
    return ""


def write_certificates(a):
    encoding = ENCODINGS.get(a["form"], serialization.Encoding.DER)
    write(a["out"], pkcs7.serialize_certificates([certificate(path) for path in split(a["certificates"])], encoding))
    return ""


def read_certificates(a):
    load = pkcs7.load_pem_pkcs7_certificates if a["form"] == "pem" else pkcs7.load_der_pkcs7_certificates
    found = load(read(a["in"]))
    write(a["out"], b"".join(one.public_bytes(serialization.Encoding.DER) for one in found))
    return ""


def write_pkcs12(a):
    private, public, *chain = a["entries"].split(":")
    protection = serialization.BestAvailableEncryption(a["password"].encode())
    if a["type"] == "legacy":
        protection = (
            serialization.PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(2048)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
            .hmac_hash(hashes.SHA1())
            .build(a["password"].encode())
        )
    others = [certificate(path) for path in chain]
    write(a["out"], pkcs12.serialize_key_and_certificates(b"entry", key(private), certificate(public), others, protection))
    return ""


def read_pkcs12(a):
    found = pkcs12.load_pkcs12(read(a["in"]), a["password"].encode())
    own = found.cert.certificate
    if own.public_key().public_numbers() != found.key.public_key().public_numbers():
        raise ValueError("the key does not match the certificate")
    return own.fingerprint(hashes.SHA256()).hex() + "+" + str(len(found.additional_certs))


COMMANDS = {
    "version": lambda a: "cryptography " + cryptography.__version__,
    "sign": sign,
    "write-certificates": write_certificates,
    "read-certificates": read_certificates,
    "write-pkcs12": write_pkcs12,
    "read-pkcs12": read_pkcs12,
}

for line in sys.stdin:
    command, *arguments = line.rstrip("\n").split("\t")
    try:
        if command not in COMMANDS:
            raise NotImplementedError("cryptography has no " + command)
        answer = "ok\t" + COMMANDS[command](dict(argument.split("=", 1) for argument in arguments))
    except Exception as error:  # what the library says is what the matrix records
        answer = "error\t" + " ".join((type(error).__name__ + ": " + str(error)).split())
    print(answer, flush=True)
