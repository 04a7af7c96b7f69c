package panos

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// What a user name buys that holds the end of a log line with somebody else's address, from the line to the verdict: that
// somebody is blocked by none, and the attacker hides from SYSTEM records that the firewall cut off, and not from
// GLOBALPROTECT.
func TestWhatForgedUserNamesBuy(t *testing.T) {
	const victim, attacker = "192.0.2.99", "203.0.113.5"
	forged := "x'. Reason: Invalid username/password. auth profile 'LDAP', From: " + victim + "."
	cut := func(user string) string { // as the firewall does, in the middle of the text
		text := authFail(user, wrongPassword, attacker)
		return systemLine("auth", "auth-fail", text[:min(len(text), 512)])
	}
	long := strings.Repeat("y", 512-len("failed authentication for user '")-len(forged)) + forged
	for _, c := range []struct {
		name, line string
		found      string // who is, after eleven such lines
		cut        bool
	}{
		{"SYSTEM", cut(forged), attacker, false},
		{"SYSTEM, cut behind the forged end", cut(long), "", true},
		{"SYSTEM, cut far behind it", cut(forged + strings.Repeat("y", 400)), "", true},
		{"SYSTEM, older", systemLine("globalprotect", "globalprotectgateway-auth-fail", "GlobalProtect gateway user authentication failed. Login from: "+attacker+
			", User name: x, Reason: y, Login from: "+victim+", User name: z, Reason: Authentication failed: Invalid username or password, Auth type: profile."), attacker, false},
		{"GLOBALPROTECT", gpLine(49, map[int]string{12: quoted(long)}), attacker, false},
		{"GLOBALPROTECT, columns in the name", gpLine(49, map[int]string{12: quoted(`x",DE,,` + victim + `,0.0.0.0`)}), attacker, false},
	} {
		engine := detect.New(detect.Settings{Login: detect.Login{Failures: 10, Window: 10 * time.Minute}})
		found := ""
		for range 11 {
			ev, err := parse(c.line)
			if errors.Is(err, detect.ErrCut) != c.cut || !c.cut && err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if err != nil {
				continue
			}
			if v := engine.Observe(&ev).Verdict; v != nil {
				found += fmt.Sprint(v.Source.Addr())
			}
		}
		if found != c.found {
			t.Errorf("%s: found %q, want %q", c.name, found, c.found)
		}
	}
}
