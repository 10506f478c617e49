"""Certificates and keys for TLS and SuperNode authentication, by the library Flower itself uses.

python -m deploy.keys FOLDER [--nodes 3] [--name my.host --name 10.0.0.5 ...]

    authority/    ca.key: keep it apart, it is needed for new certificates only
    superlink/    ca.crt superlink.crt superlink.key, and the public keys of the SuperNodes that
                  may join
    supernode-I/  ca.crt and this site's private key: the folder goes to that site alone
"""

import argparse
import ipaddress
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedgroup.errors import FedgroupError

NAMES = ("superlink", "localhost", "127.0.0.1")
"""What the SuperLink is called in the compose file and on this machine."""
DAYS = 365


def make(folder: Path, nodes: int, names: Sequence[str] = NAMES) -> Path:
    """Write one folder per machine, private keys readable by their owner alone.

    Args:
        folder: Where they go.
        nodes: SuperNodes that may join.
        names: DNS names and addresses of the SuperLink.

    Returns:
        The folder.

    Raises:
        FedgroupError: It holds files already, as keys in use are never overwritten; or there are no
            nodes.
    """
    if nodes < 1:
        raise FedgroupError(f"keys for {nodes} SuperNodes were asked for: at least 1")
    if any(path.is_file() for path in folder.rglob("*")):
        raise FedgroupError(
            f"{folder} is not empty: keys in use are not overwritten, choose a new folder"
        )
    authority, server = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    root = _authority(authority).public_bytes(serialization.Encoding.PEM)
    leaf = _server(server, authority, names).public_bytes(serialization.Encoding.PEM)
    link = folder / "superlink"
    _private(folder / "authority" / "ca.key", authority, serialization.PrivateFormat.PKCS8)
    _private(link / "superlink.key", server, serialization.PrivateFormat.PKCS8)
    (link / "ca.crt").write_bytes(root)
    (link / "superlink.crt").write_bytes(leaf)
    for number in range(nodes):
        site = folder / f"supernode-{number}"
        key = ec.generate_private_key(ec.SECP384R1())
        _private(site / "key", key, serialization.PrivateFormat.OpenSSH)
        (site / "ca.crt").write_bytes(root)
        form = serialization.PublicFormat.OpenSSH
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, form)
        (link / f"supernode-{number}.pub").write_bytes(public + b"\n")
    return folder


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return the certificate of the authority, signed by itself."""
    name = _named("fedgroup certificate authority")
    return _certificate(name, name, key.public_key(), authority=True).sign(key, hashes.SHA256())


def _server(
    key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, names: Sequence[str]
) -> x509.Certificate:
    """Return the certificate of the SuperLink for all its names, signed by the authority."""
    issuer = _named("fedgroup certificate authority")
    builder = _certificate(_named(names[0]), issuer, key.public_key(), authority=False)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_name(name) for name in names]), critical=False
    )
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    )
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    return builder.add_extension(signer, critical=False).sign(authority, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, authority: bool
) -> x509.CertificateBuilder:
    """Return what both certificates share: valid from an hour ago for DAYS."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(
        now + timedelta(days=DAYS)
    )
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(public), critical=False
    )
    builder = builder.add_extension(
        x509.BasicConstraints(authority, 0 if authority else None), critical=True
    )
    return builder.add_extension(_usage(signs=authority), critical=True)


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(
    path: Path, key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and make; an expected error is one line."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.keys", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=3, help="SuperNodes that may join")
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help=f"another DNS name or address of the SuperLink, beside {', '.join(NAMES)}; repeatable",
    )
    parser.add_argument(
        "--owner", type=int, help="numeric user that the files are handed to (needs root)"
    )
    chosen = parser.parse_args(arguments)
    try:
        folder = make(chosen.folder, chosen.nodes, (*NAMES, *chosen.name))
        if chosen.owner is not None:
            for path in folder.rglob("*"):
                os.chown(path, chosen.owner, chosen.owner)
    except (FedgroupError, OSError) as error:
        sys.stderr.write(f"fedgroup: {error}\n")
        return 2
    print(
        f"{folder}: keys for the SuperLink and {chosen.nodes} SuperNodes, certificates for {DAYS} "
        f"days"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
