package explain

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"activedefense/agent/display"
	"activedefense/detect"
	"activedefense/store"
)

// mostSeen is how many records of an address are looked through, the newest first.
const mostSeen = 1000

// Unlisted is what is known of an address that is not on the blacklist and never was.
type Unlisted struct {
	Program      string           `json:"-"` // how a reader calls this program; "": activedefense
	Address      string           `json:"address"`
	Blocked      bool             `json:"blocked"` // false
	Entries      []BlacklistEntry `json:"entries"` // none
	Records      int              `json:"records"` // that are stored of it as source, at most 1000, the newest
	More         bool             `json:"more"`    // there are more
	Refused      int              `json:"refused"` // of Records; of those of earlier versions it is not known
	Answered     int              `json:"answered"`
	LateAnswers  int              `json:"late_answers"`     // refused, as late answers to sessions that ours opened; not among Refused
	Logged       int              `json:"logged,omitempty"` // of Records, those of other logs than the firewalls', which have no outcome
	Input        string           `json:"input,omitempty"`  // as which the newest of those is read: the file, or the URL of a listener
	Destinations int              `json:"destinations"`     // distinct addresses among Records, of those that have one
	Ports        int              `json:"ports"`            // distinct destination ports
	FirstSeen    time.Time        `json:"first_seen,omitzero"`
	LastSeen     time.Time        `json:"last_seen,omitzero"`
	WhyNot       string           `json:"why_not"`     // why it is not blocked, as far as is known
	Counted      int              `json:"counted"`     // of Refused, those that a rule counts by the present configuration
	Near         []Near           `json:"near"`        // how near each rule came, that counted any
	NotCounted   []NotCounted     `json:"not_counted"` // the others of Refused, the most frequent reason first
}

// NotCounted are refused records that no rule counts, all for one reason.
type NotCounted struct {
	Reason  string `json:"reason"` // in the words of [detect.Settings.Explain]
	Records int    `json:"records"`
}

// A Judge says what the present configuration makes of records.
type Judge struct {
	Settings detect.Settings
	Guard    *detect.Guard
	WhyNot   func(*store.Record) string            // why no rule counts it, "" if one does; see [detect.Settings.WhyNot]
	Input    func(file string) string              // how --input names the input of a log file
	Counts   func(*store.Record) []detect.Counting // see [detect.Settings.Explain]; it is asked of those that one counts
}

