# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who switches IPv6 off: sysctl files as systemd-sysctl reads them, and the kernel's command line."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_mend as mend
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_sysctl as sysctl
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def put(root, path, text):
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("net.ipv6.conf.eth0.accept_ra", "net/ipv6/conf/eth0/accept_ra"),
        ("net/ipv6/conf/eth0.5/accept_ra", "net/ipv6/conf/eth0.5/accept_ra"),
        ("net.ipv6.conf.eth0/5.accept_ra", "net/ipv6/conf/eth0.5/accept_ra"),
        ("kernel", "kernel"),
        ("", ""),
    ],
)
def test_key(text, expected):
    assert sysctl.key_of(text) == expected


def test_parse():
    text = (
        "# a.b = 1\n;a.b=1\n\n  net.ipv6.conf.all.disable_ipv6=1\n-a.b = 2\n-net.ipv6.conf.eth1.accept_ra\nnonsense\n"
    )
    assert [(one.key, one.value, one.line) for one in sysctl.parse(text, "x")] == [
        ("net/ipv6/conf/all/disable_ipv6", "1", 4),
        ("a/b", "2", 5),
        ("net/ipv6/conf/eth1/accept_ra", "-", 6),
    ]


@pytest.mark.parametrize(
    ("lines", "key", "expected"),
    [
        ("", "disable_ipv6", None),
        ("net.ipv6.conf.all.disable_ipv6=1", "disable_ipv6", "1"),
        ("net.ipv6.conf.all.disable_ipv6=1\nnet.ipv6.conf.eth0.disable_ipv6=0", "disable_ipv6", "0"),
        ("net.ipv6.conf.eth0.disable_ipv6=0\nnet.ipv6.conf.all.disable_ipv6=1", "disable_ipv6", "1"),
        ("net.ipv6.conf.eth1.disable_ipv6=1", "disable_ipv6", None),
        # all/accept_ra has no effect on any interface, default/ has one on those that come up later.
        ("net.ipv6.conf.all.accept_ra=0", "accept_ra", None),
        ("net.ipv6.conf.default.accept_ra=0", "accept_ra", "0"),
        ("net.ipv6.conf.default.accept_ra=0\nnet.ipv6.conf.default.accept_ra=1", "accept_ra", "1"),
        ("net.ipv6.conf.eth0.accept_ra=1\nnet.ipv6.conf.default.accept_ra=0", "accept_ra", "1"),
        ("net.ipv6.conf.*.accept_ra=0", "accept_ra", "0"),
        ("net.ipv6.conf.eth?.accept_ra=0", "accept_ra", "0"),
        ("net.ipv6.conf.eth0.accept_ra=1\nnet.ipv6.conf.*.accept_ra=0", "accept_ra", "1"),
        ("net.ipv6.conf.*.accept_ra=0\n-net.ipv6.conf.eth0.accept_ra", "accept_ra", None),
        ("net.ipv6.conf.all.forwarding=1", "forwarding", "1"),
    ],
)
def test_boot_value(lines, key, expected):
    found = sysctl.boot_value(sysctl.parse(lines, "x"), "eth0", key)
    assert (found.value if found else None) == expected


def test_files_by_name_across_folders(tmp_path):
    put(tmp_path, "/usr/lib/sysctl.d/50-a.conf", "a.b=1\n")
    put(tmp_path, "/etc/sysctl.d/90-b.conf", "a.b=3\n")
    put(tmp_path, "/run/sysctl.d/70-c.conf", "a.b=2\n")
    put(tmp_path, "/usr/lib/sysctl.d/90-b.conf", "a.b=9\n")
    put(tmp_path, "/etc/sysctl.d/95-note.txt", "a.b=9\n")
    put(tmp_path, f"/etc/sysctl.d/{sysctl.OWN}-eth0.conf", "a.b=9\n")
    put(tmp_path, "/etc/sysctl.conf", "a.b=4\n")
    found = sysctl.boot_settings(str(tmp_path))
    assert [(one.value, one.path) for one in found] == [
        ("1", "/usr/lib/sysctl.d/50-a.conf"),
        ("2", "/run/sysctl.d/70-c.conf"),
        ("3", "/etc/sysctl.d/90-b.conf"),
    ]
    # Debian 13 does not read /etc/sysctl.conf at boot, Debian 12 reads it by a link.
    assert [one.value for one in sysctl.after_boot(str(tmp_path))] == ["4"]
    (tmp_path / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    assert sysctl.boot_settings(str(tmp_path))[-1][1:3] == ("4", "/etc/sysctl.conf")
    assert sysctl.after_boot(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("culprits", "expected"),
    [
        ([], "/etc/sysctl.d/99-zz-ipv6-rollout-eth0_5-e85212.conf"),
        (["/etc/sysctl.d/10-x.conf", "/etc/sysctl.conf"], "/etc/sysctl.d/99-zz-ipv6-rollout-eth0_5-e85212.conf"),
        (["/usr/lib/sysctl.d/zz-x.conf"], "/etc/sysctl.d/zz-x.conf-99-zz-ipv6-rollout-eth0_5-e85212.conf"),
    ],
)
def test_our_file_sorts_last(culprits, expected):
    settings = [sysctl.Setting("a", "1", path, 1) for path in culprits]
    own = sysctl.own_file("eth0.5", settings)
    assert own == expected
    names = [path.rpartition("/")[2] for path in culprits if path != sysctl.SYSCTL_CONF]
    assert sorted([*names, own.rpartition("/")[2]])[-1] == own.rpartition("/")[2]


def test_our_text_is_read_as_it_is_meant():
    culprit = sysctl.Setting("net/ipv6/conf/all/disable_ipv6", "1", "/etc/sysctl.d/x.conf", 3)
    text = sysctl.own_text("eth0.5", {"disable_ipv6": "0"}, [culprit])
    assert "/etc/sysctl.d/x.conf line 3 (net.ipv6.conf.all.disable_ipv6 = 1)" in text
    assert [one[:2] for one in sysctl.parse(text, "x")] == [("net/ipv6/conf/eth0.5/disable_ipv6", "0")]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("/etc/default/grub", 'A=1\nGRUB_CMDLINE_LINUX="quiet ipv6.disable=1"\n', "/etc/default/grub line 2"),
        ("/etc/modprobe.d/no6.conf", "options ipv6 disable=1\n", "/etc/modprobe.d/no6.conf line 1"),
        ("/proc/cmdline", "root=/dev/sda ipv6.disable=1\n", "the kernel's command line"),
        ("/etc/default/grub", "# ipv6.disable=1\nA=ipv6.disable=10\n", ""),
        ("/etc/modprobe.d/no6.conf", "options other disable=1\n", ""),
    ],
)
def test_disabled_at_boot(tmp_path, path, text, expected):
    put(tmp_path, path, text)
    assert sysctl.disabled_at_boot(str(tmp_path)) == expected


