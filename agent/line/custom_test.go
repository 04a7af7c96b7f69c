package line

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
	"activedefense/store"
)

// notices gives what a receiver is to be told.
func notices(t *testing.T, st *store.Store) []store.Notice {
	t.Helper()
	q, err := st.Undelivered(t.Context(), "test", nil, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return q.Notices
}

// A rule of the operator's own goes on behind a restart with what it counted: by the user, by the country and whatever else its conditions ask for.
func TestARestartForgetsNothingOfACustomRule(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	path := filepath.Join(dir, "fw1.log")
	line := func(i int) string {
		text := record{at: noon.Add(time.Duration(i) * time.Minute), src: "203.0.113.7", dst: "198.51.100.1", port: 100 + i}.String() + "\n"
		return strings.NewReplacer("SrcLocation=;", "SrcLocation=Elbonia;", "SrcUser=;", "SrcUser=Ann;", "RuleID=;", "RuleID=7;").Replace(text)
	}
	options := func() Options {
		o := testOptions(t, st, path)
		o.Settings = detect.Settings{Custom: []detect.CustomRule{
			{Name: "mine", Events: []string{detect.EventTraffic}, Where: []detect.Condition{{Field: detect.FieldSrcCountry, Texts: []string{"elbonia"}}, {Field: detect.FieldRuleID, Texts: []string{"7"}}},
				Distinct: []detect.Field{detect.FieldDstPort}, Per: []detect.Field{detect.FieldSrcUser}, MoreThan: 4, Window: time.Hour, Policy: detect.Policy{BlockFor: 100 * 365 * 24 * time.Hour, Tag: "mine"}},
			{Name: "told", Events: []string{detect.EventTraffic}, MoreThan: 1, Window: time.Hour, Policy: detect.Policy{Mode: detect.Notice}},
		}}
		o.ReleaseAfter = 100 * 365 * 24 * time.Hour
		return o
	}
	if _, err := st.SetReceivers(t.Context(), []string{"test"}); err != nil {
		t.Fatal(err)
	}
	write(t, path, line(0)+line(1)+line(2))
	first := options()
	r := start(t, first)
	until(t, "three are stored", func() bool { return first.Stats.Status(time.Now()).Stored == 3 })
	r.end()
	if got := notices(t, st); len(got) != 1 || got[0].Event != "notice" || got[0].Rule != "told" || got[0].Address != "203.0.113.7" || got[0].Grade != "forgeable" ||
		len(got[0].Lines) != 2 || !strings.Contains(got[0].Lines[0], "DstPort=100;") || got[0].Reason != "2 events (traffic) within 1h (more than 1)" || got[0].Device != "fw1" {
		t.Fatalf("told are %+v", got)
	}
	if err := os.Remove(path); err != nil { // the evidence is in the store now
		t.Fatal(err)
	}
	write(t, path, line(3))
	again := options()
	again.Attach = attach(t, st)
	start(t, again)
	// The third and the fourth record are two: what was told of is not told again.
	until(t, "the fourth is told of", func() bool { return len(notices(t, st)) == 2 })
	write(t, path, line(4))
	until(t, "it is blocked", func() bool { return entries(t, st) == "203.0.113.7 mine" })
	e := only(t, st, "203.0.113.7")
	if e.Tag != "mine" || e.Target != "src_user Ann" || e.ExpiresAt.IsZero() || e.Reason != "5 distinct values of dst_port (traffic) with src_user Ann within 1h (more than 4)" {
		t.Errorf("the entry is %+v", e)
	}
	if evidence, err := st.EvidenceOf(t.Context(), e.ID); err != nil || len(evidence) != 5 {
		t.Errorf("%d lines of evidence: %v", len(evidence), err)
	}
}

// A flood of forged sources does not bury what else is told: the first hundred of an hour are, and that there are more.
func TestARuleTellsOfSoManyInAnHour(t *testing.T) {
	st := newTestStore(t)
	if _, err := st.SetReceivers(t.Context(), []string{"test"}); err != nil {
		t.Fatal(err)
	}
	l := openTestLive(t, testOptions(t, st, filepath.Join(t.TempDir(), "*.log")))
	tell := func(i int, rule string, at time.Time) {
		v := &detect.Verdict{Source: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32), Rule: rule, Reason: "r", Mode: detect.Notice, Time: at, FirstSeen: at, LastSeen: at}
		l.judge(v, nil, at)
	}
	for i := range mostTold + 50 {
		tell(i, "mine", noon)
	}
	tell(1, "other", noon)
	tell(1, "mine", noon.Add(toldWithin))
	if _, err := st.Commit(t.Context(), &l.batch.Batch); err != nil {
		t.Fatal(err)
	}
	got := notices(t, st)
	if len(got) != mostTold+3 || !strings.Contains(got[mostTold].Subject, "the rule mine has found 100 sources within an hour") || got[mostTold+1].Rule != "other" {
		t.Errorf("%d are told, the last %+v", len(got), got[len(got)-1])
	}
	if all := entries(t, st); all != "" {
		t.Errorf("on the blacklist are %s", all)
	}
}