// OfUnlisted gathers what the store knows of an address or network without any entry.
func OfUnlisted(ctx context.Context, st *store.Store, judge *Judge, prefix netip.Prefix) (*Unlisted, error) {
	near := newNearness(&judge.Settings, judge.Counts)
	u := &Unlisted{Address: detect.AddressText(prefix), Entries: []BlacklistEntry{}}
	destinations, ports, reasons := map[netip.Addr]bool{}, map[uint16]bool{}, map[string]int{}
	err := st.Records(ctx, store.RecordFilter{Conditions: store.Conditions{Src: []netip.Prefix{prefix}}, Limit: mostSeen + 1, Paths: true}, func(r *store.Record) error {
		if u.Records == mostSeen {
			u.More = true
			return nil
		}
		u.Records++
		u.FirstSeen, u.LastSeen = r.Time, cmp.Or(u.LastSeen, r.Time)
		switch r.Outcome {
		case store.Refused:
			u.Refused++
			if why := judge.WhyNot(r); why != "" {
				reasons[why]++
			} else {
				u.Counted++
				near.add(r)
			}
		case store.Answered:
			u.Answered++
		case store.LateAnswer:
			u.LateAnswers++
		default:
			if r.Type == detect.TypeLog.String() {
				if u.Logged++; u.Logged == 1 {
					u.Input = judge.Input(r.Path)
				}
				if why := judge.WhyNot(r); why != "" {
					reasons[why]++
				} else {
					near.add(r)
				}
			}
		}
		if r.Dst.IsValid() { // not every log has one
			destinations[r.Dst], ports[r.DstPort] = true, true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	u.Destinations, u.Ports = len(destinations), len(ports)
	u.NotCounted = make([]NotCounted, 0, len(reasons))
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		u.NotCounted = append(u.NotCounted, NotCounted{why, reasons[why]})
	}
	slices.SortStableFunc(u.NotCounted, func(a, b NotCounted) int { return b.Records - a.Records })
	u.Near = near.list()
	u.WhyNot = u.whyNot(judge.Guard.Check(prefix))
	return u, nil
}

// WriteText writes for people what is known of an address that is not on the blacklist and never was.
func (u *Unlisted) WriteText(w io.Writer) error {
	t := display.NewTable(w)
	t.Line("%s is not blocked: %s", u.Address, u.WhyNot)
	u.write(t)
	return t.Flush()
}

// write writes what the records say, if there are any.
func (u *Unlisted) write(t *display.Table) {
	if u.Records == 0 {
		return
	}
	records := fmt.Sprint(u.Records)
	if u.More {
		records = "the newest " + records
	}
	t.Line("")
	if u.Logged < u.Records {
		t.Row("records", fmt.Sprintf("%s, %d refused, %d answered, %s to sessions of ours", records, u.Refused, u.Answered, display.Plural(u.LateAnswers, "late answer")))
	} else {
		t.Row("records", records+", all of them of logs that are read by patterns")
	}
	if u.Logged > 0 && u.Logged < u.Records {
		t.Row("other logs", display.Plural(u.Logged, "record"))
	}
	if u.Refused > 0 {
		t.Row("counted", fmt.Sprintf("%d of the %d refused", u.Counted, u.Refused))
	}
	for _, n := range u.Near {
		if n.Told {
			t.Row("told", n.Rule+": "+n.Text+"; its mode is notice: it tells, and blocks nobody")
			continue
		}
		t.Row("near", n.Rule+": at most "+n.Text)
	}
	for _, n := range u.NotCounted {
		t.Row("not counted", fmt.Sprintf("%d: %s", n.Records, n.Reason))
	}
	t.Row("first seen", display.LocalTime(u.FirstSeen))
	t.Row("last seen", display.LocalTime(u.LastSeen))
	if u.Destinations > 0 {
		t.Row("reached", display.Plural(u.Destinations, "address")+", "+display.Plural(u.Ports, "port"))
	}
	program, input := cmp.Or(u.Program, "activedefense"), ""
	if u.Logged == u.Records {
		input = "--input " + shellWord(u.Input) + " " // the line is of no input of the firewalls' logs
	} else if u.Logged > 0 {
		input = "[--input " + shellWord(u.Input) + "] "
	}
	t.Line("\nThe records: %s records --since 30d --src %s. How one counts: %s explain %sLINE", program, u.Address, program, input)
}

// shellWord writes a text as one word of a shell.
func shellWord(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r > '~' || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+:@%=,", r)
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// whyNot says why the address is not blocked; refusal is the guard's.
func (u *Unlisted) whyNot(refusal error) string {
	switch {
	case refusal != nil:
		return "it may never be blocked: " + refusal.Error()
	case u.Records == 0:
		return "no record of it is stored"
	case slices.ContainsFunc(u.Near, func(n Near) bool { return n.Told }):
		return "only a rule of mode notice found enough, which tells and blocks nobody"
	case u.Logged > 0 && len(u.Near) > 0:
	case u.Logged == u.Records && len(u.NotCounted) == 1:
		return "none of its records counts: " + u.NotCounted[0].Reason
	case u.Refused == 0 && u.LateAnswers > 0:
		return "what was refused of it are late answers to sessions that ours opened, which are no attack"
	case u.Refused == 0 && u.Answered == u.Records:
		return "its sessions were answered, and none refused"
	case len(u.NotCounted) == 1 && u.Counted == 0:
		return "none of its refused records counts: " + u.NotCounted[0].Reason
	case u.Refused > 0 && u.Counted == 0:
		return "none of its refused records counts"
	}
	return "no rule found enough within its window"
}
