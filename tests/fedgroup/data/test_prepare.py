import hashlib
import http.server
import tarfile
import threading
from pathlib import Path

import pytest

from fedgroup.data import prepare as module
from fedgroup.data.prepare import check, prepare
from fedgroup.data.waterbirds import REGENERATED
from fedgroup.errors import FedgroupError
from tests.fedgroup.data import fixtures
from tests.fedgroup.data.handler import Handler


def test_waterbirds_from_tarball_to_bank(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    tree = fixtures.waterbirds(tmp_path / "tree")
    with tarfile.open(folder / "birds.tar.gz", "w:gz") as tar:
        tar.add(tree, tree.name)
    monkeypatch.setattr(module, "WATERBIRDS_TAR", url + "birds.tar.gz")
    with pytest.raises(
        FedgroupError, match="group counts train 2/2/2/2"
    ):  # the fixture is not the official set
        prepare("waterbirds", tmp_path / "home")
    assert (tmp_path / "home" / tree.name / "metadata.csv").is_file()


def test_without_a_network_the_manual_way_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WATERBIRDS_TAR", "http://127.0.0.1:9/birds.tar.gz")
    monkeypatch.setattr(module, "FASHION_BASE", "http://127.0.0.1:9/")
    with pytest.raises(FedgroupError, match="By hand: fetch"):
        prepare("waterbirds", tmp_path / "w")
    with pytest.raises(FedgroupError, match="By hand: put the four"):
        prepare("fashion", tmp_path / "f")
    with pytest.raises(FedgroupError, match="img_align_celeba.zip"):
        prepare("celeba", tmp_path)
    with pytest.raises(FedgroupError, match="did you mean 'waterbirds'"):
        prepare("waterbird", tmp_path)


def test_fashion_is_fetched_with_checksums(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    fixtures.fashion(folder, 200, 100)
    monkeypatch.setattr(module, "FASHION_BASE", url)
    sums = {
        n: hashlib.md5((folder / f"{n}.gz").read_bytes()).hexdigest() for n in module.FASHION_MD5
    }
    monkeypatch.setattr(module, "FASHION_MD5", sums)
    with pytest.raises(
        FedgroupError, match="holds 200 items"
    ):  # fetched and read: but it is a fixture
        prepare("fashion", tmp_path / "home")
    assert len(list((tmp_path / "home").glob("*.gz"))) == 4


def test_check_reports(tmp_path: Path) -> None:
    folder = fixtures.waterbirds(tmp_path)
    next(folder.rglob("*.jpg")).unlink()
    text = "\n".join(check("waterbirds", tmp_path))
    assert "24 images" in text
    assert "NOT official (3498/184/56/1057)" in text
    assert "1 images missing" in text
    fixtures.celeba(tmp_path / "c", "kaggle")
    assert "all images are there" in "\n".join(check("celeba", tmp_path / "c"))
    with pytest.raises(FedgroupError, match="no data set to check called 'birds'"):
        check("birds", None)


def test_a_broken_tarball_leaves_nothing_that_passes_for_data(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """metadata.csv comes first in this archive: half of it must not stop the next run from fetching."""
    url, folder = server
    counts = {part: (2, 2, 2, 2) for part in ("train", "val", "test")}
    monkeypatch.setattr("fedgroup.data.waterbirds.COUNTS", counts)
    tree = fixtures.waterbirds(tmp_path / "tree")
    with tarfile.open(folder / "birds.tar.gz", "w:gz") as tar:
        tar.add(tree / "metadata.csv", f"{tree.name}/metadata.csv")
        for image in sorted(tree.rglob("*.jpg")):
            tar.add(image, f"{tree.name}/{image.relative_to(tree)}")
    whole = (folder / "birds.tar.gz").read_bytes()
    monkeypatch.setattr(module, "WATERBIRDS_TAR", url + "birds.tar.gz")
    (folder / "birds.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FedgroupError, match="damaged .* run again"):
        prepare("waterbirds", tmp_path / "home")
    assert [path.suffix for path in (tmp_path / "home").iterdir()] == [".lock"]
    (folder / "birds.tar.gz").write_bytes(whole)
    prepare("waterbirds", tmp_path / "home")
    assert len(list((tmp_path / "home" / tree.name).rglob("*.jpg"))) == 24
    asked = len(Handler.asked)
    prepare("waterbirds", tmp_path / "home")
    assert len(Handler.asked) == asked, "what is there is not fetched again"


def test_a_folder_in_the_way_is_not_overwritten(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    tree = fixtures.waterbirds(tmp_path / "tree")
    with tarfile.open(folder / "birds.tar.gz", "w:gz") as tar:
        tar.add(tree, tree.name)
    monkeypatch.setattr(module, "WATERBIRDS_TAR", url + "birds.tar.gz")
    mine = tmp_path / "home" / tree.name / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(FedgroupError, match="is in the way of .*move it, run again"):
        prepare("waterbirds", tmp_path / "home")
    assert mine.read_text() == "mine"


def test_data_in_the_usual_places_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fedgroup.data.waterbirds.COUNTS", {p: (2,) * 4 for p in ("train", "val", "test")}
    )
    monkeypatch.setattr(module, "WATERBIRDS_TAR", "http://127.0.0.1:9/birds.tar.gz")
    fixtures.waterbirds(tmp_path)
    monkeypatch.setenv("FEDGROUP_DATA", str(tmp_path))
    prepare("waterbirds", None)


@pytest.mark.parametrize("how", ["chunked", "garbage"])
def test_an_answer_that_is_not_http_names_the_manual_way(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if how == "chunked":
                self.protocol_version = "HTTP/1.1"
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"5\r\nhello\r\n5\r\nhe")
            else:
                self.wfile.write(b"garbage\r\n\r\n")
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(
            module, "WATERBIRDS_TAR", f"http://127.0.0.1:{server.server_address[1]}/x.tar.gz"
        )
        try:
            with pytest.raises(FedgroupError, match=r"could not be fetched .*By hand: fetch"):
                prepare("waterbirds", tmp_path / "home")
        finally:
            server.shutdown()
            thread.join()


def test_check_names_the_variant_hashes_and_missing_files(tmp_path: Path) -> None:
    fixtures.write_metadata(tmp_path / "trap", fixtures.waterbirds_rows(REGENERATED))
    text = "\n".join(check("waterbirds", tmp_path / "trap"))
    assert "these are the counts of a regenerated metadata.csv" in text
    assert "images missing, e.g. " in text
    assert "not a copy seen before" in text
    fixtures.celeba(tmp_path / "faces")
    text = "\n".join(check("celeba", tmp_path / "faces"))
    assert "list_attr_celeba.txt: md5 " in text
    assert "list_eval_partition.txt: md5 " in text


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FedgroupError, match="cannot make the folder"):
        prepare("waterbirds", tmp_path / "file" / "home")
    with pytest.raises(FedgroupError, match=r"no folder at .*img_align_celeba\.zip"):
        prepare("celeba", tmp_path / "nowhere")
