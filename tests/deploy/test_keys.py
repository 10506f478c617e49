"""Certificates and keys, read back with another tool (openssl) where there is one."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from deploy.keys import main, make
from fedgroup.errors import FedgroupError


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(
        tmp_path_factory.mktemp("made") / "keys", 2, ("superlink", "example.org", "10.0.0.5")
    )


def test_the_certificate_carries_the_names_it_was_made_for(keys: Path) -> None:
    found = x509.load_pem_x509_certificate((keys / "superlink" / "superlink.crt").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["superlink", "example.org"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_accepts_the_chain_strictly_and_refuses_another_authority(
    keys: Path, tmp_path: Path
) -> None:
    def verify(authority: Path) -> int:
        command = [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            authority / "superlink" / "ca.crt",
        ]
        return subprocess.run(
            [*command, keys / "superlink" / "superlink.crt"], capture_output=True, check=False
        ).returncode

    assert verify(keys) == 0
    assert verify(make(tmp_path / "other", 1)) != 0


def test_names_given_come_beside_those_that_the_containers_use(tmp_path: Path) -> None:
    assert main([str(tmp_path / "keys"), "--nodes", "1", "--name", "my.host"]) == 0
    path = tmp_path / "keys" / "superlink" / "superlink.crt"
    found = x509.load_pem_x509_certificate(path.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["superlink", "localhost", "my.host"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_every_node_has_a_pair_of_its_own(keys: Path) -> None:
    publics = []
    for number in range(2):
        private = load_ssh_private_key((keys / f"supernode-{number}" / "key").read_bytes(), None)
        public = load_ssh_public_key((keys / "superlink" / f"supernode-{number}.pub").read_bytes())
        assert private.public_key() == public
        publics.append((keys / "superlink" / f"supernode-{number}.pub").read_bytes())
    assert publics[0] != publics[1]


def test_a_machine_gets_its_own_private_key_and_no_other(keys: Path) -> None:
    held = {folder.name: {path.name for path in folder.iterdir()} for folder in keys.iterdir()}
    assert held == {
        "authority": {"ca.key"},
        "superlink": {
            "ca.crt",
            "superlink.crt",
            "superlink.key",
            "supernode-0.pub",
            "supernode-1.pub",
        },
        "supernode-0": {"ca.crt", "key"},
        "supernode-1": {"ca.crt", "key"},
    }


def test_private_halves_are_readable_by_their_owner_alone(keys: Path) -> None:
    for name in (
        "authority/ca.key",
        "superlink/superlink.key",
        "supernode-0/key",
        "supernode-1/key",
    ):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600, name


def test_keys_in_use_are_never_overwritten(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (keys / "authority" / "ca.key").read_bytes()
    with pytest.raises(FedgroupError, match="is not empty: keys in use are not overwritten"):
        make(keys, 2)
    assert main([str(keys)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (keys / "authority" / "ca.key").read_bytes() == before


def test_no_nodes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="at least 1"):
        make(tmp_path / "keys", 0)
