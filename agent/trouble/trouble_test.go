package trouble

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/notify"
	"activedefense/agent/silence"
	"activedefense/firewall/ours"
	"activedefense/firewall/policy"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// What stops the work comes before what hampers it, and what has lasted longer first.
func TestTheWorstComesFirst(t *testing.T) {
	all := []Trouble{{Since: ago(3), What: "scanners.txt has shrunk"}, {Since: ago(9), What: "reload-refused: it was"}, {Since: ago(1), What: "firewall-down: a"}, {Since: ago(2), What: "firewall-down: b"},
		{Since: ago(1), What: "store: it is away"}, {Since: ago(5), What: "input-silent: x"}, {Since: ago(5), What: "list: none"}}
	Sort(all)
	var got []string
	for _, t := range all {
		got = append(got, strings.Fields(t.What)[0]+t.What[len(t.What)-1:])
	}
	if want := "store:y list:e firewall-down:b firewall-down:a input-silent:x reload-refused:s scanners.txtk"; strings.Join(got, " ") != want {
		t.Errorf("%s", got)
	}
}

// A trouble of which nobody knows since when is dated when it is first noticed, and anew when it returns.
func TestTroublesAreDatedWhenFirstNoticed(t *testing.T) {
	var m Memory
	look := func(at time.Time, all ...Trouble) time.Time {
		m.Date(all, at)
		if len(all) == 0 {
			return time.Time{}
		}
		return all[0].Since
	}
	refused := func(n int) Trouble { return Trouble{Of: "fw1", What: fmt.Sprintf("refused: %d", n)} }
	for i, c := range []struct{ got, want time.Time }{
		{look(noon, refused(1)), noon}, {look(noon.Add(1), refused(2)), noon}, {look(noon.Add(2)), time.Time{}}, {look(noon.Add(3), refused(1)), noon.Add(3)},
		{look(noon.Add(4), Trouble{Of: "fw2", What: "refused: 1"}), noon.Add(4)}, {look(noon, Trouble{Since: ago(5), What: "store: x"}), ago(5)},
	} {
		if !c.got.Equal(c.want) {
			t.Errorf("%d: %s, want %s", i, c.got, c.want)
		}
	}
}

// A key or a certificate that ends, and a key file that is of no use, are troubles before anything fails.
func TestAKeyThatEndsIsATrouble(t *testing.T) {
	at := func(d time.Duration) *time.Time { at := noon.Add(d); return &at }
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		a    enforce.Access
		want []string
	}{
		{"all is well", enforce.Access{Key: enforce.KeyLimited, KeyMade: at(-day), KeyEnds: at(89 * day), CertificateFrom: at(-day), CertificateEnds: at(15 * day)}, nil},
		{"no file, and nothing seen", enforce.Access{Key: enforce.KeyUnknown}, nil},
		{"the key ends", enforce.Access{KeyFile: "/k", KeyMade: at(-80 * day), KeyEnds: at(10 * day)}, []string{"96h0m0s key-expiry: the API key of fw1 ends at 2026-12-09T12:00:00Z at the latest, as long as its firewall has keys last after /k was written"}},
		{"it should have ended", enforce.Access{KeyFile: "/k", KeyMade: at(-91 * day), KeyEnds: at(-day)}, []string{"360h0m0s key-expiry: the API key of fw1 should have ended at 2026-11-28T12:00:00Z at the latest, as long as its firewall has keys last after /k was written"}},
		{"its file", enforce.Access{KeyFile: "/k", KeyFault: "is empty", KeyFaultSince: at(-time.Hour)}, []string{"1h0m0s key-expiry: /k, the key file of fw1, holds no key (it is empty), and the one that it held is used for as long as it lasts"}},
		{"its file is of another", enforce.Access{KeyFile: "/k", KeyRefused: at(-time.Hour)}, []string{"1h0m0s key-expiry: fw1 refuses the key in /k, and the one before is used for as long as it lasts"}},
		{"the certificate ends", enforce.Access{CertificateFrom: at(-30 * day), CertificateEnds: at(5 * day), CertificateNamed: "CA"}, []string{`90h0m0s certificate: that of fw1 is good until 2026-12-04T12:00:00Z (of "CA"), and nothing can be sent to it without a new one`}},
		{"it has ended", enforce.Access{CertificateFrom: at(-30 * day), CertificateEnds: at(-day), CertificateNamed: "CA"}, []string{`198h0m0s certificate: that of fw1 ended at 2026-11-28T12:00:00Z (of "CA"), and nothing can be sent to it without a new one`}},
		{"nobody looks at it", enforce.Access{Unverified: true, CertificateFrom: at(-30 * day), CertificateEnds: at(-day)}, nil},
	} {
		c.a.Firewall = "fw1"
		expect(t, c.name, Firewalls([]enforce.Status{{Name: "fw1", Up: true, Access: []enforce.Access{c.a}}}, noon), c.want...)
	}
}

