#!/bin/sh
# rpm, before the files come: they belong to the group.
set -e
systemd-sysusers - <<'EOF'
u activedefense - "Active Defense" /var/lib/activedefense
EOF
