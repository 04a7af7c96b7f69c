#!/bin/sh
# After the files have gone. A removal keeps configuration, keys, database and logs; a purge (deb) keeps the logs and, as is usual,
# the account, whose number would else be somebody else's one day.
set -e
root=${DPKG_ROOT:-}
case "$1" in
purge)
  rm -rf "$root/etc/activedefense" "$root/var/lib/activedefense"
  [ ! -d "$root/var/log/Firewall" ] || rmdir --ignore-fail-on-non-empty "$root/var/log/Firewall"
  ;;
esac
case "$1" in
remove | purge | 0)
  if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
  fi
  ;;
esac
