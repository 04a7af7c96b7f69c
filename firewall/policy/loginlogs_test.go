package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/xmlapi"
)

// ready is a lab in which everything is in place.
func ready(t *testing.T, version string) *provisionLab {
	t.Helper()
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Version = version })
	l.apply(l.plan(), false)
	l.commit()
	if found := l.logFaults(); len(found) != 0 {
		t.Fatalf("after provisioning: %q", found)
	}
	return l
}

// logFaults are what the checks of logs find.
func (l *provisionLab) logFaults() []string {
	return slices.DeleteFunc(l.fails(), func(text string) bool {
		return !strings.HasPrefix(text, CheckForwarding) && !strings.HasPrefix(text, CheckFormat) && !strings.HasPrefix(text, CheckCommitted)
	})
}

// edit has somebody change the running configuration.
func (l *provisionLab) edit(action, path, content string) {
	l.t.Helper()
	if err := l.sim.Config().Edit("boss", action, path, content); err != nil {
		l.t.Fatal(err)
	}
	if err := l.sim.Config().Commit("boss"); err != nil {
		l.t.Fatal(err)
	}
}

// mended is what verify finds, and whether provision mends it for good.
func (l *provisionLab) mended() []string {
	l.t.Helper()
	found := l.logFaults()
	if n := l.apply(l.plan(), true); n == 0 && len(found) > 0 {
		l.t.Errorf("nothing is done about %q", found)
	}
	l.commit()
	if left := l.plan(); len(left) != 0 {
		l.t.Errorf("still to do: %v", left)
	}
	if left := l.logFaults(); len(left) != 0 {
		l.t.Errorf("still wrong: %q", left)
	}
	return found
}

