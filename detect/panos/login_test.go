package panos

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/detect"

	"pgregory.net/rapid"
)

// gpCells are the columns of a failed GlobalProtect login.
func gpCells() map[int]string {
	return map[int]string{
		0: "1", 1: "2025/11/21 02:00:00", 2: "007", 3: "GLOBALPROTECT", 4: "0", 5: "2562", 6: "2025/11/21 01:59:58", 7: "vsys1", 8: "gateway-auth", 9: "login",
		10: "LDAP", 12: `example\alice`, 13: "DE", 14: "LAPTOP", 15: "203.0.113.5", 16: "0.0.0.0", 17: "0.0.0.0", 18: "0.0.0.0", 23: `"Microsoft Windows 11, 64-bit"`,
		24: "1", 27: `"Authentication failed: Invalid username or password"`, 28: "failure", 30: "0", 32: "0", 33: "GW", 34: "7591924912046022975", 35: "0x0",
		36: "2025-11-21T01:59:58.250+00:00", 47: "LAB-FW-01",
	}
}

// gpLine writes a GLOBALPROTECT record of n columns; changes are by column.
func gpLine(n int, changes map[int]string) string {
	all := gpCells()
	maps.Copy(all, changes)
	cells := make([]string, n)
	for i := range cells {
		cells[i] = all[i]
	}
	return strings.Join(cells, ",")
}

// earlyLine moves a record as PAN-OS 9.1.0 to 9.1.2 have it: sequence number and flags ahead of the type, the portal last.
func earlyLine(changes map[int]string) string { return earlyOf(gpLine(34, changes)) }

func earlyOf(line string) string {
	cells := strings.Split(line, ",")
	return strings.Join(append(append(cells[:3:3], "11", "0x0"), cells[3:]...), ",")
}

// gpEvent is what gpCells means.
func gpEventOf() detect.Event {
	return detect.Event{
		Time: time.Date(2025, 11, 21, 1, 59, 58, 250e6, time.UTC), Device: "LAB-FW-01", Src: netip.MustParseAddr("203.0.113.5"),
		SrcUser: `example\alice`, SrcCountry: "DE", Subtype: "gateway-auth", Action: "failure", Application: "LDAP",
		EndReason: "Authentication failed: Invalid username or password", Type: detect.TypeGlobalProtect, Repeat: 1,
	}
}

const relayHead = "Nov 21 02:00:05 relay "

func TestGlobalProtectGivesEveryField(t *testing.T) {
	later := gpEventOf()
	without := gpEventOf()
	without.Time, without.Device = without.Time.Truncate(time.Second), "relay"
	precise := gpEventOf()
	precise.Device = "relay"
	for name, c := range map[string]struct {
		line string
		want detect.Event
	}{
		"PAN-OS 11.2":  {gpLine(51, nil), later},
		"PAN-OS 10.2":  {gpLine(49, nil), later},
		"PAN-OS 10.0":  {gpLine(42, nil), precise},
		"PAN-OS 9.1.3": {gpLine(36, nil), without},
		"shortest":     {gpLine(34, nil), without},
		"PAN-OS 9.1.0": {earlyLine(nil), without},
	} {
		if ev := mustParse(t, relayHead+c.line); ev != c.want {
			t.Errorf("%s\ngot  %+v\nwant %+v", name, ev, c.want)
		}
	}
}

