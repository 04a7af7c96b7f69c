package config

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// settings gives the lines of a file that are not comments, each with the line before it.
func settings(content []byte) (lines [][2]string) {
	previous := ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, [2]string{previous, line})
		}
		previous = line
	}
	return lines
}

func TestUnitIsExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, pair := range settings(Unit) {
		before, line := pair[0], pair[1]
		name, _, _ := strings.Cut(line, "=")
		seen[line] = true
		// A line is explained by a comment above it, or belongs to the explained line above it.
		if !strings.HasPrefix(line, "[") && !strings.HasPrefix(before, "#") && before != "User=activedefense" {
			t.Errorf("%s has no comment above it", name)
		}
	}
	for _, line := range []string{
		"User=activedefense", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ReadOnlyPaths=-/var/log/Firewall",
		"StateDirectory=activedefense", "RestartPreventExitStatus=2", "Type=notify", "WatchdogSec=60s", "ExecReload=/usr/local/bin/activedefense reload --config " + DefaultPath, "RuntimeDirectory=activedefense", "RuntimeDirectoryMode=0755",
		// Without netlink the host's own addresses, which must never be blocked, cannot be listed.
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
		"ExecStart=/usr/local/bin/activedefense run --config " + DefaultPath,
	} {
		if !seen[line] {
			t.Errorf("the unit has no line %s", line)
		}
	}
}

func TestRsyslogKeepsLinesWhole(t *testing.T) {
	var all strings.Builder
	for _, pair := range settings(Rsyslog) {
		all.WriteString(pair[1] + "\n")
	}
	for _, part := range []string{
		`global(maxMessageSize="64k")`, `$RepeatedMsgReduction off`, `escapeControlCharactersOnReceive="on"`,
		`%fromhost-ip:::secpath-replace%`, `input(type="imudp" port="514"`, `input(type="imtcp" port="514"`, `fileCreateMode="0640"`,
	} {
		if !strings.Contains(all.String(), part) {
			t.Errorf("the snippet does not say %s", part)
		}
	}
	// Where rsyslog is installed, let it judge.
	if rsyslogd, err := exec.LookPath("rsyslogd"); err == nil {
		if out, err := exec.Command(rsyslogd, "-N1", "-f", "rsyslog.conf").CombinedOutput(); err != nil {
			t.Errorf("rsyslogd refuses the snippet: %v\n%s", err, out)
		}
	}
}

func TestLogrotateLosesNothing(t *testing.T) {
	seen := map[string]bool{}
	for _, pair := range settings(Logrotate) {
		seen[pair[1]] = true
	}
	for _, line := range []string{"create 0640", "delaycompress", "sharedscripts", "/usr/bin/systemctl kill --signal=HUP rsyslog.service"} {
		if !seen[line] {
			t.Errorf("the snippet has no line %q", line)
		}
	}
	if seen["copytruncate"] {
		t.Error("copytruncate loses what is written between the copy and the truncation")
	}
	if logrotate, err := exec.LookPath("logrotate"); err == nil {
		// A copy: logrotate refuses a file that a group may write, as a checkout's may be.
		path := write(t, "logrotate.conf", string(Logrotate), 0o644)
		out, err := exec.Command(logrotate, "--debug", "--state", path+".state", path).CombinedOutput()
		if err != nil || regexp.MustCompile(`(?m)^error:`).Match(out) {
			t.Errorf("logrotate refuses the snippet: %v\n%s", err, out)
		}
	}
}
