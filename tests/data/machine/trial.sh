# What tests/drill/test_systemd_machine.py has a machine with systemd do: it installs the units
# as docker/README.md says and writes what comes of it, a fact a line, to /told/facts.
exec >/told/log 2>&1
set -x

tell() { echo "$*" >>/told/facts; }

# soon COMMAND: whether it succeeds within a minute.
soon() {
    for _ in $(seq 120); do
        "$@" && return 0
        sleep 0.5
    done
    return 1
}

all_ready() {
    skypechan lines -c "$toml" --json >/tmp/lines &&
        [ "$(grep -c '"state": "ready"' /tmp/lines)" = 3 ]
}

# A picture of the screen of a client apart, as the page asks for it.
screen_shows() {
    python3 - <<PYTHON
import urllib.request
asked = urllib.request.Request("http://127.0.0.1:8087/api/lines/alice/screen")
asked.add_header("Authorization", "Bearer tests")
assert urllib.request.urlopen(asked, timeout=10).read(4) == b"\x89PNG"
PYTHON
}

status_says() { systemctl show -P StatusText skypechan | grep -q "$1"; }

restarts_are() { [ "$(systemctl show -P NRestarts skypechan)" = "$1" ]; }

# The policies of processes, as ps chooses them: FF is real-time, TS is not.
scheduled() { ps -o cls= "$@" | sort -u | tr -d " \n"; }

toml=/etc/skypechan/skypechan.toml
cd "$(skypechan describe files | sed -n 's/^systemd: //p')" || exit 1
install -D -m 0644 sysusers.conf /etc/sysusers.d/skypechan.conf && systemd-sysusers
install -D -m 0644 tmpfiles.conf /etc/tmpfiles.d/skypechan.conf && systemd-tmpfiles --create
install -m 0644 skypechan*.service /etc/systemd/system/ && systemctl daemon-reload
install -m 0640 -g skypechan /trial/skypechan.toml "$toml"
echo sesame >/etc/skypechan/ami.secret
chgrp skypechan /etc/skypechan/ami.secret && chmod 0640 /etc/skypechan/ami.secret
cat >/etc/skypechan/clients/alice.toml <<TOML
[lines.alice.client]
command = ["skype", "--pipelogin"]
login = "alice secret"
screen_in_page = true
TOML
printf 'u skypechan-alice - "client of the line alice"\nm skypechan skypechan-alice\n' \
    >/etc/sysusers.d/skypechan-alice.conf
systemd-sysusers

systemctl start skypechan-client@alice
tell "client started $?"
systemctl start skypechan
tell "gateway started $?"
soon all_ready
tell "all lines ready $?"
soon status_says "3 of 3"
tell "status $(systemctl show -P StatusText skypechan)"
tell "client runs as $(ps -o user:20= -C skype | sort | tr -s ' \n' ' ')"
su -s /bin/sh skypechan-alice -c 'cat /etc/skypechan/skypechan.toml'
tell "configuration read by a client $?"
soon screen_shows
tell "screen of a client apart $?"
su -s /bin/sh nobody -c "cat /var/lib/skypechan-client/alice/clients/alice/screen/Xauthority"
tell "its cookie read by others $?"

kill -STOP "$(systemctl show -P MainPID skypechan)"
soon restarts_are 1
tell "hung gateway started anew $?"
soon all_ready
tell "all lines ready again $?"

echo nonsense >>"$toml"
systemctl reload skypechan
tell "reload of a fault $?"
tell "after it $(systemctl is-active skypechan)"
systemctl restart skypechan
tell "restart with a fault $?"
sleep 3
tell "after it $(systemctl is-active skypechan)"
sed -i '/^nonsense$/d' "$toml"

install -D -m 0644 gateway-clients.conf /etc/systemd/system/skypechan.service.d/clients.conf
install -m 0644 realtime.conf /etc/systemd/system/skypechan.service.d
systemctl daemon-reload
tell "exposure $(systemd-analyze security --no-pager skypechan |
    sed -n 's/.* level for .*: \([0-9.]*\) .*/\1/p')"
systemctl start skypechan
soon all_ready
tell "all lines ready with walls $?"
journalctl -q -u skypechan | grep -q 'line own runs within namespaces of its own'
tell "walls $?"
tell "scheduled as $(scheduled -p "$(systemctl show -P MainPID skypechan)") and $(
    scheduled -C skype,Xvfb)"

systemctl stop skypechan skypechan-client@alice
tell "stopped $?"
tell "left $(ps -o pid= -C skype,Xvfb,skypechan | tr -s ' \n' ' ')"
journalctl -q -u 'skypechan*' >/told/journal
