package pattern

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestALineBecomesAnEvent(t *testing.T) {
	s := setOf(t, Pattern{Event: "ssh-failed", Regexp: sshFailed, Proven: true},
		Pattern{Event: "all", Regexp: `^ALL (?P<src>\S+) (?P<dst>\S+) (?P<src_port>\S+) (?P<dst_port>\S+) (?P<src_user>\S+) (?P<action>\S+) (?P<severity>\S+) (?P<threat_name>.*)$`})
	p := New(s, Options{Location: time.UTC})
	for _, c := range []struct {
		line string
		want detect.Event
	}{
		{"Nov 29 11:59:58 bastion sshd[7]: Failed password for invalid user admin from 203.0.113.5 port 51234 ssh2\r",
			detect.Event{Time: noon.Add(-2 * time.Second), Device: "bastion", Src: netip.MustParseAddr("203.0.113.5"), SrcPort: 51234, SrcUser: "admin", Subtype: "ssh-failed", Proven: true, Repeat: 1}},
		{"2026-11-29T13:00:00.5+02:00 bastion sshd-session[7]: Failed password for a from b port 1 from ::ffff:203.0.113.5 port 51234 ssh2",
			detect.Event{Time: noon.Add(-time.Hour + time.Second/2), Device: "bastion", Src: netip.MustParseAddr("203.0.113.5"), SrcPort: 51234, SrcUser: "a from b port 1", Subtype: "ssh-failed", Proven: true, Repeat: 1}},
		{"<38>1 2026-11-29T11:00:00Z - sshd 7 - - Failed password for root from [fe80::1%eth0] port 1",
			detect.Event{Time: noon.Add(-time.Hour), Src: netip.MustParseAddr("fe80::1"), SrcPort: 1, SrcUser: "root", Subtype: "ssh-failed", Proven: true, Repeat: 1}},
		{"Nov 29 12:00:00 bastion sshd[7]: message repeated 3 times: [ Failed password for root from 203.0.113.5 port 22 ssh2]",
			detect.Event{Time: noon, Device: "bastion", Src: netip.MustParseAddr("203.0.113.5"), SrcPort: 22, SrcUser: "root", Subtype: "ssh-failed", Proven: true, Repeat: 3}},
		{"<38>1 2026-11-29T11:00:00Z bastion sshd 7 - -  message repeated 3 times: [ Failed password for root from 203.0.113.5 port 22 ssh2]",
			detect.Event{Time: noon.Add(-time.Hour), Device: "bastion", Src: netip.MustParseAddr("203.0.113.5"), SrcPort: 22, SrcUser: "root", Subtype: "ssh-failed", Proven: true, Repeat: 3}},
		{"<38>1 2026-11-29T11:00:00Z bastion sshd 7 - [a b=\"c\"] \xef\xbb\xbfmessage repeated 2 times: [Failed password for root from 203.0.113.5 port 22 ssh2]",
			detect.Event{Time: noon.Add(-time.Hour), Device: "bastion", Src: netip.MustParseAddr("203.0.113.5"), SrcPort: 22, SrcUser: "root", Subtype: "ssh-failed", Proven: true, Repeat: 2}},
		{"ALL 2001:db8::1 198.51.100.7 70000 443 \x1b[1m\xe9 denied high a name ",
			detect.Event{Time: noon, Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, SrcUser: "#033[1mé", Action: "denied", Severity: "high", ThreatName: "a name", Subtype: "all", Repeat: 1}},
		{"ALL 203.0.113.5 db.example.com - - - - - -",
			detect.Event{Time: noon, Src: netip.MustParseAddr("203.0.113.5"), SrcUser: "-", Action: "-", Severity: "-", ThreatName: "-", Subtype: "all", Repeat: 1}},
	} {
		var ev detect.Event
		c.want.Type = detect.TypeLog
		if err := p.Parse([]byte(c.line), noon, &ev); err != nil || ev != c.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.line, ev, err, c.want)
		}
	}
	for line, want := range map[string]error{
		"": ErrNoMatch,
		"Nov 29 12:00:00 bastion sshd[7]: Accepted password for root from 203.0.113.5 port 22 ssh2":                          ErrNoMatch,
		"Nov 29 12:00:00 bastion sshd[7]: Failed password for root from scan.example.com port 22 ssh2":                       ErrNoAddress,
		"Nov 29 12:00:00 bastion sshd[7]: Failed password for root from 203.0.113.5:22 port 22 ssh2":                         ErrNoAddress,
		"Nov 29 12:00:00 bastion x: a: message repeated 3 times: [ Failed password for a from 203.0.113.5 port 2]":           ErrNoMatch,
		"<38>1 2026-11-29T11:00:00Z h x 7 - - a: message repeated 3 times: [ Failed password for a from 203.0.113.5 port 2]": ErrNoMatch,
		"Nov 29 12:00:00 bastion x message repeated 3 times: [ Failed password for a from 203.0.113.5 port 2]":               ErrNoMatch,
	} {
		var ev detect.Event
		if err := p.Parse([]byte(line), noon, &ev); err != want || errors.Is(err, detect.ErrNoEvent) != (want == ErrNoMatch) { // the others are faults
			t.Errorf("%s: %v", line, err)
		}
	}
}

