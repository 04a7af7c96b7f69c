package logs

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/firewall/panosim/dialect"
)

// sampleLogin gives the entries of a login.
func sampleLogin(t *testing.T, versionText string, l Login) []*Record {
	t.Helper()
	v, err := dialect.ParseVersion(versionText)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 13, 0, 5, 250e6, time.FixedZone("", 3600))
	return l.Records(Record{Device: Device{Serial: "007000000000001", Hostname: "lab-fw-01", Version: versionText, Release: v}, VSys: "vsys1", Seq: 7, Began: now, Time: now})
}

func TestLoginsAreReadBack(t *testing.T) {
	zone := time.FixedZone("", 3600)
	parser := panos.New(panos.Options{Location: zone})
	formats := map[string]string{GlobalProtect: panos.GlobalProtectFormat, SystemLog: panos.SystemFormat}
	for _, version := range []string{"8.1.3", "9.0.0", "9.1.4", "10.0.0", "10.2.9-h1", "11.1.4", "11.2.0"} {
		for _, login := range []Login{
			{Event: "gateway-auth", Client: netip.MustParseAddr("203.0.113.5"), User: "alice", Country: "NL", Method: "LDAP", Failed: true},
			{Event: "portal-auth", Client: netip.MustParseAddr("203.0.113.5"), User: "alice", Method: "LDAP"},
			{Client: netip.MustParseAddr("2001:db8::5"), User: `a, "b". From: 8.8.8.8.`, Failed: true, Reason: "Authentication request is timed out"},
			{Event: "portal-auth", Client: netip.MustParseAddr("2001:db8::5"), User: "x; SrcIP=8.8.8.8; Status=success", Failed: true},
		} {
			records := sampleLogin(t, version, login)
			if want := 1; login.Event != "" && records[0].Device.Release.AtLeast(9, 1) {
				if want = 2; len(records) != want || records[0].Log != GlobalProtect || records[1].Log != SystemLog {
					t.Fatalf("%s: %d entries", version, len(records))
				}
			}
			for _, r := range records {
				for name, text := range map[string]string{"csv": r.csv(), "custom": r.render(formats[r.Log], escaping{})} {
					line := r.headed("LOG_USER", "BSD", "LAB-FW-01", text)
					var ev detect.Event
					if err := parser.Parse(line, r.Time, &ev); err != nil {
						t.Fatalf("%s %s: %v in %s", name, version, err, line)
					}
					if ev.Type.String() != r.Log || ev.Src != login.Client || ev.Action != r.Action || ev.SrcUser != login.User || ev.Subtype != r.event {
						t.Errorf("%s %s %s: %+v", r.Log, name, version, ev)
					}
					if login.Failed && !strings.Contains(ev.EndReason, r.Login.Reason) {
						t.Errorf("%s %s %s: reason %q", r.Log, name, version, ev.EndReason)
					}
					if !ev.Time.Truncate(time.Second).Equal(r.Time.Truncate(time.Second)) {
						t.Errorf("%s %s %s: at %v, want %v", r.Log, name, version, ev.Time, r.Time)
					}
				}
			}
		}
	}
}

// A user who is long enough has the client's address cut off, in the SYSTEM entry alone.
func TestLongUsersAreCutOff(t *testing.T) {
	user := strings.Repeat("x", 600) + "'. Reason: y. From: 8.8.8.8."
	records := sampleLogin(t, "11.1.4", Login{Event: "portal-auth", Client: netip.MustParseAddr("203.0.113.5"), User: user, Failed: true})
	parser := panos.New(panos.Options{})
	var ev detect.Event
	if err := parser.Parse([]byte(records[0].csv()), records[0].Time, &ev); err != nil || ev.Src != netip.MustParseAddr("203.0.113.5") {
		t.Errorf("GLOBALPROTECT: %v %v", err, ev.Src)
	}
	if _, text := records[1].Text(); len(text) != longestText {
		t.Errorf("%d bytes", len(text))
	}
	if err := parser.Parse([]byte(records[1].csv()), records[1].Time, &ev); !errors.Is(err, detect.ErrCut) {
		t.Errorf("SYSTEM: %v", err)
	}
}

func TestLoginFields(t *testing.T) {
	for version, want := range map[string][2]int{"9.1.4": {36, 23}, "10.0.0": {42, 26}, "10.2.9": {49, 26}, "11.2.0": {51, 26}} {
		records := sampleLogin(t, version, Login{Event: "portal-auth", Client: netip.MustParseAddr("203.0.113.5"), User: "alice"})
		for i, r := range records {
			if got := len(r.loginFields()); got != want[i] {
				t.Errorf("%s of %s has %d columns, want %d", r.Log, version, got, want[i])
			}
			for _, name := range r.loginFields() {
				if _, ok := r.variable(name); !ok && name != "-" && name != "1" {
					t.Errorf("%s: $%s is not known", r.Log, name)
				}
			}
			if _, ok := r.variable("rule"); ok {
				t.Errorf("%s has a rule", r.Log)
			}
		}
	}
}

func TestLoginFilters(t *testing.T) {
	records := sampleLogin(t, "11.1.4", Login{Event: "portal-auth", Client: netip.MustParseAddr("203.0.113.5"), User: "alice", Failed: true})
	for filter, want := range map[string][2]bool{
		"All Logs": {true, true}, "(subtype eq auth)": {false, true}, "(eventid eq auth-fail)": {false, true}, "(status eq failure)": {true, true},
		"(severity geq medium)": {false, true}, "(severity eq informational)": {true, false}, "(addr.src in 203.0.113.0/24)": {true, true}, "(addr.dst in 203.0.113.0/24)": {false, false},
	} {
		passes, err := parseLogFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range records {
			if passes(r) != want[i] {
				t.Errorf("%s %q: passes %v", r.Log, filter, !want[i])
			}
		}
	}
}
