package detect

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// failedLogin is one that counts, but for what change does to it.
func failedLogin(change func(*Event)) *Event {
	ev := &Event{
		Time: oracleStart, Type: TypeGlobalProtect, Src: netip.MustParseAddr("203.0.113.5"), Subtype: "gateway-auth", Action: "failure",
		Application: "LDAP", SrcUser: "alice", EndReason: "Authentication failed: Invalid username or password",
	}
	if change != nil {
		change(ev)
	}
	return ev
}

func TestWhichLoginsCount(t *testing.T) {
	system := func(ev *Event) { ev.Type, ev.Subtype = TypeSystem, "auth-fail" }
	for _, c := range []struct {
		name   string
		change func(*Event)
		want   string // a part of the reason; "": it counts
	}{
		{"gateway", nil, ""},
		{"portal", func(ev *Event) { ev.Subtype = "portal-auth" }, ""},
		{"gateway of 9.1", func(ev *Event) { ev.Subtype = "gw-auth" }, ""},
		{"clientless", func(ev *Event) { ev.Subtype = "clientlessvpn-login" }, ""},
		{"any case", func(ev *Event) { ev.Subtype, ev.Action = "Portal-Auth", "FAILURE" }, ""},
		{"administrator", system, ""},
		{"older portal", func(ev *Event) { ev.Type, ev.Subtype = TypeSystem, "globalprotectportal-auth-fail" }, ""},
		{"no method, no user, no reason", func(ev *Event) { ev.Application, ev.SrcUser, ev.EndReason = "", "", "" }, ""},
		{"locked user", func(ev *Event) { ev.EndReason = "User is in locked users list" }, ""},
		{"not in the allowlist", func(ev *Event) { ev.EndReason = "User is not in allowlist" }, ""},
		{"TRAFFIC", func(ev *Event) { ev.Type = TypeTraffic }, "only GLOBALPROTECT and SYSTEM"},
		{"THREAT", func(ev *Event) { ev.Type = TypeThreat }, "only GLOBALPROTECT and SYSTEM"},
		{"success", func(ev *Event) { ev.Action = "success" }, "succeeded"},
		{"no status", func(ev *Event) { ev.Action = "" }, "does not say that the login failed"},
		{"no address", func(ev *Event) { ev.Src = netip.Addr{} }, "does not say where"},
		{"portal prelogin", func(ev *Event) { ev.Subtype = "portal-prelogin" }, "no login"},
		{"gateway prelogin", func(ev *Event) { ev.Subtype = "gateway-prelogin" }, "no login"},
		{"clientless prelogin", func(ev *Event) { ev.Subtype = "clientlessvpn-prelogin" }, "no login"},
		{"HIP", func(ev *Event) { ev.Subtype = "gateway-hip-check" }, "no login"},
		{"configuration", func(ev *Event) { ev.Subtype = "portal-getconfig" }, "no login"},
		{"registration", func(ev *Event) { ev.Subtype = "gateway-register" }, "no login"},
		{"cookie", func(ev *Event) { ev.Application = "Cookie" }, "cookie"},
		{"pre-logon", func(ev *Event) { ev.SrcUser = "pre-logon" }, "pre-logon"},
		{"timed out", func(ev *Event) { ev.EndReason = "Authentication failed: Authentication request is timed out" }, "did not answer"},
		{"timed out, administrator", func(ev *Event) { system(ev); ev.EndReason = "Authentication request is timed out" }, "did not answer"},
		{"internal error", func(ev *Event) {
			system(ev)
			ev.EndReason = "Internal error, e.g. network connection, DNS failure or remote server down"
		}, "did not answer"},
		{"server down", func(ev *Event) { ev.EndReason = "Remote Server Down" }, "did not answer"},
		{"a user's own reason", func(ev *Event) {
			ev.SrcUser = "timed out"
			ev.EndReason = "Authentication failed: user timed out is unknown"
		}, ""},
	} {
		why := notLogin(failedLogin(c.change))
		if (why == "") != (c.want == "") || !strings.Contains(why, c.want) {
			t.Errorf("%s: %q, want %q", c.name, why, c.want)
		}
	}
}

// Nothing that the stranger wrote for his name excuses him, but the one name that has no password.
func TestNoUserNameIsAnExcuse(t *testing.T) {
	piece := rapid.SampledFrom([]string{"x", " ", ";", ",", `"`, "'", "Authentication request is timed out", "internal error", "status=success", "Cookie", "portal-prelogin", "pre-logon", "8.8.8.8"})
	rapid.Check(t, func(t *rapid.T) {
		user := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "user"), "")
		if user == "pre-logon" {
			return
		}
		if why := notLogin(failedLogin(func(ev *Event) { ev.SrcUser, ev.EndReason = user, "Authentication failed: "+user+" is unknown" })); why != "" {
			t.Fatalf("%q: %s", user, why)
		}
	})
}

// Logins have no destination, so no scan rule counts them, whatever their fields hold.
func TestLoginsAreNoScan(t *testing.T) {
	e := New(Settings{PortScan: PortScan{Ports: 0, Window: time.Hour}, HostSweep: HostSweep{Hosts: 1, Window: time.Hour}, Vulnerability: Vulnerability{Severity: VulnerabilityHigh}})
	for _, typ := range []Type{TypeGlobalProtect, TypeSystem} {
		for _, subtype := range []string{"gateway-auth", "vulnerability", "scan"} {
			ev := failedLogin(func(ev *Event) { ev.Type, ev.Subtype, ev.Severity = typ, subtype, "critical" })
			if r := e.Observe(ev); r.Outcome != Ignored {
				t.Errorf("%v/%s: %v", typ, subtype, r.Outcome)
			}
			ev.Dst, ev.DstPort = netip.MustParseAddr("198.51.100.7"), 443
			if r := e.Observe(ev); r.Outcome != Ignored {
				t.Errorf("%v/%s to an address: %v", typ, subtype, r.Outcome)
			}
		}
	}
}

// A user's name is taken out of the reason where it stands by itself, and leaves the firewall's own words as they are.
func TestAShortNameHidesNoOutage(t *testing.T) {
	for user, want := range map[string]bool{"ed": true, "anna": true, "": true} {
		if got := outage(failedLogin(func(ev *Event) { ev.SrcUser, ev.EndReason = user, "Authentication request for "+user+" timed out" })); got != want {
			t.Errorf("user %q: an outage %v, want %v", user, got, want)
		}
	}
	if outage(failedLogin(func(ev *Event) { ev.SrcUser, ev.EndReason = "timed out", "Invalid password of timed out" })) {
		t.Error("a name makes an outage")
	}
}
