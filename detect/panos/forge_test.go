package panos

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"activedefense/detect"

	"pgregory.net/rapid"
)

// TestMain has properties tried more often than rapid does by itself: a forgery takes several values that fit, and a
// hundred lines seldom hold one.
func TestMain(m *testing.M) {
	flag.Parse()
	checks := "20000"
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "rapid.checks" {
			checks = f.Value.String()
		}
	})
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// The firewall's own values in a record, as an event holds them. Device and the
// strangers' texts are left out.
func genuine(ev detect.Event) string {
	return fmt.Sprintf("%s:%d -> %s:%d %s %q %q %s", ev.Src, ev.SrcPort, ev.Dst, ev.DstPort, ev.Action, ev.Rule, ev.RuleID, ev.Time.Format(time.RFC3339)) + tailOf(ev)
}

func sourceOf(ev detect.Event) string { return fmt.Sprintf("%s:%d", ev.Src, ev.SrcPort) }
func tailOf(ev detect.Event) string {
	return fmt.Sprintf(" %v/%s %s", ev.Type, ev.Subtype, ev.Severity) + longOf(ev)
}

// longOf is what the longer formats add.
func longOf(ev detect.Event) string {
	return fmt.Sprintf(" %s %s>%s %v %s %s %s %v %s", ev.Application, ev.SrcZone, ev.DstZone, ev.Protocol, natOf(&ev), trafficOf(&ev), ev.EndReason, ev.Direction, ev.Category)
}

// fake is what a forger would have us believe.
func fake() record {
	return record{
		keySrcLocation: "Nowhere", keySrcIP: "192.0.2.66", keySrcPort: "6", keySrcUser: "victim",
		keyDstLocation: "Elsewhere", keyDstIP: "192.0.2.67", keyDstPort: "66", keyAction: "allow",
		keyRuleName: "Forged", keyRuleID: "666", keyTimeReceived: "2025/11/20 06:06:06",
		keyThreatName: "Forged", keyThreatID: "66", keySeverity: "critical", keySubtype: "vulnerability", keyType: "TRAFFIC",
	}
}

// keys writes the record's keys from first to last, each behind a semicolon.
func (r record) keys(first, last key) string {
	var b strings.Builder
	for k := first; k <= last; k++ {
		b.WriteString("; " + keyTable[k].name + "=" + r[k])
	}
	return b.String()
}

// TestForgery puts hostile text in each of the strangers' fields in turn: single keys,
// every row of keys, whole lines, alone and several times.
func TestForgery(t *testing.T) {
	var texts []string
	for first := range numKeys {
		for last := first; last < numKeys; last++ {
			row := fake().keys(first, last)
			broken := strings.Replace(row, "; Dst", "; y; Dst", 1)
			texts = append(texts, "x"+broken, "x"+strings.ReplaceAll(row, "; A", "; ; A"), "x"+row, "x"+row+";", row[2:], "x"+row+row, "x"+row+"; y=z")
		}
	}
	texts = append(texts, "; ; ;", ";", "=", "; =", `"; DstIP="192.0.2.67"`, "x; DstIP=", "x;DstIP=192.0.2.67", "x;\tDstIP=192.0.2.67", "x;#011DstIP=192.0.2.67",
		"x; DstIP = 192.0.2.67", fake().line(), fake().line()+fake().line(), "x message repeated 6 times: ["+fake().line()+"]", `a,b,"c`)

	want := genuine(plainEvent())
	for _, k := range []key{keySrcUser, keyThreatName, keyThreatID} {
		for _, text := range texts {
			ev := mustParse(t, plainRecord().with(k, text).line())
			if got := genuine(ev); got != want && (k == keySrcUser || !reachesBack(plainRecord().with(k, text))) {
				t.Errorf("%s=%s\ngot  %s\nwant %s", keyTable[k].name, text, got, want)
			}
			if sourceOf(ev) != sourceOf(plainEvent()) || tailOf(ev) != tailOf(plainEvent()) {
				t.Errorf("%s=%s\n%s %s", keyTable[k].name, text, sourceOf(ev), tailOf(ev))
			}
			if text := strings.ReplaceAll(text, "\t", "#011"); k == keySrcUser && ev.SrcUser != text {
				t.Errorf("user %q, want %q", ev.SrcUser, text)
			}
		}
	}
	for _, k := range []key{keySrcLocation, keyDstLocation} {
		for _, text := range texts {
			r := plainRecord().with(k, text)
			if otherSource(r) || otherTarget(r) {
				continue
			}
			if got := genuine(mustParse(t, r.line())); got != want {
				t.Errorf("%s=%s\ngot  %s\nwant %s", keyTable[k].name, text, got, want)
			}
		}
	}
}