// A restart gives no rule another hundred: what it told within the hour still counts, and what other rules did by themselves.
func TestARestartTellsOfNoMoreInAnHour(t *testing.T) {
	st := newTestStore(t)
	if _, err := st.SetReceivers(t.Context(), []string{"test"}); err != nil {
		t.Fatal(err)
	}
	now, n := noon, 0
	run := func(findings int) int {
		o := testOptions(t, st, filepath.Join(t.TempDir(), "*.log"))
		o.Now = func() time.Time { return now }
		o.Settings.Custom = []detect.CustomRule{{Name: "mine", Events: []string{detect.EventTraffic}, MoreThan: 1, Window: time.Hour, Policy: detect.Policy{Mode: detect.Notice}}}
		l := openTestLive(t, o)
		for range findings {
			n++
			source := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(n >> 8), byte(n)}), 32)
			l.judge(&detect.Verdict{Source: source, Rule: "mine", Reason: "r", Mode: detect.Notice, Time: now, FirstSeen: now, LastSeen: now}, nil, now)
		}
		l.seal()
		if _, err := st.Commit(t.Context(), &l.batch.Batch); err != nil {
			t.Fatal(err)
		}
		return len(notices(t, st))
	}
	for _, step := range []struct {
		findings, told int
		later          time.Duration
	}{{mostTold - 10, mostTold - 10, 0}, {20, mostTold + 1, time.Minute}, {20, mostTold + 1, time.Minute}, {2, mostTold + 3, toldWithin}, {1, mostTold + 4, 0}} {
		now = now.Add(step.later)
		if got := run(step.findings); got != step.told {
			t.Errorf("%d more at %s: %d are told, want %d", step.findings, now, got, step.told)
		}
	}
}

// What a rule finds again and again is logged once a source and hour, and of a flood of sources the first thousand are.
func TestWhatARuleTellsIsLoggedOnce(t *testing.T) {
	o := testOptions(t, newTestStore(t), filepath.Join(t.TempDir(), "fw1.log"))
	var log strings.Builder
	o.Logger = zerolog.New(&log)
	l := openTestLive(t, o)
	tell := func(i int, rule string, at time.Time) {
		source := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32)
		l.judge(&detect.Verdict{Source: source, Rule: rule, Mode: detect.Notice, Time: at}, nil, at)
	}
	for range 3 {
		tell(0, "mine", noon)
		tell(0, "other", noon)
	}
	if n := strings.Count(log.String(), "found: "); n != 2 {
		t.Errorf("%d lines of two rules", n)
	}
	for i := range mostLogged + 10 {
		tell(i, "mine", noon)
	}
	if n := strings.Count(log.String(), "found: "); n != mostLogged+1 {
		t.Errorf("%d lines of a flood", n)
	}
	tell(0, "mine", noon.Add(toldWithin))
	if n := strings.Count(log.String(), "found: "); n != mostLogged+2 {
		t.Errorf("%d lines an hour later", n)
	}
}

// A replay tells of a source once for each rule that only tells, beside its verdict.
func TestAReplayTellsOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	write(t, path, scan("203.0.113.7", noon, 11))
	var got []string
	settings := testSettings
	settings.Custom = []detect.CustomRule{{Name: "told", Events: []string{detect.EventTraffic}, MoreThan: 1, Window: time.Hour, Policy: detect.Policy{Mode: detect.Notice}}}
	_, err := Replay(t.Context(), ReplayOptions{Files: []string{path}, Input: testInput, Settings: settings, Guard: nobody,
		Verdict: func(v *detect.Verdict) { got = append(got, v.Rule+" "+StateText(v)) }})
	if fmt.Sprint(got) != "[told notice port-scan blocked]" || err != nil {
		t.Errorf("verdicts %v, %v", got, err)
	}
}