func TestGlobalProtectValues(t *testing.T) {
	for name, c := range map[string]struct {
		changes map[int]string
		got     func(*detect.Event) any
		want    any
	}{
		"IPv6, public_ip empty":      {map[int]string{15: "", 16: "2001:db8::5"}, func(e *detect.Event) any { return e.Src }, netip.MustParseAddr("2001:db8::5")},
		"IPv6, public_ip unset":      {map[int]string{15: "0.0.0.0", 16: "2001:db8::5"}, func(e *detect.Event) any { return e.Src }, netip.MustParseAddr("2001:db8::5")},
		"both: the first":            {map[int]string{16: "2001:db8::5"}, func(e *detect.Event) any { return e.Src }, netip.MustParseAddr("203.0.113.5")},
		"no address":                 {map[int]string{15: "0.0.0.0"}, func(e *detect.Event) any { return e.Src }, netip.Addr{}},
		"no address at all":          {map[int]string{15: "", 16: ""}, func(e *detect.Event) any { return e.Src }, netip.Addr{}},
		"unset in IPv6":              {map[int]string{15: "", 16: "::"}, func(e *detect.Event) any { return e.Src }, netip.Addr{}},
		"the error goes first":       {map[int]string{26: "Some error"}, func(e *detect.Event) any { return e.EndReason }, "Some error"},
		"the reason goes last":       {map[int]string{25: "Some reason", 27: `""`}, func(e *detect.Event) any { return e.EndReason }, "Some reason"},
		"repeated":                   {map[int]string{24: "7"}, func(e *detect.Event) any { return e.Repeat }, uint32(7)},
		"repeated beyond reason":     {map[int]string{24: "99999999999999"}, func(e *detect.Event) any { return e.Repeat }, uint32(maxRepeat)},
		"repeated not at all":        {map[int]string{24: "0"}, func(e *detect.Event) any { return e.Repeat }, uint32(1)},
		"region of private networks": {map[int]string{13: "10.0.0.0-10.255.255.255"}, func(e *detect.Event) any { return e.SrcCountry }, "10.0.0.0-10.255.255.255"},
		"user with comma and quotes": {map[int]string{12: `"Doe, ""J"""`}, func(e *detect.Event) any { return e.SrcUser }, `Doe, "J"`},
		"user named as a header is":  {map[int]string{12: "x-fwd-for: 192.0.2.9"}, func(e *detect.Event) any { return e.SrcUser + addrText(e.Client) }, "x-fwd-for: 192.0.2.9"},
		"unset time":                 {map[int]string{36: "1970-01-01T01:00:00.000+01:00"}, func(e *detect.Event) any { return e.Time }, time.Date(2025, 11, 21, 1, 59, 58, 0, time.UTC)},
		"large flags":                {map[int]string{35: "0x8000000000000000"}, func(e *detect.Event) any { return e.Action }, "failure"},
		"subtype of the cloud":       {map[int]string{4: "globalprotect"}, func(e *detect.Event) any { return e.Subtype }, "gateway-auth"},
	} {
		ev := mustParse(t, relayHead+gpLine(49, c.changes))
		if got := c.got(&ev); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestGlobalProtectFaults(t *testing.T) {
	forged := `x,US,,8.8.8.8,0.0.0.0,0.0.0.0,0.0.0.0,,,,,,1,,,,failure,,0,,0,P,7,0x0`
	for _, c := range []struct {
		name, line string
		want       error
	}{
		{"cut ahead of the status", gpLine(28, nil), ErrTruncated},
		{"cut in a value", gpLine(28, map[int]string{27: `"Authentication`}), ErrTruncated},
		{"address", gpLine(49, map[int]string{15: "203.0.113"}), ErrBadAddress},
		{"a user that was not quoted", gpLine(49, map[int]string{12: "x,y"}), ErrColumns},
		{"a user of columns that was not quoted", gpLine(49, map[int]string{12: forged}), ErrColumns},
		{"the same, early", earlyLine(map[int]string{12: "x,y"}), ErrColumns},
		{"a machine that was not quoted", gpLine(49, map[int]string{14: "8.8.8.8,8.8.8.8"}), ErrColumns},
		{"a quote that is not doubled", gpLine(49, map[int]string{12: `x"y`}), ErrColumns},
		{"one inside quotes", gpLine(49, map[int]string{12: `"x"y"`}), ErrColumns},
		{"no status", gpLine(49, map[int]string{28: "203.0.113.5"}), ErrColumns},
		{"another status", gpLine(49, map[int]string{28: "unknown"}), ErrColumns},
		{"more columns than any record has", gpLine(58, nil), ErrColumns},
		{"more columns than the most known", gpLine(57, nil), nil},
		{"an error below zero", gpLine(49, map[int]string{32: "-1"}), nil},
	} {
		if _, err := parse(c.line); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// systemLine writes a SYSTEM record of a login with this description.
func systemLine(subtype, event, description string) string {
	return "1,2025/11/21 02:00:00,007,SYSTEM," + subtype + ",2562,2025/11/21 01:59:58,," + event + ",LDAP,0,0,general,medium," + quoted(description) +
		",7591924912046022975,0x0,0,0,0,0,,LAB-FW-01,0,0,2025-11-21T01:59:58.250+00:00"
}

// quoted writes a value as the firewall does.
func quoted(s string) string {
	if strings.ContainsAny(s, `,"`) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// authFail is the text of a failed login.
func authFail(user, reason, from string) string {
	return "failed authentication for user '" + user + "'. Reason: " + reason + ". auth profile 'LDAP', vsys 'vsys1', server profile 'ldap', " +
		"server address '192.0.2.10', auth protocol 'PAP', From: " + from + "."
}

const wrongPassword = "Invalid username/password"

func TestSystemLogins(t *testing.T) {
	long := "GlobalProtect gateway user authentication failed. Login from: 203.0.113.5, User name: alice, Client OS version: Microsoft Windows 10 Pro , 64-bit, " +
		"Reason: Authentication failed: User Authentication Failed, Auth type: profile."
	for _, c := range []struct {
		name, subtype, event, description string
		want                              string // status, user, reason, method and source
	}{
		{"failure", "auth", "auth-fail", authFail("alice", wrongPassword, "203.0.113.5"), "failure|alice|Invalid username/password|PAP|203.0.113.5"},
		{"IPv6", "auth", "auth-fail", authFail("alice", wrongPassword, "2001:db8::5"), "failure|alice|Invalid username/password|PAP|2001:db8::5"},
		{"a reason with commas and stops", "auth", "auth-fail", authFail("alice", "Internal error, e.g. network connection, DNS failure or remote server down", "203.0.113.5"),
			"failure|alice|Internal error, e.g. network connection, DNS failure or remote server down|PAP|203.0.113.5"},
		{"no quotes", "auth", "auth-fail", strings.ReplaceAll(authFail("alice", wrongPassword, "203.0.113.5"), "'", ""), "failure|alice|Invalid username/password|PAP|203.0.113.5"},
		{"no details", "auth", "auth-fail", "failed authentication for user 'admin'.  Reason: Invalid username/password. From: 203.0.113.5.", "failure|admin|Invalid username/password||203.0.113.5"},
		{"administrator, local", "general", "general", "failed authentication for user 'admin'. Reason: Invalid username/password. From: 203.0.113.5.", "failure|admin|Invalid username/password||203.0.113.5"},
		{"empty values", "auth", "auth-fail", "failed authentication for user ''. Reason: User is not in allowlist. auth profile '', vsys 'shared', From: 203.0.113.5.",
			"failure||User is not in allowlist||203.0.113.5"},
		{"success", "auth", "auth-success", "authenticated for user 'alice'.   auth profile 'LDAP', vsys 'vsys1', server profile 'ldap', server address '192.0.2.10', auth protocol 'PAP', admin role 'superreader', From: 203.0.113.5.",
			"success|alice||PAP|203.0.113.5"},
		{"success, no details", "auth", "auth-success", "authenticated for user 'alice'. From: 203.0.113.5.", "success|alice|||203.0.113.5"},
		{"administrator's success", "general", "general", "User admin logged in via Web from 203.0.113.5 using https", "success|admin|||203.0.113.5"},
		{"older portal, cut at its end", "globalprotect", "globalprotectportal-auth-fail",
			"GlobalProtect portal user authentication failed. Login from: 203.0.113.5, User name: Administrator, Reason: Authentication failed: Invalid username or password , Auth type: profi",
			"failure|Administrator|Authentication failed: Invalid username or password||203.0.113.5"},
		{"older gateway", "globalprotect", "globalprotectgateway-auth-fail", long, "failure|alice|Authentication failed: User Authentication Failed||203.0.113.5"},
		{"older portal, success", "globalprotect", "globalprotectportal-auth-succ", "GlobalProtect portal user authentication succeeded. Login from: 203.0.113.5, User name: alice, Auth type: profile.",
			"success|alice|||203.0.113.5"},
		{"older portal, a user with a reason", "globalprotect", "globalprotectportal-auth-fail",
			"GlobalProtect portal user authentication failed. Login from: 203.0.113.5, User name: x, Reason: timed out, Login from: 8.8.8.8, Reason: Authentication failed, Auth type: profile.",
			"failure|x, Reason: timed out, Login from: 8.8.8.8|||203.0.113.5"},
	} {
		ev := mustParse(t, relayHead+systemLine(c.subtype, c.event, c.description))
		if got := strings.Join([]string{ev.Action, ev.SrcUser, ev.EndReason, ev.Application, ev.Src.String()}, "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		want := detect.Event{Time: time.Date(2025, 11, 21, 1, 59, 58, 250e6, time.UTC), Device: "LAB-FW-01", Type: detect.TypeSystem, Subtype: c.event, Severity: "medium", Repeat: 1}
		want.Action, want.SrcUser, want.EndReason, want.Application, want.Src = ev.Action, ev.SrcUser, ev.EndReason, ev.Application, ev.Src
		if ev != want {
			t.Errorf("%s\ngot  %+v\nwant %+v", c.name, ev, want)
		}
	}
}

// TestSystemLoginsWithoutAClient: a description that may have been cut names nobody, and is counted; what is of something
// else is another log.
func TestSystemLoginsWithoutAClient(t *testing.T) {
	whole := authFail("", wrongPassword, "203.0.113.5")
	upTo := func(n int) string { return authFail(strings.Repeat("x", n-len(whole)), wrongPassword, "203.0.113.5") }
	forged := "x'. Reason: Invalid username/password. auth profile 'LDAP', From: 8.8.8.8."
	for _, c := range []struct {
		name, subtype, event, description string
		want                              error
	}{
		{"499 bytes", "auth", "auth-fail", upTo(499), nil},
		{"500 bytes", "auth", "auth-fail", upTo(500), ErrCut},
		{"512 bytes", "auth", "auth-fail", upTo(512), ErrCut},
		{"cut at 512 bytes behind a forged address", "auth", "auth-fail", "failed authentication for user '" + strings.Repeat("y", 512-32-len(forged)) + forged, ErrCut},
		{"older, 500 bytes", "globalprotect", "globalprotectportal-auth-fail",
			"GlobalProtect portal user authentication failed. Login from: 203.0.113.5, User name: " + strings.Repeat("x", 450) + ", Reason: y", ErrCut},
		{"cut in the middle", "auth", "auth-fail", "failed authentication for user 'x'. Reason: Invalid username/password. auth profile 'ESA-AUTH',", ErrCut},
		{"cut in the address", "auth", "auth-fail", strings.TrimSuffix(authFail("x", wrongPassword, "203.0.113.51"), "1."), ErrCut},
		{"no address", "auth", "auth-fail", authFail("x", wrongPassword, ""), ErrCut},
		{"unset address", "auth", "auth-fail", authFail("x", wrongPassword, "0.0.0.0"), ErrCut},
		{"a name", "auth", "auth-fail", authFail("x", wrongPassword, "host.example.com"), ErrCut},
		{"no reason", "auth", "auth-fail", "failed authentication for user 'x'. From: 203.0.113.5.", ErrCut},
		{"an address in the user alone", "auth", "auth-fail", "failed authentication for user 'x From: 8.8.8.8.", ErrCut},
		{"unknown words", "auth", "auth-fail", "something else, From: 203.0.113.5.", ErrCut},
		{"unknown details", "auth", "auth-fail", "failed authentication for user 'x'. Reason: y. auth profile 'z', for user 'w', From: 203.0.113.5.", ErrCut},
		{"success from the console", "auth", "auth-success", "authenticated for user 'admin'.", ErrIgnored},
		{"a warning", "auth", "auth-success", "When authenticating user 'x' from '203.0.113.5', a less secure authentication method PAP is used. Please migrate to PEAP or EAP-TTLS. " +
			"Authentication Profile 'FWPA', vsys 'shared', Server Profile 'RADIUS', Server Address '192.0.2.10'", ErrIgnored},
		{"login on the console", "general", "general", "User admin logged in via CLI from Console", ErrIgnored},
		{"anything general", "general", "general", "Connection to Update server: completed successfully, initiated by 203.0.113.5", ErrIgnored},
		{"another event", "vpn", "ike-send-p2-delete", "IKE protocol IPSec SA delete message sent to peer.", ErrIgnored},
		{"logout", "globalprotect", "globalprotectgateway-logout-succ", "GlobalProtect gateway user logout succeeded. User name: alice, Reason: client logout.", ErrIgnored},
	} {
		ev, err := parse(systemLine(c.subtype, c.event, c.description))
		if !errors.Is(err, c.want) {
			t.Errorf("%s (%d bytes): %v, source %v, want %v", c.name, len(c.description), err, ev.Src, c.want)
		}
	}
	if !errors.Is(ErrCut, detect.ErrCut) || errors.Is(ErrCut, detect.ErrNoEvent) {
		t.Error("a cut record is to be counted as such")
	}
	if _, err := parse("1,2025/11/21 02:00:00,007,SYSTEM,auth,2562,2025/11/21 02:00:00,,auth-fail,LDAP"); !errors.Is(err, ErrTruncated) {
		t.Errorf("cut ahead of the description: %v", err)
	}
	if _, err := parse("1,2025/11/21 02:00:00,007,SYSTEM,auth,2562,2025/11/21 02:00:00,,auth-fail,LDAP,0,0,general,medium,failed authentication for user x. Reason: y. From: 8.8.8.8."); !errors.Is(err, ErrTruncated) {
		t.Errorf("cut in the description: %v", err)
	}
	if _, err := parse(`1,2025/11/21 02:00:00,007,SYSTEM,auth,2562,2025/11/21 02:00:00,,auth-fail,LDAP,0,0,general,medium,failed authentication for user "x", 7,0x0`); !errors.Is(err, ErrColumns) {
		t.Errorf("not quoted: %v", err)
	}
}

// loginUser draws what a stranger may give for his name.
func loginUser() *rapid.Generator[string] {
	pieces := rapid.SampledFrom([]string{"x", "alice", " ", ",", ", ", ";", "; ", "'", "'. ", `"`, `""`, ".", "=", "From: 8.8.8.8.", "Login from: 8.8.8.8, ", "Reason: ", ", Reason: timed out", "User name: y",
		"auth profile 'p', ", "server address '8.8.8.8', ", "auth protocol 'PAP', ", "Status=success", "; SrcIP=8.8.8.8", "; Event=portal-prelogin", "; SrcUser=y", "; Description=", "; Type=TRAFFIC", "Type=GLOBALPROTECT; ",
		"failed authentication for user '", "authenticated for user 'z'. From: 8.8.8.8.", "8.8.8.8", ",success,", "#011", "ü", "\xff", "[", "] ", "pre-logon"})
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(pieces, 0, 12).Draw(t, "pieces"), "") })
}

// decided is what of a login decides anything.
func decided(ev *detect.Event) string {
	return fmt.Sprintf("%v %v %s %s %s %s %v", ev.Type, ev.Src, ev.Subtype, ev.Action, ev.Application, ev.EndReason, ev.Time)
}

// TestNoForgeryInLogins: whatever strangers give for their names, what decides is the firewall's.
func TestNoForgeryInLogins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user, machine := loginUser().Draw(t, "user"), loginUser().Draw(t, "machine")
		want := gpEventOf()
		line := gpLine(rapid.SampledFrom([]int{42, 49, 51}).Draw(t, "columns"), map[int]string{12: quoted(user), 14: quoted(machine), 19: quoted(machine), 22: quoted(machine)})
		ev, err := parse(line)
		if err != nil || decided(&ev) != decided(&want) {
			t.Fatalf("%s\n%v\ngot  %s\nwant %s", line, err, decided(&ev), decided(&want))
		}
		reason := rapid.SampledFrom([]string{wrongPassword, "User is not in allowlist", "Authentication request is timed out"}).Draw(t, "reason")
		description := authFail(user, reason, "203.0.113.5")
		ev, err = parse(systemLine("auth", "auth-fail", description))
		if len(description) >= fullDescription {
			if !errors.Is(err, ErrCut) {
				t.Fatalf("%d bytes: %v", len(description), err)
			}
			return
		}
		want = gpEventOf()
		want.Type, want.Subtype, want.Application, want.EndReason = detect.TypeSystem, "auth-fail", "PAP", reason
		if err != nil || decided(&ev) != decided(&want) {
			t.Fatalf("%s\n%v\ngot  %s\nwant %s", description, err, decided(&ev), decided(&want))
		}
		older := "GlobalProtect portal user authentication failed. Login from: 203.0.113.5, User name: " + user + ", Reason: " + reason + ", Auth type: profile."
		if ev, err = parse(systemLine("globalprotect", "globalprotectportal-auth-fail", older)); err == nil && (ev.Src != want.Src || ev.Action != failure || ev.EndReason != reason && ev.EndReason != "") {
			t.Fatalf("%s\n%s", older, decided(&ev))
		}
	})
}

