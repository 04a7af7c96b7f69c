#!/bin/sh
# After the files have gone. A removal keeps configuration, keys, database and logs. A purge (deb) asks at a terminal whether these go, too, unless
# DEBIAN_FRONTEND is noninteractive; it keeps the logs and, as is usual, the account, whose number would else be somebody else's one day.
set -e
root=${DPKG_ROOT:-}
case "$1" in
purge)
  answer=y
  if [ -t 0 ] && [ "${DEBIAN_FRONTEND:-}" != noninteractive ]; then
    printf 'Delete /var/lib/activedefense (the blacklist, records and the certificate authority of the list, which firewalls trust) and /etc/activedefense (configuration and keys)? [y/N] '
    read -r answer || answer=n
  fi
  case "$answer" in
  [yY]*)
    for folder in "$root/etc/activedefense" "$root/var/lib/activedefense"; do
      [ ! -d "$folder" ] || find "$folder" -mindepth 1 -delete
      [ ! -d "$folder" ] || rmdir "$folder" || true # it may be a volume of its own
    done
    ;;
  *) echo "/var/lib/activedefense and /etc/activedefense are kept." ;;
  esac
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
