package screen

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/listen"
	"activedefense/agent/members"
	"activedefense/agent/notify"
	"activedefense/agent/own"
	"activedefense/agent/trouble"
	"activedefense/firewall/policy"
)

// An input that listens is shown with what it lost; one that is well only with all.
func TestListenersAreShown(t *testing.T) {
	s := &agent.Status{Ready: true, Now: noon, Listeners: []listen.Status{
		{Listen: "tls://0.0.0.0:6514", Messages: 1000, Refused: 3, SpoolSize: 1 << 30},
		{Listen: "tcp://0.0.0.0:5515", SpoolSize: 1 << 30},
		{Listen: "udp://0.0.0.0:5514", Messages: 20000, Kernel: 1234, Spooled: 1 << 20, SpoolSize: 1 << 30},
	}}
	for all, want := range map[bool][]string{false: {"3 listeners: 21,000 messages received, 1,234 lost, 3 refused (", "tls://0.0.0.0:6514", "udp://0.0.0.0:5514"}, true: {"tcp://0.0.0.0:5515", "udp://0.0.0.0:5514"}} {
		text := written(t, s, Options{All: all})
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%q is not shown:\n%s", part, text)
			}
		}
		if !all && strings.Contains(text, "tcp://") {
			t.Errorf("one that is well takes room:\n%s", text)
		}
	}
}

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) *time.Time { at := noon.Add(-d); return &at }

