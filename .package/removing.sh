#!/bin/sh
# Before the files go. deb says "remove" or "upgrade", rpm how many there will be. An upgrade leaves the daemon running.
set -e
case "$1" in remove | 0) ;; *) exit 0 ;; esac
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
  systemctl disable --now activedefense.service
fi
