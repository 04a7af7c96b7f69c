#!/bin/sh
# After the files have come. deb says "configure" and the version that was there before, if one was; rpm how many there are now.
# DPKG_ROOT: where it is installed, if not here.
set -e
case "$1:$2" in
configure: | 1:) first=yes ;;
configure:* | [2-9]:) first=no ;;
*) exit 0 ;;
esac
root=${DPKG_ROOT:-}

systemd-sysusers --root="$root/" activedefense.conf
systemd-tmpfiles --root="$root/" --create activedefense.conf
if [ "$first" = yes ]; then
  # Later they are as whoever runs it wants them. Ubuntu's rsyslog writes as syslog.
  writer=root
  ! grep -qs '^syslog:' "$root/etc/passwd" || writer=syslog
  systemd-tmpfiles --root="$root/" --create - <<EOF
z /etc/activedefense 0750 root activedefense
z /etc/activedefense/activedefense.yaml 0640 root activedefense
z /var/log/Firewall 2750 $writer activedefense
EOF
fi

# A first installation starts nothing: it has no firewall yet. An upgrade restarts what runs.
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  [ "$first" = yes ] || systemctl try-restart activedefense.service
fi