func written(t *testing.T, s *agent.Status, o Options) string {
	t.Helper()
	var out strings.Builder
	if err := Write(&out, s, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// large is 40 firewalls and 200 files, of which the 30th firewall is down, the 100th file silent, the 150th unreadable, and the 7th file
// and the 9th firewall the newest.
func large() *agent.Status {
	s := &agent.Status{Ready: true, Now: noon, Started: *ago(time.Hour)}
	for i := range 40 {
		f := enforce.Status{Name: fmt.Sprintf("FW-%02d", i), State: enforce.StateUp, Up: true, Since: *ago(time.Hour), LastSuccess: ago(time.Duration(i) * time.Minute), Tags: 100}
		p := enforce.PolicyStatus{Firewall: f.Name, State: policy.ResultPass, At: ago(40 * time.Minute)}
		switch i {
		case 9:
			f.LastSuccess = ago(0)
		case 0:
			f.LastSuccess = ago(50 * time.Minute)
		case 30:
			f.State, f.Up, f.Error = enforce.StateDown, false, "no answer"
			p.State, p.Checks = enforce.StateUnknown, []policy.Check{{Check: "block-rule", Result: policy.ResultWarn, Detail: "it is old"}}
		}
		s.Firewalls, s.Policies = append(s.Firewalls, f), append(s.Policies, p)
	}
	for i := range 200 {
		in := line.InputStatus{Path: fmt.Sprintf("/l/%03d.log", i), Lines: 1000, LastRead: ago(time.Duration(i+1) * time.Minute)}
		switch i {
		case 7:
			in.LastRead = ago(0)
		case 100:
			in.Silent = ago(time.Hour)
		case 150:
			in.Error = "permission denied"
		}
		s.Inputs = append(s.Inputs, in)
	}
	s.Files = line.FileSums{Files: 9000, Lines: 180000, Bad: 7, Behind: 2048, InTrouble: 1, Silent: 1} // of more than have rows
	s.NotShown = 8800
	for i := range 9 {
		s.Troubles = append(s.Troubles, trouble.Trouble{Since: *ago(time.Hour), What: fmt.Sprintf("firewall-down: FW-%02d cannot be brought level", i), Remedy: strings.Repeat("look there ", 20)})
		s.BadLines = append(s.BadLines, line.BadLine{Time: noon, Path: "/l/000.log", Error: "no", Line: "<bad>"})
	}
	return s
}

// However much there is, it fits a screen: troubles first, then sums, and of the rows the worst and the newest.
func TestStatusFitsAScreen(t *testing.T) {
	for _, size := range []struct{ width, height int }{{0, 0}, {80, 40}, {120, 50}, {200, 60}} {
		text := written(t, large(), Options{Width: size.width, Height: size.height})
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if most := max(size.height, usualHeight*btoi(size.height == 0)); len(lines) > most {
			t.Errorf("%v: %d lines:\n%s", size, len(lines), text)
		}
		for _, l := range lines {
			if size.width > 0 && utf8.RuneCountInString(l) > size.width {
				t.Errorf("%v: a line of %d: %s", size, utf8.RuneCountInString(l), l)
			}
		}
		for _, want := range []string{"\nTROUBLE    firewall-down: FW-00", "9,000 files: 1 in trouble, 1 silent; 180,000 lines, 7 bad; 2.0 KiB behind\n", "40 firewalls: 1 down, 39 up; 4,000 addresses held",
			"policies of 40 firewalls: 1 unknown, 39 pass", "more: --all", "\n/l/150.log", "\n/l/100.log", "\nFW-30 ", "UNKNOWN"} {
			if !strings.Contains(text, want) {
				t.Errorf("%v: %q is missing:\n%s", size, want, text)
			}
		}
		if first := strings.Index(text, "TROUBLE"); first > strings.Index(text, "\nstore") {
			t.Errorf("%v: troubles do not come first:\n%s", size, text)
		}
	}
	text := written(t, large(), Options{Height: 70})
	for _, order := range [][]string{{"/l/150.log", "/l/100.log", "/l/007.log", "/l/000.log"}, {"\nFW-30", "\nFW-09", "\nFW-01"}} {
		for i := range order[1:] {
			if a, b := strings.Index(text, order[i]), strings.Index(text, order[i+1]); a < 0 || b < a {
				t.Errorf("%q does not come before %q:\n%s", order[i], order[i+1], text)
			}
		}
	}
}

// Of a firewall that is not asked, or was not yet, it is not said that it holds nothing.
func TestStatusCountsOnlyWhatWasSeenToBeHeld(t *testing.T) {
	resting := enforce.Status{Name: "FW-REST", State: enforce.StateMaintenance, Mode: "dynamic-tag", Since: noon}
	for want, firewalls := range map[string][]enforce.Status{
		"1 firewall: 1 maintenance; what they hold is not known\n":                 {resting},
		"2 firewalls: 1 maintenance, 1 up; 5 addresses held, as far as is known\n": {resting, {Name: "FW-UP", State: enforce.StateUp, Up: true, Since: noon, Tags: 5, Desired: 5}},
	} {
		text := written(t, &agent.Status{Now: noon, Firewalls: firewalls}, Options{Width: 200})
		_, row, _ := strings.Cut(text, "\nFW-REST")
		row, _, _ = strings.Cut(row, "\n")
		if !strings.Contains(text, want) || strings.Contains(row, "dynamic-tag  0") || !strings.Contains(row, "dynamic-tag") {
			t.Errorf("%q is missing, or 0 is said of it: %s\n%s", want, row, text)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestEveryRowIsShownOnRequest(t *testing.T) {
	text := written(t, large(), Options{Width: 500, Height: 24, All: true})
	if !strings.Contains(text, "OF: what it is to hold") {
		t.Errorf("the columns are not explained:\n%s", text)
	}
	for _, c := range []struct {
		what string
		want int
	}{{"\nFW-", 80}, {"\n/l/", 200}, {"TROUBLE  ", 9}, {"<bad>", 9}, {"--all", 0}, {"VERSION", 1}} {
		if n := strings.Count(text, c.what); n != c.want {
			t.Errorf("%q stands there %d times, not %d:\n%s", c.what, n, c.want, text)
		}
	}
}

// A result is as old as the look that found it, and unknown where nobody can look.
func TestPoliciesSayWhenTheyWereLookedAt(t *testing.T) {
	s := &agent.Status{Now: noon, Policies: []enforce.PolicyStatus{
		{Firewall: "fw1", State: policy.ResultFail, At: ago(40 * time.Minute), Since: *ago(3 * time.Hour), Checks: []policy.Check{{Check: "logging", Result: policy.ResultWarn, Detail: "off"}, {Check: "block-rule", Result: policy.ResultFail, Detail: "there is none"}}},
		{Firewall: "fw2", State: enforce.StateUnknown, At: ago(50 * time.Minute), Since: *ago(5 * time.Minute)}, {Firewall: "fw3", State: enforce.StateUnknown}}}
	text := written(t, s, Options{})
	for _, want := range []string{"FAIL     " + display.LocalTime(*ago(3 * time.Hour)) + "  40m0s ago  FAIL block-rule: there is none (and 1 further check)",
		"UNKNOWN  " + display.LocalTime(*ago(5 * time.Minute)) + "  50m0s ago", "not yet"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
}

// What several checks found alike is said once for each firewall.
func TestWhatManyChecksFoundAlikeIsSaidOnce(t *testing.T) {
	const away = "could not be checked: connection refused"
	checks := []policy.Check{{Check: "api", Result: policy.ResultFail, Detail: "connection refused"}, {Check: "block-rule", Result: policy.ResultWarn, Detail: away}, {Check: "sensor-rule", Result: policy.ResultWarn, Detail: away}}
	s := &agent.Status{Now: noon, Policies: []enforce.PolicyStatus{{Firewall: "fw1", State: enforce.StateUnknown, At: ago(0), Checks: checks}, {Firewall: "fw2", State: policy.ResultWarn, At: ago(0), Checks: checks[1:2]}}}
	text := written(t, s, Options{All: true})
	if strings.Count(text, away) != 2 || !strings.Contains(text, "WARN sensor-rule: the same") || !strings.Contains(text, "store      UNAVAILABLE") {
		t.Errorf("%s", text)
	}
}

// A trouble is broken at words, never cut: what to do stands at its end.
func TestTroublesAreBroken(t *testing.T) {
	s := &agent.Status{Now: noon, Troubles: []trouble.Trouble{{Since: noon, What: "store: it is away", Remedy: "Look at the database or the disk, and call whoever looks after them when it is not yours to mend"}}}
	for _, width := range []int{0, 60} {
		text := written(t, s, Options{Width: width})
		head, _, _ := strings.Cut(text, "store      UN")
		if got := strings.Join(strings.Fields(head), " "); !strings.HasSuffix(got, "TROUBLE store: it is away (since "+display.LocalTime(noon)+"). "+s.Troubles[0].Remedy) {
			t.Errorf("%d: %s", width, got)
		}
	}
}

func TestTheStateOfDetection(t *testing.T) {
	s := &agent.Status{Detect: line.DetectStatus{NearThreshold: 3, Refused: 1000, FromBlocked: 250}}
	v := &view{Status: s}
	if got := v.detection(); got != "3 sources near a threshold (with half of it or more); 25 % of the refused records are of blocked sources" {
		t.Error(got)
	}
	s.Detect.PartnersSince = ago(0)
	if got := v.detection(); !strings.HasSuffix(got, "\npartners known since "+display.LocalTime(noon)+" (24 h needed): until then one whose address is forged may be blocked") {
		t.Error(got)
	}
}

func TestRoomIsSharedEvenly(t *testing.T) {
	for _, c := range []struct {
		room int
		want []int
		got  string
	}{{10, []int{100, 2, 100, 0}, "[4 2 4 0]"}, {0, []int{100, 1, 0}, "[2 1 0]"}, {100, []int{3, 4}, "[3 4]"}} {
		if got := fmt.Sprint(shares(c.room, c.want)); got != c.got {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// Several agents on one database are shown, those that are not well first; one alone is not, unless all is asked for.
func TestSeveralAgentsAreShown(t *testing.T) {
	s := &agent.Status{Now: noon, Members: []members.Status{
		{Name: "north", Host: "log1", Version: "1.2", State: members.OK, Silence: 3, Guarded: 12, Firewalls: []string{"FW-1", "FW-2"}, Self: true},
		{Name: "south", Host: "log2", Version: "1.1", State: members.Silent, Silence: 7200},
	}}
	text := written(t, s, Options{})
	for _, want := range []string{"2 agents on this database: 1 silent, 1 ok", "north (this one)", "FW-1, FW-2", "2h0m ago", "SILENT"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if strings.Index(text, "south") > strings.Index(text, "north") {
		t.Errorf("the silent one does not come first:\n%s", text)
	}
	s.Members = s.Members[:1]
	if text := written(t, s, Options{}); strings.Contains(text, "north") {
		t.Errorf("one alone is shown:\n%s", text)
	}
	if text := written(t, s, Options{All: true}); !strings.Contains(text, "1 agent on this database: 1 ok") {
		t.Errorf("not even with --all:\n%s", text)
	}
}

// What is ours is counted, and with all rows named, and who says so.
func TestWhatIsOursIsNamedOnRequest(t *testing.T) {
	s := &agent.Status{Ready: true, Now: noon, Started: *ago(time.Hour)}
	s.Ours.Known = true
	s.Ours.Networks = []own.Network{{Network: "198.51.100.1", From: "firewall FW-1: interface ethernet1/1"}, {Network: "203.0.113.0/24", From: "networks.own"}}
	const sum, row = "2 addresses and networks (networks.own and the firewalls", "\n198.51.100.1    firewall FW-1: interface ethernet1/1\n"
	if text := written(t, s, Options{}); !strings.Contains(text, sum+"; --all lists them)") || strings.Contains(text, "198.51.100.1") {
		t.Error(text)
	}
	if text := written(t, s, Options{All: true}); !strings.Contains(text, sum+")") || !strings.Contains(text, row) || !strings.Contains(text, "\n203.0.113.0/24  networks.own\n") {
		t.Error(text)
	}
}

// What was read and is not stored is no more than what is still to be read: it is said beside that, unless lines just come.
func TestLinesThatAreNotStoredAreTold(t *testing.T) {
	for _, c := range []struct {
		unstored int64
		last     *time.Time
		want     bool
	}{{3000, nil, true}, {3000, ago(time.Minute), true}, {3000, ago(time.Second), false}, {0, ago(time.Minute), false}} {
		s := large()
		s.Unstored, s.Store.LastCommit = c.unstored, c.last
		if text := written(t, s, Options{}); strings.Contains(text, " behind; 3,000 lines read and NOT STORED yet\n") != c.want {
			t.Errorf("%+v:\n%s", c, text)
		}
	}
}

// An address is one receiver, though mails of blocks to it wait apart from the others.
func TestAnAddressIsOneReceiver(t *testing.T) {
	s := &agent.Status{Now: noon, Notices: []notify.Status{{Receiver: "mail-blocks-anna@example.com", Failing: true, Waiting: 1}, {Receiver: "mail-anna@example.com", Failing: true},
		{Receiver: "mail-blocks-bob@example.com"}, {Receiver: "mail-bob@example.com"}, {Receiver: "syslog"}}}
	if text := written(t, s, Options{}); !strings.Contains(text, "notices to 3 receivers: 1 failing, 1 waiting") {
		t.Error(text)
	}
}

// Why the database is refused is said once, with what to do about it.
func TestWhyADatabaseIsRefusedIsSaidOnce(t *testing.T) {
	const why, remedy = "the database was emptied: it is at version 3", "activedefense store accept"
	s := &agent.Status{Now: noon, NotReady: []string{"the list is not loaded yet", "reading has stopped: " + why + "; " + remedy}}
	s.Store.Refused, s.Store.Error, s.Store.Since = why, why+"; "+remedy, ago(time.Hour)
	if text := written(t, s, Options{All: true}); strings.Count(text, why) != 2 {
		t.Errorf("no trouble tells it:\n%s", text)
	}
	s.Troubles = []trouble.Trouble{{Since: *ago(time.Hour), What: "store: reading has stopped: " + why, Remedy: remedy}}
	text := written(t, s, Options{All: true})
	if strings.Count(text, why) != 1 || strings.Count(text, remedy) != 1 || !strings.Contains(text, "NOT READY: the list is not loaded yet; reading has stopped: the database is refused, see TROUBLE\n") ||
		!strings.Contains(text, "UNAVAILABLE since "+display.LocalTimeOrNone(s.Store.Since)+": refused, see TROUBLE, last commit") {
		t.Error(text)
	}
}

// Of those who are told, the one that fails is shown, with what waits for it and why; all of them among all rows.
func TestNoticesOnTheScreen(t *testing.T) {
	s := &agent.Status{Ready: true, Now: noon, Started: *ago(time.Hour), Notices: []notify.Status{{Receiver: "syslog", Delivered: 5, LastAt: ago(time.Minute)},
		{Receiver: "mail", Waiting: 1200, Oldest: ago(time.Hour), Failing: true, Error: "421 \x1b[31mnot now", FailedAt: ago(time.Minute)}}}
	few, all := written(t, s, Options{}), written(t, s, Options{All: true})
	for _, want := range []string{"notices to 2 receivers: 1 failing, 1,200 waiting", "mail", "1h0m ago", `421 \u001b[31mnot now`} {
		if !strings.Contains(few, want) {
			t.Errorf("%q is not in\n%s", want, few)
		}
	}
	if strings.Contains(few, "syslog") || !strings.Contains(all, "syslog") {
		t.Errorf("few:\n%s\nall:\n%s", few, all)
	}
	if quiet := written(t, &agent.Status{Now: noon}, Options{All: true}); strings.Contains(quiet, "notices to") {
		t.Errorf("with nobody to tell:\n%s", quiet)
	}
}

// Of a pair, the key and the certificate that end first are shown; what a key is like where it has no known end is said.
func TestUntilWhenAFirewallCanBeReached(t *testing.T) {
	early, late := time.Now(), time.Now().Add(time.Hour)
	for _, c := range []struct {
		members          []enforce.Access
		key, certificate string
	}{
		{nil, "", display.LocalTimeOrNone(nil)},
		{[]enforce.Access{{Key: enforce.KeyUnlimited, CertificateEnds: &early}}, "unlimited", display.LocalTime(early)},
		{[]enforce.Access{{Key: enforce.KeyLimited, KeyEnds: &late, CertificateEnds: &late}, {Key: enforce.KeyLimited, KeyEnds: &early, CertificateEnds: &early}}, display.LocalTime(early), display.LocalTime(early)},
	} {
		if key, certificate := good(c.members); key != c.key || certificate != c.certificate {
			t.Errorf("%+v: %q, %q", c.members, key, certificate)
		}
	}
}