@pytest.fixture(name="files")
def fixture_files(tmp_path, monkeypatch):
    """Let the decisions read a folder instead of this machine; returns what puts a file there."""
    monkeypatch.setattr(mend, "boot_settings", lambda: sysctl.boot_settings(str(tmp_path)))
    monkeypatch.setattr(mend, "after_boot", lambda: sysctl.after_boot(str(tmp_path)))
    return lambda path, text: put(tmp_path, path, text)


def wish(accept_ra=False):
    return core.wanted("eth0", ["2001:db8::1/64"], "fe80::1", accept_ra, False, False)


OFF = "net.ipv6.conf.all.disable_ipv6 = 1\n"
NO_RA = "net.ipv6.conf.default.accept_ra = 0\n"


@pytest.mark.parametrize(
    ("file", "text", "live", "accept_ra", "by_kernel", "allowed", "mended", "expected", "reason"),
    [
        pytest.param("", "", "0", False, True, [], [], {}, "", id="nothing is wrong"),
        pytest.param("", "", "1", False, True, [], [], None, "is 1 now, and no sysctl file", id="live alone"),
        pytest.param("", "", "1", False, True, ["disable_ipv6"], [], {"disable_ipv6": "0"}, "", id="live, mended"),
        pytest.param("x.conf", OFF, "1", False, True, [], [], None, "it is 1 now; .*x.conf line 1", id="by a file"),
        pytest.param("x.conf", OFF, "0", False, True, [], [], None, "not after the next boot; .*line 1", id="later"),
        pytest.param("x.conf", OFF, "0", False, True, ["disable_ipv6"], [], {"disable_ipv6": "0"}, "", id="overruled"),
        pytest.param(
            "", "", "0", False, True, ["disable_ipv6"], ["disable_ipv6"], {"disable_ipv6": "0"}, "", id="stays"
        ),
        pytest.param("", "", "0", False, True, [], ["disable_ipv6"], {}, "", id="is not asked for any more"),
        pytest.param("x.conf", NO_RA, "0", True, True, [], [], None, "accept_ra: .*x.conf line 1", id="no RA"),
        pytest.param("x.conf", NO_RA, "0", True, True, ["accept_ra"], [], {"accept_ra": "1"}, "", id="RA, overruled"),
        pytest.param("x.conf", NO_RA, "0", False, True, [], [], {}, "", id="RA is not wanted"),
        pytest.param("x.conf", NO_RA, "0", True, False, [], [], {}, "", id="RA is read by another program"),
        pytest.param("../sysctl.conf", OFF, "1", False, True, [], [], None, "whenever 'sysctl -p' is called", id="-p"),
    ],
)
def test_mending(files, file, text, live, accept_ra, by_kernel, allowed, mended, expected, reason):
    if file:
        files(f"/etc/sysctl.d/{file}", text)
    if expected is None:
        with pytest.raises(RolloutError, match=f"net.ipv6.conf.eth0.*{reason}.*into mend"):
            mend.mending(wish(accept_ra), by_kernel, live, allowed, mended)
    else:
        found, _remarks = mend.mending(wish(accept_ra), by_kernel, live, allowed, mended)
        assert found.values == expected


def test_a_file_that_only_sysctl_p_reads_is_remarked(files):
    files("/etc/sysctl.conf", OFF)
    found, remarks = mend.mending(wish(), True, "1", ["disable_ipv6"], [])
    assert found.values == {"disable_ipv6": "0"}
    assert "/etc/sysctl.conf line 1" in remarks[0]
    assert "not read at boot" in remarks[0]