// TestNoForgeryWithoutQuotes: a firewall that leaves the quotes away lets commas move columns. A line that is read has the firewall's client
// all the same, whatever row of columns a stranger gives for his name, and whatever else he chooses.
func TestNoForgeryWithoutQuotes(t *testing.T) {
	fake := gpCells()
	fake[15], fake[16], fake[13] = "8.8.8.8", "0.0.0.0", ""
	few := rapid.SampledFrom([]string{"", "0", "7", "1", "failure", "success", "0x0", "8.8.8.8", "2025-11-21T01:59:58.250+00:00", "x"})
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.SampledFrom([]int{34, 36, 42, 49, 50, 51}).Draw(t, "columns")
		user := "x"
		for by := range rapid.IntRange(0, 45).Draw(t, "moved by") {
			c := 13 + by
			user += "," + strings.ReplaceAll(rapid.OneOf(rapid.Just(fake[c]), rapid.Just(fake[c]), few).Draw(t, "column"), `"`, "")
		}
		changes := map[int]string{12: user, 27: "Authentication failed"}
		for _, c := range []int{14, 19, 20, 21, 22, 23} { // what the client says of itself
			changes[c] = few.Draw(t, "of the client")
		}
		client := netip.MustParseAddr("203.0.113.5")
		if rapid.Bool().Draw(t, "IPv6") {
			client = netip.MustParseAddr("2001:db8::5")
			changes[15], changes[16], changes[17], changes[18] = "", client.String(), "", ""
		}
		line := gpLine(width, changes)
		if rapid.Bool().Draw(t, "early") {
			line = earlyOf(gpLine(34, changes))
		}
		if ev, err := parse(line); err == nil {
			read++
			if ev.Src != client && ev.Src.IsValid() {
				t.Fatalf("%s\nsource %s", line, ev.Src)
			}
		}
	})
	if read == 0 {
		t.Error("no line was read")
	}
}