// The three cases in which a line has readings that differ in what matters, said with
// regular expressions, as the package comment says them in words.

// otherSource: the source region holds SrcIP with another key behind it, or one of the strangers' keys.
func otherSource(r record) bool {
	return regexp.MustCompile(sep+`(SrcUser|ThreatName|ThreatID) *=`).MatchString(r[keySrcLocation]) || regexp.MustCompile(sep+`SrcIP *=.*`+sep+`(`+strings.Join(otherThan(keySrcIP), "|")+`) *=`).MatchString(r[keySrcLocation])
}

// otherTarget: the destination region holds an unbroken row from DstIP to ThreatName.
func otherTarget(r record) bool {
	return regexp.MustCompile(targetRow()).MatchString(r[keyDstLocation])
}

// reachesBack: threat name and id, as they follow one another, hold DstLocation, then
// such a row, then ThreatID.
func reachesBack(r record) bool {
	text := r[keyThreatName] + "; ThreatID=" + r[keyThreatID]
	return regexp.MustCompile(sep + `DstLocation *=.*` + targetRow() + `.*` + sep + `ThreatID *=`).MatchString(text)
}

// sep is what may stand between a value and the next key.
const sep = `;(?:[ \t\r]|#01[125])*`

func targetRow() string {
	var b strings.Builder
	for k := keyDstIP; k <= keyThreatName; k++ {
		b.WriteString(sep + keyTable[k].name + ` *=`)
		if k < keyThreatName {
			b.WriteString(`[^;]*`)
		}
	}
	return b.String()
}

func otherThan(k key) (names []string) {
	for other := range endKeys {
		if other != k {
			names = append(names, keyTable[other].name)
		}
	}
	return names
}

// hostile draws text from what could confuse a parser: keys, rows of keys, pieces of
// punctuation, words.
func hostile() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 4:
				long := rapid.SampledFrom([]tail{trafficTail, threatTail}).Draw(t, "tail")
				first := rapid.IntRange(0, len(long)-1).Draw(t, "first of the tail")
				b.WriteString(long[first:rapid.IntRange(first, len(long)).Draw(t, "last of the tail")].text(forgedValues()))
			case 5:
				long := rapid.SampledFrom([]tail{trafficTail, threatTail}).Draw(t, "tail")
				b.WriteString(fake().keys(rapid.SampledFrom([]key{keySeverity, keyType, keyDstLocation, keyThreatID}).Draw(t, "before the tail"), keyType) + long.text(forgedValues()))
			case 0:
				first := rapid.IntRange(0, int(numKeys)-1).Draw(t, "first")
				last := rapid.IntRange(first, int(numKeys)-1).Draw(t, "last")
				row := fake().keys(key(first), key(last))
				if rapid.Bool().Draw(t, "broken") {
					name := keyTable[rapid.IntRange(first, last).Draw(t, "at")].name
					row = strings.Replace(row, "; "+name, "; y; "+name, 1)
				}
				b.WriteString(row)
			case 1:
				k := rapid.IntRange(0, int(endKeys)-1).Draw(t, "key")
				b.WriteString(keyTable[k].name)
			default:
				b.WriteString(rapid.SampledFrom([]string{";", "; ", "=", " ", `"`, ",", "'", "x", "7", "192.0.2.68", "TRAFFIC", "#011", "#", "\t", "$src", "ü", "\xff", "(9)"}).Draw(t, "piece"))
			}
		}
		return b.String()
	})
}

