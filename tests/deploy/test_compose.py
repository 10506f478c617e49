"""What the compose file and the image promise, read from the files; tests/deploy/containers.sh runs them."""

import os
from typing import Any

import pytest
import yaml

from deploy import container
from fedgroup.errors import FedgroupError
from tests.paths import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NODES = {name: service for name, service in SERVICES.items() if name.startswith("supernode")}
LINKS = {name: service for name, service in SERVICES.items() if name.startswith("superlink")}


def test_every_long_running_service_is_hardened_watched_and_restarted() -> None:
    for name, service in {**NODES, **LINKS}.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][:4] == ["CMD", "python", "-m", "deploy.health"], name
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and "user" not in service, (
            name
        )
        assert "no-new-privileges:true" in service["security_opt"], name


def test_the_image_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER 1000:1000" in lines
    assert lines.index("USER 1000:1000") > max(
        i for i, line in enumerate(lines) if line.startswith("RUN")
    )


@pytest.mark.parametrize("profile", ["local", "gpu", "tls"])
def test_a_profile_is_one_superlink_and_a_node_per_partition(profile: str) -> None:
    nodes = [service for service in NODES.values() if profile in service["profiles"]]
    held = [service["environment"]["FEDGROUP_PARTITION"] for service in nodes]
    assert held == ["0", "1", "2"]
    assert {service["environment"]["FEDGROUP_PARTITIONS"] for service in nodes} == {"3"}
    assert len([service for service in LINKS.values() if profile in service["profiles"]]) == 1
    for service in nodes:
        assert list(service["depends_on"].values()) == [{"condition": "service_healthy"}]


def test_every_site_has_its_own_cache_and_its_data_are_read_only() -> None:
    for profile in ("local", "gpu", "tls"):
        volumes = [
            service["volumes"] for service in NODES.values() if profile in service["profiles"]
        ]
        caches = [volume for each in volumes for volume in each if volume.endswith(":/cache")]
        assert len(set(caches)) == 3
        data = [volume for each in volumes for volume in each if ":/data" in volume]
        assert data == [f"${{SITE_{i}_DATA:-./data}}:/data:ro" for i in range(3)]


def test_only_the_superlink_is_published_and_only_on_loopback_unless_told() -> None:
    assert all("ports" not in service for service in NODES.values())
    assert all(s["ports"] == ["${FEDGROUP_LISTEN:-127.0.0.1}:8000:8000"] for s in LINKS.values())


def test_gpus_are_reserved_in_their_profile_alone() -> None:
    for name, service in NODES.items():
        asked = (
            service.get("deploy", {})
            .get("resources", {})
            .get("reservations", {})
            .get("devices", [])
        )
        assert [device["capabilities"] for device in asked] == (
            [["gpu"]] if "gpu" in name else []
        ), name


def test_a_secure_node_sees_its_own_keys_alone() -> None:
    for i in range(3):
        mounted = [v for v in SERVICES[f"supernode-tls-{i}"]["volumes"] if v.startswith("keys-")]
        assert mounted == [f"keys-{i}:/keys:ro"]
    assert all(
        "authority" not in v for s in (*NODES.values(), *LINKS.values()) for v in s["volumes"]
    )


def test_every_volume_is_declared() -> None:
    used = {v.split(":")[0] for s in SERVICES.values() for v in s["volumes"] if v[0].isalpha()}
    assert used == set(COMPOSE["volumes"])


def test_what_is_copied_into_the_image_is_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split()
    copies = [
        line.split()[1:-1]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY")
    ]
    for name in (word for words in copies for word in words):
        assert f"!{name}" in ignore and (ROOT / name).exists(), name


@pytest.mark.parametrize(
    ("missing", "match"),
    [
        ({"FEDGROUP_SUPERLINK": ""}, "FEDGROUP_SUPERLINK is not set"),
        ({"FEDGROUP_PARTITION": "one"}, "FEDGROUP_PARTITION='one' must be a whole number"),
        ({"FEDGROUP_KEYS": "/nowhere"}, "no ca.crt in FEDGROUP_KEYS=/nowhere"),
    ],
)
def test_a_container_without_its_settings_says_which(
    missing: dict[str, str], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {
        "FEDGROUP_SUPERLINK": "superlink:8000",
        "FEDGROUP_PARTITION": "1",
        "FEDGROUP_PARTITIONS": "3",
    }
    for name, value in {**whole, **missing}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "execvp", lambda *_: pytest.fail("it started"))
    with pytest.raises(FedgroupError, match=match):
        container.main(["supernode"])


@pytest.mark.parametrize("words", [[], ["node"], ["superlink", "supernode"]])
def test_a_container_without_a_role_names_the_roles(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "execvp", lambda *_: pytest.fail("it started"))
    with pytest.raises(FedgroupError, match="a container is one of superlink, supernode, got"):
        container.main(words)


def test_a_container_becomes_the_node_it_is_told_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _, command: became.append(command))
    for name, value in SERVICES["supernode-1"]["environment"].items():
        monkeypatch.setenv(name, value)
    container.main(["supernode"])
    (command,) = became
    assert command[0] == "flower-supernode" and "--insecure" in command
    assert "--superlink=superlink:8000" in command
    assert command[-1] == 'partition-id=1 num-partitions=3 data-root="/data"'