func TestNoForgeryInDescriptionsWithoutQuotes(t *testing.T) {
	forged := strings.ReplaceAll(authFail("x", wrongPassword, "8.8.8.8"), ",", " ")
	behind := []string{"7", "0x0", "0", "0", "0", "0", "", "FW", "0", "0", "2025-11-21T01:59:58.250+00:00", "0", "0"}
	ahead := []string{"0", "0", "general", "medium", forged}
	few := rapid.SampledFrom([]string{"", "0", "7", "0x0", "x"})
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		row := func(fake []string) string {
			text := ""
			for i := range rapid.IntRange(0, len(fake)).Draw(t, "moved by") {
				text += "," + rapid.OneOf(rapid.Just(fake[i]), few).Draw(t, "column")
			}
			return text
		}
		object, description := "LDAP", authFail("alice", wrongPassword, "203.0.113.5")
		if rapid.Bool().Draw(t, "in the object") {
			object, description = "x"+row(append(ahead, behind...)), quoted(description)
		} else {
			description = strings.Replace(description, "alice", forged[len("failed authentication for user '"):]+row(behind), 1)
		}
		cells := append([]string{"1", "2025/11/21 02:00:00", "007", "SYSTEM", "auth", "2562", "2025/11/21 01:59:58", "", "auth-fail", object, "0", "0", "general", "medium", description}, behind[:11]...)
		line := strings.Join(cells[:rapid.SampledFrom([]int{23, 26}).Draw(t, "columns")], ",")
		if ev, err := parse(line); err == nil {
			read++
			if ev.Src != netip.MustParseAddr("203.0.113.5") {
				t.Fatalf("%s\nsource %s", line, ev.Src)
			}
		}
	})
	if read == 0 {
		t.Error("no line was read")
	}
}

// TestCutDescriptions: wherever a description is cut, its address is the firewall's or none.
func TestCutDescriptions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := authFail(loginUser().Draw(t, "user")+rapid.StringN(0, 400, 600).Draw(t, "more"), wrongPassword, "203.0.113.5")
		cut := whole[:min(rapid.IntRange(500, 512).Draw(t, "at"), len(whole))]
		ev, err := parse(systemLine("auth", "auth-fail", cut))
		if err == nil && ev.Src != netip.MustParseAddr("203.0.113.5") {
			t.Fatalf("%s\nsource %v", cut, ev.Src)
		}
	})
}