// What is to be told is told once when it begins, and once when it is over.
func TestNewsAreToldOnce(t *testing.T) {
	var n News
	silent := Trouble{Of: "/l", What: "input-silent: no line from 1 of 2"}
	more := Trouble{Of: "/l", What: "input-silent: no line from 2 of 2"}
	store := Trouble{What: "store: away"}
	hangs := StateDir("/state/database.json", ago(7*time.Second), noon)
	if text := hangs[0].What; !strings.Contains(text, "write of /state/database.json for 7s") || StateDir("", noon, noon) != nil {
		t.Error(text)
	}
	var got []string
	for _, all := range [][]Trouble{{store}, {silent, store}, {more}, {}, {silent}, {silent, hangs[0]}, {silent}} {
		begun, over := n.Of(all)
		got = append(got, fmt.Sprint(len(begun), len(over)))
	}
	if want := "[0 0 1 0 0 0 0 1 1 0 1 0 0 1]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// A firewall is a trouble when it has been away for a minute, and not while our own commit runs.
func TestAFirewallThatIsAwayIsATrouble(t *testing.T) {
	failed := ago(2 * time.Minute)
	for _, c := range []struct {
		name string
		s    enforce.Status
		want string
	}{
		{"up", enforce.Status{State: enforce.StateUp, Up: true, Since: failed}, ""},
		{"down", enforce.Status{State: enforce.StateDown, Since: failed, Error: "no answer"}, "2m0s firewall-down: fw1 cannot be brought level: no answer"},
		{"a moment ago", enforce.Status{State: enforce.StateDown, Since: ago(59 * time.Second), Error: "no answer"}, ""},
		{"our commit runs", enforce.Status{State: enforce.StateDown, Since: failed, Committing: true}, ""},
		{"in maintenance", enforce.Status{State: enforce.StateMaintenance, Since: failed}, ""},
		{"never asked", enforce.Status{State: enforce.StateUnknown, Since: failed}, ""},
		{"never answered", enforce.Status{State: enforce.StateUnknown, Since: ago(time.Hour), ErrorSince: &failed, Error: "no route"}, "2m0s firewall-down: fw1 has not answered since the start: no route"},
		{"brake", enforce.Status{Up: true, Brake: "100 of 200"}, "unknown brake: firewall fw1: 100 of 200"},
		{"refused", enforce.Status{Up: true, RefusedCount: 2, Refused: []string{"203.0.113.1: no"}}, "unknown refused: firewall fw1 refused 2 addresses: 203.0.113.1: no"},
		{"an object that stays", enforce.Status{Up: true, Undeleted: []string{"203.0.113.1: in use"}}, "unknown refused: firewall fw1 keeps address objects of released addresses: 203.0.113.1: in use"},
	} {
		c.s.Name = "fw1"
		expect(t, c.name, Firewalls([]enforce.Status{c.s}, noon), c.want)
	}
}

// expect compares the troubles, each with for how long it has lasted.
func expect(t *testing.T, name string, troubles []Trouble, want ...string) {
	t.Helper()
	var got []string
	for _, tr := range troubles {
		since := "unknown"
		if !tr.Since.IsZero() {
			since = noon.Sub(tr.Since).String()
		}
		got = append(got, since+" "+tr.What)
		if tr.Remedy == "" || tr.Kind() == "" {
			t.Errorf("%s: %+v lacks a remedy or a kind", name, tr)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestWhatThePartsSayIsATrouble(t *testing.T) {
	since := ago(time.Hour)
	expect(t, "the store is well", Store(nil, "", false))
	expect(t, "the store is away", Store(&since, "connection refused", false), "1h0m0s store: it is away, and nothing is read and nobody newly blocked until it is back: connection refused")
	expect(t, "releases wait", Releases("no log file is left at /l", since, noon), "1h0m0s releases: nobody is found quiet while activity may go unseen: no log file is left at /l")
	expect(t, "releases wait for a moment", Releases("no log file is left at /l", ago(time.Second), noon))
	expect(t, "reload", Reload(&since, noon, []string{"a", "b"}, false), "1h0m0s reload-refused: the configuration as it is now was refused, and the one loaded 2026-11-29T12:00:00Z stays in use: a (and 1 more)")
	if here := Reload(&since, noon, []string{"edl.listen: address already in use"}, true); len(here) != 1 || strings.Contains(here[0].Remedy, "check") || !strings.Contains(here[0].Remedy, "valid") {
		t.Errorf("of a configuration that cannot work here: %+v", here)
	}
	expect(t, "policies", Policies([]enforce.PolicyStatus{
		{Firewall: "fw1", State: policy.ResultFail, Since: since, Checks: []policy.Check{{Check: "rule", Result: policy.ResultFail}, {Check: "logging", Result: policy.ResultWarn}}},
		{Firewall: "fw2", State: policy.ResultWarn, Since: since}, {Firewall: "fw3", State: enforce.StateUnknown, Checks: []policy.Check{{Check: "rule", Result: policy.ResultFail}}},
	}), "1h0m0s verify-failed: what is blocked may pass fw1: 1 policy check failed (rule)")
	d := line.DetectStatus{Refused: 1000, Elsewhere: 101}
	asked := []enforce.AskStatus{{Firewall: "fw1", Error: "no"}, {Firewall: "fw2"}, {Firewall: "fw3", AskedAt: &since, Troubles: []ours.Trouble{{What: "too wide", Remedy: "say so"}}}}
	expect(t, "networks", Networks(&d, true, asked, since, noon), "1h0m0s networks: in 10 % of the refused records neither end is ours, and they count for nothing",
		"1h0m0s networks: fw1 has never said which addresses are ours: no", "unknown networks: fw3: too wide")
	expect(t, "not one is ours", Networks(&line.DetectStatus{Refused: 33, Elsewhere: 33}, true, nil, since, noon),
		"1h0m0s networks: not one of the 33 refused records has an end that is ours, and none of them counts: nothing is detected")
	expect(t, "few are not ours", Networks(&line.DetectStatus{Refused: 9, Elsewhere: 9}, true, nil, since, noon))
	expect(t, "one is ours", Networks(&line.DetectStatus{Refused: 33, Elsewhere: 32}, true, nil, since, noon))
	expect(t, "it may be starting", Networks(&line.DetectStatus{}, true, asked[:1], ago(59*time.Second), noon))
	expect(t, "nothing is known to be ours", Networks(&d, false, nil, since, noon))
}

// An input is one trouble, however many of its files are silent, and says whether all are.
func TestAnInputThatIsSilentIsATrouble(t *testing.T) {
	first := ago(2 * time.Hour)
	var many []silence.Quiet
	for i := range 7 {
		many = append(many, silence.Quiet{Path: fmt.Sprintf("/l/%d.log", i), Since: first})
	}
	for _, c := range []struct {
		name string
		s    line.Status
		want []string
	}{
		{"all is well", line.Status{Heard: []silence.Status{{Pattern: "/l/*.log", Last: noon, Files: 3}}}, nil},
		{"never a line", line.Status{Heard: []silence.Status{{Pattern: "/l/*.log", Since: first}}}, []string{"2h0m0s input-silent: there has never been a line from /l/*.log"}},
		{"all", line.Status{Heard: []silence.Status{{Pattern: "/l/*.log", Last: first, Since: first, Files: 1, Silent: many[:1]}}}, []string{"2h0m0s input-silent: no line comes from /l/*.log any more, the last one at 2026-11-29T10:00:00Z"}},
		{"some", line.Status{Heard: []silence.Status{{Pattern: "/l/*.log", Last: noon, Files: 40, Silent: many[:1]}}}, []string{"2h0m0s input-silent: no line comes any more from 1 of 40 files of /l/*.log: /l/0.log (last 2026-11-29T10:00:00Z)"}},
		{"unreadable", line.Status{Inputs: []line.InputStatus{{Path: "/l/a", Error: "no", ErrorSince: &first}, {Path: "/l/*.txt", Error: "no file matches it"}, {Path: "/l/c", Error: "no such file", ErrorSince: &first, Silent: &first}, {Path: "/l/b", Clock: "an hour behind"}}},
			[]string{"2h0m0s input: 1 file cannot be read, or only in part: /l/a: no", "unknown times: those of 1 file are wrong: /l/b: an hour behind"}},
		{"hidden logins", line.Status{Inputs: []line.InputStatus{{Path: "/l/a"}, {Path: "/l/b", Hidden: 12, HiddenSince: &first, HiddenReason: "a login with several addresses"}}},
			[]string{"2h0m0s logins: 12 failed logins of /l/b count for nobody since 2026-11-29T10:00:00Z: the last was a login with several addresses"}},
	} {
		expect(t, c.name, Inputs(&c.s), c.want...)
	}
	s := line.Status{Heard: []silence.Status{{Pattern: "/l/*.log", Last: noon, Files: 40, Silent: many}}}
	if what := Inputs(&s)[0].What; !strings.HasSuffix(what, "; and 2 more") || strings.Contains(what, "/l/5.log") {
		t.Errorf("%s", what)
	}
}

// A receiver that takes no notices for long is a trouble.
func TestAReceiverThatTakesNothingIsATrouble(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	since := func(ago time.Duration) *time.Time { at := now.Add(-ago); return &at }
	got := Notices([]notify.Status{{Receiver: "syslog"}, {Receiver: "webhook-a", Failing: true, Since: since(9 * time.Minute)},
		{Receiver: "mail", Failing: true, Since: since(11 * time.Minute), Waiting: 7, Error: "no route to host"}}, now)
	if len(got) != 1 || got[0].Kind() != "notices" || got[0].Of != "mail" || !strings.Contains(got[0].What, "7 wait: no route to host") || !strings.Contains(got[0].Remedy, "notify test mail") {
		t.Errorf("%+v", got)
	}
}

// A notice that was given up is a trouble for a day, besides that its receiver takes nothing.
func TestANoticeThatWasGivenUpIsATrouble(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day, hour := now.Add(-25*time.Hour), now.Add(-time.Hour)
	got := Notices([]notify.Status{{Receiver: "syslog", GivenUp: 1, GivenUpAt: &day}, {Receiver: "mail", Failing: true, Since: &hour, GivenUp: 3, GivenUpAt: &hour}}, now)
	if len(got) != 2 || got[0].Key() == got[1].Key() || got[1].Kind() != "notices" || !got[1].Since.Equal(hour) || !strings.Contains(got[1].What, "mail refuses what some of them say, in any form, and 3 were given up") {
		t.Errorf("%+v", got)
	}
}

// Lines that are read late are a trouble; the beginning of a line that is not whole, a moment's delay and a clock that is wrong are none.
func TestLinesThatAreReadLateAreATrouble(t *testing.T) {
	late := line.InputStatus{Path: "/l/a.log", LagSeconds: 600, Behind: 1 << 20}
	partial, fresh, wrong := late, late, late
	partial.Behind, fresh.LagSeconds, wrong.Clock = 300, 299, "an hour behind"
	got := Inputs(&line.Status{Inputs: []line.InputStatus{late, partial, fresh}})
	if len(got) != 1 || got[0].Kind() != "lag" || !strings.Contains(got[0].What, "1 file: /l/a.log (10m0s)") {
		t.Errorf("%+v", got)
	}
	if got = Inputs(&line.Status{Inputs: []line.InputStatus{wrong}}); len(got) != 1 || got[0].Kind() != "times" {
		t.Errorf("%+v", got)
	}
}

// A pause says until when in a zone, for clocks are changed.
func TestAPauseSaysItsZone(t *testing.T) {
	until := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	if got, want := Paused(until, until, "anna", "a test").What, "until "+until.Local().Format("2006-01-02 15:04:05 MST")+" (anna: a test)"; !strings.HasSuffix(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
}
