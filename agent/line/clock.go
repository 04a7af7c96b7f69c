package line

import (
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
)

const (
	// clockTolerance is how far the time of a live line may be off before somebody should know.
	clockTolerance = 10 * time.Minute
	// clockStreak is how many live lines in a row must agree, so that one forged line warns of nothing.
	clockStreak = 5
	// clockRepeat is how often the warning for one file is repeated.
	clockRepeat = time.Hour
)

// clockWarner notices firewalls whose clock or time zone is not what the configuration says: detection
// works by event time, so a wrong zone makes live attacks look like old ones.
type clockWarner struct {
	log    zerolog.Logger
	now    func() time.Time
	end    *ends
	states map[*lane]*clockState
}

type clockState struct {
	streak int
	warned time.Time
}

func newClockWarner(log zerolog.Logger, now func() time.Time, end *ends) *clockWarner {
	return &clockWarner{log: log, now: now, end: end, states: make(map[*lane]*clockState)}
}

// look checks one live line; now may be of some lines ago.
func (w *clockWarner) look(l *lane, ev *detect.Event, now time.Time) {
	if !l.live.caught {
		return // a backlog is old by nature
	}
	off := ev.Time.Sub(now)
	st := w.states[l]
	if off.Abs() <= clockTolerance {
		if st != nil {
			l.live.stats.setClock("")
			delete(w.states, l)
		}
		return
	}
	// Looked at again: the store may have kept us waiting in between, and lines that waited with us are old by that.
	if now = w.now(); w.end.missed(now) {
		return
	}
	if off = ev.Time.Sub(now); off.Abs() <= clockTolerance {
		return
	}
	if st == nil {
		st = &clockState{}
		w.states[l] = st
	}
	st.streak++
	if st.streak < clockStreak || now.Sub(st.warned) < clockRepeat {
		return
	}
	st.warned = now
	text := clockText(off, ev.Time.In(l.live.input.Location))
	l.live.stats.setClock(text)
	w.log.Warn().Str("file", l.name).Msg("log timestamps are off: " + text)
}

// inUse tells whether any zone has this offset: whole hours from -12 to +14, and some between (IANA time zone database).
func inUse(offset time.Duration) bool {
	switch minutes := int(offset / time.Minute); minutes {
	case -570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825:
		return true
	default:
		return minutes%60 == 0 && minutes >= -12*60 && minutes <= 14*60
	}
}

// clockText says how far the times are off, and which zone would fit, if one would: zones differ from
// one another by multiples of 15 minutes and by at most a day.
func clockText(off time.Duration, at time.Time) string {
	direction := "ahead of"
	if off < 0 {
		direction = "behind"
	}
	text := fmt.Sprintf("%s %s this host's clock", off.Abs().Round(time.Second), direction)
	steps := off.Round(15 * time.Minute)
	if (off-steps).Abs() > 5*time.Minute || off.Abs() > 26*time.Hour {
		return text + "; check the firewall's clock"
	}
	// Read in its true zone, the same digits mean an earlier instant by the difference.
	_, assumed := at.Zone()
	offset := time.Duration(assumed)*time.Second + steps
	if !inUse(offset) {
		return text + "; check the firewall's clock"
	}
	sign := '+'
	if offset < 0 {
		sign = '-'
	}
	h, m := int(offset.Abs().Hours()), int(offset.Abs().Minutes())%60
	return fmt.Sprintf("%s; a timezone with UTC%c%02d:%02d would fit (inputs[].timezone)", text, sign, h, m)
}