// An end that was cut off, where a stranger chose, is no end.
func TestWhatWasCutOffEndsInNothing(t *testing.T) {
	p := New(setOf(t, Pattern{Event: "ssh-failed", Regexp: sshFailed}, Pattern{Event: "head", Regexp: `^(?P<src>\S+) .*GET`}), Options{Location: time.UTC})
	var ev detect.Event
	const front, faked = "Nov 29 12:00:00 h sshd[7]: Failed password for ", " from 198.51.100.1 port 22 ssh2"
	for n, want := range map[int]bool{MaxLine - 1: true, MaxLine: false, MaxLine + 1: false, 2 * MaxLine: false} {
		line := front + strings.Repeat("x", n-len(front)-len(faked)) + faked
		if err := p.Parse([]byte(line), noon, &ev); (err == nil) != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for n, want := range map[int]bool{10: true, maxMerged: true, maxMerged + 1: false} {
		inner := front[27:] + strings.Repeat("x", max(1, n-len(front)+27-len(faked))) + faked
		line := front[:27] + "message repeated 2 times: [ " + inner + "]"
		if err := p.Parse([]byte(line), noon, &ev); (err == nil) != want {
			t.Errorf("%d bytes merged (%d): %v", n, len(inner), err)
		}
	}
	for n, want := range map[int]bool{MaxLine - 1: true, MaxLine: false} { // cut off in blanks
		line := front + "x" + faked + strings.Repeat(" ", n-len(front)-len(faked)-1)
		if err := p.Parse([]byte(line), noon, &ev); (err == nil) != want {
			t.Errorf("%d bytes, blanks at the end: %v", n, err)
		}
	}
	if err := p.Parse([]byte("203.0.113.5 GET "+strings.Repeat("x", 9000)), noon, &ev); err != nil || ev.Src != netip.MustParseAddr("203.0.113.5") {
		t.Errorf("what needs no end: %v, %v", ev.Src, err)
	}
}

// Busybox's syslogd keeps 255 bytes of what it receives, priority and time among them, or as many as it was built for.
func TestWhatBusyboxCutOffEndsInNothing(t *testing.T) {
	p := New(setOf(t, Pattern{Event: "ssh-failed", Regexp: sshFailed}), Options{Location: time.UTC})
	const received = "Nov 29 12:00:00 sshd[7]: Failed password for invalid user "
	for buffer, honest := range map[int]bool{230: true, 255: false, 511: false, 1023: false} {
		for _, priority := range []string{"<0>", "<38>", "<191>"} {
			for _, blanks := range []int{0, 40} {
				end := " from 198.51.100.1 port 22" + strings.Repeat(" ", blanks)
				sent := priority + received + strings.Repeat("x", buffer-len(priority)-len(received)-len(end)) + end
				kept := strings.TrimPrefix(sent, priority)
				for _, line := range []string{sent, kept, kept[:16] + "h auth.info " + kept[16:], kept[:16] + "router authpriv.notice " + kept[16:]} {
					want := honest && len(line) < 250
					for name, takes := range map[string]bool{"parse": p.Parse([]byte(line), noon, &detect.Event{}) == nil, "tries": p.Tries(0, []byte(line))} {
						if takes != want {
							t.Errorf("%s, %d bytes of %d: taken %t: %s", name, len(line), buffer, takes, line)
						}
					}
				}
			}
		}
	}
	for _, header := range []string{"Nov 29 12:00:00 h sshd[7]: ", "2026-11-29T12:00:00Z h sshd[7]: ", "<38>1 2026-11-29T12:00:00Z - sshd 7 - -  ", "Nov 29 12:00:00 h.auth sshd[7]: ", "Nov 29 12:00:00 imap-login: Info: "} {
		line := header + "Failed password for " + strings.Repeat("x", 300) + " from 203.0.113.5 port 22"
		if err := p.Parse([]byte(line), noon, &detect.Event{}); err != nil {
			t.Errorf("not busybox's: %v: %s", err, line)
		}
	}
}

func TestTheTimeOfALine(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for _, c := range []struct {
		layout, text string
		want         time.Time
	}{
		{"", "2026-11-29T12:00:00Z", noon}, {"", "2026-11-29T12:00:00.250+0100", noon.Add(-time.Hour + time.Second/4)},
		{"", "2026-11-29 12:00:00", noon.Add(-time.Hour)}, {"", "2026/11/29 12:00:00", noon.Add(-time.Hour)},
		{"", "2026-11-29 12:00:00,500", noon.Add(-time.Hour)}, {"", "29/Nov/2026:12:00:00 +0000", noon},
		{"", "29/Nov/2026:12:00:00.500", noon.Add(-time.Hour + time.Second/2)}, {"", "Sun Nov 29 12:00:00 2026", noon.Add(-time.Hour)},
		{"", "Sun Nov  1 12:00:00.5 2026", time.Date(2026, 11, 1, 11, 0, 0, 5e8, time.UTC)},
		{"", "1795953600", noon}, {"", "1795953600123", noon.Add(123 * time.Millisecond)}, {"", "1795953600.123", noon},
		{"", "Nov 28 12:00:00", noon.Add(-25 * time.Hour)}, {"", "Dec 31 12:00:00", time.Date(2025, 12, 31, 11, 0, 0, 0, time.UTC)},
		{"02.01.2006 15:04", "29.11.2026 12:00", noon.Add(-time.Hour)}, {"02.01. 15:04", "31.12. 12:00", time.Date(2025, 12, 31, 11, 0, 0, 0, time.UTC)},
		{time822, "29 Nov 26 12:00 +0000", noon}, {"02.01. 15:04", "29.02. 12:00", time.Date(2024, 2, 29, 11, 0, 0, 0, time.UTC)},
		{"Jan 2 15:04:05 -0700", "Nov 29 12:00:00 +0000", noon},
	} {
		p := New(setOf(t, Pattern{Event: "a", Regexp: `^\S+ \d+ \S+ h \[(?P<time>[^\]]*)\] (?P<src>\S+)$`, TimeFormat: c.layout}), Options{Location: zone})
		if c.layout == "" { // the header's stands in where there is none
			p = New(setOf(t, Pattern{Event: "a", Regexp: `\[(?P<time>[^\]]*)\] (?P<src>\S+)$`}), Options{Location: zone})
		}
		var ev detect.Event
		line := fmt.Sprintf("Nov 20 10:00:00 h [%s] 203.0.113.5", c.text)
		if err := p.Parse([]byte(line), noon, &ev); err != nil || !ev.Time.Equal(c.want) || ev.Time.Location() != time.UTC {
			t.Errorf("%s %s: %v, %v", c.layout, c.text, ev.Time, err)
		}
	}
	p := New(setOf(t, Pattern{Event: "a", Regexp: `\[(?P<time>[^\]]*)\] (?P<src>\S+)$`}), Options{Location: zone})
	var ev detect.Event
	for line, want := range map[string]time.Time{"Nov 20 10:00:00 h [] 203.0.113.5": time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), "[] 203.0.113.5": noon} {
		if err := p.Parse([]byte(line), noon, &ev); err != nil || !ev.Time.Equal(want) {
			t.Errorf("%s: %v, %v", line, ev.Time, err)
		}
	}
	for _, text := range []string{"yesterday", "1970-01-01T00:00:00Z", "30/Feb/2026:12:00:00 +0000", "Sun Nov 29 12:00:00", "29/Nov/2026:12:00:00 CET"} {
		if err := p.Parse([]byte("["+text+"] 203.0.113.5"), noon, &ev); err == nil || errors.Is(err, detect.ErrNoEvent) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, %v", text, ev.Time, err)
		}
	}
}

