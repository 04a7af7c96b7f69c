package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
)

// loginLine is a failed login to GlobalProtect, and with system one in the system log whose user is that long.
func loginLine(at time.Time, user string, system bool) string {
	stamp := at.Format("2006/01/02 15:04:05")
	head := at.Format("Jan _2 15:04:05") + " LAB-FW-01 1," + stamp + ",007000000000001,"
	if system {
		return head + "SYSTEM,auth,2562," + stamp + ",,auth-fail,LDAP,0,0,general,medium,\"failed authentication for user '" + user + "'. Reason: Invalid username/password. " +
			"auth profile 'LDAP', vsys 'vsys1', server address '192.0.2.10', auth protocol 'PAP', From: 203.0.113.7.\",1,0x0,0,0,0,0,,LAB-FW-01\n"
	}
	return head + "GLOBALPROTECT,0,2562," + stamp + ",vsys1,gateway-auth,login,LDAP,," + user + ",DE,,203.0.113.7,0.0.0.0,0.0.0.0,0.0.0.0,,,,,,1,,,\"Authentication failed: Invalid username or password\",failure,,0,,0,GW,7,0x0\n"
}

// A login is read, kept, found and explained as one.
func TestLoginsAreRecords(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	at := time.Now().Add(-time.Minute)
	w.append([]byte(loginLine(at, "alice", false) + loginLine(at, "alice", true) + loginLine(at, strings.Repeat("x", 500), true)))
	w.start()
	w.until("the logins are kept", func() bool {
		s := w.status()
		return s != nil && s.Ready && len(s.Inputs) == 1 && s.Inputs[0].Lines == 3 && s.Stored == 2
	})
	got := jsonLines[api.Record](w, "records", "--type", "globalprotect,system")
	if len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
	for _, r := range got {
		text := fmt.Sprint(r.Type, " ", r.Subtype, " ", r.Src, " ", r.Dst, " ", r.SrcUser, " ", r.Action, " ", r.Application, " ", r.SessionEndReason, " ", r.Outcome)
		if text != "GLOBALPROTECT gateway-auth 203.0.113.7  alice failure LDAP Authentication failed: Invalid username or password refused" &&
			text != "SYSTEM auth-fail 203.0.113.7  alice failure PAP Invalid username/password refused" {
			t.Errorf("%s", text)
		}
	}
	if got := jsonLines[api.Record](w, "records", "--type", "GlobalProtect"); len(got) != 1 {
		t.Errorf("%d of GLOBALPROTECT", len(got))
	}
	in := w.status().Inputs[0]
	if in.Records != 2 || in.Cut != 1 || in.Ignored != 0 || in.Bad != 0 {
		t.Errorf("%+v", in)
	}
}

func TestLoginsAreExplained(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	line := strings.TrimSuffix(loginLine(time.Now(), "alice", false), "\n")
	stdout, stderr, code := w.run("explain", line)
	for _, text := range []string{"GLOBALPROTECT gateway-auth", "method", "LDAP", "reason", "Authentication failed: Invalid username or password", "203.0.113.7 (DE)"} {
		if !strings.Contains(stdout, text) {
			t.Errorf("%q is not in (exit status %d) %s%s", text, code, stdout, stderr)
		}
	}
	stdout, stderr, code = w.run("explain", loginLine(time.Now(), strings.Repeat("x", 500), true))
	for _, text := range []string{"SYSTEM auth-fail", "LAB-FW-01", "the firewall cut the record off: a login without the client's address"} {
		if code != 0 || !strings.Contains(stdout, text) {
			t.Errorf("%q is not in (exit status %d) %s%s", text, code, stdout, stderr)
		}
	}
	stdout, stderr, code = w.run("explain", "CEF:0|Palo Alto Networks|PAN-OS|11.1|GLOBALPROTECT|0|rt=2026/11/29 12:00:00 PanOSEventID=gateway-auth PanOSAuthMethod=LDAP PanOSSourceUserName=alice "+
		"PanOSEndpointDeviceName=x PanOSPublicIPv4=192.0.2.1 PanOSHostID=y PanOSPublicIPv4=203.0.113.7 PanOSPublicIPv6=0.0.0.0 PanOSHostID=z PanOSEventStatus=failure")
	if code != 0 || !strings.Contains(stdout, "a login with several addresses of the client, or results") || strings.Contains(stdout, "cut the record off") {
		t.Errorf("explain: exit status %d: %s%s", code, stdout, stderr)
	}
	for line, want := range map[string]string{"1,2026/11/21 12:00:00,007,SYSTEM,general,2562,2026/11/21 12:00:00,,general,,0,0,general,informational,text,1,0x0": "is ignored"} {
		if _, stderr, code := w.run("explain", line); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("exit status %d, %q is not in %s", code, want, stderr)
		}
	}
	path := filepath.Join(w.dir, "a.log")
	w.write(path, []byte(loginLine(time.Now(), "alice", false)+loginLine(time.Now(), strings.Repeat("x", 500), true)))
	if _, stderr, code := w.run("replay", path); code != 0 || !strings.Contains(stderr, "1 record, 0 of other types, 0 that could not be parsed") || !strings.Contains(stderr, "1 line cut off") {
		t.Errorf("replay: exit status %d: %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "state")); err == nil {
		t.Error("something was written")
	}
}