func TestLoginLogs(t *testing.T) {
	for _, c := range []struct {
		name, version         string
		action, path, content string
		want                  []string // what each finding holds
	}{
		{"nothing is missing", "11.1.4", "", "", "", nil},
		{"the globalprotect log is not sent", "11.1.4", "delete", loginListPath(logGlobalProtect), "", []string{"log-forwarding warn: no globalprotect logs are sent to us"}},
		{"the system log is not sent", "11.1.4", "delete", loginListPath(logSystem) + xmlapi.EntryNamed("active-defense"), "", []string{"log-forwarding warn: no system logs are sent to us"}},
		{"the system log is not sent, before 9.1", "9.0.9", "delete", loginListPath(logSystem), "", []string{"log-forwarding warn: no system logs are sent to us"}},
		{"a filter leaves logins out", "11.1.4", "edit", loginListPath(logSystem) + xmlapi.EntryNamed("active-defense") + "/filter", "<filter>(severity geq high)</filter>",
			[]string{`log-forwarding warn: only those system logs are sent to us that match "(severity geq high)"`}},
		{"a filter lets more pass", "11.1.4", "edit", loginListPath(logSystem) + xmlapi.EntryNamed("active-defense") + "/filter", "<filter>(subtype eq vpn) or ( subtype eq auth )</filter>", nil},
		{"everything passes", "11.1.4", "edit", loginListPath(logSystem) + xmlapi.EntryNamed("active-defense") + "/filter", "<filter>All Logs</filter>", nil},
		{"a filter of 9.1, before 9.1", "9.0.9", "edit", loginListPath(logSystem) + xmlapi.EntryNamed("active-defense") + "/filter", "<filter>(subtype eq auth)</filter>",
			[]string{`only those system logs are sent to us that match "(subtype eq auth)"`}},
		{"another format", "11.1.4", "edit", sharedSyslog + xmlapi.EntryNamed("active-defense") + "/format/globalprotect", "<globalprotect>$type</globalprotect>",
			[]string{"syslog-format warn: \"active-defense\": the globalprotect format differs"}},
		{"the default format", "11.1.4", "delete", sharedSyslog + xmlapi.EntryNamed("active-defense") + "/format/system", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := ready(t, c.version)
			if c.action != "" {
				l.edit(c.action, c.path, c.content)
			}
			found := l.mended()
			if len(found) != len(c.want) || !slices.EqualFunc(found, c.want, strings.Contains) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

// What is read of an input in key=value form alone is not the default format.
func TestLoginFormatsWhereTheDefaultIsNotRead(t *testing.T) {
	l := ready(t, "11.1.4")
	l.want.Formats.Default = false
	l.edit("delete", sharedSyslog+xmlapi.EntryNamed("active-defense")+"/format/system", "")
	if found := l.mended(); len(found) != 1 || !strings.Contains(found[0], "system logs use the default format") {
		t.Errorf("found %q", found)
	}
}

// A firewall that an earlier version made ready goes on, and is told what it lacks.
func TestTheShorterFormat(t *testing.T) {
	l := ready(t, "11.1.4")
	l.want.Formats.Shorter, l.want.Formats.Traffic, l.want.Formats.Threat = customFormat, customFormat+" Application=$app;", customFormat+" Direction=$direction;"
	found := l.mended()
	if len(found) != 1 || !strings.HasPrefix(found[0], "syslog-format warn: ") || strings.Count(found[0], "the shorter one") != 2 {
		t.Errorf("found %q", found)
	}
	running := l.sim.Config().Running()
	if !strings.Contains(running, "Application=$app") || !strings.Contains(running, "Direction=$direction") {
		t.Error("the longer formats were not written")
	}
}

// Before PAN-OS 9.1 there is no section for GlobalProtect: nothing is written there.
func TestNoGlobalProtectSectionBefore91(t *testing.T) {
	if text := ready(t, "9.0.9").sim.Config().Running(); strings.Contains(text, "globalprotect>") || !strings.Contains(text, "(subtype eq auth) or (subtype eq globalprotect)") {
		t.Errorf("running: %s", text)
	}
}

// Where logins are not read nothing is said of their logs.
func TestWithoutLogins(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	l.want.Formats.Logins = false
	for _, s := range l.plan() {
		if strings.Contains(s.String(), "globalprotect") || strings.Contains(s.String(), "system") {
			t.Errorf("%s", s)
		}
	}
}

// What provision made has the firewall send logins, and of the system log nothing else.
func TestProvisionedFirewallSendsLogins(t *testing.T) {
	for version, want := range map[string]int{"11.1.4": 2, "9.0.9": 1} {
		l := ready(t, version)
		if n := l.sim.Traffic().Login("", logs.Login{Event: "gateway-auth", Client: netip.MustParseAddr("203.0.113.5"), User: "alice", Failed: true}); n != want {
			t.Errorf("%s: %d lines", version, n)
		}
	}
}

// Where patterns read other logs alone, nothing is asked of what a firewall logs, and all else is.
func TestNobodyReadsTheFirewallsLogs(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil) // which sends nothing to us
	verify := func() []Check { return Verify(ReadFacts(t.Context(), l.device, l.want), l.want) }
	reads := verify()
	l.want.Formats = Formats{Logins: true}
	for i, c := range verify() {
		switch c.Check {
		case CheckBlockLogs, CheckSensor, CheckForwarding, CheckFormat:
			if c.Result != ResultPass || !strings.Contains(c.Detail, "no input reads the logs of a firewall") || reads[i].Result == ResultPass && c.Check != CheckBlockLogs {
				t.Errorf("%+v, where they are read %+v", c, reads[i])
			}
		case CheckInternetRules:
			if strings.Contains(c.Detail, "log") {
				t.Errorf("%+v", c)
			}
		default:
			if c.Result != reads[i].Result {
				t.Errorf("%+v, where they are read %+v", c, reads[i])
			}
		}
	}
}

// A server profile in CEF or LEEF is another receiver's and is read as it is, where it has what no record can be read without. We write none: where
// nothing else is read, a person does.
func TestFormatsThatAreOthers(t *testing.T) {
	const cef = "CEF:0|Palo Alto Networks|PAN-OS|$sender_sw_version|$subtype|$type|1|src=$src dst=$dst suser=$srcuser dpt=$dport act=$action"
	at := sharedSyslog + xmlapi.EntryNamed("active-defense") + "/format"
	l := ready(t, "11.1.4")
	l.want.Formats.CEF = true
	for _, kind := range []string{"traffic", "threat"} {
		l.edit("edit", at+"/"+kind, "<"+kind+">"+cef+"</"+kind+">")
	}
	if found := l.logFaults(); len(found) != 0 {
		t.Errorf("found %q", found)
	}
	if left := l.plan(); len(left) != 0 {
		t.Errorf("to do: %v", left)
	}
	l.edit("edit", at+"/traffic", "<traffic>"+strings.Replace(cef, " dpt=$dport act=$action", " dpt=$dport_", 1)+"</traffic>")
	if found := l.logFaults(); len(found) != 1 || !strings.Contains(found[0], "the traffic format is CEF without $dport, $action") {
		t.Errorf("found %q", found)
	}
	l.edit("edit", at+"/traffic", "<traffic>"+strings.Replace(cef, "CEF:0", "LEEF:1.0", 1)+"</traffic>")
	if found := l.logFaults(); len(found) != 1 || !strings.Contains(found[0], "the traffic format differs") {
		t.Errorf("LEEF, which no input reads: %q", found)
	}
	l.want.Formats = Formats{LEEF: true}
	if found := l.logFaults(); len(found) != 1 || !strings.Contains(found[0], "the threat format is not LEEF") {
		t.Errorf("LEEF alone is read: %q", found)
	}
	left := l.plan()
	if len(left) != 1 || left[0].Action != ActionPerson || !strings.Contains(left[0].Detail, "Custom Log Format > Threat: Palo Alto Networks' template of LEEF") {
		t.Errorf("to do: %v", left)
	}
}
