package trouble

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"activedefense/agent/line"
	"activedefense/agent/silence"
)

// lagTold is how old lines must be when they are read for that to be a trouble.
const lagTold = 5 * time.Minute

// longestLine is as much as one line can be, which is not late as long as it is not whole.
const longestLine = 64 << 10

// named is how many files one trouble names.
const named = 5

// Crowds is what a person should see to about inputs with more files than are followed at once.
func Crowds(crowds []line.Crowd) (troubles []Trouble) {
	for _, c := range crowds {
		troubles = append(troubles, Trouble{Since: c.Since, Of: c.Pattern,
			What:   fmt.Sprintf("input: more files match %s than are followed at once: %d are, those with news first; %d rest, unchanged since they were read; %d wait for their turn", c.Pattern, c.Followed, c.Resting, c.Waiting),
			Remedy: "See who makes so many: with rsyslog each sender makes one, and its configuration names who may send. Move away old ones, or raise inputs[].max_files and the unit's LimitNOFILE (two descriptors a file)"})
	}
	return troubles
}

// Inputs is what a person should see to about the inputs: what cannot be read, what has fallen silent, whose times are wrong, where logins hide.
func Inputs(s *line.Status) (troubles []Trouble) {
	unreadable := Trouble{Remedy: "See that the daemon's user may read them and enter their folder, and that the disk is well"}
	timed := Trouble{Remedy: "Set the input's timezone, or the clock of the firewall"}
	late := Trouble{Remedy: "It goes on by itself; that lasts if the host cannot keep up: look at its processor, its disk and the database"}
	var cannot, times, behind []string
	for i := range s.Inputs {
		in := &s.Inputs[i]
		if in.ErrorSince != nil && in.Silent == nil { // of what is not there it is told that it is silent
			cannot = append(cannot, in.Path+": "+in.Error)
			unreadable.Since = earlier(unreadable.Since, *in.ErrorSince)
		}
		if lag := time.Duration(in.LagSeconds * float64(time.Second)); lag >= lagTold && in.Behind > longestLine && in.Clock == "" {
			behind = append(behind, fmt.Sprintf("%s (%s)", in.Path, lag.Round(time.Second)))
		}
		if in.Hidden > 0 {
			troubles = append(troubles, Trouble{Since: *in.HiddenSince, Of: in.Path,
				What: fmt.Sprintf("logins: %s of %s count for nobody since %s: the last was %s", english.Plural(int(in.Hidden), "failed login", ""), in.Path, in.HiddenSince.Format(time.RFC3339), in.HiddenReason),
				Remedy: "Somebody may guess passwords and hide it: the firewall's Monitor > Logs has the addresses. activedefense status --all has one of the lines, and activedefense explain LINE says what is wrong with it. " +
					"In CEF and LEEF have the server profile escape the equals sign, or put address and status ahead of the user; a description of 500 bytes or more is a user's name"})
		}
		if in.Clock != "" {
			times = append(times, in.Path+": "+in.Clock)
		}
	}
	if len(cannot) > 0 {
		unreadable.What = fmt.Sprintf("input: %s cannot be read, or only in part: %s", english.Plural(len(cannot), "file", ""), some(cannot))
		troubles = append(troubles, unreadable)
	}
	for i := range s.Heard {
		if t, is := silent(&s.Heard[i]); is {
			troubles = append(troubles, t)
		}
	}
	if len(behind) > 0 {
		late.What = fmt.Sprintf("lag: lines are read late, and attackers blocked late, of %s: %s", english.Plural(len(behind), "file", ""), some(behind))
		troubles = append(troubles, late)
	}
	if len(times) > 0 {
		timed.What = fmt.Sprintf("times: those of %s are wrong: %s", english.Plural(len(times), "file", ""), some(times))
		troubles = append(troubles, timed)
	}
	return troubles
}

// silent is an input without a line for too long, or some of its files.
func silent(s *silence.Status) (t Trouble, is bool) {
	receives := "what receives it still writes (systemctl status rsyslog)"
	if strings.Contains(s.Pattern, "://") {
		receives = "nothing between it and this host is in the way; status --all has what the listener refused"
	}
	t = Trouble{Of: s.Pattern, Remedy: "Look whether the firewall still sends (Monitor > Logs has new lines; Device > Server Profiles > Syslog) and " + receives + ". " +
		"For one that logs less often raise inputs[].silent_after; the file of one that was taken out of service is moved away"}
	switch {
	case !s.Since.IsZero() && s.Last.IsZero():
		t.Since, t.What = s.Since, fmt.Sprintf("input-silent: there has never been a line from %s", s.Pattern)
	case !s.Since.IsZero():
		t.Since, t.What = s.Since, fmt.Sprintf("input-silent: no line comes from %s any more, the last one at %s", s.Pattern, s.Last.Format(time.RFC3339))
	case len(s.Silent) > 0:
		var names []string
		for _, q := range s.Silent {
			names = append(names, fmt.Sprintf("%s (last %s)", q.Path, q.Since.Format(time.RFC3339)))
		}
		t.Since, t.What = s.Silent[0].Since, fmt.Sprintf("input-silent: no line comes any more from %d of %s of %s: %s", len(names), english.Plural(s.Files, "file", ""), s.Pattern, some(names))
	default:
		return t, false
	}
	return t, true
}

// some joins the first of many.
func some(names []string) string {
	if len(names) <= named {
		return strings.Join(names, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(names[:named], "; "), len(names)-named)
}

// earlier gives the earlier of two times, of which the first may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