// A clock that is set back passes an hour twice: the line is the first, and may be the second.
func TestATimeThatWasPassedTwice(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	for _, layout := range []string{"", "2006-01-02 15:04:05"} {
		p := New(setOf(t, Pattern{Event: "a", Regexp: `^\[(?P<time>[^\]]*)\] (?P<src>\S+)$`, TimeFormat: layout}), Options{Location: zone})
		var ev detect.Event
		if err := p.Parse([]byte("[2026-10-25 02:30:00] 203.0.113.5"), noon, &ev); err != nil || ev.Later != time.Hour || !ev.Time.Equal(time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)) {
			t.Errorf("%q: %v, %v later, %v", layout, ev.Time, ev.Later, err)
		}
	}
}

func TestALineThatNoPatternTakesAllocatesNothing(t *testing.T) {
	p := New(setOf(t, Pattern{Event: "a", Regexp: sshFailed}, Pattern{Event: "b", Regexp: `(?P<src>\d+) x$`}), Options{})
	var ev detect.Event
	for _, line := range []string{"Nov 29 12:00:00 h CRON[7]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", "Nov 29 12:00:00 h sshd[7]: Failed password for nobody"} {
		text := []byte(line)
		least := 1.0
		for range 20 { // with the race detector pools drop some of what they keep
			least = min(least, testing.AllocsPerRun(1, func() {
				if err := p.Parse(text, noon, &ev); err != ErrNoMatch {
					t.Fatal(err)
				}
			}))
		}
		if least != 0 {
			t.Errorf("%s: %v allocations", line, least)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Nov 29 12:00:00 h sshd[7]: message repeated 3 times: [ Failed password for a from 203.0.113.5 port 2]"))
	f.Add([]byte("[29/Nov/2026:12:00:00 +0100] 203.0.113.5"))
	f.Add([]byte("1 2026-11-29T12:00:00Z - - - - - [Sun Nov 29 12:00:00 2026] ::1"))
	s := setOf(f, Pattern{Event: "a", Regexp: sshFailed}, Pattern{Event: "b", Regexp: `\[(?P<time>[^\]]*)\] (?P<src>\S+)`}, Pattern{Event: "c", Regexp: `(?P<time>..:..) (?P<src>\S+)`, TimeFormat: "02.01. 15:04"})
	f.Fuzz(func(t *testing.T, line []byte) {
		var ev detect.Event
		p := New(s, Options{})
		if err := p.Parse(line, noon, &ev); err == nil && (!ev.Src.IsValid() || ev.Src.Is4In6() || ev.Src.Zone() != "" || ev.Subtype == "" || ev.Time.IsZero() || ev.Repeat == 0) {
			t.Errorf("%q: %+v", line, ev)
		}
	})
}

// TestMessagesThatBusyBoxCuts: its syslogd reads 255 bytes of a message; a user who has the rest cut off is not the line's end.
func TestMessagesThatBusyBoxCuts(t *testing.T) {
	const user = " from 192.0.2.66 port 22"
	p := parserOf(t, "sshd")
	for _, c := range []struct {
		header, user string
		want         error
	}{
		{"Nov 29 11:59:58 h authpriv.info sshd[812]: ", "anna", nil},
		{"Nov 29 11:59:58 h authpriv.info sshd[812]: ", strings.Repeat(`\001`, 47) + user, ErrNoMatch},
		{"Nov 29 11:59:58 h sshd[812]: ", strings.Repeat(`\001`, 47) + user, nil}, // of another one, which does not cut so early
	} {
		var ev detect.Event
		sent := "<38>Nov 29 11:59:58 sshd[812]: Invalid user " + c.user + " from 203.0.113.5 port 51234"
		line := c.header + strings.TrimPrefix(sent[:min(len(sent), 255)], "<38>Nov 29 11:59:58 sshd[812]: ")
		if c.want == nil {
			line = c.header + strings.TrimPrefix(sent, "<38>Nov 29 11:59:58 sshd[812]: ")
		}
		if err := p.Parse([]byte(line), noon, &ev); err != c.want || err == nil && ev.Src != honest {
			t.Errorf("%s: %v, source %v", line, err, ev.Src)
		}
	}
}

// TestLongRequests: what a web server made of a request as long as it takes is read.
func TestLongRequests(t *testing.T) {
	var ev detect.Event
	line := `203.0.113.5 - - [29/Nov/2026:12:00:00 +0100] "GET /.env?` + strings.Repeat("A", 8150) + ` HTTP/1.1" 404 153 "-" "curl"`
	if err := parserOf(t, "nginx-access").Parse([]byte(line), noon, &ev); err != nil || ev.Src != honest || ev.Subtype != "http-probe" {
		t.Errorf("%v, %v", err, ev.Src)
	}
}