// drawRecord draws a record as a firewall writes it, and what it means.
func drawRecord(t *rapid.T) (record, detect.Event) {
	r, want := plainRecord(), plainEvent()
	want.SrcPort = rapid.Uint16().Draw(t, "source port")
	want.DstPort = rapid.Uint16().Draw(t, "destination port")
	want.Action = rapid.SampledFrom([]string{"allow", "deny", "reset-both", "reset client", "drop ICMP"}).Draw(t, "action")
	want.Severity = rapid.SampledFrom([]string{"", "low", "critical"}).Draw(t, "severity")
	want.Type = rapid.SampledFrom([]detect.Type{detect.TypeTraffic, detect.TypeThreat}).Draw(t, "type")
	want.Subtype = rapid.SampledFrom([]string{"end", "vulnerability", ""}).Draw(t, "subtype")
	r[keySrcPort], r[keyDstPort] = fmt.Sprint(want.SrcPort), fmt.Sprint(want.DstPort)
	r[keyAction], r[keySeverity], r[keySubtype], r[keyType] = want.Action, want.Severity, want.Subtype, want.Type.String()
	return r, want
}

// TestNoForgery holds the package comment's promises for complete lines, with hostile
// text in all the strangers' fields at once.
func TestNoForgery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, want := drawRecord(t)
		for _, k := range []key{keySrcUser, keyThreatName, keyThreatID} {
			r[k] = hostile().Draw(t, keyTable[k].name)
		}
		for _, k := range []key{keySrcLocation, keyDstLocation} {
			if rapid.Bool().Draw(t, "hostile region") {
				r[k] = hostile().Draw(t, keyTable[k].name)
			}
		}
		if otherSource(r) {
			r[keySrcLocation] = "Germany"
		}
		line := r.line()
		if long := rapid.SampledFrom([]tail{nil, trafficTail, threatTail}).Draw(t, "format"); long != nil {
			line += strings.TrimPrefix(long.text(plainValues()), ";") + ";"
			want = withTail(want, long)
		}
		ev, err := parse(line)
		if err != nil && (reachesBack(r) || otherTarget(r)) {
			return // a forged destination that is none
		}
		if err != nil {
			t.Fatalf("%s\n%v", line, err)
		}
		if sourceOf(ev) != sourceOf(want) || tailOf(ev) != tailOf(want) {
			t.Fatalf("%s\n%s %s, want %s %s", line, sourceOf(ev), tailOf(ev), sourceOf(want), tailOf(want))
		}
		if !reachesBack(r) && !otherTarget(r) && genuine(ev) != genuine(want) {
			t.Fatalf("%s\ngot  %s\nwant %s", line, genuine(ev), genuine(want))
		}
	})
}

// TestNoForgedSource: whatever keys a site leaves out and however it orders them, a
// line that is read has the firewall's source.
func TestNoForgedSource(t *testing.T) {
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		r, want := drawRecord(t)
		order := rapid.Permutation(allKeys()).Draw(t, "order")[:rapid.IntRange(2, int(numKeys)).Draw(t, "keys")]
		if rapid.Bool().Draw(t, "region and source first") {
			order = append([]key{keySrcLocation, keySrcIP}, order...)
		}
		for _, k := range []key{keySrcUser, keyThreatName, keyThreatID} {
			if rapid.Bool().Draw(t, "hostile") {
				r[k] = hostile().Draw(t, keyTable[k].name)
			}
		}
		var b strings.Builder
		var seen [numKeys]bool
		for _, k := range order {
			if !seen[k] {
				b.WriteString(keyTable[k].name + "=" + r[k] + "; ")
			}
			seen[k] = true
		}
		if rapid.Bool().Draw(t, "with a tail") {
			b.WriteString(trafficTail.text(plainValues())[2:])
		}
		ev, err := parse(b.String())
		if err == nil {
			read++
			if ev.Src != want.Src {
				t.Fatalf("%s\nsource %s", b.String(), ev.Src)
			}
		}
	})
	if read == 0 {
		t.Error("no line was read")
	}
}

// A site whose lines begin as the documented ones do, and go on with a stranger's value: together with another one behind,
// it could hold all that makes a complete line, in which the firewall's own source would be the user's.
func TestAStrangersValueBeforeTheSource(t *testing.T) {
	for _, k := range []key{keySrcUser, keyThreatName, keyThreatID} {
		before, behind := fake().keys(keySrcLocation, keySrcUser), fake().keys(keyDstLocation, keyType)
		other := keySrcUser
		if k == keySrcUser {
			other = keyThreatID
		}
		line := "SrcLocation=Germany; DstLocation=United States; " + keyTable[k].name + "=" + before + "; SrcIP=203.0.113.5; SrcPort=7; " +
			keyTable[other].name + "=" + behind + "; "
		if ev, err := parse(line); !errors.Is(err, ErrKeyOrder) {
			t.Errorf("%s\nsource %s, error %v", line, ev.Src, err)
		}
	}
}

