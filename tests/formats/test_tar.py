"""Tar: as zip; links and devices are refused."""

import tarfile

import pytest

from sslcore.errors import ConfigError, FormatError, UnsafePathError
from sslcore.exporting import export
from sslcore.formats import sniff
from sslcore.formats.tar import Tar
from tests.formats.archives import pack
from tests.formats.roundtrip import empty_store, picture


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_read_as_what_is_in_it(tmp_path, name):
    path = pack(tmp_path / name, {"./x/1.png": picture(1), "./y/2.png": picture(2)})
    assert sniff(path) == "tar"
    assert sorted(r.labels["label"] for r in Tar().read(path, None, None)) == ["x", "y"]


@pytest.mark.parametrize("name", ["../evil.png", "/abs.png", "a/../../evil.png", "..\\evil.png"])
def test_member_that_leaves_the_folder_refuses_the_archive(tmp_path, name):
    path = pack(tmp_path / "a.tar", {"x/1.png": picture(1), name: b"x"})
    with pytest.raises(UnsafePathError, match="refused"):
        list(Tar().read(path, None, None))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("x/1.png")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(UnsafePathError, match="link or a device"):
        list(Tar().read(path, None, None))


def test_cut_file_is_refused_and_tar_is_not_written(tmp_path):
    path = pack(tmp_path / "a.tar.gz", {"x/1.png": picture(1) * 500})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FormatError, match="broken"):
        list(Tar().read(path, None, None))
    with pytest.raises(ConfigError, match="read and not written"):
        export(empty_store(tmp_path / "p", "image"), {}, format="tar", out=tmp_path / "b.tar")