func allKeys() []key {
	var all []key
	for k := range numKeys {
		all = append(all, k)
	}
	return all
}

// TestRowReachingBack pins how the ambiguous line is read: one string, two stories.
func TestRowReachingBack(t *testing.T) {
	row := fake().keys(keyDstLocation, keyThreatName)
	threat := plainRecord().with(keyThreatName, "x"+row)
	user, forged := plainRecord(), fake()
	copy(user[keyDstLocation:keyThreatID], forged[keyDstLocation:keyThreatID])
	user[keySrcUser] = `example\alice` + plainRecord().with(keyThreatName, "x").keys(keyDstLocation, keyThreatName)
	if threat.line() != user.line() {
		t.Fatalf("not the same line:\n%s\n%s", threat.line(), user.line())
	}
	ev := mustParse(t, user.line())
	if ev.SrcUser != user[keySrcUser] || ev.Dst.String() != forged[keyDstIP] {
		t.Errorf("user %q, destination %s", ev.SrcUser, ev.Dst)
	}
	// Without DstLocation in the row, only a region could have made it: no region does.
	ev = mustParse(t, plainRecord().with(keyThreatName, "x"+fake().keys(keyDstIP, keyThreatName)).line())
	if genuine(ev) != genuine(plainEvent()) {
		t.Errorf("%s", genuine(ev))
	}
}

// TestManyKeys: no number of fake keys makes a line unreadable or slow to read.
func TestManyKeys(t *testing.T) {
	for _, text := range []string{strings.Repeat(";Type=", 10000), strings.Repeat(";DstLocation=", 4000), strings.Repeat(fake().keys(keyDstIP, keyThreatName), 300)} {
		started := time.Now()
		if got := genuine(mustParse(t, plainRecord().with(keySrcUser, text).line())); got != genuine(plainEvent()) {
			t.Errorf("%s", got)
		}
		if took := time.Since(started); took > time.Second {
			t.Errorf("took %v", took)
		}
		if _, err := parse("SrcIP=203.0.113.5; Type=TRAFFIC; SrcUser=" + text); err != nil && !errors.Is(err, ErrAmbiguous) {
			t.Errorf("%v", err)
		}
	}
}

// TestPlainValues holds the search by words against the plain one.
func TestPlainValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune(";:<= \x00")), 0, 40, -1).Draw(t, "text")
		k := rapid.SampledFrom([]key{keyType, keySrcIP, keyTimeReceived}).Draw(t, "key")
		before := rapid.SampledFrom([]string{"", "x; "}).Draw(t, "before")
		b := []byte(before + keyTable[k].name + "=" + text)
		want, rest, found := strings.Cut(text, ";")
		end := len(b) - len(strings.TrimPrefix(rest, " "))
		if !found {
			end = len(b) + 1
		}
		var v values
		if got := plainValue(b, len(before), k, &v); len(b)-len(before) >= 8 && (got != end || string(v[k]) != want) {
			t.Fatalf("%q: %q up to %d, want %q up to %d", b, v[k], got, want, end)
		}
	})
}

// TestNoForgeryInCSV: what stands in quotes, as the firewall writes it, moves no column.
func TestNoForgeryInCSV(t *testing.T) {
	text := rapid.OneOf(hostile(), rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{`"`, `""`, ",", "x", " ", `",`, `,"`, trafficLine(nil)}), 0, 8).Draw(t, "pieces"), "")
	}))
	quote := func(s string) string {
		if strings.ContainsAny(s, `,"`) {
			return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
		return s
	}
	want := mustParse(t, threatLine(nil))
	rapid.Check(t, func(t *rapid.T) {
		user, url := text.Draw(t, "user"), text.Draw(t, "url")
		ev, err := parse(threatLine(map[int]string{12: quote(user), 31: quote(url), 50: quote(text.Draw(t, "agent"))}))
		if err != nil {
			t.Fatal(err)
		}
		if len(user) < MaxValue/4 && ev.SrcUser != clean([]byte(strings.Trim(user, " \t"))) {
			t.Fatalf("user %q, want %q", ev.SrcUser, user)
		}
		if ev.SrcUser = want.SrcUser; ev != want {
			t.Fatalf("got  %+v\nwant %+v", ev, want)
		}
	})
}
